/* SPDX-License-Identifier: MIT */
/* Will this instruction fault? The checks in the CPU's order (SDM 3, table 6-2): what decoding finds (#UD), the FPU's
 * availability (#NM), mode and privilege, then each operand in turn (segment, alignment, page), then values.
 *
 * Reads come before the branch target, writes behind it: an indirect call reads its operand, checks where it goes, and
 * pushes (SDM 2, CALL). A read-modify-write operand is asked for writing at once, as the CPU does. */
#include "vm/x86_64/x86_predict.h"

void x86_planned_place(const u64 *r, const struct kt_operand *o, u64 va, unsigned *seg, u64 *off)
{
	u64 base = 0;
	*seg = X86_ds;
	if (o->seg >= X86_es && o->seg < X86_ldtr) {
		*seg = X86_es + (o->seg - X86_es) / X86_SEG_STRIDE * X86_SEG_STRIDE;
		base = r[*seg + X86_SEG_BASE];
	} else if (o->base == X86_rsp || o->base == X86_rbp) { /* 64-bit mode: only the kind of fault depends on it */
		*seg = X86_ss;
	}
	*off = x86_is_code64(r) ? va - base : kt_cut((u32)(va - base), o->addr_size);
}

/* 16-byte operands of SSE must be aligned, and so must FXSAVE's area. */
static bool must_align(const struct x86_insn *i, unsigned kind, u32 size)
{
	if (kind == X86_K_FXSAVE || kind == X86_K_FXRSTOR)
		return true;
	return size == 16 && i->is_sse && !i->is_vex && kind != X86_K_UNALIGNED;
}

/* The mask of address bits that #AC wants clear (SDM 3, table 6-7). */
static u64 ac_mask(const struct x86_insn *i, u32 size)
{
	switch (size) {
	case 4:
		return i->flow == X86_FLOW_FAR ? 1 : 3; /* a 16-bit far pointer is two words */
	case 2: case 8:
		return size - 1;
	case 6:
		return 3;
	case 10:
		return 7;
	default: /* FSAVE, FLDENV by operand size; over 8 bytes SSE has no #AC */
		return i->is_x87 && size > 10 ? (i->osize == 2 ? 1 : 3) : 0;
	}
}

static bool ac_enabled(const u64 *r)
{
	return r[X86_rflags] & X86_AC && r[X86_cr0] & X86_CR0_AM && x86_cpl(r) == 3;
}

/* A page fault comes before #AC, but no page gets its bits for an access that is not made. */
static int check_ac(struct x86_cpu *c, u64 va, u32 size, unsigned use, struct x86_fault *f)
{
	u64 pa, last = va + size - 1;
	if (x86_peek_pa(c, va, use, &pa, f))
		return -1;
	if ((va ^ last) >> 12 && x86_peek_pa(c, last & ~0xfffull, use, &pa, f))
		return -1;
	return x86_fault_code(f, X86_AC_VEC, 0);
}

static int check_operand(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_plan *plan, unsigned k, struct x86_fault *f)
{
	struct kt_planned *p = &plan->p[k];
	const struct kt_operand *o = &i->k.desc.opnd[p->op];
	unsigned use = x86_use_now(c->r), seg;
	u64 off, va;
	if (p->write) { /* the write half of a read-modify-write is done */
		for (unsigned n = 0; n < k; n++) {
			if (!plan->p[n].write && plan->p[n].op == p->op) {
				plan->span[k] = plan->span[n];
				return 0;
			}
		}
	}
	if (p->write || o->access & KT_WRITE)
		use |= X86_USE_WRITE;
	x86_planned_place(c->r, o, p->va, &seg, &off);
	if (x86_linear(c, seg, off, p->size, use, &va, f))
		return -1;
	p->va = va;
	if (kt_unlikely(va & 15) && must_align(i, kind, p->size))
		return x86_fault_gp(f, 0);
	if (kt_unlikely(ac_enabled(c->r)) && va & ac_mask(i, p->size))
		return check_ac(c, va, p->size, use, f);
	return x86_span(c, va, p->size, use, &plan->span[k], f);
}

static int check_operands(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_plan *plan, bool writes, struct x86_fault *f)
{
	for (unsigned k = 0; k < plan->n; k++) {
		if (plan->p[k].space != KT_SPACE_RAM || plan->p[k].write != writes)
			continue;
		if (check_operand(c, i, kind, plan, k, f))
			return -1;
	}
	return 0;
}

/* Far transfers check their stacks and gates themselves: only what they read through an operand is ours. */
static unsigned far_plan(const struct x86_insn *i, unsigned kind, const struct x86_plan *plan)
{
	unsigned n = 0;
	if (kind != X86_K_PLAIN || !i->has_modrm) /* ff /3, ff /5 are the only ones with an operand in memory */
		return 0;
	while (n < plan->n && !plan->p[n].write)
		n++;
	return n;
}

static int check_memory(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_plan *plan, struct x86_fault *f)
{
	if (kt_unlikely(kind == X86_K_ENTER))
		return x86_check_enter(c, i, plan, f);
	plan->n = kt_desc_plan(&kt_arch_x86_64, &i->k.desc, c->r, plan->p);
	if (i->flow == X86_FLOW_FAR)
		plan->n = far_plan(i, kind, plan);
	if (check_operands(c, i, kind, plan, false, f))
		return -1;
	if (kind >= X86_K_DIV && x86_check_value(c, i, kind, plan, f))
		return -1;
	if (i->flow != X86_FLOW_NEXT && i->flow != X86_FLOW_FAR && x86_check_branch(c, i, plan, f))
		return -1;
	return check_operands(c, i, kind, plan, true, f);
}

int x86_predict(struct x86_cpu *c, const struct x86_insn *i, struct x86_plan *plan, struct x86_fault *f)
{
	unsigned kind = x86_kind(i);
	plan->n = 0;
	plan->limit = 1;
	plan->rep_done = true;
	if (kt_unlikely(!i->mnemonic)) {
		x86_fault_plain(f, X86_UD);
		return 1;
	}
	if (x86_check_isa(c, i, kind, f) || x86_check_fpu(c, i, kind, f) || x86_check_system(c, i, kind, f))
		return 1;
	if (check_memory(c, i, kind, plan, f))
		return 1;
	if (i->k.desc.flags & KT_DESC_REP) {
		if (kt_cut(c->r[X86_rcx], i->asize))
			x86_check_rep(c, i, plan);
		else
			plan->limit = 0;
	}
	return 0;
}
