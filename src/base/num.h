/* SPDX-License-Identifier: MIT */
/* Numbers as people write them: 42, 1e6, 1.5e7, 64K, 2GiB, 0x1000. */
#ifndef KT_NUM_H
#define KT_NUM_H

#include "base/types.h"

/* Parses all of `text` into *out. Suffixes K M G T (powers of 1024, optionally followed by "iB" or "B"); decimal
 * exponents and fractions are exact or refused (1.5e7 yes, 1.23e1 no). false: malformed, negative or over 2^64-1. */
bool kt_parse_u64(const char *text, u64 *out);

/* "1,234,567" into buf; returns buf. */
char *kt_group_digits(u64 v, char buf[32]);
/* "1.4 MiB" into buf; returns buf. */
char *kt_human_bytes(u64 v, char buf[32]);

#endif
