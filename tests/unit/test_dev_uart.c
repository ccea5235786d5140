/* SPDX-License-Identifier: MIT */
/* The 16550A against the PC16550D data sheet: interrupt priorities, the transmitter's interrupt, loopback, FIFOs. */
#include "dev_machine.h"

enum { DATA = 0, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH, COM1 = 0x3f8, COM2 = 0x2f8 };
enum { FCR = IIR, DLL = DATA, DLM = IER };

static u8 get(struct machine *m, unsigned r)
{
	return in8(m, (u16)(COM1 + r));
}

static void set(struct machine *m, unsigned r, u8 v)
{
	out8(m, (u16)(COM1 + r), v);
}

/* Both ports open: OUT2, 8 bits; IRQ 4 and 3 unmasked. */
static struct machine *opened(void)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1 << 4 | 1 << 3);
	set(m, LCR, 3);
	set(m, MCR, 0x0b);
	out8(m, COM2 + LCR, 3);
	out8(m, COM2 + MCR, 0x0b);
	return m;
}

static void takes(struct machine *m, unsigned vector)
{
	assert_true(m->bus.irq_pending);
	assert_int_equal(bus_irq_ack(&m->bus, NULL), vector);
	out8(m, 0x20, 0x20);
}

/* "Reset control": the registers after a reset. */
static void reset_state(void **state)
{
	struct machine *m = machine_new(NULL);

	assert_int_equal(get(m, IER), 0);
	assert_int_equal(get(m, IIR), 1);
	assert_int_equal(get(m, LCR), 0);
	assert_int_equal(get(m, MCR), 0);
	assert_int_equal(get(m, LSR), 0x60);
	assert_int_equal(get(m, MSR), 0xb0); /* somebody is there, nothing changed */
	set(m, IER, 0xff);
	assert_int_equal(get(m, IER), 0x0f);
	set(m, MCR, 0xff);
	assert_int_equal(get(m, MCR), 0x1f);
	set(m, SCRATCH, 0xa5);
	assert_int_equal(get(m, SCRATCH), 0xa5);
	machine_free(m);
}

static void console(void **state)
{
	struct machine *m = opened();

	for (const char *p = "hello"; *p; p++) {
		assert_int_equal(get(m, LSR) & 0x60, 0x60);
		set(m, DATA, (u8)*p);
	}
	out8(m, COM2, 'x');
	assert_string_equal(m->console[0], "hello");
	assert_string_equal(m->console[1], "x");
	/* The divisor latch is not the transmitter. */
	set(m, LCR, 0x83);
	set(m, DLL, 1);
	set(m, DLM, 2);
	assert_int_equal(get(m, DLL), 1);
	assert_int_equal(get(m, DLM), 2);
	set(m, LCR, 3);
	assert_int_equal(get(m, IER), 0);
	assert_int_equal(get(m, DATA), 0);
	assert_string_equal(m->console[0], "hello");
	/* A 16-bit write reaches two registers. */
	bus_write(&m->bus, false, COM1, 2, 0x0241);
	assert_string_equal(m->console[0], "helloA");
	assert_int_equal(get(m, IER), 2);
	machine_free(m);
}

/* The transmitter's interrupt: by enabling, by every byte; reset by reading IIR or by writing. */
static void thre(void **state)
{
	struct machine *m = opened();

	set(m, IER, 2);
	takes(m, 0x24);
	assert_int_equal(get(m, IIR), 2);
	assert_int_equal(get(m, IIR), 1);
	assert_false(m->bus.irq_pending);
	set(m, IER, 2); /* enabled already: no event */
	assert_int_equal(get(m, IIR), 1);
	for (unsigned i = 0; i < 3; i++) {
		set(m, DATA, 'a');
		takes(m, 0x24);
	} /* each without a look at IIR in between: writing resets, emptying sets */
	assert_int_equal(get(m, IIR), 2);
	set(m, IER, 0);
	set(m, DATA, 'b');
	assert_int_equal(get(m, IIR), 1);
	assert_false(m->bus.irq_pending);
	out8(m, COM2 + IER, 2);
	takes(m, 0x23);
	machine_free(m);
}

/* On a PC, OUT2 lets the interrupt through; in loopback it is off its pin. */
static void out2(void **state)
{
	struct machine *m = opened();

	set(m, MCR, 0x03);
	set(m, IER, 2);
	assert_false(m->bus.irq_pending);
	set(m, MCR, 0x0b);
	assert_true(m->bus.irq_pending);
	set(m, MCR, 0x1b);
	assert_false(m->bus.irq_pending);
	machine_free(m);
}

/* "Loop": MCR's outputs come back as MSR's inputs, crosswise; deltas; RI counts its trailing edge only. */
static void loop_modem(void **state)
{
	struct machine *m = opened();

	get(m, MSR);
	set(m, MCR, 0x10);
	assert_int_equal(get(m, MSR), 0x0b); /* CTS, DSR, DCD fell */
	assert_int_equal(get(m, MSR), 0x00);
	set(m, MCR, 0x12);
	assert_int_equal(get(m, MSR), 0x11); /* RTS -> CTS */
	set(m, MCR, 0x11);
	assert_int_equal(get(m, MSR), 0x23); /* DTR -> DSR */
	set(m, MCR, 0x14);
	assert_int_equal(get(m, MSR), 0x42); /* OUT1 -> RI: no delta for its rise */
	set(m, MCR, 0x18);
	assert_int_equal(get(m, MSR), 0x8c); /* OUT2 -> DCD, and RI's fall */
	set(m, IER, 8);
	assert_int_equal(get(m, IIR), 1);
	set(m, MCR, 0x10);
	assert_int_equal(get(m, IIR), 0);
	assert_int_equal(get(m, MSR), 0x08);
	assert_int_equal(get(m, IIR), 1);
	machine_free(m);
}

static void loop_data(void **state)
{
	struct machine *m = opened();

	set(m, MCR, 0x1b);
	set(m, DATA, 0xc1);
	assert_int_equal(m->nconsole[0], 0);
	assert_int_equal(get(m, LSR), 0x61);
	/* Without FIFOs the second byte takes the first one's place, and that is an overrun. */
	set(m, DATA, 0xc2);
	assert_int_equal(get(m, LSR), 0x63);
	assert_int_equal(get(m, LSR), 0x61); /* reading clears it */
	assert_int_equal(get(m, DATA), 0xc2);
	assert_int_equal(get(m, LSR), 0x60);
	/* Five bits a character. */
	set(m, LCR, 0);
	set(m, DATA, 0xff);
	assert_int_equal(get(m, DATA), 0x1f);
	machine_free(m);
}

/* Table IV: line status, then data (or time-out), then transmitter, then modem. */
static void priorities(void **state)
{
	struct machine *m = opened();

	set(m, MCR, 0x1b);
	get(m, MSR);
	set(m, IER, 0x0f);
	set(m, DATA, 1);
	set(m, DATA, 2);
	set(m, MCR, 0x13); /* DCD falls */
	assert_int_equal(get(m, IIR), 6);
	assert_int_equal(get(m, IIR), 6);
	get(m, LSR);
	assert_int_equal(get(m, IIR), 4);
	get(m, DATA);
	assert_int_equal(get(m, IIR), 2);
	assert_int_equal(get(m, IIR), 0);
	get(m, MSR);
	assert_int_equal(get(m, IIR), 1);
	machine_free(m);
}

static void fifos(void **state)
{
	struct machine *m = opened();

	set(m, FCR, 0xc0); /* nothing but the enable bit lets the others in */
	assert_int_equal(get(m, IIR), 1);
	set(m, FCR, 0x81); /* trigger at 8 */
	assert_int_equal(get(m, IIR), 0xc1);
	set(m, MCR, 0x1b);
	set(m, IER, 1);
	for (u8 i = 0; i < 7; i++)
		set(m, DATA, i);
	assert_int_equal(get(m, IIR), 0xcc); /* below the level: character time-out */
	set(m, DATA, 7);
	assert_int_equal(get(m, IIR), 0xc4);
	for (u8 i = 8; i < 16; i++)
		set(m, DATA, i);
	assert_int_equal(get(m, LSR), 0x61);
	set(m, DATA, 99); /* the seventeenth is lost, what is there stays */
	assert_int_equal(get(m, LSR), 0x63);
	for (u8 i = 0; i < 16; i++)
		assert_int_equal(get(m, DATA), i);
	assert_int_equal(get(m, LSR), 0x60);
	set(m, DATA, 1);
	set(m, FCR, 0x41);
	assert_int_equal(get(m, LSR), 0x61); /* another level alone clears nothing */
	set(m, FCR, 0x83);
	assert_int_equal(get(m, LSR), 0x60); /* cleared */
	set(m, DATA, 1);
	set(m, FCR, 0);
	assert_int_equal(get(m, LSR), 0x60); /* a change of the enable bit clears, too */
	machine_free(m);
}

static void restored(void **state)
{
	struct machine *m = opened();

	set(m, FCR, 0xc1);
	set(m, MCR, 0x1b);
	set(m, DATA, 0x55);
	set(m, DATA, 0x66);
	set(m, IER, 0x0f);
	out8(m, COM2 + IER, 2);
	struct machine *copy = machine_copy(m, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct machine *x = i ? copy : m;
		takes(x, 0x23);
		assert_int_equal(get(x, IIR), 0xcc);
		assert_int_equal(get(x, DATA), 0x55);
		assert_int_equal(get(x, DATA), 0x66);
		assert_int_equal(get(x, IIR), 0xc2);
		assert_int_equal(in8(x, COM2 + IIR), 2);
	}
	machine_free(m);
	machine_free(copy);
}

/* The record: version, ier, fcr, lcr, mcr, scratch, msr, u16 divisor, flags, number received, those. */
static void state_refused(void **state)
{
	struct machine *m = opened();

	assert_false(takes_state(m, "com1", 0, 2));
	assert_false(takes_state(m, "com1", 1, 0x10));
	assert_false(takes_state(m, "com1", 2, 0x02));
	assert_false(takes_state(m, "com1", 4, 0x2b));
	assert_false(takes_state(m, "com1", 6, 0x90)); /* lines that MCR does not make */
	assert_false(takes_state(m, "com1", 9, 4));
	assert_false(takes_state(m, "com1", 10, 1)); /* one received, and no byte of it */
	assert_true(takes_state(m, "com1", 6, 0xbf));
	assert_true(takes_state(m, "com1", 9, 3));
	set(m, MCR, 0x1b);
	set(m, DATA, 'a');
	assert_false(takes_state(m, "com1", 10, 0));
	assert_true(takes_state(m, "com1", 11, 'b'));
	set(m, FCR, 1);
	for (unsigned i = 0; i < 16; i++)
		set(m, DATA, 'a');
	assert_false(takes_state(m, "com1", 2, 0)); /* sixteen received without a FIFO */
	assert_false(takes_state(m, "com1", 10, 17));
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_state),   cmocka_unit_test(console),    cmocka_unit_test(thre),
		cmocka_unit_test(out2),          cmocka_unit_test(loop_modem), cmocka_unit_test(loop_data),
		cmocka_unit_test(priorities),    cmocka_unit_test(fifos),      cmocka_unit_test(restored),
		cmocka_unit_test(state_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
