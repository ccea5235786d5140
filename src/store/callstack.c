/* SPDX-License-Identifier: MIT */
#include "store/callstack.h"

#include <string.h>
#include <xxhash.h>

/* How far below a new frame an older one may lie to have been abandoned on the same stack; farther away it is on a
 * stack of its own. A kernel's stacks are 8 or 16 KiB. */
enum { SAME_STACK = 8192 };
/* An iret finds the frame at its bottom; the handler has dropped the error code (and, in Linux, an original AX). */
enum { IRET_SLACK = 16 };
/* A return looks at most this far out: beyond, it was a return to where nobody called. */
enum { LOOK_OUT = 256 };

void kt_callstack_init(struct kt_callstack *s, const struct kt_arch *arch)
{
	s->arch = arch;
	s->n = 0;
	s->dropped = 0;
	s->entering = false;
	s->net = s->lowest = 0;
}

static void pop_to(struct kt_callstack *s, u32 n)
{
	s->net -= s->n - n;
	s->n = n;
	if (s->net < s->lowest)
		s->lowest = s->net;
}

/* Frames that the new one overwrites were abandoned. */
static void drop_abandoned(struct kt_callstack *s, u64 sp)
{
	u32 n = s->n;
	while (n && s->frame[n - 1].sp <= sp && sp - s->frame[n - 1].sp < SAME_STACK)
		n--;
	pop_to(s, n);
}

static void push(struct kt_callstack *s, u64 n, const struct kt_step *step, u8 kind, u64 sp)
{
	drop_abandoned(s, sp);
	if (s->n == KT_STACK_DEPTH) {
		memmove(s->frame, s->frame + 1, (KT_STACK_DEPTH - 1) * sizeof *s->frame);
		s->n--;
		s->dropped++;
	}
	s->frame[s->n++] = (struct kt_frame){ .step = n, .from = step->pc, .sp = sp, .kind = kind };
	s->entering = true;
	s->net++;
}

/* The innermost frame entered at [sp - slack, sp]; its index, or n if there is none. */
static u32 find(const struct kt_callstack *s, u64 sp, u64 slack, bool delivery)
{
	u32 least = s->n > LOOK_OUT ? s->n - LOOK_OUT : 0;
	for (u32 i = s->n; i-- > least;) {
		const struct kt_frame *f = &s->frame[i];
		if (f->sp <= sp && sp - f->sp <= slack && (f->kind != KT_FRAME_CALL) == delivery)
			return i;
	}
	return s->n;
}

/* ret, ret n: nothing but the stack pointer, which steps over a word that was read. */
static bool is_return(const struct kt_desc *d)
{
	return d->op == KT_OP_NOP && d->sp_add > 0;
}

void kt_callstack_step(struct kt_callstack *s, u64 n, const struct kt_step *step, const struct kt_insn *insn, u64 sp_before, u64 sp_after)
{
	if (s->entering) {
		s->frame[s->n - 1].to = step->pc;
		s->entering = false;
	}
	if (step->kind == KT_STEP_EXCEPTION || step->kind == KT_STEP_IRQ) {
		push(s, n, step, step->kind == KT_STEP_IRQ ? KT_FRAME_IRQ : KT_FRAME_EXCEPTION, sp_after);
		return;
	}
	if (step->kind != KT_STEP_INSN || !insn)
		return;
	if (insn->desc.op == KT_OP_CALL)
		push(s, n, step, KT_FRAME_CALL, sp_after);
	else if (is_return(&insn->desc))
		pop_to(s, find(s, sp_before, 0, false));
	else if (insn->desc.op == KT_OP_LITERAL && sp_after > sp_before)
		pop_to(s, find(s, sp_before, IRET_SLACK, true));
}

static u64 hash(const struct kt_callstack *s)
{
	XXH64_hash_t h = s->dropped;
	for (u32 i = 0; i < s->n; i++) {
		u64 f[5] = { s->frame[i].step, s->frame[i].from, s->frame[i].to, s->frame[i].sp, s->frame[i].kind };
		h = XXH3_64bits_withSeed(f, sizeof f, h);
	}
	return h;
}

void kt_callstack_put(const struct kt_callstack *s, struct kt_buf *out)
{
	u32 head = KT_MIN(s->n, (u32)KT_STACK_HEAD);

	kt_buf_varint(out, kt_callstack_depth(s));
	kt_buf_u64(out, hash(s));
	kt_buf_varint(out, head);
	kt_buf_u8(out, s->entering);
	struct kt_frame last = { 0 };
	for (u32 i = s->n; i-- > s->n - head;) {
		const struct kt_frame *f = &s->frame[i];
		kt_buf_u8(out, f->kind);
		kt_buf_svarint(out, (s64)(f->step - last.step));
		kt_buf_svarint(out, (s64)(f->from - last.from));
		kt_buf_svarint(out, (s64)(f->to - f->from));
		kt_buf_svarint(out, (s64)(f->sp - last.sp));
		last = *f;
	}
}

int kt_callstack_get(struct kt_rd *in, struct kt_callstack *s, u64 *stored, struct kt_err *err)
{
	u64 depth = kt_rd_varint(in);
	*stored = kt_rd_u64(in);
	u64 head = kt_rd_varint(in);
	u8 entering = kt_rd_u8(in);

	if (in->bad || head > KT_STACK_HEAD || head > depth || entering > (head ? 1 : 0))
		return kt_fail(err, KT_E_CORRUPT, "a call stack of %llu frames says it keeps %llu", (unsigned long long)depth, (unsigned long long)head);
	s->n = (u32)head;
	s->dropped = depth - head;
	s->entering = entering;
	s->net = s->lowest = 0;
	struct kt_frame last = { 0 };
	for (u32 i = s->n; i-- > 0;) {
		struct kt_frame *f = &s->frame[i];
		f->kind = kt_rd_u8(in);
		f->step = last.step + (u64)kt_rd_svarint(in);
		f->from = last.from + (u64)kt_rd_svarint(in);
		f->to = f->from + (u64)kt_rd_svarint(in);
		f->sp = last.sp + (u64)kt_rd_svarint(in);
		last = *f;
		if (f->kind > KT_FRAME_IRQ)
			in->bad = true;
	}
	return in->bad ? kt_fail(err, KT_E_CORRUPT, "a call stack is cut short or has frames of no kind") : 0;
}
