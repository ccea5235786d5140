/* SPDX-License-Identifier: MIT */
/* The x87 environment in memory: fnstenv, fldenv, fnsave, frstor (SDM 1, 8.1.10). Shims, since a CPU would show the last
 * instruction's pointers, which are always 0 here (x86_kvm_regs.c says why). */
#include <Zydis/Zydis.h>
#include <string.h>

#include "vm/x86_64/x86_vm.h"

#define M(m) ZYDIS_MNEMONIC_##m

enum { TAG_VALID = 0, TAG_ZERO = 1, TAG_SPECIAL = 2, TAG_EMPTY = 3, ST_BYTES = 80 };

static unsigned tag_of(const u64 *r, unsigned physical)
{
	unsigned st = (physical - (unsigned)(r[X86_fsw] >> 11 & 7)) & 7, exponent = r[X86_st0_hi + 2 * st] & 0x7fff;
	u64 mantissa = r[X86_st0_lo + 2 * st];

	if (!(r[X86_ftw] >> physical & 1))
		return TAG_EMPTY;
	if (!exponent && !mantissa)
		return TAG_ZERO;
	return exponent && exponent != 0x7fff && mantissa >> 63 ? TAG_VALID : TAG_SPECIAL;
}

/* 14 bytes with a 16-bit operand size, else 28, whose reserved halves read as ones. */
static u32 put_env(const u64 *r, bool narrow, u8 *b)
{
	u16 word[3] = { (u16)r[X86_fcw], (u16)r[X86_fsw], 0 };

	for (unsigned n = 0; n < 8; n++)
		word[2] |= (u16)(tag_of(r, n) << 2 * n);
	memset(b, 0, 28);
	for (unsigned n = 0; n < 3; n++) {
		u32 v = 0xffff0000u | word[n];
		memcpy(b + (narrow ? 2 : 4) * n, &v, narrow ? 2 : 4);
	}
	if (!narrow)
		memset(b + 26, 0xff, 2);
	return narrow ? 14 : 28;
}

static u32 get_env(u64 *r, bool narrow, const u8 *b)
{
	unsigned step = narrow ? 2 : 4;
	u16 tags = (u16)(b[2 * step] | b[2 * step + 1] << 8);

	x86_turn_stack(r, b[step + 1] >> 3 & 7);
	r[X86_fcw] = (u64)((b[0] | b[1] << 8) & 0x1f3f) | 0x40;
	r[X86_fsw] = (u64)((b[step] | b[step + 1] << 8) & ~0x8080);
	if (r[X86_fsw] & ~r[X86_fcw] & 0x3f)
		r[X86_fsw] |= 0x8080;
	r[X86_ftw] = 0;
	for (unsigned n = 0; n < 8; n++)
		if ((tags >> 2 * n & 3) != TAG_EMPTY)
			r[X86_ftw] |= 1u << n;
	return narrow ? 14 : 28;
}

static int do_store(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	bool save = code->i.mnemonic == M(FNSAVE);
	u8 b[28 + ST_BYTES];

	if (vm->plan.n != 1 || !vm->plan.p[0].write)
		return X86_CANNOT;
	u32 size = put_env(c->r, code->i.osize == 2, b);
	for (unsigned n = 0; save && n < 8; n++, size += 10) {
		memcpy(b + size, &c->r[X86_st0_lo + 2 * n], 8);
		memcpy(b + size + 8, &c->r[X86_st0_hi + 2 * n], 2);
	}
	if (vm->plan.p[0].size != size)
		return X86_CANNOT;
	x86_store(vm, 0, b);
	if (save) { /* then as fninit */
		memcpy(vm->ev, c->r, sizeof c->r);
		x86_turn_stack(vm->ev, 0);
		x86_set_fpu(c, vm->ev);
		x86_set(c, X86_fcw, 0x37f);
		x86_set(c, X86_fsw, 0);
		x86_set(c, X86_ftw, 0);
	} else { /* exceptions are masked behind it */
		x86_set(c, X86_fcw, c->r[X86_fcw] | 0x3f);
		x86_set(c, X86_fsw, c->r[X86_fsw] & ~0x8080ull);
	}
	c->dirty |= X86_DIRTY_FPU;
	return x86_retire(vm, code);
}

static int do_load(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	bool restore = code->i.mnemonic == M(FRSTOR), narrow = code->i.osize == 2;
	u8 b[28 + ST_BYTES] = { 0 };

	if (vm->plan.n != 1 || vm->plan.p[0].write || vm->plan.p[0].size != (narrow ? 14u : 28u) + (restore ? ST_BYTES : 0))
		return X86_CANNOT;
	x86_load(vm, 0, b);
	memcpy(vm->ev, c->r, sizeof c->r);
	u32 at = get_env(vm->ev, narrow, b);
	for (unsigned n = 0; restore && n < 8; n++, at += 10) {
		u64 *st = &vm->ev[X86_st0_lo + 2 * n];
		st[1] = 0;
		memcpy(st, b + at, 10);
	}
	x86_set_fpu(c, vm->ev);
	c->dirty |= X86_DIRTY_FPU;
	return x86_retire(vm, code);
}

x86_shim_fn *x86_shim_env_of(const struct x86_insn *i)
{
	switch (i->mnemonic) {
	case M(FNSTENV):
	case M(FNSAVE):
		return do_store;
	case M(FLDENV):
	case M(FRSTOR):
		return do_load;
	default:
		return NULL;
	}
}
