/* SPDX-License-Identifier: MIT */
/* The x86-64 engine on this host's KVM: FPU state and instructions that are lent the CPU, the guest's own debugging,
 * ring 3, real mode, what the manual leaves undefined. Skips without /dev/kvm. */
#include "vm_x86_run.h"

static void test_fpu(void **state)
{
	run(&fpu, false, VM_END_EXIT);
	u8 *m = x86_ram(&t.vm->c, 0x30000, 16), *image = x86_ram(&t.vm->c, 0x31000, 512);
	u16 v;
	assert_memory_equal(m, "\x7f\x03", 2);   /* FNINIT's control word */
	memcpy(&v, m + 2, 2);
	assert_int_equal(v, 0x37f);              /* restored over 0x27f */
	assert_memory_equal(m + 0x14, "\xbf\x1f\x00\x00", 4);
	assert_int_equal(t.vm->c.r[X86_mxcsr], 0x1fbf);
	assert_memory_equal(m + 0x41, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(t.vm->c.r[X86_xmm3_lo], ~0ull);
	assert_memory_equal(image + 24, "\xbf\x1f\x00\x00\xff\xff\x00\x00", 8); /* MXCSR and its mask */
	assert_memory_equal(image + 160 + 3 * 16, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_memory_equal(x86_ram(&t.vm->c, 0x31e00, 4), "\x78\x56\x34\x12", 4);
	done();
}

static void test_numbers(void **state)
{
	run(&numbers, false, VM_END_EXIT);
	const u64 *r = t.vm->c.r;
	double d[2], st;
	u32 v;

	memcpy(d, x86_ram(&t.vm->c, 0x30000, 16), 16);
	assert_true(d[0] == 7.0 && d[1] == 196.0);
	assert_int_equal(r[X86_r10] & 0xff, 1);
	assert_int_equal(r[X86_r11], 196);
	assert_int_equal(r[X86_r12], 15);
	assert_int_equal(r[X86_r13], 0x4068); /* 196.0 = 4068800000000000 */
	memcpy(&v, x86_ram(&t.vm->c, 0x30010, 4), 4);
	assert_int_equal(v, 0x1f84); /* divide by zero: its flag beside the reset state's masks */
	memcpy(&v, x86_ram(&t.vm->c, 0x30018, 4), 4);
	assert_int_equal(v, 4); /* 4.14 rounded to nearest */
	assert_memory_equal(x86_ram(&t.vm->c, 0x30020, 10), "\0\0\0\0\0\0\0\x80\x01\x40", 10);
	assert_int_equal(r[X86_r14], 0x02040608);
	/* TOP = 6; R6 zero (01), R7 valid (00), the others empty (11); inexact (PE) from the rounding stays */
	assert_memory_equal(x86_ram(&t.vm->c, 0x30040, 28),
	                    "\x7f\x03\xff\xff\x20\x30\xff\xff\xff\x1f\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff", 28);
	memcpy(&st, x86_ram(&t.vm->c, 0x30100, 8), 8);
	assert_true(st == 1.0);
	done();
}

static void test_guest_debug(void **state)
{
	run(&debug, false, VM_END_EXIT);
	/* TF set by popf: the instruction behind popf runs, then the trap (SDM 3, 18.3.1.4). Trapped: nop, pushf, pop, pushf, and,
	 * popf (which clears TF, but began with it set). */
	unsigned traps = 0;
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].kind == KT_STEP_EXCEPTION && t.step[i].event[0].kind == KT_EVENT_DEBUG && t.step[i].event[0].value == 1 << 14) {
			assert_int_equal(t.step[i].event[1].kind, KT_EVENT_EXCEPTION);
			assert_int_equal(t.step[i].event[1].num, 1);
			traps++;
		}
	assert_int_equal(traps, 6);
	/* pushf shows the guest's own TF */
	const struct kt_step *pop = insn("\x5b", 1, 0);
	assert_true(after(pop, X86_rbx) & X86_TF);
	/* dr0: an instruction breakpoint, a fault; dr1: four bytes written, a trap behind the instruction */
	const struct kt_step *mov = insn("\xc7\x04\x25", 3, 1);
	const struct kt_step *fault = NULL, *trap = NULL;
	(void)mov;
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].kind == KT_STEP_EXCEPTION && t.step[i].event[0].value == 1)
			fault = &t.step[i];
		else if (t.step[i].kind == KT_STEP_EXCEPTION && t.step[i].event[0].value == 2)
			trap = &t.step[i];
	assert_non_null(fault);
	assert_non_null(trap);
	assert_memory_equal(fault->insn->bytes, "\xc7\x04\x25", 3);
	assert_int_equal(t.step[index_of(trap) - 1].pc, fault->pc);
	assert_int_equal(trap->pc, fault->pc + fault->insn->len);
	assert_int_equal(t.hot[t.n - 1][X86_rbp], 8);
	done();
}

static void test_user_mode(void **state)
{
	run(&user, false, VM_END_EXIT);
	const u64 *r = t.vm->c.r;
	assert_int_equal(r[X86_rbp], 3);
	assert_int_equal(r[X86_rbx], 0x10);
	assert_int_equal(r[X86_r12], 0x50000 - 40);        /* RSP0, five words pushed */
	assert_int_equal(r[X86_r13] & (X86_IF | X86_TF), X86_IF);
	assert_int_equal(r[X86_r14], 0x123456789000);
	assert_int_equal(r[X86_r15], 0x33);                /* CS in the frame of the forbidden hlt */
	check_exception(0, 0x80, 0, 0);
	check_exception(1, 14, 4, 0x123456789000);         /* U/S */
	check_exception(2, 13, 0, 0);
	done();
}

static void test_real_mode(void **state)
{
	run(&real, true, VM_END_EXIT);
	assert_int_equal(t.step[0].pc, REAL_AT);
	check_exception(0, 0x20, 0, 0);
	check_exception(1, 0, 0, 0);
	assert_int_equal(t.hot[t.n - 1][X86_rbx] & 0xffff, 1);
	assert_memory_equal(x86_ram(&t.vm->c, 0x10010, 2), "\x21\x43", 2);
	assert_int_equal(t.vm->c.r[X86_fs], 0x1000);
	assert_int_equal(t.vm->c.r[X86_fs_base], 0x10000);
	done();
}

static void test_undefined_is_canonical(void **state)
{
	run(&undefined, false, VM_END_EXIT);
	/* A bit scan of zero leaves its destination (canonical; SDM says undefined). */
	assert_int_equal(after(insn("\x0f\xbc\xd9", 3, 0), X86_rbx), 0x91a0); /* 0x1234 rotated left by 3 */
	assert_true(after(insn("\x0f\xbc\xd9", 3, 0), X86_rflags) & X86_ZF);
	done();
}

int main(void)
{
	kt_log_to(talk, NULL, KT_LOG_INFO);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fpu),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_guest_debug),
		cmocka_unit_test(test_user_mode),
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_undefined_is_canonical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
