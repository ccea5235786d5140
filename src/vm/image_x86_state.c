/* SPDX-License-Identifier: MIT */
/* The CPU as firmware or a boot loader would hand it over, since for most images ktrace takes their place. What is not
 * named here keeps the reset state. */
#include "arch/x86_64/x86_regs.h"
#include "vm/image_load.h"

#include <string.h>

enum {
	BASE = 0x10000,
	STACK = 0x1000,
	STACK_TOP = 0x2000,
	TABLES = 0x2000,
	TABLE = 0x1000,
	LONG_SIZE = 0x8000,
	GDT_BYTES = 32
};
enum { SEL_CODE = 0x10, SEL_DATA = 0x18 };
/* Descriptor bits as x86_regs.h keeps them: present, code or data, accessed; 4 KiB granularity. */
enum { ATTR_CODE32 = 0xc09b, ATTR_CODE64 = 0xa09b, ATTR_DATA = 0xc093 };
enum { CR0_ET = 0x10, RFLAGS_FIXED = 2 };
/* Page-table bits (SDM 3, 4.5): present, writable, accessed; for a page also dirty and large. Accessed and dirty are
 * set from the start so that the CPU has nothing to update in these tables. */
enum { PTE_TABLE = 0x23, PTE_PAGE = 0xe3 };
enum { EBDA = 0x9fc00, EBDA_END = 0xa0000, BIOS_AREA = 0xf0000, BIOS_AREA_END = 0x100000 };

static void set_seg(u64 *r, unsigned seg, u64 sel, u64 base, u64 limit, u64 attr)
{
	r[seg + X86_SEG_SEL] = sel;
	r[seg + X86_SEG_BASE] = base;
	r[seg + X86_SEG_LIMIT] = limit;
	r[seg + X86_SEG_ATTR] = attr;
}

static void clear_general(u64 *r)
{
	memset(r, 0, sizeof *r * X86_NHOT);
	r[X86_rflags] = RFLAGS_FIXED;
}

static void set_flat(u64 *r, u64 gdt, u64 code)
{
	static const unsigned data[] = { X86_ds, X86_es, X86_fs, X86_gs, X86_ss };
	set_seg(r, X86_cs, SEL_CODE, 0, 0xffffffff, code);
	for (unsigned i = 0; i < KT_ARRAY_LEN(data); i++)
		set_seg(r, data[i], SEL_DATA, 0, 0xffffffff, ATTR_DATA);
	r[X86_gdtr_base] = gdt;
	r[X86_gdtr_limit] = GDT_BYTES - 1;
	r[X86_idtr_base] = 0;
	r[X86_idtr_limit] = 0;
}

/* A descriptor with base 0 and limit 0xfffff pages. */
static u64 descriptor(u64 attr)
{
	return 0x000f00000000ffff | attr << 40;
}

static int enter(struct image_load *l, u64 entry, u64 size, u64 code, u64 *base, u8 **host)
{
	int rc = image_scratch(l, "descriptor table, stack and page tables", BASE, size, base, host);
	if (rc)
		return rc;
	image_set64(*host + SEL_CODE, descriptor(code));
	image_set64(*host + SEL_DATA, descriptor(ATTR_DATA));
	clear_general(l->regs);
	set_flat(l->regs, *base, code);
	l->regs[X86_rip] = entry;
	l->regs[X86_rsp] = *base + STACK_TOP;
	return 0;
}

int image_enter_protected(struct image_load *l, u64 entry)
{
	u64 base;
	u8 *host;
	int rc = enter(l, entry, STACK_TOP, ATTR_CODE32, &base, &host);
	if (rc)
		return rc;
	l->regs[X86_cr0] = X86_CR0_PE | CR0_ET | X86_CR0_NE;
	l->regs[X86_cr3] = l->regs[X86_cr4] = l->regs[X86_efer] = 0;
	return 0;
}

int image_enter_long(struct image_load *l, u64 entry)
{
	u64 base;
	u8 *host;
	int rc = enter(l, entry, LONG_SIZE, ATTR_CODE64, &base, &host);
	if (rc)
		return rc;
	u64 pml4 = base + TABLES, pdpt = pml4 + TABLE, pd = pdpt + TABLE;
	u8 *to = host + TABLES;
	image_set64(to, pdpt | PTE_TABLE);
	for (unsigned i = 0; i < 4; i++)
		image_set64(to + TABLE + 8 * i, (pd + TABLE * i) | PTE_TABLE);
	for (u64 i = 0; i < 4 * 512; i++)
		image_set64(to + 2 * TABLE + 8 * i, i << 21 | PTE_PAGE);
	l->regs[X86_cr3] = pml4;
	l->regs[X86_cr4] = X86_CR4_PAE;
	l->regs[X86_efer] = X86_EFER_LME | X86_EFER_LMA;
	l->regs[X86_cr0] = X86_CR0_PG | X86_CR0_PE | CR0_ET | X86_CR0_NE;
	return 0;
}

void image_enter_real(struct image_load *l, u64 entry, u16 sp)
{
	static const unsigned data[] = { X86_ds, X86_es, X86_fs, X86_gs, X86_ss };
	u64 *r = l->regs, cs = entry < 0x10000 ? 0 : entry >> 4;
	clear_general(r);
	r[X86_cs + X86_SEG_SEL] = cs;
	r[X86_cs + X86_SEG_BASE] = cs << 4;
	for (unsigned i = 0; i < KT_ARRAY_LEN(data); i++)
		r[data[i] + X86_SEG_SEL] = r[data[i] + X86_SEG_BASE] = 0;
	r[X86_rip] = entry - (cs << 4);
	r[X86_rsp] = sp;
}

static void map_add(struct image_map *out, unsigned *n, u64 lo, u64 hi, u32 type)
{
	if (lo < hi && *n < IMAGE_MAP_MAX)
		out[(*n)++] = (struct image_map){ lo, hi - lo, type };
}

unsigned image_memory_map(const struct guest_mem *m, struct image_map out[IMAGE_MAP_MAX])
{
	unsigned n = 0;
	for (unsigned i = 0; i < m->n; i++) {
		u64 lo = m->ram[i].gpa, hi = lo + m->ram[i].size;
		if (lo >= IMAGE_4G - (16u << 20) && lo < IMAGE_4G)
			continue; /* where firmware lies */
		map_add(out, &n, lo, KT_MIN(hi, EBDA), IMAGE_MAP_RAM);
		map_add(out, &n, KT_MAX(lo, EBDA), KT_MIN(hi, EBDA_END), IMAGE_MAP_RESERVED);
		map_add(out, &n, KT_MAX(lo, BIOS_AREA), KT_MIN(hi, BIOS_AREA_END), IMAGE_MAP_RESERVED);
		map_add(out, &n, KT_MAX(lo, BIOS_AREA_END), hi, IMAGE_MAP_RAM);
	}
	return n;
}
