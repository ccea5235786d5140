/* SPDX-License-Identifier: MIT */
/* Private to the image loaders (image*.c, linux_boot.c): a load under way, where its pieces lie, and the formats.
 *
 * Everything that goes into guest memory goes through image_place or image_scratch, so that nothing is written twice
 * and nothing outside RAM. RAM is zero when loading begins, therefore what a format wants zeroed is only reserved. */
#ifndef VM_IMAGE_LOAD_H
#define VM_IMAGE_LOAD_H

#include "base/buf.h"
#include "vm/image.h"

enum { IMAGE_SPANS = 192 };
/* No guest image or initrd over 2 GiB. */
#define IMAGE_FILE_MAX (2ull << 30)
#define IMAGE_4G (1ull << 32)

struct image_load {
	const struct vm_config *c;
	const struct guest_mem *m;
	u64 *regs;
	struct loaded *out;
	struct kt_err *err;
	const char *path; /* for messages */
	const u8 *data;   /* the whole file */
	size_t size;
	struct {
		u64 gpa, size;
	} taken[IMAGE_SPANS];
	unsigned ntaken;
};

/* --- image.c: files, guest memory, messages --- */

/* Reads a whole regular file of at most IMAGE_FILE_MAX bytes. `option` ("--vm") is named in errors. -KT_E_IO, -KT_E_ARG
 * (no path, a directory, a device), -KT_E_IMAGE (too large), -KT_E_NOMEM. */
int image_file_read(const char *path, const char *option, struct kt_buf *out, struct kt_err *err);

/* -KT_E_IMAGE, the text prefixed with the file's path. */
int image_bad(struct image_load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* -KT_E_ARG, the same. */
int image_bad_arg(struct image_load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Reserves [gpa, gpa+memsz) of RAM and copies n <= memsz bytes of src to its start. -KT_E_IMAGE if that is not all RAM,
 * or something lies there already; `what` ("segment 2") names it in the message. memsz 0 is fine and does nothing. */
int image_place(struct image_load *l, const char *what, u64 gpa, const void *src, u64 n, u64 memsz);
/* Reserves without looking at what lies there: space that a kernel will use. Must be RAM. */
int image_reserve(struct image_load *l, const char *what, u64 gpa, u64 size);
/* A free page-aligned place of `size` bytes within [lo, hi) of RAM, the lowest or the highest one. Not reserved yet. */
bool image_find(const struct image_load *l, u64 lo, u64 hi, u64 size, bool highest, u64 *gpa);
/* A place for what the loader itself makes: at `prefer` if that is free, else the lowest free place from 4 KiB to
 * 0x9fc00, else from 1 MiB to 4 GiB. Reserved; *host is its memory, all zero. */
int image_scratch(struct image_load *l, const char *what, u64 prefer, u64 size, u64 *gpa, u8 **host);
/* The end of the highest reserved span below 4 GiB. */
u64 image_taken_end(const struct image_load *l);
/* Adds a row to l->out. */
int image_note(struct image_load *l, const char *path, const char *kind, u64 gpa, u64 size, u64 entry);

/* Little-endian loads and stores at any alignment. */
static inline u16 image_u16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}
static inline u32 image_u32(const u8 *p)
{
	return image_u16(p) | (u32)image_u16(p + 2) << 16;
}
static inline u64 image_u64(const u8 *p)
{
	return image_u32(p) | (u64)image_u32(p + 4) << 32;
}
static inline void image_set16(u8 *p, u16 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}
static inline void image_set32(u8 *p, u32 v)
{
	image_set16(p, (u16)v);
	image_set16(p + 2, (u16)(v >> 16));
}
static inline void image_set64(u8 *p, u64 v)
{
	image_set32(p, (u32)v);
	image_set32(p + 4, (u32)(v >> 32));
}

/* --- image_unpack.c: compressed payloads --- */

/* The name of the compression that the bytes begin with ("gzip", "xz" ...), NULL if none is recognised. */
const char *image_pack_name(const u8 *p, size_t n);
/* Unpacks what src begins with (gzip, xz, lzma, zstd, lz4 legacy; one stream), appending at most max bytes. What
 * follows the stream is not looked at. -KT_E_IMAGE (damaged, over max, not built in), -KT_E_NOMEM. */
int image_unpack(const u8 *src, size_t n, u64 max, struct kt_buf *out, struct kt_err *err);

/* --- image_x86.c: recognising --- */

/* image_load_x86 on bytes in memory instead of c->image, which serves for messages. */
int image_load_x86_bytes(const struct vm_config *c, const struct guest_mem *m, const u8 *data, size_t size, u64 *regs,
			 struct loaded *out, struct kt_err *err);

/* --- image_x86_state.c: the CPU as a loader hands it over --- */

/* Each writes the register file for its mode (all general registers zero but RSP, interrupts off, flat segments) and
 * puts the structures it needs into memory:
 *
 *   base + 0x0000  GDT: null, null, 0x10 code, 0x18 data (limit 0x1f)     prefers base 0x10000
 *   base + 0x1000  stack, RSP = base + 0x2000
 *   base + 0x2000  long mode only: PML4, PDPT, four page directories: the low 4 GiB mapped to themselves in 2 MiB pages
 *
 * No IDT (limit 0): a fault in what has not loaded one is a triple fault. */
int image_enter_long(struct image_load *l, u64 entry);
int image_enter_protected(struct image_load *l, u64 entry);
/* Real mode: entry below 64 KiB: CS 0, IP entry; else CS entry >> 4, IP entry & 15. Other segments 0. entry < 1 MiB. */
void image_enter_real(struct image_load *l, u64 entry, u16 sp);

enum { IMAGE_MAP_RAM = 1, IMAGE_MAP_RESERVED = 2, IMAGE_MAP_MAX = 16 };
struct image_map {
	u64 gpa, size;
	u32 type;
};
/* The machine's memory as firmware would report it (e820): ascending, EBDA and BIOS area reserved. Returns how many. */
unsigned image_memory_map(const struct guest_mem *m, struct image_map out[IMAGE_MAP_MAX]);

/* --- image_elf.c --- */

struct image_elf {
	bool wide;      /* ELF64 x86-64; else ELF32 i386 */
	bool is_linux;  /* holds "Linux version " */
	u64 entry;      /* physical address of the entry */
	u64 first, end; /* lowest loaded address; behind the highest */
};
bool image_is_elf(const u8 *p, size_t n);
/* Places the PT_LOAD segments of an x86 ELF file at their physical addresses. `what` names the bytes in messages (""
 * for the file itself, "unpacked kernel: " ...). */
int image_elf_place(struct image_load *l, const char *what, const u8 *p, size_t n, struct image_elf *e);
/* A plain ELF or a vmlinux given as the image. */
int image_load_elf(struct image_load *l);

/* --- the other formats; each recognises itself --- */
bool image_is_bzimage(const u8 *p, size_t n);
int image_load_bzimage(struct image_load *l);
/* Offset of a valid multiboot 1 header, -1: none. */
s64 image_multiboot_header(const u8 *p, size_t n);
bool image_has_multiboot2(const u8 *p, size_t n);
int image_load_multiboot(struct image_load *l);
bool image_is_bios(const u8 *p, size_t n);
int image_load_bios(struct image_load *l);
int image_load_flat(struct image_load *l);

/* --- linux_boot.c: the boot protocol --- */

struct linux_kernel {
	const u8 *setup; /* the boot sector and setup code of a bzImage (at least 0x290 bytes), NULL: a bare vmlinux */
	bool wide;       /* enter in long mode, else in protected mode */
	u64 entry;
	const char *kind; /* for the images table */
	u64 gpa;
};
/* Everything but the kernel's own bytes, which are placed already: zero page, command line, initrd, CPU state. */
int linux_boot(struct image_load *l, const struct linux_kernel *k);

#endif
