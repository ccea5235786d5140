/* SPDX-License-Identifier: MIT */
/* How far a REP goes before it faults, touches a device or ends, against a search element by element. */
#include "x86_predict_make.h"

static void test_rep_segments(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
	set_seg(X86_ds, 0x10, 0x10000, 0x11ff, ATTR_DATA | X86_ATTR_DB);
	set_seg(X86_es, 0x10, 0x20000, 0xffffffff, ATTR_DATA | ATTR_BIG);
	r[X86_rsi] = 0x10;
	r[X86_rdi] = 0x100;
	r[X86_rcx] = 0x10000;
	OK("f3a5"); /* up to 11ff */
	assert_int_equal(plan.limit, (0x1200 - 0x10) / 4);
	assert_false(plan.rep_done);
	r[X86_rsi] = 0x11fd;
	GP("f3a5");
	r[X86_rsi] = 0x11fc;
	OK("f3a5");
	assert_int_equal(plan.limit, 1);
	/* expand-down, going down: to offset 1000 */
	set_seg(X86_es, 0x10, 0x20000, 0xfff, 0x97 | X86_ATTR_DB);
	r[X86_rflags] |= X86_DF;
	r[X86_rdi] = 0x10fc;
	OK("f3ab");
	assert_int_equal(plan.limit, 64);
	r[X86_rdi] = 0xffc;
	GP("f3ab");
}

/* --- REP --- */

static void rep_setup(void)
{
	cpu_long(0);
	u64 rw = PTE_P | PTE_RW | PTE_A | PTE_D;
	for (unsigned i = 0; i < 64; i++) {
		map_page(0x400000 + i * 0x1000, 0x100000 + i * 0x2000, rw);  /* source */
		map_page(0x800000 + i * 0x1000, 0x200000 + i * 0x2000, rw);  /* destination */
	}
}

static void rep(u64 rsi, u64 rdi, u64 rcx)
{
	b.c.r[X86_rsi] = rsi;
	b.c.r[X86_rdi] = rdi;
	b.c.r[X86_rcx] = rcx;
}

static void test_rep_limits(void **s)
{
	rep_setup();
	u64 *r = b.c.r;
	rep(0x400000, 0x800000, 0);
	OK("f3a4");
	assert_int_equal(plan.n, 0);
	assert_int_equal(plan.limit, 0);
	assert_true(plan.rep_done);
	rep(0xdead000, 0xbeef000, 0); /* no access, no fault */
	OK("f3a4");
	rep(0x400000, 0x800000, 1);
	OK("f3a4");
	assert_int_equal(plan.limit, 1);
	assert_true(plan.rep_done);
	rep(0x400ff0, 0x800ff8, 5000);
	OK("f3a4");
	assert_int_equal(plan.limit, 5000);
	assert_true(plan.rep_done);
	/* 128 KiB a piece */
	rep(0x400000, 0x800000, 1 << 20);
	OK("f348a5");
	assert_int_equal(plan.limit, 16384);
	assert_false(plan.rep_done);
	OK("f3a4");
	assert_int_equal(plan.limit, 65536);
	/* until the mapping ends, elements over its end included */
	rep(0x400000, 0x83fff0, 100);
	OK("f348a5");
	assert_int_equal(plan.limit, 2);
	assert_false(plan.rep_done);
	rep(0x43fff1, 0x800000, 100);
	OK("f348a5");
	assert_int_equal(plan.limit, 1); /* 43fff1..43fff8; the next would reach 440000 */
	rep(0x43fff9, 0x800000, 100);
	RAISES("f348a5", X86_PFAULT, 0);
	assert_int_equal(f.cr2, 0x440000);
	rep(0x400000, 0x840000, 100);
	RAISES("f348ab", X86_PFAULT, 2);
	/* downwards */
	r[X86_rflags] |= X86_DF;
	rep(0x400018, 0x800800, 100);
	OK("f348a5");
	assert_int_equal(plan.limit, 4);
	rep(0x401004, 0x800800, 1000);
	OK("f348a5"); /* an element over a page: 401004, 400ffc, 400ff4 ... 400004; the next would be 3ffffc */
	assert_int_equal(plan.limit, 0x1000 / 8 + 1 < 0x800 / 8 + 1 ? 0x1000 / 8 + 1 : 0x800 / 8 + 1);
	rep(0x401004, 0x802800, 1000);
	OK("f348a5");
	assert_int_equal(plan.limit, 0x1000 / 8 + 1);
	r[X86_rflags] &= ~(u64)X86_DF;
	/* address size: ecx, edi wrap at 4 GiB */
	map_page(0xfffff000, 0x5000, PTE_P | PTE_RW);
	map_page(0, 0x7000, PTE_P | PTE_RW);
	map_page(0x100000000, 0x9000, PTE_P | PTE_RW);
	rep(0, 0xffffffffffffff00ull, 0xff00000200);
	OK("67f3aa"); /* a piece ends where edi wraps */
	assert_int_equal(plan.limit, 0x100);
	assert_false(plan.rep_done);
	rep(0, 0xffffffff, 0x200);
	OK("67f348ab"); /* fffffffff..100000006, then 7 */
	assert_int_equal(plan.limit, 1);
	rep(0, 7, 0x200);
	OK("67f3aa");
	assert_int_equal(plan.limit, 0x200);
	assert_true(plan.rep_done);
	r[X86_rflags] |= X86_DF;
	rep(0, 7, 0x200);
	OK("67f3aa");
	assert_int_equal(plan.limit, 8);
	rep(0, 8, 0x200);
	OK("67f348ab");
	assert_int_equal(plan.limit, 2);
}

static void test_rep_bits(void **s)
{
	cpu_long(0);
	u64 rw = PTE_P | PTE_RW, src[4], dst[4];
	for (unsigned i = 0; i < 4; i++) {
		src[i] = map_page(0x400000 + i * 0x1000, 0x100000 + i * 0x1000, rw);
		dst[i] = map_page(0x800000 + i * 0x1000, 0x200000 + i * 0x1000, rw);
	}
	rep(0x400800, 0x800800, 0x1000);
	OK("f3a4");
	assert_int_equal(plan.limit, 0x1000);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(get64(src[i]) & (PTE_A | PTE_D), i < 2 ? PTE_A : 0);
		assert_int_equal(get64(dst[i]) & (PTE_A | PTE_D), i < 2 ? PTE_A | PTE_D : 0);
	}
	assert_int_equal(b.c.step.naccess, 4);
	/* memory to be written is announced */
	bool seen = false;
	for (unsigned i = 0; i < b.touches; i++)
		seen |= b.touched_gpa[i] == 0x201000;
	assert_true(seen);
	/* the source ends: the destination's next page is not reached */
	rep(0x403000, 0x801ff0, 0x2000);
	put64(src[3], 0x103000 | rw | PTE_A);
	put64(dst[2], 0);
	OK("f3a4");
	assert_int_equal(plan.limit, 16);
	put64(dst[2], 0x202000 | rw);
	rep(0x403ff0, 0x801fe0, 0x40);
	OK("f3a4"); /* sixteen iterations: destination page 1 only */
	assert_int_equal(plan.limit, 16);
	assert_int_equal(get64(dst[2]) & PTE_A, 0);
}

static void test_rep_devices(void **s)
{
	cpu_long(0);
	u64 rw = PTE_P | PTE_RW | PTE_A | PTE_D;
	map_page(0x400000, 0x9f000, rw);
	map_page(0x401000, 0xa0000, rw);
	map_page(0x402000, 0xa1000, rw);
	map_page(0x800000, 0x200000, rw);
	map_page(0x801000, 0x201000, rw);
	rep(0x400ff0, 0x800000, 100);
	OK("f3a4"); /* ends before the device */
	assert_int_equal(plan.limit, 16);
	assert_false(plan.rep_done);
	rep(0x401000, 0x800000, 100);
	OK("f3a4");
	assert_int_equal(plan.limit, 1);
	assert_false(plan.rep_done);
	rep(0x400ffd, 0x800000, 100); /* the first element reaches into it */
	OK("f3a5");
	assert_int_equal(plan.limit, 1);
	rep(0x400ff5, 0x800000, 100); /* the third would */
	OK("f3a5");
	assert_int_equal(plan.limit, 2);
	rep(0, 0x800000, 100);
	b.c.r[X86_rdx] = 0x1f0;
	OK("f36d"); /* ports: one by one */
	assert_int_equal(plan.limit, 1);
	assert_int_equal(plan.n, 2);
	rep(0, 0x800000, 1);
	OK("f36d");
	assert_true(plan.rep_done);
}

static void test_rep_scan(void **s)
{
	cpu_long(0);
	u64 rw = PTE_P | PTE_RW, pte[4];
	u64 *r = b.c.r;
	for (unsigned i = 0; i < 4; i++) {
		pte[i] = map_page(0x400000 + i * 0x1000, 0x100000 + i * 0x2000, rw);
		map_page(0x800000 + i * 0x1000, 0x200000 + i * 0x2000, rw);
	}
	/* strlen: repne scasb for 0 */
	memset(b.host + 0x100000, 'x', 0x1000);
	memset(b.host + 0x102000, 'x', 0x20);
	r[X86_rax] = 0xffffff00;
	rep(0, 0x400010, ~0ull);
	OK("f2ae");
	assert_int_equal(plan.limit, 0x1000 - 0x10 + 0x21);
	assert_true(plan.rep_done);
	assert_int_equal(get64(pte[0]) & PTE_A, PTE_A);
	assert_int_equal(get64(pte[1]) & PTE_A, PTE_A);
	assert_int_equal(get64(pte[2]) & PTE_A, 0); /* not reached */
	/* found in the first page: the second stays untouched */
	put64(pte[1], 0x102000 | rw);
	b.host[0x100123] = 0;
	OK("f2ae");
	assert_int_equal(plan.limit, 0x114);
	assert_int_equal(get64(pte[1]) & PTE_A, 0);
	/* not found before the count is used up */
	rep(0, 0x400010, 0x20);
	OK("f2ae");
	assert_int_equal(plan.limit, 0x20);
	assert_true(plan.rep_done);
	/* not found before a fault */
	memset(b.host + 0x106000, 'x', 0x1000);
	rep(0, 0x403ff0, 0x100);
	OK("f2ae");
	assert_int_equal(plan.limit, 16);
	assert_false(plan.rep_done);
	/* repe scasw, downwards: 4007fe 4007fc ... differ at 4007e0 */
	memset(b.host + 0x100000, 0x5a, 0x1000);
	b.host[0x1007e1] = 0;
	r[X86_rax] = 0x5a5a;
	r[X86_rflags] |= X86_DF;
	rep(0, 0x4007fe, 0x400);
	OK("66f3af");
	assert_int_equal(plan.limit, 16);
	assert_true(plan.rep_done);
	r[X86_rflags] &= ~(u64)X86_DF;
	/* repe cmpsd over unequal page offsets; the element at +ffe lies over two pages */
	memset(b.host + 0x102000, 0x5a, 0x1000);
	memset(b.host + 0x100000, 0x5a, 0x1000);
	memset(b.host + 0x200000, 0x5a, 0x1000);
	memset(b.host + 0x202000, 0x5a, 0x1000);
	rep(0x400f02, 0x800f01, 0x100);
	OK("f3a7");
	assert_int_equal(plan.limit, 0x100);
	assert_true(plan.rep_done);
	b.host[0x202005] = 0; /* 800f01 + 4*k <= 801005: k = 65 */
	OK("f3a7");
	assert_int_equal(plan.limit, 66);
	assert_true(plan.rep_done);
	b.host[0x202005] = 0x5a;
	b.host[0x102001] = 0; /* inside the straddling element of the source: 400f02 + 4*63 = 400ffe */
	OK("f3a7");
	assert_int_equal(plan.limit, 64);
	assert_true(plan.rep_done);
	/* repne cmps: until equal */
	memset(b.host + 0x100000, 1, 0x1000);
	memset(b.host + 0x200000, 2, 0x1000);
	b.host[0x200040] = 1;
	rep(0x400000, 0x800000, 0x100);
	OK("f2a6");
	assert_int_equal(plan.limit, 0x41);
}

/* The same piece found one element at a time, by reading memory through the tables. */
static void test_rep_random(void **s)
{
	static const char *const code[] = {"f3a4", "f3a5", "f348a5", "f3aa", "f348ab", "f3ac", "f348ad", "f2ae", "f348af", "f3a6", "f348a7"};
	static const struct { u8 width, src, dst, scan; } what[] = {{1, 1, 1, 0}, {4, 1, 1, 0}, {8, 1, 1, 0}, {1, 0, 1, 0}, {8, 0, 1, 0},
		{1, 1, 0, 0}, {8, 1, 0, 0}, {1, 0, 1, 1}, {8, 0, 1, 1}, {1, 1, 1, 1}, {8, 1, 1, 1}};
	unsigned seed = 12345;
#define RND(n) ((seed = seed * 1103515245u + 12345u) >> 8) % (n)
	cpu_long(0);
	u64 rw = PTE_P | PTE_RW | PTE_A | PTE_D;
	for (unsigned i = 0; i < 3; i++) {
		map_page(0x401000 + i * 0x1000, 0x100000 + i * 0x2000, rw);
		map_page(0x801000 + i * 0x1000, i == 2 ? 0xa0000 : 0x200000 + i * 0x2000, rw);
	}
	memset(b.host + 0x100000, 7, 0x10000);
	memset(b.host + 0x200000, 7, 0x10000);
	b.c.r[X86_rax] = 0x0707070707070707ull;
	for (unsigned round = 0; round < 3000; round++) {
		unsigned k = RND(KT_ARRAY_LEN(code)), w = what[k].width;
		bool down = RND(2), ne = code[k][1] == '2';
		u64 rsi = 0x401000 + RND(0x3000), rdi = 0x801000 + RND(0x3000), rcx = RND(0x2000);
		u64 odd = 0x1000 + RND(0x3000);
		u8 *spot = odd < 0x3000 ? b.host + 0x200000 + (odd & 0x2000 ? 0x2000 : 0) + (odd & 0xfff) : b.host + 0x200000;
		*spot = 9;
		b.c.r[X86_rflags] = down ? 2 | X86_DF : 2;
		rep(rsi, rdi, rcx);
		u64 want = 0, done = rcx == 0;
		bool device = false, fault = false;
		while (want < rcx && !done) {
			u64 step = (down ? -want : want) * w, pa;
			struct x86_fault g;
			u8 e[2][8];
			for (unsigned n = 0; n < 2; n++) {
				for (unsigned byte = 0; byte < w && (n ? what[k].dst : what[k].src); byte++) {
					if (x86_peek_pa(&b.c, (n ? rdi : rsi) + step + byte, 0, &pa, &g)) {
						fault = true;
						continue;
					}
					const u8 *p = x86_ram(&b.c, pa, 1);
					device |= !p;
					e[n][byte] = p ? *p : 0;
				}
			}
			if (fault || (device && want))
				break;
			want++;
			if (device)
				break;
			if (what[k].scan)
				done = !memcmp(e[1], what[k].src ? e[0] : (u8 *)&b.c.r[X86_rax], w) == ne;
		}
		int rc = predict(code[k]);
		if (rc && rcx && !want)
			goto next;
		assert_int_equal(rc, 0);
		assert_int_equal(plan.limit, want);
		if (!device || want != 1)
			assert_int_equal(plan.rep_done, done || want == rcx);
next:
		*spot = 7;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rep_segments),
		cmocka_unit_test(test_rep_limits),
		cmocka_unit_test(test_rep_bits),
		cmocka_unit_test(test_rep_devices),
		cmocka_unit_test(test_rep_scan),
		cmocka_unit_test(test_rep_random),
	};
	return run_predict_tests(tests, KT_ARRAY_LEN(tests));
}
