/* SPDX-License-Identifier: MIT */
/* The accesses that an instruction was found to make, turned into records of the step: RAM reads are captured before
 * it runs, writes after, device accesses when KVM asks for them. Records are laid out in plan order beforehand, so that
 * the order in a step does not depend on the host. */
#include <string.h>

#include "vm/x86_64/x86_vm.h"

static const u8 zero[4096];

/* Adds a record and returns where its data lies; NULL when the step is full (the machine then ends). */
static u8 *record(struct x86_cpu *c, u8 space, bool write, u64 va, u64 pa, u32 size, const void *from)
{
	unsigned n = c->step.naccess;

	x86_step_access(c, space, write ? KT_ACCESS_WRITE : 0, va, pa, size, from, size);
	return c->step.naccess == n ? NULL : (u8 *)(uintptr_t)c->step.access[n].data;
}

static void add_slot(struct vm *vm, u8 space, bool write, u64 addr, u32 size, u8 *data)
{
	if (data && vm->nslot < X86_SLOTS)
		vm->slot[vm->nslot++] = (struct x86_slot){ .addr = addr, .size = size, .space = space, .write = write, .data = data };
}

static void before_memory(struct vm *vm, const struct kt_planned *p, const struct x86_span *s)
{
	struct x86_cpu *c = &vm->c;
	u64 va = s->va;

	for (unsigned i = 0; i < s->n; i++) {
		u32 size = KT_MIN(s->part[i].size, (u32)sizeof zero);
		u64 pa = s->part[i].pa;
		const u8 *host = s->part[i].host;
		if (!host) {
			add_slot(vm, KT_SPACE_MMIO, p->write, pa, size, record(c, KT_SPACE_MMIO, p->write, va, pa, size, zero));
		} else if (!p->write) {
			record(c, KT_SPACE_RAM, false, va, pa, size, host);
		} else {
			x86_ram_write(c, pa, size);
			u8 *data = record(c, KT_SPACE_RAM, true, va, pa, size, zero);
			if (data && vm->nlater < X86_SLOTS) {
				vm->later[vm->nlater].host = host;
				vm->later[vm->nlater].data = data;
				vm->later[vm->nlater++].size = size;
			}
		}
		va += s->part[i].size;
	}
}

bool x86_peek(const struct vm *vm, unsigned k, void *to)
{
	const struct x86_span *s = &vm->plan.span[k];
	u8 *at = to;

	if (vm->plan.p[k].space != KT_SPACE_RAM)
		return false;
	for (unsigned i = 0; i < s->n; i++) {
		if (!s->part[i].host)
			return false;
		memcpy(at, s->part[i].host, s->part[i].size);
		at += s->part[i].size;
	}
	return true;
}

void x86_access_before(struct vm *vm)
{
	vm->first_access = vm->c.step.naccess;
	vm->nslot = vm->nlater = 0;
	for (unsigned k = 0; k < vm->plan.n; k++) {
		const struct kt_planned *p = &vm->plan.p[k];
		if (p->space == KT_SPACE_PORT)
			add_slot(vm, KT_SPACE_PORT, p->write, p->va, p->size, record(&vm->c, KT_SPACE_PORT, p->write, 0, p->va, p->size, zero));
		else
			before_memory(vm, p, &vm->plan.span[k]);
	}
}

void x86_access_after(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nlater; i++)
		memcpy(vm->later[i].data, vm->later[i].host, vm->later[i].size);
}

/* The bus knows 1, 2, 4 and 8; what is between goes byte by byte. */
static void on_bus(struct bus *b, bool mmio, bool write, u64 addr, u8 *data, unsigned size)
{
	unsigned step = size & (size - 1) || size > 8 ? 1 : size;

	for (unsigned at = 0; at < size; at += step) {
		u64 v = 0;
		if (write) {
			memcpy(&v, data + at, step);
			bus_write(b, mmio, addr + at, step, v);
		} else {
			v = bus_read(b, mmio, addr + at, step);
			memcpy(data + at, &v, step);
		}
	}
}

void x86_access_device(struct vm *vm, u8 space, bool write, u64 addr, void *data, unsigned size)
{
	on_bus(&vm->b.bus, space == KT_SPACE_MMIO, write, addr, data, size);
	for (unsigned i = 0; i < vm->nslot; i++) {
		struct x86_slot *s = &vm->slot[i];
		if (s->space != space || s->write != write || addr < s->addr || addr - s->addr >= s->size)
			continue;
		u64 at = addr - s->addr;
		memcpy(s->data + at, data, KT_MIN((u64)size, s->size - at));
		s->used = true;
		return;
	}
	record(&vm->c, space, write, space == KT_SPACE_PORT ? 0 : addr, addr, size, data);
}

static void move_part(struct vm *vm, bool write, u64 pa, u8 *host, u8 *data, u32 size)
{
	if (!host) {
		for (u32 at = 0; at < size; at += 8)
			on_bus(&vm->b.bus, true, write, pa + at, data + at, KT_MIN(size - at, 8u));
	} else if (write) {
		x86_ram_write(&vm->c, pa, size);
		memcpy(host, data, size);
	} else {
		memcpy(data, host, size);
	}
}

static void move(struct vm *vm, unsigned k, bool write, u8 *data)
{
	const struct kt_planned *p = &vm->plan.p[k];
	const struct x86_span *s = &vm->plan.span[k];

	if (p->space == KT_SPACE_PORT) {
		on_bus(&vm->b.bus, false, write, p->va, data, p->size);
		record(&vm->c, KT_SPACE_PORT, write, 0, p->va, p->size, data);
		return;
	}
	u64 va = s->va;
	for (unsigned i = 0; i < s->n; i++) {
		move_part(vm, write, s->part[i].pa, s->part[i].host, data, s->part[i].size);
		record(&vm->c, s->part[i].host ? KT_SPACE_RAM : KT_SPACE_MMIO, write, va, s->part[i].pa, s->part[i].size, data);
		va += s->part[i].size;
		data += s->part[i].size;
	}
}

void x86_load(struct vm *vm, unsigned k, void *to)
{
	move(vm, k, false, to);
}

void x86_store(struct vm *vm, unsigned k, const void *from)
{
	move(vm, k, true, (u8 *)(uintptr_t)from);
}

/* Records stand in plan order from first_access on. */
void x86_access_loads(const struct vm *vm, u64 *loads)
{
	const struct kt_step *s = &vm->c.step;
	unsigned at = vm->first_access, nl = 0;

	for (unsigned k = 0; k < vm->plan.n; k++) {
		unsigned parts = vm->plan.p[k].space == KT_SPACE_PORT ? 1 : vm->plan.span[k].n;
		u8 b[8] = { 0 };
		u32 have = 0;
		for (unsigned i = 0; i < parts && at < s->naccess; i++, at++) {
			u32 n = KT_MIN(s->access[at].size, 8 - have);
			memcpy(b + have, s->access[at].data, n);
			have += n;
		}
		if (!vm->plan.p[k].write)
			memcpy(&loads[nl++], b, 8);
	}
}
