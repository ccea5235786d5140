/* SPDX-License-Identifier: MIT */
/* Calendar dates of the proleptic Gregorian calendar from seconds since 1970 and back, in UTC, without the host's libc
 * (time zones, leap seconds). */
#ifndef VM_CIVIL_H
#define VM_CIVIL_H

#include "base/types.h"

struct civil {
	unsigned year;  /* 0..9999 */
	unsigned month; /* 1..12 */
	unsigned day;   /* 1..31 */
	unsigned hour, minute, second;
	unsigned weekday; /* 0: Sunday. Not read by civil_to_seconds */
};

/* Any number of seconds; years beyond 0..9999 wrap around (10,000 years are a whole number of 400-year cycles). */
struct civil civil_of_seconds(s64 seconds);
/* Fields out of range count on into the next larger unit; each at most 2^20. Month 0 counts as 1. */
s64 civil_to_seconds(const struct civil *c);

#endif
