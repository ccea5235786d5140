/* SPDX-License-Identifier: MIT */
/* The CMOS memory and real-time clock (Motorola MC146818A data sheet; CMOS map: IBM PC/AT Technical Reference and what
 * SeaBIOS reads of QEMU's).
 *
 * The clock is a function of guest time: seconds since 1970 = base + chain / 1 s, where the divider chain is guest time
 * plus a phase. Flags of register C are worked out when somebody looks; a timer runs only for an interrupt that is
 * enabled and not yet raised. */
#include "vm/civil.h"
#include "vm/dev_pc.h"

#include <stdlib.h>
#include <string.h>

enum { SAVE_VERSION = 1 };
enum { NS = 1000000000, HALF_NS = 500000000, UIP_NS = 244000 };

enum {
	R_SECOND = 0,
	R_SECOND_ALARM,
	R_MINUTE,
	R_MINUTE_ALARM,
	R_HOUR,
	R_HOUR_ALARM,
	R_WEEKDAY,
	R_DAY,
	R_MONTH,
	R_YEAR,
	R_A,
	R_B,
	R_C,
	R_D,
	R_EQUIPMENT = 0x14,
	R_BASE_KB = 0x15,
	R_EXT_KB = 0x17,
	R_EXT_KB_COPY = 0x30,
	R_CENTURY = 0x32,
	R_ABOVE_16M = 0x34,
	R_SUM_FIRST = 0x10,
	R_SUM_LAST = 0x2d,
	R_SUM = 0x2e,
	R_BOOT_ORDER = 0x3d,
	R_ABOVE_4G = 0x5b,
	R_CPUS = 0x5f,
	R_COUNT = 128
};
enum { A_UIP = 0x80, A_DIVIDER_RESET = 0x60, A_RATE = 0x0f };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_BINARY = 4, B_24H = 2 };
enum { C_IRQ = 0x80, C_PERIODIC = 0x40, C_ALARM = 0x20, C_UPDATE = 0x10, C_FLAGS = 0x70 };
enum { D_VALID = 0x80 };

struct cmos {
	struct device dev;
	u8 reg[R_COUNT]; /* time registers: their content while the clock stands still */
	u8 index;
	s64 base;        /* seconds since 1970 when the chain stood at 0 */
	u32 phase;       /* the chain is guest time + phase, in ns; below one second */
	u8 weekday_skew; /* days that the weekday register is ahead of the calendar, 0..6 */
	u64 seen;        /* guest time up to which register C is worked out */
};

/* ---- the chain ---- */

static u128 chain(const struct cmos *c, u64 now)
{
	return (u128)now + c->phase;
}

static u64 chain_seconds(const struct cmos *c, u64 now)
{
	return (u64)(chain(c, now) / NS);
}

static bool chain_held(const struct cmos *c)
{
	return (c->reg[R_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

/* Neither SET nor a held divider: the time registers count. */
static bool counting(const struct cmos *c)
{
	return !(c->reg[R_B] & B_SET) && !chain_held(c);
}

/* Period of the periodic flag in ticks of 32,768 Hz, 0: none (table 5 of the data sheet). */
static u32 periodic_ticks(const struct cmos *c)
{
	unsigned rate = c->reg[R_A] & A_RATE;

	if (!rate || chain_held(c))
		return 0;
	return rate < 3 ? 1u << (rate + 6) : 1u << (rate - 1);
}

static u64 periods(const struct cmos *c, u64 now)
{
	u32 ticks = periodic_ticks(c);

	return ticks ? (u64)(chain(c, now) * 32768 / NS / ticks) : 0;
}

/* Guest time at which the chain reaches `ns`. */
static u64 time_of_chain(const struct cmos *c, u128 ns)
{
	ns = ns > c->phase ? ns - c->phase : 0;
	return ns >= VM_NEVER ? VM_NEVER : (u64)ns;
}

/* ---- registers as bytes ---- */

static u8 encode(const struct cmos *c, unsigned v)
{
	return (u8)(c->reg[R_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static unsigned decode(const struct cmos *c, u8 v)
{
	return c->reg[R_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15u);
}

static u8 encode_hour(const struct cmos *c, unsigned hour)
{
	if (c->reg[R_B] & B_24H)
		return encode(c, hour);
	return (u8)(encode(c, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
}

static unsigned decode_hour(const struct cmos *c, u8 v)
{
	if (c->reg[R_B] & B_24H)
		return decode(c, v);
	return decode(c, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static s64 seconds_at(const struct cmos *c, u64 now)
{
	return (s64)((u64)c->base + chain_seconds(c, now));
}

/* Brings the time registers up to date. */
static void show_time(struct cmos *c, u64 now)
{
	if (!counting(c))
		return;
	struct civil t = civil_of_seconds(seconds_at(c, now));
	c->reg[R_SECOND] = encode(c, t.second);
	c->reg[R_MINUTE] = encode(c, t.minute);
	c->reg[R_HOUR] = encode_hour(c, t.hour);
	c->reg[R_WEEKDAY] = encode(c, (t.weekday + c->weekday_skew) % 7 + 1);
	c->reg[R_DAY] = encode(c, t.day);
	c->reg[R_MONTH] = encode(c, t.month);
	c->reg[R_YEAR] = encode(c, t.year % 100);
	c->reg[R_CENTURY] = encode(c, t.year / 100);
}

/* Sets the clock to what the time registers say. */
static void take_time(struct cmos *c, u64 now)
{
	struct civil t = {
		.second = decode(c, c->reg[R_SECOND]),
		.minute = decode(c, c->reg[R_MINUTE]),
		.hour = decode_hour(c, c->reg[R_HOUR]),
		.day = decode(c, c->reg[R_DAY]),
		.month = decode(c, c->reg[R_MONTH]),
		.year = decode(c, c->reg[R_CENTURY]) * 100 + decode(c, c->reg[R_YEAR]),
	};
	s64 seconds = civil_to_seconds(&t);

	c->base = seconds - (s64)chain_seconds(c, now);
	unsigned shown = (decode(c, c->reg[R_WEEKDAY]) + 6) % 7;
	c->weekday_skew = (u8)((shown + 7 - civil_of_seconds(seconds).weekday) % 7);
}

static bool is_time(u8 index)
{
	return (index <= R_YEAR && index != R_SECOND_ALARM && index != R_MINUTE_ALARM && index != R_HOUR_ALARM) ||
	       index == R_CENTURY;
}

/* ---- alarm ---- */

/* Bit v is set if the alarm register is met by value v of 0..n-1. The two top bits set: by all. */
static u64 alarm_set(const struct cmos *c, unsigned index, unsigned n, u8 (*enc)(const struct cmos *c, unsigned v))
{
	u64 set = 0;

	for (unsigned v = 0; v < n; v++)
		if (c->reg[index] >= 0xc0 || c->reg[index] == enc(c, v))
			set |= 1ull << v;
	return set;
}

/* Seconds from `seconds` (exclusive) to the next alarm, 0: never. Skips whole hours and minutes that do not match. */
static unsigned seconds_to_alarm(const struct cmos *c, s64 seconds)
{
	u64 hours = alarm_set(c, R_HOUR_ALARM, 24, encode_hour);
	u64 minutes = alarm_set(c, R_MINUTE_ALARM, 60, encode);
	u64 second_set = alarm_set(c, R_SECOND_ALARM, 60, encode);
	unsigned start = (unsigned)((seconds % 86400 + 86400) % 86400), by = 1;

	if (!hours || !minutes || !second_set)
		return 0;
	for (;;) {
		unsigned s = (start + by) % 86400;
		if (!(hours >> (s / 3600) & 1))
			by += 3600 - s % 3600;
		else if (!(minutes >> (s / 60 % 60) & 1))
			by += 60 - s % 60;
		else if (!(second_set >> (s % 60) & 1))
			by++;
		else
			return by;
	}
}

/* ---- interrupts ---- */

static void drive_irq(struct cmos *c)
{
	bool on = c->reg[R_C] & c->reg[R_B] & C_FLAGS; /* flags and enables stand at the same bits */

	c->reg[R_C] = (u8)((c->reg[R_C] & C_FLAGS) | (on ? C_IRQ : 0));
	bus_irq_line(c->dev.bus, PC_IRQ_RTC, on);
}

/* Sets the flags of all that happened since the last look. */
static void catch_up(struct cmos *c)
{
	u64 now = dev_now(&c->dev), last = c->seen;

	if (periods(c, now) != periods(c, last))
		c->reg[R_C] |= C_PERIODIC;
	u64 passed = chain_seconds(c, now) - chain_seconds(c, last);
	if (passed && counting(c)) {
		c->reg[R_C] |= C_UPDATE;
		unsigned alarm = seconds_to_alarm(c, seconds_at(c, last));
		if (alarm && alarm <= passed)
			c->reg[R_C] |= C_ALARM;
	}
	c->seen = now;
	drive_irq(c);
}

static u64 next_event(const struct cmos *c)
{
	u8 wanted = c->reg[R_B] & (u8)~c->reg[R_C];
	u64 next = VM_NEVER, second = chain_seconds(c, c->seen);
	u32 ticks = periodic_ticks(c);

	if ((wanted & B_PIE) && ticks) {
		u128 at = ((u128)periods(c, c->seen) + 1) * ticks;
		next = time_of_chain(c, (at * NS + 32767) / 32768);
	}
	if (!counting(c))
		return next;
	if (wanted & B_UIE)
		next = KT_MIN(next, time_of_chain(c, ((u128)second + 1) * NS));
	if (wanted & B_AIE) {
		unsigned alarm = seconds_to_alarm(c, seconds_at(c, c->seen));
		if (alarm)
			next = KT_MIN(next, time_of_chain(c, ((u128)second + alarm) * NS));
	}
	return next;
}

static void cmos_tick(struct device *d)
{
	struct cmos *c = (struct cmos *)d;

	catch_up(c);
	bus_schedule(d->bus, d, next_event(c));
}

/* ---- ports ---- */

static u8 read_a(const struct cmos *c, u64 now)
{
	bool soon = counting(c) && chain(c, now) % NS >= NS - UIP_NS;

	return (u8)(c->reg[R_A] | (soon ? A_UIP : 0));
}

static u8 read_c(struct cmos *c)
{
	u8 v = c->reg[R_C];

	c->reg[R_C] = 0;
	drive_irq(c);
	return v;
}

static u64 cmos_read(struct device *d, u64 offset, unsigned size)
{
	struct cmos *c = (struct cmos *)d;
	u64 now = dev_now(d);
	u8 i = c->index & (R_COUNT - 1);

	if (offset == 0)
		return 0xff; /* the index is write-only */
	if (i == R_A)
		return read_a(c, now);
	if (i == R_C) {
		catch_up(c);
		u8 v = read_c(c);
		bus_schedule(d->bus, d, next_event(c));
		return v;
	}
	if (is_time(i))
		show_time(c, now);
	return c->reg[i];
}

static void write_a(struct cmos *c, u8 v, u64 now)
{
	bool was_held = chain_held(c), was_counting = counting(c);

	show_time(c, now);
	c->reg[R_A] = v & (u8)~A_UIP;
	if (was_held && !chain_held(c)) /* the first update follows half a second after the divider's release */
		c->phase = (u32)((NS - now % NS + HALF_NS) % NS);
	if (!was_counting && counting(c))
		take_time(c, now);
}

static void write_b(struct cmos *c, u8 v, u64 now)
{
	bool was_counting = counting(c);

	show_time(c, now);
	if (v & B_SET)
		v &= (u8)~B_UIE; /* setting SET clears UIE */
	c->reg[R_B] = v;
	/* A new format with a running clock changes how the time is shown, not the time. */
	if (!was_counting && counting(c))
		take_time(c, now);
}

static void write_register(struct cmos *c, u8 i, u8 v)
{
	u64 now = dev_now(&c->dev);

	switch (i) {
	case R_A: write_a(c, v, now); break;
	case R_B: write_b(c, v, now); break;
	case R_C:
	case R_D: break; /* read-only */
	default:
		if (is_time(i))
			show_time(c, now);
		c->reg[i] = v;
		if (is_time(i) && counting(c))
			take_time(c, now);
	}
}

static void cmos_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct cmos *c = (struct cmos *)d;
	u8 i = c->index & (R_COUNT - 1);

	if (offset == 0) {
		c->index = (u8)value;
		return;
	}
	catch_up(c);
	write_register(c, i, (u8)value);
	drive_irq(c);
	bus_schedule(d->bus, d, next_event(c));
}

/* ---- state ---- */

static void cmos_save(const struct device *d, struct kt_buf *out)
{
	const struct cmos *c = (const struct cmos *)d;

	kt_buf_u8(out, SAVE_VERSION);
	kt_buf_put(out, c->reg, sizeof(c->reg));
	kt_buf_u8(out, c->index);
	kt_buf_u64(out, (u64)c->base);
	kt_buf_u32(out, c->phase);
	kt_buf_u8(out, c->weekday_skew);
	kt_buf_u64(out, c->seen);
}

static bool cmos_restore(struct device *d, struct kt_rd *in)
{
	struct cmos *c = (struct cmos *)d;

	if (kt_rd_u8(in) != SAVE_VERSION)
		return false;
	const u8 *reg = kt_rd_bytes(in, sizeof(c->reg));
	if (!reg)
		return false;
	memcpy(c->reg, reg, sizeof(c->reg));
	c->index = kt_rd_u8(in);
	c->base = (s64)kt_rd_u64(in);
	c->phase = kt_rd_u32(in);
	c->weekday_skew = kt_rd_u8(in);
	c->seen = kt_rd_u64(in);
	if (in->bad || c->phase >= NS || c->weekday_skew > 6 || c->seen > dev_now(d) || (c->reg[R_A] & A_UIP) ||
	    c->reg[R_D] != D_VALID || (c->reg[R_C] & 0x0f))
		return false;
	d->next_ns = next_event(c);
	return true;
}

static const struct device_ops cmos_ops = {
	.name = "mc146818",
	.read = cmos_read,
	.write = cmos_write,
	.tick = cmos_tick,
	.save = cmos_save,
	.restore = cmos_restore,
};

static void put16(struct cmos *c, unsigned at, u64 v)
{
	v = KT_MIN(v, 0xffff);
	c->reg[at] = (u8)v;
	c->reg[at + 1] = (u8)(v >> 8);
}

static void set_sizes(struct cmos *c, const struct pc_config *cfg)
{
	const u64 mib = 1 << 20;
	u64 above_1m = cfg->mem_below_4g > mib ? cfg->mem_below_4g - mib : 0;
	u64 above_16m = cfg->mem_below_4g > 16 * mib ? cfg->mem_below_4g - 16 * mib : 0;
	u64 high = KT_MIN(cfg->mem_above_4g >> 16, 0xffffff);

	put16(c, R_BASE_KB, KT_MIN(cfg->mem_below_4g >> 10, 640));
	put16(c, R_EXT_KB, above_1m >> 10);
	put16(c, R_EXT_KB_COPY, above_1m >> 10);
	put16(c, R_ABOVE_16M, above_16m >> 16);
	put16(c, R_ABOVE_4G, high & 0xffff);
	c->reg[R_ABOVE_4G + 2] = (u8)(high >> 16);
}

struct device *dev_cmos_create(const struct pc_config *cfg)
{
	struct cmos *c = calloc(1, sizeof(*c));
	unsigned sum = 0;

	if (!c)
		return NULL;
	c->dev.ops = &cmos_ops;
	c->base = cfg->rtc;
	c->reg[R_A] = 0x26; /* 32,768 Hz, periodic flag at 1,024 Hz: what firmware sets */
	c->reg[R_B] = B_24H;
	c->reg[R_D] = D_VALID;
	c->reg[R_EQUIPMENT] = 0x02;  /* an FPU; no display, no floppy */
	c->reg[R_BOOT_ORDER] = 0x21; /* floppy, then disk */
	c->reg[R_CPUS] = 0;          /* beyond the first */
	set_sizes(c, cfg);
	for (unsigned i = R_SUM_FIRST; i <= R_SUM_LAST; i++)
		sum += c->reg[i];
	c->reg[R_SUM] = (u8)(sum >> 8);
	c->reg[R_SUM + 1] = (u8)sum;
	return &c->dev;
}
