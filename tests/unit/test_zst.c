/* SPDX-License-Identifier: MIT */
/* zst: what went in comes out, and what nobody vouches for never writes past what was allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/zst.h"
#include "ktrace/error.h"

static void fill(u8 *p, size_t n)
{
	u32 x = 1;
	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		p[i] = (u8)(x >> 28); /* 4 random bits a byte: compressible by about half */
	}
}

static void round_trip(void **state)
{
	static u8 in[300000], back[300000];
	struct kt_zst *z = kt_zst_create(3);
	struct kt_buf b = { 0 };
	fill(in, sizeof in);
	kt_buf_u32(&b, 0x55aa); /* appended, not overwritten */
	assert_int_equal(kt_zst_compress(z, in, sizeof in, &b), 0);
	assert_int_equal(b.data[0], 0xaa);
	assert_true(b.len < sizeof in * 2 / 3);
	for (int twice = 0; twice < 2; twice++) {
		memset(back, 0, sizeof back);
		assert_int_equal(kt_zst_decompress(z, b.data + 4, b.len - 4, back, sizeof back), 0);
		assert_memory_equal(in, back, sizeof in);
	}
	assert_int_equal(kt_zst_decompress(z, b.data + 4, b.len - 4, back, sizeof back - 1), -KT_E_CORRUPT);
	static u8 more[sizeof in + 1];
	assert_int_equal(kt_zst_decompress(z, b.data + 4, b.len - 4, more, sizeof more), -KT_E_CORRUPT);
	for (size_t cut = 0; cut < b.len - 4; cut += 997)
		assert_int_equal(kt_zst_decompress(z, b.data + 4, cut, back, sizeof back), -KT_E_CORRUPT);
	kt_buf_free(&b);
	kt_zst_destroy(z);
	kt_zst_destroy(NULL);
}

static void empty(void **state)
{
	struct kt_zst *z = kt_zst_create(19);
	struct kt_buf b = { 0 };
	assert_int_equal(kt_zst_compress(z, NULL, 0, &b), 0);
	assert_true(b.len > 0);
	assert_int_equal(kt_zst_decompress(z, b.data, b.len, NULL, 0), 0);
	kt_buf_free(&b);
	kt_zst_destroy(z);
}

static void unpack(void **state)
{
	static u8 in[400000];
	struct kt_zst *z = kt_zst_create(1);
	struct kt_buf b = { 0 }, out = { 0 };
	size_t used = 7;
	fill(in, sizeof in);
	assert_int_equal(kt_zst_compress(z, in, sizeof in, &b), 0);
	size_t frame = b.len;
	kt_buf_u32(&b, sizeof in); /* as Linux puts the size behind its payload */
	assert_int_equal(kt_zst_unpack(b.data, b.len, sizeof in, &out, &used), 0);
	assert_int_equal(out.len, sizeof in);
	assert_memory_equal(out.data, in, sizeof in);
	assert_int_equal(used, frame);
	kt_buf_clear(&out);
	assert_int_equal(kt_zst_unpack(b.data, b.len, sizeof in - 1, &out, &used), -KT_E_RANGE);
	assert_true(out.len < sizeof in);
	kt_buf_clear(&out);
	assert_int_equal(kt_zst_unpack(b.data, frame - 1, sizeof in, &out, NULL), -KT_E_CORRUPT);
	assert_int_equal(kt_zst_unpack(b.data, 0, sizeof in, &out, NULL), -KT_E_CORRUPT);
	assert_int_equal(kt_zst_unpack("not zstd", 8, 100, &out, NULL), -KT_E_CORRUPT);
	kt_buf_free(&out);
	kt_buf_free(&b);
	kt_zst_destroy(z);
}

/* Every byte of a frame flipped, one after the other: an answer, never a crash, never a byte too many. */
static void flipped(void **state)
{
	u8 in[2000], back[2000 + 8];
	struct kt_zst *z = kt_zst_create(3);
	struct kt_buf b = { 0 }, out = { 0 };
	fill(in, sizeof in);
	assert_int_equal(kt_zst_compress(z, in, sizeof in, &b), 0);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0xff;
		memset(back + 2000, 0x5a, 8);
		int rc = kt_zst_decompress(z, b.data, b.len, back, 2000);
		assert_true(rc == 0 || rc == -KT_E_CORRUPT);
		for (int k = 0; k < 8; k++)
			assert_int_equal(back[2000 + k], 0x5a);
		kt_buf_clear(&out);
		kt_zst_unpack(b.data, b.len, 3000, &out, NULL);
		assert_true(out.len <= 3000);
		b.data[i] ^= 0xff;
	}
	kt_buf_free(&out);
	kt_buf_free(&b);
	kt_zst_destroy(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(empty),
		cmocka_unit_test(unpack),
		cmocka_unit_test(flipped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
