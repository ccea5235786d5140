/* SPDX-License-Identifier: MIT */
/* Fault prediction of what touches memory, of division, software interrupts, tables and branches. */
#include "x86_predict_make.h"

static void test_memory(void **s)
{
	cpu_long(3);
	u64 *r = b.c.r, rw = PTE_P | PTE_RW | PTE_US, pte = map_page(0x400000, 0x5000, rw), ro = map_page(0x401000, 0x6000, PTE_P | PTE_US);
	map_page(0x402000, 0x7000, PTE_P | PTE_RW);
	map_page(0x404000, 0xa0000, rw);
	r[X86_rbx] = 0x400100;
	OK("488b03");
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.span[0].part[0].pa, 0x5100);
	assert_int_equal(get64(pte), 0x5000 | rw | PTE_A);
	OK("480103"); /* read and write of one operand */
	assert_int_equal(plan.n, 2);
	assert_ptr_equal(plan.span[1].part[0].host, b.host + 0x5100);
	assert_int_equal(plan.p[1].va, 0x400100);
	assert_int_equal(get64(pte), 0x5000 | rw | PTE_A | PTE_D);
	r[X86_rbx] = 0x401000;
	OK("488b03");
	RAISES("488903", X86_PFAULT, 7);
	RAISES("480103", X86_PFAULT, 7); /* asked for writing from the start */
	OK("483903"); /* cmp only reads */
	assert_int_equal(get64(ro), 0x6000 | PTE_P | PTE_US | PTE_A);
	r[X86_rbx] = 0x402000;
	RAISES("488b03", X86_PFAULT, 5);
	r[X86_rbx] = 0x403000;
	RAISES("480103", X86_PFAULT, 6);
	assert_int_equal(f.cr2, 0x403000);
	r[X86_rbx] = 0x400ffc; /* reaches the read-only page */
	RAISES("488903", X86_PFAULT, 7);
	assert_int_equal(f.cr2, 0x401000);
	r[X86_rbx] = 0x800000000000ull;
	GP("488b03");
	RAISES("488b0424", X86_PFAULT, 4); /* rsp = 0 */
	r[X86_rsp] = 0x800000000000ull;
	RAISES("488b0424", X86_SS_VEC, 0);
	RAISES("58", X86_SS_VEC, 0);
	RAISES("50", X86_PFAULT, 6); /* pushes to 7ffffffffff8 */
	r[X86_rsp] = 0x800000000004ull;
	RAISES("50", X86_SS_VEC, 0);
	r[X86_rbp] = 0x800000000000ull;
	RAISES("488b4500", X86_SS_VEC, 0);
	GP("65488b4500"); /* gs:[rbp] is GS */
	OK("488d4500");
	r[X86_rbx] = 0x404010;
	OK("8b03"); /* a device */
	assert_null(plan.span[0].part[0].host);
	/* push [mem]: the read comes first */
	r[X86_rbx] = 0x403000;
	r[X86_rsp] = 0x800000000000ull;
	RAISES("ff33", X86_PFAULT, 4);
	/* bt with a bit offset far away: bits 2^15 = 4 KiB on */
	r[X86_rbx] = 0x400100;
	r[X86_rcx] = 0x8000;
	OK("480fa30b");
	assert_int_equal(plan.p[0].va, 0x401100);
	RAISES("480fab0b", X86_PFAULT, 7);
}

static void test_stack_all(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
	set_seg(X86_ss, 0x18, 0, 0xfff, ATTR_DATA | X86_ATTR_DB);
	r[X86_rsp] = 0x20;
	OK("60");
	assert_int_equal(plan.n, 8);
	r[X86_rsp] = 0x1c;
	RAISES("60", X86_SS_VEC, 0); /* the eighth word wraps to fffffffc */
	r[X86_rsp] = 0xfe0;
	OK("61");
	r[X86_rsp] = 0xfe4;
	RAISES("61", X86_SS_VEC, 0);
	/* enter: frame size and the final pointer */
	r[X86_rsp] = 0x100;
	r[X86_rbp] = 0x200;
	OK("c8100000");
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.p[0].va, 0xfc);
	assert_true(plan.p[0].write);
	OK("c8fc0000"); /* ends at 0 */
	RAISES("c8fd0000", X86_SS_VEC, 0);
	OK("c8000003"); /* level 3: reads bp-4, bp-8; pushes bp, those two, the frame */
	assert_int_equal(plan.n, 6);
	assert_int_equal(plan.p[0].va, 0x1fc);
	assert_int_equal(plan.p[1].va, 0x1f8);
	assert_int_equal(plan.p[5].va, 0xf0);
	r[X86_rbp] = 0x1000;
	OK("c8000002");
	r[X86_rbp] = 0x1004;
	RAISES("c8000002", X86_SS_VEC, 0);
	/* leave pops where rBP points */
	r[X86_rbp] = 0xffd;
	RAISES("c9", X86_SS_VEC, 0);
}

static void test_alignment(void **s)
{
	cpu_long(3);
	u64 *r = b.c.r, rw = PTE_P | PTE_RW | PTE_US;
	u64 pte = map_page(0x400000, 0x5000, rw);
	r[X86_rbx] = 0x400008;
	GP("0f2803");   /* movaps */
	GP("0f2903");
	GP("660f6f03"); /* movdqa */
	GP("660fef03"); /* pxor */
	GP("0fae03");   /* fxsave */
	GP("0fae0b");
	GP("0f2b03");   /* movntps */
	assert_int_equal(get64(pte), 0x5000 | rw); /* before the page is asked */
	OK("0f1003");   /* movups */
	OK("f30f6f03"); /* movdqu */
	OK("0f1603");   /* movhps: 8 bytes */
	OK("f20f1003"); /* movsd */
	OK("0fef03");   /* pxor mm */
	r[X86_rbx] = 0x400010;
	OK("0f2803");
	OK("0fae03");
	/* #AC */
	r[X86_rbx] = 0x400001;
	OK("8b03");
	r[X86_rflags] |= X86_AC;
	OK("8b03");
	r[X86_cr0] |= X86_CR0_AM;
	RAISES("8b03", X86_AC_VEC, 0);
	RAISES("668b03", X86_AC_VEC, 0);
	OK("8a03");
	RAISES("488b03", X86_AC_VEC, 0);
	OK("0f1003");
	r[X86_rbx] = 0x400004;
	OK("8b03");
	RAISES("488b03", X86_AC_VEC, 0);
	r[X86_rbx] = 0x400fff;
	RAISES("8b03", X86_PFAULT, 4); /* a page fault comes first */
	assert_int_equal(f.cr2, 0x401000);
	cpu_long(0);
	map_page(0x400000, 0x5000, rw);
	b.c.r[X86_rbx] = 0x400001;
	b.c.r[X86_rflags] |= X86_AC;
	b.c.r[X86_cr0] |= X86_CR0_AM;
	OK("8b03");
}

static void test_divide(void **s)
{
	cpu_long(0);
	u64 *r = b.c.r;
	map_page(0x400000, 0x5000, PTE_P | PTE_RW);
#define DIV(hi, lo, by, hex, what) do { r[X86_rdx] = (hi); r[X86_rax] = (lo); r[X86_rcx] = (by); what(hex); } while (0)
#define DE(hex) RAISES(hex, X86_DE, -1)
	DIV(0, 10, 0, "f7f1", DE);
	DIV(0, 10, 3, "f7f1", OK);
	DIV(3, 0, 3, "f7f1", DE);
	DIV(2, 0xffffffff, 3, "f7f1", OK);
	DIV(0xdead00000000, 1, 0xbeef00000001, "f7f1", OK); /* 32 bits count */
	DIV(0, 1, 0xbeef00000000, "f7f1", DE);
	DIV(5, 0, 5, "48f7f1", DE);
	DIV(4, ~0ull, 5, "48f7f1", OK);
	DIV(0xff, 0x0200, 2, "f6f1", DE); /* AX / CL: 200 / 2 = 100 */
	DIV(0xff, 0x01ff, 2, "f6f1", OK);
	DIV(0, 0, 0x0100, "f6f5", OK); /* CH = 1 */
	DIV(0, 0, 0x00ff, "f6f5", DE);
	DIV(1, 0, 1, "66f7f1", DE);
	/* idiv: -80000000h fits, +80000000h does not */
	DIV(0xffffffff, 0x80000000, 1, "f7f9", OK);
	DIV(0xffffffff, 0x80000000, 0xffffffff, "f7f9", DE);
	DIV(0, 0x80000000, 1, "f7f9", DE);
	DIV(0, 0x80000000, 0xffffffff, "f7f9", OK);
	DIV(0, 0x7fffffff, 1, "f7f9", OK);
	DIV(0, 1, 0, "f7f9", DE);
	DIV(~0ull, 1ull << 63, ~0ull, "48f7f9", DE);
	DIV(~0ull, 1ull << 63, 1, "48f7f9", OK);
	DIV(1ull << 63, 0, ~0ull, "48f7f9", DE); /* the smallest dividend */
	DIV(0, 0xff80, 1, "f6f9", OK);   /* -128 / 1 */
	DIV(0, 0x0080, 1, "f6f9", DE);   /* 128 / 1 */
	DIV(0, 0x0080, 0xff, "f6f9", OK); /* 128 / -1 */
	DIV(0xffff, 0x8000, 0xffff, "66f7f9", DE);
	/* from memory */
	r[X86_rbx] = 0x400ffe;
	map_page(0x401000, 0x8000, PTE_P | PTE_RW);
	DIV(0, 10, 0, "f733", DE);
	b.host[0x8001] = 1;
	DIV(0, 10, 0, "f733", OK);
	r[X86_rbx] = 0x402000;
	RAISES("f733", X86_PFAULT, 0);
	cpu_protected(0);
	RAISES("d400", X86_DE, -1); /* aam 0 */
	OK("d40a");
}

static void test_software_interrupts(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
	RAISES("cc", X86_BP, -1);
	assert_true(f.is_trap && f.soft);
	RAISES("cd80", 0x80, -1);
	assert_true(f.is_trap && f.soft);
	RAISES("f1", X86_DB, -1);
	assert_true(f.is_trap && !f.soft);
	assert_int_equal(f.dr6, 0);
	OK("ce");
	r[X86_rflags] |= X86_OF;
	RAISES("ce", X86_OFLOW, -1);
	assert_true(f.is_trap && f.soft);
	/* bound */
	r[X86_rbx] = 0x1000;
	put32(0x1000, (u32)-5);
	put32(0x1004, 7);
	static const struct { s32 index; bool in; } cases[] = {{-6, false}, {-5, true}, {0, true}, {7, true}, {8, false}};
	for (unsigned i = 0; i < KT_ARRAY_LEN(cases); i++) {
		r[X86_rcx] = (u32)cases[i].index;
		if (cases[i].in)
			OK("620b");
		else
			RAISES("620b", X86_BR, -1);
	}
	assert_false(f.is_trap);
	put32(0x1000, 0x0007fffb); /* 16-bit: -5, 7 */
	r[X86_rcx] = 0xaaaafffb;
	OK("66620b");
	r[X86_rcx] = 8;
	RAISES("66620b", X86_BR, -1);
}

static void test_tables(void **s)
{
	cpu_long(0);
	u64 *r = b.c.r;
	map_page(0x400000, 0x5000, PTE_P | PTE_RW);
	r[X86_rbx] = 0x400000;
	put64(0x5002, 0xffff800000000000ull);
	OK("0f0113");
	put64(0x5002, 0x0000800000000000ull);
	GP("0f0113");
	GP("0f011b");
	put32(0x5000, 0x1f80);
	OK("0fae13"); /* ldmxcsr */
	put32(0x5000, 0x1ffff);
	GP("0fae13");
	put32(0x5000 + 24, 0x1f80);
	OK("0fae0b"); /* fxrstor */
	put32(0x5000 + 24, 0x80001f80);
	GP("0fae0b");
	r[X86_cr4] &= ~(u64)X86_CR4_OSFXSR;
	OK("0fae0b");
}

static void test_branches(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
	set_seg(X86_cs, 8, 0, 0xfff, ATTR_CODE | X86_ATTR_DB);
	r[X86_rip] = 0x100;
	r[X86_rsp] = 0x8000;
	OK("e9fa0e0000");  /* to fff */
	GP("e9fb0e0000");
	GP("e8fb0e0000");
	GP("e900000080");
	/* jcc: only if taken */
	OK("0f84fb0e0000");
	r[X86_rflags] |= X86_ZF;
	GP("0f84fb0e0000");
	OK("0f85fb0e0000");
	r[X86_rip] = 0xff0;
	r[X86_rflags] = 2 | X86_SF;
	GP("7c10"); /* jl: SF != OF */
	GP("7e10");
	OK("7d10");
	OK("7f10");
	OK("7210");
	r[X86_rcx] = 2;
	GP("e210");
	OK("e110");  /* loope needs ZF */
	GP("e010");
	OK("e310");
	r[X86_rcx] = 1;
	OK("e210");
	r[X86_rcx] = 0;
	GP("e310");
	/* indirect, through register and memory; the target comes before the push */
	r[X86_rip] = 0x100;
	r[X86_rax] = 0x1000;
	r[X86_rsp] = 0x8000;
	GP("ffe0");
	GP("ffd0");
	r[X86_rax] = 0xffff0fff;
	OK("66ffe0"); /* 16 bits */
	r[X86_rbx] = 0x5000;
	put32(0x5000, 0x1000);
	GP("ff13");
	put32(0x5000, 0xfff);
	OK("ff13");
	assert_int_equal(plan.n, 2);
	set_seg(X86_ss, 0x10, 0, 0x7ffb, ATTR_DATA | X86_ATTR_DB);
	RAISES("ff13", X86_SS_VEC, 0);
	put32(0x5000, 0x1000);
	GP("ff13");
	/* ret */
	r[X86_rsp] = 0x6000;
	put32(0x6000, 0x1000);
	GP("c3");
	put32(0x6000, 0xfff);
	OK("c3");
	r[X86_rsp] = 0x7ff9;
	RAISES("c3", X86_SS_VEC, 0);
	cpu_long(0);
	r = b.c.r;
	map_page(0x400000, 0x5000, PTE_P | PTE_RW);
	r[X86_rip] = 0x7fffffffffe0ull;
	GP("eb7f");
	OK("eb00");
	r[X86_rax] = 0xffff7fffffffffffull;
	GP("ffe0");
	r[X86_rsp] = 0x400000;
	put64(0x5000, 0x800000000000ull);
	GP("c3");
	put64(0x5000, 0x7fffffffffffull);
	OK("c3");
	/* a far jump through memory plans its read only; iret and far ret nothing */
	r[X86_rbx] = 0x400000;
	OK("ff2b");
	assert_int_equal(plan.n, 1);
	OK("48cf");
	assert_int_equal(plan.n, 0);
	OK("48cb");
	assert_int_equal(plan.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_stack_all),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_divide),
		cmocka_unit_test(test_software_interrupts),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_branches),
	};
	return run_predict_tests(tests, KT_ARRAY_LEN(tests));
}
