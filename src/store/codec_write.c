/* SPDX-License-Identifier: MIT */
/* Writing a step: carried out by its descriptor, compared with what happened, and what differs written. */
#include "store/codec_pc.h"
#include "store/codec_value.h"

static bool well_formed(const struct kt_model *m, const struct kt_step *s)
{
	u64 data = 0;
	if (s->naccess > KT_STEP_ACCESSES || s->nevent > KT_STEP_EVENTS || s->ncold > KT_STEP_COLD)
		return false;
	for (unsigned i = 0; i < s->naccess; i++) {
		const struct kt_access *a = &s->access[i];
		u32 n = a->flags & KT_ACCESS_NODATA ? 0 : a->flags & KT_ACCESS_FILL ? a->elem : a->size;
		data += n;
		if (a->space > 3 || a->flags > 15 || (n && !a->data))
			return false;
	}
	for (unsigned i = 0; i < s->ncold; i++)
		if (s->cold[i].reg >= m->arch->nregs)
			return false;
	return data <= 1 << 20;
}

static bool cold_as(const struct kt_step *s, const struct kt_regset *list, unsigned n)
{
	if (s->ncold != n)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (s->cold[i].reg != list[i].reg || s->cold[i].value != list[i].value)
			return false;
	return true;
}

/* Whether every store of the step is the computed one. */
static bool stores_right(const struct kt_work *w, const struct kt_step *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->nshape; i++) {
		const struct kt_shape *sh = &w->shape[i];
		if (!(sh->flags & KT_ACCESS_WRITE))
			continue;
		if (kt_unlikely(sh->flags & KT_ACCESS_FILL)) {
			for (unsigned k = 0; k < sh->n; k++)
				if (memcmp(s->access[sh->first + k].data, &w->stores[0], sh->elem))
					return false;
		} else if (sh->size <= 8 && !kt_is_rep(&w->insn->desc) &&
		           kt_gather(sh, s) != kt_cut(w->stores[n], sh->size)) {
			return false;
		}
		n++;
	}
	return true;
}

/* Plans the step and compares its accesses: the ODD_ACCESS, ODD_EXTRA part. *extra: how many are listed. */
static unsigned expect(struct kt_model *m, struct kt_work *w, const struct kt_step *s, unsigned *extra)
{
	w->nshape = w->npage = 0;
	if (w->insn) {
		if (kt_unlikely(kt_is_rep(&w->insn->desc))) {
			w->rep = kt_rep_seen(m, &w->insn->desc, s->hot);
			w->rep_guess = kt_rep_guess(m, &w->insn->desc);
		}
		kt_shape_plan(m, w);
	}
	for (*extra = 0; *extra < s->naccess && s->access[*extra].flags & KT_ACCESS_IMPLICIT;)
		++*extra;
	if (kt_likely(kt_shape_match(w, s, *extra)))
		return *extra ? KT_ODD_EXTRA : 0;
	*extra = s->naccess;
	w->nshape = w->npage = 0;
	return KT_ODD_ACCESS;
}

static void write_pages(struct kt_model *m, const struct kt_work *w)
{
	unsigned k = 0;
	for (unsigned i = 0; i < w->nshape; i++) {
		const struct kt_shape *sh = &w->shape[i];
		if (sh->space == KT_SPACE_PORT)
			continue;
		u64 vpage = sh->va >> 12;
		for (u32 left = (u32)((sh->va & 4095) + sh->size + 4095) >> 12; left; left--)
			kt_model_xlate(m, true, vpage++ & (~0ull >> 12), w->page[k++]);
	}
}

static inline void write_odd(struct kt_model *m, struct kt_habit *h, unsigned odd)
{
	if (!kt_ac_bit(&m->regs_ac, true, &h->plain, !odd)) {
		kt_ac_tree(&m->regs_ac, true, m->odd[h->flags], 6, odd);
		h->flags = (u8)odd;
	}
}

/* The hot registers that are not as the model has them. */
static inline u64 differing(const struct kt_model *m, const u64 *hot)
{
	u64 mask = 0;
	for (unsigned i = 0; i < m->arch->nhot; i++)
		mask |= (u64)(m->regs[i] != hot[i]) << i;
	return mask;
}

/* A step that touches hot registers alone. */
static void write_quick(struct kt_model *m, struct kt_work *w, struct kt_habit *h, const struct kt_step *s, u64 next_pc)
{
	kt_desc_eval(m->arch, &w->insn->desc, m->regs, w->loads, w->stores);
	m->regs[m->arch->pc] = kt_pc_register(m->arch, m->regs, next_pc);
	u64 mask = differing(m, s->hot);
	write_odd(m, h, mask ? KT_ODD_REGS : 0);
	if (kt_unlikely(mask)) {
		kt_code_regs(m, true, w, h, mask, s->hot);
		memcpy(m->regs, s->hot, m->arch->nhot * sizeof(u64));
	}
}

int kt_step_write(struct kt_model *m, struct kt_step *s, u32 sym, u64 next_pc, struct kt_err *err)
{
	struct kt_work w; /* large: only what is used is set */
	struct kt_regset cold[KT_STEP_COLD];
	unsigned extra, ncold = 0, n = 0, nhot = m->arch->nhot;
	bool evaluated = false;

	w.insn = s->kind == KT_STEP_INSN && sym < m->nlocal ? m->insn[sym] : NULL;
	w.local = kt_habit_index(m, s->kind, sym);
	struct kt_habit *h = kt_habit_of(m, w.local, w.insn);
	if (kt_likely(h->quick && !(s->naccess | s->ncold | s->nevent))) {
		write_quick(m, &w, h, s, next_pc);
		return 0;
	}
	if (kt_unlikely((s->naccess || s->ncold || s->nevent) && !well_formed(m, s)))
		return kt_fail(err, KT_E_ARG, "a step at %#llx that the format cannot hold", (unsigned long long)s->pc);
	m->arena_used = 0;
	unsigned odd = expect(m, &w, s, &extra);
	for (unsigned i = 0; i < w.nshape; i++)
		if (!w.shape[i].flags)
			w.loads[n++] = w.shape[i].size > 8 ? 0 : kt_gather(&w.shape[i], s);
	if (w.insn && !(odd & KT_ODD_ACCESS))
		evaluated = kt_unlikely(h->cold) ? kt_evaluate_cold(m, &w, cold, &ncold) : kt_evaluate(m, &w);
	if (evaluated && !stores_right(&w, s))
		odd |= KT_ODD_STORE;
	if (kt_unlikely(s->ncold || ncold) && !cold_as(s, cold, ncold))
		odd |= KT_ODD_COLD;
	if (s->nevent)
		odd |= KT_ODD_EVENTS;
	for (unsigned i = 0; i < s->ncold; i++)
		m->regs[s->cold[i].reg] = s->cold[i].value;
	m->regs[m->arch->pc] = kt_pc_register(m->arch, m->regs, next_pc);
	u64 mask = differing(m, s->hot);
	if (mask)
		odd |= KT_ODD_REGS;

	write_odd(m, h, odd);
	if (w.insn && kt_unlikely(kt_is_rep(&w.insn->desc)) && !(odd & KT_ODD_ACCESS)) {
		if (!kt_ac_bit(&m->regs_ac, true, &h->rep, w.rep == w.rep_guess))
			kt_ac_number(&m->regs_ac, true, &m->n_event, 4, w.rep_guess, w.rep);
	}
	if (odd & (KT_ODD_ACCESS | KT_ODD_EXTRA))
		kt_odd_accesses(m, true, s, w.local, &extra);
	write_pages(m, &w);
	if (w.insn && kt_unlikely(kt_is_rep(&w.insn->desc))) {
		kt_code_rep(m, true, &w, s, odd & KT_ODD_STORE);
	} else {
		kt_code_loads(m, true, &w, s);
		kt_code_stores(m, true, &w, s, evaluated, odd & KT_ODD_STORE);
	}
	if (odd & KT_ODD_COLD)
		kt_odd_cold(m, true, s);
	kt_apply_cold(m, s);
	if (mask)
		kt_code_regs(m, true, &w, h, mask, s->hot);
	memcpy(m->regs, s->hot, nhot * sizeof(u64));
	if (odd & KT_ODD_EVENTS)
		kt_odd_events(m, true, s);
	if (m->bad)
		return kt_fail(err, KT_E_ARG, "a step at %#llx that the format cannot hold", (unsigned long long)s->pc);
	return 0;
}
