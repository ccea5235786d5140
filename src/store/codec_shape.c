/* SPDX-License-Identifier: MIT */
#include "store/codec_shape.h"

#include "arch/x86_64/x86_regs.h"

enum { REP_MOST = 65536, REP_MOST_BYTES = 128 << 10 };

static unsigned rep_addr_size(const struct kt_desc *d)
{
	for (unsigned i = 0; i < 2; i++)
		if (d->opnd[i].kind == KT_OPND_MEM)
			return d->opnd[i].addr_size;
	return 8;
}

u32 kt_rep_guess(const struct kt_model *m, const struct kt_desc *d)
{
	u64 n = kt_cut(m->regs[X86_rcx], rep_addr_size(d)), most = REP_MOST_BYTES / (d->width ? d->width : 1);
	most = KT_MIN(most, (u64)REP_MOST);
	return (u32)KT_MIN(n, most);
}

u32 kt_rep_seen(const struct kt_model *m, const struct kt_desc *d, const u64 *after)
{
	u64 n = kt_cut(m->regs[X86_rcx] - after[X86_rcx], rep_addr_size(d));
	return n <= REP_MOST ? (u32)n : 0;
}

static void step_register(u64 *r, u64 add, unsigned size)
{
	if (size == 2)
		*r = (*r & ~0xffffull) | ((*r + add) & 0xffff);
	else
		*r = kt_cut(*r + add, size);
}

void kt_rep_registers(struct kt_model *m, const struct kt_desc *d, u32 n)
{
	u64 by = (u64)n * d->width;
	if (m->regs[X86_rflags] & X86_DF)
		by = 0 - by;
	m->regs[X86_rflags] &= ~(u64)X86_RF;
	if (!n)
		return;
	step_register(&m->regs[X86_rcx], 0 - (u64)n, rep_addr_size(d));
	for (unsigned i = 0; i < 2; i++) {
		const struct kt_operand *o = &d->opnd[i];
		if (o->kind == KT_OPND_MEM && o->base != KT_REG_NONE)
			step_register(&m->regs[o->base], by, o->addr_size);
	}
}

/* A piece's ranges: what reads is not kept, what stores is a fill (STOS) or data. */
static void plan_rep(const struct kt_model *m, struct kt_work *w, const struct kt_planned *p, unsigned n)
{
	const struct kt_desc *d = &w->insn->desc;
	u32 size = w->rep * d->width;

	if (!w->rep)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct kt_shape *s = &w->shape[w->nshape++];
		*s = (struct kt_shape){ .va = p[i].va, .size = size, .space = p[i].space };
		if (p[i].space == KT_SPACE_PORT)
			s->size = p[i].size;
		else if (m->regs[X86_rflags] & X86_DF)
			s->va -= size - d->width;
		if (p[i].write && d->op == KT_OP_STOS) {
			s->flags = KT_ACCESS_WRITE | KT_ACCESS_FILL;
			s->elem = d->width;
		} else if (p[i].write) {
			s->flags = KT_ACCESS_WRITE;
		} else if (p[i].space != KT_SPACE_PORT) {
			s->flags = KT_ACCESS_NODATA;
		}
	}
}

void kt_shape_plan(const struct kt_model *m, struct kt_work *w)
{
	struct kt_planned p[KT_PLAN_MAX];
	unsigned n = kt_desc_plan(m->arch, &w->insn->desc, m->regs, p);

	w->nshape = 0;
	if (kt_unlikely(kt_is_rep(&w->insn->desc))) {
		plan_rep(m, w, p, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		w->shape[i] = (struct kt_shape){ .va = p[i].va, .size = p[i].size, .space = p[i].space,
			                         .flags = p[i].write ? KT_ACCESS_WRITE : 0 };
	w->nshape = n;
}

static bool match_memory(struct kt_work *w, struct kt_shape *sh, const struct kt_step *s, unsigned k)
{
	u64 va = sh->va;
	u32 left = sh->size;

	sh->first = (u16)k;
	for (const struct kt_access *last = NULL; left; last = &s->access[k++]) {
		if (k == s->naccess)
			return false;
		const struct kt_access *a = &s->access[k];
		if (a->va != va || a->size > left || !a->size || a->flags != sh->flags || a->elem != sh->elem || (a->pa ^ va) & 4095 ||
		    a->space > KT_SPACE_MMIO)
			return false;
		if (last && (va & 4095 || (last->space == a->space && last->pa + last->size == a->pa)))
			return false;
		u32 pages = (u32)(((va & 4095) + a->size + 4095) >> 12);
		if (pages > KT_PAGES_MAX - w->npage)
			return false;
		for (u32 i = 0; i < pages; i++)
			w->page[w->npage++] = (struct kt_page){ ((a->pa >> 12) + i) & (~0ull >> 12), a->space == KT_SPACE_MMIO };
		va += a->size;
		left -= a->size;
	}
	sh->n = (u16)(k - sh->first);
	return true;
}

bool kt_shape_match(struct kt_work *w, const struct kt_step *s, unsigned k)
{
	w->npage = 0;
	for (unsigned i = 0; i < w->nshape; i++) {
		struct kt_shape *sh = &w->shape[i];
		if (sh->space == KT_SPACE_PORT) {
			if (k == s->naccess)
				return false;
			const struct kt_access *a = &s->access[k];
			if (a->space != KT_SPACE_PORT || a->va || a->pa != sh->va || a->size != sh->size || a->flags != sh->flags || a->elem)
				return false;
			sh->first = (u16)k;
			sh->n = 1;
		} else if (!match_memory(w, sh, s, k)) {
			return false;
		}
		k += sh->n;
	}
	return k == s->naccess;
}
