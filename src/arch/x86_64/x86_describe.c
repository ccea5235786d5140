/* SPDX-License-Identifier: MIT */
/* Mnemonic -> descriptor class and operands. What is not in the table is LITERAL, with its explicit operands listed, so
 * that an engine can still predict its faults and capture its data. */
#include "arch/x86_64/x86_decode.h"

enum { R = KT_READ, W = KT_WRITE, RW = KT_READ | KT_WRITE };

/* How operands are laid out. */
enum form {
	PLAIN,   /* visible operands in order, accesses a0 and a1 (and R for a third) */
	SOURCE,  /* D none, S = the first visible operand */
	IMUL,    /* one, two or three operands */
	PUSH, POP, CALL, RET, BRANCH,
	STACK_W, STACK_R, /* pushf, pusha; popf (S), popa (D) */
	LEAVE, FLAGS, STRING, LOOP, IN, OUT, MOV, XLAT, SWAPGS, FSGSBASE, SIGN, EXTEND, NONE, ADDRESS, LITERAL
};

struct rule {
	u8 op, form, a0, a1;
};

#define RULE(m, ...) case ZYDIS_MNEMONIC_##m: return (struct rule){ __VA_ARGS__ }
/* The condition's number is in the opcode. */
#define CONDS(m, ...) \
	case ZYDIS_MNEMONIC_##m##O: case ZYDIS_MNEMONIC_##m##NO: case ZYDIS_MNEMONIC_##m##B: case ZYDIS_MNEMONIC_##m##NB: \
	case ZYDIS_MNEMONIC_##m##Z: case ZYDIS_MNEMONIC_##m##NZ: case ZYDIS_MNEMONIC_##m##BE: case ZYDIS_MNEMONIC_##m##NBE: \
	case ZYDIS_MNEMONIC_##m##S: case ZYDIS_MNEMONIC_##m##NS: case ZYDIS_MNEMONIC_##m##P: case ZYDIS_MNEMONIC_##m##NP: \
	case ZYDIS_MNEMONIC_##m##L: case ZYDIS_MNEMONIC_##m##NL: case ZYDIS_MNEMONIC_##m##LE: case ZYDIS_MNEMONIC_##m##NLE: \
		return (struct rule){ __VA_ARGS__ }
#define STRINGS(m, o, b, w, d, q) \
	case ZYDIS_MNEMONIC_##b: case ZYDIS_MNEMONIC_##w: case ZYDIS_MNEMONIC_##d: case ZYDIS_MNEMONIC_##q: \
		return (struct rule){ o, STRING, 0, 0 }

static struct rule arithmetic_rule(ZydisMnemonic m)
{
	switch (m) {
	RULE(ADD, KT_OP_ADD, PLAIN, RW, R);
	RULE(ADC, KT_OP_ADC, PLAIN, RW, R);
	RULE(SUB, KT_OP_SUB, PLAIN, RW, R);
	RULE(SBB, KT_OP_SBB, PLAIN, RW, R);
	RULE(CMP, KT_OP_CMP, PLAIN, R, R);
	RULE(AND, KT_OP_AND, PLAIN, RW, R);
	RULE(OR, KT_OP_OR, PLAIN, RW, R);
	RULE(XOR, KT_OP_XOR, PLAIN, RW, R);
	RULE(TEST, KT_OP_TEST, PLAIN, R, R);
	RULE(INC, KT_OP_INC, PLAIN, RW, 0);
	RULE(DEC, KT_OP_DEC, PLAIN, RW, 0);
	RULE(NEG, KT_OP_NEG, PLAIN, RW, 0);
	RULE(NOT, KT_OP_NOT, PLAIN, RW, 0);
	RULE(SHL, KT_OP_SHL, PLAIN, RW, R);
	RULE(SALC, KT_OP_LITERAL, LITERAL, 0, 0);
	RULE(SHR, KT_OP_SHR, PLAIN, RW, R);
	RULE(SAR, KT_OP_SAR, PLAIN, RW, R);
	RULE(ROL, KT_OP_ROL, PLAIN, RW, R);
	RULE(ROR, KT_OP_ROR, PLAIN, RW, R);
	RULE(RCL, KT_OP_RCL, PLAIN, RW, R);
	RULE(RCR, KT_OP_RCR, PLAIN, RW, R);
	RULE(SHLD, KT_OP_SHLD, PLAIN, RW, R);
	RULE(SHRD, KT_OP_SHRD, PLAIN, RW, R);
	RULE(BT, KT_OP_BT, PLAIN, R, R);
	RULE(BTS, KT_OP_BTS, PLAIN, RW, R);
	RULE(BTR, KT_OP_BTR, PLAIN, RW, R);
	RULE(BTC, KT_OP_BTC, PLAIN, RW, R);
	RULE(BSF, KT_OP_BSF, PLAIN, RW, R);
	RULE(BSR, KT_OP_BSR, PLAIN, RW, R);
	RULE(TZCNT, KT_OP_TZCNT, PLAIN, W, R);
	RULE(LZCNT, KT_OP_LZCNT, PLAIN, W, R);
	RULE(POPCNT, KT_OP_POPCNT, PLAIN, W, R);
	RULE(MUL, KT_OP_MUL, SOURCE, 0, R);
	RULE(IMUL, KT_OP_IMUL, IMUL, 0, R);
	RULE(DIV, KT_OP_DIV, SOURCE, 0, R);
	RULE(IDIV, KT_OP_IDIV, SOURCE, 0, R);
	RULE(XCHG, KT_OP_XCHG, PLAIN, RW, RW);
	RULE(XADD, KT_OP_XADD, PLAIN, RW, RW);
	RULE(CMPXCHG, KT_OP_CMPXCHG, PLAIN, RW, R);
	RULE(CMPXCHG8B, KT_OP_CMPXCHG2, PLAIN, RW, 0);
	RULE(CMPXCHG16B, KT_OP_CMPXCHG2, PLAIN, RW, 0);
	RULE(BSWAP, KT_OP_BSWAP, PLAIN, RW, 0);
	CONDS(SET, KT_OP_SETCC, PLAIN, W, 0);
	CONDS(CMOV, KT_OP_CMOV, PLAIN, RW, R);
	default:
		return (struct rule){ KT_OP_LITERAL, LITERAL, 0, 0 };
	}
}

static struct rule system_rule(ZydisMnemonic m)
{
	switch (m) {
	/* Nothing but PC, as far as a trace can tell. */
	RULE(NOP, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PAUSE, KT_OP_NOP, NONE, 0, 0);
	RULE(HLT, KT_OP_NOP, NONE, 0, 0);
	RULE(FWAIT, KT_OP_NOP, NONE, 0, 0);
	RULE(LFENCE, KT_OP_NOP, NONE, 0, 0);
	RULE(MFENCE, KT_OP_NOP, NONE, 0, 0);
	RULE(SFENCE, KT_OP_NOP, NONE, 0, 0);
	RULE(SERIALIZE, KT_OP_NOP, NONE, 0, 0);
	RULE(ENDBR32, KT_OP_NOP, NONE, 0, 0);
	RULE(ENDBR64, KT_OP_NOP, NONE, 0, 0);
	RULE(RDSSPD, KT_OP_NOP, NONE, 0, 0);
	RULE(RDSSPQ, KT_OP_NOP, NONE, 0, 0);
	RULE(WBINVD, KT_OP_NOP, NONE, 0, 0);
	RULE(INVD, KT_OP_NOP, NONE, 0, 0);
	RULE(INVLPG, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(CLFLUSH, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(CLFLUSHOPT, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(CLWB, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(CLDEMOTE, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PREFETCH, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PREFETCHNTA, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PREFETCHT0, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PREFETCHT1, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PREFETCHT2, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PREFETCHW, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(PREFETCHWT1, KT_OP_NOP, ADDRESS, 0, 0);
	RULE(SWAPGS, KT_OP_XCHG, SWAPGS, 0, 0);
	RULE(RDFSBASE, KT_OP_MOV, FSGSBASE, X86_fs_base, R);
	RULE(RDGSBASE, KT_OP_MOV, FSGSBASE, X86_gs_base, R);
	RULE(WRFSBASE, KT_OP_MOV, FSGSBASE, X86_fs_base, W);
	RULE(WRGSBASE, KT_OP_MOV, FSGSBASE, X86_gs_base, W);
	RULE(CLC, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(STC, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(CMC, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(CLI, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(STI, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(CLD, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(STD, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(CLAC, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(STAC, KT_OP_FLAGS, FLAGS, 0, 0);
	RULE(LAHF, KT_OP_LAHF, NONE, 0, 0);
	RULE(SAHF, KT_OP_SAHF, NONE, 0, 0);
	RULE(IN, KT_OP_IN, IN, 0, 0);
	RULE(OUT, KT_OP_OUT, OUT, 0, 0);
	default:
		return arithmetic_rule(m);
	}
}

/* movsd and cmpsd are names of SSE instructions as well. */
static struct rule string_rule(ZydisMnemonic m)
{
	switch (m) {
	STRINGS(MOVS, KT_OP_MOVS, MOVSB, MOVSW, MOVSD, MOVSQ);
	STRINGS(STOS, KT_OP_STOS, STOSB, STOSW, STOSD, STOSQ);
	STRINGS(LODS, KT_OP_LODS, LODSB, LODSW, LODSD, LODSQ);
	STRINGS(CMPS, KT_OP_CMPS, CMPSB, CMPSW, CMPSD, CMPSQ);
	STRINGS(SCAS, KT_OP_SCAS, SCASB, SCASW, SCASD, SCASQ);
	case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD:
		return (struct rule){ KT_OP_INS, STRING, 0, 0 };
	case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD:
		return (struct rule){ KT_OP_OUTS, STRING, 0, 0 };
	default:
		return (struct rule){ KT_OP_LITERAL, LITERAL, 0, 0 };
	}
}

static struct rule rule_of(const struct x86_dec *x)
{
	ZydisInstructionCategory c = x->zi.meta.category;

	if (c == ZYDIS_CATEGORY_STRINGOP || c == ZYDIS_CATEGORY_IOSTRINGOP)
		return string_rule(x->zi.mnemonic);
	if (x->zi.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return (struct rule){ KT_OP_LITERAL, LITERAL, 0, 0 };
	switch (x->zi.mnemonic) {
	RULE(MOV, KT_OP_MOV, MOV, W, R);
	RULE(MOVZX, KT_OP_MOV, PLAIN, W, R);
	RULE(MOVSX, KT_OP_MOVSX, PLAIN, W, R);
	RULE(MOVSXD, KT_OP_MOVSX, PLAIN, W, R);
	RULE(LEA, KT_OP_LEA, PLAIN, W, 0);
	RULE(MOVNTI, KT_OP_MOV, PLAIN, W, R);
	RULE(XLAT, KT_OP_MOV, XLAT, 0, 0);
	RULE(CBW, KT_OP_MOVSX, EXTEND, 2, 0);
	RULE(CWDE, KT_OP_MOVSX, EXTEND, 4, 0);
	RULE(CDQE, KT_OP_MOVSX, EXTEND, 8, 0);
	RULE(CWD, KT_OP_SIGN, SIGN, 2, 0);
	RULE(CDQ, KT_OP_SIGN, SIGN, 4, 0);
	RULE(CQO, KT_OP_SIGN, SIGN, 8, 0);
	RULE(PUSH, KT_OP_MOV, PUSH, 0, 0);
	RULE(POP, KT_OP_MOV, POP, 0, 0);
	RULE(CALL, KT_OP_CALL, CALL, 0, 0);
	RULE(RET, KT_OP_NOP, RET, 0, 0);
	RULE(JMP, KT_OP_NOP, BRANCH, 0, 0);
	CONDS(J, KT_OP_NOP, NONE, 0, 0);
	RULE(JCXZ, KT_OP_NOP, NONE, 0, 0);
	RULE(JECXZ, KT_OP_NOP, NONE, 0, 0);
	RULE(JRCXZ, KT_OP_NOP, NONE, 0, 0);
	RULE(LOOP, KT_OP_LOOP, LOOP, 0, 0);
	RULE(LOOPE, KT_OP_LOOP, LOOP, 0, 0);
	RULE(LOOPNE, KT_OP_LOOP, LOOP, 0, 0);
	RULE(PUSHF, KT_OP_PUSHF, STACK_W, 0, 0);
	RULE(PUSHFD, KT_OP_PUSHF, STACK_W, 0, 0);
	RULE(PUSHFQ, KT_OP_PUSHF, STACK_W, 0, 0);
	RULE(POPF, KT_OP_POPF, STACK_R, 0, 0);
	RULE(POPFD, KT_OP_POPF, STACK_R, 0, 0);
	RULE(POPFQ, KT_OP_POPF, STACK_R, 0, 0);
	RULE(PUSHA, KT_OP_PUSHA, STACK_W, 8, 0);
	RULE(PUSHAD, KT_OP_PUSHA, STACK_W, 8, 0);
	RULE(POPA, KT_OP_POPA, STACK_R, 8, 0);
	RULE(POPAD, KT_OP_POPA, STACK_R, 8, 0);
	RULE(LEAVE, KT_OP_LEAVE, LEAVE, 0, 0);
	default:
		return system_rule(x->zi.mnemonic);
	}
}

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

static void describe_plain(const struct x86_dec *x, const struct rule *r, struct kt_desc *d)
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
static bool describe_mov(const struct x86_dec *x, const struct rule *r, struct kt_desc *d)
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
static void describe_stack(const struct x86_dec *x, const struct rule *r, struct kt_desc *d)
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

static void describe_base(const struct x86_dec *x, const struct rule *r, struct kt_desc *d)
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
static bool describe(const struct x86_dec *x, const struct rule *r, struct kt_desc *d)
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
	struct rule r = rule_of(x);
	struct kt_desc empty = *d;

	d->op = r.op;
	if (describe(x, &r, d))
		return;
	*d = empty;
	describe_literal(x, d);
}
