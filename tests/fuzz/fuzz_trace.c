/* SPDX-License-Identifier: MIT */
/* Trace files from a stranger. A good trace is made once; an input changes it and everything that reads it is called:
 * opening, steps, registers, memory, searches, console, check. All may fail, none may crash or lie about its error.
 * The first byte chooses how the rest is used: 0 XORs bytes of the file; 1 changes the content of a sealed blob and seals
 * it again, so that the checksum holds and the parser behind it is met; 2 puts the rest in place of the content; 3 changes
 * a frame under a right checksum; 4 changes a number in a table; 5 puts the rest in place of a whole column. */
#include <stdio.h>
#include <unistd.h>

#include "../unit/synth.h"
#include "store/db.h"
#include "store/seal.h"
#include "trace/trace_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK = 20, STEPS = 66 * CHUNK + 13 }; /* a segment, and a tail */

static char dir[64], good[96], bad[96];
static u8 *file;
static size_t file_size;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void clean_up(void)
{
	unlink(good);
	unlink(bad);
	rmdir(dir);
}

static void make_good(void)
{
	struct kt_writer_head h;
	struct kt_err err;
	struct kt_buf devices = { 0 };
	struct synth *y = malloc(sizeof *y);

	strcpy(dir, "/tmp/kt-fuzz-XXXXXX");
	must(mkdtemp(dir) != NULL);
	snprintf(good, sizeof good, "%s/good.db", dir);
	snprintf(bad, sizeof bad, "%s/bad.db", dir);
	atexit(clean_up);
	synth_init(y, 99);
	synth_head(y, &h);
	h.limits.steps = CHUNK;
	must(!kt_writer_create(good, &h, &y->w, &err));
	kt_buf_put(&devices, "some devices", 12);
	kt_writer_devices(y->w, &devices);
	must(!synth_record(y, STEPS / 2, &err));
	y->low[SYNTH_LOW - 1] ^= 1;
	must(!kt_writer_audit_begin(y->w, &err) && !kt_writer_audit_page(y->w, SYNTH_LOW - 4096, y->low + SYNTH_LOW - 4096, &err) &&
	     !kt_writer_audit_end(y->w, &err));
	synth_epoch(y);
	must(!synth_record(y, STEPS - STEPS / 2, &err));
	must(!kt_writer_finish(y->w, "steps", "", NULL, &err));
	synth_deinit(y);
	free(y);
	kt_buf_free(&devices);
	FILE *f = fopen(good, "r");
	must(f != NULL);
	file = malloc(1 << 22);
	file_size = fread(file, 1, 1 << 22, f);
	fclose(f);
}

static void put_bad(const u8 *p, size_t n)
{
	FILE *f = fopen(bad, "w");
	must(f && fwrite(p, 1, n, f) == n);
	fclose(f);
}

/* Pairs of a place (two bytes) and a byte to XOR there. */
static void patch(u8 *p, size_t n, const uint8_t *data, size_t size, unsigned scale)
{
	for (; size >= 3 && n; data += 3, size -= 3)
		p[((size_t)(data[0] | data[1] << 8) * scale) % n] ^= data[2];
}

static const struct { const char *table, *column, *key; } sealed[] = {
	{ "head", "regs", "id" }, { "extent", "data", "id" }, { "dict", "data", "first_id" }, { "chunk", "sums", "seq" }, { "chunk", "idx", "seq" },
	{ "chunk", "keys", "seq" }, { "chunk", "pages", "seq" }, { "chunk", "devices", "seq" }, { "segment", "ids", "rowid" },
	{ "segment", "pages", "rowid" }, { "audit", "data", "id" }, { "leaf", "hash", "id" }, { "chunk", "frames", "seq" }, { "console", "text", "id" },
};
static const struct { const char *table, *column; } numbers[] = {
	{ "head", "min_reader" }, { "head", "features" }, { "head", "arch" }, { "head", "first_step" }, { "ending", "finished" }, { "ram", "gpa" },
	{ "ram", "size" }, { "dict", "first_id" }, { "dict", "count" }, { "chunk", "seq" }, { "chunk", "first_step" }, { "chunk", "count" },
	{ "segment", "level" }, { "segment", "idx" }, { "audit", "page" }, { "audit", "step" }, { "leaf", "id" }, { "console", "step" }, { "extent", "id" },
};

/* The pages column is several sealed blobs with a count before each pair; the others are one. */
static void reseal(struct kt_rd in, bool pages, bool frames, bool replace, const uint8_t *data, size_t size, struct kt_buf *out)
{
	struct kt_zst *z = kt_zst_create(1);
	struct kt_buf raw = { 0 };

	if (frames) {
		u64 n = kt_rd_varint(&in);
		kt_rd_u64(&in);
		const u8 *p = kt_rd_bytes(&in, (size_t)n);
		if (p) {
			kt_buf_put(&raw, p, (size_t)n);
			patch(raw.data, raw.len, data, size, 1);
			kt_buf_varint(out, raw.len);
			kt_buf_u64(out, kt_hash64(raw.data, raw.len));
			kt_buf_put(out, raw.data, raw.len);
		}
	}
	for (unsigned i = 0; !frames && kt_rd_left(&in) && !in.bad; i++) {
		if (pages && i % 2 == 0)
			kt_buf_varint(out, kt_rd_varint(&in) + (size && data[0] > 250));
		if (kt_unseal(z, &in, 1 << 22, &raw, "fuzz", NULL))
			break;
		if (replace) {
			kt_buf_clear(&raw);
			kt_buf_put(&raw, data, size);
		} else {
			patch(raw.data, raw.len, data, size, 1);
		}
		kt_seal(z, raw.data ? raw.data : (u8 *)"", raw.len, out, NULL);
	}
	kt_buf_free(&raw);
	kt_zst_destroy(z);
}

static void change_blob(const uint8_t *data, size_t size, unsigned how)
{
	unsigned which = how == 3 ? 12 : data[0] % KT_ARRAY_LEN(sealed), row = data[1];
	struct kt_buf out = { 0 };
	sqlite3_stmt *st = NULL;
	struct kt_db db;
	char sql[200];

	if (kt_db_open(bad, KT_DB_READ_WRITE, &db, NULL))
		return;
	const char *t = sealed[which].table, *c = sealed[which].column, *k = sealed[which].key;
	snprintf(sql, sizeof sql, "SELECT %s, %s FROM %s LIMIT 1 OFFSET %u %% (SELECT count(*) FROM %s)", c, k, t, row, t);
	if (!kt_db_prepare(&db, sql, &st, NULL) && kt_db_step(&db, st, "", NULL) == 1) {
		s64 key = sqlite3_column_int64(st, 1);
		if (how == 5)
			kt_buf_put(&out, data + 2, size - 2);
		else
			reseal(kt_db_blob(st, 0), which == 6, how == 3, how == 2, data + 2, size - 2, &out);
		sqlite3_finalize(st);
		snprintf(sql, sizeof sql, "UPDATE %s SET %s = ? WHERE %s = ?", t, c, k);
		if (!kt_db_prepare(&db, sql, &st, NULL)) {
			sqlite3_bind_blob64(st, 1, out.data ? out.data : (u8 *)"", out.len, SQLITE_STATIC);
			sqlite3_bind_int64(st, 2, key);
			kt_db_step(&db, st, "", NULL);
		}
	}
	sqlite3_finalize(st);
	kt_db_close(&db);
	kt_buf_free(&out);
}

static void change_number(const uint8_t *data, size_t size)
{
	unsigned which = data[0] % KT_ARRAY_LEN(numbers);
	struct kt_db db;
	char sql[240];
	s64 v = 0;

	memcpy(&v, data + 2, KT_MIN(size - 2, sizeof v));
	if (kt_db_open(bad, KT_DB_READ_WRITE, &db, NULL))
		return;
	const char *t = numbers[which].table, *c = numbers[which].column;
	snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = %lld WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET %u %% (SELECT count(*) FROM %s))", t, c,
	         (long long)v, t, data[1], t);
	sqlite3_exec(db.sq, sql, NULL, NULL, NULL);
	kt_db_close(&db);
}

static void right(int rc, const struct kt_err *err)
{
	must(rc <= 0);
	must(!rc || (err->code == (enum kt_code) - rc && err->text[0]));
}

static int take_text(void *ctx, u64 step, const char *text, size_t n)
{
	unsigned *sum = ctx;
	for (size_t i = 0; i < n; i++)
		*sum += (u8)text[i];
	return 0;
}

static int take_page(void *ctx, u64 page, u64 step, u64 after, const u8 *content)
{
	unsigned *sum = ctx;
	*sum += content[4095];
	return 0;
}

static void walk(struct kt_trace *t, u64 from)
{
	const struct kt_trace_info *i = kt_trace_info(t);
	struct kt_cursor *c;
	struct kt_err err = { 0 };
	const struct kt_step *s;
	char text[40];
	u8 bytes[16];
	int rc = kt_cursor_create(t, &c, &err);

	right(rc, &err);
	if (rc)
		return;
	rc = kt_cursor_seek(c, from, &err);
	right(rc, &err);
	for (unsigned n = 0; n < 2000 && !rc; n++) {
		rc = kt_cursor_next(c, &s, &err);
		right(rc, &err);
		if (!rc) {
			must(s->nhot == i->arch->nhot && s->naccess <= KT_STEP_ACCESSES && s->nevent <= KT_STEP_EVENTS && s->ncold <= KT_STEP_COLD);
			kt_step_bytes(s, bytes);
			if (n % 64 == 0)
				kt_step_text(t, s, text, sizeof text);
		}
	}
	kt_cursor_seek(c, i->first + i->steps / 2, NULL);
	kt_cursor_next(c, &s, NULL);
	kt_cursor_destroy(c);
}

static void read_all(void)
{
	struct kt_err err = { 0 };
	struct kt_trace *t;
	const char *notice;
	static u8 mem[16 * 4096];
	unsigned sum = 0;
	u64 seq, uses;
	int rc = kt_trace_open(bad, &t, &notice, &err);

	right(rc, &err);
	if (rc)
		return;
	const struct kt_trace_info *i = kt_trace_info(t);
	struct kt_reader *r = kt_trace_reader(t);
	walk(t, i->first);
	walk(t, i->first + i->steps / 3);
	for (unsigned k = 0; k < 5; k++) {
		right(kt_trace_memory(t, i->first + i->steps * k / 4, k & 1 ? SYNTH_HIGH_AT : k * 0x8000, mem, sizeof mem, &err), &err);
		right(kt_reader_find(r, (enum kt_index)(k & 1), k * 3 + 1, i->chunks / 2, k & 2 ? 1 : -1, &seq, &err), &err);
		right(kt_reader_uses(r, k * 20, &uses, &err), &err);
	}
	right(kt_trace_console(t, 0, take_text, &sum, &err), &err);
	right(kt_reader_audits(r, take_page, &sum, &err), &err);
	struct kt_buf devices = { 0 };
	right(kt_reader_devices(r, 0, &devices, &err), &err);
	kt_buf_free(&devices);
	right(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_trace_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!file)
		make_good();
	if (size < 4)
		return 0;
	unsigned how = data[0] % 6;
	if (how == 0) {
		u8 *copy = malloc(file_size);
		memcpy(copy, file, file_size);
		patch(copy, file_size, data + 1, size - 1, 1 + (unsigned)(file_size >> 16));
		put_bad(copy, file_size);
		free(copy);
	} else {
		put_bad(file, file_size);
		if (how == 4)
			change_number(data + 1, size - 1);
		else
			change_blob(data + 1, size - 1, how);
	}
	read_all();
	char wal[128];
	snprintf(wal, sizeof wal, "%s-journal", bad);
	unlink(wal);
	return 0;
}
