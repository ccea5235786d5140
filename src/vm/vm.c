/* SPDX-License-Identifier: MIT */
/* The generic parts of vm.h: defaults, names, and the accessors that read what every machine has. */
#include "vm/vm.h"

#include <string.h>

#include "vm/vm_base.h"

void vm_config_default(struct vm_config *c)
{
	*c = (struct vm_config){
		.mem = 256ull << 20,
		.step_ns = 10,
		.rtc = 1767225600, /* 2026-01-01 00:00:00 UTC */
	};
}

const char *vm_end_name(enum vm_end end)
{
	static const char *const names[] = {
		[VM_END_NONE] = "none",
		[VM_END_RESET] = "reset",
		[VM_END_TRIPLE_FAULT] = "triple-fault",
		[VM_END_IDLE] = "idle",
		[VM_END_EXIT] = "exit",
		[VM_END_UNSUPPORTED] = "unsupported",
		[VM_END_INTERRUPTED] = "interrupted",
		[VM_END_STUCK] = "stuck",
	};
	return (unsigned)end < KT_ARRAY_LEN(names) ? names[end] : "unknown";
}

static const struct vm_base *base_of(const struct vm *vm)
{
	return (const struct vm_base *)(const void *)vm;
}

enum vm_end vm_end(const struct vm *vm)
{
	return *base_of(vm)->end;
}

const char *vm_end_text(const struct vm *vm)
{
	return base_of(vm)->end_text;
}

const u64 *vm_regs(const struct vm *vm)
{
	return base_of(vm)->regs;
}

const struct kt_arch *vm_arch(const struct vm *vm)
{
	return base_of(vm)->arch;
}

const struct vm_ram *vm_ram(const struct vm *vm, unsigned *n)
{
	*n = base_of(vm)->nram;
	return base_of(vm)->ram;
}

const struct vm_image_info *vm_images(const struct vm *vm, unsigned *n)
{
	*n = base_of(vm)->images.n;
	return base_of(vm)->images.info;
}

const char *vm_engine(const struct vm *vm)
{
	return base_of(vm)->engine;
}

u64 vm_step_number(const struct vm *vm)
{
	return base_of(vm)->clock.step;
}

u64 vm_time_ns(const struct vm *vm)
{
	return vm_clock_ns(&base_of(vm)->clock);
}

void vm_counts(const struct vm *vm, struct vm_counts *out)
{
	*out = base_of(vm)->counts;
}

void vm_interrupt(struct vm *vm)
{
	((struct vm_base *)(void *)vm)->stop = 1;
}
