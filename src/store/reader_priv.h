/* SPDX-License-Identifier: MIT */
#ifndef KT_READER_PRIV_H
#define KT_READER_PRIV_H

#include "store/db.h"
#include "store/dict.h"
#include "store/extents.h"
#include "store/reader.h"
#include "store/segment.h"

enum { KT_CHUNK_CACHE = 6, KT_SEGMENT_CACHE = 32, KT_PAGE_CACHE = 1024, KT_LIST_CACHE = 128 };

struct kt_cached_segment {
	unsigned level; /* 0: empty */
	u64 idx, used;
	enum kt_index which;
	struct kt_seg_list list;
};
struct kt_cached_page {
	u64 page, seq, used;
	u8 data[KT_PAGE];
};

struct kt_reader {
	struct kt_db db;
	struct kt_reader_head head;
	char notice[320];
	struct kt_zst *zst;
	struct kt_dict *dict;
	sqlite3_stmt *st_chunk, *st_at, *st_dict, *st_segment, *st_audit, *st_devices, *st_pages;
	struct kt_chunk *chunk[KT_CHUNK_CACHE];
	u64 chunk_used[KT_CHUNK_CACHE], clock;
	struct kt_cached_segment segment[KT_SEGMENT_CACHE];
	struct kt_extents *extents;
	struct kt_cached_page *page; /* KT_PAGE_CACHE of them, direct-mapped */
	struct kt_chunk *light[KT_LIST_CACHE]; /* chunks of the tail without their frames, direct-mapped */
};

/* A chunk without keyframes, frames and pages blob: what index searches look at. */
int kt_reader_light(struct kt_reader *r, u64 seq, struct kt_chunk **out, struct kt_err *err);
/* The same with its pages blob. */
int kt_reader_light_pages(struct kt_reader *r, u64 seq, struct kt_chunk **out, struct kt_err *err);
/* A segment's list, cached until the next call; *out NULL if it was not written (its 64 parts are not all there). */
int kt_reader_segment(struct kt_reader *r, enum kt_index which, unsigned level, u64 idx, const struct kt_seg_list **out, struct kt_err *err);
/* A page of the initial image. */
int kt_reader_initial_page(struct kt_reader *r, u64 page, u8 *to, struct kt_err *err);
int kt_reader_prepare(struct kt_reader *r, struct kt_err *err);

#endif
