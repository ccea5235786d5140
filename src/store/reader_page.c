/* SPDX-License-Identifier: MIT */
/* A page of RAM at a chunk's start: its newest whole version at or before it, and the deltas since. What the audit saw
 * counts as a whole version; the initial image is the first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/reader_priv.h"
#include "store/seal.h"

int kt_reader_initial_page(struct kt_reader *r, u64 page, u8 *to, struct kt_err *err)
{
	const u8 *p;
	int rc = kt_extents_page(r->extents, page, &p, err);

	if (rc)
		return rc;
	if (p)
		memcpy(to, p, KT_PAGE);
	else
		memset(to, 0, KT_PAGE);
	return 0;
}

/* The newest audit row at or before State(step): its step in *at, its page in `to`. 1 found, 0 none. */
static int audited_page(struct kt_reader *r, u64 page, u64 step, u64 *at, u8 *to, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	char what[48];
	int rc;

	if (!r->head.audit_misses)
		return 0;
	snprintf(what, sizeof what, "audit of page 0x%llx", (unsigned long long)page);
	sqlite3_bind_int64(r->st_audit, 1, (s64)page);
	sqlite3_bind_int64(r->st_audit, 2, (s64)step);
	rc = kt_db_step(&r->db, r->st_audit, what, err);
	if (rc == 1) {
		struct kt_rd blob = kt_db_blob(r->st_audit, 1);
		*at = (u64)sqlite3_column_int64(r->st_audit, 0);
		int e = kt_unseal(r->zst, &blob, KT_PAGE, &raw, what, err);
		if (!e && raw.len != KT_PAGE)
			e = kt_fail(err, KT_E_CORRUPT, "%s: holds %zu bytes, not 4096", what, raw.len);
		if (e)
			rc = e;
		else
			memcpy(to, raw.data, KT_PAGE);
	}
	sqlite3_reset(r->st_audit);
	kt_buf_free(&raw);
	return rc;
}

struct version {
	u64 seq, end; /* chunk, and the step behind it */
	struct kt_page_entry e;
};

/* What chunk `seq` says of the page; it must say something. */
static int version_in(struct kt_reader *r, u64 page, u64 seq, struct version *v, struct kt_err *err)
{
	struct kt_chunk *c;
	int rc = kt_reader_light(r, seq, &c, err);

	if (rc)
		return rc;
	const struct kt_page_entry *e = kt_page_list_find(&c->pages, page);
	if (!e || e->back > seq - r->head.first_chunk)
		rc = kt_fail(err, KT_E_CORRUPT, "chunk %llu: its versions of page 0x%llx lead nowhere", (unsigned long long)seq, (unsigned long long)page);
	else
		*v = (struct version){ seq, c->first + c->count, *e };
	kt_chunk_put(c);
	return rc;
}

/* The newest version that is one at or below chunk `from`: 1, or 0 if there is none. */
static int newest(struct kt_reader *r, u64 page, u64 from, struct version *v, struct kt_err *err)
{
	u64 seq;
	int rc = kt_reader_find(r, KT_INDEX_PAGE, page, from, -1, &seq, err);

	if (rc)
		return rc == -KT_E_END ? 0 : rc;
	rc = version_in(r, page, seq, v, err);
	if (rc || v->e.kind != KT_PAGE_SAME)
		return rc ? rc : 1;
	if (!v->e.back)
		return 0;
	rc = version_in(r, page, seq - v->e.back, v, err);
	if (!rc && v->e.kind == KT_PAGE_SAME)
		rc = kt_fail(err, KT_E_CORRUPT, "chunk %llu: page 0x%llx builds on a version that is none", (unsigned long long)seq, (unsigned long long)page);
	return rc ? rc : 1;
}

static int apply(struct kt_reader *r, const struct version *v, u8 *to, struct kt_err *err)
{
	struct kt_chunk *c;
	char what[64];
	int rc = kt_reader_light_pages(r, v->seq, &c, err);

	if (rc)
		return rc;
	snprintf(what, sizeof what, "chunk %llu, pages", (unsigned long long)v->seq);
	u32 index = (u32)(kt_page_list_find(&c->pages, v->e.page) - c->pages.e); /* it was found in this list before */
	rc = kt_pages_apply(&c->pages, index, kt_rd_of(c->page_blob.data, c->page_blob.len), r->zst, to, what, err);
	kt_chunk_put(c);
	return rc;
}

static int step_of(struct kt_reader *r, u64 seq, u64 *step, struct kt_err *err)
{
	struct kt_chunk *c;

	*step = r->head.first + r->head.steps;
	if (seq - r->head.first_chunk >= r->head.chunks)
		return 0;
	int rc = kt_reader_light(r, seq, &c, err);
	if (!rc) {
		*step = c->first;
		kt_chunk_put(c);
	}
	return rc;
}

/* Versions from the newest down to a whole one, then up again. */
static int build(struct kt_reader *r, u64 page, u64 seq, u8 *to, struct kt_err *err)
{
	struct version v[KT_PAGE_DEPTH + 1];
	u64 step, audit_at = 0;
	unsigned n = 0;
	bool whole = false;
	int audited, rc = step_of(r, seq, &step, err);

	if (rc)
		return rc;
	audited = audited_page(r, page, step, &audit_at, to, err);
	if (audited < 0)
		return audited;
	rc = seq > r->head.first_chunk ? newest(r, page, seq - 1, &v[0], err) : 0;
	while (rc == 1) {
		if (audited && audit_at >= v[n].end) /* what the audit saw came later */
			break;
		whole = v[n].e.kind == KT_PAGE_FULL || v[n].e.kind == KT_PAGE_ZERO;
		u64 back = v[n++].e.back;
		if (whole || !back)
			break;
		if (n > KT_PAGE_DEPTH)
			return kt_fail(err, KT_E_CORRUPT, "chunk %llu: page 0x%llx has no whole version in reach", (unsigned long long)v[0].seq,
			               (unsigned long long)page);
		rc = version_in(r, page, v[n - 1].seq - back, &v[n], err);
		if (!rc)
			rc = v[n].e.kind == KT_PAGE_SAME ? kt_fail(err, KT_E_CORRUPT, "chunk %llu: page 0x%llx builds on a version that is none",
			                                           (unsigned long long)v[n - 1].seq, (unsigned long long)page) : 1;
	}
	if (rc < 0)
		return rc;
	rc = whole || audited ? 0 : kt_reader_initial_page(r, page, to, err);
	while (!rc && n)
		rc = apply(r, &v[--n], to, err);
	return rc;
}

int kt_reader_audited(struct kt_reader *r, u64 page, u64 step, bool *is, struct kt_err *err)
{
	u8 content[KT_PAGE];
	u64 at;
	int rc = audited_page(r, page, step, &at, content, err);

	*is = rc == 1 && at == step;
	return rc < 0 ? rc : 0;
}

int kt_reader_page(struct kt_reader *r, u64 page, u64 seq, u8 *to, struct kt_err *err)
{
	struct kt_cached_page *p = &r->page[(page ^ seq * 61) % KT_PAGE_CACHE];

	if (!p->used || p->page != page || p->seq != seq) {
		p->used = 0;
		int rc = build(r, page, seq, p->data, err);
		if (rc)
			return rc;
		p->page = page;
		p->seq = seq;
		p->used = 1;
	}
	memcpy(to, p->data, KT_PAGE);
	return 0;
}
