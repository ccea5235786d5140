/* SPDX-License-Identifier: MIT */
/* A 16550A serial port (National PC16550D data sheet). Sending takes no time; what is sent goes to the console hook.
 * Nothing is ever received but in loopback. A modem that is ready stands at the other end (CTS, DSR, DCD). */
#include "vm/dev_pc.h"

#include <stdlib.h>
#include <string.h>

enum { SAVE_VERSION = 1, FIFO_SIZE = 16 };

enum { R_DATA = 0, R_IER, R_IIR_FCR, R_LCR, R_MCR, R_LSR, R_MSR, R_SCRATCH };
enum { IER_DATA = 1, IER_THRE = 2, IER_LINE = 4, IER_MODEM = 8, IER_ALL = 15 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_THRE = 2, IIR_DATA = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFO = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_KEPT = 0xc9 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_ALL = 31 };
enum { LSR_READY = 1, LSR_OVERRUN = 2, LSR_ERRORS = 0x1e, LSR_THRE = 0x20, LSR_IDLE = 0x40 };
enum { MSR_DELTA_RI = 4, MSR_DELTAS = 0x0f, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

struct uart {
	struct device dev;
	unsigned console, irq;
	u8 ier, fcr, lcr, mcr, scratch;
	u8 msr; /* as last seen: lines and deltas */
	u16 divisor;
	bool overrun;
	bool thre_event;           /* the transmitter went empty and nobody was told yet */
	u8 fifo[FIFO_SIZE], nfifo; /* received, oldest first */
};

static bool fifos_on(const struct uart *u)
{
	return u->fcr & FCR_ENABLE;
}

static unsigned trigger_level(const struct uart *u)
{
	static const u8 levels[] = { 1, 4, 8, 14 };

	return fifos_on(u) ? levels[u->fcr >> 6] : 1;
}

static u8 lsr(const struct uart *u)
{
	return (u8)(LSR_THRE | LSR_IDLE | (u->nfifo ? LSR_READY : 0) | (u->overrun ? LSR_OVERRUN : 0));
}

/* The pending interrupt of highest priority, as IIR shows it (table IV of the data sheet). */
static u8 pending(const struct uart *u)
{
	if ((u->ier & IER_LINE) && (lsr(u) & LSR_ERRORS))
		return IIR_LINE;
	if ((u->ier & IER_DATA) && u->nfifo)
		return u->nfifo >= trigger_level(u) ? IIR_DATA : IIR_TIMEOUT;
	if ((u->ier & IER_THRE) && u->thre_event)
		return IIR_THRE;
	if ((u->ier & IER_MODEM) && (u->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

/* On a PC, OUT2 connects the chip to the interrupt line; loopback takes OUT2 off its pin. */
static void drive_irq(struct uart *u)
{
	bool connected = (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	bus_irq_line(u->dev.bus, u->irq, connected && pending(u) != IIR_NONE);
}

static u8 modem_lines(const struct uart *u)
{
	if (!(u->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (u8)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
		    (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void update_modem(struct uart *u)
{
	u8 lines = modem_lines(u), changed = (u8)(lines ^ u->msr) & 0xf0;
	u8 deltas = changed >> 4 & (u8)~MSR_DELTA_RI;

	if ((changed & MSR_RI) && !(lines & MSR_RI)) /* RI counts at its trailing edge only */
		deltas |= MSR_DELTA_RI;
	u->msr = (u8)(lines | (u->msr & MSR_DELTAS) | deltas);
}

static void receive(struct uart *u, u8 byte)
{
	unsigned room = fifos_on(u) ? FIFO_SIZE : 1;

	byte &= (u8)((32u << (u->lcr & 3)) - 1); /* 5 to 8 bits a character */
	if (u->nfifo < room) {
		u->fifo[u->nfifo++] = byte;
		return;
	}
	u->overrun = true;
	if (!fifos_on(u)) /* the new character takes the place of the old; a full FIFO keeps what it has */
		u->fifo[0] = byte;
}

static void transmit(struct uart *u, u8 byte)
{
	u->thre_event = false;
	drive_irq(u); /* the line falls, so that the transmitter's becoming empty is an edge */
	if (u->mcr & MCR_LOOP)
		receive(u, byte);
	else
		dev_console(&u->dev, u->console, byte);
	u->thre_event = true;
}

static u8 take(struct uart *u)
{
	u8 byte = u->nfifo ? u->fifo[0] : 0;

	if (u->nfifo)
		memmove(u->fifo, u->fifo + 1, --u->nfifo);
	return byte;
}

static u8 read_register(struct uart *u, unsigned r)
{
	u8 v;

	switch (r) {
	case R_DATA: return u->lcr & LCR_DLAB ? (u8)u->divisor : take(u);
	case R_IER: return u->lcr & LCR_DLAB ? (u8)(u->divisor >> 8) : u->ier;
	case R_IIR_FCR:
		v = pending(u);
		if (v == IIR_THRE)
			u->thre_event = false;
		return (u8)(v | (fifos_on(u) ? IIR_FIFO : 0));
	case R_LCR: return u->lcr;
	case R_MCR: return u->mcr;
	case R_LSR:
		v = lsr(u);
		u->overrun = false;
		return v;
	case R_MSR:
		v = u->msr;
		u->msr &= (u8)~MSR_DELTAS;
		return v;
	default: return u->scratch;
	}
}

static void write_ier(struct uart *u, u8 v)
{
	u8 was = u->ier;

	u->ier = v & IER_ALL;
	if (!(was & IER_THRE) && (u->ier & IER_THRE)) /* enabling it while the transmitter is empty raises it */
		u->thre_event = true;
}

static void write_fcr(struct uart *u, u8 v)
{
	if (((v ^ u->fcr) & FCR_ENABLE) || ((v & FCR_ENABLE) && (v & FCR_CLEAR_RX)))
		u->nfifo = 0;
	u->fcr = v & FCR_ENABLE ? v & FCR_KEPT : 0; /* other bits are written only together with the enable bit */
}

static void write_register(struct uart *u, unsigned r, u8 v)
{
	switch (r) {
	case R_DATA:
		if (u->lcr & LCR_DLAB)
			u->divisor = (u16)((u->divisor & 0xff00) | v);
		else
			transmit(u, v);
		break;
	case R_IER:
		if (u->lcr & LCR_DLAB)
			u->divisor = (u16)((u->divisor & 0xff) | v << 8);
		else
			write_ier(u, v);
		break;
	case R_IIR_FCR: write_fcr(u, v); break;
	case R_LCR: u->lcr = v; break;
	case R_MCR:
		u->mcr = v & MCR_ALL;
		update_modem(u);
		break;
	case R_SCRATCH: u->scratch = v; break;
	default: /* LSR and MSR are for reading */ break;
	}
}

static u64 uart_read(struct device *d, u64 offset, unsigned size)
{
	struct uart *u = (struct uart *)d;
	u8 v = read_register(u, offset & 7);

	drive_irq(u);
	return v;
}

static void uart_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct uart *u = (struct uart *)d;

	write_register(u, offset & 7, (u8)value);
	drive_irq(u);
}

static void uart_save(const struct device *d, struct kt_buf *out)
{
	const struct uart *u = (const struct uart *)d;

	kt_buf_u8(out, SAVE_VERSION);
	kt_buf_u8(out, u->ier);
	kt_buf_u8(out, u->fcr);
	kt_buf_u8(out, u->lcr);
	kt_buf_u8(out, u->mcr);
	kt_buf_u8(out, u->scratch);
	kt_buf_u8(out, u->msr);
	kt_buf_u16(out, u->divisor);
	kt_buf_u8(out, (u8)(u->overrun | u->thre_event << 1));
	kt_buf_u8(out, u->nfifo);
	kt_buf_put(out, u->fifo, u->nfifo);
}

static bool uart_restore(struct device *d, struct kt_rd *in)
{
	struct uart *u = (struct uart *)d;

	if (kt_rd_u8(in) != SAVE_VERSION)
		return false;
	u->ier = kt_rd_u8(in);
	u->fcr = kt_rd_u8(in);
	u->lcr = kt_rd_u8(in);
	u->mcr = kt_rd_u8(in);
	u->scratch = kt_rd_u8(in);
	u->msr = kt_rd_u8(in);
	u->divisor = kt_rd_u16(in);
	u8 flags = kt_rd_u8(in);
	u->overrun = flags & 1;
	u->thre_event = flags & 2;
	u->nfifo = kt_rd_u8(in);
	if (in->bad || (u->ier & ~IER_ALL) || (u->fcr & ~FCR_KEPT) || (u->mcr & ~MCR_ALL) || flags > 3 ||
	    u->nfifo > (fifos_on(u) ? FIFO_SIZE : 1) || (u->msr & 0xf0) != modem_lines(u))
		return false;
	const u8 *bytes = kt_rd_bytes(in, u->nfifo);
	if (!bytes)
		return false;
	memcpy(u->fifo, bytes, u->nfifo);
	return true;
}

static const struct device_ops uart_ops[] = {
	{ .name = "com1", .read = uart_read, .write = uart_write, .save = uart_save, .restore = uart_restore },
	{ .name = "com2", .read = uart_read, .write = uart_write, .save = uart_save, .restore = uart_restore },
};

struct device *dev_uart_create(unsigned console, unsigned irq)
{
	struct uart *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->dev.ops = &uart_ops[console ? 1 : 0];
	u->console = console;
	u->irq = irq;
	u->divisor = 12; /* 9600 baud */
	u->msr = modem_lines(u);
	return &u->dev;
}
