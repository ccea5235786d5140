/* SPDX-License-Identifier: MIT */
/* The pc machine's devices against a hostile guest and a hostile saved state.
 *
 * Byte 0 odd: the rest is a record for bus_restore, then a few accesses. Byte 0 even: a program of accesses, time
 * jumps, interrupts and save/restore round trips. Two machines run it: the second is restored from the first now and
 * then, and must answer everything alike. */
#include "vm/device.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

struct seen {
	u64 hash; /* of all that the hooks were told */
	bool a20;
};

struct machine {
	struct bus bus;
	struct vm_clock clock;
	struct seen seen;
};

static void note(struct seen *s, u64 v)
{
	s->hash = (s->hash ^ v) * 0x100000001b3ull;
}

static void on_console(void *ctx, unsigned which, u8 byte)
{
	must(which <= 2);
	note(ctx, which << 8 | byte);
}

static void on_end(void *ctx, int why, u64 value, const char *text)
{
	must(why > 0 && text);
	note(ctx, (u64)why << 32 ^ value);
}

static void on_a20(void *ctx, bool enabled)
{
	((struct seen *)ctx)->a20 = enabled;
}

static void machine_init(struct machine *m, const struct vm_clock *clock)
{
	const struct pc_config c = {
		.mem_below_4g = 3ull << 30, .mem_above_4g = 5ull << 30, .rtc = 1767225600, .tsc_hz = 1000000000
	};

	*m = (struct machine){ .clock = *clock, .seen.a20 = true };
	m->bus.clock = &m->clock;
	m->bus.hooks = (struct bus_hooks){ &m->seen, on_console, on_end, on_a20 };
	must(pc_devices_create(&m->bus, &c));
}

static const u16 ports[] = { 0x20,  0x21,  0x40,  0x41,  0x42,  0x43,  0x60,  0x61,  0x64,  0x70,  0x71,
			     0x80,  0x92,  0xa0,  0xa1,  0xf4,  0x2f8, 0x2f9, 0x3f8, 0x3f9, 0x3fa, 0x3fb,
			     0x3fc, 0x3fd, 0x3fe, 0x402, 0x4d0, 0x4d1, 0x510, 0x511, 0xcf8, 0xcf9 };

static u64 take(struct kt_rd *in, unsigned n)
{
	u64 v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | (kt_rd_left(in) ? kt_rd_u8(in) : 0);
	return v;
}

/* One access; the value read, or 0. */
static u64 one_access(struct bus *b, bool is_write, bool mmio, u64 addr, unsigned size, u64 value)
{
	u64 v = 0;

	if (is_write)
		bus_write(b, mmio, addr, size, value);
	else
		v = bus_read(b, mmio, addr, size);
	must(is_write || size - 1 >= 7 || !(v >> (8 * size)));
	return v;
}

static void both_access(struct machine *m, bool is_write, struct kt_rd *in, u8 op)
{
	static const u8 sizes[] = { 1, 1, 1, 2, 4, 8, 3, 1 };
	unsigned size = sizes[op >> 5];
	bool mmio = (op & 0x18) == 0x18;
	u64 addr = op & 8 ? take(in, mmio ? 8 : 2) : ports[take(in, 1) % KT_ARRAY_LEN(ports)];
	u64 value = is_write ? take(in, size) : 0;
	u64 a = one_access(&m[0].bus, is_write, mmio, addr, size, value);

	must(a == one_access(&m[1].bus, is_write, mmio, addr, size, value));
}

static void both_time(struct machine *m, struct kt_rd *in, u8 op)
{
	u64 by = take(in, (op >> 5) + 1) >> ((op >> 3) & 3);

	for (unsigned i = 0; i < 2; i++) {
		struct vm_clock *c = &m[i].clock;
		u64 now = vm_clock_ns(c), to_next = m[i].bus.next_ns == VM_NEVER ? 0 : m[i].bus.next_ns - now;
		if (!by && m[i].bus.next_ns > now) /* 0: to the next event, as an idle machine does */
			c->idle_ns += to_next;
		else if (now + by >= now && now + by != VM_NEVER)
			c->idle_ns += by;
		bus_run_timers(&m[i].bus);
		must(m[i].bus.next_ns > vm_clock_ns(c));
	}
}

static void both_irq(struct machine *m, u8 op)
{
	unsigned vector[2], line[2];

	for (unsigned i = 0; i < 2; i++) {
		if (op & 8)
			bus_irq_line(&m[i].bus, op >> 4, (op >> 3) & 1);
		vector[i] = bus_irq_ack(&m[i].bus, &line[i]);
		must(vector[i] < 256 && line[i] < 16);
	}
	must(vector[0] == vector[1] && line[0] == line[1]);
}

/* Saves the first, builds the second anew from that, and wants the same bytes back. */
static void round_trip(struct machine *m)
{
	struct kt_buf a = { 0 }, b = { 0 };
	struct seen seen = m[0].seen;

	bus_save(&m[0].bus, &a);
	bus_destroy(&m[1].bus);
	machine_init(&m[1], &m[0].clock);
	struct kt_rd in = kt_rd_of(a.data, a.len);
	must(bus_restore(&m[1].bus, &in) && !kt_rd_left(&in));
	bus_save(&m[1].bus, &b);
	must(!a.failed && !b.failed && a.len == b.len && !memcmp(a.data, b.data, a.len));
	must(m[1].seen.a20 == seen.a20);
	must(m[1].bus.next_ns == m[0].bus.next_ns && m[1].bus.irq_pending == m[0].bus.irq_pending);
	m[1].seen = seen;
	kt_buf_free(&a);
	kt_buf_free(&b);
}

static void run_program(struct machine *m, struct kt_rd *in)
{
	while (kt_rd_left(in)) {
		u8 op = kt_rd_u8(in);
		switch (op & 7) {
		case 0:
		case 1:
		case 2: both_access(m, true, in, op); break;
		case 3:
		case 4: both_access(m, false, in, op); break;
		case 5: both_time(m, in, op); break;
		case 6: both_irq(m, op); break;
		default: round_trip(m);
		}
		must(m[0].bus.irq_pending == m[1].bus.irq_pending && m[0].bus.next_ns == m[1].bus.next_ns);
		must(m[0].seen.hash == m[1].seen.hash && m[0].seen.a20 == m[1].seen.a20);
	}
	round_trip(m);
}

static void run_hostile_state(struct machine *m, struct kt_rd *in)
{
	static const u64 jumps[] = { 1, 1000, 1000000, 1000000000, 100000000000000, 1ull << 62 };
	const u8 *record = in->p;
	struct kt_buf a = { 0 };

	if (!bus_restore(&m->bus, in))
		return;
	/* What was accepted must be saved as the same bytes, and live. */
	bus_save(&m->bus, &a);
	must(!a.failed && a.len == (size_t)(in->p - record) && !memcmp(a.data, record, a.len));
	kt_buf_free(&a);
	for (unsigned j = 0; j < KT_ARRAY_LEN(jumps); j++) {
		m->clock.idle_ns += jumps[j];
		bus_run_timers(&m->bus);
		must(m->bus.next_ns > vm_clock_ns(&m->clock));
		for (unsigned i = 0; i < KT_ARRAY_LEN(ports); i++)
			for (unsigned size = 1; size <= 8; size *= 2)
				bus_read(&m->bus, false, ports[i], size);
		for (unsigned i = 0; i < KT_ARRAY_LEN(ports); i++)
			bus_write(&m->bus, false, ports[i], 1, 0x36 + j);
		if (m->bus.irq_pending)
			must(bus_irq_ack(&m->bus, NULL) < 256);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m[2];
	struct kt_rd in = kt_rd_of(data, size);
	const struct vm_clock clock = { .step = 1000, .step_ns = 10, .idle_ns = 123456789 };

	if (!size)
		return 0;
	machine_init(&m[0], &clock);
	machine_init(&m[1], &clock);
	if (kt_rd_u8(&in) & 1)
		run_hostile_state(&m[0], &in);
	else
		run_program(m, &in);
	bus_destroy(&m[0].bus);
	bus_destroy(&m[1].bus);
	return 0;
}
