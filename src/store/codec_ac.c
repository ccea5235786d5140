/* SPDX-License-Identifier: MIT */
/* The arithmetic coder's slow paths, and numbers made of decisions. */
#include "store/codec_ac.h"

#define R1(n) 131072u / (2 * (n) + 3)
#define R4(n) R1(n), R1(n + 1), R1(n + 2), R1(n + 3)
#define R16(n) R4(n), R4(n + 4), R4(n + 8), R4(n + 12)
#define R64(n) R16(n), R16(n + 16), R16(n + 32), R16(n + 48)
const u16 kt_slot_rate[KT_SLOT_LIMIT + 1] = { R64(0), R64(64), R64(128), R64(192) };

/* low passed 2^64: one more in what has left already. Never runs off the front: the interval lies within [0, 1). */
void kt_ac_carry(struct kt_ac *a)
{
	for (size_t i = a->out->len; i-- > 0;)
		if (++a->out->data[i])
			return;
}

void kt_ac_out(struct kt_ac *a)
{
	kt_buf_u8(a->out, (u8)(a->low >> 56));
	kt_buf_u8(a->out, (u8)(a->low >> 48));
	a->low <<= 16;
	a->range <<= 16;
}

static u8 next_byte(struct kt_ac *a)
{
	if (a->p < a->end)
		return *a->p++;
	if (a->over < 1000)
		a->over++;
	return 0;
}

void kt_ac_in_slow(struct kt_ac *a)
{
	for (unsigned i = 0; i < 2; i++)
		a->low = a->low << 8 | next_byte(a);
	a->range <<= 16;
}

void kt_ac_read_begin(struct kt_ac *a, const u8 *p, size_t n)
{
	*a = (struct kt_ac){ .range = ~0ull, .p = p, .end = p + n };
	for (unsigned i = 0; i < 8; i++)
		a->low = a->low << 8 | next_byte(a);
}

void kt_ac_write_end(struct kt_ac *a)
{
	u64 keep = (1ull << 48) - 1, low = a->low + keep;
	if (low < a->low)
		kt_ac_carry(a);
	low &= ~keep;
	if (!low) /* zeros are what a reader finds behind the end */
		return;
	kt_buf_u8(a->out, (u8)(low >> 56));
	if (low << 8)
		kt_buf_u8(a->out, (u8)(low >> 48));
}

void kt_numbers_init(struct kt_numbers *t)
{
	kt_slots_init(&t->same[0][0], 9 * 8, KT_SLOT_EVEN);
	kt_slots_init(&t->byte[0][0], 8 * 256, KT_SLOT_EVEN);
}

static inline __attribute__((always_inline)) u64 number(struct kt_ac *a, const bool enc, struct kt_numbers *t, unsigned size, u64 ref, u64 v)
{
	u64 got = 0;
	bool same = true;
	for (unsigned i = size; i-- > 0;) {
		u8 r = (u8)(ref >> 8 * i), b = (u8)(v >> 8 * i);
		if (same && kt_ac_bit(a, enc, &t->same[size][i], b == r)) {
			got |= (u64)r << 8 * i;
			continue;
		}
		same = false;
		got |= (u64)kt_ac_tree(a, enc, t->byte[i], 8, b) << 8 * i;
	}
	return got;
}

u64 kt_ac_number_write(struct kt_ac *a, struct kt_numbers *t, unsigned size, u64 ref, u64 v)
{
	return number(a, true, t, size, ref, v);
}

u64 kt_ac_number_read(struct kt_ac *a, struct kt_numbers *t, unsigned size, u64 ref)
{
	return number(a, false, t, size, ref, 0);
}
