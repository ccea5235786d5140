/* SPDX-License-Identifier: MIT */
/* A frame's outside: header, stream sizes, long data compressed. doc/format.md, "Frame". */
#ifndef KT_CODEC_FRAME_H
#define KT_CODEC_FRAME_H

#include "base/zst.h"
#include "store/codec.h"

enum {
	KT_FRAME_VERSION = 1,
	/* Features: a reader refuses bits that it does not know. */
	KT_FRAME_INITIAL = 1 /* written with the initial memory at hand */
};

struct kt_frame {
	u32 count;
	u8 features;
	s64 end; /* PC behind the last step minus PC of the last step */
	const u8 *stream[KT_STREAMS];
	size_t size[KT_STREAMS];
};

void kt_frame_put(struct kt_buf *out, const struct kt_frame *f);
/* Splits n bytes into streams (pointers into them). count must be what the caller expects. -KT_E_CORRUPT, -KT_E_VERSION. */
int kt_frame_get(const u8 *p, size_t n, u32 count, struct kt_frame *f, struct kt_err *err);

/* The DATA stream: long data (compressed if that helps), then decisions. */
int kt_frame_put_bulk(struct kt_zst *z, const struct kt_buf *bulk, struct kt_buf *out);
/* Unpacks long data to `bulk`; *rest is where the decisions begin. */
int kt_frame_get_bulk(struct kt_zst *z, const u8 *p, size_t n, struct kt_buf *bulk, struct kt_rd *rest, struct kt_err *err);

#endif
