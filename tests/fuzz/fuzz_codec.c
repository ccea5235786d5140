/* SPDX-License-Identifier: MIT */
/* Frames from a stranger, with a stranger's dictionary, local table and keyframe. Whatever decodes must keep the limits of
 * ktrace/step.h, and must itself be encodable and come back the same.
 *
 * Input: tests/unit/codec_box.h.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/codec_box.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 512, AUX = 8 << 20 };

static struct box box;
static struct kt_decoder *dec;
static struct kt_encoder *enc;
static struct kt_raw_chunk chunk;
static struct kt_step kept;

static void check(bool holds)
{
	if (!holds)
		abort();
}

static u32 data_size(const struct kt_access *a)
{
	return a->flags & KT_ACCESS_NODATA ? 0 : a->flags & KT_ACCESS_FILL ? a->elem : a->size;
}

static void check_step(const struct kt_step *s)
{
	u64 sum = 0, touched = 0;
	check(s->naccess <= KT_STEP_ACCESSES && s->nevent <= KT_STEP_EVENTS && s->ncold <= KT_STEP_COLD && s->kind <= KT_STEP_GAP);
	for (unsigned i = 0; i < s->naccess; i++) {
		const struct kt_access *a = &s->access[i];
		check(a->space <= KT_SPACE_MSR && (data_size(a) == 0 || a->data));
		for (u32 k = 0; k < data_size(a); k++)
			touched += a->data[k];
		sum += data_size(a);
	}
	check(sum <= 4 << 20 && touched != 1ull << 63);
	for (unsigned i = 0; i < s->ncold; i++)
		check(s->cold[i].reg < X86_NREGS);
}

static void check_same(const struct kt_step *a, const struct kt_step *b)
{
	check(a->kind == b->kind && a->pc == b->pc && a->naccess == b->naccess && a->nevent == b->nevent && a->ncold == b->ncold);
	check(!memcmp(a->hot, b->hot, X86_NHOT * sizeof(u64)));
	for (unsigned i = 0; i < a->naccess; i++) {
		const struct kt_access *x = &a->access[i], *y = &b->access[i];
		check(x->va == y->va && x->pa == y->pa && x->size == y->size && x->space == y->space && x->flags == y->flags && x->elem == y->elem);
		check(!data_size(x) || !memcmp(x->data, y->data, data_size(x)));
	}
	check(!memcmp(a->event, b->event, a->nevent * sizeof(a->event[0])));
	for (unsigned i = 0; i < a->ncold; i++)
		check(a->cold[i].reg == b->cold[i].reg && a->cold[i].value == b->cold[i].value);
}

/* What was decoded goes the whole way once more. */
static void again(u32 count)
{
	struct kt_buf frame = { 0 };
	struct kt_err err;
	u64 bytes[KT_STREAMS] = { 0 };
	const struct kt_step *s;
	u32 id;
	int rc = kt_encode_frame(enc, &chunk, 0, count, box.local, box.ninsn, &box.dict, &frame, bytes, &err);

	if (rc == -KT_E_ARG) { /* more than 1 MiB of data in a step */
		kt_buf_free(&frame);
		return;
	}
	check(!rc && !kt_decoder_begin(dec, frame.data, frame.len, 0, count, chunk.frame_regs, box.local, box.ninsn, &box.dict, &err));
	for (u32 i = 0; i < count; i++) {
		check(!kt_decoder_next(dec, &s, &err));
		kt_raw_chunk_get(&chunk, i, &kept, &id);
		check_same(&kept, s);
	}
	kt_buf_free(&frame);
}

static void decode(const u8 *p, size_t n)
{
	const u32 count = box.count;
	static u32 ids[STEPS];
	static u8 kinds[STEPS];
	struct kt_err err;
	const struct kt_step *s;
	u32 got = 0;

	if (!kt_decode_control(dec, p, n, count, box.local, box.ninsn, &box.dict, ids, kinds, &err))
		for (u32 i = 0; i < count; i++)
			check(ids[i] <= box.ninsn && kinds[i] <= KT_STEP_GAP);
	int rc = kt_decoder_begin(dec, p, n, 5, count, box.regs, box.local, box.ninsn, &box.dict, &err);
	check(rc <= 0);
	kt_raw_chunk_begin(&chunk, 5, box.regs);
	while (!rc && !(rc = kt_decoder_next(dec, &s, &err))) {
		check_step(s);
		if (chunk.aux.len < AUX && got == chunk.count)
			check(kt_raw_chunk_add(&chunk, s, kt_decoder_regs(dec)));
		got++;
	}
	check(rc < 0 && (rc != -KT_E_END || got == count));
	if (chunk.count)
		again(chunk.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kt_chunk_limits limits = { .steps = STEPS };

	if (!dec) {
		dec = kt_decoder_create(&kt_arch_x86_64);
		enc = kt_encoder_create(&kt_arch_x86_64);
		check(dec && enc && kt_raw_chunk_init(&chunk, &kt_arch_x86_64, &limits));
	}
	box.frame.len = 0;
	box_get(&box, data, size, STEPS);
	kt_decoder_initial_memory(dec, &box.initial);
	kt_encoder_initial_memory(enc, &box.initial);
	decode(box.frame.data, box.frame.len);
	return 0;
}
