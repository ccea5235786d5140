/* SPDX-License-Identifier: MIT */
/* The MSRs of the canonical CPU: one table that says where each lives, which bits a write may set, and by which rule.
 * What is not in it raises #GP(0), as kernels expect when they probe. */
#include "vm/x86_64/x86_cpu.h"

enum rule {
	RULE_PLAIN,      /* bits outside the mask: #GP */
	RULE_KEEP,       /* bits outside the mask keep their old value */
	RULE_CONST,      /* reads `fixed`; any write: #GP */
	RULE_SINK,       /* reads `fixed`; writes vanish */
	RULE_CANONICAL,  /* a canonical address */
	RULE_PAT,        /* eight memory types, 0 1 4 5 6 7 (SDM 3, table 11-10) */
	RULE_MTRR_FIXED, /* eight MTRR types, 0 1 4 5 6 (SDM 3, table 11-8) */
	RULE_MTRR_TYPED, /* as PLAIN, and an MTRR type in the low byte */
	RULE_EFER,
	RULE_TSC,
	RULE_TSC_ADJUST
};

struct msr {
	u32 index;
	u16 reg; /* KT_REG_NONE: lives in no register */
	u8 rule; /* enum rule */
	u8 dirty;
	u64 mask;
	u64 fixed;
};

enum { EFER_WRITABLE = X86_EFER_SCE | X86_EFER_LME | X86_EFER_NXE };

/* Physical addresses have 40 bits (CPUID 80000008). */
#define PHYS_PAGES 0xfffffff000ull
#define MTRR_PAIR(n) \
	{ 0x200 + 2 * n, X86_mtrr_physbase##n, RULE_MTRR_TYPED, 0, PHYS_PAGES | 0xff, 0 }, \
	{ 0x201 + 2 * n, X86_mtrr_physmask##n, RULE_PLAIN, 0, PHYS_PAGES | 0x800, 0 }
#define MTRR_FIXED(index, name) { index, X86_mtrr_fix##name, RULE_MTRR_FIXED, 0, ~0ull, 0 }

/* Sorted by index. SDM 4, tables 2-2 and 2-4. */
static const struct msr table[] = {
	{ 0x10, X86_tsc_offset, RULE_TSC, 0, ~0ull, 0 },
	{ 0x17, KT_REG_NONE, RULE_CONST, 0, 0, 0 },  /* PLATFORM_ID */
	{ 0x1b, X86_apic_base, RULE_PLAIN, 0, PHYS_PAGES | 0x100, 0 }, /* enabling what does not exist: #GP */
	{ 0x2a, KT_REG_NONE, RULE_CONST, 0, 0, 0 },  /* EBL_CR_POWERON */
	{ 0x3b, X86_tsc_adjust, RULE_TSC_ADJUST, 0, ~0ull, 0 },
	{ 0x79, KT_REG_NONE, RULE_SINK, 0, 0, 0 },   /* BIOS_UPDT_TRIG: microcode is not loaded */
	{ 0x8b, X86_ucode_rev, RULE_PLAIN, 0, ~0ull, 0 },
	{ 0xfe, KT_REG_NONE, RULE_CONST, 0, 0, 0x508 }, /* MTRRCAP: 8 variable, fixed, write-combining */
	{ 0x174, X86_sysenter_cs, RULE_KEEP, X86_DIRTY_MSRS, 0xffffffff, 0 }, /* upper half is not kept */
	{ 0x175, X86_sysenter_esp, RULE_CANONICAL, X86_DIRTY_MSRS, ~0ull, 0 },
	{ 0x176, X86_sysenter_eip, RULE_CANONICAL, X86_DIRTY_MSRS, ~0ull, 0 },
	{ 0x179, KT_REG_NONE, RULE_CONST, 0, 0, 0 }, /* MCG_CAP: no banks */
	{ 0x17a, X86_mcg_status, RULE_PLAIN, 0, 7, 0 },
	{ 0x1a0, X86_misc_enable, RULE_KEEP, 0, 0x400001, 0 }, /* fast strings, limit CPUID; the rest is wired */
	{ 0x1d9, X86_debugctl, RULE_PLAIN, 0, 0x7fc3, 0 },     /* stored; LBR and BTF do nothing */
	MTRR_PAIR(0), MTRR_PAIR(1), MTRR_PAIR(2), MTRR_PAIR(3), MTRR_PAIR(4), MTRR_PAIR(5), MTRR_PAIR(6), MTRR_PAIR(7),
	MTRR_FIXED(0x250, 64k_00000), MTRR_FIXED(0x258, 16k_80000), MTRR_FIXED(0x259, 16k_a0000),
	MTRR_FIXED(0x268, 4k_c0000), MTRR_FIXED(0x269, 4k_c8000), MTRR_FIXED(0x26a, 4k_d0000), MTRR_FIXED(0x26b, 4k_d8000),
	MTRR_FIXED(0x26c, 4k_e0000), MTRR_FIXED(0x26d, 4k_e8000), MTRR_FIXED(0x26e, 4k_f0000), MTRR_FIXED(0x26f, 4k_f8000),
	{ 0x277, X86_pat, RULE_PAT, 0, ~0ull, 0 },
	{ 0x2ff, X86_mtrr_def_type, RULE_MTRR_TYPED, 0, 0xcff, 0 },
	{ 0xc0000080, X86_efer, RULE_EFER, X86_DIRTY_SREGS, EFER_WRITABLE, 0 },
	{ 0xc0000081, X86_star, RULE_PLAIN, X86_DIRTY_MSRS, ~0ull, 0 },
	{ 0xc0000082, X86_lstar, RULE_CANONICAL, X86_DIRTY_MSRS, ~0ull, 0 },
	{ 0xc0000083, X86_cstar, RULE_CANONICAL, X86_DIRTY_MSRS, ~0ull, 0 },
	{ 0xc0000084, X86_sfmask, RULE_PLAIN, X86_DIRTY_MSRS, 0xffffffff, 0 },
	{ 0xc0000100, X86_fs_base, RULE_CANONICAL, X86_DIRTY_SREGS, ~0ull, 0 },
	{ 0xc0000101, X86_gs_base, RULE_CANONICAL, X86_DIRTY_SREGS, ~0ull, 0 },
	{ 0xc0000102, X86_kernel_gs_base, RULE_CANONICAL, X86_DIRTY_MSRS, ~0ull, 0 },
	{ 0xc0000103, X86_tsc_aux, RULE_PLAIN, 0, 0xffffffff, 0 },
};

static const struct msr *find(u32 index)
{
	unsigned lo = 0, hi = KT_ARRAY_LEN(table);
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		if (table[mid].index == index)
			return &table[mid];
		if (table[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* WRMSR checks addresses in every mode, unlike memory accesses (SDM 2, WRMSR). */
static bool canonical(const struct x86_cpu *c, u64 value)
{
	unsigned shift = c->r[X86_cr4] & X86_CR4_LA57 ? 7 : 16;
	return (u64)((s64)(value << shift) >> shift) == value;
}

static bool mtrr_type(u8 type)
{
	return type < 7 && type != 2 && type != 3;
}

static bool types_ok(u64 value, bool pat)
{
	for (unsigned i = 0; i < 8; i++, value >>= 8)
		if (!mtrr_type(value & 0xff) && !(pat && (value & 0xff) == 7))
			return false;
	return true;
}

/* LME may not change while paging is on; LMA is read-only and ignored (SDM 3, 2.2.1 and 4.1.2). */
static bool efer_ok(const struct x86_cpu *c, u64 value)
{
	if (value & ~(u64)(EFER_WRITABLE | X86_EFER_LMA))
		return false;
	return !(c->r[X86_cr0] & X86_CR0_PG) || !((value ^ c->r[X86_efer]) & X86_EFER_LME);
}

static bool write_ok(const struct x86_cpu *c, const struct msr *m, u64 value)
{
	switch ((enum rule)m->rule) {
	case RULE_PLAIN:
		return !(value & ~m->mask);
	case RULE_MTRR_TYPED:
		return !(value & ~m->mask) && mtrr_type(value & 0xff);
	case RULE_CONST:
		return false;
	case RULE_CANONICAL:
		return canonical(c, value);
	case RULE_PAT:
		return types_ok(value, true);
	case RULE_MTRR_FIXED:
		return types_ok(value, false);
	case RULE_EFER:
		return efer_ok(c, value);
	case RULE_KEEP:
	case RULE_SINK:
	case RULE_TSC:
	case RULE_TSC_ADJUST:
		return true;
	}
	return false;
}

bool x86_model_msr_ok(const struct x86_cpu *c, u32 index, bool write, u64 value)
{
	const struct msr *m = find(index);
	return m && (!write || write_ok(c, m, value));
}

int x86_model_rdmsr(struct x86_cpu *c, u32 index, u64 *value)
{
	const struct msr *m = find(index);
	if (!m)
		return -1;
	if (m->rule == RULE_TSC)
		*value = x86_model_tsc(c);
	else
		*value = m->reg == KT_REG_NONE ? m->fixed : c->r[m->reg];
	return 0;
}

/* TSC and TSC_ADJUST move together (SDM 3, 17.17.3). */
static void shift_tsc(struct x86_cpu *c, u64 delta)
{
	x86_set(c, X86_tsc_offset, c->r[X86_tsc_offset] + delta);
	x86_set(c, X86_tsc_adjust, c->r[X86_tsc_adjust] + delta);
}

int x86_model_wrmsr(struct x86_cpu *c, u32 index, u64 value)
{
	const struct msr *m = find(index);
	if (!m || !write_ok(c, m, value))
		return -1;
	if (m->rule == RULE_TSC) {
		shift_tsc(c, value - x86_model_tsc(c));
	} else if (m->rule == RULE_TSC_ADJUST) {
		shift_tsc(c, value - c->r[X86_tsc_adjust]);
	} else if (m->reg != KT_REG_NONE) {
		u64 old = c->r[m->reg];
		x86_set(c, m->reg, (old & ~m->mask) | (value & m->mask));
		c->dirty |= m->dirty;
	}
	return 0;
}
