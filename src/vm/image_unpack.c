/* SPDX-License-Identifier: MIT */
/* Unpacking compressed payloads. The compression is recognised by its first bytes; output is bounded, so a small file
 * that claims to be huge costs no more than the caller allows. */
#include "base/zst.h"
#include "vm/image_load.h"

#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { STEP = 256 << 10 };
enum { LZMA_MEMORY = 256 << 20 };
/* lz4's legacy frame (lz4_Frame_format.md, "Legacy frame"): magic, then blocks of up to 8 MiB behind their size. */
enum { LZ4_MAGIC = 0x184c2102, LZ4_BLOCK = 8 << 20 };

static int damaged(struct kt_err *err, const char *name, size_t at, size_t n)
{
	return kt_fail(err, KT_E_IMAGE, "the %s data is damaged or cut short, near byte %zu of %zu: get the file anew",
		       name, at, n);
}

static int too_large(struct kt_err *err, const char *name, u64 max)
{
	return kt_fail(err, KT_E_IMAGE,
		       "the %s data unpacks to more than %llu MiB, which the guest's memory does not hold: give it "
		       "more with --mem",
		       name, (unsigned long long)(max >> 20));
}

static int no_memory(struct kt_err *err, const char *name)
{
	return kt_fail(err, KT_E_NOMEM, "no memory to unpack the %s data", name);
}

static int unpack_gzip(const u8 *src, size_t n, u64 max, struct kt_buf *out, struct kt_err *err)
{
	z_stream z = { 0 };
	u64 total = 0;
	int rc = 0, got = Z_OK;
	if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK) /* +16: a gzip header, not zlib's */
		return no_memory(err, "gzip");
	z.next_in = (Bytef *)(uintptr_t)src;
	z.avail_in = (uInt)KT_MIN(n, (size_t)0x7fffffff);
	while (!rc && got != Z_STREAM_END) {
		u8 *to = kt_buf_room(out, STEP);
		if (!to) {
			rc = no_memory(err, "gzip");
			break;
		}
		z.next_out = to;
		z.avail_out = STEP;
		got = inflate(&z, Z_NO_FLUSH);
		size_t made = STEP - z.avail_out;
		if (got != Z_OK && got != Z_STREAM_END)
			rc = damaged(err, "gzip", z.total_in, n);
		else if (made > max - total)
			rc = too_large(err, "gzip", max);
		else
			out->len += made, total += made;
	}
	inflateEnd(&z);
	return rc;
}

static int unpack_lzma(const u8 *src, size_t n, u64 max, bool alone, struct kt_buf *out, struct kt_err *err)
{
	const char *name = alone ? "lzma" : "xz";
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret got = alone ? lzma_alone_decoder(&z, LZMA_MEMORY) : lzma_stream_decoder(&z, LZMA_MEMORY, 0);
	u64 total = 0;
	int rc = got == LZMA_OK ? 0 : no_memory(err, name);
	z.next_in = src;
	z.avail_in = n;
	while (!rc && got != LZMA_STREAM_END) {
		u8 *to = kt_buf_room(out, STEP);
		if (!to) {
			rc = no_memory(err, name);
			break;
		}
		z.next_out = to;
		z.avail_out = STEP;
		got = lzma_code(&z, LZMA_FINISH);
		size_t made = STEP - z.avail_out;
		if (got == LZMA_MEM_ERROR || got == LZMA_MEMLIMIT_ERROR)
			rc = no_memory(err, name);
		else if (got != LZMA_OK && got != LZMA_STREAM_END)
			rc = damaged(err, name, (size_t)z.total_in, n);
		else if (made > max - total)
			rc = too_large(err, name, max);
		else
			out->len += made, total += made;
	}
	lzma_end(&z);
	return rc;
}

static int unpack_zstd(const u8 *src, size_t n, u64 max, struct kt_buf *out, struct kt_err *err)
{
	size_t used = 0;
	switch (kt_zst_unpack(src, n, (size_t)max, out, &used)) {
	case 0: return 0;
	case -KT_E_NOMEM: return no_memory(err, "zstd");
	case -KT_E_RANGE: return too_large(err, "zstd", max);
	default: return damaged(err, "zstd", used, n);
	}
}

/* Linux puts the unpacked size (4 bytes) behind the last block: what is left then is no block. */
static int unpack_lz4(const u8 *src, size_t n, u64 max, struct kt_buf *out, struct kt_err *err)
{
	size_t at = 4;
	u64 total = 0;
	while (n - at > 4) {
		u32 size = image_u32(src + at);
		if (size == (u32)LZ4_MAGIC) { /* frames may follow one another */
			at += 4;
			continue;
		}
		if (!size || size > n - at - 4)
			return damaged(err, "lz4", at, n);
		u64 room = KT_MIN((u64)LZ4_BLOCK, max - total);
		u8 *to = kt_buf_room(out, (size_t)room + 1); /* +1: never a zero-sized target */
		if (!to)
			return no_memory(err, "lz4");
		int made = LZ4_decompress_safe((const char *)src + at + 4, (char *)to, (int)size, (int)room);
		if (made < 0)
			return room < LZ4_BLOCK ? too_large(err, "lz4", max) : damaged(err, "lz4", at, n);
		out->len += (size_t)made;
		total += (u64)made;
		at += 4 + (size_t)size;
	}
	return total ? 0 : damaged(err, "lz4", at, n);
}

enum pack { PACK_GZIP, PACK_XZ, PACK_LZMA, PACK_ZSTD, PACK_LZ4, PACK_BZIP2, PACK_LZO };

static const struct {
	const char *magic, *name;
	u8 len, pack;
} packs[] = {
	{ "\x1f\x8b", "gzip", 2, PACK_GZIP },
	{ "\xfd"
	  "7zXZ\0",
	  "xz", 6, PACK_XZ },
	{ "\x5d\0\0", "lzma", 3, PACK_LZMA },
	{ "\x28\xb5\x2f\xfd", "zstd", 4, PACK_ZSTD },
	{ "\x02\x21\x4c\x18", "lz4", 4, PACK_LZ4 },
	{ "BZh", "bzip2", 3, PACK_BZIP2 },
	{ "\x89LZO", "lzo", 4, PACK_LZO },
};

static int find_pack(const u8 *p, size_t n)
{
	for (unsigned i = 0; i < KT_ARRAY_LEN(packs); i++)
		if (n >= packs[i].len && !memcmp(p, packs[i].magic, packs[i].len))
			return (int)i;
	return -1;
}

const char *image_pack_name(const u8 *p, size_t n)
{
	int i = find_pack(p, n);
	return i < 0 ? NULL : packs[i].name;
}

int image_unpack(const u8 *src, size_t n, u64 max, struct kt_buf *out, struct kt_err *err)
{
	int i = find_pack(src, n);
	if (i < 0)
		return kt_fail(err, KT_E_IMAGE, "no known compression (gzip, xz, lzma, zstd, lz4)");
	switch ((enum pack)packs[i].pack) {
	case PACK_GZIP: return unpack_gzip(src, n, max, out, err);
	case PACK_XZ: return unpack_lzma(src, n, max, false, out, err);
	case PACK_LZMA: return unpack_lzma(src, n, max, true, out, err);
	case PACK_ZSTD: return unpack_zstd(src, n, max, out, err);
	case PACK_LZ4: return unpack_lz4(src, n, max, out, err);
	default:
		return kt_fail(err, KT_E_IMAGE,
			       "%s compression is not built in: unpack it yourself (the kernel's "
			       "scripts/extract-vmlinux) and give the vmlinux as --vm",
			       packs[i].name);
	}
}
