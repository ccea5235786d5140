/* SPDX-License-Identifier: MIT */
/* System instructions: in which mode and at which privilege they exist, and what control registers, debug registers,
 * MSRs and ports accept (SDM 2, the instructions' exception lists; SDM 3, 2.5, 5.9, 17.2).
 *
 * Segment loads are not checked here: x86_load_seg and the far transfers do that where they carry them out. */
#include "vm/x86_64/x86_predict.h"

enum { CR0_NW = 1 << 29, CR0_CD = 1 << 30, CR4_PVI = 2, CR4_MCE = 0x40, CR4_PCE = 0x100, CR4_OSXMMEXCPT = 0x400, CR4_PCIDE = 1 << 17 };
enum { DR7_GD = 1 << 13, DR6_BD = 1 << 13 };
enum { TSS_IOMAP = 102 }; /* SDM 3, figure 7-2: where a 32- and 64-bit TSS has its I/O map base */

/* CR4 bits of the features that CPUID leaf 1 shows: VME, PVI, TSC, DE, PSE, PAE, MCE, PGE, the counters' PCE, FXSR, SSE. */
static const u64 cr4_known = X86_CR4_VME | CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | CR4_MCE |
                             X86_CR4_PGE | CR4_PCE | X86_CR4_OSFXSR | CR4_OSXMMEXCPT;

/* PAE paging loads its four PDPTEs when CR3 is loaded or the mode begins; reserved bits raise #GP(0) (SDM 3, 4.4.1). */
static int check_pdptes(const struct x86_cpu *c, u64 cr3, struct x86_fault *f)
{
	const u64 reserved = ~((1ull << X86_PHYS_BITS) - 1) | 0x1e6;
	for (unsigned n = 0; n < 4; n++) {
		const u8 *p = x86_ram(c, (cr3 & 0xffffffe0u) + 8 * n, 8);
		u64 e = ~0ull;
		if (p)
			__builtin_memcpy(&e, p, 8);
		if (e & 1 && e & reserved)
			return x86_fault_gp(f, 0);
	}
	return 0;
}

static int check_cr0(const struct x86_cpu *c, u64 v, struct x86_fault *f)
{
	const u64 *r = c->r;
	bool lme = r[X86_efer] & X86_EFER_LME, pae = r[X86_cr4] & X86_CR4_PAE;
	if (v >> 32 || (v & X86_CR0_PG && !(v & X86_CR0_PE)) || (v & CR0_NW && !(v & CR0_CD)))
		return x86_fault_gp(f, 0);
	if (!(v & X86_CR0_PG)) {
		bool leaving = r[X86_cr0] & X86_CR0_PG;
		return leaving && (x86_is_code64(r) || r[X86_cr4] & CR4_PCIDE) ? x86_fault_gp(f, 0) : 0;
	}
	if (r[X86_cr0] & X86_CR0_PG)
		return 0;
	if (lme) { /* SDM 3, 9.8.5: activating IA-32e mode */
		bool tss16 = (r[X86_tr_attr] & 0xd) == 1 && !(r[X86_tr_attr] & X86_ATTR_UNUSABLE);
		return !pae || r[X86_cs_attr] & X86_ATTR_L || tss16 ? x86_fault_gp(f, 0) : 0;
	}
	return pae ? check_pdptes(c, r[X86_cr3], f) : 0;
}

static int check_cr3(const struct x86_cpu *c, u64 v, struct x86_fault *f)
{
	const u64 *r = c->r;
	if (r[X86_efer] & X86_EFER_LMA)
		return v >> X86_PHYS_BITS ? x86_fault_gp(f, 0) : 0;
	return r[X86_cr0] & X86_CR0_PG && r[X86_cr4] & X86_CR4_PAE ? check_pdptes(c, v, f) : 0;
}

static int check_cr4(const struct x86_cpu *c, u64 v, struct x86_fault *f)
{
	const u64 *r = c->r;
	if (v & ~cr4_known)
		return x86_fault_gp(f, 0);
	if (r[X86_efer] & X86_EFER_LMA)
		return v & X86_CR4_PAE ? 0 : x86_fault_gp(f, 0);
	u64 reload = (v ^ r[X86_cr4]) & (X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PGE | X86_CR4_SMEP);
	return r[X86_cr0] & X86_CR0_PG && v & X86_CR4_PAE && reload ? check_pdptes(c, r[X86_cr3], f) : 0;
}

/* mov cr and mov dr are 0f 2x /r, always registers: the last three bytes, a REX before them. */
static unsigned system_reg(const struct x86_insn *i, unsigned *gpr)
{
	u8 rex = x86_rex_at(i, i->k.len - 4);
	*gpr = x86_gpr((i->modrm & 7) | (rex & 1) << 3);
	return (i->modrm >> 3 & 7) | (rex & 4) << 1;
}

static int check_mov_cr(const struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	unsigned gpr, cr = system_reg(i, &gpr);
	if (cr > 8 || (cr > 4 && cr < 8) || cr == 1)
		return x86_fault_plain(f, X86_UD);
	if (x86_cpl(c->r))
		return x86_fault_gp(f, 0);
	if (i->opcode == 0x20)
		return 0;
	u64 v = x86_is_code64(c->r) ? c->r[gpr] : (u32)c->r[gpr];
	switch (cr) {
	case 0:
		return check_cr0(c, v, f);
	case 3:
		return check_cr3(c, v, f);
	case 4:
		return check_cr4(c, v, f);
	case 8:
		return v >> 4 ? x86_fault_gp(f, 0) : 0;
	}
	return 0;
}

static int check_mov_dr(const struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	unsigned gpr, dr = system_reg(i, &gpr);
	if (dr > 7 || ((dr == 4 || dr == 5) && c->r[X86_cr4] & X86_CR4_DE))
		return x86_fault_plain(f, X86_UD);
	if (x86_cpl(c->r))
		return x86_fault_gp(f, 0);
	if (c->r[X86_dr7] & DR7_GD) {
		x86_fault_plain(f, X86_DB);
		f->dr6 = DR6_BD;
		return -1;
	}
	bool high_half = x86_is_code64(c->r) && c->r[gpr] >> 32;
	return i->opcode == 0x23 && dr >= 4 && high_half ? x86_fault_gp(f, 0) : 0;
}

static int check_mov(const struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	if (i->opcode_map == 0) {
		unsigned sreg = i->modrm >> 3 & 7;
		return (i->opcode == 0x8e && (sreg == 1 || sreg > 5)) || (i->opcode == 0x8c && sreg > 5) ? x86_fault_plain(f, X86_UD) : 0;
	}
	if (i->opcode_map != 1)
		return 0;
	if (i->opcode == 0x20 || i->opcode == 0x22)
		return check_mov_cr(c, i, f);
	return i->opcode == 0x21 || i->opcode == 0x23 ? check_mov_dr(c, i, f) : 0;
}

/* SDM 1, 18.5.2: every bit of the ports touched must be clear; the CPU reads two bytes of the map at a time. */
static int check_iomap(struct x86_cpu *c, unsigned port, unsigned size, struct x86_fault *f)
{
	const u64 *r = c->r;
	unsigned type = r[X86_tr_attr] & 0xf;
	u32 limit = (u32)r[X86_tr_limit];
	bool usable = !(r[X86_tr_attr] & X86_ATTR_UNUSABLE) && r[X86_tr_attr] & X86_ATTR_P && (type == 9 || type == 11);
	if (!usable || limit < TSS_IOMAP + 1)
		return x86_fault_gp(f, 0);
	u16 map, bits;
	if (x86_sys_read(c, r[X86_tr_base] + TSS_IOMAP, &map, 2, f))
		return -1;
	u32 at = map + port / 8;
	if (at + 1 > limit)
		return x86_fault_gp(f, 0);
	if (x86_sys_read(c, r[X86_tr_base] + at, &bits, 2, f))
		return -1;
	return bits >> (port & 7) & ((1u << size) - 1) ? x86_fault_gp(f, 0) : 0;
}

static int check_port(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	const u64 *r = c->r;
	if (!(r[X86_cr0] & X86_CR0_PE))
		return 0;
	unsigned iopl = r[X86_rflags] >> 12 & 3;
	if (!(r[X86_rflags] & X86_VM) && x86_cpl(r) <= iopl)
		return 0;
	/* e4-e7: immediate port; ec-ef and 6c-6f: DX. Even opcodes move a byte; ports have no 64-bit form. */
	bool immediate = (i->opcode & 0xfc) == 0xe4;
	unsigned port = immediate ? i->k.bytes[i->k.len - 1] : r[X86_rdx] & 0xffff;
	unsigned size = !(i->opcode & 1) ? 1 : i->osize == 2 ? 2 : 4;
	return check_iomap(c, port, size, f);
}

/* SDM 2, CLI and STI, table 3-7: with PVI, CPL 3 works on VIF, and STI is refused while an interrupt is pending. */
static int check_if(const u64 *r, bool sti, struct x86_fault *f)
{
	unsigned cpl = x86_cpl(r), iopl = r[X86_rflags] >> 12 & 3;
	bool v86 = r[X86_cr0] & X86_CR0_PE && r[X86_rflags] & X86_VM;
	if (cpl <= iopl)
		return 0;
	bool virtual_if = v86 ? r[X86_cr4] & X86_CR4_VME : r[X86_cr4] & CR4_PVI && cpl == 3;
	return virtual_if && !(sti && r[X86_rflags] & X86_VIP) ? 0 : x86_fault_gp(f, 0);
}

/* AMD's syscall exists in 64-bit mode only on this CPU, as on Intel's. */
static int check_syscall(const u64 *r, const struct x86_insn *i, bool ret, struct x86_fault *f)
{
	if (!x86_is_code64(r) || !(r[X86_efer] & X86_EFER_SCE))
		return x86_fault_plain(f, X86_UD);
	if (!ret)
		return 0;
	return x86_cpl(r) || (i->rex_w && !x86_canonical(r, r[X86_rcx])) ? x86_fault_gp(f, 0) : 0;
}

static int check_sysenter(const u64 *r, const struct x86_insn *i, bool leave, struct x86_fault *f)
{
	if (!(r[X86_cr0] & X86_CR0_PE) || !(r[X86_sysenter_cs] & 0xfffc))
		return x86_fault_gp(f, 0);
	if (!leave)
		return 0;
	bool far_away = i->rex_w && (!x86_canonical(r, r[X86_rcx]) || !x86_canonical(r, r[X86_rdx]));
	return x86_cpl(r) || far_away ? x86_fault_gp(f, 0) : 0;
}

static int check_kind(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_fault *f)
{
	const u64 *r = c->r;
	unsigned cpl = x86_cpl(r);
	u32 msr = (u32)r[X86_rcx];
	switch (kind) {
	case X86_K_MOV:
		return check_mov(c, i, f);
	case X86_K_PORT:
		return check_port(c, i, f);
	case X86_K_CLI:
	case X86_K_STI:
		return check_if(r, kind == X86_K_STI, f);
	case X86_K_RDMSR:
		return cpl || !x86_model_msr_ok(c, msr, false, 0) ? x86_fault_gp(f, 0) : 0;
	case X86_K_WRMSR:
		return cpl || !x86_model_msr_ok(c, msr, true, (u32)r[X86_rax] | r[X86_rdx] << 32) ? x86_fault_gp(f, 0) : 0;
	case X86_K_RDTSC:
		return cpl && r[X86_cr4] & X86_CR4_TSD ? x86_fault_gp(f, 0) : 0;
	case X86_K_RDPMC: /* this CPU has no counters, so every number is a wrong one */
		return x86_fault_gp(f, 0);
	case X86_K_SYSCALL:
	case X86_K_SYSRET:
		return check_syscall(r, i, kind == X86_K_SYSRET, f);
	case X86_K_SYSENTER:
	case X86_K_SYSEXIT:
		return check_sysenter(r, i, kind == X86_K_SYSEXIT, f);
	}
	return 0;
}

int x86_check_system(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_fault *f)
{
	if (kind == X86_K_PROTECTED && !x86_is_protected(c->r))
		return x86_fault_plain(f, X86_UD);
	/* The ones with rules of their own know when #UD comes first. */
	bool own = kind == X86_K_MOV || (kind >= X86_K_RDMSR && kind <= X86_K_SYSEXIT);
	if (i->privileged && !own && x86_cpl(c->r))
		return x86_fault_gp(f, 0);
	return kind == X86_K_PLAIN ? 0 : check_kind(c, i, kind, f);
}
