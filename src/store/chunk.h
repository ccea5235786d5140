/* SPDX-License-Identifier: MIT */
/* A chunk before it is encoded: what the stepping thread captures and hands over whole. Filling it allocates nothing
 * after the first chunk and formats nothing. */
#ifndef KT_CHUNK_H
#define KT_CHUNK_H

#include "arch/insn.h"
#include "base/buf.h"
#include "ktrace/step.h"

/* Limits of a chunk (store.md 2). The defaults are the maxima; smaller ones are for tests. */
enum { KT_CHUNK_STEPS = 65536, KT_FRAME_STEPS = 16384, KT_CHUNK_PAYLOAD = 1 << 20, KT_CHUNK_PAGES = 1024 };
struct kt_chunk_limits {
	u32 steps, payload, pages;
};

/* One captured step. Its accesses, events and cold registers are in `aux` from `aux` on, in that order, as
 * struct kt_raw_access (data following, padded to 8 bytes), struct kt_event, struct kt_regset. */
struct kt_raw_step {
	u64 pc;
	u32 insn; /* dictionary id, 0: none */
	u32 aux;
	u16 naccess;
	u8 nevent, ncold;
	u8 kind;
};
struct kt_raw_access {
	u64 va, pa;
	u32 size;
	u8 space, flags, elem, pad;
	u32 ndata; /* bytes of data that follow */
	u32 pad2;
};

struct kt_raw_page {
	u64 gpa;
	u8 *before; /* 4096 bytes: content when the chunk began */
};

struct kt_raw_chunk {
	const struct kt_arch *arch;
	struct kt_chunk_limits limits;
	u64 first;                /* number of its first step */
	u32 count;
	u64 regs[KT_REGS_MAX];    /* State(first), whole register file */
	u64 *frame_regs;          /* State at each frame's start: [frame * KT_REGS_MAX] */
	struct kt_raw_step *step; /* limits.steps of them */
	u64 *hot;                 /* limits.steps * nhot: after each step */
	struct kt_buf aux;
	u32 payload;              /* bytes of access data, events and cold registers so far: what limits.payload bounds */
	struct kt_raw_page *page; /* npages of them in use; a step may take it beyond limits.pages */
	u32 npages, page_cap;
	struct kt_buf device;     /* device state at the chunk's start; may be empty */
	u64 end_pc;               /* PC of State(first + count) */
};

/* false: out of memory. */
bool kt_raw_chunk_init(struct kt_raw_chunk *c, const struct kt_arch *arch, const struct kt_chunk_limits *limits);
void kt_raw_chunk_deinit(struct kt_raw_chunk *c);
/* Empties it for reuse; regs = State(first). */
void kt_raw_chunk_begin(struct kt_raw_chunk *c, u64 first, const u64 *regs);
/* Copies a step in. `regs` is the whole register file after it. The caller has checked kt_raw_chunk_full. */
bool kt_raw_chunk_add(struct kt_raw_chunk *c, const struct kt_step *s, const u64 *regs);
/* Remembers a page's content before its first write. Idempotence is the caller's business. When memory runs out, the
 * next kt_raw_chunk_add says so. */
void kt_raw_chunk_page(struct kt_raw_chunk *c, u64 gpa, const u8 *before);
/* Steps, payload or pages have reached their limit. One step may take payload and pages beyond it. */
bool kt_raw_chunk_full(const struct kt_raw_chunk *c);
/* The i-th step as a kt_step (pointers into the chunk; insn is NULL, its id in *insn_id). */
void kt_raw_chunk_get(const struct kt_raw_chunk *c, u32 i, struct kt_step *out, u32 *insn_id);

#endif
