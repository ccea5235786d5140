/* SPDX-License-Identifier: MIT */
/* The pair of 8259A interrupt controllers with the PC's edge/level registers (8259A data sheet 231468-003; ELCR: PIIX4
 * data sheet, section 4.2.4.4).
 *
 * An edge-triggered request holds while its line stays high: when the line falls before the acknowledge, the request is
 * gone ("IR inputs must remain high until after the falling edge of the first INTA"). Since the machine samples INTR at
 * step boundaries only, a vanished request never becomes a spurious interrupt; acknowledging without one gives IR7. */
#include "vm/dev_pc.h"

#include <stdlib.h>

enum { SAVE_VERSION = 1 };
enum { MASTER = 0, SLAVE = 1 };
enum icw_step { READY = 0, WANT_ICW2, WANT_ICW3, WANT_ICW4 };

struct chip {
	u8 irr, isr, imr;
	u8 lines; /* levels of the inputs */
	u8 elcr;  /* 1: level-triggered input */
	u8 base;  /* vector of IR0, low three bits 0 */
	u8 icw3;
	u8 lowest; /* input of lowest priority: 7 after ICW1 */
	u8 icw;    /* enum icw_step: what the next write to the odd port is */
	bool icw4_follows, single, level_all;
	bool aeoi, rotate_aeoi, special_mask, nested; /* nested: special fully nested mode */
	bool read_isr, poll;
};

struct pic {
	struct device dev;
	struct chip chip[2];
};

static struct pic *pic_of(struct device *d)
{
	return (struct pic *)d;
}

/* ---- one chip ---- */

static u8 level_inputs(const struct chip *c)
{
	return c->level_all ? 0xff : c->elcr;
}

static void chip_line(struct chip *c, unsigned n, bool level)
{
	u8 bit = (u8)(1u << n);

	if (!level) {
		c->lines &= (u8)~bit;
		c->irr &= (u8)~bit;
		return;
	}
	if (!(c->lines & bit) || (level_inputs(c) & bit))
		c->irr |= bit;
	c->lines |= bit;
}

/* The input of highest priority among `set`; -1: none. */
static int highest(const struct chip *c, u8 set)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned n = (c->lowest + i) & 7;
		if (set & (1u << n))
			return (int)n;
	}
	return -1;
}

/* How far below the top an input stands: 0 is the highest priority. */
static unsigned rank(const struct chip *c, int n)
{
	return ((unsigned)n - c->lowest - 1) & 7;
}

/* The input that the chip asks to be served; -1: INT is low. */
static int chip_request(const struct chip *c, bool is_master)
{
	u8 in_service = c->isr;

	if (c->icw != READY)
		return -1;
	if (c->special_mask)
		in_service &= (u8)~c->imr;
	if (c->nested && is_master)
		in_service &= (u8) ~(1u << PC_IRQ_CASCADE);
	int want = highest(c, c->irr & (u8)~c->imr), busy = highest(c, in_service);
	if (want < 0 || (busy >= 0 && rank(c, busy) <= rank(c, want)))
		return -1;
	return want;
}

static void chip_ack(struct chip *c, unsigned n)
{
	u8 bit = (u8)(1u << n);

	if (!(level_inputs(c) & bit))
		c->irr &= (u8)~bit;
	if (!c->aeoi)
		c->isr |= bit;
	else if (c->rotate_aeoi)
		c->lowest = (u8)n;
}

/* ---- the pair ---- */

/* Carries the slave's INT to the master's input and the master's to the CPU. */
static void pic_update(struct pic *p)
{
	chip_line(&p->chip[MASTER], PC_IRQ_CASCADE, chip_request(&p->chip[SLAVE], false) >= 0);
	p->dev.bus->irq_pending = chip_request(&p->chip[MASTER], true) >= 0;
}

static void pic_line(struct device *d, unsigned line, bool level)
{
	struct pic *p = pic_of(d);

	if (line > 15 || line == PC_IRQ_CASCADE)
		return;
	chip_line(&p->chip[line >> 3], line & 7, level);
	pic_update(p);
}

static unsigned slave_ack(struct pic *p, unsigned *line)
{
	struct chip *s = &p->chip[SLAVE];
	int n = chip_request(s, false);

	if (n >= 0)
		chip_ack(s, (unsigned)n);
	else
		n = 7;
	/* INT falls during the acknowledge, so that what is still pending makes a new edge at the master. */
	chip_line(&p->chip[MASTER], PC_IRQ_CASCADE, false);
	*line = 8 + (unsigned)n;
	return s->base + (unsigned)n;
}

static unsigned pic_ack(struct device *d, unsigned *line)
{
	struct pic *p = pic_of(d);
	struct chip *m = &p->chip[MASTER];
	int n = chip_request(m, true);
	unsigned vector;

	if (n >= 0)
		chip_ack(m, (unsigned)n);
	else
		n = 7;
	*line = (unsigned)n;
	vector = n == PC_IRQ_CASCADE && !m->single ? slave_ack(p, line) : m->base + (unsigned)n;
	pic_update(p);
	return vector;
}

/* ---- programming ---- */

static void write_icw1(struct chip *c, u8 v)
{
	c->icw4_follows = v & 1;
	c->single = v & 2;
	c->level_all = v & 8;
	c->imr = c->isr = 0;
	/* The edge sense is reset: a line that is high now must fall and rise again. */
	c->irr = c->lines & level_inputs(c);
	c->lowest = 7;
	c->special_mask = c->read_isr = c->poll = false;
	c->rotate_aeoi = false;
	if (!c->icw4_follows)
		c->aeoi = c->nested = false;
	c->icw = WANT_ICW2;
}

static void write_ocw2(struct chip *c, u8 v)
{
	enum { ROTATE = 4, SPECIFIC = 2, EOI = 1 };
	unsigned op = v >> 5;
	int n = v & 7;

	if (op == ROTATE || op == 0) {
		c->rotate_aeoi = op == ROTATE;
		return;
	}
	if (op == SPECIFIC)
		return;
	if (op == (ROTATE | SPECIFIC)) {
		c->lowest = (u8)n;
		return;
	}
	if (!(op & SPECIFIC)) /* in special mask mode, masked levels keep their in-service bit */
		n = highest(c, c->special_mask ? c->isr & (u8)~c->imr : c->isr);
	if (n < 0)
		return;
	c->isr &= (u8) ~(1u << n);
	if (op & ROTATE)
		c->lowest = (u8)n;
}

static void write_ocw3(struct chip *c, u8 v)
{
	if (v & 0x40)
		c->special_mask = v & 0x20;
	c->poll = v & 4;
	if (!c->poll && (v & 2))
		c->read_isr = v & 1;
}

static void write_odd(struct chip *c, u8 v)
{
	switch (c->icw) {
	case WANT_ICW2:
		c->base = v & 0xf8;
		c->icw = c->single ? (c->icw4_follows ? WANT_ICW4 : READY) : WANT_ICW3;
		break;
	case WANT_ICW3:
		c->icw3 = v;
		c->icw = c->icw4_follows ? WANT_ICW4 : READY;
		break;
	case WANT_ICW4:
		c->aeoi = v & 2;
		c->nested = v & 0x10;
		c->icw = READY;
		break;
	default: c->imr = v;
	}
}

static u8 elcr_allowed(unsigned which)
{
	return which == MASTER ? 0xf8 : 0xde; /* not the timer, keyboard, cascade; not the RTC and the FPU */
}

static void write_elcr(struct chip *c, unsigned which, u8 v)
{
	u8 was = level_inputs(c);

	c->elcr = v & elcr_allowed(which);
	c->irr |= c->lines & level_inputs(c) & (u8)~was;
}

static void pic_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct pic *p = pic_of(d);
	unsigned which = (offset & PIC_SLAVE) ? SLAVE : MASTER;
	struct chip *c = &p->chip[which];
	u8 v = (u8)value;

	if (offset >= PIC_ELCR)
		write_elcr(&p->chip[offset & 1], offset & 1, v);
	else if (offset & 1)
		write_odd(c, v);
	else if (v & 0x10)
		write_icw1(c, v);
	else if (v & 8)
		write_ocw3(c, v);
	else
		write_ocw2(c, v);
	pic_update(p);
}

/* The read after a poll command is an acknowledge of this one chip. */
static u8 read_poll(struct pic *p, unsigned which)
{
	struct chip *c = &p->chip[which];
	int n = chip_request(c, which == MASTER);

	c->poll = false;
	if (n < 0)
		return 0;
	chip_ack(c, (unsigned)n);
	if (which == SLAVE)
		chip_line(&p->chip[MASTER], PC_IRQ_CASCADE, false);
	pic_update(p);
	return (u8)(0x80 | n);
}

static u64 pic_read(struct device *d, u64 offset, unsigned size)
{
	struct pic *p = pic_of(d);
	unsigned which = (offset & PIC_SLAVE) ? SLAVE : MASTER;
	const struct chip *c = &p->chip[which];

	if (offset >= PIC_ELCR)
		return p->chip[offset & 1].elcr;
	if (c->poll)
		return read_poll(p, which);
	if (offset & 1)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

/* ---- state ---- */

enum {
	F_ICW4 = 1 << 0,
	F_SINGLE = 1 << 1,
	F_LEVEL = 1 << 2,
	F_AEOI = 1 << 3,
	F_ROTATE = 1 << 4,
	F_SMM = 1 << 5,
	F_NESTED = 1 << 6,
	F_READ_ISR = 1 << 7,
	F_POLL = 1 << 8,
	F_ALL = (1 << 9) - 1
};

static u16 chip_flags(const struct chip *c)
{
	return (u16)((c->icw4_follows ? F_ICW4 : 0) | (c->single ? F_SINGLE : 0) | (c->level_all ? F_LEVEL : 0) |
		     (c->aeoi ? F_AEOI : 0) | (c->rotate_aeoi ? F_ROTATE : 0) | (c->special_mask ? F_SMM : 0) |
		     (c->nested ? F_NESTED : 0) | (c->read_isr ? F_READ_ISR : 0) | (c->poll ? F_POLL : 0));
}

static void pic_save(const struct device *d, struct kt_buf *out)
{
	const struct pic *p = (const struct pic *)d;

	kt_buf_u8(out, SAVE_VERSION);
	for (unsigned i = 0; i < 2; i++) {
		const struct chip *c = &p->chip[i];
		const u8 raw[] = { c->irr, c->isr, c->imr, c->lines, c->elcr, c->base, c->icw3, c->lowest, c->icw };
		kt_buf_put(out, raw, sizeof(raw));
		kt_buf_u16(out, chip_flags(c));
	}
}

static bool chip_restore(struct chip *c, unsigned which, struct kt_rd *in)
{
	u8 *fields[] = { &c->irr, &c->isr, &c->imr, &c->lines, &c->elcr, &c->base, &c->icw3, &c->lowest, &c->icw };

	for (unsigned i = 0; i < KT_ARRAY_LEN(fields); i++)
		*fields[i] = kt_rd_u8(in);
	u16 f = kt_rd_u16(in);
	c->icw4_follows = f & F_ICW4;
	c->single = f & F_SINGLE;
	c->level_all = f & F_LEVEL;
	c->aeoi = f & F_AEOI;
	c->rotate_aeoi = f & F_ROTATE;
	c->special_mask = f & F_SMM;
	c->nested = f & F_NESTED;
	c->read_isr = f & F_READ_ISR;
	c->poll = f & F_POLL;
	return !in->bad && !(f & ~F_ALL) && !(c->irr & ~c->lines) && !(c->elcr & ~elcr_allowed(which)) &&
	       !(c->base & 7) && c->lowest <= 7 && c->icw <= WANT_ICW4;
}

static bool pic_restore(struct device *d, struct kt_rd *in)
{
	struct pic *p = pic_of(d);

	if (kt_rd_u8(in) != SAVE_VERSION || !chip_restore(&p->chip[MASTER], MASTER, in) ||
	    !chip_restore(&p->chip[SLAVE], SLAVE, in))
		return false;
	bool cascade = p->chip[MASTER].lines & (1u << PC_IRQ_CASCADE);
	if (cascade != (chip_request(&p->chip[SLAVE], false) >= 0))
		return false;
	d->bus->irq_pending = chip_request(&p->chip[MASTER], true) >= 0;
	return true;
}

static const struct device_ops pic_ops = {
	.name = "i8259",
	.read = pic_read,
	.write = pic_write,
	.irq_line = pic_line,
	.irq_ack = pic_ack,
	.save = pic_save,
	.restore = pic_restore,
};

struct device *dev_pic_create(void)
{
	struct pic *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->dev.ops = &pic_ops;
	for (unsigned i = 0; i < 2; i++) {
		p->chip[i].imr = 0xff;
		p->chip[i].lowest = 7;
	}
	p->chip[MASTER].lines = 1u << PC_IRQ_TIMER; /* a timer that was never programmed holds its output high */
	return &p->dev;
}
