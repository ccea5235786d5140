/* SPDX-License-Identifier: MIT */
/* Recording: a guest image in, a trace file out. */
#ifndef KTRACE_RECORD_H
#define KTRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ktrace/error.h"

/* What happens while recording; every member may be NULL. Called on the recording thread, never more often than about
 * five times a second (console: once a byte). */
struct kt_record_watch {
	void *ctx;
	/* steps so far, seconds since the start, PC. Returns true to end the recording cleanly. */
	bool (*progress)(void *ctx, uint64_t steps, double seconds, uint64_t pc);
	void (*console)(void *ctx, unsigned which, uint8_t byte);
};

struct kt_record_options {
	const char *image, *initrd, *append, *cpu; /* image must be set; the others may be NULL */
	const char *output;                        /* path of the trace file */
	const char *command;                       /* how the recording was asked for; for people; may be NULL */
	uint64_t steps;                            /* at most this many; 0: until the guest ends */
	uint64_t mem;                              /* bytes of guest RAM */
	uint64_t step_ns;
	int64_t rtc;
	bool firmware_entry;                       /* bzImage: enter as shipped, not in the unpacked kernel */
	bool flat;                                 /* image is a flat binary; load, entry, mode are meant */
	bool has_load, has_entry;                  /* which of them were given */
	uint64_t load, entry;
	int mode;                                  /* 0 auto, 1 real, 2 protected, 3 long */
	uint32_t chunk_steps, chunk_payload, chunk_pages; /* 0: the format's own limits. Smaller ones are for tests */
	const char *save_memory;                   /* write guest RAM at the end to this file, range after range; may be NULL */
	uint32_t audit_chunks;                     /* audit every so many chunks; 0: 16 */
	struct kt_record_watch watch;
};

/* 256 MiB, 10 ns a step, RTC 2026-01-01, no step limit. */
void kt_record_options_default(struct kt_record_options *o);

struct kt_record_result {
	uint64_t steps, insns, exceptions, irqs, gaps, audit_misses;
	uint64_t bytes, bytes_static; /* of the file; of images and initial RAM in it */
	double seconds;
	uint64_t start_pc, end_pc, guest_ns;
	char digest[33];
	char end_reason[24];  /* stable: "steps", "interrupted", "reset", "triple-fault", "idle", "exit", "unsupported", "stuck", "error", "disk-full" */
	char end_text[300];
	char engine[48];
	bool as_asked;        /* false: it ended because this host or the disk could not go on */
	struct { uint64_t kvm_steps, breakpoint_steps, shims, deliveries, reg_writes, extra_exits, unpredicted; } engine_counts;
};

/* Records. 0: the file is complete and result is filled (look at gaps and as_asked). Negative: nothing useful was
 * recorded (err says why), or the file is valid up to result->steps and the writing failed (result->steps > 0). */
int kt_record(const struct kt_record_options *o, struct kt_record_result *result, struct kt_err *err);

/* Async-signal-safe: ends the recording that is under way in this process, cleanly. */
void kt_record_interrupt(void);

#endif
