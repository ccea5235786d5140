/* SPDX-License-Identifier: MIT */
/* An instruction's class and operands as a descriptor. What has no rule is LITERAL, with its explicit operands listed, so
 * that an engine can still predict its faults and capture its data. */
#include "arch/x86_64/x86_rules.h"

enum { R = KT_READ, W = KT_WRITE, RW = KT_READ | KT_WRITE };

static void add(struct kt_desc *d, struct kt_operand o)
{
	if (d->nops < KT_DESC_OPS)
		d->opnd[d->nops++] = o;
}

static void move_sp(const struct x86_dec *x, struct kt_desc *d, int by)
{
	d->sp_size = (u8)x->stack;
	d->sp_add = by;
}

static unsigned access_of(const ZydisDecodedOperand *z)
{
	if (z->type == ZYDIS_OPERAND_TYPE_MEMORY && z->mem.type != ZYDIS_MEMOP_TYPE_MEM)
		return 0;
	return (z->actions & (ZYDIS_OPERAND_ACTION_READ | ZYDIS_OPERAND_ACTION_CONDREAD) ? R : 0) |
	       (z->actions & (ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE) ? W : 0);
}

/* Explicit operands that the register file has, memory among them, and implicit memory that is not the stack
 * (maskmovq). A far pointer is two immediates: selector, offset. */
static void describe_literal(const struct x86_dec *x, struct kt_desc *d)
{
	d->op = KT_OP_LITERAL;
	d->width = 0;
	for (unsigned i = 0; i < x->zi.operand_count; i++) {
		const ZydisDecodedOperand *z = &x->zo[i];
		if (z->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && z != x86_find_memory(x))
			continue;
		if (z->type == ZYDIS_OPERAND_TYPE_POINTER) {
			add(d, x86_operand_imm(z->ptr.segment, 2));
			add(d, x86_operand_imm(z->ptr.offset, 4));
			continue;
		}
		struct kt_operand o = x86_operand(x, z, access_of(z));
		if (o.kind != KT_OPND_NONE && (o.access || o.kind == KT_OPND_MEM))
			add(d, o);
	}
}

static bool is_register(const struct kt_operand *o, unsigned from, unsigned to)
{
	return o->kind == KT_OPND_REG && o->reg >= from && o->reg <= to;
}

static bool is_selector(const struct kt_operand *o)
{
	return is_register(o, X86_es, X86_gs) && (o->reg - X86_es) % X86_SEG_STRIDE == X86_SEG_SEL;
}

/* Loading a selector is a copy in real mode only; elsewhere a descriptor comes from a table. */
static bool describe_selector_load(const struct x86_dec *x, struct kt_desc *d)
{
	if (!is_selector(&d->opnd[0]) || !(d->opnd[0].access & W))
		return true;
	d->op = KT_OP_SEGREAL;
	d->width = 2;
	return !(x->mode & KT_MODE_PROTECTED);
}

static void describe_plain(const struct x86_dec *x, const struct x86_rule *r, struct kt_desc *d)
{
	const u8 access[3] = { r->a0, r->a1, R };

	for (unsigned i = 0; i < x->zi.operand_count_visible && i < 3; i++) {
		struct kt_operand o = x86_operand(x, &x->zo[i], access[i]);
		if (d->op == KT_OP_LEA && i == 1)
			o.size = 0;
		add(d, o);
	}
	d->width = (u8)d->opnd[0].size;
	/* An immediate operand of the operation is as wide as it is, but for counts and bit numbers. */
	if (d->opnd[1].kind == KT_OPND_IMM && d->op >= KT_OP_MOV && d->op <= KT_OP_TEST)
		d->opnd[1].size = d->width;
	if (d->op >= KT_OP_BT && d->op <= KT_OP_BTC && d->opnd[0].kind == KT_OPND_MEM && d->opnd[1].kind == KT_OPND_REG)
		d->opnd[0].bitreg = d->opnd[1].reg;
	if (d->op == KT_OP_SETCC || d->op == KT_OP_CMOV)
		d->cond = x->zi.opcode & 15;
	/* Memory is operand 0, so that there is one place for a store. */
	if (d->op == KT_OP_XCHG && d->opnd[1].kind == KT_OPND_MEM) {
		struct kt_operand o = d->opnd[0];
		d->opnd[0] = d->opnd[1];
		d->opnd[1] = o;
	}
}

/* Moves from and to control and debug registers are 64 bits wide in the register file. */
static bool describe_mov(const struct x86_dec *x, const struct x86_rule *r, struct kt_desc *d)
{
	describe_plain(x, r, d);
	for (unsigned i = 0; i < 2; i++)
		if (is_register(&d->opnd[i], X86_cr0, X86_dr7))
			d->opnd[i].size = 8;
	return d->nops == 2 && d->opnd[0].kind && d->opnd[1].kind && describe_selector_load(x, d);
}

static bool describe_pop(const struct x86_dec *x, struct kt_desc *d)
{
	unsigned w = x86_stack_size(x);
	struct kt_operand to = x86_operand(x, &x->zo[0], W);

	/* SDM 2B, POP: "If the ESP register is used as a base register for addressing a destination operand in memory,
	 * the POP instruction computes the effective address of the operand after it increments the ESP register." */
	if (to.kind == KT_OPND_MEM && to.base == X86_rsp)
		to.imm += w;
	d->width = (u8)w;
	add(d, to);
	add(d, x86_operand_stack(x, X86_rsp, 0, w, R));
	move_sp(x, d, (int)w);
	if (describe_selector_load(x, d))
		return true;
	d->op = KT_OP_LITERAL; /* operands stay: the engine predicts the stack access */
	return true;
}

static void describe_push(const struct x86_dec *x, struct kt_desc *d)
{
	unsigned w = x86_stack_size(x);
	struct kt_operand from = x86_operand(x, &x->zo[0], R);

	if (from.kind == KT_OPND_IMM)
		from.size = (u16)w;
	d->width = (u8)w;
	add(d, x86_operand_stack(x, X86_rsp, -(s64)w, w, W));
	add(d, from);
	move_sp(x, d, -(int)w);
}

static void describe_call(const struct x86_dec *x, struct kt_desc *d)
{
	unsigned w = x86_stack_size(x);

	d->width = (u8)w;
	add(d, x86_operand_stack(x, X86_rsp, -(s64)w, w, W));
	if (x->zo[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		add(d, x86_operand(x, &x->zo[0], R));
	move_sp(x, d, -(int)w);
}

static void describe_ret(const struct x86_dec *x, struct kt_desc *d)
{
	unsigned w = x86_stack_size(x);
	u64 more = x->zi.operand_count_visible ? x->zo[0].imm.value.u & 0xffff : 0;

	d->width = (u8)w;
	add(d, x86_operand_stack(x, X86_rsp, 0, w, R));
	move_sp(x, d, (int)(w + more));
}

/* pushf, popf (S), pusha, popa: `words` at once. */
static void describe_stack(const struct x86_dec *x, const struct x86_rule *r, struct kt_desc *d)
{
	unsigned all = x86_stack_size(x), words = r->a0 ? r->a0 : 1;
	bool push = r->form == STACK_W;

	d->width = (u8)(all / words);
	if (d->op == KT_OP_POPF)
		add(d, (struct kt_operand)KT_OPERAND_NONE);
	/* PUSHA's words lie below the base and are cut one by one: its address form is the stack pointer itself. */
	add(d, x86_operand_stack(x, X86_rsp, d->op == KT_OP_PUSHF ? -(s64)all : 0, all, push ? W : R));
	move_sp(x, d, push ? -(int)all : (int)all);
}

static void describe_flags(const struct x86_dec *x, struct kt_desc *d)
{
	u64 bit, set;

	switch (x->zi.mnemonic) {
	case ZYDIS_MNEMONIC_CLC: bit = X86_CF; set = 0; break;
	case ZYDIS_MNEMONIC_STC: bit = X86_CF; set = X86_CF; break;
	case ZYDIS_MNEMONIC_CMC: bit = 0; set = X86_CF; break;
	case ZYDIS_MNEMONIC_CLI: bit = X86_IF; set = 0; break;
	case ZYDIS_MNEMONIC_STI: bit = X86_IF; set = X86_IF; break;
	case ZYDIS_MNEMONIC_CLD: bit = X86_DF; set = 0; break;
	case ZYDIS_MNEMONIC_STD: bit = X86_DF; set = X86_DF; break;
	case ZYDIS_MNEMONIC_CLAC: bit = X86_AC; set = 0; break;
	default: bit = X86_AC; set = X86_AC;
	}
	d->width = 8;
	add(d, (struct kt_operand)KT_OPERAND_NONE);
	add(d, x86_operand_imm(bit, 8));
	add(d, x86_operand_imm(set, 8));
}

static struct kt_operand port(const struct x86_dec *x, const ZydisDecodedOperand *z, unsigned size, unsigned access)
{
	struct kt_operand o = KT_OPERAND_NONE;

	o.kind = KT_OPND_PORT;
	o.access = (u8)access;
	o.size = (u16)size;
	if (z && z->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		o.imm = z->imm.value.u & 0xff;
	else
		o.reg = X86_rdx;
	return o;
}

static void describe_string(const struct x86_dec *x, struct kt_desc *d)
{
	unsigned w = 0;

	for (unsigned i = 0; i < x->zi.operand_count && !w; i++)
		if (x->zo[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			w = x->zo[i].size / 8;
	d->width = (u8)w;
	const ZydisDecodedOperand *m = x86_find_memory(x);
	switch (d->op) {
	case KT_OP_MOVS:
		add(d, x86_operand(x, &m[0], W));
		add(d, x86_operand(x, &m[1], R));
		break;
	case KT_OP_CMPS:
		add(d, x86_operand(x, &m[0], R));
		add(d, x86_operand(x, &m[1], R));
		break;
	case KT_OP_STOS:
		add(d, x86_operand(x, m, W));
		add(d, x86_operand_reg(X86_rax, w, R));
		break;
	case KT_OP_LODS:
		add(d, x86_operand_reg(X86_rax, w, W));
		add(d, x86_operand(x, m, R));
		break;
	case KT_OP_SCAS:
		add(d, x86_operand_reg(X86_rax, w, R));
		add(d, x86_operand(x, m, R));
		break;
	case KT_OP_INS:
		add(d, x86_operand(x, m, W));
		add(d, port(x, NULL, w, R));
		break;
	default: /* KT_OP_OUTS */
		add(d, port(x, NULL, w, W));
		add(d, x86_operand(x, m, R));
	}
	for (unsigned i = 0; i < x->zi.raw.prefix_count; i++) {
		unsigned p = x->zi.raw.prefixes[i].value;
		if (p != 0xf2 && p != 0xf3)
			continue;
		d->flags &= (u8)~KT_DESC_REPNE;
		d->flags |= KT_DESC_REP | (p == 0xf2 && (d->op == KT_OP_CMPS || d->op == KT_OP_SCAS) ? KT_DESC_REPNE : 0);
	}
}

static void describe_imul(const struct x86_dec *x, struct kt_desc *d)
{
	unsigned n = x->zi.operand_count_visible;

	if (n < 2) {
		d->op = KT_OP_IMUL1;
		add(d, (struct kt_operand)KT_OPERAND_NONE);
		add(d, x86_operand(x, &x->zo[0], R));
		d->width = (u8)d->opnd[1].size;
		return;
	}
	add(d, x86_operand(x, &x->zo[0], W));
	add(d, x86_operand(x, &x->zo[1], R));
	add(d, x86_operand(x, &x->zo[n == 2 ? 0 : 2], R));
	d->width = (u8)d->opnd[0].size;
	if (n == 3)
		d->opnd[2].size = d->width;
}

static void describe_address(const struct x86_dec *x, struct kt_desc *d)
{
	const ZydisDecodedOperand *m = x86_find_memory(x);
	if (m) {
		add(d, x86_operand(x, m, 0));
		d->opnd[0].size = 0;
	}
}

static void describe_xlat(const struct x86_dec *x, struct kt_desc *d)
{
	d->width = 1;
	add(d, x86_operand_reg(X86_rax, 1, W));
	add(d, x86_operand(x, x86_find_memory(x), R));
	d->opnd[1].index = X86_rax;
	d->opnd[1].shift = 8;
}

static void describe_base(const struct x86_dec *x, const struct x86_rule *r, struct kt_desc *d)
{
	bool rd = r->a1 == R;
	struct kt_operand base = x86_operand_reg(r->a0, 8, rd ? R : W), gpr = x86_operand(x, &x->zo[0], rd ? W : R);

	d->width = (u8)gpr.size;
	if (rd)
		base.size = gpr.size;
	add(d, rd ? gpr : base);
	add(d, rd ? base : gpr);
}

/* False: the rule does not fit these operands, describe as LITERAL. */
static bool describe(const struct x86_dec *x, const struct x86_rule *r, struct kt_desc *d)
{
	unsigned w = r->a0;

	switch (r->form) {
	case PLAIN:
		describe_plain(x, r, d);
		return d->opnd[0].kind != KT_OPND_NONE;
	case SOURCE:
		add(d, (struct kt_operand)KT_OPERAND_NONE);
		add(d, x86_operand(x, &x->zo[0], R));
		d->width = (u8)d->opnd[1].size;
		return true;
	case IMUL: describe_imul(x, d); return true;
	case MOV: return describe_mov(x, r, d);
	case PUSH: describe_push(x, d); return true;
	case POP: return describe_pop(x, d);
	case CALL: describe_call(x, d); return true;
	case RET: describe_ret(x, d); return true;
	case BRANCH:
		if (x->zo[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			add(d, x86_operand(x, &x->zo[0], R));
		return true;
	case STACK_W:
	case STACK_R: describe_stack(x, r, d); return true;
	case LEAVE:
		d->width = (u8)x86_stack_size(x);
		add(d, (struct kt_operand)KT_OPERAND_NONE);
		add(d, x86_operand_stack(x, X86_rbp, 0, d->width, R));
		move_sp(x, d, 0);
		return true;
	case FLAGS: describe_flags(x, d); return true;
	case STRING: describe_string(x, d); return true;
	case LOOP:
		d->width = x->zi.address_width / 8;
		add(d, x86_operand_reg(X86_rcx, d->width, RW));
		return true;
	case IN:
		d->width = (u8)(x->zo[0].size / 8);
		add(d, x86_operand_reg(X86_rax, d->width, W));
		add(d, port(x, &x->zo[1], d->width, R));
		return true;
	case OUT:
		d->width = (u8)(x->zo[1].size / 8);
		add(d, port(x, &x->zo[0], d->width, W));
		add(d, x86_operand_reg(X86_rax, d->width, R));
		return true;
	case XLAT: describe_xlat(x, d); return true;
	case SWAPGS:
		d->width = 8;
		add(d, x86_operand_reg(X86_gs_base, 8, RW));
		add(d, x86_operand_reg(X86_kernel_gs_base, 8, RW));
		return true;
	case FSGSBASE: describe_base(x, r, d); return true;
	case SIGN:
		d->width = (u8)w;
		add(d, x86_operand_reg(X86_rdx, w, W));
		add(d, x86_operand_reg(X86_rax, w, R));
		return true;
	case EXTEND:
		d->width = (u8)w;
		add(d, x86_operand_reg(X86_rax, w, W));
		add(d, x86_operand_reg(X86_rax, w / 2, R));
		return true;
	case ADDRESS: describe_address(x, d); return true;
	case NONE: d->width = d->op == KT_OP_NOP ? 0 : 1; return true;
	default: return false;
	}
}

void x86_describe(const struct x86_dec *x, struct kt_desc *d)
{
	struct x86_rule r = x86_rule_of(x);
	struct kt_desc empty = *d;

	d->op = r.op;
	if (describe(x, &r, d))
		return;
	*d = empty;
	describe_literal(x, d);
}
