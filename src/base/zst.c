/* SPDX-License-Identifier: MIT */
#include "base/zst.h"

#include "ktrace/error.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* What `zstd --ultra -22` needs, and zstd's own default limit for streaming: 2^27. */
enum { WINDOW_LOG_MAX = 27 };

struct kt_zst {
	ZSTD_CCtx *c;
	ZSTD_DCtx *d;
	int level;
};

struct kt_zst *kt_zst_create(int level)
{
	struct kt_zst *z = calloc(1, sizeof *z);
	if (!z)
		return NULL;
	z->level = level;
	z->c = ZSTD_createCCtx();
	if (!z->c || ZSTD_isError(ZSTD_CCtx_setParameter(z->c, ZSTD_c_compressionLevel, level))) {
		kt_zst_destroy(z);
		return NULL;
	}
	return z;
}

void kt_zst_destroy(struct kt_zst *z)
{
	if (!z)
		return;
	ZSTD_freeCCtx(z->c);
	ZSTD_freeDCtx(z->d);
	free(z);
}

int kt_zst_compress(struct kt_zst *z, const void *src, size_t n, struct kt_buf *out)
{
	size_t bound = ZSTD_compressBound(n);
	u8 *to = ZSTD_isError(bound) ? NULL : kt_buf_room(out, bound);
	if (!to)
		return -KT_E_NOMEM;
	size_t got = ZSTD_compress2(z->c, to, bound, src, n);
	if (ZSTD_isError(got))
		return -KT_E_NOMEM; /* with room for the bound nothing else can go wrong */
	out->len += got;
	return 0;
}

static int code_of(size_t zstd_result)
{
	return ZSTD_getErrorCode(zstd_result) == ZSTD_error_memory_allocation ? -KT_E_NOMEM : -KT_E_CORRUPT;
}

int kt_zst_decompress(struct kt_zst *z, const void *src, size_t n, void *dst, size_t dst_size)
{
	if (!z->d && !(z->d = ZSTD_createDCtx()))
		return -KT_E_NOMEM;
	size_t got = ZSTD_decompressDCtx(z->d, dst, dst_size, src, n);
	if (ZSTD_isError(got))
		return code_of(got);
	return got == dst_size ? 0 : -KT_E_CORRUPT;
}

/* One frame through a ready context. */
static int unpack_frame(ZSTD_DCtx *d, const void *src, size_t n, size_t max, struct kt_buf *out, size_t *consumed)
{
	ZSTD_inBuffer in = { src, n, 0 };
	size_t step = ZSTD_DStreamOutSize(), total = 0;
	for (;;) {
		u8 *to = kt_buf_room(out, step);
		if (!to)
			return -KT_E_NOMEM;
		ZSTD_outBuffer o = { to, step, 0 };
		size_t before = in.pos, left = ZSTD_decompressStream(d, &o, &in);
		if (ZSTD_isError(left))
			return code_of(left);
		if (o.pos > max - total)
			return -KT_E_RANGE;
		out->len += o.pos;
		total += o.pos;
		if (!left)
			break;
		if (in.pos == before && !o.pos)
			return -KT_E_CORRUPT; /* wants more input than there is */
	}
	*consumed = in.pos;
	return 0;
}

int kt_zst_unpack(const void *src, size_t n, size_t max, struct kt_buf *out, size_t *consumed)
{
	size_t used = 0;
	ZSTD_DCtx *d = ZSTD_createDCtx();
	if (!d)
		return -KT_E_NOMEM;
	int rc = ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))
			 ? -KT_E_NOMEM
			 : unpack_frame(d, src, n, max, out, &used);
	ZSTD_freeDCtx(d);
	if (consumed)
		*consumed = used;
	return rc;
}
