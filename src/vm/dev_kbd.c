/* SPDX-License-Identifier: MIT */
/* The 8042 keyboard controller with a keyboard that acknowledges everything and never sends a key, and no mouse (IBM
 * PS/2 Technical Reference, "Keyboard and Auxiliary Device Controller"). A machine without a keyboard costs firmware a
 * second of waiting; a controller command without an answer costs Linux half of one. So everything is answered, and at
 * once. */
#include "vm/dev_pc.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum { SAVE_VERSION = 1, QUEUE = 16, RAM = 32 };

enum { ST_FULL = 1, ST_SYSTEM = 4, ST_COMMAND = 8, ST_NOT_LOCKED = 16, ST_AUX = 32, ST_TIMEOUT = 64 };
enum { CTR_IRQ = 1, CTR_SYSTEM = 4, CTR_KBD_OFF = 16, CTR_TRANSLATE = 64 };
enum { OUT_NO_RESET = 1, OUT_A20 = 2, OUT_FULL = 16, OUT_FIXED = 0xcc };
enum { FROM_KEYBOARD = 0, FROM_AUX = 1, FROM_NOBODY = 2, FROM_CONTROLLER = 4, FROM_ALL = 7 }; /* nobody: a time-out */

enum {
	C_READ_RAM = 0x20,
	C_WRITE_RAM = 0x60,
	C_AUX_OFF = 0xa7,
	C_AUX_ON,
	C_AUX_TEST,
	C_SELF_TEST,
	C_KBD_TEST,
	C_KBD_OFF = 0xad,
	C_KBD_ON,
	C_READ_INPUT = 0xc0,
	C_READ_OUTPUT = 0xd0,
	C_WRITE_OUTPUT,
	C_LOOP_KBD,
	C_LOOP_AUX,
	C_TO_AUX,
	C_A20_OFF = 0xdd,
	C_A20_ON = 0xdf,
	C_PULSE = 0xf0
};
enum { K_LEDS = 0xed, K_ECHO = 0xee, K_CODE_SET = 0xf0, K_IDENTIFY = 0xf2, K_RATE, K_RESEND = 0xfe, K_RESET = 0xff };
enum { K_OK = 0xfa, K_SELF_TEST_OK = 0xaa };

struct answer {
	u8 byte, from; /* FROM_* */
};

struct kbd {
	struct device dev;
	struct device *misc;
	u8 ram[RAM];     /* [0] is the command byte (CTR) */
	u8 status;       /* ST_SYSTEM and ST_COMMAND */
	u8 command;      /* controller command that waits for its data byte, 0: none */
	u8 kbd_command;  /* keyboard command that waits for its parameter, 0: none */
	u8 code_set;     /* 1..3 */
	u8 last, output; /* last byte read; output port */
	struct answer queue[QUEUE];
	u8 nqueue;
};

/* ---- answers ---- */

static void drive_irq(struct kbd *k)
{
	bus_irq_line(k->dev.bus, PC_IRQ_KBD, k->nqueue && !(k->queue[0].from & FROM_AUX) && (k->ram[0] & CTR_IRQ));
}

static void answer(struct kbd *k, u8 byte, u8 from)
{
	unsigned room = from & FROM_CONTROLLER ? QUEUE : QUEUE - 1; /* one place is the controller's */

	if (k->nqueue < room)
		k->queue[k->nqueue++] = (struct answer){ byte, from };
}

/* The controller's own answer takes the place of one that was not read: Linux leaves AUX loop's there. */
static void from_controller(struct kbd *k, u8 byte)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < k->nqueue; i++)
		if (!(k->queue[i].from & FROM_CONTROLLER))
			k->queue[kept++] = k->queue[i];
	k->nqueue = (u8)kept;
	answer(k, byte, FROM_CONTROLLER);
}

static u8 translated(const struct kbd *k, u8 byte)
{
	if (!(k->ram[0] & CTR_TRANSLATE))
		return byte;
	/* The identification and the code set number go through the scan code table like keys do. */
	switch (byte) {
	case 0x83:
	case 2: return 0x41;
	case 1: return 0x43;
	case 3: return 0x3f;
	default: return byte;
	}
}

static void from_keyboard(struct kbd *k, u8 byte)
{
	answer(k, translated(k, byte), FROM_KEYBOARD);
}

static u8 read_data(struct kbd *k)
{
	if (!k->nqueue)
		return k->last;
	k->last = k->queue[0].byte;
	memmove(k->queue, k->queue + 1, --k->nqueue * sizeof(k->queue[0]));
	/* The output buffer is empty for a moment, so that the next byte is an edge of its own. */
	bus_irq_line(k->dev.bus, PC_IRQ_KBD, false);
	drive_irq(k);
	return k->last;
}

static u8 read_status(const struct kbd *k)
{
	u8 v = k->status | ST_NOT_LOCKED;

	if (!k->nqueue)
		return v;
	return (u8)(v | ST_FULL | (k->queue[0].from & FROM_AUX ? ST_AUX : 0) |
		    (k->queue[0].from & FROM_NOBODY ? ST_TIMEOUT : 0));
}

/* ---- the keyboard ---- */

static void keyboard_parameter(struct kbd *k, u8 command, u8 v)
{
	from_keyboard(k, K_OK);
	if (command != K_CODE_SET)
		return;
	if (v == 0)
		from_keyboard(k, k->code_set);
	else if (v <= 3)
		k->code_set = v;
}

static void to_keyboard(struct kbd *k, u8 v)
{
	u8 command = k->kbd_command;

	k->kbd_command = 0;
	if (command && v < 0xed) {
		keyboard_parameter(k, command, v);
		return;
	}
	switch (v) {
	case K_ECHO: from_keyboard(k, K_ECHO); return;
	case K_RESEND: from_keyboard(k, k->last); return;
	case K_LEDS:
	case K_CODE_SET:
	case K_RATE: k->kbd_command = v; break;
	}
	from_keyboard(k, K_OK);
	if (v == K_RESET) {
		k->code_set = 2;
		from_keyboard(k, K_SELF_TEST_OK);
	} else if (v == K_IDENTIFY) {
		from_keyboard(k, 0xab);
		from_keyboard(k, 0x83);
	}
}

/* ---- the controller ---- */

static void write_output_port(struct kbd *k, u8 v)
{
	k->output = v;
	dev_misc_set_kbd_a20(k->misc, v & OUT_A20);
	if (!(v & OUT_NO_RESET))
		dev_end(&k->dev, VM_END_RESET, v,
			"the guest asked for a reset through the keyboard controller's output port");
}

static void write_ram(struct kbd *k, unsigned at, u8 v)
{
	k->ram[at % RAM] = v;
	if (at == 0)
		k->status = (u8)((k->status & ~ST_SYSTEM) | (v & CTR_SYSTEM ? ST_SYSTEM : 0));
}

static void pulse(struct kbd *k, u8 command)
{
	if (!(command & OUT_NO_RESET))
		dev_end(&k->dev, VM_END_RESET, command, "the guest asked for a reset through the keyboard controller");
}

static void write_command(struct kbd *k, u8 v)
{
	k->status |= ST_COMMAND;
	k->command = 0;
	if (v >= C_READ_RAM && v < C_READ_RAM + RAM) {
		from_controller(k, k->ram[v - C_READ_RAM]);
		return;
	}
	if ((v >= C_WRITE_RAM && v < C_WRITE_RAM + RAM) || (v >= C_WRITE_OUTPUT && v <= C_TO_AUX)) {
		k->command = v;
		return;
	}
	if (v >= C_PULSE) {
		pulse(k, v);
		return;
	}
	switch (v) {
	case C_SELF_TEST:
		k->nqueue = 0;
		k->status |= ST_SYSTEM;
		k->ram[0] |= CTR_SYSTEM;
		from_controller(k, 0x55);
		break;
	case C_KBD_TEST: from_controller(k, 0); break;
	case C_AUX_TEST:
		from_controller(k, 1); /* clock line stuck low: no such connector */
		break;
	case C_KBD_OFF: k->ram[0] |= CTR_KBD_OFF; break;
	case C_KBD_ON: k->ram[0] &= (u8)~CTR_KBD_OFF; break;
	case C_READ_INPUT:
		from_controller(k, 0x80); /* not locked */
		break;
	case C_READ_OUTPUT:
		from_controller(k,
				(u8)((k->output & (OUT_NO_RESET | OUT_A20)) | OUT_FIXED | (k->nqueue ? OUT_FULL : 0)));
		break;
	case C_A20_OFF:
	case C_A20_ON: write_output_port(k, (u8)((k->output & ~OUT_A20) | (v == C_A20_ON ? OUT_A20 : 0))); break;
	}
}

static void write_data(struct kbd *k, u8 v)
{
	u8 command = k->command;

	k->status &= (u8)~ST_COMMAND;
	k->command = 0;
	switch (command) {
	case 0:
		k->ram[0] &= (u8)~CTR_KBD_OFF; /* talking to the keyboard switches it on */
		to_keyboard(k, v);
		break;
	case C_WRITE_OUTPUT: write_output_port(k, v); break;
	case C_LOOP_KBD:
	case C_LOOP_AUX: /* without an auxiliary port, both come back as the keyboard's */ from_controller(k, v); break;
	case C_TO_AUX: answer(k, K_RESEND, FROM_AUX | FROM_NOBODY); break;
	default: write_ram(k, command - C_WRITE_RAM, v);
	}
}

static u64 kbd_read(struct device *d, u64 offset, unsigned size)
{
	struct kbd *k = (struct kbd *)d;

	return offset == KBD_DATA ? read_data(k) : read_status(k);
}

static void kbd_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct kbd *k = (struct kbd *)d;

	if (offset == KBD_DATA)
		write_data(k, (u8)value);
	else
		write_command(k, (u8)value);
	drive_irq(k);
}

/* ---- state ---- */

static void kbd_save(const struct device *d, struct kt_buf *out)
{
	const struct kbd *k = (const struct kbd *)d;
	const u8 raw[] = { k->status, k->command, k->kbd_command, k->code_set, k->last, k->output, k->nqueue };

	kt_buf_u8(out, SAVE_VERSION);
	kt_buf_put(out, k->ram, sizeof(k->ram));
	kt_buf_put(out, raw, sizeof(raw));
	for (unsigned i = 0; i < k->nqueue; i++) {
		kt_buf_u8(out, k->queue[i].byte);
		kt_buf_u8(out, k->queue[i].from);
	}
}

static bool is_waiting_command(u8 c)
{
	return c == 0 || (c >= C_WRITE_RAM && c < C_WRITE_RAM + RAM) || (c >= C_WRITE_OUTPUT && c <= C_TO_AUX);
}

static bool kbd_restore(struct device *d, struct kt_rd *in)
{
	struct kbd *k = (struct kbd *)d;
	u8 *fields[] = { &k->status, &k->command, &k->kbd_command, &k->code_set, &k->last, &k->output, &k->nqueue };

	if (kt_rd_u8(in) != SAVE_VERSION)
		return false;
	const u8 *ram = kt_rd_bytes(in, sizeof(k->ram));
	if (!ram)
		return false;
	memcpy(k->ram, ram, sizeof(k->ram));
	for (unsigned i = 0; i < KT_ARRAY_LEN(fields); i++)
		*fields[i] = kt_rd_u8(in);
	if (in->bad || (k->status & ~(ST_SYSTEM | ST_COMMAND)) || !is_waiting_command(k->command) ||
	    k->code_set - 1u > 2 || k->nqueue > QUEUE) {
		k->nqueue = 0;
		return false;
	}
	for (unsigned i = 0; i < k->nqueue; i++) {
		k->queue[i].byte = kt_rd_u8(in);
		k->queue[i].from = kt_rd_u8(in);
		if (k->queue[i].from & ~FROM_ALL)
			return false;
	}
	return !in->bad;
}

static const struct device_ops kbd_ops = {
	.name = "i8042",
	.read = kbd_read,
	.write = kbd_write,
	.save = kbd_save,
	.restore = kbd_restore,
};

struct device *dev_kbd_create(struct device *misc)
{
	struct kbd *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->dev.ops = &kbd_ops;
	k->misc = misc;
	k->ram[0] = CTR_IRQ | CTR_SYSTEM | CTR_TRANSLATE; /* as firmware leaves it */
	k->status = ST_SYSTEM;
	k->code_set = 2;
	k->output = OUT_NO_RESET | OUT_A20;
	return &k->dev;
}
