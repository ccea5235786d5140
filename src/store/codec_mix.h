/* SPDX-License-Identifier: MIT */
/* Mixing: several slots' opinions on one decision, weighed by how right each has been (logistic mixing). Integers only.
 * doc/format.md, "Mixed decisions". */
#ifndef KT_CODEC_MIX_H
#define KT_CODEC_MIX_H

#include "store/codec_ac.h"

/* Log odds in 1/256, clamped to +-KT_MIX_MAX (11). */
enum { KT_MIX_MAX = 2815, KT_MIX_INPUTS = 6 };

struct kt_mix_tables {
	s16 stretch[4096];               /* of a probability's high 12 bits */
	u16 squash[2 * KT_MIX_MAX + 1];  /* back: 1..65535 */
};
void kt_mix_tables_init(struct kt_mix_tables *t);

struct kt_mix_weights {
	s32 w[KT_MIX_INPUTS]; /* 65536 is 1 */
};

/* One decision under the opinions of KT_MIX_INPUTS slots; all learn. */
static inline __attribute__((always_inline)) bool kt_mix_bit(struct kt_ac *a, const bool enc, const struct kt_mix_tables *t,
                                                              struct kt_mix_weights *w, kt_slot *const slot[KT_MIX_INPUTS], bool bit)
{
	s32 st[KT_MIX_INPUTS];
	s64 dot = 0;
	for (unsigned i = 0; i < KT_MIX_INPUTS; i++) {
		st[i] = t->stretch[*slot[i] >> 20];
		dot += (s64)w->w[i] * st[i];
	}
	dot >>= 16;
	dot = dot > KT_MIX_MAX ? KT_MIX_MAX : dot < -KT_MIX_MAX ? -KT_MIX_MAX : dot;
	u32 p = t->squash[dot + KT_MIX_MAX];
	bit = kt_ac_code(a, enc, p, bit);
	s32 err = (s32)(bit ? 65535 - p : 0 - p);
	for (unsigned i = 0; i < KT_MIX_INPUTS; i++) {
		w->w[i] += (s32)((s64)st[i] * err >> 13);
		kt_slot_update(slot[i], bit, KT_SLOT_LIMIT);
	}
	return bit;
}

#endif
