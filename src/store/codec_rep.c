/* SPDX-License-Identifier: MIT */
/* REP pieces: fills, copies, and what is left. */
#include "store/codec_value.h"

/* A copy's data: what its source is known to hold, else literal, and then the source is known too. */
static void code_copy(struct kt_model *m, bool enc, const struct kt_shape *from, const struct kt_shape *to, struct kt_step *s)
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

static void remember_copy(struct kt_model *m, const struct kt_shape *from, const struct kt_shape *to, const struct kt_step *s)
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

void kt_code_rep(struct kt_model *m, bool enc, struct kt_work *w, struct kt_step *s, bool odd)
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
			kt_code_long(m, enc, w, i, s);
		}
	}
}
