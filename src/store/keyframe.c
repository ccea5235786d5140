/* SPDX-License-Identifier: MIT */
/* Register files at the frames of a chunk: the first as differences from zero, each other from the one before. */
#include <string.h>

#include "base/zst.h"
#include "store/codec.h"

enum { FRAMES_MAX = KT_CHUNK_STEPS / KT_FRAME_STEPS, RAW_MAX = FRAMES_MAX * (2 + KT_REGS_MAX * 12) };

static void put_one(struct kt_buf *b, const struct kt_arch *arch, const u64 *regs, const u64 *before)
{
	u32 n = 0, last = 0;
	for (u32 i = 0; i < arch->nregs; i++)
		n += regs[i] != before[i];
	kt_buf_varint(b, n);
	for (u32 i = 0; i < arch->nregs; i++) {
		if (regs[i] == before[i])
			continue;
		kt_buf_varint(b, i - last);
		kt_buf_svarint(b, (s64)(regs[i] - before[i]));
		last = i;
	}
}

int kt_keyframes_put(struct kt_buf *out, const struct kt_arch *arch, const u64 *regs, u32 nframes)
{
	static const u64 zero[KT_REGS_MAX];
	struct kt_buf raw = { 0 }, packed = { 0 };
	struct kt_zst *z = kt_zst_create(3);

	for (u32 i = 0; i < nframes; i++)
		put_one(&raw, arch, regs + (size_t)i * KT_REGS_MAX, i ? regs + (size_t)(i - 1) * KT_REGS_MAX : zero);
	bool ok = z && !raw.failed && !kt_zst_compress(z, raw.data, raw.len, &packed);
	bool small = ok && packed.len < raw.len;
	kt_buf_varint(out, raw.len);
	kt_buf_varint(out, small ? packed.len : 0);
	kt_buf_put(out, small ? packed.data : raw.data, small ? packed.len : raw.len);
	kt_zst_destroy(z);
	kt_buf_free(&raw);
	kt_buf_free(&packed);
	return ok && !out->failed ? 0 : -KT_E_NOMEM;
}

static bool get_one(struct kt_rd *r, const struct kt_arch *arch, u64 *regs, const u64 *before)
{
	memset(regs, 0, KT_REGS_MAX * sizeof(*regs));
	memcpy(regs, before, arch->nregs * sizeof(*regs));
	u64 n = kt_rd_varint(r), at = 0;
	if (n > arch->nregs)
		return false;
	for (u64 i = 0; i < n; i++) {
		u64 gap = kt_rd_varint(r);
		if (r->bad || gap >= arch->nregs - at)
			return false;
		at += gap;
		regs[at] += (u64)kt_rd_svarint(r);
	}
	return !r->bad;
}

static int get_all(struct kt_rd *r, const struct kt_arch *arch, u64 *regs, u32 nframes, struct kt_err *err)
{
	static const u64 zero[KT_REGS_MAX];
	for (u32 i = 0; i < nframes; i++)
		if (!get_one(r, arch, regs + (size_t)i * KT_REGS_MAX, i ? regs + (size_t)(i - 1) * KT_REGS_MAX : zero))
			return kt_fail(err, KT_E_CORRUPT, "keyframes: register file %u is malformed", i);
	return kt_rd_left(r) ? kt_fail(err, KT_E_CORRUPT, "keyframes: %zu bytes too many", kt_rd_left(r)) : 0;
}

int kt_keyframes_get(struct kt_rd *in, const struct kt_arch *arch, u64 *regs, u32 nframes, struct kt_err *err)
{
	u8 raw[RAW_MAX];
	u64 size = kt_rd_varint(in), packed = kt_rd_varint(in);

	if (in->bad || size > RAW_MAX || packed > RAW_MAX || nframes > FRAMES_MAX)
		return kt_fail(err, KT_E_CORRUPT, "keyframes: sizes");
	const u8 *p = kt_rd_bytes(in, (size_t)(packed ? packed : size));
	if (!p)
		return kt_fail(err, KT_E_CORRUPT, "keyframes are cut short");
	struct kt_rd r = kt_rd_of(p, (size_t)size);
	if (packed) {
		struct kt_zst *z = kt_zst_create(3);
		int rc = z ? kt_zst_decompress(z, p, (size_t)packed, raw, (size_t)size) : -KT_E_NOMEM;
		kt_zst_destroy(z);
		if (rc < 0)
			return kt_fail(err, (enum kt_code)-rc, "keyframes: %zu packed bytes do not unpack to %zu", (size_t)packed, (size_t)size);
		r = kt_rd_of(raw, (size_t)size);
	}
	return get_all(&r, arch, regs, nframes, err);
}
