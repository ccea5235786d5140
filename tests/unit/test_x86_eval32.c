/* SPDX-License-Identifier: MIT */
/* The CPU against kt_desc_eval, 32-bit mode: as test_x86_eval.c, but the generated code goes through a far jump into the
 * 32-bit user segment that a 64-bit Linux has, so that 32-bit address forms (with offsets that wrap at 4 GiB), pusha, popa
 * and the encodings without REX are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef __x86_64__
#include "x86_native.h"

enum { USER32_CS = 0x23, USER_CS = 0x33, USER_DS = 0x2b }; /* Linux, arch/x86/include/asm/segment.h */

static u8 *emit32(u8 *p, u64 v)
{
	u32 low = (u32)v;
	memcpy(p, &low, 4);
	return p + 4;
}

/* op with a register and [absolute], 32-bit mode: the same bytes with a SIB are absolute in 64-bit mode too. */
static u8 *emit_abs(u8 *p, int op, int reg, const void *at)
{
	return emit32(emit(p, 3, op, 4 | (reg & 7) << 3, 0x25), (u64)(uintptr_t)at);
}

static u8 *emit_gprs(u8 *p, int op)
{
	for (unsigned i = 0; i < 8; i++)
		p = emit_abs(p, op, encoding_of[i], &nat.ctx->gpr[i]);
	return p;
}

static void jit_build(void)
{
	u8 *p = nat.code, *far_to, *back;

	p = emit(p, 10, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); /* push rbx rbp r12..r15 */
	p = emit_abs(emit(p, 1, 0x48), 0x89, 4, &nat.ctx->saved_rsp);
	p = emit(p, 9, 0xb8, USER_DS, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xc0); /* ds, es */
	far_to = p + 9;
	p = emit_abs(p, 0xff, 5, far_to + 2);                           /* jmp far [...] */
	p = emit(p, 4, 0x90, 0x90, 0x90, 0x90);
	p = emit32(p, (u64)(uintptr_t)(p + 6));
	p = emit(p, 2, USER32_CS, 0);
	/* 32-bit code */
	p = emit32(emit(p, 1, 0xbc), (u64)(uintptr_t)&nat.ctx->stack[60]); /* mov esp, ... */
	p = emit_abs(p, 0xff, 6, &nat.ctx->rflags);
	p = emit(p, 1, 0x9d);
	p = emit_gprs(p, 0x8b);
	nat.slot = p;
	p += SLOT;
	p = emit_gprs(p, 0x89);
	p = emit32(emit(p, 1, 0xbc), (u64)(uintptr_t)&nat.ctx->stack[60]);
	p = emit(p, 1, 0x9c);
	p = emit_abs(p, 0x8f, 0, &nat.ctx->rflags);
	back = p + 7;
	p = emit(emit32(emit(p, 1, 0xea), (u64)(uintptr_t)back), 2, USER_CS, 0);
	/* 64-bit code again */
	nat.epilogue = p;
	p = emit_abs(emit(p, 1, 0x48), 0x8b, 4, &nat.ctx->saved_rsp);
	p = emit(p, 12, 0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
	assert_true(p < nat.code + CODE_SIZE);
}

/* A fault leads out, in 64-bit mode. */
static void on_fault(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *u = uc;
	greg_t *g = u->uc_mcontext.gregs;
	nat.fault = sig;
	g[REG_RIP] = (greg_t)(uintptr_t)nat.epilogue;
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~(greg_t)0xffff) | USER_CS;
}

/* Displacement and index are anything; the base makes up for them modulo 2^32. With esp as base they are small, since the
 * stack must stay in the data. */
static u8 *memory_form(struct test_case *t, u8 *p, unsigned reg, unsigned *rex)
{
	unsigned base = random_gpr(), index = random_gpr(), scale = (unsigned)rnd() & 3;
	bool has_index = base != 4 && rnd() & 1, wide_disp = base != 4 && rnd() & 1;
	u32 disp = wide_disp ? (u32)rnd() : (u32)(s32)(s8)rnd(), at = (u32)data_address();

	while (index == 4 || index == base)
		index = random_gpr();
	*p++ = (u8)((wide_disp ? 0x80 : 0x40) | (reg & 7) << 3 | (has_index || base == 4 ? 4 : base));
	if (has_index || base == 4)
		*p++ = (u8)(scale << 6 | (has_index ? index : 4) << 3 | base);
	if (wide_disp)
		p = emit32(p, disp);
	else
		*p++ = (u8)disp;
	if (has_index) {
		t->index = number_of(index);
		at -= (u32)t->regs[t->index] << scale;
	}
	t->base = number_of(base);
	t->regs[t->base] = at - disp;
	return p;
}

static bool fits(const struct template *m)
{
	return !(m->flags & T_ONLY64);
}

static int jit_setup(void **state)
{
	u8 *p = mmap(NULL, CODE_SIZE + 4096 + DATA_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		return 0;
	nat.code = p;
	nat.ctx = (struct context *)(p + CODE_SIZE);
	nat.data = p + CODE_SIZE + 4096;
	nat.mode = KT_MODE_32 | KT_MODE_STACK32 | KT_MODE_PROTECTED;
	nat.memory_form = memory_form;
	jit_build();
	return 0;
}

static void test_against_cpu(void **state)
{
	static const u8 nop[] = { 0x90 };

	if (!nat.code) {
		print_message("skip: no memory below 4 GiB that is writable and executable\n");
		skip();
	}
	catch_faults(on_fault);
	nat.ctx->rflags = 0x202;
	run_native(nop, 1);
	if (nat.fault) {
		print_message("skip: this kernel gives no 32-bit code segment\n");
		skip();
	}
	run_templates(4000, fits);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_against_cpu) };
	return cmocka_run_group_tests(tests, jit_setup, NULL);
}

#else

static void test_against_cpu(void **state)
{
	print_message("skip: the host is no x86-64\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_against_cpu) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
