/* SPDX-License-Identifier: MIT */
/* Far jumps, calls and returns, call gates included, against results worked out by hand from SDM 2. */
#include "x86_far_box.h"

/* Runs a far jump or call with the plan that x86_predict would have made. */
static int far(struct box *b, bool call, const char *bytes, unsigned n, struct x86_fault *f)
{
	struct x86_insn i = decode(b, bytes, n);
	struct x86_plan plan;
	memset(&plan, 0, sizeof plan);
	plan.n = kt_desc_plan(&kt_arch_x86_64, &i.k.desc, b->c.r, plan.p);
	for (unsigned k = 0; k < plan.n; k++)
		assert_int_equal(x86_span(&b->c, plan.p[k].va, plan.p[k].size, X86_USE_READ, &plan.span[k], f), 0);
	box_snapshot(b);
	return call ? x86_far_call(&b->c, &i, &plan, f) : x86_far_jump(&b->c, &i, &plan, f);
}

#define JUMP(b, bytes, f) far(b, false, bytes, sizeof(bytes) - 1, f)
#define CALL(b, bytes, f) far(b, true, bytes, sizeof(bytes) - 1, f)

static void far_faults(struct box *b, bool call, const char *bytes, unsigned n, unsigned vector, u32 error)
{
	struct x86_fault f = { 0 };
	assert_int_equal(far(b, call, bytes, n, &f), 1);
	want_fault(&f, vector, true, error);
	box_unchanged(b);
	box_free(b);
}

#define JUMP_FAULTS(b, bytes, vector, error) far_faults(b, false, bytes, sizeof(bytes) - 1, vector, error)
#define CALL_FAULTS(b, bytes, vector, error) far_faults(b, true, bytes, sizeof(bytes) - 1, vector, error)

static void jump_real(void **state)
{
	struct x86_fault f;
	struct box *b = box_real();
	b->c.r[X86_cs_limit] = 0xffffffff; /* unreal mode: limits stay */
	assert_int_equal(JUMP(b, "\xea\x5b\xe0\x00\xf0", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0xe05b);
	assert_int_equal(b->c.r[X86_cs], 0xf000);
	assert_int_equal(b->c.r[X86_cs_base], 0xf0000);
	assert_int_equal(b->c.r[X86_cs_limit], 0xffffffff);
	assert_int_equal(b->c.step.naccess, 0);
	box_free(b);

	JUMP_FAULTS(box_real(), "\x66\xea\x00\x00\x01\x00\x00\xf0", X86_GP, 0);
}

/* The first jump after CR0.PE was set: still 16-bit code, 32-bit offset. */
static void jump_into_protected_mode(void **state)
{
	struct x86_fault f;
	struct box *b = box_real();
	box_gdt(b);
	b->c.r[X86_gdtr_base] = BOX_GDT;
	b->c.r[X86_gdtr_limit] = BOX_GDT_LIMIT;
	b->c.r[X86_cr0] |= X86_CR0_PE;
	assert_int_equal(JUMP(b, "\x66\xea\x78\x56\x34\x12\x78\x00", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x12345678);
	assert_int_equal(b->c.r[X86_cs], SEL_FRESH_CODE32);
	assert_int_equal(b->c.r[X86_cs_base], 0);
	assert_int_equal(b->c.r[X86_cs_limit], 0xffffffff);
	assert_int_equal(b->c.r[X86_cs_attr], 0xc09b);
	assert_int_equal(get(b, BOX_GDT + SEL_FRESH_CODE32 + 5, 1), 0x9b);
	box_free(b);
}

static void jump_protected(void **state)
{
	struct x86_fault f;
	struct box *b = box_prot(3);
	assert_int_equal(JUMP(b, "\xea\x00\x70\x00\x00\x48\x00", &f), 0); /* conforming, DPL 0 */
	assert_int_equal(b->c.r[X86_cs], SEL_CONFORMING32 | 3);
	assert_int_equal(x86_cpl(b->c.r), 3);
	box_free(b);

	b = box_prot(0);
	box_descr(b, SEL_KCODE16, 0x54321000, 0xffff, 0x9b, 0);
	assert_int_equal(JUMP(b, "\xea\x00\x70\x00\x00\x58\x00", &f), 0);
	assert_int_equal(b->c.r[X86_cs_base], 0x54321000);
	assert_int_equal(b->c.r[X86_cs_limit], 0xffff);
	assert_int_equal(b->c.r[X86_cs_attr], 0x9b);
	box_free(b);

	JUMP_FAULTS(box_prot(0), "\xea\x00\x70\x00\x00\x00\x00", X86_GP, 0);
	JUMP_FAULTS(box_prot(0), "\xea\x00\x70\x00\x00\x10\x00", X86_GP, SEL_KDATA);
	JUMP_FAULTS(box_prot(0), "\xea\x00\x70\x00\x00\x00\x10", X86_GP, 0x1000);
	JUMP_FAULTS(box_prot(0), "\xea\x00\x70\x00\x00\x88\x00", X86_NP, SEL_ABSENT_CODE32);
	JUMP_FAULTS(box_prot(0), "\xea\x00\x10\x00\x00\x90\x00", X86_GP, 0); /* limit fff */
	JUMP_FAULTS(box_prot(0), "\xea\x00\x10\x00\x00\x18\x00", X86_GP, SEL_UCODE32);
	JUMP_FAULTS(box_prot(3), "\xea\x00\x10\x00\x00\x30\x00", X86_GP, SEL_KCODE32);
	JUMP_FAULTS(box_prot(0), "\xea\x00\x10\x00\x00\x33\x00", X86_GP, SEL_KCODE32); /* RPL 3 > CPL */

	b = box_prot(0);
	box_descr(b, SEL_GATE, BOX_TSS, 0x67, 0x89, 0);
	assert_int_equal(JUMP(b, "\xea\x00\x00\x00\x00\x60\x00", &f), -1);
	assert_int_equal(b->c.end, VM_END_UNSUPPORTED);
	box_unchanged(b);
	box_free(b);
	JUMP_FAULTS(box_prot(0), "\xea\x00\x00\x00\x00\x38\x00", X86_GP, SEL_TSS); /* a busy one */
}

static void jump_through_memory(void **state)
{
	struct x86_fault f;
	struct box *b = box_long(0);
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6000, 8, 0xfffffffff7000);
	put(b, 0x6000, 8, 0x7fff12345678);
	put(b, 0x6008, 2, SEL_KCODE64);
	assert_int_equal(JUMP(b, "\x48\xff\x28", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x7fff12345678);
	want_access(b, 0x6000, 10, 0);
	box_free(b);

	b = box_long(0); /* into compatibility mode */
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6000, 4, 0xf0001000);
	put(b, 0x6004, 2, SEL_KCODE32);
	assert_int_equal(JUMP(b, "\xff\x28", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0xf0001000);
	assert_int_equal(x86_mode(b->c.r) & KT_MODE_CODE, KT_MODE_32);
	box_free(b);

	b = box_long(0);
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6000, 8, 0x800000000000);
	put(b, 0x6008, 2, SEL_KCODE64);
	JUMP_FAULTS(b, "\x48\xff\x28", X86_GP, 0);

	b = box_long(0);
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6004, 2, SEL_TSS); /* tasks do not exist in long mode */
	JUMP_FAULTS(b, "\xff\x28", X86_GP, SEL_TSS);

	b = box_long(0);
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6004, 2, SEL_LONG_AND_BIG);
	JUMP_FAULTS(b, "\xff\x28", X86_GP, SEL_LONG_AND_BIG);
}

static void call_and_return_real(void **state)
{
	struct x86_fault f;
	struct box *b = box_real();
	b->c.r[X86_cs] = 0x70;
	b->c.r[X86_cs_base] = 0x700;
	assert_int_equal(CALL(b, "\x9a\x34\x12\x00\xf0", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x1234);
	assert_int_equal(b->c.r[X86_rsp], 0x8ffc);
	assert_int_equal(get(b, 0x8ffc, 4), 0x00708005);
	want_access(b, 0x8ffc, 4, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT);
	x86_step_begin(&b->c);
	assert_int_equal(RUN(b, x86_far_ret, "\xca\x06\x00", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x8005);
	assert_int_equal(b->c.r[X86_cs_base], 0x700);
	assert_int_equal(b->c.r[X86_rsp], 0x9006);
	want_access(b, 0x8ffc, 4, 0);
	box_free(b);
}

static void call_and_return_protected(void **state)
{
	struct x86_fault f;
	struct box *b = box_prot(0);
	assert_int_equal(CALL(b, "\x9a\x00\x70\x00\x00\x78\x00", &f), 0);
	assert_int_equal(b->c.r[X86_rsp], 0x8ff8);
	assert_int_equal(get(b, 0x8ffc, 4), SEL_KCODE32);
	assert_int_equal(get(b, 0x8ff8, 4), 0x8007);
	assert_int_equal(b->c.r[X86_cs], SEL_FRESH_CODE32);
	x86_step_begin(&b->c);
	assert_int_equal(RUN(b, x86_far_ret, "\xcb", &f), 0);
	assert_int_equal(b->c.r[X86_cs], SEL_KCODE32);
	assert_int_equal(b->c.r[X86_rip], 0x8007);
	assert_int_equal(b->c.r[X86_rsp], 0x9000);
	box_free(b);

	b = box_prot(0); /* no room for the return address: #SS(0), nothing changed */
	b->c.r[X86_rsp] = 2;
	CALL_FAULTS(b, "\x9a\x00\x70\x00\x00\x78\x00", X86_SS_VEC, 0);
}

static void call_and_return_long(void **state)
{
	struct x86_fault f;
	struct box *b = box_long(0);
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6000, 8, 0x123456789a);
	put(b, 0x6008, 2, SEL_KCODE64);
	assert_int_equal(CALL(b, "\x48\xff\x18", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x123456789a);
	assert_int_equal(b->c.r[X86_rsp], 0x8ff0);
	assert_int_equal(get(b, 0x8ff8, 8), SEL_KCODE64);
	assert_int_equal(get(b, 0x8ff0, 8), 0x8003);
	x86_step_begin(&b->c);
	assert_int_equal(RUN(b, x86_far_ret, "\x48\xcb", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x8003);
	assert_int_equal(b->c.r[X86_rsp], 0x9000);
	box_free(b);
}

/* The way kernels enter 64-bit code at start: push the selector, lretq. */
static void return_to_outer_level(void **state)
{
	struct x86_fault f;
	struct box *b = box_prot(0);
	push4(b, SEL_UDATA | 3);
	push4(b, 0x7000);
	push4(b, 0x11111111); /* parameters */
	push4(b, 0x22222222);
	push4(b, SEL_UCODE32 | 3);
	push4(b, 0x5000);
	assert_int_equal(RUN(b, x86_far_ret, "\xca\x08\x00", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x5000);
	assert_int_equal(b->c.r[X86_rsp], 0x7008); /* the parameters go from the outer stack too */
	assert_int_equal(x86_cpl(b->c.r), 3);
	assert_int_equal(b->c.r[X86_ds_attr], X86_ATTR_UNUSABLE);
	assert_int_equal(b->c.step.naccess, 2);
	want_access(b, 0x8fe8, 8, 0);
	want_access(b, 0x8ff8, 8, 0);
	box_free(b);

	b = box_long(0);
	push8(b, SEL_UDATA | 3);
	push8(b, 0x700000);
	push8(b, SEL_UCODE64 | 3);
	push8(b, 0x500000);
	assert_int_equal(RUN(b, x86_far_ret, "\x48\xcb", &f), 0);
	assert_int_equal(b->c.r[X86_rsp], 0x700000);
	assert_int_equal(x86_cpl(b->c.r), 3);
	box_free(b);

	b = box_prot(3); /* inwards */
	push4(b, SEL_KCODE32);
	push4(b, 0x5000);
	FAULTS(b, x86_far_ret, "\xcb", X86_GP, SEL_KCODE32);
	box_free(b);
}

static void put_call_gate(struct box *b, unsigned sel, u64 offset, unsigned type, unsigned dpl, unsigned params)
{
	put(b, BOX_GDT + SEL_GATE, 8, 0);
	put(b, BOX_GDT + SEL_GATE, 2, offset);
	put(b, BOX_GDT + SEL_GATE + 2, 2, sel);
	put(b, BOX_GDT + SEL_GATE + 4, 1, params);
	put(b, BOX_GDT + SEL_GATE + 5, 1, 0x80 | dpl << 5 | type);
	put(b, BOX_GDT + SEL_GATE + 6, 2, offset >> 16);
	put(b, BOX_GDT + SEL_GATE + 8, 8, offset >> 32);
}

#define CALL_GATE "\x9a\xff\xff\xff\xff\x63\x00" /* the offset does not count */
#define JUMP_GATE "\xea\xff\xff\xff\xff\x63\x00"

static void call_gate_inwards(void **state)
{
	struct x86_fault f;
	struct box *b = box_prot(3);
	put_call_gate(b, SEL_KCODE32, 0x5000, 0xc, 3, 2);
	push4(b, 0x22222222);
	push4(b, 0x11111111);
	assert_int_equal(CALL(b, CALL_GATE, &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x5000);
	assert_int_equal(b->c.r[X86_cs], SEL_KCODE32);
	assert_int_equal(b->c.r[X86_ss], SEL_KDATA);
	assert_int_equal(b->c.r[X86_rsp], 0xa000 - 24);
	assert_int_equal(get(b, 0x9ffc, 4), SEL_UDATA | 3);
	assert_int_equal(get(b, 0x9ff8, 4), 0x8ff8);
	assert_int_equal(get(b, 0x9ff4, 4), 0x22222222);
	assert_int_equal(get(b, 0x9ff0, 4), 0x11111111);
	assert_int_equal(get(b, 0x9fec, 4), SEL_UCODE32 | 3);
	assert_int_equal(get(b, 0x9fe8, 4), 0x8007);
	assert_int_equal(x86_cpl(b->c.r), 0);
	want_access(b, 0x9fe8, 24, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT);
	want_access(b, 0x8ff8, 8, 0);
	box_free(b);

	b = box_prot(3); /* 16-bit gate, 31 parameters: as many as there can be */
	put_call_gate(b, SEL_KCODE32, 0xffff5000, 4, 3, 31);
	b->c.r[X86_rsp] = 0x8f00;
	for (unsigned i = 0; i < 31; i++)
		put(b, 0x8f00 + i * 2, 2, i + 1);
	assert_int_equal(CALL(b, CALL_GATE, &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x5000);
	assert_int_equal(b->c.r[X86_rsp], 0xa000 - 4 - 62 - 4);
	assert_int_equal(get(b, 0x9ffc, 2), 0x8f00);
	assert_int_equal(get(b, 0x9ffa, 2), 31);
	assert_int_equal(get(b, 0x9fbe, 2), 1);
	assert_int_equal(get(b, 0x9fba, 2), 0x8007);
	box_free(b);

	b = box_long(3);
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6004, 2, SEL_GATE | 3);
	put_call_gate(b, SEL_KCODE64, 0x7fff00005000, 0xc, 3, 0);
	assert_int_equal(CALL(b, "\xff\x18", &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x7fff00005000);
	assert_int_equal(b->c.r[X86_rsp], 0xa008 - 32); /* not aligned, unlike a delivery */
	assert_int_equal(get(b, 0xa000, 8), SEL_UDATA | 3);
	assert_int_equal(get(b, 0x9ff8, 8), 0x9000);
	assert_int_equal(get(b, 0x9ff0, 8), SEL_UCODE64 | 3);
	assert_int_equal(get(b, 0x9fe8, 8), 0x8002);
	assert_int_equal(b->c.r[X86_ss], 0);
	assert_int_equal(x86_cpl(b->c.r), 0);
	box_free(b);
}

static void call_gate_same_level(void **state)
{
	struct x86_fault f;
	struct box *b = box_prot(0);
	put_call_gate(b, SEL_KCODE32, 0x5000, 0xc, 3, 5);
	assert_int_equal(CALL(b, CALL_GATE, &f), 0);
	assert_int_equal(b->c.r[X86_rsp], 0x8ff8);
	assert_int_equal(b->c.r[X86_cs], SEL_KCODE32);
	box_free(b);

	b = box_prot(0);
	put_call_gate(b, SEL_KCODE32, 0x5000, 0xc, 3, 5);
	assert_int_equal(JUMP(b, JUMP_GATE, &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x5000);
	assert_int_equal(b->c.r[X86_rsp], 0x9000);
	box_free(b);
}

static void call_gate_faults(void **state)
{
	static const struct { unsigned sel, type, dpl; unsigned vector; u32 error; } t[] = {
		{ SEL_KCODE32, 0xc, 2, X86_GP, SEL_GATE },
		{ 0, 0xc, 3, X86_GP, 0 },
		{ SEL_KDATA, 0xc, 3, X86_GP, SEL_KDATA },
		{ SEL_ABSENT_CODE32, 0xc, 3, X86_NP, SEL_ABSENT_CODE32 },
		{ SEL_KCODE32, 0xe, 3, X86_GP, SEL_GATE }, /* an interrupt gate does not belong here */
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(t); i++) {
		struct box *b = box_prot(3);
		put_call_gate(b, t[i].sel, 0x5000, t[i].type, t[i].dpl, 0);
		CALL_FAULTS(b, CALL_GATE, t[i].vector, t[i].error);
	}
	struct box *b = box_prot(0); /* the selector's RPL counts too */
	put_call_gate(b, SEL_KCODE32, 0x5000, 0xc, 2, 0);
	CALL_FAULTS(b, CALL_GATE, X86_GP, SEL_GATE);

	b = box_prot(3); /* a jump cannot change the level */
	put_call_gate(b, SEL_KCODE32, 0x5000, 0xc, 3, 0);
	JUMP_FAULTS(b, JUMP_GATE, X86_GP, SEL_KCODE32);

	b = box_prot(3);
	put_call_gate(b, SEL_KCODE32, 0x5000, 0xc, 3, 0);
	put(b, BOX_GDT + SEL_GATE + 5, 1, 0x6c);
	CALL_FAULTS(b, CALL_GATE, X86_NP, SEL_GATE);

	b = box_prot(3);
	put_call_gate(b, SEL_KCODE32, 0x5000, 0xc, 3, 0);
	put(b, BOX_TSS + 8, 2, SEL_ABSENT_DATA);
	CALL_FAULTS(b, CALL_GATE, X86_SS_VEC, SEL_ABSENT_DATA);

	b = box_long(3); /* long mode: the upper half has a type of its own, which must be 0 */
	b->c.r[X86_rax] = 0x6000;
	put(b, 0x6004, 2, SEL_GATE | 3);
	put_call_gate(b, SEL_KCODE64, 0x5000, 0xc, 3, 0);
	put(b, BOX_GDT + SEL_GATE + 13, 1, 0x0c);
	CALL_FAULTS(b, "\xff\x18", X86_GP, SEL_GATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jump_real),
		cmocka_unit_test(jump_into_protected_mode),
		cmocka_unit_test(jump_protected),
		cmocka_unit_test(jump_through_memory),
		cmocka_unit_test(call_and_return_real),
		cmocka_unit_test(call_and_return_protected),
		cmocka_unit_test(call_and_return_long),
		cmocka_unit_test(return_to_outer_level),
		cmocka_unit_test(call_gate_inwards),
		cmocka_unit_test(call_gate_same_level),
		cmocka_unit_test(call_gate_faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
