/* SPDX-License-Identifier: MIT */
/* Multiboot 1: ELF files and the "a.out kludge" with addresses in the header. Enters in flat protected mode with the
 * information structure in EBX: memory, command line, modules (--initrd), memory map, loader's name.
 *
 * Numbers: Multiboot Specification 0.6.96, sections 3.1 to 3.3. The command line's first word is "kernel", where GRUB
 * legacy and QEMU put the file's path: a path would make the trace depend on where the file lies. No video. */
#include "arch/x86_64/x86_regs.h"
#include "vm/image_load.h"

#include <stdio.h>
#include <string.h>

#define MAGIC 0x1badb002u
#define BOOTED 0x2badb002u
#define MAGIC2 0xe85250d6u
enum { SEARCH = 8192, SEARCH2 = 32768, HEADER_MIN = 12, HEADER_ADDRS = 32 };
/* Of the low 16 flags a loader must know all that are set: align modules, memory, video. */
enum { NEEDS_KNOWN = 7, NEEDS = 0xffff, HAS_ADDRS = 1 << 16 };
enum { PLACE = 0x20000, PAGE = 4096 };
enum {
	I_FLAGS = 0,
	I_LOWER = 4,
	I_UPPER = 8,
	I_CMDLINE = 16,
	I_MODS = 20,
	I_MODS_AT = 24,
	I_MAP_BYTES = 44,
	I_MAP = 48,
	I_NAME = 64,
	I_SIZE = 116
};
enum { F_MEMORY = 1, F_CMDLINE = 4, F_MODS = 8, F_MAP = 0x40, F_NAME = 0x200 };
/* Where the pieces stand in one block. */
enum { B_MOD = 0x80, B_NAME = 0x90, B_MOD_TEXT = 0xa0, B_MAP = 0x100, B_CMDLINE = 0x300, MAP_ENTRY = 24 };

s64 image_multiboot_header(const u8 *p, size_t n)
{
	for (size_t at = 0; at + HEADER_MIN <= KT_MIN(n, (size_t)SEARCH); at += 4)
		if (image_u32(p + at) == MAGIC && MAGIC + image_u32(p + at + 4) + image_u32(p + at + 8) == 0u)
			return (s64)at;
	return -1;
}

/* Multiboot 2 (its specification 2.0, 3.1.1): magic, architecture 0, length, checksum; in the first 32 KiB. */
bool image_has_multiboot2(const u8 *p, size_t n)
{
	for (size_t at = 0; at + 16 <= KT_MIN(n, (size_t)SEARCH2); at += 8)
		if (image_u32(p + at) == MAGIC2 && !image_u32(p + at + 4) &&
		    MAGIC2 + image_u32(p + at + 8) + image_u32(p + at + 12) == 0u)
			return true;
	return false;
}

/* The address fields of the header (flag 16): one stretch of the file to load_addr, bss behind it. */
static int place_by_header(struct image_load *l, size_t at, u64 *first, u64 *entry)
{
	const u8 *h = l->data + at;
	if (l->size - at < HEADER_ADDRS)
		return image_bad(l, "multiboot header at byte %zu cut short", at);
	u64 header = image_u32(h + 12), load = image_u32(h + 16), load_end = image_u32(h + 20),
	    bss_end = image_u32(h + 24);
	*first = load;
	*entry = image_u32(h + 28);
	if (load > header || header - load > at)
		return image_bad(l,
				 "multiboot header: load_addr 0x%llx is not within %zu bytes before header_addr 0x%llx",
				 (unsigned long long)load, at, (unsigned long long)header);
	u64 from = at - (header - load), n = load_end ? load_end - load : l->size - from;
	if (load_end && load_end < load)
		return image_bad(l, "multiboot header: load_end_addr 0x%llx lies below load_addr 0x%llx",
				 (unsigned long long)load_end, (unsigned long long)load);
	if (n > l->size - from)
		return image_bad(l, "multiboot header asks for %llu bytes from byte %llu, the file has %zu: cut short",
				 (unsigned long long)n, (unsigned long long)from, l->size);
	u64 memory = bss_end ? bss_end - load : n;
	if (bss_end && bss_end < load + n)
		return image_bad(l, "multiboot header: bss_end_addr 0x%llx lies below the end of the data, 0x%llx",
				 (unsigned long long)bss_end, (unsigned long long)(load + n));
	if (*entry < load || *entry >= load + memory)
		return image_bad(l, "multiboot header: entry_addr 0x%llx lies outside what is loaded, 0x%llx-0x%llx",
				 (unsigned long long)*entry, (unsigned long long)load,
				 (unsigned long long)(load + memory));
	return image_place(l, "multiboot image", load, l->data + from, n, memory);
}

static int place(struct image_load *l, size_t at, u64 *first, u64 *entry)
{
	u32 flags = image_u32(l->data + at + 4);
	struct image_elf e = { 0 };
	if (flags & NEEDS & ~(u32)NEEDS_KNOWN)
		return image_bad(
			l, "multiboot header wants features 0x%x that this loader does not know: clear those flags",
			flags & NEEDS & ~(u32)NEEDS_KNOWN);
	if (flags & HAS_ADDRS)
		return place_by_header(l, at, first, entry);
	if (!image_is_elf(l->data, l->size))
		return image_bad(l, "multiboot header without addresses (flag 16) in a file that is not ELF: nothing "
				    "says where to load it");
	int rc = image_elf_place(l, "", l->data, l->size, &e);
	*first = e.first;
	*entry = e.entry;
	return rc;
}

/* --initrd is the one module: behind the kernel, where even a kernel with few page tables reaches it. */
static int put_module(struct image_load *l, u8 *info, u64 gpa)
{
	struct kt_buf file = { 0 };
	u64 at;
	if (!l->c->initrd)
		return 0;
	int rc = image_file_read(l->c->initrd, "--initrd", &file, l->err);
	u64 whole = ((u64)file.len + PAGE - 1) & ~(u64)(PAGE - 1);
	if (!rc && !file.len)
		rc = kt_fail(l->err, KT_E_IMAGE, "%s: the module is empty", l->c->initrd);
	else if (!rc && !image_find(l, KT_MAX(image_taken_end(l), 0x100000u), IMAGE_4G, whole, false, &at))
		rc = kt_fail(l->err, KT_E_IMAGE,
			     "%s: no free guest memory behind the kernel for the module's %zu bytes: give the guest "
			     "more with --mem",
			     l->c->initrd, file.len);
	else if (!rc)
		rc = image_place(l, "the module", at, file.data, file.len, whole);
	if (!rc) {
		image_set32(info + B_MOD, (u32)at);
		image_set32(info + B_MOD + 4, (u32)(at + file.len));
		image_set32(info + B_MOD + 8, (u32)gpa + B_MOD_TEXT);
		memcpy(info + B_MOD_TEXT, "initrd", 7);
		image_set32(info + I_MODS, 1);
		image_set32(info + I_MODS_AT, (u32)gpa + B_MOD);
		image_set32(info + I_FLAGS, image_u32(info + I_FLAGS) | F_MODS);
		rc = image_note(l, l->c->initrd, "initrd", at, file.len, 0);
	}
	kt_buf_free(&file);
	return rc;
}

static void put_memory(struct image_load *l, u8 *info, u64 gpa)
{
	struct image_map map[IMAGE_MAP_MAX];
	unsigned n = image_memory_map(l->m, map);
	for (unsigned i = 0; i < n; i++) {
		u8 *e = info + B_MAP + MAP_ENTRY * i;
		image_set32(e, MAP_ENTRY - 4);
		image_set64(e + 4, map[i].gpa);
		image_set64(e + 12, map[i].size);
		image_set32(e + 20, map[i].type);
		if (map[i].type == IMAGE_MAP_RAM && map[i].gpa == 0)
			image_set32(info + I_LOWER, (u32)(map[i].size >> 10));
		if (map[i].type == IMAGE_MAP_RAM && map[i].gpa == 0x100000)
			image_set32(info + I_UPPER, (u32)(map[i].size >> 10));
	}
	image_set32(info + I_MAP, (u32)gpa + B_MAP);
	image_set32(info + I_MAP_BYTES, MAP_ENTRY * n);
}

static int put_info(struct image_load *l, u64 *gpa)
{
	static const char first[] = "kernel";
	const char *args = l->c->append ? l->c->append : "";
	size_t n = strlen(args);
	u8 *info;
	if (n > 65536)
		return image_bad_arg(
			l,
			"the command line has %zu characters, and 65536 are the most for multiboot: shorten --append",
			n);
	int rc = image_scratch(l, "the multiboot information", PLACE, B_CMDLINE + sizeof first + n + 1, gpa, &info);
	if (rc)
		return rc;
	image_set32(info + I_FLAGS, F_MEMORY | F_CMDLINE | F_MAP | F_NAME);
	put_memory(l, info, *gpa);
	memcpy(info + B_NAME, "ktrace", 7);
	image_set32(info + I_NAME, (u32)*gpa + B_NAME);
	memcpy(info + B_CMDLINE, first, sizeof first);
	if (n) {
		info[B_CMDLINE + sizeof first - 1] = ' ';
		memcpy(info + B_CMDLINE + sizeof first, args, n + 1);
	}
	image_set32(info + I_CMDLINE, (u32)*gpa + B_CMDLINE);
	return put_module(l, info, *gpa);
}

int image_load_multiboot(struct image_load *l)
{
	u64 first = 0, entry = 0, info = 0;
	int rc = place(l, (size_t)image_multiboot_header(l->data, l->size), &first, &entry);
	if (!rc)
		rc = image_note(l, l->path, "multiboot", first, l->size, entry);
	if (!rc)
		rc = image_enter_protected(l, entry);
	if (!rc)
		rc = put_info(l, &info);
	if (rc)
		return rc;
	l->regs[X86_rax] = BOOTED;
	l->regs[X86_rbx] = info;
	return 0;
}
