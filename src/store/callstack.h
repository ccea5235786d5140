/* SPDX-License-Identifier: MIT */
/* The call stack as the steps make it: calls, returns, deliveries and their returns, not frame pointers. Kept while
 * recording, so that every chunk's row can hold the stack at its start and a reader needs no more than one chunk to
 * know it anywhere (doc/format.md, "Call stack").
 *
 * A frame is entered by a call or by a delivery and is left by a return whose stack pointer stands where the frame
 * was entered; frames above it on the same stack were abandoned (longjmp) and go with it. A return that fits no frame
 * changes nothing: coroutines and task switches return to where nobody called. */
#ifndef KT_CALLSTACK_H
#define KT_CALLSTACK_H

#include "arch/insn.h"
#include "base/buf.h"
#include "ktrace/error.h"
#include "ktrace/step.h"

enum kt_frame_kind { KT_FRAME_CALL = 0, KT_FRAME_EXCEPTION = 1, KT_FRAME_IRQ = 2 };
enum { KT_STACK_DEPTH = 4096 /* deeper frames push out the oldest */, KT_STACK_HEAD = 64 /* frames that a chunk keeps */ };

struct kt_frame {
	u64 step;  /* that entered it */
	u64 from;  /* linear PC of the call, or of the interrupted instruction */
	u64 to;    /* linear PC of its first instruction */
	u64 sp;    /* stack pointer on entry: at the return address, or at the delivery's frame */
	u8 kind;   /* enum kt_frame_kind */
};

struct kt_callstack {
	const struct kt_arch *arch;
	u32 n;          /* frames held; frame[n - 1] is the innermost */
	u64 dropped;    /* oldest frames that fell out of the KT_STACK_DEPTH */
	bool entering;  /* the last step entered frame[n - 1]; its `to` is the next step's PC */
	s64 net;        /* depth now, less the depth at kt_callstack_mark */
	s64 lowest;     /* the lowest value of net since then */
	struct kt_frame frame[KT_STACK_DEPTH];
};

void kt_callstack_init(struct kt_callstack *s, const struct kt_arch *arch);
/* Feeds step number n. `sp`: stack pointers before and after it. `insn`: of its dictionary entry, NULL for none. */
void kt_callstack_step(struct kt_callstack *s, u64 n, const struct kt_step *step, const struct kt_insn *insn, u64 sp_before, u64 sp_after);
/* Depth: frames held and dropped. */
static inline u64 kt_callstack_depth(const struct kt_callstack *s)
{
	return s->dropped + s->n;
}
/* A chunk begins: net and lowest start at 0. */
static inline void kt_callstack_mark(struct kt_callstack *s)
{
	s->net = s->lowest = 0;
}
/* Appends depth, hash of all frames held, and the innermost KT_STACK_HEAD frames, innermost first. */
void kt_callstack_put(const struct kt_callstack *s, struct kt_buf *out);
/* Reads what kt_callstack_put wrote: a stack whose older frames count as dropped. *hash as stored. -KT_E_CORRUPT. */
int kt_callstack_get(struct kt_rd *in, struct kt_callstack *s, u64 *hash, struct kt_err *err);

#endif
