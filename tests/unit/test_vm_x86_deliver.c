/* SPDX-License-Identifier: MIT */
/* Deliveries against frames worked out by hand from SDM 2 (INT n) and SDM 3, chapter 6. */
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

/* --- long mode --- */

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
