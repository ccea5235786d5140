/* SPDX-License-Identifier: MIT */
/* From a chunk's writes to page versions: post-image = pre-image + the chunk's writes in order. */
#include <stdlib.h>
#include <string.h>

#include "store/pages.h"
#include "store/seal.h"

struct kt_pages {
	struct kt_pages_ram ram[KT_RAM_MAX];
	struct kt_page_state *state[KT_RAM_MAX];
	unsigned n;
};

struct kt_pages *kt_pages_create(const struct kt_pages_ram *ram, unsigned n)
{
	static const u8 zero[KT_PAGE];
	u64 zero_hash = kt_hash64(zero, sizeof zero), end = 0;
	struct kt_pages *p = n <= KT_RAM_MAX ? calloc(1, sizeof *p) : NULL;

	for (unsigned i = 0; p && i < n; i++) {
		if ((ram[i].gpa | ram[i].size) % KT_PAGE || ram[i].gpa < end || ram[i].size > KT_RAM_TOTAL || ram[i].gpa > (1ull << 52) - ram[i].size)
			goto bad;
		end = ram[i].gpa + ram[i].size;
		u64 pages = ram[i].size >> KT_PAGE_SHIFT;
		p->ram[i] = ram[i];
		p->state[i] = calloc(pages ? (size_t)pages : 1, sizeof *p->state[i]);
		if (!p->state[i])
			goto bad;
		p->n = i + 1;
		for (u64 k = 0; k < pages; k++)
			p->state[i][k].hash = zero_hash;
	}
	return p;
bad:
	kt_pages_destroy(p);
	return NULL;
}

void kt_pages_destroy(struct kt_pages *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < KT_RAM_MAX; i++)
		free(p->state[i]);
	free(p);
}

struct kt_page_state *kt_pages_at(struct kt_pages *p, u64 gpa)
{
	for (unsigned i = 0; i < p->n; i++)
		if (gpa - p->ram[i].gpa < p->ram[i].size)
			return &p->state[i][(gpa - p->ram[i].gpa) >> KT_PAGE_SHIFT];
	return NULL;
}

void kt_page_set_free(struct kt_page_set *s)
{
	free(s->w);
	free(s->images);
	free(s->slot);
	*s = (struct kt_page_set){ 0 };
}

static bool set_room(struct kt_page_set *s, u32 n)
{
	if (n <= s->cap && s->slot)
		return true;
	kt_page_set_free(s);
	for (s->cap = 256; s->cap < n;)
		s->cap *= 2;
	s->nslots = s->cap * 2;
	s->w = calloc(s->cap, sizeof *s->w);
	s->images = malloc((size_t)s->cap * KT_PAGE);
	s->slot = calloc(s->nslots, sizeof *s->slot);
	if (s->w && s->images && s->slot)
		return true;
	kt_page_set_free(s);
	return false;
}

static u32 slot_of(const struct kt_page_set *s, u64 page)
{
	u32 at = (u32)(page * 0x9e3779b97f4a7c15ull >> 40) & (s->nslots - 1);
	while (s->slot[at] && s->w[s->slot[at] - 1].page != page)
		at = (at + 1) & (s->nslots - 1);
	return at;
}

bool kt_page_set_begin(struct kt_page_set *s, const struct kt_raw_chunk *c)
{
	if (!set_room(s, c->npages + 1))
		return false;
	memset(s->slot, 0, s->nslots * sizeof *s->slot);
	s->n = s->last = 0;
	for (u32 i = 0; i < c->npages; i++) {
		u64 page = c->page[i].gpa >> KT_PAGE_SHIFT;
		u32 at = slot_of(s, page);
		if (s->slot[at])
			continue; /* announced twice: the first is the content before */
		u8 *after = s->images + (size_t)s->n * KT_PAGE;
		memcpy(after, c->page[i].before, KT_PAGE);
		s->w[s->n] = (struct kt_page_work){ page, c->page[i].before, after, false };
		s->slot[at] = ++s->n;
	}
	return true;
}

bool kt_page_set_write(struct kt_page_set *s, const struct kt_access *a)
{
	u64 first = a->pa >> KT_PAGE_SHIFT, last = (a->pa + a->size - 1) >> KT_PAGE_SHIFT;

	if (!a->size || last < first)
		return false;
	for (u64 page = first; page <= last; page++) {
		u32 i = s->last;
		if (i >= s->n || s->w[i].page != page) {
			i = s->slot[slot_of(s, page)];
			if (!i--)
				return false;
			s->last = i;
		}
		s->w[i].written = true;
		kt_page_write(s->w[i].after, page << KT_PAGE_SHIFT, a);
	}
	return true;
}

struct build {
	struct kt_zst *z;
	struct kt_buf runs, bytes; /* of the open group */
	u32 n;                     /* its pages */
	struct kt_buf *blob;
	struct kt_err *err;
};

static int close_group(struct build *b)
{
	int rc;

	if (!b->n)
		return 0;
	kt_buf_varint(b->blob, b->n);
	rc = kt_seal(b->z, b->runs.data, b->runs.len, b->blob, b->err);
	if (!rc)
		rc = kt_seal(b->z, b->bytes.data, b->bytes.len, b->blob, b->err);
	kt_buf_clear(&b->runs);
	kt_buf_clear(&b->bytes);
	b->n = 0;
	return rc;
}

/* The cheapest true form of one page's new version; *st still tells of the old one. */
static struct kt_page_entry version_of(struct build *b, const struct kt_page_work *w, const struct kt_page_state *st, u32 seq)
{
	struct kt_page_entry e = { .page = w->page, .back = st->version ? seq + 1 - st->version : 0 };
	size_t runs = b->runs.len, bytes = b->bytes.len;

	if (!st->whole && !memcmp(w->before, w->after, KT_PAGE)) {
		e.kind = KT_PAGE_SAME;
		return e;
	}
	if (kt_page_is_zero(w->after)) {
		e.kind = KT_PAGE_ZERO;
		return e;
	}
	b->n++;
	e.kind = KT_PAGE_DELTA;
	if (!st->whole && st->depth < KT_PAGE_DEPTH) {
		kt_page_delta_put(&b->runs, &b->bytes, w->before, w->after);
		e.size = (u32)(b->runs.len - runs);
		if (e.size + b->bytes.len - bytes <= KT_PAGE_DELTA_MAX)
			return e;
		b->runs.len = runs;
		b->bytes.len = bytes;
	}
	e.kind = KT_PAGE_FULL;
	e.size = 0;
	kt_buf_put(&b->bytes, w->after, KT_PAGE);
	return e;
}

static int build_one(struct build *b, struct kt_page_work *w, struct kt_page_state *st, u32 seq, struct kt_page_entry *e)
{
	*e = version_of(b, w, st, seq);
	if (b->runs.failed || b->bytes.failed)
		return kt_fail(b->err, KT_E_NOMEM, "no memory for page versions");
	if (e->kind == KT_PAGE_SAME)
		return 0;
	st->version = seq + 1;
	st->depth = e->kind == KT_PAGE_DELTA ? st->depth + 1u : 0;
	st->whole = 0;
	st->hash = kt_hash64(w->after, KT_PAGE);
	return b->bytes.len >= KT_PAGE_GROUP ? close_group(b) : 0;
}

static int by_page(const void *a, const void *b)
{
	const struct kt_page_work *x = a, *y = b;
	return x->page < y->page ? -1 : x->page > y->page;
}

int kt_pages_build(struct kt_pages *p, struct kt_page_set *s, u32 seq, struct kt_zst *z, struct kt_page_list *list, struct kt_buf *blob,
                   kt_page_miss_fn *miss, void *ctx, struct kt_err *err)
{
	struct build b = { .z = z, .blob = blob, .err = err };
	int rc = 0;

	if (list->cap < s->n) {
		kt_page_list_free(list);
		list->e = calloc(s->cap, sizeof *list->e);
		if (!list->e)
			return kt_fail(err, KT_E_NOMEM, "no memory for %u pages", s->n);
		list->cap = s->cap;
	}
	list->n = 0;
	qsort(s->w, s->n, sizeof *s->w, by_page);
	for (u32 i = 0; !rc && i < s->n; i++) {
		struct kt_page_work *w = &s->w[i];
		struct kt_page_state *st = kt_pages_at(p, w->page << KT_PAGE_SHIFT);
		if (!st) {
			rc = kt_fail(err, KT_E_ARG, "page 0x%llx is not in RAM", (unsigned long long)w->page << KT_PAGE_SHIFT);
			break;
		}
		u64 hash = kt_hash64(w->before, KT_PAGE);
		if (st->hash != hash) {
			rc = miss(ctx, w->page, w->before, st->checked, err);
			st->hash = hash;
			st->whole = 1;
			st->depth = 0;
		}
		st->checked = seq + 1;
		if (!rc && w->written)
			rc = build_one(&b, w, st, seq, &list->e[list->n++]);
	}
	if (!rc)
		rc = close_group(&b);
	kt_buf_free(&b.runs);
	kt_buf_free(&b.bytes);
	return rc;
}
