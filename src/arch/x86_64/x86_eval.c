/* SPDX-License-Identifier: MIT */
/* One x86 instruction carried out from its descriptor. All operands are read first, then the stack pointer moves, then
 * results are written: so `pop rsp` keeps what it popped and `push rsp` stores the old value. Only operand 0 can be a
 * memory or port write (kt_desc_valid sees to it), so there is one store, but for PUSHA. */
#include "arch/x86_64/x86_eval.h"

#include "arch/x86_64/x86_alu.h"

struct ev {
	const struct kt_desc *d;
	u64 *regs;
	const u64 *loads;
	u64 *stores;
	u64 v[3]; /* operands as read */
	u64 sp;   /* the stack pointer before */
	u64 f;    /* RFLAGS, written back at the end */
};

static inline void reg_write(u64 *regs, unsigned reg, unsigned size, unsigned shift, u64 v)
{
	if (size >= 8)
		regs[reg] = v;
	else if (size == 4)
		regs[reg] = (u32)v;
	else {
		u64 mask = ((1ull << 8 * size) - 1) << shift;
		regs[reg] = (regs[reg] & ~mask) | (v << shift & mask);
	}
}

static inline void put(struct ev *e, unsigned i, u64 v)
{
	const struct kt_operand *o = &e->d->opnd[i];
	if (o->kind == KT_OPND_REG)
		reg_write(e->regs, o->reg, o->size, o->shift, v);
	else
		e->stores[0] = kt_cut(v, o->size);
}

static inline void read_operands(struct ev *e)
{
	const struct kt_desc *d = e->d;
	unsigned nload = 0, n = KT_MIN(d->nops, 3);

	for (unsigned i = 0; i < n; i++) {
		const struct kt_operand *o = &d->opnd[i];
		if (!(o->access & KT_READ))
			continue;
		if (o->kind == KT_OPND_REG)
			e->v[i] = kt_cut(e->regs[o->reg] >> o->shift, o->size);
		else
			e->v[i] = kt_cut(o->kind == KT_OPND_IMM ? o->imm : e->loads[nload++], o->size);
	}
}

static inline void move_sp(struct ev *e)
{
	const struct kt_desc *d = e->d;
	e->sp = e->regs[X86_rsp];
	if (d->sp_size)
		reg_write(e->regs, X86_rsp, d->sp_size, 0, e->sp + (u64)(s64)d->sp_add);
}

/* Condition codes (SDM 1, appendix B): the low bit negates. */
static bool holds(unsigned cond, u64 f)
{
	bool sf = f & X86_SF, of = f & X86_OF, zf = f & X86_ZF, cf = f & X86_CF, r;

	switch (cond >> 1) {
	case 0: r = of; break;
	case 1: r = cf; break;
	case 2: r = zf; break;
	case 3: r = cf || zf; break;
	case 4: r = sf; break;
	case 5: r = f & X86_PF; break;
	case 6: r = sf != of; break;
	default: r = zf || sf != of;
	}
	return r != (cond & 1);
}

/* add .. test, inc .. not */
static void eval_alu(struct ev *e)
{
	unsigned w = e->d->width, carry = e->f & X86_CF;
	u64 a = kt_cut(e->v[0], w), b = kt_cut(e->v[1], w), kept = e->f & X86_CF;

	switch (e->d->op) {
	case KT_OP_ADD: put(e, 0, x86_alu_add(a, b, 0, w, &e->f)); break;
	case KT_OP_ADC: put(e, 0, x86_alu_add(a, b, carry, w, &e->f)); break;
	case KT_OP_SUB: put(e, 0, x86_alu_sub(a, b, 0, w, &e->f)); break;
	case KT_OP_SBB: put(e, 0, x86_alu_sub(a, b, carry, w, &e->f)); break;
	case KT_OP_CMP: x86_alu_sub(a, b, 0, w, &e->f); break;
	case KT_OP_AND: put(e, 0, x86_alu_logic(a & b, w, &e->f)); break;
	case KT_OP_OR: put(e, 0, x86_alu_logic(a | b, w, &e->f)); break;
	case KT_OP_XOR: put(e, 0, x86_alu_logic(a ^ b, w, &e->f)); break;
	case KT_OP_TEST: x86_alu_logic(a & b, w, &e->f); break;
	case KT_OP_INC:
		put(e, 0, x86_alu_add(a, 1, 0, w, &e->f));
		e->f = x86_flags_put(e->f, X86_CF, kept);
		break;
	case KT_OP_DEC:
		put(e, 0, x86_alu_sub(a, 1, 0, w, &e->f));
		e->f = x86_flags_put(e->f, X86_CF, kept);
		break;
	case KT_OP_NEG: put(e, 0, x86_alu_sub(0, a, 0, w, &e->f)); break;
	default: put(e, 0, ~a); /* KT_OP_NOT */
	}
}

static void eval_mul(struct ev *e)
{
	unsigned w = e->d->width;
	u64 hi, lo, s = kt_cut(e->v[1], w);

	if (e->d->op == KT_OP_IMUL) {
		put(e, 0, x86_alu_mul(s, kt_cut(e->v[2], w), true, w, &hi, &e->f));
		return;
	}
	lo = x86_alu_mul(kt_cut(e->regs[X86_rax], w), s, e->d->op == KT_OP_IMUL1, w, &hi, &e->f);
	if (w == 1) {
		reg_write(e->regs, X86_rax, 2, 0, hi << 8 | lo);
		return;
	}
	reg_write(e->regs, X86_rax, w, 0, lo);
	reg_write(e->regs, X86_rdx, w, 0, hi);
}

static bool eval_div(struct ev *e)
{
	unsigned w = e->d->width;
	u64 lo = kt_cut(e->regs[X86_rax], w), hi = kt_cut(w == 1 ? e->regs[X86_rax] >> 8 : e->regs[X86_rdx], w), q, r;

	if (!x86_alu_div(hi, lo, kt_cut(e->v[1], w), e->d->op == KT_OP_IDIV, w, &q, &r))
		return false;
	if (w == 1) {
		reg_write(e->regs, X86_rax, 2, 0, r << 8 | q);
		return true;
	}
	reg_write(e->regs, X86_rax, w, 0, q);
	reg_write(e->regs, X86_rdx, w, 0, r);
	return true;
}

static void eval_cmpxchg(struct ev *e)
{
	unsigned w = e->d->width;
	u64 acc = kt_cut(e->regs[X86_rax], w), a = kt_cut(e->v[0], w);

	x86_alu_sub(acc, a, 0, w, &e->f);
	if (acc == a) {
		put(e, 0, e->v[1]);
		return;
	}
	if (e->d->opnd[0].kind == KT_OPND_MEM) /* written back as it was; a register keeps even its upper half */
		put(e, 0, a);
	reg_write(e->regs, X86_rax, w, 0, a);
}

static void eval_cmpxchg8b(struct ev *e)
{
	u64 *r = e->regs, a = e->v[0];

	if (((r[X86_rdx] << 32) | (u32)r[X86_rax]) == a) {
		e->f |= X86_ZF;
		put(e, 0, r[X86_rcx] << 32 | (u32)r[X86_rbx]);
		return;
	}
	e->f &= ~(u64)X86_ZF;
	put(e, 0, a);
	reg_write(r, X86_rax, 4, 0, a);
	reg_write(r, X86_rdx, 4, 0, a >> 32);
}

static u64 swap_bytes(u64 v, unsigned w)
{
	return w == 8 ? __builtin_bswap64(v) : w == 4 ? __builtin_bswap32((u32)v) : 0; /* 16 bits: clears it, as Intel does */
}

/* popf at CPL 0: VM, VIF, VIP stay, RF goes; a 16-bit one reaches the low half only (SDM 2B, POPF, table of effects). */
static u64 pop_flags(u64 f, u64 v, unsigned w)
{
	u64 mask = X86_STATUS | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT | (w > 2 ? X86_AC | X86_ID : 0);
	return x86_flags_put(f, mask, (v & mask) | 2);
}

static void step_index(struct ev *e, const struct kt_operand *mem, unsigned reg)
{
	u64 by = e->f & X86_DF ? 0 - (u64)e->d->width : e->d->width;
	reg_write(e->regs, reg, mem->addr_size, 0, e->regs[reg] + by);
}

static void eval_string(struct ev *e)
{
	const struct kt_operand *o = e->d->opnd;
	unsigned w = e->d->width;

	switch (e->d->op) {
	case KT_OP_MOVS:
		put(e, 0, e->v[1]);
		step_index(e, &o[1], X86_rsi);
		step_index(e, &o[0], X86_rdi);
		break;
	case KT_OP_STOS:
	case KT_OP_INS:
		put(e, 0, e->v[1]);
		step_index(e, &o[0], X86_rdi);
		break;
	case KT_OP_LODS:
	case KT_OP_OUTS:
		put(e, 0, e->v[1]);
		step_index(e, &o[1], X86_rsi);
		break;
	case KT_OP_CMPS:
		x86_alu_sub(kt_cut(e->v[0], w), kt_cut(e->v[1], w), 0, w, &e->f);
		step_index(e, &o[0], X86_rsi);
		step_index(e, &o[1], X86_rdi);
		break;
	default: /* KT_OP_SCAS */
		x86_alu_sub(kt_cut(e->v[0], w), kt_cut(e->v[1], w), 0, w, &e->f);
		step_index(e, &o[1], X86_rdi);
	}
}

/* In the order of the encoding: eAX eCX eDX eBX eSP eBP eSI eDI. */
static const u8 all_order[8] = { X86_rax, X86_rcx, X86_rdx, X86_rbx, X86_rsp, X86_rbp, X86_rsi, X86_rdi };

static void eval_all(struct ev *e)
{
	unsigned w = e->d->width;

	for (unsigned i = 0; i < 8; i++) {
		unsigned reg = all_order[e->d->op == KT_OP_PUSHA ? i : 7 - i];
		if (e->d->op == KT_OP_PUSHA)
			e->stores[i] = kt_cut(reg == X86_rsp ? e->sp : e->regs[reg], w);
		else if (reg != X86_rsp)
			reg_write(e->regs, reg, w, 0, e->loads[i]);
	}
}

static bool eval_segreal(struct ev *e)
{
	unsigned reg = e->d->opnd[0].reg;

	if (reg < X86_es || reg > X86_gs || (reg - X86_es) % X86_SEG_STRIDE)
		return false;
	e->regs[reg] = e->v[1] & 0xffff;
	e->regs[reg + X86_SEG_BASE] = (e->v[1] & 0xffff) << 4;
	return true;
}

static bool eval_rare(struct ev *e)
{
	const struct kt_desc *d = e->d;
	unsigned w = d->width;

	switch (d->op) {
	case KT_OP_SHLD:
	case KT_OP_SHRD:
		put(e, 0, x86_alu_shift2(d->op, kt_cut(e->v[0], w), kt_cut(e->v[1], w), e->v[2], w, &e->f));
		return true;
	case KT_OP_DIV:
	case KT_OP_IDIV:
		return eval_div(e);
	case KT_OP_XCHG:
		put(e, 0, e->v[1]);
		put(e, 1, e->v[0]);
		return true;
	case KT_OP_XADD: {
		u64 sum = x86_alu_add(kt_cut(e->v[0], w), kt_cut(e->v[1], w), 0, w, &e->f);
		put(e, 1, e->v[0]);
		put(e, 0, sum);
		return true;
	}
	case KT_OP_CMPXCHG:
		eval_cmpxchg(e);
		return true;
	case KT_OP_CMPXCHG2:
		if (w == 8)
			eval_cmpxchg8b(e);
		return w == 8;
	case KT_OP_BSWAP:
		put(e, 0, swap_bytes(e->v[0], w));
		return true;
	case KT_OP_PUSHF:
		put(e, 0, e->f & ~(u64)(X86_RF | X86_VM));
		return true;
	case KT_OP_POPF:
		e->f = pop_flags(e->f, e->v[1], w);
		return true;
	case KT_OP_LEAVE:
		reg_write(e->regs, X86_rsp, d->sp_size, 0, e->regs[X86_rbp] + w);
		reg_write(e->regs, X86_rbp, w, 0, e->v[1]);
		return true;
	case KT_OP_FLAGS:
		e->f = (e->f & ~e->v[1]) ^ e->v[2];
		return true;
	case KT_OP_LAHF:
		reg_write(e->regs, X86_rax, 1, 8, (e->f & 0xd5) | 2);
		return true;
	case KT_OP_SAHF:
		e->f = x86_flags_put(e->f, 0xff, (e->regs[X86_rax] >> 8 & 0xd5) | 2);
		return true;
	case KT_OP_LOOP:
		put(e, 0, e->v[0] - 1);
		return true;
	case KT_OP_SEGREAL:
		return eval_segreal(e);
	case KT_OP_PUSHA:
	case KT_OP_POPA:
		eval_all(e);
		return true;
	default: /* the string classes */
		if (d->flags & KT_DESC_REP)
			return false;
		eval_string(e);
		return true;
	}
}

bool x86_desc_eval(const struct kt_desc *d, u64 *regs, const u64 *loads, u64 *stores)
{
	struct ev e = { .d = d, .regs = regs, .loads = loads, .stores = stores, .f = regs[X86_rflags] & ~(u64)X86_RF };
	unsigned w = d->width;

	if (d->op == KT_OP_LITERAL || d->op >= KT_OP_COUNT_X86)
		return false;
	if (d->op != KT_OP_POPA && d->op != KT_OP_NOP && d->op != KT_OP_CMPXCHG2)
		read_operands(&e);
	else if (d->op == KT_OP_CMPXCHG2)
		e.v[0] = loads[0];
	move_sp(&e);
	switch (d->op) {
	case KT_OP_NOP:
		break;
	case KT_OP_MOV:
	case KT_OP_IN:
	case KT_OP_OUT:
		put(&e, 0, e.v[1]);
		break;
	case KT_OP_MOVSX:
		put(&e, 0, x86_sign_extend(e.v[1], d->opnd[1].size));
		break;
	case KT_OP_LEA:
		put(&e, 0, kt_operand_offset(&kt_arch_x86_64, d, &d->opnd[1], regs));
		break;
	case KT_OP_ADD ... KT_OP_NOT:
		eval_alu(&e);
		break;
	case KT_OP_SHL ... KT_OP_RCR:
		put(&e, 0, x86_alu_shift(d->op, kt_cut(e.v[0], w), e.v[1], w, &e.f));
		break;
	case KT_OP_BT ... KT_OP_BTC: {
		u64 r = x86_alu_bit(d->op, kt_cut(e.v[0], w), e.v[1], w, &e.f);
		if (d->op != KT_OP_BT)
			put(&e, 0, r);
		break;
	}
	case KT_OP_BSF ... KT_OP_POPCNT: {
		u64 from = kt_cut(e.v[1], w), r = x86_alu_scan(d->op, from, w, &e.f);
		if (from || d->op > KT_OP_BSR)
			put(&e, 0, r);
		break;
	}
	case KT_OP_MUL ... KT_OP_IMUL:
		eval_mul(&e);
		break;
	case KT_OP_SIGN:
		put(&e, 0, x86_top(kt_cut(e.v[1], w), w) ? ~0ull : 0);
		break;
	case KT_OP_SETCC:
		put(&e, 0, holds(d->cond, e.f));
		break;
	case KT_OP_CMOV:
		put(&e, 0, holds(d->cond, e.f) ? e.v[1] : e.v[0]);
		break;
	case KT_OP_CALL:
		put(&e, 0, regs[X86_rip] + d->len);
		break;
	default:
		if (!eval_rare(&e)) {
			regs[X86_rsp] = e.sp;
			return false;
		}
	}
	regs[X86_rflags] = e.f;
	return true;
}
