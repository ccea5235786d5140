/* SPDX-License-Identifier: MIT */
/* Faults that operand values decide: division, bounds, software interrupts, descriptor table bases, MXCSR, ENTER's
 * frame, branch targets. A value that lies in device memory is not known before the device is asked: such an
 * instruction is let through. */
#include "vm/x86_64/x86_predict.h"

#include <string.h>

bool x86_span_get(const struct x86_span *s, void *to, u32 n)
{
	u8 *out = to;
	for (unsigned k = 0; k < s->n && n; k++) {
		u32 part = KT_MIN(n, s->part[k].size);
		if (!s->part[k].host)
			return false;
		memcpy(out, s->part[k].host, part);
		out += part;
		n -= part;
	}
	return !n;
}

/* The span of the read that operand `op` makes; op < 0: of the first read. NULL: there is none. */
static const struct x86_span *read_span(const struct x86_plan *plan, int op)
{
	for (unsigned k = 0; k < plan->n; k++)
		if (!plan->p[k].write && plan->p[k].space == KT_SPACE_RAM && (op < 0 || plan->p[k].op == op))
			return &plan->span[k];
	return NULL;
}

/* The operand's value, up to 8 bytes, zero-extended. False: not known. */
static bool operand_value(const struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, unsigned op, u64 *v)
{
	if (op >= KT_DESC_OPS)
		return false;
	const struct kt_operand *o = &i->k.desc.opnd[op];
	if (o->kind == KT_OPND_REG && o->reg < X86_NREGS) {
		*v = kt_cut(c->r[o->reg] >> o->shift, o->size);
		return true;
	}
	const struct x86_span *s = o->kind == KT_OPND_MEM ? read_span(plan, (int)op) : NULL;
	*v = 0;
	return s && o->size <= 8 && x86_span_get(s, v, o->size);
}

/* SDM 2, DIV: the quotient must fit. high:low / divisor overflows exactly when high >= divisor. */
static bool div_faults(u64 high, u64 divisor)
{
	return high >= divisor;
}

static bool idiv_faults(u64 high, u64 low, u64 divisor, unsigned size)
{
	unsigned bits = 8 * size;
	s128 dividend = (s128)((u128)high << bits | low);
	dividend = (s128)((u128)dividend << (128 - 2 * bits)) >> (128 - 2 * bits);
	s64 by = (s64)(divisor << (64 - bits)) >> (64 - bits);
	if (!by)
		return true;
	u128 magnitude = dividend < 0 ? -(u128)dividend : (u128)dividend;
	u64 by_magnitude = by < 0 ? -(u64)by : (u64)by;
	u128 quotient = magnitude / by_magnitude;
	bool negative = (dividend < 0) != (by < 0);
	return quotient > ((u128)1 << (bits - 1)) - !negative;
}

static int check_div(const struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, bool is_signed, struct x86_fault *f)
{
	u64 divisor, high = c->r[X86_rdx], low = c->r[X86_rax];
	unsigned op = i->k.desc.nops > 1 ? 1 : 0, size = i->k.desc.opnd[op].size;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return 0;
	if (!operand_value(c, i, plan, op, &divisor))
		return 0;
	high = size == 1 ? low >> 8 & 0xff : kt_cut(high, size);
	low = kt_cut(low, size);
	bool faults = is_signed ? idiv_faults(high, low, divisor, size) : div_faults(high, divisor);
	return faults ? x86_fault_plain(f, X86_DE) : 0;
}

/* SDM 2, BOUND: signed, both bounds inclusive; 16- and 32-bit modes only. */
static int check_bound(const struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct x86_fault *f)
{
	const struct x86_span *s = read_span(plan, -1);
	u64 index = c->r[x86_gpr(i->modrm >> 3 & 7)];
	s64 v, low, high;
	u8 b[8];
	if (!s || s->size < 2u * i->osize || i->osize > 4 || !x86_span_get(s, b, 2u * i->osize))
		return 0;
	if (i->osize == 2) {
		v = (s16)index;
		low = (s16)(b[0] | b[1] << 8);
		high = (s16)(b[2] | b[3] << 8);
	} else {
		s32 pair[2];
		memcpy(pair, b, 8);
		v = (s32)index;
		low = pair[0];
		high = pair[1];
	}
	return v < low || v > high ? x86_fault_plain(f, X86_BR) : 0;
}

/* SDM 2, LGDT: in 64-bit mode the base must be canonical. */
static int check_lgdt(const struct x86_cpu *c, const struct x86_plan *plan, struct x86_fault *f)
{
	const struct x86_span *s = read_span(plan, -1);
	u8 b[10];
	u64 base;
	if (!x86_is_code64(c->r) || !s || s->size < 10 || !x86_span_get(s, b, 10))
		return 0;
	memcpy(&base, b + 2, 8);
	return x86_canonical(c->r, base) ? 0 : x86_fault_gp(f, 0);
}

/* MXCSR has bits 15:0 (its mask with DAZ is ffff; SDM 1, 10.2.3 and 11.6.6). */
static int check_mxcsr(const struct x86_plan *plan, u32 offset, struct x86_fault *f)
{
	const struct x86_span *s = read_span(plan, -1);
	u8 b[28];
	u32 v;
	if (!s || s->size < offset + 4 || !x86_span_get(s, b, offset + 4))
		return 0;
	memcpy(&v, b + offset, 4);
	return v >> 16 ? x86_fault_gp(f, 0) : 0;
}

int x86_check_value(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, const struct x86_plan *plan, struct x86_fault *f)
{
	const u8 *last = &i->k.bytes[(i->k.len - 1) & 15];
	switch (kind) {
	case X86_K_DIV:
	case X86_K_IDIV:
		return check_div(c, i, plan, kind == X86_K_IDIV, f);
	case X86_K_AAM:
		return *last ? 0 : x86_fault_plain(f, X86_DE);
	case X86_K_BOUND:
		return check_bound(c, i, plan, f);
	case X86_K_INTO:
		return c->r[X86_rflags] & X86_OF ? x86_fault_trap(f, X86_OFLOW, true) : 0;
	case X86_K_INT:
		return x86_fault_trap(f, *last, true);
	case X86_K_INT1: /* no DPL check (SDM 2, INT1) */
		return x86_fault_trap(f, X86_DB, false);
	case X86_K_INT3:
		return x86_fault_trap(f, X86_BP, true);
	case X86_K_LGDT:
		return check_lgdt(c, plan, f);
	case X86_K_LDMXCSR:
		return check_mxcsr(plan, 0, f);
	case X86_K_FXRSTOR:
		return c->r[X86_cr4] & X86_CR4_OSFXSR ? check_mxcsr(plan, 24, f) : 0;
	}
	return 0;
}

/* One word of ENTER's frame: planned, checked. */
static int enter_word(struct x86_cpu *c, const struct x86_insn *i, struct x86_plan *plan, u64 off, bool write, struct x86_fault *f)
{
	unsigned use = (write ? X86_USE_WRITE : X86_USE_READ) | x86_use_now(c->r), n = plan->n;
	u64 va;
	if (n == KT_PLAN_MAX) {
		x86_end(c, VM_END_UNSUPPORTED, c->step.pc, "enter with nesting level %u touches more of the stack than a step can hold",
		        i->k.bytes[(i->k.len - 1) & 15] & 31);
		return 0;
	}
	if (x86_linear(c, X86_ss, off, i->osize, use, &va, f) || x86_span(c, va, i->osize, use, &plan->span[n], f))
		return -1;
	plan->p[plan->n++] = (struct kt_planned){.va = va, .size = i->osize, .space = KT_SPACE_RAM, .write = write};
	return 0;
}

static unsigned stack_width(const u64 *r)
{
	return x86_is_code64(r) ? 8 : r[X86_ss_attr] & X86_ATTR_DB ? 4 : 2;
}

/* SDM 2, ENTER: push rBP; copy level-1 frame pointers; push the new one; and a write at the stack pointer that it leaves
 * must be possible, though none is made. The operands are the last three bytes: size of the frame, level. */
int x86_check_enter(struct x86_cpu *c, const struct x86_insn *i, struct x86_plan *plan, struct x86_fault *f)
{
	const u8 *b = i->k.bytes + KT_MAX(i->k.len, 3) - 3;
	unsigned frame = b[0] | b[1] << 8, level = b[2] & 31, word = i->osize, pushes = level ? level + 1 : 1;
	unsigned stack = stack_width(c->r), use = X86_USE_WRITE | x86_use_now(c->r);
	u64 sp = c->r[X86_rsp], bp = c->r[X86_rbp], va, pa;
	plan->n = 0;
	for (unsigned n = 1; n < level; n++)
		if (enter_word(c, i, plan, kt_cut(bp - (u64)n * word, stack), false, f))
			return -1;
	for (unsigned n = 1; n <= pushes; n++)
		if (enter_word(c, i, plan, kt_cut(sp - (u64)n * word, stack), true, f))
			return -1;
	u64 top = kt_cut(sp - (u64)pushes * word - frame, stack);
	if (x86_linear(c, X86_ss, top, word, use, &va, f))
		return -1;
	return x86_peek_pa(c, va, use, &pa, f);
}

/* Is the branch taken? loop, jcxz and jcc (SDM 2, Jcc, LOOP). */
static bool taken(const u64 *r, const struct x86_insn *i)
{
	u64 fl = r[X86_rflags];
	bool zf = fl & X86_ZF, sf_of = !(fl & X86_SF) != !(fl & X86_OF), yes = false;
	if (i->opcode_map == 0 && (i->opcode & 0xfc) == 0xe0) {
		u64 count = kt_cut(r[X86_rcx], i->asize);
		if (i->opcode == 0xe3)
			return !count;
		bool more = kt_cut(count - 1, i->asize);
		return more && (i->opcode == 0xe2 || zf == (i->opcode == 0xe1));
	}
	switch (i->opcode >> 1 & 7) {
	case 0: yes = fl & X86_OF; break;
	case 1: yes = fl & X86_CF; break;
	case 2: yes = zf; break;
	case 3: yes = fl & X86_CF || zf; break;
	case 4: yes = fl & X86_SF; break;
	case 5: yes = fl & X86_PF; break;
	case 6: yes = sf_of; break;
	case 7: yes = sf_of || zf; break;
	}
	return yes != (i->opcode & 1);
}

bool x86_branch_taken(const u64 *r, const struct x86_insn *i)
{
	return taken(r, i);
}

int x86_check_branch(const struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct x86_fault *f)
{
	u64 to = i->target;
	if (i->flow == X86_FLOW_INDIRECT || i->flow == X86_FLOW_RET) {
		const struct x86_span *s = read_span(plan, -1);
		if (i->flow == X86_FLOW_INDIRECT) {
			if (!operand_value(c, i, plan, i->branch_op, &to))
				return 0;
		} else {
			to = 0;
			if (!s || i->osize > 8 || s->size < i->osize || !x86_span_get(s, &to, i->osize))
				return 0;
		}
		to = kt_cut(to, i->osize);
	}
	bool ok = x86_is_code64(c->r) ? x86_canonical(c->r, to) : (u32)to <= (u32)c->r[X86_cs_limit];
	if (kt_likely(ok) || (i->flow == X86_FLOW_COND && !taken(c->r, i)))
		return 0;
	return x86_fault_gp(f, 0);
}
