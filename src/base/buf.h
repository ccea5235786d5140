/* SPDX-License-Identifier: MIT */
/* Byte buffers: one that grows while writing, and a bounds-checked view for reading what nobody vouches for.
 * All integers little-endian. A varint is LEB128: 7 bits a byte, low group first, at most 10 bytes. */
#ifndef KT_BUF_H
#define KT_BUF_H

#include "base/types.h"

/* Zero-initialised is empty. `failed` is set once when memory runs out; from then on nothing is added, and the
 * caller asks once at the end. */
struct kt_buf {
	u8 *data;
	size_t len, cap;
	bool failed;
};

void kt_buf_free(struct kt_buf *b);
/* Keeps the memory. */
static inline void kt_buf_clear(struct kt_buf *b)
{
	b->len = 0;
}
/* Makes room for n more bytes and returns where they go (not yet counted in len), NULL when memory ran out. */
u8 *kt_buf_room(struct kt_buf *b, size_t n);
void kt_buf_put(struct kt_buf *b, const void *p, size_t n);
void kt_buf_u8(struct kt_buf *b, u8 v);
void kt_buf_u16(struct kt_buf *b, u16 v);
void kt_buf_u32(struct kt_buf *b, u32 v);
void kt_buf_u64(struct kt_buf *b, u64 v);
void kt_buf_varint(struct kt_buf *b, u64 v);
/* Zigzag: small magnitudes of either sign are short. */
void kt_buf_svarint(struct kt_buf *b, s64 v);

/* A view for reading. Past the end every read gives 0 and sets `bad`, which stays set: check it once. */
struct kt_rd {
	const u8 *p, *end;
	bool bad;
};

static inline struct kt_rd kt_rd_of(const void *p, size_t n)
{
	return (struct kt_rd){ (const u8 *)p, (const u8 *)p + n, false };
}
static inline size_t kt_rd_left(const struct kt_rd *r)
{
	return (size_t)(r->end - r->p);
}
/* n bytes, or NULL and bad. The pointer is into the view. */
const u8 *kt_rd_bytes(struct kt_rd *r, size_t n);
u8 kt_rd_u8(struct kt_rd *r);
u16 kt_rd_u16(struct kt_rd *r);
u32 kt_rd_u32(struct kt_rd *r);
u64 kt_rd_u64(struct kt_rd *r);
u64 kt_rd_varint(struct kt_rd *r);
s64 kt_rd_svarint(struct kt_rd *r);

#endif
