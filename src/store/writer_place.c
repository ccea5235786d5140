/* SPDX-License-Identifier: MIT */
/* The place of a new trace file: what is there is kept as PATH.old or refused, and of two recorders that want the same
 * place one gets it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/recover.h"
#include "store/writer_priv.h"

static int in_use(const char *path, struct kt_err *err)
{
	return kt_fail(err, KT_E_IO, "%s: another ktrace is recording into it or has it open; choose another file with -o", path);
}

static int fold_old(const char *path, struct kt_err *err)
{
	struct kt_db db;
	enum kt_fold fold;
	int rc = kt_db_open_folded(path, &db, &fold, err);

	if (rc == -KT_E_CORRUPT || rc == -KT_E_FORMAT)
		return 0; /* damaged: it is kept as it is */
	if (rc)
		return rc;
	kt_db_close(&db);
	if (fold == KT_FOLD_BUSY)
		return in_use(path, err);
	if (fold == KT_FOLD_COPY)
		return kt_fail(err, KT_E_IO, "%s: its folder cannot be written; choose another file with -o", path);
	return 0;
}

/* SQLite's own locks say nothing while a file is being made, so whoever makes or moves a trace file locks it, without
 * waiting. *fd is the lock, -1 on file systems that have none; whoever closes it must have closed the database before:
 * closing any descriptor of a file takes SQLite's locks off it. */
static int lock(const char *path, int flags, int *fd, struct kt_err *err)
{
	struct stat mine, there;

	*fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
	if (*fd < 0)
		return kt_fail(err, errno == ENOSPC || errno == EDQUOT ? KT_E_FULL : KT_E_IO, "%s: cannot be written: %s", path, strerror(errno));
	if (flock(*fd, LOCK_EX | LOCK_NB)) {
		bool held = errno == EWOULDBLOCK;
		close(*fd);
		*fd = -1;
		return held ? in_use(path, err) : 0;
	}
	/* Moved away between opening and locking? */
	if (fstat(*fd, &mine) || stat(path, &there) || mine.st_ino != there.st_ino || mine.st_dev != there.st_dev) {
		close(*fd);
		*fd = -1;
		return in_use(path, err);
	}
	return 0;
}

int kt_writer_claim(const char *path, int *fd, struct kt_err *err)
{
	struct stat st;
	int rc = lock(path, O_RDWR | O_CREAT, fd, err);

	if (!rc && *fd >= 0 && !fstat(*fd, &st) && st.st_size) { /* somebody made and finished one just now */
		close(*fd);
		*fd = -1;
		rc = in_use(path, err);
	}
	return rc;
}

static int move(const char *from, const char *to, const char *suffix, bool needed, struct kt_err *err)
{
	char *a = NULL, *b = NULL;
	int rc = 0;

	if (asprintf(&a, "%s%s", from, suffix) < 0 || asprintf(&b, "%s%s", to, suffix) < 0)
		rc = kt_fail(err, KT_E_NOMEM, "no memory to keep %s", from);
	else if (rename(a, b) && (needed || errno != ENOENT))
		rc = kt_fail(err, KT_E_IO, "%s: cannot be kept as %s: %s", a, b, strerror(errno));
	free(a);
	free(b);
	return rc;
}

/* Moves the trace at `path`, which nobody uses, and what belongs to it, to `old`. */
static int keep(const char *path, const char *old, struct kt_err *err)
{
	int rc = fold_old(path, err);

	if (!rc) {
		/* An older .old's log must not be taken for the new one's. */
		char *wal = NULL;
		if (asprintf(&wal, "%s-wal", old) > 0)
			unlink(wal);
		free(wal);
		rc = move(path, old, "-wal", false, err);
	}
	return rc ? rc : move(path, old, "", true, err);
}

int kt_writer_rotate(const char *path, struct kt_err *err)
{
	char *old = NULL;
	struct stat st;
	u32 version;
	bool empty;
	int rc, fd = -1;

	if (stat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		return kt_fail(err, KT_E_IO, "%s: %s", path, strerror(errno));
	}
	rc = kt_file_probe(path, &version, &empty, err);
	if (rc && empty)
		return 0;
	if (rc == -KT_E_FORMAT) {
		const char *is = S_ISDIR(st.st_mode) ? "a directory" : S_ISREG(st.st_mode) ? "not a ktrace file" : "not a regular file";
		return kt_fail(err, KT_E_FORMAT, "%s: is %s and is left alone; choose another file with -o", path, is);
	}
	if (rc)
		return rc;
	if (asprintf(&old, "%s.old", path) < 0)
		return kt_fail(err, KT_E_NOMEM, "no memory to keep %s", path);
	if (!stat(old, &st) && kt_file_probe(old, &version, &empty, NULL) && !empty)
		rc = kt_fail(err, KT_E_FORMAT, "%s: an older trace would be kept as %s, but that is not a ktrace file; move it away, or choose "
		             "another file with -o", path, old);
	if (!rc)
		rc = lock(path, O_RDONLY, &fd, err);
	if (!rc)
		rc = keep(path, old, err);
	if (fd >= 0)
		close(fd);
	free(old);
	return rc;
}
