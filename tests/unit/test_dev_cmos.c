/* SPDX-License-Identifier: MIT */
/* The clock against the MC146818A data sheet, the calendar against the C library's, the memory sizes against the PC's
 * map. */
#include "dev_machine.h"

#include <time.h>

#include "vm/civil.h"

enum {
	SECOND = 0,
	SECOND_ALARM,
	MINUTE,
	MINUTE_ALARM,
	HOUR,
	HOUR_ALARM,
	WEEKDAY,
	DAY,
	MONTH,
	YEAR,
	A,
	B,
	C,
	D,
	CENTURY = 0x32
};
enum { UIP = 0x80, SET = 0x80, PIE = 0x40, AIE = 0x20, UIE = 0x10, BINARY = 4, H24 = 2 };

static const u64 S = 1000000000;

static u8 get(struct machine *m, u8 i)
{
	out8(m, 0x70, i);
	return in8(m, 0x71);
}

static void set(struct machine *m, u8 i, u8 v)
{
	out8(m, 0x70, i);
	out8(m, 0x71, v);
}

static void check_date(struct machine *m, unsigned century, unsigned year, unsigned month, unsigned day,
		       unsigned weekday)
{
	assert_int_equal(get(m, CENTURY), century);
	assert_int_equal(get(m, YEAR), year);
	assert_int_equal(get(m, MONTH), month);
	assert_int_equal(get(m, DAY), day);
	assert_int_equal(get(m, WEEKDAY), weekday);
}

static void check_time(struct machine *m, unsigned hour, unsigned minute, unsigned second)
{
	assert_int_equal(get(m, HOUR), hour);
	assert_int_equal(get(m, MINUTE), minute);
	assert_int_equal(get(m, SECOND), second);
}

static void calendar(void **state)
{
	u64 x = 1;

	for (unsigned i = 0; i < 200000; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		/* Years 0 to 9999 by day and second. */
		s64 s = (s64)(x >> 16) % (s64)(3652425ll * 86400) - 62167219200ll;
		time_t t = (time_t)s;
		struct tm tm;
		assert_non_null(gmtime_r(&t, &tm));
		struct civil c = civil_of_seconds(s);
		assert_int_equal((int)c.year, tm.tm_year + 1900);
		assert_int_equal((int)c.month, tm.tm_mon + 1);
		assert_int_equal((int)c.day, tm.tm_mday);
		assert_int_equal((int)c.hour, tm.tm_hour);
		assert_int_equal((int)c.minute, tm.tm_min);
		assert_int_equal((int)c.second, tm.tm_sec);
		assert_int_equal((int)c.weekday, tm.tm_wday);
		assert_int_equal(civil_to_seconds(&c), s);
	}
	/* What is out of range counts on, as timegm has it. */
	struct civil odd = { .year = 2023, .month = 14, .day = 45, .hour = 99, .minute = 99, .second = 165 };
	struct tm tm = { .tm_year = 123, .tm_mon = 13, .tm_mday = 45, .tm_hour = 99, .tm_min = 99, .tm_sec = 165 };
	assert_int_equal(civil_to_seconds(&odd), timegm(&tm));
	/* Any number of seconds is some date. */
	struct civil far = civil_of_seconds(INT64_MAX), past = civil_of_seconds(INT64_MIN);
	assert_true(far.year <= 9999 && far.month - 1 < 12 && far.day - 1 < 31 && past.year <= 9999 && past.hour < 24);
}

static void formats(void **state)
{
	struct machine *m = machine_new(NULL);

	assert_int_equal(get(m, A), 0x26);
	assert_int_equal(get(m, B), H24);
	assert_int_equal(get(m, D), 0x80);
	check_date(m, 0x20, 0x26, 0x01, 0x01, 5); /* a Thursday; Sunday is 1 */
	check_time(m, 0, 0, 0);
	at_ns(m, (13 * 3600 + 45 * 60 + 59) * S);
	check_time(m, 0x13, 0x45, 0x59);
	set(m, B, H24 | BINARY);
	check_time(m, 13, 45, 59);
	check_date(m, 20, 26, 1, 1, 5);
	set(m, B, 0);
	check_time(m, 0x81, 0x45, 0x59); /* 1 PM */
	set(m, B, BINARY);
	check_time(m, 0x81, 45, 59);
	at_ns(m, 24 * 3600 * S + 10);
	check_time(m, 12, 0, 0); /* midnight is 12 AM */
	at_ns(m, 36 * 3600 * S);
	check_time(m, 0x8c, 0, 0); /* noon is 12 PM */
	assert_int_equal(in8(m, 0x70), 0xff);
	machine_free(m);
}

/* UIP: set 244 us before the update, clear when it is done; never while SET holds the clock. */
static void update_in_progress(void **state)
{
	struct machine *m = machine_new(NULL);

	for (u64 second = 1; second < 4; second++) {
		at_ns(m, second * S - 244001);
		assert_int_equal(get(m, A), 0x26);
		at_ns(m, second * S - 244000);
		assert_int_equal(get(m, A), 0x26 | UIP);
		assert_int_equal(get(m, SECOND), second - 1);
		at_ns(m, second * S - 1);
		assert_int_equal(get(m, A), 0x26 | UIP);
		at_ns(m, second * S);
		assert_int_equal(get(m, A), 0x26);
		assert_int_equal(get(m, SECOND), second);
	}
	set(m, B, SET | H24);
	at_ns(m, 5 * S - 1);
	assert_int_equal(get(m, A), 0x26);
	set(m, A, 0xff); /* UIP is read-only */
	assert_int_equal(get(m, A), 0x7f);
	machine_free(m);
}

static void setting(void **state)
{
	struct machine *m = machine_new(NULL);

	at_ns(m, 10 * S + 300);
	set(m, B, SET | UIE | H24);
	assert_int_equal(get(m, B), SET | H24); /* SET clears UIE */
	set(m, CENTURY, 0x19);
	set(m, YEAR, 0x99);
	set(m, MONTH, 0x12);
	set(m, DAY, 0x31);
	set(m, WEEKDAY, 6);
	set(m, HOUR, 0x23);
	set(m, MINUTE, 0x59);
	set(m, SECOND, 0x58);
	at_ns(m, 20 * S + 500);
	check_time(m, 0x23, 0x59, 0x58); /* it stands */
	set(m, B, H24);
	check_time(m, 0x23, 0x59, 0x58);
	at_ns(m, 21 * S); /* the divider never stopped */
	check_time(m, 0x23, 0x59, 0x59);
	check_date(m, 0x19, 0x99, 0x12, 0x31, 6);
	at_ns(m, 22 * S);
	check_time(m, 0, 0, 0);
	check_date(m, 0x20, 0, 1, 1, 7);
	/* The weekday is a counter of its own: it may be wrong and stays so. */
	set(m, WEEKDAY, 3);
	at_ns(m, 22 * S + 86400 * S);
	check_date(m, 0x20, 0, 1, 2, 4);
	/* One register while the clock runs. */
	set(m, HOUR, 0x07);
	set(m, MONTH, 0x02);
	check_date(m, 0x20, 0, 2, 2, 4);
	check_time(m, 7, 0, 0);
	at_ns(m, 23 * S + 86400 * S);
	check_time(m, 7, 0, 1);
	machine_free(m);
}

/* Setting in the other three formats; 12 is the hour before 1. */
static void setting_formats(void **state)
{
	static const struct {
		u8 format, hour, minute;
		unsigned want; /* seconds of the day */
	} cases[] = {
		{ 0, 0x12, 0x34, 34 * 60 },
		{ 0, 0x92, 0x34, 12 * 3600 + 34 * 60 },
		{ 0, 0x91, 0x59, 23 * 3600 + 59 * 60 },
		{ 0, 0x01, 0x00, 3600 },
		{ BINARY, 12, 34, 34 * 60 },
		{ BINARY, 0x8b, 59, 23 * 3600 + 59 * 60 },
		{ BINARY | H24, 23, 45, 23 * 3600 + 45 * 60 },
	};

	for (unsigned i = 0; i < KT_ARRAY_LEN(cases); i++) {
		struct machine *m = machine_new(NULL);
		set(m, B, SET | cases[i].format);
		set(m, CENTURY, cases[i].format & BINARY ? 20 : 0x20);
		set(m, YEAR, cases[i].format & BINARY ? 26 : 0x26);
		set(m, DAY, cases[i].format & BINARY ? 28 : 0x28);
		set(m, MONTH, 2);
		set(m, HOUR, cases[i].hour);
		set(m, MINUTE, cases[i].minute);
		set(m, B, cases[i].format);
		assert_int_equal(get(m, HOUR), cases[i].hour);
		set(m, B, BINARY | H24);
		check_time(m, cases[i].want / 3600, cases[i].want / 60 % 60, 0);
		check_date(m, 20, 26, 2, 28, get(m, WEEKDAY));
		machine_free(m);
	}
}

/* "The first update cycle begins one-half second after" the divider is released. */
static void divider(void **state)
{
	struct machine *m = machine_new(NULL);

	at_ns(m, 3 * S + 777);
	set(m, A, 0x70);
	at_ns(m, 9 * S + 123);
	check_time(m, 0, 0, 3);
	set(m, A, 0x26);
	check_time(m, 0, 0, 3);
	at_ns(m, 9 * S + 123 + S / 2 - 1);
	assert_int_equal(get(m, A), 0x26 | UIP);
	check_time(m, 0, 0, 3);
	at_ns(m, 9 * S + 123 + S / 2);
	check_time(m, 0, 0, 4);
	at_ns(m, 10 * S + 123 + S / 2);
	check_time(m, 0, 0, 5);
	machine_free(m);
}

static void takes_irq8(struct machine *m)
{
	unsigned line;

	assert_true(m->bus.irq_pending);
	assert_int_equal(bus_irq_ack(&m->bus, &line), 0x28);
	assert_int_equal(line, 8);
	out8(m, 0xa0, 0x20);
	out8(m, 0x20, 0x20);
}

static struct machine *with_irq8(void)
{
	struct machine *m = machine_new(NULL);

	pic_init(m, 1);
	pic_unmask(m, 1 << 8 | 1 << 2);
	return m;
}

/* Rate 6: 1,024 Hz, 976.5625 us. A flag that nobody reads makes one interrupt. */
static void periodic(void **state)
{
	struct machine *m = with_irq8();

	assert_int_equal(m->bus.next_ns, VM_NEVER);
	set(m, B, PIE | H24);
	for (u64 i = 1; i < 5000; i++) {
		u64 due = (i * 9765625 + 9) / 10; /* i * 976562.5 ns, rounded up */
		assert_int_equal(m->bus.next_ns, due);
		at_ns(m, due - 1);
		assert_false(m->bus.irq_pending);
		at_ns(m, due);
		takes_irq8(m);
		assert_int_equal(get(m, C), i % 1024 ? 0xc0 : 0xd0);
		assert_int_equal(get(m, C), 0);
	}
	at_ns(m, 6 * S + 100);
	takes_irq8(m);
	at_ns(m, 7 * S + 100);
	assert_false(m->bus.irq_pending);
	assert_int_equal(get(m, C), 0xd0);
	/* Rates: 3 is 8,192 Hz, 15 is 2 Hz, 1 and 2 are 256 and 128 Hz, 0 is none. */
	static const struct {
		u8 rate;
		u64 ns;
	} rates[] = { { 3, 122071 }, { 15, 500000000 }, { 1, 3906250 }, { 2, 7812500 } };
	for (unsigned i = 0; i < KT_ARRAY_LEN(rates); i++) {
		at_ns(m, (8 + i) * S);
		set(m, A, 0x20 | rates[i].rate);
		get(m, C);
		assert_int_equal(m->bus.next_ns, (8 + i) * S + rates[i].ns);
	}
	set(m, A, 0x20);
	assert_int_equal(m->bus.next_ns, VM_NEVER);
	machine_free(m);
}

static void update_ended(void **state)
{
	struct machine *m = with_irq8();

	at_ns(m, S / 4);
	set(m, B, UIE | H24);
	assert_int_equal(m->bus.next_ns, S);
	at_ns(m, S);
	takes_irq8(m);
	assert_int_equal(m->bus.next_ns, VM_NEVER); /* until register C is read */
	assert_int_equal(get(m, C) & 0xb0, 0x90);
	assert_int_equal(m->bus.next_ns, 2 * S);
	/* A flag that was there before its enable raises the interrupt at once. */
	set(m, B, H24);
	at_ns(m, 3 * S);
	assert_false(m->bus.irq_pending);
	set(m, B, UIE | H24);
	takes_irq8(m);
	machine_free(m);
}

static void alarms(void **state)
{
	struct machine *m = with_irq8();

	/* 00:01:05 */
	set(m, SECOND_ALARM, 0x05);
	set(m, MINUTE_ALARM, 0x01);
	set(m, HOUR_ALARM, 0x00);
	set(m, B, AIE | H24);
	assert_int_equal(m->bus.next_ns, 65 * S);
	at_ns(m, 65 * S);
	takes_irq8(m);
	assert_int_equal(get(m, C) & 0xb0, 0xb0);
	assert_int_equal(m->bus.next_ns, (86400 + 65) * S); /* tomorrow */
	/* "Don't care" in hour and minute: every minute. */
	set(m, HOUR_ALARM, 0xc0);
	set(m, MINUTE_ALARM, 0xff);
	assert_int_equal(m->bus.next_ns, 125 * S);
	set(m, SECOND_ALARM, 0xd0); /* every second */
	assert_int_equal(m->bus.next_ns, 66 * S);
	set(m, MINUTE_ALARM, 0x30);
	assert_int_equal(m->bus.next_ns, 1800 * S);
	/* A time that never comes. */
	set(m, SECOND_ALARM, 0x60);
	assert_int_equal(m->bus.next_ns, VM_NEVER);
	/* 12-hour mode: 1:30 PM. */
	set(m, B, AIE);
	set(m, SECOND_ALARM, 0);
	set(m, HOUR_ALARM, 0x81);
	assert_int_equal(m->bus.next_ns, (13 * 3600 + 1800) * S);
	/* The flag is set without its enable as well. */
	set(m, B, 0);
	assert_int_equal(m->bus.next_ns, VM_NEVER);
	get(m, C);
	at_ns(m, (13 * 3600 + 1799) * S);
	assert_int_equal(get(m, C) & 0x20, 0);
	at_ns(m, (13 * 3600 + 1801) * S);
	assert_int_equal(get(m, C), 0x70);
	machine_free(m);
}

static void sizes(void **state)
{
	static const struct {
		u64 below, above;
		u16 base, ext, above_16m;
		u32 above_4g;
	} cases[] = {
		{ 1 << 20, 0, 640, 0, 0, 0 },
		{ 5 << 20, 0, 640, 4096, 0, 0 },
		{ 64 << 20, 0, 640, 63 * 1024, 48 * 16, 0 },
		{ 256 << 20, 0, 640, 65535, 240 * 16, 0 },
		{ 3ull << 30, 5ull << 30, 640, 65535, (3072 - 16) * 16, 5 * 16384 },
		{ 3ull << 30, 61ull << 30, 640, 65535, (3072 - 16) * 16, 61 * 16384 },
		{ 512 << 10, 0, 512, 0, 0, 0 },
	};

	for (unsigned i = 0; i < KT_ARRAY_LEN(cases); i++) {
		const struct pc_config c = { .mem_below_4g = cases[i].below, .mem_above_4g = cases[i].above };
		struct machine *m = machine_new(&c);
		unsigned sum = 0;
		assert_int_equal(get(m, 0x15) | get(m, 0x16) << 8, cases[i].base);
		assert_int_equal(get(m, 0x17) | get(m, 0x18) << 8, cases[i].ext);
		assert_int_equal(get(m, 0x30) | get(m, 0x31) << 8, cases[i].ext);
		assert_int_equal(get(m, 0x34) | get(m, 0x35) << 8, cases[i].above_16m);
		assert_int_equal(get(m, 0x5b) | get(m, 0x5c) << 8 | get(m, 0x5d) << 16, cases[i].above_4g);
		assert_int_equal(get(m, 0x5f), 0); /* one CPU */
		assert_int_equal(get(m, 0x0f), 0);
		for (u8 at = 0x10; at <= 0x2d; at++)
			sum += get(m, at);
		assert_int_equal(get(m, 0x2e) << 8 | get(m, 0x2f), sum);
		machine_free(m);
	}
}

static void memory(void **state)
{
	struct machine *m = machine_new(NULL);

	set(m, 0x0f, 0x0a);
	set(m, 0x80 | 0x7f, 0x5a); /* bit 7 is the NMI mask */
	assert_int_equal(get(m, 0x0f), 0x0a);
	assert_int_equal(get(m, 0x7f), 0x5a);
	set(m, C, 0xff);
	set(m, D, 0);
	assert_int_equal(get(m, C), 0);
	assert_int_equal(get(m, D), 0x80);
	machine_free(m);
}

static void restored(void **state)
{
	struct machine *m = with_irq8();

	set(m, B, PIE | AIE | UIE);
	set(m, SECOND_ALARM, 0xff);
	set(m, MINUTE_ALARM, 0xff);
	set(m, HOUR_ALARM, 0xff);
	set(m, A, 0x2d);
	set(m, WEEKDAY, 2);
	run_to_ns(m, 5 * S + 12345);
	struct machine *copy = machine_copy(m, NULL);
	for (u64 t = 5 * S + 20000; t < 15 * S; t += 70000001) {
		run_to_ns(m, t);
		run_to_ns(copy, t);
		assert_int_equal(m->bus.irq_pending, copy->bus.irq_pending);
		for (u8 i = 0; i < 14; i++)
			assert_int_equal(get(m, i), get(copy, i));
		if (m->bus.irq_pending) {
			takes_irq8(m);
			takes_irq8(copy);
		}
	}
	machine_free(m);
	machine_free(copy);
}

/* The record: version, 128 registers, index, u64 base, u32 phase, u8 weekday's skew, u64 seen. */
static void state_refused(void **state)
{
	enum { REG = 1, PHASE = 1 + 128 + 1 + 8, SKEW = PHASE + 4, SEEN = SKEW + 1 };
	struct machine *m = machine_new(NULL);

	at_ns(m, 77);
	get(m, C);
	assert_false(takes_state(m, "mc146818", 0, 2));
	assert_false(takes_state(m, "mc146818", REG + A, 0xa6));
	assert_false(takes_state(m, "mc146818", REG + C, 0x01));
	assert_false(takes_state(m, "mc146818", REG + D, 0x00));
	assert_false(takes_state(m, "mc146818", PHASE + 3, 0x3c));
	assert_false(takes_state(m, "mc146818", SKEW, 7));
	assert_false(takes_state(m, "mc146818", SEEN, 78));
	assert_false(takes_state(m, "mc146818", SEEN + 7, 0x80));
	assert_true(takes_state(m, "mc146818", PHASE + 3, 0x3b));
	assert_true(takes_state(m, "mc146818", SKEW, 6));
	assert_true(takes_state(m, "mc146818", SEEN, 76));
	/* Any base is some date. */
	assert_true(takes_state(m, "mc146818", PHASE - 1, 0x7f));
	assert_true(takes_state(m, "mc146818", PHASE - 1, 0x80));
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calendar),
		cmocka_unit_test(formats),
		cmocka_unit_test(update_in_progress),
		cmocka_unit_test(setting),
		cmocka_unit_test(setting_formats),
		cmocka_unit_test(divider),
		cmocka_unit_test(periodic),
		cmocka_unit_test(update_ended),
		cmocka_unit_test(alarms),
		cmocka_unit_test(sizes),
		cmocka_unit_test(memory),
		cmocka_unit_test(restored),
		cmocka_unit_test(state_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
