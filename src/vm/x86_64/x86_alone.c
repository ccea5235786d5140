/* SPDX-License-Identifier: MIT */
/* Paging outside long mode on a KVM that has paging in long mode only: there every instruction is carried out without
 * KVM, by its descriptor, through our own page walk. KVM is brought up to date when paging is off again or long mode
 * has begun: until then it is never entered (x86_exec.c, x86_rep.c ask x86_alone). */
#include <string.h>

#include "vm/x86_64/x86_predict.h"
#include "vm/x86_64/x86_vm.h"

/* SDM 3, 2.5: PE MP EM TS ET NE WP AM NW CD PG; ET is always set. */
enum { CR0_ET = 0x10 };
static const u64 cr0_known = 0xe005003f;

bool x86_alone(const struct vm *vm)
{
	return !vm->host.paging32 && vm->c.r[X86_cr0] & X86_CR0_PG && !(vm->c.r[X86_efer] & X86_EFER_LMA);
}

bool x86_alone_control(const struct vm *vm)
{
	return !vm->host.paging32 && !(vm->c.r[X86_efer] & (X86_EFER_LME | X86_EFER_LMA));
}

int x86_alone_mov_cr(struct vm *vm, const struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	u64 v = (u32)c->r[x86_gpr(code->i.modrm & 7)];

	switch (code->i.modrm >> 3 & 7) {
	case 0:
		x86_set(c, X86_cr0, (v & cr0_known) | CR0_ET);
		break;
	case 3:
		x86_set(c, X86_cr3, v);
		break;
	case 4:
		x86_set(c, X86_cr4, v);
		break;
	default:
		return X86_CANNOT;
	}
	c->dirty |= X86_DIRTY_SREGS;
	vm->b.counts.shims++;
	return x86_retire(vm, code);
}

/* A device is asked once: that the descriptor can be evaluated is found out beforehand, with made-up answers. */
static bool can_evaluate(struct vm *vm, const struct kt_desc *d)
{
	for (unsigned k = 0; k < vm->plan.n; k++) {
		if (vm->plan.p[k].size > 8)
			return false;
		vm->loads[k] = ~0ull;
	}
	memcpy(vm->ev, vm->c.r, sizeof vm->c.r);
	return kt_desc_eval(vm->b.arch, d, vm->ev, vm->loads, vm->stores);
}

int x86_alone_devices(struct vm *vm, const struct kt_desc *d)
{
	struct x86_cpu *c = &vm->c;
	unsigned nl = 0, ns = 0;

	if (!can_evaluate(vm, d))
		return X86_CANNOT;
	for (unsigned k = 0; k < vm->plan.n; k++) {
		if (vm->plan.p[k].write)
			continue;
		vm->loads[nl] = 0;
		x86_load(vm, k, &vm->loads[nl++]);
	}
	memcpy(vm->ev, c->r, sizeof c->r);
	if (!kt_desc_eval(vm->b.arch, d, vm->ev, vm->loads, vm->stores))
		return X86_CANNOT;
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].write)
			x86_store(vm, k, &vm->stores[ns++]);
	memcpy(c->r, vm->ev, X86_rip * 8);
	c->r[X86_rflags] = vm->ev[X86_rflags];
	c->dirty |= X86_DIRTY_HOT;
	vm->b.counts.shims++;
	return X86_RETIRED;
}
