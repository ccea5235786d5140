/* SPDX-License-Identifier: MIT */
/* iret and the fast system calls against results worked out by hand from SDM 2. */
#include "x86_far_box.h"

/* --- iret --- */

#define IRET "\xcf"
#define IRETQ "\x48\xcf"

static void iretq_same_level(void **state)
{
	struct box *b = box_long(0);
	struct x86_fault f;
	u64 *r = b->c.r;
	r[X86_nmi_blocked] = 1;
	r[X86_rflags] = 2 | X86_IOPL; /* replaced: CPL 0 */
	frame64(b, SEL_KDATA, 0x7f08, 0xffffffff, SEL_KCODE64, 0x7000);
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 0);
	assert_int_equal(r[X86_rip], 0x7000);
	assert_int_equal(r[X86_rsp], 0x7f08);
	/* everything that exists but VM; reserved bits as they were */
	assert_int_equal(r[X86_rflags], 0x3d7fd7);
	assert_int_equal(r[X86_nmi_blocked], 0);
	assert_int_equal(b->c.step.naccess, 1);
	want_access(b, 0x9000 - 40, 40, 0);
	box_free(b);
}

static void iretq_to_user(void **state)
{
	struct box *b = box_long(0);
	struct x86_fault f;
	u64 *r = b->c.r;
	box_seg(b, X86_es, SEL_UDATA | 3); /* may stay */
	box_seg(b, X86_gs, SEL_CONFORMING32); /* DPL 0, but conforming: may stay */
	r[X86_fs] = 0, r[X86_fs_attr] = X86_ATTR_UNUSABLE, r[X86_fs_base] = 0x7654; /* null already */
	frame64(b, SEL_UDATA | 3, 0x7ffffffff000, 0x202, SEL_UCODE64 | 3, 0x400000);
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 0);
	assert_int_equal(r[X86_cs], SEL_UCODE64 | 3);
	assert_int_equal(r[X86_cs_attr], 0xa0fb);
	assert_int_equal(r[X86_ss], SEL_UDATA | 3);
	assert_int_equal(r[X86_rsp], 0x7ffffffff000);
	assert_int_equal(r[X86_rflags], 0x202);
	assert_int_equal(x86_cpl(r), 3);
	assert_int_equal(r[X86_ds], 0); /* kernel data must not be kept */
	assert_int_equal(r[X86_ds_attr], X86_ATTR_UNUSABLE);
	assert_int_equal(r[X86_es], SEL_UDATA | 3);
	assert_int_equal(r[X86_gs], SEL_CONFORMING32);
	assert_int_equal(r[X86_fs_base], 0x7654);
	box_free(b);
}

static void iretq_to_compatibility_mode(void **state)
{
	struct box *b = box_long(0);
	struct x86_fault f;
	frame64(b, SEL_UDATA | 3, 0x12ffffd000, 0x202, SEL_UCODE32 | 3, 0x8049000);
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 0);
	assert_int_equal(b->c.r[X86_rsp], 0xffffd000); /* ESP */
	assert_int_equal(x86_mode(b->c.r) & KT_MODE_CODE, KT_MODE_32);
	box_free(b);

	b = box_long(0);
	frame64(b, SEL_UDATA | 3, 0x1000, 0x202, SEL_UCODE32 | 3, 0x100000000);
	FAULTS(b, x86_iret, IRETQ, X86_GP, 0); /* beyond 4 GiB */
	box_free(b);
}

/* A 16-bit stack takes SP only; the kernel's bits 31:16 leak. */
static void iretq_to_16bit_stack(void **state)
{
	struct box *b = box_long(0);
	struct x86_fault f;
	b->c.r[X86_rsp] = 0x12000;
	frame64(b, SEL_UDATA16 | 3, 0xabcdef01, 0x202, SEL_UCODE32 | 3, 0x1000);
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 0);
	assert_int_equal(b->c.r[X86_rsp], 0x1ef01);
	box_free(b);
}

static void iretq_null_ss(void **state)
{
	struct box *b = box_long(0);
	struct x86_fault f;
	frame64(b, 0, 0x7000, 2, SEL_KCODE64, 0x6000);
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 0); /* what a nested kernel interrupt needs */
	assert_int_equal(b->c.r[X86_ss], 0);
	assert_int_equal(b->c.r[X86_ss_attr], X86_ATTR_UNUSABLE);
	assert_int_equal(x86_cpl(b->c.r), 0);
	box_free(b);

	static const struct { u64 ss, cs; } bad[] = {
		{ 3, SEL_KCODE64 },      /* RPL differs */
		{ 0, SEL_KCODE32 },      /* not to 64-bit code */
		{ 3, SEL_UCODE64 | 3 },  /* not at CPL 3 */
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(bad); i++) {
		b = box_long(0);
		frame64(b, bad[i].ss, 0x7000, 2, bad[i].cs, 0x6000);
		FAULTS(b, x86_iret, IRETQ, X86_GP, 0);
		box_free(b);
	}
}

static void iretq_faults(void **state)
{
	static const struct { u64 ss, cs, rip; unsigned vector; u32 error; } t[] = {
		{ SEL_KDATA, 0, 0x1000, X86_GP, 0 },
		{ SEL_KDATA, 0x1000, 0x1000, X86_GP, 0x1000 },
		{ SEL_KDATA, SEL_KDATA, 0x1000, X86_GP, SEL_KDATA },
		{ SEL_KDATA, SEL_LONG_AND_BIG, 0x1000, X86_GP, SEL_LONG_AND_BIG },
		{ SEL_KDATA, SEL_ABSENT_CODE32, 0x1000, X86_NP, SEL_ABSENT_CODE32 },
		{ SEL_KDATA, SEL_UCODE64, 0x1000, X86_GP, SEL_UCODE64 },     /* DPL 3, RPL 0 */
		{ SEL_UDATA | 3, SEL_KCODE64 | 3, 0x1000, X86_GP, SEL_KCODE64 },
		{ SEL_UDATA, SEL_UCODE64 | 3, 0x1000, X86_GP, SEL_UDATA },   /* RPL of SS */
		{ SEL_KDATA | 3, SEL_UCODE64 | 3, 0x1000, X86_GP, SEL_KDATA }, /* DPL of SS */
		{ SEL_UCODE32 | 3, SEL_UCODE64 | 3, 0x1000, X86_GP, SEL_UCODE32 },
		{ SEL_ABSENT_DATA, SEL_KCODE64, 0x1000, X86_SS_VEC, SEL_ABSENT_DATA },
		{ SEL_KDATA, SEL_KCODE64, 0x800000000000, X86_GP, 0 },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(t); i++) {
		struct box *b = box_long(0);
		frame64(b, t[i].ss, 0x7000, 2, t[i].cs, t[i].rip);
		FAULTS(b, x86_iret, IRETQ, t[i].vector, t[i].error);
		box_free(b);
	}
	struct box *b = box_long(0);
	b->c.r[X86_rflags] |= X86_NT;
	frame64(b, SEL_KDATA, 0x7000, 2, SEL_KCODE64, 0x1000);
	FAULTS(b, x86_iret, IRETQ, X86_GP, 0);
	box_free(b);

	b = box_long(3); /* inwards */
	frame64(b, SEL_KDATA, 0x7000, 2, SEL_KCODE64, 0x1000);
	FAULTS(b, x86_iret, IRETQ, X86_GP, SEL_KCODE64);
	box_free(b);

	b = box_long(0);
	b->c.r[X86_rsp] = 0x8ff0;
	box_unmap(b, 0x9000);
	struct x86_fault f;
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 1);
	want_fault(&f, X86_PFAULT, true, 0);
	assert_int_equal(f.cr2, 0x9000);
	box_unchanged(b);
	box_free(b);

	b = box_long(0);
	b->c.r[X86_rsp] = 0x7ffffffffff8;
	for (unsigned i = 0; i < 2; i++) { /* not mapped: the page fault of the first word comes before the canonical end */
		FAULTS(b, x86_iret, IRETQ, i ? X86_SS_VEC : X86_PFAULT, 0);
		b->c.r[X86_rsp] = 0x7ffffffffffc;
	}
	box_free(b);
}

static void iretq_user_keeps_iopl_and_if(void **state)
{
	struct box *b = box_long(3);
	struct x86_fault f;
	b->c.r[X86_rflags] = 0x202;
	frame64(b, SEL_UDATA | 3, 0x7000, 0x3d7dd7, SEL_UCODE64 | 3, 0x1000); /* all but IF */
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 0);
	assert_int_equal(b->c.r[X86_rflags], (0x3d7dd7 & ~(X86_IOPL | X86_VIF | X86_VIP)) | 0x202);
	box_free(b);

	b = box_long(3); /* IOPL 3: IF may change */
	b->c.r[X86_rflags] = 0x3202;
	frame64(b, SEL_UDATA | 3, 0x7000, 2, SEL_UCODE64 | 3, 0x1000);
	assert_int_equal(RUN(b, x86_iret, IRETQ, &f), 0);
	assert_int_equal(b->c.r[X86_rflags], 0x3002);
	box_free(b);
}

static void iretd_same_level(void **state)
{
	struct box *b = box_prot(0);
	struct x86_fault f;
	push4(b, 0x10246 | X86_NT);
	push4(b, 0xabcd0000 | SEL_FRESH_CODE32); /* the high half of the CS slot does not count */
	push4(b, 0x7000);
	assert_int_equal(RUN(b, x86_iret, IRET, &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x7000);
	assert_int_equal(b->c.r[X86_rsp], 0x9000);
	assert_int_equal(b->c.r[X86_rflags], 0x10246 | X86_NT);
	assert_int_equal(b->c.r[X86_cs], SEL_FRESH_CODE32);
	assert_int_equal(get(b, BOX_GDT + SEL_FRESH_CODE32 + 5, 1), 0x9b);
	assert_int_equal(b->c.step.access[0].flags, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT); /* implicit ones come first */
	want_access(b, 0x8ff4, 12, 0);
	box_free(b);
}

static void iretd_to_user(void **state)
{
	struct box *b = box_prot(0);
	struct x86_fault f;
	push4(b, SEL_UDATA | 3);
	push4(b, 0xbffff000);
	push4(b, 0x202);
	push4(b, SEL_UCODE32 | 3);
	push4(b, 0x8048000);
	assert_int_equal(RUN(b, x86_iret, IRET, &f), 0);
	assert_int_equal(b->c.r[X86_rsp], 0xbffff000);
	assert_int_equal(b->c.r[X86_ss], SEL_UDATA | 3);
	assert_int_equal(x86_cpl(b->c.r), 3);
	assert_int_equal(b->c.r[X86_fs], 0);
	assert_int_equal(b->c.r[X86_fs_attr], X86_ATTR_UNUSABLE);
	box_free(b);
}

static void iretw_keeps_the_high_flags(void **state)
{
	struct box *b = box_prot(0);
	struct x86_fault f;
	b->c.r[X86_rflags] = 2 | X86_AC | X86_ID;
	push2(b, 0x3247);
	push2(b, SEL_KCODE32);
	push2(b, 0x7000);
	assert_int_equal(RUN(b, x86_iret, "\x66\xcf", &f), 0);
	assert_int_equal(b->c.r[X86_rflags], 0x3247 | X86_AC | X86_ID);
	assert_int_equal(b->c.r[X86_rsp], 0x9000);
	box_free(b);
}

static void iret_that_ends_the_machine(void **state)
{
	struct x86_fault f;
	struct box *b = box_prot(0);
	push4(b, 0x20202);
	push4(b, 0x1000);
	push4(b, 0x100);
	assert_int_equal(RUN(b, x86_iret, IRET, &f), -1);
	assert_int_equal(b->c.end, VM_END_UNSUPPORTED);
	box_unchanged(b);
	box_free(b);

	b = box_prot(0);
	b->c.r[X86_rflags] |= X86_NT;
	assert_int_equal(RUN(b, x86_iret, IRET, &f), -1);
	assert_int_equal(b->c.end, VM_END_UNSUPPORTED);
	assert_non_null(strstr(b->c.end_text, "task"));
	box_unchanged(b);
	box_free(b);
}

static void iret_real(void **state)
{
	struct x86_fault f;
	struct box *b = box_real();
	b->c.r[X86_rflags] = 0x2 | X86_ID;
	push2(b, 0xf2d7);
	push2(b, 0xf000);
	push2(b, 0x1234);
	assert_int_equal(RUN(b, x86_iret, IRET, &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x1234);
	assert_int_equal(b->c.r[X86_cs], 0xf000);
	assert_int_equal(b->c.r[X86_cs_base], 0xf0000);
	assert_int_equal(b->c.r[X86_rsp], 0x9000);
	assert_int_equal(b->c.r[X86_rflags], 0x72d7 | X86_ID);
	want_access(b, 0x8ffa, 6, 0);
	box_free(b);

	b = box_real(); /* SDM 2: EFLAGS = (popped & 257fd5) | (old & 1a0000) */
	b->c.r[X86_rflags] = 0x2 | X86_VIF;
	push4(b, 0xffffffff & ~X86_VIF);
	push4(b, 0x0100);
	push4(b, 0x1234);
	assert_int_equal(RUN(b, x86_iret, "\x66\xcf", &f), 0);
	assert_int_equal(b->c.r[X86_rflags], 0x257fd7 | X86_VIF);
	box_free(b);

	b = box_real();
	push4(b, 2);
	push4(b, 0);
	push4(b, 0x10000); /* beyond the limit */
	FAULTS(b, x86_iret, "\x66\xcf", X86_GP, 0);
	box_free(b);

	b = box_real();
	b->c.r[X86_rsp] = 0xffff;
	FAULTS(b, x86_iret, IRET, X86_SS_VEC, 0);
	box_free(b);
}

/* --- syscall and its kin --- */

#define SYSCALL "\x0f\x05"
#define SYSRET "\x0f\x07"
#define SYSRETQ "\x48\x0f\x07"
#define SYSENTER "\x0f\x34"
#define SYSEXIT "\x0f\x35"
#define SYSEXITQ "\x48\x0f\x35"

static struct box *box_syscall(unsigned cpl)
{
	struct box *b = box_long(cpl);
	b->c.r[X86_star] = 0x0023001300000000; /* bits 33:32 do not count */
	b->c.r[X86_lstar] = 0xffffffff81000000;
	b->c.r[X86_sfmask] = 0x47700;
	return b;
}

static void syscall_enters(void **state)
{
	struct x86_fault f;
	struct box *b = box_syscall(3);
	u64 *r = b->c.r;
	r[X86_rflags] = 0x40247 | X86_RF;
	assert_int_equal(RUN(b, x86_syscall, SYSCALL, &f), 0);
	assert_int_equal(r[X86_rip], 0xffffffff81000000);
	assert_int_equal(r[X86_rcx], 0x8002);
	assert_int_equal(r[X86_r11], 0x40247);
	assert_int_equal(r[X86_rflags], 0x47);
	assert_int_equal(r[X86_cs], 0x10);
	assert_int_equal(r[X86_cs_attr], 0xa09b);
	assert_int_equal(r[X86_cs_limit], 0xffffffff);
	assert_int_equal(r[X86_ss], 0x18);
	assert_int_equal(r[X86_ss_attr], 0xc093);
	assert_int_equal(r[X86_rsp], 0x9000);
	assert_int_equal(x86_cpl(r), 0);
	assert_int_equal(b->c.step.naccess, 0);
	box_free(b);

	b = box_syscall(3);
	b->c.r[X86_efer] &= ~(u64)X86_EFER_SCE;
	FAULTS(b, x86_syscall, SYSCALL, X86_UD, 0);
	box_free(b);
	b = box_syscall(3); /* Intel: not in compatibility mode */
	struct x86_insn i = decode(b, SYSCALL, 2);
	box_seg(b, X86_cs, SEL_UCODE32 | 3);
	box_snapshot(b);
	assert_int_equal(x86_syscall(&b->c, &i, &f), 1);
	want_fault(&f, X86_UD, false, 0);
	box_unchanged(b);
	box_free(b);
}

static void sysret_leaves(void **state)
{
	struct x86_fault f;
	struct box *b = box_syscall(0);
	u64 *r = b->c.r;
	r[X86_rcx] = 0x7fff00001234;
	r[X86_r11] = 0xffffffffffffffff;
	assert_int_equal(RUN(b, x86_sysret, SYSRETQ, &f), 0);
	assert_int_equal(r[X86_rip], 0x7fff00001234);
	assert_int_equal(r[X86_rflags], 0x3c7fd7); /* no RF, no VM */
	assert_int_equal(r[X86_cs], 0x33);
	assert_int_equal(r[X86_cs_attr], 0xa0fb);
	assert_int_equal(r[X86_ss], 0x2b);
	assert_int_equal(r[X86_ss_attr], 0xc0f3);
	assert_int_equal(x86_cpl(r), 3);
	box_free(b);

	b = box_syscall(0);
	b->c.r[X86_rcx] = 0xabc00001234;
	b->c.r[X86_r11] = 0;
	assert_int_equal(RUN(b, x86_sysret, SYSRET, &f), 0);
	assert_int_equal(b->c.r[X86_rip], 0x1234);
	assert_int_equal(b->c.r[X86_rflags], 2);
	assert_int_equal(b->c.r[X86_cs], 0x23);
	assert_int_equal(b->c.r[X86_cs_attr], 0xc0fb);
	box_free(b);
}

static void sysret_faults(void **state)
{
	struct box *b = box_syscall(0); /* Intel: at CPL 0, before anything is loaded */
	b->c.r[X86_rcx] = 0x800000000000;
	FAULTS(b, x86_sysret, SYSRETQ, X86_GP, 0);
	assert_int_equal(x86_cpl(b->c.r), 0);
	box_free(b);
	b = box_syscall(3);
	FAULTS(b, x86_sysret, SYSRETQ, X86_GP, 0);
	box_free(b);
	b = box_syscall(0);
	b->c.r[X86_efer] &= ~(u64)X86_EFER_SCE;
	FAULTS(b, x86_sysret, SYSRETQ, X86_UD, 0);
	box_free(b);
}

static void sysenter_and_sysexit(void **state)
{
	struct x86_fault f;
	struct box *b = box_prot(3);
	u64 *r = b->c.r;
	r[X86_rflags] = 0x3202;
	r[X86_sysenter_cs] = 0xffff0063; /* bits 1:0 and 31:16 do not count */
	r[X86_sysenter_esp] = 0x1c0001000;
	r[X86_sysenter_eip] = 0x1c0100000;
	assert_int_equal(RUN(b, x86_sysenter, SYSENTER, &f), 0);
	assert_int_equal(r[X86_rip], 0xc0100000);
	assert_int_equal(r[X86_rsp], 0xc0001000);
	assert_int_equal(r[X86_rflags], 0x3002);
	assert_int_equal(r[X86_cs], 0x60);
	assert_int_equal(r[X86_cs_attr], 0xc09b);
	assert_int_equal(r[X86_ss], 0x68);
	assert_int_equal(r[X86_ss_attr], 0xc093);
	x86_step_begin(&b->c);
	r[X86_rcx] = 0xbffff000;
	r[X86_rdx] = 0x8048000;
	assert_int_equal(RUN(b, x86_sysexit, SYSEXIT, &f), 0);
	assert_int_equal(r[X86_rip], 0x8048000);
	assert_int_equal(r[X86_rsp], 0xbffff000);
	assert_int_equal(r[X86_cs], 0x73);
	assert_int_equal(r[X86_cs_attr], 0xc0fb);
	assert_int_equal(r[X86_ss], 0x7b);
	assert_int_equal(x86_cpl(r), 3);
	box_free(b);

	b = box_long(3);
	r = b->c.r;
	r[X86_sysenter_cs] = 0x10;
	r[X86_sysenter_esp] = 0xffff888000001000;
	r[X86_sysenter_eip] = 0xffffffff81000000;
	assert_int_equal(RUN(b, x86_sysenter, SYSENTER, &f), 0);
	assert_int_equal(r[X86_rip], 0xffffffff81000000);
	assert_int_equal(r[X86_rsp], 0xffff888000001000);
	assert_int_equal(r[X86_cs_attr], 0xa09b);
	x86_step_begin(&b->c);
	r[X86_rcx] = 0x7000;
	r[X86_rdx] = 0x6000;
	assert_int_equal(RUN(b, x86_sysexit, SYSEXITQ, &f), 0);
	assert_int_equal(r[X86_cs], 0x33);
	assert_int_equal(r[X86_ss], 0x3b);
	assert_int_equal(r[X86_cs_attr], 0xa0fb);
	box_free(b);
}

static void sysenter_and_sysexit_faults(void **state)
{
	struct box *b = box_prot(3);
	b->c.r[X86_sysenter_cs] = 3; /* null */
	FAULTS(b, x86_sysenter, SYSENTER, X86_GP, 0);
	FAULTS(b, x86_sysexit, SYSEXIT, X86_GP, 0);
	b->c.r[X86_sysenter_cs] = 0x10;
	FAULTS(b, x86_sysexit, SYSEXIT, X86_GP, 0); /* CPL 3 */
	box_free(b);
	b = box_prot(0); /* real mode */
	b->c.r[X86_sysenter_cs] = 0x10;
	struct x86_insn i = decode(b, SYSENTER, 2);
	struct x86_fault f;
	b->c.r[X86_cr0] &= ~(u64)X86_CR0_PE;
	box_snapshot(b);
	assert_int_equal(x86_sysenter(&b->c, &i, &f), 1);
	want_fault(&f, X86_GP, true, 0);
	assert_int_equal(x86_sysexit(&b->c, &i, &f), 1);
	want_fault(&f, X86_GP, true, 0);
	box_unchanged(b);
	box_free(b);
	for (unsigned n = 0; n < 2; n++) {
		b = box_long(0);
		b->c.r[X86_sysenter_cs] = 0x10;
		b->c.r[n ? X86_rcx : X86_rdx] = 0x800000000000;
		FAULTS(b, x86_sysexit, SYSEXITQ, X86_GP, 0);
		box_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iretq_same_level),
		cmocka_unit_test(iretq_to_user),
		cmocka_unit_test(iretq_to_compatibility_mode),
		cmocka_unit_test(iretq_to_16bit_stack),
		cmocka_unit_test(iretq_null_ss),
		cmocka_unit_test(iretq_faults),
		cmocka_unit_test(iretq_user_keeps_iopl_and_if),
		cmocka_unit_test(iretd_same_level),
		cmocka_unit_test(iretd_to_user),
		cmocka_unit_test(iretw_keeps_the_high_flags),
		cmocka_unit_test(iret_that_ends_the_machine),
		cmocka_unit_test(iret_real),
		cmocka_unit_test(syscall_enters),
		cmocka_unit_test(sysret_leaves),
		cmocka_unit_test(sysret_faults),
		cmocka_unit_test(sysenter_and_sysexit),
		cmocka_unit_test(sysenter_and_sysexit_faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
