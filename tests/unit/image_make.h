/* SPDX-License-Identifier: MIT */
/* For the image tests: a machine without KVM, and tiny images made byte by byte. */
#ifndef IMAGE_MAKE_H
#define IMAGE_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "arch/insn.h"
#include "arch/x86_64/x86_regs.h"
#include "vm/image_load.h"

enum { MIB = 1 << 20 };
#define FILLER 0x1122334455667788ull /* what registers hold that a loader must not leave to chance */

struct machine {
	struct vm_ram ram[4];
	struct guest_mem mem;
	struct vm_config c;
	u64 regs[X86_NREGS];
	struct loaded out;
	struct kt_err err;
	u8 *low, *rom;
};

/* `mib` of RAM with the video hole, and room for firmware under 4 GiB. */
static inline void machine_make(struct machine *m, unsigned mib)
{
	u64 size = (u64)mib * MIB;
	memset(m, 0, sizeof *m);
	m->low = calloc(1, size);
	m->rom = calloc(1, 16 * MIB);
	assert_non_null(m->low);
	assert_non_null(m->rom);
	m->ram[0] = (struct vm_ram){ 0, 0xa0000, m->low };
	m->ram[1] = (struct vm_ram){ 0xc0000, size - 0xc0000, m->low + 0xc0000 };
	m->ram[2] = (struct vm_ram){ 0xff000000, 16 * MIB, m->rom };
	m->mem = (struct guest_mem){ m->ram, 3, size, size, 0 };
	m->c.image = "guest";
	for (unsigned i = 0; i < X86_NREGS; i++)
		m->regs[i] = FILLER;
}
static inline void machine_free(struct machine *m)
{
	free(m->low);
	free(m->rom);
}
static inline int machine_load(struct machine *m, const void *image, size_t n)
{
	/* a heap copy of exactly n bytes, so that a sanitizer sees a read past its end */
	u8 *copy = malloc(n ? n : 1);
	memcpy(copy, image, n);
	memset(&m->err, 0, sizeof m->err);
	int rc = image_load_x86_bytes(&m->c, &m->mem, copy, n, m->regs, &m->out, &m->err);
	free(copy);
	if (rc)
		assert_int_equal(m->err.code, -rc);
	return rc;
}
static inline u64 at64(struct machine *m, u64 gpa)
{
	u8 *p = guest_mem_at(&m->mem, gpa, 8);
	assert_non_null(p);
	return image_u64(p);
}
static inline u32 at32(struct machine *m, u64 gpa)
{
	return (u32)at64(m, gpa);
}
/* The load must fail so, with `word` in its message. */
static inline void refused(struct machine *m, const void *image, size_t n, int code, const char *word)
{
	int rc = machine_load(m, image, n);
	if (rc != -code || !strstr(m->err.text, word))
		fail_msg("wanted code %d with \"%s\", got %d: %s", code, word, rc, m->err.text);
	assert_non_null(strstr(m->err.text, "guest")); /* where */
}

struct seg {
	u64 offset, vaddr, paddr, filesz, memsz;
};

/* An ELF header and program headers; `n` bytes of file in all, zero beyond. */
static inline void put_elf(u8 *f, bool wide, u64 entry, const struct seg *s, unsigned n)
{
	static const u8 id[] = { 0x7f, 'E', 'L', 'F', 0, 1, 1 };
	memcpy(f, id, sizeof id);
	f[4] = wide ? 2 : 1;
	image_set16(f + 16, 2);
	image_set16(f + 18, wide ? 62 : 3);
	image_set32(f + 20, 1);
	if (wide) {
		image_set64(f + 24, entry);
		image_set64(f + 32, 64);
		image_set16(f + 54, 56);
		image_set16(f + 56, (u16)n);
	} else {
		image_set32(f + 24, (u32)entry);
		image_set32(f + 28, 52);
		image_set16(f + 42, 32);
		image_set16(f + 44, (u16)n);
	}
	for (unsigned i = 0; i < n; i++) {
		u8 *p = f + (wide ? 64 + 56 * i : 52 + 32 * i);
		image_set32(p, 1);
		if (wide) {
			image_set64(p + 8, s[i].offset);
			image_set64(p + 16, s[i].vaddr);
			image_set64(p + 24, s[i].paddr);
			image_set64(p + 32, s[i].filesz);
			image_set64(p + 40, s[i].memsz);
		} else {
			image_set32(p + 4, (u32)s[i].offset);
			image_set32(p + 8, (u32)s[i].vaddr);
			image_set32(p + 12, (u32)s[i].paddr);
			image_set32(p + 16, (u32)s[i].filesz);
			image_set32(p + 20, (u32)s[i].memsz);
		}
	}
}

#endif
