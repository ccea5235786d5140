/* SPDX-License-Identifier: MIT */
/* Control of the x87 and SSE units, carried out on the register file: KVM's emulator lacks some of it (ldmxcsr, fwait,
 * emms ...), hosts differ in the rest of the FXSAVE image. Arithmetic is left to the CPU. */
#include <Zydis/Zydis.h>
#include <string.h>

#include "vm/x86_64/x86_vm.h"

#define M(m) ZYDIS_MNEMONIC_##m

enum {
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

void x86_turn_stack(u64 *r, unsigned top)
{
	unsigned by = top - (unsigned)(r[X86_fsw] >> 11 & 7);
	u64 old[16];

	memcpy(old, &r[X86_st0_lo], sizeof old);
	for (unsigned n = 0; n < 8; n++)
		memcpy(&r[X86_st0_lo + 2 * n], &old[2 * ((n + by) & 7)], 16);
}

static int do_fninit(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;

	memcpy(vm->ev, c->r, sizeof c->r);
	x86_turn_stack(vm->ev, 0);
	x86_set_fpu(c, vm->ev);
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
	if (x86_peek(vm, k, &v) && v & ~(u32)X86_MXCSR_MASK)
		return x86_raise(vm, X86_GP, true, 0);
	x86_load(vm, k, &v);
	x86_set(&vm->c, X86_mxcsr, v & X86_MXCSR_MASK);
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

/* What the image reserves stays as it was in memory. */
static int do_fxsave(struct vm *vm, struct x86_code *code)
{
	unsigned k = only(vm, true, X86_FX_SIZE);
	u8 b[X86_FX_SIZE];

	if (k == KT_PLAN_MAX || !x86_peek(vm, k, b))
		return X86_CANNOT;
	x86_regs_to_fx(vm->c.r, b, xmm_count(code));
	x86_store(vm, k, b);
	return x86_retire(vm, code);
}

static int do_fxrstor(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	unsigned k = only(vm, false, X86_FX_SIZE);
	u8 b[X86_FX_SIZE];

	if (k == KT_PLAN_MAX || !x86_peek(vm, k, b))
		return X86_CANNOT;
	memcpy(vm->ev, c->r, sizeof c->r);
	x86_regs_from_fx(vm->ev, b, xmm_count(code));
	if (vm->ev[X86_mxcsr] & ~(u64)X86_MXCSR_MASK)
		return x86_raise(vm, X86_GP, true, 0);
	x86_load(vm, k, b);
	x86_set_fpu(c, vm->ev);
	set_fcw(c, (u16)c->r[X86_fcw]);
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
