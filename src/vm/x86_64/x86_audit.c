/* SPDX-License-Identifier: MIT */
/* Asking KVM for everything: the audit at keyframes, and the true state after a gap. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "vm/x86_64/x86_vm.h"

/* Registers of which KVM holds what the file says, as ranges of the file. */
static const struct {
	u16 first, last;
	unsigned dirty;
} ranges[] = {
	{ X86_rax, X86_rflags, X86_DIRTY_HOT },
	{ X86_es, X86_efer, X86_DIRTY_SREGS },
	{ X86_fcw, X86_ftw, X86_DIRTY_FPU },
	{ X86_mxcsr, X86_xmm15_hi, X86_DIRTY_FPU },
};

static int read_all(struct vm *vm, u64 *r, struct kt_err *err)
{
	struct kvm_regs k;
	struct kvm_sregs s;
	struct x86_cpu *c = &vm->c;

	if (ioctl(vm->vcpu, KVM_GET_REGS, &k) || ioctl(vm->vcpu, KVM_GET_SREGS, &s))
		return kt_fail(err, KT_E_IO, "reading the vCPU's registers: %s", strerror(errno));
	vm->b.counts.sreg_reads++;
	memcpy(r, c->r, sizeof c->r);
	memcpy(r, &k, sizeof k);
	r[X86_rflags] = (r[X86_rflags] & ~(u64)(X86_TF | X86_RF)) | (c->r[X86_rflags] & (X86_TF | X86_RF));
	x86_regs_from_sregs(r, &s);
	if (x86_hides_ring3(vm)) {
		memcpy(r + X86_cs, c->r + X86_cs, X86_SEG_STRIDE * sizeof *r);
		memcpy(r + X86_ss, c->r + X86_ss, X86_SEG_STRIDE * sizeof *r);
	}
	return x86_kvm_get_fpu(vm, r, err);
}

/* What KVM shows of a segment differs between hosts where the manual leaves it open: the content of an unusable one, the
 * G bit and the Accessed bit. Compared is what an instruction could see. */
static bool same_seg(const u64 *a, const u64 *b)
{
	u64 mask = ~(u64)(X86_ATTR_G | 1 << 12 | 1);

	if (a[X86_SEG_SEL] != b[X86_SEG_SEL])
		return false;
	if ((a[X86_SEG_ATTR] | b[X86_SEG_ATTR]) & X86_ATTR_UNUSABLE || !(a[X86_SEG_ATTR] & X86_ATTR_P))
		return true;
	return a[X86_SEG_BASE] == b[X86_SEG_BASE] && a[X86_SEG_LIMIT] == b[X86_SEG_LIMIT] &&
	       (a[X86_SEG_ATTR] & mask) == (b[X86_SEG_ATTR] & mask);
}

static void differs(const struct vm *vm, unsigned reg, u64 host)
{
	kt_log(KT_LOG_INFO, "vm", "audit at step %llu: %s is %#llx, the steps said %#llx", (unsigned long long)vm->b.clock.step,
	       vm->b.arch->regs[reg].name, (unsigned long long)host, (unsigned long long)vm->c.r[reg]);
}

static bool is_seg(unsigned reg)
{
	return reg >= X86_es && reg < X86_gdtr_base;
}

int vm_audit_regs(struct vm *vm, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	u64 r[X86_NREGS];
	int misses = 0;

	if (x86_alone(vm)) /* KVM holds nothing to compare with */
		return 0;
	int rc = x86_kvm_flush(vm, err);

	if (!rc)
		rc = read_all(vm, r, err);
	if (rc)
		return rc;
	for (unsigned n = 0; n < KT_ARRAY_LEN(ranges); n++)
		for (unsigned i = ranges[n].first; i <= ranges[n].last; i++) {
			if (is_seg(i)) {
				if ((i - X86_es) % X86_SEG_STRIDE == 0 && !same_seg(r + i, c->r + i)) {
					misses++;
					differs(vm, i, r[i]);
					memcpy(c->r + i, r + i, X86_SEG_STRIDE * sizeof *r);
				}
			} else if (r[i] != c->r[i]) {
				misses++;
				differs(vm, i, r[i]);
				c->r[i] = r[i];
			}
		}
	return misses;
}

/* Which pages a gap has changed is not known beforehand: what the dirty log names since it was last read is recorded
 * whole. What does not fit is kept for the next reading (an audit). */
static void changed_page(void *ctx, u64 gpa, const u8 *host)
{
	struct vm *vm = ctx;

	if (vm->c.step.naccess < KT_STEP_ACCESSES && vm->c.scratch_used + 4096 <= X86_SCRATCH) {
		x86_ram_write(&vm->c, gpa, 1);
		x86_step_access(&vm->c, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT, gpa, gpa, 4096, host, 4096);
	} else {
		x86_kvm_keep_dirty(vm, gpa);
	}
}

/* Is RIP behind the first instruction of an exception's handler? Then the host delivered what was not predicted, and ran
 * on. The vector, or -1. */
static int handler_behind(struct vm *vm)
{
	const struct x86_cpu *c = &vm->c;
	bool wide = c->r[X86_efer] & X86_EFER_LMA;
	unsigned size = wide ? 16 : 8;
	struct x86_fault f;
	u64 nearest = 15;
	int found = -1;

	for (unsigned v = 0; v < 32 && c->r[X86_cr0] & X86_CR0_PE; v++) {
		u8 g[16] = { 0 };
		u64 pa, handler = 0, va = c->r[X86_idtr_base] + v * size;
		if (v * size + size - 1 > c->r[X86_idtr_limit] || x86_peek_pa(c, va, X86_USE_READ | X86_USE_IMPLICIT, &pa, &f))
			break;
		const u8 *host = x86_ram(c, pa, size);
		if (!host)
			continue;
		memcpy(g, host, size);
		handler = (u64)(g[0] | g[1] << 8 | (u32)g[6] << 16 | (u32)g[7] << 24);
		for (unsigned n = 0; wide && n < 4; n++)
			handler |= (u64)g[8 + n] << (32 + 8 * n);
		if (!handler || c->r[X86_rip] - handler - 1 >= nearest)
			continue;
		nearest = c->r[X86_rip] - handler - 1; /* handlers may lie close together */
		found = (int)v;
	}
	return found;
}

int x86_gap(struct vm *vm, unsigned reason, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	u64 r[X86_NREGS];
	int rc = x86_kvm_flush(vm, err);

	if (!rc)
		rc = read_all(vm, r, err);
	if (rc)
		return rc;
	c->step.kind = KT_STEP_GAP;
	c->step.naccess = 0;
	c->scratch_used = 0;
	vm->b.counts.gaps++;
	for (unsigned i = 0; i < X86_NREGS; i++)
		if (i < X86_NHOT)
			c->r[i] = r[i];
		else
			x86_set(c, i, r[i]);
	int vector = handler_behind(vm);
	if (vector >= 0) {
		reason = KT_GAP_UNPREDICTED;
		vm->b.counts.unpredicted++;
		x86_step_event(c, KT_EVENT_UNPREDICTED, (u16)vector, 0, c->r[X86_cr2]);
	}
	x86_step_event(c, KT_EVENT_GAP, (u16)reason, 0, 0);
	vm->armed = 0;
	return vm_dirty_pages(vm, changed_page, vm, err);
}
