/* SPDX-License-Identifier: MIT */
/* Page versions in both directions: lists, deltas, groups. */
#include "store/pages.h"

#include <stdlib.h>
#include <string.h>

#include "store/seal.h"

enum { JOIN = 3 }; /* unchanged bytes between two runs that cost less than a new run */

void kt_page_list_free(struct kt_page_list *l)
{
	free(l->e);
	*l = (struct kt_page_list){ 0 };
}

void kt_page_list_put(struct kt_buf *out, const struct kt_page_list *l)
{
	u64 last = 0;

	kt_buf_varint(out, l->n);
	for (u32 i = 0; i < l->n; i++) {
		kt_buf_varint(out, l->e[i].page - last);
		last = l->e[i].page;
	}
	for (u32 i = 0; i < l->n; i++)
		kt_buf_u8(out, l->e[i].kind);
	for (u32 i = 0; i < l->n; i++)
		if (l->e[i].kind == KT_PAGE_DELTA || l->e[i].kind == KT_PAGE_SAME)
			kt_buf_varint(out, l->e[i].back);
	for (u32 i = 0; i < l->n; i++)
		if (l->e[i].kind == KT_PAGE_DELTA)
			kt_buf_varint(out, l->e[i].size);
}

static bool get_columns(struct kt_rd *r, struct kt_page_list *l)
{
	u64 page = 0;

	for (u32 i = 0; i < l->n; i++) {
		u64 step = kt_rd_varint(r);
		if ((i && !step) || step > (1ull << 52) - page)
			return false;
		l->e[i].page = page += step;
	}
	for (u32 i = 0; i < l->n; i++) {
		l->e[i].kind = kt_rd_u8(r);
		if (l->e[i].kind > KT_PAGE_SAME)
			return false;
	}
	for (u32 i = 0; i < l->n; i++)
		if (l->e[i].kind == KT_PAGE_DELTA || l->e[i].kind == KT_PAGE_SAME) {
			u64 back = kt_rd_varint(r);
			if (back > UINT32_MAX)
				return false;
			l->e[i].back = (u32)back;
		}
	for (u32 i = 0; i < l->n; i++) {
		u64 size = l->e[i].kind == KT_PAGE_DELTA ? kt_rd_varint(r) : l->e[i].kind == KT_PAGE_FULL ? KT_PAGE : 0;
		if (size > KT_PAGE)
			return false;
		l->e[i].size = (u32)size;
	}
	return !r->bad;
}

int kt_page_list_get(struct kt_rd *r, struct kt_page_list *l, const char *what, struct kt_err *err)
{
	u64 n = kt_rd_varint(r);

	kt_page_list_free(l);
	if (r->bad || n > kt_rd_left(r) / 2) /* at least an address and a kind each */
		return kt_fail(err, KT_E_CORRUPT, "%s: claims %llu pages", what, (unsigned long long)n);
	l->e = calloc(n ? (size_t)n : 1, sizeof *l->e);
	if (!l->e)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory for %llu pages", what, (unsigned long long)n);
	l->n = l->cap = (u32)n;
	if (!get_columns(r, l)) {
		kt_page_list_free(l);
		return kt_fail(err, KT_E_CORRUPT, "%s: its page list contradicts itself", what);
	}
	return 0;
}

const struct kt_page_entry *kt_page_list_find(const struct kt_page_list *l, u64 page)
{
	u32 lo = 0, hi = l->n;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		if (l->e[mid].page < page)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n && l->e[lo].page == page ? &l->e[lo] : NULL;
}

bool kt_page_is_zero(const u8 *page)
{
	return !page[0] && !memcmp(page, page + 1, KT_PAGE - 1);
}

static unsigned skip_equal(const u8 *a, const u8 *b, unsigned at)
{
	while (at + 8 <= KT_PAGE && !memcmp(a + at, b + at, 8))
		at += 8;
	while (at < KT_PAGE && a[at] == b[at])
		at++;
	return at;
}

void kt_page_delta_put(struct kt_buf *out, const u8 *from, const u8 *to)
{
	unsigned done = 0, at;

	while ((at = skip_equal(from, to, done)) < KT_PAGE) {
		unsigned end = at + 1, same = 0;
		for (unsigned i = end; i < KT_PAGE && same <= JOIN; i++) {
			same = from[i] == to[i] ? same + 1 : 0;
			if (!same)
				end = i + 1;
		}
		kt_buf_varint(out, at - done);
		kt_buf_varint(out, end - at);
		u8 *p = kt_buf_room(out, end - at);
		if (!p)
			return;
		for (unsigned i = at; i < end; i++)
			p[i - at] = from[i] ^ to[i];
		out->len += end - at;
		done = end;
	}
}

bool kt_page_delta_apply(u8 *page, const u8 *delta, size_t n)
{
	struct kt_rd r = kt_rd_of(delta, n);
	u64 at = 0;

	while (kt_rd_left(&r)) {
		u64 skip = kt_rd_varint(&r), len = kt_rd_varint(&r);
		if (r.bad || skip > KT_PAGE - at || len > KT_PAGE - at - skip)
			return false;
		const u8 *p = kt_rd_bytes(&r, (size_t)len);
		if (!p)
			return false;
		at += skip;
		for (u64 i = 0; i < len; i++)
			page[at + i] ^= p[i];
		at += len;
	}
	return true;
}

void kt_page_write(u8 *page, u64 gpa, const struct kt_access *a)
{
	if (!(a->flags & KT_ACCESS_WRITE) || a->space != KT_SPACE_RAM || !a->data)
		return;
	/* Unsigned differences: the write begins `in` bytes into the page, or the page `off` bytes into the write. */
	u64 in = a->pa >= gpa ? a->pa - gpa : 0, off = a->pa >= gpa ? 0 : gpa - a->pa;
	if (in >= KT_PAGE || off >= a->size)
		return;
	u64 n = KT_MIN((u64)KT_PAGE - in, (u64)a->size - off);
	if (!(a->flags & KT_ACCESS_FILL)) {
		memcpy(page + in, a->data + off, (size_t)n);
		return;
	}
	for (u64 i = 0; a->elem && i < n; i++)
		page[in + i] = a->data[(off + i) % a->elem];
}

int kt_pages_data(const struct kt_page_list *list, u32 index, struct kt_rd blob, struct kt_zst *z, struct kt_buf *out,
                  const char *what, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	u64 skip = 0, want = list->e[index].size;
	int rc = 0;

	for (u32 i = 0; i < index; i++)
		skip += list->e[i].size;
	/* Groups are cut behind an entry, so an entry lies in one group; the ones before are skipped packed. */
	while (!rc && want) {
		struct kt_rd size_of = blob;
		kt_rd_u8(&size_of);
		u64 raw_size = kt_rd_varint(&size_of);
		if (size_of.bad || raw_size > KT_PAGE_GROUP + KT_PAGE) {
			rc = kt_fail(err, KT_E_CORRUPT, "%s: its pages end before entry %u", what, index);
			break;
		}
		rc = kt_unseal(z, &blob, KT_PAGE_GROUP + KT_PAGE, &raw, what, err);
		if (rc)
			break;
		if (skip >= raw.len) {
			skip -= raw.len;
			continue;
		}
		if (want > raw.len - skip)
			rc = kt_fail(err, KT_E_CORRUPT, "%s: the data of page entry %u is cut", what, index);
		else
			kt_buf_put(out, raw.data + skip, (size_t)want);
		break;
	}
	kt_buf_free(&raw);
	if (!rc && out->failed)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory for a page", what);
	return rc;
}
