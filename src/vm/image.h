/* SPDX-License-Identifier: MIT */
/* Guest images: recognising a file, unpacking it, laying it into guest memory, and the initial state it asks for.
 * Image files are hostile: every offset is checked. Knows no KVM. */
#ifndef VM_IMAGE_H
#define VM_IMAGE_H

#include "vm/vm.h"

/* Guest RAM as the loaders see it. */
struct guest_mem {
	const struct vm_ram *ram;
	unsigned n;
	u64 total;           /* bytes of RAM */
	u64 below_4g, above_4g;
};
/* Host pointer to [gpa, gpa+size), or NULL if not all of it lies in one range. Overflow-safe. */
u8 *guest_mem_at(const struct guest_mem *m, u64 gpa, u64 size);

enum { IMAGE_MAX = 8 };
struct loaded {
	struct vm_image_info info[IMAGE_MAX];
	unsigned n;
};

/* Loads c->image (and initrd) into zeroed RAM and writes the boot CPU's whole initial register file to `regs`
 * (X86_NREGS of them, canonical reset state of x86_model_reset already in place). x86: bzImage, vmlinux and other ELF,
 * multiboot 1, BIOS, flat. -KT_E_IMAGE with what is wrong and what to do, -KT_E_IO, -KT_E_ARG. */
int image_load_x86(const struct vm_config *c, const struct guest_mem *m, u64 *regs, struct loaded *out, struct kt_err *err);

#endif
