/* SPDX-License-Identifier: MIT */
/* Control flow: which instruction each step is at, and of what kind, predicted from control flow alone, so that it can
 * be read without registers. doc/format.md, "Control". */
#ifndef KT_CODEC_CONTROL_H
#define KT_CODEC_CONTROL_H

#include "store/codec.h"
#include "store/codec_ac.h"

enum { KT_LOCAL_NONE = 0xffffffff };

struct kt_control;
struct kt_control *kt_control_create(void);
void kt_control_destroy(struct kt_control *c);

/* What is special about a step. */
enum {
	KT_FLOW_KIND = 3,  /* enum kt_step_kind */
	KT_FLOW_PC = 4,    /* its pc is literal: always so without an instruction */
	KT_FLOW_BREAK = 8  /* it does not follow an instruction that cannot branch as it always did (set by the writer) */
};

/* A frame's control flow as arrays of `count`. sym: local index, nlocal for a step without instruction. how: KT_FLOW_*.
 * pc: of the steps with a literal one. */
struct kt_flow {
	u32 *sym;
	u8 *how;
	u64 *pc;
};

/* Begins a frame: looks the local table up and forgets everything learned. -KT_E_CORRUPT for a table that is not
 * ascending, too long, or names ids that the dictionary lacks. */
int kt_control_begin(struct kt_control *c, const u32 *local, u32 nlocal, const struct kt_dict_view *dict, struct kt_err *err);
/* The instruction of a local index < nlocal. */
const struct kt_insn *const *kt_control_insns(const struct kt_control *c);

/* Sets KT_FLOW_BREAK where it belongs. 0 or -KT_E_NOMEM. */
int kt_control_write(struct kt_control *c, const struct kt_flow *f, u32 count, struct kt_buf *out);
int kt_control_read(struct kt_control *c, const u8 *p, size_t n, u32 count, const struct kt_flow *f, struct kt_err *err);

#endif
