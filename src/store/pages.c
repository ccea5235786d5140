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
		u64 size = l->e[i].kind == KT_PAGE_DELTA ? kt_rd_varint(r) : 0;
		if (size > 2 * KT_PAGE) /* a run of at least a byte and one alike behind it: fewer than 2 bytes a byte */
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

void kt_page_delta_put(struct kt_buf *runs, struct kt_buf *bytes, const u8 *from, const u8 *to)
{
	unsigned done = 0, at;

	while ((at = skip_equal(from, to, done)) < KT_PAGE) {
		unsigned end = at + 1, same = 0;
		for (unsigned i = end; i < KT_PAGE && same <= JOIN; i++) {
			same = from[i] == to[i] ? same + 1 : 0;
			if (!same)
				end = i + 1;
		}
		kt_buf_varint(runs, at - done);
		kt_buf_varint(runs, end - at);
		kt_buf_put(bytes, to + at, end - at);
		done = end;
	}
}

bool kt_page_delta_apply(u8 *page, struct kt_rd runs, struct kt_rd *bytes)
{
	u64 at = 0;

	while (kt_rd_left(&runs)) {
		u64 skip = kt_rd_varint(&runs), len = kt_rd_varint(&runs);
		if (runs.bad || skip > KT_PAGE - at || len > KT_PAGE - at - skip)
			return false;
		const u8 *p = kt_rd_bytes(bytes, (size_t)len);
		if (!p)
			return false;
		memcpy(page + at + skip, p, (size_t)len);
		at += skip + len;
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

/* Bytes that a run list takes out of a group's bytes. */
static size_t bytes_of(struct kt_rd runs)
{
	u64 sum = 0;

	while (kt_rd_left(&runs)) {
		kt_rd_varint(&runs);
		u64 len = kt_rd_varint(&runs);
		sum += len > KT_PAGE ? KT_PAGE + 1 : len; /* too long: whoever applies it says so */
	}
	return (size_t)sum;
}

static bool has_data(const struct kt_page_entry *e)
{
	return e->kind == KT_PAGE_DELTA || e->kind == KT_PAGE_FULL;
}

/* Within the open group: over the entries before, then the one asked for. */
static bool apply_in(const struct kt_page_list *list, u32 first, u32 index, struct kt_rd runs, struct kt_rd bytes, u8 *page)
{
	for (u32 i = first; i <= index; i++) {
		const struct kt_page_entry *e = &list->e[i];
		if (!has_data(e))
			continue;
		const u8 *r = kt_rd_bytes(&runs, e->size); /* 0 for a whole page */
		if (!r)
			return false;
		struct kt_rd own = kt_rd_of(r, e->size);
		if (i == index && e->kind == KT_PAGE_DELTA)
			return kt_page_delta_apply(page, own, &bytes);
		const u8 *p = kt_rd_bytes(&bytes, e->kind == KT_PAGE_FULL ? (size_t)KT_PAGE : bytes_of(own));
		if (!p)
			return false;
		if (i == index)
			memcpy(page, p, KT_PAGE);
	}
	return true;
}

int kt_pages_apply(const struct kt_page_list *list, u32 index, struct kt_rd blob, struct kt_zst *z, u8 *page, const char *what,
                   struct kt_err *err)
{
	struct kt_buf runs = { 0 }, bytes = { 0 };
	u32 first = 0;
	int rc = 0;

	if (!has_data(&list->e[index])) {
		if (list->e[index].kind == KT_PAGE_ZERO)
			memset(page, 0, KT_PAGE);
		return 0;
	}
	for (;;) { /* groups before the one that holds it are skipped packed */
		u64 n = kt_rd_varint(&blob);
		u32 next = first;
		for (u64 left = n; left && next < list->n; next++)
			left -= has_data(&list->e[next]);
		if (blob.bad || !n || n > list->n)
			return kt_fail(err, KT_E_CORRUPT, "%s: its groups end before page 0x%llx", what, (unsigned long long)list->e[index].page << KT_PAGE_SHIFT);
		if (index < next)
			break;
		kt_seal_skip(&blob);
		kt_seal_skip(&blob);
		first = next;
	}
	rc = kt_unseal(z, &blob, 2 * (KT_PAGE_GROUP + KT_PAGE), &runs, what, err);
	if (!rc)
		rc = kt_unseal(z, &blob, KT_PAGE_GROUP + KT_PAGE, &bytes, what, err);
	if (!rc && !apply_in(list, first, index, kt_rd_of(runs.data, runs.len), kt_rd_of(bytes.data, bytes.len), page))
		rc = kt_fail(err, KT_E_CORRUPT, "%s: the data of page 0x%llx contradict themselves", what, (unsigned long long)list->e[index].page << KT_PAGE_SHIFT);
	kt_buf_free(&runs);
	kt_buf_free(&bytes);
	return rc;
}
