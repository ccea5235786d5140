/* SPDX-License-Identifier: MIT */
/* Firmware images: the file ends at the top of 4 GiB, where the CPU begins (0xfffffff0), and its last part is copied
 * below 1 MiB, where real mode reaches it. The reset state stays as it is. */
#include "vm/image_load.h"

#include <string.h>

enum { UNIT = 64 << 10, BIOS_MAX = 16 << 20, SHADOW = 128 << 10, WHOLE = 256 << 10, MEG = 1 << 20, RESET = 16 };
#define RESET_VECTOR 0xfffffff0ull

/* There is no magic number, so: the right size, and something at the reset vector that can be code. */
bool image_is_bios(const u8 *p, size_t n)
{
	if (n < UNIT || n > BIOS_MAX || n % UNIT)
		return false;
	const u8 *reset = p + n - RESET;
	bool text = true;
	for (unsigned i = 0; i < RESET; i++)
		text = text && ((reset[i] >= ' ' && reset[i] < 0x7f) || reset[i] == '\n' || reset[i] == '\r' ||
				reset[i] == '\t');
	return !text && reset[0] != 0 && reset[0] != 0xff;
}

int image_load_bios(struct image_load *l)
{
	u64 gpa = IMAGE_4G - l->size;
	/* A 256 KiB SeaBIOS is linked for 0xc0000 to 0xfffff and has no chipset here to ask for a copy. */
	u64 copy = l->size == WHOLE ? WHOLE : KT_MIN(l->size, (size_t)SHADOW);
	if (l->c->initrd || l->c->append)
		return image_bad_arg(l, "a firmware image takes no --%s: that is for kernels",
				     l->c->initrd ? "initrd" : "append");
	if (!guest_mem_at(l->m, gpa, l->size))
		return image_bad(l, "no guest memory at 0x%llx-0xffffffff for the firmware's %zu bytes",
				 (unsigned long long)gpa, l->size);
	int rc = image_place(l, "the firmware at the top of 4 GiB", gpa, l->data, l->size, l->size);
	if (!rc)
		rc = image_place(l, "the firmware's copy below 1 MiB", MEG - copy, l->data + l->size - copy, copy,
				 copy);
	return rc ? rc : image_note(l, l->path, "bios", gpa, l->size, RESET_VECTOR);
}
