/* SPDX-License-Identifier: MIT */
/* Writing steps: as lines for people, as JSON lines for programs. */
#ifndef DUMP_H
#define DUMP_H

#include "tool.h"

struct dump {
	FILE *out;
	struct kt_trace *trace;
	const struct kt_arch *arch;
	bool colour, all_regs, wide_pc;
};

/* `before`, `after`: the whole register files around step n. */
void dump_text(const struct dump *d, uint64_t n, const struct kt_step *s, const uint64_t *before, const uint64_t *after);
void dump_json(const struct dump *d, uint64_t n, const struct kt_step *s, const uint64_t *before, const uint64_t *after);

/* Stable names: "insn", "exception" ...; "unknown" for others. */
const char *step_kind_name(enum kt_step_kind kind);
const char *event_kind_name(unsigned kind);
const char *gap_reason_name(unsigned reason);

#endif
