/* SPDX-License-Identifier: MIT */
/* Guest memory: RAM ranges, A20, translation with its A/D effects, spans over pages, system accesses, the step's
 * records. The fast path is compared with the full walk over random tables. */
#include "x86_cpu_make.h"

static struct x86_fault f;
static struct x86_span s;

static void test_ram(void **state)
{
	cpu_real();
	struct x86_cpu *c = &b.c;
	assert_ptr_equal(x86_ram(c, 0, 4096), b.host);
	assert_ptr_equal(x86_ram(c, 0x9ffff, 1), b.host + 0x9ffff);
	assert_null(x86_ram(c, 0x9ffff, 2)); /* leaves the page */
	assert_null(x86_ram(c, 0xa0000, 1));
	assert_null(x86_ram(c, 0xbffff, 1));
	assert_ptr_equal(x86_ram(c, 0xc0000, 8), b.host + 0xc0000);
	assert_ptr_equal(x86_ram(c, RAM_SIZE - 8, 8), b.host + RAM_SIZE - 8);
	assert_null(x86_ram(c, RAM_SIZE, 1));
	assert_null(x86_ram(c, ~0ull, 1));
	assert_null(x86_ram(c, ~0ull - 7, 8));
	assert_ptr_equal(x86_ram(c, 0x100010, 1), b.host + 0x100010);
	c->a20 = false;
	assert_ptr_equal(x86_ram(c, 0x100010, 1), b.host + 0x10);
	assert_ptr_equal(x86_ram(c, 0x300010, 1), b.host + 0x200010);
	u64 pa;
	assert_int_equal(x86_translate(c, 0x100010, X86_USE_READ, &pa, &f), 0);
	assert_int_equal(pa, 0x10);
}

static void test_touch(void **state)
{
	cpu_real();
	struct x86_cpu *c = &b.c;
	assert_ptr_equal(x86_ram_write(c, 0x1234, 4), b.host + 0x1234);
	assert_int_equal(b.touches, 1);
	assert_int_equal(b.touched_gpa[0], 0x1000);
	x86_ram_write(c, 0x1ff8, 8);
	assert_int_equal(b.touches, 1);
	x86_ram_write(c, 0xc0000, 8); /* the second range has its own numbers */
	x86_ram_write(c, 0x9f000, 8);
	assert_int_equal(b.touches, 3);
	assert_int_equal(b.touched_gpa[1], 0xc0000);
	c->epoch++;
	x86_ram_write(c, 0x1000, 1);
	assert_int_equal(b.touches, 4);
	assert_null(x86_ram_write(c, 0xa0000, 1));
	c->a20 = false;
	x86_ram_write(c, 0x105008, 1);
	assert_int_equal(b.touched_gpa[4], 0x5000);
	c->hooks.page_touch = NULL;
	assert_non_null(x86_ram_write(c, 0x7000, 1));
}

static void test_translate_sets_bits(void **state)
{
	cpu_long(0);
	struct x86_cpu *c = &b.c;
	u64 pa, pte = map_page(0x400000, 0x5000, PTE_P | PTE_RW | PTE_US);
	assert_int_equal(x86_peek_pa(c, 0x400123, X86_USE_WRITE, &pa, &f), 0);
	assert_int_equal(pa, 0x5123);
	assert_int_equal(c->step.naccess, 0);
	assert_int_equal(get64(pte), 0x5000 | PTE_P | PTE_RW | PTE_US);
	assert_int_equal(x86_translate(c, 0x400123, X86_USE_READ, &pa, &f), 0);
	assert_int_equal(c->step.naccess, 1);
	assert_implicit(0, pte, 0x5000 | PTE_P | PTE_RW | PTE_US | PTE_A, 8);
	assert_int_equal(c->step.access[0].va, pte);
	assert_int_equal(b.touches, 1);
	assert_int_equal(b.touched_gpa[0], pte & ~0xfffull);
	assert_int_equal(x86_translate(c, 0x400123, X86_USE_WRITE, &pa, &f), 0);
	assert_int_equal(c->step.naccess, 2);
	assert_implicit(1, pte, 0x5000 | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D, 8);
	assert_int_equal(x86_translate(c, 0x400123, X86_USE_WRITE, &pa, &f), 0);
	assert_int_equal(c->step.naccess, 2);
	assert_int_equal(b.touches, 1);
	assert_int_equal(x86_translate(c, 0x401000, X86_USE_WRITE | X86_USE_USER, &pa, &f), -1);
	assert_fault(&f, X86_PFAULT, 6);
	assert_int_equal(f.cr2, 0x401000);
	assert_false(f.is_trap);
}

/* CPUID shows no 1 GiB pages, so PS is a reserved bit in a PDPTE; 2 MiB pages work. */
static void test_large(void **state)
{
	cpu_long(3);
	struct x86_cpu *c = &b.c;
	u64 pa, all = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
	put64(TABLES, 0x710000 | all);
	put64(0x710000, 0x711000 | all);
	put64(0x710008, 0x40000000 | all | PTE_PS);
	put64(0x710010, 0x40000000 | PTE_P | PTE_PS);
	put64(0x711008, 0x400000 | all | PTE_PS);
	assert_int_equal(x86_translate(c, 0x212345, X86_USE_WRITE | X86_USE_USER, &pa, &f), 0);
	assert_int_equal(pa, 0x412345);
	assert_int_equal(x86_translate(c, 0x40012345, X86_USE_READ, &pa, &f), -1);
	assert_fault(&f, X86_PFAULT, 9);
	assert_int_equal(f.cr2, 0x40012345);
	assert_int_equal(x86_peek_pa(c, 0x40012345, X86_USE_WRITE | X86_USE_USER, &pa, &f), -1);
	assert_fault(&f, X86_PFAULT, 0xf);
	assert_int_equal(x86_translate(c, 0x80012345, X86_USE_FETCH | X86_USE_USER, &pa, &f), -1);
	assert_fault(&f, X86_PFAULT, 0x1d); /* wins over missing rights */
}

static void test_span(void **state)
{
	cpu_long(0);
	struct x86_cpu *c = &b.c;
	u64 all = PTE_P | PTE_RW | PTE_A | PTE_D, fresh = PTE_P | PTE_RW;
	map_page(0x400000, 0x5000, all);
	map_page(0x401000, 0x6000, all);
	map_page(0x402000, 0x9000, all);
	map_page(0x403000, 0x9f000, all);
	map_page(0x404000, 0xa0000, all);
	map_page(0x405000, 0xa1000, all);
	u64 pte6 = map_page(0x406000, 0x8000, fresh);

	assert_int_equal(x86_span(c, 0x400ff8, 8, X86_USE_READ, &s, &f), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.part[0].pa, 0x5ff8);
	assert_ptr_equal(s.part[0].host, b.host + 0x5ff8);
	assert_int_equal(b.touches, 0);
	/* contiguous pages are one part */
	assert_int_equal(x86_span(c, 0x400ffc, 8, X86_USE_WRITE, &s, &f), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.part[0].size, 8);
	assert_int_equal(b.touches, 2);
	assert_int_equal(x86_span(c, 0x401ffd, 8, X86_USE_READ, &s, &f), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.part[0].size, 3);
	assert_int_equal(s.part[1].size, 5);
	assert_int_equal(s.part[1].pa, 0x9000);
	assert_ptr_equal(s.part[1].host, b.host + 0x9000);
	/* RAM's end is a border, device pages merge */
	assert_int_equal(x86_span(c, 0x403ffe, 4, X86_USE_READ, &s, &f), 0);
	assert_int_equal(s.n, 2);
	assert_non_null(s.part[0].host);
	assert_null(s.part[1].host);
	assert_int_equal(s.part[1].pa, 0xa0000);
	assert_int_equal(x86_span(c, 0x404ffe, 4, X86_USE_WRITE, &s, &f), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.part[0].pa, 0xa0ffe);
	assert_null(s.part[0].host);
	/* the second page faults: the first keeps its bits, CR2 is the first byte of the second */
	c->step.naccess = 0;
	assert_int_equal(x86_span(c, 0x406ffe, 4, X86_USE_WRITE, &s, &f), -1);
	assert_fault(&f, X86_PFAULT, 2);
	assert_int_equal(f.cr2, 0x407000);
	assert_int_equal(get64(pte6), 0x8000 | fresh);
	assert_int_equal(c->step.naccess, 0);
	/* a whole page's worth */
	assert_int_equal(x86_span(c, 0x400010, 4096, X86_USE_READ, &s, &f), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.part[0].size, 4096);
}

static void test_span_wraps(void **state)
{
	cpu_protected(0);
	assert_int_equal(x86_span(&b.c, 0xfffffffe, 4, X86_USE_READ, &s, &f), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.part[0].pa, 0xfffffffe);
	assert_int_equal(s.part[1].pa, 0);
	cpu_long(0);
	map_page(0xfffff000, 0x1000, PTE_P);
	map_page(0x100000000, 0x2000, PTE_P);
	map_page(0, 0x3000, PTE_P);
	assert_int_equal(x86_span(&b.c, 0xfffffffe, 4, X86_USE_READ, &s, &f), 0);
	assert_int_equal(s.part[0].pa, 0x1ffe);
	assert_int_equal(s.part[0].size, 4); /* 1000 and 2000 are contiguous */
	b.c.r[X86_cs_attr] = ATTR_CODE | ATTR_BIG; /* compatibility mode */
	assert_int_equal(x86_span(&b.c, 0xfffffffe, 4, X86_USE_READ, &s, &f), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.part[1].pa, 0x3000);
}

static void test_sys(void **state)
{
	cpu_long(3);
	struct x86_cpu *c = &b.c;
	u64 pte0 = map_page(0x400000, 0x5000, PTE_P | PTE_RW);
	u64 pte1 = map_page(0x401000, 0x9000, PTE_P | PTE_RW);
	map_page(0x402000, 0xa0000, PTE_P | PTE_RW);
	u8 in[16], out[16];
	for (unsigned i = 0; i < 16; i++)
		in[i] = (u8)(i + 1);
	/* supervisor pages at CPL 3: implicit accesses may */
	assert_int_equal(x86_sys_write(c, 0x400ffa, in, 16, X86_USE_IMPLICIT, &f), 0);
	assert_int_equal(c->step.naccess, 4);
	assert_implicit(0, pte0, 0x5000 | PTE_P | PTE_RW | PTE_A | PTE_D, 8);
	assert_int_equal(c->step.access[1].va, 0x400ffa);
	assert_int_equal(c->step.access[1].pa, 0x5ffa);
	assert_int_equal(c->step.access[1].size, 6);
	assert_int_equal(c->step.access[1].flags, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT);
	assert_memory_equal(c->step.access[1].data, in, 6);
	assert_implicit(2, pte1, 0x9000 | PTE_P | PTE_RW | PTE_A | PTE_D, 8);
	assert_int_equal(c->step.access[3].size, 10);
	assert_int_equal(x86_sys_read(c, 0x400ffa, out, 16, &f), 0);
	assert_memory_equal(in, out, 16);
	assert_int_equal(c->step.naccess, 4); /* reads are not recorded */
	/* as the user: no */
	assert_int_equal(x86_sys_write(c, 0x400000, in, 4, X86_USE_USER, &f), -1);
	assert_fault(&f, X86_PFAULT, 7);
	/* nothing is written when the end cannot be */
	memset(b.host + 0x9ff0, 0, 16);
	assert_int_equal(x86_sys_write(c, 0x401ff8, in, 16, X86_USE_IMPLICIT, &f), -1);
	assert_fault(&f, X86_GP, 0);
	assert_int_equal(get64(0x9ff8), 0);
	assert_int_equal(x86_sys_read(c, 0x402000, out, 4, &f), -1);
	assert_fault(&f, X86_GP, 0);
	assert_int_equal(x86_sys_read(c, 0x403000, out, 4, &f), -1);
	assert_fault(&f, X86_PFAULT, 0);
	assert_int_equal(f.cr2, 0x403000);
}

static u64 random_state = 88172645463325252ull;
static u64 random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static const u8 *phys(void *ctx, u64 pa, unsigned size)
{
	return x86_ram(ctx, pa, size);
}

/* Whatever the tables hold, x86_peek_pa says what x86_walk says: the fast path never differs. */
static void test_fast_path(void **state)
{
	static const u64 tables[] = {0x100000, 0x101000, 0x102000, 0x103000, 0xb0000, 0x100000000ull};
	unsigned good = 0, bad = 0;
	cpu_long(0);
	u64 *r = b.c.r;
	r[X86_cr3] = 0x100000;
	for (unsigned round = 0; round < 400000; round++) {
		u64 va = (random64() & 0xff8) << 9 | (random64() & 0xfff);
		for (unsigned shift = 12, level = 0; level < 4; level++, shift += 9) {
			/* mostly well-formed entries, each oddity now and then */
			u64 e = tables[(3 - level + 1) & 3] | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D, odd = random64();
			if (!(odd & 0x3f))
				e = tables[random64() % 6] | (random64() & 0xfff);
			odd = random64();
			if (!(odd & 7))
				e ^= 1ull << (odd >> 8 & 63);
			else if (!(odd & 0x38))
				e ^= 1ull << (odd >> 8 & 7);
			if (!(random64() & 15))
				e ^= level == 1 ? PTE_PS | (e & 0x1fe000) : level == 2 ? PTE_PS | (e & 0x3fffe000) : 1ull << 63;
			put64(tables[3 - level] + (va >> shift & 511) * 8, e);
		}
		u64 odd = random64();
		r[X86_cr0] = (X86_CR0_PG | 0x11) | (odd & 1 ? X86_CR0_WP : 0);
		r[X86_cr4] = X86_CR4_PAE | (odd & 0xe ? 0 : X86_CR4_SMEP) | (odd & 0x70 ? 0 : X86_CR4_SMAP);
		r[X86_efer] = X86_EFER_LMA | (odd & 0x80 ? X86_EFER_NXE : 0);
		r[X86_rflags] = odd & 0x100 ? X86_AC : 2;
		unsigned use = odd >> 9 & 15;
		if ((use & 3) == 3)
			use ^= 1;
		struct x86_walk w;
		u64 pa = 0;
		int want = x86_walk(r, phys, &b.c, va, use, &w), got = x86_peek_pa(&b.c, va, use, &pa, &f);
		if (w.page_size == 1 << 30) { /* the model has none */
			assert_int_equal(got, -1);
			assert_true(f.error & 8);
			continue;
		}
		assert_int_equal(got, want);
		if (want) {
			assert_int_equal(f.error, w.error);
			bad++;
		} else {
			assert_int_equal(pa, w.pa);
			good++;
		}
	}
	assert_true(good > 50000 && bad > 50000);
}

static void test_build(void **state)
{
	cpu_real();
	struct x86_cpu *c = &b.c;
	c->r[X86_rip] = 0x10;
	c->r[X86_cs_base] = 0xfffffff8;
	x86_step_begin(c);
	assert_int_equal(c->step.pc, 8);
	u32 v = 0x11223344;
	x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE, 0x10, 0x20, 4, &v, 4);
	x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_FILL, 0, 0, 65536, &v, 2);
	x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_NODATA, 0, 0, 65536, NULL, 0);
	assert_int_equal(c->step.naccess, 3);
	assert_memory_equal(c->step.access[0].data, &v, 4);
	assert_int_equal(c->step.access[1].elem, 2);
	assert_int_equal(c->step.access[0].elem, 0);
	assert_null(c->step.access[2].data);
	assert_int_equal(c->scratch_used, 6);
	x86_set(c, X86_cr2, 5);
	x86_set(c, X86_cr2, 7);
	x86_set(c, X86_dr0, 0); /* no change */
	x86_set(c, X86_rax, 9); /* hot: not listed */
	assert_int_equal(c->r[X86_rax], 9);
	assert_int_equal(c->step.ncold, 1);
	assert_int_equal(c->step.cold[0].reg, X86_cr2);
	assert_int_equal(c->step.cold[0].value, 7);
	assert_int_equal(c->dirty, 0);
	x86_step_event(c, KT_EVENT_EXCEPTION, 14, 2, 0x1000);
	assert_int_equal(c->step.event[0].value, 0x1000);
	assert_int_equal(c->end, VM_END_NONE);
	for (unsigned i = 0; i < KT_STEP_ACCESSES; i++)
		x86_step_access(c, KT_SPACE_RAM, 0, 0, 0, 4, &v, 4);
	assert_int_equal(c->step.naccess, KT_STEP_ACCESSES);
	assert_int_equal(c->end, VM_END_UNSUPPORTED);
	x86_end(c, VM_END_RESET, 1, "later");
	assert_int_equal(c->end, VM_END_UNSUPPORTED);
	for (unsigned reg = X86_NHOT; reg < X86_NREGS; reg++)
		x86_set(c, reg, 0x55aa);
	assert_int_equal(c->step.ncold, X86_NREGS - X86_NHOT);

	c->end = VM_END_NONE;
	x86_step_begin(c);
	static u8 big[X86_SCRATCH];
	x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE, 0, 0, X86_SCRATCH - 1, big, X86_SCRATCH - 1);
	assert_int_equal(c->end, VM_END_NONE);
	x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE, 0, 0, 2, big, 2);
	assert_int_equal(c->end, VM_END_UNSUPPORTED);
	assert_int_equal(c->step.naccess, 1);
	for (unsigned i = 0; i < 2 * KT_STEP_EVENTS; i++)
		x86_step_event(c, 1, 1, 1, 1);
	assert_int_equal(c->step.nevent, KT_STEP_EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ram),        cmocka_unit_test(test_touch), cmocka_unit_test(test_translate_sets_bits),
		cmocka_unit_test(test_span),       cmocka_unit_test(test_span_wraps), cmocka_unit_test(test_sys),
		cmocka_unit_test(test_fast_path),  cmocka_unit_test(test_build), cmocka_unit_test(test_large),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(b.host);
	free(b.c.scratch);
	free(b.c.touched);
	return rc;
}
