/* SPDX-License-Identifier: MIT */
/* What a trace file says twice, compared. */
#include <stdio.h>
#include <string.h>

#include "store/init_hash.h"
#include "store/reader_priv.h"
#include "store/seal.h"

int kt_reader_verify_file(struct kt_reader *r, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&r->db, "PRAGMA quick_check(1)", &st, err);

	if (!rc)
		rc = kt_db_step(&r->db, st, "checking the file", err);
	if (rc == 1) {
		const char *text = (const char *)sqlite3_column_text(st, 0);
		rc = text && !strcmp(text, "ok") ? 0 : kt_fail(err, KT_E_CORRUPT, "%s: SQLite finds: %.200s", r->db.path, text ? text : "nothing");
	}
	sqlite3_finalize(st);
	return rc;
}

static int same_lists(const struct kt_seg_list *a, const struct kt_seg_list *b, unsigned level, u64 idx, const char *column, struct kt_err *err)
{
	size_t n = b ? b->n : 0;

	if (b && a->n == n && (!n || !memcmp(a->e, b->e, n * sizeof *a->e)))
		return 0;
	return kt_fail(err, KT_E_CORRUPT, "segment %u/%llu, %s: %s", level, (unsigned long long)idx, column,
	               b ? "is not the sum of its parts" : "is missing");
}

struct accumulated {
	struct kt_seg_list ids[KT_SEGMENT_LEVELS], pages[KT_SEGMENT_LEVELS];
};

static bool add_chunk(struct accumulated *a, const struct kt_chunk *c)
{
	unsigned part = c->seq & (KT_SEGMENT_PARTS - 1);
	struct kt_seg_list l = { 0 };
	bool ok = true;

	for (u32 i = 0; ok && i < c->nlocal; i++) {
		struct kt_seg_entry *e = kt_seg_append(&l);
		ok = e != NULL;
		if (ok)
			*e = (struct kt_seg_entry){ c->local[i], 0, c->uses[i] };
	}
	ok = ok && kt_seg_merge(&a->ids[0], l.e, l.n, part);
	l.n = 0;
	for (u32 i = 0; ok && i < c->pages.n; i++) {
		struct kt_seg_entry *e = kt_seg_append(&l);
		ok = e != NULL;
		if (ok)
			*e = (struct kt_seg_entry){ c->pages.e[i].page, 0, 0 };
	}
	ok = ok && kt_seg_merge(&a->pages[0], l.e, l.n, part);
	kt_seg_free(&l);
	return ok;
}

static int close_levels(struct kt_reader *r, struct accumulated *a, u64 seq, struct kt_err *err)
{
	u64 at = seq;
	int rc = 0;

	for (unsigned l = 0; !rc && l < KT_SEGMENT_LEVELS && (at & (KT_SEGMENT_PARTS - 1)) == KT_SEGMENT_PARTS - 1; l++) {
		const struct kt_seg_list *have;
		at >>= KT_SEGMENT_SHIFT;
		rc = kt_reader_segment(r, KT_INDEX_INSN, l + 1, at, &have, err);
		if (!rc)
			rc = same_lists(&a->ids[l], have, l + 1, at, "ids", err);
		if (!rc)
			rc = kt_reader_segment(r, KT_INDEX_PAGE, l + 1, at, &have, err);
		if (!rc)
			rc = same_lists(&a->pages[l], have, l + 1, at, "pages", err);
		unsigned part = at & (KT_SEGMENT_PARTS - 1);
		if (!rc && l + 1 < KT_SEGMENT_LEVELS && (!kt_seg_merge(&a->ids[l + 1], a->ids[l].e, a->ids[l].n, part) ||
		                                        !kt_seg_merge(&a->pages[l + 1], a->pages[l].e, a->pages[l].n, part)))
			rc = kt_fail(err, KT_E_NOMEM, "no memory to check the index");
		kt_seg_free(&a->ids[l]);
		kt_seg_free(&a->pages[l]);
	}
	return rc;
}

int kt_reader_verify_index(struct kt_reader *r, struct kt_err *err)
{
	struct accumulated a = { 0 };
	u64 seq = r->head.first_chunk, end = seq + r->head.chunks;
	int rc = 0;

	for (; !rc && seq < end; seq++) {
		struct kt_chunk *c;
		rc = kt_reader_light(r, seq, &c, err);
		if (rc)
			break;
		if (!add_chunk(&a, c))
			rc = kt_fail(err, KT_E_NOMEM, "no memory to check the index");
		kt_chunk_put(c);
		if (!rc)
			rc = close_levels(r, &a, seq, err);
	}
	for (unsigned l = 0; l < KT_SEGMENT_LEVELS; l++) {
		kt_seg_free(&a.ids[l]);
		kt_seg_free(&a.pages[l]);
	}
	return rc;
}

int kt_reader_verify_init(struct kt_reader *r, struct kt_err *err)
{
	const struct kt_reader_head *h = &r->head;
	struct kt_init_hash *init = kt_init_hash_create(h->arch, h->mem_bytes, h->step_ns, h->rtc, h->regs);
	static const u8 zero[KT_PAGE];
	u64 zero_hash = kt_hash64(zero, sizeof zero);
	u8 hash[KT_LEAF_BYTES];
	int rc = init ? 0 : kt_fail(err, KT_E_NOMEM, "no memory");

	for (unsigned i = 0; !rc && i < h->nram; i++) {
		kt_init_hash_range(init, h->ram[i].gpa, h->ram[i].size);
		for (u64 at = 0; !rc && at < h->ram[i].size; at += KT_PAGE) {
			const u8 *page;
			rc = kt_extents_page(r->extents, (h->ram[i].gpa + at) >> KT_PAGE_SHIFT, &page, err);
			if (!rc)
				kt_init_hash_page(init, kt_page_is_zero(page) ? zero_hash : kt_hash64(page, KT_PAGE));
		}
	}
	kt_init_hash_final(init, hash);
	if (!rc && memcmp(hash, h->init, sizeof hash))
		rc = kt_fail(err, KT_E_CORRUPT, "%s: head.init is not the hash of the initial state", r->db.path);
	return rc;
}
