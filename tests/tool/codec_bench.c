/* SPDX-License-Identifier: MIT */
/* What the codec costs: bytes a step by stream, ns a step to encode, decode, scan control flow, and digest.
 *
 *     codec_bench              a made-up program full of loops
 *     codec_bench TRACE [N]    the first N steps (all) of a trace file
 *
 * CPU time of this thread, so that a busy machine disturbs less. Exit: 0 done, 1 failed. */
#include <stdio.h>
#include <time.h>

#include "../unit/codec_gen.h"
#include "ktrace/trace.h"
#include "store/digest.h"

static struct {
	u64 steps, bytes[KT_STREAMS], keyframes, headers;
	double encode, decode, control, digest;
} sum;

static const struct kt_insn **known; /* by id */
static u32 nknown;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const struct kt_insn *lookup(void *ctx, u32 id)
{
	return id < nknown ? known[id] : NULL;
}

static bool learn(const struct kt_insn *i)
{
	if (!i)
		return true;
	if (i->id >= nknown) {
		u32 n = KT_MAX(i->id + 1, nknown * 2);
		const struct kt_insn **p = realloc(known, n * sizeof(*p));
		if (!p)
			return false;
		memset(p + nknown, 0, (n - nknown) * sizeof(*p));
		known = p;
		nknown = n;
	}
	known[i->id] = i;
	return true;
}

static u32 local_ids(const struct kt_raw_chunk *c, u32 *local)
{
	u8 *seen = calloc(nknown + 1, 1);
	u32 n = 0;
	for (u32 i = 0; seen && i < c->count; i++)
		seen[c->step[i].insn] = 1;
	for (u32 i = 1; seen && i < nknown; i++)
		if (seen[i])
			local[n++] = i;
	free(seen);
	return n;
}

static int bench_chunk(struct kt_encoder *e, struct kt_decoder *d, struct kt_digest *dig, const struct kt_raw_chunk *c, struct kt_err *err)
{
	static u32 local[KT_CHUNK_STEPS], ids[KT_FRAME_STEPS];
	static u8 kinds[KT_FRAME_STEPS];
	static struct kt_step raw;
	struct kt_dict_view dict = { lookup, NULL };
	struct kt_buf frame = { 0 }, keys = { 0 };
	u32 nlocal = local_ids(c, local), id;
	int rc = 0;

	for (u32 first = 0; first < c->count && !rc; first += KT_FRAME_STEPS) {
		u32 n = KT_MIN(c->count - first, (u32)KT_FRAME_STEPS);
		const struct kt_step *s;
		u64 before = 0, after = 0;
		for (unsigned i = 0; i < KT_STREAMS; i++)
			before += sum.bytes[i];
		frame.len = 0;
		double t0 = now();
		rc = kt_encode_frame(e, c, first, n, local, nlocal, &dict, &frame, sum.bytes, err);
		double t1 = now();
		if (!rc)
			rc = kt_decoder_begin(d, frame.data, frame.len, c->first + first, n, c->frame_regs + (size_t)(first / KT_FRAME_STEPS) * KT_REGS_MAX, local, nlocal, &dict, err);
		for (u32 i = 0; i < n && !rc; i++)
			rc = kt_decoder_next(d, &s, err);
		double t2 = now();
		if (!rc)
			rc = kt_decode_control(d, frame.data, frame.len, n, local, nlocal, &dict, ids, kinds, err);
		double t3 = now();
		sum.encode += t1 - t0;
		sum.decode += t2 - t1;
		sum.control += t3 - t2;
		for (unsigned i = 0; i < KT_STREAMS; i++)
			after += sum.bytes[i];
		sum.headers += frame.len - (after - before);
	}
	double t0 = now();
	for (u32 i = 0; i < c->count; i++) {
		kt_raw_chunk_get(c, i, &raw, &id);
		kt_digest_step(dig, &raw, i ? c->hot + (size_t)(i - 1) * c->arch->nhot : c->regs);
	}
	sum.digest += now() - t0;
	kt_keyframes_put(&keys, c->arch, c->frame_regs, (c->count + KT_FRAME_STEPS - 1) / KT_FRAME_STEPS);
	sum.keyframes += keys.len;
	sum.steps += c->count;
	kt_buf_free(&keys);
	kt_buf_free(&frame);
	return rc;
}

/* Steps come from a trace, or are made up. */
struct source {
	struct kt_trace *t;
	struct kt_cursor *cur;
	struct gen *g;
	u64 left;
};

static int next_step(struct source *src, const struct kt_step **s, const u64 **regs, struct kt_err *err)
{
	if (!src->left--)
		return -KT_E_END;
	if (src->g) {
		*s = gen_step(src->g);
		*regs = src->g->r;
		return 0;
	}
	int rc = kt_cursor_next(src->cur, s, err);
	*regs = kt_cursor_regs(src->cur);
	return rc;
}

static int bench(struct source *src, const struct kt_arch *arch, const u64 *first_regs, struct kt_err *err)
{
	struct kt_raw_chunk c;
	struct kt_encoder *e = kt_encoder_create(arch);
	struct kt_decoder *d = kt_decoder_create(arch);
	struct kt_digest *dig = kt_digest_create(arch, 0);
	u64 state[KT_REGS_MAX] = { 0 };
	const struct kt_step *s;
	const u64 *regs;
	int rc = 0;

	if (!e || !d || !dig || !kt_raw_chunk_init(&c, arch, NULL))
		return kt_fail(err, KT_E_NOMEM, "no memory");
	memcpy(state, first_regs, arch->nregs * sizeof(u64));
	kt_raw_chunk_begin(&c, 0, state);
	while (!rc && !(rc = next_step(src, &s, &regs, err))) {
		if (!learn(s->insn) || !kt_raw_chunk_add(&c, s, regs))
			rc = kt_fail(err, KT_E_NOMEM, "no memory");
		memcpy(state, regs, arch->nregs * sizeof(u64));
		if (!rc && kt_raw_chunk_full(&c)) {
			rc = bench_chunk(e, d, dig, &c, err);
			kt_raw_chunk_begin(&c, c.first + c.count, state);
		}
	}
	if (rc == -KT_E_END)
		rc = c.count ? bench_chunk(e, d, dig, &c, err) : 0;
	kt_raw_chunk_deinit(&c);
	kt_digest_destroy(dig);
	kt_encoder_destroy(e);
	kt_decoder_destroy(d);
	return rc;
}

static void report(void)
{
	static const char *const name[] = { "control", "regs", "loads", "addr", "events", "data" };
	double n = (double)sum.steps, total = (double)(sum.headers + sum.keyframes);
	for (unsigned i = 0; i < KT_STREAMS; i++)
		total += (double)sum.bytes[i];
	printf("%llu steps, %.4f B/step:", (unsigned long long)sum.steps, total / n);
	for (unsigned i = 0; i < KT_STREAMS; i++)
		printf(" %s %.4f", name[i], (double)sum.bytes[i] / n);
	printf(" keyframes %.4f headers %.4f\n", (double)sum.keyframes / n, (double)sum.headers / n);
	printf("ns/step: encode %.1f decode %.1f control-only %.1f digest %.1f\n", sum.encode / n, sum.decode / n, sum.control / n, sum.digest / n);
}

static int bench_trace(const char *path, u64 most, struct kt_err *err)
{
	struct source src = { 0 };
	int rc = kt_trace_open(path, &src.t, NULL, err);
	if (rc)
		return rc;
	const struct kt_trace_info *info = kt_trace_info(src.t);
	src.left = KT_MIN(info->steps, most);
	rc = kt_cursor_create(src.t, &src.cur, err);
	if (!rc)
		rc = kt_cursor_seek(src.cur, info->first, err);
	if (!rc)
		rc = bench(&src, info->arch, kt_cursor_regs(src.cur), err);
	kt_cursor_destroy(src.cur);
	kt_trace_close(src.t);
	return rc;
}

/* Leaves out what real programs seldom do: strings, ports, literal classes. */
static void calm(struct gen *g)
{
	u32 n = 0;
	for (u32 i = 0; i < g->nprogram; i++) {
		const struct kt_desc *d = &g->program[i].desc;
		bool rare = d->op == KT_OP_LITERAL || (d->op >= KT_OP_MOVS && d->op <= KT_OP_OUTS) || d->op == KT_OP_IN || d->op == KT_OP_OUT;
		if (!rare)
			g->program[n++] = g->program[i];
	}
	g->nprogram = n;
	g->r[X86_rip] = g->program[0].pc;
}

int main(int argc, char **argv)
{
	struct kt_err err = { 0 };
	int rc;

	if (argc > 1) {
		rc = bench_trace(argv[1], argc > 2 ? strtoull(argv[2], NULL, 0) : ~0ull, &err);
	} else {
		struct gen *g = malloc(sizeof(*g));
		if (!g)
			return 1;
		gen_init(g, 7, 2500, 0);
		calm(g);
		g->loop = 20;
		struct source src = { .g = g, .left = 1000000 };
		rc = bench(&src, &kt_arch_x86_64, g->r, &err);
		free(g);
	}
	free(known);
	if (rc) {
		fprintf(stderr, "codec_bench: %s\n", err.text);
		return 1;
	}
	report();
	return 0;
}
