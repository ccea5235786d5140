/* SPDX-License-Identifier: MIT */
/* Zydis' operands -> descriptor operands. */
#include "arch/x86_64/x86_decode.h"

static unsigned gpr_number(unsigned encoding)
{
	static const u8 low[8] = { X86_rax, X86_rcx, X86_rdx, X86_rbx, X86_rsp, X86_rbp, X86_rsi, X86_rdi };
	return encoding < 8 ? low[encoding] : X86_r8 + encoding - 8;
}

/* A table, since some numbers of each class do not exist (cr1, dr4). */
static unsigned system_number(ZydisRegister r)
{
	switch (r) {
	case ZYDIS_REGISTER_ES: return X86_es;
	case ZYDIS_REGISTER_CS: return X86_cs;
	case ZYDIS_REGISTER_SS: return X86_ss;
	case ZYDIS_REGISTER_DS: return X86_ds;
	case ZYDIS_REGISTER_FS: return X86_fs;
	case ZYDIS_REGISTER_GS: return X86_gs;
	case ZYDIS_REGISTER_CR0: return X86_cr0;
	case ZYDIS_REGISTER_CR2: return X86_cr2;
	case ZYDIS_REGISTER_CR3: return X86_cr3;
	case ZYDIS_REGISTER_CR4: return X86_cr4;
	case ZYDIS_REGISTER_CR8: return X86_cr8;
	case ZYDIS_REGISTER_DR0: return X86_dr0;
	case ZYDIS_REGISTER_DR1: return X86_dr1;
	case ZYDIS_REGISTER_DR2: return X86_dr2;
	case ZYDIS_REGISTER_DR3: return X86_dr3;
	case ZYDIS_REGISTER_DR6: return X86_dr6;
	case ZYDIS_REGISTER_DR7: return X86_dr7;
	case ZYDIS_REGISTER_RIP:
	case ZYDIS_REGISTER_EIP: return X86_rip;
	default: return KT_REG_NONE;
	}
}

unsigned x86_reg_number(ZydisRegister r)
{
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR8:
		if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
			return gpr_number((unsigned)(r - ZYDIS_REGISTER_AH));
		return r >= ZYDIS_REGISTER_SPL ? gpr_number((unsigned)(r - ZYDIS_REGISTER_SPL) + 4) : gpr_number((unsigned)(r - ZYDIS_REGISTER_AL));
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return gpr_number((unsigned)ZydisRegisterGetId(r));
	default:
		return system_number(r);
	}
}

struct kt_operand x86_operand_reg(unsigned reg, unsigned size, unsigned access)
{
	struct kt_operand o = KT_OPERAND_NONE;
	o.kind = KT_OPND_REG;
	o.access = (u8)access;
	o.size = (u16)size;
	o.reg = (u16)reg;
	return o;
}

struct kt_operand x86_operand_imm(u64 v, unsigned size)
{
	struct kt_operand o = KT_OPERAND_NONE;
	o.kind = KT_OPND_IMM;
	o.access = KT_READ;
	o.size = (u16)size;
	o.imm = v;
	return o;
}

/* In 64-bit mode only fs and gs have a base (SDM 1, 3.3.4). */
static unsigned segment_base(const struct x86_dec *x, ZydisRegister seg)
{
	unsigned reg = system_number(seg);
	if (reg == KT_REG_NONE || ((x->mode & KT_MODE_CODE) == KT_MODE_64 && reg != X86_fs && reg != X86_gs))
		return KT_REG_NONE;
	return reg + X86_SEG_BASE;
}

static unsigned scale_log2(unsigned scale)
{
	return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

static struct kt_operand memory(const struct x86_dec *x, const ZydisDecodedOperand *z, unsigned access)
{
	struct kt_operand o = KT_OPERAND_NONE;

	o.kind = KT_OPND_MEM;
	o.access = (u8)access;
	o.size = z->size / 8;
	o.addr_size = x->zi.address_width / 8;
	o.seg = (u16)segment_base(x, z->mem.segment);
	o.base = (u16)x86_reg_number(z->mem.base);
	o.index = (u16)x86_reg_number(z->mem.index);
	o.scale = (u8)scale_log2(z->mem.scale);
	o.imm = z->mem.disp.has_displacement ? (u64)z->mem.disp.value : 0;
	return o;
}

struct kt_operand x86_operand(const struct x86_dec *x, const ZydisDecodedOperand *z, unsigned access)
{
	struct kt_operand o = KT_OPERAND_NONE;
	unsigned reg;

	switch (z->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		reg = x86_reg_number(z->reg.value);
		if (reg == KT_REG_NONE || reg == X86_rip || z->size > 64)
			break;
		o = x86_operand_reg(reg, z->size / 8 ? z->size / 8 : 8, access);
		if (z->reg.value >= ZYDIS_REGISTER_AH && z->reg.value <= ZYDIS_REGISTER_BH)
			o.shift = 8;
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		if (z->mem.type != ZYDIS_MEMOP_TYPE_VSIB)
			o = memory(x, z, access);
		break;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		o = x86_operand_imm(z->imm.value.u, z->size / 8 ? z->size / 8 : 1);
		break;
	default:
		break;
	}
	return o;
}

struct kt_operand x86_operand_stack(const struct x86_dec *x, unsigned base, s64 disp, unsigned size, unsigned access)
{
	struct kt_operand o = KT_OPERAND_NONE;

	o.kind = KT_OPND_MEM;
	o.access = (u8)access;
	o.size = (u16)size;
	o.addr_size = (u8)x->stack;
	o.base = (u16)base;
	o.seg = (x->mode & KT_MODE_CODE) == KT_MODE_64 ? KT_REG_NONE : X86_ss_base;
	o.imm = (u64)disp;
	return o;
}

static bool is_stack(const ZydisDecodedOperand *z)
{
	return z->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
	       (z->mem.base == ZYDIS_REGISTER_RSP || z->mem.base == ZYDIS_REGISTER_ESP || z->mem.base == ZYDIS_REGISTER_SP ||
	        z->mem.base == ZYDIS_REGISTER_RBP || z->mem.base == ZYDIS_REGISTER_EBP || z->mem.base == ZYDIS_REGISTER_BP);
}

const ZydisDecodedOperand *x86_find_memory(const struct x86_dec *x)
{
	for (unsigned i = 0; i < x->zi.operand_count; i++)
		if (x->zo[i].type == ZYDIS_OPERAND_TYPE_MEMORY && !is_stack(&x->zo[i]))
			return &x->zo[i];
	return NULL;
}

unsigned x86_stack_size(const struct x86_dec *x)
{
	for (unsigned i = 0; i < x->zi.operand_count; i++)
		if (x->zo[i].type == ZYDIS_OPERAND_TYPE_MEMORY && is_stack(&x->zo[i]))
			return x->zo[i].size / 8;
	return 0;
}
