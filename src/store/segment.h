/* SPDX-License-Identifier: MIT */
/* The index: which chunks ran an instruction, which wrote a page. 64 parts (chunks, or segments of the level below) make
 * one segment: a sorted list of keys with a mask of the parts they occur in. Written once, when the 64th part is full. */
#ifndef KT_SEGMENT_H
#define KT_SEGMENT_H

#include "base/zst.h"
#include "ktrace/error.h"

enum { KT_SEGMENT_PARTS = 64, KT_SEGMENT_SHIFT = 6, KT_SEGMENT_LEVELS = 5, KT_SEGMENT_KEYS = 1 << 26 };

struct kt_seg_entry {
	u64 key;   /* dictionary number, or gpa >> 12 */
	u64 mask;  /* bit i: part i has it */
	u64 count; /* times executed (instructions only) */
};
struct kt_seg_list {
	struct kt_seg_entry *e; /* ascending by key */
	size_t n, cap;
};

void kt_seg_free(struct kt_seg_list *l);
/* Adds n entries, ascending by key, as part `part` (0..63): their masks are ignored, their counts are added. false: no memory. */
bool kt_seg_merge(struct kt_seg_list *l, const struct kt_seg_entry *e, size_t n, unsigned part);
/* Room for one more entry at the end (the caller fills it, keys ascending). NULL: no memory. */
struct kt_seg_entry *kt_seg_append(struct kt_seg_list *l);
/* Appends the list, by columns, sealed. */
int kt_seg_pack(const struct kt_seg_list *l, bool counts, struct kt_zst *z, struct kt_buf *out, struct kt_err *err);
/* The way back; l is replaced. -KT_E_CORRUPT, -KT_E_NOMEM. */
int kt_seg_unpack(struct kt_seg_list *l, bool counts, struct kt_rd in, struct kt_zst *z, const char *what, struct kt_err *err);
/* The entry of a key, NULL if there is none. */
const struct kt_seg_entry *kt_seg_find(const struct kt_seg_list *l, u64 key);

#endif
