/* SPDX-License-Identifier: MIT */
/* One counter of an 8254, as a function of the oscillator's ticks: nothing runs between accesses, so nothing drifts.
 * Private to dev_pit.c. `now` is in ticks and never goes back for one channel. */
#ifndef VM_PIT_CHANNEL_H
#define VM_PIT_CHANNEL_H

#include "base/buf.h"

/* No transition ahead. */
#define PIT_NEVER INT64_MAX

struct pit_channel {
	u8 control; /* the low six bits of the control word as written: access, mode, BCD */
	bool gate;
	/* The counter: `n` ticks were loaded at tick `start`; when the gate stopped it, `held_at` ticks had passed. */
	bool loaded;
	u32 n;
	s64 start, held_at;
	u16 reload;   /* the count register, as the guest wrote it */
	bool pending; /* `reload` is to be loaded at tick `takeover`; PIT_NEVER: at a trigger */
	s64 takeover;
	/* Byte pairs. */
	bool write_high, read_high;
	u8 write_low;
	bool count_latched, status_latched;
	u16 latch;
	u8 status;
};

void pit_channel_reset(struct pit_channel *c, bool gate);
void pit_channel_control(struct pit_channel *c, u8 control, s64 now);
void pit_channel_write(struct pit_channel *c, u8 value, s64 now);
u8 pit_channel_read(struct pit_channel *c, s64 now);
void pit_channel_latch_count(struct pit_channel *c, s64 now);
void pit_channel_latch_status(struct pit_channel *c, s64 now);
void pit_channel_gate(struct pit_channel *c, bool gate, s64 now);
bool pit_channel_out(struct pit_channel *c, s64 now);
/* The first tick after `now` at which OUT changes or a count is taken over, PIT_NEVER: all stays as it is. */
s64 pit_channel_next(struct pit_channel *c, s64 now);
void pit_channel_save(const struct pit_channel *c, struct kt_buf *out);
bool pit_channel_restore(struct pit_channel *c, struct kt_rd *in);

#endif
