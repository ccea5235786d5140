/* SPDX-License-Identifier: MIT */
/* The 8254 against its data sheet (231164-005), and against a model that counts every tick as the chip does. */
#include "dev_machine.h"

#include "vm/pit_channel.h"

enum { HZ = 1193182 };

/* The first nanosecond of a tick of the oscillator. */
static u64 ns_of(u64 ticks)
{
	return (u64)(((u128)ticks * 1000000000u + HZ - 1) / HZ);
}

static void at_tick(struct machine *m, u64 tick)
{
	run_to_ns(m, ns_of(tick));
}

static void program(struct machine *m, unsigned ch, u8 mode, u16 count)
{
	out8(m, 0x43, (u8)(ch << 6 | 0x30 | mode << 1));
	out8(m, (u16)(0x40 + ch), (u8)count);
	out8(m, (u16)(0x40 + ch), (u8)(count >> 8));
}

static unsigned count_of(struct machine *m, unsigned ch)
{
	unsigned low = in8(m, (u16)(0x40 + ch));

	return low | (unsigned)in8(m, (u16)(0x40 + ch)) << 8;
}

static u8 status_of(struct machine *m, unsigned ch)
{
	out8(m, 0x43, (u8)(0xe0 | 2u << ch));
	return in8(m, (u16)(0x40 + ch));
}

/* ---- a chip that ticks ---- */

struct model {
	unsigned mode, n; /* n: the count register, in ticks */
	u32 mod;
	bool gate, out, has_count, load_next, low_half, strobe, started, trigger;
	u32 ce, cur; /* counting element; the count it was last loaded with */
};

static void model_control(struct model *k, unsigned mode, bool bcd)
{
	bool gate = k->gate;

	*k = (struct model){ .mode = mode, .gate = gate, .mod = bcd ? 10000 : 65536, .out = mode != 0 };
}

static void model_count(struct model *k, u32 n)
{
	k->n = n;
	if (k->mode == 1 || k->mode == 5) { /* waits for a trigger */
		k->has_count = true;
		return;
	}
	if ((k->mode == 2 || k->mode == 3) && k->started && k->gate) { /* waits for the end of the period */
		k->has_count = true;
		return;
	}
	k->has_count = true;
	k->load_next = true;
	if (k->mode == 0)
		k->out = false;
}

static void model_gate(struct model *k, bool gate)
{
	bool rise = gate && !k->gate;

	k->gate = gate;
	if ((k->mode == 2 || k->mode == 3) && !gate)
		k->out = true;
	if (rise && k->has_count && k->mode != 0 && k->mode != 4)
		k->load_next = true;
}

static void model_load(struct model *k)
{
	k->cur = k->n;
	k->ce = k->mode == 3 ? k->n & ~1u : k->n;
	k->started = true;
}

static u32 minus(const struct model *k, u32 by)
{
	return (k->ce + k->mod - by) % k->mod;
}

/* Modes 0, 1, 4, 5: counts down through zero and on. */
static void model_count_down(struct model *k)
{
	k->ce = minus(k, 1);
	if (k->mode >= 4)
		k->out = !(k->ce == 0 && k->strobe);
	else if (k->ce == 0)
		k->out = true;
	if (k->ce == 0)
		k->strobe = false;
}

/* Mode 2: 2 -> 1 pulls OUT low, 1 -> reload lets it go. */
static void model_rate(struct model *k)
{
	if (k->ce == 1) {
		model_load(k);
		k->out = true;
	} else if ((k->ce = minus(k, 1)) == 1) {
		k->out = false;
	}
}

/* Mode 3: by two; an odd count's high half has one tick more, spent at zero. */
static void model_square(struct model *k)
{
	bool odd = k->cur & 1, over;

	if (k->out && odd) {
		over = k->ce == 0;
		if (!over)
			k->ce = minus(k, 2);
	} else {
		over = k->ce == 2;
		if (!over)
			k->ce = minus(k, 2);
	}
	if (over) {
		k->out = !k->out;
		model_load(k);
	}
}

static void model_tick(struct model *k)
{
	if (k->load_next) {
		k->load_next = false;
		model_load(k);
		k->strobe = true;
		if (k->mode == 1)
			k->out = false;
		else if (k->mode != 0)
			k->out = true;
		return;
	}
	if (!k->started)
		return;
	if (k->mode == 1 || k->mode == 5)
		model_count_down(k);
	else if (!k->gate)
		return;
	else if (k->mode == 2)
		model_rate(k);
	else if (k->mode == 3)
		model_square(k);
	else
		model_count_down(k);
}

static u32 next_random(u32 *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

static u16 to_raw(u32 n, bool bcd)
{
	if (!bcd)
		return (u16)n;
	return (u16)((n / 1000 % 10) << 12 | (n / 100 % 10) << 8 | (n / 10 % 10) << 4 | n % 10);
}

static void write_both(u32 *s, struct pit_channel *c, struct model *k, bool bcd, s64 t)
{
	u32 n = 2 + next_random(s) % (next_random(s) % 8 ? 20 : 200);
	u16 raw = to_raw(n, bcd);

	pit_channel_write(c, (u8)raw, t);
	pit_channel_write(c, (u8)(raw >> 8), t);
	model_count(k, n);
}

static void flip_both(struct pit_channel *c, struct model *k, s64 t)
{
	pit_channel_gate(c, !k->gate, t);
	model_gate(k, !k->gate);
}

/* One life of a channel under one control word, compared at every tick. */
static void compare_run(u32 *s, unsigned mode, bool bcd)
{
	struct pit_channel c;
	struct model k = { .gate = true };

	pit_channel_reset(&c, true);
	/* Modes 2 and 3 are also 6 and 7. */
	unsigned bits = (mode == 2 || mode == 3) && next_random(s) % 2 ? mode + 4 : mode;
	pit_channel_control(&c, (u8)(0x30 | bits << 1 | bcd), 0);
	model_control(&k, mode, bcd);
	for (s64 t = 0; t < 400; t++) {
		unsigned what = next_random(s) % 48;
		if (what == 2)
			flip_both(&c, &k, t);
		if (what < 3 || t == 3)
			write_both(s, &c, &k, bcd, t);
		if (what == 1 || what == 3 || what == 4)
			flip_both(&c, &k, t);
		assert_int_equal(pit_channel_out(&c, t), k.out);
		if (k.started && !k.load_next) {
			pit_channel_latch_count(&c, t);
			u16 got = pit_channel_read(&c, t);
			got |= (u16)(pit_channel_read(&c, t) << 8);
			assert_int_equal(got, to_raw(k.ce, bcd));
		}
		model_tick(&k);
	}
}

static void against_model(void **state)
{
	u32 s = 1;

	for (unsigned i = 0; i < 1200; i++)
		compare_run(&s, i % 6, i / 6 % 2);
}

/* pit_channel_next names every tick at which OUT changes. */
static void next_is_exact(void **state)
{
	u32 s = 7;

	for (unsigned run = 0; run < 600; run++) {
		struct pit_channel c;
		unsigned mode = run % 6;
		pit_channel_reset(&c, mode != 1 && mode != 5);
		pit_channel_control(&c, (u8)(0x10 | mode << 1), 0);
		pit_channel_write(&c, (u8)(2 + next_random(&s) % 30), 0);
		pit_channel_gate(&c, true, 0);
		bool out = pit_channel_out(&c, 0);
		for (s64 t = 0; t < 300; t++) {
			if (next_random(&s) % 40 == 0)
				pit_channel_write(&c, (u8)(2 + next_random(&s) % 30), t);
			out = pit_channel_out(&c, t);
			bool pending = c.pending;
			s64 next = pit_channel_next(&c, t);
			assert_true(next > t);
			bool after = pit_channel_out(&c, t + 1);
			if (after != out)
				assert_int_equal(next, t + 1);
			if (next == t + 1 && !pending)
				assert_true(after != out);
		}
	}
}

/* ---- the chip behind its ports ---- */

/* "Mode 0": OUT goes high N + 1 ticks after the count was written. */
static void mode0(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1);
	at_tick(m, 1000);
	program(m, 0, 0, 500);
	assert_false(m->bus.irq_pending);
	at_tick(m, 1001);
	assert_int_equal(count_of(m, 0), 500);
	at_tick(m, 1101);
	assert_int_equal(count_of(m, 0), 400);
	at_tick(m, 1500);
	assert_int_equal(status_of(m, 0), 0x30);
	assert_false(m->bus.irq_pending);
	assert_int_equal(m->bus.next_ns, ns_of(1501));
	at_tick(m, 1501);
	assert_true(m->bus.irq_pending);
	assert_int_equal(status_of(m, 0), 0xb0);
	assert_int_equal(bus_irq_ack(&m->bus, NULL), 0x20);
	out8(m, 0x20, 0x20);
	assert_int_equal(m->bus.next_ns, VM_NEVER); /* one interrupt and no more */
	at_tick(m, 1502);
	assert_int_equal(count_of(m, 0), 0xffff);
	/* The first byte of a new count stops it and lowers OUT. */
	out8(m, 0x40, 3);
	assert_int_equal(status_of(m, 0) & 0xc0, 0x40);
	out8(m, 0x40, 0);
	at_tick(m, 1506);
	assert_true(m->bus.irq_pending);
	machine_free(m);
}

/* "Mode 2", as kernels use it: exact edges, no drift over a thousand seconds and more. */
static void mode2_periods(void **state)
{
	struct machine *m = machine_new(NULL);
	const unsigned n = 4773; /* 250 Hz */

	pic_init(m, 1);
	pic_unmask(m, 1);
	at_tick(m, 50);
	program(m, 0, 2, n);
	assert_false(m->bus.irq_pending);
	for (u64 i = 1; i <= 300000; i++) {
		u64 edge = 51 + i * n;
		at_ns(m, ns_of(edge - 1));
		assert_false(m->bus.irq_pending);
		assert_int_equal(m->bus.next_ns, ns_of(edge));
		at_ns(m, ns_of(edge) - 1);
		assert_false(m->bus.irq_pending);
		at_ns(m, ns_of(edge));
		assert_true(m->bus.irq_pending);
		assert_int_equal(bus_irq_ack(&m->bus, NULL), 0x20);
		out8(m, 0x20, 0x20);
		if (i % 100000 == 0) {
			assert_int_equal(count_of(m, 0), n);
			at_ns(m, ns_of(edge + 1) + 1);
			assert_int_equal(count_of(m, 0), n - 1);
		}
	}
	/* Periods that nobody looked at make one edge, and the phase stays. */
	u64 edge = 51 + 1000000000ull * n;
	at_ns(m, ns_of(edge + 100));
	assert_true(m->bus.irq_pending);
	assert_int_equal(bus_irq_ack(&m->bus, NULL), 0x20);
	out8(m, 0x20, 0x20);
	assert_false(m->bus.irq_pending);
	assert_int_equal(count_of(m, 0), n - 100);
	assert_int_equal(m->bus.next_ns, ns_of(edge + n - 1));
	machine_free(m);
}

/* A machine whose step is longer than the period still gets an edge a step. */
static void mode2_long_steps(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1);
	program(m, 0, 2, 2);
	for (unsigned i = 1; i < 100; i++) {
		at_ns(m, i * 1000000ull);
		assert_true(m->bus.irq_pending);
		bus_irq_ack(&m->bus, NULL);
		out8(m, 0x20, 0x20);
		assert_false(m->bus.irq_pending);
	}
	machine_free(m);
}

/* "A new count ... will be loaded at the end of the current counting cycle", and null count says so. */
static void mode2_new_count(void **state)
{
	struct machine *m = machine_new(NULL);

	program(m, 0, 2, 1000);
	assert_int_equal(status_of(m, 0), 0xf4); /* OUT high, null count, both bytes, mode 2 */
	at_tick(m, 1);
	assert_int_equal(status_of(m, 0), 0xb4);
	at_tick(m, 101);
	out8(m, 0x40, 10);
	out8(m, 0x40, 0);
	assert_int_equal(status_of(m, 0), 0xf4);
	at_tick(m, 201);
	assert_int_equal(count_of(m, 0), 800);
	at_tick(m, 1000);
	assert_int_equal(status_of(m, 0), 0x74);
	assert_int_equal(count_of(m, 0), 1);
	at_tick(m, 1001);
	assert_int_equal(status_of(m, 0), 0xb4);
	assert_int_equal(count_of(m, 0), 10);
	at_tick(m, 1010);
	assert_int_equal(status_of(m, 0), 0x34);
	at_tick(m, 1011);
	assert_int_equal(count_of(m, 0), 10);
	machine_free(m);
}

/* "Mode 3": half high, half low; 18.2 Hz by a count of 0. */
static void mode3(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1);
	program(m, 0, 3, 0);
	at_tick(m, 1);
	assert_int_equal(count_of(m, 0), 0);
	at_tick(m, 2);
	assert_int_equal(count_of(m, 0), 65534);
	at_tick(m, 32768);
	assert_int_equal(status_of(m, 0), 0xb6);
	at_tick(m, 32769);
	assert_int_equal(status_of(m, 0), 0x36);
	assert_false(m->bus.irq_pending);
	at_tick(m, 65536);
	assert_false(m->bus.irq_pending);
	at_tick(m, 65537);
	assert_true(m->bus.irq_pending);
	bus_irq_ack(&m->bus, NULL);
	out8(m, 0x20, 0x20);
	/* Masked for over half a period, the request is gone with the line (no EOI is due). */
	out8(m, 0x21, 0xff);
	at_tick(m, 65537 + 65536 + 32768);
	out8(m, 0x21, 0xfe);
	assert_false(m->bus.irq_pending);
	at_tick(m, 65537 + 2 * 65536);
	assert_true(m->bus.irq_pending);
	machine_free(m);
}

/* "Read-back command" and "Counter latch command". */
static void latches(void **state)
{
	struct machine *m = machine_new(NULL);

	program(m, 0, 2, 5000);
	program(m, 2, 2, 7000); /* its gate is low: does not count */
	at_tick(m, 1001);
	out8(m, 0x43, 0xc0 | 2 | 8); /* both latches of counters 0 and 2 */
	at_tick(m, 1501);
	out8(m, 0x43, 0xd0 | 2); /* a second latch before the first is read is ignored */
	out8(m, 0x43, 0x00);
	assert_int_equal(in8(m, 0x40), 0xb4); /* the status comes first */
	assert_int_equal(count_of(m, 0), 4000);
	assert_int_equal(count_of(m, 0), 3500); /* and then what is counted now */
	assert_int_equal(in8(m, 0x42), 0xb4);
	assert_int_equal(count_of(m, 2), 7000);
	/* A latch between the two bytes of a read: the second byte comes from the latch. */
	out8(m, 0x43, 0x00);
	assert_int_equal(in8(m, 0x40), 3500 & 0xff);
	at_tick(m, 2001);
	assert_int_equal(in8(m, 0x40), 3500 >> 8);
	/* One byte only. */
	out8(m, 0x43, 0x14);
	out8(m, 0x40, 100);
	at_tick(m, 2012);
	assert_int_equal(in8(m, 0x40), 90);
	assert_int_equal(in8(m, 0x40), 90);
	out8(m, 0x43, 0x24);
	out8(m, 0x40, 0x20);
	at_tick(m, 2013);
	assert_int_equal(in8(m, 0x40), 0x20);
	assert_int_equal(in8(m, 0x43), 0xff);
	machine_free(m);
}

static void bcd(void **state)
{
	struct machine *m = machine_new(NULL);

	out8(m, 0x43, 0x35);
	out8(m, 0x40, 0x00);
	out8(m, 0x40, 0x10); /* 1000 */
	at_tick(m, 2);
	assert_int_equal(count_of(m, 0), 0x0999);
	at_tick(m, 1001);
	assert_int_equal(count_of(m, 0), 0x1000);
	assert_int_equal(status_of(m, 0), 0xb5);
	/* 0 is 10,000, and digits over 9 do no harm. */
	out8(m, 0x43, 0x31);
	out8(m, 0x40, 0);
	out8(m, 0x40, 0);
	at_tick(m, 1003);
	assert_int_equal(count_of(m, 0), 0x9999);
	out8(m, 0x40, 0xff);
	out8(m, 0x40, 0xff);
	at_tick(m, 1005);
	count_of(m, 0);
	machine_free(m);
}

/* Linux measures the TSC by polling the high byte of channel 2 in mode 0, counting down from 0xffff. */
static void fast_calibration(void **state)
{
	struct machine *m = machine_new(NULL);
	const u64 step = 1200; /* about what a polling loop takes at 10 ns a step */
	u64 now = 123456, first = 0, last = 0;
	u8 msb = 0xff;

	at_ns(m, now);
	out8(m, 0x61, (in8(m, 0x61) & ~0x02) | 0x01);
	out8(m, 0x43, 0xb0);
	out8(m, 0x42, 0xff);
	out8(m, 0x42, 0xff);
	for (unsigned expect = 0xfe; expect > 0xd0; expect--) {
		do {
			at_ns(m, now += step);
			in8(m, 0x42);
			msb = in8(m, 0x42);
		} while (msb == expect + 1);
		assert_int_equal(msb, expect);
		if (expect == 0xfe)
			first = now;
		last = now;
	}
	/* 45 changes of the high byte are 45 * 256 ticks, within the two polls at the ends. */
	u64 measured = last - first, right = 45ull * 256 * 1000000000 / HZ;
	assert_true(measured + 2 * step > right && measured < right + 2 * step);
	assert_int_equal(in8(m, 0x61) & 0x20, 0);
	at_ns(m, now + 65536ull * 1000000000 / HZ);
	assert_int_equal(in8(m, 0x61) & 0x20, 0x20);
	machine_free(m);
}

/* Port 0x61: the gate stops channel 2, the refresh bit toggles every 18 ticks, only four bits are kept. */
static void port61(void **state)
{
	struct machine *m = machine_new(NULL);

	out8(m, 0x61, 0xff);
	assert_int_equal(in8(m, 0x61) & 0xcf, 0x0f);
	assert_int_equal(in8(m, 0x61) & 0x10, 0);
	at_tick(m, 17);
	assert_int_equal(in8(m, 0x61) & 0x10, 0);
	at_tick(m, 18);
	assert_int_equal(in8(m, 0x61) & 0x10, 0x10);
	at_tick(m, 36);
	assert_int_equal(in8(m, 0x61) & 0x10, 0);
	program(m, 2, 0, 1000);
	at_tick(m, 137);
	assert_int_equal(count_of(m, 2), 900);
	out8(m, 0x61, 0);
	at_tick(m, 500);
	assert_int_equal(count_of(m, 2), 900);
	out8(m, 0x61, 1);
	at_tick(m, 600);
	assert_int_equal(count_of(m, 2), 800);
	at_tick(m, 1399);
	assert_int_equal(in8(m, 0x61) & 0x20, 0);
	at_tick(m, 1400);
	assert_int_equal(in8(m, 0x61) & 0x20, 0x20);
	machine_free(m);
}

/* A timer that was never programmed asks for nothing; programming mode 2 makes no edge by itself. */
static void untouched(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1);
	assert_int_equal(m->bus.next_ns, VM_NEVER);
	assert_false(m->bus.irq_pending);
	program(m, 0, 2, 100);
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

static void restored(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1);
	out8(m, 0x61, 1);
	program(m, 0, 3, 1001);
	program(m, 2, 2, 500);
	at_tick(m, 10000);
	out8(m, 0x40, 77);
	out8(m, 0x43, 0xc0 | 2);
	struct machine *copy = machine_copy(m, NULL);
	for (unsigned i = 0; i < 2; i++)
		out8(i ? copy : m, 0x40, 0);
	for (u64 t = 10001; t < 14000; t += 7) {
		at_tick(m, t);
		at_tick(copy, t);
		assert_int_equal(m->bus.irq_pending, copy->bus.irq_pending);
		assert_int_equal(m->bus.next_ns, copy->bus.next_ns);
		assert_int_equal(in8(m, 0x40), in8(copy, 0x40));
		assert_int_equal(in8(m, 0x42), in8(copy, 0x42));
		if (m->bus.irq_pending && t % 3 == 0)
			assert_int_equal(bus_irq_ack(&m->bus, NULL), bus_irq_ack(&copy->bus, NULL));
	}
	machine_free(m);
	machine_free(copy);
}

/* The record: version; per channel control, flags, u32 n, u64 start, held_at, takeover, u16 reload, latch, u8 low,
 * status; u64 seen, u8 irq. */
static void state_refused(void **state)
{
	enum { CHANNEL = 36, N = 2, START = 6, HELD = 14, TAKEOVER = 22, SEEN = 1 + 3 * CHANNEL, IRQ = SEEN + 8 };
	struct machine *m = machine_new(NULL);

	program(m, 0, 2, 100);
	program(m, 1, 2, 100);
	program(m, 2, 2, 100);
	at_tick(m, 50);
	count_of(m, 0);
	count_of(m, 1);
	count_of(m, 2);
	assert_false(takes_state(m, "i8254", 0, 2));
	for (unsigned i = 0; i < 3; i++) {
		size_t at = 1 + i * CHANNEL;
		assert_false(takes_state(m, "i8254", at, 0x40));
		assert_false(takes_state(m, "i8254", at + 1, 0x82));
		assert_false(takes_state(m, "i8254", at + N, 0)); /* loaded with nothing */
		assert_false(takes_state(m, "i8254", at + N + 2, 1));
		assert_false(takes_state(m, "i8254", at + START + 7, 0x40));
		assert_false(takes_state(m, "i8254", at + START + 7, 0x80));
		assert_false(takes_state(m, "i8254", at + HELD + 7, 0x40));
		assert_false(takes_state(m, "i8254", at + HELD + 7, 0xff));
		assert_false(takes_state(m, "i8254", at + TAKEOVER + 7, 0x40));
		assert_true(takes_state(m, "i8254", at, 0x3f));
		assert_true(takes_state(m, "i8254", at + N, 1));
	}
	assert_false(takes_state(m, "i8254", SEEN, 51));
	assert_false(takes_state(m, "i8254", SEEN + 7, 0x80));
	assert_false(takes_state(m, "i8254", IRQ, 2));
	assert_true(takes_state(m, "i8254", SEEN, 50));
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_model),
		cmocka_unit_test(next_is_exact),
		cmocka_unit_test(mode0),
		cmocka_unit_test(mode2_periods),
		cmocka_unit_test(mode2_long_steps),
		cmocka_unit_test(mode2_new_count),
		cmocka_unit_test(mode3),
		cmocka_unit_test(latches),
		cmocka_unit_test(bcd),
		cmocka_unit_test(fast_calibration),
		cmocka_unit_test(port61),
		cmocka_unit_test(untouched),
		cmocka_unit_test(restored),
		cmocka_unit_test(state_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
