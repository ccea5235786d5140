/* SPDX-License-Identifier: MIT */
/* The page walk against the manual: hand-made tables in every paging mode, and the rights of SDM 3, 4.6.1 and 4.7
 * written down a second time, access by access, and compared over every combination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86_64/x86_walk.h"

enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80 };
#define XD (1ull << 63)
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };
enum { RAM = 0x10000 };

static u8 ram[RAM];
static u64 regs[X86_NREGS];
static struct x86_walk w;

static const u8 *phys(void *ctx, u64 pa, unsigned size)
{
	(void)ctx;
	assert_true(size == 4 || size == 8);
	assert_int_equal(pa % size, 0);
	return pa <= RAM - size ? ram + pa : NULL;
}

static void put(u64 pa, unsigned size, u64 e)
{
	memcpy(ram + pa, &e, size);
}

static u64 get(u64 pa, unsigned size)
{
	u64 e = 0;
	memcpy(&e, ram + pa, size);
	return e;
}

static int go(u64 va, unsigned use)
{
	memset(&w, 0xee, sizeof w);
	return x86_walk(regs, phys, NULL, va, use, &w);
}

static void fresh(u64 cr4, u64 efer)
{
	memset(ram, 0, sizeof ram);
	memset(regs, 0, sizeof regs);
	regs[X86_cr0] = X86_CR0_PG | X86_CR0_PE | X86_CR0_WP;
	regs[X86_cr3] = 0x1000;
	regs[X86_cr4] = cr4;
	regs[X86_efer] = efer;
}

/* va indices 1 1 3 4 at 39, 30, 21, 12. */
#define VA4 ((1ull << 39) | (1ull << 30) | (3ull << 21) | (4ull << 12) | 0xabc)

static void long_tables(u64 bits)
{
	fresh(X86_CR4_PAE, X86_EFER_LMA | X86_EFER_LME | X86_EFER_NXE);
	put(0x1008, 8, 0x2000 | bits);
	put(0x2008, 8, 0x3000 | bits);
	put(0x3018, 8, 0x4000 | bits);
	put(0x4020, 8, 0x12345000 | bits);
}

static void test_off(void **s)
{
	fresh(0, 0);
	regs[X86_cr0] = 0;
	assert_int_equal(go(0x123456789abcull, X86_USE_WRITE | X86_USE_USER), 0);
	assert_int_equal(w.pa, 0x56789abc); /* 32 bits outside long mode */
	assert_int_equal(w.nset, 0);
	assert_int_equal(w.page_size, 4096);
	assert_true(w.write_ok && w.exec_ok && w.user_ok);
}

static void test_four_level(void **s)
{
	long_tables(P | RW | US);
	assert_int_equal(go(VA4, X86_USE_WRITE | X86_USE_USER), 0);
	assert_int_equal(w.pa, 0x12345abc);
	assert_int_equal(w.page_size, 4096);
	assert_int_equal(w.nset, 4);
	static const u64 where[] = {0x1008, 0x2008, 0x3018, 0x4020};
	for (int i = 0; i < 4; i++) {
		assert_int_equal(w.set[i].pa, where[i]);
		assert_int_equal(w.set[i].size, 8);
		assert_int_equal(w.set[i].old, get(where[i], 8));
		assert_int_equal(w.set[i].new_, get(where[i], 8) | A | (i == 3 ? D : 0));
	}
	assert_int_equal(go(VA4, X86_USE_READ), 0);
	assert_int_equal(w.set[3].new_, 0x12345000 | P | RW | US | A);
	/* Only what changes is listed. */
	put(0x1008, 8, get(0x1008, 8) | A);
	put(0x3018, 8, get(0x3018, 8) | A);
	put(0x4020, 8, get(0x4020, 8) | A);
	assert_int_equal(go(VA4, X86_USE_READ), 0);
	assert_int_equal(w.nset, 1);
	assert_int_equal(w.set[0].pa, 0x2008);
	put(0x2008, 8, get(0x2008, 8) | A);
	assert_int_equal(go(VA4, X86_USE_READ), 0);
	assert_int_equal(w.nset, 0);
	assert_int_equal(go(VA4, X86_USE_WRITE), 0);
	assert_int_equal(w.nset, 1);
	assert_int_equal(w.set[0].new_, 0x12345000 | P | RW | US | A | D);
	/* CR3's low bits (PWT, PCD) are no address; nor are ignored bits 62:52 of an entry. */
	regs[X86_cr3] |= 0x18;
	put(0x4020, 8, get(0x4020, 8) | 0x7ffull << 52);
	assert_int_equal(go(VA4, X86_USE_WRITE), 0);
	assert_int_equal(w.pa, 0x12345abc);
}

static void test_not_present(void **s)
{
	static const u64 entry[] = {0x1008, 0x2008, 0x3018, 0x4020};
	for (int i = 0; i < 4; i++) {
		long_tables(P | RW | US);
		put(entry[i], 8, ~(u64)P); /* all other bits, reserved ones too, mean nothing */
		assert_int_equal(go(VA4, X86_USE_WRITE | X86_USE_USER), -1);
		assert_int_equal(w.error, PF_W | PF_U);
		assert_int_equal(w.nset, 0);
		assert_int_equal(w.page_size, 0);
		assert_int_equal(go(VA4, X86_USE_FETCH), -1);
		assert_int_equal(w.error, PF_I);
		regs[X86_efer] &= ~(u64)X86_EFER_NXE;
		assert_int_equal(go(VA4, X86_USE_FETCH), -1);
		assert_int_equal(w.error, 0); /* neither NX nor SMEP: no I/D */
		regs[X86_cr4] |= X86_CR4_SMEP;
		assert_int_equal(go(VA4, X86_USE_FETCH | X86_USE_USER), -1);
		assert_int_equal(w.error, PF_I | PF_U);
	}
}

static void rsvd(unsigned use, u32 more)
{
	assert_int_equal(go(VA4, use), -1);
	assert_int_equal(w.error, PF_P | PF_RSVD | more);
}

static void test_reserved(void **s)
{
	static const u64 entry[] = {0x1008, 0x2008, 0x3018, 0x4020};
	for (int i = 0; i < 4; i++) {
		for (unsigned bit = X86_PHYS_BITS; bit < 52; bit++) {
			long_tables(P | RW | US);
			put(entry[i], 8, get(entry[i], 8) | 1ull << bit);
			rsvd(X86_USE_READ, 0);
		}
		long_tables(P | RW | US);
		put(entry[i], 8, get(entry[i], 8) | XD);
		assert_int_equal(go(VA4, X86_USE_READ), 0);
		regs[X86_efer] &= ~(u64)X86_EFER_NXE;
		rsvd(X86_USE_WRITE | X86_USE_USER, PF_W | PF_U);
	}
	long_tables(P | RW | US);
	put(0x1008, 8, get(0x1008, 8) | PS);
	rsvd(X86_USE_READ, 0);
	long_tables(P); /* a reserved bit wins over missing rights */
	put(0x4020, 8, get(0x4020, 8) | 1ull << 45);
	rsvd(X86_USE_WRITE | X86_USE_USER, PF_W | PF_U);
	/* ... but not over a table further up that is not there */
	put(0x2008, 8, 0);
	assert_int_equal(go(VA4, X86_USE_READ), -1);
	assert_int_equal(w.error, 0);
	/* An entry outside RAM reads as all ones. */
	long_tables(P | RW | US);
	put(0x2008, 8, 0x900000 | P | RW);
	rsvd(X86_USE_READ, 0);
}

static void test_large_pages(void **s)
{
	long_tables(P | RW | US);
	put(0x3018, 8, 0x00600000 | 1 << 12 | P | RW | PS | A); /* PAT bit of a 2M page */
	assert_int_equal(go(VA4, X86_USE_WRITE), 0);
	assert_int_equal(w.pa, 0x604abc);
	assert_int_equal(w.page_size, 2 << 20);
	assert_int_equal(w.nset, 3);
	assert_int_equal(w.set[2].new_, 0x00601000 | P | RW | PS | A | D);
	for (unsigned bit = 13; bit < 21; bit++) {
		put(0x3018, 8, 0x00600000 | P | RW | PS | 1ull << bit);
		rsvd(X86_USE_READ, 0);
	}
	put(0x2008, 8, 0x40000000 | P | RW | PS);
	assert_int_equal(go(VA4, X86_USE_READ), 0);
	assert_int_equal(w.pa, 0x40000000ull + (3ull << 21) + (4ull << 12) + 0xabc);
	assert_int_equal(w.page_size, 1 << 30);
	for (unsigned bit = 13; bit < 30; bit++) {
		put(0x2008, 8, 0x40000000 | P | RW | PS | 1ull << bit);
		rsvd(X86_USE_READ, 0);
	}
}

static void test_five_level(void **s)
{
	long_tables(P | RW);
	regs[X86_cr4] |= X86_CR4_LA57;
	regs[X86_cr3] = 0x5000;
	put(0x5000 + 2 * 8, 8, 0x1000 | P | RW);
	u64 va = VA4 | 2ull << 48;
	assert_int_equal(go(va, X86_USE_READ), 0);
	assert_int_equal(w.pa, 0x12345abc);
	assert_int_equal(w.nset, 5);
	assert_int_equal(w.set[0].pa, 0x5010);
	put(0x5010, 8, 0x1000 | P | RW | PS);
	assert_int_equal(go(va, X86_USE_READ), -1);
	assert_int_equal(w.error, PF_P | PF_RSVD);
}

/* A table that maps itself: its entry is the PML4E, PDPTE, PDE and PTE of one address, and is listed once. */
static void test_self_map(void **s)
{
	fresh(X86_CR4_PAE, X86_EFER_LMA);
	put(0x1000 + 511 * 8, 8, 0x1000 | P | RW);
	assert_int_equal(go(~0ull << 12 | 0x10, X86_USE_WRITE), 0);
	assert_int_equal(w.pa, 0x1010);
	assert_int_equal(w.nset, 1);
	assert_int_equal(w.set[0].old, 0x1000 | P | RW);
	assert_int_equal(w.set[0].new_, 0x1000 | P | RW | A | D);
}

static void test_32bit(void **s)
{
	fresh(0, 0);
	put(0x1000 + 5 * 4, 4, 0x2000 | P | RW | US);
	put(0x2000 + 7 * 4, 4, 0xfedcb000 | P | RW | US);
	u64 va = 5u << 22 | 7u << 12 | 0x123;
	assert_int_equal(go(0xffffffff00000000ull | va, X86_USE_WRITE | X86_USE_USER), 0); /* 32 bits count */
	assert_int_equal(w.pa, 0xfedcb123);
	assert_int_equal(w.nset, 2);
	assert_int_equal(w.set[0].size, 4);
	assert_int_equal(w.set[0].new_, 0x2000 | P | RW | US | A);
	assert_int_equal(w.set[1].pa, 0x2000 + 7 * 4);
	assert_int_equal(w.set[1].new_, 0xfedcb000 | P | RW | US | A | D);
	/* without PSE, PS is ignored */
	put(0x1000 + 5 * 4, 4, 0x2000 | P | RW | US | PS);
	assert_int_equal(go(va, X86_USE_READ), 0);
	assert_int_equal(w.pa, 0xfedcb123);
	/* no NX here: NXE changes nothing, fetch errors carry no I/D without PAE */
	regs[X86_efer] = X86_EFER_NXE;
	put(0x2000 + 7 * 4, 4, 0);
	assert_int_equal(go(va, X86_USE_FETCH), -1);
	assert_int_equal(w.error, 0);
	assert_int_equal(go(va, X86_USE_WRITE | X86_USE_USER), -1);
	assert_int_equal(w.error, PF_W | PF_U);
}

static void test_pse36(void **s)
{
	fresh(X86_CR4_PSE, 0);
	u64 va = 5u << 22 | 0x3fabcd;
	put(0x1014, 4, 0x00c00000 | 0x7fu << 13 | P | RW | PS); /* 20:13 hold address bits 39:32 */
	assert_int_equal(go(va, X86_USE_WRITE), 0);
	assert_int_equal(w.pa, 0x7f00c00000ull + 0x3fabcd);
	assert_int_equal(w.page_size, 4 << 20);
	assert_int_equal(w.nset, 1);
	put(0x1014, 4, 0x00c00000 | 1u << 21 | P | RW | PS);
	assert_int_equal(go(va, X86_USE_READ), -1);
	assert_int_equal(w.error, PF_P | PF_RSVD);
}

static void test_pae(void **s)
{
	fresh(X86_CR4_PAE, X86_EFER_NXE);
	regs[X86_cr3] = 0x1020; /* 32-byte aligned */
	put(0x1020 + 3 * 8, 8, 0x2000 | P);
	put(0x2000 + 9 * 8, 8, 0x3000 | P | RW | US);
	put(0x3000 + 8 * 8, 8, 0x9876543000ull | P | RW | US);
	u64 va = 3u << 30 | 9u << 21 | 8u << 12 | 0x456;
	assert_int_equal(go(va, X86_USE_WRITE | X86_USE_USER), 0);
	assert_int_equal(w.pa, 0x9876543456ull);
	assert_int_equal(w.nset, 2); /* the PDPTE has no A bit */
	assert_int_equal(w.set[0].pa, 0x2000 + 9 * 8);
	put(0x2000 + 9 * 8, 8, 0x200000 | P | RW | US | PS);
	assert_int_equal(go(va, X86_USE_WRITE), 0);
	assert_int_equal(w.pa, 0x208456);
	/* bits 62:M of entries are reserved, in PDPTEs 63, 8:5, 2:1 too */
	static const unsigned bad_pde[] = {X86_PHYS_BITS, 51, 52, 62, 13, 20};
	for (unsigned i = 0; i < KT_ARRAY_LEN(bad_pde); i++) {
		put(0x2000 + 9 * 8, 8, 0x200000 | P | RW | US | PS | 1ull << bad_pde[i]);
		assert_int_equal(go(va, X86_USE_READ), -1);
		assert_int_equal(w.error, PF_P | PF_RSVD);
	}
	put(0x2000 + 9 * 8, 8, 0x3000 | P | RW | US);
	static const unsigned bad_pdpte[] = {1, 2, 5, 6, 7, 8, 52, 63, X86_PHYS_BITS};
	for (unsigned i = 0; i < KT_ARRAY_LEN(bad_pdpte); i++) {
		put(0x1020 + 3 * 8, 8, 0x2000 | P | 1ull << bad_pdpte[i]);
		assert_int_equal(go(va, X86_USE_READ), -1);
		assert_int_equal(w.error, PF_P | PF_RSVD);
	}
	put(0x1020 + 3 * 8, 8, 0x2000 | P | 0xe18); /* PWT, PCD, ignored bits */
	assert_int_equal(go(va, X86_USE_READ), 0);
	put(0x3000 + 8 * 8, 8, 0x5000 | P | RW | US | XD);
	assert_int_equal(go(va, X86_USE_FETCH | X86_USE_USER), -1);
	assert_int_equal(w.error, PF_P | PF_U | PF_I);
	put(0x1020 + 3 * 8, 8, 0);
	assert_int_equal(go(va, X86_USE_READ), -1);
	assert_int_equal(w.error, 0);
}

/* SDM 3, 4.6.1, sentence by sentence. */
static bool manual_allows(bool us, bool rw, bool xd, unsigned use)
{
	bool wp = regs[X86_cr0] & X86_CR0_WP, smep = regs[X86_cr4] & X86_CR4_SMEP, smap = regs[X86_cr4] & X86_CR4_SMAP;
	bool nxe = regs[X86_efer] & X86_EFER_NXE, ac = regs[X86_rflags] & X86_AC;
	bool implicit = use & X86_USE_IMPLICIT, user_mode = use & X86_USE_USER && !implicit;
	if (user_mode) {
		if (use & X86_USE_FETCH)
			return us && !(nxe && xd);
		if (use & X86_USE_WRITE)
			return us && rw;
		return us;
	}
	if (use & X86_USE_FETCH) {
		if (!us)
			return !(nxe && xd);
		if (smep)
			return false;
		return !(nxe && xd);
	}
	bool reach = !us ? true : !smap ? true : implicit ? false : ac;
	if (use & X86_USE_WRITE)
		return reach && (wp ? rw : true);
	return reach;
}

static void test_rights(void **s)
{
	static const unsigned uses[] = {X86_USE_READ, X86_USE_WRITE, X86_USE_FETCH, X86_USE_READ | X86_USE_IMPLICIT, X86_USE_WRITE | X86_USE_IMPLICIT};
	unsigned count = 0;
	for (unsigned m = 0; m < 1 << 11; m++) {
		for (unsigned user = 0; user < 2; user++) {
			for (unsigned u = 0; u < KT_ARRAY_LEN(uses); u++) {
				bool us0 = m & 1, us1 = m & 2, rw0 = m & 4, rw1 = m & 8, xd0 = m & 16, xd1 = m & 32, nxe = m & 1024;
				if ((xd0 || xd1) && !nxe)
					continue; /* reserved then */
				unsigned use = uses[u] | (user ? X86_USE_USER : 0);
				long_tables(P | RW | US);
				put(0x2008, 8, 0x3000 | P | (us0 ? US : 0) | (rw0 ? RW : 0) | (xd0 ? XD : 0));
				put(0x4020, 8, 0x7000 | P | (us1 ? US : 0) | (rw1 ? RW : 0) | (xd1 ? XD : 0));
				regs[X86_cr0] = X86_CR0_PG | X86_CR0_PE | (m & 64 ? X86_CR0_WP : 0);
				regs[X86_cr4] = X86_CR4_PAE | (m & 128 ? X86_CR4_SMEP : 0) | (m & 256 ? X86_CR4_SMAP : 0);
				regs[X86_rflags] = m & 512 ? X86_AC : 0;
				regs[X86_efer] = X86_EFER_LMA | (nxe ? X86_EFER_NXE : 0);
				bool ok = manual_allows(us0 && us1, rw0 && rw1, xd0 || xd1, use);
				assert_int_equal(go(VA4, use), ok ? 0 : -1);
				count++;
				if (ok) {
					assert_int_equal(w.user_ok, us0 && us1);
					assert_int_equal(w.write_ok, rw0 && rw1);
					assert_int_equal(w.exec_ok, !(xd0 || xd1));
					continue;
				}
				u32 e = PF_P;
				if (use & X86_USE_WRITE)
					e |= PF_W;
				if (user && !(use & X86_USE_IMPLICIT))
					e |= PF_U;
				if (use & X86_USE_FETCH && (nxe || m & 128))
					e |= PF_I;
				assert_int_equal(w.error, e);
				assert_int_equal(w.nset, 0);
				assert_int_equal(w.page_size, 4096);
			}
		}
	}
	assert_int_equal(count, 10 * 1024 + 10 * 256);
}

static void test_canonical(void **s)
{
	fresh(0, 0);
	assert_true(x86_canonical(regs, 0x8000000000000000ull));
	regs[X86_efer] = X86_EFER_LMA;
	assert_true(x86_canonical(regs, 0x00007fffffffffffull));
	assert_false(x86_canonical(regs, 0x0000800000000000ull));
	assert_false(x86_canonical(regs, 0xffff7fffffffffffull));
	assert_true(x86_canonical(regs, 0xffff800000000000ull));
	regs[X86_cr4] = X86_CR4_LA57;
	assert_true(x86_canonical(regs, 0x00ffffffffffffffull));
	assert_false(x86_canonical(regs, 0x0100000000000000ull));
	assert_true(x86_canonical(regs, 0xff00000000000000ull));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),         cmocka_unit_test(test_four_level), cmocka_unit_test(test_not_present),
		cmocka_unit_test(test_reserved),    cmocka_unit_test(test_large_pages), cmocka_unit_test(test_five_level),
		cmocka_unit_test(test_self_map),    cmocka_unit_test(test_32bit),      cmocka_unit_test(test_pse36),
		cmocka_unit_test(test_pae),         cmocka_unit_test(test_rights),     cmocka_unit_test(test_canonical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
