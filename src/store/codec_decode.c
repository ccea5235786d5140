/* SPDX-License-Identifier: MIT */
/* A frame back to steps. */
#include <stdlib.h>

#include "store/codec_control.h"
#include "store/codec_frame.h"
#include "store/codec_step.h"

enum { AHEAD = 4 };

struct kt_decoder {
	const struct kt_arch *arch;
	struct kt_control *control;
	struct kt_model *model;
	struct kt_zst *zst;
	struct kt_memory_view initial;
	struct kt_buf bulk;
	struct kt_step step;
	u64 first, next_pc, end_pc;
	u32 count, at, nlocal;
	u32 sym[KT_FRAME_STEPS];
	u8 how[KT_FRAME_STEPS];
	u64 pc[KT_FRAME_STEPS];
};

struct kt_decoder *kt_decoder_create(const struct kt_arch *arch)
{
	struct kt_decoder *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->arch = arch;
	d->control = kt_control_create();
	d->model = kt_model_create(arch);
	d->zst = kt_zst_create(3);
	if (d->control && d->model && d->zst)
		return d;
	kt_decoder_destroy(d);
	return NULL;
}

void kt_decoder_destroy(struct kt_decoder *d)
{
	if (!d)
		return;
	kt_control_destroy(d->control);
	kt_model_destroy(d->model);
	kt_zst_destroy(d->zst);
	kt_buf_free(&d->bulk);
	free(d);
}

void kt_decoder_initial_memory(struct kt_decoder *d, const struct kt_memory_view *view)
{
	d->initial = view ? *view : (struct kt_memory_view){ 0 };
}

static inline u64 pc_of(const struct kt_decoder *d, u32 i)
{
	return kt_unlikely(d->how[i] & KT_FLOW_PC) ? d->pc[i] : d->model->insn[d->sym[i]]->pc;
}

static int read_flow(struct kt_decoder *d, const struct kt_frame *f, const u32 *local, u32 nlocal, const struct kt_dict_view *dict,
                     u32 *sym, u8 *how, struct kt_err *err)
{
	int rc = kt_control_begin(d->control, local, nlocal, dict, err);
	if (rc)
		return rc;
	struct kt_flow flow = { sym, how, d->pc };
	return kt_control_read(d->control, f->stream[KT_STREAM_CONTROL], f->size[KT_STREAM_CONTROL], f->count, &flow, err);
}

int kt_decoder_begin(struct kt_decoder *d, const u8 *frame, size_t n, u64 first, u32 count, const u64 *regs, const u32 *local,
                     u32 nlocal, const struct kt_dict_view *dict, struct kt_err *err)
{
	struct kt_frame f;
	struct kt_rd rest;

	d->count = d->at = 0;
	int rc = kt_frame_get(frame, n, count, &f, err);
	if (!rc)
		rc = read_flow(d, &f, local, nlocal, dict, d->sym, d->how, err);
	if (!rc)
		rc = kt_frame_get_bulk(d->zst, f.stream[KT_STREAM_DATA], f.size[KT_STREAM_DATA], &d->bulk, &rest, err);
	const struct kt_insn *const *insn = kt_control_insns(d->control);
	if (!rc)
		rc = kt_model_begin(d->model, regs, insn, nlocal, err);
	if (rc)
		return rc;
	struct kt_model *m = d->model;
	bool initial = f.features & KT_FRAME_INITIAL;
	if (initial && !d->initial.page)
		return kt_fail(err, KT_E_ARG, "the frame at step %llu needs the trace's initial memory", (unsigned long long)first);
	m->initial = initial ? d->initial : (struct kt_memory_view){ 0 };
	struct kt_ac *ac[] = { &m->regs_ac, &m->loads_ac, &m->addr_ac, &m->events_ac };
	for (unsigned i = 0; i < KT_ARRAY_LEN(ac); i++)
		kt_ac_read_begin(ac[i], f.stream[KT_STREAM_REGS + i], f.size[KT_STREAM_REGS + i]);
	kt_ac_read_begin(&m->data_ac, rest.p, kt_rd_left(&rest));
	m->bulk_in = kt_rd_of(d->bulk.data, d->bulk.len);
	d->first = first;
	d->nlocal = nlocal;
	d->count = count;
	d->step.hot = m->regs;
	d->step.nhot = d->arch->nhot;
	d->next_pc = pc_of(d, 0);
	d->end_pc = pc_of(d, count - 1) + (u64)f.end;
	return 0;
}

static bool cut_short(const struct kt_model *m)
{
	return kt_ac_cut(&m->regs_ac) || kt_ac_cut(&m->loads_ac) || kt_ac_cut(&m->addr_ac) || kt_ac_cut(&m->events_ac) || kt_ac_cut(&m->data_ac);
}

int kt_decoder_next(struct kt_decoder *d, const struct kt_step **step, struct kt_err *err)
{
	if (d->at == d->count)
		return kt_fail(err, KT_E_END, "end of the frame");
	u32 i = d->at++, sym = d->sym[i];
	struct kt_step *s = &d->step;
	s->kind = (enum kt_step_kind)(d->how[i] & KT_FLOW_KIND);
	s->pc = d->next_pc;
	s->insn = kt_likely(sym < d->nlocal) ? (struct kt_insn *)(uintptr_t)d->model->insn[sym] : NULL;
	d->next_pc = kt_likely(d->at < d->count) ? pc_of(d, d->at) : d->end_pc;
	if (kt_likely(i + AHEAD < d->count)) { /* control flow is known: what a step needs can be on its way */
		u32 soon = d->sym[i + AHEAD];
		if (kt_likely(soon < d->nlocal)) {
			const char *p = (const char *)d->model->insn[soon];
			__builtin_prefetch(p);
			__builtin_prefetch(p + 64);
			__builtin_prefetch(p + 128);
		}
		__builtin_prefetch(&d->model->habit[soon]);
	}
	kt_step_read(d->model, s, sym, d->next_pc);
	if (kt_unlikely(d->model->bad || (!(d->at & 63) && cut_short(d->model)) || (d->at == d->count && cut_short(d->model)))) {
		d->count = d->at = 0;
		return kt_fail(err, KT_E_CORRUPT, "frame at step %llu: what it says of step %u contradicts itself", (unsigned long long)d->first, i);
	}
	*step = s;
	return 0;
}

const u64 *kt_decoder_regs(const struct kt_decoder *d)
{
	return d->model->regs;
}

int kt_decode_control(struct kt_decoder *d, const u8 *frame, size_t n, u32 count, const u32 *local, u32 nlocal,
                      const struct kt_dict_view *dict, u32 *ids, u8 *kinds, struct kt_err *err)
{
	struct kt_frame f;

	d->count = d->at = 0; /* a frame being decoded is over */
	int rc = kt_frame_get(frame, n, count, &f, err);
	if (!rc)
		rc = read_flow(d, &f, local, nlocal, dict, ids, kinds, err);
	for (u32 i = 0; i < count && !rc; i++)
		kinds[i] &= KT_FLOW_KIND;
	return rc;
}
