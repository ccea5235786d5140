/* SPDX-License-Identifier: MIT */
/* The guest's own debugging: its breakpoint registers and TF are matched here against PC and planned accesses, on every
 * host, since KVM's debug registers serve the stepping (SDM 3, chapter 18). */
#include "vm/x86_64/x86_vm.h"

enum { RW_EXECUTE = 0, RW_WRITE = 1, RW_IO = 2, RW_READ_WRITE = 3, DR6_HITS = 15, DR7_GD = 1 << 13 };

static bool enabled(u64 dr7, unsigned n)
{
	return dr7 >> 2 * n & 3;
}

static unsigned kind(u64 dr7, unsigned n)
{
	return dr7 >> (16 + 4 * n) & 3;
}

static u64 length(u64 dr7, unsigned n)
{
	static const u8 bytes[4] = { 1, 2, 8, 4 };
	return bytes[dr7 >> (18 + 4 * n) & 3];
}

u64 x86_debug_code(const struct x86_cpu *c, u64 pc)
{
	u64 dr7 = c->r[X86_dr7], hit = 0;

	for (unsigned n = 0; n < 4; n++)
		if (enabled(dr7, n) && kind(dr7, n) == RW_EXECUTE && c->r[X86_dr0 + n] == pc)
			hit |= 1ull << n;
	return hit;
}

static bool matches(const struct x86_cpu *c, unsigned n, const struct kt_planned *p)
{
	u64 dr7 = c->r[X86_dr7], len = length(dr7, n), at = c->r[X86_dr0 + n] & ~(len - 1);
	bool port = p->space == KT_SPACE_PORT;

	switch (kind(dr7, n)) {
	case RW_WRITE:
		if (port || !p->write)
			return false;
		break;
	case RW_READ_WRITE:
		if (port)
			return false;
		break;
	case RW_IO:
		if (!port || !(c->r[X86_cr4] & X86_CR4_DE))
			return false;
		break;
	default:
		return false;
	}
	return p->va - at < len || at - p->va < p->size;
}

u64 x86_debug_data(const struct x86_cpu *c, const struct x86_plan *plan)
{
	u64 hit = 0;

	for (unsigned n = 0; n < 4; n++) {
		if (!enabled(c->r[X86_dr7], n))
			continue;
		for (unsigned k = 0; k < plan->n; k++)
			if (matches(c, n, &plan->p[k]))
				hit |= 1ull << n;
	}
	return hit;
}

int x86_debug_deliver(struct vm *vm, u64 dr6, bool fault)
{
	struct x86_cpu *c = &vm->c;
	struct x86_fault f = { .vector = X86_DB, .is_trap = !fault };

	x86_set(c, X86_dr6, (c->r[X86_dr6] & ~(u64)DR6_HITS) | dr6);
	x86_set(c, X86_dr7, c->r[X86_dr7] & ~(u64)DR7_GD);
	x86_step_event(c, KT_EVENT_DEBUG, 0, 0, dr6);
	return x86_deliver(c, &f, 0) ? X86_ENDED : X86_RETIRED;
}
