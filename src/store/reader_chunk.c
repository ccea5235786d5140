/* SPDX-License-Identifier: MIT */
/* Chunk rows: loaded, checked against themselves, cached, counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/reader_priv.h"
#include "store/seal.h"

enum { IDX_MAX = 16 << 20, KEYS_MAX = 1 << 20, FRAME_MAX = 48 << 20 };
enum { COL_FIRST, COL_COUNT, COL_SUMS, COL_IDX, COL_KEYS, COL_FRAMES, COL_PAGES };

void kt_chunk_put(struct kt_chunk *c)
{
	if (!c || --c->refs)
		return;
	free(c->local);
	free(c->uses);
	free(c->keys);
	kt_page_list_free(&c->pages);
	kt_zone_free(&c->zone);
	kt_buf_free(&c->frames);
	kt_buf_free(&c->page_blob);
	free(c);
}

static int bad(const char *what, const char *why, struct kt_err *err)
{
	return kt_fail(err, KT_E_CORRUPT, "%s: %s", what, why);
}

static int get_ids(struct kt_reader *r, struct kt_chunk *c, struct kt_rd *in, const char *what, struct kt_err *err)
{
	u64 n = kt_rd_varint(in), last = 0, max = r->head.sums.v[KT_SUM_DICT], total = 0;

	if (in->bad || n > c->count || n > kt_rd_left(in))
		return bad(what, "claims more instructions than steps", err);
	c->nlocal = (u32)n;
	c->local = calloc(n ? (size_t)n : 1, sizeof *c->local);
	c->uses = calloc(n ? (size_t)n : 1, sizeof *c->uses);
	if (!c->local || !c->uses)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory", what);
	for (u32 i = 0; i < c->nlocal; i++) {
		u64 step = kt_rd_varint(in);
		if (!step || step > max - last)
			return bad(what, "an instruction's number is out of range", err);
		c->local[i] = (u32)(last += step);
	}
	for (u32 i = 0; i < c->nlocal; i++) {
		u64 uses = kt_rd_varint(in);
		total += uses;
		if (!uses || uses > c->count || total > c->count)
			return bad(what, "its instruction counts do not fit its steps", err);
		c->uses[i] = (u32)uses;
	}
	return 0;
}

static int get_idx(struct kt_reader *r, struct kt_chunk *c, struct kt_rd blob, const char *what, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	char name[80];
	int rc;

	snprintf(name, sizeof name, "%s, idx", what);
	rc = kt_unseal(r->zst, &blob, IDX_MAX, &raw, name, err);
	if (!rc) {
		struct kt_rd in = kt_rd_of(raw.data, raw.len);
		rc = get_ids(r, c, &in, name, err);
		if (!rc)
			rc = kt_page_list_get(&in, &c->pages, name, err);
		if (!rc)
			rc = kt_zone_get(&in, &c->zone, r->head.arch, name, err);
		if (!rc && kt_rd_left(&in))
			rc = bad(name, "bytes are left over", err);
	}
	kt_buf_free(&raw);
	return rc;
}

static int get_keys(struct kt_reader *r, struct kt_chunk *c, struct kt_rd blob, const char *what, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	int rc;

	c->keys = calloc((size_t)c->nframes * KT_REGS_MAX, sizeof *c->keys);
	if (!c->keys)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory", what);
	rc = kt_unseal(r->zst, &blob, KEYS_MAX, &raw, what, err);
	if (!rc) {
		struct kt_rd in = kt_rd_of(raw.data, raw.len);
		rc = kt_keyframes_get_from(&in, r->head.arch, r->head.regs, c->keys, c->nframes, err);
		if (rc)
			kt_fail_in(err, "%s, keys", what);
	}
	kt_buf_free(&raw);
	return rc;
}

static int get_frames(struct kt_chunk *c, struct kt_rd blob, const char *what, struct kt_err *err)
{
	u64 hash[KT_ARRAY_LEN(c->frame)];

	kt_buf_put(&c->frames, blob.p, kt_rd_left(&blob));
	if (c->frames.failed)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory", what);
	struct kt_rd in = kt_rd_of(c->frames.data, c->frames.len);
	for (u32 f = 0; f < c->nframes; f++) {
		u64 size = kt_rd_varint(&in);
		hash[f] = kt_rd_u64(&in);
		if (in.bad || size > FRAME_MAX)
			return bad(what, "the frames' sizes are damaged", err);
		c->frame_size[f] = (size_t)size;
	}
	for (u32 f = 0; f < c->nframes; f++) {
		c->frame[f] = kt_rd_bytes(&in, c->frame_size[f]);
		if (!c->frame[f])
			return bad(what, "a frame is cut short", err);
		if (kt_hash64(c->frame[f], c->frame_size[f]) != hash[f])
			return bad(what, "checksum mismatch in a frame: the file was damaged", err);
	}
	return kt_rd_left(&in) ? bad(what, "bytes are left over behind the frames", err) : 0;
}

static int need_dict(struct kt_reader *r, const struct kt_chunk *c, struct kt_err *err)
{
	const struct kt_insn *k;
	int rc = 0;

	for (u32 i = 0; !rc && i < c->nlocal; i++)
		rc = kt_reader_insn(r, c->local[i], &k, err);
	return rc;
}

static int fill(struct kt_reader *r, struct kt_chunk *c, bool light, const char *what, struct kt_err *err)
{
	sqlite3_stmt *st = r->st_chunk;
	s64 first = sqlite3_column_int64(st, COL_FIRST), count = sqlite3_column_int64(st, COL_COUNT);
	int rc = kt_sums_get(kt_db_blob(st, COL_SUMS), &c->sums, what, err);

	if (rc)
		return rc;
	c->first = (u64)first;
	c->count = (u32)count;
	if (count <= 0 || count > KT_CHUNK_STEPS || c->sums.first != c->first || c->sums.count != c->count ||
	    c->first - r->head.first >= r->head.steps || c->count > r->head.steps - (c->first - r->head.first))
		return bad(what, "its range of steps contradicts the rest", err);
	c->nframes = (c->count + KT_FRAME_STEPS - 1) / KT_FRAME_STEPS;
	rc = get_idx(r, c, kt_db_blob(st, COL_IDX), what, err);
	if (rc || light)
		return rc;
	rc = get_keys(r, c, kt_db_blob(st, COL_KEYS), what, err);
	if (!rc)
		rc = get_frames(c, kt_db_blob(st, COL_FRAMES), what, err);
	if (rc)
		return rc;
	struct kt_rd pages = kt_db_blob(st, COL_PAGES);
	kt_buf_put(&c->page_blob, pages.p, kt_rd_left(&pages));
	c->has_page_blob = true;
	return c->page_blob.failed ? kt_fail(err, KT_E_NOMEM, "%s: no memory", what) : 0;
}

static int load(struct kt_reader *r, u64 seq, bool light, struct kt_chunk **out, struct kt_err *err)
{
	struct kt_chunk *c = calloc(1, sizeof *c);
	char what[48];
	int rc;

	snprintf(what, sizeof what, "chunk %llu", (unsigned long long)seq);
	if (!c)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory", what);
	c->refs = 1;
	c->seq = seq;
	sqlite3_bind_int64(r->st_chunk, 1, (s64)seq);
	rc = kt_db_step(&r->db, r->st_chunk, what, err);
	if (!rc)
		rc = kt_fail(err, KT_E_CORRUPT, "%s: %s is missing", r->db.path, what);
	if (rc == 1)
		rc = fill(r, c, light, what, err);
	sqlite3_reset(r->st_chunk);
	if (!rc && !light)
		rc = need_dict(r, c, err);
	if (rc)
		kt_chunk_put(c);
	else
		*out = c;
	return rc;
}

static int check_seq(struct kt_reader *r, u64 seq, struct kt_err *err)
{
	if (seq - r->head.first_chunk < r->head.chunks)
		return 0;
	return kt_fail(err, KT_E_RANGE, "there is no chunk %llu", (unsigned long long)seq);
}

int kt_reader_chunk(struct kt_reader *r, u64 seq, struct kt_chunk **out, struct kt_err *err)
{
	unsigned victim = 0;
	int rc = check_seq(r, seq, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < KT_CHUNK_CACHE; i++) {
		if (r->chunk[i] && r->chunk[i]->seq == seq) {
			r->chunk_used[i] = ++r->clock;
			r->chunk[i]->refs++;
			*out = r->chunk[i];
			return 0;
		}
		if (r->chunk_used[i] < r->chunk_used[victim])
			victim = i;
	}
	rc = load(r, seq, false, out, err);
	if (rc)
		return rc;
	kt_chunk_put(r->chunk[victim]);
	r->chunk[victim] = *out;
	r->chunk_used[victim] = ++r->clock;
	(*out)->refs++;
	return 0;
}

int kt_reader_light(struct kt_reader *r, u64 seq, struct kt_chunk **out, struct kt_err *err)
{
	struct kt_chunk **slot = &r->light[seq % KT_LIST_CACHE];
	int rc = check_seq(r, seq, err);

	if (rc)
		return rc;
	if (!*slot || (*slot)->seq != seq) {
		struct kt_chunk *c;
		rc = load(r, seq, true, &c, err);
		if (rc)
			return rc;
		kt_chunk_put(*slot);
		*slot = c;
	}
	(*slot)->refs++;
	*out = *slot;
	return 0;
}

int kt_reader_light_pages(struct kt_reader *r, u64 seq, struct kt_chunk **out, struct kt_err *err)
{
	int rc = kt_reader_light(r, seq, out, err);

	if (rc || (*out)->has_page_blob)
		return rc;
	sqlite3_bind_int64(r->st_pages, 1, (s64)seq);
	rc = kt_db_step(&r->db, r->st_pages, "reading page versions", err);
	if (rc == 1) {
		struct kt_rd blob = kt_db_blob(r->st_pages, 0);
		kt_buf_put(&(*out)->page_blob, blob.p, kt_rd_left(&blob));
		(*out)->has_page_blob = true;
		rc = (*out)->page_blob.failed ? kt_fail(err, KT_E_NOMEM, "no memory for page versions") : 0;
	}
	sqlite3_reset(r->st_pages);
	if (rc) {
		kt_chunk_put(*out);
		*out = NULL;
	}
	return rc;
}

int kt_reader_chunk_at(struct kt_reader *r, u64 n, struct kt_chunk **out, struct kt_err *err)
{
	if (n - r->head.first >= r->head.steps)
		return kt_fail(err, KT_E_RANGE, "step %llu is outside the trace (%llu to %llu)", (unsigned long long)n,
		               (unsigned long long)r->head.first, (unsigned long long)(r->head.first + r->head.steps - 1));
	for (unsigned i = 0; i < KT_CHUNK_CACHE; i++)
		if (r->chunk[i] && n - r->chunk[i]->first < r->chunk[i]->count)
			return kt_reader_chunk(r, r->chunk[i]->seq, out, err);
	sqlite3_bind_int64(r->st_at, 1, (s64)n);
	int rc = kt_db_step(&r->db, r->st_at, "looking a step up", err);
	u64 seq = rc == 1 ? (u64)sqlite3_column_int64(r->st_at, 0) : 0;
	sqlite3_reset(r->st_at);
	if (rc == 1)
		rc = kt_reader_chunk(r, seq, out, err);
	else if (!rc)
		rc = kt_fail(err, KT_E_CORRUPT, "%s: no chunk begins at or before step %llu", r->db.path, (unsigned long long)n);
	if (rc)
		return rc == -KT_E_RANGE ? kt_fail(err, KT_E_CORRUPT, "table chunk: a row has a number of its own") : rc;
	if (n - (*out)->first >= (*out)->count) {
		kt_chunk_put(*out);
		*out = NULL;
		return kt_fail(err, KT_E_CORRUPT, "%s: no chunk holds step %llu", r->db.path, (unsigned long long)n);
	}
	return 0;
}

int kt_reader_devices(struct kt_reader *r, u64 seq, struct kt_buf *out, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	char what[48];
	int rc = check_seq(r, seq, err);

	if (rc)
		return rc;
	snprintf(what, sizeof what, "chunk %llu, devices", (unsigned long long)seq);
	sqlite3_bind_int64(r->st_devices, 1, (s64)seq);
	rc = kt_db_step(&r->db, r->st_devices, what, err);
	struct kt_rd blob = rc == 1 ? kt_db_blob(r->st_devices, 0) : kt_rd_of("", 0);
	if (rc == 1)
		rc = kt_rd_left(&blob) ? kt_unseal(r->zst, &blob, IDX_MAX, &raw, what, err) : 0;
	if (!rc)
		kt_buf_put(out, raw.data, raw.len);
	sqlite3_reset(r->st_devices);
	kt_buf_free(&raw);
	return rc;
}

int kt_reader_insn(struct kt_reader *r, u32 id, const struct kt_insn **out, struct kt_err *err)
{
	*out = kt_dict_get(r->dict, id);
	if (*out)
		return 0;
	sqlite3_bind_int64(r->st_dict, 1, id);
	int rc = kt_db_step(&r->db, r->st_dict, "reading the dictionary", err);
	if (rc == 1) {
		s64 first = sqlite3_column_int64(r->st_dict, 0), count = sqlite3_column_int64(r->st_dict, 1);
		if (first < 1 || first > id || count < 1 || count > KT_CHUNK_STEPS)
			rc = kt_fail(err, KT_E_CORRUPT, "dict row %lld: its range is damaged", (long long)first);
		else
			rc = kt_dict_unpack(r->dict, r->head.arch, (u32)first, (u32)count, kt_db_blob(r->st_dict, 2), r->zst, err);
	}
	sqlite3_reset(r->st_dict);
	if (rc)
		return rc;
	*out = kt_dict_get(r->dict, id);
	return *out ? 0 : kt_fail(err, KT_E_CORRUPT, "%s: the dictionary has no instruction %u", r->db.path, id);
}
