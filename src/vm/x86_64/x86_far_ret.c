/* SPDX-License-Identifier: MIT */
/* Far return carried out by us (SDM 2, RET): real mode, same level, outer level. */
#include "vm/x86_64/x86_xfer.h"

#include <string.h>

/* The parameters that `ret n` drops, on the old stack and again on the new one. */
static u64 dropped(const struct x86_insn *i)
{
	u16 n = 0;
	if (i->opcode == 0xca && i->k.len >= 3)
		memcpy(&n, i->k.bytes + i->k.len - 2, 2);
	return n;
}

static u64 advance(const struct x86_stack *s, u64 sp, u64 n)
{
	u64 mask = s->width == 8 ? ~0ull : s->width == 4 ? 0xffffffff : 0xffff;
	return (sp & ~mask) | ((sp + n) & mask);
}

static int finish(struct x86_xfer *x, u64 rip)
{
	int rc = x86_xfer_rip(x, rip);
	if (rc)
		return rc;
	x->rflags &= ~(u64)X86_RF;
	return x86_xfer_commit(x);
}

static int ret_real(struct x86_xfer *x, struct x86_stack *s, u64 rip, u16 cs, u64 drop)
{
	x86_xfer_real(x, X86_cs, cs);
	x->rsp = advance(s, s->sp, drop);
	return finish(x, rip);
}

/* SS:SP of the caller lie above the parameters. */
static int outer_stack(struct x86_xfer *x, struct x86_stack *s, const struct x86_insn *i, unsigned rpl, bool code64)
{
	u64 drop = dropped(i), rsp, ss;
	s->sp = advance(s, s->sp, drop);
	int rc = x86_xfer_pop(x, s, i->osize, &rsp);
	if (!rc)
		rc = x86_xfer_pop(x, s, i->osize, &ss);
	if (!rc)
		rc = x86_xfer_return_ss(x, (u16)ss, rpl, code64);
	if (rc)
		return rc;
	bool wide = x->seg[X86_XFER_SEG(X86_ss)].attr & X86_ATTR_DB;
	struct x86_stack outer = { .width = code64 ? 8 : wide ? 4 : 2 };
	x->rsp = advance(&outer, x86_xfer_return_sp(x, s->sp, rsp, code64), drop);
	return 0;
}

static int ret_protected(struct x86_xfer *x, struct x86_stack *s, const struct x86_insn *i, u64 rip, u16 cs)
{
	struct x86_raw code;
	unsigned rpl = cs & 3;
	int rc = x86_xfer_return_cs(x, cs, &code);
	if (!rc)
		rc = x86_xfer_load(x, X86_cs, cs, &code);
	if (rc)
		return rc;
	if (rpl == x86_cpl(x->c->r)) {
		x->rsp = advance(s, s->sp, dropped(i));
		return finish(x, rip);
	}
	rc = outer_stack(x, s, i, rpl, x->lma && x86_raw_long(&code));
	if (rc)
		return rc;
	x86_xfer_drop_data(x, rpl);
	return finish(x, rip);
}

int x86_far_ret(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	struct x86_xfer x;
	u64 rip, cs;
	x86_xfer_begin(&x, c, f, 0);
	if (c->r[X86_rflags] & X86_VM && !x86_real(c)) {
		x86_end(c, VM_END_UNSUPPORTED, c->r[X86_rip], "far return at %#llx in virtual-8086 mode: not supported",
		        (unsigned long long)c->step.pc);
		return -1;
	}
	struct x86_stack s = x86_xfer_stack(c);
	int rc = x86_xfer_pop(&x, &s, i->osize, &rip);
	if (!rc)
		rc = x86_xfer_pop(&x, &s, i->osize, &cs);
	if (rc)
		return rc;
	if (x86_real(c))
		return ret_real(&x, &s, rip, (u16)cs, dropped(i));
	return ret_protected(&x, &s, i, rip, (u16)cs);
}
