/* SPDX-License-Identifier: MIT */
#include "store/segment.h"

#include <stdlib.h>

#include "store/seal.h"

void kt_seg_free(struct kt_seg_list *l)
{
	free(l->e);
	*l = (struct kt_seg_list){ 0 };
}

struct kt_seg_entry *kt_seg_append(struct kt_seg_list *l)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct kt_seg_entry *e = realloc(l->e, cap * sizeof *e);
		if (!e)
			return NULL;
		l->e = e;
		l->cap = cap;
	}
	return &l->e[l->n++];
}

bool kt_seg_merge(struct kt_seg_list *l, const struct kt_seg_entry *e, size_t n, unsigned part)
{
	size_t cap = l->n + n, a = 0, b = 0, to = 0;
	struct kt_seg_entry *out = malloc((cap ? cap : 1) * sizeof *out);

	if (!out)
		return false;
	while (a < l->n || b < n) {
		if (b == n || (a < l->n && l->e[a].key < e[b].key)) {
			out[to++] = l->e[a++];
			continue;
		}
		out[to] = (struct kt_seg_entry){ e[b].key, 1ull << part, e[b].count };
		if (a < l->n && l->e[a].key == e[b].key) {
			out[to].mask |= l->e[a].mask;
			out[to].count += l->e[a].count;
			a++;
		}
		b++;
		to++;
	}
	free(l->e);
	*l = (struct kt_seg_list){ out, to, cap };
	return true;
}

int kt_seg_pack(const struct kt_seg_list *l, bool counts, struct kt_zst *z, struct kt_buf *out, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	u64 last = 0;
	int rc;

	kt_buf_varint(&raw, l->n);
	for (size_t i = 0; i < l->n; i++) {
		kt_buf_varint(&raw, l->e[i].key - last);
		last = l->e[i].key;
	}
	for (size_t i = 0; i < l->n; i++)
		kt_buf_u64(&raw, l->e[i].mask);
	for (size_t i = 0; counts && i < l->n; i++)
		kt_buf_varint(&raw, l->e[i].count);
	rc = raw.failed ? kt_fail(err, KT_E_NOMEM, "no memory for a segment of the index") : kt_seal(z, raw.data, raw.len, out, err);
	kt_buf_free(&raw);
	return rc;
}

static int read_columns(struct kt_seg_list *l, bool counts, struct kt_rd *r, const char *what, struct kt_err *err)
{
	u64 n = kt_rd_varint(r), last = 0;

	if (r->bad || n > kt_rd_left(r) / 9) /* a key takes at least one byte, a mask eight */
		return kt_fail(err, KT_E_CORRUPT, "%s: claims %llu keys", what, (unsigned long long)n);
	l->e = calloc(n ? (size_t)n : 1, sizeof *l->e);
	if (!l->e)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory for %llu keys", what, (unsigned long long)n);
	l->n = l->cap = (size_t)n;
	for (size_t i = 0; i < l->n; i++) {
		u64 step = kt_rd_varint(r);
		if ((i && !step) || last + step < last)
			return kt_fail(err, KT_E_CORRUPT, "%s: keys do not ascend", what);
		l->e[i].key = last += step;
	}
	for (size_t i = 0; i < l->n; i++)
		l->e[i].mask = kt_rd_u64(r);
	for (size_t i = 0; counts && i < l->n; i++)
		l->e[i].count = kt_rd_varint(r);
	if (r->bad || kt_rd_left(r))
		return kt_fail(err, KT_E_CORRUPT, "%s: its columns do not fit its %llu keys", what, (unsigned long long)n);
	return 0;
}

int kt_seg_unpack(struct kt_seg_list *l, bool counts, struct kt_rd in, struct kt_zst *z, const char *what, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	int rc = kt_unseal(z, &in, (size_t)KT_SEGMENT_KEYS, &raw, what, err);

	kt_seg_free(l);
	if (!rc) {
		struct kt_rd r = kt_rd_of(raw.data, raw.len);
		rc = read_columns(l, counts, &r, what, err);
		if (rc)
			kt_seg_free(l);
	}
	kt_buf_free(&raw);
	return rc;
}

const struct kt_seg_entry *kt_seg_find(const struct kt_seg_list *l, u64 key)
{
	size_t lo = 0, hi = l->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->e[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n && l->e[lo].key == key ? &l->e[lo] : NULL;
}
