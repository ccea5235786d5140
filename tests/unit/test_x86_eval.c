/* SPDX-License-Identifier: MIT */
/* The CPU against kt_desc_eval, 64-bit mode: random instructions of every class run on the host, and registers, flags and
 * memory are compared with what decoder, plan and evaluation make of the same bytes. Undefined flags are compared too where
 * the canonical rule is the host's (GenuineIntel). Deterministic: the seed is fixed, a failure prints the case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef __x86_64__
#include "x86_native.h"

/* An instruction with a rip-relative operand, REX, opcode and ModRM given. */
static u8 *emit_ctx(u8 *p, int rex, int op, int reg, const void *target)
{
	p = emit(p, 3, rex, op, 5 | (reg & 7) << 3);
	s32 rel = (s32)((const u8 *)target - (p + 4));
	memcpy(p, &rel, 4);
	return p + 4;
}

static u8 *emit_gprs(u8 *p, int op)
{
	for (unsigned i = 0; i < 16; i++) {
		int e = encoding_of[i];
		p = emit_ctx(p, 0x48 | (e > 7 ? 4 : 0), op, e, &nat.ctx->gpr[i]);
	}
	return p;
}

static void jit_build(void)
{
	u8 *p = nat.code;

	p = emit(p, 10, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); /* push rbx rbp r12..r15 */
	p = emit_ctx(p, 0x48, 0x89, 4, &nat.ctx->saved_rsp);
	p = emit_ctx(p, 0x48, 0xff, 6, &nat.ctx->rflags); /* push [rflags] */
	p = emit(p, 1, 0x9d);
	p = emit_gprs(p, 0x8b);
	nat.slot = p;
	p += SLOT;
	nat.epilogue = p;
	p = emit_gprs(p, 0x89);
	p = emit_ctx(p, 0x48, 0x8b, 4, &nat.ctx->saved_rsp);
	p = emit(p, 1, 0x9c);
	p = emit_ctx(p, 0x48, 0x8f, 0, &nat.ctx->rflags); /* pop [rflags] */
	p = emit(p, 12, 0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
	assert_true(p < nat.code + CODE_SIZE);
}

/* A fault leads to the epilogue, registers as the CPU left them. */
static void on_fault(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *u = uc;
	nat.fault = sig;
	u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)nat.epilogue;
}

/* ModRM (and SIB) for a memory operand in the middle of the data. Returns the bytes' end; REX bits in *rex. */
static u8 *memory_form(struct test_case *t, u8 *p, unsigned reg, unsigned *rex)
{
	unsigned base = (unsigned)rnd() & 15, index = (unsigned)rnd() & 15, scale = (unsigned)rnd() & 3;
	bool sib = rnd() & 1 || (base & 7) == 4;

	while (index == 4 || index == base)
		index = (unsigned)rnd() & 15;
	t->base = number_of(base);
	t->regs[t->base] = data_address();
	*rex |= base > 7 ? 1 : 0;
	if (!sib) {
		*p++ = 0x40 | (reg & 7) << 3 | (base & 7);
		*p++ = (u8)rnd();
		return p;
	}
	*p++ = 0x40 | (reg & 7) << 3 | 4;
	bool has = rnd() & 1;
	*p++ = (u8)(scale << 6 | ((has ? index : 4) & 7) << 3 | (base & 7));
	*p++ = (u8)rnd();
	if (has) {
		t->index = number_of(index);
		t->regs[t->index] = (u64)(s64)(s8)rnd();
		*rex |= index > 7 ? 2 : 0;
	}
	return p;
}

static int jit_setup(void **state)
{
	u8 *p = mmap(NULL, CODE_SIZE + 4096 + DATA_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 0;
	nat.code = p;
	nat.ctx = (struct context *)(p + CODE_SIZE);
	nat.data = p + CODE_SIZE + 4096;
	nat.mode = KT_MODE_64 | KT_MODE_PROTECTED;
	nat.memory_form = memory_form;
	jit_build();
	return 0;
}

static bool fits(const struct template *m)
{
	return !(m->flags & T_ONLY32);
}

static void test_against_cpu(void **state)
{
	if (!nat.code) {
		print_message("skip: no memory that is writable and executable\n");
		skip();
	}
	catch_faults(on_fault);
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
