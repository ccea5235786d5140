/* SPDX-License-Identifier: MIT */
/* Searching the index: up to a level whose segment is complete, down again to the chunk. */
#include <stdio.h>

#include "store/reader_priv.h"

int kt_reader_segment(struct kt_reader *r, enum kt_index which, unsigned level, u64 idx, const struct kt_seg_list **out, struct kt_err *err)
{
	struct kt_cached_segment *victim = &r->segment[0];
	char what[64];
	int rc;

	*out = NULL;
	for (unsigned i = 0; i < KT_SEGMENT_CACHE; i++) {
		struct kt_cached_segment *s = &r->segment[i];
		if (s->level == level && s->idx == idx && s->which == which) {
			s->used = ++r->clock;
			*out = &s->list;
			return 0;
		}
		if (s->used < victim->used)
			victim = s;
	}
	snprintf(what, sizeof what, "segment %u/%llu", level, (unsigned long long)idx);
	sqlite3_bind_int(r->st_segment, 1, (int)level);
	sqlite3_bind_int64(r->st_segment, 2, (s64)idx);
	rc = kt_db_step(&r->db, r->st_segment, what, err);
	if (rc == 1) {
		victim->level = 0;
		rc = kt_seg_unpack(&victim->list, which == KT_INDEX_INSN, kt_db_blob(r->st_segment, which == KT_INDEX_INSN ? 0 : 1), r->zst, what, err);
		if (!rc) {
			victim->level = level;
			victim->idx = idx;
			victim->which = which;
			victim->used = ++r->clock;
			*out = &victim->list;
		}
	}
	sqlite3_reset(r->st_segment);
	return rc;
}

static int chunk_has(struct kt_reader *r, enum kt_index which, u64 key, u64 seq, bool *has, u64 *uses, struct kt_err *err)
{
	struct kt_chunk *c;
	int rc = kt_reader_light(r, seq, &c, err);

	if (rc)
		return rc;
	*has = false;
	if (which == KT_INDEX_PAGE) {
		*has = kt_page_list_find(&c->pages, key) != NULL;
	} else {
		u32 lo = 0, hi = c->nlocal;
		while (lo < hi) {
			u32 mid = lo + (hi - lo) / 2;
			if (c->local[mid] < key)
				lo = mid + 1;
			else
				hi = mid;
		}
		*has = lo < c->nlocal && c->local[lo] == key;
		if (*has && uses)
			*uses += c->uses[lo];
	}
	kt_chunk_put(c);
	return 0;
}

/* Number of whole segments of a level that the trace can have: from 0, since chunk 0 began them. */
static u64 whole_segments(const struct kt_reader *r, unsigned level)
{
	return (r->head.first_chunk + r->head.chunks) >> (KT_SEGMENT_SHIFT * level);
}

struct search {
	struct kt_reader *r;
	enum kt_index which;
	u64 key, lo, hi; /* chunks lo..hi may be answers */
	int dir;
	u64 found;
	struct kt_err *err;
};

/* Below part `idx` of `level` (0: a chunk). `told`: the segment above says that the key is in it. 1 found, 0 not there. */
static int search_in(struct search *s, unsigned level, u64 idx, bool told)
{
	const struct kt_seg_list *l = NULL;
	u64 mask = ~0ull;
	int rc = 0;

	if (!level) {
		bool has = told;
		s->found = idx;
		if (!told)
			rc = chunk_has(s->r, s->which, s->key, idx, &has, NULL, s->err);
		return rc ? rc : has;
	}
	if (idx < whole_segments(s->r, level))
		rc = kt_reader_segment(s->r, s->which, level, idx, &l, s->err);
	if (rc)
		return rc;
	if (l) {
		const struct kt_seg_entry *e = kt_seg_find(l, s->key);
		mask = e ? e->mask : 0;
	}
	told = l != NULL; /* the list goes when the cache wants its place: not looked at below */
	for (unsigned i = 0; i < KT_SEGMENT_PARTS && mask; i++) {
		unsigned part = s->dir > 0 ? i : KT_SEGMENT_PARTS - 1 - i, shift = KT_SEGMENT_SHIFT * (level - 1);
		u64 child = idx << KT_SEGMENT_SHIFT | part, first = child << shift;
		if (!(mask >> part & 1) || first > s->hi || first + ((1ull << shift) - 1) < s->lo)
			continue;
		rc = search_in(s, level - 1, child, told);
		if (rc)
			return rc;
	}
	return 0;
}

int kt_reader_find(struct kt_reader *r, enum kt_index which, u64 key, u64 from, int dir, u64 *seq, struct kt_err *err)
{
	struct search s = { .r = r, .which = which, .key = key, .lo = r->head.first_chunk, .dir = dir, .err = err };
	int rc = 0;

	s.hi = s.lo + r->head.chunks - 1;
	if (dir > 0)
		s.lo = KT_MAX(s.lo, from);
	else
		s.hi = KT_MIN(s.hi, from);
	if (r->head.chunks && s.lo <= s.hi)
		for (u64 top = s.lo >> 30; top <= s.hi >> 30 && !rc; top++) /* 64^5 chunks each: one, in any trace that can be */
			rc = search_in(&s, KT_SEGMENT_LEVELS, dir > 0 ? top : (s.lo >> 30) + (s.hi >> 30) - top, false);
	if (rc == 1)
		*seq = s.found;
	return rc < 0 ? rc : rc ? 0 : kt_fail(err, KT_E_END, "no chunk has it");
}

int kt_reader_uses(struct kt_reader *r, u32 id, u64 *count, struct kt_err *err)
{
	u64 at = r->head.first_chunk, end = at + r->head.chunks;
	int rc = 0;

	*count = 0;
	while (!rc && at < end) {
		/* The largest whole segment that begins here. */
		const struct kt_seg_list *l = NULL;
		unsigned level = KT_SEGMENT_LEVELS;
		for (; level; level--) {
			unsigned shift = KT_SEGMENT_SHIFT * level;
			if (at & ((1ull << shift) - 1) || (at >> shift) >= whole_segments(r, level))
				continue;
			rc = kt_reader_segment(r, KT_INDEX_INSN, level, at >> shift, &l, err);
			if (rc || l)
				break;
		}
		if (rc)
			break;
		bool has;
		if (l) {
			const struct kt_seg_entry *e = kt_seg_find(l, id);
			*count += e ? e->count : 0;
		} else {
			rc = chunk_has(r, KT_INDEX_INSN, id, at, &has, count, err);
		}
		at += 1ull << (KT_SEGMENT_SHIFT * level);
	}
	return rc;
}
