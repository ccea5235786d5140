/* SPDX-License-Identifier: MIT */
/* Shifts, bit operations, multiplication and division: where most of the undefined flags are. */
#include "arch/x86_64/x86_alu.h"

#include "arch/desc.h"

static u64 of_if(unsigned bit)
{
	return bit ? X86_OF : 0;
}

/* The two highest bits differ: a step to the left changes the sign. */
static unsigned top2(u64 v, unsigned w)
{
	return (unsigned)(v >> (8 * w - 1) ^ v >> (8 * w - 2)) & 1;
}

/* OF after shifts and rotates: defined for a count of 1 only; for others it is what a count of 1 would give. */
static unsigned shift_of(unsigned op, u64 a, unsigned cf, unsigned w)
{
	switch (op) {
	case KT_OP_SHR:
		return x86_top(a, w);
	case KT_OP_SAR:
		return 0;
	case KT_OP_ROR:
		return x86_top(a, w) ^ (a & 1);
	case KT_OP_RCR:
		return x86_top(a, w) ^ cf;
	default: /* to the left */
		return top2(a, w);
	}
}

static u64 shl(u64 a, unsigned n, unsigned w, unsigned *cf)
{
	u128 wide = (u128)a << n;
	*cf = (unsigned)(wide >> 8 * w) & 1;
	return kt_cut((u64)wide, w);
}

static u64 shr(u64 a, unsigned n, unsigned *cf)
{
	*cf = a >> (n - 1) & 1;
	return a >> n;
}

static u64 sar(u64 a, unsigned n, unsigned w, unsigned *cf)
{
	s64 wide = (s64)x86_sign_extend(a, w);
	*cf = (unsigned)(wide >> (n - 1)) & 1;
	return kt_cut((u64)(wide >> n), w);
}

static u64 rotate_left(u64 a, unsigned n, unsigned bits)
{
	n &= bits - 1;
	return n ? a << n | a >> (bits - n) : a;
}

/* Through carry: a ring of bits + 1 bits with CF on top, rotated left by 0 < n < bits + 1. */
static u64 rotate_ring(u64 a, unsigned n, unsigned w, unsigned *cf)
{
	unsigned bits = 8 * w;
	u128 ring = (u128)*cf << bits | a;
	ring = ring << n | ring >> (bits + 1 - n);
	*cf = (unsigned)(ring >> bits) & 1;
	return kt_cut((u64)ring, w);
}

u64 x86_alu_shift(unsigned op, u64 a, u64 count, unsigned w, u64 *f)
{
	unsigned n = count & (w == 8 ? 63 : 31), bits = 8 * w, cf = *f & 1, of = shift_of(op, a, cf, w);
	u64 r;

	if (!n)
		return a;
	if (op <= KT_OP_SAR) {
		r = op == KT_OP_SHL ? shl(a, n, w, &cf) : op == KT_OP_SHR ? shr(a, n, &cf) : sar(a, n, w, &cf);
		*f = x86_flags_put(*f, X86_STATUS, x86_szp(r, w) | cf | of_if(of));
		return r;
	}
	switch (op) {
	case KT_OP_ROL:
		r = kt_cut(rotate_left(a, n, bits), w);
		cf = r & 1;
		break;
	case KT_OP_ROR:
		r = kt_cut(rotate_left(a, bits - (n & (bits - 1)), bits), w);
		cf = x86_top(r, w);
		break;
	default: /* through carry: no step at all leaves all as it is */
		n %= bits + 1;
		if (!n)
			return a;
		r = rotate_ring(a, op == KT_OP_RCL ? n : bits + 1 - n, w, &cf);
	}
	*f = x86_flags_put(*f, X86_CF | X86_OF, cf | of_if(of));
	return r;
}

/* The 16-bit forms with a count above 16 go on shifting in the destination itself. */
u64 x86_alu_shift2(unsigned op, u64 a, u64 b, u64 count, unsigned w, u64 *f)
{
	unsigned n = count & (w == 8 ? 63 : 31), bits = 8 * w;
	unsigned of;
	u64 r, cf;

	if (!n)
		return a;
	if (op == KT_OP_SHLD) {
		u128 wide = w == 2 ? (u128)a << 32 | b << 16 | a : (u128)a << bits | b;
		unsigned low = w == 2 ? 32 : bits;
		r = kt_cut((u64)(wide << n >> low), w);
		cf = (u64)(wide >> (low + bits - n)) & 1;
		of = top2(a, w);
	} else {
		u128 wide = w == 2 ? (u128)a << 32 | b << 16 | a : (u128)b << bits | a;
		r = kt_cut((u64)(wide >> n), w);
		cf = (u64)(wide >> (n - 1)) & 1;
		of = x86_top(a, w) ^ (b & 1);
	}
	*f = x86_flags_put(*f, X86_STATUS, x86_szp(r, w) | cf | of_if(of));
	return r;
}

u64 x86_alu_bit(unsigned op, u64 a, u64 n, unsigned w, u64 *f)
{
	u64 bit = 1ull << (n & (8 * w - 1));
	*f = x86_flags_put(*f, X86_CF, a & bit ? X86_CF : 0);
	return op == KT_OP_BTS ? a | bit : op == KT_OP_BTR ? a & ~bit : op == KT_OP_BTC ? a ^ bit : a;
}

u64 x86_alu_scan(unsigned op, u64 a, unsigned w, u64 *f)
{
	unsigned bits = 8 * w, low = a ? (unsigned)__builtin_ctzll(a) : bits;
	unsigned high = a ? 63 - (unsigned)__builtin_clzll(a) : 0;
	u64 r;

	switch (op) {
	case KT_OP_BSF:
	case KT_OP_BSR:
		r = !a ? 0 : op == KT_OP_BSF ? low : high;
		*f = x86_flags_put(*f, X86_STATUS, a ? x86_szp(r, w) & X86_PF : X86_ZF | X86_PF);
		return r;
	case KT_OP_POPCNT:
		*f = x86_flags_put(*f, X86_STATUS, a ? 0 : X86_ZF);
		return (u64)__builtin_popcountll(a);
	default: /* KT_OP_TZCNT, KT_OP_LZCNT */
		r = op == KT_OP_TZCNT ? low : a ? bits - 1 - high : bits;
		*f = x86_flags_put(*f, X86_STATUS, (a ? 0 : X86_CF) | (r ? 0 : X86_ZF));
		return r;
	}
}

u64 x86_alu_mul(u64 a, u64 b, bool is_signed, unsigned w, u64 *hi, u64 *f)
{
	u128 wide;
	bool over;

	if (is_signed) {
		s128 product = (s128)(s64)x86_sign_extend(a, w) * (s64)x86_sign_extend(b, w);
		over = product != (s64)x86_sign_extend((u64)product, w);
		wide = (u128)product;
	} else {
		wide = (u128)a * b;
		over = wide >> 8 * w != 0;
	}
	u64 lo = kt_cut((u64)wide, w);
	*hi = kt_cut((u64)(wide >> 8 * w), w);
	*f = x86_flags_put(*f, X86_STATUS, (x86_szp(lo, w) & ~(u64)X86_ZF) | (over ? X86_CF | X86_OF : 0));
	return lo;
}

bool x86_alu_div(u64 hi, u64 lo, u64 by, bool is_signed, unsigned w, u64 *quotient, u64 *remainder)
{
	unsigned bits = 8 * w;
	u128 n = (u128)hi << bits | lo;

	if (!by)
		return false;
	if (!is_signed) {
		if (hi >= by)
			return false;
		if (n >> 64) {
			*quotient = (u64)(n / by);
			*remainder = (u64)(n % by);
		} else {
			*quotient = lo = (u64)n / by;
			*remainder = (u64)n - lo * by;
		}
		return true;
	}
	/* In magnitudes, so that the smallest number divided by -1 is no special case. */
	bool neg_n = x86_top(hi, w), neg_by = x86_top(by, w);
	u128 mag = n;
	if (neg_n)
		mag = bits == 64 ? -n : -n & (((u128)1 << 2 * bits) - 1);
	u64 div = neg_by ? kt_cut(0 - by, w) : by;
	u128 q = mag >> 64 ? mag / div : (u64)mag / div;
	u64 rem = (u64)(mag - q * div);
	if (q > ((u128)1 << (bits - 1)) - (neg_n == neg_by))
		return false;
	*quotient = kt_cut(neg_n != neg_by ? 0 - (u64)q : (u64)q, w);
	*remainder = kt_cut(neg_n ? 0 - rem : rem, w);
	return true;
}
