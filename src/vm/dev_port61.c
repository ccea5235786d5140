/* SPDX-License-Identifier: MIT */
/* Port 0x61, the PC's system control port B: the gate of timer channel 2, its output, and the refresh bit that software
 * counts for short waits (IBM PC/AT Technical Reference, "System Board I/O"). */
#include "vm/dev_pc.h"

#include <stdlib.h>

enum { SAVE_VERSION = 1 };
enum { GATE2 = 1 << 0, WRITABLE = 0x0f, REFRESH = 1 << 4, OUT2 = 1 << 5 };
enum { REFRESH_TICKS = 18 }; /* timer channel 1 as every PC firmware sets it: 15.09 us */

struct port61 {
	struct device dev;
	struct device *pit;
	u8 value; /* the four writable bits */
};

static u64 port61_read(struct device *d, u64 offset, unsigned size)
{
	struct port61 *p = (struct port61 *)d;
	u64 ticks = vm_clock_ticks(d->bus->clock, PC_PIT_HZ);

	return p->value | (ticks / REFRESH_TICKS % 2 ? REFRESH : 0) | (dev_pit_out2(p->pit) ? OUT2 : 0);
}

static void port61_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct port61 *p = (struct port61 *)d;

	p->value = value & WRITABLE;
	dev_pit_set_gate2(p->pit, p->value & GATE2);
}

static void port61_save(const struct device *d, struct kt_buf *out)
{
	kt_buf_u8(out, SAVE_VERSION);
	kt_buf_u8(out, ((const struct port61 *)d)->value);
}

static bool port61_restore(struct device *d, struct kt_rd *in)
{
	struct port61 *p = (struct port61 *)d;

	if (kt_rd_u8(in) != SAVE_VERSION)
		return false;
	p->value = kt_rd_u8(in);
	return !(p->value & ~WRITABLE);
}

static const struct device_ops port61_ops = {
	.name = "port61",
	.read = port61_read,
	.write = port61_write,
	.save = port61_save,
	.restore = port61_restore,
};

struct device *dev_port61_create(struct device *pit)
{
	struct port61 *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->dev.ops = &port61_ops;
	p->pit = pit;
	return &p->dev;
}
