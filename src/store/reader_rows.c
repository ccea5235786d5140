/* SPDX-License-Identifier: MIT */
/* The plain rows: console text, audit rows. */
#include <stdio.h>

#include "store/reader_priv.h"
#include "store/seal.h"

int kt_reader_console(struct kt_reader *r, int which, int (*fn)(void *ctx, u64 step, const char *text, size_t n), void *ctx, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&r->db, "SELECT step, text FROM console WHERE (?1 < 0 OR which = ?1) AND step < ?2 ORDER BY id", &st, err);

	if (!rc) { /* what was committed after the head was read is not seen */
		sqlite3_bind_int(st, 1, which);
		sqlite3_bind_int64(st, 2, (s64)(r->head.first + r->head.steps));
	}
	while (!rc && (rc = kt_db_step(&r->db, st, "reading console text", err)) == 1) {
		struct kt_rd text = kt_db_blob(st, 1);
		rc = 0;
		if (fn(ctx, (u64)sqlite3_column_int64(st, 0), (const char *)text.p, kt_rd_left(&text)))
			break;
	}
	sqlite3_finalize(st);
	return rc;
}

int kt_reader_audits(struct kt_reader *r, int (*fn)(void *ctx, u64 page, u64 step, u64 after_step, const u8 *content), void *ctx,
                     struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	sqlite3_stmt *st = NULL;
	char what[48];
	int rc = kt_db_prepare(&r->db, "SELECT id, page, step, after_step, data FROM audit WHERE step <= ? ORDER BY step, id", &st, err);

	if (!rc)
		sqlite3_bind_int64(st, 1, (s64)(r->head.first + r->head.steps));
	while (!rc && (rc = kt_db_step(&r->db, st, "reading audit rows", err)) == 1) {
		struct kt_rd blob = kt_db_blob(st, 4);
		snprintf(what, sizeof what, "audit row %lld", (long long)sqlite3_column_int64(st, 0));
		rc = kt_unseal(r->zst, &blob, KT_PAGE, &raw, what, err);
		if (!rc && raw.len != KT_PAGE)
			rc = kt_fail(err, KT_E_CORRUPT, "%s: holds %zu bytes, not 4096", what, raw.len);
		if (!rc && fn(ctx, (u64)sqlite3_column_int64(st, 1), (u64)sqlite3_column_int64(st, 2), (u64)sqlite3_column_int64(st, 3), raw.data))
			break;
	}
	sqlite3_finalize(st);
	kt_buf_free(&raw);
	return rc;
}
