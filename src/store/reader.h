/* SPDX-License-Identifier: MIT */
/* Reading a trace file: rows and blobs, checked, and what is in them. Knows nothing of states: src/trace does. A reader
 * belongs to one thread. Everything it gives is the content of a file that nobody vouches for: whatever contradicts
 * itself is -KT_E_CORRUPT, with the table and row in the text. */
#ifndef KT_READER_H
#define KT_READER_H

#include "store/codec.h"
#include "store/digest.h"
#include "store/pages.h"
#include "store/sums.h"
#include "store/zone.h"

struct kt_reader;

struct kt_reader_image {
	const char *path, *kind;
	u64 gpa, size, entry;
};
struct kt_reader_head {
	const struct kt_arch *arch;
	unsigned format;
	char *engine, *command;
	u64 mem_bytes, step_ns;
	s64 rtc;
	u64 first, steps, chunks;   /* chunks are numbered first_chunk .. first_chunk + chunks - 1 */
	u64 first_chunk;
	u64 start_pc, bytes_static, bytes_file;
	u64 regs[KT_REGS_MAX];      /* State(first) */
	u8 init[KT_LEAF_BYTES];
	struct kt_sums sums;        /* at the end; zeros if there are no steps */
	bool finished;
	char *end_reason, *end_text;
	bool has_digest;
	u8 digest[KT_LEAF_BYTES];   /* as the file says; computed from leaves if the recorder died */
	u64 audit_misses;
	struct kt_pages_ram ram[KT_RAM_MAX];
	unsigned nram;
	struct kt_reader_image *images;
	unsigned nimages;
};

/* notice: as kt_trace_open. -KT_E_IO, -KT_E_FORMAT, -KT_E_VERSION, -KT_E_CORRUPT, -KT_E_NOMEM. */
int kt_reader_open(const char *path, struct kt_reader **out, const char **notice, struct kt_err *err);
void kt_reader_close(struct kt_reader *r);
const struct kt_reader_head *kt_reader_head(const struct kt_reader *r);
/* For the codec: entries of chunks that were loaded are there. Valid until close. */
struct kt_dict_view kt_reader_dict(const struct kt_reader *r);
/* Initial memory for decoders (kt_decoder_initial_memory), valid until close. The codec cannot be told of an error in it:
 * whoever decodes asks kt_reader_failed before he believes what came out. */
const struct kt_memory_view *kt_reader_initial(const struct kt_reader *r);
int kt_reader_failed(const struct kt_reader *r, struct kt_err *err);
/* Entry `id`, loaded if need be. */
int kt_reader_insn(struct kt_reader *r, u32 id, const struct kt_insn **out, struct kt_err *err);

/* A chunk row. Counted: kt_reader_chunk gives a reference, kt_chunk_put takes it back. Never changes. */
struct kt_chunk {
	u64 seq, first;
	u32 count, nframes;
	struct kt_sums sums;
	u32 nlocal, *local, *uses;      /* the instructions it ran, ascending, and how often */
	struct kt_page_list pages;      /* the pages it wrote */
	struct kt_zone zone;
	u64 *keys;                      /* nframes * KT_REGS_MAX: State at each frame's start */
	struct kt_buf frames;           /* as stored */
	const u8 *frame[KT_CHUNK_STEPS / KT_FRAME_STEPS];
	size_t frame_size[KT_CHUNK_STEPS / KT_FRAME_STEPS];
	struct kt_buf page_blob;
	bool has_page_blob;
	unsigned refs;
};
/* Chunk number seq. The dictionary entries it needs are loaded with it. On an error nothing is owed: *out is as before, or NULL. */
int kt_reader_chunk(struct kt_reader *r, u64 seq, struct kt_chunk **out, struct kt_err *err);
void kt_chunk_put(struct kt_chunk *c); /* NULL is fine */
/* The chunk that holds step n (first <= n < first + steps). */
int kt_reader_chunk_at(struct kt_reader *r, u64 n, struct kt_chunk **out, struct kt_err *err);
/* Steps in frame f of c. */
static inline u32 kt_chunk_frame_steps(const struct kt_chunk *c, u32 f)
{
	return KT_MIN((u32)KT_FRAME_STEPS, c->count - f * KT_FRAME_STEPS);
}
/* Device state at a chunk's start, as the machine wrote it; empty if none was kept. Appends to out. */
int kt_reader_devices(struct kt_reader *r, u64 seq, struct kt_buf *out, struct kt_err *err);

enum kt_index { KT_INDEX_INSN, KT_INDEX_PAGE };
/* The nearest chunk in direction dir (+1: from `from` upwards, -1: from `from` downwards, `from` included) that ran
 * instruction `key`, or wrote page `key` (gpa >> 12). 0, or -KT_E_END: none. Costs a row or two per 64^k chunks. */
int kt_reader_find(struct kt_reader *r, enum kt_index which, u64 key, u64 from, int dir, u64 *seq, struct kt_err *err);
/* How often instruction `id` was executed in the whole trace. */
int kt_reader_uses(struct kt_reader *r, u32 id, u64 *count, struct kt_err *err);

/* A RAM page as it was when chunk `seq` began (seq = first_chunk + chunks: the end). 4096 bytes. The caller has checked
 * that there is RAM. */
int kt_reader_page(struct kt_reader *r, u64 page, u64 seq, u8 *to, struct kt_err *err);

/* Whether the audit found the page's content at State(step) to be other than what the steps say. */
int kt_reader_audited(struct kt_reader *r, u64 page, u64 step, bool *is, struct kt_err *err);

/* For kt_trace_check: SQLite's own look at the file; every segment against the chunks it covers; the initial image
 * against head.init. -KT_E_CORRUPT with the place. */
int kt_reader_verify_file(struct kt_reader *r, struct kt_err *err);
int kt_reader_verify_index(struct kt_reader *r, struct kt_err *err);
int kt_reader_verify_init(struct kt_reader *r, struct kt_err *err);

/* All leaves of the digest, the open one last, appended to out. */
int kt_reader_leaves(struct kt_reader *r, struct kt_buf *out, struct kt_err *err);

/* Console text in order; which < 0: all. */
int kt_reader_console(struct kt_reader *r, int which, int (*fn)(void *ctx, u64 step, const char *text, size_t n), void *ctx, struct kt_err *err);

/* Audit rows in order of steps; fn returns non-zero to stop. content: the page as it really was at State(step). */
int kt_reader_audits(struct kt_reader *r, int (*fn)(void *ctx, u64 page, u64 step, u64 after_step, const u8 *content), void *ctx,
                     struct kt_err *err);

#endif
