/* SPDX-License-Identifier: MIT */
#include "store/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char kt_db_schema[] =
#include "schema_sql.h"
	;

/* A blob or text of a trace is never larger; the bound keeps a hostile file from asking for gigabytes. */
enum { MAX_VALUE = 64 << 20, BUSY_MS = 10000 };

/* SQLite takes "", ":memory:" and (by configuration) "file:..." for something else than a file's name. */
static char *plain_path(const char *path)
{
	char *p = NULL;
	if (asprintf(&p, "%s%s", path[0] == '/' ? "" : "./", path) < 0)
		return NULL;
	return p;
}

/* SQLite says "immutable" in URIs only. */
static char *immutable_uri(const char *path)
{
	struct kt_buf b = { 0 };

	kt_buf_put(&b, path[0] == '/' ? "file:" : "file:./", path[0] == '/' ? 5 : 7);
	for (const char *p = path; *p; p++) {
		char hex[4];
		snprintf(hex, sizeof hex, "%%%02x", (u8)*p);
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("/._-", *p);
		kt_buf_put(&b, plain ? p : hex, plain ? 1 : 3);
	}
	kt_buf_put(&b, "?immutable=1", 13);
	if (b.failed)
		kt_buf_free(&b);
	return (char *)b.data;
}

static void guard(sqlite3 *sq)
{
	sqlite3_db_config(sq, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(sq, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(sq, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(sq, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(sq, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(sq, SQLITE_LIMIT_LENGTH, MAX_VALUE);
	sqlite3_limit(sq, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(sq, SQLITE_LIMIT_SQL_LENGTH, 1 << 16);
	sqlite3_busy_timeout(sq, BUSY_MS);
}

int kt_db_open(const char *path, enum kt_db_mode mode, struct kt_db *db, struct kt_err *err)
{
	static const int flags[] = {
		[KT_DB_READ] = SQLITE_OPEN_READONLY,
		[KT_DB_READ_WRITE] = SQLITE_OPEN_READWRITE,
		[KT_DB_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		[KT_DB_IMMUTABLE] = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
	};
	char *plain = mode == KT_DB_IMMUTABLE ? immutable_uri(path) : plain_path(path);

	*db = (struct kt_db){ 0 };
	db->path = strdup(path);
	if (!plain || !db->path) {
		free(plain);
		kt_db_close(db);
		return kt_fail(err, KT_E_NOMEM, "no memory to open %s", path);
	}
	int rc = sqlite3_open_v2(plain, &db->sq, flags[mode] | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	free(plain);
	if (rc != SQLITE_OK) {
		rc = kt_db_fail(db, rc, "opening", err);
		kt_db_close(db);
		return rc;
	}
	guard(db->sq);
	sqlite3_exec(db->sq, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
	return 0;
}

void kt_db_close(struct kt_db *db)
{
	if (db->sq)
		sqlite3_close_v2(db->sq);
	free(db->path);
	*db = (struct kt_db){ 0 };
}

static enum kt_code code_of(sqlite3 *sq, int rc)
{
	int sys = sq ? sqlite3_system_errno(sq) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return KT_E_FULL;
	case SQLITE_NOMEM:
		return KT_E_NOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_TOOBIG:
	case SQLITE_ERROR: /* a missing table or column */
	case SQLITE_MISMATCH:
		return KT_E_CORRUPT;
	case SQLITE_NOTADB:
		return KT_E_FORMAT;
	case SQLITE_IOERR:
		if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
			return KT_E_FULL;
		return KT_E_IO;
	default:
		return KT_E_IO;
	}
}

int kt_db_fail(struct kt_db *db, int rc, const char *what, struct kt_err *err)
{
	enum kt_code code = code_of(db->sq, rc);
	int sys = db->sq ? sqlite3_system_errno(db->sq) : 0;
	const char *path = db->path ? db->path : "?";
	const char *text = db->sq ? sqlite3_errmsg(db->sq) : sqlite3_errstr(rc);

	if (code == KT_E_FULL)
		return kt_fail(err, code, "%s: %s: the disk is full, or a size limit is reached; free space and go on elsewhere", path, what);
	if (code == KT_E_FORMAT)
		return kt_fail(err, code, "%s: not a ktrace file (not an SQLite database)", path);
	if (rc == SQLITE_BUSY)
		return kt_fail(err, KT_E_IO, "%s: %s: another program has it locked; close that and try again", path, what);
	if (code == KT_E_IO && sys)
		return kt_fail(err, code, "%s: %s: %s (%s)", path, what, text, strerror(sys));
	return kt_fail(err, code, "%s: %s: %s", path, what, text);
}

int kt_db_exec(struct kt_db *db, const char *sql, const char *what, struct kt_err *err)
{
	int rc = sqlite3_exec(db->sq, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : kt_db_fail(db, rc, what, err);
}

int kt_db_prepare(struct kt_db *db, const char *sql, sqlite3_stmt **out, struct kt_err *err)
{
	int rc = sqlite3_prepare_v3(db->sq, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	return rc == SQLITE_OK ? 0 : kt_db_fail(db, rc, sql, err);
}

int kt_db_step(struct kt_db *db, sqlite3_stmt *st, const char *what, struct kt_err *err)
{
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : kt_db_fail(db, rc, what, err);
}

int kt_db_run(struct kt_db *db, sqlite3_stmt *st, const char *what, struct kt_err *err)
{
	int rc;
	do
		rc = kt_db_step(db, st, what, err);
	while (rc == 1);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}

int kt_db_int(struct kt_db *db, const char *sql, s64 *out, const char *what, struct kt_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = kt_db_prepare(db, sql, &st, err);
	if (!rc)
		rc = kt_db_step(db, st, what, err);
	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		rc = 0;
	} else if (!rc) {
		rc = kt_fail(err, KT_E_CORRUPT, "%s: %s: nothing there", db->path, what);
	}
	sqlite3_finalize(st);
	return rc;
}

struct kt_rd kt_db_blob(sqlite3_stmt *st, int column)
{
	const void *p = sqlite3_column_blob(st, column);
	int n = sqlite3_column_bytes(st, column);
	return kt_rd_of(p ? p : "", p && n > 0 ? (size_t)n : 0);
}

char *kt_db_text(sqlite3_stmt *st, int column)
{
	const unsigned char *p = sqlite3_column_text(st, column);
	return strdup(p ? (const char *)p : "");
}
