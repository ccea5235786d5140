/* SPDX-License-Identifier: MIT */
/* How far a REP string instruction goes before something happens: a page fault, a segment's end, device memory, the end
 * of a piece (65,536 iterations, 128 KiB, an index register that wraps at its address size), or a CMPS/SCAS that finds what it looks for (SDM 2, REP).
 *
 * The operands are walked ahead page by page, in blocks of iterations that stay in one page of every operand. A block
 * is asked first (x86_peek_pa) and only then gets its A/D bits, so pages that are not reached stay as they are. */
#include "vm/x86_64/x86_predict.h"

#include <string.h>

enum { PAGE = 4096, ROOM = 24 }; /* ROOM: records kept free for what else the step does */

struct stream {
	unsigned seg, use;
	u64 off;
	u64 va;         /* of the element at off */
	u64 low;        /* of the block's lowest byte */
	u32 block;      /* bytes of the block */
	const u8 *host; /* of `low`; NULL when the block is one element over two pages */
};

struct walk {
	struct x86_cpu *c;
	unsigned n, width, asize;
	bool down;
	struct stream s[2];
};

/* Iterations from here that neither leave the page nor wrap the offset; at least 1 (an element may straddle). */
static u64 room_of(const struct walk *w, const struct stream *s)
{
	u64 in_page = s->va & (PAGE - 1), off_end = w->asize >= 8 ? ~0ull : (1ull << 8 * w->asize) - 1, room, wrap;
	if (w->down) {
		room = in_page + w->width <= PAGE ? in_page / w->width + 1 : 1;
		wrap = s->off / w->width + 1;
	} else {
		room = (PAGE - in_page) / w->width;
		wrap = (off_end - s->off) / w->width;
	}
	room = KT_MIN(room, wrap);
	return room ? room : 1;
}

/* The largest block of at most `n` iterations that every operand's segment allows; 0: none. Fills s->low. */
static u64 fit_segments(struct walk *w, u64 n)
{
	struct x86_fault f;
	u64 unused;
	for (unsigned k = 0; k < w->n; k++) {
		struct stream *s = &w->s[k];
		if (x86_linear(w->c, s->seg, s->off, w->width, s->use, &s->va, &f))
			return 0;
		n = KT_MIN(n, room_of(w, s));
	}
	for (unsigned k = 0; k < w->n; k++) {
		struct stream *s = &w->s[k];
		while (x86_linear(w->c, s->seg, w->down ? s->off - (n - 1) * w->width : s->off, (u32)n * w->width, s->use, &unused, &f))
			n /= 2; /* n = 1 was allowed above */
	}
	for (unsigned k = 0; k < w->n; k++) {
		struct stream *s = &w->s[k];
		s->block = (u32)n * w->width;
		s->low = w->down ? s->va - (n - 1) * w->width : s->va;
	}
	return n;
}

/* Can the block be touched without a fault, and is all of it RAM? */
static bool block_ok(struct walk *w)
{
	struct x86_fault f;
	u64 pa;
	for (unsigned k = 0; k < w->n; k++) {
		struct stream *s = &w->s[k];
		u64 last = s->low + s->block - 1;
		if (x86_peek_pa(w->c, s->low, s->use, &pa, &f))
			return false;
		s->host = x86_ram(w->c, pa, 1);
		if (!s->host)
			return false;
		if (!((last ^ s->low) & ~(u64)(PAGE - 1)))
			continue;
		s->host = NULL; /* straddles: one element, read through its span */
		if (!x86_is_code64(w->c->r))
			last = (u32)last;
		if (x86_peek_pa(w->c, last, s->use, &pa, &f) || !x86_ram(w->c, pa, 1))
			return false;
	}
	return true;
}

static bool commit_block(struct walk *w, u64 n)
{
	struct x86_fault f;
	struct x86_span span;
	for (unsigned k = 0; k < w->n; k++) {
		struct stream *s = &w->s[k];
		u32 bytes = (u32)n * w->width;
		u64 low = w->down ? s->va - (n - 1) * w->width : s->va;
		if (x86_span(w->c, low, bytes, s->use, &span, &f))
			return false;
	}
	return true;
}

/* False: an operand's offset has wrapped. */
static bool advance(struct walk *w, u64 n)
{
	u64 by = n * w->width;
	bool wrapped = false;
	for (unsigned k = 0; k < w->n; k++) {
		u64 was = w->s[k].off, off = kt_cut(w->down ? was - by : was + by, w->asize);
		wrapped |= w->down ? off > was : off < was;
		w->s[k].off = off;
	}
	return !wrapped;
}

/* Element j of the block, in order of execution. */
static u64 element(struct walk *w, struct stream *s, u64 j)
{
	u64 v = 0;
	if (s->host) {
		u64 at = w->down ? s->block - (j + 1) * w->width : j * w->width;
		memcpy(&v, s->host + at, w->width);
		return v;
	}
	struct x86_fault f;
	for (unsigned b = 0; b < w->width; b++) {
		u64 pa, va = s->low + b;
		if (!x86_is_code64(w->c->r))
			va = (u32)va;
		const u8 *p = x86_peek_pa(w->c, va, s->use, &pa, &f) ? NULL : x86_ram(w->c, pa, 1);
		v |= (u64)(p ? *p : 0xff) << 8 * b;
	}
	return v;
}

/* How many of the block's n iterations CMPS or SCAS makes; *found: the last one ends the instruction. */
static u64 scan_block(struct walk *w, const struct kt_desc *d, u64 n, bool *found)
{
	bool until_equal = d->flags & KT_DESC_REPNE;
	u64 acc = kt_cut(w->c->r[X86_rax], w->width);
	for (u64 j = 0; j < n; j++) {
		u64 a = element(w, &w->s[0], j), b = d->op == KT_OP_SCAS ? acc : element(w, &w->s[1], j);
		if ((a == b) == until_equal) {
			*found = true;
			return j + 1;
		}
	}
	return n;
}

static bool begin(struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct walk *w)
{
	*w = (struct walk){.c = c, .asize = i->asize, .down = c->r[X86_rflags] & X86_DF};
	for (unsigned k = 0; k < plan->n; k++) {
		const struct kt_planned *p = &plan->p[k];
		if (p->space != KT_SPACE_RAM || w->n == 2)
			return false;
		struct stream *s = &w->s[w->n++];
		x86_planned_place(c->r, &i->k.desc.opnd[p->op], p->va, &s->seg, &s->off);
		s->use = (p->write ? X86_USE_WRITE : X86_USE_READ) | x86_use_now(c->r);
		w->width = p->size;
		for (unsigned n = 0; n < plan->span[k].n; n++)
			if (!plan->span[k].part[n].host)
				return false;
	}
	return w->n && w->width && w->width <= 8;
}

/* A block costs at most a record of each operand's data and a full walk's A/D bits. */
static bool has_room(const struct walk *w, unsigned blocks)
{
	return w->c->step.naccess + (blocks + 1) * w->n + w->n * 6 + ROOM <= KT_STEP_ACCESSES;
}

void x86_check_rep(struct x86_cpu *c, const struct x86_insn *i, struct x86_plan *plan)
{
	const struct kt_desc *d = &i->k.desc;
	u64 count = kt_cut(c->r[X86_rcx], i->asize), max = KT_MIN(count, (u64)X86_REP_ITERATIONS), n = 0;
	bool scan = d->op == KT_OP_CMPS || d->op == KT_OP_SCAS, found = false;
	struct walk w;
	plan->limit = 1;
	plan->rep_done = count == 1;
	if (c->r[X86_rflags] & X86_TF || c->r[X86_dr7] & 0xff) /* #DB comes between iterations (SDM 3, 17.3.1.1) */
		return;
	if (d->op == KT_OP_INS || d->op == KT_OP_OUTS || !begin(c, i, plan, &w))
		return;
	max = KT_MIN(max, X86_REP_BYTES / w.width);
	for (unsigned blocks = 0; n < max && !found && has_room(&w, blocks); blocks++) {
		u64 block = fit_segments(&w, max - n);
		if (!block || !block_ok(&w))
			break;
		if (scan)
			block = scan_block(&w, d, block, &found);
		if (!commit_block(&w, block))
			break;
		n += block;
		if (!advance(&w, block))
			break;
	}
	plan->limit = n ? n : 1;
	plan->rep_done = found || n == count;
}
