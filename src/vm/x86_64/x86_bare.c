/* SPDX-License-Identifier: MIT */
/* The loop that the engine is measured against: KVM_RUN under single-step and nothing else. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vm/x86_64/x86_vm.h"

static void serve(struct vm *vm)
{
	struct kvm_run *run = vm->run;
	u8 *data = (u8 *)run + run->io.data_offset;

	if (run->exit_reason == KVM_EXIT_MMIO) {
		memset(run->mmio.data, 0xff, sizeof run->mmio.data);
	} else if (run->exit_reason == KVM_EXIT_IO && run->io.size) {
		for (u32 i = 0; i < run->io.count && run->io.data_offset + (u64)(i + 1) * run->io.size <= vm->run_size; i++, data += run->io.size) {
			u32 v = 0;
			memcpy(&v, data, run->io.size);
			if (run->io.direction == KVM_EXIT_IO_OUT)
				bus_write(&vm->b.bus, false, run->io.port, run->io.size, v);
			else
				v = (u32)bus_read(&vm->b.bus, false, run->io.port, run->io.size);
			memcpy(data, &v, run->io.size);
		}
	}
}

int vm_bare_steps(struct vm *vm, u64 n, u64 *done, struct kt_err *err)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	int rc = x86_kvm_flush(vm, err);

	*done = 0;
	if (rc)
		return rc;
	if (ioctl(vm->vcpu, KVM_SET_GUEST_DEBUG, &d))
		return kt_fail(err, KT_E_NO_KVM, "KVM_SET_GUEST_DEBUG: %s", strerror(errno));
	vm->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	for (u64 i = 0; i < n; i++) {
		if (ioctl(vm->vcpu, KVM_RUN, 0)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return kt_fail(err, KT_E_IO, "KVM_RUN: %s", strerror(errno));
		}
		vm->c.step.naccess = vm->c.step.nevent = 0;
		switch (vm->run->exit_reason) {
		case KVM_EXIT_DEBUG:
			++*done;
			vm->b.clock.step++;
			break;
		case KVM_EXIT_IO:
		case KVM_EXIT_MMIO:
			serve(vm);
			break;
		default: /* the guest has come to where a bare loop cannot go on */
			return 0;
		}
		if (vm->c.end)
			return 0;
	}
	return 0;
}
