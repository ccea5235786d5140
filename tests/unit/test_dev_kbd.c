/* SPDX-License-Identifier: MIT */
/* The keyboard controller as firmware (SeaBIOS) and kernels (Linux i8042, atkbd) talk to it: nothing goes unanswered.
 */
#include "dev_machine.h"

enum { FULL = 1, SYSTEM = 4, COMMAND = 8, NOT_LOCKED = 16, AUX = 32, TIMEOUT = 64 };

static u8 status(struct machine *m)
{
	return in8(m, 0x64);
}

static void command(struct machine *m, u8 v)
{
	assert_int_equal(status(m) & 2, 0); /* the input buffer is never full */
	out8(m, 0x64, v);
}

static void data(struct machine *m, u8 v)
{
	assert_int_equal(status(m) & 2, 0);
	out8(m, 0x60, v);
}

static void answers(struct machine *m, u8 v)
{
	assert_int_equal(status(m) & (FULL | AUX), FULL);
	assert_int_equal(in8(m, 0x60), v);
}

static void silent(struct machine *m)
{
	assert_int_equal(status(m) & FULL, 0);
}

static void set_ctr(struct machine *m, u8 v)
{
	command(m, 0x60);
	data(m, v);
}

static void self_tests(void **state)
{
	struct machine *m = machine_new(NULL);

	silent(m);
	assert_int_equal(status(m), SYSTEM | NOT_LOCKED);
	command(m, 0xaa);
	assert_int_equal(status(m), SYSTEM | NOT_LOCKED | COMMAND | FULL);
	answers(m, 0x55);
	silent(m);
	command(m, 0xab);
	answers(m, 0x00);
	command(m, 0xc0);
	answers(m, 0x80);
	machine_free(m);
}

static void memory(void **state)
{
	struct machine *m = machine_new(NULL);

	set_ctr(m, 0x30);
	assert_int_equal(status(m), NOT_LOCKED); /* the system flag is CTR's bit 2 */
	command(m, 0x20);
	answers(m, 0x30);
	command(m, 0xae);
	command(m, 0x20);
	answers(m, 0x20);
	command(m, 0xad);
	command(m, 0x20);
	answers(m, 0x30);
	command(m, 0x7f);
	data(m, 0x5a);
	command(m, 0x3f);
	answers(m, 0x5a);
	command(m, 0x20);
	answers(m, 0x30);
	set_ctr(m, 0x34);
	assert_int_equal(status(m), SYSTEM | NOT_LOCKED);
	command(m, 0x40); /* unknown commands have no answer and take no byte */
	command(m, 0x1f);
	silent(m);
	machine_free(m);
}

static void keyboard(void **state)
{
	struct machine *m = machine_new(NULL);
	static const u8 plain[] = { 0xf4, 0xf5, 0xf6, 0xed, 0x07, 0xf3, 0x2b, 0xf0, 0x02, 0xea, 0x00 };

	set_ctr(m, 0x05);
	data(m, 0xff);
	answers(m, 0xfa);
	answers(m, 0xaa);
	silent(m);
	for (unsigned i = 0; i < sizeof(plain); i++) {
		data(m, plain[i]);
		answers(m, 0xfa);
		silent(m);
	}
	data(m, 0xee);
	answers(m, 0xee);
	data(m, 0xfe);
	answers(m, 0xee);
	/* Identification, as it is and through the scan code translation. */
	data(m, 0xf2);
	answers(m, 0xfa);
	answers(m, 0xab);
	answers(m, 0x83);
	data(m, 0xf0);
	answers(m, 0xfa);
	data(m, 0x00);
	answers(m, 0xfa);
	answers(m, 0x02);
	set_ctr(m, 0x45);
	data(m, 0xf2);
	answers(m, 0xfa);
	answers(m, 0xab);
	answers(m, 0x41);
	/* The other code sets, and none. */
	static const u8 sets[][2] = { { 1, 0x43 }, { 3, 0x3f }, { 4, 0x3f } };
	for (unsigned i = 0; i < KT_ARRAY_LEN(sets); i++) {
		data(m, 0xf0);
		data(m, sets[i][0]);
		data(m, 0xf0);
		data(m, 0x00);
		for (unsigned n = 0; n < 4; n++)
			answers(m, 0xfa);
		answers(m, sets[i][1]);
	}
	/* A command in the place of a parameter is a command. */
	data(m, 0xf0);
	answers(m, 0xfa);
	data(m, 0xed);
	answers(m, 0xfa);
	data(m, 0x00); /* the LEDs', not a question for the code set */
	answers(m, 0xfa);
	silent(m);
	data(m, 0xed);
	answers(m, 0xfa);
	data(m, 0xff);
	answers(m, 0xfa);
	answers(m, 0xaa);
	data(m, 0x00);
	answers(m, 0xfa);
	machine_free(m);
}

/* Bytes that nobody reads do not grow without end. */
static void queue_is_bounded(void **state)
{
	struct machine *m = machine_new(NULL);
	unsigned n = 0;

	for (unsigned i = 0; i < 1000; i++)
		out8(m, 0x60, 0xf2);
	command(m, 0xab); /* the controller finds room all the same */
	for (; status(m) & FULL; n++)
		assert_int_equal(in8(m, 0x60) == 0, n == 15);
	assert_int_equal(n, 16);
	command(m, 0xaa);
	answers(m, 0x55);
	machine_free(m);
}

/* Of the controller's answers only the last is there; the keyboard's stay before it. */
static void unread_answers(void **state)
{
	struct machine *m = machine_new(NULL);

	data(m, 0xff);
	command(m, 0xab);
	command(m, 0x20);
	answers(m, 0xfa);
	answers(m, 0xaa);
	answers(m, 0x45);
	silent(m);
	machine_free(m);
}

static void interrupts(void **state)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1 << 1);
	set_ctr(m, 0x04);
	data(m, 0xff);
	assert_false(m->bus.irq_pending);
	set_ctr(m, 0x05);                  /* the buffer is full already when the interrupt is enabled */
	for (unsigned i = 0; i < 2; i++) { /* one for each byte */
		assert_true(m->bus.irq_pending);
		assert_int_equal(bus_irq_ack(&m->bus, NULL), 0x21);
		in8(m, 0x60);
		out8(m, 0x20, 0x20);
	}
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

/* What Linux asks to find out that there is no auxiliary port, without a wait that times out. */
static void no_mouse(void **state)
{
	struct machine *m = machine_new(NULL);

	command(m, 0xd3);
	data(m, 0x5a);
	assert_int_equal(status(m) & (FULL | AUX), FULL); /* not marked as the mouse's: Linux does not even read it */
	command(m, 0xa9);
	assert_true(status(m) & FULL);
	u8 v = in8(m, 0x60);
	assert_true(v && v != 0x5a && v != 0xfa && v != 0xff);
	silent(m);
	command(m, 0xd2);
	data(m, 0x5a);
	answers(m, 0x5a);
	command(m, 0xd4);
	data(m, 0xf4);
	assert_int_equal(status(m) & (FULL | AUX | TIMEOUT), FULL | AUX | TIMEOUT);
	assert_int_equal(in8(m, 0x60), 0xfe);
	command(m, 0xd2);
	data(m, 0x1c);
	answers(m, 0x1c);
	machine_free(m);
}

static void a20(void **state)
{
	struct machine *m = machine_new(NULL);

	assert_int_equal(in8(m, 0x92), 2);
	command(m, 0xd0);
	assert_int_equal(in8(m, 0x60) & 0x13, 0x03);
	data(m, 0xee);
	command(m, 0xd0);
	in8(m, 0x60);
	assert_int_equal(in8(m, 0x60) & 0x13, 0x13); /* a byte was waiting */
	command(m, 0xd1);
	data(m, 0xdd); /* A20 low here; port 0x92 still holds it */
	assert_true(m->a20);
	out8(m, 0x92, 0);
	assert_false(m->a20);
	assert_int_equal(in8(m, 0x92), 0);
	command(m, 0xd0);
	assert_int_equal(in8(m, 0x60) & 3, 1);
	command(m, 0xdf);
	assert_true(m->a20);
	command(m, 0xdd);
	assert_false(m->a20);
	struct machine *copy = machine_copy(m, NULL);
	assert_false(copy->a20); /* restoring tells */
	out8(m, 0x92, 2);
	assert_true(m->a20);
	assert_int_equal(m->a20_calls, 4);
	assert_int_equal(m->ends, 0);
	machine_free(m);
	machine_free(copy);
}

static void resets(void **state)
{
	static const struct {
		u16 port;
		u8 v;
		u16 port2;
		u8 v2;
		bool resets;
	} cases[] = {
		{ 0x64, 0xfe, 0, 0, true },       { 0x64, 0xf0, 0, 0, true },        { 0x64, 0xff, 0, 0, false },
		{ 0x64, 0xd1, 0x60, 0xfe, true }, { 0x64, 0xd1, 0x60, 0xdf, false }, { 0x60, 0xfe, 0, 0, false },
		{ 0x92, 0x01, 0, 0, true },       { 0x92, 0x02, 0, 0, false },       { 0xcf9, 0x0e, 0, 0, true },
	};

	for (unsigned i = 0; i < KT_ARRAY_LEN(cases); i++) {
		struct machine *m = machine_new(NULL);
		out8(m, cases[i].port, cases[i].v);
		if (cases[i].port2)
			out8(m, cases[i].port2, cases[i].v2);
		assert_int_equal(m->ends, cases[i].resets);
		if (cases[i].resets)
			assert_int_equal(m->why, VM_END_RESET);
		machine_free(m);
	}
}

static void restored(void **state)
{
	struct machine *m = machine_new(NULL);

	set_ctr(m, 0x45);
	data(m, 0xf2);
	in8(m, 0x60);
	command(m, 0x60);
	struct machine *copy = machine_copy(m, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct machine *x = i ? copy : m;
		answers(x, 0xab);
		data(x, 0x04); /* the byte of the command before */
		answers(x, 0x41);
		command(x, 0x20);
		answers(x, 0x04);
	}
	machine_free(m);
	machine_free(copy);
}

/* The record: version, 32 bytes of RAM, status, command, keyboard's command, code set, last, output, number of answers,
 * those. */
static void state_refused(void **state)
{
	enum { STATUS = 33, WAITING, KBD_WAITING, CODE_SET, LAST, OUTPUT, ANSWERS, FIRST };
	struct machine *m = machine_new(NULL);

	data(m, 0xff);
	assert_false(takes_state(m, "i8042", 0, 2));
	assert_false(takes_state(m, "i8042", STATUS, FULL));
	assert_false(takes_state(m, "i8042", WAITING, 0x20));
	assert_false(takes_state(m, "i8042", WAITING, 0x80));
	assert_false(takes_state(m, "i8042", WAITING, 0xd0));
	assert_false(takes_state(m, "i8042", WAITING, 0xd5));
	assert_false(takes_state(m, "i8042", CODE_SET, 0));
	assert_false(takes_state(m, "i8042", CODE_SET, 4));
	assert_false(takes_state(m, "i8042", ANSWERS, 1));
	assert_false(takes_state(m, "i8042", ANSWERS, 3));
	assert_false(takes_state(m, "i8042", ANSWERS, 17));
	assert_false(takes_state(m, "i8042", FIRST + 1, 8));
	assert_true(takes_state(m, "i8042", FIRST + 1, 7));
	assert_true(takes_state(m, "i8042", WAITING, 0x7f));
	assert_true(takes_state(m, "i8042", WAITING, 0xd4));
	assert_true(takes_state(m, "i8042", CODE_SET, 1));
	assert_true(takes_state(m, "i8042", CODE_SET, 3));
	for (unsigned i = 0; i < 20; i++)
		out8(m, 0x60, 0xee);
	command(m, 0xab);
	machine_free(machine_copy(m, NULL)); /* sixteen answers are not too many */
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(self_tests),       cmocka_unit_test(memory),        cmocka_unit_test(keyboard),
		cmocka_unit_test(queue_is_bounded), cmocka_unit_test(interrupts),    cmocka_unit_test(unread_answers),
		cmocka_unit_test(no_mouse),         cmocka_unit_test(a20),           cmocka_unit_test(resets),
		cmocka_unit_test(restored),         cmocka_unit_test(state_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
