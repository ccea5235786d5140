/* SPDX-License-Identifier: MIT */
/* KVM itself: opening it, building the machine's memory and vCPU, and one KVM_RUN. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm/x86_64/x86_vm.h"

/* Where Intel hosts without unrestricted guest want three pages and one page of guest-physical space for their own use: below the
 * 16 MiB that a ROM may take, the same place QEMU gives them. */
enum { TSS_ADDR = 0xfeffd000u, IDENTITY_MAP_ADDR = 0xfeffc000u };
static const u64 below_4g_max = 3ull << 30, four_g = 4ull << 30;

int x86_kvm_open(struct kt_err *err)
{
	static const struct {
		int cap;
		const char *what;
	} needed[] = {
		{ KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS" },
		{ KVM_CAP_SET_GUEST_DEBUG, "KVM_CAP_SET_GUEST_DEBUG" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	};
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return kt_fail(err, KT_E_NO_KVM, "/dev/kvm: %s; %s", strerror(errno),
		               errno == EACCES ? "add yourself to the group kvm (or run as root)"
		                               : "load the kvm module of your CPU, or record on a host that has it");
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		close(fd);
		return kt_fail(err, KT_E_NO_KVM, "/dev/kvm is not the KVM device (no KVM API version %d): look at what stands there, or record on another host", KVM_API_VERSION);
	}
	for (unsigned i = 0; i < KT_ARRAY_LEN(needed); i++) {
		int have = ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap);
		if (have > 0 && (needed[i].cap != KVM_CAP_SYNC_REGS || have & KVM_SYNC_X86_REGS))
			continue;
		close(fd);
		return kt_fail(err, KT_E_NO_KVM, "this kernel's KVM has no %s: a newer host kernel (4.17 or later) is needed", needed[i].what);
	}
	return fd;
}

static void add_range(struct vm *vm, u64 gpa, u64 size, u8 *host)
{
	vm->b.ram[vm->b.nram++] = (struct vm_ram){ gpa, size, host };
}

static int map(size_t size, u8 **out, struct kt_err *err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return kt_fail(err, KT_E_NOMEM, "no address space for %zu bytes of guest memory: %s; choose a smaller --mem", size,
		               strerror(errno));
	*out = p;
	return 0;
}

enum { ROM_SPACE = 16 << 20 };

/* RAM as on a PC: [0, 640K), [768K, 3G), the rest from 4 GiB up. The last 16 MiB below 4 GiB are offered to the image loader
 * for a ROM and given back when nothing was laid there. */
static int map_ram(struct vm *vm, u64 size, struct kt_err *err)
{
	u64 below = KT_MIN(size, below_4g_max);
	int rc = map(size, &vm->mem, err);

	if (!rc) {
		vm->mem_size = size;
		rc = map(ROM_SPACE, &vm->rom, err);
	}
	if (rc)
		return rc;
	add_range(vm, 0, 0xa0000, vm->mem);
	add_range(vm, 0xc0000, below - 0xc0000, vm->mem + 0xc0000);
	add_range(vm, four_g - ROM_SPACE, ROM_SPACE, vm->rom);
	if (size > below)
		add_range(vm, four_g, size - below, vm->mem + below);
	return 0;
}

/* Keeps of the ROM range what a BIOS image takes. */
static void trim_rom(struct vm *vm)
{
	u64 rom = 0;

	for (unsigned i = 0; i < vm->b.images.n; i++) {
		const struct vm_image_info *im = &vm->b.images.info[i];
		if (!strcmp(im->kind, "bios"))
			rom = KT_MAX(rom, KT_MIN((im->size + 4095) & ~4095ull, (u64)ROM_SPACE));
	}
	if (rom) {
		vm->b.ram[2].gpa = four_g - rom;
		vm->b.ram[2].host = vm->rom + (ROM_SPACE - rom);
		vm->b.ram[2].size = rom;
		return;
	}
	munmap(vm->rom, ROM_SPACE);
	vm->rom = NULL;
	for (unsigned i = 2; i + 1 < vm->b.nram; i++)
		vm->b.ram[i] = vm->b.ram[i + 1];
	vm->b.nram--;
}

static int give_ram(struct vm *vm, struct kt_err *err)
{
	u64 most = 0;

	for (unsigned i = 0; i < vm->b.nram; i++) {
		const struct vm_ram *m = &vm->b.ram[i];
		struct kvm_userspace_memory_region r = {
			.slot = i,
			.flags = KVM_MEM_LOG_DIRTY_PAGES,
			.guest_phys_addr = m->gpa,
			.memory_size = m->size,
			.userspace_addr = (u64)(uintptr_t)m->host,
		};
		most = KT_MAX(most, m->size);
		if (ioctl(vm->vmfd, KVM_SET_USER_MEMORY_REGION, &r))
			return kt_fail(err, KT_E_NO_KVM, "KVM_SET_USER_MEMORY_REGION for %#llx: %s", (unsigned long long)m->gpa, strerror(errno));
	}
	vm->log = calloc((most / 4096 + 63) / 64, 8);
	for (unsigned i = 0; i < vm->b.nram; i++) {
		vm->kept[i] = calloc((vm->b.ram[i].size / 4096 + 63) / 64, 8);
		if (!vm->kept[i])
			return kt_fail(err, KT_E_NOMEM, "no memory for the dirty log");
	}
	return vm->log ? 0 : kt_fail(err, KT_E_NOMEM, "no memory for the dirty log");
}

/* KVM is told the canonical CPU, too: it checks CR4 and EFER writes and #UD against it. What the guest's cpuid shows is a
 * shim's business and does not depend on this. */
static int give_cpuid(struct vm *vm, struct kt_err *err)
{
	static const u32 leaves[] = { 0, 1, 2, 4, 7, 0x40000000, 0x80000000, 0x80000001, 0x80000008 };
	u64 room[(sizeof(struct kvm_cpuid2) + KT_ARRAY_LEN(leaves) * sizeof(struct kvm_cpuid_entry2)) / 8 + 1] = { 0 };
	struct kvm_cpuid2 *t = (struct kvm_cpuid2 *)room;

	t->nent = KT_ARRAY_LEN(leaves);
	for (unsigned i = 0; i < KT_ARRAY_LEN(leaves); i++) {
		u32 o[4];
		x86_model_cpuid(&vm->c, leaves[i], 0, o);
		t->entries[i] = (struct kvm_cpuid_entry2){ .function = leaves[i], .eax = o[0], .ebx = o[1], .ecx = o[2], .edx = o[3] };
	}
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, t))
		return kt_fail(err, KT_E_NO_KVM, "KVM_SET_CPUID2: %s", strerror(errno));
	return 0;
}

static int make_vm(struct vm *vm, struct kt_err *err)
{
	u64 identity = IDENTITY_MAP_ADDR;
	struct kvm_enable_cap fail_exit = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 1 } };

	vm->kvm = x86_kvm_open(err);
	if (vm->kvm < 0)
		return vm->kvm;
	int rc = x86_probe(vm->kvm, &vm->host, err);
	if (rc)
		return rc;
	vm->tf_rules = vm->host.tf_based;
	vm->vmfd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->vmfd < 0)
		return kt_fail(err, KT_E_NO_KVM, "KVM_CREATE_VM: %s", strerror(errno));
	/* Only Intel's module knows these two; elsewhere they fail and are not needed. */
	(void)ioctl(vm->vmfd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	(void)ioctl(vm->vmfd, KVM_SET_TSS_ADDR, (unsigned long)TSS_ADDR);
	/* Older kernels lack it; x86_kvm_run then clears the #UD that KVM queues. */
	(void)ioctl(vm->vmfd, KVM_ENABLE_CAP, &fail_exit);
	return 0;
}

static int make_vcpu(struct vm *vm, struct kt_err *err)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vm->vcpu = ioctl(vm->vmfd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0 || size < (int)sizeof(struct kvm_run))
		return kt_fail(err, KT_E_NO_KVM, "KVM_CREATE_VCPU: %s", strerror(errno));
	void *p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (p == MAP_FAILED)
		return kt_fail(err, KT_E_NO_KVM, "mapping the vCPU: %s", strerror(errno));
	vm->run = p;
	vm->run_size = (size_t)size;
	return give_cpuid(vm, err);
}

int x86_kvm_create(struct vm *vm, const struct vm_config *cfg, struct kt_err *err)
{
	int rc = make_vm(vm, err);

	if (!rc)
		rc = map_ram(vm, cfg->mem, err);
	if (rc)
		return rc;
	struct guest_mem mem = {
		.ram = vm->b.ram,
		.n = vm->b.nram,
		.total = cfg->mem,
		.below_4g = KT_MIN(cfg->mem, below_4g_max),
		.above_4g = cfg->mem - KT_MIN(cfg->mem, below_4g_max),
	};
	x86_model_reset(vm->c.r);
	rc = image_load_x86(cfg, &mem, vm->c.r, &vm->b.images, err);
	if (rc)
		return rc;
	trim_rom(vm);
	rc = give_ram(vm, err);
	if (!rc)
		rc = make_vcpu(vm, err);
	vm->c.dirty = X86_DIRTY_HOT | X86_DIRTY_SREGS | X86_DIRTY_MSRS | X86_DIRTY_FPU;
	return rc;
}

void x86_kvm_destroy(struct vm *vm)
{
	if (vm->run)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->vmfd >= 0)
		close(vm->vmfd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	if (vm->mem)
		munmap(vm->mem, vm->mem_size);
	if (vm->rom)
		munmap(vm->rom, ROM_SPACE);
	free(vm->log);
	for (unsigned i = 0; i < VM_RAM_RANGES; i++)
		free(vm->kept[i]);
}

void x86_kvm_keep_dirty(struct vm *vm, u64 gpa)
{
	for (unsigned i = 0; i < vm->b.nram; i++) {
		u64 page = (gpa - vm->b.ram[i].gpa) / 4096;
		if (gpa - vm->b.ram[i].gpa < vm->b.ram[i].size)
			vm->kept[i][page / 64] |= 1ull << page % 64;
	}
}

int vm_dirty_pages(struct vm *vm, void (*fn)(void *ctx, u64 gpa, const u8 *host), void *ctx, struct kt_err *err)
{
	for (unsigned i = 0; i < vm->b.nram; i++) {
		const struct vm_ram *m = &vm->b.ram[i];
		struct kvm_dirty_log log = { .slot = i, .dirty_bitmap = vm->log };
		if (ioctl(vm->vmfd, KVM_GET_DIRTY_LOG, &log))
			return kt_fail(err, KT_E_IO, "KVM_GET_DIRTY_LOG: %s", strerror(errno));
		for (u64 w = 0; w < (m->size / 4096 + 63) / 64; w++) {
			u64 bits = vm->log[w] | vm->kept[i][w];
			vm->kept[i][w] = 0;
			for (; bits; bits &= bits - 1) {
				u64 at = (w * 64 + (u64)__builtin_ctzll(bits)) * 4096;
				if (fn && at < m->size)
					fn(ctx, m->gpa + at, m->host + at);
			}
		}
	}
	return 0;
}
