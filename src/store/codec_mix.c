/* SPDX-License-Identifier: MIT */
/* The logistic function and its inverse as integer tables. */
#include "store/codec_mix.h"

/* 65536 / (1 + e^-x) for x = -11, -10.5 ... 11, at least 1 and below 65536. */
static const u16 knots[45] = { 1,     2,     3,     5,     8,     13,    22,    36,    60,    98,    162,   267,   439,   720,   1179,
	                       1921,  3108,  4971,  7812,  11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565, 62428, 63615,
	                       64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514, 65523, 65528, 65531, 65533, 65534, 65535 };

void kt_mix_tables_init(struct kt_mix_tables *t)
{
	for (unsigned i = 0; i <= 2 * KT_MIX_MAX; i++) {
		unsigned at = i + 1, k = at >> 7, part = at & 127; /* -2816 is knot 0, a knot every 128 */
		t->squash[i] = (u16)(knots[k] + ((knots[k + 1] - knots[k]) * part >> 7));
	}
	unsigned next = 0;
	for (int x = -KT_MIX_MAX; x <= KT_MIX_MAX; x++) {
		unsigned v = t->squash[x + KT_MIX_MAX] >> 4;
		for (; next <= v; next++)
			t->stretch[next] = (s16)x;
	}
	for (; next < 4096; next++)
		t->stretch[next] = KT_MIX_MAX;
}
