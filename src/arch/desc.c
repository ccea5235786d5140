/* SPDX-License-Identifier: MIT */
/* The byte form of a descriptor (doc/descriptors.md), and the rules that one from a file must keep. What passes here
 * cannot make kt_desc_plan or kt_desc_eval reach outside a register file or their arrays. */
#include "arch/desc.h"

#include <string.h>

static void put_reg(struct kt_buf *b, u16 reg)
{
	kt_buf_varint(b, (u16)(reg + 1)); /* NONE is 0 */
}

static void put_operand(struct kt_buf *b, const struct kt_operand *o)
{
	kt_buf_u8(b, (u8)(o->kind | o->access << 4));
	if (o->kind == KT_OPND_NONE)
		return;
	kt_buf_varint(b, o->size);
	switch (o->kind) {
	case KT_OPND_REG:
		kt_buf_u8(b, o->shift);
		put_reg(b, o->reg);
		break;
	case KT_OPND_IMM:
		kt_buf_svarint(b, (s64)o->imm);
		break;
	case KT_OPND_MEM:
		kt_buf_u8(b, o->shift);
		kt_buf_u8(b, o->addr_size);
		kt_buf_u8(b, o->scale);
		put_reg(b, o->seg);
		put_reg(b, o->base);
		put_reg(b, o->index);
		put_reg(b, o->bitreg);
		kt_buf_svarint(b, (s64)o->imm);
		break;
	default: /* KT_OPND_PORT */
		put_reg(b, o->reg);
		kt_buf_svarint(b, (s64)o->imm);
	}
}

void kt_desc_put(struct kt_buf *b, const struct kt_desc *d)
{
	kt_buf_u8(b, KT_DESC_VERSION);
	kt_buf_u8(b, d->op);
	kt_buf_u8(b, d->width);
	kt_buf_u8(b, d->len);
	kt_buf_u8(b, d->cond);
	kt_buf_u8(b, d->flags);
	kt_buf_u8(b, d->nops);
	kt_buf_u8(b, d->sp_size);
	kt_buf_svarint(b, d->sp_add);
	for (unsigned i = 0; i < d->nops; i++)
		put_operand(b, &d->opnd[i]);
}

/* Values too large for the field mark the view bad rather than being cut. */
static u16 get_u16(struct kt_rd *r)
{
	u64 v = kt_rd_varint(r);
	if (v > 0xffff)
		r->bad = true;
	return (u16)v;
}

static u16 get_reg(struct kt_rd *r)
{
	return (u16)(get_u16(r) - 1);
}

static void get_operand(struct kt_rd *r, struct kt_operand *o)
{
	u8 head = kt_rd_u8(r);
	o->kind = head & 15;
	o->access = head >> 4;
	if (o->kind == KT_OPND_NONE)
		return;
	o->size = get_u16(r);
	switch (o->kind) {
	case KT_OPND_REG:
		o->shift = kt_rd_u8(r);
		o->reg = get_reg(r);
		break;
	case KT_OPND_IMM:
		o->imm = (u64)kt_rd_svarint(r);
		break;
	case KT_OPND_MEM:
		o->shift = kt_rd_u8(r);
		o->addr_size = kt_rd_u8(r);
		o->scale = kt_rd_u8(r);
		o->seg = get_reg(r);
		o->base = get_reg(r);
		o->index = get_reg(r);
		o->bitreg = get_reg(r);
		o->imm = (u64)kt_rd_svarint(r);
		break;
	case KT_OPND_PORT:
		o->reg = get_reg(r);
		o->imm = (u64)kt_rd_svarint(r);
		break;
	default:
		r->bad = true;
	}
}

int kt_desc_get(struct kt_rd *r, unsigned nregs, struct kt_desc *d, struct kt_err *err)
{
	static const struct kt_operand none = KT_OPERAND_NONE;

	memset(d, 0, sizeof *d);
	for (unsigned i = 0; i < KT_DESC_OPS; i++)
		d->opnd[i] = none;
	unsigned version = kt_rd_u8(r);
	if (!r->bad && version > KT_DESC_VERSION)
		return kt_fail(err, KT_E_VERSION, "descriptor of version %u; this reader knows up to %u: use a newer ktrace", version, KT_DESC_VERSION);
	d->op = kt_rd_u8(r);
	d->width = kt_rd_u8(r);
	d->len = kt_rd_u8(r);
	d->cond = kt_rd_u8(r);
	d->flags = kt_rd_u8(r);
	d->nops = kt_rd_u8(r);
	d->sp_size = kt_rd_u8(r);
	s64 sp_add = kt_rd_svarint(r);
	if (!version || d->nops > KT_DESC_OPS || sp_add != (s32)sp_add)
		r->bad = true;
	d->sp_add = (s32)sp_add;
	for (unsigned i = 0; i < d->nops && !r->bad; i++)
		get_operand(r, &d->opnd[i]);
	if (r->bad || !kt_desc_valid(d, nregs))
		return kt_fail(err, KT_E_CORRUPT, "malformed descriptor (class %u, %u operands)", d->op, d->nops);
	return 0;
}

static bool power_of_two_to(unsigned v, unsigned max)
{
	return v && v <= max && !(v & (v - 1));
}

static bool reg_ok(unsigned reg, unsigned nregs)
{
	return reg < nregs || reg == KT_REG_NONE;
}

static bool operand_ok(const struct kt_operand *o, unsigned nregs)
{
	switch (o->kind) {
	case KT_OPND_NONE:
		return !o->access;
	case KT_OPND_REG:
		return o->reg < nregs && o->access && o->access <= 3 && power_of_two_to(o->size, 8) &&
		       (!o->shift || (o->shift == 8 && o->size == 1));
	case KT_OPND_IMM:
		return o->access == KT_READ && power_of_two_to(o->size, 8);
	case KT_OPND_MEM:
		return o->access <= 3 && o->size <= 4096 && (o->size || !o->access) && (!o->shift || o->shift == 8) &&
		       o->addr_size > 1 && power_of_two_to(o->addr_size, 8) && o->scale <= 3 && reg_ok(o->seg, nregs) &&
		       reg_ok(o->base, nregs) && reg_ok(o->index, nregs) && reg_ok(o->bitreg, nregs) &&
		       (o->bitreg == KT_REG_NONE || (o->size > 1 && power_of_two_to(o->size, 8)));
	case KT_OPND_PORT:
		return reg_ok(o->reg, nregs) && (o->access == KT_READ || o->access == KT_WRITE) && power_of_two_to(o->size, 4);
	default:
		return false;
	}
}

/* The operands of a class: which kinds may stand at a place, and with what access. Letters: n none, r register,
 * i immediate, m memory, p port; access: '-' read, '=' write, '+' both, '0' address only. */
static const char *const shapes[KT_OP_COUNT_X86][3] = {
	[KT_OP_MOV] = { "=rm", "-rim" },   [KT_OP_MOVSX] = { "=rm", "-rm" }, [KT_OP_LEA] = { "=r", "0m" },
	[KT_OP_ADD] = { "+rm", "-rim" },   [KT_OP_ADC] = { "+rm", "-rim" },  [KT_OP_SUB] = { "+rm", "-rim" },
	[KT_OP_SBB] = { "+rm", "-rim" },   [KT_OP_CMP] = { "-rm", "-rim" },  [KT_OP_AND] = { "+rm", "-rim" },
	[KT_OP_OR] = { "+rm", "-rim" },    [KT_OP_XOR] = { "+rm", "-rim" },  [KT_OP_TEST] = { "-rm", "-rim" },
	[KT_OP_INC] = { "+rm" },           [KT_OP_DEC] = { "+rm" },          [KT_OP_NEG] = { "+rm" },
	[KT_OP_NOT] = { "+rm" },           [KT_OP_SHL] = { "+rm", "-ri" },   [KT_OP_SHR] = { "+rm", "-ri" },
	[KT_OP_SAR] = { "+rm", "-ri" },    [KT_OP_ROL] = { "+rm", "-ri" },   [KT_OP_ROR] = { "+rm", "-ri" },
	[KT_OP_RCL] = { "+rm", "-ri" },    [KT_OP_RCR] = { "+rm", "-ri" },
	[KT_OP_SHLD] = { "+rm", "-r", "-ri" }, [KT_OP_SHRD] = { "+rm", "-r", "-ri" },
	[KT_OP_BT] = { "-rm", "-ri" },     [KT_OP_BTS] = { "+rm", "-ri" },   [KT_OP_BTR] = { "+rm", "-ri" },
	[KT_OP_BTC] = { "+rm", "-ri" },
	[KT_OP_BSF] = { "+r", "-rm" },     [KT_OP_BSR] = { "+r", "-rm" },    [KT_OP_TZCNT] = { "=r", "-rm" },
	[KT_OP_LZCNT] = { "=r", "-rm" },   [KT_OP_POPCNT] = { "=r", "-rm" },
	[KT_OP_MUL] = { "n", "-rm" },      [KT_OP_IMUL1] = { "n", "-rm" },   [KT_OP_IMUL] = { "=r", "-rm", "-ri" },
	[KT_OP_DIV] = { "n", "-rm" },      [KT_OP_IDIV] = { "n", "-rm" },
	[KT_OP_XCHG] = { "+rm", "+r" },    [KT_OP_XADD] = { "+rm", "+r" },   [KT_OP_CMPXCHG] = { "+rm", "-r" },
	[KT_OP_CMPXCHG2] = { "+m" },       [KT_OP_BSWAP] = { "+r" },         [KT_OP_SIGN] = { "=r", "-r" },
	[KT_OP_SETCC] = { "=rm" },         [KT_OP_CMOV] = { "+r", "-rm" },   [KT_OP_PUSHF] = { "=m" },
	[KT_OP_POPF] = { "n", "-m" },      [KT_OP_CALL] = { "=m", "-nrm" },  [KT_OP_LEAVE] = { "n", "-m" },
	[KT_OP_FLAGS] = { "n", "-i", "-i" }, [KT_OP_LAHF] = { 0 },           [KT_OP_SAHF] = { 0 },
	[KT_OP_MOVS] = { "=m", "-m" },     [KT_OP_STOS] = { "=m", "-r" },    [KT_OP_LODS] = { "=r", "-m" },
	[KT_OP_CMPS] = { "-m", "-m" },     [KT_OP_SCAS] = { "-r", "-m" },    [KT_OP_INS] = { "=m", "-p" },
	[KT_OP_OUTS] = { "=p", "-m" },     [KT_OP_LOOP] = { "+r" },          [KT_OP_IN] = { "=r", "-p" },
	[KT_OP_OUT] = { "=p", "-r" },      [KT_OP_SEGREAL] = { "=r", "-rm" }, [KT_OP_PUSHA] = { "=m" },
	[KT_OP_POPA] = { "-m" },
};

static bool matches(const char *shape, const struct kt_operand *o)
{
	if (o->kind == KT_OPND_NONE)
		return !shape || strchr(shape, 'n');
	if (!shape || *shape == 'n' || !strchr(shape, "nrimp"[o->kind]))
		return false;
	return o->access == (*shape == '-' ? KT_READ : *shape == '=' ? KT_WRITE : *shape == '+' ? KT_READ | KT_WRITE : 0);
}

/* Which size an operand of a predicting class may have, so that values fit in 64 bits. */
static bool size_ok(const struct kt_desc *d, const struct kt_operand *o)
{
	if (o->kind != KT_OPND_MEM || !o->access)
		return true;
	switch (d->op) {
	case KT_OP_PUSHA:
	case KT_OP_POPA:
		return (d->width == 2 || d->width == 4) && o->size == 8 * d->width;
	case KT_OP_CMPXCHG2:
		return (d->width == 8 || d->width == 16) && o->size == d->width;
	default:
		return power_of_two_to(o->size, 8);
	}
}

/* A NOP may read what it likes (ret, jmp through memory) and writes nothing. */
static bool nop_ok(const struct kt_desc *d)
{
	for (unsigned i = 0; i < KT_DESC_OPS; i++)
		if (d->opnd[i].access & KT_WRITE)
			return false;
	return true;
}

static bool moves_sp(unsigned op)
{
	switch (op) {
	case KT_OP_MOV: case KT_OP_CALL: case KT_OP_PUSHF: case KT_OP_POPF: case KT_OP_LEAVE: case KT_OP_SEGREAL:
	case KT_OP_PUSHA: case KT_OP_POPA:
		return true;
	default:
		return false;
	}
}

bool kt_desc_valid(const struct kt_desc *d, unsigned nregs)
{
	if (d->nops > KT_DESC_OPS || d->cond > 15 || d->flags & ~KT_DESC_FLAGS || !d->len || d->len > 15)
		return false;
	if ((d->width && !power_of_two_to(d->width, 16)) || (d->sp_size && (d->sp_size == 1 || !power_of_two_to(d->sp_size, 8))))
		return false;
	for (unsigned i = 0; i < KT_DESC_OPS; i++)
		if (!operand_ok(&d->opnd[i], nregs) || (i >= d->nops && d->opnd[i].kind))
			return false;
	if (d->op == KT_OP_LITERAL || d->op >= KT_OP_COUNT_X86)
		return true;
	if (d->op == KT_OP_NOP)
		return nop_ok(d);
	if (d->sp_size && !moves_sp(d->op))
		return false;
	if (!d->width || (d->width == 16 && d->op != KT_OP_CMPXCHG2))
		return false;
	for (unsigned i = 0; i < KT_DESC_OPS; i++)
		if (!matches(i < 3 ? shapes[d->op][i] : NULL, &d->opnd[i]) || !size_ok(d, &d->opnd[i]))
			return false;
	return true;
}
