/* SPDX-License-Identifier: MIT */
/* Delivering exceptions and interrupts: what goes through the IDT or the real-mode vector table, and what happens when
 * the delivery itself faults (SDM 3, 6.15: double fault; then shutdown, here "triple fault").
 *
 * Every vector attempted is an event of the step, in order; the last one is the one that got through. The kind of the
 * step is that of the first. CR2 follows every page fault of the chain, as on a CPU, so that a double-fault handler
 * sees the address that did not work. */
#include "vm/x86_64/x86_xfer.h"

enum { CHAIN_MAX = 8 }; /* longer than any chain of the table below: a bound, not a rule */

/* SDM 3, table 6-4. */
enum class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum class class_of(const struct x86_fault *f, bool irq)
{
	if (irq || f->soft)
		return BENIGN;
	switch (f->vector) {
	case X86_DE:
	case X86_TS:
	case X86_NP:
	case X86_SS_VEC:
	case X86_GP:
		return CONTRIBUTORY;
	case X86_PFAULT:
		return PAGE_FAULT;
	case X86_DF_VEC:
		return DOUBLE_FAULT;
	}
	return BENIGN;
}

/* SDM 3, table 6-5: what two exceptions, the second raised while the first was delivered, come to. */
static bool doubles(enum class first, enum class second)
{
	if (first == CONTRIBUTORY)
		return second == CONTRIBUTORY;
	return first == PAGE_FAULT && (second == CONTRIBUTORY || second == PAGE_FAULT);
}

/* SDM 3, 17.3.1.1: fault-class exceptions show RF = 1, so that the instruction is not stopped at again by the same
 * breakpoint. Not so #DB (a handler sets RF itself), interrupts and aborts: they show RF as it was. int n, int3 and
 * int1 clear it first (17.3.1.1). */
static bool shows_rf(const struct x86_fault *f, bool irq)
{
	return !irq && !f->is_trap && !f->soft && f->vector != X86_DB && f->vector != X86_NMI && f->vector != X86_DF_VEC &&
	       f->vector != 18;
}

/* SDM 3, 20.1.4: a far pointer of the table at IDTR, a frame of three words, no error code. */
static int deliver_real(struct x86_xfer *x, const struct x86_fault *f, u64 rip, u64 rflags)
{
	const u64 *r = x->c->r;
	u16 target[2];
	if (f->vector * 4u + 3 > r[X86_idtr_limit])
		return x86_xfer_raise(x, X86_GP, f->vector * 8u + 2);
	int rc = x86_xfer_table(x, r[X86_idtr_base] + f->vector * 4u, target, sizeof target);
	if (rc)
		return rc;
	struct x86_stack s = x86_xfer_stack(x->c);
	const u64 frame[] = { rflags, r[X86_cs], rip };
	for (unsigned i = 0; i < KT_ARRAY_LEN(frame); i++) {
		rc = x86_xfer_push(x, &s, frame[i], 2);
		if (rc)
			return rc;
	}
	x86_xfer_real(x, X86_cs, target[1]);
	rc = x86_xfer_rip(x, target[0]);
	if (rc)
		return rc;
	x->rsp = s.sp;
	x->rflags &= ~(u64)(X86_IF | X86_TF | X86_AC | X86_RF);
	return x86_xfer_commit(x);
}

static int attempt(struct x86_cpu *c, const struct x86_fault *f, bool irq, u64 rip, struct x86_fault *nested)
{
	struct x86_xfer x;
	u64 rflags = c->r[X86_rflags];
	if (rflags & X86_VM && !x86_real(c)) {
		x86_end(c, VM_END_UNSUPPORTED, f->vector, "vector %u in virtual-8086 mode at %#llx: not supported", f->vector,
		        (unsigned long long)c->step.pc);
		return -1;
	}
	x86_xfer_begin(&x, c, nested, !f->soft);
	if (shows_rf(f, irq))
		rflags |= X86_RF;
	else if (!irq && f->is_trap && rip != c->r[X86_rip])
		rflags &= ~(u64)X86_RF;
	return x86_real(c) ? deliver_real(&x, f, rip, rflags) : x86_deliver_gate(&x, f, rip, rflags);
}

static int triple_fault(struct x86_cpu *c, const struct x86_fault *cause)
{
	x86_end(c, VM_END_TRIPLE_FAULT, cause->vector, "triple fault at %#llx: delivering a double fault raised vector %u, error code %#x",
	        (unsigned long long)c->step.pc, cause->vector, cause->error);
	return -1;
}

static void log_attempt(struct x86_cpu *c, const struct x86_fault *f)
{
	x86_step_event(c, KT_EVENT_EXCEPTION, f->vector, f->has_error && !x86_real(c) ? f->error : 0,
	               f->vector == X86_PFAULT ? f->cr2 : 0);
}

/* RIP behind the instruction, wrapped as its code segment does. */
static u64 next_rip(const struct x86_cpu *c, unsigned len)
{
	u64 rip = c->r[X86_rip] + len;
	if (x86_in_64(c))
		return rip;
	return c->r[X86_cs_attr] & X86_ATTR_DB ? (u32)rip : rip & 0xffff;
}

/* `first` and what becomes of it. back: RIP of the frame of `first`; `again`: that of a fault during its delivery. */
static int deliver(struct x86_cpu *c, struct x86_fault f, bool irq, u64 back, u64 again)
{
	u64 cr2 = c->r[X86_cr2], rip = back;
	for (unsigned n = 0; n < CHAIN_MAX; n++) {
		struct x86_fault nested = { 0 };
		if (f.vector == X86_PFAULT && !irq && !f.soft)
			cr2 = f.cr2;
		int rc = attempt(c, &f, irq, rip, &nested);
		if (rc < 0)
			return -1;
		if (rc == 0) {
			x86_set(c, X86_cr2, cr2);
			x86_set(c, X86_shadow, 0);
			x86_set(c, X86_halted, 0);
			if (f.vector == X86_NMI && !irq && !f.soft)
				x86_set(c, X86_nmi_blocked, 1);
			return 0;
		}
		enum class first = class_of(&f, irq), second = class_of(&nested, false);
		if (first == DOUBLE_FAULT && second != BENIGN)
			return triple_fault(c, &nested);
		if (nested.vector == X86_PFAULT)
			cr2 = nested.cr2;
		if (doubles(first, second))
			nested = (struct x86_fault){ .vector = X86_DF_VEC, .has_error = true };
		f = nested;
		irq = false;
		rip = again;
		log_attempt(c, &f);
	}
	return triple_fault(c, &f);
}

int x86_deliver(struct x86_cpu *c, const struct x86_fault *f, unsigned insn_len)
{
	u64 here = c->r[X86_rip], back = f->is_trap ? next_rip(c, insn_len) : here;
	c->step.kind = KT_STEP_EXCEPTION;
	log_attempt(c, f);
	/* A software interrupt that cannot be delivered faults itself; another trap's instruction is over. */
	return deliver(c, *f, false, back, f->soft ? here : back);
}

int x86_deliver_irq(struct x86_cpu *c, unsigned vector, unsigned line)
{
	struct x86_fault f = { .vector = (u8)vector };
	c->step.kind = KT_STEP_IRQ;
	x86_step_event(c, KT_EVENT_IRQ, (u16)vector, line, 0);
	return deliver(c, f, true, c->r[X86_rip], c->r[X86_rip]);
}
