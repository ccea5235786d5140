/* SPDX-License-Identifier: MIT */
/* What a step has beyond expectation: listed accesses, events, cold registers, long data. Seldom, so the same code
 * writes and reads by a flag. */
#include "store/codec_step.h"

enum { BULK_FROM = 65 }; /* shorter data goes number by number */

const u8 *kt_bulk(struct kt_model *m, bool enc, const u8 *data, u32 n)
{
	if (enc) {
		kt_buf_put(m->bulk, data, n);
		return data;
	}
	const u8 *p = kt_rd_bytes(&m->bulk_in, n);
	m->bad |= !p;
	return p;
}

/* Up to 8 bytes. */
static u64 small_data(struct kt_model *m, bool enc, bool write, u8 space, u64 pa, u64 v, unsigned n, u32 local, u32 what)
{
	struct kt_ac *ac = space == KT_SPACE_RAM ? &m->loads_ac : &m->data_ac;
	struct kt_numbers *t = space != KT_SPACE_RAM ? &m->n_device : write ? &m->n_store : &m->n_load;
	struct kt_last *last = kt_last_at(m, local, what);
	u64 guess, mask = n == 8 ? ~0ull : (1ull << 8 * n) - 1, next = (last->value + last->stride) & mask;

	if (space == KT_SPACE_RAM && kt_map_get(m, pa, n, &guess) &&
	    kt_ac_bit(ac, enc, write ? &m->silent : &m->known, v == guess))
		return guess;
	if (kt_ac_bit(ac, enc, &last->slot, v == next))
		v = next;
	else
		v = kt_ac_number(ac, enc, t, n, last->value, v);
	last->stride = v - last->value;
	last->value = v;
	if (space == KT_SPACE_RAM)
		kt_map_put(m, pa, n, v);
	return v;
}

const u8 *kt_odd_data(struct kt_model *m, bool enc, bool write, u8 space, u64 pa, const u8 *data, u32 n, u32 local, u32 what)
{
	if (n >= BULK_FROM) {
		u8 *guess = NULL;
		u32 mark = m->arena_used;
		if (space == KT_SPACE_RAM) {
			guess = kt_arena(m, n);
			if (guess && !kt_map_get_bytes(m, pa, guess, n))
				guess = NULL;
		}
		if (guess && kt_ac_bit(&m->data_ac, enc, &m->blob, enc && !memcmp(guess, data, n))) {
			data = guess;
		} else {
			m->arena_used = mark;
			data = kt_bulk(m, enc, data, n);
		}
		if (space == KT_SPACE_RAM && data)
			kt_map_put_bytes(m, pa, data, n);
		return data;
	}
	u8 *to = enc ? NULL : kt_arena(m, n);
	for (u32 at = 0, size; at < n && !m->bad; at += size) {
		u64 v = 0;
		size = KT_MIN(n - at, 8u);
		if (enc)
			memcpy(&v, data + at, size);
		v = small_data(m, enc, write, space, pa + at, v, size, local, what + (at << 5));
		if (!enc)
			memcpy(to + at, &v, size);
	}
	return enc ? data : to;
}

static u32 data_size(const struct kt_access *a)
{
	if (a->flags & KT_ACCESS_NODATA)
		return 0;
	return a->flags & KT_ACCESS_FILL ? a->elem : a->size;
}

static void access_place(struct kt_model *m, bool enc, struct kt_access *a, unsigned meta)
{
	struct kt_ac *ac = &m->events_ac;

	if (kt_ac_bit(ac, enc, &m->va_next, a->va == m->x_va))
		a->va = m->x_va;
	else
		a->va = kt_ac_number(ac, enc, &m->n_addr, 8, m->x_va, a->va);
	if (kt_ac_bit(ac, enc, &m->pa_same[meta], a->pa == a->va)) {
		a->pa = a->va;
	} else if (a->space <= KT_SPACE_MMIO && kt_ac_bit(ac, enc, &m->pa_page, !((a->pa ^ a->va) & 4095))) {
		struct kt_page page = { a->pa >> 12, a->space == KT_SPACE_MMIO };
		page = kt_model_xlate(m, enc, a->va >> 12, page);
		a->pa = page.ppage << 12 | (a->va & 4095);
	} else {
		a->pa = kt_ac_number(ac, enc, &m->n_addr, 8, m->x_pa, a->pa);
	}
	m->x_va = a->va + a->size;
	m->x_pa = a->pa;
}

static void one_access(struct kt_model *m, bool enc, struct kt_access *a, u32 local, unsigned i)
{
	struct kt_ac *ac = &m->events_ac;
	unsigned meta = kt_ac_tree(ac, enc, m->meta[KT_MIN(i, 7u)], 6, enc ? a->space | (unsigned)a->flags << 2 : 0);

	a->space = meta & 3;
	a->flags = (u8)(meta >> 2);
	u8 elem = a->flags & KT_ACCESS_FILL ? m->x_elem : 0;
	if (kt_ac_bit(ac, enc, &m->elem_same, a->elem == elem))
		a->elem = elem;
	else
		m->x_elem = a->elem = (u8)kt_ac_tree(ac, enc, m->tree_elem, 8, a->elem);
	a->size = m->x_size[meta] = (u32)kt_ac_number(ac, enc, &m->n_event, 4, m->x_size[meta], a->size);
	access_place(m, enc, a, meta);
	u32 n = data_size(a);
	if (!enc && (a->flags & KT_ACCESS_NODATA)) {
		a->data = NULL;
		return;
	}
	bool fill = a->flags & KT_ACCESS_FILL; /* its element is not the memory there */
	const u8 *data = kt_odd_data(m, enc, a->flags & KT_ACCESS_WRITE, fill ? KT_SPACE_MSR : a->space, a->pa, a->data, n, local, 512 + i);
	if (!enc)
		a->data = data;
	if (fill && a->space == KT_SPACE_RAM && data)
		kt_map_fill(m, a->pa, data, a->elem, a->size);
}

static unsigned how_many(struct kt_model *m, bool enc, unsigned n, unsigned most)
{
	n = kt_ac_tree(&m->events_ac, enc, m->count_tree, 9, n);
	if (n > most) {
		m->bad = true;
		return 0;
	}
	return n;
}

void kt_odd_accesses(struct kt_model *m, bool enc, struct kt_step *s, u32 local, unsigned *n)
{
	*n = how_many(m, enc, *n, KT_STEP_ACCESSES);
	for (unsigned i = 0; i < *n && !m->bad; i++)
		one_access(m, enc, &s->access[i], local, i);
}

void kt_odd_events(struct kt_model *m, bool enc, struct kt_step *s)
{
	struct kt_ac *ac = &m->events_ac;

	s->nevent = how_many(m, enc, s->nevent, KT_STEP_EVENTS);
	for (unsigned i = 0; i < s->nevent; i++) {
		struct kt_event *e = &s->event[i];
		unsigned low = kt_ac_tree(ac, enc, m->event_kind, 8, e->kind & 255);
		struct kt_event *last = &m->last_event[low & 15];
		e->kind = (u16)(low | kt_ac_number(ac, enc, &m->n_event, 1, 0, e->kind >> 8) << 8);
		e->num = (u16)kt_ac_number(ac, enc, &m->n_event, 2, last->num, e->num);
		e->code = (u32)kt_ac_number(ac, enc, &m->n_event, 4, last->code, e->code);
		e->value = kt_ac_number(ac, enc, &m->n_event, 8, last->value, e->value);
		*last = *e;
	}
}

void kt_odd_cold(struct kt_model *m, bool enc, struct kt_step *s)
{
	struct kt_ac *ac = &m->events_ac;

	s->ncold = how_many(m, enc, s->ncold, KT_STEP_COLD);
	for (unsigned i = 0; i < s->ncold; i++) {
		struct kt_regset *r = &s->cold[i];
		r->reg = (u16)kt_ac_tree(ac, enc, m->cold_reg, 8, r->reg);
		r->value = kt_ac_number(ac, enc, &m->n_cold, 8, m->cold_ref[r->reg], r->value);
		m->cold_ref[r->reg] = r->value;
		m->bad |= r->reg >= m->arch->nregs;
	}
}
