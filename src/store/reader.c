/* SPDX-License-Identifier: MIT */
/* Opening a trace file: is it one, can this build read it, what is its head. */
#include "store/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/reader_priv.h"
#include "store/recover.h"
#include "store/seal.h"

enum { IMAGES_MAX = 256 };

/* Every table that is read must be the one this format defines: a file may bring views, generated columns or virtual
 * tables of those names. Compared with a database freshly made from the schema. */
static int check_schema(struct kt_reader *r, struct kt_err *err)
{
	struct kt_db own = { 0 };
	sqlite3_stmt *want = NULL, *have = NULL;
	int rc = sqlite3_open_v2(":memory:", &own.sq, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

	rc = rc == SQLITE_OK ? kt_db_exec(&own, kt_db_schema, "comparing tables", err) : kt_fail(err, KT_E_NOMEM, "no memory");
	if (!rc)
		rc = kt_db_prepare(&own, "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name", &want, err);
	if (!rc)
		rc = kt_db_prepare(&r->db, "SELECT sql FROM sqlite_schema WHERE name = ? AND type = 'table'", &have, err);
	while (!rc && (rc = kt_db_step(&own, want, "comparing tables", err)) == 1) {
		const char *name = (const char *)sqlite3_column_text(want, 0), *sql = (const char *)sqlite3_column_text(want, 1);
		sqlite3_bind_text(have, 1, name, -1, SQLITE_STATIC);
		rc = kt_db_step(&r->db, have, "reading the schema", err);
		const char *got = rc == 1 ? (const char *)sqlite3_column_text(have, 0) : NULL;
		if (rc >= 0)
			rc = got && sql && !strcmp(got, sql) ? 0 : kt_fail(err, KT_E_CORRUPT, "%s: table %s is %s format version %d defines it", r->db.path,
			                                                   name ? name : "?", got ? "not as" : "missing;", KT_FORMAT_VERSION);
		sqlite3_reset(have);
	}
	sqlite3_finalize(want);
	sqlite3_finalize(have);
	kt_db_close(&own);
	return rc;
}

int kt_reader_prepare(struct kt_reader *r, struct kt_err *err)
{
	struct { const char *sql; sqlite3_stmt **st; } all[] = {
		{ "SELECT first_step, count, sums, idx, keys, frames, pages FROM chunk WHERE seq = ?", &r->st_chunk },
		{ "SELECT seq FROM chunk WHERE first_step <= ? ORDER BY first_step DESC LIMIT 1", &r->st_at },
		{ "SELECT first_id, count, data FROM dict WHERE first_id <= ? ORDER BY first_id DESC LIMIT 1", &r->st_dict },
		{ "SELECT ids, pages FROM segment WHERE level = ? AND idx = ?", &r->st_segment },
		{ "SELECT step, data FROM audit WHERE page = ? AND step <= ? ORDER BY step DESC, id DESC LIMIT 1", &r->st_audit },
		{ "SELECT devices FROM chunk WHERE seq = ?", &r->st_devices },
		{ "SELECT pages FROM chunk WHERE seq = ?", &r->st_pages },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(all); i++) {
		int rc = kt_db_prepare(&r->db, all[i].sql, all[i].st, err);
		if (rc)
			return rc;
	}
	return kt_extents_create(&r->db, r->head.ram, r->head.nram, &r->extents, err);
}

static int get_regs(struct kt_reader *r, struct kt_rd blob, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	int rc = kt_unseal(r->zst, &blob, 1 << 16, &raw, "head, regs", err);

	if (!rc) {
		struct kt_rd in = kt_rd_of(raw.data, raw.len);
		rc = kt_keyframes_get(&in, r->head.arch, r->head.regs, 1, err);
	}
	kt_buf_free(&raw);
	return rc;
}

static int get_head_row(struct kt_reader *r, sqlite3_stmt *st, struct kt_err *err)
{
	struct kt_reader_head *h = &r->head;

	if (sqlite3_column_int64(st, 0) > KT_FORMAT_VERSION)
		return kt_fail(err, KT_E_VERSION, "%s: needs a ktrace that reads format version %lld; this one reads up to %d: use a newer ktrace",
		               r->db.path, (long long)sqlite3_column_int64(st, 0), KT_FORMAT_VERSION);
	if (sqlite3_column_int64(st, 1))
		return kt_fail(err, KT_E_VERSION, "%s: uses features (bits 0x%llx) that this ktrace (format version %d) does not know: use a newer ktrace",
		               r->db.path, (unsigned long long)sqlite3_column_int64(st, 1), KT_FORMAT_VERSION);
	h->arch = kt_arch_get(sqlite3_column_int(st, 2));
	if (!h->arch)
		return kt_fail(err, KT_E_VERSION, "%s: is of architecture %d, which this ktrace does not know: use a newer ktrace", r->db.path,
		               sqlite3_column_int(st, 2));
	h->engine = kt_db_text(st, 3);
	h->command = kt_db_text(st, 4);
	if (!h->engine || !h->command)
		return kt_fail(err, KT_E_NOMEM, "no memory");
	h->mem_bytes = (u64)sqlite3_column_int64(st, 5);
	h->step_ns = (u64)sqlite3_column_int64(st, 6);
	h->rtc = sqlite3_column_int64(st, 7);
	h->first = (u64)sqlite3_column_int64(st, 8);
	h->start_pc = (u64)sqlite3_column_int64(st, 9);
	h->bytes_static = (u64)sqlite3_column_int64(st, 12);
	struct kt_rd init = kt_db_blob(st, 10);
	if (kt_rd_left(&init) != sizeof h->init || h->first > 1ull << 62)
		return kt_fail(err, KT_E_CORRUPT, "%s: table head contradicts itself", r->db.path);
	memcpy(h->init, init.p, sizeof h->init);
	return get_regs(r, kt_db_blob(st, 11), err);
}

static int get_head(struct kt_reader *r, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&r->db, "SELECT min_reader, features, arch, engine, command, mem_bytes, step_ns, rtc, first_step, start_pc, init, "
	                               "regs, bytes_static FROM head WHERE id = 1", &st, err);
	if (!rc)
		rc = kt_db_step(&r->db, st, "reading the head", err);
	if (rc == 1)
		rc = get_head_row(r, st, err);
	else if (!rc)
		rc = kt_fail(err, KT_E_CORRUPT, "%s: has no head: the recorder died before step 0", r->db.path);
	sqlite3_finalize(st);
	return rc;
}

/* A file of a later format says in its head which reader it wants, and keeps that much of the head where it is. */
static int refuse_newer(struct kt_reader *r, u32 version, struct kt_err *err)
{
	s64 needs = version;

	if (!version)
		return kt_fail(err, KT_E_CORRUPT, "%s: has no format version: the recorder died before step 0, or the file was damaged", r->db.path);
	if (version <= KT_FORMAT_VERSION)
		return 0;
	if (!kt_db_int(&r->db, "SELECT min_reader FROM head WHERE id = 1", &needs, "reading the head", NULL) && needs <= KT_FORMAT_VERSION)
		return 0;
	return kt_fail(err, KT_E_VERSION, "%s: has format version %u and needs a ktrace that reads version %lld; this one reads up to %d: use a newer ktrace",
	               r->db.path, version, (long long)needs, KT_FORMAT_VERSION);
}

static int get_ram(struct kt_reader *r, struct kt_err *err)
{
	struct kt_reader_head *h = &r->head;
	sqlite3_stmt *st = NULL;
	u64 end = 0, total = 0;
	int rc = kt_db_prepare(&r->db, "SELECT gpa, size FROM ram ORDER BY gpa", &st, err);

	while (!rc && (rc = kt_db_step(&r->db, st, "reading RAM ranges", err)) == 1) {
		u64 gpa = (u64)sqlite3_column_int64(st, 0), size = (u64)sqlite3_column_int64(st, 1);
		rc = 0;
		if (h->nram == KT_RAM_MAX || (gpa | size) % KT_PAGE || gpa < end || size > KT_RAM_TOTAL - total || gpa > (1ull << 52) - size)
			rc = kt_fail(err, KT_E_CORRUPT, "%s: table ram contradicts itself", r->db.path);
		else
			h->ram[h->nram++] = (struct kt_pages_ram){ gpa, size };
		total += size;
		end = gpa + size;
	}
	sqlite3_finalize(st);
	return rc;
}

static int get_images(struct kt_reader *r, struct kt_err *err)
{
	struct kt_reader_head *h = &r->head;
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&r->db, "SELECT path, kind, gpa, size, entry FROM image ORDER BY id LIMIT 256", &st, err);

	h->images = calloc(IMAGES_MAX, sizeof *h->images);
	if (!rc && !h->images)
		rc = kt_fail(err, KT_E_NOMEM, "no memory");
	while (!rc && h->nimages < IMAGES_MAX && (rc = kt_db_step(&r->db, st, "reading images", err)) == 1) {
		struct kt_reader_image *im = &h->images[h->nimages++];
		*im = (struct kt_reader_image){ kt_db_text(st, 0), kt_db_text(st, 1), (u64)sqlite3_column_int64(st, 2),
			                        (u64)sqlite3_column_int64(st, 3), (u64)sqlite3_column_int64(st, 4) };
		rc = im->path && im->kind ? 0 : kt_fail(err, KT_E_NOMEM, "no memory");
	}
	sqlite3_finalize(st);
	return rc;
}

/* First and last chunk, and the totals of the last. */
static int get_range(struct kt_reader *r, struct kt_err *err)
{
	struct kt_reader_head *h = &r->head;
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&r->db, "SELECT seq, first_step, count, sums, (SELECT min(seq) FROM chunk), (SELECT min(first_step) FROM chunk) "
	                               "FROM chunk ORDER BY seq DESC LIMIT 1", &st, err);
	if (!rc)
		rc = kt_db_step(&r->db, st, "reading the last chunk", err);
	if (rc == 1) {
		s64 last = sqlite3_column_int64(st, 0), low = sqlite3_column_int64(st, 4), first = sqlite3_column_int64(st, 5);
		rc = kt_sums_get(kt_db_blob(st, 3), &h->sums, "the last chunk", err);
		if (!rc && (low < 0 || last < low || last >= 1ll << 40 || first < 0 || h->sums.first != (u64)sqlite3_column_int64(st, 1) ||
		            h->sums.first > 1ull << 62 || h->sums.first < (u64)first || h->sums.v[KT_SUM_DICT] >= KT_DICT_MAX))
			rc = kt_fail(err, KT_E_CORRUPT, "%s: the last chunk contradicts the first", r->db.path);
		if (!rc) {
			h->first_chunk = (u64)low;
			h->chunks = (u64)(last - low) + 1;
			h->first = (u64)first;
			h->steps = h->sums.first + h->sums.count - h->first;
		}
	}
	sqlite3_finalize(st);
	return rc;
}

static int get_ending(struct kt_reader *r, struct kt_err *err)
{
	struct kt_reader_head *h = &r->head;
	sqlite3_stmt *st = NULL;
	s64 misses = 0;
	int rc = kt_db_prepare(&r->db, "SELECT finished, reason, text, digest FROM ending WHERE id = 1", &st, err);

	if (!rc)
		rc = kt_db_step(&r->db, st, "reading the end record", err);
	if (rc == 1) {
		struct kt_rd digest = kt_db_blob(st, 3);
		h->finished = sqlite3_column_int(st, 0) == 1;
		h->end_reason = kt_db_text(st, 1);
		h->end_text = kt_db_text(st, 2);
		h->has_digest = kt_rd_left(&digest) == sizeof h->digest;
		if (h->has_digest)
			memcpy(h->digest, digest.p, sizeof h->digest);
		rc = h->end_reason && h->end_text ? 0 : kt_fail(err, KT_E_NOMEM, "no memory");
	} else if (!rc) {
		rc = kt_fail(err, KT_E_CORRUPT, "%s: has no end record", r->db.path);
	}
	sqlite3_finalize(st);
	if (!rc)
		rc = kt_db_int(&r->db, "SELECT count(*) FROM audit", &misses, "counting audit rows", err);
	h->audit_misses = (u64)misses;
	return rc;
}

int kt_reader_leaves(struct kt_reader *r, struct kt_buf *out, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	/* Someone who records may have added leaves since the head was read. */
	int rc = kt_db_prepare(&r->db, "SELECT hash FROM leaf WHERE id < ? ORDER BY id", &st, err);

	if (!rc)
		sqlite3_bind_int64(st, 1, (s64)((r->head.first + r->head.steps) / KT_LEAF_STEPS));
	while (!rc && (rc = kt_db_step(&r->db, st, "reading leaves", err)) == 1) {
		struct kt_rd hash = kt_db_blob(st, 0);
		rc = kt_rd_left(&hash) == KT_LEAF_BYTES ? 0 : kt_fail(err, KT_E_CORRUPT, "%s: a leaf has %zu bytes", r->db.path, kt_rd_left(&hash));
		kt_buf_put(out, hash.p, kt_rd_left(&hash));
	}
	sqlite3_finalize(st);
	if (!rc && r->head.sums.has_tail)
		kt_buf_put(out, r->head.sums.tail, KT_LEAF_BYTES);
	return !rc && out->failed ? kt_fail(err, KT_E_NOMEM, "no memory for leaves") : rc;
}

/* Someone who records may commit between two reads: the head is read in one transaction. */
static int get_all(struct kt_reader *r, u32 version, struct kt_err *err)
{
	struct kt_buf leaves = { 0 };
	int rc = kt_db_exec(&r->db, "BEGIN", "reading", err);

	if (!rc && version == KT_FORMAT_VERSION) /* a later format that we may read may have more columns */
		rc = check_schema(r, err);
	if (!rc)
		rc = get_head(r, err);
	if (!rc)
		rc = get_ram(r, err);
	if (!rc)
		rc = get_images(r, err);
	if (!rc)
		rc = get_range(r, err);
	if (!rc)
		rc = get_ending(r, err);
	if (!rc && !r->head.has_digest) {
		rc = kt_reader_leaves(r, &leaves, err);
		kt_digest_final(r->head.init, r->head.first, r->head.steps, leaves.data, leaves.len / KT_LEAF_BYTES, r->head.digest);
		kt_buf_free(&leaves);
	}
	sqlite3_exec(r->db.sq, "COMMIT", NULL, NULL, NULL);
	return rc;
}

static void say(struct kt_reader *r, enum kt_fold fold, const char **notice)
{
	static const char *const text[] = {
		[KT_FOLD_DONE] = "the recorder of this trace died; its write-ahead log was folded in, and the trace ends with the last chunk it had finished",
		[KT_FOLD_BUSY] = "the trace is being recorded or read by another program: what is finished so far is shown",
		[KT_FOLD_COPY] = "the recorder of this trace died, and its folder cannot be written: a private copy with the write-ahead log folded in "
		                 "is read; to fold the log for good, copy both files to a folder that you can write",
	};
	if (!notice || fold == KT_FOLD_NONE)
		return;
	snprintf(r->notice, sizeof r->notice, "%s: %s", r->db.path, text[fold]);
	*notice = r->notice;
}

int kt_reader_open(const char *path, struct kt_reader **out, const char **notice, struct kt_err *err)
{
	enum kt_fold fold = KT_FOLD_NONE;
	struct stat st;
	u32 version;
	bool empty;
	int rc;

	*out = NULL;
	if (notice)
		*notice = NULL;
	rc = kt_file_probe(path, &version, &empty, err);
	if (rc)
		return rc;
	struct kt_reader *r = calloc(1, sizeof *r);
	if (!r)
		return kt_fail(err, KT_E_NOMEM, "no memory to open %s", path);
	r->zst = kt_zst_create(3);
	r->dict = kt_dict_create();
	r->page = calloc(KT_PAGE_CACHE, sizeof *r->page);
	rc = r->zst && r->dict && r->page ? kt_db_open_folded(path, &r->db, &fold, err) : kt_fail(err, KT_E_NOMEM, "no memory to open %s", path);
	if (!rc)
		rc = refuse_newer(r, version, err);
	if (!rc)
		rc = get_all(r, version, err);
	if (!rc)
		rc = kt_reader_prepare(r, err);
	if (rc) {
		kt_reader_close(r);
		return rc;
	}
	r->head.format = version;
	r->head.bytes_file = stat(path, &st) ? 0 : (u64)st.st_size;
	say(r, fold, notice);
	*out = r;
	return 0;
}

void kt_reader_close(struct kt_reader *r)
{
	if (!r)
		return;
	sqlite3_stmt *st[] = { r->st_chunk, r->st_at, r->st_dict, r->st_segment, r->st_audit, r->st_devices, r->st_pages };
	for (unsigned i = 0; i < KT_ARRAY_LEN(st); i++)
		sqlite3_finalize(st[i]);
	kt_extents_destroy(r->extents);
	kt_db_close(&r->db);
	for (unsigned i = 0; i < KT_CHUNK_CACHE; i++)
		kt_chunk_put(r->chunk[i]);
	for (unsigned i = 0; i < KT_LIST_CACHE; i++)
		kt_chunk_put(r->light[i]);
	for (unsigned i = 0; i < KT_SEGMENT_CACHE; i++)
		kt_seg_free(&r->segment[i].list);
	for (unsigned i = 0; r->head.images && i < r->head.nimages; i++) {
		free((char *)r->head.images[i].path);
		free((char *)r->head.images[i].kind);
	}
	free(r->head.images);
	free(r->head.engine);
	free(r->head.command);
	free(r->head.end_reason);
	free(r->head.end_text);
	free(r->page);
	kt_dict_destroy(r->dict);
	kt_zst_destroy(r->zst);
	free(r);
}

const struct kt_reader_head *kt_reader_head(const struct kt_reader *r)
{
	return &r->head;
}

const struct kt_memory_view *kt_reader_initial(const struct kt_reader *r)
{
	return kt_extents_view(r->extents);
}

int kt_reader_failed(const struct kt_reader *r, struct kt_err *err)
{
	return kt_extents_failed(r->extents, err);
}

struct kt_dict_view kt_reader_dict(const struct kt_reader *r)
{
	return kt_dict_view(r->dict);
}
