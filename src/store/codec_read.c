/* SPDX-License-Identifier: MIT */
/* Reading a step back: carried out by its descriptor, with what was written where that was not enough. */
#include "store/codec_pc.h"
#include "store/codec_value.h"

/* Translates the shapes' pages and makes their records. */
static inline void read_pages(struct kt_model *m, struct kt_work *w, struct kt_step *s)
{
	struct kt_page none = { 0 };
	for (unsigned i = 0; i < w->nshape; i++) {
		struct kt_shape *sh = &w->shape[i];
		sh->first = (u16)s->naccess;
		struct kt_access *a = NULL;
		u64 va = sh->va, end_pa = 0;
		u32 left = sh->size;
		if (sh->space != KT_SPACE_PORT) {
			for (u32 part; left; va += part, left -= part, end_pa += part) {
				struct kt_page page = kt_model_xlate(m, false, va >> 12, none);
				u64 pa = page.ppage << 12 | (va & 4095);
				u8 space = page.mmio ? KT_SPACE_MMIO : KT_SPACE_RAM;
				part = KT_MIN(left, 4096 - (u32)(va & 4095));
				if (a && a->space == space && end_pa == pa) {
					a->size += part;
					continue;
				}
				if (s->naccess == KT_STEP_ACCESSES) {
					m->bad = true;
					return;
				}
				a = &s->access[s->naccess++];
				*a = (struct kt_access){ .va = va, .pa = end_pa = pa, .size = part, .space = space, .flags = sh->flags, .elem = sh->elem };
			}
		} else if (s->naccess == KT_STEP_ACCESSES) {
			m->bad = true;
			return;
		} else {
			s->access[s->naccess++] = (struct kt_access){ .pa = va, .size = left, .space = KT_SPACE_PORT, .flags = sh->flags, .elem = sh->elem };
		}
		sh->n = (u16)(s->naccess - sh->first);
	}
}

static __attribute__((noinline)) void read_rep(struct kt_model *m, struct kt_work *w, struct kt_habit *h)
{
	u32 guess = kt_rep_guess(m, &w->insn->desc);
	w->rep = guess;
	if (!kt_ac_bit(&m->regs_ac, false, &h->rep, false))
		w->rep = (u32)kt_ac_number(&m->regs_ac, false, &m->n_event, 4, guess, 0);
	if (w->rep > 65536) {
		m->bad = true;
		w->rep = 0;
	}
}

static __attribute__((noinline)) void read_rest(struct kt_model *m, struct kt_step *s, struct kt_work *w, struct kt_habit *h, bool plain, u64 next_pc)
{
	const bool rep = w->insn && kt_is_rep(&w->insn->desc);
	unsigned odd = 0, extra = 0;
	bool evaluated = false;

	w->nshape = 0;
	m->arena_used = 0;
	if (kt_unlikely(!plain))
		h->flags = (u8)(odd = kt_ac_tree(&m->regs_ac, false, m->odd[h->flags], 6, 0));
	if (kt_unlikely(rep) && !(odd & KT_ODD_ACCESS))
		read_rep(m, w, h);
	if (kt_unlikely(odd & (KT_ODD_ACCESS | KT_ODD_EXTRA))) {
		kt_odd_accesses(m, false, s, w->local, &extra);
		s->naccess = extra;
	}
	if (w->insn && !(odd & KT_ODD_ACCESS)) {
		kt_shape_plan(m, w);
		read_pages(m, w, s);
		if (kt_unlikely(m->bad))
			return;
		if (!rep)
			kt_code_loads(m, false, w, s);
		evaluated = kt_unlikely(h->cold) ? kt_evaluate_cold(m, w, s->cold, &s->ncold) : kt_evaluate(m, w);
		if (kt_unlikely(rep))
			kt_code_rep(m, false, w, s, odd & KT_ODD_STORE);
		else
			kt_code_stores(m, false, w, s, evaluated, odd & KT_ODD_STORE);
	}
	if (kt_unlikely(odd & KT_ODD_COLD))
		kt_odd_cold(m, false, s);
	if (kt_unlikely(m->bad))
		return;
	if (kt_unlikely(s->ncold))
		kt_apply_cold(m, s);
	m->regs[m->arch->pc] = kt_pc_register(m->arch, m->regs, next_pc);
	if (kt_unlikely(odd & KT_ODD_REGS))
		kt_code_regs(m, false, w, h, 0, NULL);
	if (kt_unlikely(odd & KT_ODD_EVENTS))
		kt_odd_events(m, false, s);
}

/* A plain step with one access that lies in one page: what read_rest would do, without its loops. False: it is not like that, and
 * nothing has been read. */
static inline bool read_single(struct kt_model *m, struct kt_step *s, struct kt_work *w, u64 next_pc)
{
	struct kt_planned p[KT_PLAN_MAX];
	struct kt_page none = { 0 };
	const struct kt_insn *insn = w->insn;

	if (kt_unlikely(kt_desc_plan(m->arch, &insn->desc, m->regs, p) != 1 || (p->va & 4095) + p->size > 4096))
		return false;
	struct kt_page page = kt_model_xlate(m, false, p->va >> 12, none);
	struct kt_access *a = &s->access[0];
	*a = (struct kt_access){ .va = p->va, .pa = page.ppage << 12 | (p->va & 4095), .size = p->size, .data = m->arena,
		                 .space = page.mmio ? KT_SPACE_MMIO : KT_SPACE_RAM, .flags = p->write ? KT_ACCESS_WRITE : 0 };
	s->naccess = 1;
	w->nshape = 1;
	w->shape[0] = (struct kt_shape){ .va = p->va, .size = p->size, .flags = a->flags, .first = 0, .n = 1 };
	u64 v = 0;
	if (!p->write) {
		w->loads[0] = v = kt_code_small(m, false, w, 0, s, 0);
		kt_evaluate_plain(m, w);
	} else if (kt_likely(kt_evaluate_plain(m, w))) {
		v = kt_cut(w->stores[0], p->size);
	} else {
		v = kt_code_small(m, false, w, 0, s, 0);
	}
	if (kt_likely(!page.mmio))
		kt_map_put(m, a->pa, a->size, v);
	memcpy(m->arena, &v, 8);
	m->regs[m->arch->pc] = kt_pc_register(m->arch, m->regs, next_pc);
	return true;
}

void kt_step_read(struct kt_model *m, struct kt_step *s, u32 sym, u64 next_pc)
{
	struct kt_work w;

	w.insn = s->kind == KT_STEP_INSN && sym < m->nlocal ? m->insn[sym] : NULL;
	w.local = kt_habit_index(m, s->kind, sym);
	struct kt_habit *h = kt_habit_of(m, w.local, w.insn);
	s->naccess = s->nevent = s->ncold = 0;
	const bool plain = kt_ac_bit(&m->regs_ac, false, &h->plain, false);
	if (kt_likely(plain && h->quick)) {
		kt_desc_eval(m->arch, &w.insn->desc, m->regs, w.loads, w.stores);
		m->regs[m->arch->pc] = kt_pc_register(m->arch, m->regs, next_pc);
		return;
	}
	if (kt_unlikely(!plain || !h->single || !read_single(m, s, &w, next_pc)))
		read_rest(m, s, &w, h, plain, next_pc);
}
