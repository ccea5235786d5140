/* SPDX-License-Identifier: MIT */
/* Register files at the frames of a chunk, each as what differs from the one before. doc/format.md, "Keyframes". */
#include <stdlib.h>
#include <string.h>

#include "store/codec.h"
#include "store/codec_ac.h"

enum { FRAMES_MAX = KT_CHUNK_STEPS / KT_FRAME_STEPS };

struct keyframes {
	kt_slot hot, cold, again[KT_REGS_MAX]; /* does a register differ? again: it has differed in this chunk */
	bool differed[KT_REGS_MAX];
	struct kt_numbers hot_value, cold_value;
};

static struct keyframes *begin(void)
{
	struct keyframes *k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->hot = KT_SLOT_EVEN;
	k->cold = KT_SLOT_RARE;
	kt_slots_init(k->again, KT_REGS_MAX, KT_SLOT_EVEN);
	kt_numbers_init(&k->hot_value);
	kt_numbers_init(&k->cold_value);
	return k;
}

static void code_one(struct keyframes *k, struct kt_ac *a, bool enc, const struct kt_arch *arch, u32 nregs, u64 *regs, const u64 *before)
{
	for (u32 i = 0; i < nregs; i++) {
		bool hot = i < arch->nhot;
		kt_slot *slot = k->differed[i] ? &k->again[i] : hot ? &k->hot : &k->cold;
		if (!kt_ac_bit(a, enc, slot, regs[i] != before[i])) {
			regs[i] = before[i];
			continue;
		}
		k->differed[i] = true;
		regs[i] = kt_ac_number(a, enc, hot ? &k->hot_value : &k->cold_value, 8, before[i], regs[i]);
	}
}

static const u64 zero[KT_REGS_MAX];

int kt_keyframes_put_from(struct kt_buf *out, const struct kt_arch *arch, const u64 *base, const u64 *regs, u32 nframes)
{
	struct keyframes *k = begin();
	struct kt_buf b = { 0 };
	struct kt_ac a;

	if (!k)
		return -KT_E_NOMEM;
	kt_ac_write_begin(&a, &b);
	for (u32 i = 0; i < nframes; i++) {
		u64 copy[KT_REGS_MAX];
		memcpy(copy, regs + (size_t)i * KT_REGS_MAX, sizeof(copy));
		code_one(k, &a, true, arch, arch->nregs, copy, i ? regs + (size_t)(i - 1) * KT_REGS_MAX : base ? base : zero);
	}
	kt_ac_write_end(&a);
	kt_buf_varint(out, arch->nregs);
	kt_buf_varint(out, b.len);
	kt_buf_put(out, b.data, b.len);
	bool failed = b.failed || out->failed;
	kt_buf_free(&b);
	free(k);
	return failed ? -KT_E_NOMEM : 0;
}

int kt_keyframes_get_from(struct kt_rd *in, const struct kt_arch *arch, const u64 *base, u64 *regs, u32 nframes, struct kt_err *err)
{
	u64 nregs = kt_rd_varint(in), size = kt_rd_varint(in);
	const u8 *p = kt_rd_bytes(in, size > kt_rd_left(in) ? kt_rd_left(in) + 1 : (size_t)size);

	if (!p || nframes > FRAMES_MAX)
		return kt_fail(err, KT_E_CORRUPT, "keyframes are cut short");
	if (nregs > arch->nregs)
		return kt_fail(err, KT_E_VERSION, "keyframes of %llu registers; this reader knows %u: use a newer ktrace", (unsigned long long)nregs, arch->nregs);
	struct keyframes *k = begin();
	if (!k)
		return kt_fail(err, KT_E_NOMEM, "no memory for keyframes");
	struct kt_ac a;
	kt_ac_read_begin(&a, p, (size_t)size);
	for (u32 i = 0; i < nframes; i++) {
		u64 *to = regs + (size_t)i * KT_REGS_MAX;
		const u64 *before = i ? to - KT_REGS_MAX : base ? base : zero;
		memset(to, 0, KT_REGS_MAX * sizeof(*to));
		memcpy(to + nregs, before + nregs, (arch->nregs - nregs) * sizeof(*to));
		code_one(k, &a, false, arch, (u32)nregs, to, before);
	}
	free(k);
	return kt_ac_cut(&a) || a.p != a.end ? kt_fail(err, KT_E_CORRUPT, "keyframes: %u register files do not fill their %zu bytes", nframes, (size_t)size) : 0;
}

int kt_keyframes_put(struct kt_buf *out, const struct kt_arch *arch, const u64 *regs, u32 nframes)
{
	return kt_keyframes_put_from(out, arch, NULL, regs, nframes);
}

int kt_keyframes_get(struct kt_rd *in, const struct kt_arch *arch, u64 *regs, u32 nframes, struct kt_err *err)
{
	return kt_keyframes_get_from(in, arch, NULL, regs, nframes, err);
}
