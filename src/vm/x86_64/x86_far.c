/* SPDX-License-Identifier: MIT */
/* Far jumps, calls and returns carried out by us, call gates included (SDM 2, CALL, JMP, RET; SDM 3, 5.8). Task
 * switches end the machine. */
#include "vm/x86_64/x86_xfer.h"

#include <string.h>

enum { SYS_TSS16 = 1, SYS_CALL16 = 4, SYS_TASK_GATE = 5, SYS_TSS32 = 9, SYS_CALL32 = 12 };
enum far_kind { FAR_JUMP, FAR_CALL };

struct far_ptr {
	u16 sel;
	u64 off;
};

static int unsupported(struct x86_cpu *c, const char *what)
{
	x86_end(c, VM_END_UNSUPPORTED, c->r[X86_rip], "far transfer at %#llx %s: not supported", (unsigned long long)c->step.pc, what);
	return -1;
}

/* ptr16:16 and ptr16:32 stand at the end of the instruction. */
static void direct_target(const struct x86_insn *i, struct far_ptr *t)
{
	const u8 *end = i->k.bytes + i->k.len;
	t->off = 0;
	memcpy(&t->sel, end - 2, 2);
	memcpy(&t->off, end - 2 - i->osize, i->osize);
}

/* m16:16, m16:32, m16:64: the first planned read. */
static int memory_target(struct x86_xfer *x, const struct x86_insn *i, const struct x86_plan *plan, struct far_ptr *t)
{
	u8 raw[16] = { 0 };
	unsigned size = i->osize + 2u, n = 0;
	while (n < plan->n && (plan->p[n].write || plan->p[n].size != size))
		n++;
	if (n == plan->n || plan->span[n].size != size)
		return unsupported(x->c, "has no pointer operand");
	int rc = x86_xfer_known(x, &plan->span[n], raw);
	t->off = 0;
	memcpy(&t->off, raw, i->osize);
	memcpy(&t->sel, raw + i->osize, 2);
	return rc;
}

static int target(struct x86_xfer *x, const struct x86_insn *i, const struct x86_plan *plan, struct far_ptr *t)
{
	if (i->opcode == 0xff && i->opcode_map == 0)
		return memory_target(x, i, plan, t);
	if (i->k.len < i->osize + 3u || i->osize > 4)
		return unsupported(x->c, "has no pointer operand");
	direct_target(i, t);
	return 0;
}

/* RIP behind the call, as it is pushed: cut by the pushes to the operand size. */
static int push_return(struct x86_xfer *x, struct x86_stack *s, const struct x86_insn *i, unsigned size)
{
	int rc = x86_xfer_push(x, s, x->c->r[X86_cs], size);
	if (rc)
		return rc;
	return x86_xfer_push(x, s, x->c->r[X86_rip] + i->k.len, size);
}

static int finish(struct x86_xfer *x, u64 rsp, u64 rip)
{
	int rc = x86_xfer_rip(x, rip);
	if (rc)
		return rc;
	x->rsp = rsp;
	x->rflags &= ~(u64)X86_RF;
	return x86_xfer_commit(x);
}

static int far_real(struct x86_xfer *x, const struct x86_insn *i, enum far_kind kind, const struct far_ptr *t)
{
	struct x86_stack s = x86_xfer_stack(x->c);
	if (kind == FAR_CALL) {
		int rc = push_return(x, &s, i, i->osize);
		if (rc)
			return rc;
	}
	x86_xfer_real(x, X86_cs, t->sel);
	return finish(x, s.sp, t->off);
}

/* Long mode: a code segment with both L and D set does not exist. */
static bool bad_long(const struct x86_xfer *x, const struct x86_raw *d)
{
	return x->lma && x86_raw_long(d) && x86_raw_db(d);
}

/* A jump or call straight to a code segment: CPL stays. */
static int far_direct(struct x86_xfer *x, const struct x86_insn *i, enum far_kind kind, const struct far_ptr *t,
                      const struct x86_raw *d)
{
	unsigned cpl = x86_cpl(x->c->r), dpl = x86_raw_dpl(d);
	struct x86_stack s = x86_xfer_stack(x->c);
	bool ok = x86_raw_conforming(d) ? dpl <= cpl : dpl == cpl && (t->sel & 3) <= cpl;
	if (!ok || bad_long(x, d))
		return x86_xfer_raise(x, X86_GP, t->sel & 0xfffc);
	if (!x86_raw_present(d))
		return x86_xfer_raise(x, X86_NP, t->sel & 0xfffc);
	if (kind == FAR_CALL) {
		int rc = push_return(x, &s, i, i->osize);
		if (rc)
			return rc;
	}
	int rc = x86_xfer_load(x, X86_cs, (u16)((t->sel & ~3) | cpl), d);
	return rc ? rc : finish(x, s.sp, t->off);
}

struct call_gate {
	u16 sel;
	u64 off;
	unsigned size, params; /* bytes of each push; parameters to copy */
};

/* The gate itself: who may use it, and what it says (16 bytes in long mode). */
static int read_gate(struct x86_xfer *x, u16 gate_sel, struct x86_raw *d, struct call_gate *g)
{
	u32 error = gate_sel & 0xfffc, dpl = x86_raw_dpl(d), upper[2] = { 0 };
	if (dpl < x86_cpl(x->c->r) || dpl < (gate_sel & 3u))
		return x86_xfer_raise(x, X86_GP, error);
	if (x->lma) {
		u64 limit = x->c->r[gate_sel & 4 ? X86_ldtr_limit : X86_gdtr_limit];
		if ((gate_sel & 0xfff8u) + 15 > limit)
			return x86_xfer_raise(x, X86_GP, error);
		int rc = x86_xfer_table(x, d->va + 8, upper, sizeof upper);
		if (rc)
			return rc;
		if (upper[1] & 0x1f00) /* SDM 3, 5.8.3.1: the type of the upper half is 0 */
			return x86_xfer_raise(x, X86_GP, error);
	}
	if (!x86_raw_present(d))
		return x86_xfer_raise(x, X86_NP, error);
	bool gate16 = x86_raw_type(d) == SYS_CALL16;
	g->sel = (u16)(d->lo >> 16);
	g->off = (d->lo & 0xffff) | (gate16 ? 0 : d->hi & 0xffff0000) | (u64)upper[0] << 32;
	g->size = x->lma ? 8 : gate16 ? 2 : 4;
	g->params = x->lma ? 0 : d->hi & 31;
	return 0;
}

/* The code segment a gate leads to. */
static int gate_code(struct x86_xfer *x, const struct call_gate *g, enum far_kind kind, struct x86_raw *d)
{
	unsigned cpl = x86_cpl(x->c->r);
	if (x86_null_sel(g->sel))
		return x86_xfer_raise(x, X86_GP, 0);
	int rc = x86_xfer_descr(x, g->sel, X86_GP, d);
	if (rc)
		return rc;
	bool ok = x86_raw_code(d) && x86_raw_dpl(d) <= cpl;
	if (kind == FAR_JUMP) /* a jump never changes CPL */
		ok = ok && (x86_raw_conforming(d) || x86_raw_dpl(d) == cpl);
	if (!ok || (x->lma && (!x86_raw_long(d) || x86_raw_db(d))))
		return x86_xfer_raise(x, X86_GP, g->sel & 0xfffc);
	return x86_raw_present(d) ? 0 : x86_xfer_raise(x, X86_NP, g->sel & 0xfffc);
}

/* SS:SP of the caller and its parameters onto the inner stack. */
static int copy_caller(struct x86_xfer *x, const struct call_gate *g, struct x86_stack *inner)
{
	struct x86_stack outer = x86_xfer_stack(x->c);
	u64 param[31];
	int rc = x86_xfer_push(x, inner, x->c->r[X86_ss], g->size);
	if (!rc)
		rc = x86_xfer_push(x, inner, x->c->r[X86_rsp], g->size);
	for (unsigned n = 0; n < g->params && !rc; n++)
		rc = x86_xfer_pop(x, &outer, g->size, &param[n]);
	for (unsigned n = g->params; n-- && !rc;)
		rc = x86_xfer_push(x, inner, param[n], g->size);
	return rc;
}

static int through_gate(struct x86_xfer *x, const struct x86_insn *i, enum far_kind kind, u16 gate_sel, struct x86_raw *gate)
{
	struct x86_stack s = x86_xfer_stack(x->c);
	struct call_gate g = { 0 };
	struct x86_raw code;
	unsigned cpl = x86_cpl(x->c->r);
	int rc = read_gate(x, gate_sel, gate, &g);
	if (!rc)
		rc = gate_code(x, &g, kind, &code);
	if (rc)
		return rc;
	unsigned dpl = x86_raw_conforming(&code) ? cpl : x86_raw_dpl(&code);
	if (kind == FAR_CALL) {
		if (x->lma) /* the target is 64-bit code: so is the stack */
			s = (struct x86_stack){ .sp = x->rsp, .width = 8, .use = s.use };
		if (dpl < cpl) {
			rc = x86_xfer_inner_stack(x, dpl, 0, &s);
			if (!rc)
				rc = copy_caller(x, &g, &s);
		}
		if (!rc)
			rc = push_return(x, &s, i, g.size);
		if (rc)
			return rc;
	}
	rc = x86_xfer_load(x, X86_cs, (u16)((g.sel & ~3) | dpl), &code);
	return rc ? rc : finish(x, s.sp, g.off);
}

static int far_protected(struct x86_xfer *x, const struct x86_insn *i, enum far_kind kind, const struct far_ptr *t)
{
	struct x86_raw d;
	if (x86_null_sel(t->sel))
		return x86_xfer_raise(x, X86_GP, 0);
	int rc = x86_xfer_descr(x, t->sel, X86_GP, &d);
	if (rc)
		return rc;
	if (x86_raw_code(&d))
		return far_direct(x, i, kind, t, &d);
	unsigned type = x86_raw_s(&d) ? 0 : x86_raw_type(&d);
	if (type == SYS_CALL32 || (type == SYS_CALL16 && !x->lma))
		return through_gate(x, i, kind, t->sel, &d);
	if (!x->lma && (type == SYS_TSS16 || type == SYS_TSS32 || type == SYS_TASK_GATE))
		return unsupported(x->c, "switches tasks");
	return x86_xfer_raise(x, X86_GP, t->sel & 0xfffc);
}

static int far_to(struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, enum far_kind kind, struct x86_fault *f)
{
	struct x86_xfer x;
	struct far_ptr t;
	x86_xfer_begin(&x, c, f, 0);
	if (c->r[X86_rflags] & X86_VM && !x86_real(c))
		return unsupported(c, "in virtual-8086 mode");
	int rc = target(&x, i, plan, &t);
	if (rc)
		return rc;
	return x86_real(c) ? far_real(&x, i, kind, &t) : far_protected(&x, i, kind, &t);
}

int x86_far_jump(struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct x86_fault *f)
{
	return far_to(c, i, plan, FAR_JUMP, f);
}

int x86_far_call(struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct x86_fault *f)
{
	return far_to(c, i, plan, FAR_CALL, f);
}
