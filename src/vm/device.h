/* SPDX-License-Identifier: MIT */
/* Devices: what stands behind ports and MMIO. They never see KVM, never see guest registers, bounds-check everything
 * (the guest is hostile) and can save and restore their state. All of a machine's devices stand in one ordered table
 * (dev_pc.c), so that order of creation, saving and dispatch is explicit. */
#ifndef VM_DEVICE_H
#define VM_DEVICE_H

#include "base/buf.h"
#include "vm/clock.h"

struct bus;
struct device;

struct device_ops {
	const char *name; /* stable: stands in saved state */
	/* One access of 1, 2, 4 or 8 bytes at `offset` from the range's start plus bus_range.offset; never past its
	 * end. A read returns the value, upper bytes ignored. Wider accesses than the device knows: its own business
	 * (usually split by the bus, see bus_range.byte_wide). */
	u64 (*read)(struct device *d, u64 offset, unsigned size);
	void (*write)(struct device *d, u64 offset, unsigned size, u64 value);
	/* Time has come to dev->next_ns (which is VM_NEVER again by now): do all that is due up to the clock's time and
	 * bus_schedule the next. NULL if the device has no timer. */
	void (*tick)(struct device *d);
	/* The interrupt controller only, else NULL: see bus_irq_line and bus_irq_ack. */
	void (*irq_line)(struct device *d, unsigned line, bool level);
	unsigned (*irq_ack)(struct device *d, unsigned *line);
	/* State that the guest can change, and what follows from time; never configuration. NULL: the device has none.
	 */
	void (*save)(const struct device *d, struct kt_buf *out);
	/* `in` is exactly the device's record; the clock is already restored. Every field is checked; drives no
	 * interrupt line, sets next_ns anew. false: not this device's state. NULL exactly where save is. */
	bool (*restore)(struct device *d, struct kt_rd *in);
	void (*destroy)(struct device *d); /* NULL: free() */
};

struct device {
	const struct device_ops *ops;
	struct bus *bus;
	u64 next_ns; /* guest time of the next tick, VM_NEVER: none */
};

struct bus_range {
	u64 first, last; /* inclusive */
	u64 offset;      /* what the device calls `first`: tells the ranges of one device apart */
	bool mmio;       /* else ports */
	bool byte_wide;  /* the bus splits wider accesses into bytes at successive addresses */
	bool exact;      /* never sees a byte of an access that also touches its neighbours: 0xcf9 beside 0xcf8 */
	struct device *dev;
};

/* What a device may ask of the machine. */
struct bus_hooks {
	void *ctx;
	void (*console)(void *ctx, unsigned which, u8 byte); /* 0 ttyS0, 1 ttyS1, 2 debug port */
	void (*end)(void *ctx, int why, u64 value,
		    const char *text); /* enum vm_end: the machine stops after this step */
	void (*a20)(void *ctx, bool enabled);
};

enum { BUS_RANGES = 64, BUS_DEVICES = 24 };

struct bus {
	struct vm_clock *clock;
	struct bus_hooks hooks;
	struct device *devices[BUS_DEVICES];
	unsigned ndevices, nranges;
	struct bus_range ranges[BUS_RANGES];
	u64 next_ns;      /* the earliest next_ns of all devices; kept by bus_schedule */
	bool irq_pending; /* the interrupt controller's INTR output; kept by the controller */
	struct device *pic;
};

/* Appends a device (owned by the bus from here, also on failure: destroyed) or a range to the table; order is what
 * saved state and ties in time follow. false: table full, or the range is empty, past 0xffff for ports, or overlaps. */
bool bus_add_device(struct bus *b, struct device *d);
bool bus_add_range(struct bus *b, const struct bus_range *r);

/* Nobody answers: reads give all ones, writes vanish. Accesses that straddle two ranges are split into bytes; ports
 * wrap at 0xffff, physical addresses at 2^64. size 1..8 (others: all ones, no effect); the result has no bits above
 * size. */
u64 bus_read(struct bus *b, bool mmio, u64 addr, unsigned size);
void bus_write(struct bus *b, bool mmio, u64 addr, unsigned size, u64 value);
/* Runs every tick that is due at the clock's time, in order of time, then table order. Cheap when nothing is due: it is
 * asked before every step. A device that schedules itself for now or earlier from its own tick gets the next
 * nanosecond. */
void bus_run_due(struct bus *b);
static inline void bus_run_timers(struct bus *b)
{
	if (kt_unlikely(vm_clock_ns(b->clock) >= b->next_ns))
		bus_run_due(b);
}
/* The device's next tick (VM_NEVER: none), replacing the one before. */
void bus_schedule(struct bus *b, struct device *d, u64 next_ns);
/* The controller's answer to an interrupt acknowledge cycle: the vector; *line (may be NULL) which input. Call it only
 * if irq_pending; otherwise the answer is the controller's spurious vector. */
unsigned bus_irq_ack(struct bus *b, unsigned *line);
/* Level of an input line, 0..15 on the pc. Without a controller: nothing. */
void bus_irq_line(struct bus *b, unsigned line, bool level);
/* Record: u8 version, u8 number of devices; per device u8 length of name, name, u32 length of state, state. */
void bus_save(const struct bus *b, struct kt_buf *out);
/* Into a bus with the same devices, the clock restored before. Calls the a20 hook with what is restored. false: not
 * such a record; the bus is then good for bus_destroy only. */
bool bus_restore(struct bus *b, struct kt_rd *in);
/* Destroys all devices; the struct itself is the caller's. A zeroed bus is fine. */
void bus_destroy(struct bus *b);

/* The "pc" machine's devices, into an empty bus (clock and hooks already set). `mem_below_4g`/`mem_above_4g` in bytes
 * for CMOS and fw_cfg, rtc: epoch seconds at step 0. false: out of memory. */
struct pc_config {
	u64 mem_below_4g, mem_above_4g;
	s64 rtc;
	u64 tsc_hz;
};
bool pc_devices_create(struct bus *b, const struct pc_config *c);

#endif
