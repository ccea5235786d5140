/* SPDX-License-Identifier: MIT */
/* The digest: what a trace says, whatever its codec, chunks and host (doc/format.md, "Digest"). Fed with steps in
 * order; every aligned 65,536 steps give a leaf. */
#ifndef KT_DIGEST_H
#define KT_DIGEST_H

#include "base/buf.h"
#include "ktrace/arch.h"
#include "ktrace/step.h"

enum { KT_LEAF_STEPS = 65536, KT_LEAF_BYTES = 16 };

struct kt_digest;
struct kt_digest *kt_digest_create(const struct kt_arch *arch, u64 first_step);
void kt_digest_destroy(struct kt_digest *d);
/* `prev`: hot registers before the step. `insn_id`-free: uses pc, kind, register changes, memory writes, device data, vectors. */
void kt_digest_step(struct kt_digest *d, const struct kt_step *s, const u64 *prev);
/* A finished leaf since the last call: true and 16 bytes. */
bool kt_digest_leaf(struct kt_digest *d, u8 leaf[KT_LEAF_BYTES]);
/* The open leaf's hash so far (for a trace cut anywhere); false if no step is in it. */
bool kt_digest_tail(const struct kt_digest *d, u8 leaf[KT_LEAF_BYTES]);
/* The digest of everything: initial-state hash, range, all leaves and the tail. */
void kt_digest_final(const u8 init[KT_LEAF_BYTES], u64 first, u64 count, const u8 *leaves, size_t nleaves, u8 out[KT_LEAF_BYTES]);

#endif
