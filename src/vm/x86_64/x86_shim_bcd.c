/* SPDX-License-Identifier: MIT */
/* Decimal adjustment and SALC (16- and 32-bit code only): KVM's emulator lacks most of it, and no two makers agree on
 * the flags that the manual leaves undefined. Those are cleared here (SDM 2, AAA, AAD, AAM, AAS, DAA, DAS). */
#include <Zydis/Zydis.h>

#include "vm/x86_64/x86_vm.h"

#define M(m) ZYDIS_MNEMONIC_##m

static void finish(u64 *r, u8 al, u8 ah, u64 flags, bool szp)
{
	if (szp)
		flags |= (al ? 0 : X86_ZF) | (al & 0x80 ? X86_SF : 0) | (__builtin_parity(al) ? 0 : X86_PF);
	r[X86_rax] = (r[X86_rax] & ~0xffffull) | ah << 8 | al;
	r[X86_rflags] = (r[X86_rflags] & ~(u64)X86_STATUS) | flags;
}

static int do_packed(struct vm *vm, struct x86_code *code)
{
	u64 *r = vm->c.r, flags = 0;
	u8 old = (u8)r[X86_rax], al = old;
	bool add = code->i.mnemonic == M(DAA), af = r[X86_rflags] & X86_AF, cf = r[X86_rflags] & X86_CF;

	if ((old & 15) > 9 || af) {
		if (!add && old < 6)
			flags |= X86_CF;
		al = (u8)(add ? al + 6 : al - 6);
		flags |= X86_AF;
		if (cf)
			flags |= X86_CF;
	}
	if (old > 0x99 || cf) {
		al = (u8)(add ? al + 0x60 : al - 0x60);
		flags |= X86_CF;
	}
	finish(r, al, (u8)(r[X86_rax] >> 8), flags, true);
	return x86_retire(vm, code);
}

static int do_unpacked(struct vm *vm, struct x86_code *code)
{
	u64 *r = vm->c.r, flags = 0;
	u16 ax = (u16)r[X86_rax];

	if ((ax & 15) > 9 || r[X86_rflags] & X86_AF) {
		ax = (u16)(code->i.mnemonic == M(AAA) ? ax + 0x106 : ax - 0x106);
		flags = X86_AF | X86_CF;
	}
	finish(r, ax & 15, ax >> 8, flags, false);
	return x86_retire(vm, code);
}

/* Not in the manual's list, but in every CPU: AL becomes 0 or ff as CF says. */
static int do_salc(struct vm *vm, struct x86_code *code)
{
	u64 *r = vm->c.r;

	r[X86_rax] = (r[X86_rax] & ~0xffull) | (r[X86_rflags] & X86_CF ? 0xff : 0);
	return x86_retire(vm, code);
}

static int do_aad(struct vm *vm, struct x86_code *code)
{
	u64 *r = vm->c.r;
	u8 base = code->i.k.bytes[code->i.k.len - 1];

	finish(r, (u8)(r[X86_rax] + (r[X86_rax] >> 8 & 0xff) * base), 0, 0, true);
	return x86_retire(vm, code);
}

static int do_aam(struct vm *vm, struct x86_code *code)
{
	u64 *r = vm->c.r;
	u8 base = code->i.k.bytes[code->i.k.len - 1], al = (u8)r[X86_rax];

	if (!base)
		return x86_raise(vm, X86_DE, false, 0);
	finish(r, al % base, al / base, 0, true);
	return x86_retire(vm, code);
}

x86_shim_fn *x86_shim_bcd_of(const struct x86_insn *i)
{
	switch (i->mnemonic) {
	case M(DAA):
	case M(DAS):
		return do_packed;
	case M(AAA):
	case M(AAS):
		return do_unpacked;
	case M(AAD):
		return do_aad;
	case M(AAM):
		return do_aam;
	case M(SALC):
		return do_salc;
	default:
		return NULL;
	}
}
