/* SPDX-License-Identifier: MIT */
/* The 8259A pair against its data sheet (231468-003). Section names are the data sheet's. */
#include "dev_machine.h"

enum { EOI = 0x20, SPECIFIC_EOI = 0x60, ROTATE_EOI = 0xa0, ROTATE_SPECIFIC = 0xe0, SET_PRIORITY = 0xc0 };
enum { READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c, SMM_ON = 0x68, SMM_OFF = 0x48 };

static void raise_line(struct machine *m, unsigned line)
{
	bus_irq_line(&m->bus, line, true);
}

static void pulse_line(struct machine *m, unsigned line)
{
	bus_irq_line(&m->bus, line, false);
	bus_irq_line(&m->bus, line, true);
}

static void lower_line(struct machine *m, unsigned line)
{
	bus_irq_line(&m->bus, line, false);
}

static u8 read_after(struct machine *m, u16 port, u8 ocw3)
{
	out8(m, port, ocw3);
	return in8(m, port);
}

static void takes(struct machine *m, unsigned vector, unsigned line)
{
	unsigned got = 99;

	assert_true(m->bus.irq_pending);
	assert_int_equal(bus_irq_ack(&m->bus, &got), vector);
	assert_int_equal(got, line);
}

static struct machine *pair(u16 unmasked)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, unmasked | 1u << 2);
	return m;
}

/* "Fully nested mode": IR0 highest; lower and equal wait for the EOI, higher interrupt. */
static void fully_nested(void **state)
{
	struct machine *m = pair(0xffff);

	raise_line(m, 5);
	raise_line(m, 4);
	assert_int_equal(read_after(m, 0x20, READ_IRR), 0x30);
	takes(m, 0x24, 4);
	assert_int_equal(read_after(m, 0x20, READ_IRR), 0x20);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 0x10);
	assert_false(m->bus.irq_pending);
	pulse_line(m, 4); /* the same level again: waits */
	assert_false(m->bus.irq_pending);
	raise_line(m, 1);
	takes(m, 0x21, 1);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 0x12);
	out8(m, 0x20, EOI); /* ends IR1 */
	assert_int_equal(read_after(m, 0x20, READ_ISR), 0x10);
	assert_false(m->bus.irq_pending);
	out8(m, 0x20, EOI);
	takes(m, 0x24, 4);
	out8(m, 0x20, SPECIFIC_EOI | 4);
	takes(m, 0x25, 5);
	out8(m, 0x20, EOI);
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

/* Every level against every other, whatever is the lowest. */
static void all_priorities(void **state)
{
	struct machine *m = machine_new(NULL);

	for (unsigned lowest = 0; lowest < 8; lowest++)
		for (unsigned busy = 0; busy < 8; busy++)
			for (unsigned want = 0; want < 8; want++) {
				if (busy == 2 || want == 2 || busy == want)
					continue;
				pic_init(m, 1);
				pic_unmask(m, 0x00ff);
				out8(m, 0x20, (u8)(SET_PRIORITY | lowest));
				pulse_line(m, busy);
				takes(m, 0x20 + busy, busy);
				pulse_line(m, want);
				/* Counted from the level above the lowest: the smaller is the higher. */
				bool higher = (want + 7 - lowest) % 8 < (busy + 7 - lowest) % 8;
				assert_int_equal(m->bus.irq_pending, higher);
				lower_line(m, want);
				lower_line(m, busy);
			}
	machine_free(m);
}

/* "Interrupt Request": a line that stays high is one request; one that falls before the acknowledge is none. */
static void edges(void **state)
{
	struct machine *m = pair(0xffff);

	raise_line(m, 3);
	raise_line(m, 3);
	takes(m, 0x23, 3);
	out8(m, 0x20, EOI);
	raise_line(m, 3);
	assert_false(m->bus.irq_pending);
	pulse_line(m, 3);
	assert_true(m->bus.irq_pending);
	lower_line(m, 3);
	assert_false(m->bus.irq_pending);
	assert_int_equal(read_after(m, 0x20, READ_IRR), 0);
	/* The cascade input and lines that do not exist are nobody's to drive. */
	raise_line(m, 2);
	raise_line(m, 16);
	raise_line(m, 99);
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

/* "If the IR input goes low before this time a DEFAULT IR7 will occur": no in-service bit is set. */
static void spurious(void **state)
{
	struct machine *m = pair(0xffff);
	unsigned line;

	assert_int_equal(bus_irq_ack(&m->bus, &line), 0x27);
	assert_int_equal(line, 7);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 0);
	/* A poll of the slave takes its request away from the master, too. */
	raise_line(m, 10);
	out8(m, 0xa0, POLL);
	assert_int_equal(in8(m, 0xa0), 0x82);
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

/* With all inputs level-triggered (ICW1 LTIM) the cascade's request follows the slave's INT, and the timer's output,
 * high from the start, is a request that stays. A slave's request that falls takes the master's with it, so that no
 * acknowledge ever finds the slave empty (which would be its IR7, line 15). */
static void level_master(void **state)
{
	struct machine *m = pair(0xffff);

	out8(m, 0x20, 0x19);
	out8(m, 0x21, 0x20);
	out8(m, 0x21, 4);
	out8(m, 0x21, 1);
	takes(m, 0x20, 0);
	out8(m, 0x20, EOI);
	assert_true(m->bus.irq_pending);
	out8(m, 0x21, 1);
	assert_false(m->bus.irq_pending);
	raise_line(m, 12);
	takes(m, 0x2c, 12);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 4);
	assert_int_equal(read_after(m, 0xa0, READ_ISR), 0x10);
	out8(m, 0xa0, EOI);
	out8(m, 0x20, EOI);
	pulse_line(m, 15);
	assert_true(m->bus.irq_pending);
	lower_line(m, 15);
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

/* "Cascade mode": two EOIs; a second request of the slave comes as a new edge on IR2. */
static void cascade(void **state)
{
	struct machine *m = pair(0xffff);

	raise_line(m, 14);
	raise_line(m, 8);
	raise_line(m, 3);
	takes(m, 0x28, 8); /* IR2 is above IR3 */
	assert_int_equal(read_after(m, 0x20, READ_ISR), 4);
	assert_int_equal(read_after(m, 0xa0, READ_ISR), 1);
	assert_false(m->bus.irq_pending);
	out8(m, 0xa0, EOI); /* the slave asks for 14 now, but IR2 is in service */
	assert_false(m->bus.irq_pending);
	out8(m, 0x20, EOI);
	takes(m, 0x2e, 14);
	out8(m, 0xa0, EOI);
	out8(m, 0x20, EOI);
	takes(m, 0x23, 3);
	out8(m, 0x20, EOI);
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

/* "Special fully nested mode": a higher request of the same slave gets through while IR2 is in service. */
static void special_fully_nested(void **state)
{
	struct machine *m = machine_new(NULL);

	for (unsigned nested = 0; nested < 2; nested++) {
		pic_init(m, 1);
		out8(m, 0x20, 0x11);
		out8(m, 0x21, 0x20);
		out8(m, 0x21, 4);
		out8(m, 0x21, nested ? 0x11 : 1);
		pic_unmask(m, 0xffff);
		pulse_line(m, 13);
		takes(m, 0x2d, 13);
		pulse_line(m, 9);
		assert_int_equal(m->bus.irq_pending, nested);
		if (nested)
			takes(m, 0x29, 9);
		lower_line(m, 9);
		lower_line(m, 13);
	}
	machine_free(m);
}

/* "Automatic EOI": no in-service bit is left; the slave's next request is an edge all the same. */
static void auto_eoi(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 3);
	pic_unmask(m, 0xffff);
	raise_line(m, 9);
	raise_line(m, 11);
	raise_line(m, 6);
	takes(m, 0x29, 9);
	takes(m, 0x2b, 11);
	takes(m, 0x26, 6);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 0);
	assert_int_equal(read_after(m, 0xa0, READ_ISR), 0);
	assert_false(m->bus.irq_pending);
	/* "Automatic rotation": the served level becomes the lowest. */
	out8(m, 0x20, 0x80);
	pulse_line(m, 6);
	takes(m, 0x26, 6);
	pulse_line(m, 7);
	pulse_line(m, 5);
	takes(m, 0x27, 7);
	pulse_line(m, 0);
	takes(m, 0x20, 0);
	takes(m, 0x25, 5);
	out8(m, 0x20, 0x00); /* no rotation any more: IR5 stays the lowest */
	pulse_line(m, 5);
	pulse_line(m, 6);
	pulse_line(m, 4);
	takes(m, 0x26, 6);
	takes(m, 0x24, 4);
	takes(m, 0x25, 5);
	machine_free(m);
}

/* "Equal priority devices" and "Specific rotation". */
static void rotation(void **state)
{
	struct machine *m = pair(0xffff);

	raise_line(m, 4);
	raise_line(m, 6);
	takes(m, 0x24, 4);
	out8(m, 0x20, ROTATE_EOI); /* IR4 is the lowest now, IR5 the highest: the data sheet's own example */
	pulse_line(m, 4);
	pulse_line(m, 3);
	takes(m, 0x26, 6);
	out8(m, 0x20, EOI);
	takes(m, 0x23, 3);
	out8(m, 0x20, EOI);
	takes(m, 0x24, 4);
	out8(m, 0x20, EOI);
	out8(m, 0x20, SET_PRIORITY | 5); /* then IR6 is the highest */
	pulse_line(m, 5);
	pulse_line(m, 0);
	pulse_line(m, 7);
	takes(m, 0x27, 7);
	out8(m, 0x20, ROTATE_SPECIFIC | 7); /* back to IR0 as the highest */
	takes(m, 0x20, 0);
	/* Two in service: the non-specific EOI ends the higher by the priority of now. */
	out8(m, 0x20, EOI);
	takes(m, 0x25, 5);
	pulse_line(m, 1);
	takes(m, 0x21, 1);
	out8(m, 0x20, SET_PRIORITY | 3); /* IR4 highest: 5 is above 1 now */
	out8(m, 0x20, EOI);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 2);
	out8(m, 0x20, 0x40); /* no operation */
	assert_int_equal(read_after(m, 0x20, READ_ISR), 2);
	machine_free(m);
}

/* "Special mask mode": masking the level in service lets lower ones through. */
static void special_mask(void **state)
{
	struct machine *m = pair(0xffff);

	raise_line(m, 3);
	takes(m, 0x23, 3);
	raise_line(m, 6);
	assert_false(m->bus.irq_pending);
	out8(m, 0x21, 1 << 3);
	assert_false(m->bus.irq_pending); /* the mask alone does not */
	out8(m, 0x20, SMM_ON);
	takes(m, 0x26, 6);
	/* "will not be cleared by a non-specific EOI if the 8259A is in the special mask mode" */
	out8(m, 0x20, EOI);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 8);
	out8(m, 0x20, EOI);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 8);
	out8(m, 0x20, 0x08); /* ESMM = 0: the mode stays */
	pulse_line(m, 6);
	assert_true(m->bus.irq_pending);
	out8(m, 0x20, SMM_OFF);
	assert_false(m->bus.irq_pending);
	out8(m, 0x20, SPECIFIC_EOI | 3);
	takes(m, 0x26, 6);
	machine_free(m);
}

/* "Poll command": the next read is the acknowledge, also of IR0, and only the next. */
static void poll(void **state)
{
	struct machine *m = pair(0xffff);

	out8(m, 0x20, READ_ISR);
	out8(m, 0x20, POLL);
	assert_int_equal(in8(m, 0x20) & 0x80, 0);
	assert_int_equal(in8(m, 0x20), 0);
	raise_line(m, 5);
	out8(m, 0x20, POLL);
	assert_int_equal(in8(m, 0x20), 0x85);
	assert_int_equal(in8(m, 0x20), 0x20);
	assert_false(m->bus.irq_pending);
	pulse_line(m, 0);
	out8(m, 0x20, POLL | 2); /* the poll bit is stronger than a wish to read IRR */
	assert_int_equal(in8(m, 0x20), 0x80);
	assert_int_equal(in8(m, 0x20), 0x21);
	out8(m, 0x20, EOI);
	out8(m, 0x20, EOI);
	/* Polling the slave in automatic EOI: its INT falls and rises for the next request, as in an acknowledge. */
	pic_init(m, 3);
	pic_unmask(m, 0xffff);
	raise_line(m, 10);
	raise_line(m, 12);
	assert_int_equal(read_after(m, 0x20, READ_IRR), 4);
	out8(m, 0x20, POLL);
	assert_int_equal(in8(m, 0x20), 0x82);
	assert_int_equal(read_after(m, 0x20, READ_IRR), 0);
	out8(m, 0xa0, POLL);
	assert_int_equal(in8(m, 0xa0), 0x82);
	assert_int_equal(read_after(m, 0x20, READ_IRR), 4);
	takes(m, 0x2c, 12);
	machine_free(m);
}

/* Special fully nested mode is a master's; a slave has no cascade of its own on IR2. */
static void nested_slave(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 0x11);
	pic_unmask(m, 0xffff);
	raise_line(m, 10);
	takes(m, 0x2a, 10);
	raise_line(m, 12);
	assert_false(m->bus.irq_pending);
	raise_line(m, 9);
	struct machine *copy = machine_copy(m, NULL);
	takes(m, 0x29, 9);
	takes(copy, 0x29, 9);
	machine_free(m);
	machine_free(copy);
}

/* "Initialization command words". */
static void initialisation(void **state)
{
	struct machine *m = machine_new(NULL);

	/* Before it: silent, masked. */
	raise_line(m, 4);
	assert_false(m->bus.irq_pending);
	assert_int_equal(in8(m, 0x21), 0xff);
	pic_init(m, 1);
	assert_int_equal(in8(m, 0x21), 0xff);
	/* ICW1 resets the edge sense: IR4 is high and makes no request; and clears the mask, once complete. */
	pic_unmask(m, 0xffff);
	assert_false(m->bus.irq_pending);
	pulse_line(m, 4);
	takes(m, 0x24, 4);
	/* Without ICW4: three words, automatic EOI and special fully nested mode off. */
	pic_init(m, 0x13);
	out8(m, 0x21, 0xaa);
	out8(m, 0x20, 0x10);
	assert_int_equal(in8(m, 0x21), 0);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 0);
	out8(m, 0x21, 0x77); /* low three bits are the level's */
	pulse_line(m, 1);
	assert_false(m->bus.irq_pending); /* not yet */
	out8(m, 0x21, 4);
	takes(m, 0x71, 1);
	assert_int_equal(read_after(m, 0x20, READ_ISR), 2);
	out8(m, 0x21, 0x55);
	assert_int_equal(in8(m, 0x21), 0x55);
	out8(m, 0x20, EOI);
	/* A single chip without ICW4: two words. */
	out8(m, 0x20, 0x12);
	out8(m, 0x21, 0x50);
	out8(m, 0x21, 0xf0);
	assert_int_equal(in8(m, 0x21), 0xf0);
	pulse_line(m, 1);
	takes(m, 0x51, 1);
	/* A single chip: no ICW3, and IR2 is an input like others, which the slave's INT drives. */
	out8(m, 0x20, 0x13);
	out8(m, 0x21, 0x40);
	out8(m, 0x21, 0x01);
	out8(m, 0x21, 0x00);
	pulse_line(m, 8);
	out8(m, 0xa1, 0);
	takes(m, 0x42, 2);
	machine_free(m);
}

/* The edge/level registers: a level line asks again after the EOI until it falls. */
static void level_triggered(void **state)
{
	struct machine *m = pair(0xffff);

	out8(m, 0x4d0, 0xff);
	out8(m, 0x4d1, 0xff);
	assert_int_equal(in8(m, 0x4d0), 0xf8); /* 0, 1, 2, and 8, 13 are always edges */
	assert_int_equal(in8(m, 0x4d1), 0xde);
	raise_line(m, 11);
	takes(m, 0x2b, 11);
	out8(m, 0xa0, EOI);
	out8(m, 0x20, EOI);
	takes(m, 0x2b, 11);
	lower_line(m, 11);
	out8(m, 0xa0, EOI);
	out8(m, 0x20, EOI);
	assert_false(m->bus.irq_pending);
	/* A line that is high already when it becomes level-triggered asks at once. */
	out8(m, 0x4d0, 0);
	raise_line(m, 5);
	takes(m, 0x25, 5);
	out8(m, 0x20, EOI);
	assert_false(m->bus.irq_pending);
	bus_write(&m->bus, false, 0x4d0, 2, 0x0020);
	assert_true(m->bus.irq_pending);
	machine_free(m);
}

static void masks(void **state)
{
	struct machine *m = pair(0);

	raise_line(m, 6);
	raise_line(m, 12);
	assert_false(m->bus.irq_pending);
	assert_int_equal(read_after(m, 0x20, READ_IRR),
			 0x40); /* the mask does not hide a request; the slave's INT is low */
	assert_int_equal(read_after(m, 0xa0, READ_IRR), 0x10);
	pic_unmask(m, 1 << 6 | 1 << 12 | 1 << 2);
	takes(m, 0x2c, 12);
	out8(m, 0xa0, EOI);
	out8(m, 0x20, EOI);
	takes(m, 0x26, 6);
	machine_free(m);
}

static void restored(void **state)
{
	struct machine *m = pair(0xffff), *copy;

	raise_line(m, 14);
	raise_line(m, 4);
	raise_line(m, 0);
	lower_line(m, 0);
	raise_line(m, 0);
	takes(m, 0x20, 0);
	out8(m, 0x20, SMM_ON | 2 | 1);
	copy = machine_copy(m, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct machine *x = i ? copy : m;
		assert_int_equal(in8(x, 0x20), 1);
		out8(x, 0x20, EOI);
		takes(x, 0x2e, 14);
		out8(x, 0xa0, EOI);
		out8(x, 0x20, EOI);
		takes(x, 0x24, 4);
	}
	machine_free(m);
	machine_free(copy);
}

static void restored_modes(void **state)
{
	struct machine *m = machine_new(NULL), *copy;

	pic_init(m, 3);
	pic_unmask(m, 0x00ff);
	out8(m, 0x20, 0x80); /* rotate in automatic EOI */
	out8(m, 0x20, READ_ISR);
	out8(m, 0xa0, POLL);
	out8(m, 0x4d0, 0x20);
	copy = machine_copy(m, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct machine *x = i ? copy : m;
		raise_line(x, 5);
		takes(x, 0x25, 5);
		raise_line(x, 7);
		takes(x, 0x27, 7); /* IR5 became the lowest, its level request goes on */
		takes(x, 0x25, 5);
		assert_int_equal(in8(x, 0x20), 0);
	}
	machine_free(m);
	machine_free(copy);
}

/* The record: version; per chip irr isr imr lines elcr base icw3 lowest icw flags(2). */
static void state_refused(void **state)
{
	static const struct {
		u8 at, value;
	} bad[] = {
		{ 0, 2 },     { 1, 0x08 },  { 5, 0x01 }, { 6, 0x21 }, { 8, 8 },  { 9, 4 },    { 11, 2 }, { 12, 0x08 },
		{ 16, 0x01 }, { 17, 0x29 }, { 19, 8 },   { 20, 4 },   { 22, 2 }, { 4, 0x05 }, /* the cascade's line
												 without a request of
												 the slave */
	};
	static const struct {
		u8 at, value;
	} good[] = { { 2, 0xff }, { 3, 0 }, { 5, 0xf8 }, { 6, 0x28 }, { 8, 0 }, { 9, 3 }, { 11, 1 } };
	struct machine *m = pair(0xffff);

	for (unsigned i = 0; i < KT_ARRAY_LEN(bad); i++)
		assert_false(takes_state(m, "i8259", bad[i].at, bad[i].value));
	for (unsigned i = 0; i < KT_ARRAY_LEN(good); i++)
		assert_true(takes_state(m, "i8259", good[i].at, good[i].value));
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fully_nested),   cmocka_unit_test(edges),
		cmocka_unit_test(spurious),       cmocka_unit_test(level_master),
		cmocka_unit_test(cascade),        cmocka_unit_test(special_fully_nested),
		cmocka_unit_test(auto_eoi),       cmocka_unit_test(rotation),
		cmocka_unit_test(special_mask),   cmocka_unit_test(poll),
		cmocka_unit_test(initialisation), cmocka_unit_test(level_triggered),
		cmocka_unit_test(masks),          cmocka_unit_test(restored),
		cmocka_unit_test(all_priorities), cmocka_unit_test(nested_slave),
		cmocka_unit_test(restored_modes), cmocka_unit_test(state_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
