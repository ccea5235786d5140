/* SPDX-License-Identifier: MIT */
/* The writer's SQL: one transaction a chunk, a passive checkpoint behind it. */
#include <stdio.h>
#include <string.h>

#include "store/writer_priv.h"

int kt_writer_prepare(struct kt_writer *w, struct kt_err *err)
{
	struct { const char *sql; sqlite3_stmt **st; } all[] = {
		{ "BEGIN IMMEDIATE", &w->st.begin },
		{ "COMMIT", &w->st.commit },
		{ "INSERT INTO dict (first_id, count, data) VALUES (?, ?, ?)", &w->st.dict },
		{ "INSERT INTO chunk (seq, first_step, count, sums, idx, keys, frames, pages, devices, stack) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &w->st.chunk },
		{ "INSERT INTO segment (level, idx, ids, pages) VALUES (?, ?, ?, ?)", &w->st.segment },
		{ "INSERT INTO leaf (id, hash) VALUES (?, ?)", &w->st.leaf },
		{ "INSERT INTO audit (page, step, after_step, data) VALUES (?, ?, ?, ?)", &w->st.audit },
		{ "INSERT INTO console (step, which, text) VALUES (?, ?, ?)", &w->st.console },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(all); i++) {
		int rc = kt_db_prepare(&w->db, all[i].sql, all[i].st, err);
		if (rc)
			return rc;
	}
	return 0;
}

void kt_writer_unprepare(struct kt_writer *w)
{
	sqlite3_stmt *all[] = { w->st.begin, w->st.commit, w->st.dict, w->st.chunk, w->st.segment, w->st.leaf, w->st.audit, w->st.console };
	for (unsigned i = 0; i < KT_ARRAY_LEN(all); i++)
		sqlite3_finalize(all[i]);
	memset(&w->st, 0, sizeof w->st);
}

static void bind_buf(sqlite3_stmt *st, int at, const struct kt_buf *b)
{
	if (b->len)
		sqlite3_bind_blob64(st, at, b->data, b->len, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

int kt_writer_step_of(struct kt_writer *w, u64 chunks, u64 *step, struct kt_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*step = w->first;
	if (!chunks)
		return 0;
	rc = kt_db_prepare(&w->db, "SELECT first_step + count FROM chunk WHERE seq = ?", &st, err);
	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, (s64)chunks - 1);
	rc = kt_db_step(&w->db, st, "looking a chunk up", err);
	if (rc == 1)
		*step = (u64)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc < 0 ? rc : 0;
}

int kt_writer_put_miss(struct kt_writer *w, u64 page, u64 step, u64 after_step, const struct kt_buf *sealed, struct kt_err *err)
{
	sqlite3_bind_int64(w->st.audit, 1, (s64)page);
	sqlite3_bind_int64(w->st.audit, 2, (s64)step);
	sqlite3_bind_int64(w->st.audit, 3, (s64)after_step);
	bind_buf(w->st.audit, 4, sealed);
	return kt_db_run(&w->db, w->st.audit, "writing an audit miss", err);
}

static int put_misses(struct kt_writer *w, struct kt_err *err)
{
	const struct kt_encoded *o = &w->out;
	int rc = 0;

	for (size_t i = 0; !rc && i < o->nmiss; i++) {
		u64 after;
		rc = kt_writer_step_of(w, o->miss[i].checked, &after, err);
		if (!rc)
			rc = kt_writer_put_miss(w, o->miss[i].page, o->sums.first, after, &o->miss[i].data, err);
	}
	return rc;
}

static int put_chunk(struct kt_writer *w, const char *what, struct kt_err *err)
{
	const struct kt_encoded *o = &w->out;
	sqlite3_stmt *st = w->st.chunk;

	sqlite3_bind_int64(st, 1, (s64)o->seq);
	sqlite3_bind_int64(st, 2, (s64)o->sums.first);
	sqlite3_bind_int64(st, 3, o->sums.count);
	bind_buf(st, 4, &o->sums_blob);
	bind_buf(st, 5, &o->idx);
	bind_buf(st, 6, &o->keys);
	bind_buf(st, 7, &o->frames);
	bind_buf(st, 8, &o->pages);
	bind_buf(st, 9, &o->devices);
	bind_buf(st, 10, &o->stack);
	return kt_db_run(&w->db, st, what, err);
}

static int put_segments(struct kt_writer *w, const char *what, struct kt_err *err)
{
	const struct kt_encoded *o = &w->out;
	int rc = 0;

	for (unsigned i = 0; !rc && i < o->nseg; i++) {
		sqlite3_bind_int(w->st.segment, 1, (int)i + 1);
		sqlite3_bind_int64(w->st.segment, 2, (s64)(o->seq >> (KT_SEGMENT_SHIFT * (i + 1))));
		bind_buf(w->st.segment, 3, &o->seg[i].ids);
		bind_buf(w->st.segment, 4, &o->seg[i].pages);
		rc = kt_db_run(&w->db, w->st.segment, what, err);
	}
	return rc;
}

static int put_console(struct kt_writer *w, const char *what, struct kt_err *err)
{
	const struct kt_encoded *o = &w->out;
	int rc = 0;

	for (size_t i = 0; !rc && i < o->npiece; i++) {
		const struct kt_console_piece *p = &o->piece[i];
		sqlite3_bind_int64(w->st.console, 1, (s64)p->step);
		sqlite3_bind_int(w->st.console, 2, p->which);
		sqlite3_bind_blob(w->st.console, 3, o->text.data + p->off, (int)p->len, SQLITE_STATIC);
		rc = kt_db_run(&w->db, w->st.console, what, err);
	}
	return rc;
}

static int put_rows(struct kt_writer *w, const char *what, struct kt_err *err)
{
	const struct kt_encoded *o = &w->out;
	int rc = 0;

	if (o->dict_count) {
		sqlite3_bind_int64(w->st.dict, 1, o->dict_first);
		sqlite3_bind_int64(w->st.dict, 2, o->dict_count);
		bind_buf(w->st.dict, 3, &o->dict);
		rc = kt_db_run(&w->db, w->st.dict, what, err);
	}
	if (!rc)
		rc = put_misses(w, err);
	if (!rc)
		rc = put_chunk(w, what, err);
	if (!rc && o->has_leaf) {
		sqlite3_bind_int64(w->st.leaf, 1, (s64)o->leaf_id);
		sqlite3_bind_blob(w->st.leaf, 2, o->leaf, KT_LEAF_BYTES, SQLITE_STATIC);
		rc = kt_db_run(&w->db, w->st.leaf, what, err);
	}
	if (!rc)
		rc = put_segments(w, what, err);
	if (!rc)
		rc = put_console(w, what, err);
	return rc;
}

int kt_writer_commit(struct kt_writer *w, struct kt_err *err)
{
	char what[48];
	int rc;

	snprintf(what, sizeof what, "writing chunk %llu", (unsigned long long)w->out.seq);
	rc = kt_db_run(&w->db, w->st.begin, what, err);
	if (rc)
		return rc;
	rc = put_rows(w, what, err);
	if (!rc)
		rc = kt_db_run(&w->db, w->st.commit, what, err);
	if (rc) {
		sqlite3_exec(w->db.sq, "ROLLBACK", NULL, NULL, NULL);
		return rc;
	}
	/* A reader may hold the checkpoint up; the next one makes up for it. That the disk is full shows at the next chunk. */
	sqlite3_wal_checkpoint_v2(w->db.sq, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return 0;
}

int kt_writer_index(struct kt_writer *w, struct kt_err *err)
{
	struct kt_encoded *o = &w->out;
	u64 at = o->seq;
	unsigned part = at & (KT_SEGMENT_PARTS - 1);
	struct kt_seg_entry *e;
	bool ok = true;
	int rc = 0;

	w->keys.n = 0;
	for (u32 i = 0; i < w->nlocal && (ok = (e = kt_seg_append(&w->keys)) != NULL); i++)
		*e = (struct kt_seg_entry){ w->local[i], 0, w->uses[w->local[i]] };
	ok = ok && kt_seg_merge(&w->ids[0], w->keys.e, w->keys.n, part);
	w->keys.n = 0;
	for (u32 i = 0; ok && i < w->list.n && (ok = (e = kt_seg_append(&w->keys)) != NULL); i++)
		*e = (struct kt_seg_entry){ w->list.e[i].page, 0, 0 };
	ok = ok && kt_seg_merge(&w->written[0], w->keys.e, w->keys.n, part);
	for (unsigned l = 0; ok && !rc && l < KT_SEGMENT_LEVELS && part == KT_SEGMENT_PARTS - 1; l++) {
		rc = kt_seg_pack(&w->ids[l], true, w->zst, &o->seg[l].ids, err);
		if (!rc)
			rc = kt_seg_pack(&w->written[l], false, w->zst, &o->seg[l].pages, err);
		o->nseg = l + 1;
		at >>= KT_SEGMENT_SHIFT;
		part = at & (KT_SEGMENT_PARTS - 1);
		if (!rc && l + 1 < KT_SEGMENT_LEVELS)
			ok = kt_seg_merge(&w->ids[l + 1], w->ids[l].e, w->ids[l].n, part) &&
			     kt_seg_merge(&w->written[l + 1], w->written[l].e, w->written[l].n, part);
		kt_seg_free(&w->ids[l]);
		kt_seg_free(&w->written[l]);
	}
	return ok ? rc : kt_fail(err, KT_E_NOMEM, "no memory for the index");
}
