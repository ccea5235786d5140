/* SPDX-License-Identifier: MIT */
/* One step through the model: written from what happened, or read back into what happened. */
#ifndef KT_CODEC_STEP_H
#define KT_CODEC_STEP_H

#include "store/codec_model.h"
#include "store/codec_shape.h"

/* Ways in which a step can differ from what was expected. */
enum {
	KT_ODD_ACCESS = 1,  /* all its accesses are listed */
	KT_ODD_EXTRA = 2,   /* some are listed, the expected ones follow */
	KT_ODD_STORE = 4,   /* a stored value is not the computed one */
	KT_ODD_REGS = 8,    /* hot registers are not the computed ones */
	KT_ODD_EVENTS = 16, /* it has events */
	KT_ODD_COLD = 32    /* cold registers are not the computed ones */
};

/* sym: local index, or nlocal without an instruction. next_pc: of the step behind it. Both advance m->regs.
 * -KT_E_ARG: a step that is not what ktrace/step.h says. */
int kt_step_write(struct kt_model *m, struct kt_step *s, u32 sym, u64 next_pc, struct kt_err *err);
/* kind, pc and insn are filled already; the rest of s is filled here. m->bad is set for what no writer writes. */
void kt_step_read(struct kt_model *m, struct kt_step *s, u32 sym, u64 next_pc);

/* codec_odd.c: what is listed. Reading fills s. */
void kt_odd_accesses(struct kt_model *m, bool enc, struct kt_step *s, u32 local, unsigned *n);
void kt_odd_events(struct kt_model *m, bool enc, struct kt_step *s);
void kt_odd_cold(struct kt_model *m, bool enc, struct kt_step *s);
/* Data of n bytes at pa (space RAM: through the map) as part of a step; returns where it lies. `what` keys last values. */
const u8 *kt_odd_data(struct kt_model *m, bool enc, bool write, u8 space, u64 pa, const u8 *data, u32 n, u32 local, u32 what);
/* n bytes in the DATA stream: for what is long. */
const u8 *kt_bulk(struct kt_model *m, bool enc, const u8 *data, u32 n);

#endif
