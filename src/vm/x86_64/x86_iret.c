/* SPDX-License-Identifier: MIT */
/* IRET, IRETD and IRETQ carried out by us (SDM 2, IRET). NMIs are unblocked by a completed one only: a faulting iret
 * leaves everything as it was. */
#include "vm/x86_64/x86_xfer.h"

/* Flags that a return may load (SDM 2, IRET): by operand size, by CPL and IOPL. */
enum {
	FLAGS_ANY = X86_STATUS | X86_TF | X86_DF | X86_NT,
	FLAGS_WIDE = X86_RF | X86_AC | X86_ID, /* operand size 32 or 64 */
	FLAGS_WIDE_CPL0 = X86_VIF | X86_VIP
};

static u64 merge_flags(const struct x86_cpu *c, u64 popped, unsigned osize)
{
	u64 old = c->r[X86_rflags], mask = FLAGS_ANY | (osize > 2 ? FLAGS_WIDE : 0);
	unsigned cpl = x86_cpl(c->r);
	if (cpl <= (old >> 12 & 3))
		mask |= X86_IF;
	if (cpl == 0)
		mask |= X86_IOPL;
	if (cpl == 0 && osize > 2 && !x86_real(c))
		mask |= FLAGS_WIDE_CPL0;
	/* A 16-bit return clears RF as any completed instruction does. */
	return ((old & ~(mask | X86_RF)) | (popped & mask)) | 2;
}

static int unsupported(struct x86_cpu *c, const char *what)
{
	x86_end(c, VM_END_UNSUPPORTED, c->r[X86_rip], "iret at %#llx %s: not supported", (unsigned long long)c->step.pc, what);
	return -1;
}

struct frame {
	u64 rip, cs, rflags, rsp, ss;
	bool has_stack;
};

static int pop_all(struct x86_xfer *x, struct x86_stack *s, unsigned osize, u64 *const *to, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int rc = x86_xfer_pop(x, s, osize, to[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int pop_frame(struct x86_xfer *x, struct x86_stack *s, unsigned osize, struct frame *f)
{
	u64 *const inner[] = { &f->rip, &f->cs, &f->rflags }, *const outer[] = { &f->rsp, &f->ss };
	int rc = pop_all(x, s, osize, inner, 3);
	if (rc || x86_real(x->c))
		return rc;
	if (!x->lma && osize == 4 && f->rflags & X86_VM && x86_cpl(x->c->r) == 0)
		return unsupported(x->c, "returns to virtual-8086 mode");
	f->cs &= 0xffff;
	/* 64-bit mode always pops a stack; elsewhere only a return to an outer level does. */
	f->has_stack = x86_in_64(x->c) || (f->cs & 3) > x86_cpl(x->c->r);
	return f->has_stack ? pop_all(x, s, osize, outer, 2) : 0;
}

static int finish(struct x86_xfer *x, const struct frame *f, unsigned osize)
{
	x->rflags = merge_flags(x->c, f->rflags, osize);
	int rc = x86_xfer_commit(x);
	if (rc)
		return rc;
	x86_set(x->c, X86_nmi_blocked, 0);
	return 0;
}

static int iret_real(struct x86_xfer *x, unsigned osize)
{
	struct x86_stack s = x86_xfer_stack(x->c);
	struct frame f = { 0 };
	int rc = pop_frame(x, &s, osize, &f);
	if (rc)
		return rc;
	x86_xfer_real(x, X86_cs, (u16)f.cs);
	rc = x86_xfer_rip(x, f.rip);
	if (rc)
		return rc;
	x->rsp = s.sp;
	return finish(x, &f, osize);
}

static int iret_protected(struct x86_xfer *x, unsigned osize)
{
	struct x86_cpu *c = x->c;
	struct x86_stack s = x86_xfer_stack(c);
	struct x86_raw code;
	struct frame f = { 0 };
	if (c->r[X86_rflags] & X86_NT) /* a task return; long mode has none */
		return x->lma ? x86_xfer_raise(x, X86_GP, 0) : unsupported(c, "returns to a task");
	int rc = pop_frame(x, &s, osize, &f);
	if (rc)
		return rc;
	rc = x86_xfer_return_cs(x, (u16)f.cs, &code);
	if (rc)
		return rc;
	unsigned rpl = f.cs & 3;
	bool code64 = x->lma && x86_raw_long(&code), outer = rpl > x86_cpl(c->r);
	rc = x86_xfer_load(x, X86_cs, (u16)f.cs, &code);
	if (rc)
		return rc;
	x->rsp = s.sp;
	if (f.has_stack) {
		rc = x86_xfer_return_ss(x, (u16)f.ss, rpl, code64);
		if (rc)
			return rc;
		x->rsp = x86_xfer_return_sp(x, s.sp, f.rsp, code64);
	}
	rc = x86_xfer_rip(x, f.rip);
	if (rc)
		return rc;
	if (outer)
		x86_xfer_drop_data(x, rpl);
	return finish(x, &f, osize);
}

int x86_iret(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	struct x86_xfer x;
	x86_xfer_begin(&x, c, f, 0);
	if (x86_real(c))
		return iret_real(&x, i->osize);
	if (c->r[X86_rflags] & X86_VM)
		return unsupported(c, "in virtual-8086 mode");
	return iret_protected(&x, i->osize);
}
