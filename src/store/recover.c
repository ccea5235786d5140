/* SPDX-License-Identifier: MIT */
#include "store/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offsets in SQLite's file header (sqlite.org/fileformat.html, 1.3): user version 60, application id 68, big-endian. */
enum { HEADER = 100, USER_VERSION = 60, APPLICATION_ID = 68, BUSY_MS = 2000 };

static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

int kt_file_probe(const char *path, u32 *version, bool *empty, struct kt_err *err)
{
	u8 h[HEADER];
	struct stat st;

	*version = 0;
	*empty = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return kt_fail(err, KT_E_IO, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return kt_fail(err, KT_E_FORMAT, "%s: not a ktrace file (%s)", path, S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
	}
	ssize_t n = pread(fd, h, sizeof h, 0);
	int e = errno;
	close(fd);
	if (n < 0)
		return kt_fail(err, KT_E_IO, "%s: %s", path, strerror(e));
	*empty = st.st_size == 0;
	if (n < HEADER || memcmp(h, "SQLite format 3", 16) || be32(h + APPLICATION_ID) != KT_DB_APPLICATION)
		return kt_fail(err, KT_E_FORMAT, "%s: not a ktrace file%s", path, *empty ? " (it is empty)" : "");
	*version = be32(h + USER_VERSION);
	return 0;
}

/* Is there something in the file that SQLite keeps beside the database: "-wal", "-journal"? */
static bool has_beside(const char *path, const char *suffix)
{
	char *name = NULL;
	struct stat st;
	bool yes = asprintf(&name, "%s%s", path, suffix) > 0 && !stat(name, &st) && st.st_size > 0;
	free(name);
	return yes;
}

static bool copy_file(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n = -1;
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof buf)) > 0)
		if (write(out, buf, (size_t)n) != n) {
			n = -1;
			break;
		}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return n == 0;
}

/* The log cannot be folded where it lies: fold a copy, whose names are gone before anybody reads it. */
static int open_copy(const char *path, struct kt_db *db, struct kt_err *err)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = NULL, *copy = NULL, *from_wal = NULL, *to_wal = NULL;
	int rc = -1;

	if (asprintf(&dir, "%s/ktrace-XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0 || !mkdtemp(dir)) {
		rc = kt_fail(err, KT_E_IO, "%s: its write-ahead log cannot be folded in a folder that cannot be written, and there is no temporary "
		             "folder either (%s); copy both files to a folder of yours", path, strerror(errno));
		free(dir);
		return rc;
	}
	if (asprintf(&copy, "%s/t.db", dir) < 0 || asprintf(&from_wal, "%s-wal", path) < 0 || asprintf(&to_wal, "%s-wal", copy) < 0)
		rc = kt_fail(err, KT_E_NOMEM, "no memory to open %s", path);
	else if (!copy_file(path, copy) || !copy_file(from_wal, to_wal))
		rc = kt_fail(err, KT_E_IO, "%s: cannot be copied to %s (%s); its folder cannot be written, so its write-ahead log cannot be "
		             "folded in: copy both files to a folder of yours", path, dir, strerror(errno));
	else
		rc = kt_db_open(copy, KT_DB_READ_WRITE, db, err);
	if (!rc) {
		rc = kt_db_exec(db, "PRAGMA journal_mode = DELETE", "folding a copy", err);
		if (rc)
			kt_db_close(db);
	}
	if (!rc) {
		free(db->path);
		db->path = strdup(path);
	}
	if (copy)
		unlink(copy);
	if (to_wal)
		unlink(to_wal);
	rmdir(dir);
	free(dir);
	free(copy);
	free(from_wal);
	free(to_wal);
	return rc;
}

/* Taking the database out of WAL mode needs it for oneself: whoever records holds it, so this tells a dead recorder
 * from a living one. */
static int fold(struct kt_db *db, enum kt_fold *what, struct kt_err *err)
{
	sqlite3_busy_timeout(db->sq, BUSY_MS);
	int rc = sqlite3_exec(db->sq, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	if (rc == SQLITE_OK) {
		*what = KT_FOLD_DONE;
		return 0;
	}
	if ((rc & 0xff) == SQLITE_BUSY) {
		*what = KT_FOLD_BUSY;
		return 0;
	}
	return kt_db_fail(db, rc, "folding the write-ahead log of a recorder that died", err);
}

static bool wal_mode(const char *path)
{
	u8 h[20]; /* bytes 18 and 19: 2 means WAL */
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, h, sizeof h, 0);
	if (fd >= 0)
		close(fd);
	return n == sizeof h && h[18] == 2;
}

static bool folder_writable(const char *path)
{
	char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	bool yes;

	if (slash)
		slash[slash == dir] = 0;
	yes = access(slash ? dir : ".", W_OK) == 0;
	free(dir);
	return yes;
}

int kt_db_open_folded(const char *path, struct kt_db *db, enum kt_fold *what, struct kt_err *err)
{
	int rc;

	*what = KT_FOLD_NONE;
	bool log = has_beside(path, "-wal"), writable = !access(path, W_OK) && folder_writable(path);
	if (!wal_mode(path)) /* a journal was left by someone who died while folding; SQLite takes it back, if it may write */
		return kt_db_open(path, writable && has_beside(path, "-journal") ? KT_DB_READ_WRITE : KT_DB_READ, db, err);
	if (!writable) {
		if (!log) /* all of it is in the one file; only the mark "there may be a log" cannot be taken off */
			return kt_db_open(path, KT_DB_IMMUTABLE, db, err);
		*what = KT_FOLD_COPY;
		return open_copy(path, db, err);
	}
	rc = kt_db_open(path, KT_DB_READ_WRITE, db, err);
	if (rc)
		return rc;
	rc = fold(db, what, err);
	if (!rc && *what == KT_FOLD_DONE && !log)
		*what = KT_FOLD_NONE;
	if (rc)
		kt_db_close(db);
	return rc;
}
