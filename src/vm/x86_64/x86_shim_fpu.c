/* SPDX-License-Identifier: MIT */
/* Control of the x87 and SSE units, carried out on the register file: KVM's emulator lacks some of it (ldmxcsr, fwait,
 * emms ...), hosts differ in the rest of the FXSAVE image. Arithmetic is left to the CPU. */
#include <Zydis/Zydis.h>
#include <string.h>

#include "vm/x86_64/x86_vm.h"

#define M(m) ZYDIS_MNEMONIC_##m

enum {
	FX_SIZE = 512,
	FX_ST = 32,
	FX_XMM = 160,
	MXCSR_MASK = 0xffff, /* what MXCSR may hold (SDM 1, 11.6.6: the mask that FXSAVE shows) */
	FSW_EXCEPTIONS = 0x3f,
	FSW_ES_B = 0x8080 /* error summary, busy: the same since the 287 */
};

static unsigned only(const struct vm *vm, bool write, u32 size)
{
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].write == write && vm->plan.p[k].size == size)
			return k;
	return KT_PLAN_MAX;
}

static int done(struct vm *vm, const struct x86_code *code)
{
	vm->c.dirty |= X86_DIRTY_FPU;
	return x86_retire(vm, code);
}

/* An exception flag that the control word does not mask raises the summary (SDM 1, 8.1.3.3). */
static void summarise(struct x86_cpu *c)
{
	u64 fsw = c->r[X86_fsw] & ~(u64)FSW_ES_B;

	if (fsw & ~c->r[X86_fcw] & FSW_EXCEPTIONS)
		fsw |= FSW_ES_B;
	x86_set(c, X86_fsw, fsw);
}

/* Bit 6 of the control word reads as one, 13 to 15 and 7 as zero. */
static void set_fcw(struct x86_cpu *c, u16 v)
{
	x86_set(c, X86_fcw, (v & 0x1f3f) | 0x40);
	summarise(c);
}

static int do_fninit(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;

	x86_set(c, X86_fcw, 0x37f);
	x86_set(c, X86_fsw, 0);
	x86_set(c, X86_ftw, 0);
	x86_set(c, X86_fop, 0);
	x86_set(c, X86_fip, 0);
	x86_set(c, X86_fdp, 0);
	return done(vm, code);
}

static int do_fnclex(struct vm *vm, struct x86_code *code)
{
	x86_set(&vm->c, X86_fsw, vm->c.r[X86_fsw] & 0x7f00);
	return done(vm, code);
}

static int do_emms(struct vm *vm, struct x86_code *code)
{
	x86_set(&vm->c, X86_ftw, 0);
	return done(vm, code);
}

static int do_fldcw(struct vm *vm, struct x86_code *code)
{
	unsigned k = only(vm, false, 2);
	u16 v;

	if (k == KT_PLAN_MAX)
		return X86_CANNOT;
	x86_load(vm, k, &v);
	set_fcw(&vm->c, v);
	return done(vm, code);
}

/* fnstcw, fnstsw to memory; fnstsw ax. */
static int do_fnst(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	u16 v = (u16)c->r[code->i.mnemonic == M(FNSTCW) ? X86_fcw : X86_fsw];
	unsigned k = only(vm, true, 2);

	if (k != KT_PLAN_MAX)
		x86_store(vm, k, &v);
	else if (code->i.mnemonic == M(FNSTSW) && !vm->plan.n)
		c->r[X86_rax] = (c->r[X86_rax] & ~0xffffull) | v;
	else
		return X86_CANNOT;
	return x86_retire(vm, code);
}

static int do_ldmxcsr(struct vm *vm, struct x86_code *code)
{
	unsigned k = only(vm, false, 4);
	u32 v;

	if (k == KT_PLAN_MAX)
		return X86_CANNOT;
	if (x86_peek(vm, k, &v) && v & ~(u32)MXCSR_MASK)
		return x86_raise(vm, X86_GP, true, 0);
	x86_load(vm, k, &v);
	x86_set(&vm->c, X86_mxcsr, v & MXCSR_MASK);
	return done(vm, code);
}

static int do_stmxcsr(struct vm *vm, struct x86_code *code)
{
	unsigned k = only(vm, true, 4);
	u32 v = (u32)vm->c.r[X86_mxcsr];

	if (k == KT_PLAN_MAX)
		return X86_CANNOT;
	x86_store(vm, k, &v);
	return x86_retire(vm, code);
}

static unsigned xmm_count(const struct x86_code *code)
{
	return (code->i.k.mode & KT_MODE_CODE) == KT_MODE_64 ? 16 : 8;
}

/* SDM 1, 10.5.1. Pointers are 0 (x86_kvm_regs.c says why); what the image reserves stays as it was in memory. */
static int do_fxsave(struct vm *vm, struct x86_code *code)
{
	const u64 *r = vm->c.r;
	unsigned k = only(vm, true, FX_SIZE);
	u8 b[FX_SIZE];

	if (k == KT_PLAN_MAX || !x86_peek(vm, k, b))
		return X86_CANNOT;
	memset(b, 0, FX_ST);
	memcpy(b, &r[X86_fcw], 2);
	memcpy(b + 2, &r[X86_fsw], 2);
	b[4] = (u8)r[X86_ftw];
	memcpy(b + 24, &r[X86_mxcsr], 4);
	memcpy(b + 28, &(u32){ MXCSR_MASK }, 4);
	for (unsigned n = 0; n < 8; n++) {
		memset(b + FX_ST + 16 * n, 0, 16);
		memcpy(b + FX_ST + 16 * n, &r[X86_st0_lo + 2 * n], 8);
		memcpy(b + FX_ST + 16 * n + 8, &r[X86_st0_hi + 2 * n], 2);
	}
	for (unsigned n = 0; n < xmm_count(code); n++)
		memcpy(b + FX_XMM + 16 * n, &r[X86_xmm0_lo + 2 * n], 16);
	x86_store(vm, k, b);
	return x86_retire(vm, code);
}

static int do_fxrstor(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	unsigned k = only(vm, false, FX_SIZE);
	u8 b[FX_SIZE];
	u64 v[2];

	if (k == KT_PLAN_MAX || !x86_peek(vm, k, b))
		return X86_CANNOT;
	memcpy(v, b + 24, 4);
	u32 mxcsr = (u32)v[0];
	if (mxcsr & ~(u32)MXCSR_MASK)
		return x86_raise(vm, X86_GP, true, 0);
	x86_load(vm, k, b);
	x86_set(c, X86_mxcsr, mxcsr);
	x86_set(c, X86_fsw, b[2] | b[3] << 8);
	x86_set(c, X86_ftw, b[4]);
	set_fcw(c, (u16)(b[0] | b[1] << 8));
	for (unsigned n = 0; n < 8; n++) {
		v[1] = 0;
		memcpy(v, b + FX_ST + 16 * n, 10);
		x86_set(c, X86_st0_lo + 2 * n, v[0]);
		x86_set(c, X86_st0_hi + 2 * n, v[1]);
	}
	for (unsigned n = 0; n < xmm_count(code); n++) {
		memcpy(v, b + FX_XMM + 16 * n, 16);
		x86_set(c, X86_xmm0_lo + 2 * n, v[0]);
		x86_set(c, X86_xmm0_hi + 2 * n, v[1]);
	}
	return done(vm, code);
}

x86_shim_fn *x86_shim_fpu_of(const struct x86_insn *i)
{
	static const struct {
		u16 mnemonic;
		x86_shim_fn *fn;
	} table[] = {
		{ M(FNINIT), do_fninit }, { M(FNCLEX), do_fnclex }, { M(EMMS), do_emms }, { M(FLDCW), do_fldcw }, { M(FNSTCW), do_fnst },
		{ M(FNSTSW), do_fnst }, { M(LDMXCSR), do_ldmxcsr }, { M(STMXCSR), do_stmxcsr }, { M(FXSAVE), do_fxsave },
		{ M(FXSAVE64), do_fxsave }, { M(FXRSTOR), do_fxrstor }, { M(FXRSTOR64), do_fxrstor },
	};

	for (unsigned n = 0; n < KT_ARRAY_LEN(table); n++)
		if (table[n].mnemonic == i->mnemonic)
			return table[n].fn;
	return NULL;
}
