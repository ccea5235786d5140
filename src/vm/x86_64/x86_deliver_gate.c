/* SPDX-License-Identifier: MIT */
/* One attempt to deliver an event through a gate of the IDT, in protected and in long mode (SDM 2, INT n; SDM 3, 6.12
 * and 6.14). It either happens whole or faults with nothing changed. */
#include "vm/x86_64/x86_xfer.h"

enum { GATE_TASK = 5, GATE_INT16 = 6, GATE_TRAP16 = 7, GATE_INT32 = 14, GATE_TRAP32 = 15 };

struct gate {
	unsigned type, dpl, ist;
	u16 sel;
	u64 offset;
	bool present;
};

static u32 idt_error(const struct x86_fault *event)
{
	return (u32)event->vector << 3 | 2;
}

static bool type_ok(const struct x86_xfer *x, unsigned type)
{
	if (type == GATE_INT32 || type == GATE_TRAP32)
		return true;
	return !x->lma && (type == GATE_TASK || type == GATE_INT16 || type == GATE_TRAP16);
}

static int read_gate(struct x86_xfer *x, const struct x86_fault *event, struct gate *g)
{
	const u64 *r = x->c->r;
	unsigned size = x->lma ? 16 : 8;
	u32 w[4] = { 0 };
	if (event->vector * size + size - 1 > r[X86_idtr_limit])
		return x86_xfer_raise(x, X86_GP, idt_error(event));
	int rc = x86_xfer_table(x, r[X86_idtr_base] + event->vector * size, w, size);
	if (rc)
		return rc;
	g->type = w[1] >> 8 & 31; /* with the S bit: code and data descriptors are no gates */
	g->dpl = w[1] >> 13 & 3;
	g->present = w[1] >> 15 & 1;
	g->ist = x->lma ? w[1] & 7 : 0;
	g->sel = (u16)(w[0] >> 16);
	g->offset = (w[0] & 0xffff) | (w[1] & 0xffff0000) | (u64)w[2] << 32;
	if (!type_ok(x, g->type))
		return x86_xfer_raise(x, X86_GP, idt_error(event));
	if (g->type == GATE_INT16 || g->type == GATE_TRAP16)
		g->offset &= 0xffff;
	if (event->soft && g->dpl < x86_cpl(r))
		return x86_xfer_raise(x, X86_GP, idt_error(event));
	if (!g->present)
		return x86_xfer_raise(x, X86_NP, idt_error(event));
	return 0;
}

/* The handler's code segment: not outer to where we are, 64-bit in long mode. */
static int read_code(struct x86_xfer *x, u16 sel, struct x86_raw *d)
{
	if (x86_null_sel(sel))
		return x86_xfer_raise(x, X86_GP, 0);
	int rc = x86_xfer_descr(x, sel, X86_GP, d);
	if (rc)
		return rc;
	bool ok = x86_raw_code(d) && x86_raw_dpl(d) <= x86_cpl(x->c->r);
	if (!ok || (x->lma && (!x86_raw_long(d) || x86_raw_db(d))))
		return x86_xfer_raise(x, X86_GP, sel & 0xfffc);
	return x86_raw_present(d) ? 0 : x86_xfer_raise(x, X86_NP, sel & 0xfffc);
}

/* The stack the frame goes to. Long mode always aligns it to 16 bytes. */
static int choose_stack(struct x86_xfer *x, unsigned dpl, unsigned ist, struct x86_stack *s)
{
	int rc = 0;
	if (dpl < x86_cpl(x->c->r) || ist) {
		rc = x86_xfer_inner_stack(x, dpl, ist, s);
	} else {
		*s = x86_xfer_stack(x->c);
		if (x->lma) /* the handler is 64-bit code, whoever was interrupted */
			*s = (struct x86_stack){ .sp = x->rsp, .width = 8, .use = s->use };
	}
	if (x->lma)
		s->sp &= ~15ull;
	return rc;
}

static int push_frame(struct x86_xfer *x, const struct x86_fault *event, struct x86_stack *s, unsigned size, bool with_stack,
                      u64 rip, u64 rflags)
{
	const u64 *r = x->c->r;
	u64 frame[6];
	unsigned n = 0;
	if (with_stack) {
		frame[n++] = r[X86_ss];
		frame[n++] = r[X86_rsp];
	}
	frame[n++] = rflags;
	frame[n++] = r[X86_cs];
	frame[n++] = rip;
	if (event->has_error)
		frame[n++] = event->error;
	for (unsigned i = 0; i < n; i++) {
		int rc = x86_xfer_push(x, s, frame[i], size);
		if (rc)
			return rc;
	}
	return 0;
}

int x86_deliver_gate(struct x86_xfer *x, const struct x86_fault *event, u64 rip, u64 rflags)
{
	struct gate g = { 0 };
	struct x86_raw code;
	struct x86_stack stack;
	unsigned cpl = x86_cpl(x->c->r);
	int rc = read_gate(x, event, &g);
	if (rc)
		return rc;
	if (g.type == GATE_TASK) {
		x86_end(x->c, VM_END_UNSUPPORTED, event->vector, "vector %u goes through a task gate: task switches are not supported",
		        event->vector);
		return -1;
	}
	rc = read_code(x, g.sel, &code);
	if (rc)
		return rc;
	unsigned dpl = x86_raw_conforming(&code) ? cpl : x86_raw_dpl(&code);
	rc = choose_stack(x, dpl, g.ist, &stack);
	if (rc)
		return rc;
	rc = x86_xfer_load(x, X86_cs, (u16)((g.sel & ~3) | dpl), &code);
	if (rc)
		return rc;
	unsigned size = x->lma ? 8 : g.type & 8 ? 4 : 2;
	rc = push_frame(x, event, &stack, size, x->lma || dpl < cpl, rip, rflags);
	if (rc)
		return rc;
	rc = x86_xfer_rip(x, g.offset);
	if (rc)
		return rc;
	x->rsp = stack.sp;
	x->rflags &= ~(u64)(X86_TF | X86_NT | X86_RF | X86_VM);
	if (!(g.type & 1))
		x->rflags &= ~(u64)X86_IF;
	return x86_xfer_commit(x);
}
