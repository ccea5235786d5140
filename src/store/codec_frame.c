/* SPDX-License-Identifier: MIT */
#include "store/codec_frame.h"

/* Long data of one frame: the payload limit, and one step beyond it. */
enum { BULK_MAX = KT_CHUNK_PAYLOAD + (1 << 20) };

void kt_frame_put(struct kt_buf *out, const struct kt_frame *f)
{
	kt_buf_u8(out, KT_FRAME_VERSION);
	kt_buf_u8(out, f->features);
	kt_buf_varint(out, f->count);
	kt_buf_svarint(out, f->end);
	for (unsigned i = 0; i < KT_STREAMS; i++)
		kt_buf_varint(out, f->size[i]);
	for (unsigned i = 0; i < KT_STREAMS; i++)
		kt_buf_put(out, f->stream[i], f->size[i]);
}

int kt_frame_get(const u8 *p, size_t n, u32 count, struct kt_frame *f, struct kt_err *err)
{
	struct kt_rd r = kt_rd_of(p, n);
	u8 version = kt_rd_u8(&r), features = kt_rd_u8(&r);

	if (!r.bad && (version != KT_FRAME_VERSION || features & ~KT_FRAME_INITIAL))
		return kt_fail(err, KT_E_VERSION, "frame of version %u, features %#x; this reader knows version %u: use a newer ktrace", version,
		               features, KT_FRAME_VERSION);
	u64 has = kt_rd_varint(&r);
	f->features = features;
	f->count = (u32)has;
	f->end = kt_rd_svarint(&r);
	u64 size[KT_STREAMS];
	for (unsigned i = 0; i < KT_STREAMS; i++)
		size[i] = kt_rd_varint(&r);
	for (unsigned i = 0; i < KT_STREAMS; i++) {
		f->size[i] = (size_t)size[i];
		f->stream[i] = kt_rd_bytes(&r, size[i] > n ? n + 1 : (size_t)size[i]);
	}
	if (r.bad || has != count || !count || count > KT_FRAME_STEPS || kt_rd_left(&r))
		return kt_fail(err, KT_E_CORRUPT, "frame of %zu bytes: its header contradicts its size or its %u steps", n, count);
	return 0;
}

int kt_frame_put_bulk(struct kt_zst *z, const struct kt_buf *bulk, struct kt_buf *out)
{
	struct kt_buf packed = { 0 };
	int rc = bulk->len ? kt_zst_compress(z, bulk->data, bulk->len, &packed) : 0;

	if (!rc) {
		bool raw = packed.len >= bulk->len;
		kt_buf_varint(out, bulk->len);
		if (bulk->len)
			kt_buf_varint(out, raw ? 0 : packed.len);
		kt_buf_put(out, raw ? bulk->data : packed.data, raw ? bulk->len : packed.len);
	}
	kt_buf_free(&packed);
	return rc;
}

int kt_frame_get_bulk(struct kt_zst *z, const u8 *p, size_t n, struct kt_buf *bulk, struct kt_rd *rest, struct kt_err *err)
{
	*rest = kt_rd_of(p, n);
	u64 size = kt_rd_varint(rest), packed = size ? kt_rd_varint(rest) : 0;

	kt_buf_clear(bulk);
	if (rest->bad || size > BULK_MAX || packed >= BULK_MAX)
		return kt_fail(err, KT_E_CORRUPT, "data stream of %zu bytes: sizes", n);
	const u8 *from = kt_rd_bytes(rest, (size_t)(packed ? packed : size));
	u8 *to = kt_buf_room(bulk, (size_t)size + 1); /* an empty buffer has no room of 0 bytes */
	if (!from)
		return kt_fail(err, KT_E_CORRUPT, "data stream of %zu bytes is cut short", n);
	if (!to && size)
		return kt_fail(err, KT_E_NOMEM, "no memory for %zu bytes of data", (size_t)size);
	if (!packed) {
		kt_buf_put(bulk, from, (size_t)size);
		return 0;
	}
	bulk->len = (size_t)size;
	int rc = kt_zst_decompress(z, from, (size_t)packed, to, (size_t)size);
	return rc < 0 ? kt_fail(err, (enum kt_code)-rc, "data stream: its %zu packed bytes do not unpack to %zu", (size_t)packed, (size_t)size) : 0;
}
