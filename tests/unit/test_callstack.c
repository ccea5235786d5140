/* SPDX-License-Identifier: MIT */
/* Call stacks from steps: calls and returns, abandoned frames, other stacks, deliveries, the stored head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/x86_regs.h"
#include "store/callstack.h"

static struct kt_callstack *fresh(void)
{
	struct kt_callstack *s = calloc(1, sizeof *s);
	assert_non_null(s);
	kt_callstack_init(s, &kt_arch_x86_64);
	return s;
}

static void feed(struct kt_callstack *s, u64 n, enum kt_step_kind kind, u64 pc, u8 op, s32 sp_add, u64 before, u64 after)
{
	struct kt_insn i = { .pc = pc, .desc = { .op = op, .sp_add = sp_add, .sp_size = 8 } };
	struct kt_step *step = calloc(1, sizeof *step);
	assert_non_null(step);
	step->kind = kind;
	step->pc = pc;
	kt_callstack_step(s, n, step, &i, before, after);
	free(step);
}

static void call(struct kt_callstack *s, u64 n, u64 pc, u64 sp)
{
	feed(s, n, KT_STEP_INSN, pc, KT_OP_CALL, -8, sp, sp - 8);
}

static void ret(struct kt_callstack *s, u64 n, u64 pc, u64 sp)
{
	feed(s, n, KT_STEP_INSN, pc, KT_OP_NOP, 8, sp, sp + 8);
}

static void calls_nest(void **state)
{
	struct kt_callstack *s = fresh();
	call(s, 1, 0x100, 0x8000);
	call(s, 2, 0x200, 0x7ff0);
	feed(s, 3, KT_STEP_INSN, 0x300, KT_OP_MOV, 0, 0x7fe8, 0x7fe8);
	assert_int_equal(s->n, 2);
	assert_int_equal(s->frame[0].from, 0x100);
	assert_int_equal(s->frame[0].to, 0x200);
	assert_int_equal(s->frame[1].to, 0x300);
	assert_int_equal(s->frame[1].sp, 0x7fe8);
	ret(s, 4, 0x304, 0x7fe8);
	assert_int_equal(s->n, 1);
	ret(s, 5, 0x210, 0x7ff8);
	assert_int_equal(s->n, 0);
	ret(s, 6, 0x110, 0x8000); /* to where nobody called from */
	assert_int_equal(s->n, 0);
	assert_int_equal(s->net, 0);
	free(s);
}

static void a_longjmp_abandons(void **state)
{
	struct kt_callstack *s = fresh();
	call(s, 1, 0x100, 0x8000);
	call(s, 2, 0x200, 0x7f00);
	call(s, 3, 0x300, 0x7e00);
	ret(s, 4, 0x150, 0x7ff8); /* straight out of the first */
	assert_int_equal(s->n, 0);
	call(s, 5, 0x100, 0x8000);
	call(s, 6, 0x200, 0x7f00);
	call(s, 7, 0x120, 0x8000); /* a new call where the first frame was: both are gone */
	assert_int_equal(s->n, 1);
	assert_int_equal(s->frame[0].step, 7);
	assert_int_equal(s->lowest, -0);
	free(s);
}

static void another_stack_keeps_the_frames(void **state)
{
	struct kt_callstack *s = fresh();
	call(s, 1, 0x100, 0x8000);
	call(s, 2, 0x200, 0x90000); /* switched to a stack far above */
	assert_int_equal(s->n, 2);
	ret(s, 3, 0x300, 0x8fff8);
	assert_int_equal(s->n, 1);
	free(s);
}

static void deliveries_end_with_iret(void **state)
{
	struct kt_callstack *s = fresh();
	call(s, 1, 0x100, 0x8000);
	feed(s, 2, KT_STEP_EXCEPTION, 0x200, KT_OP_MOV, 0, 0x7ff8, 0x7fc0); /* with an error code */
	call(s, 3, 0x900, 0x7fc0);
	feed(s, 4, KT_STEP_IRQ, 0x950, KT_OP_MOV, 0, 0x7fb8, 0x7f80);
	assert_int_equal(s->n, 4);
	assert_int_equal(s->frame[3].kind, KT_FRAME_IRQ);
	feed(s, 5, KT_STEP_INSN, 0xa00, KT_OP_LITERAL, 0, 0x7f80, 0x7fb8); /* iret */
	assert_int_equal(s->n, 3);
	ret(s, 6, 0x960, 0x7fb8);
	feed(s, 7, KT_STEP_INSN, 0x910, KT_OP_ADD, 0, 0x7fc0, 0x7fc8); /* drops the error code */
	feed(s, 8, KT_STEP_INSN, 0x914, KT_OP_LITERAL, 0, 0x7fc8, 0x7ff8);
	assert_int_equal(s->n, 1);
	assert_int_equal(s->frame[0].kind, KT_FRAME_CALL);
	free(s);
}

static void marks_and_depth(void **state)
{
	struct kt_callstack *s = fresh();
	for (u64 i = 0; i < KT_STACK_DEPTH + 10; i++)
		call(s, i, 0x100, 0x1000000 - 16 * i);
	assert_int_equal(kt_callstack_depth(s), KT_STACK_DEPTH + 10);
	assert_int_equal(s->n, KT_STACK_DEPTH);
	kt_callstack_mark(s);
	for (u64 i = KT_STACK_DEPTH + 10; i-- > KT_STACK_DEPTH;)
		ret(s, i, 0x200, 0x1000000 - 16 * i - 8);
	assert_int_equal(s->net, -10);
	assert_int_equal(s->lowest, -10);
	free(s);
}

static void the_head_comes_back(void **state)
{
	struct kt_callstack *s = fresh(), *t = fresh();
	struct kt_buf b = { 0 };
	u64 hash, again;
	struct kt_err err;

	for (u64 i = 0; i < 100; i++)
		call(s, i, 0xffffffff81000000 + i, 0xffff888000010000 - 32 * i);
	kt_callstack_put(s, &b);
	struct kt_rd r = kt_rd_of(b.data, b.len);
	assert_int_equal(kt_callstack_get(&r, t, &hash, &err), 0);
	assert_int_equal(kt_rd_left(&r), 0);
	assert_int_equal(kt_callstack_depth(t), 100);
	assert_int_equal(t->n, KT_STACK_HEAD);
	assert_memory_equal(&t->frame[t->n - 1], &s->frame[99], sizeof(struct kt_frame));
	assert_memory_equal(&t->frame[0], &s->frame[36], sizeof(struct kt_frame));
	assert_true(t->entering);
	for (size_t cut = 0; cut < b.len; cut++) {
		r = kt_rd_of(b.data, cut);
		assert_int_equal(kt_callstack_get(&r, t, &again, &err), -KT_E_CORRUPT);
	}
	kt_buf_free(&b);
	free(s);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_nest), cmocka_unit_test(a_longjmp_abandons), cmocka_unit_test(another_stack_keeps_the_frames),
		cmocka_unit_test(deliveries_end_with_iret), cmocka_unit_test(marks_and_depth), cmocka_unit_test(the_head_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
