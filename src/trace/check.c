/* SPDX-License-Identifier: MIT */
/* Checking a trace: everything is decoded, and what the file says twice must agree: keyframes with the steps between
 * them, totals and counts, leaves and digest, page versions with the writes, the index with what it indexes. */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_priv.h"

struct check {
	struct kt_trace *t;
	struct kt_digest *digest;
	struct kt_buf leaves;      /* recomputed */
	struct kt_decoder *d;
	struct kt_dict_view dict;
	u64 regs[KT_REGS_MAX];     /* State at the next step */
	u64 kinds[4];
	u32 *uses;                 /* of the open chunk, by place in its local table */
	struct kt_page_work *page; /* pages of the open chunk's list: content so far */
	u8 *images;
	u32 page_cap;
	struct kt_err *err;
};

static int wrong(struct check *k, u64 seq, u64 step, const char *why)
{
	return kt_fail(k->err, KT_E_CORRUPT, "chunk %llu, step %llu: %s", (unsigned long long)seq, (unsigned long long)step, why);
}

static int begin_pages(struct check *k, const struct kt_chunk *c)
{
	int rc = 0;

	if (c->pages.n > k->page_cap) {
		free(k->page);
		free(k->images);
		k->page_cap = c->pages.n * 2;
		k->page = calloc(k->page_cap, sizeof *k->page);
		k->images = malloc((size_t)k->page_cap * KT_PAGE);
		if (!k->page || !k->images) {
			k->page_cap = 0;
			return kt_fail(k->err, KT_E_NOMEM, "no memory to check pages");
		}
	}
	for (u32 i = 0; !rc && i < c->pages.n; i++) {
		k->page[i] = (struct kt_page_work){ .page = c->pages.e[i].page, .after = k->images + (size_t)i * KT_PAGE };
		rc = kt_reader_page(k->t->reader, k->page[i].page, c->seq, k->page[i].after, k->err);
	}
	return rc;
}

static int check_writes(struct check *k, const struct kt_chunk *c, u64 step, const struct kt_step *s)
{
	for (unsigned i = 0; i < s->naccess; i++) {
		const struct kt_access *a = &s->access[i];
		if (a->space != KT_SPACE_RAM || !(a->flags & KT_ACCESS_WRITE))
			continue;
		u64 first = a->pa >> KT_PAGE_SHIFT, last = (a->pa + (a->size ? a->size - 1 : 0)) >> KT_PAGE_SHIFT;
		if (last < first || last - first > c->pages.n)
			return wrong(k, c->seq, step, "writes more pages than its chunk");
		for (u64 page = first; page <= last; page++) {
			const struct kt_page_entry *e = kt_page_list_find(&c->pages, page);
			if (!e)
				return wrong(k, c->seq, step, "writes a page that its chunk does not list");
			struct kt_page_work *w = &k->page[e - c->pages.e];
			kt_page_write(w->after, page << KT_PAGE_SHIFT, a);
			w->written = true;
		}
	}
	return 0;
}

static int end_pages(struct check *k, const struct kt_chunk *c)
{
	u8 have[KT_PAGE];
	u64 end = c->first + c->count;

	for (u32 i = 0; i < c->pages.n; i++) {
		bool audited;
		int rc = kt_reader_audited(k->t->reader, k->page[i].page, end, &audited, k->err);
		if (!rc && !k->page[i].written)
			rc = wrong(k, c->seq, end, "lists a page that none of its steps writes");
		if (!rc && !audited)
			rc = kt_reader_page(k->t->reader, k->page[i].page, c->seq + 1, have, k->err);
		if (rc)
			return rc;
		if (!audited && memcmp(have, k->page[i].after, KT_PAGE))
			return kt_fail(k->err, KT_E_CORRUPT, "chunk %llu: page 0x%llx at its end is not what its steps wrote", (unsigned long long)c->seq,
			               (unsigned long long)k->page[i].page << KT_PAGE_SHIFT);
	}
	return 0;
}

static u32 local_of(const struct kt_chunk *c, u32 id)
{
	u32 lo = 0, hi = c->nlocal;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		if (c->local[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->nlocal && c->local[lo] == id ? lo : c->nlocal;
}

static int check_step(struct check *k, const struct kt_chunk *c, u64 n, const struct kt_step *s)
{
	u8 leaf[KT_LEAF_BYTES];

	k->kinds[s->kind & 3]++;
	kt_digest_step(k->digest, s, k->regs);
	if (kt_digest_leaf(k->digest, leaf))
		kt_buf_put(&k->leaves, leaf, sizeof leaf);
	memcpy(k->regs, kt_decoder_regs(k->d), sizeof k->regs);
	if (s->insn) {
		u32 i = local_of(c, s->insn->id);
		if (i == c->nlocal)
			return wrong(k, c->seq, n, "its instruction is not in its chunk's list");
		k->uses[i]++;
	}
	return check_writes(k, c, n, s);
}

static int check_frame(struct check *k, const struct kt_chunk *c, u32 f)
{
	const struct kt_arch *arch = k->t->info.arch;
	u64 n = c->first + (u64)f * KT_FRAME_STEPS;
	u32 count = kt_chunk_frame_steps(c, f);
	const u64 *key = c->keys + (size_t)f * KT_REGS_MAX;
	const struct kt_step *s;

	for (unsigned r = 0; r < arch->nregs; r++)
		if (key[r] != k->regs[r])
			return kt_fail(k->err, KT_E_CORRUPT, "chunk %llu, State(%llu): the keyframe's %s is 0x%llx, the steps before it say 0x%llx",
			               (unsigned long long)c->seq, (unsigned long long)n, arch->regs[r].name, (unsigned long long)key[r],
			               (unsigned long long)k->regs[r]);
	int rc = kt_decoder_begin(k->d, c->frame[f], c->frame_size[f], n, count, key, c->local, c->nlocal, &k->dict, k->err);
	for (u32 i = 0; !rc && i < count; i++) {
		rc = kt_decoder_next(k->d, &s, k->err);
		if (rc == -KT_E_END)
			rc = wrong(k, c->seq, n + i, "its frame ends before it");
		else if (rc)
			rc = kt_fail_in(k->err, "chunk %llu, step %llu", (unsigned long long)c->seq, (unsigned long long)(n + i));
		else
			rc = check_step(k, c, n + i, s);
	}
	if (!rc)
		rc = kt_reader_failed(k->t->reader, k->err);
	if (!rc && kt_decoder_next(k->d, &s, k->err) != -KT_E_END)
		rc = wrong(k, c->seq, n + count, "its frame goes on");
	return rc;
}

static int check_totals(struct check *k, const struct kt_chunk *c)
{
	static const char *const what[] = { "instructions", "exceptions", "interrupts", "gaps" };
	u8 tail[KT_LEAF_BYTES];
	bool has_tail = kt_digest_tail(k->digest, tail);

	for (unsigned i = 0; i < 4; i++)
		if (c->sums.v[KT_SUM_INSNS + i] != k->kinds[i])
			return kt_fail(k->err, KT_E_CORRUPT, "chunk %llu: its total of %s is %llu, the steps make %llu", (unsigned long long)c->seq, what[i],
			               (unsigned long long)c->sums.v[KT_SUM_INSNS + i], (unsigned long long)k->kinds[i]);
	if (c->sums.end_pc != kt_arch_linear_pc(k->t->info.arch, k->regs))
		return wrong(k, c->seq, c->first + c->count, "its end PC is not where the steps lead");
	if (has_tail != c->sums.has_tail || (has_tail && memcmp(tail, c->sums.tail, sizeof tail)))
		return wrong(k, c->seq, c->first + c->count, "its steps hash to something else than was recorded");
	for (u32 i = 0; i < c->nlocal; i++)
		if (c->uses[i] != k->uses[i])
			return wrong(k, c->seq, c->first, "its counts of instructions are wrong");
	return 0;
}

static int check_chunk(struct check *k, u64 seq, u64 expected)
{
	struct kt_chunk *c;
	int rc = kt_reader_chunk(k->t->reader, seq, &c, k->err);

	if (rc)
		return rc;
	memset(k->uses, 0, KT_CHUNK_STEPS * sizeof *k->uses);
	if (c->first != expected)
		rc = wrong(k, seq, expected, "the chunk does not begin where the one before ends");
	if (!rc)
		rc = begin_pages(k, c);
	for (u32 f = 0; !rc && f < c->nframes; f++)
		rc = check_frame(k, c, f);
	if (!rc)
		rc = check_totals(k, c);
	if (!rc)
		rc = end_pages(k, c);
	kt_chunk_put(c);
	return rc;
}

static int check_digest(struct check *k)
{
	const struct kt_reader_head *h = kt_reader_head(k->t->reader);
	struct kt_buf stored = { 0 };
	u8 digest[KT_LEAF_BYTES];
	int rc = kt_reader_leaves(k->t->reader, &stored, k->err);

	if (kt_digest_tail(k->digest, digest))
		kt_buf_put(&k->leaves, digest, sizeof digest);
	if (!rc && k->leaves.failed)
		rc = kt_fail(k->err, KT_E_NOMEM, "no memory for leaves");
	if (!rc && (stored.len != k->leaves.len || (stored.len && memcmp(stored.data, k->leaves.data, stored.len))))
		rc = kt_fail(k->err, KT_E_CORRUPT, "the digest's leaves are not those of the steps");
	kt_digest_final(h->init, h->first, h->steps, k->leaves.data, k->leaves.len / KT_LEAF_BYTES, digest);
	if (!rc && memcmp(digest, h->digest, sizeof digest))
		rc = kt_fail(k->err, KT_E_CORRUPT, "the recorded digest is not that of the steps");
	kt_buf_free(&stored);
	return rc;
}

static int check_all(struct check *k, void (*progress)(void *ctx, u64 step), void *ctx)
{
	struct kt_reader *r = k->t->reader;
	const struct kt_reader_head *h = kt_reader_head(r);
	int rc = kt_reader_verify_file(r, k->err);
	u64 expected = h->first;

	if (!rc)
		rc = kt_reader_verify_init(r, k->err);
	memcpy(k->regs, h->regs, sizeof k->regs);
	for (u64 seq = h->first_chunk; !rc && seq < h->first_chunk + h->chunks; seq++) {
		struct kt_chunk *c;
		rc = check_chunk(k, seq, expected);
		if (!rc)
			rc = kt_reader_chunk(r, seq, &c, k->err);
		if (rc)
			break;
		expected += c->count;
		kt_chunk_put(c);
		if (progress)
			progress(ctx, expected);
	}
	if (!rc && expected != h->first + h->steps)
		rc = kt_fail(k->err, KT_E_CORRUPT, "the chunks hold %llu steps, not %llu", (unsigned long long)(expected - h->first), (unsigned long long)h->steps);
	if (!rc)
		rc = check_digest(k);
	return rc ? rc : kt_reader_verify_index(r, k->err);
}

int kt_trace_check(struct kt_trace *t, void (*progress)(void *ctx, uint64_t step), void *ctx, struct kt_err *err)
{
	const struct kt_reader_head *h = kt_reader_head(t->reader);
	struct kt_err own;
	struct check k = { .t = t, .dict = t->dict, .err = err ? err : &own };
	int rc;

	k.digest = kt_digest_create(h->arch, h->first);
	k.d = kt_decoder_create(h->arch);
	if (k.d)
		kt_decoder_initial_memory(k.d, kt_reader_initial(t->reader));
	k.uses = calloc(KT_CHUNK_STEPS, sizeof *k.uses);
	rc = k.digest && k.d && k.uses ? check_all(&k, progress, ctx) : kt_fail(err, KT_E_NOMEM, "no memory to check");
	if (rc == -KT_E_RANGE) /* a row that points outside the trace */
		rc = kt_fail(err, KT_E_CORRUPT, "the file contradicts itself");
	kt_digest_destroy(k.digest);
	kt_decoder_destroy(k.d);
	kt_buf_free(&k.leaves);
	free(k.uses);
	free(k.page);
	free(k.images);
	return rc;
}
