/* SPDX-License-Identifier: MIT */
#include "store/dict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/seal.h"

enum { BLOCK = 1024, BLOCKS = KT_DICT_MAX / BLOCK };

/* Entries lie in blocks that stay where they are; the table of blocks has its full size from the start (its untouched
 * part costs address space only). `slot` is an open-addressed hash of numbers, a power of two, at most half full. */
struct kt_dict {
	struct kt_insn **block;
	u32 count;
	u32 *slot;
	u32 nslots;
};

struct kt_dict *kt_dict_create(void)
{
	struct kt_dict *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->nslots = 4096;
	d->slot = calloc(d->nslots, sizeof *d->slot);
	d->block = calloc(BLOCKS, sizeof(struct kt_insn *));
	if (!d->slot || !d->block) {
		kt_dict_destroy(d);
		return NULL;
	}
	return d;
}

void kt_dict_destroy(struct kt_dict *d)
{
	if (!d)
		return;
	for (u32 i = 0; d->block && i < BLOCKS; i++)
		free(d->block[i]);
	free(d->block);
	free(d->slot);
	free(d);
}

u32 kt_dict_count(const struct kt_dict *d)
{
	return d->count;
}

const struct kt_insn *kt_dict_get(const struct kt_dict *d, u32 id)
{
	if (!id || id >= KT_DICT_MAX)
		return NULL;
	const struct kt_insn *b = d->block[id / BLOCK];
	return b && b[id % BLOCK].id ? &b[id % BLOCK] : NULL;
}

static const struct kt_insn *view_get(void *ctx, u32 id)
{
	return kt_dict_get(ctx, id);
}

struct kt_dict_view kt_dict_view(const struct kt_dict *d)
{
	return (struct kt_dict_view){ view_get, (void *)d };
}

static struct kt_insn *place(struct kt_dict *d, u32 id)
{
	struct kt_insn **b = &d->block[id / BLOCK];
	if (!*b)
		*b = calloc(BLOCK, sizeof **b);
	return *b ? *b + id % BLOCK : NULL;
}

/* Bytes behind len are zero in every kt_insn, so two words hold them all. */
static u64 hash_of(const struct kt_insn *k)
{
	u64 lo, hi;
	memcpy(&lo, k->bytes, 8);
	memcpy(&hi, k->bytes + 8, 8);
	u64 h = (k->pc ^ (u64)k->mode << 56 ^ (u64)k->len << 48) * 0x9e3779b97f4a7c15ull;
	h = (h ^ h >> 29 ^ lo) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ h >> 32 ^ hi) * 0x94d049bb133111ebull;
	return h ^ h >> 31;
}

static bool same(const struct kt_insn *a, const struct kt_insn *b)
{
	return a->pc == b->pc && a->mode == b->mode && a->len == b->len && !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static void hang(struct kt_dict *d, u32 id)
{
	u32 at = (u32)hash_of(kt_dict_get(d, id)) & (d->nslots - 1);
	while (d->slot[at])
		at = (at + 1) & (d->nslots - 1);
	d->slot[at] = id;
}

static bool grow(struct kt_dict *d)
{
	u32 *old = d->slot, n = d->nslots;
	u32 *slot = calloc((size_t)n * 2, sizeof *slot);
	if (!slot)
		return false;
	d->slot = slot;
	d->nslots = n * 2;
	for (u32 i = 0; i < n; i++)
		if (old[i])
			hang(d, old[i]);
	free(old);
	return true;
}

u32 kt_dict_add(struct kt_dict *d, const struct kt_insn *insn)
{
	u32 at = (u32)hash_of(insn) & (d->nslots - 1);
	for (; d->slot[at]; at = (at + 1) & (d->nslots - 1))
		if (same(kt_dict_get(d, d->slot[at]), insn))
			return d->slot[at];
	if (d->count + 1 >= KT_DICT_MAX || ((d->count + 1) * 2 > d->nslots && !grow(d)))
		return 0;
	u32 id = d->count + 1;
	struct kt_insn *k = place(d, id);
	if (!k)
		return 0;
	*k = *insn;
	k->id = id;
	d->count = id;
	hang(d, id);
	return id;
}

int kt_dict_pack(const struct kt_dict *d, u32 first, u32 count, struct kt_zst *z, struct kt_buf *out, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	u64 next = 0;
	int rc;

	for (u32 i = 0; i < count; i++) {
		const struct kt_insn *k = kt_dict_get(d, first + i);
		kt_buf_svarint(&raw, (s64)(k->pc - next));
		next = k->pc + k->len;
	}
	for (u32 i = 0; i < count; i++)
		kt_buf_u8(&raw, kt_dict_get(d, first + i)->mode);
	for (u32 i = 0; i < count; i++)
		kt_desc_put(&raw, &kt_dict_get(d, first + i)->desc);
	for (u32 i = 0; i < count; i++) /* 0, where the descriptor knows it */
		kt_buf_u8(&raw, (u8)(kt_dict_get(d, first + i)->len - kt_dict_get(d, first + i)->desc.len));
	for (u32 i = 0; i < count; i++)
		kt_buf_put(&raw, kt_dict_get(d, first + i)->bytes, kt_dict_get(d, first + i)->len);
	rc = raw.failed ? kt_fail(err, KT_E_NOMEM, "no memory for %u dictionary entries", count) : kt_seal(z, raw.data, raw.len, out, err);
	kt_buf_free(&raw);
	return rc;
}

static int unpack_columns(struct kt_insn *k, u32 count, unsigned nregs, struct kt_rd *r, const char *what, struct kt_err *err)
{
	u64 next = 0;

	for (u32 i = 0; i < count; i++)
		k[i].pc = (u64)kt_rd_svarint(r); /* relative to the end of the one before until lengths are known */
	for (u32 i = 0; i < count; i++)
		k[i].mode = kt_rd_u8(r);
	for (u32 i = 0; i < count && !r->bad; i++) {
		int rc = kt_desc_get(r, nregs, &k[i].desc, err);
		if (rc)
			return kt_fail_in(err, "%s: entry %u", what, i);
	}
	for (u32 i = 0; i < count; i++) {
		k[i].len = (u8)(k[i].desc.len + kt_rd_u8(r));
		if (k[i].len > 15)
			return kt_fail(err, KT_E_CORRUPT, "%s: entry %u has %u bytes", what, i, k[i].len);
		k[i].pc += next;
		next = k[i].pc + k[i].len;
	}
	for (u32 i = 0; i < count; i++) {
		const u8 *p = kt_rd_bytes(r, k[i].len);
		if (p)
			memcpy(k[i].bytes, p, k[i].len);
	}
	if (r->bad || kt_rd_left(r))
		return kt_fail(err, KT_E_CORRUPT, "%s: its columns do not fit its %u entries", what, count);
	return 0;
}

int kt_dict_unpack(struct kt_dict *d, const struct kt_arch *arch, u32 first, u32 count, struct kt_rd in, struct kt_zst *z, struct kt_err *err)
{
	struct kt_buf raw = { 0 };
	char what[48];
	int rc = -KT_E_CORRUPT;

	snprintf(what, sizeof what, "dict row %u", first);
	if (!first || !count || count > KT_CHUNK_STEPS || first >= KT_DICT_MAX - count)
		return kt_fail(err, KT_E_CORRUPT, "%s: claims %u entries", what, count);
	struct kt_insn *k = calloc(count, sizeof *k);
	if (!k)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory for %u entries", what, count);
	rc = kt_unseal(z, &in, (size_t)count * 1024, &raw, what, err);
	if (!rc) {
		struct kt_rd r = kt_rd_of(raw.data, raw.len);
		rc = unpack_columns(k, count, arch->nregs, &r, what, err);
	}
	for (u32 i = 0; !rc && i < count; i++) {
		struct kt_insn *to = place(d, first + i);
		if (!to) {
			rc = kt_fail(err, KT_E_NOMEM, "%s: no memory", what);
		} else if (!to->id) {
			*to = k[i];
			to->id = first + i;
			d->count = KT_MAX(d->count, first + i);
		}
	}
	free(k);
	kt_buf_free(&raw);
	return rc;
}
