/* SPDX-License-Identifier: MIT */
/* Protection and table instructions: KVM's emulator lacks the ones that ask about descriptors (lar, lsl, verr, verw,
 * arpl), processors differ in the upper half of what the storing ones write. */
#include <Zydis/Zydis.h>
#include <string.h>

#include "vm/x86_64/x86_predict.h"
#include "vm/x86_64/x86_vm.h"

#define M(m) ZYDIS_MNEMONIC_##m

/* The r/m operand's register, the reg operand's. */
static unsigned rex_of(const struct x86_insn *i)
{
	for (int at = 0; at < i->k.len && at < 14; at++)
		if (i->k.bytes[at] == 0x0f || i->k.bytes[at] == 0x63)
			return x86_rex_at(i, at - 1);
	return 0;
}

static u64 *rm_reg(struct vm *vm, const struct x86_insn *i)
{
	return &vm->c.r[x86_gpr((i->modrm & 7u) | (rex_of(i) & 1) << 3)];
}

static u64 *reg_reg(struct vm *vm, const struct x86_insn *i)
{
	return &vm->c.r[x86_gpr((i->modrm >> 3 & 7u) | (rex_of(i) & 4) << 1)];
}

static void put(u64 *reg, u64 v, unsigned bytes)
{
	*reg = bytes == 2 ? (*reg & ~0xffffull) | (v & 0xffff) : kt_cut(v, bytes);
}

/* sldt, str, smsw: 16 bits to memory, the operand's width to a register. smsw shows as much of CR0 as fits. */
static int do_store_word(struct vm *vm, struct x86_code *code)
{
	const struct x86_insn *i = &code->i;
	u64 v = vm->c.r[i->mnemonic == M(SLDT) ? X86_ldtr : i->mnemonic == M(STR) ? X86_tr : X86_cr0];

	if (!vm->plan.n)
		put(rm_reg(vm, i), v, i->osize);
	else if (vm->plan.n == 1 && vm->plan.p[0].write && vm->plan.p[0].size == 2)
		x86_store(vm, 0, &v);
	else
		return X86_CANNOT;
	return x86_retire(vm, code);
}

/* sgdt, sidt: limit, then 4 or 8 bytes of base (Intel since the 386 stores all 32 bits at any operand size). */
static int do_store_table(struct vm *vm, struct x86_code *code)
{
	const u64 *r = vm->c.r;
	bool gdt = code->i.mnemonic == M(SGDT);
	u8 b[16] = { 0 };

	if (vm->plan.n != 1 || !vm->plan.p[0].write || vm->plan.p[0].size > 10)
		return X86_CANNOT;
	memcpy(b, &r[gdt ? X86_gdtr_limit : X86_idtr_limit], 2);
	memcpy(b + 2, &r[gdt ? X86_gdtr_base : X86_idtr_base], 8);
	x86_store(vm, 0, b);
	return x86_retire(vm, code);
}

static u16 selector(struct vm *vm, const struct x86_insn *i)
{
	u64 v = 0;

	if (!vm->plan.n)
		return (u16)*rm_reg(vm, i);
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (!vm->plan.p[k].write && vm->plan.p[k].size <= 8)
			x86_load(vm, k, &v);
	return (u16)v;
}

/* SDM 2, LAR and LSL, tables of types: system types valid in legacy and in long mode. */
static bool type_ok(const struct x86_cpu *c, u16 mnemonic, const struct x86_descr *d)
{
	enum { LAR_LEGACY = 0x1a3e, LAR_LONG = 0x1a04, LSL_LEGACY = 0x0a0e, LSL_LONG = 0x0a04 };
	bool code = d->attr & 8, lma = c->r[X86_efer] & X86_EFER_LMA;
	unsigned type = d->attr & 15;

	if (d->attr & X86_ATTR_S)
		return mnemonic == M(VERW) ? !code && d->attr & 2 : mnemonic == M(VERR) ? !code || d->attr & 2 : true;
	if (mnemonic == M(LAR))
		return (lma ? LAR_LONG : LAR_LEGACY) >> type & 1;
	return mnemonic == M(LSL) && (lma ? LSL_LONG : LSL_LEGACY) >> type & 1;
}

/* lar, lsl, verr, verw. ZF says whether the selector may be used so; the destination changes only if it may. */
static int do_ask(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	const struct x86_insn *i = &code->i;
	u16 sel = selector(vm, i);
	struct x86_descr d = { 0 };
	struct x86_fault f = { 0 };
	bool ok = sel & 0xfffc;

	if (ok && x86_descr_read(c, sel, false, &d, &f)) {
		if (f.vector == X86_PFAULT) {
			vm->fault = f;
			return X86_FAULTED;
		}
		ok = false;
	}
	if (ok && !((d.attr & 0x1c) == 0x1c)) { /* conforming code may be asked about from anywhere */
		unsigned dpl = d.attr >> 5 & 3;
		ok = x86_cpl(c->r) <= dpl && (sel & 3u) <= dpl;
	}
	ok = ok && type_ok(c, i->mnemonic, &d);
	if (ok && i->mnemonic == M(LAR))
		put(reg_reg(vm, i), d.attr << 8 & 0xf0ff00, i->osize);
	else if (ok && i->mnemonic == M(LSL))
		put(reg_reg(vm, i), d.limit, i->osize);
	c->r[X86_rflags] = (c->r[X86_rflags] & ~(u64)X86_ZF) | (ok ? X86_ZF : 0);
	return x86_retire(vm, code);
}

static int do_arpl(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	u16 to = selector(vm, &code->i), from = (u16)*reg_reg(vm, &code->i);
	bool raise = (to & 3) < (from & 3);

	if (raise)
		to = (u16)((to & ~3) | (from & 3));
	if (!vm->plan.n)
		put(rm_reg(vm, &code->i), to, 2);
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].write)
			x86_store(vm, k, &to);
	c->r[X86_rflags] = (c->r[X86_rflags] & ~(u64)X86_ZF) | (raise ? X86_ZF : 0);
	return x86_retire(vm, code);
}

x86_shim_fn *x86_shim_sys_of(const struct x86_insn *i)
{
	switch (i->mnemonic) {
	case M(SLDT):
	case M(STR):
	case M(SMSW):
		return do_store_word;
	case M(SGDT):
	case M(SIDT):
		return do_store_table;
	case M(LAR):
	case M(LSL):
	case M(VERR):
	case M(VERW):
		return do_ask;
	case M(ARPL):
		return do_arpl;
	default:
		return NULL;
	}
}
