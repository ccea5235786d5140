/* SPDX-License-Identifier: MIT */
/* The canonical CPU: reset state, CPUID, MSRs. Values from SDM 3, table 9-1, SDM 4 and doc/stepping.md. */
#include "x86_box.h"

static void reset_state(void **state)
{
	u64 r[X86_NREGS];
	memset(r, 0xa5, sizeof r);
	x86_model_reset(r);
	assert_int_equal(r[X86_rip], 0xfff0);
	assert_int_equal(r[X86_cs], 0xf000);
	assert_int_equal(r[X86_cs_base], 0xffff0000);
	assert_int_equal(r[X86_cs_limit], 0xffff);
	assert_int_equal(r[X86_ds_attr], 0x93);
	assert_int_equal(r[X86_rflags], 2);
	assert_int_equal(r[X86_rax], 0);
	assert_int_equal(r[X86_rdx], 0x106c2);
	assert_int_equal(r[X86_cr0], 0x60000010);
	assert_int_equal(r[X86_cr4], 0);
	assert_int_equal(r[X86_efer], 0);
	assert_int_equal(r[X86_xcr0], 1);
	assert_int_equal(r[X86_dr6], 0xffff0ff0);
	assert_int_equal(r[X86_dr7], 0x400);
	assert_int_equal(r[X86_gdtr_limit], 0xffff);
	assert_int_equal(r[X86_idtr_limit], 0xffff);
	assert_int_equal(r[X86_mxcsr], 0x1f80);
	assert_int_equal(r[X86_fcw], 0x40);
	assert_int_equal(r[X86_ftw], 0xff);
	assert_int_equal(r[X86_st0_lo] | r[X86_st7_hi] | r[X86_xmm15_hi], 0);
	assert_int_equal(r[X86_pat], 0x0007040600070406);
	assert_int_equal(r[X86_apic_base], 0xfee00100);
	assert_int_equal(r[X86_shadow] | r[X86_halted] | r[X86_nmi_blocked], 0);
	assert_int_equal(x86_mode(r), KT_MODE_16);
	assert_int_equal(x86_cpl(r), 0);
	for (unsigned i = 0; i < X86_NREGS; i++) { /* nothing that a register cannot hold */
		unsigned bits = kt_arch_x86_64.regs[i].bits;
		if (bits < 64)
			assert_int_equal(r[i] >> bits, 0);
	}
}

static void want_cpuid(u32 leaf, u32 sub, u32 a, u32 bx, u32 cx, u32 d)
{
	struct x86_cpu c = { 0 };
	u32 out[4] = { 1, 2, 3, 4 };
	x86_model_cpuid(&c, leaf, sub, out);
	assert_int_equal(out[0], a);
	assert_int_equal(out[1], bx);
	assert_int_equal(out[2], cx);
	assert_int_equal(out[3], d);
}

static void cpuid(void **state)
{
	want_cpuid(0, 0, 1, 0x756e6547, 0x6c65746e, 0x49656e69); /* "GenuineIntel", SDM 2, CPUID */
	want_cpuid(1, 0, 0x106c2, 0x800, 0x80000000, 0x0783f9ff);
	want_cpuid(1, 7, 0x106c2, 0x800, 0x80000000, 0x0783f9ff);
	want_cpuid(0x80000000, 0, 0x80000008, 0, 0, 0);
	want_cpuid(0x80000001, 0, 0, 0, 0, 0x20100800);
	want_cpuid(0x80000008, 0, 0x3028, 0, 0, 0);
	static const u32 zero[] = { 2, 4, 7, 0xd, 0x40000001, 0x40000100, 0x40001e00, 0x80000007, 0x80000009, 0xc0000000, ~0u };
	for (unsigned i = 0; i < KT_ARRAY_LEN(zero); i++)
		want_cpuid(zero[i], 0, 0, 0, 0, 0);
	struct x86_cpu c = { 0 };
	u32 out[4];
	x86_model_cpuid(&c, 0x40000000, 0, out);
	assert_int_equal(out[0], 0x40000000);
	assert_memory_equal(out + 1, "ktracektrace", 12);
}

static u64 rd(struct box *b, u32 msr)
{
	u64 value = 0xdeadbeef;
	assert_true(x86_model_msr_ok(&b->c, msr, false, 0));
	assert_int_equal(x86_model_rdmsr(&b->c, msr, &value), 0);
	return value;
}

static void wr(struct box *b, u32 msr, u64 value)
{
	assert_true(x86_model_msr_ok(&b->c, msr, true, value));
	assert_int_equal(x86_model_wrmsr(&b->c, msr, value), 0);
}

static void wr_faults(struct box *b, u32 msr, u64 value)
{
	box_snapshot(b);
	assert_false(x86_model_msr_ok(&b->c, msr, true, value));
	assert_int_equal(x86_model_wrmsr(&b->c, msr, value), -1);
	assert_memory_equal(b->c.r, b->regs_before, sizeof b->regs_before);
}

/* What the stock kernel and SeaBIOS read and write, and what they must find missing. */
static void msrs_that_guests_use(void **state)
{
	struct box *b = box_new();
	static const struct { u32 msr; u64 value; } first[] = {
		{ 0x1b, 0xfee00100 }, { 0x8b, 0 }, { 0xfe, 0x508 }, { 0x179, 0 }, { 0x17a, 0 }, { 0x1a0, 1 }, { 0x1d9, 0 },
		{ 0x200, 0 }, { 0x20f, 0 }, { 0x277, 0x0007040600070406 }, { 0x2ff, 0xc06 }, { 0xc0000080, 0 }, { 0xc0000081, 0 },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(first); i++)
		assert_int_equal(rd(b, first[i].msr), first[i].value);
	static const u32 missing[] = { 0, 0x3a, 0x140, 0x186, 0x17b, 0x210, 0x400, 0x802, 0xc0000085, 0xc0000104, 0x4b564d00, ~0u };
	for (unsigned i = 0; i < KT_ARRAY_LEN(missing); i++) {
		u64 value;
		assert_false(x86_model_msr_ok(&b->c, missing[i], false, 0));
		assert_int_equal(x86_model_rdmsr(&b->c, missing[i], &value), -1);
		wr_faults(b, missing[i], 0);
	}
	wr_faults(b, 0xfe, 0x508); /* read-only */
	wr_faults(b, 0x179, 0);
	wr(b, 0x79, 0x1234); /* a microcode update is swallowed */
	assert_int_equal(rd(b, 0x79), 0);
	box_free(b);
}

/* Each index shows its register, and there are no more than the manual's list above and what needs no register. */
static void table_is_complete(void **state)
{
	static const struct { u32 msr; unsigned reg; } where[] = {
		{ 0x1b, X86_apic_base }, { 0x3b, X86_tsc_adjust }, { 0x8b, X86_ucode_rev }, { 0x174, X86_sysenter_cs },
		{ 0x175, X86_sysenter_esp }, { 0x176, X86_sysenter_eip }, { 0x17a, X86_mcg_status }, { 0x1a0, X86_misc_enable },
		{ 0x1d9, X86_debugctl }, { 0x200, X86_mtrr_physbase0 }, { 0x201, X86_mtrr_physmask0 }, { 0x20e, X86_mtrr_physbase7 },
		{ 0x20f, X86_mtrr_physmask7 }, { 0x250, X86_mtrr_fix64k_00000 }, { 0x258, X86_mtrr_fix16k_80000 },
		{ 0x259, X86_mtrr_fix16k_a0000 }, { 0x268, X86_mtrr_fix4k_c0000 }, { 0x26b, X86_mtrr_fix4k_d8000 },
		{ 0x26f, X86_mtrr_fix4k_f8000 }, { 0x277, X86_pat }, { 0x2ff, X86_mtrr_def_type }, { 0xc0000080, X86_efer },
		{ 0xc0000081, X86_star }, { 0xc0000082, X86_lstar }, { 0xc0000083, X86_cstar }, { 0xc0000084, X86_sfmask },
		{ 0xc0000100, X86_fs_base }, { 0xc0000101, X86_gs_base }, { 0xc0000102, X86_kernel_gs_base },
		{ 0xc0000103, X86_tsc_aux },
	};
	struct box *b = box_new();
	for (unsigned i = 0; i < KT_ARRAY_LEN(where); i++) {
		b->c.r[where[i].reg] = i & 1 ? 0x400 : 1;
		assert_int_equal(rd(b, where[i].msr), i & 1 ? 0x400 : 1);
	}
	unsigned n = 0;
	x86_model_reset(b->c.r);
	for (u32 msr = 0; msr < 0x2000; msr++)
		n += x86_model_msr_ok(&b->c, msr, false, 0);
	for (u32 msr = 0xc0000000; msr < 0xc0002000; msr++)
		n += x86_model_msr_ok(&b->c, msr, false, 0);
	/* 16 variable and 11 fixed MTRRs; the 20 others of the list; 17, 2a, 79, fe, 179 without a register; the TSC */
	assert_int_equal(n, 16 + 11 + 20 + 5 + 1);
	box_free(b);
}

static void canonical_addresses(void **state)
{
	static const u32 msrs[] = { 0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102 };
	struct box *b = box_new();
	for (unsigned i = 0; i < KT_ARRAY_LEN(msrs); i++) {
		wr(b, msrs[i], 0x7fffffffffff);
		wr(b, msrs[i], 0xffff800000000000);
		assert_int_equal(rd(b, msrs[i]), 0xffff800000000000);
		wr_faults(b, msrs[i], 0x800000000000); /* even in real mode */
		wr_faults(b, msrs[i], 0xfffe800000000000);
	}
	b->c.r[X86_cr4] |= X86_CR4_LA57;
	wr(b, 0xc0000102, 0x800000000000);
	box_free(b);
}

static void efer(void **state)
{
	struct box *b = box_new();
	x86_step_begin(&b->c);
	wr(b, 0xc0000080, X86_EFER_SCE | X86_EFER_LME | X86_EFER_NXE);
	assert_int_equal(b->c.r[X86_efer], 0x901);
	assert_true(b->c.dirty & X86_DIRTY_SREGS);
	assert_int_equal(b->c.step.ncold, 1);
	assert_int_equal(b->c.step.cold[0].reg, X86_efer);
	wr(b, 0xc0000080, 0xd01); /* LMA cannot be written and does not fault */
	assert_int_equal(b->c.r[X86_efer], 0x901);
	wr_faults(b, 0xc0000080, 0x1901);
	wr_faults(b, 0xc0000080, 2);
	b->c.r[X86_cr0] |= X86_CR0_PG | X86_CR0_PE;
	b->c.r[X86_efer] |= X86_EFER_LMA;
	wr_faults(b, 0xc0000080, 0xc01); /* LME off under paging */
	wr(b, 0xc0000080, 0xd00);
	assert_int_equal(b->c.r[X86_efer], 0xd00);
	wr(b, 0xc0000080, 0x101);
	assert_int_equal(b->c.r[X86_efer], 0x501);
	box_free(b);
}

static void memory_types(void **state)
{
	struct box *b = box_new();
	wr(b, 0x277, 0x0706050401000100);
	wr_faults(b, 0x277, 0x0706050402000100);
	wr_faults(b, 0x277, 0x0306050401000100);
	wr_faults(b, 0x277, 0x0806050401000100);
	wr(b, 0x250, 0x0605040100010406);
	wr_faults(b, 0x250, 0x0705040100010406); /* 7 is of PAT only */
	wr(b, 0x200, 0xc0000006);
	wr_faults(b, 0x200, 0xc0000002);
	wr_faults(b, 0x200, 0xc0000106);
	wr_faults(b, 0x200, 0x10000000006); /* bit 40: no such address */
	wr(b, 0x201, 0xffc0000800);
	wr_faults(b, 0x201, 0xffc0000c00);
	wr(b, 0x2ff, 0xc06);
	wr(b, 0x2ff, 0);
	wr_faults(b, 0x2ff, 0x1c06);
	wr_faults(b, 0x2ff, 0xc02);
	box_free(b);
}

static void other_masks(void **state)
{
	struct box *b = box_new();
	wr(b, 0x174, 0xffffffff00000010);
	assert_int_equal(rd(b, 0x174), 0x10);
	assert_true(b->c.dirty & X86_DIRTY_MSRS);
	wr(b, 0x1a0, 0xffffffffffbffffe); /* wired bits do not move */
	assert_int_equal(rd(b, 0x1a0), 0);
	wr(b, 0x1a0, 0x400001);
	assert_int_equal(rd(b, 0x1a0), 0x400001);
	wr_faults(b, 0xc0000084, 0x100000000);
	wr_faults(b, 0xc0000103, 0x100000000);
	wr_faults(b, 0x1b, 0xfee00900); /* there is no APIC to enable */
	wr(b, 0x1b, 0xfee00100);
	wr_faults(b, 0x1d9, 4);
	wr_faults(b, 0x17a, 8);
	box_free(b);
}

/* 1 GHz of guest time. TSC and TSC_ADJUST move together. */
static void time_stamp_counter(void **state)
{
	struct box *b = box_new();
	b->clock.step = 1000;
	b->clock.step_ns = 10;
	b->clock.idle_ns = 5;
	assert_int_equal(x86_model_tsc(&b->c), 10005);
	assert_int_equal(rd(b, 0x10), 10005);
	wr(b, 0x10, 5);
	assert_int_equal(rd(b, 0x10), 5);
	assert_int_equal(rd(b, 0x3b), -10000);
	b->clock.step += 7;
	assert_int_equal(rd(b, 0x10), 75);
	wr(b, 0x3b, 0);
	assert_int_equal(rd(b, 0x10), 10075);
	assert_int_equal(b->c.r[X86_tsc_offset], 0);
	wr(b, 0x10, ~0ull); /* wraps */
	b->clock.idle_ns += 2;
	assert_int_equal(rd(b, 0x10), 1);
	box_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_state),
		cmocka_unit_test(cpuid),
		cmocka_unit_test(msrs_that_guests_use),
		cmocka_unit_test(table_is_complete),
		cmocka_unit_test(canonical_addresses),
		cmocka_unit_test(efer),
		cmocka_unit_test(memory_types),
		cmocka_unit_test(other_masks),
		cmocka_unit_test(time_stamp_counter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
