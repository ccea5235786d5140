/* SPDX-License-Identifier: MIT */
/* One KVM_RUN: what is dirty goes in with it, hot registers come back with it, device accesses are answered on the way.
 *
 * Whether an access's instruction is done is told by PC alone: hosts differ in how many exits an access makes and in
 * whether PC has moved when they come. A watchdog signal guards the call; time never decides what is recorded. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vm/x86_64/x86_vm.h"

enum { ARMED_STEP = 1, KICK_SECONDS = 1, STUCK_SECONDS = 20 };
enum { RUN_ON = -1000 }; /* beside X86_RETIRED and the like: enter again */

static void on_kick(int sig)
{
	(void)sig; /* its only work is to make KVM_RUN return */
}

/* A timer for the stepping thread alone: a host program's other threads never see the signal. */
static int watchdog(struct vm *vm, struct kt_err *err)
{
	int sig = SIGRTMAX - 4, tid = (int)syscall(SYS_gettid);
	struct sigaction old, sa = { .sa_handler = on_kick };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig };
	struct itimerspec every = { { KICK_SECONDS, 0 }, { KICK_SECONDS, 0 } };

	if (vm->watchdog_set)
		timer_delete(vm->watchdog);
	vm->watchdog_set = false;
	vm->watchdog_tid = tid;
	ev._sigev_un._tid = tid;
	sigemptyset(&sa.sa_mask);
	if (!sigaction(sig, NULL, &old) && old.sa_handler == SIG_DFL)
		sigaction(sig, &sa, NULL);
	if (timer_create(CLOCK_MONOTONIC, &ev, &vm->watchdog) || timer_settime(vm->watchdog, 0, &every, NULL))
		return kt_fail(err, KT_E_IO, "the watchdog timer: %s", strerror(errno));
	vm->watchdog_set = true;
	return 0;
}

void x86_kvm_stop_watchdog(struct vm *vm)
{
	if (vm->watchdog_set)
		timer_delete(vm->watchdog);
	vm->watchdog_set = false;
}

int x86_kvm_begin(struct vm *vm, struct kt_err *err)
{
	return vm->watchdog_set ? 0 : watchdog(vm, err);
}

static int arm(struct vm *vm, u64 want, struct kt_err *err)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE };

	if (want == ARMED_STEP) {
		d.control |= KVM_GUESTDBG_SINGLESTEP;
	} else {
		d.control |= KVM_GUESTDBG_USE_HW_BP;
		d.arch.debugreg[0] = want;
		d.arch.debugreg[7] = 0x402; /* G0, execute, length 1; bit 10 reads as one (SDM 3, 18.2.4) */
	}
	if (ioctl(vm->vcpu, KVM_SET_GUEST_DEBUG, &d))
		return kt_fail(err, KT_E_NO_KVM, "KVM_SET_GUEST_DEBUG: %s", strerror(errno));
	vm->armed = want;
	return 0;
}

/* KVM_RUN that executes nothing: the answered access is completed in KVM. Further fragments of a wide MMIO write are answered. */
static int complete_io(struct vm *vm, struct kt_err *err)
{
	struct kvm_run *run = vm->run;

	run->immediate_exit = 1;
	for (unsigned guard = 0; vm->io_pending; guard++) {
		vm->io_pending = false;
		vm->b.counts.extra_exits++;
		if (!ioctl(vm->vcpu, KVM_RUN, 0)) {
			if (run->exit_reason != KVM_EXIT_MMIO || guard > 64)
				break;
			x86_access_device(vm, KT_SPACE_MMIO, run->mmio.is_write, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
			vm->io_pending = true;
		} else if (errno != EINTR && errno != EAGAIN) {
			run->immediate_exit = 0;
			return kt_fail(err, KT_E_IO, "KVM_RUN (completing an access): %s", strerror(errno));
		}
	}
	run->immediate_exit = 0;
	return 0;
}

int x86_kvm_put_fpu(struct vm *vm, struct kt_err *err)
{
	u8 *area = vm->xsave;
	u64 present = 3; /* XSTATE_BV: x87 and SSE */

	memset(area, 0, sizeof vm->xsave);
	x86_regs_to_fx(vm->c.r, area, 16);
	memcpy(area + X86_FX_SIZE, &present, 8);
	if (ioctl(vm->vcpu, KVM_SET_XSAVE, vm->xsave))
		return kt_fail(err, KT_E_IO, "KVM_SET_XSAVE: %s", strerror(errno));
	vm->c.dirty &= ~(unsigned)X86_DIRTY_FPU;
	return 0;
}

int x86_kvm_get_fpu(struct vm *vm, u64 *r, struct kt_err *err)
{
	if (ioctl(vm->vcpu, KVM_GET_XSAVE, vm->xsave))
		return kt_fail(err, KT_E_IO, "KVM_GET_XSAVE: %s", strerror(errno));
	x86_regs_from_fx(r, vm->xsave, 16);
	return 0;
}

static void hot_to_kvm(const struct x86_cpu *c, struct kvm_regs *k)
{
	memcpy(k, c->r, sizeof *k);
	k->rflags &= ~(u64)(X86_TF | X86_RF); /* the guest's own are matched by us */
}

int x86_kvm_flush(struct vm *vm, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	int rc = vm->io_pending ? complete_io(vm, err) : 0;

	if (rc)
		return rc;
	if (c->dirty & X86_DIRTY_SREGS) {
		struct kvm_sregs s;
		x86_sregs_of(vm, &s);
		vm->run->cr8 = s.cr8; /* without an APIC in the kernel, KVM_RUN takes CR8 from here */
		if (ioctl(vm->vcpu, KVM_SET_SREGS, &s))
			return kt_fail(err, KT_E_IO, "KVM refuses the segment and control registers: %s", strerror(errno));
	}
	if (c->dirty & X86_DIRTY_HOT) {
		struct kvm_regs k;
		hot_to_kvm(c, &k);
		if (ioctl(vm->vcpu, KVM_SET_REGS, &k))
			return kt_fail(err, KT_E_IO, "KVM_SET_REGS: %s", strerror(errno));
	}
	if (c->dirty & X86_DIRTY_MSRS) {
		u64 room[(sizeof(struct kvm_msrs) + X86_KVM_MSRS * sizeof(struct kvm_msr_entry)) / 8 + 1] = { 0 };
		struct kvm_msrs *m = (struct kvm_msrs *)room;
		x86_regs_to_msrs(c->r, m->entries, &m->nmsrs);
		(void)ioctl(vm->vcpu, KVM_SET_MSRS, m); /* only a free-running guest would use them: all their instructions are shims */
	}
	if (c->dirty & (X86_DIRTY_SREGS | X86_DIRTY_HOT))
		vm->b.counts.reg_writes++;
	vm->armed = 0;
	c->dirty &= X86_DIRTY_FPU;
	return c->dirty ? x86_kvm_put_fpu(vm, err) : 0;
}

/* Brings KVM up to date and arms. On TF-based hosts TF is put into the flags at the moment of arming, for the PC of that
 * moment only: registers first, by ioctl, then arm. Elsewhere registers ride on KVM_RUN. */
static int prepare(struct vm *vm, u64 want, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	struct kvm_run *run = vm->run;
	int rc = 0;

	if (c->dirty & (X86_DIRTY_HOT | X86_DIRTY_SREGS)) {
		if (vm->io_pending)
			rc = complete_io(vm, err);
		if (rc)
			return rc;
		if (vm->tf_rules) {
			unsigned fpu = c->dirty & (X86_DIRTY_FPU | X86_DIRTY_MSRS);
			c->dirty &= ~fpu;
			rc = x86_kvm_flush(vm, err);
			c->dirty |= fpu;
			if (rc)
				return rc;
		} else {
			if (c->dirty & X86_DIRTY_HOT) {
				hot_to_kvm(c, &run->s.regs.regs);
				run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
			}
			if (c->dirty & X86_DIRTY_SREGS) {
				x86_sregs_of(vm, &run->s.regs.sregs);
				run->cr8 = run->s.regs.sregs.cr8;
				run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
			}
			c->dirty &= ~(unsigned)(X86_DIRTY_HOT | X86_DIRTY_SREGS);
			vm->b.counts.reg_writes++;
		}
	}
	return vm->armed == want ? 0 : arm(vm, want, err);
}

static void port_access(struct vm *vm)
{
	struct kvm_run *run = vm->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	u64 room = vm->run_size - KT_MIN(vm->run_size, run->io.data_offset);

	for (u32 i = 0; i < run->io.count && (u64)(i + 1) * run->io.size <= room; i++)
		x86_access_device(vm, KT_SPACE_PORT, run->io.direction == KVM_EXIT_IO_OUT, run->io.port, data + (size_t)i * run->io.size,
		                  run->io.size);
}

/* A kick, or a signal meant for the program. KVM looks for signals between an access's completion and the entry in which
 * the breakpoint behind the instruction would hit: then the instruction is done, and only the exit is missing. */
static int kicked(struct vm *vm, u64 start)
{
	struct x86_cpu *c = &vm->c;
	struct timespec now;

	vm->b.counts.kicks++;
	if (vm->run->s.regs.regs.rip != start) {
		vm->armed = 0;
		return X86_RETIRED;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!vm->kicks_here++)
		vm->kicked_s = now.tv_sec;
	if (now.tv_sec - vm->kicked_s < STUCK_SECONDS)
		return RUN_ON;
	x86_end(c, VM_END_STUCK, 0, "the instruction at %#llx did not finish within %u seconds", (unsigned long long)c->step.pc, STUCK_SECONDS);
	return X86_ENDED;
}

/* The emulator gave up. Kernels without KVM_CAP_EXIT_ON_EMULATION_FAILURE have queued a #UD by now. */
static int cannot(struct vm *vm, struct kt_err *err)
{
	struct kvm_vcpu_events e;

	if (vm->run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION)
		return kt_fail(err, KT_E_IO, "KVM reports internal error %u at pc %#llx", vm->run->internal.suberror,
		               (unsigned long long)vm->c.step.pc);
	if (!ioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &e)) {
		e.exception.injected = 0;
		e.exception.pending = 0;
		e.flags = 0;
		(void)ioctl(vm->vcpu, KVM_SET_VCPU_EVENTS, &e);
	}
	vm->armed = 0;
	vm->c.dirty |= X86_DIRTY_HOT;
	return X86_CANNOT;
}

/* Answers one exit. */
static int one_exit(struct vm *vm, u64 start, struct kt_err *err)
{
	struct kvm_run *run = vm->run;

	switch (run->exit_reason) {
	case KVM_EXIT_DEBUG:
		return X86_RETIRED;
	case KVM_EXIT_IO:
		port_access(vm);
		vm->io_pending = true;
		break;
	case KVM_EXIT_MMIO:
		x86_access_device(vm, KT_SPACE_MMIO, run->mmio.is_write, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
		vm->io_pending = true;
		vm->tf_lost = vm->tf_rules;
		if (run->s.regs.regs.rip != start) { /* a wide write may have more to come */
			int rc = complete_io(vm, err);
			return rc ? rc : X86_RETIRED;
		}
		break;
	case KVM_EXIT_SET_TPR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		return cannot(vm, err);
	case KVM_EXIT_SHUTDOWN: /* the registers are no longer the guest's: never read them */
		x86_end(&vm->c, VM_END_UNSUPPORTED, 0, "the host shut the vCPU down at pc %#llx (CPL %u)", (unsigned long long)vm->c.step.pc,
		        x86_cpl(vm->c.r));
		return X86_ENDED;
	case KVM_EXIT_FAIL_ENTRY:
		return kt_fail(err, KT_E_IO, "the CPU refused to enter the guest at pc %#llx (reason %#llx)", (unsigned long long)vm->c.step.pc,
		               (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	default:
		return kt_fail(err, KT_E_IO, "KVM left the guest at pc %#llx for reason %u, which is not known here",
		               (unsigned long long)vm->c.step.pc, run->exit_reason);
	}
	return run->s.regs.regs.rip != start ? X86_RETIRED : RUN_ON;
}

int x86_kvm_run(struct vm *vm, u64 bp, bool sregs_back, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	struct kvm_run *run = vm->run;
	u64 want = bp ? bp : ARMED_STEP, start = c->r[X86_rip], tf = c->r[X86_rflags] & X86_TF;
	int rc;

	if (bp)
		vm->b.counts.breakpoint_steps++;
	else
		vm->b.counts.kvm_steps++;
	vm->kicks_here = 0;
	vm->tf_lost = false;
	run->kvm_valid_regs = KVM_SYNC_X86_REGS | (sregs_back ? KVM_SYNC_X86_SREGS : 0);
	do {
		rc = prepare(vm, want, err);
		if (rc)
			return rc;
		bool was_pending = vm->io_pending;
		vm->io_pending = false;
		if (kt_likely(!ioctl(vm->vcpu, KVM_RUN, 0))) {
			rc = one_exit(vm, start, err);
			if (was_pending)
				vm->b.counts.extra_exits++;
		} else if (errno == EINTR || errno == EAGAIN) {
			rc = kicked(vm, start);
		} else {
			return kt_fail(err, KT_E_IO, "KVM_RUN at pc %#llx: %s", (unsigned long long)c->step.pc, strerror(errno));
		}
	} while (rc == RUN_ON);
	if (vm->tf_lost)
		vm->armed = 0;
	if (rc != X86_RETIRED && rc != X86_LOST)
		return rc;
	memcpy(c->r, &run->s.regs.regs, sizeof run->s.regs.regs);
	c->r[X86_rflags] = (c->r[X86_rflags] & ~(u64)(X86_TF | X86_RF)) | tf;
	return rc;
}
