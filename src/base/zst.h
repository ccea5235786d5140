/* SPDX-License-Identifier: MIT */
/* zstd behind a small face: the only way ktrace compresses or decompresses with it (zstd.h is included in zst.c alone).
 * Contexts are reused, since making one costs more than a small chunk. Input is hostile: output never passes what the
 * caller allowed, whatever a frame's header claims. */
#ifndef KT_ZST_H
#define KT_ZST_H

#include "base/buf.h"

/* A compression and a decompression context; one thread at a time. */
struct kt_zst;

/* level: zstd's 1..22, or below 0 for its fast ones. NULL: out of memory. A context's decompression half is made on
 * first use. */
struct kt_zst *kt_zst_create(int level);
void kt_zst_destroy(struct kt_zst *z); /* NULL is fine */

/* Appends one frame holding src to out. 0, or -KT_E_NOMEM (then out->len is as before). */
int kt_zst_compress(struct kt_zst *z, const void *src, size_t n, struct kt_buf *out);

/* Fills exactly dst_size bytes from the whole of src. -KT_E_CORRUPT: damaged, or more or fewer bytes come out (dst may
 * then be partly written); -KT_E_NOMEM. */
int kt_zst_decompress(struct kt_zst *z, const void *src, size_t n, void *dst, size_t dst_size);

/* Unpacks the one frame that src begins with, of unknown size, appending to out at most max bytes. *consumed (may be
 * NULL): bytes of src that the frame took; what follows is not looked at. Frames that ask for a window over 128 MiB are
 * refused. 0; -KT_E_CORRUPT: damaged or truncated; -KT_E_RANGE: more than max bytes; -KT_E_NOMEM. On error out holds what
 * came out so far. */
int kt_zst_unpack(const void *src, size_t n, size_t max, struct kt_buf *out, size_t *consumed);

#endif
