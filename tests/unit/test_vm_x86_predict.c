/* SPDX-License-Identifier: MIT */
/* Fault prediction, instruction by instruction: bytes, machine state, and what SDM 2's exception lists say. */
#include "x86_predict_make.h"

static void test_undefined(void **s)
{
	cpu_long(0);
	map_page(0, 0, PTE_P | PTE_RW);
	UD("06"); /* push es */
	UD("0f0b");
	UD("0fb9c0");
	UD("0fffc0");
	UD("0faa"); /* rsm */
	UD("f04889c3"); /* lock mov */
	UD("f04801d8"); /* lock add with a register destination */
	UD("f0480303"); /* lock add rax, [rbx] */
	OK("f0480103");
	OK("f0870b");
	UD("f0480fa303"); /* lock bt */
	OK("f0480fab03"); /* lock bts */
	/* what this CPU does not have */
	UD("f30fb8c0");     /* popcnt */
	UD("f20f38f0c0");   /* crc32 */
	UD("0f38f003");     /* movbe */
	UD("0fc7f0");       /* rdrand */
	UD("0fc7f8");       /* rdseed */
	UD("f30faec0");     /* rdfsbase */
	UD("0f01f9");       /* rdtscp */
	UD("0f01d0");       /* xgetbv */
	UD("0f01ca");       /* clac */
	UD("480fc70b");     /* cmpxchg16b */
	UD("660f388203");   /* invpcid */
	UD("660fae3b");     /* clflushopt */
	UD("0fae3b");       /* clflush: CLFSH is not shown */
	UD("c5f858c0");     /* vaddps */
	UD("c4e278f2c1");   /* andn */
	UD("660f3817c0");   /* ptest */
	UD("660f380000");   /* pshufb */
	UD("f20f12c0");     /* movddup */
	UD("660fd0c0");     /* addsubpd */
	UD("660f38dcc0");     /* aesenc */
	UD("0f01c8");       /* monitor */
	UD("0f01c1");       /* vmcall */
	UD("0f01d8");       /* vmrun */
	UD("0f0fc00d");     /* 3DNow! */
	UD("c7f800000000"); /* xbegin */
	UD("f30fc7f8");     /* rdpid */
	UD("9f");           /* lahf: CPUID 80000001 ECX does not show it for 64-bit mode */
	UD("db0b");         /* fisttp is SSE3 */
	/* the hint space is NOPs, and mapped memory is not needed */
	OK("f30f1efa");
	OK("f3480f1ec8");
	OK("0f1f80ffffff7f");
	OK("0f1880ffffff7f");
	OK("0f0d80ffffff7f");
	OK("f390");
	OK("0f1c80ffffff7f");
	OK("0faee8");
	OK("0fc30b"); /* movnti */
	OK("f30fbcc0");
	OK("0f40c0");
	OK("0fc70b"); /* cmpxchg8b */
	cpu_protected(0);
	OK("9f");
	UD("0f05"); /* syscall outside 64-bit mode */
}

static void test_fpu(void **s)
{
	cpu_long(0);
	map_page(0, 0, PTE_P | PTE_RW);
	u64 *r = b.c.r;
	OK("d903");
	OK("0f6fc1");
	OK("0f28c1");
	OK("9b");
	r[X86_cr0] |= X86_CR0_TS;
	NM("d903");
	NM("dbe3");
	NM("0f6fc1");
	NM("0f28c1");
	NM("0fae03"); /* fxsave */
	NM("0fae13"); /* ldmxcsr */
	OK("9b");     /* fwait needs MP as well */
	OK("0faef0"); /* mfence, movnti, prefetch do not touch the state */
	OK("0fc30b");
	OK("0f1803");
	r[X86_cr0] |= X86_CR0_MP;
	NM("9b");
	r[X86_cr0] = (r[X86_cr0] & ~(u64)X86_CR0_TS) | X86_CR0_EM;
	NM("d903");
	UD("0f6fc1");
	UD("0f28c1");
	UD("0f77");
	UD("0fae1b"); /* stmxcsr */
	NM("0fae0b"); /* fxrstor */
	OK("9b");
	r[X86_cr0] &= ~(u64)X86_CR0_EM;
	r[X86_cr4] &= ~(u64)X86_CR4_OSFXSR;
	UD("0f28c1");
	UD("660fefc1");
	UD("0fae13");
	OK("0fefc1"); /* pxor mm */
	OK("0fae03");
	r[X86_cr0] |= X86_CR0_TS; /* #UD comes first */
	UD("0f28c1");
}

static void test_pending_x87(void **s)
{
	cpu_long(0);
	map_page(0, 0, PTE_P | PTE_RW);
	u64 *r = b.c.r;
	r[X86_fcw] = 0x37e; /* invalid operation unmasked */
	r[X86_fsw] = 0x8081;
	OK("9b"); /* CR0.NE = 0: an interrupt's business */
	r[X86_cr0] |= X86_CR0_NE;
	RAISES("9b", X86_MF, -1);
	RAISES("d903", X86_MF, -1);
	RAISES("0f6fc1", X86_MF, -1); /* MMX */
	RAISES("0f77", X86_MF, -1);
	OK("0f28c1");
	OK("0fae03"); /* fxsave, and the instructions that do not wait */
	OK("dbe3");
	OK("dbe2");
	OK("dd3b");
	OK("d93b");
	OK("d933");
	OK("dfe0");
	r[X86_fcw] = 0x37f;
	OK("9b");
}

static void test_privilege(void **s)
{
	static const char *const kernel_only[] = {"f4", "0f0113", "0f011b", "0f00d0", "0f00d8", "0f20c0", "0f22c0", "0f21c0", "0f23c0",
		"0f06", "0f013b", "0f32", "0f30", "0f09", "0f08", "0f01f8", "0f33", "0f01f0", "480f07", "480f35", "440f20c0"};
	cpu_long(3);
	map_page(0, 0, PTE_P | PTE_RW | PTE_US);
	b.c.r[X86_sysenter_cs] = 0x10;
	b.c.r[X86_tr_limit] = 0x50; /* no I/O map */
	for (unsigned i = 0; i < KT_ARRAY_LEN(kernel_only); i++)
		GP(kernel_only[i]);
	GP("fa");
	GP("fb");
	GP("ec");
	OK("0f31");
	OK("0fa2");
	OK("0f0103"); /* sgdt: no UMIP here */
	OK("0f01e0"); /* smsw */
	OK("0f05");
	OK("0f34");
	b.c.r[X86_rflags] |= X86_IOPL;
	OK("fa");
	OK("fb");
	OK("ec");
	b.c.r[X86_cr4] |= X86_CR4_TSD;
	GP("0f31");
	cpu_long(0);
	b.c.r[X86_cr4] |= X86_CR4_TSD;
	map_page(0, 0, PTE_P | PTE_RW | PTE_US);
	OK("0f31");
	OK("f4");
	OK("0f01f8");
	GP("0f33"); /* rdpmc: no counters */
	b.c.r[X86_efer] &= ~(u64)X86_EFER_SCE;
	UD("0f05");
	UD("480f07");
	GP("0f34"); /* sysenter_cs is null */
	b.c.r[X86_efer] |= X86_EFER_SCE;
	b.c.r[X86_rcx] = 0x800000000000ull;
	GP("480f07");
	OK("0f07");
}

static void test_real_mode(void **s)
{
	cpu_real();
	static const char *const protected_only[] = {"0f00d0", "0f00d8", "0f00c0", "0f00c8", "0f02c0", "0f03c0", "0f00e0", "0f00e8", "63c0"};
	for (unsigned i = 0; i < KT_ARRAY_LEN(protected_only); i++)
		UD(protected_only[i]);
	UD("0f05");
	OK("0f20c0");
	OK("fa");
	OK("f4");
	OK("ec");
	OK("0f0113"); /* lgdt */
	b.c.r[X86_rbx] = 0xffff;
	GP("8b07"); /* mov ax, [bx] over the segment's end */
	b.c.r[X86_rsp] = 1;
	RAISES("50", X86_SS_VEC, 0);
	b.c.r[X86_rbp] = 0xffff;
	RAISES("8b4600", X86_SS_VEC, 0); /* [bp] is in SS */
	OK("268a07");
}

/* 32-bit code before protected mode is on. */
static void test_real_mode_32(void **s)
{
	cpu_real();
	b.c.r[X86_cs_attr] |= X86_ATTR_DB;
	UD("0f00d0");
	UD("0f02c0");
	UD("63c0");
	b.c.r[X86_sysenter_cs] = 0x10;
	GP("0f34");
	GP("0f35");
	UD("c5f858c0");
}

/* The sixteen conditions, said the manual's way (SDM 1, appendix B). */
static bool condition(unsigned cc, bool cf, bool pf, bool zf, bool sf, bool of)
{
	switch (cc) {
	case 0: return of;
	case 1: return !of;
	case 2: return cf;
	case 3: return !cf;
	case 4: return zf;
	case 5: return !zf;
	case 6: return cf || zf;
	case 7: return !cf && !zf;
	case 8: return sf;
	case 9: return !sf;
	case 10: return pf;
	case 11: return !pf;
	case 12: return sf != of;
	case 13: return sf == of;
	case 14: return zf || sf != of;
	default: return !zf && sf == of;
	}
}

static void test_conditions(void **s)
{
	cpu_protected(0);
	set_seg(X86_cs, 8, 0, 0xfff, ATTR_CODE | X86_ATTR_DB);
	b.c.r[X86_rip] = 0xff0;
	for (unsigned cc = 0; cc < 16; cc++) {
		for (unsigned m = 0; m < 32; m++) {
			bool cf = m & 1, pf = m & 2, zf = m & 4, sf = m & 8, of = m & 16;
			b.c.r[X86_rflags] = 2 | (cf ? X86_CF : 0) | (pf ? X86_PF : 0) | (zf ? X86_ZF : 0) | (sf ? X86_SF : 0) | (of ? X86_OF : 0);
			char near_[16], short_[8];
			snprintf(short_, sizeof short_, "7%x20", cc);
			snprintf(near_, sizeof near_, "0f8%x20000000", cc);
			int want = condition(cc, cf, pf, zf, sf, of);
			assert_int_equal(predict(short_), want);
			assert_int_equal(predict(near_), want);
		}
	}
}

static void test_unknown_values(void **s)
{
	cpu_protected(0);
	b.c.r[X86_cr4] = X86_CR4_OSFXSR;
	b.c.r[X86_rbx] = 0xa0000; /* a device: not asked, let through */
	OK("f733");
	OK("ff23");
	OK("620b");
	OK("0fae13");
	b.c.r[X86_rsp] = 0xa0000;
	OK("c3");
	b.c.r[X86_rsp] = 0x1000;
	b.c.r[X86_rbp] = 0x2000;
	OK("c800000b");
	assert_int_equal(b.c.end, VM_END_NONE);
	predict("c800001f"); /* 30 reads and 32 pushes: no room, and it says so */
	assert_int_equal(b.c.end, VM_END_UNSUPPORTED);
}

static void test_control_registers(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
#define CR(n, v, what) do { r[X86_rax] = (v); what("0f22" n); } while (0)
	CR("c0", 0x11, OK);
	CR("c0", 0x80000011, OK);
	CR("c0", 0x80000010, GP); /* PG without PE */
	CR("c0", 0x20000011, GP); /* NW without CD */
	CR("c0", 0x60000011, OK);
	CR("e0", 0x7ff, OK);      /* CR4 */
	CR("e0", 1 << 11, GP);    /* UMIP */
	CR("e0", 1 << 18, GP);
	CR("e0", 1u << 31, GP);
	CR("d8", 0xffffffff, OK); /* CR3 without PAE */
	UD("0f22c8");             /* CR1 */
	/* PAE: PDPTEs are checked when they are loaded */
	r[X86_cr4] = X86_CR4_PAE;
	r[X86_cr3] = 0x5000;
	put64(0x5008, 0x6000 | 1);
	CR("c0", 0x80000011, OK);
	put64(0x5008, 0x6000 | 1 | 2);
	CR("c0", 0x80000011, GP);
	r[X86_cr0] |= X86_CR0_PG;
	CR("d8", 0x5000, GP);
	CR("d8", 0x5020, OK);
	CR("d8", 0xa0000, GP); /* all ones from nowhere */
	CR("e0", X86_CR4_PAE | X86_CR4_PGE, GP);
	CR("e0", X86_CR4_PAE, OK);
	CR("e0", 0, OK);
	r[X86_cr0] &= ~X86_CR0_PG;
	/* into long mode */
	r[X86_efer] = X86_EFER_LME;
	CR("c0", 0x80000011, OK);
	r[X86_cr4] = 0;
	CR("c0", 0x80000011, GP);
	r[X86_cr4] = X86_CR4_PAE;
	r[X86_cs_attr] |= X86_ATTR_L;
	CR("c0", 0x80000011, GP);
	r[X86_cs_attr] &= ~(u64)X86_ATTR_L;
	r[X86_tr_attr] = 0x83;
	CR("c0", 0x80000011, GP); /* 16-bit TSS */
	cpu_long(0);
	r = b.c.r;
	CR("c0", r[X86_cr0], OK);
	CR("c0", 0x11, GP);       /* not from 64-bit mode */
	CR("c0", r[X86_cr0] | 1ull << 32, GP);
	CR("e0", X86_CR4_OSFXSR, GP); /* PAE must stay */
	CR("e0", r[X86_cr4] | X86_CR4_PGE, OK);
	CR("e0", r[X86_cr4] | X86_CR4_LA57, GP);
	CR("d8", 1ull << 40, GP);
	CR("d8", (1ull << 40) - 1, OK);
	CR("d8", 1ull << 63, GP);
	CR("d0", ~0ull, OK); /* CR2 takes anything */
	r[X86_rax] = 15;
	OK("440f22c0");
	r[X86_rax] = 16;
	GP("440f22c0"); /* CR8 */
	r[X86_rax] = 0;
	r[X86_r9] = 1ull << 50;
	GP("410f22d9"); /* mov cr3, r9 */
	OK("0f22d8");
	r[X86_cs_attr] = ATTR_CODE | ATTR_BIG; /* compatibility mode may leave */
	CR("c0", 0x11, OK);
}

static void test_debug_registers(void **s)
{
	cpu_long(0);
	u64 *r = b.c.r;
	r[X86_rax] = 0x400;
	OK("0f23f8");
	OK("0f21f8");
	OK("0f23e0"); /* dr4 is dr6 without DE */
	r[X86_cr4] |= X86_CR4_DE;
	UD("0f23e0");
	UD("0f21e8");
	r[X86_rax] = 1ull << 32;
	GP("0f23f8");
	GP("0f23f0");
	OK("0f23c0");
	OK("0f21f8");
	r[X86_dr7] = 0x2400;
	RAISES("0f21c0", X86_DB, -1);
	assert_int_equal(f.dr6, 0x2000);
	assert_false(f.is_trap);
	UD("0f23e0"); /* before GD */
}

static void test_msr(void **s)
{
	cpu_long(0);
	u64 *r = b.c.r;
	r[X86_rcx] = 0xc0000082;
	OK("0f32");
	r[X86_rax] = 0xdead0000;
	r[X86_rdx] = 0xffffffff;
	OK("0f30");
	r[X86_rdx] = 0x00008000;
	GP("0f30"); /* LSTAR wants canonical */
	r[X86_rcx] = 0xffffffff00000140ull; /* the upper half does not count */
	GP("0f32");
}

static void test_ports(void **s)
{
	cpu_protected(3);
	u64 *r = b.c.r;
	set_seg(X86_tr, 0xe0, TSS, 0xff, 0x8b);
	put32(TSS + 100, 0x68u << 16); /* I/O map base at 102 */
	memset(b.host + TSS + 0x68, 0, 0x90);
	r[X86_rdx] = 0x60;
	OK("ec");
	b.host[TSS + 0x68 + 12] = 1; /* port 0x60 */
	GP("ec");
	GP("ee");
	GP("e460");
	OK("e461");
	r[X86_rdx] = 0x5d;
	GP("ed");   /* 5d..60 */
	OK("66ed"); /* 5d..5e */
	r[X86_rdi] = 0x1000;
	GP("6d");
	r[X86_rdx] = 0x4b7;
	OK("ec"); /* byte 0x96 of the map: 0x68 + 0x96 + 1 = 0xff, the limit */
	r[X86_rdx] = 0x4b8;
	GP("ec");
	set_seg(X86_tr, 0xe0, TSS, 0x66, 0x8b);
	r[X86_rdx] = 0x10;
	GP("ec");
	set_seg(X86_tr, 0xe0, TSS, 0xff, 0x83);
	GP("ec"); /* a 16-bit TSS has no map */
	r[X86_rflags] |= X86_IOPL;
	OK("ec");
	/* a page fault while the map is read */
	cpu_long(3);
	set_seg(X86_tr, 0xe0, 0x12345000, 0x1000, 0x8b);
	RAISES("ec", X86_PFAULT, 0);
	assert_int_equal(f.cr2, 0x12345066);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undefined),
		cmocka_unit_test(test_fpu),
		cmocka_unit_test(test_pending_x87),
		cmocka_unit_test(test_privilege),
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_real_mode_32),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_unknown_values),
		cmocka_unit_test(test_control_registers),
		cmocka_unit_test(test_debug_registers),
		cmocka_unit_test(test_msr),
		cmocka_unit_test(test_ports),
	};
	return run_predict_tests(tests, KT_ARRAY_LEN(tests));
}
