/* SPDX-License-Identifier: MIT */
/* Flat binaries: bytes at an address, entered in a mode, both as the user says.
 *
 * Defaults: load 0x7c00 in real mode and 0x100000 otherwise; entry = load. Mode AUTO is real mode, which needs an entry
 * below 1 MiB. Real mode: CS:IP as image_enter_real says, SS:SP = 0:load, a stack that grows down from the image; 0:0
 * (the first push goes to 0xfffe) where load is below 0x1000 or above 0xffff. Protected and long mode: as image_load.h
 * says. All other general registers are zero. */
#include "vm/image_load.h"

enum { REAL_LOAD = 0x7c00, HIGH_LOAD = 0x100000, REAL_END = 0x100000, STACK_MIN = 0x1000, STACK_END = 0x10000 };

int image_load_flat(struct image_load *l)
{
	const struct vm_config *c = l->c;
	bool real = c->mode == VM_MODE_AUTO || c->mode == VM_MODE_REAL;
	u64 load = c->load || c->has_load ? c->load : real ? REAL_LOAD : HIGH_LOAD;
	u64 entry = c->entry || c->has_entry ? c->entry : load;
	if (c->initrd || c->append)
		return image_bad_arg(l, "a flat binary takes no --%s: nothing tells it where that lies",
				     c->initrd ? "initrd" : "append");
	if (real && entry >= REAL_END)
		return image_bad_arg(l,
				     "entry 0x%llx lies above 1 MiB, where real mode does not reach: say --mode "
				     "protected or --mode long",
				     (unsigned long long)entry);
	if (entry >= IMAGE_4G)
		return image_bad_arg(l, "entry 0x%llx lies above 4 GiB, where nothing is mapped at the start",
				     (unsigned long long)entry);
	int rc = image_place(l, "the flat binary", load, l->data, l->size, l->size);
	if (!rc && !guest_mem_at(l->m, entry, 1))
		rc = image_bad_arg(l, "there is no RAM at the entry 0x%llx", (unsigned long long)entry);
	if (rc)
		return rc;
	if (real)
		image_enter_real(l, entry, load >= STACK_MIN && load < STACK_END ? (u16)(load & ~(u64)15) : 0);
	else
		rc = c->mode == VM_MODE_PROTECTED ? image_enter_protected(l, entry) : image_enter_long(l, entry);
	return rc ? rc : image_note(l, l->path, "flat", load, l->size, entry);
}
