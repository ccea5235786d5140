/* SPDX-License-Identifier: MIT */
/* The writer's inside. Two threads: the stepping thread fills `open`; the writing thread owns everything in `enc` and
 * the database while it works. `lock` guards `job`, `stop`, `err` and `seen`; while no job is under way the stepping
 * thread may use the writing thread's things too (audit, finish). */
#ifndef KT_WRITER_PRIV_H
#define KT_WRITER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/callstack.h"
#include "store/db.h"
#include "store/dict.h"
#include "store/digest.h"
#include "store/extents.h"
#include "store/pages.h"
#include "store/segment.h"
#include "store/sums.h"
#include "store/writer.h"
#include "store/zone.h"

/* Blobs of a usual chunk are small, and its steps took a hundred times longer than level 15 does. What may be large (memory,
 * chunks that write very many pages) takes a fast level, lest the stepping thread wait. */
enum { KT_ZSTD_LEVEL = 15, KT_ZSTD_FAST = 7, KT_MANY_PAGES = 96, KT_CONSOLE_PIECE = 512 };

struct kt_console_piece {
	u64 step;
	u32 off, len; /* in the text buffer */
	u16 which;
};
struct kt_miss {
	u64 page;
	u32 checked; /* chunks finished when the page was last right */
	struct kt_buf data; /* sealed */
};

/* What a chunk becomes, before it goes into tables. Reused. */
struct kt_encoded {
	u64 seq;
	u32 dict_first, dict_count;
	struct kt_sums sums;
	struct kt_buf dict, sums_blob, idx, keys, frames, pages, devices, stack;
	struct { struct kt_buf ids, pages; } seg[KT_SEGMENT_LEVELS];
	unsigned nseg;
	bool has_leaf;
	u64 leaf_id;
	u8 leaf[KT_LEAF_BYTES];
	struct kt_console_piece *piece;
	size_t npiece, piece_cap;
	struct kt_buf text;
	struct kt_miss *miss;
	size_t nmiss, miss_cap;
};

struct kt_statements {
	sqlite3_stmt *begin, *commit, *dict, *chunk, *segment, *leaf, *audit, *console;
};

struct kt_writer {
	const struct kt_arch *arch;
	struct kt_db db;
	struct kt_statements st;
	u64 first;            /* of the trace */
	u8 init[KT_LEAF_BYTES];
	u64 bytes_static;
	int claim;            /* holds the place of the file (kt_writer_claim); closed after the database */
	int reserve;          /* an unlinked file that holds disk space for the end, -1: none */

	/* the stepping thread's */
	struct kt_raw_chunk raw[2];
	struct kt_raw_chunk *open;
	struct kt_dict *dict;
	u64 steps, kinds[4];
	u64 regs[KT_REGS_MAX]; /* State(steps) at the last hand-over */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool started, stop;
	struct kt_raw_chunk *job; /* handed over, or being written */
	u32 job_dict;             /* dictionary entries it may use */
	atomic_bool failed;
	struct kt_err err;
	struct kt_sums seen;      /* totals of what is committed */
	u64 seen_chunks, seen_misses, encode_ns;

	/* the writing thread's */
	struct kt_encoder *encoder;
	struct kt_zst *zst, *fast;
	struct kt_digest *digest;
	struct kt_pages *pages;
	struct kt_extents *extents;
	u64 base[KT_REGS_MAX]; /* State(first): what keyframes differ from */
	struct kt_page_set set;
	struct kt_page_list list;
	struct kt_zone zone;
	struct kt_callstack *calls;
	struct kt_seg_list ids[KT_SEGMENT_LEVELS], written[KT_SEGMENT_LEVELS];
	struct kt_encoded out;
	u32 *uses, uses_cap;      /* times executed in this chunk, by id */
	u32 *local, nlocal;       /* ids of this chunk; KT_CHUNK_STEPS of them fit */
	struct kt_seg_list keys;  /* scratch for the index */
	u64 *rpage_slot;          /* open-addressed set of pages read + 1, RPAGE_SLOTS */
	struct kt_sums sums;
	u64 seq;
};

/* Encodes a chunk into w->out; touches no database. */
int kt_writer_encode(struct kt_writer *w, const struct kt_raw_chunk *c, u32 dict_count, struct kt_err *err);
/* Merges the chunk's ids and pages into the index; segments that are full go to w->out.seg. */
int kt_writer_index(struct kt_writer *w, struct kt_err *err);
/* Writes w->out in one transaction and checkpoints. On error nothing of it is in the file. */
int kt_writer_commit(struct kt_writer *w, struct kt_err *err);
/* Prepares the statements. */
int kt_writer_prepare(struct kt_writer *w, struct kt_err *err);
void kt_writer_unprepare(struct kt_writer *w);
/* Inserts one audit row (in whatever transaction is open): true content at State(step), unseen change after after_step. */
int kt_writer_put_miss(struct kt_writer *w, u64 page, u64 step, u64 after_step, const struct kt_buf *sealed, struct kt_err *err);
/* The step at which chunk number `chunks` begins or would begin (the end of chunk `chunks` - 1). */
int kt_writer_step_of(struct kt_writer *w, u64 chunks, u64 *step, struct kt_err *err);

/* The thread: starts, hands the open chunk over (waiting for the one before), waits until idle, ends. */
int kt_writer_start(struct kt_writer *w, struct kt_err *err);
int kt_writer_hand_over(struct kt_writer *w, struct kt_err *err);
int kt_writer_drain(struct kt_writer *w, struct kt_err *err);
void kt_writer_join(struct kt_writer *w);

/* Frees everything; the database is closed as it is. */
void kt_writer_free(struct kt_writer *w);

/* Moves an older trace out of the way (PATH.old), refuses what is not ours. */
int kt_writer_rotate(const char *path, struct kt_err *err);
/* Creates the file, empty, and holds it against other recorders until *fd is closed, which the database must be before;
 * *fd is -1 on file systems without locks. -KT_E_IO if another recorder was faster. */
int kt_writer_claim(const char *path, int *fd, struct kt_err *err);

/* A trace's initial-state hash (doc/format.md, "head"). The page hashes go to `pages`. */
int kt_writer_put_ram(struct kt_writer *w, const struct kt_writer_head *h, struct kt_err *err);

#endif
