/* SPDX-License-Identifier: MIT */
/* SQLite behind a small face: opening with the right guards, statements, and errors that say which file and what for.
 * sqlite3.h is included here and in the files of this folder that hold statements, nowhere else. */
#ifndef KT_DB_H
#define KT_DB_H

#include <sqlite3.h>

#include "base/buf.h"
#include "ktrace/error.h"

enum { KT_DB_APPLICATION = 0x6b747263, KT_FORMAT_VERSION = 1, KT_DB_PAGE = 1024 };

struct kt_db {
	sqlite3 *sq;
	char *path; /* for messages */
};

enum kt_db_mode { KT_DB_READ, KT_DB_READ_WRITE, KT_DB_CREATE, KT_DB_IMMUTABLE /* read; nobody writes it, no log is looked for */ };

/* Opens with defences on: no extensions, no trusted schema, bounded lengths, cell checks. Looks at nothing in the
 * file. `path` is never taken for a URI or a special name. -KT_E_IO, -KT_E_NOMEM. */
int kt_db_open(const char *path, enum kt_db_mode mode, struct kt_db *db, struct kt_err *err);
void kt_db_close(struct kt_db *db); /* a zeroed one is fine */

/* Turns SQLite's last result into an error: SQLITE_FULL and the system's "no space" -> KT_E_FULL, damage ->
 * KT_E_CORRUPT, NOTADB -> KT_E_FORMAT, else KT_E_IO. `what`: what was being done ("writing chunk 7"). */
int kt_db_fail(struct kt_db *db, int sqlite_rc, const char *what, struct kt_err *err);

/* Runs SQL without results; -errors as kt_db_fail. */
int kt_db_exec(struct kt_db *db, const char *sql, const char *what, struct kt_err *err);
/* Prepares; the caller finalizes. */
int kt_db_prepare(struct kt_db *db, const char *sql, sqlite3_stmt **out, struct kt_err *err);
/* Steps: 1 a row, 0 done, negative an error. */
int kt_db_step(struct kt_db *db, sqlite3_stmt *st, const char *what, struct kt_err *err);
/* Steps to the end, resets and clears the bindings. */
int kt_db_run(struct kt_db *db, sqlite3_stmt *st, const char *what, struct kt_err *err);
/* The one integer that a query gives. */
int kt_db_int(struct kt_db *db, const char *sql, s64 *out, const char *what, struct kt_err *err);
/* A blob column as a view (empty for NULL); valid until the statement moves. */
struct kt_rd kt_db_blob(sqlite3_stmt *st, int column);
/* A NUL-terminated copy of a text column ("" for NULL); NULL: out of memory. */
char *kt_db_text(sqlite3_stmt *st, int column);

/* The schema, as schema.sql has it. */
extern const char kt_db_schema[];

#endif
