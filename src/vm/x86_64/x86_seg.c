/* SPDX-License-Identifier: MIT */
/* Segmentation: offsets to linear addresses, and loading segment registers from descriptor tables (SDM 3, chapters 3
 * and 5; SDM 2, MOV, POP, LDS, LLDT, LTR).
 *
 * Hidden parts are canonical: a null selector gives base 0, limit 0 and only the unusable bit (SS keeps its DPL, which
 * is the CPL). What hosts leave there differs and never matters to the guest. */
#include "vm/x86_64/x86_fault.h"

enum { TYPE_ACCESSED = 1, TYPE_RW = 2, TYPE_DOWN = 4, TYPE_CODE = 8 }; /* RW: data writable, code readable. DOWN: code: conforming */
enum { SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS32 = 9, SYS_BUSY = 2 };
enum { ATTR_MASK = 0xf0ff };

static bool protected_mode(const u64 *r)
{
	return r[X86_cr0] & X86_CR0_PE && !(r[X86_rflags] & X86_VM);
}

static bool code64(const u64 *r)
{
	return r[X86_efer] & X86_EFER_LMA && r[X86_cs_attr] & X86_ATTR_L;
}

/* #SS(0) for the stack segment, else #GP(0). */
static int bad_access(unsigned seg, struct x86_fault *f)
{
	return x86_fault_code(f, seg == X86_ss ? X86_SS_VEC : X86_GP, 0);
}

/* 64-bit mode: no limits, no types; only FS and GS have a base (SDM 3, 3.2.4). */
static int linear64(const struct x86_cpu *c, unsigned seg, u64 off, u32 size, u64 *va, struct x86_fault *f)
{
	u64 base = seg == X86_fs || seg == X86_gs ? c->r[seg + X86_SEG_BASE] : 0;
	u64 first = base + off;
	if (!x86_canonical(c->r, first) || !x86_canonical(c->r, first + size - 1))
		return bad_access(seg, f);
	*va = first;
	return 0;
}

/* SDM 3, 5.3: with a limit of 4 GiB - 1 an access may wrap around. */
static bool within_limit(u32 limit, u32 attr, u64 off, u32 size)
{
	u64 last = off + size - 1;
	if ((attr & (TYPE_CODE | TYPE_DOWN)) == TYPE_DOWN)
		return off > limit && last <= (attr & X86_ATTR_DB ? 0xffffffffu : 0xffffu);
	return limit == 0xffffffffu || last <= limit;
}

/* SDM 3, 5.5: what the type lets an access do. A fetch needs no type: CS was checked when it was loaded. */
static bool type_allows(u32 attr, unsigned use)
{
	if (attr & X86_ATTR_UNUSABLE)
		return false;
	if (use & X86_USE_FETCH)
		return true;
	if (attr & TYPE_CODE)
		return !(use & X86_USE_WRITE) && attr & TYPE_RW;
	return !(use & X86_USE_WRITE) || attr & TYPE_RW;
}

int x86_linear(const struct x86_cpu *c, unsigned seg, u64 off, u32 size, unsigned use, u64 *va, struct x86_fault *f)
{
	const u64 *r = c->r;
	if (kt_likely(code64(r)))
		return linear64(c, seg, off, size, va, f);
	u32 limit = (u32)r[seg + X86_SEG_LIMIT], attr = (u32)r[seg + X86_SEG_ATTR];
	if (protected_mode(r) && !type_allows(attr, use))
		return bad_access(seg, f);
	if (!within_limit(limit, attr, off, size))
		return bad_access(seg, f);
	*va = (u32)(r[seg + X86_SEG_BASE] + off);
	return 0;
}

int x86_descr_read(struct x86_cpu *c, u16 selector, bool wide, struct x86_descr *d, struct x86_fault *f)
{
	const u64 *r = c->r;
	u32 error = selector & 0xfffcu, offset = selector & 0xfff8u, size = wide ? 16 : 8;
	u64 base = r[X86_gdtr_base];
	u32 limit = (u32)r[X86_gdtr_limit];
	if (selector & 4) {
		base = r[X86_ldtr_base];
		limit = (u32)r[X86_ldtr_limit];
		if (r[X86_ldtr_attr] & X86_ATTR_UNUSABLE)
			return x86_fault_gp(f, error);
	}
	if ((u64)offset + size - 1 > limit)
		return x86_fault_gp(f, error);
	u32 w[4] = {0};
	d->raw_va = base + offset;
	if (!(r[X86_efer] & X86_EFER_LMA))
		d->raw_va = (u32)d->raw_va;
	if (x86_sys_read(c, d->raw_va, w, size, f))
		return -1;
	d->base = w[0] >> 16 | (w[1] & 0xff) << 16 | (w[1] & 0xff000000u) | (u64)w[2] << 32;
	d->limit = (w[0] & 0xffff) | (w[1] & 0xf0000);
	d->attr = w[1] >> 8 & ATTR_MASK;
	if (d->attr & X86_ATTR_G)
		d->limit = d->limit << 12 | 0xfff;
	/* SDM 3, 7.2.3: the upper half's type field must be zero. */
	if (wide && w[3] & 0x1f00)
		return x86_fault_gp(f, error);
	return 0;
}

int x86_descr_mark(struct x86_cpu *c, struct x86_descr *d, unsigned bits, struct x86_fault *f)
{
	if ((d->attr & bits) == bits)
		return 0;
	u8 access = (u8)(d->attr | bits);
	if (x86_sys_write(c, d->raw_va + 5, &access, 1, X86_USE_WRITE | X86_USE_IMPLICIT, f))
		return -1;
	d->attr |= bits;
	return 0;
}

void x86_seg_set(struct x86_cpu *c, unsigned seg, u16 selector, u64 base, u32 limit, u32 attr)
{
	x86_set(c, seg + X86_SEG_SEL, selector);
	x86_set(c, seg + X86_SEG_BASE, base);
	x86_set(c, seg + X86_SEG_LIMIT, limit);
	x86_set(c, seg + X86_SEG_ATTR, attr);
	c->dirty |= X86_DIRTY_SREGS;
}

/* Real mode: the selector gives the base; limit and rights stay what they were ("unreal mode"). Virtual-8086 mode has
 * fixed ones (SDM 3, 20.1.1, 20.2.1). */
static void load_real(struct x86_cpu *c, unsigned seg, u16 selector)
{
	u32 limit = (u32)c->r[seg + X86_SEG_LIMIT], attr = (u32)c->r[seg + X86_SEG_ATTR];
	if (c->r[X86_rflags] & X86_VM) {
		limit = 0xffff;
		attr = 0xf3;
	} else if (attr & X86_ATTR_UNUSABLE) {
		limit = 0xffff;
		attr = 0x93;
	}
	x86_seg_set(c, seg, selector, (u64)selector << 4, limit, attr);
}

/* SDM 2, MOV: "segment descriptor loading". */
static int check_stack(const struct x86_cpu *c, u16 selector, u32 attr, struct x86_fault *f)
{
	unsigned cpl = x86_cpl(c->r), dpl = attr >> 5 & 3;
	u32 error = selector & 0xfffcu;
	bool writable_data = attr & X86_ATTR_S && !(attr & TYPE_CODE) && attr & TYPE_RW;
	if ((selector & 3u) != cpl || !writable_data || dpl != cpl)
		return x86_fault_gp(f, error);
	if (!(attr & X86_ATTR_P))
		return x86_fault_code(f, X86_SS_VEC, error);
	return 0;
}

static int check_data(const struct x86_cpu *c, u16 selector, u32 attr, struct x86_fault *f)
{
	unsigned cpl = x86_cpl(c->r), dpl = attr >> 5 & 3, rpl = selector & 3;
	u32 error = selector & 0xfffcu;
	bool readable = attr & X86_ATTR_S && (!(attr & TYPE_CODE) || attr & TYPE_RW);
	bool conforming = attr & TYPE_CODE && attr & TYPE_DOWN;
	if (!readable || (!conforming && (rpl > dpl || cpl > dpl)))
		return x86_fault_gp(f, error);
	if (!(attr & X86_ATTR_P))
		return x86_fault_code(f, X86_NP, error);
	return 0;
}

static int load_null(struct x86_cpu *c, unsigned seg, u16 selector, struct x86_fault *f)
{
	u32 attr = X86_ATTR_UNUSABLE;
	if (seg == X86_ss) { /* only 64-bit mode, and not at CPL 3 */
		unsigned cpl = x86_cpl(c->r);
		if (!code64(c->r) || cpl == 3 || (selector & 3u) != cpl)
			return x86_fault_gp(f, 0);
		attr |= cpl << 5;
	}
	x86_seg_set(c, seg, selector, 0, 0, attr);
	return 0;
}

int x86_load_seg(struct x86_cpu *c, unsigned seg, u16 selector, struct x86_fault *f)
{
	struct x86_descr d;
	if (!protected_mode(c->r)) {
		load_real(c, seg, selector);
		return 0;
	}
	if (!(selector & 0xfffc))
		return load_null(c, seg, selector, f);
	if (x86_descr_read(c, selector, false, &d, f))
		return -1;
	if (seg == X86_ss ? check_stack(c, selector, d.attr, f) : check_data(c, selector, d.attr, f))
		return -1;
	if (x86_descr_mark(c, &d, TYPE_ACCESSED, f))
		return -1;
	x86_seg_set(c, seg, selector, d.base, d.limit, d.attr);
	return 0;
}

/* What LLDT and LTR have in common: a system descriptor in the GDT, 16 bytes in 64-bit mode. */
static int read_system(struct x86_cpu *c, u16 selector, struct x86_descr *d, struct x86_fault *f)
{
	if (selector & 4)
		return x86_fault_gp(f, selector & 0xfffcu);
	return x86_descr_read(c, selector, code64(c->r), d, f);
}

static int check_system(const struct x86_cpu *c, u16 selector, const struct x86_descr *d, bool type_ok, struct x86_fault *f)
{
	if (d->attr & X86_ATTR_S || !type_ok)
		return x86_fault_gp(f, selector & 0xfffcu);
	if (!(d->attr & X86_ATTR_P))
		return x86_fault_code(f, X86_NP, selector & 0xfffcu);
	if (!x86_canonical(c->r, d->base))
		return x86_fault_gp(f, selector & 0xfffcu);
	return 0;
}

int x86_load_ldtr(struct x86_cpu *c, u16 selector, struct x86_fault *f)
{
	struct x86_descr d;
	if (!(selector & 0xfffc)) {
		x86_seg_set(c, X86_ldtr, selector, 0, 0, X86_ATTR_UNUSABLE);
		return 0;
	}
	if (read_system(c, selector, &d, f) || check_system(c, selector, &d, (d.attr & 15) == SYS_LDT, f))
		return -1;
	x86_seg_set(c, X86_ldtr, selector, d.base, d.limit, d.attr);
	return 0;
}

int x86_load_tr(struct x86_cpu *c, u16 selector, struct x86_fault *f)
{
	struct x86_descr d;
	if (!(selector & 0xfffc))
		return x86_fault_gp(f, 0);
	if (read_system(c, selector, &d, f))
		return -1;
	unsigned type = d.attr & 15;
	bool ok = type == SYS_TSS32 || (type == SYS_TSS16 && !(c->r[X86_efer] & X86_EFER_LMA));
	if (check_system(c, selector, &d, ok, f) || x86_descr_mark(c, &d, SYS_BUSY, f))
		return -1;
	x86_seg_set(c, X86_tr, selector, d.base, d.limit, d.attr);
	return 0;
}
