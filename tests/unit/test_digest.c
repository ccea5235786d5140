/* SPDX-License-Identifier: MIT */
/* The digest hashes the bytes that doc/format.md names, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "arch/x86_64/x86_regs.h"
#include "store/digest.h"

static u64 before[X86_NHOT], after[X86_NHOT];

static void leaf_of(const struct kt_step *s, u8 leaf[KT_LEAF_BYTES])
{
	struct kt_digest *d = kt_digest_create(&kt_arch_x86_64, 0);
	assert_non_null(d);
	assert_false(kt_digest_tail(d, leaf));
	kt_digest_step(d, s, before);
	assert_true(kt_digest_tail(d, leaf));
	kt_digest_destroy(d);
}

static struct kt_step *new_step(void)
{
	static struct kt_step s;
	memset(&s, 0, sizeof(s));
	memset(before, 0, sizeof(before));
	memset(after, 0, sizeof(after));
	s.hot = after;
	s.nhot = X86_NHOT;
	return &s;
}

/* Bytes of one step written out by hand from the specification. */
static void record_layout(void **state)
{
	struct kt_step *s = new_step();
	static const u8 stored[3] = { 0xaa, 0xbb, 0xcc }, in[1] = { 0x42 }, elem[2] = { 1, 2 }, loaded[4] = { 9, 9, 9, 9 };
	s->kind = KT_STEP_EXCEPTION;
	s->pc = 0x1122334455667788;
	before[0] = 5;
	before[3] = after[3] = 77;
	after[0] = 6;
	after[17] = 0x202;
	s->cold[s->ncold++] = (struct kt_regset){ .reg = X86_cr2, .value = 0xdead };
	s->event[s->nevent++] = (struct kt_event){ .kind = KT_EVENT_CONSOLE, .num = 1, .code = 'x' };
	s->event[s->nevent++] = (struct kt_event){ .kind = KT_EVENT_EXCEPTION, .num = 14, .code = 2, .value = 0xdead };
	s->access[s->naccess++] = (struct kt_access){ .va = 1, .pa = 2, .size = 4, .data = loaded };
	s->access[s->naccess++] = (struct kt_access){ .va = 0, .pa = 0x60, .size = 1, .space = KT_SPACE_PORT, .data = in };
	s->access[s->naccess++] = (struct kt_access){ .va = 0x999, .pa = 0x2001, .size = 3, .flags = KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT, .data = stored };
	s->access[s->naccess++] = (struct kt_access){ .pa = 0x3000, .size = 4096, .flags = KT_ACCESS_WRITE | KT_ACCESS_FILL, .elem = 2, .data = elem };
	const u64 want[] = {
		1 | 1 << 8 | 1 << 16 | 3 << 24, 0x1122334455667788, 1 | 1 << 17, 6, 0x202,
		X86_cr2, 0xdead,
		KT_EVENT_EXCEPTION | 14ull << 16 | 2ull << 32, 0xdead,
		0x60, 1 | (u64)KT_SPACE_PORT << 32, 0x42,
		0x2001, 3 | 1ull << 40, 0xccbbaa,
		0x3000, 4096 | 3ull << 40 | 2ull << 48, 0x0201,
	};
	u8 leaf[KT_LEAF_BYTES];
	XXH128_canonical_t c;
	leaf_of(s, leaf);
	XXH128_canonicalFromHash(&c, XXH3_128bits(want, sizeof(want)));
	assert_memory_equal(leaf, c.digest, KT_LEAF_BYTES);
}

/* What is not of the guest's making changes nothing; what is changes the leaf. */
static void what_counts(void **state)
{
	u8 plain[KT_LEAF_BYTES], other[KT_LEAF_BYTES];
	static u8 data[8];
	struct kt_step *s = new_step();
	leaf_of(s, plain);
	s->event[s->nevent++] = (struct kt_event){ .kind = KT_EVENT_IDLE, .value = 5 };
	s->access[s->naccess++] = (struct kt_access){ .pa = 4, .size = 8, .data = data };
	s->insn = (void *)data;
	leaf_of(s, other);
	assert_memory_equal(plain, other, KT_LEAF_BYTES);
	s->pc++;
	leaf_of(s, other);
	assert_memory_not_equal(plain, other, KT_LEAF_BYTES);
	s = new_step();
	s->event[s->nevent++] = (struct kt_event){ .kind = KT_EVENT_IRQ, .num = 32 };
	leaf_of(s, other);
	assert_memory_not_equal(plain, other, KT_LEAF_BYTES);
	s = new_step();
	s->access[s->naccess++] = (struct kt_access){ .pa = 0x1f0, .size = 4, .space = KT_SPACE_MMIO, .data = data };
	leaf_of(s, other);
	assert_memory_not_equal(plain, other, KT_LEAF_BYTES);
	memcpy(plain, other, KT_LEAF_BYTES);
	data[3] = 1;
	leaf_of(s, other);
	assert_memory_not_equal(plain, other, KT_LEAF_BYTES);
}

/* A digest cut and continued elsewhere has the same leaves; leaves end at multiples of 65,536. */
static void leaves(void **state)
{
	struct kt_step *s = new_step();
	u8 leaf[KT_LEAF_BYTES], tail[KT_LEAF_BYTES], all[3][KT_LEAF_BYTES], got[KT_LEAF_BYTES], init[KT_LEAF_BYTES] = { 1 };
	static u8 big[100003];
	unsigned n = 0;
	struct kt_digest *d = kt_digest_create(&kt_arch_x86_64, 65530), *from = kt_digest_create(&kt_arch_x86_64, 65536);
	s->access[0] = (struct kt_access){ .pa = 8, .size = sizeof(big), .flags = KT_ACCESS_WRITE, .data = big };
	for (u64 i = 65530; i < 65536 + 65536 + 10; i++) {
		s->pc = i * 3;
		s->naccess = i % 20000 == 0;
		kt_digest_step(d, s, before);
		if (i >= 65536)
			kt_digest_step(from, s, before);
		while (kt_digest_leaf(d, leaf)) {
			assert_true(n < 2);
			assert_int_equal(i + 1, n ? 131072 : 65536);
			memcpy(all[n++], leaf, KT_LEAF_BYTES);
		}
	}
	assert_int_equal(n, 2);
	assert_true(kt_digest_leaf(from, leaf));
	assert_memory_equal(leaf, all[1], KT_LEAF_BYTES);
	assert_false(kt_digest_leaf(from, leaf));
	assert_true(kt_digest_tail(d, tail));
	assert_true(kt_digest_tail(from, leaf));
	assert_memory_equal(leaf, tail, KT_LEAF_BYTES);
	memcpy(all[2], tail, KT_LEAF_BYTES);
	struct {
		char domain[16];
		u8 init[16];
		u64 first, count;
		u8 leaf[3][16];
	} want = { "ktrace digest 1", { 1 }, 65530, 65552, { { 0 } } };
	memcpy(want.leaf, all, sizeof(want.leaf));
	XXH128_canonical_t c;
	XXH128_canonicalFromHash(&c, XXH3_128bits(&want, sizeof(want)));
	kt_digest_final(init, 65530, 65552, &all[0][0], 3, got);
	assert_memory_equal(got, c.digest, KT_LEAF_BYTES);
	kt_digest_destroy(d);
	kt_digest_destroy(from);
	kt_digest_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(record_layout), cmocka_unit_test(what_counts), cmocka_unit_test(leaves) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
