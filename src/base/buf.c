/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

void kt_buf_free(struct kt_buf *b)
{
	free(b->data);
	*b = (struct kt_buf){ 0 };
}

u8 *kt_buf_room(struct kt_buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (!b->data || n > b->cap - b->len) {
		size_t cap = b->cap ? b->cap : 256;
		while (cap - b->len < n) {
			if (cap > SIZE_MAX / 2) {
				b->failed = true;
				return NULL;
			}
			cap *= 2;
		}
		u8 *p = realloc(b->data, cap);
		if (!p) {
			b->failed = true;
			return NULL;
		}
		b->data = p;
		b->cap = cap;
	}
	return b->data + b->len;
}

void kt_buf_put(struct kt_buf *b, const void *p, size_t n)
{
	u8 *to = kt_buf_room(b, n);
	if (!to || !n)
		return;
	memcpy(to, p, n);
	b->len += n;
}

void kt_buf_u8(struct kt_buf *b, u8 v)
{
	kt_buf_put(b, &v, 1);
}

static void put_le(struct kt_buf *b, u64 v, unsigned n)
{
	u8 raw[8];
	for (unsigned i = 0; i < n; i++)
		raw[i] = (u8)(v >> (8 * i));
	kt_buf_put(b, raw, n);
}

void kt_buf_u16(struct kt_buf *b, u16 v)
{
	put_le(b, v, 2);
}

void kt_buf_u32(struct kt_buf *b, u32 v)
{
	put_le(b, v, 4);
}

void kt_buf_u64(struct kt_buf *b, u64 v)
{
	put_le(b, v, 8);
}

void kt_buf_varint(struct kt_buf *b, u64 v)
{
	u8 raw[10];
	unsigned n = 0;
	while (v > 127) {
		raw[n++] = (u8)(v | 128);
		v >>= 7;
	}
	raw[n++] = (u8)v;
	kt_buf_put(b, raw, n);
}

void kt_buf_svarint(struct kt_buf *b, s64 v)
{
	kt_buf_varint(b, (u64)v << 1 ^ (u64)(v >> 63));
}

const u8 *kt_rd_bytes(struct kt_rd *r, size_t n)
{
	if (r->bad || n > kt_rd_left(r)) {
		r->bad = true;
		return NULL;
	}
	const u8 *p = r->p;
	r->p += n;
	return p;
}

static u64 get_le(struct kt_rd *r, unsigned n)
{
	const u8 *p = kt_rd_bytes(r, n);
	u64 v = 0;
	for (unsigned i = 0; p && i < n; i++)
		v |= (u64)p[i] << (8 * i);
	return v;
}

u8 kt_rd_u8(struct kt_rd *r)
{
	return (u8)get_le(r, 1);
}

u16 kt_rd_u16(struct kt_rd *r)
{
	return (u16)get_le(r, 2);
}

u32 kt_rd_u32(struct kt_rd *r)
{
	return (u32)get_le(r, 4);
}

u64 kt_rd_u64(struct kt_rd *r)
{
	return get_le(r, 8);
}

u64 kt_rd_varint(struct kt_rd *r)
{
	u64 v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		u8 c = kt_rd_u8(r);
		if (r->bad || (shift == 63 && c > 1)) /* the tenth byte holds bit 63 alone */
			break;
		v |= (u64)(c & 127) << shift;
		if (!(c & 128))
			return v;
	}
	r->bad = true;
	return 0;
}

s64 kt_rd_svarint(struct kt_rd *r)
{
	u64 v = kt_rd_varint(r);
	return (s64)(v >> 1 ^ (0 - (v & 1)));
}
