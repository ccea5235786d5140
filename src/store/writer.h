/* SPDX-License-Identifier: MIT */
/* Writing a trace file. The stepping thread fills a chunk; a second thread encodes, compresses and commits it. */
#ifndef KT_WRITER_H
#define KT_WRITER_H

#include "store/chunk.h"
#include "store/codec.h"

struct kt_writer;

struct kt_writer_image {
	const char *path, *kind;
	u64 gpa, size, entry;
};

struct kt_writer_head {
	const struct kt_arch *arch;
	const char *engine;         /* how steps were made; not in the digest */
	const char *command;        /* the command line, for people */
	u64 mem_bytes, step_ns;
	s64 rtc;
	const u64 *regs;            /* State(0) */
	const struct kt_writer_image *images;
	unsigned nimages;
	struct { u64 gpa, size; const u8 *host; } ram[8]; /* initial content; copied before return */
	unsigned nram;
	struct kt_chunk_limits limits; /* zeros: the defaults */
};

/* Creates the file (an existing ktrace file is kept as PATH.old, its WAL folded first; anything else is refused), writes
 * schema, head and initial memory, checkpoints, and starts the thread. */
int kt_writer_create(const char *path, const struct kt_writer_head *head, struct kt_writer **out, struct kt_err *err);

/* Before the first write to a page in the open chunk (vm_hooks.page_touch). */
void kt_writer_page(struct kt_writer *w, u64 gpa, const u8 *before);
/* Adds the next step. `regs`: whole register file after it. When the chunk is full it is handed over and *new_chunk is set:
 * the caller then starts a new page epoch and gives device state. An error of the writing thread surfaces here
 * (-KT_E_FULL, -KT_E_IO): call kt_writer_finish then. */
int kt_writer_step(struct kt_writer *w, const struct kt_step *s, const u64 *regs, bool *new_chunk, struct kt_err *err);
/* Device state at the start of the chunk that has just begun. */
void kt_writer_devices(struct kt_writer *w, const struct kt_buf *state);

/* Audit: hands over the open chunk if it holds steps, waits until everything so far is encoded, then compares the page with what the trace says it holds. A difference
 * is stored as it is and counted. kt_writer_audit_begin .. kt_writer_audit_page* .. kt_writer_audit_end */
int kt_writer_audit_begin(struct kt_writer *w, struct kt_err *err);
int kt_writer_audit_page(struct kt_writer *w, u64 gpa, const u8 *host, struct kt_err *err);
int kt_writer_audit_end(struct kt_writer *w, struct kt_err *err);

struct kt_writer_stats {
	u64 steps, insns, exceptions, irqs, gaps, chunks, audit_misses;
	u64 bytes_stream[KT_STREAMS], bytes_keyframes, bytes_pages, bytes_index, bytes_dict, bytes_other, bytes_static, bytes_file;
	u64 encode_ns; /* CPU time of the encoding thread */
};
/* Snapshot, any time. */
void kt_writer_stats(struct kt_writer *w, struct kt_writer_stats *out);

/* Hands the open chunk over, writes the end record (reason: stable name; text: a sentence), makes it one file. Frees the
 * writer in any case. After -KT_E_FULL the file is still valid and says so. digest: 33 bytes hex, or NULL. */
int kt_writer_finish(struct kt_writer *w, const char *reason, const char *text, char digest[33], struct kt_err *err);
/* The same, and the final numbers (file size included) in *stats. */
int kt_writer_finish_stats(struct kt_writer *w, const char *reason, const char *text, char digest[33],
                           struct kt_writer_stats *stats, struct kt_err *err);

#endif
