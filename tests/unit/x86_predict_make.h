/* SPDX-License-Identifier: MIT */
/* What the tests of fault prediction share: an instruction by its bytes, and what it must raise. */
#ifndef X86_PREDICT_MAKE_H
#define X86_PREDICT_MAKE_H

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

/* Runs the tests and frees the box. */
static int run_predict_tests(const struct CMUnitTest *tests, size_t n)
{
	int rc = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
	free(b.host);
	free(b.c.scratch);
	free(b.c.touched);
	return rc;
}

#endif
