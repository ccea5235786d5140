/* SPDX-License-Identifier: MIT */
/* The machine around the vCPU: making and ending it, its hooks, audit, and what a device may ask of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vm/x86_64/x86_vm.h"

enum { STATE_VERSION = 1 };
static const u64 most_mem = 63ull << 30; /* with the hole below 4 GiB it ends at 2^36, the CPU model's physical addresses */

static void on_console(void *ctx, unsigned which, u8 byte)
{
	struct vm *vm = ctx;
	x86_step_event(&vm->c, KT_EVENT_CONSOLE, (u16)which, byte, 0);
}

static void on_end(void *ctx, int why, u64 value, const char *text)
{
	struct vm *vm = ctx;
	x86_end(&vm->c, (enum vm_end)why, value, "%s", text);
}

static void on_a20(void *ctx, bool enabled)
{
	struct vm *vm = ctx;
	vm->c.a20 = enabled;
}

static int check_config(const struct vm_config *c, struct kt_err *err)
{
	if (!c->image)
		return kt_fail(err, KT_E_ARG, "no image given");
	if (c->mem < 1 << 20 || c->mem > most_mem || c->mem & 4095)
		return kt_fail(err, KT_E_ARG, "memory of %llu bytes: give a multiple of 4 KiB from 1 MiB to 63 GiB", (unsigned long long)c->mem);
	if (c->step_ns < 1 || c->step_ns > 1000000)
		return kt_fail(err, KT_E_ARG, "%llu ns a step: give 1 to 1000000", (unsigned long long)c->step_ns);
	if (c->cpu && strcmp(c->cpu, "base"))
		return kt_fail(err, KT_E_UNSUPPORTED, "CPU model \"%s\": only \"base\" is known", c->cpu);
	return 0;
}

static int make_cpu(struct vm *vm, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	u64 pages = 0;

	c->ram = vm->b.ram;
	c->nram = vm->b.nram;
	for (unsigned i = 0; i < c->nram; i++)
		pages += c->ram[i].size >> 12;
	c->touched = calloc(pages, sizeof *c->touched);
	c->scratch = malloc(X86_SCRATCH);
	vm->code = calloc(1u << X86_CODE_BITS, sizeof *vm->code);
	if (!c->touched || !c->scratch || !vm->code)
		return kt_fail(err, KT_E_NOMEM, "no memory for the machine");
	c->epoch = 1;
	return 0;
}

static int make_devices(struct vm *vm, const struct vm_config *cfg, struct kt_err *err)
{
	struct bus *b = &vm->b.bus;
	u64 below = KT_MIN(cfg->mem, 3ull << 30);
	struct pc_config pc = { .mem_below_4g = below, .mem_above_4g = cfg->mem - below, .rtc = cfg->rtc, .tsc_hz = X86_TSC_HZ };

	vm->b.clock.step_ns = cfg->step_ns;
	b->clock = &vm->b.clock;
	b->hooks = (struct bus_hooks){ .ctx = vm, .console = on_console, .end = on_end, .a20 = on_a20 };
	b->next_ns = VM_NEVER;
	if (!pc_devices_create(b, &pc))
		return kt_fail(err, KT_E_NOMEM, "no memory for the devices");
	return 0;
}

int vm_create(const struct vm_config *c, struct vm **out, struct kt_err *err)
{
	struct vm *vm;
	int rc = check_config(c, err);

	*out = NULL;
	if (rc)
		return rc;
	vm = calloc(1, sizeof *vm);
	if (!vm)
		return kt_fail(err, KT_E_NOMEM, "no memory for the machine");
	vm->kvm = vm->vmfd = vm->vcpu = -1;
	vm->b.arch = kt_arch_get(KT_ARCH_X86_64);
	vm->b.regs = vm->c.r;
	vm->b.end = &vm->c.end;
	vm->b.end_text = vm->c.end_text;
	vm->c.bus = &vm->b.bus;
	vm->c.clock = &vm->b.clock;
	vm->c.a20 = true;
	rc = x86_kvm_create(vm, c, err);
	if (!rc)
		rc = make_cpu(vm, err);
	if (!rc)
		rc = make_devices(vm, c, err);
	if (rc) {
		vm_destroy(vm);
		return rc;
	}
	strcpy(vm->b.engine, vm->host.tf_based ? "kvm-x86_64 (TF)" : vm->host.late_traps ? "kvm-x86_64 (PVM)" : "kvm-x86_64");
	*out = vm;
	return 0;
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	x86_kvm_stop_watchdog(vm);
	bus_destroy(&vm->b.bus);
	x86_kvm_destroy(vm);
	if (vm->lend)
		munmap(vm->lend, 4096);
	free(vm->c.touched);
	free(vm->c.scratch);
	free(vm->code);
	free(vm);
}

void vm_set_hooks(struct vm *vm, const struct vm_hooks *hooks)
{
	vm->c.hooks = *hooks;
}

void vm_epoch(struct vm *vm)
{
	struct x86_cpu *c = &vm->c;

	if (++c->epoch)
		return;
	u64 pages = 0;
	for (unsigned i = 0; i < c->nram; i++)
		pages += c->ram[i].size >> 12;
	memset(c->touched, 0, pages * sizeof *c->touched);
	c->epoch = 1;
}

/* The engine's own few fields, then the bus. */
void vm_devices_save(const struct vm *vm, struct kt_buf *out)
{
	kt_buf_u8(out, STATE_VERSION);
	kt_buf_u64(out, vm->b.clock.step);
	kt_buf_u64(out, vm->b.clock.step_ns);
	kt_buf_u64(out, vm->b.clock.idle_ns);
	kt_buf_u64(out, vm->debug_pending);
	kt_buf_u64(out, vm->debug_held);
	kt_buf_u8(out, vm->c.a20);
	bus_save(&vm->b.bus, out);
}

int vm_devices_restore(struct vm *vm, struct kt_rd *in, struct kt_err *err)
{
	u8 version = kt_rd_u8(in);

	if (version != STATE_VERSION)
		return kt_fail(err, in->bad ? KT_E_CORRUPT : KT_E_VERSION, "device state of version %u, this build knows %u", version, STATE_VERSION);
	vm->b.clock.step = kt_rd_u64(in);
	vm->b.clock.step_ns = kt_rd_u64(in);
	vm->b.clock.idle_ns = kt_rd_u64(in);
	vm->debug_pending = kt_rd_u64(in) & 0xffff;
	vm->debug_held = kt_rd_u64(in) & 0xffff;
	vm->c.a20 = kt_rd_u8(in);
	if (in->bad || !vm->b.clock.step_ns || vm->b.clock.step_ns > 1000000 || !bus_restore(&vm->b.bus, in))
		return kt_fail(err, KT_E_CORRUPT, "the device state is not one of this machine");
	return 0;
}

int vm_regs_restore(struct vm *vm, const u64 *regs, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;

	memcpy(c->r, regs, sizeof c->r);
	c->dirty = X86_DIRTY_HOT | X86_DIRTY_SREGS | X86_DIRTY_MSRS | X86_DIRTY_FPU;
	c->end = VM_END_NONE;
	return x86_kvm_flush(vm, err);
}
