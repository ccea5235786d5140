/* SPDX-License-Identifier: MIT */
/* Linux' x86 boot protocol, 64 and 32 bit: the zero page (struct boot_params), the command line, the initrd, memory map
 * and CPU state that a boot loader owes the kernel. Nothing in it depends on the host, and no entropy is handed over
 * (no setup_data): the same options give the same zero page.
 *
 * Numbers: Documentation/arch/x86/boot.rst and zero-page.rst in Linux. Places, when free: zero page 0x20000, command
 * line 0x21000; descriptor table, stack and page tables as image_load.h says; the initrd as high as may be. */
#include "arch/x86_64/x86_regs.h"
#include "vm/image_load.h"

#include <string.h>

enum { ZERO_PAGE = 0x20000, CMDLINE = 0x21000, PAGE = 4096 };
enum {
	Z_E820_ENTRIES = 0x1e8,
	Z_SETUP = 0x1f1,
	Z_BOOT_FLAG = 0x1fe,
	Z_JUMP = 0x201,
	Z_HEADER = 0x202,
	Z_VERSION = 0x206,
	Z_LOADER = 0x210,
	Z_LOADFLAGS = 0x211,
	Z_RAMDISK = 0x218,
	Z_RAMDISK_SIZE = 0x21c,
	Z_CMDLINE = 0x228,
	Z_INITRD_MAX = 0x22c,
	Z_ALIGNMENT = 0x230,
	Z_XLOADFLAGS = 0x236,
	Z_CMDLINE_SIZE = 0x238,
	Z_SETUP_DATA = 0x250,
	Z_SETUP_END = 0x290,
	Z_E820 = 0x2d0
};
enum { LOADER_UNDEFINED = 0xff, LOADED_HIGH = 1, XLF_KERNEL_64 = 1 };
enum { V_INITRD_MAX = 0x203, V_CMDLINE_SIZE = 0x206, V_SYNTHETIC = 0x20f };
enum { OLD_CMDLINE_SIZE = 255, SYNTHETIC_CMDLINE_SIZE = 2047 };
enum { OLD_INITRD_MAX = 0x37ffffff, SYNTHETIC_INITRD_MAX = 0x7fffffff };

/* The setup header as the file has it: from 0x1f1 to 0x202 plus the byte at 0x201, which is the end as the kernel's
 * build knew it. */
static void copy_header(u8 *zp, const u8 *setup)
{
	unsigned end = Z_HEADER + setup[Z_JUMP];
	memcpy(zp + Z_SETUP, setup + Z_SETUP, KT_MIN(end, (unsigned)Z_SETUP_END) - Z_SETUP);
	image_set64(zp + Z_SETUP_DATA, 0);
}

/* For a bare vmlinux, which has none: what any kernel since 6.0's protocol 2.15 would say. */
static void make_header(u8 *zp, bool wide)
{
	image_set16(zp + Z_BOOT_FLAG, 0xaa55);
	memcpy(zp + Z_HEADER, "HdrS", 4);
	image_set16(zp + Z_VERSION, V_SYNTHETIC);
	zp[Z_LOADFLAGS] = LOADED_HIGH;
	image_set32(zp + Z_INITRD_MAX, SYNTHETIC_INITRD_MAX);
	image_set32(zp + Z_ALIGNMENT, 0x200000);
	image_set16(zp + Z_XLOADFLAGS, wide ? XLF_KERNEL_64 : 0);
	image_set32(zp + Z_CMDLINE_SIZE, SYNTHETIC_CMDLINE_SIZE);
}

static int put_cmdline(struct image_load *l, u8 *zp)
{
	const char *text = l->c->append ? l->c->append : "";
	u64 gpa, n = strlen(text),
		 max = image_u16(zp + Z_VERSION) >= V_CMDLINE_SIZE ? image_u32(zp + Z_CMDLINE_SIZE) : OLD_CMDLINE_SIZE;
	u8 *host;
	if (n > max)
		return image_bad_arg(
			l, "the kernel command line has %llu characters, and this kernel takes %llu: shorten --append",
			(unsigned long long)n, (unsigned long long)max);
	int rc = image_scratch(l, "the kernel command line", CMDLINE, n + 1, &gpa, &host);
	if (rc)
		return rc;
	memcpy(host, text, n + 1);
	image_set32(zp + Z_CMDLINE, (u32)gpa);
	return 0;
}

static int place_initrd(struct image_load *l, u8 *zp, const u8 *data, u64 n)
{
	u64 gpa, max = image_u16(zp + Z_VERSION) >= V_INITRD_MAX ? image_u32(zp + Z_INITRD_MAX) : OLD_INITRD_MAX;
	if (!n)
		return kt_fail(l->err, KT_E_IMAGE, "%s: the initrd is empty", l->c->initrd);
	u64 whole = (n + PAGE - 1) & ~(u64)(PAGE - 1);
	if (!image_find(l, 0x100000, max + 1, whole, true, &gpa))
		return kt_fail(l->err, KT_E_IMAGE,
			       "%s: no free guest memory below 0x%llx for the initrd's %llu bytes: give the guest more "
			       "with --mem",
			       l->c->initrd, (unsigned long long)max + 1, (unsigned long long)n);
	int rc = image_place(l, "the initrd", gpa, data, n, whole);
	if (rc)
		return rc;
	image_set32(zp + Z_RAMDISK, (u32)gpa);
	image_set32(zp + Z_RAMDISK_SIZE, (u32)n);
	return image_note(l, l->c->initrd, "initrd", gpa, n, 0);
}

static int put_initrd(struct image_load *l, u8 *zp)
{
	struct kt_buf file = { 0 };
	if (!l->c->initrd)
		return 0;
	int rc = image_file_read(l->c->initrd, "--initrd", &file, l->err);
	if (!rc)
		rc = place_initrd(l, zp, file.data, file.len);
	kt_buf_free(&file);
	return rc;
}

static void put_memory_map(const struct guest_mem *m, u8 *zp)
{
	struct image_map map[IMAGE_MAP_MAX];
	unsigned n = image_memory_map(m, map);
	for (unsigned i = 0; i < n; i++) {
		u8 *e = zp + Z_E820 + 20 * i;
		image_set64(e, map[i].gpa);
		image_set64(e + 8, map[i].size);
		image_set32(e + 16, map[i].type);
	}
	zp[Z_E820_ENTRIES] = (u8)n;
}

int linux_boot(struct image_load *l, const struct linux_kernel *k)
{
	u64 gpa;
	u8 *zp;
	int rc = image_note(l, l->path, k->kind, k->gpa, l->size, k->entry);
	if (!rc)
		rc = k->wide ? image_enter_long(l, k->entry) : image_enter_protected(l, k->entry);
	if (!rc)
		rc = image_scratch(l, "the zero page", ZERO_PAGE, PAGE, &gpa, &zp);
	if (rc)
		return rc;
	if (k->setup)
		copy_header(zp, k->setup);
	else
		make_header(zp, k->wide);
	zp[Z_LOADER] = LOADER_UNDEFINED;
	put_memory_map(l->m, zp);
	l->regs[X86_rsi] = gpa;
	rc = put_cmdline(l, zp);
	return rc ? rc : put_initrd(l, zp);
}
