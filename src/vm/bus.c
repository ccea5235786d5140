/* SPDX-License-Identifier: MIT */
/* The bus: who answers at an address, whose time has come, and the devices' state as one record. Knows no device. */
#include "vm/device.h"

#include <stdlib.h>
#include <string.h>

enum { SAVE_VERSION = 1 };

/* ---- the tables ---- */

static void device_destroy(struct device *d)
{
	if (d->ops->destroy)
		d->ops->destroy(d);
	else
		free(d);
}

static void find_next(struct bus *b)
{
	b->next_ns = VM_NEVER;
	for (unsigned i = 0; i < b->ndevices; i++)
		b->next_ns = KT_MIN(b->next_ns, b->devices[i]->next_ns);
}

bool bus_add_device(struct bus *b, struct device *d)
{
	if (!d)
		return false;
	if (b->ndevices >= BUS_DEVICES) {
		device_destroy(d);
		return false;
	}
	d->bus = b;
	d->next_ns = VM_NEVER;
	b->devices[b->ndevices++] = d;
	find_next(b);
	return true;
}

bool bus_add_range(struct bus *b, const struct bus_range *r)
{
	if (b->nranges >= BUS_RANGES || r->first > r->last || (!r->mmio && r->last > 0xffff) || !r->dev)
		return false;
	for (unsigned i = 0; i < b->nranges; i++) {
		const struct bus_range *o = &b->ranges[i];
		if (o->mmio == r->mmio && r->first <= o->last && o->first <= r->last)
			return false;
	}
	b->ranges[b->nranges++] = *r;
	return true;
}

void bus_destroy(struct bus *b)
{
	while (b->ndevices)
		device_destroy(b->devices[--b->ndevices]);
	b->nranges = 0;
	b->pic = NULL;
	b->irq_pending = false;
	b->next_ns = VM_NEVER;
}

/* ---- accesses ---- */

static const struct bus_range *range_at(const struct bus *b, bool mmio, u64 addr)
{
	for (unsigned i = 0; i < b->nranges; i++) {
		const struct bus_range *r = &b->ranges[i];
		if (r->mmio == mmio && addr >= r->first && addr <= r->last)
			return r;
	}
	return NULL;
}

static u64 size_mask(unsigned size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

/* The range that takes all of the access in one piece. */
static const struct bus_range *range_of_all(const struct bus *b, bool mmio, u64 addr, unsigned size)
{
	const struct bus_range *r = range_at(b, mmio, addr);
	if (!r || r->last - addr < size - 1 || (r->byte_wide && size > 1) || (size & (size - 1)))
		return NULL;
	return r;
}

/* The range that takes byte `addr` of an access that is being split. */
static const struct bus_range *range_of_piece(const struct bus *b, bool mmio, u64 addr)
{
	const struct bus_range *r = range_at(b, mmio, addr);
	return r && r->exact ? NULL : r;
}

static u64 step_address(bool mmio, u64 addr, unsigned by)
{
	return mmio ? addr + by : (addr + by) & 0xffff;
}

u64 bus_read(struct bus *b, bool mmio, u64 addr, unsigned size)
{
	u64 v = 0;

	if (size - 1 > 7)
		return ~0ull;
	addr = step_address(mmio, addr, 0);
	const struct bus_range *r = range_of_all(b, mmio, addr, size);
	if (r)
		return r->dev->ops->read(r->dev, addr - r->first + r->offset, size) & size_mask(size);
	for (unsigned i = 0; i < size; i++) {
		u64 at = step_address(mmio, addr, i), byte = 0xff;
		r = range_of_piece(b, mmio, at);
		if (r)
			byte = r->dev->ops->read(r->dev, at - r->first + r->offset, 1) & 0xff;
		v |= byte << (8 * i);
	}
	return v;
}

void bus_write(struct bus *b, bool mmio, u64 addr, unsigned size, u64 value)
{
	if (size - 1 > 7)
		return;
	addr = step_address(mmio, addr, 0);
	const struct bus_range *r = range_of_all(b, mmio, addr, size);
	if (r) {
		r->dev->ops->write(r->dev, addr - r->first + r->offset, size, value & size_mask(size));
		return;
	}
	for (unsigned i = 0; i < size; i++) {
		u64 at = step_address(mmio, addr, i);
		r = range_of_piece(b, mmio, at);
		if (r)
			r->dev->ops->write(r->dev, at - r->first + r->offset, 1, (value >> (8 * i)) & 0xff);
	}
}

/* ---- time ---- */

void bus_schedule(struct bus *b, struct device *d, u64 next_ns)
{
	u64 before = d->next_ns;

	d->next_ns = next_ns;
	if (next_ns <= b->next_ns)
		b->next_ns = next_ns;
	else if (before == b->next_ns)
		find_next(b);
}

void bus_run_due(struct bus *b)
{
	u64 now = vm_clock_ns(b->clock);

	for (;;) {
		struct device *due = NULL;
		for (unsigned i = 0; i < b->ndevices; i++)
			if (b->devices[i]->next_ns <= now && (!due || b->devices[i]->next_ns < due->next_ns))
				due = b->devices[i];
		if (!due || due->next_ns == VM_NEVER)
			break;
		due->next_ns = VM_NEVER;
		if (due->ops->tick)
			due->ops->tick(due);
		if (due->next_ns <= now)
			due->next_ns = now < VM_NEVER ? now + 1 : VM_NEVER;
	}
	find_next(b);
}

/* ---- interrupts ---- */

void bus_irq_line(struct bus *b, unsigned line, bool level)
{
	if (b->pic && b->pic->ops->irq_line)
		b->pic->ops->irq_line(b->pic, line, level);
}

unsigned bus_irq_ack(struct bus *b, unsigned *line)
{
	unsigned unused;

	if (!line)
		line = &unused;
	*line = 0;
	return b->pic && b->pic->ops->irq_ack ? b->pic->ops->irq_ack(b->pic, line) : 0;
}

/* ---- state ---- */

static void put_le32_at(struct kt_buf *b, size_t at, u32 v)
{
	for (unsigned i = 0; i < 4; i++)
		b->data[at + i] = (u8)(v >> (8 * i));
}

void bus_save(const struct bus *b, struct kt_buf *out)
{
	kt_buf_u8(out, SAVE_VERSION);
	kt_buf_u8(out, (u8)b->ndevices);
	for (unsigned i = 0; i < b->ndevices; i++) {
		const struct device *d = b->devices[i];
		size_t name = strlen(d->ops->name);
		kt_buf_u8(out, (u8)name);
		kt_buf_put(out, d->ops->name, name);
		kt_buf_u32(out, 0);
		size_t start = out->len;
		if (d->ops->save)
			d->ops->save(d, out);
		if (!out->failed)
			put_le32_at(out, start - 4, (u32)(out->len - start));
	}
}

static bool restore_device(struct device *d, struct kt_rd *in)
{
	u8 name_len = kt_rd_u8(in);
	const u8 *name = kt_rd_bytes(in, name_len);
	u32 len = kt_rd_u32(in);
	const u8 *state = kt_rd_bytes(in, len);

	if (in->bad || name_len != strlen(d->ops->name) || memcmp(name, d->ops->name, name_len))
		return false;
	if (!d->ops->restore)
		return len == 0;
	struct kt_rd sub = kt_rd_of(state, len);
	return d->ops->restore(d, &sub) && !sub.bad && !kt_rd_left(&sub);
}

bool bus_restore(struct bus *b, struct kt_rd *in)
{
	if (kt_rd_u8(in) != SAVE_VERSION || kt_rd_u8(in) != b->ndevices || in->bad)
		return false;
	for (unsigned i = 0; i < b->ndevices; i++)
		if (!restore_device(b->devices[i], in))
			return false;
	find_next(b);
	return true;
}
