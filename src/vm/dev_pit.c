/* SPDX-License-Identifier: MIT */
/* The 8254 interval timer: three counters at 1,193,182 Hz of guest time. Channel 0 drives IRQ0 by its output's edges,
 * at the first nanosecond of the tick they belong to; channel 2 belongs to port 0x61 (data sheet 231164-005). */
#include "vm/dev_pc.h"
#include "vm/pit_channel.h"

#include <stdlib.h>

enum { SAVE_VERSION = 1 };
enum { CONTROL_PORT = 3, READ_BACK = 3 };

struct pit {
	struct device dev;
	struct pit_channel ch[3];
	s64 seen; /* channel 0's edges up to this tick have been given to IRQ0 */
	bool irq; /* IRQ0 as last driven */
};

static s64 ticks_now(const struct pit *p)
{
	return (s64)vm_clock_ticks(p->dev.bus->clock, PC_PIT_HZ);
}

static u64 ticks_to_ns(s64 ticks)
{
	u128 ns = ((u128)ticks * 1000000000u + PC_PIT_HZ - 1) / PC_PIT_HZ;

	return ticks == PIT_NEVER || ns >= VM_NEVER ? VM_NEVER : (u64)ns;
}

static void drive_irq(struct pit *p, bool level)
{
	if (p->irq != level)
		bus_irq_line(p->dev.bus, PC_IRQ_TIMER, level);
	p->irq = level;
}

/* Whether OUT rose in (seen, now]. Two transitions decide it: of two in a row, one is a rise. */
static bool out_rose(struct pit *p, s64 now)
{
	struct pit_channel *c = &p->ch[0];

	for (unsigned i = 0; i < 3; i++) { /* three: a count taken over may be a transition in name only */
		s64 at = pit_channel_next(c, p->seen);
		if (at > now)
			return false;
		bool before = pit_channel_out(c, at - 1), after = pit_channel_out(c, at);
		p->seen = at;
		if (after && !before)
			return true;
	}
	return false;
}

/* Gives channel 0's output up to now to IRQ0. However many periods have passed, they make one edge. */
static void update_irq(struct pit *p)
{
	s64 now = ticks_now(p);
	bool rose = out_rose(p, now);

	if (rose)
		drive_irq(p, false);
	/* A pulse that came and went between two looks lasts until the next transition. */
	drive_irq(p, rose || pit_channel_out(&p->ch[0], now));
	p->seen = now;
}

static void reschedule(struct pit *p)
{
	s64 next = pit_channel_next(&p->ch[0], p->seen);

	bus_schedule(p->dev.bus, &p->dev, next == PIT_NEVER ? VM_NEVER : ticks_to_ns(next));
}

static void pit_tick(struct device *d)
{
	struct pit *p = (struct pit *)d;

	update_irq(p);
	reschedule(p);
}

static void write_control(struct pit *p, u8 v)
{
	enum { NO_COUNT = 1 << 5, NO_STATUS = 1 << 4 };
	unsigned which = v >> 6;
	s64 now = ticks_now(p);

	if (which == READ_BACK) {
		for (unsigned i = 0; i < 3; i++) {
			if (!(v & (2u << i)))
				continue;
			if (!(v & NO_COUNT))
				pit_channel_latch_count(&p->ch[i], now);
			if (!(v & NO_STATUS))
				pit_channel_latch_status(&p->ch[i], now);
		}
	} else if (!(v & 0x30)) {
		pit_channel_latch_count(&p->ch[which], now);
	} else {
		pit_channel_control(&p->ch[which], v, now);
	}
}

static void pit_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct pit *p = (struct pit *)d;

	update_irq(p);
	if (offset == CONTROL_PORT)
		write_control(p, (u8)value);
	else
		pit_channel_write(&p->ch[offset], (u8)value, ticks_now(p));
	update_irq(p);
	reschedule(p);
}

static u64 pit_read(struct device *d, u64 offset, unsigned size)
{
	struct pit *p = (struct pit *)d;

	if (offset == CONTROL_PORT)
		return 0xff;
	return pit_channel_read(&p->ch[offset], ticks_now(p));
}

void dev_pit_set_gate2(struct device *d, bool high)
{
	struct pit *p = (struct pit *)d;

	pit_channel_gate(&p->ch[2], high, ticks_now(p));
}

bool dev_pit_out2(struct device *d)
{
	struct pit *p = (struct pit *)d;

	return pit_channel_out(&p->ch[2], ticks_now(p));
}

static void pit_save(const struct device *d, struct kt_buf *out)
{
	const struct pit *p = (const struct pit *)d;

	kt_buf_u8(out, SAVE_VERSION);
	for (unsigned i = 0; i < 3; i++)
		pit_channel_save(&p->ch[i], out);
	kt_buf_u64(out, (u64)p->seen);
	kt_buf_u8(out, p->irq);
}

static bool pit_restore(struct device *d, struct kt_rd *in)
{
	struct pit *p = (struct pit *)d;

	if (kt_rd_u8(in) != SAVE_VERSION)
		return false;
	for (unsigned i = 0; i < 3; i++)
		if (!pit_channel_restore(&p->ch[i], in))
			return false;
	p->seen = (s64)kt_rd_u64(in);
	u8 irq = kt_rd_u8(in);
	if (in->bad || irq > 1 || p->seen < 0 || p->seen > ticks_now(p))
		return false;
	p->irq = irq;
	reschedule(p);
	return true;
}

static const struct device_ops pit_ops = {
	.name = "i8254",
	.read = pit_read,
	.write = pit_write,
	.tick = pit_tick,
	.save = pit_save,
	.restore = pit_restore,
};

struct device *dev_pit_create(void)
{
	struct pit *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->dev.ops = &pit_ops;
	p->irq = true;
	for (unsigned i = 0; i < 3; i++)
		pit_channel_reset(&p->ch[i], i != 2);
	return &p->dev;
}
