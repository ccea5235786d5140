/* SPDX-License-Identifier: MIT */
/* What the manual leaves open, fixed: hosts differ in undefined flags and in the destination of a bit scan of zero, the
 * trace must not. The evaluator's value is the canonical one; it is put into the guest before anything can see it. */
#include <string.h>

#include "vm/x86_64/x86_vm.h"

static bool stores_differ(const struct vm *vm)
{
	unsigned ns = 0;

	for (unsigned k = 0; k < vm->plan.n; k++) {
		u64 v = 0;
		if (!vm->plan.p[k].write)
			continue;
		if (x86_peek(vm, k, &v) && memcmp(&v, &vm->stores[ns], KT_MIN(vm->plan.p[k].size, 8u)))
			return true;
		ns++;
	}
	return false;
}

/* Tests: the whole result against the evaluator's. */
static void verify(struct vm *vm, const struct x86_insn *i)
{
	const u64 *r = vm->c.r;
	bool bad = (r[X86_rflags] ^ vm->ev[X86_rflags]) & ~(u64)(X86_RF | X86_TF);

	for (unsigned n = 0; n < X86_rip; n++)
		bad |= r[n] != vm->ev[n];
	vm->verified++;
	if (!bad && !stores_differ(vm))
		return;
	vm->verify_misses++;
	if (vm->on_miss)
		vm->on_miss(vm, i, vm->ev);
}

/* Where there is no descriptor to ask. */
static void clear_undefined(struct x86_cpu *c, u64 undefined)
{
	if (!(c->r[X86_rflags] & undefined))
		return;
	c->r[X86_rflags] &= ~undefined;
	c->dirty |= X86_DIRTY_HOT;
}

void x86_canonicalise(struct vm *vm, const struct x86_insn *i)
{
	struct x86_cpu *c = &vm->c;
	u64 undefined = i->flags_undefined & X86_STATUS;

	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].size > 8) {
			clear_undefined(c, undefined);
			return;
		}
	memcpy(vm->ev, vm->pre, sizeof vm->pre);
	if (vm->verify)
		memcpy(vm->ev + X86_NHOT, c->r + X86_NHOT, sizeof c->r - sizeof vm->pre);
	x86_access_loads(vm, vm->loads);
	if (!kt_desc_eval(vm->b.arch, &i->k.desc, vm->ev, vm->loads, vm->stores)) {
		clear_undefined(c, undefined);
		return;
	}
	u64 flags = (c->r[X86_rflags] & ~undefined) | (vm->ev[X86_rflags] & undefined);
	if (flags != c->r[X86_rflags]) {
		c->r[X86_rflags] = flags;
		c->dirty |= X86_DIRTY_HOT;
	}
	u8 op = i->k.desc.op;
	if (op == KT_OP_BSF || op == KT_OP_BSR || op == KT_OP_CMPXCHG || op == KT_OP_BSWAP) {
		if (memcmp(c->r, vm->ev, 8 * X86_rip))
			c->dirty |= X86_DIRTY_HOT;
		memcpy(c->r, vm->ev, 8 * X86_rip);
	}
	if (vm->verify)
		verify(vm, i);
}
