/* SPDX-License-Identifier: MIT */
/* Values of a step's planned accesses, and its evaluation: what writer and reader have in common. `enc` is a constant in each
 * copy of these. doc/format.md, "A step". */
#ifndef KT_CODEC_VALUE_H
#define KT_CODEC_VALUE_H

#include "store/codec_shape.h"
#include "store/codec_step.h"

/* codec_value.c. The seldom parts: a load that nothing foretells; an access longer than 8 bytes; what a REP piece stores (odd: a fill is
 * not the accumulator); hot registers (mask: those that differ from m->regs; reading finds it itself). */
u64 kt_code_load(struct kt_model *m, bool enc, struct kt_last *last, const struct kt_shape *sh, u64 pa, u64 v);
void kt_code_long(struct kt_model *m, bool enc, const struct kt_work *w, unsigned i, struct kt_step *s);
void kt_code_regs(struct kt_model *m, bool enc, struct kt_work *w, struct kt_habit *h, u64 mask, const u64 *hot);
/* Evaluates; the cold registers that it changed go to list in ascending order, and m->regs has them as before. */
bool kt_evaluate_cold(struct kt_model *m, struct kt_work *w, struct kt_regset *list, unsigned *n);
void kt_apply_cold(struct kt_model *m, const struct kt_step *s);
void kt_habit_meet(const struct kt_model *m, struct kt_habit *h, const struct kt_insn *insn);
/* codec_rep.c */
void kt_code_rep(struct kt_model *m, bool enc, struct kt_work *w, struct kt_step *s, bool odd);

static inline struct kt_habit *kt_habit_of(struct kt_model *m, u32 local, const struct kt_insn *insn)
{
	struct kt_habit *h = &m->habit[local];
	if (kt_unlikely(!h->met))
		kt_habit_meet(m, h, insn);
	return h;
}

/* The local index under which a step's habits and last values are kept. */
static inline u32 kt_habit_index(const struct kt_model *m, enum kt_step_kind kind, u32 sym)
{
	return kt_likely(kind == KT_STEP_INSN) ? sym : m->nlocal + kind;
}

static inline bool kt_evaluate_plain(struct kt_model *m, struct kt_work *w)
{
	for (unsigned i = 0; i < w->nshape; i++) /* a class that leaves one out must not leave it to chance */
		w->stores[i] = 0;
	return kt_desc_eval(m->arch, &w->insn->desc, m->regs, w->loads, w->stores);
}

/* Carries the descriptor out on m->regs; true if it predicts stores too. */
static inline bool kt_evaluate(struct kt_model *m, struct kt_work *w)
{
	if (kt_likely(!kt_is_rep(&w->insn->desc)))
		return kt_evaluate_plain(m, w);
	w->stores[0] = m->regs[0]; /* STOS: the accumulator */
	kt_rep_registers(m, &w->insn->desc, w->rep);
	return true;
}

/* A load or an uncomputed store of up to 8 bytes, at one or two places. */
static inline __attribute__((always_inline)) u64 kt_code_small(struct kt_model *m, const bool enc, const struct kt_work *w, unsigned i, const struct kt_step *s, u64 v)
{
	const struct kt_shape *sh = &w->shape[i];
	const struct kt_access *a = &s->access[sh->first];
	const bool write = sh->flags & KT_ACCESS_WRITE;
	const bool ram = sh->n == 1 ? a->space == KT_SPACE_RAM : a->space == KT_SPACE_RAM && a[1].space == KT_SPACE_RAM;
	u64 guess = 0;

	if (kt_likely(ram)) {
		bool known = kt_map_get(m, a->pa, a->size, &guess);
		if (kt_unlikely(sh->n > 1)) {
			u64 high;
			known &= kt_map_get(m, a[1].pa, a[1].size, &high);
			guess |= high << 8 * a->size;
		}
		if (known && kt_likely(kt_ac_bit(&m->loads_ac, enc, write ? &m->silent : &m->known, v == guess)))
			return guess;
		if (!known && m->initial.page && kt_ac_bit(&m->loads_ac, enc, &m->untouched[a->pa >> 12 & 255], v == guess))
			return guess;
	}
	struct kt_last *last = kt_last_at(m, w->local, i);
	struct kt_ac *ac = ram ? &m->loads_ac : &m->data_ac;
	u64 next = kt_cut(last->value + last->stride, sh->size);
	if (kt_ac_bit(ac, enc, &last->slot, v == next))
		v = next;
	else if (ram && !write)
		v = kt_code_load(m, enc, last, sh, a->pa, v);
	else
		v = kt_ac_number(ac, enc, !ram ? &m->n_device : &m->n_store, sh->size, last->value, v);
	last->stride = v - last->value;
	last->value = v;
	last->target = m->last_target = v + sh->va;
	return v;
}

static inline void kt_remember(struct kt_model *m, const struct kt_shape *sh, const struct kt_step *s, u64 v)
{
	const struct kt_access *a = &s->access[sh->first];
	if (kt_likely(a->space == KT_SPACE_RAM))
		kt_map_put(m, a->pa, a->size, v);
	if (kt_unlikely(sh->n > 1) && a[1].space == KT_SPACE_RAM)
		kt_map_put(m, a[1].pa, a[1].size, v >> 8 * a->size);
}

/* The value in the records of a shape of up to 8 bytes. */
static inline u64 kt_gather(const struct kt_shape *sh, const struct kt_step *s)
{
	const struct kt_access *a = &s->access[sh->first];
	u64 v = 0;
	if (kt_likely(sh->n == 1)) {
		memcpy(&v, a->data, sh->size);
		return v;
	}
	u8 *to = (u8 *)&v;
	for (unsigned i = 0; i < sh->n; to += a[i++].size)
		memcpy(to, a[i].data, a[i].size);
	return v;
}

static inline void kt_scatter(struct kt_model *m, const struct kt_shape *sh, struct kt_step *s, u64 v)
{
	struct kt_access *a = &s->access[sh->first];
	u8 *p = kt_arena(m, 8);
	if (kt_unlikely(!p))
		return;
	memcpy(p, &v, 8);
	for (unsigned i = 0; i < sh->n; p += a[i++].size)
		a[i].data = p;
}

static inline __attribute__((always_inline)) void kt_code_loads(struct kt_model *m, const bool enc, struct kt_work *w, struct kt_step *s)
{
	unsigned r = 0;
	for (unsigned i = 0; i < w->nshape; i++) {
		const struct kt_shape *sh = &w->shape[i];
		if (sh->flags) /* writes and what has no data */
			continue;
		if (kt_unlikely(sh->size > 8)) {
			kt_code_long(m, enc, w, i, s);
			w->loads[r++] = 0;
			continue;
		}
		u64 v = kt_code_small(m, enc, w, i, s, enc ? w->loads[r] : 0);
		kt_remember(m, sh, s, v);
		if (!enc) {
			w->loads[r] = v;
			kt_scatter(m, sh, s, v);
		}
		r++;
	}
}

static inline __attribute__((always_inline)) void kt_code_stores(struct kt_model *m, const bool enc, struct kt_work *w, struct kt_step *s, bool evaluated, bool odd)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->nshape; i++) {
		const struct kt_shape *sh = &w->shape[i];
		if (!(sh->flags & KT_ACCESS_WRITE))
			continue;
		if (kt_unlikely(sh->size > 8)) {
			kt_code_long(m, enc, w, i, s);
			n++;
			continue;
		}
		u64 v = enc ? kt_gather(sh, s) : 0;
		if (kt_likely(evaluated)) {
			u64 guess = kt_cut(w->stores[n], sh->size);
			if (kt_unlikely(odd) && !kt_ac_bit(&m->data_ac, enc, &m->store_ok, v == guess))
				v = kt_ac_number(&m->data_ac, enc, &m->n_store, sh->size, guess, v);
			else
				v = guess;
		} else {
			v = kt_code_small(m, enc, w, i, s, v);
		}
		n++;
		kt_remember(m, sh, s, v);
		if (!enc)
			kt_scatter(m, sh, s, v);
	}
}

#endif
