/* SPDX-License-Identifier: MIT */
/* Deliveries in long mode against frames worked out by hand from SDM 2 (INT n) and SDM 3, chapter 6. */
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

static void long_same_level(void **state)
{
	struct box *b = box_long(0);
	u64 *r = b->c.r;
	box_gate(b, 13, SEL_KCODE64, 0x12345678, 0xe, 0, 0);
	put(b, BOX_IDT + 13 * 16 + 8, 4, 0x7fff);
	r[X86_rsp] = 0x900b;
	r[X86_rflags] = 0x2 | X86_IF | X86_TF | X86_NT | X86_CF | X86_AC;
	r[X86_shadow] = 1;
	struct x86_fault f = fault_code(13, 0x18);
	assert_int_equal(x86_deliver(&b->c, &f, 3), 0);
	assert_int_equal(r[X86_rip], 0x7fff12345678);
	assert_int_equal(r[X86_rsp], 0x9000 - 48);
	assert_int_equal(r[X86_cs], SEL_KCODE64);
	assert_int_equal(r[X86_ss], SEL_KDATA);
	assert_int_equal(r[X86_rflags], 0x2 | X86_CF | X86_AC);
	assert_int_equal(get(b, 0x8ff8, 8), SEL_KDATA);
	assert_int_equal(get(b, 0x8ff0, 8), 0x900b);
	assert_int_equal(get(b, 0x8fe8, 8), 0x2 | X86_IF | X86_TF | X86_NT | X86_CF | X86_AC | X86_RF);
	assert_int_equal(get(b, 0x8fe0, 8), SEL_KCODE64);
	assert_int_equal(get(b, 0x8fd8, 8), 0x8000);
	assert_int_equal(get(b, 0x8fd0, 8), 0x18);
	assert_int_equal(b->c.step.kind, KT_STEP_EXCEPTION);
	assert_int_equal(b->c.step.nevent, 1);
	want_event(b, 0, KT_EVENT_EXCEPTION, 13, 0x18, 0);
	assert_int_equal(b->c.step.naccess, 1);
	want_access(b, 0x8fd0, 48, IMPL_WRITE);
	assert_int_equal(r[X86_shadow], 0);
	assert_true(b->c.dirty & X86_DIRTY_HOT);
	box_free(b);
}

static void long_user_to_kernel_irq(void **state)
{
	struct box *b = box_long(3);
	u64 *r = b->c.r;
	box_gate(b, 0x20, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	r[X86_rflags] = 0x202;
	r[X86_halted] = 1;
	assert_int_equal(x86_deliver_irq(&b->c, 0x20, 0), 0);
	assert_int_equal(r[X86_rsp], 0xa000 - 40);
	assert_int_equal(get(b, 0x9ff8, 8), SEL_UDATA | 3);
	assert_int_equal(get(b, 0x9ff0, 8), 0x9000);
	assert_int_equal(get(b, 0x9fe8, 8), 0x202); /* an interrupt shows no RF */
	assert_int_equal(get(b, 0x9fe0, 8), SEL_UCODE64 | 3);
	assert_int_equal(get(b, 0x9fd8, 8), 0x8000);
	assert_int_equal(r[X86_cs], SEL_KCODE64);
	assert_int_equal(r[X86_cs_attr], 0xa09b);
	assert_int_equal(r[X86_ss], 0); /* null selector, RPL 0 */
	assert_int_equal(r[X86_ss_attr], X86_ATTR_UNUSABLE);
	assert_int_equal(x86_cpl(r), 0);
	assert_int_equal(r[X86_rflags], 2);
	assert_int_equal(r[X86_halted], 0);
	assert_int_equal(b->c.step.kind, KT_STEP_IRQ);
	want_event(b, 0, KT_EVENT_IRQ, 0x20, 0, 0);
	assert_true(b->c.dirty & X86_DIRTY_SREGS);
	box_free(b);
}

static void long_ist_wins(void **state)
{
	for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
		struct box *b = box_long(cpl);
		box_gate(b, 2, SEL_KCODE64, 0x5000, 0xe, 0, 2);
		struct x86_fault f = { .vector = X86_NMI };
		assert_int_equal(x86_deliver(&b->c, &f, 0), 0);
		assert_int_equal(b->c.r[X86_rsp], 0xc000 - 40);
		assert_int_equal(get(b, 0xbff0, 8), 0x9000);
		assert_int_equal(get(b, 0xbfe8, 8), 2); /* no RF: not a fault */
		assert_int_equal(b->c.r[X86_ss], cpl ? 0 : SEL_KDATA);
		assert_int_equal(b->c.r[X86_nmi_blocked], 1);
		box_free(b);
	}
}

static void trap_gate_keeps_if(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 3, SEL_KCODE64, 0x5000, 0xf, 0, 0);
	b->c.r[X86_rflags] = 0x302;
	struct x86_fault f = soft_int(3);
	assert_int_equal(x86_deliver(&b->c, &f, 1), 0);
	assert_int_equal(b->c.r[X86_rflags], 0x202);
	assert_int_equal(get(b, 0x8fe8, 8), 0x302);
	assert_int_equal(get(b, 0x8fd8, 8), 0x8001); /* behind int3 */
	box_free(b);
}

static void page_fault_sets_cr2(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 14, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	struct x86_fault f = page_fault(2, 0xdead000);
	assert_int_equal(x86_deliver(&b->c, &f, 4), 0);
	assert_int_equal(b->c.r[X86_cr2], 0xdead000);
	assert_int_equal(get(b, 0x8fd0, 8), 2);
	assert_int_equal(get(b, 0x8fe8, 8), 2 | X86_RF);
	want_event(b, 0, KT_EVENT_EXCEPTION, 14, 2, 0xdead000);
	box_free(b);
}

/* An interrupt is benign: the page fault of its delivery is handled on its own, at the interrupted RIP. */
static void irq_onto_unmapped_stack(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 0x20, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	box_gate(b, 14, SEL_KCODE64, 0x6000, 0xe, 0, 1);
	b->c.r[X86_rflags] = 0x202;
	b->c.r[X86_rsp] = 0x8010; /* the first push still fits into page 8000, the third not */
	box_unmap(b, 0x7000);
	assert_int_equal(x86_deliver_irq(&b->c, 0x20, 5), 0);
	assert_int_equal(b->c.r[X86_rip], 0x6000);
	assert_int_equal(b->c.r[X86_cr2], 0x7ff8);
	assert_int_equal(b->c.r[X86_rsp], 0xb000 - 48);
	assert_int_equal(get(b, 0xafd0, 8), 2);      /* write, not present, supervisor */
	assert_int_equal(get(b, 0xafd8, 8), 0x8000);
	assert_int_equal(get(b, 0xafe8, 8), 0x202 | X86_RF);
	assert_int_equal(get(b, 0xaff0, 8), 0x8010);
	assert_int_equal(get(b, 0x8000, 8), 0); /* nothing of the first attempt */
	assert_int_equal(get(b, 0x8008, 8), 0);
	assert_int_equal(b->c.step.kind, KT_STEP_IRQ);
	assert_int_equal(b->c.step.nevent, 2);
	want_event(b, 0, KT_EVENT_IRQ, 0x20, 5, 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, 14, 2, 0x7ff8);
	assert_int_equal(b->c.step.naccess, 1);
	box_free(b);
}

/* A contributory fault, then a page fault: serially. */
static void gp_onto_unmapped_stack(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 13, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	box_gate(b, 14, SEL_KCODE64, 0x6000, 0xe, 0, 1);
	box_unmap(b, 0x8000);
	struct x86_fault f = fault_code(13, 0);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(b->c.r[X86_rip], 0x6000);
	want_event(b, 0, KT_EVENT_EXCEPTION, 13, 0, 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, 14, 2, 0x8ff8);
	box_free(b);
}

/* The kernel's stack overflow: page fault on page fault is a double fault on its own stack, CR2 is the second one's. */
static void double_fault_from_bad_stack(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 14, SEL_KCODE64, 0x6000, 0xe, 0, 0);
	box_gate(b, 8, SEL_KCODE64, 0x7000, 0xe, 0, 1);
	box_unmap(b, 0x8000);
	b->c.r[X86_rflags] = 0x202;
	struct x86_fault f = page_fault(2, 0x8ff0);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(b->c.r[X86_rip], 0x7000);
	assert_int_equal(b->c.r[X86_rsp], 0xb000 - 48);
	assert_int_equal(b->c.r[X86_cr2], 0x8ff8);
	assert_int_equal(get(b, 0xafd0, 8), 0);
	assert_int_equal(get(b, 0xafd8, 8), 0x8000);
	assert_int_equal(b->c.step.nevent, 2);
	want_event(b, 0, KT_EVENT_EXCEPTION, 14, 2, 0x8ff0);
	want_event(b, 1, KT_EVENT_EXCEPTION, 8, 0, 0);
	box_free(b);
}

static void double_fault_from_absent_gate(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 8, SEL_KCODE64, 0x7000, 0xe, 0, 0);
	box_gate(b, 13, SEL_KCODE64, 0x6000, 0xe, 0, 0);
	put(b, BOX_IDT + 13 * 16 + 5, 1, 0x0e); /* not present */
	struct x86_fault f = fault_code(13, 0);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(b->c.r[X86_rip], 0x7000);
	want_event(b, 1, KT_EVENT_EXCEPTION, 8, 0, 0);
	box_free(b);
}

static void triple_fault_changes_nothing(void **state)
{
	struct box *b = box_long(3); /* an empty IDT: every gate is of a bad type */
	put(b, BOX_PT + 2 * 8, 8, 0x2000 | 7); /* the IDT's page has no Accessed bit: it must not get one */
	box_snapshot(b);
	struct x86_fault f = page_fault(4, 0x400000);
	assert_int_equal(x86_deliver(&b->c, &f, 2), -1);
	assert_int_equal(b->c.end, VM_END_TRIPLE_FAULT);
	assert_true(strlen(b->c.end_text) > 20);
	box_unchanged(b);
	box_free(b);
}

/* No second chance: a double fault that cannot be delivered is the end, even with a handler for the last vector. */
static void fault_after_double_fault(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 14, SEL_KCODE64, 0x6000, 0xe, 0, 0);
	box_gate(b, 8, SEL_KCODE64, 0x7000, 0xe, 0, 1);
	put(b, BOX_IDT + 8 * 16 + 5, 1, 0x0e); /* not present */
	box_gate(b, 11, SEL_KCODE64, 0x5000, 0xe, 0, 1);
	box_unmap(b, 0x8000);
	box_snapshot(b);
	struct x86_fault f = page_fault(2, 0x8ff0);
	assert_int_equal(x86_deliver(&b->c, &f, 2), -1);
	assert_int_equal(b->c.end, VM_END_TRIPLE_FAULT);
	box_unchanged(b);
	box_free(b);
}

static void accessed_bits_are_set_once_delivered(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 6, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	put(b, BOX_PT + 2 * 8, 8, 0x2000 | 7);
	put(b, BOX_PT + 8 * 8, 8, 0x8000 | 7);
	struct x86_fault f = { .vector = X86_UD };
	assert_int_equal(x86_deliver(&b->c, &f, 0), 0);
	assert_int_equal(get(b, BOX_PT + 2 * 8, 8), 0x2000 | 0x27);
	assert_int_equal(get(b, BOX_PT + 8 * 8, 8), 0x8000 | 0x67);
	want_access(b, BOX_PT + 2 * 8, 8, IMPL_WRITE);
	want_access(b, BOX_PT + 8 * 8, 8, IMPL_WRITE);
	box_free(b);
}

static void soft_int_checks_gate_dpl(void **state)
{
	struct box *b = box_long(3);
	box_gate(b, 0x80, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	box_gate(b, 13, SEL_KCODE64, 0x6000, 0xe, 0, 0);
	struct x86_fault f = soft_int(0x80);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(b->c.r[X86_rip], 0x6000);
	assert_int_equal(get(b, 0xa000 - 48, 8), 0x80 * 8 + 2); /* IDT, not external */
	assert_int_equal(get(b, 0xa000 - 40, 8), 0x8000);       /* the int itself */
	want_event(b, 0, KT_EVENT_EXCEPTION, 0x80, 0, 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, 13, 0x402, 0);
	box_free(b);

	b = box_long(3);
	box_gate(b, 0x80, SEL_KCODE64, 0x5000, 0xf, 3, 0);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(b->c.r[X86_rip], 0x5000);
	assert_int_equal(get(b, 0xa000 - 40, 8), 0x8002);
	assert_int_equal(get(b, 0xa000 - 24, 8), 2);
	box_free(b);
}

/* Hardware interrupts do not look at the gate's DPL; their faults say EXT. */
static void irq_errors_carry_ext(void **state)
{
	struct box *b = box_long(3);
	box_gate(b, 0x31, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	put(b, BOX_IDT + 0x31 * 16 + 5, 1, 0x0e);
	box_gate(b, 11, SEL_KCODE64, 0x6000, 0xe, 0, 0);
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	assert_int_equal(b->c.r[X86_rip], 0x6000);
	assert_int_equal(get(b, 0xa000 - 48, 8), 0x31 * 8 + 3);
	box_free(b);
}

static void bad_code_selectors(void **state)
{
	static const struct { unsigned sel, vector; u32 error; } t[] = {
		{ 0, X86_GP, 1 },
		{ 0x1000, X86_GP, 0x1001 },              /* beyond the GDT */
		{ SEL_KDATA, X86_GP, SEL_KDATA | 1 },    /* no code */
		{ SEL_KCODE32, X86_GP, SEL_KCODE32 | 1 }, /* not 64-bit */
		{ SEL_LONG_AND_BIG, X86_GP, SEL_LONG_AND_BIG | 1 },
		{ SEL_UCODE64, X86_GP, SEL_UCODE64 | 1 }, /* outer level */
		{ BOX_GDT_LIMIT + 1, X86_GP, BOX_GDT_LIMIT + 2 }, /* just beyond */
		{ 0x0c, X86_GP, 0x0d },                  /* no LDT */
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(t); i++) {
		struct box *b = box_long(0);
		box_descr(b, BOX_GDT_LIMIT + 1, 0, 0xfffff, 0x9b, 0xa); /* good, were it in the table */
		box_gate(b, 0x31, t[i].sel, 0x5000, 0xe, 0, 0);
		box_gate(b, t[i].vector, SEL_KCODE64, 0x6000, 0xe, 0, 0);
		assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
		want_event(b, 1, KT_EVENT_EXCEPTION, t[i].vector, t[i].error, 0);
		assert_int_equal(get(b, 0x9000 - 48, 8), t[i].error);
		box_free(b);
	}
}

static void code_in_the_ldt(void **state)
{
	struct box *b = box_long(0);
	u64 *r = b->c.r;
	r[X86_ldtr] = 0x60;
	r[X86_ldtr_base] = BOX_GDT + SEL_KCODE64 - 8; /* its second entry is the kernel's code segment */
	r[X86_ldtr_limit] = 15;
	r[X86_ldtr_attr] = 0x82;
	box_gate(b, 0x31, 0x0c, 0x5000, 0xe, 0, 0);
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	assert_int_equal(r[X86_cs], 0x0c);
	assert_int_equal(r[X86_cs_attr], 0xa09b);
	box_free(b);
}

static void non_canonical_stack_and_target(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 0x31, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	box_gate(b, 12, SEL_KCODE64, 0x6000, 0xe, 0, 1);
	b->c.r[X86_rsp] = 0x900000000000;
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, X86_SS_VEC, 1, 0);
	box_free(b);

	b = box_long(0);
	box_gate(b, 0x31, SEL_KCODE64, 0x800000000000, 0xe, 0, 0);
	box_gate(b, 13, SEL_KCODE64, 0x6000, 0xe, 0, 0);
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, X86_GP, 1, 0);
	assert_int_equal(get(b, 0x9000 - 40, 8), 0x8000);
	box_free(b);
}

static void tss_too_short_for_ist(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 0x31, SEL_KCODE64, 0x5000, 0xe, 0, 7); /* IST7: bytes 84..91 */
	box_gate(b, 10, SEL_KCODE64, 0x6000, 0xe, 0, 0);
	b->c.r[X86_tr_limit] = 90;
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	want_event(b, 1, KT_EVENT_EXCEPTION, X86_TS, SEL_TSS | 1, 0);
	box_free(b);

	b = box_long(0);
	box_gate(b, 0x31, SEL_KCODE64, 0x5000, 0xe, 0, 7);
	put(b, BOX_TSS + 84, 8, 0xd000);
	b->c.r[X86_tr_limit] = 91;
	assert_int_equal(x86_deliver_irq(&b->c, 0x31, 1), 0);
	assert_int_equal(b->c.r[X86_rsp], 0xd000 - 40);
	box_free(b);
}

/* From 32-bit code under a 64-bit kernel: the stack pointer is 32 bits in the frame, the handler 64-bit. */
static void long_from_compatibility_mode(void **state)
{
	struct box *b = box_long(3);
	box_seg(b, X86_cs, SEL_UCODE32 | 3);
	b->c.r[X86_rsp] = 0xfffff000;
	box_gate(b, 0x80, SEL_KCODE64, 0x5000, 0xe, 3, 0);
	struct x86_fault f = soft_int(0x80);
	assert_int_equal(x86_deliver(&b->c, &f, 2), 0);
	assert_int_equal(get(b, 0x9ff0, 8), 0xfffff000);
	assert_int_equal(get(b, 0x9fe0, 8), SEL_UCODE32 | 3);
	assert_int_equal(x86_mode(b->c.r) & KT_MODE_CODE, KT_MODE_64);
	box_free(b);
}

/* A frame over two pages that lie apart: two records; dirty bits of both. */
static void long_frame_over_two_pages(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 6, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	put(b, BOX_PT + 8 * 8, 8, 0x20000 | 0x67);
	put(b, BOX_PT + 7 * 8, 8, 0x30000 | 0x67);
	b->c.r[X86_rsp] = 0x8010;
	struct x86_fault f = { .vector = X86_UD };
	assert_int_equal(x86_deliver(&b->c, &f, 0), 0);
	assert_int_equal(get(b, 0x20008, 8), SEL_KDATA);
	assert_int_equal(get(b, 0x20000, 8), 0x8010);
	assert_int_equal(get(b, 0x30ff8, 8), 2 | X86_RF);
	assert_int_equal(get(b, 0x30fe8, 8), 0x8000);
	assert_int_equal(b->c.step.naccess, 2);
	box_free(b);
}

static void debug_exceptions_show_rf_as_it_was(void **state)
{
	struct box *b = box_long(0);
	box_gate(b, 1, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	struct x86_fault f = { .vector = X86_DB };
	assert_int_equal(x86_deliver(&b->c, &f, 0), 0);
	assert_int_equal(get(b, 0x8fe8, 8), 2);
	box_free(b);
}

static void delivery_that_cannot_be_kept(void **state)
{
	struct box *b = box_long(0); /* page 8000 is mapped where there is no RAM */
	box_gate(b, 6, SEL_KCODE64, 0x5000, 0xe, 0, 0);
	put(b, BOX_PT + 8 * 8, 8, 0xfee00000 | 0x67);
	box_snapshot(b);
	struct x86_fault f = { .vector = X86_UD };
	assert_int_equal(x86_deliver(&b->c, &f, 0), -1);
	assert_int_equal(b->c.end, VM_END_UNSUPPORTED);
	box_unchanged(b);
	box_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_same_level),
		cmocka_unit_test(long_user_to_kernel_irq),
		cmocka_unit_test(long_ist_wins),
		cmocka_unit_test(trap_gate_keeps_if),
		cmocka_unit_test(page_fault_sets_cr2),
		cmocka_unit_test(irq_onto_unmapped_stack),
		cmocka_unit_test(gp_onto_unmapped_stack),
		cmocka_unit_test(double_fault_from_bad_stack),
		cmocka_unit_test(double_fault_from_absent_gate),
		cmocka_unit_test(triple_fault_changes_nothing),
		cmocka_unit_test(fault_after_double_fault),
		cmocka_unit_test(accessed_bits_are_set_once_delivered),
		cmocka_unit_test(soft_int_checks_gate_dpl),
		cmocka_unit_test(irq_errors_carry_ext),
		cmocka_unit_test(bad_code_selectors),
		cmocka_unit_test(code_in_the_ldt),
		cmocka_unit_test(non_canonical_stack_and_target),
		cmocka_unit_test(tss_too_short_for_ist),
		cmocka_unit_test(long_from_compatibility_mode),
		cmocka_unit_test(long_frame_over_two_pages),
		cmocka_unit_test(debug_exceptions_show_rf_as_it_was),
		cmocka_unit_test(delivery_that_cannot_be_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
