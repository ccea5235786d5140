/* SPDX-License-Identifier: MIT */
/* Guest memory as the vCPU sees it: RAM ranges, A20, and translation by our own walk at every access.
 *
 * There is no TLB here: a translation is never stale, so a trace says what the tables said. What makes that cheap is
 * fast_pa(): the usual case (4-level, Accessed and Dirty already set, nothing forbidden) as one straight loop; whatever
 * it does not like goes to x86_walk(), which alone knows all rules. Physical addresses that leave this file have A20
 * applied. */
#include "vm/x86_64/x86_fault.h"

#include <string.h>

enum { PAGE = 4096, PAGE_MASK = 4095, SPAN_MAX = 4096 };
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };
enum { E_P = 1, E_RW = 2, E_US = 4, E_A = 0x20, E_D = 0x40, E_PS = 0x80 };

static inline u64 a20(const struct x86_cpu *c, u64 pa)
{
	return kt_likely(c->a20) ? pa : pa & ~(1ull << 20);
}

/* Ranges are page aligned, so what lies within one page needs its first byte looked up only. */
static inline u8 *ram_at(const struct x86_cpu *c, u64 pa)
{
	for (unsigned n = 0; n < c->nram; n++)
		if (pa - c->ram[n].gpa < c->ram[n].size)
			return c->ram[n].host + (pa - c->ram[n].gpa);
	return NULL;
}

u8 *x86_ram(const struct x86_cpu *c, u64 pa, unsigned size)
{
	if (kt_unlikely((pa & PAGE_MASK) + size > PAGE))
		return NULL;
	return ram_at(c, a20(c, pa));
}

u8 *x86_ram_write(struct x86_cpu *c, u64 pa, unsigned size)
{
	if (kt_unlikely((pa & PAGE_MASK) + size > PAGE))
		return NULL;
	pa = a20(c, pa);
	u64 before = 0; /* pages in the ranges before this one */
	for (unsigned n = 0; n < c->nram; n++) {
		u64 at = pa - c->ram[n].gpa;
		if (at < c->ram[n].size) {
			u8 *host = c->ram[n].host + at;
			if (c->touched) {
				u32 *seen = &c->touched[before + (at >> 12)];
				if (*seen == c->epoch)
					return host;
				*seen = c->epoch;
			}
			if (c->hooks.page_touch)
				c->hooks.page_touch(c->hooks.ctx, pa & ~(u64)PAGE_MASK, host - (at & PAGE_MASK));
			return host;
		}
		before += c->ram[n].size >> 12;
	}
	return NULL;
}

/* x86_walk's view of memory. */
static const u8 *walk_phys(void *ctx, u64 pa, unsigned size)
{
	(void)size; /* entries are aligned */
	const struct x86_cpu *c = ctx;
	return ram_at(c, a20(c, pa));
}

/* True and *pa when the walk certainly succeeds and changes no A/D bit. False says nothing. */
static inline bool fast_pa(const struct x86_cpu *c, u64 va, unsigned use, u64 *pa)
{
	const u64 *r = c->r;
	if (kt_unlikely(!c->a20))
		return false;
	if (!(r[X86_cr0] & X86_CR0_PG)) {
		*pa = r[X86_efer] & X86_EFER_LMA ? va : (u32)va;
		return true;
	}
	if (!(r[X86_efer] & X86_EFER_LMA) || r[X86_cr4] & (X86_CR4_LA57 | X86_CR4_SMEP | X86_CR4_SMAP))
		return false;
	const u64 address = ((1ull << X86_PHYS_BITS) - 1) & ~(u64)PAGE_MASK;
	const u64 high = ((1ull << 52) - 1) & ~((1ull << X86_PHYS_BITS) - 1);
	u64 table = r[X86_cr3] & address, all = ~0ull, any = 0, e;
	unsigned shift = 39;
	for (;; shift -= 9) {
		const u8 *p = ram_at(c, table + (va >> shift & 511) * 8);
		if (kt_unlikely(!p))
			return false;
		memcpy(&e, p, 8);
		all &= e;
		any |= e;
		if (shift == 12 || !(e & E_P))
			break;
		if (e & E_PS) {
			if (shift != 21 || e & ((1ull << shift) - 1) & ~0x1fffull)
				return false;
			break;
		}
		table = e & address;
	}
	u64 need = E_P | E_A;
	if (use & X86_USE_WRITE)
		need |= E_RW;
	if ((use & (X86_USE_USER | X86_USE_IMPLICIT)) == X86_USE_USER)
		need |= E_US;
	if ((all & need) != need || any & high || (use & X86_USE_WRITE && !(e & E_D)))
		return false;
	if (any >> 63 && (use & X86_USE_FETCH || !(r[X86_efer] & X86_EFER_NXE)))
		return false;
	u64 offset = (1ull << shift) - 1;
	*pa = (e & address & ~offset) | (va & offset);
	return true;
}

/* Sets the bits that a walk found missing: memory effects of the step (SDM 3, 4.8). */
static void set_bits(struct x86_cpu *c, const struct x86_walk *w)
{
	for (unsigned n = 0; n < w->nset; n++) {
		u64 pa = a20(c, w->set[n].pa), value = w->set[n].new_;
		unsigned size = w->set[n].size;
		u8 *host = x86_ram_write(c, pa, size);
		if (!host) /* all ones from nowhere has every bit set: cannot be listed */
			continue;
		memcpy(host, &value, size);
		x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT, pa, pa, size, &value, size);
	}
}

/* The walk knows all page sizes. On a CPU that does not show 1 GiB pages (CPUID 80000001, EDX bit 26) PS is reserved in
 * a PDPTE (SDM 3, table 4-16). */
static bool page_size_missing(const struct x86_cpu *c, const struct x86_walk *w)
{
	u32 out[4];
	if (kt_likely(w->page_size != 1ull << 30))
		return false;
	x86_model_cpuid(c, 0x80000001, 0, out);
	return !(out[3] >> 26 & 1);
}

static int walk(const struct x86_cpu *c, u64 va, unsigned use, struct x86_walk *w, struct x86_fault *f)
{
	int rc = x86_walk(c->r, walk_phys, (void *)(uintptr_t)c, va, use, w);
	if (kt_unlikely(page_size_missing(c, w))) {
		const u64 *r = c->r;
		u32 error = PF_P | PF_RSVD;
		error |= use & X86_USE_WRITE ? PF_W : 0;
		error |= (use & (X86_USE_USER | X86_USE_IMPLICIT)) == X86_USE_USER ? PF_U : 0;
		error |= use & X86_USE_FETCH && (r[X86_efer] & X86_EFER_NXE || r[X86_cr4] & X86_CR4_SMEP) ? PF_I : 0;
		return x86_fault_pf(f, error, va);
	}
	if (rc)
		return x86_fault_pf(f, w->error, va);
	w->pa = a20(c, w->pa);
	return 0;
}

int x86_translate(struct x86_cpu *c, u64 va, unsigned use, u64 *pa, struct x86_fault *f)
{
	if (kt_likely(fast_pa(c, va, use, pa)))
		return 0;
	struct x86_walk w;
	if (walk(c, va, use, &w, f))
		return -1;
	set_bits(c, &w);
	*pa = w.pa;
	return 0;
}

int x86_peek_pa(const struct x86_cpu *c, u64 va, unsigned use, u64 *pa, struct x86_fault *f)
{
	if (kt_likely(fast_pa(c, va, use, pa)))
		return 0;
	struct x86_walk w;
	if (walk(c, va, use, &w, f))
		return -1;
	*pa = w.pa;
	return 0;
}

/* The first byte of the page behind va's: linear addresses are 32 bits wide outside 64-bit mode, but for the system
 * tables of long mode. */
static u64 next_page(const struct x86_cpu *c, u64 va, unsigned use)
{
	u64 next = (va | PAGE_MASK) + 1;
	bool wide = c->r[X86_efer] & X86_EFER_LMA && (c->r[X86_cs_attr] & X86_ATTR_L || use & X86_USE_IMPLICIT);
	return wide ? next : (u32)next;
}

static void span_part(struct x86_cpu *c, struct x86_span *s, unsigned n, u64 pa, u32 size, unsigned use)
{
	s->part[n].pa = pa;
	s->part[n].size = size;
	s->part[n].host = use & X86_USE_WRITE ? x86_ram_write(c, pa, size) : ram_at(c, pa);
	s->n = n + 1;
}

/* Both pages are asked before either gets its bits: an access that faults in its second page has not happened. */
static int span_two(struct x86_cpu *c, u64 va, u32 first, unsigned use, struct x86_span *s, struct x86_fault *f)
{
	u64 next = next_page(c, va, use), pa[2];
	if (x86_peek_pa(c, va, use, &pa[0], f) || x86_peek_pa(c, next, use, &pa[1], f))
		return -1;
	if (x86_translate(c, va, use, &pa[0], f) || x86_translate(c, next, use, &pa[1], f))
		return -1;
	span_part(c, s, 0, pa[0], first, use);
	span_part(c, s, 1, pa[1], s->size - first, use);
	bool ram0 = s->part[0].host, ram1 = s->part[1].host;
	if (pa[0] + first == pa[1] && (ram0 ? s->part[0].host + first == s->part[1].host : !ram1)) {
		s->part[0].size = s->size;
		s->n = 1;
	}
	return 0;
}

int x86_span(struct x86_cpu *c, u64 va, u32 size, unsigned use, struct x86_span *s, struct x86_fault *f)
{
	u32 room = PAGE - (va & PAGE_MASK);
	s->va = va;
	s->size = size = KT_MIN(size, (u32)SPAN_MAX);
	if (kt_unlikely(size > room))
		return span_two(c, va, room, use, s, f);
	u64 pa;
	if (x86_translate(c, va, use, &pa, f))
		return -1;
	span_part(c, s, 0, pa, size, use);
	return 0;
}

int x86_sys_read(struct x86_cpu *c, u64 va, void *to, u32 size, struct x86_fault *f)
{
	u8 *out = to;
	while (size) {
		u32 n = KT_MIN(size, (u32)(PAGE - (va & PAGE_MASK)));
		u64 pa;
		if (x86_translate(c, va, X86_USE_READ | X86_USE_IMPLICIT, &pa, f))
			return -1;
		const u8 *host = ram_at(c, pa);
		if (!host)
			return x86_fault_gp(f, 0);
		memcpy(out, host, n);
		out += n;
		size -= n;
		va = next_page(c, va, X86_USE_IMPLICIT);
	}
	return 0;
}

/* All of it can be written, or *f. */
static int sys_write_probe(const struct x86_cpu *c, u64 va, u32 size, unsigned use, struct x86_fault *f)
{
	for (u64 left = size; left;) {
		u64 n = KT_MIN(left, PAGE - (va & PAGE_MASK)), pa;
		if (x86_peek_pa(c, va, use, &pa, f))
			return -1;
		if (!ram_at(c, pa))
			return x86_fault_gp(f, 0);
		left -= n;
		va = next_page(c, va, use);
	}
	return 0;
}

int x86_sys_write(struct x86_cpu *c, u64 va, const void *from, u32 size, unsigned use, struct x86_fault *f)
{
	const u8 *in = from;
	use |= X86_USE_WRITE;
	if (sys_write_probe(c, va, size, use, f))
		return -1;
	while (size) {
		u32 n = KT_MIN(size, (u32)(PAGE - (va & PAGE_MASK)));
		u64 pa;
		if (x86_translate(c, va, use, &pa, f))
			return -1;
		u8 *host = x86_ram_write(c, pa, n);
		if (!host)
			return x86_fault_gp(f, 0);
		memcpy(host, in, n);
		x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT, va, pa, n, in, n);
		in += n;
		size -= n;
		va = next_page(c, va, use);
	}
	return 0;
}
