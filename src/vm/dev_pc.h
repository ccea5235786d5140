/* SPDX-License-Identifier: MIT */
/* The pc machine's devices among themselves: how each is made, and the few wires between them. Private to dev_*.c.
 * A create function returns a device that is not yet on the bus, NULL when memory ran out; dev_pc.c places it. */
#ifndef VM_DEV_PC_H
#define VM_DEV_PC_H

#include "vm/device.h"

/* Input lines of the 8259 pair. */
enum { PC_IRQ_TIMER = 0, PC_IRQ_KBD = 1, PC_IRQ_CASCADE = 2, PC_IRQ_COM2 = 3, PC_IRQ_COM1 = 4, PC_IRQ_RTC = 8 };

/* The 8254's oscillator: 14.31818 MHz / 12. */
enum { PC_PIT_HZ = 1193182 };

/* Offsets of the devices with scattered ports (bus_range.offset). */
enum { PIC_MASTER = 0, PIC_SLAVE = 2, PIC_ELCR = 4 };
enum { KBD_DATA = 0, KBD_COMMAND = 1 };
enum { MISC_PORT92, MISC_POST, MISC_DEBUGCON, MISC_EXIT, MISC_RESET };

struct device *dev_pic_create(void);
struct device *dev_pit_create(void);
struct device *dev_port61_create(struct device *pit);
struct device *dev_cmos_create(const struct pc_config *c);
struct device *dev_uart_create(unsigned console, unsigned irq);
struct device *dev_kbd_create(struct device *misc);
struct device *dev_misc_create(void);
struct device *dev_fwcfg_create(const struct pc_config *c);

/* Channel 2 of the timer, wired to port 0x61. */
void dev_pit_set_gate2(struct device *pit, bool high);
bool dev_pit_out2(struct device *pit);

/* The keyboard controller's A20 output; the gate is open if this or port 0x92 says so. */
void dev_misc_set_kbd_a20(struct device *misc, bool high);

static inline u64 dev_now(const struct device *d)
{
	return vm_clock_ns(d->bus->clock);
}
/* Asks the machine to stop after this step: enum vm_end. */
static inline void dev_end(const struct device *d, int why, u64 value, const char *text)
{
	if (d->bus->hooks.end)
		d->bus->hooks.end(d->bus->hooks.ctx, why, value, text);
}
static inline void dev_console(const struct device *d, unsigned which, u8 byte)
{
	if (d->bus->hooks.console)
		d->bus->hooks.console(d->bus->hooks.ctx, which, byte);
}

#endif
