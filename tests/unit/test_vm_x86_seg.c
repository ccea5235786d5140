/* SPDX-License-Identifier: MIT */
/* Segmentation: linear addresses in every mode, and the checks of segment loads (SDM 3, 5.3 to 5.6; SDM 2, MOV, LLDT,
 * LTR). */
#include "x86_cpu_make.h"

static struct x86_fault f;
static u64 va;

enum { R = X86_USE_READ, W = X86_USE_WRITE, X = X86_USE_FETCH };

static int linear(unsigned seg, u64 off, u32 size, unsigned use)
{
	va = ~0ull;
	return x86_linear(&b.c, seg, off, size, use, &va, &f);
}

static void good(unsigned seg, u64 off, u32 size, unsigned use, u64 want)
{
	assert_int_equal(linear(seg, off, size, use), 0);
	assert_int_equal(va, want);
}

static void bad(unsigned seg, u64 off, u32 size, unsigned use)
{
	assert_int_equal(linear(seg, off, size, use), -1);
	assert_fault(&f, seg == X86_ss ? X86_SS_VEC : X86_GP, 0);
}

static void test_real(void **s)
{
	cpu_real();
	set_seg(X86_ds, 0xf123, 0xf1230, 0xffff, ATTR_DATA);
	good(X86_ds, 0xffff, 1, W, 0xf1230 + 0xffff);
	bad(X86_ds, 0xffff, 2, R);
	bad(X86_ds, 0x10000, 1, R);
	bad(X86_ss, 0xffff, 2, W);
	good(X86_cs, 0x10, 2, W, 0x10); /* types do not matter */
	good(X86_cs, 0xffff, 1, X, 0xffff);
	bad(X86_cs, 0x10000, 1, X);
	set_seg(X86_ds, 0, 0, 0xffffffff, ATTR_DATA); /* unreal mode */
	good(X86_ds, 0x12345678, 4, W, 0x12345678);
}

static void test_protected(void **s)
{
	cpu_protected(0);
	set_seg(X86_ds, 0x10, 0x10000, 0xfff, ATTR_DATA | X86_ATTR_DB);
	good(X86_ds, 0xffc, 4, W, 0x10ffc);
	bad(X86_ds, 0xffd, 4, R);
	bad(X86_ds, 0xffffffff, 1, R);
	set_seg(X86_es, 0x10, 0xfffffff0, 0xffff, ATTR_DATA);
	good(X86_es, 0x20, 1, R, 0x10); /* base + offset wraps at 4 GiB */
	set_seg(X86_ds, 0x10, 0, 0xfff, 0x91); /* read-only */
	good(X86_ds, 0, 4, R, 0);
	bad(X86_ds, 0, 4, W);
	set_seg(X86_ds, 8, 0, 0xfff, 0x99); /* execute-only */
	bad(X86_ds, 0, 4, R);
	bad(X86_ds, 0, 4, W);
	set_seg(X86_ds, 8, 0, 0xfff, 0x9b); /* execute/read */
	good(X86_ds, 0, 4, R, 0);
	bad(X86_ds, 0, 4, W);
	set_seg(X86_cs, 8, 0, 0xfff, 0x99);
	good(X86_cs, 0xfff, 1, X, 0xfff);
	bad(X86_cs, 0x1000, 1, X);
	bad(X86_cs, 0, 1, R);
	set_seg(X86_gs, 0, 0, 0, X86_ATTR_UNUSABLE);
	bad(X86_gs, 0, 1, R);
	set_seg(X86_ss, 0, 0, 0xffff, X86_ATTR_UNUSABLE);
	bad(X86_ss, 0, 1, R);
	/* a flat segment lets an access wrap */
	cpu_protected(0);
	good(X86_ds, 0xfffffffe, 4, R, 0xfffffffe);
}

/* SDM 3, 5.3: an expand-down segment's offsets are limit+1 .. ffff or ffffffff. */
static void test_expand_down(void **s)
{
	cpu_protected(0);
	set_seg(X86_ss, 0x18, 0x100000, 0xfff, 0x97 | X86_ATTR_DB);
	bad(X86_ss, 0, 4, R);
	bad(X86_ss, 0xfff, 1, R);
	good(X86_ss, 0x1000, 4, W, 0x101000);
	good(X86_ss, 0xfffffffc, 4, W, 0xffffc);
	bad(X86_ss, 0xfffffffd, 4, W);
	set_seg(X86_ss, 0x18, 0x100000, 0xfff, 0x97);
	good(X86_ss, 0xfffc, 4, W, 0x10fffc);
	bad(X86_ss, 0xfffd, 4, W);
	bad(X86_ss, 0x10000, 1, W);
	/* code segments: the same bit means conforming */
	set_seg(X86_cs, 8, 0, 0xfff, 0x9f);
	good(X86_cs, 0x10, 1, X, 0x10);
}

static void test_long(void **s)
{
	cpu_long(0);
	set_seg(X86_ds, 0, 0x1000, 0, X86_ATTR_UNUSABLE);
	good(X86_ds, 0xffffffff80000000ull, 8, W, 0xffffffff80000000ull);
	set_seg(X86_gs, 0, 0xffff888000000000ull, 0, X86_ATTR_UNUSABLE);
	good(X86_gs, 0x10, 8, R, 0xffff888000000010ull);
	good(X86_cs, 0x1000, 1, W, 0x1000);
	bad(X86_ds, 0x800000000000ull, 1, R);
	bad(X86_ss, 0x800000000000ull, 1, R);
	good(X86_ds, 0x7ffffffffff8ull, 8, R, 0x7ffffffffff8ull);
	bad(X86_ds, 0x7ffffffffff9ull, 8, R); /* its last byte */
	bad(X86_ss, 0xffff7fffffffffffull, 2, W);
	good(X86_ds, ~0ull, 2, R, ~0ull); /* around the top */
	/* compatibility mode: limits again */
	b.c.r[X86_cs_attr] = ATTR_CODE | ATTR_BIG;
	bad(X86_ds, 0, 1, R);
	set_seg(X86_ds, 0x10, 0, 0xfff, ATTR_DATA);
	bad(X86_ds, 0x1000, 1, R);
}

static int load(unsigned seg, u16 sel)
{
	x86_step_begin(&b.c);
	b.c.dirty = 0;
	return x86_load_seg(&b.c, seg, sel, &f);
}

static void load_fails(unsigned seg, u16 sel, unsigned vector, int error)
{
	u64 before = b.c.r[seg + X86_SEG_ATTR];
	assert_int_equal(load(seg, sel), -1);
	assert_fault(&f, vector, error);
	assert_int_equal(b.c.step.ncold, 0);
	assert_int_equal(b.c.dirty, 0);
	assert_int_equal(b.c.r[seg + X86_SEG_ATTR], before);
}

static void load_works(unsigned seg, u16 sel, u64 base, u32 limit, u32 attr)
{
	assert_int_equal(load(seg, sel), 0);
	assert_int_equal(b.c.r[seg], sel);
	assert_int_equal(b.c.r[seg + X86_SEG_BASE], base);
	assert_int_equal(b.c.r[seg + X86_SEG_LIMIT], limit);
	assert_int_equal(b.c.r[seg + X86_SEG_ATTR], attr);
	assert_int_equal(b.c.dirty, X86_DIRTY_SREGS);
}

static void test_load_real(void **s)
{
	cpu_real();
	b.c.r[X86_ds_limit] = 0xffffffff;
	load_works(X86_ds, 0xabcd, 0xabcd0, 0xffffffff, ATTR_DATA); /* limit and rights stay */
	assert_int_equal(b.c.step.ncold, 2);
	assert_int_equal(b.c.step.cold[0].reg, X86_ds);
	assert_int_equal(b.c.step.cold[1].reg, X86_ds_base);
	assert_int_equal(b.c.step.cold[1].value, 0xabcd0);
	set_seg(X86_es, 0, 0, 0, X86_ATTR_UNUSABLE);
	load_works(X86_es, 0, 0, 0xffff, ATTR_DATA);
}

static void test_load_data(void **s)
{
	cpu_protected(0);
	put64(GDT + 0x20, descriptor(0x12345678, 0xabcde, 0xc092));
	load_works(X86_ds, 0x20, 0x12345678, 0xabcdefff, 0xc093);
	assert_int_equal(b.c.step.naccess, 1); /* Accessed is set in memory */
	assert_implicit(0, GDT + 0x25, 0x93, 1);
	assert_int_equal(b.c.step.access[0].va, GDT + 0x25);
	load_works(X86_es, 0x20, 0x12345678, 0xabcdefff, 0xc093);
	assert_int_equal(b.c.step.naccess, 0);
	put64(GDT + 0x28, descriptor(0, 0xfff, 0x93));
	load_works(X86_es, 0x28, 0, 0xfff, 0x93); /* bytes */
	/* null selectors, all four of them */
	for (u16 sel = 0; sel < 4; sel++)
		load_works(X86_fs, sel, 0, 0, X86_ATTR_UNUSABLE);
	/* beyond the limit: the last byte counts */
	load_fails(X86_ds, 0x100, X86_GP, 0x100);
	b.c.r[X86_gdtr_limit] = 0x2e;
	load_fails(X86_ds, 0x28, X86_GP, 0x28);
	b.c.r[X86_gdtr_limit] = 0x2f;
	load_works(X86_ds, 0x28, 0, 0xfff, 0x93);
	b.c.r[X86_gdtr_limit] = 0xff;
	/* types */
	put64(GDT + 0x30, descriptor(0, 0xfff, 0x99));
	load_fails(X86_ds, 0x30, X86_GP, 0x30); /* execute-only */
	put64(GDT + 0x30, descriptor(0, 0xfff, 0x89));
	load_fails(X86_ds, 0x31, X86_GP, 0x30); /* system; RPL is not in the error code */
	put64(GDT + 0x30, descriptor(0, 0xfff, 0x9b));
	load_works(X86_ds, 0x30, 0, 0xfff, 0x9b);
	/* present is asked after the type and the privilege */
	put64(GDT + 0x30, descriptor(0, 0xfff, 0x13));
	load_fails(X86_ds, 0x30, X86_NP, 0x30);
	load_fails(X86_ds, 0x33, X86_GP, 0x30);
	/* privilege: max(CPL, RPL) <= DPL, but for conforming code */
	put64(GDT + 0x30, descriptor(0, 0xfff, 0xb3));
	load_works(X86_ds, 0x31, 0, 0xfff, 0xb3);
	load_fails(X86_ds, 0x32, X86_GP, 0x30);
	put64(GDT + 0x30, descriptor(0, 0xfff, 0x9f));
	load_works(X86_ds, 0x33, 0, 0xfff, 0x9f);
	cpu_protected(3);
	put64(GDT + 0x30, descriptor(0, 0xfff, 0x93));
	load_fails(X86_ds, 0x30, X86_GP, 0x30);
	put64(GDT + 0x30, descriptor(0, 0xfff, 0xf3));
	load_works(X86_ds, 0x30, 0, 0xfff, 0xf3);
}

static void test_load_ldt(void **s)
{
	cpu_protected(0);
	put64(LDT + 0x10, descriptor(0x1000, 0xfff, 0x93));
	load_works(X86_ds, 0x14, 0x1000, 0xfff, 0x93);
	load_fails(X86_ds, 0x44, X86_GP, 0x44);
	put64(LDT, descriptor(0x2000, 0xfff, 0x93));
	load_works(X86_ds, 0x4, 0x2000, 0xfff, 0x93); /* index 0 of the LDT is not null */
	set_seg(X86_ldtr, 0, LDT, 0x3f, X86_ATTR_UNUSABLE);
	load_fails(X86_ds, 0x14, X86_GP, 0x14);
}

static void test_load_ss(void **s)
{
	cpu_protected(0);
	put64(GDT + 0x20, descriptor(0, 0xfffff, 0xc092));
	load_works(X86_ss, 0x20, 0, 0xffffffff, 0xc093);
	load_fails(X86_ss, 0x21, X86_GP, 0x20); /* RPL != CPL */
	load_fails(X86_ss, 0, X86_GP, 0);
	put64(GDT + 0x28, descriptor(0, 0xfffff, 0xc0f3));
	load_fails(X86_ss, 0x28, X86_GP, 0x28); /* DPL != CPL */
	put64(GDT + 0x28, descriptor(0, 0xfffff, 0xc091));
	load_fails(X86_ss, 0x28, X86_GP, 0x28); /* read-only */
	put64(GDT + 0x28, descriptor(0, 0xfffff, 0xc09b));
	load_fails(X86_ss, 0x28, X86_GP, 0x28); /* code */
	put64(GDT + 0x28, descriptor(0, 0xfffff, 0xc013));
	load_fails(X86_ss, 0x28, X86_SS_VEC, 0x28);
	/* 64-bit mode: null, with CPL's RPL, not at CPL 3 */
	cpu_long(0);
	load_works(X86_ss, 0, 0, 0, X86_ATTR_UNUSABLE);
	load_fails(X86_ss, 1, X86_GP, 0);
	b.c.r[X86_cs_attr] = ATTR_CODE | ATTR_BIG;
	load_fails(X86_ss, 0, X86_GP, 0);
	cpu_long(3);
	load_fails(X86_ss, 3, X86_GP, 0);
	cpu_long(1);
	load_works(X86_ss, 1, 0, 0, X86_ATTR_UNUSABLE | 1 << 5);
	assert_int_equal(x86_cpl(b.c.r), 1);
}

static void test_load_paged(void **s)
{
	cpu_long(3);
	b.c.r[X86_gdtr_base] = 0xffffffff00000000ull;
	assert_int_equal(load(X86_ds, 0x23), -1);
	assert_fault(&f, X86_PFAULT, 0); /* a supervisor access, whatever CPL */
	assert_int_equal(f.cr2, 0xffffffff00000020ull);
	put64(0x5020, descriptor(0, 0xfffff, 0xc0f2));
	map_page(0xffffffff00000000ull, 0x5000, PTE_P | PTE_A);
	assert_int_equal(load(X86_ds, 0x23), -1);
	assert_fault(&f, X86_PFAULT, 3); /* Accessed must be written, the page is read-only */
	assert_int_equal(f.cr2, 0xffffffff00000025ull);
	put64(0x5020, descriptor(0, 0xfffff, 0xc0f3));
	assert_int_equal(load(X86_ds, 0x23), 0);
}

static void test_ldtr(void **s)
{
	cpu_protected(0);
	put64(GDT + 0x20, descriptor(0x12345000, 0xff, 0x82));
	x86_step_begin(&b.c);
	assert_int_equal(x86_load_ldtr(&b.c, 0x20, &f), 0);
	assert_int_equal(b.c.r[X86_ldtr_base], 0x12345000);
	assert_int_equal(b.c.r[X86_ldtr_limit], 0xff);
	assert_int_equal(b.c.r[X86_ldtr_attr], 0x82);
	assert_int_equal(b.c.step.naccess, 0); /* no Accessed bit in system descriptors */
	assert_int_equal(x86_load_ldtr(&b.c, 0x24, &f), -1);
	assert_fault(&f, X86_GP, 0x24);
	put64(GDT + 0x28, descriptor(0, 0xff, 0x92));
	assert_int_equal(x86_load_ldtr(&b.c, 0x28, &f), -1);
	assert_fault(&f, X86_GP, 0x28);
	put64(GDT + 0x28, descriptor(0, 0xff, 0x02));
	assert_int_equal(x86_load_ldtr(&b.c, 0x28, &f), -1);
	assert_fault(&f, X86_NP, 0x28);
	assert_int_equal(x86_load_ldtr(&b.c, 3, &f), 0);
	assert_int_equal(b.c.r[X86_ldtr_attr], X86_ATTR_UNUSABLE);
}

static void test_tr(void **s)
{
	cpu_protected(0);
	put64(GDT + 0x20, descriptor(TSS, 0x67, 0x89));
	x86_step_begin(&b.c);
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), 0);
	assert_implicit(0, GDT + 0x25, 0x8b, 1); /* busy */
	assert_int_equal(b.c.r[X86_tr_attr], 0x8b);
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), -1);
	assert_fault(&f, X86_GP, 0x20); /* busy already */
	assert_int_equal(x86_load_tr(&b.c, 0, &f), -1);
	assert_fault(&f, X86_GP, 0);
	put64(GDT + 0x28, descriptor(TSS, 0x2b, 0x81));
	assert_int_equal(x86_load_tr(&b.c, 0x28, &f), 0); /* 16-bit */
	put64(GDT + 0x28, descriptor(TSS, 0x67, 0x09));
	assert_int_equal(x86_load_tr(&b.c, 0x28, &f), -1);
	assert_fault(&f, X86_NP, 0x28);
}

static void test_tr_long(void **s)
{
	cpu_long(0);
	b.c.r[X86_gdtr_base] = 0x5000;
	map_page(0x5000, 0x5000, PTE_P | PTE_RW | PTE_A | PTE_D);
	put64(0x5020, descriptor(0x12345678, 0x67, 0x89));
	put64(0x5028, 0xffffff80);
	x86_step_begin(&b.c);
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), 0);
	assert_int_equal(b.c.r[X86_tr_base], 0xffffff8012345678ull);
	put64(0x5020, descriptor(0x12345678, 0x67, 0x81));
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), -1);
	assert_fault(&f, X86_GP, 0x20); /* a 16-bit TSS does not exist here */
	put64(0x5020, descriptor(0x12345678, 0x67, 0x89));
	put64(0x5028, 0x00800000);
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), -1);
	assert_fault(&f, X86_GP, 0x20); /* base not canonical */
	put64(0x5028, 0x1ull << 40 | 0xffffff80);
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), -1);
	assert_fault(&f, X86_GP, 0x20); /* upper type field */
	b.c.r[X86_gdtr_limit] = 0x2e;
	put64(0x5028, 0xffffff80);
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), -1);
	assert_fault(&f, X86_GP, 0x20); /* sixteen bytes must fit */
	b.c.r[X86_gdtr_limit] = 0x2f;
	assert_int_equal(x86_load_tr(&b.c, 0x20, &f), 0);
	put64(0x5030, descriptor(0x1000, 0xfff, 0x82));
	put64(0x5038, 0x7fff);
	b.c.r[X86_gdtr_limit] = 0x3f;
	assert_int_equal(x86_load_ldtr(&b.c, 0x30, &f), 0);
	assert_int_equal(b.c.r[X86_ldtr_base], 0x7fff00001000ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),      cmocka_unit_test(test_protected),  cmocka_unit_test(test_expand_down),
		cmocka_unit_test(test_long),      cmocka_unit_test(test_load_real),  cmocka_unit_test(test_load_data),
		cmocka_unit_test(test_load_ldt),  cmocka_unit_test(test_load_ss),    cmocka_unit_test(test_load_paged),
		cmocka_unit_test(test_ldtr),      cmocka_unit_test(test_tr),         cmocka_unit_test(test_tr_long),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(b.host);
	free(b.c.scratch);
	free(b.c.touched);
	return rc;
}
