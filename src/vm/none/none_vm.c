/* SPDX-License-Identifier: MIT */
/* Hosts without an engine: everything but recording and re-execution works, and these say so. */
#include "vm/vm.h"
#include "vm/vm_base.h"

static int none(struct kt_err *err)
{
	return kt_fail(err, KT_E_NO_KVM,
	               "this build has no engine for the host's architecture: record on an x86-64 or arm64 host with /dev/kvm; "
	               "traces can be read here");
}

int vm_create(const struct vm_config *c, struct vm **out, struct kt_err *err)
{
	*out = NULL;
	return none(err);
}

void vm_destroy(struct vm *vm)
{
}

void vm_set_hooks(struct vm *vm, const struct vm_hooks *hooks)
{
}

int vm_step(struct vm *vm, const struct kt_step **step, struct kt_err *err)
{
	*step = NULL;
	return none(err);
}

int vm_audit_regs(struct vm *vm, struct kt_err *err)
{
	return none(err);
}

void vm_epoch(struct vm *vm)
{
}

int vm_dirty_pages(struct vm *vm, void (*fn)(void *ctx, u64 gpa, const u8 *host), void *ctx, struct kt_err *err)
{
	return none(err);
}

void vm_devices_save(const struct vm *vm, struct kt_buf *out)
{
}

int vm_devices_restore(struct vm *vm, struct kt_rd *in, struct kt_err *err)
{
	return none(err);
}

int vm_doctor(struct kt_buf *text, bool *usable, struct kt_err *err)
{
	static const char line[] = "engine: none for this architecture; reading traces works, recording does not\n";
	*usable = false;
	kt_buf_put(text, line, sizeof line - 1);
	return 0;
}
