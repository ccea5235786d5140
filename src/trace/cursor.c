/* SPDX-License-Identifier: MIT */
/* A cursor: the decoder standing somewhere in a frame. Seeking decodes from the frame's keyframe, never further. */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_priv.h"

struct kt_cursor {
	struct kt_trace *t;
	struct kt_decoder *d;
	struct kt_dict_view dict;
	struct kt_chunk *c; /* of the open frame, NULL: none open */
	u32 frame;
	u64 at;
	u64 frame_end;      /* State behind the open frame's last step */
	u64 regs[KT_REGS_MAX]; /* where no frame is open */
};

int kt_cursor_create(struct kt_trace *t, struct kt_cursor **out, struct kt_err *err)
{
	const struct kt_reader_head *h = kt_reader_head(t->reader);
	struct kt_cursor *c = calloc(1, sizeof *c);

	*out = NULL;
	if (c)
		c->d = kt_decoder_create(h->arch);
	if (!c || !c->d) {
		free(c);
		return kt_fail(err, KT_E_NOMEM, "no memory for a cursor");
	}
	kt_decoder_initial_memory(c->d, kt_reader_initial(t->reader));
	c->t = t;
	c->dict = kt_reader_dict(t->reader);
	c->at = h->first;
	memcpy(c->regs, h->regs, sizeof c->regs);
	int rc = h->steps ? kt_cursor_seek(c, h->first, err) : 0;
	if (rc) {
		kt_cursor_destroy(c);
		return rc;
	}
	*out = c;
	return 0;
}

void kt_cursor_destroy(struct kt_cursor *c)
{
	if (!c)
		return;
	kt_decoder_destroy(c->d);
	kt_chunk_put(c->c);
	free(c);
}

/* Opens the frame that holds step n, standing at the frame's start. A failed cursor stands nowhere: no frame is open. */
static int open_frame(struct kt_cursor *c, u64 n, struct kt_err *err)
{
	struct kt_chunk *chunk;
	int rc = kt_reader_chunk_at(c->t->reader, n, &chunk, err);

	if (rc)
		return rc;
	u32 f = (u32)(n - chunk->first) / KT_FRAME_STEPS, count = kt_chunk_frame_steps(chunk, f);
	u64 first = chunk->first + (u64)f * KT_FRAME_STEPS;
	rc = kt_decoder_begin(c->d, chunk->frame[f], chunk->frame_size[f], first, count, chunk->keys + (size_t)f * KT_REGS_MAX, chunk->local,
	                      chunk->nlocal, &c->dict, err);
	kt_chunk_put(c->c);
	c->c = NULL;
	if (rc) {
		kt_chunk_put(chunk);
		return kt_fail_in(err, "steps %llu to %llu", (unsigned long long)first, (unsigned long long)(first + count - 1));
	}
	c->c = chunk;
	c->frame = f;
	c->at = first;
	c->frame_end = first + count;
	return 0;
}

static int decode_one(struct kt_cursor *c, const struct kt_step **step, struct kt_err *err)
{
	int rc = kt_decoder_next(c->d, step, err);

	if (!rc)
		rc = kt_reader_failed(c->t->reader, err);
	if (!rc) {
		c->at++;
		return 0;
	}
	kt_chunk_put(c->c);
	c->c = NULL;
	if (rc == -KT_E_END)
		return kt_fail(err, KT_E_CORRUPT, "step %llu: its frame ends before it", (unsigned long long)c->at);
	return kt_fail_in(err, "step %llu", (unsigned long long)c->at);
}

int kt_cursor_seek(struct kt_cursor *c, u64 n, struct kt_err *err)
{
	const struct kt_reader_head *h = kt_reader_head(c->t->reader);
	const struct kt_step *s;
	u64 end = h->first + h->steps;

	if (n < h->first || n > end)
		return kt_fail(err, KT_E_RANGE, "step %llu is outside the trace (%llu to %llu)", (unsigned long long)n, (unsigned long long)h->first,
		               (unsigned long long)end);
	if (!h->steps)
		return 0;
	/* State(end) is behind the last step: its frame is the last. */
	u64 in = n == end ? n - 1 : n;
	bool here = c->c && c->at <= n && n <= c->frame_end && (n < c->frame_end || n == end || c->at == n);
	int rc = here ? 0 : open_frame(c, in, err);
	while (!rc && c->at < n)
		rc = decode_one(c, &s, err);
	return rc;
}

int kt_cursor_next(struct kt_cursor *c, const struct kt_step **step, struct kt_err *err)
{
	const struct kt_reader_head *h = kt_reader_head(c->t->reader);

	if (c->at == h->first + h->steps)
		return kt_fail(err, KT_E_END, "the trace ends at step %llu", (unsigned long long)c->at);
	if (!c->c || c->at == c->frame_end) {
		u64 n = c->at;
		int rc = open_frame(c, n, err);
		const struct kt_step *s;
		while (!rc && c->at < n) /* only after a failure: the cursor stands within a frame */
			rc = decode_one(c, &s, err);
		if (rc)
			return rc;
	}
	return decode_one(c, step, err);
}

u64 kt_cursor_at(const struct kt_cursor *c)
{
	return c->at;
}

const u64 *kt_cursor_regs(const struct kt_cursor *c)
{
	return c->c ? kt_decoder_regs(c->d) : c->regs;
}
