/* SPDX-License-Identifier: MIT */
/* The integer arithmetic of x86 with its flags, pure. `w` is the operation's width in bytes (1, 2, 4, 8), operands are
 * cut to it, `f` is RFLAGS and is updated. Flags that the manual leaves undefined get their canonical value
 * (doc/descriptors.md, "Undefined flags"). */
#ifndef KT_X86_ALU_H
#define KT_X86_ALU_H

#include "arch/x86_64/x86_regs.h"
#include "base/types.h"

static inline u64 x86_sign_extend(u64 v, unsigned w)
{
	unsigned s = 64 - 8 * w;
	return (u64)((s64)(v << s) >> s);
}
static inline unsigned x86_top(u64 v, unsigned w)
{
	return v >> (8 * w - 1) & 1;
}

/* SF, ZF and PF of a result. */
static inline u64 x86_szp(u64 r, unsigned w)
{
	return (r ? 0 : X86_ZF) | (x86_top(r, w) ? X86_SF : 0) | (__builtin_parity((unsigned)(r & 0xff)) ? 0 : X86_PF);
}
static inline u64 x86_flags_put(u64 f, u64 mask, u64 bits)
{
	return (f & ~mask) | bits;
}

static inline u64 x86_alu_add(u64 a, u64 b, unsigned carry, unsigned w, u64 *f)
{
	u64 r = kt_cut(a + b + carry, w), out = (a & b) | ((a | b) & ~r);
	*f = x86_flags_put(*f, X86_STATUS, x86_szp(r, w) | x86_top(out, w) | ((a ^ b ^ r) & X86_AF) |
	                   (x86_top((a ^ r) & (b ^ r), w) ? X86_OF : 0));
	return r;
}
static inline u64 x86_alu_sub(u64 a, u64 b, unsigned borrow, unsigned w, u64 *f)
{
	u64 r = kt_cut(a - b - borrow, w), out = (~a & b) | ((~a | b) & r);
	*f = x86_flags_put(*f, X86_STATUS, x86_szp(r, w) | x86_top(out, w) | ((a ^ b ^ r) & X86_AF) |
	                   (x86_top((a ^ b) & (a ^ r), w) ? X86_OF : 0));
	return r;
}
/* Flags of and, or, xor, test for their result. */
static inline u64 x86_alu_logic(u64 r, unsigned w, u64 *f)
{
	*f = x86_flags_put(*f, X86_STATUS, x86_szp(r, w));
	return r;
}

/* `op` is one of KT_OP_SHL .. KT_OP_RCR; the count is masked here. */
u64 x86_alu_shift(unsigned op, u64 a, u64 count, unsigned w, u64 *f);
/* KT_OP_SHLD, KT_OP_SHRD. */
u64 x86_alu_shift2(unsigned op, u64 a, u64 b, u64 count, unsigned w, u64 *f);
/* KT_OP_BT .. KT_OP_BTC: bit `n` modulo the width. Returns the operand after it. */
u64 x86_alu_bit(unsigned op, u64 a, u64 n, unsigned w, u64 *f);
/* KT_OP_BSF .. KT_OP_POPCNT. For a zero source bsf and bsr leave their destination alone, whatever is returned. */
u64 x86_alu_scan(unsigned op, u64 a, unsigned w, u64 *f);
/* Low half returned, high half in *hi. */
u64 x86_alu_mul(u64 a, u64 b, bool is_signed, unsigned w, u64 *hi, u64 *f);
/* hi:lo / by. false: #DE. Flags are unchanged. */
bool x86_alu_div(u64 hi, u64 lo, u64 by, bool is_signed, unsigned w, u64 *quotient, u64 *remainder);

#endif
