/* SPDX-License-Identifier: MIT */
#ifndef KT_ARM64_TEXT_H
#define KT_ARM64_TEXT_H

#include "base/types.h"

/* An A64 instruction as text, lower case, absolute branch targets; n bytes (4) at address pc; at most size-1 characters.
 * Returns text. "(bad)" for no instruction. Thread-safe. */
char *arm64_text(u64 pc, const u8 *bytes, unsigned n, char *text, size_t size);

#endif
