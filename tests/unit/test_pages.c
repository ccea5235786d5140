/* SPDX-License-Identifier: MIT */
/* Page versions: deltas, writes that cross pages, lists, and which form a version takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/x86_regs.h"
#include "store/pages.h"
#include "store/seal.h"

static u64 rng = 88172645463325252ull;

static u64 rnd(u64 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

static void delta_bytes(void **state)
{
	static u8 a[KT_PAGE], b[KT_PAGE];
	struct kt_buf runs = { 0 }, bytes = { 0 };

	kt_page_delta_put(&runs, &bytes, a, b);
	assert_int_equal(runs.len + bytes.len, 0); /* equal pages: nothing */
	b[300] = 0x11;
	b[302] = 0x22; /* one run: a gap of one is cheaper within it */
	b[4095] = 0xff;
	kt_page_delta_put(&runs, &bytes, a, b);
	/* skip 300 = ac 02, length 3; skip 4095 - 303 = 3792 = d0 1d, length 1 */
	static const u8 want[] = { 0xac, 0x02, 3, 0xd0, 0x1d, 1 }, want_bytes[] = { 0x11, 0, 0x22, 0xff };
	assert_int_equal(runs.len, sizeof want);
	assert_memory_equal(runs.data, want, sizeof want);
	assert_int_equal(bytes.len, sizeof want_bytes);
	assert_memory_equal(bytes.data, want_bytes, sizeof want_bytes);
	kt_buf_free(&runs);
	kt_buf_free(&bytes);
}

static void delta_round_trip(void **state)
{
	static u8 a[KT_PAGE], b[KT_PAGE], c[KT_PAGE];
	struct kt_buf runs = { 0 }, bytes = { 0 };

	for (unsigned i = 0; i < 2000; i++) {
		for (unsigned k = 0; k < KT_PAGE; k++)
			a[k] = (u8)rnd(256);
		memcpy(b, a, KT_PAGE);
		for (u64 n = rnd(i % 50 + 1); n--;)
			memset(b + rnd(KT_PAGE - 64), (int)rnd(256), rnd(64));
		kt_buf_clear(&runs);
		kt_buf_clear(&bytes);
		kt_page_delta_put(&runs, &bytes, a, b);
		memcpy(c, a, KT_PAGE);
		struct kt_rd left = kt_rd_of(bytes.data, bytes.len);
		assert_true(kt_page_delta_apply(c, kt_rd_of(runs.data, runs.len), &left));
		assert_int_equal(kt_rd_left(&left), 0);
		assert_memory_equal(b, c, KT_PAGE);
	}
	kt_buf_free(&runs);
	kt_buf_free(&bytes);
}

static bool apply(u8 *page, const u8 *runs, size_t nruns, size_t nbytes)
{
	static const u8 bytes[KT_PAGE] = { 0xaa };
	struct kt_rd left = kt_rd_of(bytes, nbytes);
	return kt_page_delta_apply(page, kt_rd_of(runs, nruns), &left);
}

static void hostile_deltas(void **state)
{
	static u8 page[KT_PAGE];
	static const u8 beyond[] = { 0xff, 0x1f, 2 };  /* skip 4095, length 2 */
	static const u8 four[] = { 0, 4 };
	static const u8 far[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1 };
	static const u8 last[] = { 0xff, 0x1f, 1 };

	assert_false(apply(page, beyond, sizeof beyond, 100));
	assert_true(apply(page, four, sizeof four, 4));
	assert_false(apply(page, four, sizeof four, 3));
	assert_false(apply(page, four, 1, 4));
	assert_false(apply(page, far, sizeof far, 100));
	assert_true(apply(page, last, sizeof last, 1));
	assert_int_equal(page[4095], 0xaa);
	for (unsigned i = 0; i < 100000; i++) {
		u8 junk[24];
		for (unsigned k = 0; k < sizeof junk; k++)
			junk[k] = (u8)rnd(256);
		apply(page, junk, rnd(sizeof junk), rnd(KT_PAGE)); /* whatever it says, it stays within the page */
	}
}

static struct kt_access write_of(u64 pa, u32 size, u8 elem, const u8 *data)
{
	return (struct kt_access){ .pa = pa, .size = size, .space = KT_SPACE_RAM, .elem = elem, .data = data,
		                   .flags = (u8)(KT_ACCESS_WRITE | (elem ? KT_ACCESS_FILL : 0)) };
}

static void writes_in_a_page(void **state)
{
	static u8 page[KT_PAGE + 16];
	static const u8 d[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct kt_access a = write_of(0x4ffc, 8, 0, d);

	kt_page_write(page, 0x4000, &a); /* its first four bytes end the page */
	assert_memory_equal(page + 4092, d, 4);
	assert_int_equal(page[4096], 0);
	memset(page, 0, sizeof page);
	kt_page_write(page, 0x5000, &a); /* its last four begin the next */
	assert_memory_equal(page, d + 4, 4);
	assert_int_equal(page[4], 0);
	memset(page, 0, sizeof page);
	kt_page_write(page, 0x6000, &a);
	kt_page_write(page, 0x3000, &a);
	assert_true(kt_page_is_zero(page));
	a = write_of(0x4ffe, 10000, 4, d); /* a fill keeps its phase across the border */
	kt_page_write(page, 0x5000, &a);
	static const u8 want[] = { 3, 4, 1, 2, 3, 4 };
	assert_memory_equal(page, want, sizeof want);
	memset(page, 0, sizeof page);
	a = write_of(~0ull - 3, 100, 0, d); /* wraps: nothing of it lies in a page at 0 */
	a.size = 4;
	kt_page_write(page, 0, &a);
	assert_true(kt_page_is_zero(page));
	a = write_of(0x4000, 8, 0, d);
	a.flags = 0; /* a read */
	kt_page_write(page, 0x4000, &a);
	assert_true(kt_page_is_zero(page));
}

static void lists(void **state)
{
	struct kt_page_entry e[] = { { 0, 0, 0, KT_PAGE_FULL }, { 1, 3, 17, KT_PAGE_DELTA }, { 1ull << 50, 0, 0, KT_PAGE_ZERO },
		                     { (1ull << 50) + 9, 700, 0, KT_PAGE_SAME } };
	struct kt_page_list l = { e, 4, 4 }, got = { 0 };
	struct kt_buf b = { 0 };
	struct kt_err err;

	kt_page_list_put(&b, &l);
	struct kt_rd r = kt_rd_of(b.data, b.len);
	assert_int_equal(kt_page_list_get(&r, &got, "test", &err), 0);
	assert_int_equal(kt_rd_left(&r), 0);
	assert_int_equal(got.n, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(got.e[i].page == e[i].page && got.e[i].kind == e[i].kind && got.e[i].back == e[i].back && got.e[i].size == e[i].size);
		assert_ptr_equal(kt_page_list_find(&got, e[i].page), &got.e[i]);
	}
	assert_null(kt_page_list_find(&got, 2));
	for (size_t n = 0; n < b.len; n++) { /* cut anywhere, it is refused */
		r = kt_rd_of(b.data, n);
		assert_int_equal(kt_page_list_get(&r, &got, "test", &err), -KT_E_CORRUPT);
	}
	static const u8 many[] = { 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 1, 1 };
	r = kt_rd_of(many, sizeof many);
	assert_int_equal(kt_page_list_get(&r, &got, "test", &err), -KT_E_CORRUPT);
	kt_page_list_free(&got);
	kt_buf_free(&b);
}

/* One page written chunk after chunk: which form each version takes, and that what comes back is what was written. */
struct world {
	struct kt_pages *p;
	struct kt_page_set set;
	struct kt_page_list list;
	struct kt_buf blob;
	struct kt_zst *z;
	struct kt_raw_chunk raw;
	u8 page[KT_PAGE];
	u32 seq;
	unsigned misses;
};

static int count_miss(void *ctx, u64 page, const u8 *content, u32 checked, struct kt_err *err)
{
	struct world *w = ctx;
	assert_int_equal(page, 5);
	w->misses++;
	return 0;
}

static void world_init(struct world *w)
{
	static const struct kt_pages_ram ram = { 0, 16 * KT_PAGE };
	memset(w, 0, sizeof *w);
	w->p = kt_pages_create(&ram, 1);
	w->z = kt_zst_create(3);
	assert_true(w->p && w->z && kt_raw_chunk_init(&w->raw, &kt_arch_x86_64, NULL));
}

static void world_deinit(struct world *w)
{
	kt_pages_destroy(w->p);
	kt_page_set_free(&w->set);
	kt_page_list_free(&w->list);
	kt_buf_free(&w->blob);
	kt_zst_destroy(w->z);
	kt_raw_chunk_deinit(&w->raw);
}

/* A chunk that writes n bytes of `with` at `at` of page 5. Returns the kind of the version. */
static unsigned chunk_writes(struct world *w, u32 at, u32 n, u8 with)
{
	static const u64 regs[KT_REGS_MAX];
	struct kt_access a = write_of(5 * KT_PAGE + at, n, 1, &with);
	struct kt_err err;

	kt_raw_chunk_begin(&w->raw, 0, regs);
	kt_raw_chunk_page(&w->raw, 5 * KT_PAGE, w->page);
	kt_raw_chunk_page(&w->raw, 6 * KT_PAGE, (u8[KT_PAGE]){ 0 }); /* announced, not written: no version */
	assert_true(kt_page_set_begin(&w->set, &w->raw));
	assert_true(kt_page_set_write(&w->set, &a));
	memset(w->page + at, with, n);
	kt_buf_clear(&w->blob);
	assert_int_equal(kt_pages_build(w->p, &w->set, w->seq++, w->z, &w->list, &w->blob, count_miss, w, &err), 0);
	assert_int_equal(w->list.n, 1);
	assert_int_equal(w->list.e[0].page, 5);
	u8 page[KT_PAGE];
	memcpy(page, w->raw.page[0].before, KT_PAGE);
	assert_int_equal(kt_pages_apply(&w->list, 0, kt_rd_of(w->blob.data, w->blob.len), w->z, page, "test", &err), 0);
	assert_memory_equal(page, w->page, KT_PAGE);
	return w->list.e[0].kind;
}

static void forms(void **state)
{
	struct world w;

	world_init(&w);
	for (unsigned i = 0; i < KT_PAGE_DEPTH; i++) {
		assert_int_equal(chunk_writes(&w, 8 * i, 8, (u8)(i + 1)), KT_PAGE_DELTA);
		assert_int_equal(w.list.e[0].back, i ? 1 : 0); /* the first stands on the initial content */
	}
	assert_int_equal(chunk_writes(&w, 2000, 8, 1), KT_PAGE_FULL); /* 16 deltas are enough */
	assert_int_equal(chunk_writes(&w, 2000, 8, 1), KT_PAGE_SAME);
	assert_int_equal(chunk_writes(&w, 2000, 8, 2), KT_PAGE_DELTA);
	assert_int_equal(w.list.e[0].back, 2); /* not on the one that is none */
	assert_int_equal(chunk_writes(&w, 1000, 3069, 7), KT_PAGE_FULL); /* 3,069 bytes, and 4 that say where: over 3 KiB */
	assert_int_equal(chunk_writes(&w, 1000, 3068, 9), KT_PAGE_DELTA);
	assert_int_equal(chunk_writes(&w, 0, KT_PAGE, 0), KT_PAGE_ZERO);
	assert_int_equal(w.blob.len, 0); /* zeros cost nothing */
	assert_int_equal(chunk_writes(&w, 0, 1, 1), KT_PAGE_DELTA);
	assert_int_equal(w.misses, 0);
	w.page[99] ^= 1; /* changed unseen: counted once, and the version is whole */
	assert_int_equal(chunk_writes(&w, 0, 1, 2), KT_PAGE_FULL);
	assert_int_equal(w.misses, 1);
	assert_int_equal(chunk_writes(&w, 0, 1, 3), KT_PAGE_DELTA);
	assert_int_equal(w.misses, 1);
	w.page[98] ^= 1; /* ... even if the writes change nothing */
	assert_int_equal(chunk_writes(&w, 0, 1, 3), KT_PAGE_FULL);
	assert_int_equal(w.misses, 2);
	world_deinit(&w);
}

static void unannounced(void **state)
{
	static const u64 regs[KT_REGS_MAX];
	static const u8 d[8];
	struct world w;

	world_init(&w);
	kt_raw_chunk_begin(&w.raw, 0, regs);
	kt_raw_chunk_page(&w.raw, 5 * KT_PAGE, w.page);
	assert_true(kt_page_set_begin(&w.set, &w.raw));
	struct kt_access a = write_of(6 * KT_PAGE - 4, 8, 0, d);
	assert_false(kt_page_set_write(&w.set, &a)); /* its second half lies in a page nobody announced */
	a = write_of(~0ull, 8, 0, d);
	assert_false(kt_page_set_write(&w.set, &a));
	a = write_of(5 * KT_PAGE, 0, 0, d);
	assert_false(kt_page_set_write(&w.set, &a));
	world_deinit(&w);
}

/* Many pages in one chunk: groups are cut and found again. */
static void groups(void **state)
{
	enum { N = 200 };
	static const struct kt_pages_ram ram = { 0, N * KT_PAGE };
	static const u64 regs[KT_REGS_MAX];
	static u8 want[N][KT_PAGE];
	struct world w = { .z = kt_zst_create(3) };
	struct kt_err err;

	w.p = kt_pages_create(&ram, 1);
	assert_true(kt_raw_chunk_init(&w.raw, &kt_arch_x86_64, NULL));
	kt_raw_chunk_begin(&w.raw, 0, regs);
	for (unsigned i = 0; i < N; i++)
		kt_raw_chunk_page(&w.raw, i * KT_PAGE, want[i]);
	assert_true(kt_page_set_begin(&w.set, &w.raw));
	for (unsigned i = 0; i < N; i++) {
		u32 n = i % 3 ? KT_PAGE : 100;
		for (unsigned k = 0; k < n; k++)
			want[i][k] = (u8)rnd(256);
		struct kt_access a = write_of(i * KT_PAGE, n, 0, want[i]);
		assert_true(kt_page_set_write(&w.set, &a));
	}
	assert_int_equal(kt_pages_build(w.p, &w.set, 0, w.z, &w.list, &w.blob, count_miss, &w, &err), 0);
	assert_int_equal(w.list.n, N);
	for (unsigned i = 0; i < N; i++) {
		u8 page[KT_PAGE] = { 0 };
		assert_int_equal(w.list.e[i].kind, i % 3 ? KT_PAGE_FULL : KT_PAGE_DELTA);
		assert_int_equal(kt_pages_apply(&w.list, i, kt_rd_of(w.blob.data, w.blob.len), w.z, page, "test", &err), 0);
		assert_memory_equal(page, want[i], KT_PAGE);
	}
	u8 page[KT_PAGE];
	for (size_t n = 0; n < w.blob.len; n += 97)
		assert_int_equal(kt_pages_apply(&w.list, N - 1, kt_rd_of(w.blob.data, n), w.z, page, "test", &err), -KT_E_CORRUPT);
	world_deinit(&w);
}

static void seals(void **state)
{
	struct kt_zst *z = kt_zst_create(3);
	struct kt_buf b = { 0 }, out = { 0 };
	struct kt_err err;
	static u8 raw[5000];

	memset(raw, 7, 3000);
	assert_int_equal(kt_seal(z, raw, sizeof raw, &b, &err), 0);
	assert_true(b.len < 200);
	struct kt_rd r = kt_rd_of(b.data, b.len);
	assert_int_equal(kt_unseal(z, &r, sizeof raw, &out, "test", &err), 0);
	assert_int_equal(out.len, sizeof raw);
	assert_memory_equal(out.data, raw, sizeof raw);
	r = kt_rd_of(b.data, b.len);
	assert_int_equal(kt_unseal(z, &r, sizeof raw - 1, &out, "test", &err), -KT_E_CORRUPT); /* more than there can be */
	for (size_t i = 0; i < b.len; i++) { /* any byte wrong, any cut: refused */
		b.data[i] ^= 0x10;
		r = kt_rd_of(b.data, b.len);
		assert_int_equal(kt_unseal(z, &r, sizeof raw, &out, "test", &err), -KT_E_CORRUPT);
		b.data[i] ^= 0x10;
		r = kt_rd_of(b.data, i);
		assert_int_equal(kt_unseal(z, &r, sizeof raw, &out, "test", &err), -KT_E_CORRUPT);
	}
	kt_buf_free(&b);
	kt_buf_free(&out);
	kt_zst_destroy(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delta_bytes), cmocka_unit_test(delta_round_trip), cmocka_unit_test(hostile_deltas),
		cmocka_unit_test(writes_in_a_page), cmocka_unit_test(lists), cmocka_unit_test(forms),
		cmocka_unit_test(unannounced), cmocka_unit_test(groups), cmocka_unit_test(seals),
	};
	return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
