/* SPDX-License-Identifier: MIT */
/* One counter of an 8254 (data sheet 231164-005, "Mode Definitions"). All modes are functions of the ticks since the
 * count was loaded; a count that waits for the end of a period is taken over when somebody next looks (settle). */
#include "vm/pit_channel.h"

enum { ACCESS_LOW = 1, ACCESS_HIGH = 2, ACCESS_BOTH = 3 };
enum { TICKS_MAX_LOG2 = 56 }; /* 2^64 ns are less than 2^55 ticks: more is not a time */

static unsigned access_of(const struct pit_channel *c)
{
	return (c->control >> 4) & 3;
}

/* Modes 6 and 7 are 2 and 3: "x10", "x11". */
static unsigned mode_of(const struct pit_channel *c)
{
	unsigned m = (c->control >> 1) & 7;

	return m > 5 ? m - 4 : m;
}

static bool is_bcd(const struct pit_channel *c)
{
	return c->control & 1;
}

static u32 modulus(const struct pit_channel *c)
{
	return is_bcd(c) ? 10000 : 65536;
}

/* What a written count means in ticks; 0 stands for the largest count. Digits over 9 count as what they are. */
static u32 count_of(const struct pit_channel *c, u16 raw)
{
	u32 v = raw;

	if (is_bcd(c))
		v = (raw >> 12) * 1000u + (raw >> 8 & 15) * 100u + (raw >> 4 & 15) * 10u + (raw & 15u);
	return v ? v : modulus(c);
}

static u16 raw_of(const struct pit_channel *c, s64 count)
{
	s64 m = modulus(c);
	u32 v = (u32)((count % m + m) % m);

	if (is_bcd(c))
		v = (v / 1000) << 12 | (v / 100 % 10) << 8 | (v / 10 % 10) << 4 | v % 10;
	return (u16)v;
}

static bool is_periodic(const struct pit_channel *c)
{
	return mode_of(c) == 2 || mode_of(c) == 3;
}

/* In modes 1 and 5 the gate is a trigger; in the others it also stops the count while it is low. */
static bool is_triggered(const struct pit_channel *c)
{
	return mode_of(c) == 1 || mode_of(c) == 5;
}

static bool held(const struct pit_channel *c)
{
	return !c->gate && !is_triggered(c);
}

/* Ticks since the count was loaded, not less than 0. */
static s64 elapsed(const struct pit_channel *c, s64 now)
{
	s64 e = held(c) ? c->held_at : now - c->start;

	return e > 0 ? e : 0;
}

/* Of a square wave's n ticks, how many OUT is high. */
static u32 high_ticks(u32 n)
{
	return (n + 1) / 2;
}

/* The end of the period under way (mode 3: half period), when a new count is loaded. */
static s64 period_end(const struct pit_channel *c, s64 now)
{
	s64 e = elapsed(c, now), n = c->n, pos = e % n, high = high_ticks(c->n);

	return now - pos + (mode_of(c) == 3 && pos < high ? high : n);
}

/* Loads the pending count if its time has come. */
static void settle(struct pit_channel *c, s64 now)
{
	if (!c->pending || now < c->takeover)
		return;
	bool low_half_follows =
		mode_of(c) == 3 && c->loaded && !held(c) && (c->takeover - c->start) % c->n == high_ticks(c->n);
	c->n = count_of(c, c->reload);
	c->start = low_half_follows ? c->takeover - high_ticks(c->n) : c->takeover;
	c->held_at = 0;
	c->loaded = true;
	c->pending = false;
}

static void load_at(struct pit_channel *c, s64 tick)
{
	c->pending = true;
	c->takeover = tick;
}

void pit_channel_reset(struct pit_channel *c, bool gate)
{
	*c = (struct pit_channel){ .gate = gate, .control = ACCESS_BOTH << 4 | 3 << 1 };
}

void pit_channel_control(struct pit_channel *c, u8 control, s64 now)
{
	*c = (struct pit_channel){ .gate = c->gate, .control = control & 0x3f };
}

static void new_count(struct pit_channel *c, u16 raw, s64 now)
{
	settle(c, now);
	c->reload = raw;
	if (mode_of(c) == 0) /* OUT goes low */
		c->loaded = false;
	if (c->pending && !(held(c) && is_periodic(c)))
		return; /* still waiting for the same moment */
	if (is_triggered(c))
		load_at(c, PIT_NEVER);
	else if (is_periodic(c) && c->loaded && !held(c))
		load_at(c, period_end(c, now));
	else
		load_at(c, now + 1);
}

void pit_channel_write(struct pit_channel *c, u8 value, s64 now)
{
	switch (access_of(c)) {
	case ACCESS_LOW: new_count(c, value, now); break;
	case ACCESS_HIGH: new_count(c, (u16)(value << 8), now); break;
	default:
		if (!c->write_high) {
			c->write_low = value;
			if (mode_of(c) == 0) /* the first byte stops the count, OUT goes low */
				c->loaded = c->pending = false;
		} else {
			new_count(c, (u16)(value << 8 | c->write_low), now);
		}
		c->write_high = !c->write_high;
	}
}

bool pit_channel_out(struct pit_channel *c, s64 now)
{
	settle(c, now);
	if (!c->loaded)
		return mode_of(c) != 0;
	s64 e = elapsed(c, now), n = c->n;
	switch (mode_of(c)) {
	case 0:
	case 1: return e >= n;
	case 2: return held(c) || n < 2 || e % n != n - 1;
	case 3: return held(c) || e % n < high_ticks(c->n);
	default: return e != n;
	}
}

/* The next change of OUT if the count goes on as it is. */
static s64 next_change(const struct pit_channel *c, s64 now)
{
	s64 n = c->n;

	if (!c->loaded || held(c))
		return PIT_NEVER;
	if (is_periodic(c)) {
		s64 low_at = mode_of(c) == 2 ? n - 1 : high_ticks(c->n), period = now - elapsed(c, now) % n;
		if (n < 2)
			return PIT_NEVER;
		return period + low_at > now ? period + low_at : period + n;
	}
	if (now < c->start + n)
		return c->start + n;
	return mode_of(c) >= 4 && now == c->start + n ? now + 1 : PIT_NEVER;
}

s64 pit_channel_next(struct pit_channel *c, s64 now)
{
	settle(c, now);
	s64 change = next_change(c, now);
	return c->pending ? KT_MIN(change, c->takeover) : change;
}

void pit_channel_gate(struct pit_channel *c, bool gate, s64 now)
{
	if (gate == c->gate)
		return;
	settle(c, now);
	if (!gate) {
		c->held_at = elapsed(c, now);
		c->gate = false;
		if (is_periodic(c) && c->loaded &&
		    c->pending) /* the period will not end: the new count waits for the gate */
			c->takeover = PIT_NEVER;
		return;
	}
	c->start = is_triggered(c) ? c->start : is_periodic(c) ? now + 1 : now - c->held_at;
	c->gate = true;
	if ((is_triggered(c) || is_periodic(c)) && (c->loaded || c->pending))
		load_at(c, now + 1);
}

/* The counting element's content. */
static u16 current(struct pit_channel *c, s64 now)
{
	settle(c, now);
	if (!c->loaded)
		return 0;
	s64 e = elapsed(c, now), n = c->n;
	unsigned mode = mode_of(c);
	if (mode == 2)
		return raw_of(c, n - e % n);
	if (mode != 3)
		return raw_of(c, n - e);
	/* Counts down by two in each half; an odd count starts from n - 1. */
	s64 pos = e % n, high = high_ticks(c->n), half = pos < high ? pos : pos - high;
	return raw_of(c, (n & ~1ll) - 2 * half);
}

void pit_channel_latch_count(struct pit_channel *c, s64 now)
{
	if (c->count_latched)
		return;
	c->latch = current(c, now);
	c->count_latched = true;
}

void pit_channel_latch_status(struct pit_channel *c, s64 now)
{
	enum { NULL_COUNT = 1 << 6, OUT = 1 << 7 };

	if (c->status_latched)
		return;
	bool out = pit_channel_out(c, now); /* settles */
	bool null = !c->loaded || c->pending;
	c->status = (u8)(c->control | (null ? NULL_COUNT : 0) | (out ? OUT : 0));
	c->status_latched = true;
}

u8 pit_channel_read(struct pit_channel *c, s64 now)
{
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	u16 v = c->count_latched ? c->latch : current(c, now);
	bool high = access_of(c) == ACCESS_HIGH;
	if (access_of(c) == ACCESS_BOTH) {
		high = c->read_high;
		c->read_high = !c->read_high;
		if (!high)
			return (u8)v;
	}
	c->count_latched = false;
	return high ? (u8)(v >> 8) : (u8)v;
}

/* ---- state ---- */

enum {
	F_GATE = 1 << 0,
	F_LOADED = 1 << 1,
	F_PENDING = 1 << 2,
	F_WRITE_HIGH = 1 << 3,
	F_READ_HIGH = 1 << 4,
	F_COUNT_LATCHED = 1 << 5,
	F_STATUS_LATCHED = 1 << 6,
	F_ALL = (1 << 7) - 1
};

void pit_channel_save(const struct pit_channel *c, struct kt_buf *out)
{
	kt_buf_u8(out, c->control);
	kt_buf_u8(out, (u8)((c->gate ? F_GATE : 0) | (c->loaded ? F_LOADED : 0) | (c->pending ? F_PENDING : 0) |
			    (c->write_high ? F_WRITE_HIGH : 0) | (c->read_high ? F_READ_HIGH : 0) |
			    (c->count_latched ? F_COUNT_LATCHED : 0) | (c->status_latched ? F_STATUS_LATCHED : 0)));
	kt_buf_u32(out, c->n);
	kt_buf_u64(out, (u64)c->start);
	kt_buf_u64(out, (u64)c->held_at);
	kt_buf_u64(out, (u64)c->takeover);
	kt_buf_u16(out, c->reload);
	kt_buf_u16(out, c->latch);
	kt_buf_u8(out, c->write_low);
	kt_buf_u8(out, c->status);
}

static bool is_time(s64 ticks)
{
	return ticks >= -(1ll << TICKS_MAX_LOG2) && ticks <= 1ll << TICKS_MAX_LOG2;
}

bool pit_channel_restore(struct pit_channel *c, struct kt_rd *in)
{
	c->control = kt_rd_u8(in);
	u8 f = kt_rd_u8(in);
	c->gate = f & F_GATE;
	c->loaded = f & F_LOADED;
	c->pending = f & F_PENDING;
	c->write_high = f & F_WRITE_HIGH;
	c->read_high = f & F_READ_HIGH;
	c->count_latched = f & F_COUNT_LATCHED;
	c->status_latched = f & F_STATUS_LATCHED;
	c->n = kt_rd_u32(in);
	c->start = (s64)kt_rd_u64(in);
	c->held_at = (s64)kt_rd_u64(in);
	c->takeover = (s64)kt_rd_u64(in);
	c->reload = kt_rd_u16(in);
	c->latch = kt_rd_u16(in);
	c->write_low = kt_rd_u8(in);
	c->status = kt_rd_u8(in);
	return !in->bad && c->control < 0x40 && !(f & ~F_ALL) && (c->n || !c->loaded) && c->n <= 65536 &&
	       is_time(c->start) && is_time(c->held_at) && c->held_at >= 0 &&
	       (is_time(c->takeover) || c->takeover == PIT_NEVER);
}
