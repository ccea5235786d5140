/* SPDX-License-Identifier: MIT */
/* A sealed blob: bytes with their size and checksum, compressed where that helps. Every blob of a trace file that is
 * not a codec frame is one (doc/format.md, "Sealed blob"). */
#ifndef KT_SEAL_H
#define KT_SEAL_H

#include "base/buf.h"
#include "base/zst.h"
#include "ktrace/error.h"

/* Appends raw, sealed. -KT_E_NOMEM. z may be NULL: stored as it is. */
int kt_seal(struct kt_zst *z, const void *raw, size_t n, struct kt_buf *out, struct kt_err *err);

/* Reads one sealed blob from `in` into `out` (cleared first). At most `max` raw bytes. `what` names it for the error
 * ("chunk 3, idx"). -KT_E_CORRUPT, -KT_E_NOMEM. */
int kt_unseal(struct kt_zst *z, struct kt_rd *in, size_t max, struct kt_buf *out, const char *what, struct kt_err *err);

/* Passes over one; in->bad if it is cut short. */
void kt_seal_skip(struct kt_rd *in);

/* XXH3-64 of n bytes, as stored in the file. */
u64 kt_hash64(const void *p, size_t n);
/* XXH3-128 of n bytes in canonical (big-endian) form. */
void kt_hash128(const void *p, size_t n, u8 out[16]);

#endif
