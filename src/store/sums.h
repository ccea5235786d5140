/* SPDX-License-Identifier: MIT */
/* Running totals up to a chunk's end: they stand in every chunk row, so that nobody has to add up a whole trace. */
#ifndef KT_SUMS_H
#define KT_SUMS_H

#include "store/codec.h"
#include "store/digest.h"

enum kt_sum { /* order stands in trace files */
	KT_SUM_INSNS, KT_SUM_EXCEPTIONS, KT_SUM_IRQS, KT_SUM_GAPS,
	KT_SUM_DICT,                               /* dictionary entries */
	KT_SUM_STREAM,                             /* KT_STREAMS of them: compressed bytes */
	KT_SUM_KEYFRAMES = KT_SUM_STREAM + KT_STREAMS,
	KT_SUM_PAGES, KT_SUM_INDEX, KT_SUM_DICT_BYTES, KT_SUM_OTHER,
	KT_SUMS
};

struct kt_sums {
	u64 first;                 /* of this chunk */
	u32 count;
	u64 end_pc;                /* linear PC of State(first + count) */
	u64 v[KT_SUMS];
	bool has_tail;
	u8 tail[KT_LEAF_BYTES];    /* hash of the open digest leaf at the chunk's end */
};

int kt_sums_put(struct kt_buf *out, const struct kt_sums *s, struct kt_err *err);
int kt_sums_get(struct kt_rd in, struct kt_sums *s, const char *what, struct kt_err *err);

#endif
