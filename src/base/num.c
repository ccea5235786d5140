/* SPDX-License-Identifier: MIT */
#include "base/num.h"

#include <stdio.h>
#include <string.h>

static bool mul_add(u64 *v, u64 by, u64 add)
{
	return !__builtin_mul_overflow(*v, by, v) && !__builtin_add_overflow(*v, add, v);
}

static int digit(char c, unsigned base)
{
	int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
	return d < (int)base ? d : -1;
}

static bool parse_hex(const char *p, u64 *out)
{
	u64 v = 0;
	if (!*p)
		return false;
	for (; *p; p++)
		if (digit(*p, 16) < 0 || !mul_add(&v, 16, (u64)digit(*p, 16)))
			return false;
	*out = v;
	return true;
}

/* The power of 1024 that a suffix stands for; -1: none such. */
static int suffix_power(const char *p)
{
	static const char letters[] = "KMGT";
	if (!*p)
		return 0;
	char up = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	const char *at = strchr(letters, up);
	if (!at || (p[1] && strcmp(p + 1, "B") && strcmp(p + 1, "iB")))
		return -1;
	return (int)(at - letters) + 1;
}

bool kt_parse_u64(const char *p, u64 *out)
{
	u64 v = 0;
	unsigned fraction = 0, exponent = 0;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		return parse_hex(p + 2, out);
	if (digit(*p, 10) < 0)
		return false;
	for (; digit(*p, 10) >= 0; p++)
		if (!mul_add(&v, 10, (u64)digit(*p, 10)))
			return false;
	if (*p == '.') {
		if (digit(*++p, 10) < 0)
			return false;
		for (; digit(*p, 10) >= 0; p++, fraction++)
			if (!mul_add(&v, 10, (u64)digit(*p, 10)))
				return false;
	}
	if (*p == 'e' || *p == 'E') {
		if (digit(*++p, 10) < 0)
			return false;
		for (; digit(*p, 10) >= 0; p++)
			if ((exponent = exponent * 10 + (unsigned)digit(*p, 10)) > 40)
				return false;
	}
	int power = suffix_power(p);
	if (power < 0)
		return false;
	for (; power > 0; power--)
		if (!mul_add(&v, 1024, 0))
			return false;
	for (; exponent > fraction; exponent--)
		if (!mul_add(&v, 10, 0))
			return false;
	for (; fraction > exponent; fraction--) {
		if (v % 10)
			return false;
		v /= 10;
	}
	*out = v;
	return true;
}

char *kt_group_digits(u64 v, char buf[32])
{
	char raw[24];
	int n = snprintf(raw, sizeof raw, "%llu", (unsigned long long)v), o = 0;
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf[o++] = ',';
		buf[o++] = raw[i];
	}
	buf[o] = 0;
	return buf;
}

char *kt_human_bytes(u64 v, char buf[32])
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double d = (double)v;
	unsigned u = 0;
	for (; d >= 1024 && u + 1 < KT_ARRAY_LEN(unit); u++)
		d /= 1024;
	snprintf(buf, 32, u ? "%.1f %s" : "%.0f %s", d, unit[u]);
	return buf;
}
