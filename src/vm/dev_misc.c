/* SPDX-License-Identifier: MIT */
/* The one-register ports: A20 gate and fast reset (0x92), power-on self-test codes (0x80), firmware's debug console
 * (0x402), the debug exit (0xf4) and the reset control register (0xcf9). */
#include "vm/dev_pc.h"
#include "vm/vm.h"

#include <stdlib.h>

enum { SAVE_VERSION = 1 };
enum { PORT92_RESET = 1 << 0, PORT92_A20 = 1 << 1 };
enum { CF9_RESET_CPU = 1 << 2 };  /* ICH9 data sheet, 13.7.5 "RST_CNT" */
enum { DEBUGCON_PRESENT = 0xe9 }; /* what Bochs and QEMU answer; SeaBIOS looks for it */
enum { DEBUGCON = 2 };            /* bus_hooks.console */

struct misc {
	struct device dev;
	bool a20_fast, a20_kbd;
	u8 post;
};

static bool a20_open(const struct misc *m)
{
	return m->a20_fast || m->a20_kbd;
}

static void tell_a20(struct misc *m)
{
	if (m->dev.bus->hooks.a20)
		m->dev.bus->hooks.a20(m->dev.bus->hooks.ctx, a20_open(m));
}

static void set_a20(struct misc *m, bool *which, bool high)
{
	bool before = a20_open(m);

	*which = high;
	if (a20_open(m) != before)
		tell_a20(m);
}

void dev_misc_set_kbd_a20(struct device *d, bool high)
{
	struct misc *m = (struct misc *)d;

	set_a20(m, &m->a20_kbd, high);
}

static u64 misc_read(struct device *d, u64 offset, unsigned size)
{
	const struct misc *m = (struct misc *)d;

	switch (offset) {
	case MISC_PORT92: return m->a20_fast ? PORT92_A20 : 0;
	case MISC_POST: return m->post;
	case MISC_DEBUGCON: return DEBUGCON_PRESENT;
	default: return 0xff;
	}
}

static void misc_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct misc *m = (struct misc *)d;

	switch (offset) {
	case MISC_PORT92:
		set_a20(m, &m->a20_fast, value & PORT92_A20);
		if (value & PORT92_RESET)
			dev_end(d, VM_END_RESET, value, "the guest asked for a reset through port 0x92");
		break;
	case MISC_POST: m->post = (u8)value; break;
	case MISC_DEBUGCON: dev_console(d, DEBUGCON, (u8)value); break;
	case MISC_EXIT: dev_end(d, VM_END_EXIT, value & 0xff, "the guest wrote to the debug exit port 0xf4"); break;
	case MISC_RESET:
		if (value & CF9_RESET_CPU)
			dev_end(d, VM_END_RESET, value, "the guest asked for a reset through port 0xcf9");
		break;
	}
}

static void misc_save(const struct device *d, struct kt_buf *out)
{
	const struct misc *m = (const struct misc *)d;

	kt_buf_u8(out, SAVE_VERSION);
	kt_buf_u8(out, m->a20_fast);
	kt_buf_u8(out, m->a20_kbd);
	kt_buf_u8(out, m->post);
}

static bool misc_restore(struct device *d, struct kt_rd *in)
{
	struct misc *m = (struct misc *)d;
	u8 version = kt_rd_u8(in), fast = kt_rd_u8(in), kbd = kt_rd_u8(in), post = kt_rd_u8(in);

	if (in->bad || version != SAVE_VERSION || fast > 1 || kbd > 1)
		return false;
	m->a20_fast = fast;
	m->a20_kbd = kbd;
	m->post = post;
	tell_a20(m);
	return true;
}

static const struct device_ops misc_ops = {
	.name = "pc-ports",
	.read = misc_read,
	.write = misc_write,
	.save = misc_save,
	.restore = misc_restore,
};

struct device *dev_misc_create(void)
{
	struct misc *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->dev.ops = &misc_ops;
	m->a20_fast = m->a20_kbd = true; /* as after a PC's firmware or KVM's reset: addresses do not wrap */
	return &m->dev;
}
