/* SPDX-License-Identifier: MIT */
/* Which kind of host this is, found out by stepping a few instructions in a small machine of the probe's own. Nothing
 * is concluded from names or versions: what counts is what KVM_RUN does. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm/x86_64/x86_vm.h"

enum {
	SIZE = 1 << 20,
	CODE = 0x1000,
	STACK = 0x8000,
	PML4 = 0x2000,
	PDPT = 0x3000,
	PD = 0x4000,
	SENTINEL = 0x80 /* port: code that ran past its step comes out here instead of running on */
};

struct probe {
	int vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	u8 *mem;
};

static void probe_close(struct probe *p)
{
	if (p->run)
		munmap(p->run, p->run_size);
	if (p->mem)
		munmap(p->mem, SIZE);
	if (p->vcpu >= 0)
		close(p->vcpu);
	if (p->vm >= 0)
		close(p->vm);
}

/* KVM raises #UD for what its CPUID does not show; the host's own shows the fences. */
static bool give_cpuid(int kvm, int vcpu)
{
	enum { ENTRIES = 256 };
	u64 room[(sizeof(struct kvm_cpuid2) + ENTRIES * sizeof(struct kvm_cpuid_entry2)) / 8 + 1] = { 0 };
	struct kvm_cpuid2 *t = (struct kvm_cpuid2 *)room;

	t->nent = ENTRIES;
	return !ioctl(kvm, KVM_GET_SUPPORTED_CPUID, t) && !ioctl(vcpu, KVM_SET_CPUID2, t);
}

static bool probe_open(struct probe *p, int kvm)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	*p = (struct probe){ .vm = -1, .vcpu = -1 };
	p->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	void *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->vm < 0 || mem == MAP_FAILED || size <= 0)
		return false;
	p->mem = mem;
	struct kvm_userspace_memory_region r = { .memory_size = SIZE, .userspace_addr = (u64)(uintptr_t)mem };
	(void)ioctl(p->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	p->vcpu = ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &r) ? -1 : ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0)
		return false;
	void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	if (run == MAP_FAILED)
		return false;
	p->run = run;
	p->run_size = (size_t)size;
	return give_cpuid(kvm, p->vcpu);
}

/* 64-bit mode with flat segments at privilege `ring`; the first 2 MiB mapped for everybody. */
static bool set_state(struct probe *p, unsigned ring)
{
	struct kvm_segment code = { .limit = 0xffffffff, .selector = (u16)(8 | ring), .type = 11, .present = 1, .dpl = (u8)ring, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = 0xffffffff, .selector = (u16)(16 | ring), .type = 3, .present = 1, .dpl = (u8)ring, .s = 1, .db = 1, .g = 1 };
	static const u64 entries[3] = { PDPT | 7, PD | 7, 0x87 };
	struct kvm_sregs s;

	memcpy(p->mem + PML4, &entries[0], 8);
	memcpy(p->mem + PDPT, &entries[1], 8);
	memcpy(p->mem + PD, &entries[2], 8);
	if (ioctl(p->vcpu, KVM_GET_SREGS, &s))
		return false;
	s.cr3 = PML4;
	s.cr4 = X86_CR4_PAE;
	s.cr0 = 0x80050033;
	s.efer = X86_EFER_LME | X86_EFER_LMA;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	return !ioctl(p->vcpu, KVM_SET_SREGS, &s);
}

/* Lays `code` down, the sentinel behind it, and arms: bp 0 is single-step. */
static bool begin(struct probe *p, const u8 *code, size_t n, u64 bp)
{
	static const u8 sentinel[] = { 0xe6, SENTINEL, 0xeb, 0xfc };
	struct kvm_regs r = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE };

	memset(p->mem + CODE, 0x90, 64);
	memcpy(p->mem + CODE, code, n);
	memcpy(p->mem + CODE + 64, sentinel, sizeof sentinel);
	if (bp) {
		d.control |= KVM_GUESTDBG_USE_HW_BP;
		d.arch.debugreg[0] = bp;
		d.arch.debugreg[7] = 0x402;
	} else {
		d.control |= KVM_GUESTDBG_SINGLESTEP;
	}
	p->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	return set_state(p, 0) && !ioctl(p->vcpu, KVM_SET_REGS, &r) && !ioctl(p->vcpu, KVM_SET_GUEST_DEBUG, &d);
}

/* Runs to the next exit. The offset of RIP in the code if it was a debug exit, else -1. */
static int go(struct probe *p)
{
	int rc;

	do
		rc = ioctl(p->vcpu, KVM_RUN, 0);
	while (rc < 0 && (errno == EINTR || errno == EAGAIN));
	return rc < 0 || p->run->exit_reason != KVM_EXIT_DEBUG ? -1 : (int)(p->run->s.regs.regs.rip - CODE);
}

static int step_code(struct probe *p, const u8 *code, size_t n)
{
	return begin(p, code, n, 0) ? go(p) : -1;
}

/* Does the step survive a register write that rides on KVM_RUN? */
static bool survives_write(struct probe *p)
{
	static const u8 nops[] = { 0x90, 0x90 };

	if (step_code(p, nops, sizeof nops) != 1)
		return false;
	p->run->s.regs.regs.rax = 1;
	p->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return go(p) == 2;
}

static bool shows_tf(struct probe *p)
{
	static const u8 pushf[] = { 0x9c };
	u64 image;

	if (step_code(p, pushf, sizeof pushf) != 1)
		return true;
	memcpy(&image, p->mem + STACK - 8, 8);
	return image & X86_TF;
}

static bool runs_ring3(struct probe *p)
{
	static const u8 nop[] = { 0x90 };
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };

	return begin(p, nop, sizeof nop, 0) && set_state(p, 3) && !ioctl(p->vcpu, KVM_SET_GUEST_DEBUG, &d) && go(p) == 1;
}

/* Protected mode with 32-bit paging, one page of 4 MiB. A KVM without it may refuse the registers or shut the vCPU down. */
static bool set_paging32(struct probe *p)
{
	static const u32 entry = 0x83;
	struct kvm_sregs s;

	if (!set_state(p, 0) || ioctl(p->vcpu, KVM_GET_SREGS, &s))
		return false;
	memcpy(p->mem + PD, &entry, 4);
	s.cr3 = PD;
	s.cr4 = X86_CR4_PSE;
	s.efer = 0;
	s.cs.l = 0;
	s.cs.db = 1;
	return !ioctl(p->vcpu, KVM_SET_SREGS, &s);
}

static bool runs_paging32(int kvm)
{
	static const u8 nop[] = { 0x90 };
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct probe p;
	bool yes = probe_open(&p, kvm) && begin(&p, nop, sizeof nop, 0) && set_paging32(&p) &&
	           !ioctl(p.vcpu, KVM_SET_GUEST_DEBUG, &d) && go(&p) == 1;

	probe_close(&p);
	return yes;
}

int x86_probe(int kvm, struct x86_host *out, struct kt_err *err)
{
	static const u8 nop[] = { 0x90 }, mfence[] = { 0x0f, 0xae, 0xf0 };
	struct probe p;
	int rc = 0;

	*out = (struct x86_host){ 0 };
	if (!probe_open(&p, kvm)) {
		rc = kt_fail(err, KT_E_NO_KVM, "a small machine for looking at this host's KVM could not be made: %s", strerror(errno));
	} else if (step_code(&p, nop, sizeof nop) != 1) {
		rc = kt_fail(err, KT_E_NO_KVM, "this host's KVM does not single-step (a nop did not end in a debug exit, but in exit %u)",
		             p.run->exit_reason);
	} else {
		out->late_traps = step_code(&p, mfence, sizeof mfence) != 3;
		out->tf_based = !survives_write(&p) || shows_tf(&p);
		out->breakpoints = begin(&p, nop, sizeof nop, CODE + 3) && go(&p) == 3;
		out->ring3 = runs_ring3(&p); /* last: it may end in a shutdown */
		out->paging32 = runs_paging32(kvm);
	}
	probe_close(&p);
	return rc;
}

static void line(struct kt_buf *b, const char *text)
{
	kt_buf_put(b, text, strlen(text));
	kt_buf_u8(b, '\n');
}

int vm_doctor(struct kt_buf *text, bool *usable, struct kt_err *err)
{
	struct x86_host h;
	struct kt_err why = { 0 };
	int kvm = x86_kvm_open(&why);

	*usable = false;
	if (kvm < 0) {
		line(text, why.text);
		return text->failed ? kt_fail(err, KT_E_NOMEM, "out of memory") : 0;
	}
	line(text, "/dev/kvm: opens");
	if (x86_probe(kvm, &h, &why)) {
		line(text, why.text);
	} else {
		*usable = true;
		line(text, h.tf_based ? "stepping: by the trap flag (hardware virtualization); re-armed after every write and delivery"
		                      : "stepping: survives register writes (KVM's emulator is the CPU, or a monitor trap)");
		line(text, h.late_traps ? "traps: late after fences and some others; those run to a hardware breakpoint" : "traps: on time");
		line(text, h.breakpoints ? "hardware breakpoints: work" : "hardware breakpoints: do not hit; REP is stepped by iteration");
		line(text, h.paging32 ? "paging outside long mode: works" : "paging outside long mode: not in this KVM; run without it, by ktrace");
		line(text, h.ring3 ? "user mode (CPL 3): runs" : "user mode (CPL 3): KVM does not run it; it is run at CPL 0, with its rights checked by ktrace");
	}
	close(kvm);
	return text->failed ? kt_fail(err, KT_E_NOMEM, "out of memory") : 0;
}
