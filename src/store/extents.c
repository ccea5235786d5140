/* SPDX-License-Identifier: MIT */
#include "store/extents.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/seal.h"

enum { CACHE = 128 }; /* direct-mapped: 8 MiB */

struct cached {
	bool there; /* the entry is of extent `id` */
	u64 id;
	u8 *data;   /* NULL: all zero */
};
struct kt_extents {
	struct kt_db *db;
	struct kt_zst *zst;
	sqlite3_stmt *st;
	struct kt_pages_ram ram[KT_RAM_MAX];
	unsigned nram;
	struct cached cache[CACHE];
	struct kt_memory_view view;
	struct kt_err err; /* code 0: none yet */
};

static const u8 zero[KT_PAGE];

static const u8 *view_page(void *ctx, u64 gpa)
{
	struct kt_extents *x = ctx;
	struct kt_err err;
	const u8 *page;

	if (!kt_extents_page(x, gpa >> KT_PAGE_SHIFT, &page, &err))
		return page;
	if (!x->err.code)
		x->err = err;
	return zero;
}

int kt_extents_create(struct kt_db *db, const struct kt_pages_ram *ram, unsigned nram, struct kt_extents **out, struct kt_err *err)
{
	struct kt_extents *x = calloc(1, sizeof *x);

	*out = NULL;
	if (x)
		x->zst = kt_zst_create(3);
	if (!x || !x->zst) {
		kt_extents_destroy(x);
		return kt_fail(err, KT_E_NOMEM, "no memory");
	}
	x->db = db;
	x->view = (struct kt_memory_view){ view_page, x };
	for (; x->nram < KT_MIN(nram, (unsigned)KT_RAM_MAX); x->nram++)
		x->ram[x->nram] = ram[x->nram];
	int rc = kt_db_prepare(db, "SELECT data FROM extent WHERE id = ?", &x->st, err);
	if (rc)
		kt_extents_destroy(x);
	else
		*out = x;
	return rc;
}

void kt_extents_destroy(struct kt_extents *x)
{
	if (!x)
		return;
	for (unsigned i = 0; i < CACHE; i++)
		free(x->cache[i].data);
	sqlite3_finalize(x->st);
	kt_zst_destroy(x->zst);
	free(x);
}

static bool in_ram(const struct kt_extents *x, u64 page)
{
	for (unsigned i = 0; i < x->nram; i++)
		if (page - (x->ram[i].gpa >> KT_PAGE_SHIFT) < x->ram[i].size >> KT_PAGE_SHIFT)
			return true;
	return false;
}

static int load(struct kt_extents *x, u64 id, struct cached *c, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	char what[48];

	snprintf(what, sizeof what, "extent %llu", (unsigned long long)id);
	sqlite3_bind_int64(x->st, 1, (s64)id);
	int rc = kt_db_step(x->db, x->st, what, err);
	bool some = rc == 1;
	if (some) {
		struct kt_rd blob = kt_db_blob(x->st, 0);
		rc = kt_unseal(x->zst, &blob, KT_EXTENT, &raw, what, err);
		if (!rc && raw.len != KT_EXTENT)
			rc = kt_fail(err, KT_E_CORRUPT, "%s: holds %zu bytes, not 65536", what, raw.len);
	}
	sqlite3_reset(x->st);
	if (rc) {
		kt_buf_free(&raw);
		return rc;
	}
	free(c->data);
	*c = (struct cached){ true, id, some ? raw.data : NULL };
	return 0;
}

int kt_extents_page(struct kt_extents *x, u64 page, const u8 **out, struct kt_err *err)
{
	u64 id = page >> (KT_EXTENT_SHIFT - KT_PAGE_SHIFT);
	struct cached *c = &x->cache[id % CACHE];

	*out = NULL;
	if (!in_ram(x, page))
		return 0;
	if (!c->there || c->id != id) {
		int rc = load(x, id, c, err);
		if (rc)
			return rc;
	}
	*out = c->data ? c->data + (page << KT_PAGE_SHIFT & (KT_EXTENT - 1)) : zero;
	return 0;
}

const struct kt_memory_view *kt_extents_view(struct kt_extents *x)
{
	return &x->view;
}

int kt_extents_failed(const struct kt_extents *x, struct kt_err *err)
{
	if (!x->err.code)
		return 0;
	if (err)
		*err = x->err;
	return -(int)x->err.code;
}
