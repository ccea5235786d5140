/* SPDX-License-Identifier: MIT */
/* Control transfers: staging of reads, writes and segment registers, and the commit (x86_xfer.h). */
#include "vm/x86_64/x86_xfer.h"

#include <string.h>

enum { PAGE = 4096 };

void x86_xfer_begin(struct x86_xfer *x, struct x86_cpu *c, struct x86_fault *f, u32 ext)
{
	x->c = c;
	x->f = f;
	x->ext = ext;
	x->lma = c->r[X86_efer] & X86_EFER_LMA;
	x->rip = c->r[X86_rip];
	x->rsp = c->r[X86_rsp];
	x->rflags = c->r[X86_rflags];
	x->set = 0;
	x->n = 0;
}

int x86_xfer_raise(struct x86_xfer *x, unsigned vector, u32 error)
{
	*x->f = (struct x86_fault){ .vector = (u8)vector, .has_error = true, .error = error | x->ext };
	return 1;
}

int x86_raise_plain(struct x86_fault *f, unsigned vector)
{
	*f = (struct x86_fault){ .vector = (u8)vector };
	return 1;
}

static u32 in_page(u64 va, u32 size)
{
	u32 left = PAGE - (u32)(va & (PAGE - 1));
	return KT_MIN(left, size);
}

static u64 load(const u8 *p, unsigned size)
{
	u64 v = 0;
	memcpy(&v, p, size);
	return v;
}

static int add(struct x86_xfer *x, enum x86_xfer_kind kind, u64 va, u64 pa, unsigned size, unsigned use, const void *data)
{
	if (x->n == X86_XFER_ACCESSES) {
		x86_end(x->c, VM_END_UNSUPPORTED, x->c->r[X86_rip], "a far transfer at %#llx makes too many accesses",
			(unsigned long long)x->c->r[X86_rip]);
		return -1;
	}
	struct x86_xfer_access *a = &x->access[x->n++];
	*a = (struct x86_xfer_access){ .va = va, .pa = pa, .kind = kind, .size = (u8)size, .use = (u8)use };
	if (data)
		memcpy(a->data, data, size);
	return 0;
}

static int not_ram(struct x86_xfer *x, u64 va, u64 pa)
{
	x86_end(x->c, VM_END_UNSUPPORTED, pa, "the stack at %#llx (physical %#llx) is not RAM: the frame cannot be kept",
		(unsigned long long)va, (unsigned long long)pa);
	return -1;
}

int x86_xfer_table(struct x86_xfer *x, u64 va, void *to, unsigned size)
{
	const unsigned use = X86_USE_READ | X86_USE_IMPLICIT;
	for (unsigned done = 0; done < size;) {
		u64 pa, at = va + done;
		if (!x->lma)
			at = (u32)at;
		else if (!x86_canonical(x->c->r, at))
			return x86_xfer_raise(x, X86_GP, 0);
		unsigned n = in_page(at, size - done);
		if (x86_peek_pa(x->c, at, use, &pa, x->f))
			return 1;
		const u8 *host = x86_ram(x->c, pa, n);
		if (host)
			memcpy((u8 *)to + done, host, n);
		else
			memset((u8 *)to + done, 0xff, n);
		if (add(x, X86_XFER_TABLE, at, pa, n, use, NULL))
			return -1;
		done += n;
	}
	return 0;
}

int x86_xfer_descr(struct x86_xfer *x, u16 sel, unsigned vector, struct x86_raw *d)
{
	const u64 *r = x->c->r;
	bool local = sel & 4;
	u64 base = local ? r[X86_ldtr_base] : r[X86_gdtr_base];
	u64 limit = local ? r[X86_ldtr_limit] : r[X86_gdtr_limit];
	u32 raw[2];
	if ((local && r[X86_ldtr_attr] & X86_ATTR_UNUSABLE) || (sel | 7u) > limit)
		return x86_xfer_raise(x, vector, sel & 0xfffc);
	*d = (struct x86_raw){ .va = base + (sel & 0xfff8) };
	int rc = x86_xfer_table(x, d->va, raw, sizeof raw);
	d->lo = raw[0];
	d->hi = raw[1];
	return rc;
}

static struct x86_segval *stage(struct x86_xfer *x, unsigned seg)
{
	x->set |= 1u << X86_XFER_SEG(seg);
	return &x->seg[X86_XFER_SEG(seg)];
}

int x86_xfer_load(struct x86_xfer *x, unsigned seg, u16 sel, const struct x86_raw *d)
{
	u32 limit = (d->lo & 0xffff) | (d->hi & 0xf0000);
	u32 attr = d->hi >> 8 & 0xf0ff;
	if (attr & X86_ATTR_G)
		limit = limit << 12 | 0xfff;
	*stage(x, seg) = (struct x86_segval){
		.sel = sel, .base = d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000), .limit = limit, .attr = attr | 1
	};
	if (attr & 1)
		return 0;
	u8 access = (u8)(attr | 1);
	u64 va = d->va + 5;
	return add(x, X86_XFER_WRITE, x->lma ? va : (u32)va, 0, 1, X86_USE_WRITE | X86_USE_IMPLICIT, &access);
}

void x86_xfer_null(struct x86_xfer *x, unsigned seg, u16 sel, unsigned dpl)
{
	*stage(x, seg) = (struct x86_segval){ .sel = sel, .attr = X86_ATTR_UNUSABLE | dpl << 5 };
}

/* Limit and attributes stay, as "unreal mode" needs. */
void x86_xfer_real(struct x86_xfer *x, unsigned seg, u16 sel)
{
	const u64 *r = x->c->r;
	*stage(x, seg) = (struct x86_segval){
		.sel = sel, .base = (u64)sel << 4, .limit = (u32)r[seg + X86_SEG_LIMIT], .attr = (u32)r[seg + X86_SEG_ATTR]
	};
}

void x86_xfer_flat(struct x86_xfer *x, unsigned seg, u16 sel, u32 attr)
{
	*stage(x, seg) = (struct x86_segval){ .sel = sel, .limit = 0xffffffff, .attr = attr };
}

struct x86_stack x86_xfer_stack(const struct x86_cpu *c)
{
	struct x86_stack s = { .sp = c->r[X86_rsp], .use = x86_cpl(c->r) == 3 ? X86_USE_USER : 0 };
	if (x86_in_64(c)) {
		s.width = 8;
		return s;
	}
	s.base = c->r[X86_ss_base];
	s.limit = (u32)c->r[X86_ss_limit];
	s.attr = (u32)c->r[X86_ss_attr];
	s.width = s.attr & X86_ATTR_DB ? 4 : 2;
	return s;
}

static u64 width_mask(unsigned width)
{
	return width == 8 ? ~0ull : width == 4 ? 0xffffffff : 0xffff;
}

/* Whether [off, off+size) lies in the stack segment (SDM 3, 5.3). */
static bool stack_room(const struct x86_xfer *x, const struct x86_stack *s, u64 off, unsigned size)
{
	u64 last = off + size - 1;
	if (s->width == 8)
		return last >= off && x86_canonical(x->c->r, off) && x86_canonical(x->c->r, last);
	if (s->attr & X86_ATTR_UNUSABLE)
		return false;
	if ((s->attr & 0xc) == 4) /* expand-down data */
		return off > s->limit && last <= (s->attr & X86_ATTR_DB ? 0xffffffff : 0xffff);
	return last <= s->limit;
}

static u64 stack_linear(const struct x86_stack *s, u64 off)
{
	return s->width == 8 ? off : (u32)(s->base + off);
}

int x86_xfer_push(struct x86_xfer *x, struct x86_stack *s, u64 value, unsigned size)
{
	u64 mask = width_mask(s->width), off = (s->sp - size) & mask;
	if (!stack_room(x, s, off, size))
		return x86_xfer_raise(x, X86_SS_VEC, s->error & 0xfffc);
	s->sp = (s->sp & ~mask) | off;
	u64 va = stack_linear(s, off);
	unsigned low = in_page(va, size);
	if (add(x, X86_XFER_WRITE, va, 0, low, X86_USE_WRITE | s->use, &value))
		return -1;
	if (low == size)
		return 0;
	value >>= low * 8;
	va = s->width == 8 ? va + low : (u32)(va + low);
	return add(x, X86_XFER_WRITE, va, 0, size - low, X86_USE_WRITE | s->use, &value);
}

int x86_xfer_pop(struct x86_xfer *x, struct x86_stack *s, unsigned size, u64 *value)
{
	u64 mask = width_mask(s->width), off = s->sp & mask, pa;
	u8 data[8];
	if (!stack_room(x, s, off, size))
		return x86_xfer_raise(x, X86_SS_VEC, s->error & 0xfffc);
	u64 va = stack_linear(s, off);
	for (unsigned done = 0; done < size;) {
		u64 at = s->width == 8 ? va + done : (u32)(va + done);
		unsigned n = in_page(at, size - done);
		if (x86_peek_pa(x->c, at, X86_USE_READ | s->use, &pa, x->f))
			return 1;
		const u8 *host = x86_ram(x->c, pa, n);
		if (!host)
			return not_ram(x, at, pa);
		memcpy(data + done, host, n);
		if (add(x, X86_XFER_READ, at, pa, n, X86_USE_READ | s->use, data + done))
			return -1;
		done += n;
	}
	*value = load(data, size);
	s->sp = (s->sp & ~mask) | ((off + size) & mask);
	return 0;
}

int x86_xfer_known(struct x86_xfer *x, const struct x86_span *s, u8 *to)
{
	u64 va = s->va;
	for (unsigned i = 0; i < s->n; i++) {
		u32 n = s->part[i].size;
		if (!s->part[i].host || n > 16) {
			x86_end(x->c, VM_END_UNSUPPORTED, s->part[i].pa, "a far pointer at %#llx is not in RAM", (unsigned long long)va);
			return -1;
		}
		memcpy(to, s->part[i].host, n);
		if (add(x, X86_XFER_KNOWN, va, s->part[i].pa, n, X86_USE_READ, to))
			return -1;
		to += n;
		va += n;
	}
	return 0;
}

int x86_xfer_rip(struct x86_xfer *x, u64 rip)
{
	const struct x86_segval *cs = &x->seg[X86_XFER_SEG(X86_cs)];
	bool ok = x->lma && cs->attr & X86_ATTR_L ? x86_canonical(x->c->r, rip) : rip <= cs->limit;
	x->rip = rip;
	return ok ? 0 : x86_xfer_raise(x, X86_GP, 0);
}

/* Everything that could refuse a write is found here, in the order of the writes. */
static int check_writes(struct x86_xfer *x)
{
	u64 pa;
	for (unsigned i = 0; i < x->n; i++) {
		const struct x86_xfer_access *a = &x->access[i];
		if (a->kind != X86_XFER_WRITE)
			continue;
		if (x86_peek_pa(x->c, a->va, a->use, &pa, x->f))
			return 1;
		if (!x86_ram(x->c, pa, a->size))
			return not_ram(x, a->va, pa);
	}
	return 0;
}

/* Sets the Accessed and Dirty bits of everything before the first byte is written, so that a frame that lands on the page
 * tables that map it cannot fault half-way. Only these bits could still make a table useless (a PDPTE that is its own
 * page table has them reserved): not worth modelling. */
static int mark_pages(struct x86_xfer *x)
{
	struct x86_fault f;
	for (unsigned i = 0; i < x->n; i++) {
		struct x86_xfer_access *a = &x->access[i];
		if (a->kind == X86_XFER_KNOWN || !x86_translate(x->c, a->va, a->use, &a->pa, &f))
			continue;
		x86_end(x->c, VM_END_UNSUPPORTED, a->va, "Accessed bits for a far transfer at %#llx make its page tables invalid",
		        (unsigned long long)x->c->step.pc);
		return -1;
	}
	return 0;
}

static bool same_page(u64 a, u64 b)
{
	return !((a ^ b) & ~(u64)(PAGE - 1));
}

/* Adjacent accesses of one kind in one page: one access of memory. */
struct run {
	struct x86_xfer_access first;
	u32 size;
	u8 data[PAGE];
};

static void run_start(struct run *run, const struct x86_xfer_access *a)
{
	run->first = *a;
	run->size = a->size;
	memcpy(run->data, a->data, a->size);
}

static void write_run(struct x86_xfer *x, const struct run *run)
{
	u8 *host = run->size ? x86_ram_write(x->c, run->first.pa, run->size) : NULL;
	if (!host)
		return;
	memcpy(host, run->data, run->size);
	x86_step_access(x->c, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT, run->first.va, run->first.pa, run->size, run->data,
	                run->size);
}

/* Pushes go downwards: a run grows at its front. */
static void do_writes(struct x86_xfer *x)
{
	struct run run = { .size = 0 };
	for (unsigned i = 0; i < x->n; i++) {
		const struct x86_xfer_access *a = &x->access[i];
		if (a->kind != X86_XFER_WRITE)
			continue;
		bool joins = run.size && a->use == run.first.use && a->va + a->size == run.first.va && same_page(a->va, run.first.va);
		if (joins) {
			memmove(run.data + a->size, run.data, run.size);
			memcpy(run.data, a->data, a->size);
			run.size += a->size;
			run.first.va = a->va;
			run.first.pa = a->pa;
			continue;
		}
		write_run(x, &run);
		run_start(&run, a);
	}
	write_run(x, &run);
}

static void record_run(struct x86_xfer *x, const struct run *run)
{
	if (run->size)
		x86_step_access(x->c, KT_SPACE_RAM, 0, run->first.va, run->first.pa, run->size, run->data, run->size);
}

/* Pops go upwards: a run grows at its end. */
static void record_reads(struct x86_xfer *x)
{
	struct run run = { .size = 0 };
	for (unsigned i = 0; i < x->n; i++) {
		const struct x86_xfer_access *a = &x->access[i];
		if (a->kind != X86_XFER_READ && a->kind != X86_XFER_KNOWN)
			continue;
		bool joins = run.size && a->kind == run.first.kind && a->va == run.first.va + run.size &&
		             a->pa == run.first.pa + run.size && same_page(a->va, run.first.va);
		if (joins) {
			memcpy(run.data + run.size, a->data, a->size);
			run.size += a->size;
			continue;
		}
		record_run(x, &run);
		run_start(&run, a);
	}
	record_run(x, &run);
}

static void load_segs(struct x86_xfer *x)
{
	for (unsigned k = 0; k < X86_XFER_SEGS; k++) {
		if (!(x->set >> k & 1))
			continue;
		const struct x86_segval *v = &x->seg[k];
		unsigned seg = X86_es + k * X86_SEG_STRIDE;
		x86_set(x->c, seg + X86_SEG_SEL, v->sel);
		x86_set(x->c, seg + X86_SEG_BASE, v->base);
		x86_set(x->c, seg + X86_SEG_LIMIT, v->limit);
		x86_set(x->c, seg + X86_SEG_ATTR, v->attr);
		x->c->dirty |= X86_DIRTY_SREGS;
	}
}

int x86_xfer_commit(struct x86_xfer *x)
{
	struct x86_cpu *c = x->c;
	int rc = check_writes(x);
	if (rc)
		return rc;
	if (mark_pages(x))
		return -1;
	do_writes(x);
	record_reads(x);
	load_segs(x);
	c->r[X86_rip] = x->rip;
	c->r[X86_rsp] = x->rsp;
	c->r[X86_rflags] = x->rflags;
	c->dirty |= X86_DIRTY_HOT;
	return 0;
}
