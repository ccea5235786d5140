/* SPDX-License-Identifier: MIT */
/* Fault prediction, instruction by instruction: bytes, machine state, and what SDM 2's exception lists say. */
#include "x86_cpu_make.h"

#include "vm/x86_64/x86_predict.h"

static struct x86_fault f;
static struct x86_plan plan;
static struct x86_insn insn;

/* Decodes and predicts the bytes given in hex. */
static int predict(const char *hex)
{
	u8 bytes[16] = {0};
	unsigned n = 0, mode = x86_mode(b.c.r);
	for (; hex[2 * n]; n++) {
		unsigned v;
		assert_int_equal(sscanf(hex + 2 * n, "%2x", &v), 1);
		bytes[n] = (u8)v;
	}
	assert_int_equal(x86_decode(mode, b.c.r[X86_rip], b.c.r[X86_rip], bytes, n, &insn), 0);
	if (insn.mnemonic)
		assert_int_equal(insn.k.len, n);
	x86_step_begin(&b.c);
	memset(&plan, 0xee, sizeof plan);
	memset(&f, 0xee, sizeof f);
	return x86_predict(&b.c, &insn, &plan, &f);
}

static void ok_at(const char *hex, int line)
{
	if (predict(hex))
		fail_msg("line %d: %s raises %u error %#x", line, hex, f.vector, f.error);
}

static void raises_at(const char *hex, unsigned vector, int error, int line)
{
	u64 before[X86_NREGS];
	memcpy(before, b.c.r, sizeof before);
	if (predict(hex) != 1)
		fail_msg("line %d: %s does not fault", line, hex);
	if (f.vector != vector || f.has_error != (error >= 0) || (error >= 0 && f.error != (u32)error))
		fail_msg("line %d: %s raises %u error %d %#x", line, hex, f.vector, f.has_error, f.error);
	assert_memory_equal(before, b.c.r, sizeof before);
}
#define OK(hex) ok_at(hex, __LINE__)
#define RAISES(hex, vector, error) raises_at(hex, vector, error, __LINE__)
#define UD(hex) RAISES(hex, X86_UD, -1)
#define NM(hex) RAISES(hex, X86_NM, -1)
#define GP(hex) RAISES(hex, X86_GP, 0)

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

static void test_memory(void **s)
{
	cpu_long(3);
	u64 *r = b.c.r, rw = PTE_P | PTE_RW | PTE_US, pte = map_page(0x400000, 0x5000, rw), ro = map_page(0x401000, 0x6000, PTE_P | PTE_US);
	map_page(0x402000, 0x7000, PTE_P | PTE_RW);
	map_page(0x404000, 0xa0000, rw);
	r[X86_rbx] = 0x400100;
	OK("488b03");
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.span[0].part[0].pa, 0x5100);
	assert_int_equal(get64(pte), 0x5000 | rw | PTE_A);
	OK("480103"); /* read and write of one operand */
	assert_int_equal(plan.n, 2);
	assert_ptr_equal(plan.span[1].part[0].host, b.host + 0x5100);
	assert_int_equal(plan.p[1].va, 0x400100);
	assert_int_equal(get64(pte), 0x5000 | rw | PTE_A | PTE_D);
	r[X86_rbx] = 0x401000;
	OK("488b03");
	RAISES("488903", X86_PFAULT, 7);
	RAISES("480103", X86_PFAULT, 7); /* asked for writing from the start */
	OK("483903"); /* cmp only reads */
	assert_int_equal(get64(ro), 0x6000 | PTE_P | PTE_US | PTE_A);
	r[X86_rbx] = 0x402000;
	RAISES("488b03", X86_PFAULT, 5);
	r[X86_rbx] = 0x403000;
	RAISES("480103", X86_PFAULT, 6);
	assert_int_equal(f.cr2, 0x403000);
	r[X86_rbx] = 0x400ffc; /* reaches the read-only page */
	RAISES("488903", X86_PFAULT, 7);
	assert_int_equal(f.cr2, 0x401000);
	r[X86_rbx] = 0x800000000000ull;
	GP("488b03");
	RAISES("488b0424", X86_PFAULT, 4); /* rsp = 0 */
	r[X86_rsp] = 0x800000000000ull;
	RAISES("488b0424", X86_SS_VEC, 0);
	RAISES("58", X86_SS_VEC, 0);
	RAISES("50", X86_PFAULT, 6); /* pushes to 7ffffffffff8 */
	r[X86_rsp] = 0x800000000004ull;
	RAISES("50", X86_SS_VEC, 0);
	r[X86_rbp] = 0x800000000000ull;
	RAISES("488b4500", X86_SS_VEC, 0);
	GP("65488b4500"); /* gs:[rbp] is GS */
	OK("488d4500");
	r[X86_rbx] = 0x404010;
	OK("8b03"); /* a device */
	assert_null(plan.span[0].part[0].host);
	/* push [mem]: the read comes first */
	r[X86_rbx] = 0x403000;
	r[X86_rsp] = 0x800000000000ull;
	RAISES("ff33", X86_PFAULT, 4);
	/* bt with a bit offset far away: bits 2^15 = 4 KiB on */
	r[X86_rbx] = 0x400100;
	r[X86_rcx] = 0x8000;
	OK("480fa30b");
	assert_int_equal(plan.p[0].va, 0x401100);
	RAISES("480fab0b", X86_PFAULT, 7);
}

static void test_stack_all(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
	set_seg(X86_ss, 0x18, 0, 0xfff, ATTR_DATA | X86_ATTR_DB);
	r[X86_rsp] = 0x20;
	OK("60");
	assert_int_equal(plan.n, 8);
	r[X86_rsp] = 0x1c;
	RAISES("60", X86_SS_VEC, 0); /* the eighth word wraps to fffffffc */
	r[X86_rsp] = 0xfe0;
	OK("61");
	r[X86_rsp] = 0xfe4;
	RAISES("61", X86_SS_VEC, 0);
	/* enter: frame size and the final pointer */
	r[X86_rsp] = 0x100;
	r[X86_rbp] = 0x200;
	OK("c8100000");
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.p[0].va, 0xfc);
	assert_true(plan.p[0].write);
	OK("c8fc0000"); /* ends at 0 */
	RAISES("c8fd0000", X86_SS_VEC, 0);
	OK("c8000003"); /* level 3: reads bp-4, bp-8; pushes bp, those two, the frame */
	assert_int_equal(plan.n, 6);
	assert_int_equal(plan.p[0].va, 0x1fc);
	assert_int_equal(plan.p[1].va, 0x1f8);
	assert_int_equal(plan.p[5].va, 0xf0);
	r[X86_rbp] = 0x1000;
	OK("c8000002");
	r[X86_rbp] = 0x1004;
	RAISES("c8000002", X86_SS_VEC, 0);
	/* leave pops where rBP points */
	r[X86_rbp] = 0xffd;
	RAISES("c9", X86_SS_VEC, 0);
}

static void test_alignment(void **s)
{
	cpu_long(3);
	u64 *r = b.c.r, rw = PTE_P | PTE_RW | PTE_US;
	u64 pte = map_page(0x400000, 0x5000, rw);
	r[X86_rbx] = 0x400008;
	GP("0f2803");   /* movaps */
	GP("0f2903");
	GP("660f6f03"); /* movdqa */
	GP("660fef03"); /* pxor */
	GP("0fae03");   /* fxsave */
	GP("0fae0b");
	GP("0f2b03");   /* movntps */
	assert_int_equal(get64(pte), 0x5000 | rw); /* before the page is asked */
	OK("0f1003");   /* movups */
	OK("f30f6f03"); /* movdqu */
	OK("0f1603");   /* movhps: 8 bytes */
	OK("f20f1003"); /* movsd */
	OK("0fef03");   /* pxor mm */
	r[X86_rbx] = 0x400010;
	OK("0f2803");
	OK("0fae03");
	/* #AC */
	r[X86_rbx] = 0x400001;
	OK("8b03");
	r[X86_rflags] |= X86_AC;
	OK("8b03");
	r[X86_cr0] |= X86_CR0_AM;
	RAISES("8b03", X86_AC_VEC, 0);
	RAISES("668b03", X86_AC_VEC, 0);
	OK("8a03");
	RAISES("488b03", X86_AC_VEC, 0);
	OK("0f1003");
	r[X86_rbx] = 0x400004;
	OK("8b03");
	RAISES("488b03", X86_AC_VEC, 0);
	r[X86_rbx] = 0x400fff;
	RAISES("8b03", X86_PFAULT, 4); /* a page fault comes first */
	assert_int_equal(f.cr2, 0x401000);
	cpu_long(0);
	map_page(0x400000, 0x5000, rw);
	b.c.r[X86_rbx] = 0x400001;
	b.c.r[X86_rflags] |= X86_AC;
	b.c.r[X86_cr0] |= X86_CR0_AM;
	OK("8b03");
}

static void test_divide(void **s)
{
	cpu_long(0);
	u64 *r = b.c.r;
	map_page(0x400000, 0x5000, PTE_P | PTE_RW);
#define DIV(hi, lo, by, hex, what) do { r[X86_rdx] = (hi); r[X86_rax] = (lo); r[X86_rcx] = (by); what(hex); } while (0)
#define DE(hex) RAISES(hex, X86_DE, -1)
	DIV(0, 10, 0, "f7f1", DE);
	DIV(0, 10, 3, "f7f1", OK);
	DIV(3, 0, 3, "f7f1", DE);
	DIV(2, 0xffffffff, 3, "f7f1", OK);
	DIV(0xdead00000000, 1, 0xbeef00000001, "f7f1", OK); /* 32 bits count */
	DIV(0, 1, 0xbeef00000000, "f7f1", DE);
	DIV(5, 0, 5, "48f7f1", DE);
	DIV(4, ~0ull, 5, "48f7f1", OK);
	DIV(0xff, 0x0200, 2, "f6f1", DE); /* AX / CL: 200 / 2 = 100 */
	DIV(0xff, 0x01ff, 2, "f6f1", OK);
	DIV(0, 0, 0x0100, "f6f5", OK); /* CH = 1 */
	DIV(0, 0, 0x00ff, "f6f5", DE);
	DIV(1, 0, 1, "66f7f1", DE);
	/* idiv: -80000000h fits, +80000000h does not */
	DIV(0xffffffff, 0x80000000, 1, "f7f9", OK);
	DIV(0xffffffff, 0x80000000, 0xffffffff, "f7f9", DE);
	DIV(0, 0x80000000, 1, "f7f9", DE);
	DIV(0, 0x80000000, 0xffffffff, "f7f9", OK);
	DIV(0, 0x7fffffff, 1, "f7f9", OK);
	DIV(0, 1, 0, "f7f9", DE);
	DIV(~0ull, 1ull << 63, ~0ull, "48f7f9", DE);
	DIV(~0ull, 1ull << 63, 1, "48f7f9", OK);
	DIV(1ull << 63, 0, ~0ull, "48f7f9", DE); /* the smallest dividend */
	DIV(0, 0xff80, 1, "f6f9", OK);   /* -128 / 1 */
	DIV(0, 0x0080, 1, "f6f9", DE);   /* 128 / 1 */
	DIV(0, 0x0080, 0xff, "f6f9", OK); /* 128 / -1 */
	DIV(0xffff, 0x8000, 0xffff, "66f7f9", DE);
	/* from memory */
	r[X86_rbx] = 0x400ffe;
	map_page(0x401000, 0x8000, PTE_P | PTE_RW);
	DIV(0, 10, 0, "f733", DE);
	b.host[0x8001] = 1;
	DIV(0, 10, 0, "f733", OK);
	r[X86_rbx] = 0x402000;
	RAISES("f733", X86_PFAULT, 0);
	cpu_protected(0);
	RAISES("d400", X86_DE, -1); /* aam 0 */
	OK("d40a");
}

static void test_software_interrupts(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
	RAISES("cc", X86_BP, -1);
	assert_true(f.is_trap && f.soft);
	RAISES("cd80", 0x80, -1);
	assert_true(f.is_trap && f.soft);
	RAISES("f1", X86_DB, -1);
	assert_true(f.is_trap && !f.soft);
	assert_int_equal(f.dr6, 0);
	OK("ce");
	r[X86_rflags] |= X86_OF;
	RAISES("ce", X86_OFLOW, -1);
	assert_true(f.is_trap && f.soft);
	/* bound */
	r[X86_rbx] = 0x1000;
	put32(0x1000, (u32)-5);
	put32(0x1004, 7);
	static const struct { s32 index; bool in; } cases[] = {{-6, false}, {-5, true}, {0, true}, {7, true}, {8, false}};
	for (unsigned i = 0; i < KT_ARRAY_LEN(cases); i++) {
		r[X86_rcx] = (u32)cases[i].index;
		if (cases[i].in)
			OK("620b");
		else
			RAISES("620b", X86_BR, -1);
	}
	assert_false(f.is_trap);
	put32(0x1000, 0x0007fffb); /* 16-bit: -5, 7 */
	r[X86_rcx] = 0xaaaafffb;
	OK("66620b");
	r[X86_rcx] = 8;
	RAISES("66620b", X86_BR, -1);
}

static void test_tables(void **s)
{
	cpu_long(0);
	u64 *r = b.c.r;
	map_page(0x400000, 0x5000, PTE_P | PTE_RW);
	r[X86_rbx] = 0x400000;
	put64(0x5002, 0xffff800000000000ull);
	OK("0f0113");
	put64(0x5002, 0x0000800000000000ull);
	GP("0f0113");
	GP("0f011b");
	put32(0x5000, 0x1f80);
	OK("0fae13"); /* ldmxcsr */
	put32(0x5000, 0x1ffff);
	GP("0fae13");
	put32(0x5000 + 24, 0x1f80);
	OK("0fae0b"); /* fxrstor */
	put32(0x5000 + 24, 0x80001f80);
	GP("0fae0b");
	r[X86_cr4] &= ~(u64)X86_CR4_OSFXSR;
	OK("0fae0b");
}

static void test_branches(void **s)
{
	cpu_protected(0);
	u64 *r = b.c.r;
	set_seg(X86_cs, 8, 0, 0xfff, ATTR_CODE | X86_ATTR_DB);
	r[X86_rip] = 0x100;
	r[X86_rsp] = 0x8000;
	OK("e9fa0e0000");  /* to fff */
	GP("e9fb0e0000");
	GP("e8fb0e0000");
	GP("e900000080");
	/* jcc: only if taken */
	OK("0f84fb0e0000");
	r[X86_rflags] |= X86_ZF;
	GP("0f84fb0e0000");
	OK("0f85fb0e0000");
	r[X86_rip] = 0xff0;
	r[X86_rflags] = 2 | X86_SF;
	GP("7c10"); /* jl: SF != OF */
	GP("7e10");
	OK("7d10");
	OK("7f10");
	OK("7210");
	r[X86_rcx] = 2;
	GP("e210");
	OK("e110");  /* loope needs ZF */
	GP("e010");
	OK("e310");
	r[X86_rcx] = 1;
	OK("e210");
	r[X86_rcx] = 0;
	GP("e310");
	/* indirect, through register and memory; the target comes before the push */
	r[X86_rip] = 0x100;
	r[X86_rax] = 0x1000;
	r[X86_rsp] = 0x8000;
	GP("ffe0");
	GP("ffd0");
	r[X86_rax] = 0xffff0fff;
	OK("66ffe0"); /* 16 bits */
	r[X86_rbx] = 0x5000;
	put32(0x5000, 0x1000);
	GP("ff13");
	put32(0x5000, 0xfff);
	OK("ff13");
	assert_int_equal(plan.n, 2);
	set_seg(X86_ss, 0x10, 0, 0x7ffb, ATTR_DATA | X86_ATTR_DB);
	RAISES("ff13", X86_SS_VEC, 0);
	put32(0x5000, 0x1000);
	GP("ff13");
	/* ret */
	r[X86_rsp] = 0x6000;
	put32(0x6000, 0x1000);
	GP("c3");
	put32(0x6000, 0xfff);
	OK("c3");
	r[X86_rsp] = 0x7ff9;
	RAISES("c3", X86_SS_VEC, 0);
	cpu_long(0);
	r = b.c.r;
	map_page(0x400000, 0x5000, PTE_P | PTE_RW);
	r[X86_rip] = 0x7fffffffffe0ull;
	GP("eb7f");
	OK("eb00");
	r[X86_rax] = 0xffff7fffffffffffull;
	GP("ffe0");
	r[X86_rsp] = 0x400000;
	put64(0x5000, 0x800000000000ull);
	GP("c3");
	put64(0x5000, 0x7fffffffffffull);
	OK("c3");
	/* a far jump through memory plans its read only; iret and far ret nothing */
	r[X86_rbx] = 0x400000;
	OK("ff2b");
	assert_int_equal(plan.n, 1);
	OK("48cf");
	assert_int_equal(plan.n, 0);
	OK("48cb");
	assert_int_equal(plan.n, 0);
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
		cmocka_unit_test(test_undefined),  cmocka_unit_test(test_fpu),       cmocka_unit_test(test_pending_x87),
		cmocka_unit_test(test_privilege),  cmocka_unit_test(test_real_mode), cmocka_unit_test(test_control_registers),
		cmocka_unit_test(test_debug_registers), cmocka_unit_test(test_msr),  cmocka_unit_test(test_ports),
		cmocka_unit_test(test_memory),     cmocka_unit_test(test_stack_all), cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_divide),     cmocka_unit_test(test_software_interrupts), cmocka_unit_test(test_tables),
		cmocka_unit_test(test_branches),   cmocka_unit_test(test_rep_limits), cmocka_unit_test(test_rep_bits),
		cmocka_unit_test(test_real_mode_32), cmocka_unit_test(test_conditions), cmocka_unit_test(test_rep_segments),
		cmocka_unit_test(test_unknown_values), cmocka_unit_test(test_rep_devices), cmocka_unit_test(test_rep_scan), cmocka_unit_test(test_rep_random),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(b.host);
	free(b.c.scratch);
	free(b.c.touched);
	return rc;
}
