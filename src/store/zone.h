/* SPDX-License-Identifier: MIT */
/* Zone maps: what a chunk cannot contain, so that a search may pass over it without decoding. */
#ifndef KT_ZONE_H
#define KT_ZONE_H

#include "base/buf.h"
#include "ktrace/arch.h"
#include "ktrace/error.h"
#include "ktrace/step.h"

enum { KT_ZONE_READS_ANY = 0x80 }; /* in `reads`: too many pages were read to list them; rpage is empty */

struct kt_zone {
	u8 kinds;            /* bit k: has steps of kind k (enum kt_step_kind) */
	u8 levels;           /* bit l: ran at privilege level l (x86: CPL; arm64: EL) */
	u8 reads, writes;    /* bit s: reads, writes space s (enum kt_space) */
	u32 events;          /* bit k: has events of kind k */
	u64 changed;         /* bit r: hot register r changed */
	u32 cold[KT_REGS_MAX / 32]; /* bit r: register r, outside the hot set, was set */
	u64 pc_min, pc_max;  /* of the steps' linear addresses */
	u64 min[KT_HOT_REGS], max[KT_HOT_REGS]; /* of hot register r over all states of the chunk, its first and its last included */
	u64 *rpage;          /* RAM pages (gpa >> 12) read as data, ascending */
	u32 nrpages;
};

/* Begins with State(first). The zone's rpage is left alone: its owner fills it. */
void kt_zone_begin(struct kt_zone *z, const struct kt_arch *arch, const u64 *regs);
/* Adds a step; `prev`: hot registers before it; `regs`: the whole file after it if s->ncold, else unused. */
void kt_zone_step(struct kt_zone *z, const struct kt_arch *arch, const struct kt_step *s, const u64 *prev, const u64 *regs);
void kt_zone_put(struct kt_buf *out, const struct kt_zone *z, const struct kt_arch *arch);
/* z->rpage is allocated; free it with kt_zone_free. -KT_E_CORRUPT, -KT_E_NOMEM. */
int kt_zone_get(struct kt_rd *r, struct kt_zone *z, const struct kt_arch *arch, const char *what, struct kt_err *err);
void kt_zone_free(struct kt_zone *z);

/* Privilege level of a register file: CPL, EL. */
unsigned kt_zone_level(const struct kt_arch *arch, const u64 *regs);

#endif
