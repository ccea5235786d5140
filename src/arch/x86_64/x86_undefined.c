/* SPDX-License-Identifier: MIT */
/* Which flags the manual leaves undefined (SDM 2, "Flags Affected"). What they become is x86_alu.c's. A superset does
 * no harm: kt_desc_eval gives the right value for defined ones too. */
#include "arch/x86_64/x86_decode.h"

/* The masked count if it is an immediate, else 255: anything. */
static unsigned count_of(const struct kt_operand *o, unsigned w)
{
	return o->kind == KT_OPND_IMM ? o->imm & (w == 8 ? 63 : 31) : 255;
}

static u32 shift_flags(const struct kt_desc *d)
{
	unsigned n = count_of(&d->opnd[1], d->width);
	u32 f = X86_AF | (n == 1 ? 0 : X86_OF);

	if (!n)
		return 0;
	if (d->op == KT_OP_SAR)
		return f;
	return n >= 8u * d->width && d->width < 4 ? f | X86_CF : f;
}

static u32 double_shift_flags(const struct kt_desc *d)
{
	unsigned n = count_of(&d->opnd[2], d->width);

	if (!n)
		return 0;
	if (n > 8u * d->width && d->width == 2)
		return X86_STATUS;
	return X86_AF | (n == 1 ? 0 : X86_OF);
}

/* A host CPU may take f3 0f bc, f3 0f bd for TZCNT, LZCNT, whose ZF is another. */
static bool has_f3(const struct x86_dec *x)
{
	for (unsigned i = 0; i < x->zi.raw.prefix_count; i++)
		if (x->zi.raw.prefixes[i].value == 0xf3)
			return true;
	return false;
}

u32 x86_undefined_flags(const struct x86_dec *x, const struct kt_desc *d)
{
	unsigned n;

	switch (d->op) {
	case KT_OP_AND: case KT_OP_OR: case KT_OP_XOR: case KT_OP_TEST:
		return X86_AF;
	case KT_OP_SHL: case KT_OP_SHR: case KT_OP_SAR:
		return shift_flags(d);
	case KT_OP_ROL: case KT_OP_ROR: case KT_OP_RCL: case KT_OP_RCR:
		n = count_of(&d->opnd[1], d->width);
		return n <= 1 ? 0 : X86_OF;
	case KT_OP_SHLD: case KT_OP_SHRD:
		return double_shift_flags(d);
	case KT_OP_BT: case KT_OP_BTS: case KT_OP_BTR: case KT_OP_BTC:
		return X86_OF | X86_SF | X86_AF | X86_PF;
	case KT_OP_BSF: case KT_OP_BSR:
		return has_f3(x) ? X86_STATUS : X86_STATUS & ~X86_ZF;
	case KT_OP_TZCNT: case KT_OP_LZCNT:
		return X86_OF | X86_SF | X86_AF | X86_PF;
	case KT_OP_MUL: case KT_OP_IMUL1: case KT_OP_IMUL:
		return X86_SF | X86_ZF | X86_AF | X86_PF;
	case KT_OP_DIV: case KT_OP_IDIV:
		return X86_STATUS;
	case KT_OP_LITERAL:
		return x->zi.cpu_flags ? x->zi.cpu_flags->undefined & X86_STATUS : 0;
	default:
		return 0;
	}
}
