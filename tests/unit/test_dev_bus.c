/* SPDX-License-Identifier: MIT */
/* bus: who sees which part of an access, whose tick comes first, what is taken for saved state. */
#include "dev_machine.h"

#include <stdio.h>

/* A device that writes down what it sees. */
struct probe {
	struct device dev;
	char log[256];
	unsigned ticks;
	u64 tick_at, again; /* `again` is added for the next tick, 0: none */
	u64 order;
};

static u64 tick_order;

static void note(struct device *d, char what, u64 offset, unsigned size, u64 value)
{
	struct probe *p = (struct probe *)d;
	size_t n = strlen(p->log);

	snprintf(p->log + n, sizeof(p->log) - n, "%c%llx/%u=%llx ", what, (unsigned long long)offset, size,
		 (unsigned long long)value);
}

static u64 probe_read(struct device *d, u64 offset, unsigned size)
{
	note(d, 'r', offset, size, 0);
	return 0xf1f2f3f4f5f6f700 + offset;
}

static void probe_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	note(d, 'w', offset, size, value);
}

static void probe_tick(struct device *d)
{
	struct probe *p = (struct probe *)d;

	p->ticks++;
	p->tick_at = vm_clock_ns(d->bus->clock);
	p->order = ++tick_order;
	if (p->again)
		bus_schedule(d->bus, d, p->tick_at + p->again - 1);
}

static const struct device_ops probe_ops = {
	.name = "probe", .read = probe_read, .write = probe_write, .tick = probe_tick
};

static struct probe *probe_add(struct bus *b)
{
	struct probe *p = calloc(1, sizeof(*p));

	p->dev.ops = &probe_ops;
	assert_true(bus_add_device(b, &p->dev));
	return p;
}

static bool range_add(struct bus *b, struct probe *p, bool mmio, u64 first, u64 last, u64 offset, bool byte_wide,
		      bool exact)
{
	const struct bus_range r = { first, last, offset, mmio, byte_wide, exact, &p->dev };

	return bus_add_range(b, &r);
}

static void check_log(struct probe *p, const char *want)
{
	assert_string_equal(p->log, want);
	p->log[0] = 0;
}

static void accesses(void **state)
{
	struct vm_clock clock = { .step_ns = 1 };
	struct bus b = { .clock = &clock };
	struct probe *wide = probe_add(&b), *bytes = probe_add(&b), *exact = probe_add(&b);

	assert_true(range_add(&b, wide, false, 0x100, 0x107, 0, false, false));
	assert_true(range_add(&b, bytes, false, 0x108, 0x10b, 0x40, true, false));
	assert_true(range_add(&b, exact, false, 0x201, 0x202, 0, false, true));
	assert_true(range_add(&b, wide, true, 0xfee00000, 0xfee00fff, 0, false, false));

	/* Whole accesses, masked to their size. */
	assert_int_equal(bus_read(&b, false, 0x104, 4), 0xf5f6f704);
	assert_int_equal(bus_read(&b, false, 0x100, 8), 0xf1f2f3f4f5f6f700);
	bus_write(&b, false, 0x101, 2, 0xabcdef);
	bus_write(&b, false, 0x100, 8, 0xfedcba9876543210);
	check_log(wide, "r4/4=0 r0/8=0 w1/2=cdef w0/8=fedcba9876543210 ");
	/* Bytes for a byte-wide range, at its own offsets. */
	bus_write(&b, false, 0x108, 4, 0x44332211);
	check_log(bytes, "w40/1=11 w41/1=22 w42/1=33 w43/1=44 ");
	assert_int_equal(bus_read(&b, false, 0x10a, 1), 0x42);
	check_log(bytes, "r42/1=0 ");
	/* Over two ranges, and over the end of one into nothing. */
	bus_write(&b, false, 0x106, 4, 0x44332211);
	check_log(wide, "w6/1=11 w7/1=22 ");
	check_log(bytes, "w40/1=33 w41/1=44 ");
	assert_int_equal(bus_read(&b, false, 0x10b, 2), 0xff43);
	bytes->log[0] = 0;
	/* An exact range is not touched by accesses that also touch others. */
	bus_write(&b, false, 0x200, 4, 0x44332211);
	bus_write(&b, false, 0x202, 2, 0x2211);
	assert_int_equal(bus_read(&b, false, 0x200, 4), 0xffffffff);
	check_log(exact, "");
	bus_write(&b, false, 0x201, 2, 0x2211);
	bus_write(&b, false, 0x202, 1, 0x33);
	check_log(exact, "w0/2=2211 w1/1=33 ");
	/* Ports and memory are different spaces; nobody is all ones. */
	assert_int_equal(bus_read(&b, true, 0x100, 4), 0xffffffff);
	assert_int_equal(bus_read(&b, false, 0xfee00000, 1), 0xff);
	assert_int_equal(bus_read(&b, true, 0xfee00ffe, 4) >> 16, 0xffff);
	/* Sizes that no instruction has. */
	wide->log[0] = 0;
	assert_int_equal(bus_read(&b, false, 0x100, 0), ~0ull);
	assert_int_equal(bus_read(&b, false, 0x100, 9), ~0ull);
	bus_write(&b, false, 0x100, 16, 0);
	check_log(wide, "");
	bus_destroy(&b);
}

static void wrapping(void **state)
{
	struct vm_clock clock = { .step_ns = 1 };
	struct bus b = { .clock = &clock };
	struct probe *low = probe_add(&b), *high = probe_add(&b);

	assert_true(range_add(&b, low, false, 0, 1, 0, false, false));
	assert_true(range_add(&b, high, false, 0xfffe, 0xffff, 0, false, false));
	bus_write(&b, false, 0xfffe, 4, 0x44332211);
	check_log(high, "w0/1=11 w1/1=22 ");
	check_log(low, "w0/1=33 w1/1=44 ");
	assert_true(range_add(&b, high, true, ~0ull - 1, ~0ull, 0, false, false));
	assert_true(range_add(&b, low, true, 0, 0, 0, false, false));
	bus_write(&b, true, ~0ull, 2, 0x2211);
	check_log(high, "w1/1=11 ");
	check_log(low, "w0/1=22 ");
	bus_destroy(&b);
}

static void tables_refuse(void **state)
{
	struct vm_clock clock = { .step_ns = 1 };
	struct bus b = { .clock = &clock };
	struct probe *p = probe_add(&b);

	assert_true(range_add(&b, p, false, 0x10, 0x1f, 0, false, false));
	assert_false(range_add(&b, p, false, 0x1f, 0x20, 0, false, false));
	assert_false(range_add(&b, p, false, 0x0f, 0x10, 0, false, false));
	assert_true(range_add(&b, p, false, 0x20, 0x20, 0, false, false));
	assert_true(range_add(&b, p, false, 0x0f, 0x0f, 0, false, false));
	assert_false(range_add(&b, p, false, 0x14, 0x15, 0, false, false));
	assert_false(range_add(&b, p, false, 0x31, 0x30, 0, false, false));
	assert_false(range_add(&b, p, false, 0xffff, 0x10000, 0, false, false));
	assert_true(range_add(&b, p, true, 0x10, 0x1f, 0, false, false));
	while (b.ndevices < BUS_DEVICES)
		probe_add(&b);
	struct probe *more = calloc(1, sizeof(*more));
	more->dev.ops = &probe_ops;
	assert_false(bus_add_device(&b, &more->dev)); /* and freed: the sanitizer would tell */
	assert_false(bus_add_device(&b, NULL));
	for (u64 at = 0x1000; b.nranges < BUS_RANGES; at++)
		assert_true(range_add(&b, p, false, at, at, 0, false, false));
	assert_false(range_add(&b, p, false, 0x8000, 0x8000, 0, false, false));
	bus_destroy(&b);
	bus_destroy(&b);
}

static void timers(void **state)
{
	struct vm_clock clock = { .step_ns = 10 };
	struct bus b = { .clock = &clock };
	struct probe *x = probe_add(&b), *y = probe_add(&b), *z = probe_add(&b);

	bus_run_timers(&b);
	assert_int_equal(b.next_ns, VM_NEVER);
	bus_schedule(&b, &z->dev, 25);
	bus_schedule(&b, &y->dev, 30);
	bus_schedule(&b, &x->dev, 30);
	assert_int_equal(b.next_ns, 25);
	clock.step = 2;
	bus_run_timers(&b);
	assert_int_equal(x->ticks + y->ticks + z->ticks, 0);
	clock.step = 3;
	tick_order = 0;
	bus_run_timers(&b); /* by time, then by table */
	assert_int_equal(z->order, 1);
	assert_int_equal(x->order, 2);
	assert_int_equal(y->order, 3);
	assert_int_equal(b.next_ns, VM_NEVER);
	/* Postponed and withdrawn. */
	bus_schedule(&b, &x->dev, 50);
	bus_schedule(&b, &y->dev, 60);
	bus_schedule(&b, &x->dev, 70);
	assert_int_equal(b.next_ns, 60);
	bus_schedule(&b, &y->dev, VM_NEVER);
	assert_int_equal(b.next_ns, 70);
	/* A tick that asks for now again comes to an end. */
	x->again = 1;
	clock.step = 7;
	bus_run_timers(&b);
	assert_int_equal(x->ticks, 2);
	assert_int_equal(b.next_ns, 71);
	bus_destroy(&b);
}

static void end_of_time(void **state)
{
	struct vm_clock clock = { .step_ns = 1, .idle_ns = VM_NEVER };
	struct bus b = { .clock = &clock };
	struct probe *x = probe_add(&b);

	x->again = 1;
	bus_schedule(&b, &x->dev, VM_NEVER - 1);
	bus_run_timers(&b);
	assert_int_equal(x->ticks, 1);
	assert_int_equal(b.next_ns, VM_NEVER);
	bus_destroy(&b);
}

static void no_controller(void **state)
{
	struct vm_clock clock = { .step_ns = 1 };
	struct bus b = { .clock = &clock };
	unsigned line = 7;

	bus_irq_line(&b, 3, true);
	assert_int_equal(bus_irq_ack(&b, &line), 0);
	assert_int_equal(line, 0);
	assert_int_equal(bus_irq_ack(&b, NULL), 0);
}

static void state_refused(void **state)
{
	struct machine *m = machine_new(NULL);
	struct kt_buf a = { 0 };

	bus_save(&m->bus, &a);
	machine_free(m);
	/* Every shorter record, and every one with another byte in the frame (version, count, names, lengths). */
	for (size_t n = 0; n < a.len; n++) {
		struct kt_rd in = kt_rd_of(a.data, n);
		m = machine_new(NULL);
		assert_false(bus_restore(&m->bus, &in));
		machine_free(m);
	}
	for (size_t i = 0; i < 2 + 1 + 5 + 4 + 1; i++) {
		a.data[i] ^= 0x41;
		struct kt_rd in = kt_rd_of(a.data, a.len);
		m = machine_new(NULL);
		assert_false(bus_restore(&m->bus, &in));
		machine_free(m);
		a.data[i] ^= 0x41;
	}
	kt_buf_free(&a);
}

/* A device without state saves none and takes none. */
static void stateless(void **state)
{
	struct vm_clock clock = { .step_ns = 1 };
	struct bus b = { .clock = &clock };
	struct kt_buf a = { 0 };

	probe_add(&b);
	bus_save(&b, &a);
	assert_int_equal(a.len, 2 + 1 + 5 + 4);
	struct kt_rd in = kt_rd_of(a.data, a.len);
	assert_true(bus_restore(&b, &in));
	a.data[8] = 1;
	kt_buf_u8(&a, 0);
	in = kt_rd_of(a.data, a.len);
	assert_false(bus_restore(&b, &in));
	kt_buf_free(&a);
	b.irq_pending = true;
	bus_destroy(&b);
	assert_false(b.irq_pending);
	assert_int_equal(b.next_ns, VM_NEVER);
}

static void no_pci_no_reset(void **state)
{
	struct machine *m = machine_new(NULL);

	bus_write(&m->bus, false, 0xcf8, 4, 0xffffffff);
	bus_write(&m->bus, false, 0xcf8, 2, 0xffff);
	bus_write(&m->bus, false, 0xcf9, 2, 0xffff);
	bus_write(&m->bus, false, 0xcf9, 4, 0xffffffff);
	bus_write(&m->bus, false, 0xcf6, 4, 0xffffffff);
	out8(m, 0xcfb, 0xff);
	out8(m, 0xcf9, 0xfb);
	assert_int_equal(m->ends, 0);
	assert_int_equal(bus_read(&m->bus, false, 0xcf8, 4), 0xffffffff);
	assert_int_equal(bus_read(&m->bus, false, 0xcfc, 4), 0xffffffff);
	out8(m, 0xcf9, 0x02);
	assert_int_equal(m->ends, 0);
	out8(m, 0xcf9, 0x06);
	assert_int_equal(m->ends, 1);
	assert_int_equal(m->why, VM_END_RESET);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accesses),      cmocka_unit_test(wrapping),        cmocka_unit_test(tables_refuse),
		cmocka_unit_test(timers),        cmocka_unit_test(end_of_time),     cmocka_unit_test(no_controller),
		cmocka_unit_test(state_refused), cmocka_unit_test(no_pci_no_reset), cmocka_unit_test(stateless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
