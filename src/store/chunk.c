/* SPDX-License-Identifier: MIT */
/* A chunk being captured. Arrays are allocated once and kept: a step costs a few copies. */
#include "store/chunk.h"

#include <stdlib.h>
#include <string.h>

/* A step may write more pages than the chunk has room for by its limit (a REP piece: 129): the chunk may exceed it by
 * that one step, as it may exceed the payload limit. */
enum { PAGE_SLACK = 512, PAGE = 4096 };

bool kt_raw_chunk_init(struct kt_raw_chunk *c, const struct kt_arch *arch, const struct kt_chunk_limits *limits)
{
	memset(c, 0, sizeof(*c));
	c->arch = arch;
	c->limits.steps = limits && limits->steps ? KT_MIN(limits->steps, (u32)KT_CHUNK_STEPS) : KT_CHUNK_STEPS;
	c->limits.payload = limits && limits->payload ? KT_MIN(limits->payload, (u32)KT_CHUNK_PAYLOAD) : KT_CHUNK_PAYLOAD;
	c->limits.pages = limits && limits->pages ? KT_MIN(limits->pages, (u32)KT_CHUNK_PAGES) : KT_CHUNK_PAGES;
	u32 frames = (c->limits.steps + KT_FRAME_STEPS - 1) / KT_FRAME_STEPS;
	c->page_cap = c->limits.pages + PAGE_SLACK;
	c->frame_regs = calloc((size_t)frames * KT_REGS_MAX, sizeof(u64));
	c->step = calloc(c->limits.steps, sizeof(*c->step));
	c->hot = calloc((size_t)c->limits.steps * arch->nhot, sizeof(u64));
	c->page = calloc(c->page_cap, sizeof(*c->page));
	if (!c->frame_regs || !c->step || !c->hot || !c->page || !kt_buf_room(&c->aux, c->limits.payload + 65536u)) {
		kt_raw_chunk_deinit(c);
		return false;
	}
	return true;
}

void kt_raw_chunk_deinit(struct kt_raw_chunk *c)
{
	for (u32 i = 0; c->page && i < c->page_cap; i++)
		free(c->page[i].before);
	free(c->page);
	free(c->frame_regs);
	free(c->step);
	free(c->hot);
	kt_buf_free(&c->aux);
	kt_buf_free(&c->device);
	memset(c, 0, sizeof(*c));
}

void kt_raw_chunk_begin(struct kt_raw_chunk *c, u64 first, const u64 *regs)
{
	c->first = first;
	c->count = 0;
	c->npages = 0;
	c->payload = 0;
	kt_buf_clear(&c->aux);
	kt_buf_clear(&c->device);
	memset(c->regs, 0, sizeof(c->regs));
	memcpy(c->regs, regs, c->arch->nregs * sizeof(u64));
	memcpy(c->frame_regs, c->regs, sizeof(c->regs));
	c->end_pc = kt_arch_linear_pc(c->arch, regs);
}

static u32 access_data(const struct kt_access *a)
{
	if (a->flags & KT_ACCESS_NODATA)
		return 0;
	return a->flags & KT_ACCESS_FILL ? a->elem : a->size;
}

static bool put_aux(struct kt_raw_chunk *c, const struct kt_step *s)
{
	for (unsigned i = 0; i < s->naccess; i++) {
		const struct kt_access *a = &s->access[i];
		u32 n = access_data(a), padded = (n + 7) & ~7u;
		struct kt_raw_access *raw = (void *)kt_buf_room(&c->aux, sizeof(*raw) + padded);
		if (!raw)
			return false;
		*raw = (struct kt_raw_access){ .va = a->va, .pa = a->pa, .size = a->size, .space = a->space,
			                       .flags = a->flags, .elem = a->elem, .ndata = n };
		if (padded)
			memset((u8 *)(raw + 1) + padded - 8, 0, 8);
		if (n)
			memcpy(raw + 1, a->data, n);
		c->aux.len += sizeof(*raw) + padded;
		c->payload += padded;
	}
	kt_buf_put(&c->aux, s->event, s->nevent * sizeof(s->event[0]));
	for (unsigned i = 0; i < s->ncold; i++) {
		struct kt_regset r;
		memset(&r, 0, sizeof(r)); /* padding is part of what is kept */
		r.reg = s->cold[i].reg;
		r.value = s->cold[i].value;
		kt_buf_put(&c->aux, &r, sizeof(r));
	}
	c->payload += s->nevent * (u32)sizeof(s->event[0]) + s->ncold * (u32)sizeof(s->cold[0]);
	return !c->aux.failed;
}

bool kt_raw_chunk_add(struct kt_raw_chunk *c, const struct kt_step *s, const u64 *regs)
{
	unsigned nhot = c->arch->nhot;
	struct kt_raw_step *raw = &c->step[c->count];
	*raw = (struct kt_raw_step){ .pc = s->pc, .insn = s->insn ? s->insn->id : 0, .aux = (u32)c->aux.len,
		                     .naccess = (u16)s->naccess, .nevent = (u8)s->nevent, .ncold = (u8)s->ncold,
		                     .kind = (u8)s->kind };
	memcpy(c->hot + (size_t)c->count * nhot, s->hot, nhot * sizeof(u64));
	if ((s->naccess | s->nevent | s->ncold) && !put_aux(c, s))
		return false;
	c->count++;
	if (c->count % KT_FRAME_STEPS == 0 && c->count < c->limits.steps)
		memcpy(c->frame_regs + (size_t)(c->count / KT_FRAME_STEPS) * KT_REGS_MAX, regs, c->arch->nregs * sizeof(u64));
	c->end_pc = kt_arch_linear_pc(c->arch, regs);
	return !c->aux.failed;
}

static bool more_pages(struct kt_raw_chunk *c)
{
	u32 cap = c->page_cap * 2;
	struct kt_raw_page *page = realloc(c->page, cap * sizeof(*page));
	if (!page)
		return false;
	memset(page + c->page_cap, 0, (cap - c->page_cap) * sizeof(*page));
	c->page = page;
	c->page_cap = cap;
	return true;
}

void kt_raw_chunk_page(struct kt_raw_chunk *c, u64 gpa, const u8 *before)
{
	struct kt_raw_page *p = NULL;
	if (c->npages < c->page_cap || more_pages(c))
		p = &c->page[c->npages];
	if (p && !p->before)
		p->before = malloc(PAGE);
	if (!p || !p->before) {
		c->aux.failed = true;
		return;
	}
	p->gpa = gpa;
	memcpy(p->before, before, PAGE);
	c->npages++;
}

bool kt_raw_chunk_full(const struct kt_raw_chunk *c)
{
	return c->count >= c->limits.steps || c->payload >= c->limits.payload || c->npages >= c->limits.pages;
}

void kt_raw_chunk_get(const struct kt_raw_chunk *c, u32 i, struct kt_step *out, u32 *insn_id)
{
	const struct kt_raw_step *raw = &c->step[i];
	out->kind = (enum kt_step_kind)raw->kind;
	out->pc = raw->pc;
	out->insn = NULL;
	out->nhot = c->arch->nhot;
	out->hot = c->hot + (size_t)i * c->arch->nhot;
	out->naccess = raw->naccess;
	out->nevent = raw->nevent;
	out->ncold = raw->ncold;
	*insn_id = raw->insn;
	const u8 *p = c->aux.data + raw->aux;
	for (unsigned k = 0; k < raw->naccess; k++) {
		const struct kt_raw_access *a = (const void *)p;
		p += sizeof(*a);
		out->access[k] = (struct kt_access){ .va = a->va, .pa = a->pa, .size = a->size, .space = a->space, .flags = a->flags,
			                             .elem = a->elem, .data = a->flags & KT_ACCESS_NODATA ? NULL : p };
		p += (a->ndata + 7) & ~7u;
	}
	memcpy(out->event, p, raw->nevent * sizeof(out->event[0]));
	p += raw->nevent * sizeof(out->event[0]);
	memcpy(out->cold, p, raw->ncold * sizeof(out->cold[0]));
}
