/* SPDX-License-Identifier: MIT */
/* Descriptors: an instruction's effects compiled to a small versioned record.
 *
 * The codec predicts with descriptors and with nothing else: a trace file holds them, and what each class means is
 * frozen in doc/format.md with test vectors. A class that a reader does not know, or KT_OP_LITERAL, predicts no
 * register and no stored value: those are then literal in the file. PC is never predicted here (control flow is a
 * stream of its own), so branches have no class: a conditional jump is KT_OP_NOP. */
#ifndef KT_DESC_H
#define KT_DESC_H

#include "base/buf.h"
#include "ktrace/arch.h"
#include "ktrace/error.h"
#include "ktrace/step.h"

enum { KT_DESC_VERSION = 1, KT_DESC_OPS = 4, KT_PLAN_MAX = 24 };

/* Numbers are frozen; new ones go to the end. Operand letters: D = opnd[0], S = opnd[1], T = opnd[2]. Widths in bytes.
 * x86: writing a register of width 4 clears the upper half; 1 and 2 keep the rest (operand.shift = 8 for AH..BH).
 * Flags are those of RFLAGS; where the manual says "undefined", the value here is the canonical one. */
enum kt_op {
	KT_OP_LITERAL = 0,
	KT_OP_NOP,     /* nothing but PC */
	KT_OP_MOV,     /* D = S, zero-extended to D's width (movzx, mov to and from cold registers too) */
	KT_OP_MOVSX,   /* D = sign-extended S (movsx, cbw family) */
	KT_OP_LEA,     /* D = offset of the address form S (no segment base), cut to D's width */
	KT_OP_ADD, KT_OP_ADC, KT_OP_SUB, KT_OP_SBB, KT_OP_CMP,
	KT_OP_AND, KT_OP_OR, KT_OP_XOR, KT_OP_TEST,
	KT_OP_INC, KT_OP_DEC, KT_OP_NEG, KT_OP_NOT,
	KT_OP_SHL, KT_OP_SHR, KT_OP_SAR, KT_OP_ROL, KT_OP_ROR, KT_OP_RCL, KT_OP_RCR, /* D by S */
	KT_OP_SHLD, KT_OP_SHRD,                                    /* D, S by T */
	KT_OP_BT, KT_OP_BTS, KT_OP_BTR, KT_OP_BTC,                 /* D bit S */
	KT_OP_BSF, KT_OP_BSR, KT_OP_TZCNT, KT_OP_LZCNT, KT_OP_POPCNT,
	KT_OP_MUL, KT_OP_IMUL1, /* xDX:xAX = xAX * S (AX = AL * S): D unused (implicit), S = opnd[1] */
	KT_OP_IMUL,             /* D = S * T (two-operand form: T = D) */
	KT_OP_DIV, KT_OP_IDIV,  /* xAX, xDX = xDX:xAX / S */
	KT_OP_XCHG, KT_OP_XADD, KT_OP_CMPXCHG, KT_OP_CMPXCHG2, /* CMPXCHG2: cmpxchg8b/16b on D */
	KT_OP_BSWAP,
	KT_OP_SIGN,   /* D = all bits of S's sign (cwd, cdq, cqo) */
	KT_OP_SETCC,  /* D = cond */
	KT_OP_CMOV,   /* D = cond ? S : D (a width-4 D is zero-extended either way; memory S is read either way) */
	KT_OP_PUSHF,  /* D = flags image: RFLAGS without RF and VM, cut to width */
	KT_OP_POPF,   /* RFLAGS = S by the rules of CPL 0 (what IOPL/CPL forbids is corrected as a literal) */
	KT_OP_CALL,   /* D = address of the next instruction (rip + len, cut to width) */
	KT_OP_LEAVE,  /* xSP = xBP + width, xBP = S; S = memory at [xBP] */
	KT_OP_FLAGS,  /* RFLAGS = (RFLAGS & ~S) ^ T: clc stc cmc cli sti cld std as immediates (cmc: S = 0, T = CF) */
	KT_OP_LAHF, KT_OP_SAHF,
	KT_OP_MOVS, KT_OP_STOS, KT_OP_LODS, KT_OP_CMPS, KT_OP_SCAS, KT_OP_INS, KT_OP_OUTS, /* see desc.flags REP */
	KT_OP_LOOP,   /* count register -= 1 (loop, loope, loopne); D = count register at its width */
	KT_OP_IN,     /* D = the port read S */
	KT_OP_OUT,    /* the port write D = S */
	KT_OP_SEGREAL, /* D = selector register, S = value: selector = S, base = S << 4 (real and virtual-8086 mode) */
	KT_OP_PUSHA, KT_OP_POPA,
	KT_OP_COUNT_X86,
	KT_OP_A64_FIRST = 128 /* arm64's classes begin here */
};

enum {
	KT_DESC_REP = 1 << 0,   /* string class under REP: a step is a piece of 0..65536 iterations */
	KT_DESC_REPNE = 1 << 1, /* CMPS, SCAS under REPNE (else REPE) */
	KT_DESC_LOCK = 1 << 2,
	KT_DESC_WRAP32 = 1 << 3, /* linear addresses wrap at 4 GiB (x86: every mode but 64-bit) */
	KT_DESC_FLAGS = 15       /* all that are known; others are refused */
};

enum kt_operand_kind { KT_OPND_NONE = 0, KT_OPND_REG, KT_OPND_IMM, KT_OPND_MEM, KT_OPND_PORT };
enum { KT_READ = 1, KT_WRITE = 2 };

/* An operand. Memory: linear address = seg + ((base + (index << scale) + disp [+ bit offset]) cut to addr_size);
 * seg is the number of a segment-base register or KT_REG_NONE (base 0). base == the PC register means the address
 * offset of the next instruction (rip + len). A memory operand that is only an address (lea, nop, invlpg, prefetch)
 * has access 0. In 64-bit mode with addr_size 4 the cut is to 32 bits, then the segment base is added. */
struct kt_operand {
	u8 kind;      /* enum kt_operand_kind */
	u8 access;    /* KT_READ | KT_WRITE */
	u16 size;     /* bytes moved; memory: 1..4096 (fxsave 512) */
	u8 shift;     /* register: 8 for AH, CH, DH, BH; else 0. Memory: 8 = the index is its low 8 bits (xlat); else 0 */
	u8 addr_size; /* memory: 2, 4, 8 */
	u8 scale;     /* memory: 0..3 */
	u16 reg;      /* register number; PORT: the register holding the number, or KT_REG_NONE and imm */
	u16 seg, base, index;
	u16 bitreg; /* memory of BT*: register with the signed bit offset, size `size`; else KT_REG_NONE */
	u64 imm;    /* immediate, already extended to the operation's width; memory: displacement; PORT: number */
};

/* An operand with nothing in it: unused register fields are KT_REG_NONE, all else 0. */
#define KT_OPERAND_NONE { .reg = KT_REG_NONE, .seg = KT_REG_NONE, .base = KT_REG_NONE, .index = KT_REG_NONE, .bitreg = KT_REG_NONE }

struct kt_desc {
	u8 op;       /* enum kt_op */
	u8 width;    /* of the operation, bytes: 1, 2, 4, 8 (16 for cmpxchg16b) */
	u8 len;      /* of the instruction */
	u8 cond;     /* x86 condition code 0..15 (SETCC, CMOV) */
	u8 flags;    /* KT_DESC_* */
	u8 nops;
	u8 sp_size;  /* width of the stack pointer used (2, 4, 8), 0: the stack pointer is not stepped */
	s32 sp_add;  /* added to the stack pointer (push: -width; pop: +width; ret n: width + n) when all operands are
	                read and before any register is written: a pop into the stack pointer keeps the popped value */
	struct kt_operand opnd[KT_DESC_OPS];
};

/* Appends the frozen byte form (doc/format.md, "Descriptor"). */
void kt_desc_put(struct kt_buf *b, const struct kt_desc *d);
/* True if the descriptor keeps every rule of doc/descriptors.md: registers < nregs or NONE, sizes, kinds, and the operand
 * shape of its class. kt_desc_plan and kt_desc_eval may be given nothing else. */
bool kt_desc_valid(const struct kt_desc *d, unsigned nregs);
/* Reads one and checks it. -KT_E_CORRUPT; -KT_E_VERSION for a descriptor of a later version. Operands from nops up are
 * KT_OPERAND_NONE. */
int kt_desc_get(struct kt_rd *r, unsigned nregs, struct kt_desc *d, struct kt_err *err);

/* An access that an instruction is going to make. */
struct kt_planned {
	u64 va;      /* linear address, or port number */
	u32 size;
	u8 space;    /* KT_SPACE_RAM or KT_SPACE_PORT, as far as the descriptor knows */
	u8 write;
	u8 op;       /* which operand */
};

/* The address form of a memory operand, cut to its address size, without the segment base (lea's result). */
u64 kt_operand_offset(const struct kt_arch *arch, const struct kt_desc *d, const struct kt_operand *o, const u64 *regs);

/* The accesses of one instruction (for a REP: of its next iteration, none if the count register is 0) in canonical
 * order: reads in operand order, then writes in operand order; a read-modify-write operand is one of each. PUSHA/POPA
 * give their 8 in the order the manual pushes and pops them (eAX first; eDI first, the skipped eSP among them). `regs` is the whole
 * register file before the step. Returns how many (<= KT_PLAN_MAX). Works for every class, LITERAL too. */
unsigned kt_desc_plan(const struct kt_arch *arch, const struct kt_desc *d, const u64 *regs, struct kt_planned *out);

/* Carries the descriptor out on `regs` (the register file; PC untouched; x86: RF is cleared, as every instruction
 * that retires does). `loads[i]` is the i-th planned read's value
 * (little-endian, zero-extended; unused for reads over 8 bytes), `stores[i]` receives the i-th planned write's value.
 * Returns false if the class predicts nothing (LITERAL, unknown, REP string pieces: the codec does those; cmpxchg16b)
 * and regs and stores are untouched. Pure: no state, no I/O. Division that would fault leaves regs and returns false. */
bool kt_desc_eval(const struct kt_arch *arch, const struct kt_desc *d, u64 *regs, const u64 *loads, u64 *stores);

#endif
