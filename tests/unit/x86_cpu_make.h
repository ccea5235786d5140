/* SPDX-License-Identifier: MIT */
/* For the tests of the x86 engine that need no KVM: a vCPU with a little RAM, page tables and modes to choose from.
 *
 * RAM: 0..9ffff and c0000..7fffff; between them and above: nobody. Page tables (cpu_long, cpu_paging32) lie from
 * TABLES on; a page is mapped with map_page(). */
#ifndef X86_CPU_MAKE_H
#define X86_CPU_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vm/x86_64/x86_cpu.h"

enum { PTE_P = 1, PTE_RW = 2, PTE_US = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80 };
enum { RAM_SIZE = 8 << 20, TABLES = 0x700000, GDT = 0x600000, LDT = 0x601000, TSS = 0x602000 };
enum { ATTR_DATA = 0x93, ATTR_CODE = 0x9b, ATTR_BIG = X86_ATTR_DB | X86_ATTR_G };

struct bench {
	struct x86_cpu c;
	struct vm_ram ram[2];
	struct vm_clock clock;
	u8 *host;
	u64 next_table;
	unsigned touches;
	u64 touched_gpa[64];
};

static struct bench b;

static inline void on_touch(void *ctx, u64 gpa, const u8 *host)
{
	assert_ptr_equal(host, b.host + gpa);
	if (b.touches < KT_ARRAY_LEN(b.touched_gpa))
		b.touched_gpa[b.touches] = gpa;
	b.touches++;
}

static inline void put64(u64 pa, u64 v)
{
	memcpy(b.host + pa, &v, 8);
}
static inline void put32(u64 pa, u32 v)
{
	memcpy(b.host + pa, &v, 4);
}
static inline u64 get64(u64 pa)
{
	u64 v;
	memcpy(&v, b.host + pa, 8);
	return v;
}

static inline void set_seg(unsigned seg, u16 sel, u64 base, u32 limit, u32 attr)
{
	b.c.r[seg + X86_SEG_SEL] = sel;
	b.c.r[seg + X86_SEG_BASE] = base;
	b.c.r[seg + X86_SEG_LIMIT] = limit;
	b.c.r[seg + X86_SEG_ATTR] = attr;
}

/* Real mode, everything at 0. */
static inline void cpu_real(void)
{
	free(b.host);
	free(b.c.scratch);
	free(b.c.touched);
	memset(&b, 0, sizeof b);
	b.host = calloc(1, RAM_SIZE);
	b.ram[0] = (struct vm_ram){0, 0xa0000, b.host};
	b.ram[1] = (struct vm_ram){0xc0000, RAM_SIZE - 0xc0000, b.host + 0xc0000};
	struct x86_cpu *c = &b.c;
	c->ram = b.ram;
	c->nram = 2;
	c->clock = &b.clock;
	c->hooks.page_touch = on_touch;
	c->touched = calloc(RAM_SIZE / 4096, sizeof *c->touched);
	c->epoch = 1;
	c->scratch = malloc(X86_SCRATCH);
	c->a20 = true;
	c->r[X86_rflags] = 2;
	c->r[X86_cr0] = 0x60000010;
	c->r[X86_fcw] = 0x37f;
	c->r[X86_dr7] = 0x400;
	for (unsigned seg = X86_es; seg <= X86_gs; seg += X86_SEG_STRIDE)
		set_seg(seg, 0, 0, 0xffff, seg == X86_cs ? ATTR_CODE : ATTR_DATA);
	set_seg(X86_ldtr, 0, 0, 0, X86_ATTR_UNUSABLE);
	set_seg(X86_tr, 0, 0, 0xffff, 0x8b);
	x86_step_begin(c);
}

/* Flat 32-bit protected mode at `cpl`, no paging; GDT, LDT and a TSS stand ready. */
static inline void cpu_protected(unsigned cpl)
{
	cpu_real();
	u64 *r = b.c.r;
	r[X86_cr0] = 0x60000011;
	for (unsigned seg = X86_es; seg <= X86_gs; seg += X86_SEG_STRIDE)
		set_seg(seg, 0x10 | cpl, 0, 0xffffffff, (seg == X86_cs ? ATTR_CODE : ATTR_DATA) | ATTR_BIG | cpl << 5);
	r[X86_gdtr_base] = GDT;
	r[X86_gdtr_limit] = 0xff;
	set_seg(X86_ldtr, 0xf0, LDT, 0x3f, 0x82);
	set_seg(X86_tr, 0xe0, TSS, 0x67, 0x8b);
	x86_step_begin(&b.c);
}

/* 64-bit mode at `cpl`, paging on with nothing mapped; NX on. */
static inline void cpu_long(unsigned cpl)
{
	cpu_protected(cpl);
	u64 *r = b.c.r;
	r[X86_cr0] |= X86_CR0_PG | X86_CR0_WP;
	r[X86_cr4] = X86_CR4_PAE | X86_CR4_OSFXSR;
	r[X86_efer] = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
	r[X86_cs_attr] = ATTR_CODE | X86_ATTR_L | X86_ATTR_G | cpl << 5;
	r[X86_cr3] = TABLES;
	b.next_table = TABLES + 0x1000;
	x86_step_begin(&b.c);
}

/* Maps a 4K page of 4-level tables with `bits`; upper levels allow everything and have A set. Returns where the PTE is. */
static inline u64 map_page(u64 va, u64 pa, u64 bits)
{
	u64 table = TABLES;
	for (unsigned shift = 39; shift > 12; shift -= 9) {
		u64 at = table + (va >> shift & 511) * 8;
		if (!(get64(at) & PTE_P)) {
			put64(at, b.next_table | PTE_P | PTE_RW | PTE_US | PTE_A);
			b.next_table += 0x1000;
		}
		table = get64(at) & 0xfffffffff000ull;
	}
	u64 at = table + (va >> 12 & 511) * 8;
	put64(at, pa | bits);
	return at;
}

/* A segment descriptor's two words; type and rights as in the register file's attributes. */
static inline u64 descriptor(u32 base, u32 limit, u32 attr)
{
	u32 lo = (base & 0xffff) << 16 | (limit & 0xffff);
	u32 hi = (base & 0xff000000u) | (base >> 16 & 0xff) | (limit & 0xf0000) | attr << 8;
	return (u64)hi << 32 | lo;
}

/* The k-th access of the step is this implicit write. */
static inline void assert_implicit(unsigned k, u64 pa, u64 value, unsigned size)
{
	assert_true(k < b.c.step.naccess);
	const struct kt_access *a = &b.c.step.access[k];
	assert_int_equal(a->pa, pa);
	assert_int_equal(a->size, size);
	assert_int_equal(a->space, KT_SPACE_RAM);
	assert_int_equal(a->flags, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT);
	assert_memory_equal(a->data, &value, size);
	assert_memory_equal(b.host + pa, &value, size);
}

static inline void assert_fault(const struct x86_fault *f, unsigned vector, int error)
{
	if (f->vector != vector || f->has_error != (error >= 0) || (error >= 0 && f->error != (u32)error))
		fail_msg("fault %u error %d %#x, expected %u error %#x", f->vector, f->has_error, f->error, vector, (unsigned)error);
}

#endif
