/* SPDX-License-Identifier: MIT */
/* A pc machine without a CPU, for tests of its devices: a bus, a clock that the test moves, hooks that write down. */
#ifndef TESTS_DEV_MACHINE_H
#define TESTS_DEV_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vm/device.h"
#include "vm/vm.h"

struct machine {
	struct bus bus;
	struct vm_clock clock;
	char console[3][64];
	unsigned nconsole[3];
	unsigned ends;
	int why;
	u64 value;
	bool a20;
	unsigned a20_calls;
};

static inline void on_console(void *ctx, unsigned which, u8 byte)
{
	struct machine *m = ctx;

	assert_true(which < 3);
	if (m->nconsole[which] < sizeof(m->console[0]) - 1)
		m->console[which][m->nconsole[which]++] = (char)byte;
}

static inline void on_end(void *ctx, int why, u64 value, const char *text)
{
	struct machine *m = ctx;

	assert_non_null(text);
	m->ends++;
	m->why = why;
	m->value = value;
}

static inline void on_a20(void *ctx, bool enabled)
{
	struct machine *m = ctx;

	m->a20 = enabled;
	m->a20_calls++;
}

enum { RTC_2026 = 1767225600 }; /* Thursday, 2026-01-01 00:00:00 UTC */

/* 256 MiB of RAM, guest time 0, one step a nanosecond. */
static inline struct machine *machine_new(const struct pc_config *config)
{
	const struct pc_config c = { .mem_below_4g = 256 << 20, .rtc = RTC_2026, .tsc_hz = 1000000000 };
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->a20 = true;
	m->clock.step_ns = 1;
	m->bus.clock = &m->clock;
	m->bus.hooks = (struct bus_hooks){ m, on_console, on_end, on_a20 };
	assert_true(pc_devices_create(&m->bus, config ? config : &c));
	return m;
}

static inline void machine_free(struct machine *m)
{
	bus_destroy(&m->bus);
	free(m);
}

static inline void out8(struct machine *m, u16 port, u8 v)
{
	bus_write(&m->bus, false, port, 1, v);
}

static inline u8 in8(struct machine *m, u16 port)
{
	return (u8)bus_read(&m->bus, false, port, 1);
}

/* Moves guest time to `ns`, running timers once, as one long step would. */
static inline void at_ns(struct machine *m, u64 ns)
{
	assert_true(ns >= vm_clock_ns(&m->clock));
	m->clock.step = 0;
	m->clock.idle_ns = ns;
	bus_run_timers(&m->bus);
}

/* The same with every timer event on its own nanosecond, as short steps would. */
static inline void run_to_ns(struct machine *m, u64 ns)
{
	while (m->bus.next_ns <= ns)
		at_ns(m, m->bus.next_ns);
	at_ns(m, ns);
}

/* The usual set-up of the pair: vectors 0x20 and 0x28, cascade on 2, everything masked. */
static inline void pic_init(struct machine *m, u8 icw4)
{
	static const u16 base[] = { 0x20, 0xa0 };

	for (unsigned i = 0; i < 2; i++) {
		out8(m, base[i], 0x11);
		out8(m, base[i] + 1, (u8)(0x20 + 8 * i));
		out8(m, base[i] + 1, i ? 2 : 4);
		out8(m, base[i] + 1, icw4);
		out8(m, base[i] + 1, 0xff);
	}
}

/* What is not in the mask is let through. */
static inline void pic_unmask(struct machine *m, u16 lines)
{
	out8(m, 0x21, (u8)~lines);
	out8(m, 0xa1, (u8)(~lines >> 8));
}

/* A second machine, made from the first one's saved state; saving it again gives the same bytes. */
static inline struct machine *machine_copy(struct machine *m, const struct pc_config *config)
{
	struct machine *copy = machine_new(config);
	struct kt_buf a = { 0 }, b = { 0 };

	copy->clock = m->clock;
	bus_save(&m->bus, &a);
	struct kt_rd in = kt_rd_of(a.data, a.len);
	assert_true(bus_restore(&copy->bus, &in));
	assert_int_equal(kt_rd_left(&in), 0);
	bus_save(&copy->bus, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_int_equal(copy->bus.next_ns, m->bus.next_ns);
	assert_int_equal(copy->bus.irq_pending, m->bus.irq_pending);
	kt_buf_free(&a);
	kt_buf_free(&b);
	return copy;
}

/* Where the device's record begins in what bus_save wrote (bus.c's form). */
static inline size_t state_of(const struct kt_buf *saved, const char *device, size_t *len)
{
	struct kt_rd in = kt_rd_of(saved->data, saved->len);

	kt_rd_u8(&in);
	for (unsigned n = kt_rd_u8(&in); n; n--) {
		u8 name_len = kt_rd_u8(&in);
		const u8 *name = kt_rd_bytes(&in, name_len);
		*len = kt_rd_u32(&in);
		const u8 *state = kt_rd_bytes(&in, *len);
		assert_false(in.bad);
		if (name_len == strlen(device) && !memcmp(name, device, name_len))
			return (size_t)(state - saved->data);
	}
	fail();
	return 0;
}

/* Whether a machine takes the state of `m` with byte `at` of that device's record replaced. */
static inline bool takes_state(struct machine *m, const char *device, size_t at, u8 value)
{
	struct machine *copy = machine_new(NULL);
	struct kt_buf a = { 0 };
	size_t len, start;

	copy->clock = m->clock;
	bus_save(&m->bus, &a);
	start = state_of(&a, device, &len);
	assert_true(at < len);
	a.data[start + at] = value;
	struct kt_rd in = kt_rd_of(a.data, a.len);
	bool taken = bus_restore(&copy->bus, &in);
	kt_buf_free(&a);
	machine_free(copy);
	return taken;
}

#endif
