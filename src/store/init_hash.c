/* SPDX-License-Identifier: MIT */
#include "store/init_hash.h"

#include <string.h>
#include <xxhash.h>

/* The state is opaque here: XXH3_createState aligns it. */
static XXH3_state_t *state(struct kt_init_hash *h)
{
	return (XXH3_state_t *)h;
}

static void add(struct kt_init_hash *h, u64 v)
{
	u8 le[8];
	for (unsigned i = 0; i < 8; i++)
		le[i] = (u8)(v >> (8 * i));
	XXH3_128bits_update(state(h), le, sizeof le);
}

struct kt_init_hash *kt_init_hash_create(const struct kt_arch *arch, u64 mem_bytes, u64 step_ns, s64 rtc, const u64 *regs)
{
	struct kt_init_hash *h = (struct kt_init_hash *)XXH3_createState();

	if (!h)
		return NULL;
	XXH3_128bits_reset(state(h));
	add(h, arch->id | (u64)arch->nregs << 32);
	add(h, mem_bytes);
	add(h, step_ns);
	add(h, (u64)rtc);
	for (unsigned i = 0; i < arch->nregs; i++)
		add(h, regs[i]);
	return h;
}

void kt_init_hash_range(struct kt_init_hash *h, u64 gpa, u64 size)
{
	add(h, gpa);
	add(h, size);
}

void kt_init_hash_page(struct kt_init_hash *h, u64 hash)
{
	add(h, hash);
}

void kt_init_hash_final(struct kt_init_hash *h, u8 out[16])
{
	XXH128_canonical_t c;

	if (!h)
		return;
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(state(h)));
	memcpy(out, c.digest, 16);
	XXH3_freeState(state(h));
}
