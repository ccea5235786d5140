/* SPDX-License-Identifier: MIT */
/* What the files of src/trace share. */
#ifndef KT_TRACE_PRIV_H
#define KT_TRACE_PRIV_H

#include "ktrace/trace.h"
#include "store/reader.h"

/* A RAM write of one chunk, decoded once for memory questions. `data` is an offset into the bytes kept. */
struct kt_chunk_write {
	u64 pa;
	u32 step; /* in the chunk */
	u32 size, data;
	u8 flags, elem;
};
struct kt_chunk_writes {
	struct kt_chunk *chunk; /* NULL: empty */
	u32 frames;             /* how many are decoded */
	struct kt_chunk_write *w;
	size_t n, cap;
	struct kt_buf data;
};

struct kt_trace {
	struct kt_reader *reader;
	struct kt_trace_info info;
	struct kt_trace_image *images;
	unsigned nimages;
	struct kt_trace_ram ram[KT_RAM_MAX];
	unsigned nram;
	struct kt_chunk_writes writes;
	struct kt_decoder *decoder; /* for memory questions */
	struct kt_dict_view dict;
};

/* The reader underneath, for the parts that search by index. */
struct kt_reader *kt_trace_reader(const struct kt_trace *t);

void kt_trace_memory_free(struct kt_trace *t);

#endif
