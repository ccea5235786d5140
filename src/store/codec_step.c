/* SPDX-License-Identifier: MIT */
/* The heart of the codec: what a step would do by its descriptor, and what it did instead. Writer and reader share every
 * function that touches the model; `enc` is a constant in each copy of them. */
#include "store/codec_step.h"

#include "store/codec_pc.h"

static __attribute__((noinline)) void meet(const struct kt_model *m, struct kt_habit *h, const struct kt_insn *insn)
{
	h->met = true;
	h->plain = insn && insn->desc.op != KT_OP_LITERAL ? KT_SLOT_OFTEN : KT_SLOT_EVEN;
	h->rep = KT_SLOT_EVEN;
	bool outside = false;
	for (unsigned i = 0; insn && i < insn->desc.nops; i++) {
		const struct kt_operand *o = &insn->desc.opnd[i];
		h->cold |= o->kind == KT_OPND_REG && o->reg >= m->arch->nhot;
		outside |= o->kind >= KT_OPND_MEM && o->access;
	}
	h->quick = insn && !outside && !h->cold && !kt_is_rep(&insn->desc) && insn->desc.op != KT_OP_PUSHA && insn->desc.op != KT_OP_POPA;
}

static inline struct kt_habit *habit_of(struct kt_model *m, u32 local, const struct kt_insn *insn)
{
	struct kt_habit *h = &m->habit[local];
	if (kt_unlikely(!h->met))
		meet(m, h, insn);
	return h;
}

/* --- values --- */

/* How many leading bytes of `size` two numbers share. */
static inline unsigned shared(u64 a, u64 b, unsigned size)
{
	u64 x = (a ^ b) << (64 - 8 * size);
	return x ? (unsigned)__builtin_clzll(x) >> 3 : size;
}

/* A load that nothing foretells, from the nearest of four references: the instruction's last value; what its last value pointed at if
 * it was relative to itself (tables of such pointers are common); what the last load of all pointed at; the memory before. */
static __attribute__((noinline)) u64 code_load(struct kt_model *m, const bool enc, struct kt_last *last, const struct kt_shape *sh, u64 pa, u64 v)
{
	const unsigned size = sh->size;
	const u64 mask = size == 8 ? ~0ull : (1ull << 8 * size) - 1;
	u64 ref[4] = { last->value, (last->target - sh->va) & mask, (m->last_target - sh->va) & mask, 0 };
	unsigned best = 0;

	kt_map_get(m, pa - size, size, &ref[3]);
	for (unsigned i = 1; enc && i < 4; i++)
		if (shared(ref[i], v, size) > shared(ref[best], v, size))
			best = i;
	best = kt_ac_tree(&m->loads_ac, enc, last->ref, 2, best);
	return kt_ac_number(&m->loads_ac, enc, best ? &m->n_ref[best - 1] : &m->n_load, size, ref[best], v);
}

/* A load or an uncomputed store of up to 8 bytes, at one or two places. */
static inline __attribute__((always_inline)) u64 code_small(struct kt_model *m, const bool enc, const struct kt_work *w, unsigned i, const struct kt_step *s, u64 v)
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
	u64 mask = sh->size == 8 ? ~0ull : (1ull << 8 * sh->size) - 1, next = (last->value + last->stride) & mask;
	if (kt_ac_bit(ac, enc, &last->slot, v == next))
		v = next;
	else if (ram && !write)
		v = code_load(m, enc, last, sh, a->pa, v);
	else
		v = kt_ac_number(ac, enc, !ram ? &m->n_device : &m->n_store, sh->size, last->value, v);
	last->stride = v - last->value;
	last->value = v;
	last->target = m->last_target = v + sh->va;
	return v;
}

static inline void remember(struct kt_model *m, const struct kt_shape *sh, const struct kt_step *s, u64 v)
{
	const struct kt_access *a = &s->access[sh->first];
	if (kt_likely(a->space == KT_SPACE_RAM))
		kt_map_put(m, a->pa, a->size, v);
	if (kt_unlikely(sh->n > 1) && a[1].space == KT_SPACE_RAM)
		kt_map_put(m, a[1].pa, a[1].size, v >> 8 * a->size);
}

/* The value in the records of a shape of up to 8 bytes. */
static inline u64 gather(const struct kt_shape *sh, const struct kt_step *s)
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

static inline void scatter(struct kt_model *m, const struct kt_shape *sh, struct kt_step *s, u64 v)
{
	struct kt_access *a = &s->access[sh->first];
	u8 *p = kt_arena(m, 8);
	if (kt_unlikely(!p))
		return;
	memcpy(p, &v, 8);
	for (unsigned i = 0; i < sh->n; p += a[i++].size)
		a[i].data = p;
}

static __attribute__((noinline)) void code_long(struct kt_model *m, bool enc, const struct kt_work *w, unsigned i, struct kt_step *s)
{
	const struct kt_shape *sh = &w->shape[i];
	for (unsigned k = 0; k < sh->n && !m->bad; k++) {
		struct kt_access *a = &s->access[sh->first + k];
		const u8 *p = kt_odd_data(m, enc, sh->flags & KT_ACCESS_WRITE, a->space, a->pa, a->data, a->size, w->local, 32 + i);
		if (!enc)
			a->data = p;
	}
}

static inline __attribute__((always_inline)) void code_loads(struct kt_model *m, const bool enc, struct kt_work *w, struct kt_step *s)
{
	unsigned r = 0;
	for (unsigned i = 0; i < w->nshape; i++) {
		const struct kt_shape *sh = &w->shape[i];
		if (sh->flags) /* writes and what has no data */
			continue;
		if (kt_unlikely(sh->size > 8)) {
			code_long(m, enc, w, i, s);
			w->loads[r++] = 0;
			continue;
		}
		u64 v = code_small(m, enc, w, i, s, enc ? w->loads[r] : 0);
		remember(m, sh, s, v);
		if (!enc) {
			w->loads[r] = v;
			scatter(m, sh, s, v);
		}
		r++;
	}
}

/* A copy's data: what its source is known to hold, else literal, and then the source is known too. */
static __attribute__((noinline)) void code_copy(struct kt_model *m, bool enc, const struct kt_shape *from, const struct kt_shape *to, struct kt_step *s)
{
	u32 mark = m->arena_used, size = to->size, at = 0;
	u8 *guess = kt_arena(m, size);
	bool known = guess != NULL;

	for (unsigned i = 0; known && i < from->n; at += s->access[from->first + i++].size) {
		const struct kt_access *a = &s->access[from->first + i];
		known = a->space == KT_SPACE_RAM && kt_map_get_bytes(m, a->pa, guess + at, a->size);
	}
	bool right = known && enc;
	at = 0;
	for (unsigned i = 0; right && i < to->n; at += s->access[to->first + i++].size)
		right = !memcmp(s->access[to->first + i].data, guess + at, s->access[to->first + i].size);
	right = known && kt_ac_bit(&m->data_ac, enc, &m->blob, right);
	if (!right)
		m->arena_used = mark;
	const u8 *all = NULL;
	if (!enc)
		all = right ? guess : kt_bulk(m, false, NULL, size);
	at = 0;
	for (unsigned i = 0; i < to->n && !m->bad; at += s->access[to->first + i++].size) {
		struct kt_access *a = &s->access[to->first + i];
		if (!enc)
			a->data = all + at;
		else if (!right)
			kt_bulk(m, true, a->data, a->size);
	}
}

static __attribute__((noinline)) void remember_copy(struct kt_model *m, const struct kt_shape *from, const struct kt_shape *to, const struct kt_step *s)
{
	/* The data once more in the source's cuts; both lie in address order. */
	unsigned k = 0;
	u32 in = 0;
	for (unsigned i = 0; i < from->n; i++) {
		const struct kt_access *a = &s->access[from->first + i];
		for (u32 at = 0; at < a->size && k < to->n;) {
			const struct kt_access *d = &s->access[to->first + k];
			u32 part = KT_MIN(a->size - at, d->size - in);
			if (a->space == KT_SPACE_RAM)
				kt_map_put_bytes(m, a->pa + at, d->data + in, part);
			at += part;
			in += part;
			if (in == d->size) {
				in = 0;
				k++;
			}
		}
	}
	for (unsigned i = 0; i < to->n; i++) {
		const struct kt_access *d = &s->access[to->first + i];
		if (d->space == KT_SPACE_RAM)
			kt_map_put_bytes(m, d->pa, d->data, d->size);
	}
}

static __attribute__((noinline)) void code_rep_data(struct kt_model *m, bool enc, struct kt_work *w, struct kt_step *s, bool odd)
{
	u8 op = w->insn->desc.op;
	for (unsigned i = 0; i < w->nshape && !m->bad; i++) {
		const struct kt_shape *sh = &w->shape[i];
		if (sh->flags & KT_ACCESS_NODATA)
			continue;
		if (sh->flags & KT_ACCESS_FILL) {
			u64 v = w->stores[0];
			for (unsigned k = 0; k < sh->n && !m->bad; k++) {
				struct kt_access *a = &s->access[sh->first + k];
				u64 real = 0;
				if (enc)
					memcpy(&real, a->data, a->elem);
				if (odd)
					v = kt_ac_number(&m->data_ac, enc, &m->n_store, a->elem, v, real);
				if (!enc) {
					u8 *p = kt_arena(m, 8);
					if (!p)
						return;
					memcpy(p, &v, 8);
					a->data = p;
				}
				if (a->space == KT_SPACE_RAM)
					kt_map_fill(m, a->pa, a->data, a->elem, a->size);
			}
		} else if (op == KT_OP_MOVS && i && w->shape[i - 1].size == sh->size && w->shape[i - 1].flags & KT_ACCESS_NODATA) {
			code_copy(m, enc, &w->shape[i - 1], sh, s);
			if (!m->bad)
				remember_copy(m, &w->shape[i - 1], sh, s);
		} else {
			code_long(m, enc, w, i, s);
		}
	}
}

static inline __attribute__((always_inline)) void code_stores(struct kt_model *m, const bool enc, struct kt_work *w, struct kt_step *s, bool evaluated, bool odd)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->nshape; i++) {
		const struct kt_shape *sh = &w->shape[i];
		if (!(sh->flags & KT_ACCESS_WRITE))
			continue;
		if (kt_unlikely(sh->size > 8)) {
			code_long(m, enc, w, i, s);
			n++;
			continue;
		}
		u64 v = enc ? gather(sh, s) : 0;
		if (kt_likely(evaluated)) {
			u64 guess = w->stores[n] & (sh->size == 8 ? ~0ull : (1ull << 8 * sh->size) - 1);
			if (kt_unlikely(odd) && !kt_ac_bit(&m->data_ac, enc, &m->store_ok, v == guess))
				v = kt_ac_number(&m->data_ac, enc, &m->n_store, sh->size, guess, v);
			else
				v = guess;
		} else {
			v = code_small(m, enc, w, i, s, v);
		}
		n++;
		remember(m, sh, s, v);
		if (!enc)
			scatter(m, sh, s, v);
	}
}

/* --- registers --- */

static __attribute__((noinline)) void code_regs(struct kt_model *m, const bool enc, struct kt_work *w, struct kt_habit *h, u64 mask, const u64 *hot)
{
	struct kt_ac *ac = &m->regs_ac;
	unsigned nhot = m->arch->nhot;

	if (kt_ac_bit(ac, enc, &m->same_mask[h->mask != 0], mask == h->mask)) {
		mask = h->mask;
	} else {
		u64 got = 0;
		for (unsigned i = 0; i < nhot; i++)
			got |= (u64)kt_ac_bit(ac, enc, &m->mask_bit[i], mask >> i & 1) << i;
		h->mask = mask = got;
	}
	for (unsigned i = 0; i < nhot; i++) {
		if (!(mask >> i & 1))
			continue;
		struct kt_last *last = kt_last_at(m, w->local, 64 + i);
		u64 v = enc ? hot[i] : 0, next = last->value + last->stride;
		if (kt_ac_bit(ac, enc, &last->slot, v == next))
			v = next;
		else
			v = kt_ac_number(ac, enc, &m->n_reg, 8, m->regs[i], v);
		last->stride = v - last->value;
		last->value = v;
		m->regs[i] = v;
	}
}

/* Carries the descriptor out on m->regs; true if it predicts stores too. */
static inline __attribute__((always_inline)) bool evaluate(struct kt_model *m, struct kt_work *w)
{
	if (kt_unlikely(kt_is_rep(&w->insn->desc))) {
		w->stores[0] = m->regs[0]; /* STOS: the accumulator */
		kt_rep_registers(m, &w->insn->desc, w->rep);
		return true;
	}
	return kt_desc_eval(m->arch, &w->insn->desc, m->regs, w->loads, w->stores);
}

/* Evaluates; the cold registers that it changed go to list in ascending order, and m->regs has them as before. */
static __attribute__((noinline)) bool evaluate_cold(struct kt_model *m, struct kt_work *w, struct kt_regset *list, unsigned *n)
{
	u64 keep[KT_REGS_MAX];
	unsigned nhot = m->arch->nhot, nregs = m->arch->nregs;

	*n = 0;
	memcpy(keep, m->regs, sizeof(keep));
	bool ok = evaluate(m, w);
	for (unsigned i = nhot; i < nregs; i++) {
		if (m->regs[i] == keep[i])
			continue;
		if (*n < KT_STEP_COLD)
			list[(*n)++] = (struct kt_regset){ .reg = (u16)i, .value = m->regs[i] };
		m->regs[i] = keep[i];
	}
	return ok;
}

static void apply_cold(struct kt_model *m, const struct kt_step *s)
{
	for (unsigned i = 0; i < s->ncold; i++) {
		m->regs[s->cold[i].reg] = s->cold[i].value;
		m->cold_ref[s->cold[i].reg] = s->cold[i].value;
	}
}

/* --- writing --- */

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
		           gather(sh, s) != (w->stores[n] & (sh->size == 8 ? ~0ull : (1ull << 8 * sh->size) - 1))) {
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

/* The local index under which a step's habits and last values are kept. */
static inline u32 habit_index(const struct kt_model *m, enum kt_step_kind kind, u32 sym)
{
	return kt_likely(kind == KT_STEP_INSN) ? sym : m->nlocal + kind;
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
		code_regs(m, true, w, h, mask, s->hot);
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
	w.local = habit_index(m, s->kind, sym);
	struct kt_habit *h = habit_of(m, w.local, w.insn);
	if (kt_likely(h->quick && !(s->naccess | s->ncold | s->nevent))) {
		write_quick(m, &w, h, s, next_pc);
		return 0;
	}
	if (kt_unlikely((s->naccess || s->ncold || s->nevent) && !well_formed(m, s)))
		return kt_fail(err, KT_E_ARG, "a step at %#llx that the format cannot hold", (unsigned long long)s->pc);
	m->budget = KT_MAP_BUDGET;
	m->arena_used = 0;
	unsigned odd = expect(m, &w, s, &extra);
	for (unsigned i = 0; i < w.nshape; i++)
		if (!w.shape[i].flags)
			w.loads[n++] = w.shape[i].size > 8 ? 0 : gather(&w.shape[i], s);
	if (w.insn && !(odd & KT_ODD_ACCESS))
		evaluated = kt_unlikely(h->cold) ? evaluate_cold(m, &w, cold, &ncold) : evaluate(m, &w);
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
		code_rep_data(m, true, &w, s, odd & KT_ODD_STORE);
	} else {
		code_loads(m, true, &w, s);
		code_stores(m, true, &w, s, evaluated, odd & KT_ODD_STORE);
	}
	if (odd & KT_ODD_COLD)
		kt_odd_cold(m, true, s);
	apply_cold(m, s);
	if (mask)
		code_regs(m, true, &w, h, mask, s->hot);
	memcpy(m->regs, s->hot, nhot * sizeof(u64));
	if (odd & KT_ODD_EVENTS)
		kt_odd_events(m, true, s);
	if (m->bad)
		return kt_fail(err, KT_E_ARG, "a step at %#llx that the format cannot hold", (unsigned long long)s->pc);
	return 0;
}

/* --- reading --- */

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

static void read_rest(struct kt_model *m, struct kt_step *s, struct kt_work *w, struct kt_habit *h, bool plain, u64 next_pc)
{
	const bool rep = w->insn && kt_is_rep(&w->insn->desc);
	unsigned odd = 0, extra = 0;
	bool evaluated = false;

	w->nshape = 0;
	m->budget = KT_MAP_BUDGET;
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
			code_loads(m, false, w, s);
		evaluated = kt_unlikely(h->cold) ? evaluate_cold(m, w, s->cold, &s->ncold) : evaluate(m, w);
		if (kt_unlikely(rep))
			code_rep_data(m, false, w, s, odd & KT_ODD_STORE);
		else
			code_stores(m, false, w, s, evaluated, odd & KT_ODD_STORE);
	}
	if (kt_unlikely(odd & KT_ODD_COLD))
		kt_odd_cold(m, false, s);
	if (kt_unlikely(m->bad))
		return;
	if (kt_unlikely(s->ncold))
		apply_cold(m, s);
	m->regs[m->arch->pc] = kt_pc_register(m->arch, m->regs, next_pc);
	if (kt_unlikely(odd & KT_ODD_REGS))
		code_regs(m, false, w, h, 0, NULL);
	if (kt_unlikely(odd & KT_ODD_EVENTS))
		kt_odd_events(m, false, s);
}

void kt_step_read(struct kt_model *m, struct kt_step *s, u32 sym, u64 next_pc)
{
	struct kt_work w;

	w.insn = s->kind == KT_STEP_INSN && sym < m->nlocal ? m->insn[sym] : NULL;
	w.local = habit_index(m, s->kind, sym);
	struct kt_habit *h = habit_of(m, w.local, w.insn);
	s->naccess = s->nevent = s->ncold = 0;
	const bool plain = kt_ac_bit(&m->regs_ac, false, &h->plain, false);
	if (kt_likely(plain && h->quick)) {
		kt_desc_eval(m->arch, &w.insn->desc, m->regs, w.loads, w.stores);
		m->regs[m->arch->pc] = kt_pc_register(m->arch, m->regs, next_pc);
		return;
	}
	read_rest(m, s, &w, h, plain, next_pc);
}
