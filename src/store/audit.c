/* SPDX-License-Identifier: MIT */
/* The audit: what the host says was written, against what the trace says the pages hold. */
#include <string.h>

#include "store/seal.h"
#include "store/writer_priv.h"

int kt_writer_audit_begin(struct kt_writer *w, struct kt_err *err)
{
	int rc = 0;

	if (w->open->count) {
		memcpy(w->regs, w->open->hot + (size_t)(w->open->count - 1) * w->arch->nhot, w->arch->nhot * sizeof *w->regs);
		rc = kt_writer_hand_over(w, err);
	}
	if (!rc)
		rc = kt_writer_drain(w, err);
	if (!rc)
		rc = kt_db_run(&w->db, w->st.begin, "beginning an audit", err);
	return rc;
}

int kt_writer_audit_page(struct kt_writer *w, u64 gpa, const u8 *host, struct kt_err *err)
{
	struct kt_page_state *st = gpa % KT_PAGE ? NULL : kt_pages_at(w->pages, gpa);
	struct kt_buf sealed = { 0 };
	u64 hash, now = w->first + w->steps, after;
	int rc;

	if (!st)
		return kt_fail(err, KT_E_ARG, "audit of 0x%llx: not a page of RAM", (unsigned long long)gpa);
	hash = kt_hash64(host, KT_PAGE);
	if (hash == st->hash) {
		st->checked = (u32)w->seq;
		return 0;
	}
	rc = kt_writer_step_of(w, st->checked, &after, err);
	if (!rc)
		rc = kt_seal(w->zst, host, KT_PAGE, &sealed, err);
	if (!rc)
		rc = kt_writer_put_miss(w, gpa >> KT_PAGE_SHIFT, now, after, &sealed, err);
	kt_buf_free(&sealed);
	if (rc)
		return rc;
	st->hash = hash;
	st->whole = 1;
	st->depth = 0;
	st->checked = (u32)w->seq;
	w->seen_misses++;
	return 0;
}

int kt_writer_audit_end(struct kt_writer *w, struct kt_err *err)
{
	if (sqlite3_get_autocommit(w->db.sq)) /* begin had failed: nothing is open */
		return 0;
	int rc = kt_db_run(&w->db, w->st.commit, "ending an audit", err);
	if (rc)
		sqlite3_exec(w->db.sq, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}
