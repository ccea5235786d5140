/* SPDX-License-Identifier: MIT */
/* The accesses that a step is expected to make, before translation: the descriptor's plan, or a REP piece's ranges.
 * A step whose accesses have this shape needs nothing written but translations and values that nobody can know. */
#ifndef KT_CODEC_SHAPE_H
#define KT_CODEC_SHAPE_H

#include "store/codec_model.h"

struct kt_shape {
	u64 va;
	u32 size;
	u8 space;      /* KT_SPACE_PORT, or KT_SPACE_RAM: RAM or MMIO, as its pages say */
	u8 flags;      /* KT_ACCESS_* that its records have */
	u8 elem;
	u16 first, n;  /* its records in the step */
};

/* One step being coded. */
struct kt_work {
	const struct kt_insn *insn; /* NULL: nothing to evaluate */
	u32 local;                  /* whose habits: local id, or nlocal + kind of step */
	unsigned nshape, npage;
	u32 rep, rep_guess;         /* iterations of a REP piece */
	struct kt_shape shape[KT_PLAN_MAX];
	struct kt_page page[KT_PAGES_MAX];
	u64 loads[KT_PLAN_MAX], stores[KT_PLAN_MAX];
};

static inline bool kt_is_rep(const struct kt_desc *d)
{
	return kt_unlikely(d->flags & KT_DESC_REP) && d->op >= KT_OP_MOVS && d->op <= KT_OP_OUTS;
}

/* Fills w->shape for w->insn in state m->regs (w->rep iterations where it is a REP). */
void kt_shape_plan(const struct kt_model *m, struct kt_work *w);
/* Writing: whether the records of s from number k on have that shape; fills w->page and the shapes' records. */
bool kt_shape_match(struct kt_work *w, const struct kt_step *s, unsigned k);

/* REP: the iterations that the state before lets expect; those that a change of registers means; and what a piece does to
 * the registers. */
u32 kt_rep_guess(const struct kt_model *m, const struct kt_desc *d);
u32 kt_rep_seen(const struct kt_model *m, const struct kt_desc *d, const u64 *after);
void kt_rep_registers(struct kt_model *m, const struct kt_desc *d, u32 n);

#endif
