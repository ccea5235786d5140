/* SPDX-License-Identifier: MIT */
/* The digest: canonical step records (doc/format.md, "Digest") through XXH3-128, a leaf for every aligned 65,536 steps.
 * Records are gathered before they are hashed, since the hash's own bookkeeping costs more than a step. */
#include "store/digest.h"

#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* for the state's size: it stands in structures and on the stack */
#include <xxhash.h>

/* A record but for its accesses: head, pc, mask, hot values, cold pairs, events. */
enum { RECORD_WORDS = 3 + KT_HOT_REGS + 2 * KT_STEP_COLD + 2 * KT_STEP_EVENTS };
enum { GATHER = 32768 };

struct kt_digest {
	XXH3_state_t hash; /* first: wants 64-byte alignment */
	unsigned nhot;
	u64 next;          /* number of the next step */
	u64 in_leaf;       /* steps in the open leaf */
	bool ready;
	u8 leaf[KT_LEAF_BYTES];
	size_t used;
	u8 gather[GATHER] __attribute__((aligned(8))); /* used stays a multiple of 8 */
};

struct kt_digest *kt_digest_create(const struct kt_arch *arch, u64 first_step)
{
	struct kt_digest *d = aligned_alloc(64, (sizeof(*d) + 63) & ~(size_t)63);
	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->nhot = KT_MIN(arch->nhot, (unsigned)KT_HOT_REGS);
	d->next = first_step;
	XXH3_128bits_reset(&d->hash);
	return d;
}

void kt_digest_destroy(struct kt_digest *d)
{
	free(d);
}

static void flush(struct kt_digest *d)
{
	XXH3_128bits_update(&d->hash, d->gather, d->used);
	d->used = 0;
}

static void add(struct kt_digest *d, const void *p, size_t n)
{
	if (n > GATHER - d->used)
		flush(d);
	if (n > GATHER) {
		XXH3_128bits_update(&d->hash, p, n);
		return;
	}
	memcpy(d->gather + d->used, p, n);
	d->used += n;
}

static bool counts(const struct kt_access *a)
{
	return a->space == KT_SPACE_RAM ? (a->flags & KT_ACCESS_WRITE) != 0 : true;
}

static u64 *put_events(const struct kt_step *s, u64 *w, u64 *n)
{
	for (unsigned i = 0; i < s->nevent; i++) {
		const struct kt_event *e = &s->event[i];
		if (e->kind != KT_EVENT_EXCEPTION && e->kind != KT_EVENT_IRQ)
			continue;
		*w++ = e->kind | (u64)e->num << 16 | (u64)e->code << 32;
		*w++ = e->value;
		++*n;
	}
	return w;
}

static void add_access(struct kt_digest *d, const struct kt_access *a)
{
	static const u8 zero[8];
	u64 w[2] = { a->pa, a->size | (u64)a->space << 32 | (u64)(a->flags & (KT_ACCESS_WRITE | KT_ACCESS_FILL | KT_ACCESS_NODATA)) << 40 |
		                    (u64)(a->flags & KT_ACCESS_FILL ? a->elem : 0) << 48 };
	add(d, w, sizeof(w));
	if (a->flags & KT_ACCESS_NODATA)
		return;
	u32 n = a->flags & KT_ACCESS_FILL ? a->elem : a->size;
	add(d, a->data, n);
	if (n & 7)
		add(d, zero, 8 - (n & 7));
	if (d->used & 7) /* longer than the buffer, and its padding alone is in it */
		flush(d);
}

static void close_leaf(struct kt_digest *d)
{
	XXH128_canonical_t c;
	flush(d);
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(&d->hash));
	memcpy(d->leaf, c.digest, KT_LEAF_BYTES);
	XXH3_128bits_reset(&d->hash);
	d->ready = true;
	d->in_leaf = 0;
}

void kt_digest_step(struct kt_digest *d, const struct kt_step *s, const u64 *prev)
{
	if (sizeof(u64) * RECORD_WORDS > GATHER - d->used)
		flush(d);
	u64 *rec = (u64 *)(d->gather + d->used), *w = rec + 3, mask = 0, nevent = 0, naccess = 0;

	for (unsigned i = 0; i < d->nhot; i++) { /* without branches: which registers change is hard to foresee */
		u64 differs = s->hot[i] != prev[i];
		*w = s->hot[i];
		w += differs;
		mask |= differs << i;
	}
	for (unsigned i = 0; i < s->ncold; i++) {
		*w++ = s->cold[i].reg;
		*w++ = s->cold[i].value;
	}
	if (s->nevent)
		w = put_events(s, w, &nevent);
	for (unsigned i = 0; i < s->naccess; i++)
		naccess += counts(&s->access[i]);
	rec[0] = (u64)s->kind | (u64)s->ncold << 8 | nevent << 16 | naccess << 24;
	rec[1] = s->pc;
	rec[2] = mask;
	d->used += (size_t)((u8 *)w - (u8 *)rec);
	for (unsigned i = 0; naccess && i < s->naccess; i++)
		if (counts(&s->access[i]))
			add_access(d, &s->access[i]);
	d->in_leaf++;
	if (++d->next % KT_LEAF_STEPS == 0)
		close_leaf(d);
}

bool kt_digest_leaf(struct kt_digest *d, u8 leaf[KT_LEAF_BYTES])
{
	if (!d->ready)
		return false;
	memcpy(leaf, d->leaf, KT_LEAF_BYTES);
	d->ready = false;
	return true;
}

bool kt_digest_tail(const struct kt_digest *d, u8 leaf[KT_LEAF_BYTES])
{
	if (!d->in_leaf)
		return false;
	XXH3_state_t copy;
	XXH128_canonical_t c;
	XXH3_copyState(&copy, &d->hash);
	XXH3_128bits_update(&copy, d->gather, d->used);
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(&copy));
	memcpy(leaf, c.digest, KT_LEAF_BYTES);
	return true;
}

void kt_digest_final(const u8 init[KT_LEAF_BYTES], u64 first, u64 count, const u8 *leaves, size_t nleaves, u8 out[KT_LEAF_BYTES])
{
	static const char domain[16] = "ktrace digest 1";
	u64 range[2] = { first, count };
	XXH3_state_t hash;
	XXH128_canonical_t c;

	XXH3_128bits_reset(&hash);
	XXH3_128bits_update(&hash, domain, sizeof(domain));
	XXH3_128bits_update(&hash, init, KT_LEAF_BYTES);
	XXH3_128bits_update(&hash, range, sizeof(range));
	XXH3_128bits_update(&hash, leaves, nleaves * KT_LEAF_BYTES);
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(&hash));
	memcpy(out, c.digest, KT_LEAF_BYTES);
}
