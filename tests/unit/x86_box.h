/* SPDX-License-Identifier: MIT */
/* A small x86 machine without KVM for unit tests: 2 MiB of RAM, a GDT, an IDT, a TSS, page tables, and the registers of
 * the mode that a test wants. Descriptors are written and loaded here by hand, not by the code under test. */
#ifndef X86_BOX_H
#define X86_BOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vm/x86_64/x86_cpu.h"

enum { BOX_RAM = 2 << 20, BOX_GDT = 0x1000, BOX_IDT = 0x2000, BOX_TSS = 0x3000, BOX_TABLES = 0x10000, BOX_PT = 0x13000 };

/* Selectors of the GDT, without RPL. */
enum {
	SEL_KCODE64 = 0x08,
	SEL_KDATA = 0x10,
	SEL_UCODE32 = 0x18,
	SEL_UDATA = 0x20,
	SEL_UCODE64 = 0x28,
	SEL_KCODE32 = 0x30,
	SEL_TSS = 0x38, /* two slots */
	SEL_CONFORMING32 = 0x48,
	SEL_ABSENT_DATA = 0x50,
	SEL_KCODE16 = 0x58,
	SEL_GATE = 0x60, /* two slots, for tests to fill */
	SEL_UDATA16 = 0x70,
	SEL_FRESH_CODE32 = 0x78, /* not yet accessed */
	SEL_LONG_AND_BIG = 0x80, /* L and D: no valid code segment in long mode */
	SEL_ABSENT_CODE32 = 0x88,
	SEL_SMALL_CODE32 = 0x90, /* limit 0xfff */
	SEL_FRESH_DATA = 0x98,
	BOX_GDT_LIMIT = 0x9f
};

struct box {
	struct x86_cpu c;
	struct vm_ram ram;
	struct vm_clock clock;
	u8 *mem;
	u64 regs_before[X86_NREGS];
	u8 *mem_before;
};

static inline void put(struct box *b, u64 pa, unsigned size, u64 value)
{
	memcpy(b->mem + pa, &value, size);
}

static inline u64 get(const struct box *b, u64 pa, unsigned size)
{
	u64 v = 0;
	memcpy(&v, b->mem + pa, size);
	return v;
}

/* access: type, S, DPL, P; flags: AVL 1, L 2, D/B 4, G 8. */
static inline void box_descr(struct box *b, unsigned sel, u32 base, u32 limit, u8 access, u8 flags)
{
	u64 d = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
	        (u64)flags << 52 | (u64)(base >> 24) << 56;
	put(b, BOX_GDT + sel, 8, d);
}

/* A segment register with its hidden part, as if loaded long ago. */
static inline void box_seg(struct box *b, unsigned seg, unsigned sel)
{
	u64 d = get(b, BOX_GDT + (sel & ~7u), 8);
	u64 limit = (d & 0xffff) | (d >> 32 & 0xf0000);
	if (d >> 55 & 1)
		limit = limit << 12 | 0xfff;
	b->c.r[seg] = sel;
	b->c.r[seg + 1] = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
	b->c.r[seg + 2] = limit;
	b->c.r[seg + 3] = (d >> 40 & 0xf0ff) | 1;
}

static inline void box_gdt(struct box *b)
{
	box_descr(b, SEL_KCODE64, 0, 0xfffff, 0x9b, 0xa);
	box_descr(b, SEL_KDATA, 0, 0xfffff, 0x93, 0xc);
	box_descr(b, SEL_UCODE32, 0, 0xfffff, 0xfb, 0xc);
	box_descr(b, SEL_UDATA, 0, 0xfffff, 0xf3, 0xc);
	box_descr(b, SEL_UCODE64, 0, 0xfffff, 0xfb, 0xa);
	box_descr(b, SEL_KCODE32, 0, 0xfffff, 0x9b, 0xc);
	box_descr(b, SEL_TSS, BOX_TSS, 0x67, 0x8b, 0);
	box_descr(b, SEL_CONFORMING32, 0, 0xfffff, 0x9f, 0xc);
	box_descr(b, SEL_ABSENT_DATA, 0, 0xfffff, 0x13, 0xc);
	box_descr(b, SEL_KCODE16, 0, 0xffff, 0x9b, 0);
	box_descr(b, SEL_UDATA16, 0, 0xffff, 0xf3, 0);
	box_descr(b, SEL_FRESH_CODE32, 0, 0xfffff, 0x9a, 0xc);
	box_descr(b, SEL_LONG_AND_BIG, 0, 0xfffff, 0x9b, 0xe);
	box_descr(b, SEL_ABSENT_CODE32, 0, 0xfffff, 0x1b, 0xc);
	box_descr(b, SEL_SMALL_CODE32, 0, 0xfff, 0x9b, 0x4);
	box_descr(b, SEL_FRESH_DATA, 0, 0xfffff, 0x92, 0xc);
}

static inline struct box *box_new(void)
{
	struct box *b = calloc(1, sizeof *b);
	assert_non_null(b);
	b->mem = calloc(1, BOX_RAM);
	b->mem_before = malloc(BOX_RAM);
	b->c.scratch = malloc(X86_SCRATCH);
	assert_true(b->mem && b->mem_before && b->c.scratch);
	b->ram = (struct vm_ram){ .gpa = 0, .size = BOX_RAM, .host = b->mem };
	b->clock.step_ns = 10;
	b->c.ram = &b->ram;
	b->c.nram = 1;
	b->c.clock = &b->clock;
	b->c.a20 = true;
	x86_model_reset(b->c.r);
	return b;
}

static inline void box_free(struct box *b)
{
	free(b->mem);
	free(b->mem_before);
	free(b->c.scratch);
	free(b);
}

/* Real mode at 0000:8000, stack 0000:9000, vector table at 0. */
static inline struct box *box_real(void)
{
	struct box *b = box_new();
	u64 *r = b->c.r;
	r[X86_cs] = r[X86_cs_base] = 0;
	r[X86_rip] = 0x8000;
	r[X86_rsp] = 0x9000;
	r[X86_idtr_base] = 0;
	r[X86_idtr_limit] = 0x3ff;
	x86_step_begin(&b->c);
	return b;
}

static inline void box_tables(struct box *b)
{
	u64 *r = b->c.r;
	box_gdt(b);
	r[X86_gdtr_base] = BOX_GDT;
	r[X86_gdtr_limit] = BOX_GDT_LIMIT;
	r[X86_idtr_base] = BOX_IDT;
	r[X86_idtr_limit] = 0xfff;
	box_seg(b, X86_tr, SEL_TSS);
	r[X86_ldtr] = r[X86_ldtr_base] = r[X86_ldtr_limit] = 0;
	r[X86_ldtr_attr] = X86_ATTR_UNUSABLE;
	r[X86_rip] = 0x8000;
	r[X86_rsp] = 0x9000;
}

static inline void box_stack(struct box *b, unsigned ss, unsigned data)
{
	box_seg(b, X86_ss, ss);
	static const u16 segs[] = { X86_ds, X86_es, X86_fs, X86_gs };
	for (unsigned i = 0; i < KT_ARRAY_LEN(segs); i++)
		box_seg(b, segs[i], data);
}

/* 32-bit protected mode without paging, at 8000, stack 9000; ESP0 is a000. */
static inline struct box *box_prot(unsigned cpl)
{
	struct box *b = box_new();
	box_tables(b);
	b->c.r[X86_cr0] = 0x60000011;
	box_seg(b, X86_cs, cpl ? SEL_UCODE32 | 3 : SEL_KCODE32);
	box_stack(b, cpl ? SEL_UDATA | 3 : SEL_KDATA, cpl ? SEL_UDATA | 3 : SEL_KDATA);
	put(b, BOX_TSS + 4, 4, 0xa000);
	put(b, BOX_TSS + 8, 4, SEL_KDATA);
	x86_step_begin(&b->c);
	return b;
}

/* 64-bit mode, the first 2 MiB mapped one to one with 4 KiB user pages; RSP0 a008, IST1 b008, IST2 c008. */
static inline struct box *box_long(unsigned cpl)
{
	struct box *b = box_new();
	box_tables(b);
	for (unsigned i = 0; i < 3; i++)
		put(b, BOX_TABLES + i * 0x1000, 8, (BOX_TABLES + (i + 1) * 0x1000) | 0x27);
	for (u64 i = 0; i < 512; i++)
		put(b, BOX_PT + i * 8, 8, i << 12 | 0x67);
	u64 *r = b->c.r;
	r[X86_cr0] = 0xe0010011;
	r[X86_cr3] = BOX_TABLES;
	r[X86_cr4] = X86_CR4_PAE;
	r[X86_efer] = X86_EFER_LMA | X86_EFER_LME | X86_EFER_NXE | X86_EFER_SCE;
	box_seg(b, X86_cs, cpl ? SEL_UCODE64 | 3 : SEL_KCODE64);
	box_stack(b, cpl ? SEL_UDATA | 3 : SEL_KDATA, cpl ? SEL_UDATA | 3 : SEL_KDATA);
	put(b, BOX_TSS + 4, 8, 0xa008);
	put(b, BOX_TSS + 36, 8, 0xb008);
	put(b, BOX_TSS + 44, 8, 0xc008);
	x86_step_begin(&b->c);
	return b;
}

/* type: e interrupt, f trap (6, 7 16-bit, 5 task); P is set. */
static inline void box_gate(struct box *b, unsigned vector, unsigned sel, u64 offset, unsigned type, unsigned dpl, unsigned ist)
{
	bool lma = b->c.r[X86_efer] & X86_EFER_LMA;
	u64 at = BOX_IDT + vector * (lma ? 16 : 8);
	put(b, at, 2, offset);
	put(b, at + 2, 2, sel);
	put(b, at + 4, 1, ist);
	put(b, at + 5, 1, 0x80 | dpl << 5 | type);
	put(b, at + 6, 2, offset >> 16);
	if (lma)
		put(b, at + 8, 8, offset >> 32);
}

static inline void box_unmap(struct box *b, u64 page)
{
	put(b, BOX_PT + (page >> 12) * 8, 8, 0);
}

static inline void box_snapshot(struct box *b)
{
	memcpy(b->regs_before, b->c.r, sizeof b->regs_before);
	memcpy(b->mem_before, b->mem, BOX_RAM);
}

/* Registers, memory and the record of the step are as they were at box_snapshot. */
static inline void box_unchanged(const struct box *b)
{
	assert_memory_equal(b->regs_before, b->c.r, sizeof b->regs_before);
	assert_memory_equal(b->mem_before, b->mem, BOX_RAM);
	assert_int_equal(b->c.step.naccess, 0);
	assert_int_equal(b->c.step.ncold, 0);
	assert_int_equal(b->c.dirty, 0);
}

static inline void want_event(const struct box *b, unsigned n, unsigned kind, unsigned num, u32 code, u64 value)
{
	assert_true(n < b->c.step.nevent);
	const struct kt_event *e = &b->c.step.event[n];
	assert_int_equal(e->kind, kind);
	assert_int_equal(e->num, num);
	assert_int_equal(e->code, code);
	assert_int_equal(e->value, value);
}

/* The step's only access of that place, with its flags. */
static inline void want_access(const struct box *b, u64 va, u32 size, u8 flags)
{
	unsigned seen = 0;
	for (unsigned i = 0; i < b->c.step.naccess; i++) {
		const struct kt_access *a = &b->c.step.access[i];
		if (a->va != va || a->size != size)
			continue;
		seen++;
		assert_int_equal(a->flags, flags);
		assert_int_equal(a->pa, va);
		assert_int_equal(a->space, KT_SPACE_RAM);
		assert_memory_equal(a->data, b->mem + va, size);
	}
	assert_int_equal(seen, 1);
}

static inline void want_fault(const struct x86_fault *f, unsigned vector, bool has_error, u32 error)
{
	assert_int_equal(f->vector, vector);
	assert_int_equal(f->has_error, has_error);
	assert_int_equal(f->error, error);
}

#endif
