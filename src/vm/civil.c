/* SPDX-License-Identifier: MIT */
/* Days are counted in years that begin on 1 March, so that the leap day comes last and a month's first day is a linear
 * function of the month: (153 m + 2) / 5. */
#include "vm/civil.h"

enum {
	DAY_SECONDS = 86400,
	DAYS_400_YEARS = 146097,
	DAYS_100_YEARS = 36524, /* without the leap day of the fourth century */
	DAYS_4_YEARS = 1461,
	DAYS_TO_1970 = 719468 /* from 0000-03-01 */
};

/* Days from 0000-03-01 to the first of March of `year`. */
static s64 days_to_year(s64 year)
{
	return year * 365 + year / 4 - year / 100 + year / 400;
}

s64 civil_to_seconds(const struct civil *c)
{
	s64 month = (c->month ? (s64)c->month : 1) - 1; /* 0: January */
	s64 year = (s64)c->year + month / 12;

	month %= 12;
	if (month < 2) /* January and February belong to the year before; 400 years more keep the division positive */
		year--;
	month = (month + 10) % 12;
	s64 days = days_to_year(year + 400) - DAYS_400_YEARS + (153 * month + 2) / 5 + (s64)c->day - 1;
	return (days - DAYS_TO_1970) * DAY_SECONDS + (s64)c->hour * 3600 + (s64)c->minute * 60 + (s64)c->second;
}

struct civil civil_of_seconds(s64 seconds)
{
	const s64 cycle = 25ll * DAYS_400_YEARS; /* days of 10,000 years */
	s64 days = seconds / DAY_SECONDS, left = seconds % DAY_SECONDS;
	struct civil c;

	if (left < 0) {
		left += DAY_SECONDS;
		days--;
	}
	c.hour = (unsigned)(left / 3600);
	c.minute = (unsigned)(left / 60 % 60);
	c.second = (unsigned)(left % 60);
	/* 1970-01-01 was a Thursday; a cycle is a whole number of weeks. */
	c.weekday = (unsigned)(((days % 7) + 7 + 4) % 7);

	days = ((days + DAYS_TO_1970) % cycle + cycle) % cycle;
	s64 era = days / DAYS_400_YEARS, d = days % DAYS_400_YEARS;
	s64 century = KT_MIN(d / DAYS_100_YEARS, 3);
	d -= century * DAYS_100_YEARS;
	s64 four = d / DAYS_4_YEARS;
	d -= four * DAYS_4_YEARS;
	s64 one = KT_MIN(d / 365, 3);
	d -= one * 365;
	s64 month = (5 * d + 2) / 153; /* 0: March */
	s64 year = era * 400 + century * 100 + four * 4 + one + (month >= 10);
	c.day = (unsigned)(d - (153 * month + 2) / 5) + 1;
	c.month = (unsigned)(month >= 10 ? month - 9 : month + 3);
	c.year = (unsigned)(year % 10000);
	return c;
}
