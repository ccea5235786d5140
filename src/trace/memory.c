/* SPDX-License-Identifier: MIT */
/* Memory at State(n): pages as they were when n's chunk began, and the chunk's own writes before n. The writes of the
 * chunk asked about last are kept, decoded frame by frame as far as was needed. */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_priv.h"

/* What a chunk's payload limit lets through, several times over: a bound for hostile files. */
enum { WRITES_MAX = 4 << 20, DATA_MAX = 64 << 20 };

void kt_trace_memory_free(struct kt_trace *t)
{
	kt_chunk_put(t->writes.chunk);
	free(t->writes.w);
	kt_buf_free(&t->writes.data);
	t->writes = (struct kt_chunk_writes){ 0 };
}

static int keep(struct kt_chunk_writes *k, u32 step, const struct kt_access *a, struct kt_err *err)
{
	u32 n = a->flags & KT_ACCESS_FILL ? a->elem : a->size;

	if (k->n >= WRITES_MAX || k->data.len + n > DATA_MAX)
		return kt_fail(err, KT_E_CORRUPT, "chunk %llu writes more than a chunk can", (unsigned long long)k->chunk->seq);
	if (k->n == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 1024;
		struct kt_chunk_write *w = realloc(k->w, cap * sizeof *w);
		if (!w)
			return kt_fail(err, KT_E_NOMEM, "no memory for a chunk's writes");
		k->w = w;
		k->cap = cap;
	}
	k->w[k->n++] = (struct kt_chunk_write){ .step = step, .pa = a->pa, .size = a->size, .data = (u32)k->data.len, .flags = a->flags, .elem = a->elem };
	kt_buf_put(&k->data, a->data, n);
	return k->data.failed ? kt_fail(err, KT_E_NOMEM, "no memory for a chunk's writes") : 0;
}

static int decode_frame(struct kt_trace *t, struct kt_err *err)
{
	struct kt_chunk_writes *k = &t->writes;
	struct kt_chunk *c = k->chunk;
	u32 f = k->frames, first = f * KT_FRAME_STEPS;
	const struct kt_step *s;
	int rc = kt_decoder_begin(t->decoder, c->frame[f], c->frame_size[f], c->first + first, kt_chunk_frame_steps(c, f),
	                          c->keys + (size_t)f * KT_REGS_MAX, c->local, c->nlocal, &t->dict, err);

	for (u32 i = first; !rc && (rc = kt_decoder_next(t->decoder, &s, err)) == 0; i++)
		for (unsigned a = 0; !rc && a < s->naccess; a++)
			if (s->access[a].space == KT_SPACE_RAM && s->access[a].flags & KT_ACCESS_WRITE && s->access[a].data)
				rc = keep(k, i, &s->access[a], err);
	if (rc != -KT_E_END)
		return rc;
	k->frames++;
	return kt_reader_failed(t->reader, err);
}

/* Decodes as far as step `upto` of the chunk. */
static int need_writes(struct kt_trace *t, struct kt_chunk *c, u32 upto, struct kt_err *err)
{
	struct kt_chunk_writes *k = &t->writes;
	u32 frames = (upto + KT_FRAME_STEPS - 1) / KT_FRAME_STEPS;
	int rc = 0;

	if (!k->chunk || k->chunk->seq != c->seq) {
		kt_chunk_put(k->chunk);
		k->chunk = c;
		c->refs++;
		k->frames = 0;
		k->n = 0;
		kt_buf_clear(&k->data);
	}
	while (!rc && k->frames < KT_MIN(frames, c->nframes))
		rc = decode_frame(t, err);
	return rc;
}

static void replay(const struct kt_chunk_writes *k, u64 gpa, u32 before, u8 *page)
{
	for (size_t i = 0; i < k->n && k->w[i].step < before; i++) {
		const struct kt_chunk_write *w = &k->w[i];
		struct kt_access a = { .pa = w->pa, .size = w->size, .flags = w->flags, .elem = w->elem, .data = k->data.data + w->data };
		kt_page_write(page, gpa, &a);
	}
}

static int page_at(struct kt_trace *t, struct kt_chunk *c, u64 n, u64 page, u8 *to, struct kt_err *err)
{
	const struct kt_reader_head *h = kt_reader_head(t->reader);
	int rc = kt_reader_page(t->reader, page, c ? c->seq : h->first_chunk + h->chunks, to, err);

	if (rc || !c || n == c->first || !kt_page_list_find(&c->pages, page))
		return rc;
	u32 before = (u32)(n - c->first);
	rc = need_writes(t, c, before, err);
	if (!rc)
		replay(&t->writes, page << KT_PAGE_SHIFT, before, to);
	return rc;
}

static bool all_ram(const struct kt_trace *t, u64 gpa, size_t size)
{
	u64 at = gpa, end = gpa + size;

	if (end < gpa)
		return false;
	for (unsigned i = 0; i < t->nram && at < end; i++)
		if (at - t->ram[i].gpa < t->ram[i].size)
			at = t->ram[i].gpa + t->ram[i].size;
	return at >= end;
}

int kt_trace_memory(struct kt_trace *t, u64 n, u64 gpa, void *to, size_t size, struct kt_err *err)
{
	const struct kt_reader_head *h = kt_reader_head(t->reader);
	struct kt_chunk *c = NULL;
	u8 page[KT_PAGE], *out = to;
	int rc = 0;

	if (n < h->first || n > h->first + h->steps)
		return kt_fail(err, KT_E_RANGE, "step %llu is outside the trace (%llu to %llu)", (unsigned long long)n, (unsigned long long)h->first,
		               (unsigned long long)(h->first + h->steps));
	if (!all_ram(t, gpa, size))
		return kt_fail(err, KT_E_RANGE, "0x%llx, %zu bytes: not all of it is RAM", (unsigned long long)gpa, size);
	if (n < h->first + h->steps)
		rc = kt_reader_chunk_at(t->reader, n, &c, err);
	while (!rc && size) {
		size_t off = gpa & (KT_PAGE - 1), part = KT_MIN((size_t)KT_PAGE - off, size);
		rc = page_at(t, c, n, gpa >> KT_PAGE_SHIFT, page, err);
		if (!rc)
			memcpy(out, page + off, part);
		out += part;
		gpa += part;
		size -= part;
	}
	kt_chunk_put(c);
	return rc;
}
