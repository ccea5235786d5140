/* SPDX-License-Identifier: MIT */
/* The hash of State(first): machine, registers, memory. It seals the digest (doc/format.md, "Tables", head.init). */
#ifndef KT_INIT_HASH_H
#define KT_INIT_HASH_H

#include "base/types.h"
#include "ktrace/arch.h"

struct kt_init_hash;

/* regs: arch->nregs of them. NULL: out of memory. */
struct kt_init_hash *kt_init_hash_create(const struct kt_arch *arch, u64 mem_bytes, u64 step_ns, s64 rtc, const u64 *regs);
/* A RAM range, before its pages. */
void kt_init_hash_range(struct kt_init_hash *h, u64 gpa, u64 size);
/* The XXH3-64 of the range's next page of 4096 bytes. */
void kt_init_hash_page(struct kt_init_hash *h, u64 hash);
/* Writes the hash and frees. NULL is fine: nothing is written. */
void kt_init_hash_final(struct kt_init_hash *h, u8 out[16]);

#endif
