/* SPDX-License-Identifier: MIT */
/* Which kind of x86 guest a file is, and what to say about one that is none. */
#include "vm/image_load.h"

#include <stdio.h>
#include <string.h>

static const char recognised[] = "recognised are Linux bzImage, ELF (vmlinux too), multiboot 1, BIOS images (64 KiB to "
				 "16 MiB), and with --load ADDR any binary";

/* What people give by mistake. `at`: where the magic stands. */
static const struct {
	u32 at;
	u8 len;
	const char *magic, *says;
} others[] = {
	{ 0, 3, "\xff\xd8\xff", "a JPEG picture" },
	{ 0, 8, "\x89PNG\r\n\x1a\n", "a PNG picture" },
	{ 0, 4, "%PDF", "a PDF document" },
	{ 0, 4, "PK\3\4", "a ZIP archive" },
	{ 0, 4, "QFI\xfb", "a qcow2 disk image (ktrace has no disks: give the kernel inside it)" },
	{ 0, 16, "SQLite format 3", "an SQLite file; a trace is opened with -i" },
	{ 0, 6, "070701", "a cpio archive: an initrd goes to --initrd" },
	{ 0, 8, "!<arch>\n", "an archive or a Debian package: unpack it (dpkg-deb -x) and give the kernel inside" },
	{ 0x38, 4, "ARM\x64", "an arm64 Linux Image: record it on an arm64 host" },
	{ 0, 4, "\xd6\x50\x52\xe8", "a multiboot 2 file: only multiboot 1 is supported" },
	{ 0, 2, "\x55\xaa", "an option ROM: firmware loads those, not ktrace" },
	{ 0, 2, "MZ", "an EFI or DOS program: ktrace loads those only as bzImage" },
	{ 0, 2, "#!", "a script" },
	{ 0x8001, 5, "CD001", "a CD image (ktrace has no drives: give the kernel inside it)" },
	{ 0x1fe, 2, "\x55\xaa", "a boot sector or disk image: a boot sector is given with --load 0x7c00" },
};

static bool looks_like_text(const u8 *p, size_t n)
{
	for (size_t i = 0; i < KT_MIN(n, (size_t)512); i++)
		if (p[i] < 0x20 ? p[i] != '\n' && p[i] != '\r' && p[i] != '\t' : p[i] == 0x7f)
			return false;
	return true;
}

/* A sentence about a file that is no guest image; NULL if there is nothing to say. */
static const char *what_is_it(const u8 *p, size_t n)
{
	for (unsigned i = 0; i < KT_ARRAY_LEN(others); i++)
		if (n >= others[i].at + others[i].len && !memcmp(p + others[i].at, others[i].magic, others[i].len))
			return others[i].says;
	return looks_like_text(p, n) ? "a text file" : NULL;
}

static int refuse(struct image_load *l)
{
	const char *pack = image_pack_name(l->data, l->size), *is = what_is_it(l->data, l->size);
	if (pack)
		return image_bad(l, "not a guest image: it is %s-compressed, unpack it first; %s", pack, recognised);
	return image_bad(l, "not a guest image%s%s; %s", is ? ": it looks like " : "", is ? is : "", recognised);
}

/* What only some formats understand. */
static int check_options(struct image_load *l, bool bzimage, bool bios)
{
	if (l->c->boot == VM_BOOT_FIRMWARE_ENTRY && !bzimage && !bios)
		return image_bad_arg(l, "--boot firmware-entry is for a bzImage, which has one: leave it out");
	if (l->c->boot == VM_BOOT_KERNEL_ENTRY && bios)
		return image_bad_arg(l, "--boot kernel-entry: a firmware image has no kernel entry, leave it out");
	if (l->c->mode != VM_MODE_AUTO && !l->c->flat)
		return image_bad_arg(l, "--mode is for flat binaries, this file says itself how it is entered: leave "
					"it out, or add --load ADDR");
	return 0;
}

static int load(struct image_load *l)
{
	const u8 *p = l->data;
	size_t n = l->size;
	bool bzimage = !l->c->flat && image_is_bzimage(p, n), elf = image_is_elf(p, n),
	     multiboot = image_multiboot_header(p, n) >= 0;
	if (!n)
		return image_bad(l, "the file is empty");
	if (!l->c->flat && !bzimage && !elf && !multiboot &&
	    (what_is_it(p, KT_MIN(n, (size_t)0x1fe)) || !image_is_bios(p, n)))
		return refuse(l);
	int rc = check_options(l, bzimage, !l->c->flat && !bzimage && !elf && !multiboot);
	if (rc)
		return rc;
	if (l->c->flat)
		return image_load_flat(l);
	if (bzimage)
		return image_load_bzimage(l);
	if (multiboot)
		return image_load_multiboot(l);
	return elf ? image_load_elf(l) : image_load_bios(l);
}

int image_load_x86_bytes(const struct vm_config *c, const struct guest_mem *m, const u8 *data, size_t size, u64 *regs,
			 struct loaded *out, struct kt_err *err)
{
	struct image_load l = {
		.c = c, .m = m, .regs = regs, .out = out, .err = err, .path = c->image, .data = data, .size = size
	};
	out->n = 0;
	return load(&l);
}

int image_load_x86(const struct vm_config *c, const struct guest_mem *m, u64 *regs, struct loaded *out,
		   struct kt_err *err)
{
	struct kt_buf file = { 0 };
	int rc = image_file_read(c->image, "--vm", &file, err);
	if (!rc)
		rc = image_load_x86_bytes(c, m, file.data, file.len, regs, out, err);
	kt_buf_free(&file);
	return rc;
}
