/* SPDX-License-Identifier: MIT */
/* The instruction forms that test_x86_eval.c tries: opcode, operand form, and the class they must decode to. Opcodes from
 * the SDM, volume 2, appendix A. */
#ifndef KT_TEST_X86_TEMPLATES_H
#define KT_TEST_X86_TEMPLATES_H

#include "arch/desc.h"

enum template_form { F_NONE, F_RM, F_O }; /* no operand bytes; ModRM; register in the opcode */
enum { IMM_Z = 9 };                       /* 2 or 4 bytes by operand size */
enum {
	T_BYTE = 1 << 0,   /* operates on bytes */
	T_LOCK = 1 << 1,   /* may carry a lock prefix with memory */
	T_MEM = 1 << 2,    /* memory forms only */
	T_REG = 1 << 3,    /* register forms only */
	T_COND = 1 << 4,   /* condition in the opcode */
	T_NO16 = 1 << 5,
	T_NOW = 1 << 6,    /* no REX.W */
	T_STRING = 1 << 7, /* rsi and rdi point to data */
	T_DF = 1 << 8,
	T_RBP = 1 << 9,    /* rbp points to data */
	T_XLAT = 1 << 10,
	T_BITMEM = 1 << 11, /* the register is a bit offset into memory */
	T_EASY = 1 << 12,  /* often rdx is the sign of rax, so that a division fits */
	T_EQUAL = 1 << 13, /* often memory equals rdx:rax */
	T_POPF = 1 << 14,
	T_FIXED = 1 << 15, /* `digit` is the byte behind the opcode */
	T_ROTATE = 1 << 16, /* rol, ror: the register form by an immediate leaves OF alone on Intel, the canonical rule does not */
	T_RENAME = 1 << 17, /* decodes to a class of the canonical CPU; given `op` for the test (BMI1, LZCNT hosts) */
	T_ONLY32 = 1 << 18, T_ONLY64 = 1 << 19
};

struct template {
	const char *name;
	u8 op;     /* enum kt_op it must decode to */
	u8 prefix; /* mandatory: 0, f2, f3 */
	u8 map;    /* 0: one byte, 1: 0f, 2: 0f 38 */
	u8 opcode;
	u8 form;
	s8 digit;  /* ModRM.reg, -1: a register */
	u8 imm;    /* bytes, or IMM_Z */
	u32 flags;
};

/* The six encodings of an operation of the first eight. */
#define ARITH(nm, o, base, dig, lk) \
	{ nm " r/m8, r8", o, 0, 0, base, F_RM, -1, 0, T_BYTE | lk }, \
	{ nm " r/m, r", o, 0, 0, base + 1, F_RM, -1, 0, lk }, \
	{ nm " r8, r/m8", o, 0, 0, base + 2, F_RM, -1, 0, T_BYTE }, \
	{ nm " r, r/m", o, 0, 0, base + 3, F_RM, -1, 0, 0 }, \
	{ nm " al, imm", o, 0, 0, base + 4, F_NONE, -1, 1, T_BYTE }, \
	{ nm " rax, imm", o, 0, 0, base + 5, F_NONE, -1, IMM_Z, 0 }, \
	{ nm " r/m8, imm8", o, 0, 0, 0x80, F_RM, dig, 1, T_BYTE | lk }, \
	{ nm " r/m, imm", o, 0, 0, 0x81, F_RM, dig, IMM_Z, lk }, \
	{ nm " r/m, imm8", o, 0, 0, 0x83, F_RM, dig, 1, lk }
#define SHIFT(nm, o, dig, rot) \
	{ nm " r/m8, imm8", o, 0, 0, 0xc0, F_RM, dig, 1, T_BYTE | rot }, \
	{ nm " r/m, imm8", o, 0, 0, 0xc1, F_RM, dig, 1, rot }, \
	{ nm " r/m8, 1", o, 0, 0, 0xd0, F_RM, dig, 0, T_BYTE }, \
	{ nm " r/m, 1", o, 0, 0, 0xd1, F_RM, dig, 0, 0 }, \
	{ nm " r/m8, cl", o, 0, 0, 0xd2, F_RM, dig, 0, T_BYTE }, \
	{ nm " r/m, cl", o, 0, 0, 0xd3, F_RM, dig, 0, 0 }
#define UNARY(nm, o, op8, dig, fl) \
	{ nm " r/m8", o, 0, 0, op8, F_RM, dig, 0, T_BYTE | fl }, \
	{ nm " r/m", o, 0, 0, op8 + 1, F_RM, dig, 0, fl }
#define STRING(nm, o, op8) \
	{ nm "b", o, 0, 0, op8, F_NONE, -1, 0, T_BYTE | T_STRING | T_DF }, \
	{ nm, o, 0, 0, op8 + 1, F_NONE, -1, 0, T_STRING | T_DF }

static const struct template templates[] = {
	ARITH("add", KT_OP_ADD, 0x00, 0, T_LOCK), ARITH("or", KT_OP_OR, 0x08, 1, T_LOCK), ARITH("adc", KT_OP_ADC, 0x10, 2, T_LOCK),
	ARITH("sbb", KT_OP_SBB, 0x18, 3, T_LOCK), ARITH("and", KT_OP_AND, 0x20, 4, T_LOCK), ARITH("sub", KT_OP_SUB, 0x28, 5, T_LOCK),
	ARITH("xor", KT_OP_XOR, 0x30, 6, T_LOCK), ARITH("cmp", KT_OP_CMP, 0x38, 7, 0),
	SHIFT("rol", KT_OP_ROL, 0, T_ROTATE), SHIFT("ror", KT_OP_ROR, 1, T_ROTATE), SHIFT("rcl", KT_OP_RCL, 2, 0), SHIFT("rcr", KT_OP_RCR, 3, 0),
	SHIFT("shl", KT_OP_SHL, 4, 0), SHIFT("shr", KT_OP_SHR, 5, 0), SHIFT("sal", KT_OP_SHL, 6, 0), SHIFT("sar", KT_OP_SAR, 7, 0),
	{ "test r/m8, r8", KT_OP_TEST, 0, 0, 0x84, F_RM, -1, 0, T_BYTE },
	{ "test r/m, r", KT_OP_TEST, 0, 0, 0x85, F_RM, -1, 0, 0 },
	{ "test al, imm", KT_OP_TEST, 0, 0, 0xa8, F_NONE, -1, 1, T_BYTE },
	{ "test rax, imm", KT_OP_TEST, 0, 0, 0xa9, F_NONE, -1, IMM_Z, 0 },
	{ "test r/m8, imm", KT_OP_TEST, 0, 0, 0xf6, F_RM, 0, 1, T_BYTE },
	{ "test r/m, imm", KT_OP_TEST, 0, 0, 0xf7, F_RM, 0, IMM_Z, 0 },
	UNARY("inc", KT_OP_INC, 0xfe, 0, T_LOCK), UNARY("dec", KT_OP_DEC, 0xfe, 1, T_LOCK),
	UNARY("not", KT_OP_NOT, 0xf6, 2, T_LOCK), UNARY("neg", KT_OP_NEG, 0xf6, 3, T_LOCK),
	UNARY("mul", KT_OP_MUL, 0xf6, 4, 0), UNARY("imul", KT_OP_IMUL1, 0xf6, 5, 0),
	UNARY("div", KT_OP_DIV, 0xf6, 6, T_EASY), UNARY("idiv", KT_OP_IDIV, 0xf6, 7, T_EASY),
	{ "imul r, r/m", KT_OP_IMUL, 0, 1, 0xaf, F_RM, -1, 0, 0 },
	{ "imul r, r/m, imm", KT_OP_IMUL, 0, 0, 0x69, F_RM, -1, IMM_Z, 0 },
	{ "imul r, r/m, imm8", KT_OP_IMUL, 0, 0, 0x6b, F_RM, -1, 1, 0 },
	{ "mov r/m8, r8", KT_OP_MOV, 0, 0, 0x88, F_RM, -1, 0, T_BYTE },
	{ "mov r/m, r", KT_OP_MOV, 0, 0, 0x89, F_RM, -1, 0, 0 },
	{ "mov r8, r/m8", KT_OP_MOV, 0, 0, 0x8a, F_RM, -1, 0, T_BYTE },
	{ "mov r, r/m", KT_OP_MOV, 0, 0, 0x8b, F_RM, -1, 0, 0 },
	{ "mov r8, imm8", KT_OP_MOV, 0, 0, 0xb0, F_O, -1, 1, T_BYTE },
	{ "mov r, imm", KT_OP_MOV, 0, 0, 0xb8, F_O, -1, IMM_Z, T_NOW },
	{ "mov r/m8, imm8", KT_OP_MOV, 0, 0, 0xc6, F_RM, 0, 1, T_BYTE },
	{ "mov r/m, imm", KT_OP_MOV, 0, 0, 0xc7, F_RM, 0, IMM_Z, 0 },
	{ "movzx r, r/m8", KT_OP_MOV, 0, 1, 0xb6, F_RM, -1, 0, 0 },
	{ "movzx r, r/m16", KT_OP_MOV, 0, 1, 0xb7, F_RM, -1, 0, 0 },
	{ "movsx r, r/m8", KT_OP_MOVSX, 0, 1, 0xbe, F_RM, -1, 0, 0 },
	{ "movsx r, r/m16", KT_OP_MOVSX, 0, 1, 0xbf, F_RM, -1, 0, 0 },
	{ "movsxd", KT_OP_MOVSX, 0, 0, 0x63, F_RM, -1, 0, T_ONLY64 },
	{ "movnti", KT_OP_MOV, 0, 1, 0xc3, F_RM, -1, 0, T_MEM | T_NO16 },
	{ "lea", KT_OP_LEA, 0, 0, 0x8d, F_RM, -1, 0, T_MEM },
	{ "cbw", KT_OP_MOVSX, 0, 0, 0x98, F_NONE, -1, 0, 0 },
	{ "cwd", KT_OP_SIGN, 0, 0, 0x99, F_NONE, -1, 0, 0 },
	{ "shld imm", KT_OP_SHLD, 0, 1, 0xa4, F_RM, -1, 1, 0 },
	{ "shld cl", KT_OP_SHLD, 0, 1, 0xa5, F_RM, -1, 0, 0 },
	{ "shrd imm", KT_OP_SHRD, 0, 1, 0xac, F_RM, -1, 1, 0 },
	{ "shrd cl", KT_OP_SHRD, 0, 1, 0xad, F_RM, -1, 0, 0 },
	{ "bt r", KT_OP_BT, 0, 1, 0xa3, F_RM, -1, 0, T_BITMEM },
	{ "bts r", KT_OP_BTS, 0, 1, 0xab, F_RM, -1, 0, T_BITMEM | T_LOCK },
	{ "btr r", KT_OP_BTR, 0, 1, 0xb3, F_RM, -1, 0, T_BITMEM | T_LOCK },
	{ "btc r", KT_OP_BTC, 0, 1, 0xbb, F_RM, -1, 0, T_BITMEM | T_LOCK },
	{ "bt imm", KT_OP_BT, 0, 1, 0xba, F_RM, 4, 1, 0 },
	{ "bts imm", KT_OP_BTS, 0, 1, 0xba, F_RM, 5, 1, T_LOCK },
	{ "btr imm", KT_OP_BTR, 0, 1, 0xba, F_RM, 6, 1, T_LOCK },
	{ "btc imm", KT_OP_BTC, 0, 1, 0xba, F_RM, 7, 1, T_LOCK },
	{ "bsf", KT_OP_BSF, 0, 1, 0xbc, F_RM, -1, 0, 0 },
	{ "bsr", KT_OP_BSR, 0, 1, 0xbd, F_RM, -1, 0, 0 },
	{ "tzcnt", KT_OP_TZCNT, 0xf3, 1, 0xbc, F_RM, -1, 0, T_RENAME },
	{ "lzcnt", KT_OP_LZCNT, 0xf3, 1, 0xbd, F_RM, -1, 0, T_RENAME },
	{ "popcnt", KT_OP_POPCNT, 0xf3, 1, 0xb8, F_RM, -1, 0, 0 },
	{ "xchg r8", KT_OP_XCHG, 0, 0, 0x86, F_RM, -1, 0, T_BYTE | T_LOCK },
	{ "xchg r", KT_OP_XCHG, 0, 0, 0x87, F_RM, -1, 0, T_LOCK },
	{ "xadd r8", KT_OP_XADD, 0, 1, 0xc0, F_RM, -1, 0, T_BYTE | T_LOCK },
	{ "xadd r", KT_OP_XADD, 0, 1, 0xc1, F_RM, -1, 0, T_LOCK },
	{ "cmpxchg r8", KT_OP_CMPXCHG, 0, 1, 0xb0, F_RM, -1, 0, T_BYTE | T_LOCK | T_EQUAL },
	{ "cmpxchg r", KT_OP_CMPXCHG, 0, 1, 0xb1, F_RM, -1, 0, T_LOCK | T_EQUAL },
	{ "cmpxchg8b", KT_OP_CMPXCHG2, 0, 1, 0xc7, F_RM, 1, 0, T_LOCK | T_MEM | T_NOW | T_NO16 | T_EQUAL },
	{ "bswap", KT_OP_BSWAP, 0, 1, 0xc8, F_O, -1, 0, 0 },
	{ "setcc", KT_OP_SETCC, 0, 1, 0x90, F_RM, 0, 0, T_BYTE | T_COND },
	{ "cmovcc", KT_OP_CMOV, 0, 1, 0x40, F_RM, -1, 0, T_COND },
	{ "push r", KT_OP_MOV, 0, 0, 0x50, F_O, -1, 0, 0 },
	{ "pop r", KT_OP_MOV, 0, 0, 0x58, F_O, -1, 0, 0 },
	{ "push imm8", KT_OP_MOV, 0, 0, 0x6a, F_NONE, -1, 1, 0 },
	{ "push imm", KT_OP_MOV, 0, 0, 0x68, F_NONE, -1, IMM_Z, 0 },
	{ "push r/m", KT_OP_MOV, 0, 0, 0xff, F_RM, 6, 0, 0 },
	{ "pop r/m", KT_OP_MOV, 0, 0, 0x8f, F_RM, 0, 0, 0 },
	{ "popf", KT_OP_POPF, 0, 0, 0x9d, F_NONE, -1, 0, T_POPF },
	{ "pushf", KT_OP_PUSHF, 0, 0, 0x9c, F_NONE, -1, 0, T_DF },
	{ "leave", KT_OP_LEAVE, 0, 0, 0xc9, F_NONE, -1, 0, T_RBP },
	{ "clc", KT_OP_FLAGS, 0, 0, 0xf8, F_NONE, -1, 0, 0 },
	{ "stc", KT_OP_FLAGS, 0, 0, 0xf9, F_NONE, -1, 0, 0 },
	{ "cmc", KT_OP_FLAGS, 0, 0, 0xf5, F_NONE, -1, 0, 0 },
	{ "cld", KT_OP_FLAGS, 0, 0, 0xfc, F_NONE, -1, 0, T_DF },
	{ "std", KT_OP_FLAGS, 0, 0, 0xfd, F_NONE, -1, 0, T_DF },
	{ "lahf", KT_OP_LAHF, 0, 0, 0x9f, F_NONE, -1, 0, 0 },
	{ "sahf", KT_OP_SAHF, 0, 0, 0x9e, F_NONE, -1, 0, 0 },
	{ "xlat", KT_OP_MOV, 0, 0, 0xd7, F_NONE, -1, 0, T_XLAT },
	{ "loop", KT_OP_LOOP, 0, 0, 0xe2, F_NONE, 0, 0, T_NO16 | T_NOW | T_FIXED },
	STRING("movs", KT_OP_MOVS, 0xa4), STRING("cmps", KT_OP_CMPS, 0xa6), STRING("stos", KT_OP_STOS, 0xaa),
	STRING("lods", KT_OP_LODS, 0xac), STRING("scas", KT_OP_SCAS, 0xae),
	{ "nop", KT_OP_NOP, 0, 1, 0x1f, F_RM, 0, 0, 0 },
	{ "pause", KT_OP_NOP, 0xf3, 0, 0x90, F_NONE, -1, 0, T_NOW },
	{ "inc r", KT_OP_INC, 0, 0, 0x40, F_O, -1, 0, T_ONLY32 },
	{ "dec r", KT_OP_DEC, 0, 0, 0x48, F_O, -1, 0, T_ONLY32 },
	{ "pusha", KT_OP_PUSHA, 0, 0, 0x60, F_NONE, -1, 0, T_ONLY32 },
	{ "popa", KT_OP_POPA, 0, 0, 0x61, F_NONE, -1, 0, T_ONLY32 },
	{ "add r/m8, imm8 (82)", KT_OP_ADD, 0, 0, 0x82, F_RM, 0, 1, T_BYTE | T_ONLY32 },
	{ "mov r/m, ds", KT_OP_MOV, 0, 0, 0x8c, F_RM, 3, 0, T_ONLY32 },
	{ "lfence", KT_OP_NOP, 0, 1, 0xae, F_NONE, (s8)0xe8, 0, T_NOW | T_NO16 | T_FIXED },
};

#endif
