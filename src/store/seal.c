/* SPDX-License-Identifier: MIT */
#include "store/seal.h"

#include <string.h>
#include <xxhash.h>

enum { METHOD_STORED = 0, METHOD_ZSTD = 1 };

u64 kt_hash64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

void kt_hash128(const void *p, size_t n, u8 out[16])
{
	XXH128_canonical_t c;
	XXH128_canonicalFromHash(&c, XXH3_128bits(p, n));
	memcpy(out, c.digest, 16);
}

int kt_seal(struct kt_zst *z, const void *raw, size_t n, struct kt_buf *out, struct kt_err *err)
{
	struct kt_buf packed = { 0 };
	const void *payload = raw;
	size_t size = n;
	u8 method = METHOD_STORED;

	if (z && n > 16 && !kt_zst_compress(z, raw, n, &packed) && packed.len < n) {
		payload = packed.data;
		size = packed.len;
		method = METHOD_ZSTD;
	}
	kt_buf_u8(out, method);
	kt_buf_varint(out, n);
	if (method == METHOD_ZSTD)
		kt_buf_varint(out, size);
	kt_buf_u64(out, kt_hash64(payload, size));
	kt_buf_put(out, payload, size);
	kt_buf_free(&packed);
	return out->failed ? kt_fail(err, KT_E_NOMEM, "no memory for %zu bytes of a blob", size) : 0;
}

int kt_unseal(struct kt_zst *z, struct kt_rd *in, size_t max, struct kt_buf *out, const char *what, struct kt_err *err)
{
	u8 method = kt_rd_u8(in);
	u64 raw = kt_rd_varint(in);
	u64 size = method == METHOD_ZSTD ? kt_rd_varint(in) : raw;
	u64 hash = kt_rd_u64(in);

	kt_buf_clear(out);
	if (in->bad || method > METHOD_ZSTD || size > kt_rd_left(in))
		return kt_fail(err, KT_E_CORRUPT, "%s: the blob is cut short or its head is damaged", what);
	if (raw > max)
		return kt_fail(err, KT_E_CORRUPT, "%s: claims %llu bytes, more than the %zu there can be", what, (unsigned long long)raw, max);
	const u8 *p = kt_rd_bytes(in, (size_t)size);
	if (kt_hash64(p, (size_t)size) != hash)
		return kt_fail(err, KT_E_CORRUPT, "%s: checksum mismatch: the file was damaged", what);
	u8 *to = kt_buf_room(out, (size_t)raw + 1);
	if (!to)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory for %llu bytes", what, (unsigned long long)raw);
	if (method == METHOD_STORED) {
		memcpy(to, p, (size_t)raw);
	} else {
		int rc = kt_zst_decompress(z, p, (size_t)size, to, (size_t)raw);
		if (rc == -KT_E_NOMEM)
			return kt_fail(err, KT_E_NOMEM, "%s: no memory to unpack", what);
		if (rc)
			return kt_fail(err, KT_E_CORRUPT, "%s: does not unpack to its %llu bytes", what, (unsigned long long)raw);
	}
	out->len = (size_t)raw;
	return 0;
}

void kt_seal_skip(struct kt_rd *in)
{
	u8 method = kt_rd_u8(in);
	u64 raw = kt_rd_varint(in), size = method == METHOD_ZSTD ? kt_rd_varint(in) : raw;

	kt_rd_u64(in);
	if (size > kt_rd_left(in))
		in->bad = true;
	else
		kt_rd_bytes(in, (size_t)size);
}
