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

/* A frame's control flow as arrays of `count`. sym: local index, nlocal for a step without instruction. lit: the step's
 * pc is literal, in pc (always so when sym == nlocal). */
struct kt_flow {
	u32 *sym;
	u8 *kind;
	bool *lit;
	u64 *pc;
};

/* Begins a frame: looks the local table up and forgets everything learned. -KT_E_CORRUPT for a table that is not
 * ascending, too long, or names ids that the dictionary lacks. */
int kt_control_begin(struct kt_control *c, const u32 *local, u32 nlocal, const struct kt_dict_view *dict, struct kt_err *err);
/* The instruction of a local index < nlocal. */
const struct kt_insn *const *kt_control_insns(const struct kt_control *c);

void kt_control_write(struct kt_control *c, const struct kt_flow *f, u32 count, struct kt_buf *out);
int kt_control_read(struct kt_control *c, const u8 *p, size_t n, u32 count, const struct kt_flow *f, struct kt_err *err);

#endif
