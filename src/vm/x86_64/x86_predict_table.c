/* SPDX-License-Identifier: MIT */
/* Which instructions have rules of their own, and which belong to features that CPUID must show.
 *
 * What CPUID does not show raises #UD, whatever the host's CPU could do: else a trace would depend on the host. The
 * exception are encodings in the hint space, which every CPU executes as NOPs (SDM 2, NOP; endbr, prefetch, cldemote),
 * and prefixes that older CPUs ignore (pause, xacquire). */
#include "vm/x86_64/x86_predict.h"

#include <Zydis/Mnemonic.h>
#include <Zydis/SharedTypes.h>
#include <Zydis/MetaInfo.h>

#define M(name) ZYDIS_MNEMONIC_##name

static const u8 kinds[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	[M(UD0)] = X86_K_UD, [M(UD1)] = X86_K_UD, [M(UD2)] = X86_K_UD,
	[M(RSM)] = X86_K_UD, /* outside SMM (SDM 2, RSM) */
	[M(LLDT)] = X86_K_PROTECTED, [M(LTR)] = X86_K_PROTECTED, [M(SLDT)] = X86_K_PROTECTED, [M(STR)] = X86_K_PROTECTED,
	[M(LAR)] = X86_K_PROTECTED, [M(LSL)] = X86_K_PROTECTED, [M(VERR)] = X86_K_PROTECTED, [M(VERW)] = X86_K_PROTECTED,
	[M(ARPL)] = X86_K_PROTECTED,
	[M(MOV)] = X86_K_MOV,
	[M(IN)] = X86_K_PORT, [M(OUT)] = X86_K_PORT,
	[M(INSB)] = X86_K_PORT, [M(INSW)] = X86_K_PORT, [M(INSD)] = X86_K_PORT,
	[M(OUTSB)] = X86_K_PORT, [M(OUTSW)] = X86_K_PORT, [M(OUTSD)] = X86_K_PORT,
	[M(CLI)] = X86_K_CLI, [M(STI)] = X86_K_STI,
	[M(RDMSR)] = X86_K_RDMSR, [M(WRMSR)] = X86_K_WRMSR,
	[M(RDTSC)] = X86_K_RDTSC, [M(RDTSCP)] = X86_K_RDTSC, [M(RDPMC)] = X86_K_RDPMC,
	[M(SYSCALL)] = X86_K_SYSCALL, [M(SYSRET)] = X86_K_SYSRET, [M(SYSENTER)] = X86_K_SYSENTER, [M(SYSEXIT)] = X86_K_SYSEXIT,
	[M(LAHF)] = X86_K_LAHF, [M(SAHF)] = X86_K_LAHF,
	[M(FWAIT)] = X86_K_FWAIT,
	[M(FXSAVE)] = X86_K_FXSAVE, [M(FXSAVE64)] = X86_K_FXSAVE, [M(FXRSTOR)] = X86_K_FXRSTOR, [M(FXRSTOR64)] = X86_K_FXRSTOR,
	/* FSETPM, FDISI and FENI are NOPs since the 387. */
	[M(FNINIT)] = X86_K_X87_NOWAIT, [M(FNCLEX)] = X86_K_X87_NOWAIT, [M(FNSTCW)] = X86_K_X87_NOWAIT,
	[M(FNSTSW)] = X86_K_X87_NOWAIT, [M(FNSTENV)] = X86_K_X87_NOWAIT, [M(FNSAVE)] = X86_K_X87_NOWAIT,
	[M(FSETPM287_NOP)] = X86_K_X87_NOWAIT, [M(FDISI8087_NOP)] = X86_K_X87_NOWAIT, [M(FENI8087_NOP)] = X86_K_X87_NOWAIT,
	[M(MOVUPS)] = X86_K_UNALIGNED, [M(MOVUPD)] = X86_K_UNALIGNED, [M(MOVDQU)] = X86_K_UNALIGNED,
	[M(LDDQU)] = X86_K_UNALIGNED, [M(MASKMOVDQU)] = X86_K_UNALIGNED,
	/* SSE4.2's string compares have no alignment rule either (SDM 2, PCMPISTRI). */
	[M(PCMPESTRI)] = X86_K_UNALIGNED, [M(PCMPESTRM)] = X86_K_UNALIGNED, [M(PCMPISTRI)] = X86_K_UNALIGNED,
	[M(PCMPISTRM)] = X86_K_UNALIGNED,
	[M(DIV)] = X86_K_DIV, [M(IDIV)] = X86_K_IDIV, [M(AAM)] = X86_K_AAM, [M(BOUND)] = X86_K_BOUND,
	[M(INTO)] = X86_K_INTO, [M(INT)] = X86_K_INT, [M(INT1)] = X86_K_INT1, [M(INT3)] = X86_K_INT3,
	[M(LGDT)] = X86_K_LGDT, [M(LIDT)] = X86_K_LGDT, [M(LDMXCSR)] = X86_K_LDMXCSR, [M(ENTER)] = X86_K_ENTER,
};

unsigned x86_kind(const struct x86_insn *i)
{
	return i->mnemonic < KT_ARRAY_LEN(kinds) ? kinds[i->mnemonic] : X86_K_UD;
}

enum where { NEVER = 0, ALWAYS, BY_CPUID };
enum { EAX, EBX, ECX, EDX };

/* cr4: a bit of CR4 that must be set as well. */
struct feature {
	u8 where, reg, bit;
	u32 leaf, cr4;
};

#define I(name) ZYDIS_ISA_SET_##name
#define BASE {.where = ALWAYS}
#define CPUID(l, r, b) {.where = BY_CPUID, .leaf = (l), .reg = (r), .bit = (b)}
#define CPUID_CR4(l, r, b, c4) {.where = BY_CPUID, .leaf = (l), .reg = (r), .bit = (b), .cr4 = (c4)}

/* Leaf, register and bit: SDM 2, CPUID, tables 3-8, 3-10, 3-11. What stands nowhere here does not exist: AVX-512, KNC,
 * VMX, SVM, SMX, 3DNow!, PadLock, TSX, CET, SGX, AMX ... */
static const struct feature features[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
	[0] = BASE, [I(I86)] = BASE, [I(I186)] = BASE, [I(I286REAL)] = BASE, [I(I286PROTECTED)] = BASE, [I(I386)] = BASE,
	[I(I486)] = BASE, [I(I486REAL)] = BASE, [I(PENTIUMREAL)] = BASE, [I(PENTIUMMMX)] = BASE, [I(PPRO)] = BASE,
	[I(LONGMODE)] = BASE, [I(CMOV)] = BASE, [I(FCMOV)] = BASE, [I(X87)] = BASE, [I(FXSAVE)] = BASE, [I(FXSAVE64)] = BASE,
	[I(RDPMC)] = BASE, [I(PAUSE)] = BASE, [I(LAHF)] = BASE, [I(SSE)] = BASE, [I(SSE2)] = BASE, [I(SSE2MMX)] = BASE,
	[I(SSEMXCSR)] = BASE, [I(FAT_NOP)] = BASE, [I(SSE_PREFETCH)] = BASE, [I(PREFETCH_NOP)] = BASE, [I(PREFETCHWT1)] = BASE,
	[I(CLDEMOTE)] = BASE, [I(MPX)] = BASE, /* 0f 1a, 0f 1b, 0f 1c: hint space */
	[I(CLFSH)] = CPUID(1, EDX, 19),
	[I(SSE3)] = CPUID(1, ECX, 0), [I(SSE3X87)] = CPUID(1, ECX, 0), [I(PCLMULQDQ)] = CPUID(1, ECX, 1),
	[I(MONITOR)] = CPUID(1, ECX, 3), [I(SSSE3)] = CPUID(1, ECX, 9), [I(SSSE3MMX)] = CPUID(1, ECX, 9),
	[I(CMPXCHG16B)] = CPUID(1, ECX, 13), [I(SSE4)] = CPUID(1, ECX, 19), [I(SSE42)] = CPUID(1, ECX, 20),
	[I(MOVBE)] = CPUID(1, ECX, 22), [I(POPCNT)] = CPUID(1, ECX, 23), [I(AES)] = CPUID(1, ECX, 25),
	[I(XSAVE)] = CPUID_CR4(1, ECX, 26, X86_CR4_OSXSAVE), [I(RDRAND)] = CPUID(1, ECX, 30),
	[I(AVX)] = CPUID(1, ECX, 28), [I(FMA)] = CPUID(1, ECX, 12), [I(F16C)] = CPUID(1, ECX, 29),
	[I(AVXAES)] = CPUID(1, ECX, 28),
	[I(RDWRFSGS)] = CPUID_CR4(7, EBX, 0, X86_CR4_FSGSBASE), [I(BMI1)] = CPUID(7, EBX, 3), [I(AVX2)] = CPUID(7, EBX, 5),
	[I(AVX2GATHER)] = CPUID(7, EBX, 5), [I(BMI2)] = CPUID(7, EBX, 8), [I(INVPCID)] = CPUID(7, EBX, 10),
	[I(RDSEED)] = CPUID(7, EBX, 18), [I(ADOX_ADCX)] = CPUID(7, EBX, 19), [I(SMAP)] = CPUID(7, EBX, 20),
	[I(CLFLUSHOPT)] = CPUID(7, EBX, 23), [I(CLWB)] = CPUID(7, EBX, 24), [I(SHA)] = CPUID(7, EBX, 29),
	[I(RDPID)] = CPUID(7, ECX, 22), [I(GFNI)] = CPUID(7, ECX, 8), [I(SERIALIZE)] = CPUID(7, EDX, 14),
	[I(MOVDIR)] = CPUID(7, ECX, 27), [I(LZCNT)] = CPUID(0x80000001, ECX, 5), [I(SSE4A)] = CPUID(0x80000001, ECX, 6),
	[I(RDTSCP)] = CPUID(0x80000001, EDX, 27),
};

/* SDM 2, CPUID: leaves above the maximum say nothing about features. */
static bool cpuid_bit(const struct x86_cpu *c, u32 leaf, unsigned reg, unsigned bit)
{
	u32 out[4];
	x86_model_cpuid(c, leaf & 0x80000000u, 0, out);
	if (leaf > out[0])
		return false;
	x86_model_cpuid(c, leaf, 0, out);
	return out[reg] >> bit & 1;
}

static bool present(const struct x86_cpu *c, const struct x86_insn *i)
{
	if (i->isa_set >= KT_ARRAY_LEN(features))
		return false;
	const struct feature *x = &features[i->isa_set];
	if (kt_likely(x->where == ALWAYS))
		return true;
	if (i->isa_set == ZYDIS_ISA_SET_CET) /* endbr, rdssp: hint space; the rest of CET does not exist */
		return i->opcode_map == 1 && i->opcode == 0x1e;
	if (x->where == NEVER)
		return false;
	return cpuid_bit(c, x->leaf, x->reg, x->bit) && (!x->cr4 || c->r[X86_cr4] & x->cr4);
}

/* SDM 2, LOCK: which instructions take the prefix; the destination must be memory. */
static bool lockable(const struct x86_insn *i)
{
	switch (i->mnemonic) {
	case M(ADC): case M(ADD): case M(AND): case M(BTC): case M(BTR): case M(BTS): case M(CMPXCHG): case M(CMPXCHG8B):
	case M(CMPXCHG16B): case M(DEC): case M(INC): case M(NEG): case M(NOT): case M(OR): case M(SBB): case M(SUB):
	case M(XADD): case M(XCHG): case M(XOR):
		return i->has_modrm && i->modrm < 0xc0;
	default:
		return false;
	}
}

int x86_check_isa(const struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_fault *f)
{
	if (kt_unlikely(kind == X86_K_UD) || kt_unlikely(!present(c, i)))
		return x86_fault_plain(f, X86_UD);
	if (kt_unlikely(i->prefix_lock) && !lockable(i))
		return x86_fault_plain(f, X86_UD);
	if (kt_unlikely(kind == X86_K_LAHF) && x86_is_code64(c->r) && !cpuid_bit(c, 0x80000001, ECX, 0))
		return x86_fault_plain(f, X86_UD);
	return 0;
}
