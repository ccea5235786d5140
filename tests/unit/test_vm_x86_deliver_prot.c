/* SPDX-License-Identifier: MIT */
/* Deliveries in protected and real mode against frames worked out by hand from SDM 2 (INT n) and SDM 3, chapter 6. */
#include "x86_box.h"

static const u8 IMPL_WRITE = KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT;

static struct x86_fault fault_code(unsigned vector, u32 error)
{
	return (struct x86_fault){ .vector = (u8)vector, .has_error = true, .error = error };
}

static struct x86_fault page_fault(u32 error, u64 cr2)
{
	return (struct x86_fault){ .vector = X86_PFAULT, .has_error = true, .error = error, .cr2 = cr2 };
}

static struct x86_fault soft_int(unsigned vector)
{
	return (struct x86_fault){ .vector = (u8)vector, .is_trap = true, .soft = true };
}

/* --- protected mode --- */

static void prot_same_level(void **state)
{
	struct box *b = box_prot(0);
	u64 *r = b->c.r;
	box_gate(b, 13, SEL_KCODE32, 0x5000, 0xe, 0, 0);
	r[X86_rflags] = 0x202;
	struct x86_fault f = fault_code(13, 0xabc);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(r[X86_rsp], 0x9000 - 16);
	assert_int_equal(get(b, 0x8ffc, 4), 0x202 | X86_RF);
	assert_int_equal(get(b, 0x8ff8, 4), SEL_KCODE32);
	assert_int_equal(get(b, 0x8ff4, 4), 0x8000);
	assert_int_equal(get(b, 0x8ff0, 4), 0xabc);
	assert_int_equal(r[X86_rflags], 2);
	assert_int_equal(r[X86_ss], SEL_KDATA);
	want_access(b, 0x8ff0, 16, IMPL_WRITE);
	box_free(b);
}

static void prot_user_to_kernel(void **state)
{
	struct box *b = box_prot(3);
	u64 *r = b->c.r;
	box_gate(b, 14, SEL_KCODE32, 0xc0105000, 0xf, 0, 0);
	r[X86_rflags] = 0x202;
	struct x86_fault f = page_fault(6, 0xbffff000);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(r[X86_rip], 0xc0105000);
	assert_int_equal(r[X86_rsp], 0xa000 - 24);
	assert_int_equal(get(b, 0x9ffc, 4), SEL_UDATA | 3);
	assert_int_equal(get(b, 0x9ff8, 4), 0x9000);
	assert_int_equal(get(b, 0x9ff4, 4), 0x202 | X86_RF);
	assert_int_equal(get(b, 0x9ff0, 4), SEL_UCODE32 | 3);
	assert_int_equal(get(b, 0x9fec, 4), 0x8000);
	assert_int_equal(get(b, 0x9fe8, 4), 6);
	assert_int_equal(r[X86_ss], SEL_KDATA);
	assert_int_equal(r[X86_ss_attr], 0xc093);
	assert_int_equal(r[X86_cs], SEL_KCODE32);
	assert_int_equal(r[X86_rflags], 0x202);
	assert_int_equal(r[X86_ds], SEL_UDATA | 3); /* data segments stay */
	assert_int_equal(x86_cpl(r), 0);
	box_free(b);
}

static void prot_16bit_gate_and_tss(void **state)
{
	struct box *b = box_prot(3);
	u64 *r = b->c.r;
	box_gate(b, 0x30, SEL_KCODE32, 0xdead5000, 0x6, 3, 0); /* the high half of the offset does not count */
	box_descr(b, SEL_TSS, BOX_TSS, 0x2b, 0x83, 0);
	box_seg(b, X86_tr, SEL_TSS);
	put(b, BOX_TSS + 2, 2, 0xa000);
	put(b, BOX_TSS + 4, 2, SEL_KDATA);
	struct x86_fault f = soft_int(0x30);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(r[X86_rip], 0x5000);
	assert_int_equal(r[X86_rsp], 0xa000 - 10);
	assert_int_equal(get(b, 0x9ffe, 2), SEL_UDATA | 3);
	assert_int_equal(get(b, 0x9ffc, 2), 0x9000);
	assert_int_equal(get(b, 0x9ffa, 2), 2);
	assert_int_equal(get(b, 0x9ff8, 2), SEL_UCODE32 | 3);
	assert_int_equal(get(b, 0x9ff6, 2), 0x8002);
	box_free(b);
}

static void prot_conforming_handler_keeps_cpl(void **state)
{
	struct box *b = box_prot(3);
	box_gate(b, 0x30, SEL_CONFORMING32, 0x5000, 0xe, 3, 0);
	struct x86_fault f = soft_int(0x30);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(b->c.r[X86_cs], SEL_CONFORMING32 | 3);
	assert_int_equal(x86_cpl(b->c.r), 3);
	assert_int_equal(b->c.r[X86_rsp], 0x9000 - 12);
	box_free(b);
}

static void prot_code_descriptor_becomes_accessed(void **state)
{
	struct box *b = box_prot(0);
	box_gate(b, 6, SEL_FRESH_CODE32, 0x5000, 0xe, 0, 0);
	struct x86_fault f = { .vector = X86_UD };
	assert_int_equal(x86_deliver(&b->c, &f, 0), 0);
	assert_int_equal(get(b, BOX_GDT + SEL_FRESH_CODE32 + 5, 1), 0x9b);
	want_access(b, BOX_GDT + SEL_FRESH_CODE32 + 5, 1, IMPL_WRITE);
	assert_int_equal(b->c.r[X86_cs_attr], 0xc09b);
	box_free(b);
}

/* The inner stack segment's faults. A #PF handler and friends live on a conforming segment, so that they need no inner stack. */
static void prot_inner_stack_faults(void **state)
{
	static const struct { unsigned ss, vector; u32 error; u32 tss_limit, esp; } t[] = {
		{ 0, X86_TS, 1, 0x67, 0xa000 },
		{ 3, X86_TS, 1, 0x67, 0xa000 }, /* null with an RPL */
		{ SEL_KDATA | 3, X86_TS, SEL_KDATA | 1, 0x67, 0xa000 },
		{ SEL_UDATA, X86_TS, SEL_UDATA | 1, 0x67, 0xa000 },
		{ SEL_KCODE32, X86_TS, SEL_KCODE32 | 1, 0x67, 0xa000 },
		{ 0x1000, X86_TS, 0x1001, 0x67, 0xa000 },
		{ SEL_ABSENT_DATA, X86_SS_VEC, SEL_ABSENT_DATA | 1, 0x67, 0xa000 },
		{ SEL_KDATA, X86_TS, SEL_TSS | 1, 8, 0xa000 }, /* bytes 4..9 are needed */
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(t); i++) {
		struct box *b = box_prot(3);
		put(b, BOX_TSS + 8, 2, t[i].ss);
		put(b, BOX_TSS + 4, 4, t[i].esp);
		b->c.r[X86_tr_limit] = t[i].tss_limit;
		box_gate(b, 0x31, SEL_KCODE32, 0x5000, 0xe, 0, 0);
		box_gate(b, t[i].vector, SEL_CONFORMING32, 0x6000, 0xe, 0, 0);
		assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
		assert_int_equal(b->c.r[X86_rip], 0x6000);
		want_event(b, 1, KT_EVENT_EXCEPTION, t[i].vector, t[i].error, 0);
		assert_int_equal(get(b, 0x8ff0, 4), t[i].error);
		box_free(b);
	}
}

/* No room on the inner stack: #SS with its selector; on the current one: #SS(0), here #SS(EXT). */
static void prot_stack_limits(void **state)
{
	struct box *b = box_prot(3);
	box_descr(b, SEL_KDATA, 0, 0x9fff, 0x93, 0x4);
	put(b, BOX_TSS + 4, 4, 0xa001);
	box_gate(b, 0x31, SEL_KCODE32, 0x5000, 0xe, 0, 0);
	box_gate(b, 12, SEL_CONFORMING32, 0x6000, 0xe, 0, 0);
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, X86_SS_VEC, SEL_KDATA | 1, 0);
	box_free(b);

	b = box_prot(0); /* expand-down, lowest offset 8ff9: the second push is out */
	b->c.r[X86_ss_attr] = 0xc097;
	b->c.r[X86_ss_limit] = 0x8ff8;
	box_gate(b, 6, SEL_KCODE32, 0x5000, 0xe, 0, 0);
	box_snapshot(b);
	struct x86_fault f = { .vector = X86_UD };
	assert_int_equal(x86_deliver(&b->c, &f, 0), -1); /* no stack for #SS, none for #DF */
	assert_int_equal(b->c.end, VM_END_TRIPLE_FAULT);
	want_event(b, 1, KT_EVENT_EXCEPTION, X86_SS_VEC, 1, 0);
	want_event(b, 2, KT_EVENT_EXCEPTION, X86_DF_VEC, 0, 0);
	box_unchanged(b);
	box_free(b);
}

/* Expand-down: offsets above the limit are in. */
static void prot_expand_down_stack(void **state)
{
	static const struct { u32 limit; int rc; } t[] = { { 0x8ff3, 0 }, { 0x8ff4, -1 } };
	for (unsigned i = 0; i < KT_ARRAY_LEN(t); i++) {
		struct box *b = box_prot(0);
		b->c.r[X86_ss_attr] = 0xc097;
		b->c.r[X86_ss_limit] = t[i].limit;
		box_gate(b, 6, SEL_KCODE32, 0x5000, 0xe, 0, 0);
		struct x86_fault f = { .vector = X86_UD };
		assert_int_equal(x86_deliver(&b->c, &f, 0), t[i].rc);
		box_free(b);
	}
}

static void prot_target_beyond_limit(void **state)
{
	struct box *b = box_prot(0);
	box_gate(b, 0x31, SEL_SMALL_CODE32, 0x1000, 0xe, 0, 0);
	box_gate(b, 13, SEL_KCODE32, 0x6000, 0xe, 0, 0);
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, X86_GP, 1, 0);
	box_free(b);
}

static void idt_limit(void **state)
{
	struct box *b = box_prot(0);
	b->c.r[X86_idtr_limit] = 0x31 * 8 + 7;
	box_gate(b, 0x31, SEL_KCODE32, 0x5000, 0xe, 0, 0);
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	assert_int_equal(b->c.r[X86_rip], 0x5000);
	box_free(b);

	b = box_prot(0);
	b->c.r[X86_idtr_limit] = 0x31 * 8 + 6;
	box_gate(b, 0x31, SEL_KCODE32, 0x5000, 0xe, 0, 0);
	box_gate(b, 13, SEL_KCODE32, 0x6000, 0xe, 0, 0);
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, X86_GP, 0x31 * 8 + 3, 0);
	box_free(b);
}

static void what_ends_the_machine(void **state)
{
	struct box *b = box_prot(0);
	box_gate(b, 8, SEL_TSS, 0, 5, 0, 0);
	struct x86_fault f = fault_code(8, 0);
	box_snapshot(b);
	assert_int_equal(x86_deliver(&b->c, &f, 0), -1);
	assert_int_equal(b->c.end, VM_END_UNSUPPORTED);
	assert_non_null(strstr(b->c.end_text, "task gate"));
	box_unchanged(b);
	box_free(b);

	b = box_prot(3);
	b->c.r[X86_rflags] |= X86_VM;
	box_snapshot(b);
	assert_int_equal(x86_deliver_irq(&b->c, 0x20, 0), -1);
	assert_int_equal(b->c.end, VM_END_UNSUPPORTED);
	assert_non_null(strstr(b->c.end_text, "virtual-8086"));
	box_unchanged(b);
	box_free(b);
}

/* A 16-bit stack segment under a 32-bit gate: SP wraps, the upper half of ESP stays. */
static void prot_16bit_stack(void **state)
{
	struct box *b = box_prot(0);
	b->c.r[X86_ss_attr] = 0x93;
	b->c.r[X86_ss_limit] = 0xffff;
	b->c.r[X86_rsp] = 0x12340004;
	box_gate(b, 6, SEL_KCODE32, 0x5000, 0xe, 0, 0);
	struct x86_fault f = { .vector = X86_UD };
	assert_int_equal(x86_deliver(&b->c, &f, 0), 0);
	assert_int_equal(b->c.r[X86_rsp], 0x1234fff8);
	assert_int_equal(get(b, 0, 4), 2 | X86_RF);
	assert_int_equal(get(b, 0xfffc, 4), SEL_KCODE32);
	assert_int_equal(get(b, 0xfff8, 4), 0x8000);
	assert_int_equal(b->c.step.naccess, 2);
	box_free(b);
}

/* --- real mode --- */

static void real_interrupt(void **state)
{
	struct box *b = box_real();
	u64 *r = b->c.r;
	put(b, 0x21 * 4, 4, 0xf0001234);
	r[X86_rflags] = 0x2 | X86_IF | X86_TF | X86_CF | X86_AC;
	r[X86_ss] = 0x100;
	r[X86_ss_base] = 0x1000;
	r[X86_rsp] = 0xabcd9000;
	r[X86_cs] = 0x20;
	r[X86_cs_base] = 0x200;
	struct x86_fault f = soft_int(0x21);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(r[X86_rip], 0x1234);
	assert_int_equal(r[X86_cs], 0xf000);
	assert_int_equal(r[X86_cs_base], 0xf0000);
	assert_int_equal(r[X86_cs_limit], 0xffff);
	assert_int_equal(r[X86_rsp], 0xabcd8ffa);
	assert_int_equal(r[X86_rflags], 0x2 | X86_CF);
	assert_int_equal(get(b, 0x9ffe, 2), 0x2 | X86_IF | X86_TF | X86_CF);
	assert_int_equal(get(b, 0x9ffc, 2), 0x20);
	assert_int_equal(get(b, 0x9ffa, 2), 0x8002);
	want_access(b, 0x9ffa, 6, IMPL_WRITE);
	box_free(b);
}

/* No error codes in real mode; the fault's frame is flags, CS, IP. */
static void real_fault(void **state)
{
	struct box *b = box_real();
	put(b, 13 * 4, 4, 0x01000050);
	struct x86_fault f = fault_code(13, 0);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(b->c.r[X86_rsp], 0x8ffa);
	assert_int_equal(get(b, 0x8ffa, 2), 0x8000);
	assert_int_equal(b->c.r[X86_rip], 0x50);
	assert_int_equal(b->c.r[X86_cs_base], 0x1000);
	box_free(b);
}

static void real_stack_wraps_or_faults(void **state)
{
	struct box *b = box_real();
	put(b, 0x21 * 4, 4, 0xf0001234);
	b->c.r[X86_rsp] = 2;
	b->c.r[X86_ss_base] = 0x1000;
	assert_int_equal(x86_deliver_irq(&b->c, 0x21, 0), 0);
	assert_int_equal(b->c.r[X86_rsp], 0xfffc);
	assert_int_equal(get(b, 0x1000, 2), 2);
	assert_int_equal(get(b, 0x10ffe, 2), 0);
	assert_int_equal(get(b, 0x10ffc, 2), 0x8000);
	box_free(b);

	b = box_real(); /* a word at ffff does not fit: #SS, #DF, shutdown (SDM 2, INT, real-address mode exceptions) */
	put(b, 0x21 * 4, 4, 0xf0001234);
	b->c.r[X86_rsp] = 1;
	box_snapshot(b);
	assert_int_equal(x86_deliver_irq(&b->c, 0x21, 0), -1);
	assert_int_equal(b->c.end, VM_END_TRIPLE_FAULT);
	box_unchanged(b);
	box_free(b);
}

static void real_table_too_short(void **state)
{
	struct box *b = box_real();
	put(b, 13 * 4, 4, 0x01000050);
	b->c.r[X86_idtr_limit] = 13 * 4 + 3;
	assert_int_equal(x86_deliver_irq(&b->c, 14, 0), 0);
	assert_int_equal(b->c.r[X86_rip], 0x50);
	assert_int_equal(b->c.step.event[1].num, 13);
	box_free(b);

	b = box_real();
	b->c.r[X86_idtr_limit] = 0;
	box_snapshot(b);
	assert_int_equal(x86_deliver_irq(&b->c, 14, 0), -1);
	assert_int_equal(b->c.end, VM_END_TRIPLE_FAULT);
	box_unchanged(b);
	box_free(b);
}

/* With A20 masked, a table at 1 MiB is the one at 0. */
static void real_a20(void **state)
{
	struct box *b = box_real();
	put(b, 0x21 * 4, 4, 0xf0001234);
	b->c.r[X86_ss] = 0xffff;
	b->c.r[X86_ss_base] = 0xffff0;
	b->c.r[X86_rsp] = 0x9010;
	b->c.a20 = false;
	assert_int_equal(x86_deliver_irq(&b->c, 0x21, 0), 0);
	assert_int_equal(get(b, 0x8ffa, 2), 0x8000);
	box_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prot_same_level),
		cmocka_unit_test(prot_user_to_kernel),
		cmocka_unit_test(prot_16bit_gate_and_tss),
		cmocka_unit_test(prot_conforming_handler_keeps_cpl),
		cmocka_unit_test(prot_code_descriptor_becomes_accessed),
		cmocka_unit_test(prot_inner_stack_faults),
		cmocka_unit_test(prot_stack_limits),
		cmocka_unit_test(prot_expand_down_stack),
		cmocka_unit_test(prot_target_beyond_limit),
		cmocka_unit_test(idt_limit),
		cmocka_unit_test(what_ends_the_machine),
		cmocka_unit_test(prot_16bit_stack),
		cmocka_unit_test(real_interrupt),
		cmocka_unit_test(real_fault),
		cmocka_unit_test(real_stack_wraps_or_faults),
		cmocka_unit_test(real_table_too_short),
		cmocka_unit_test(real_a20),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
