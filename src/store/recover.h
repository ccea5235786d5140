/* SPDX-License-Identifier: MIT */
/* A recorder that died leaves a trace in two files: the database and its write-ahead log. Folding makes it one. */
#ifndef KT_RECOVER_H
#define KT_RECOVER_H

#include "store/db.h"

enum kt_fold { KT_FOLD_NONE, KT_FOLD_DONE, KT_FOLD_BUSY, KT_FOLD_COPY };

/* What the file at `path` is: 0 a ktrace file (*version its format), -KT_E_FORMAT something else or too short to tell,
 * -KT_E_IO unreadable. An empty file is KT_E_FORMAT with *empty set. */
int kt_file_probe(const char *path, u32 *version, bool *empty, struct kt_err *err);

/* Opens a ktrace file for reading and folds a WAL in, if there is one and nobody writes it. *fold says what was done:
 * BUSY: it is being recorded right now, the connection sees what is committed; COPY: the folder cannot be written, the
 * connection reads a private copy that is gone when it closes. */
int kt_db_open_folded(const char *path, struct kt_db *db, enum kt_fold *fold, struct kt_err *err);

#endif
