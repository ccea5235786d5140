/* SPDX-License-Identifier: MIT */
/* The pc machine's devices: the one ordered table. Order is creation, restoring (the controller first, so that it knows
 * its lines) and dispatch of ticks that fall on the same nanosecond. There is no PCI: 0xcf8 and 0xcfc read all ones. */
#include "vm/dev_pc.h"

enum slot { PIC, PIT, PORT61, CMOS, MISC, KBD, COM1, COM2, FWCFG, SLOTS };

static struct device *create(enum slot slot, struct device *const made[], const struct pc_config *c)
{
	switch (slot) {
	case PIC: return dev_pic_create();
	case PIT: return dev_pit_create();
	case PORT61: return dev_port61_create(made[PIT]);
	case CMOS: return dev_cmos_create(c);
	case MISC: return dev_misc_create();
	case KBD: return dev_kbd_create(made[MISC]);
	case COM1: return dev_uart_create(0, PC_IRQ_COM1);
	case COM2: return dev_uart_create(1, PC_IRQ_COM2);
	case FWCFG: return dev_fwcfg_create(c);
	default: return NULL;
	}
}

/* Ports of byte-wide devices; wider accesses reach successive ones, as on an 8-bit bus. */
static const struct port_range {
	u16 first, last;
	u8 slot, offset;
	bool byte_wide, exact;
} ports[] = {
	{ 0x020, 0x021, PIC, PIC_MASTER, .byte_wide = true },
	{ 0x040, 0x043, PIT, 0, .byte_wide = true },
	{ 0x060, 0x060, KBD, KBD_DATA, .byte_wide = true },
	{ 0x061, 0x061, PORT61, 0, .byte_wide = true },
	{ 0x064, 0x064, KBD, KBD_COMMAND, .byte_wide = true },
	{ 0x070, 0x071, CMOS, 0, .byte_wide = true },
	{ 0x080, 0x080, MISC, MISC_POST, .byte_wide = true },
	{ 0x092, 0x092, MISC, MISC_PORT92, .byte_wide = true },
	{ 0x0a0, 0x0a1, PIC, PIC_SLAVE, .byte_wide = true },
	{ 0x0f4, 0x0f4, MISC, MISC_EXIT, .byte_wide = true },
	{ 0x2f8, 0x2ff, COM2, 0, .byte_wide = true },
	{ 0x3f8, 0x3ff, COM1, 0, .byte_wide = true },
	{ 0x402, 0x402, MISC, MISC_DEBUGCON, .byte_wide = true },
	{ 0x4d0, 0x4d1, PIC, PIC_ELCR, .byte_wide = true },
	{ 0x510, 0x511, FWCFG, 0, .byte_wide = false },
	/* A configuration write to 0xcf8 covers it and is no reset. */
	{ 0xcf9, 0xcf9, MISC, MISC_RESET, .exact = true },
};

bool pc_devices_create(struct bus *b, const struct pc_config *c)
{
	struct device *made[SLOTS] = { 0 };

	for (unsigned i = 0; i < SLOTS; i++) {
		made[i] = create((enum slot)i, made, c);
		if (!bus_add_device(b, made[i]))
			goto fail;
	}
	for (unsigned i = 0; i < KT_ARRAY_LEN(ports); i++) {
		const struct port_range *p = &ports[i];
		const struct bus_range r = {
			.first = p->first,
			.last = p->last,
			.offset = p->offset,
			.byte_wide = p->byte_wide,
			.exact = p->exact,
			.dev = made[p->slot],
		};
		if (!bus_add_range(b, &r))
			goto fail;
	}
	b->pic = made[PIC];
	return true;
fail:
	bus_destroy(b);
	return false;
}
