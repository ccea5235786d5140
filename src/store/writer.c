/* SPDX-License-Identifier: MIT */
/* The stepping thread's side: copies into the open chunk, numbers new instructions, hands full chunks over. */
#include "store/writer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/writer_priv.h"

void kt_writer_page(struct kt_writer *w, u64 gpa, const u8 *before)
{
	kt_raw_chunk_page(w->open, gpa, before);
}

void kt_writer_devices(struct kt_writer *w, const struct kt_buf *state)
{
	kt_buf_clear(&w->open->device);
	kt_buf_put(&w->open->device, state->data, state->len);
}

static int check_step(const struct kt_writer *w, const struct kt_step *s, struct kt_err *err)
{
	if (s->nhot != w->arch->nhot || s->naccess > KT_STEP_ACCESSES || s->nevent > KT_STEP_EVENTS || s->ncold > KT_STEP_COLD ||
	    (unsigned)s->kind > KT_STEP_GAP)
		return kt_fail(err, KT_E_ARG, "step %llu: its counts are out of range (%u hot registers, %u accesses, %u events, %u registers)",
		               (unsigned long long)(w->first + w->steps), s->nhot, s->naccess, s->nevent, s->ncold);
	return 0;
}

/* Keeps w->regs the whole file at the last step's end but for the hot set, which the chunk has. */
static void follow(struct kt_writer *w, const struct kt_step *s)
{
	for (unsigned i = 0; i < s->ncold; i++)
		if (s->cold[i].reg < KT_REGS_MAX)
			w->regs[s->cold[i].reg] = s->cold[i].value;
}

int kt_writer_step(struct kt_writer *w, const struct kt_step *s, const u64 *regs, bool *new_chunk, struct kt_err *err)
{
	*new_chunk = false;
	if (kt_unlikely(atomic_load_explicit(&w->failed, memory_order_relaxed)))
		return kt_writer_drain(w, err);
	int rc = check_step(w, s, err);
	if (rc)
		return rc;
	if (kt_unlikely(s->insn && !s->insn->id)) {
		s->insn->id = kt_dict_add(w->dict, s->insn);
		if (!s->insn->id)
			return kt_fail(err, KT_E_NOMEM, "no memory for the dictionary of %u instructions", kt_dict_count(w->dict));
	}
	if (!kt_raw_chunk_add(w->open, s, regs))
		return kt_fail(err, KT_E_NOMEM, "no memory for the open chunk");
	w->steps++;
	w->kinds[s->kind]++;
	follow(w, s);
	if (kt_likely(!kt_raw_chunk_full(w->open)))
		return 0;
	memcpy(w->regs, regs, w->arch->nregs * sizeof *regs);
	rc = kt_writer_hand_over(w, err);
	*new_chunk = !rc;
	return rc;
}

void kt_writer_stats(struct kt_writer *w, struct kt_writer_stats *out)
{
	s64 pages = 0;

	*out = (struct kt_writer_stats){ .steps = w->steps, .insns = w->kinds[KT_STEP_INSN], .exceptions = w->kinds[KT_STEP_EXCEPTION],
		                         .irqs = w->kinds[KT_STEP_IRQ], .gaps = w->kinds[KT_STEP_GAP], .bytes_static = w->bytes_static };
	pthread_mutex_lock(&w->lock);
	const u64 *v = w->seen.v;
	out->chunks = w->seen_chunks;
	out->audit_misses = w->seen_misses;
	memcpy(out->bytes_stream, v + KT_SUM_STREAM, sizeof out->bytes_stream);
	out->bytes_keyframes = v[KT_SUM_KEYFRAMES];
	out->bytes_pages = v[KT_SUM_PAGES];
	out->bytes_index = v[KT_SUM_INDEX];
	out->bytes_dict = v[KT_SUM_DICT_BYTES];
	out->bytes_other = v[KT_SUM_OTHER];
	out->encode_ns = w->encode_ns;
	/* The statement runs under SQLite's own lock; while a commit is under way the number is that of before or after. */
	if (!w->job && !kt_db_int(&w->db, "PRAGMA page_count", &pages, "counting pages", NULL))
		out->bytes_file = (u64)pages * KT_DB_PAGE;
	pthread_mutex_unlock(&w->lock);
}

void kt_writer_free(struct kt_writer *w)
{
	if (!w)
		return;
	kt_writer_join(w);
	kt_writer_unprepare(w);
	kt_extents_destroy(w->extents);
	kt_db_close(&w->db);
	if (w->claim >= 0)
		close(w->claim);
	if (w->reserve >= 0)
		close(w->reserve);
	kt_raw_chunk_deinit(&w->raw[0]);
	kt_raw_chunk_deinit(&w->raw[1]);
	kt_dict_destroy(w->dict);
	kt_encoder_destroy(w->encoder);
	kt_zst_destroy(w->zst);
	kt_zst_destroy(w->fast);
	kt_digest_destroy(w->digest);
	kt_pages_destroy(w->pages);
	kt_page_set_free(&w->set);
	kt_page_list_free(&w->list);
	kt_zone_free(&w->zone);
	for (unsigned i = 0; i < KT_SEGMENT_LEVELS; i++) {
		kt_seg_free(&w->ids[i]);
		kt_seg_free(&w->written[i]);
		kt_buf_free(&w->out.seg[i].ids);
		kt_buf_free(&w->out.seg[i].pages);
	}
	struct kt_encoded *o = &w->out;
	struct kt_buf *all[] = { &o->dict, &o->sums_blob, &o->idx, &o->keys, &o->frames, &o->pages, &o->devices, &o->stack, &o->text };
	for (unsigned i = 0; i < KT_ARRAY_LEN(all); i++)
		kt_buf_free(all[i]);
	for (size_t i = 0; i < o->nmiss; i++)
		kt_buf_free(&o->miss[i].data);
	free(o->miss);
	free(o->piece);
	free(w->uses);
	free(w->local);
	kt_seg_free(&w->keys);
	free(w->rpage_slot);
	free(w->calls);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
}
