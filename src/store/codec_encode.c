/* SPDX-License-Identifier: MIT */
/* Steps of a chunk to a frame. */
#include <stdlib.h>

#include "store/codec_control.h"
#include "store/codec_frame.h"
#include "store/codec_step.h"

struct kt_encoder {
	const struct kt_arch *arch;
	struct kt_control *control;
	struct kt_model *model;
	struct kt_zst *zst;
	struct kt_memory_view initial;
	struct kt_buf stream[KT_STREAMS], bulk;
	struct kt_step step;
	u32 sym[KT_FRAME_STEPS];
	u8 how[KT_FRAME_STEPS];
	u64 pc[KT_FRAME_STEPS];
};

struct kt_encoder *kt_encoder_create(const struct kt_arch *arch)
{
	struct kt_encoder *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->arch = arch;
	e->control = kt_control_create();
	e->model = kt_model_create(arch);
	e->zst = kt_zst_create(3);
	if (e->control && e->model && e->zst)
		return e;
	kt_encoder_destroy(e);
	return NULL;
}

void kt_encoder_destroy(struct kt_encoder *e)
{
	if (!e)
		return;
	kt_control_destroy(e->control);
	kt_model_destroy(e->model);
	kt_zst_destroy(e->zst);
	for (unsigned i = 0; i < KT_STREAMS; i++)
		kt_buf_free(&e->stream[i]);
	kt_buf_free(&e->bulk);
	free(e);
}

void kt_encoder_initial_memory(struct kt_encoder *e, const struct kt_memory_view *view)
{
	e->initial = view ? *view : (struct kt_memory_view){ 0 };
}

/* Position of an id in the ascending local table, nlocal if it is not there. */
static u32 local_of(const u32 *local, u32 nlocal, u32 id)
{
	u32 lo = 0, hi = nlocal;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		if (local[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < nlocal && local[lo] == id ? lo : nlocal;
}

static int flow_of(struct kt_encoder *e, const struct kt_raw_chunk *c, u32 first, u32 count, const u32 *local, u32 nlocal, struct kt_err *err)
{
	const struct kt_insn *const *insn = kt_control_insns(e->control);
	for (u32 i = 0; i < count; i++) {
		const struct kt_raw_step *s = &c->step[first + i];
		u32 sym = s->insn ? i && s->insn == s[-1].insn ? e->sym[i - 1] : local_of(local, nlocal, s->insn) : nlocal;
		if ((s->insn && sym == nlocal) || s->kind > KT_STEP_GAP)
			return kt_fail(err, KT_E_ARG, "step %u of the chunk: instruction %u is not in its id table, or kind %u", first + i, s->insn, s->kind);
		e->sym[i] = sym;
		e->how[i] = (u8)(s->kind | (sym == nlocal || insn[sym]->pc != s->pc ? KT_FLOW_PC : 0));
		e->pc[i] = s->pc;
	}
	return 0;
}

static int write_steps(struct kt_encoder *e, const struct kt_raw_chunk *c, u32 first, u32 count, u64 end_pc, struct kt_err *err)
{
	struct kt_model *m = e->model;
	struct kt_ac *ac[] = { &m->regs_ac, &m->loads_ac, &m->addr_ac, &m->events_ac, &m->data_ac };
	int rc = 0;

	for (unsigned i = 0; i < 4; i++)
		kt_ac_write_begin(ac[i], &e->stream[KT_STREAM_REGS + i]);
	struct kt_buf late = { 0 }; /* DATA's decisions stand behind its long data */
	kt_ac_write_begin(&m->data_ac, &late);
	m->bulk = &e->bulk;
	m->initial = e->initial;
	for (u32 i = 0; i < count && !rc; i++) {
		u32 id;
		kt_raw_chunk_get(c, first + i, &e->step, &id);
		rc = kt_step_write(m, &e->step, e->sym[i], i + 1 < count ? e->pc[i + 1] : end_pc, err);
	}
	for (unsigned i = 0; i < KT_ARRAY_LEN(ac) && !rc; i++)
		kt_ac_write_end(ac[i]);
	if (!rc && (e->bulk.failed || kt_frame_put_bulk(e->zst, &e->bulk, &e->stream[KT_STREAM_DATA])))
		rc = kt_fail(err, KT_E_NOMEM, "no memory to encode %u steps", count);
	kt_buf_put(&e->stream[KT_STREAM_DATA], late.data, late.len);
	e->stream[KT_STREAM_DATA].failed |= late.failed;
	kt_buf_free(&late);
	return rc;
}

int kt_encode_frame(struct kt_encoder *e, const struct kt_raw_chunk *c, u32 first, u32 count, const u32 *local, u32 nlocal,
                    const struct kt_dict_view *dict, struct kt_buf *out, u64 bytes[KT_STREAMS], struct kt_err *err)
{
	if (!count || count > KT_FRAME_STEPS || first % KT_FRAME_STEPS || first >= c->count || count > c->count - first)
		return kt_fail(err, KT_E_ARG, "steps %u to %u of a chunk of %u are no frame", first, first + count, c->count);
	for (unsigned i = 0; i < KT_STREAMS; i++) {
		kt_buf_free(e->stream[i].failed ? &e->stream[i] : &(struct kt_buf){ 0 });
		kt_buf_clear(&e->stream[i]);
	}
	kt_buf_clear(&e->bulk);
	e->bulk.failed = false;
	int rc = kt_control_begin(e->control, local, nlocal, dict, err);
	if (!rc)
		rc = flow_of(e, c, first, count, local, nlocal, err);
	if (!rc)
		rc = kt_model_begin(e->model, c->frame_regs + (size_t)(first / KT_FRAME_STEPS) * KT_REGS_MAX, kt_control_insns(e->control), nlocal, err);
	if (rc)
		return rc;
	struct kt_flow flow = { e->sym, e->how, e->pc };
	if (kt_control_write(e->control, &flow, count, &e->stream[KT_STREAM_CONTROL]))
		return kt_fail(err, KT_E_NOMEM, "no memory to encode %u steps", count);
	u64 end_pc = first + count < c->count ? c->step[first + count].pc : c->end_pc;
	rc = write_steps(e, c, first, count, end_pc, err);
	if (rc)
		return rc;
	struct kt_frame f = { .count = count, .features = e->initial.page ? KT_FRAME_INITIAL : 0, .end = (s64)(end_pc - e->pc[count - 1]) };
	bool failed = false;
	for (unsigned i = 0; i < KT_STREAMS; i++) {
		f.stream[i] = e->stream[i].data;
		f.size[i] = e->stream[i].len;
		bytes[i] += e->stream[i].len;
		failed |= e->stream[i].failed;
	}
	kt_frame_put(out, &f);
	return failed || out->failed ? kt_fail(err, KT_E_NOMEM, "no memory to encode %u steps", count) : 0;
}
