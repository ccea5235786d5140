/* SPDX-License-Identifier: MIT */
/* Private to the x86 decoder: which class a mnemonic has, and how its operands are laid out. */
#ifndef KT_X86_RULES_H
#define KT_X86_RULES_H

#include "arch/x86_64/x86_decode.h"

/* How operands are laid out. */
enum x86_form {
	PLAIN,   /* visible operands in order, accesses a0 and a1 (and R for a third) */
	SOURCE,  /* D none, S = the first visible operand */
	IMUL,    /* one, two or three operands */
	PUSH, POP, CALL, RET, BRANCH,
	STACK_W, STACK_R, /* pushf, pusha; popf (S), popa (D) */
	LEAVE, FLAGS, STRING, LOOP, IN, OUT, MOV, XLAT, SWAPGS, FSGSBASE, SIGN, EXTEND, NONE, ADDRESS, LITERAL
};

struct x86_rule {
	u8 op, form, a0, a1;
};

struct x86_rule x86_rule_of(const struct x86_dec *x);

#endif
