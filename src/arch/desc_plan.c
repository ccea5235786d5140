/* SPDX-License-Identifier: MIT */
/* Where an instruction is going to reach: the accesses that its descriptor's operands make from a given register file. */
#include "arch/desc.h"

#include "arch/x86_64/x86_regs.h"

/* How far the bit offset of a BT* moves the address: whole operands, the offset signed. */
static u64 bit_offset(const struct kt_operand *o, u64 v)
{
	unsigned bits = 8u * o->size, log2 = (unsigned)__builtin_ctz(bits);
	s64 off = (s64)(v << (64 - bits)) >> (64 - bits);
	return (u64)(off >> log2) * o->size;
}

static inline u64 offset_of(const struct kt_arch *arch, const struct kt_desc *d, const struct kt_operand *o, const u64 *regs)
{
	u64 a = o->imm;

	if (o->base != KT_REG_NONE)
		a += regs[o->base] + (o->base == arch->pc ? d->len : 0);
	if (o->index != KT_REG_NONE)
		a += (kt_unlikely(o->shift) ? regs[o->index] & 0xff : regs[o->index]) << o->scale;
	if (kt_unlikely(o->bitreg != KT_REG_NONE))
		a += bit_offset(o, regs[o->bitreg]);
	return kt_cut(a, o->addr_size);
}

u64 kt_operand_offset(const struct kt_arch *arch, const struct kt_desc *d, const struct kt_operand *o, const u64 *regs)
{
	return offset_of(arch, d, o, regs);
}

static u64 linear(const struct kt_arch *arch, const struct kt_desc *d, const struct kt_operand *o, const u64 *regs)
{
	u64 a = offset_of(arch, d, o, regs) + (o->seg != KT_REG_NONE ? regs[o->seg] : 0);
	return d->flags & KT_DESC_WRAP32 ? (u32)a : a;
}

/* PUSHA and POPA: the stack pointer wraps at its own width between the words. */
static unsigned plan_all(const struct kt_desc *d, const u64 *regs, struct kt_planned *out)
{
	const struct kt_operand *o = &d->opnd[0];
	u64 seg = o->seg == KT_REG_NONE ? 0 : regs[o->seg], sp = o->base == KT_REG_NONE ? 0 : regs[o->base];

	for (unsigned i = 0; i < 8; i++) {
		u64 off = d->op == KT_OP_PUSHA ? sp - (u64)(i + 1) * d->width : sp + (u64)i * d->width;
		u64 va = kt_cut(off, o->addr_size) + seg;
		out[i] = (struct kt_planned){ .va = d->flags & KT_DESC_WRAP32 ? (u32)va : va, .size = d->width,
			.space = KT_SPACE_RAM, .write = d->op == KT_OP_PUSHA, .op = 0 };
	}
	return 8;
}

/* The count register of a REP has the width of the string's addresses. */
static bool rep_is_over(const struct kt_desc *d, const u64 *regs)
{
	for (unsigned i = 0; i < 2; i++)
		if (d->opnd[i].kind == KT_OPND_MEM)
			return !kt_cut(regs[X86_rcx], d->opnd[i].addr_size);
	return false;
}

unsigned kt_desc_plan(const struct kt_arch *arch, const struct kt_desc *d, const u64 *regs, struct kt_planned *out)
{
	struct kt_planned late[KT_DESC_OPS];
	unsigned n = 0, nlate = 0;

	if (kt_unlikely(d->op == KT_OP_PUSHA || d->op == KT_OP_POPA))
		return plan_all(d, regs, out);
	if (kt_unlikely(d->flags & KT_DESC_REP) && rep_is_over(d, regs))
		return 0;
	for (unsigned i = 0; i < d->nops; i++) {
		const struct kt_operand *o = &d->opnd[i];
		if (o->kind < KT_OPND_MEM || !o->access)
			continue;
		struct kt_planned p = { .size = o->size, .op = (u8)i };
		if (o->kind == KT_OPND_MEM) {
			p.va = linear(arch, d, o, regs);
			p.space = KT_SPACE_RAM;
		} else {
			p.va = o->reg == KT_REG_NONE ? o->imm & 0xffff : regs[o->reg] & 0xffff;
			p.space = KT_SPACE_PORT;
		}
		if (o->access & KT_READ)
			out[n++] = p;
		if (o->access & KT_WRITE) {
			p.write = 1;
			late[nlate++] = p;
		}
	}
	for (unsigned i = 0; i < nlate; i++)
		out[n++] = late[i];
	return n;
}
