/* SPDX-License-Identifier: MIT */
/* The dictionary: every distinct (linear address, bytes, mode) that a trace executed has a number, counted from 1.
 * Entries never move and never change, so a second thread may read those it has been told of without a lock. */
#ifndef KT_DICT_H
#define KT_DICT_H

#include "arch/insn.h"
#include "base/zst.h"
#include "store/codec.h"

enum { KT_DICT_MAX = 1 << 28 };

struct kt_dict;

struct kt_dict *kt_dict_create(void); /* NULL: out of memory */
void kt_dict_destroy(struct kt_dict *d);

/* The number of an instruction, given on first sight. 0: out of memory or KT_DICT_MAX reached. */
u32 kt_dict_add(struct kt_dict *d, const struct kt_insn *insn);
/* How many there are: numbers 1 .. n. Only for the thread that adds. */
u32 kt_dict_count(const struct kt_dict *d);
/* Entry `id`, NULL if there is none (yet). */
const struct kt_insn *kt_dict_get(const struct kt_dict *d, u32 id);
/* The same, for the codec. */
struct kt_dict_view kt_dict_view(const struct kt_dict *d);

/* Appends entries first .. first+count-1, packed by columns and sealed. */
int kt_dict_pack(const struct kt_dict *d, u32 first, u32 count, struct kt_zst *z, struct kt_buf *out, struct kt_err *err);
/* Adds what kt_dict_pack made, at its own numbers; entries there already are kept. -KT_E_CORRUPT, -KT_E_NOMEM. */
int kt_dict_unpack(struct kt_dict *d, const struct kt_arch *arch, u32 first, u32 count, struct kt_rd in, struct kt_zst *z, struct kt_err *err);

#endif
