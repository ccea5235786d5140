/* SPDX-License-Identifier: MIT */
/* From a captured chunk to the blobs of its row. One pass over the steps feeds the digest, the zone map, the page
 * images and the console; the codec makes its own. */
#include <stdlib.h>
#include <string.h>

#include "store/seal.h"
#include "store/writer_priv.h"

enum { RPAGE_SLOTS = 1 << 14, RPAGE_MAX = RPAGE_SLOTS / 2 };

static void clear(struct kt_encoded *o)
{
	struct kt_buf *all[] = { &o->dict, &o->sums_blob, &o->idx, &o->keys, &o->frames, &o->pages, &o->devices, &o->stack, &o->text };
	for (unsigned i = 0; i < KT_ARRAY_LEN(all); i++)
		kt_buf_clear(all[i]);
	for (unsigned i = 0; i < KT_SEGMENT_LEVELS; i++) {
		kt_buf_clear(&o->seg[i].ids);
		kt_buf_clear(&o->seg[i].pages);
	}
	o->nseg = 0;
	o->has_leaf = false;
	o->npiece = 0;
	for (size_t i = 0; i < o->nmiss; i++)
		kt_buf_free(&o->miss[i].data);
	o->nmiss = 0;
}

static int by_id(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;
	return x < y ? -1 : x > y;
}

/* The chunk's local id table and how often each was executed. */
static int collect_ids(struct kt_writer *w, const struct kt_raw_chunk *c, u32 dict_count, struct kt_err *err)
{
	if (w->uses_cap <= dict_count) {
		u32 cap = (dict_count + 1) * 2;
		free(w->uses);
		w->uses = calloc(cap, sizeof *w->uses);
		w->uses_cap = w->uses ? cap : 0;
		if (!w->uses)
			return kt_fail(err, KT_E_NOMEM, "no memory to count %u instructions", dict_count);
	} else {
		for (u32 i = 0; i < w->nlocal; i++)
			w->uses[w->local[i]] = 0;
	}
	w->nlocal = 0;
	for (u32 i = 0; i < c->count; i++) {
		u32 id = c->step[i].insn;
		if (id > dict_count)
			return kt_fail(err, KT_E_ARG, "step %llu has instruction number %u of %u: its kt_insn was numbered by another trace",
			               (unsigned long long)(c->first + i), id, dict_count);
		if (id && !w->uses[id]++)
			w->local[w->nlocal++] = id;
	}
	qsort(w->local, w->nlocal, sizeof *w->local, by_id);
	return 0;
}

/* An open-addressed set in w->rpage_slot; a chunk that reads more pages than fit says so by an empty list and bit 7 of
 * the zone's reads. */
static void note_read(struct kt_writer *w, const struct kt_access *a)
{
	struct kt_zone *z = &w->zone;
	u64 last = (a->pa + (a->size ? a->size - 1 : 0)) >> KT_PAGE_SHIFT;

	for (u64 page = a->pa >> KT_PAGE_SHIFT; page <= last && z->nrpages < RPAGE_MAX; page++) {
		u32 at = (u32)(page * 0x9e3779b97f4a7c15ull >> 40) & (RPAGE_SLOTS - 1);
		while (w->rpage_slot[at] && w->rpage_slot[at] != page + 1)
			at = (at + 1) & (RPAGE_SLOTS - 1);
		if (w->rpage_slot[at])
			continue;
		w->rpage_slot[at] = page + 1;
		z->rpage[z->nrpages++] = page;
	}
}

static int by_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;
	return x < y ? -1 : x > y;
}

static void close_reads(struct kt_writer *w)
{
	struct kt_zone *z = &w->zone;

	if (z->nrpages == RPAGE_MAX) {
		z->nrpages = 0;
		z->reads |= KT_ZONE_READS_ANY;
	}
	qsort(z->rpage, z->nrpages, sizeof *z->rpage, by_u64);
	memset(w->rpage_slot, 0, RPAGE_SLOTS * sizeof *w->rpage_slot);
}

/* Pieces end at a newline, when they are long, where another console speaks, and at the chunk's end. *open: index + 1 of
 * the piece that may go on, 0: none. */
static int add_console(struct kt_encoded *o, u64 step, const struct kt_event *e, size_t *open, struct kt_err *err)
{
	struct kt_console_piece *p = *open ? &o->piece[*open - 1] : NULL;

	if (!p || p->which != e->num || p->len >= KT_CONSOLE_PIECE) {
		if (o->npiece == o->piece_cap) {
			size_t cap = o->piece_cap ? o->piece_cap * 2 : 64;
			struct kt_console_piece *more = realloc(o->piece, cap * sizeof *more);
			if (!more)
				return kt_fail(err, KT_E_NOMEM, "no memory for console text");
			o->piece = more;
			o->piece_cap = cap;
		}
		p = &o->piece[o->npiece++];
		*p = (struct kt_console_piece){ step, (u32)o->text.len, 0, e->num };
		*open = o->npiece;
	}
	kt_buf_u8(&o->text, (u8)e->code);
	p->len++;
	if ((u8)e->code == '\n')
		*open = 0;
	return 0;
}

static int writes_and_reads(struct kt_writer *w, const struct kt_step *s, u64 step, struct kt_err *err)
{
	for (unsigned i = 0; i < s->naccess; i++) {
		const struct kt_access *a = &s->access[i];
		if (a->space != KT_SPACE_RAM)
			continue;
		if (!(a->flags & KT_ACCESS_WRITE))
			note_read(w, a);
		else if (!kt_page_set_write(&w->set, a))
			return kt_fail(err, KT_E_ARG, "step %llu wrote %u bytes at 0x%llx, a page that was not announced before (kt_writer_page)",
			               (unsigned long long)step, a->size, (unsigned long long)a->pa);
	}
	return 0;
}

static int walk_steps(struct kt_writer *w, const struct kt_raw_chunk *c, struct kt_step *s, struct kt_err *err)
{
	struct kt_encoded *o = &w->out;
	u64 regs[KT_REGS_MAX];
	const u64 *prev = c->regs;
	size_t console = 0;
	u32 id;
	int rc = 0;

	memcpy(regs, c->regs, sizeof regs);
	kt_zone_begin(&w->zone, w->arch, c->regs);
	kt_callstack_mark(w->calls);
	for (u32 i = 0; !rc && i < c->count; i++) {
		kt_raw_chunk_get(c, i, s, &id);
		kt_digest_step(w->digest, s, prev);
		if (kt_digest_leaf(w->digest, o->leaf)) {
			o->has_leaf = true;
			o->leaf_id = (c->first + i) / KT_LEAF_STEPS;
		}
		if (s->ncold) {
			memcpy(regs, s->hot, s->nhot * sizeof *regs);
			for (unsigned k = 0; k < s->ncold; k++)
				if (s->cold[k].reg < KT_REGS_MAX)
					regs[s->cold[k].reg] = s->cold[k].value;
		}
		kt_zone_step(&w->zone, w->arch, s, prev, regs);
		kt_callstack_step(w->calls, c->first + i, s, id ? kt_dict_get(w->dict, id) : NULL, prev[w->arch->sp], s->hot[w->arch->sp]);
		w->sums.v[KT_SUM_INSNS + (s->kind & 3)]++;
		if (s->naccess)
			rc = writes_and_reads(w, s, c->first + i, err);
		for (unsigned k = 0; !rc && k < s->nevent; k++)
			if (s->event[k].kind == KT_EVENT_CONSOLE)
				rc = add_console(o, c->first + i, &s->event[k], &console, err);
		prev = s->hot;
	}
	close_reads(w);
	return rc;
}

static int miss(void *ctx, u64 page, const u8 *content, u32 checked, struct kt_err *err)
{
	struct kt_writer *w = ctx;
	struct kt_encoded *o = &w->out;

	if (o->nmiss == o->miss_cap) {
		size_t cap = o->miss_cap ? o->miss_cap * 2 : 16;
		struct kt_miss *more = realloc(o->miss, cap * sizeof *more);
		if (!more)
			return kt_fail(err, KT_E_NOMEM, "no memory for audit misses");
		o->miss = more;
		o->miss_cap = cap;
	}
	struct kt_miss *m = &o->miss[o->nmiss++];
	*m = (struct kt_miss){ .page = page, .checked = checked };
	return kt_seal(w->zst, content, KT_PAGE, &m->data, err);
}

/* The call stack at the chunk's start, and how it moved: what kt_callstack_put gives, then net and lowest. */
static int walk_with_stack(struct kt_writer *w, const struct kt_raw_chunk *c, struct kt_step *s, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	int rc;

	kt_callstack_put(w->calls, &raw);
	rc = walk_steps(w, c, s, err);
	kt_buf_svarint(&raw, w->calls->net);
	kt_buf_svarint(&raw, w->calls->lowest);
	if (!rc)
		rc = raw.failed ? kt_fail(err, KT_E_NOMEM, "no memory for a call stack") : kt_seal(w->zst, raw.data, raw.len, &w->out.stack, err);
	kt_buf_free(&raw);
	return rc;
}

static int encode_frames(struct kt_writer *w, const struct kt_raw_chunk *c, struct kt_err *err)
{
	struct kt_dict_view dict = kt_dict_view(w->dict);
	struct kt_buf payload = { 0 };
	u32 nframes = (c->count + KT_FRAME_STEPS - 1) / KT_FRAME_STEPS;
	int rc = 0;

	for (u32 f = 0; !rc && f < nframes; f++) {
		u32 first = f * KT_FRAME_STEPS, count = KT_MIN((u32)KT_FRAME_STEPS, c->count - first);
		size_t begin = payload.len;
		rc = kt_encode_frame(w->encoder, c, first, count, w->local, w->nlocal, &dict, &payload, &w->sums.v[KT_SUM_STREAM], err);
		kt_buf_varint(&w->out.frames, payload.len - begin);
		if (!rc)
			kt_buf_u64(&w->out.frames, kt_hash64(payload.data + begin, payload.len - begin));
	}
	kt_buf_put(&w->out.frames, payload.data, payload.len);
	kt_buf_free(&payload);
	if (!rc)
		rc = kt_extents_failed(w->extents, err);
	if (!rc) {
		struct kt_buf keys = { 0 };
		rc = kt_keyframes_put_from(&keys, w->arch, w->base, c->frame_regs, nframes);
		rc = rc ? kt_fail(err, KT_E_NOMEM, "no memory for keyframes") : kt_seal(NULL, keys.data, keys.len, &w->out.keys, err);
		kt_buf_free(&keys);
	}
	return rc;
}

static int pack_idx(struct kt_writer *w, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	u32 last = 0;
	int rc;

	kt_buf_varint(&raw, w->nlocal);
	for (u32 i = 0; i < w->nlocal; i++) {
		kt_buf_varint(&raw, w->local[i] - last);
		last = w->local[i];
	}
	for (u32 i = 0; i < w->nlocal; i++)
		kt_buf_varint(&raw, w->uses[w->local[i]]);
	kt_page_list_put(&raw, &w->list);
	kt_zone_put(&raw, &w->zone, w->arch);
	rc = raw.failed ? kt_fail(err, KT_E_NOMEM, "no memory for a chunk's index") : kt_seal(w->zst, raw.data, raw.len, &w->out.idx, err);
	kt_buf_free(&raw);
	return rc;
}

int kt_writer_encode(struct kt_writer *w, const struct kt_raw_chunk *c, u32 dict_count, struct kt_err *err)
{
	struct kt_encoded *o = &w->out;
	u32 known = (u32)w->sums.v[KT_SUM_DICT];
	struct kt_step *s = malloc(sizeof *s);
	int rc;

	clear(o);
	o->seq = w->seq;
	if (!s || !kt_page_set_begin(&w->set, c))
		rc = kt_fail(err, KT_E_NOMEM, "no memory for the pages of a chunk");
	else
		rc = collect_ids(w, c, dict_count, err);
	o->dict_first = known + 1;
	o->dict_count = dict_count - known;
	if (!rc && o->dict_count)
		rc = kt_dict_pack(w->dict, o->dict_first, o->dict_count, w->zst, &o->dict, err);
	if (!rc)
		rc = encode_frames(w, c, err);
	if (!rc)
		rc = walk_with_stack(w, c, s, err);
	if (!rc)
		rc = kt_pages_build(w->pages, &w->set, (u32)w->seq, w->set.n > KT_MANY_PAGES ? w->fast : w->zst, &w->list, &o->pages, miss, w, err);
	if (!rc)
		rc = pack_idx(w, err);
	if (!rc && c->device.len)
		rc = kt_seal(w->zst, c->device.data, c->device.len, &o->devices, err);
	if (!rc)
		rc = kt_writer_index(w, err);
	free(s);
	if (rc)
		return rc;
	w->sums.first = c->first;
	w->sums.count = c->count;
	w->sums.end_pc = c->end_pc;
	w->sums.v[KT_SUM_DICT] = dict_count;
	w->sums.v[KT_SUM_DICT_BYTES] += o->dict.len;
	w->sums.v[KT_SUM_KEYFRAMES] += o->keys.len;
	w->sums.v[KT_SUM_PAGES] += o->pages.len;
	w->sums.v[KT_SUM_INDEX] += o->idx.len + o->stack.len;
	for (unsigned i = 0; i < o->nseg; i++)
		w->sums.v[KT_SUM_INDEX] += o->seg[i].ids.len + o->seg[i].pages.len;
	w->sums.v[KT_SUM_OTHER] += o->devices.len + o->text.len;
	w->sums.has_tail = kt_digest_tail(w->digest, w->sums.tail);
	o->sums = w->sums;
	rc = kt_sums_put(&o->sums_blob, &o->sums, err);
	if (!rc && (o->frames.failed || o->text.failed))
		rc = kt_fail(err, KT_E_NOMEM, "no memory for an encoded chunk");
	w->seq++;
	return rc;
}
