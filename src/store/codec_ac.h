/* SPDX-License-Identifier: MIT */
/* An adaptive binary arithmetic coder: each decision is coded under a slot that remembers how such decisions went.
 * A right guess costs a ten-thousandth of a bit, which is what makes a step cost less than one. Integers only, so that
 * every host writes the same bytes. doc/format.md, "Decisions". */
#ifndef KT_CODEC_AC_H
#define KT_CODEC_AC_H

#include <string.h>

#include "base/buf.h"

/* A slot: probability that the decision is 1 in the high 22 bits, how often it was seen in the low 10. */
typedef u32 kt_slot;
enum { KT_SLOT_EVEN_P = 1 << 21, KT_SLOT_LIMIT = 255 };
#define KT_SLOT(p22, n) ((u32)(p22) << 10 | (u32)(n))
#define KT_SLOT_EVEN KT_SLOT(KT_SLOT_EVEN_P, 0)
#define KT_SLOT_RARE KT_SLOT(1 << 14, 3)                /* a 1 is seldom: 1 in 256 */
#define KT_SLOT_OFTEN KT_SLOT((1 << 22) - (1 << 14), 3) /* a 0 is seldom */

/* How far a slot moves towards what happened: 65536 / (n + 1.5). */
extern const u16 kt_slot_rate[KT_SLOT_LIMIT + 1];

static inline void kt_slot_update(kt_slot *s, bool bit, unsigned limit)
{
	u32 n = *s & 1023;
	s64 p = *s >> 10;
	p += ((s64)(bit ? (1 << 22) - 1 : 0) - p) * kt_slot_rate[n] >> 16;
	*s = (u32)p << 10 | (n < limit ? n + 1 : n);
}

/* Probability of 1 in 1/65536, never 0. */
static inline u32 kt_slot_p(kt_slot s)
{
	u32 p = s >> 16;
	return p + !p;
}

/* One coder, writing or reading. low, range: the interval; when range falls under 2^48, 16 bits leave. */
struct kt_ac {
	u64 low, range;
	struct kt_buf *out;  /* writing */
	const u8 *p, *end;   /* reading */
	u32 over;            /* bytes read behind the end: more than 8 means the stream was cut */
};

static inline void kt_ac_write_begin(struct kt_ac *a, struct kt_buf *out)
{
	*a = (struct kt_ac){ .range = ~0ull, .out = out };
}
void kt_ac_read_begin(struct kt_ac *a, const u8 *p, size_t n);
/* Ends writing: as few bytes as name a number in the interval (what is missing reads as zeros). */
void kt_ac_write_end(struct kt_ac *a);
/* True if reading needed bytes that a writer would have written. */
static inline bool kt_ac_cut(const struct kt_ac *a)
{
	return a->over > 8;
}
void kt_ac_carry(struct kt_ac *a);
void kt_ac_out(struct kt_ac *a);
void kt_ac_in_slow(struct kt_ac *a);

static inline __attribute__((always_inline)) bool kt_ac_code(struct kt_ac *a, const bool enc, u32 p1, bool bit)
{
	u64 bound = (a->range >> 16) * p1;
	if (enc) {
		if (bit) {
			a->range = bound;
		} else {
			u64 low = a->low + bound;
			if (kt_unlikely(low < a->low))
				kt_ac_carry(a);
			a->low = low;
			a->range -= bound;
		}
		while (kt_unlikely(a->range < 1ull << 48))
			kt_ac_out(a);
		return bit;
	}
	bit = a->low < bound;
	if (bit) {
		a->range = bound;
	} else {
		a->low -= bound;
		a->range -= bound;
	}
	while (kt_unlikely(a->range < 1ull << 48)) {
		if (kt_likely(a->end - a->p >= 2)) {
			a->low = a->low << 16 | (u64)a->p[0] << 8 | a->p[1];
			a->range <<= 16;
			a->p += 2;
		} else {
			kt_ac_in_slow(a);
		}
	}
	return bit;
}

/* A decision under a slot. Writing: codes `bit` and returns it; reading: returns what was coded. */
static inline __attribute__((always_inline)) bool kt_ac_bit(struct kt_ac *a, const bool enc, kt_slot *s, bool bit)
{
	bit = kt_ac_code(a, enc, kt_slot_p(*s), bit);
	kt_slot_update(s, bit, KT_SLOT_LIMIT);
	return bit;
}

/* A number of `bits` bits, high bit first, under a tree of 1 << bits slots. */
static inline u32 kt_ac_tree(struct kt_ac *a, const bool enc, kt_slot *tree, unsigned bits, u32 v)
{
	u32 node = 1;
	for (unsigned i = bits; i-- > 0;)
		node = node << 1 | kt_ac_bit(a, enc, &tree[node], v >> i & 1);
	return node - (1u << bits);
}

/* Slots for numbers of up to 8 bytes that tend to share their high bytes with a reference. */
struct kt_numbers {
	kt_slot same[9][8];   /* by the number's size and the byte's place: still equal to the reference? */
	kt_slot byte[8][256]; /* by place: bytes that are not */
};
void kt_numbers_init(struct kt_numbers *t);
u64 kt_ac_number_write(struct kt_ac *a, struct kt_numbers *t, unsigned size, u64 ref, u64 v);
u64 kt_ac_number_read(struct kt_ac *a, struct kt_numbers *t, unsigned size, u64 ref);
static inline u64 kt_ac_number(struct kt_ac *a, const bool enc, struct kt_numbers *t, unsigned size, u64 ref, u64 v)
{
	return enc ? kt_ac_number_write(a, t, size, ref, v) : kt_ac_number_read(a, t, size, ref);
}

static inline void kt_slots_init(kt_slot *s, size_t n, kt_slot v)
{
	for (size_t i = 0; i < n; i++)
		s[i] = v;
}

#endif
