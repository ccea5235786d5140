/* SPDX-License-Identifier: MIT */
/* Private to the x86 decoder: Zydis' view of an instruction, and the pieces that turn it into ours. */
#ifndef KT_X86_DECODE_H
#define KT_X86_DECODE_H

#include <Zydis/Zydis.h>

#include "arch/x86_64/x86_insn.h"
#include "arch/x86_64/x86_regs.h"

struct x86_dec {
	unsigned mode;   /* arch/insn.h */
	unsigned stack;  /* width of the stack pointer in use: 2, 4, 8 */
	u64 rip;         /* offset of the instruction */
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
};

/* x86_decode.c: Zydis set up for `mode`; false: no such mode. */
bool x86_zydis_decoder(unsigned mode, ZydisDecoder *z);

/* x86_operand.c */

/* Our number of a register, KT_REG_NONE for those that are not whole in the register file (xmm, k ...). */
unsigned x86_reg_number(ZydisRegister r);
/* Zydis' operand as ours, with the given access; KT_OPND_NONE if it cannot be said (a vector register, VSIB). */
struct kt_operand x86_operand(const struct x86_dec *x, const ZydisDecodedOperand *z, unsigned access);
struct kt_operand x86_operand_reg(unsigned reg, unsigned size, unsigned access);
struct kt_operand x86_operand_imm(u64 v, unsigned size);
/* The stack at `disp` from register `base` (X86_rsp, X86_rbp). */
struct kt_operand x86_operand_stack(const struct x86_dec *x, unsigned base, s64 disp, unsigned size, unsigned access);
/* The first operand that is explicit or implicit memory other than the stack; NULL: none. */
const ZydisDecodedOperand *x86_find_memory(const struct x86_dec *x);
/* Bytes that the instruction pushes or pops at a time: the size of its stack operand; 0: none. */
unsigned x86_stack_size(const struct x86_dec *x);

/* x86_describe.c: fills op, width, cond, flags, operands, stack movement. The descriptor comes zeroed but for len and
 * empty operands. */
void x86_describe(const struct x86_dec *x, struct kt_desc *d);
/* x86_undefined.c: RFLAGS bits that are undefined after it. */
u32 x86_undefined_flags(const struct x86_dec *x, const struct kt_desc *d);
/* x86_facts.c: flow, target, privilege, FPU and segment facts. */
void x86_facts(const struct x86_dec *x, struct x86_insn *out);

#endif
