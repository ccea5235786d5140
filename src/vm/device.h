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
	const char *name;  /* stable: stands in saved state */
	/* One access of 1, 2, 4 or 8 bytes at `offset` from the range's start; never past its end. A read returns the value,
	 * upper bytes ignored. Wider accesses than the device knows: its own business (usually split by the bus, see
	 * bus_range.byte_wide). */
	u64 (*read)(struct device *d, u64 offset, unsigned size);
	void (*write)(struct device *d, u64 offset, unsigned size, u64 value);
	/* Time has come to dev->next_ns: do what is due and set the next. NULL if the device has no timer. */
	void (*tick)(struct device *d);
	void (*save)(const struct device *d, struct kt_buf *out);
	/* Every field is checked. false: not this device's state. */
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
	bool mmio;       /* else ports */
	bool byte_wide;  /* the bus splits wider accesses into bytes at successive addresses */
	struct device *dev;
};

/* What a device may ask of the machine. */
struct bus_hooks {
	void *ctx;
	void (*console)(void *ctx, unsigned which, u8 byte);       /* 0 ttyS0, 1 ttyS1, 2 debug port */
	void (*end)(void *ctx, int why, u64 value, const char *text); /* enum vm_end: the machine stops after this step */
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

/* Nobody answers: reads give all ones, writes vanish. Accesses that straddle two ranges are split. size 1, 2, 4, 8. */
u64 bus_read(struct bus *b, bool mmio, u64 addr, unsigned size);
void bus_write(struct bus *b, bool mmio, u64 addr, unsigned size, u64 value);
/* Runs every tick that is due at the clock's time, in order of time, then table order. Cheap when nothing is due. */
void bus_run_timers(struct bus *b);
void bus_schedule(struct bus *b, struct device *d, u64 next_ns);
/* The controller's answer to an interrupt acknowledge cycle: the vector; *line which input. Only if irq_pending. */
unsigned bus_irq_ack(struct bus *b, unsigned *line);
/* Level of an input line, 0..15. */
void bus_irq_line(struct bus *b, unsigned line, bool level);
void bus_save(const struct bus *b, struct kt_buf *out);
bool bus_restore(struct bus *b, struct kt_rd *in);
void bus_destroy(struct bus *b);

/* The "pc" machine's devices, into an empty bus (clock and hooks already set). `mem_below_4g`/`mem_above_4g` in bytes for
 * CMOS and fw_cfg, rtc: epoch seconds at step 0. false: out of memory. */
struct pc_config {
	u64 mem_below_4g, mem_above_4g;
	s64 rtc;
	u64 tsc_hz;
};
bool pc_devices_create(struct bus *b, const struct pc_config *c);

#endif
