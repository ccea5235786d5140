/* SPDX-License-Identifier: MIT */
/* The virtual clock: time(n) = n * step_ns + the sum of idle jumps. One pure function of the trace; the host's clock
 * never enters. 128-bit integers convert it to device ticks. */
#ifndef VM_CLOCK_H
#define VM_CLOCK_H

#include "base/types.h"

struct vm_clock {
	u64 step;    /* the step that is being made: State(step) is current */
	u64 step_ns;
	u64 idle_ns; /* sum of idle jumps */
};

#define VM_NEVER (~0ull)

static inline u64 vm_clock_ns(const struct vm_clock *c)
{
	return c->step * c->step_ns + c->idle_ns;
}
/* Ticks of an oscillator of `hz` since step 0, rounded down. */
static inline u64 vm_clock_ticks(const struct vm_clock *c, u64 hz)
{
	return (u64)((u128)vm_clock_ns(c) * hz / 1000000000u);
}
/* The first nanosecond at which `ticks` have passed. */
static inline u64 vm_ticks_ns(u64 ticks, u64 hz)
{
	return (u64)(((u128)ticks * 1000000000u + hz - 1) / hz);
}

#endif
