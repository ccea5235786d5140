/* SPDX-License-Identifier: MIT */
#include "store/sums.h"

#include <string.h>

#include "store/seal.h"

int kt_sums_put(struct kt_buf *out, const struct kt_sums *s, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	int rc;

	kt_buf_varint(&raw, s->first);
	kt_buf_varint(&raw, s->count);
	kt_buf_u64(&raw, s->end_pc);
	for (unsigned i = 0; i < KT_SUMS; i++)
		kt_buf_varint(&raw, s->v[i]);
	kt_buf_u8(&raw, s->has_tail);
	if (s->has_tail)
		kt_buf_put(&raw, s->tail, sizeof s->tail);
	rc = raw.failed ? kt_fail(err, KT_E_NOMEM, "no memory for a chunk's totals") : kt_seal(NULL, raw.data, raw.len, out, err);
	kt_buf_free(&raw);
	return rc;
}

int kt_sums_get(struct kt_rd in, struct kt_sums *s, const char *what, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	int rc = kt_unseal(NULL, &in, 1024, &raw, what, err);

	*s = (struct kt_sums){ 0 };
	if (!rc) {
		struct kt_rd r = kt_rd_of(raw.data, raw.len);
		s->first = kt_rd_varint(&r);
		u64 count = kt_rd_varint(&r);
		s->end_pc = kt_rd_u64(&r);
		for (unsigned i = 0; i < KT_SUMS; i++)
			s->v[i] = kt_rd_varint(&r);
		u8 tail = kt_rd_u8(&r);
		const u8 *p = tail == 1 ? kt_rd_bytes(&r, sizeof s->tail) : NULL;
		s->count = (u32)count;
		s->has_tail = p != NULL;
		if (p)
			memcpy(s->tail, p, sizeof s->tail);
		if (r.bad || tail > 1 || !count || count > KT_CHUNK_STEPS)
			rc = kt_fail(err, KT_E_CORRUPT, "%s: the chunk's totals contradict themselves", what);
	}
	kt_buf_free(&raw);
	return rc;
}
