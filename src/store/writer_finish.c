/* SPDX-License-Identifier: MIT */
/* The end of a recording: the last chunk, the digest, the end record, one file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/writer_priv.h"

enum { REASON_MAX = 48, TEXT_MAX = 480 }; /* together within the end record's room */

/* Of what is committed, whatever was lost behind it. */
static int final_digest(struct kt_writer *w, u8 out[KT_LEAF_BYTES], struct kt_err *err)
{
	struct kt_buf leaves = { 0 };
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&w->db, "SELECT hash FROM leaf ORDER BY id", &st, err);

	while (!rc && (rc = kt_db_step(&w->db, st, "reading leaves", err)) == 1) {
		struct kt_rd r = kt_db_blob(st, 0);
		kt_buf_put(&leaves, r.p, kt_rd_left(&r));
		rc = 0;
	}
	sqlite3_finalize(st);
	if (w->seen.has_tail)
		kt_buf_put(&leaves, w->seen.tail, KT_LEAF_BYTES);
	if (!rc && leaves.failed)
		rc = kt_fail(err, KT_E_NOMEM, "no memory for the digest");
	if (!rc) {
		u64 count = w->seen_chunks ? w->seen.first + w->seen.count - w->first : 0;
		kt_digest_final(w->init, w->first, count, leaves.data, leaves.len / KT_LEAF_BYTES, out);
	}
	kt_buf_free(&leaves);
	return rc;
}

/* A cut in the middle of a UTF-8 character would not be text. */
static int text_len(const char *s, size_t max)
{
	size_t n = strlen(s);
	if (n > max)
		for (n = max; n && ((u8)s[n] & 0xc0) == 0x80;)
			n--;
	return (int)n;
}

static int put_ending(struct kt_writer *w, const char *reason, const char *text, const u8 *digest, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&w->db, "UPDATE ending SET finished = 1, reason = ?, text = ?, digest = ?, reserve = NULL WHERE id = 1", &st, err);

	if (!rc) {
		sqlite3_bind_text(st, 1, reason, text_len(reason, REASON_MAX), SQLITE_STATIC);
		sqlite3_bind_text(st, 2, text, text_len(text, TEXT_MAX), SQLITE_STATIC);
		if (digest)
			sqlite3_bind_blob(st, 3, digest, KT_LEAF_BYTES, SQLITE_STATIC);
		rc = kt_db_run(&w->db, st, "writing the end record", err);
	}
	sqlite3_finalize(st);
	return rc;
}

static int one_file(struct kt_writer *w, struct kt_err *err)
{
	int rc = sqlite3_wal_checkpoint_v2(w->db.sq, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	/* A reader that is in the middle keeps the log alive; the last one to close folds it. */
	if (rc != SQLITE_OK && rc != SQLITE_BUSY)
		return kt_db_fail(&w->db, rc, "folding the log", err);
	rc = sqlite3_exec(w->db.sq, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY ? 0 : kt_db_fail(&w->db, rc, "making it one file", err);
}

static void hex(const u8 *raw, char *out)
{
	for (unsigned i = 0; i < KT_LEAF_BYTES; i++)
		sprintf(out + 2 * i, "%02x", raw[i]);
}

static void final_stats(struct kt_writer *w, struct kt_writer_stats *out)
{
	struct stat st;

	kt_writer_stats(w, out);
	out->steps = w->seen_chunks ? w->seen.first + w->seen.count - w->first : 0;
	out->insns = w->seen.v[KT_SUM_INSNS];
	out->exceptions = w->seen.v[KT_SUM_EXCEPTIONS];
	out->irqs = w->seen.v[KT_SUM_IRQS];
	out->gaps = w->seen.v[KT_SUM_GAPS];
	if (!stat(w->db.path, &st))
		out->bytes_file = (u64)st.st_size;
}

int kt_writer_finish_stats(struct kt_writer *w, const char *reason, const char *text, char digest[33], struct kt_writer_stats *stats,
                           struct kt_err *err)
{
	u8 raw[KT_LEAF_BYTES];
	struct kt_err own = { 0 }, end_err = { 0 };
	int rc, end;

	if (digest)
		digest[0] = 0;
	rc = w->open->count && !atomic_load(&w->failed) ? kt_writer_hand_over(w, &own) : 0;
	if (!rc)
		rc = kt_writer_drain(w, &own);
	kt_writer_join(w);
	if (!sqlite3_get_autocommit(w->db.sq))
		sqlite3_exec(w->db.sq, "ROLLBACK", NULL, NULL, NULL);
	if (rc == -KT_E_FULL) {
		reason = "disk-full";
		text = own.text;
	} else if (rc) {
		reason = "error";
		text = own.text;
	}
	if (w->reserve >= 0) {
		close(w->reserve);
		w->reserve = -1;
	}
	end = final_digest(w, raw, &end_err);
	if (!end && digest)
		hex(raw, digest);
	end = put_ending(w, reason, text, end ? NULL : raw, &end_err);
	kt_writer_unprepare(w);
	if (!end)
		end = one_file(w, &end_err);
	if (stats)
		final_stats(w, stats);
	if (err && (rc || end))
		*err = rc ? own : end_err;
	kt_writer_free(w);
	return rc ? rc : end;
}

int kt_writer_finish(struct kt_writer *w, const char *reason, const char *text, char digest[33], struct kt_err *err)
{
	return kt_writer_finish_stats(w, reason, text, digest, NULL, err);
}
