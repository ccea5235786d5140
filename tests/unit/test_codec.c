/* SPDX-License-Identifier: MIT */
/* The codec gives back exactly what it was given, for steps that follow their descriptors and for steps that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "arch/arm64/arm64_regs.h"
#include "codec_gen.h"


static void same_step(const struct kt_step *a, const struct kt_step *b, const struct kt_insn *insn)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->pc, b->pc);
	assert_ptr_equal(b->insn, insn);
	assert_int_equal(a->nhot, b->nhot);
	assert_memory_equal(a->hot, b->hot, a->nhot * sizeof(u64));
	assert_int_equal(a->naccess, b->naccess);
	for (unsigned i = 0; i < a->naccess; i++) {
		const struct kt_access *x = &a->access[i], *y = &b->access[i];
		assert_int_equal(x->va, y->va);
		assert_int_equal(x->pa, y->pa);
		assert_int_equal(x->size, y->size);
		assert_int_equal(x->space, y->space);
		assert_int_equal(x->flags, y->flags);
		assert_int_equal(x->elem, y->elem);
		if (x->flags & KT_ACCESS_NODATA)
			assert_null(y->data);
		else
			assert_memory_equal(x->data, y->data, x->flags & KT_ACCESS_FILL ? x->elem : x->size);
	}
	assert_int_equal(a->nevent, b->nevent);
	assert_memory_equal(a->event, b->event, a->nevent * sizeof(a->event[0]));
	assert_int_equal(a->ncold, b->ncold);
	for (unsigned i = 0; i < a->ncold; i++) {
		assert_int_equal(a->cold[i].reg, b->cold[i].reg);
		assert_int_equal(a->cold[i].value, b->cold[i].value);
	}
}

struct rig {
	struct gen g;
	struct kt_raw_chunk c;
	struct kt_step raw;
	u32 local[GEN_PROGRAM], nlocal;
	struct kt_dict_view dict;
	struct kt_buf frame, again;
	u8 initial[GEN_MEM];
};

/* Every third page is not known. */
static const u8 *initial_page(void *ctx, u64 gpa)
{
	struct rig *r = ctx;
	return gpa < GEN_MEM && gpa / 4096 % 3 ? r->initial + gpa : NULL;
}

static struct rig *rig_create(u64 seed, u32 program, u32 odd, u32 steps)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct kt_chunk_limits limits = { .steps = steps };
	assert_non_null(r);
	gen_init(&r->g, seed, program, odd);
	assert_true(kt_raw_chunk_init(&r->c, &kt_arch_x86_64, &limits));
	r->dict = (struct kt_dict_view){ gen_dict, &r->g };
	memcpy(r->initial, r->g.mem, GEN_MEM);
	return r;
}

static void rig_destroy(struct rig *r)
{
	kt_raw_chunk_deinit(&r->c);
	kt_buf_free(&r->frame);
	kt_buf_free(&r->again);
	free(r);
}

static void rig_fill(struct rig *r)
{
	kt_raw_chunk_begin(&r->c, r->c.first + r->c.count, r->g.r);
	while (!kt_raw_chunk_full(&r->c)) {
		const struct kt_step *s = gen_step(&r->g);
		assert_true(kt_raw_chunk_add(&r->c, s, r->g.r));
	}
	r->nlocal = gen_local(&r->g, &r->c, r->local);
}

static void check_control(struct rig *r, struct kt_decoder *d, u32 first, u32 count)
{
	static u32 ids[KT_FRAME_STEPS];
	static u8 kinds[KT_FRAME_STEPS];
	struct kt_err err = { 0 };
	assert_int_equal(kt_decode_control(d, r->frame.data, r->frame.len, count, r->local, r->nlocal, &r->dict, ids, kinds, &err), 0);
	for (u32 i = 0; i < count; i++) {
		const struct kt_raw_step *s = &r->c.step[first + i];
		assert_int_equal(kinds[i], s->kind);
		assert_int_equal(ids[i] == r->nlocal ? 0 : r->local[ids[i]], s->insn);
	}
}

/* Encodes, decodes and compares all frames of the chunk; returns the bytes they take. */
static size_t round_trip(struct rig *r, struct kt_encoder *e, struct kt_decoder *d)
{
	size_t total = 0;
	struct kt_err err = { 0 };
	for (u32 first = 0; first < r->c.count; first += KT_FRAME_STEPS) {
		u32 count = KT_MIN(r->c.count - first, (u32)KT_FRAME_STEPS), id;
		u64 bytes[KT_STREAMS] = { 0 };
		const u64 *regs = r->c.frame_regs + (size_t)(first / KT_FRAME_STEPS) * KT_REGS_MAX;
		r->frame.len = 0;
		if (kt_encode_frame(e, &r->c, first, count, r->local, r->nlocal, &r->dict, &r->frame, bytes, &err))
			fail_msg("%s", err.text);
		total += r->frame.len;
		u64 sum = 0;
		for (unsigned i = 0; i < KT_STREAMS; i++)
			sum += bytes[i];
		assert_in_range(r->frame.len - sum, 1, 40);
		if (kt_decoder_begin(d, r->frame.data, r->frame.len, r->c.first + first, count, regs, r->local, r->nlocal, &r->dict, &err))
			fail_msg("%s", err.text);
		for (u32 i = 0; i < count; i++) {
			const struct kt_step *s;
			kt_raw_chunk_get(&r->c, first + i, &r->raw, &id);
			if (kt_decoder_next(d, &s, &err))
				fail_msg("%s", err.text);
			same_step(&r->raw, s, gen_dict(&r->g, id));
		}
		const struct kt_step *s;
		assert_int_equal(kt_decoder_next(d, &s, &err), -KT_E_END);
		if (first + count < r->c.count)
			assert_memory_equal(kt_decoder_regs(d), regs + KT_REGS_MAX, X86_NREGS * sizeof(u64));
		check_control(r, d, first, count);
	}
	return total;
}

static void many(u64 seeds, u32 program, u32 odd, u32 loop, u32 steps, u32 chunks)
{
	struct kt_encoder *e = kt_encoder_create(&kt_arch_x86_64);
	struct kt_decoder *d = kt_decoder_create(&kt_arch_x86_64);
	for (u64 seed = 1; seed <= seeds; seed++) {
		struct rig *r = rig_create(seed * 77 + program, program, odd, steps);
		r->g.loop = loop;
		struct kt_memory_view view = { initial_page, r };
		kt_encoder_initial_memory(e, seed & 1 ? &view : NULL);
		kt_decoder_initial_memory(d, seed % 4 ? &view : NULL); /* a frame written without it ignores it */
		size_t bytes = 0, n = 0;
		for (u32 k = 0; k < chunks; k++) {
			rig_fill(r);
			bytes += round_trip(r, e, d);
			n += r->c.count;
		}
		if (getenv("KT_VERBOSE"))
			printf("seed %llu program %u odd %u loop %u: %.4f B/step\n", (unsigned long long)seed, program, odd, loop, (double)bytes / (double)n);
		rig_destroy(r);
	}
	kt_encoder_destroy(e);
	kt_decoder_destroy(d);
}

static void round_trip_small(void **state)
{
	many(100, 10, 0, 0, 40, 3);
	many(120, 50, 3, 0, 100, 3);
	many(40, 300, 20, 0, 1000, 2);
}

static void round_trip_odd(void **state)
{
	many(40, 100, 1, 0, 500, 2);
	many(20, 2000, 5, 0, 3000, 2);
}

static void round_trip_whole_chunks(void **state)
{
	many(2, 2000, 0, 12, KT_CHUNK_STEPS, 1);
	many(2, 2000, 200, 30, KT_CHUNK_STEPS, 2);
}

/* The same input gives the same bytes, whatever the encoder did before. */
static void deterministic(void **state)
{
	struct rig *r = rig_create(5, 500, 10, 2000);
	struct kt_encoder *e = kt_encoder_create(&kt_arch_x86_64), *other = kt_encoder_create(&kt_arch_x86_64);
	u64 bytes[KT_STREAMS] = { 0 };
	for (unsigned i = 0; i < 4; i++) {
		rig_fill(r);
		r->frame.len = r->again.len = 0;
		assert_int_equal(kt_encode_frame(e, &r->c, 0, r->c.count, r->local, r->nlocal, &r->dict, &r->frame, bytes, NULL), 0);
		if (i != 3)
			continue;
		assert_int_equal(kt_encode_frame(other, &r->c, 0, r->c.count, r->local, r->nlocal, &r->dict, &r->again, bytes, NULL), 0);
		assert_int_equal(r->frame.len, r->again.len);
		assert_memory_equal(r->frame.data, r->again.data, r->frame.len);
	}
	kt_encoder_destroy(e);
	kt_encoder_destroy(other);
	rig_destroy(r);
}

static const struct kt_insn *arm64_insn(void *ctx, u32 id)
{
	const struct kt_insn *i = ctx;
	return id && id <= 3 ? &i[id - 1] : NULL;
}

/* The codec knows descriptors and register files, no architecture: 34 hot registers, nothing predicted. */
static void another_architecture(void **state)
{
	struct kt_encoder *e = kt_encoder_create(&kt_arch_arm64);
	struct kt_decoder *d = kt_decoder_create(&kt_arch_arm64);
	struct kt_insn insn[3] = { { .pc = 0x40000000, .len = 4, .id = 1, .desc = { .op = KT_OP_NOP, .len = 4 } },
		                   { .pc = 0x40000004, .len = 4, .id = 2, .desc = { .op = KT_OP_LITERAL, .len = 4 } },
		                   { .pc = 0x40000008, .len = 4, .id = 3, .desc = { .op = 250, .len = 4 } } };
	struct kt_dict_view dict = { arm64_insn, insn };
	u32 local[3] = { 1, 2, 3 }, id;
	struct kt_raw_chunk c;
	struct kt_chunk_limits limits = { .steps = 3000 };
	struct rig *r = calloc(1, sizeof(*r));
	u64 regs[KT_REGS_MAX] = { 0 }, bytes[KT_STREAMS] = { 0 };
	static u8 data[8];
	struct gen *g = &r->g;
	g->seed = 99;
	assert_true(kt_raw_chunk_init(&c, &kt_arch_arm64, &limits));
	kt_raw_chunk_begin(&c, 0, regs);
	for (u32 i = 0; !kt_raw_chunk_full(&c); i++) {
		g->s = (struct kt_step){ .pc = insn[i % 3].pc, .insn = &insn[i % 3], .hot = regs, .nhot = kt_arch_arm64.nhot };
		if (i % 3 == 1) {
			regs[gen_below(g, kt_arch_arm64.nhot)] = gen_random(g);
			gen_access(g, 0xffff000012345678, 0x45678, 8, KT_SPACE_RAM, 0);
			g->used = 0;
		}
		if (i % 3 == 2 && gen_one_in(g, 10)) {
			regs[kt_arch_arm64.nregs - 1] = i;
			g->s.cold[g->s.ncold++] = (struct kt_regset){ .reg = (u16)(kt_arch_arm64.nregs - 1), .value = i };
			g->s.access[g->s.naccess++] = (struct kt_access){ .pa = 0x1234, .size = 8, .space = KT_SPACE_MSR, .data = data };
		}
		regs[kt_arch_arm64.pc] = insn[(i + 1) % 3].pc;
		assert_true(kt_raw_chunk_add(&c, &g->s, regs));
	}
	assert_int_equal(kt_encode_frame(e, &c, 0, c.count, local, 3, &dict, &r->frame, bytes, NULL), 0);
	assert_int_equal(kt_decoder_begin(d, r->frame.data, r->frame.len, 0, c.count, c.frame_regs, local, 3, &dict, NULL), 0);
	for (u32 i = 0; i < c.count; i++) {
		const struct kt_step *s;
		kt_raw_chunk_get(&c, i, &r->raw, &id);
		assert_int_equal(kt_decoder_next(d, &s, NULL), 0);
		same_step(&r->raw, s, &insn[id - 1]);
	}
	kt_raw_chunk_deinit(&c);
	kt_buf_free(&r->frame);
	free(r);
	kt_encoder_destroy(e);
	kt_decoder_destroy(d);
}

/* A frame written with initial memory is refused without it. */
static void initial_memory_missing(void **state)
{
	struct rig *r = rig_create(3, 50, 0, 200);
	struct kt_encoder *e = kt_encoder_create(&kt_arch_x86_64);
	struct kt_decoder *d = kt_decoder_create(&kt_arch_x86_64);
	struct kt_memory_view view = { initial_page, r };
	u64 bytes[KT_STREAMS] = { 0 };
	u32 ids[200];
	u8 kinds[200];
	kt_encoder_initial_memory(e, &view);
	rig_fill(r);
	assert_int_equal(kt_encode_frame(e, &r->c, 0, r->c.count, r->local, r->nlocal, &r->dict, &r->frame, bytes, NULL), 0);
	assert_int_equal(kt_decoder_begin(d, r->frame.data, r->frame.len, 0, r->c.count, r->c.frame_regs, r->local, r->nlocal, &r->dict, NULL), -KT_E_ARG);
	assert_int_equal(kt_decode_control(d, r->frame.data, r->frame.len, r->c.count, r->local, r->nlocal, &r->dict, ids, kinds, NULL), 0);
	kt_decoder_initial_memory(d, &view);
	assert_int_equal(kt_decoder_begin(d, r->frame.data, r->frame.len, 0, r->c.count, r->c.frame_regs, r->local, r->nlocal, &r->dict, NULL), 0);
	kt_encoder_destroy(e);
	kt_decoder_destroy(d);
	rig_destroy(r);
}

/* Every cut and every flipped byte gives an error or other steps, never a crash or an endless read. */
static void damaged(void **state)
{
	struct rig *r = rig_create(9, 200, 10, 300);
	struct kt_encoder *e = kt_encoder_create(&kt_arch_x86_64);
	struct kt_decoder *d = kt_decoder_create(&kt_arch_x86_64);
	u64 bytes[KT_STREAMS] = { 0 };
	struct kt_err err;
	rig_fill(r);
	assert_int_equal(kt_encode_frame(e, &r->c, 0, r->c.count, r->local, r->nlocal, &r->dict, &r->frame, bytes, NULL), 0);
	for (size_t cut = 0; cut < r->frame.len; cut++)
		assert_int_not_equal(kt_decoder_begin(d, r->frame.data, cut, 0, r->c.count, r->c.frame_regs, r->local, r->nlocal, &r->dict, &err), 0);
	for (size_t i = 0; i < r->frame.len * 8; i += 11) { /* every byte, another bit each */
		const struct kt_step *s;
		r->frame.data[i / 8] ^= (u8)(1 << i % 8);
		int rc = kt_decoder_begin(d, r->frame.data, r->frame.len, 0, r->c.count, r->c.frame_regs, r->local, r->nlocal, &r->dict, &err);
		u32 n = 0;
		while (!rc && !(rc = kt_decoder_next(d, &s, &err)))
			n++;
		assert_true(rc == -KT_E_CORRUPT || rc == -KT_E_VERSION || rc == -KT_E_ARG || (rc == -KT_E_END && n == r->c.count));
		r->frame.data[i / 8] ^= (u8)(1 << i % 8);
	}
	assert_int_equal(kt_decoder_begin(d, r->frame.data, r->frame.len, 0, r->c.count + 1, r->c.frame_regs, r->local, r->nlocal, &r->dict, &err), -KT_E_CORRUPT);
	assert_int_equal(kt_decoder_begin(d, NULL, 0, 0, 0, r->c.frame_regs, r->local, r->nlocal, &r->dict, &err), -KT_E_CORRUPT);
	u32 hole[2] = { 7, 7 }, far[1] = { 100000 };
	assert_int_equal(kt_decoder_begin(d, r->frame.data, r->frame.len, 0, r->c.count, r->c.frame_regs, hole, 2, &r->dict, &err), -KT_E_CORRUPT);
	assert_int_equal(kt_decoder_begin(d, r->frame.data, r->frame.len, 0, r->c.count, r->c.frame_regs, far, 1, &r->dict, &err), -KT_E_CORRUPT);
	kt_encoder_destroy(e);
	kt_decoder_destroy(d);
	rig_destroy(r);
}

static void keyframes(void **state)
{
	static u64 regs[4 * KT_REGS_MAX], got[4 * KT_REGS_MAX];
	struct gen *g = calloc(1, sizeof(*g));
	g->seed = 77;
	for (unsigned round = 0; round < 50; round++) {
		struct kt_buf b = { 0 };
		u32 n = round % 4 + 1;
		memset(regs, 0, sizeof(regs));
		for (unsigned i = 0; i < n * KT_REGS_MAX; i++)
			if (i % KT_REGS_MAX < X86_NREGS && gen_one_in(g, round + 1))
				regs[i] = gen_random(g) >> gen_below(g, 64);
		assert_int_equal(kt_keyframes_put(&b, &kt_arch_x86_64, regs, n), 0);
		struct kt_rd r = kt_rd_of(b.data, b.len);
		memset(got, 0xaa, sizeof(got));
		assert_int_equal(kt_keyframes_get(&r, &kt_arch_x86_64, got, n, NULL), 0);
		assert_int_equal(kt_rd_left(&r), 0);
		assert_memory_equal(regs, got, n * KT_REGS_MAX * sizeof(u64));
		for (size_t cut = 0; cut < b.len; cut++) {
			r = kt_rd_of(b.data, cut);
			assert_int_not_equal(kt_keyframes_get(&r, &kt_arch_x86_64, got, n, NULL), 0);
		}
		r = kt_rd_of(b.data, b.len);
		if (n < 4)
			assert_int_not_equal(kt_keyframes_get(&r, &kt_arch_x86_64, got, n + 1, NULL), 0);
		kt_buf_free(&b);
	}
	free(g);
}

/* A chunk is full at each of its limits, and takes one more step of any size. */
static void chunk_limits(void **state)
{
	struct kt_raw_chunk c;
	static struct kt_step s;
	static u8 data[1 << 20], page[4096];
	u64 regs[KT_REGS_MAX] = { 0 }, hot[18] = { 0 };
	u32 id;
	s.hot = hot;
	s.nhot = 18;
	struct kt_chunk_limits limits = { .steps = 5, .payload = 1000, .pages = 3 };
	assert_true(kt_raw_chunk_init(&c, &kt_arch_x86_64, &limits));
	kt_raw_chunk_begin(&c, 10, regs);
	for (unsigned i = 0; i < 5; i++) {
		assert_false(kt_raw_chunk_full(&c));
		assert_true(kt_raw_chunk_add(&c, &s, regs));
	}
	assert_true(kt_raw_chunk_full(&c));
	kt_raw_chunk_begin(&c, 15, regs);
	for (unsigned i = 0; i < 600; i++) /* beyond its limit and its first allocation */
		kt_raw_chunk_page(&c, i * 4096, page);
	assert_int_equal(c.npages, 600);
	assert_true(kt_raw_chunk_full(&c));
	kt_raw_chunk_begin(&c, 16, regs);
	assert_false(kt_raw_chunk_full(&c));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7);
	s.access[0] = (struct kt_access){ .va = 1, .pa = 2, .size = sizeof(data), .flags = KT_ACCESS_WRITE, .data = data };
	s.naccess = 1;
	assert_true(kt_raw_chunk_add(&c, &s, regs));
	assert_true(kt_raw_chunk_full(&c));
	static struct kt_step got;
	kt_raw_chunk_get(&c, 0, &got, &id);
	assert_int_equal(got.access[0].size, sizeof(data));
	assert_memory_equal(got.access[0].data, data, sizeof(data));
	kt_raw_chunk_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_small), cmocka_unit_test(round_trip_odd), cmocka_unit_test(round_trip_whole_chunks),
		cmocka_unit_test(deterministic), cmocka_unit_test(initial_memory_missing), cmocka_unit_test(another_architecture),   cmocka_unit_test(damaged),        cmocka_unit_test(keyframes),
		cmocka_unit_test(chunk_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
