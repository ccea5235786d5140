/* SPDX-License-Identifier: MIT */
/* Linux' bzImage. By default its payload is unpacked here and the trace begins at the kernel's own startup_64: the
 * decompressor's millions of steps are not what people come for. With --boot firmware-entry the file is laid out as a
 * boot loader would and the decompressor runs.
 *
 * Numbers: Documentation/arch/x86/boot.rst in Linux, "The Real-Mode Kernel Header"; offsets are those of the file. */
#include "vm/image_load.h"

#include <stdio.h>
#include <string.h>

enum {
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	BOOT_FLAG = 0x1fe,
	HEADER = 0x202,
	VERSION = 0x206,
	LOADFLAGS = 0x211,
	CODE32_START = 0x214,
	XLOADFLAGS = 0x236,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	SETUP_END = 0x290
};
enum { LOADED_HIGH = 1, XLF_KERNEL_64 = 1 };
enum { V_PAYLOAD = 0x208, V_INIT_SIZE = 0x20a, V_XLOADFLAGS = 0x20c };
enum { SECTOR = 512, ENTRY_64 = 0x200 };

struct bzimage {
	unsigned version;
	u64 code_at, code_size; /* the protected-mode part of the file */
	bool wide;              /* has a 64-bit entry */
};

bool image_is_bzimage(const u8 *p, size_t n)
{
	return n >= HEADER + 4 && image_u16(p + BOOT_FLAG) == 0xaa55 && !memcmp(p + HEADER, "HdrS", 4);
}

static int parse(struct image_load *l, struct bzimage *b)
{
	const u8 *p = l->data;
	if (l->size < SETUP_END)
		return image_bad(l, "a Linux bzImage cut short: %zu bytes do not even hold its setup header (%d)",
				 l->size, SETUP_END);
	b->version = image_u16(p + VERSION);
	unsigned sects = p[SETUP_SECTS] ? p[SETUP_SECTS] : 4;
	b->code_at = (u64)(sects + 1) * SECTOR;
	b->code_size = (u64)image_u32(p + SYSSIZE) * 16;
	if (b->version < 0x202 || !(p[LOADFLAGS] & LOADED_HIGH))
		return image_bad(
			l, "a Linux zImage (boot protocol %u.%02u): only bzImage kernels, from 2.02 on, are supported",
			b->version >> 8, b->version & 0xff);
	if (!b->code_size || b->code_at + b->code_size > l->size)
		return image_bad(l,
				 "a Linux bzImage cut short: its header says %llu bytes, the file has %zu: get it anew",
				 (unsigned long long)(b->code_at + b->code_size), l->size);
	b->wide = b->version >= V_XLOADFLAGS && image_u16(p + XLOADFLAGS) & XLF_KERNEL_64;
	return 0;
}

/* The kernel uses init_size bytes from where it runs (bss, first page tables): nothing else may lie there. */
static int reserve_run(struct image_load *l, const struct bzimage *b)
{
	if (b->version < V_INIT_SIZE)
		return 0;
	return image_reserve(l, "the kernel with its working space", image_u64(l->data + PREF_ADDRESS),
			     image_u32(l->data + INIT_SIZE));
}

static int boot(struct image_load *l, const struct bzimage *b, bool wide, u64 entry, u64 gpa)
{
	int rc = reserve_run(l, b);
	struct linux_kernel k = { .setup = l->data, .wide = wide, .entry = entry, .kind = "bzimage", .gpa = gpa };
	return rc ? rc : linux_boot(l, &k);
}

static int place_payload(struct image_load *l, const u8 *p, u64 n, struct image_elf *e)
{
	static const char what[] = "unpacked kernel: ";
	struct kt_buf elf = { 0 };
	int rc;
	if (image_is_elf(p, n))
		return image_elf_place(l, what, p, n, e);
	if (!image_pack_name(p, n))
		return image_bad(l,
				 "the bzImage's payload begins with %02x %02x %02x %02x, no compression known here "
				 "(gzip, xz, lzma, zstd, lz4): use --boot firmware-entry, or give the vmlinux",
				 p[0], p[1], p[2], p[3]);
	/* The file holds the segments and the relocations: less than the memory it will run in and a little. */
	rc = image_unpack(p, n, l->m->total + (32u << 20), &elf, l->err);
	if (rc)
		rc = l->err ? kt_fail_in(l->err, "%s: payload", l->path) : rc;
	else if (!image_is_elf(elf.data, elf.len))
		rc = image_bad(
			l, "the bzImage's payload unpacks to %zu bytes that are no ELF file: use --boot firmware-entry",
			elf.len);
	else
		rc = image_elf_place(l, what, elf.data, elf.len, e);
	kt_buf_free(&elf);
	return rc;
}

static int enter_kernel(struct image_load *l, const struct bzimage *b)
{
	u64 at = image_u32(l->data + PAYLOAD_OFFSET), n = image_u32(l->data + PAYLOAD_LENGTH);
	struct image_elf e = { 0 };
	if (b->version < V_PAYLOAD)
		return image_bad(l,
				 "boot protocol %u.%02u does not say where the kernel's payload is (2.08 does): use "
				 "--boot firmware-entry, or give the vmlinux",
				 b->version >> 8, b->version & 0xff);
	if (n < 16 || at > b->code_size || n > b->code_size - at)
		return image_bad(l,
				 "the bzImage's payload (%llu bytes at %llu) lies outside its %llu bytes of code: the "
				 "header is damaged",
				 (unsigned long long)n, (unsigned long long)at, (unsigned long long)b->code_size);
	int rc = place_payload(l, l->data + b->code_at + at, n, &e);
	return rc ? rc : boot(l, b, e.wide, e.entry, e.first);
}

/* As shipped: the protected-mode part at code32_start, entered at its 64-bit entry where it has one. */
static int enter_firmware(struct image_load *l, const struct bzimage *b)
{
	u64 at = image_u32(l->data + CODE32_START);
	if (b->wide && b->code_size <= ENTRY_64)
		return image_bad(l, "the bzImage's code has %llu bytes and no room for its 64-bit entry at 0x200",
				 (unsigned long long)b->code_size);
	int rc = image_place(l, "the kernel's protected-mode code", at, l->data + b->code_at, b->code_size,
			     b->code_size);
	return rc ? rc : boot(l, b, b->wide, b->wide ? at + ENTRY_64 : at, at);
}

int image_load_bzimage(struct image_load *l)
{
	struct bzimage b = { 0 };
	int rc = parse(l, &b);
	if (rc)
		return rc;
	return l->c->boot == VM_BOOT_FIRMWARE_ENTRY ? enter_firmware(l, &b) : enter_kernel(l, &b);
}
