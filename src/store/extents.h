/* SPDX-License-Identifier: MIT */
/* Initial memory: the extents of a trace file, read page by page through a small cache. Writer and reader give it to the
 * codec as a predictor; page versions build on it. */
#ifndef KT_EXTENTS_H
#define KT_EXTENTS_H

#include "store/codec.h"
#include "store/db.h"
#include "store/pages.h"

struct kt_extents;

/* Reads through `db`, which stays the caller's and outlives it. Pages outside the RAM ranges are not known. */
int kt_extents_create(struct kt_db *db, const struct kt_pages_ram *ram, unsigned nram, struct kt_extents **out, struct kt_err *err);
void kt_extents_destroy(struct kt_extents *x); /* NULL is fine; before the database is closed */

/* The page's 4096 bytes, valid until the next call; NULL in *out outside RAM. -KT_E_CORRUPT, -KT_E_IO, -KT_E_NOMEM. */
int kt_extents_page(struct kt_extents *x, u64 page, const u8 **out, struct kt_err *err);
/* For the codec, which cannot be told of errors: it gets zeros, and kt_extents_failed says so from then on. */
const struct kt_memory_view *kt_extents_view(struct kt_extents *x);
/* 0, or the first error the view met (it stays). */
int kt_extents_failed(const struct kt_extents *x, struct kt_err *err);

#endif
