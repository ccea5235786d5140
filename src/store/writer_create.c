/* SPDX-License-Identifier: MIT */
/* A new trace file: head, initial memory and the end record's place are on disk before step 0. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/init_hash.h"
#include "store/recover.h"
#include "store/seal.h"
#include "store/writer_priv.h"

enum { RESERVE = 8 << 20, ENDING_ROOM = 640, RPAGES = 1 << 13, RPAGE_SLOTS = 1 << 14 };

static int check_head(const struct kt_writer_head *h, struct kt_err *err)
{
	u64 end = 0, total = 0;

	if (!h->arch || !h->regs || h->nram > KT_RAM_MAX)
		return kt_fail(err, KT_E_ARG, "a trace needs an architecture, registers and at most %d RAM ranges", KT_RAM_MAX);
	for (unsigned i = 0; i < h->nram; i++) {
		u64 gpa = h->ram[i].gpa, size = h->ram[i].size;
		if ((gpa | size) % KT_PAGE || gpa < end || size > KT_RAM_TOTAL - total || gpa > (1ull << 52) - size || !h->ram[i].host)
			return kt_fail(err, KT_E_ARG, "RAM range %u (0x%llx, %llu bytes) is not in whole pages, ascending, below 2^52 and with the others 256 GiB at most", i,
			               (unsigned long long)gpa, (unsigned long long)size);
		end = gpa + size;
		total += size;
	}
	return 0;
}

/* The part of extent `id` that range i covers goes into buf (64 KiB); true: something in it is not zero. Hashes its pages. */
static bool scan_extent(struct kt_writer *w, const struct kt_writer_head *h, unsigned i, u64 id, u8 *buf, struct kt_init_hash *init)
{
	u64 gpa = h->ram[i].gpa, end = gpa + h->ram[i].size;
	bool any = false;

	for (u64 at = KT_MAX(gpa, id << KT_EXTENT_SHIFT); at < end && at >> KT_EXTENT_SHIFT == id; at += KT_PAGE) {
		const u8 *host = h->ram[i].host + (at - gpa);
		struct kt_page_state *st = kt_pages_at(w->pages, at);
		if (!kt_page_is_zero(host)) {
			any = true;
			st->hash = kt_hash64(host, KT_PAGE);
			memcpy(buf + (at & (KT_EXTENT - 1)), host, KT_PAGE);
		}
		kt_init_hash_page(init, st->hash);
	}
	return any;
}

static int put_extent(struct kt_writer *w, sqlite3_stmt *st, u64 id, const u8 *buf, struct kt_buf *sealed, struct kt_err *err)
{
	kt_buf_clear(sealed);
	int rc = kt_seal(w->fast, buf, KT_EXTENT, sealed, err);
	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, (s64)id);
	sqlite3_bind_blob64(st, 2, sealed->data, sealed->len, SQLITE_STATIC);
	return kt_db_run(&w->db, st, "writing initial memory", err);
}

/* Two ranges may share an extent, so an extent is written once the next one begins. */
static int put_extents(struct kt_writer *w, const struct kt_writer_head *h, struct kt_init_hash *init, struct kt_err *err)
{
	u8 *buf = calloc(1, KT_EXTENT);
	struct kt_buf sealed = { 0 };
	sqlite3_stmt *st = NULL;
	u64 open = ~0ull;
	bool any = false;
	int rc = buf ? kt_db_prepare(&w->db, "INSERT INTO extent (id, data) VALUES (?, ?)", &st, err) : kt_fail(err, KT_E_NOMEM, "no memory");

	for (unsigned i = 0; !rc && i < h->nram; i++) {
		u64 gpa = h->ram[i].gpa, size = h->ram[i].size;
		kt_init_hash_range(init, gpa, size);
		for (u64 id = gpa >> KT_EXTENT_SHIFT; !rc && size && id <= (gpa + size - 1) >> KT_EXTENT_SHIFT; id++) {
			if (id != open) {
				if (any) {
					rc = put_extent(w, st, open, buf, &sealed, err);
					memset(buf, 0, KT_EXTENT);
				}
				any = false;
				open = id;
			}
			any |= scan_extent(w, h, i, id, buf, init);
		}
	}
	if (!rc && any)
		rc = put_extent(w, st, open, buf, &sealed, err);
	sqlite3_finalize(st);
	kt_buf_free(&sealed);
	free(buf);
	return rc;
}

static int put_ranges(struct kt_writer *w, const struct kt_writer_head *h, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&w->db, "INSERT INTO ram (gpa, size) VALUES (?, ?)", &st, err);

	for (unsigned i = 0; !rc && i < h->nram; i++) {
		sqlite3_bind_int64(st, 1, (s64)h->ram[i].gpa);
		sqlite3_bind_int64(st, 2, (s64)h->ram[i].size);
		rc = kt_db_run(&w->db, st, "writing RAM ranges", err);
	}
	sqlite3_finalize(st);
	return rc;
}

static int put_images(struct kt_writer *w, const struct kt_writer_head *h, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(&w->db, "INSERT INTO image (path, kind, gpa, size, entry) VALUES (?, ?, ?, ?, ?)", &st, err);

	for (unsigned i = 0; !rc && i < h->nimages; i++) {
		const struct kt_writer_image *im = &h->images[i];
		sqlite3_bind_text(st, 1, im->path ? im->path : "", -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, im->kind ? im->kind : "", -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 3, (s64)im->gpa);
		sqlite3_bind_int64(st, 4, (s64)im->size);
		sqlite3_bind_int64(st, 5, (s64)im->entry);
		rc = kt_db_run(&w->db, st, "writing images", err);
	}
	sqlite3_finalize(st);
	return rc;
}

static u64 page_count(struct kt_writer *w)
{
	s64 n = 0;
	kt_db_int(&w->db, "PRAGMA page_count", &n, "counting pages", NULL);
	return (u64)n;
}

int kt_writer_put_ram(struct kt_writer *w, const struct kt_writer_head *h, struct kt_err *err)
{
	struct kt_init_hash *init = kt_init_hash_create(h->arch, h->mem_bytes, h->step_ns, h->rtc, h->regs);
	u64 before = page_count(w);
	int rc = init ? put_images(w, h, err) : kt_fail(err, KT_E_NOMEM, "no memory");

	if (!rc)
		rc = put_ranges(w, h, err);
	if (!rc)
		rc = put_extents(w, h, init, err);
	kt_init_hash_final(init, w->init);
	w->bytes_static = (page_count(w) - before) * KT_DB_PAGE;
	return rc;
}

static int put_head(struct kt_writer *w, const struct kt_writer_head *h, struct kt_err *err)
{
	struct kt_buf keys = { 0 }, regs = { 0 }, limits = { 0 };
	u64 file[KT_REGS_MAX] = { 0 };
	sqlite3_stmt *st = NULL;
	int rc;

	memcpy(file, h->regs, h->arch->nregs * sizeof *file);
	rc = kt_keyframes_put(&keys, h->arch, file, 1) ? kt_fail(err, KT_E_NOMEM, "no memory for registers") : kt_seal(NULL, keys.data, keys.len, &regs, err);
	kt_buf_varint(&limits, w->raw[0].limits.steps);
	kt_buf_varint(&limits, w->raw[0].limits.payload);
	kt_buf_varint(&limits, w->raw[0].limits.pages);
	if (!rc)
		rc = kt_db_prepare(&w->db, "INSERT INTO head VALUES (1, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &st, err);
	if (!rc) {
		sqlite3_bind_int(st, 1, KT_FORMAT_VERSION);
		sqlite3_bind_int(st, 2, (int)h->arch->id);
		sqlite3_bind_text(st, 3, h->engine ? h->engine : "", -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 4, h->command ? h->command : "", -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 5, (s64)h->mem_bytes);
		sqlite3_bind_int64(st, 6, (s64)h->step_ns);
		sqlite3_bind_int64(st, 7, h->rtc);
		sqlite3_bind_int64(st, 8, (s64)w->first);
		sqlite3_bind_int64(st, 9, (s64)kt_arch_linear_pc(h->arch, file));
		sqlite3_bind_blob(st, 10, w->init, sizeof w->init, SQLITE_STATIC);
		sqlite3_bind_blob64(st, 11, regs.data, regs.len, SQLITE_STATIC);
		sqlite3_bind_int64(st, 12, (s64)w->bytes_static);
		sqlite3_bind_blob64(st, 13, limits.data, limits.len, SQLITE_STATIC);
		rc = kt_db_run(&w->db, st, "writing the head", err);
	}
	sqlite3_finalize(st);
	kt_buf_free(&keys);
	kt_buf_free(&regs);
	kt_buf_free(&limits);
	return rc;
}

static int fill(struct kt_writer *w, const struct kt_writer_head *h, struct kt_err *err)
{
	char sql[256];
	int rc;

	/* The mark first, in a commit of its own: what a crash leaves from here on is known for a ktrace file. */
	snprintf(sql, sizeof sql, "PRAGMA page_size = %d; PRAGMA journal_mode = MEMORY; PRAGMA application_id = %d; PRAGMA user_version = %d",
	         KT_DB_PAGE, KT_DB_APPLICATION, KT_FORMAT_VERSION);
	rc = kt_db_exec(&w->db, sql, "creating", err);
	if (!rc)
		rc = kt_db_exec(&w->db, "BEGIN", "creating", err);
	if (!rc)
		rc = kt_db_exec(&w->db, kt_db_schema, "creating the tables", err);
	if (!rc)
		rc = kt_writer_put_ram(w, h, err);
	if (!rc)
		rc = put_head(w, h, err);
	snprintf(sql, sizeof sql, "INSERT INTO ending VALUES (1, 0, 'unfinished', '', NULL, zeroblob(%d)); COMMIT", ENDING_ROOM);
	if (!rc)
		rc = kt_db_exec(&w->db, sql, "writing the end record's place", err);
	if (!rc)
		rc = kt_db_exec(&w->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0", "starting the log", err);
	/* SQLite opens the log, and with it takes the lock that tells readers of a living recorder, with the first read. */
	if (!rc)
		rc = kt_db_exec(&w->db, "SELECT id FROM ending", "starting the log", err);
	return rc;
}

/* Space on the same file system that nobody else can take, given back when the disk is full: enough for the log of one
 * chunk and the end record. Without room for it, or on a file system that cannot, ktrace records without. */
static void reserve(struct kt_writer *w, const char *path)
{
	struct statvfs fs;
	char *name = NULL;

	w->reserve = -1;
	if (asprintf(&name, "%s.XXXXXX", path) < 0)
		return;
	int fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0) {
		unlink(name);
		u64 room = fstatvfs(fd, &fs) ? 0 : (u64)fs.f_bavail * fs.f_frsize / 4;
		if (room >= 65536 && !posix_fallocate(fd, 0, (off_t)KT_MIN(room, (u64)RESERVE)))
			w->reserve = fd;
		else
			close(fd);
	}
	free(name);
}

static int allocate(struct kt_writer *w, const struct kt_writer_head *h, struct kt_err *err)
{
	struct kt_pages_ram ram[KT_RAM_MAX];

	for (unsigned i = 0; i < h->nram; i++)
		ram[i] = (struct kt_pages_ram){ h->ram[i].gpa, h->ram[i].size };
	w->dict = kt_dict_create();
	w->encoder = kt_encoder_create(h->arch);
	w->zst = kt_zst_create(KT_ZSTD_LEVEL);
	w->fast = kt_zst_create(KT_ZSTD_FAST);
	w->digest = kt_digest_create(h->arch, w->first);
	w->pages = kt_pages_create(ram, h->nram);
	w->local = calloc(KT_CHUNK_STEPS, sizeof *w->local);
	w->zone.rpage = calloc(RPAGES, sizeof *w->zone.rpage);
	w->rpage_slot = calloc(RPAGE_SLOTS, sizeof *w->rpage_slot);
	w->calls = calloc(1, sizeof *w->calls);
	if (!kt_raw_chunk_init(&w->raw[0], h->arch, &h->limits) || !kt_raw_chunk_init(&w->raw[1], h->arch, &h->limits) || !w->dict ||
	    !w->encoder || !w->zst || !w->fast || !w->digest || !w->pages || !w->local || !w->zone.rpage || !w->rpage_slot || !w->calls)
		return kt_fail(err, KT_E_NOMEM, "no memory to record");
	kt_callstack_init(w->calls, w->arch);
	return 0;
}

static int open_file(struct kt_writer *w, const char *path, struct kt_err *err)
{
	int rc = kt_writer_rotate(path, err);
	if (!rc)
		rc = kt_writer_claim(path, &w->claim, err);
	return rc ? rc : kt_db_open(path, KT_DB_CREATE, &w->db, err);
}

int kt_writer_create(const char *path, const struct kt_writer_head *h, struct kt_writer **out, struct kt_err *err)
{
	bool opened = false;
	int rc;

	*out = NULL;
	rc = check_head(h, err);
	if (rc)
		return rc;
	struct kt_writer *w = calloc(1, sizeof *w);
	if (!w)
		return kt_fail(err, KT_E_NOMEM, "no memory to record");
	w->reserve = w->claim = -1;
	w->arch = h->arch;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	memcpy(w->regs, h->regs, h->arch->nregs * sizeof *w->regs);
	memcpy(w->base, w->regs, sizeof w->base);
	rc = allocate(w, h, err);
	if (!rc) {
		rc = open_file(w, path, err);
		opened = !rc || w->claim >= 0;
	}
	if (!rc)
		rc = fill(w, h, err);
	if (!rc)
		rc = kt_writer_prepare(w, err);
	if (!rc) {
		struct kt_pages_ram ram[KT_RAM_MAX];
		for (unsigned i = 0; i < h->nram; i++)
			ram[i] = (struct kt_pages_ram){ h->ram[i].gpa, h->ram[i].size };
		rc = kt_extents_create(&w->db, ram, h->nram, &w->extents, err);
	}
	if (!rc) {
		kt_encoder_initial_memory(w->encoder, kt_extents_view(w->extents));
		reserve(w, path);
		w->open = &w->raw[0];
		kt_raw_chunk_begin(w->open, w->first, w->regs);
		rc = kt_writer_start(w, err);
	}
	if (rc) {
		int claim = w->claim; /* until the file is gone it is ours */
		w->claim = -1;
		kt_writer_free(w);
		if (opened)
			unlink(path);
		if (claim >= 0)
			close(claim);
		return rc;
	}
	*out = w;
	return 0;
}
