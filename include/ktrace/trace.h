/* SPDX-License-Identifier: MIT */
/* Reading a trace: what is in it, its steps in order from anywhere, memory at any state. Needs neither KVM nor the
 * guest's architecture on the host. A kt_trace and its cursors belong to one thread. */
#ifndef KTRACE_TRACE_H
#define KTRACE_TRACE_H

#include "ktrace/arch.h"
#include "ktrace/error.h"
#include "ktrace/step.h"

struct kt_trace;
struct kt_cursor;

/* Opens a trace file for reading. A dead recorder's WAL is folded in first; *notice (may be NULL) then points to a sentence that
 * says so (valid until close), else NULL. Errors: -KT_E_IO, -KT_E_FORMAT, -KT_E_VERSION, -KT_E_CORRUPT. */
int kt_trace_open(const char *path, struct kt_trace **out, const char **notice, struct kt_err *err);
void kt_trace_close(struct kt_trace *t); /* NULL is fine; close cursors first */

struct kt_trace_info {
	const struct kt_arch *arch;
	const char *engine, *command;
	uint64_t first, steps;           /* steps first .. first+steps-1 */
	uint64_t insns, exceptions, irqs, gaps, chunks, unique_insns;
	uint64_t mem_bytes, step_ns;
	int64_t rtc;
	uint64_t bytes, bytes_static;    /* of the file; of images and initial RAM in it */
	double bytes_per_step;           /* (bytes - bytes_static) / steps */
	uint64_t bytes_control, bytes_regs, bytes_loads, bytes_addr, bytes_events, bytes_data, bytes_keyframes, bytes_pages, bytes_index, bytes_dict;
	char digest[33];
	uint64_t start_pc, end_pc;
	const char *end_reason, *end_text; /* "unfinished" if the recorder died */
	bool finished;
	uint64_t audit_misses;
	unsigned format_version;
};
const struct kt_trace_info *kt_trace_info(const struct kt_trace *t);

struct kt_trace_image {
	const char *path, *kind;
	uint64_t gpa, size, entry;
};
unsigned kt_trace_images(const struct kt_trace *t, const struct kt_trace_image **out);

/* A cursor stands at a state n. */
int kt_cursor_create(struct kt_trace *t, struct kt_cursor **out, struct kt_err *err);
void kt_cursor_destroy(struct kt_cursor *c);
/* To State(n), first <= n <= first+steps. -KT_E_RANGE otherwise. Costs at most one frame's decode. */
int kt_cursor_seek(struct kt_cursor *c, uint64_t n, struct kt_err *err);
/* The step from here: State(n) -> State(n+1); afterwards the cursor stands at n+1. -KT_E_END at the end. *step is valid until
 * the cursor moves again. */
int kt_cursor_next(struct kt_cursor *c, const struct kt_step **step, struct kt_err *err);
uint64_t kt_cursor_at(const struct kt_cursor *c);
/* The whole register file at the state where the cursor stands. */
const uint64_t *kt_cursor_regs(const struct kt_cursor *c);

/* Physical guest memory at State(n): `size` bytes at `gpa`. -KT_E_RANGE where there is no RAM. */
int kt_trace_memory(struct kt_trace *t, uint64_t n, uint64_t gpa, void *to, size_t size, struct kt_err *err);
/* The RAM ranges of the machine. */
struct kt_trace_ram { uint64_t gpa, size; };
unsigned kt_trace_ram(const struct kt_trace *t, const struct kt_trace_ram **out);

/* Console text of one console (0 ttyS0, 1 ttyS1, 2 debug port), in pieces with the step that wrote the piece's first byte; fn returns
 * non-zero to stop. */
int kt_trace_console(struct kt_trace *t, unsigned which, int (*fn)(void *ctx, uint64_t step, const char *text, size_t n),
                     void *ctx, struct kt_err *err);

/* The instruction of a step, as bytes and text (Intel syntax / A64). Returns text. */
unsigned kt_step_bytes(const struct kt_step *s, uint8_t bytes[16]);
char *kt_step_text(const struct kt_trace *t, const struct kt_step *s, char *text, size_t size);

/* Decodes everything, checks every checksum, leaf and the digest. 0 or -KT_E_CORRUPT with the place. `progress` may be NULL. */
int kt_trace_check(struct kt_trace *t, void (*progress)(void *ctx, uint64_t step), void *ctx, struct kt_err *err);

#endif
