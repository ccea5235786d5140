/* SPDX-License-Identifier: MIT */
/* Searching and auditing a trace: the index against plain counting, zone maps against the steps, memory that changed
 * unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "synth.h"
#include "trace/trace_priv.h"

static char dir[64], path[96];

static int setup(void **state)
{
	strcpy(dir, "/tmp/kt-trace-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/t.db", dir);
	return 0;
}

static int teardown(void **state)
{
	char cmd[96];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static void ok(int rc, const struct kt_err *err)
{
	if (rc)
		fail_msg("error %d: %s", rc, err->text);
}

static struct synth *start(u64 seed, u32 chunk)
{
	struct kt_writer_head h;
	struct kt_err err = { 0 };
	struct synth *y = malloc(sizeof *y);

	synth_init(y, seed);
	synth_head(y, &h);
	h.limits.steps = chunk;
	ok(kt_writer_create(path, &h, &y->w, &err), &err);
	return y;
}

static void end(struct synth *y)
{
	synth_deinit(y);
	free(y);
}

static struct kt_trace *finish(struct synth *y)
{
	struct kt_err err = { 0 };
	struct kt_trace *t = NULL;

	ok(kt_writer_finish(y->w, "steps", "", NULL, &err), &err);
	ok(kt_trace_open(path, &t, NULL, &err), &err);
	return t;
}

enum { CHUNK = 10, CHUNKS = 4096 + 64 * 3 + 17 }; /* two levels of segments, and tails on each */

static void index_search(void **state)
{
	static u8 ran[SYNTH_INSNS + 1][CHUNKS], wrote[SYNTH_PAGES][CHUNKS];
	static u64 uses[SYNTH_INSNS + 1];
	struct synth *y = start(1, CHUNK);
	struct kt_err err = { 0 };
	bool fresh;

	memset(ran, 0, sizeof ran);
	y->quiet = true;
	for (u32 c = 0; c < CHUNKS; c++)
		for (u32 i = 0; i < CHUNK; i++) {
			const struct kt_step *s = synth_next(y);
			ok(kt_writer_step(y->w, s, y->regs, &fresh, &err), &err);
			if (fresh)
				synth_epoch(y);
			ran[s->insn->id][c] = 1;
			uses[s->insn->id]++;
			for (unsigned a = 0; a < s->naccess; a++)
				if (s->access[a].space == KT_SPACE_RAM && s->access[a].flags & KT_ACCESS_WRITE)
					for (u64 at = s->access[a].pa & ~4095ull; at < s->access[a].pa + s->access[a].size; at += 4096)
						wrote[synth_page(at)][c] = 1;
		}
	struct kt_trace *t = finish(y);
	struct kt_reader *r = kt_trace_reader(t);
	assert_int_equal(kt_trace_info(t)->chunks, CHUNKS);
	unsigned nids = (unsigned)kt_trace_info(t)->unique_insns;
	for (unsigned i = 0; i < 20000; i++) {
		bool page = i & 1;
		unsigned k = (unsigned)(page ? synth_below(y, SYNTH_PAGES) : 1 + synth_below(y, nids));
		u64 key = page && k >= SYNTH_LOW / 4096 ? (SYNTH_HIGH_AT - SYNTH_LOW) / 4096 + k : k, from = synth_below(y, CHUNKS), seq = 0;
		const u8 *truth = page ? wrote[k] : ran[k];
		int dir_ = i & 2 ? 1 : -1;
		s64 want = (s64)from;
		while (want >= 0 && want < CHUNKS && !truth[want])
			want += dir_;
		int rc = kt_reader_find(r, page ? KT_INDEX_PAGE : KT_INDEX_INSN, key, from, dir_, &seq, &err);
		if (want < 0 || want == CHUNKS) {
			assert_int_equal(rc, -KT_E_END);
		} else {
			ok(rc, &err);
			assert_int_equal(seq, want);
		}
	}
	u64 seq;
	assert_int_equal(kt_reader_find(r, KT_INDEX_INSN, nids + 1, 0, 1, &seq, &err), -KT_E_END);
	assert_int_equal(kt_reader_find(r, KT_INDEX_INSN, 1, CHUNKS, 1, &seq, &err), -KT_E_END);
	assert_int_equal(kt_reader_find(r, KT_INDEX_INSN, 1, ~0ull, 1, &seq, &err), -KT_E_END);
	assert_int_equal(kt_reader_find(r, KT_INDEX_INSN, 1, ~0ull, -1, &seq, &err), 0);
	for (unsigned id = 1; id <= nids; id++) {
		u64 n;
		ok(kt_reader_uses(r, id, &n, &err), &err);
		assert_int_equal(n, uses[id]);
	}
	ok(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_trace_close(t);
	end(y);
}

static void zone_maps(void **state)
{
	enum { STEPS = 40000, EACH = 700 };
	struct synth *y = start(2, EACH), *z = malloc(sizeof *z);
	struct kt_err err = { 0 };
	u64 prev[X86_NHOT];

	ok(synth_record(y, STEPS, &err), &err);
	struct kt_trace *t = finish(y);
	struct kt_reader *r = kt_trace_reader(t);
	synth_init(z, 2);
	for (u64 seq = 0; seq < kt_reader_head(r)->chunks; seq++) {
		struct kt_chunk *c;
		struct kt_zone want = { .pc_min = ~0ull, .levels = 1 };
		static u8 rpages[SYNTH_PAGES];
		u32 nr = 0;
		ok(kt_reader_chunk(r, seq, &c, &err), &err);
		memset(rpages, 0, sizeof rpages);
		memcpy(want.min, z->regs, sizeof prev);
		memcpy(want.max, z->regs, sizeof prev);
		for (u32 i = 0; i < c->count; i++) {
			memcpy(prev, z->regs, sizeof prev);
			const struct kt_step *s = synth_next(z);
			want.kinds |= (u8)(1 << s->kind);
			for (unsigned k = 0; k < X86_NHOT; k++) {
				want.min[k] = s->hot[k] < want.min[k] ? s->hot[k] : want.min[k];
				want.max[k] = s->hot[k] > want.max[k] ? s->hot[k] : want.max[k];
				want.changed |= (u64)(s->hot[k] != prev[k]) << k;
			}
			want.pc_min = KT_MIN(want.pc_min, s->pc);
			want.pc_max = KT_MAX(want.pc_max, s->pc);
			for (unsigned a = 0; a < s->naccess; a++) {
				const struct kt_access *x = &s->access[a];
				*(x->flags & KT_ACCESS_WRITE ? &want.writes : &want.reads) |= (u8)(1 << x->space);
				if (x->space == KT_SPACE_RAM && !(x->flags & KT_ACCESS_WRITE))
					for (u64 at = x->pa & ~4095ull; at < x->pa + x->size; at += 4096)
						rpages[synth_page(at)] = 1;
			}
			for (unsigned e = 0; e < s->nevent; e++)
				want.events |= 1u << s->event[e].kind;
			for (unsigned k = 0; k < s->ncold; k++)
				want.cold[s->cold[k].reg / 32] |= 1u << s->cold[k].reg % 32;
		}
		for (unsigned k = 0; k < SYNTH_PAGES; k++)
			if (rpages[k]) {
				u64 page = k >= SYNTH_LOW / 4096 ? (SYNTH_HIGH_AT - SYNTH_LOW) / 4096 + k : k;
				assert_true(nr < c->zone.nrpages);
				assert_int_equal(c->zone.rpage[nr++], page);
			}
		assert_int_equal(nr, c->zone.nrpages);
		assert_int_equal(c->zone.kinds, want.kinds);
		assert_int_equal(c->zone.levels, want.levels);
		assert_int_equal(c->zone.reads, want.reads);
		assert_int_equal(c->zone.writes, want.writes);
		assert_int_equal(c->zone.events, want.events);
		assert_int_equal(c->zone.changed, want.changed);
		assert_int_equal(c->zone.pc_min, want.pc_min);
		assert_int_equal(c->zone.pc_max, want.pc_max);
		assert_memory_equal(c->zone.cold, want.cold, sizeof want.cold);
		assert_memory_equal(c->zone.min, want.min, sizeof prev);
		assert_memory_equal(c->zone.max, want.max, sizeof prev);
		kt_chunk_put(c);
	}
	kt_trace_close(t);
	end(y);
	end(z);
}

struct seen {
	unsigned n;
	u64 page[8], step[8], after[8];
};

static int see(void *ctx, u64 page, u64 step, u64 after_step, const u8 *content)
{
	struct seen *s = ctx;
	assert_true(s->n < 8);
	s->page[s->n] = page;
	s->step[s->n] = step;
	s->after[s->n++] = after_step;
	return 0;
}

static void byte_at(struct kt_trace *t, u64 n, u64 pa, u8 want)
{
	struct kt_err err = { 0 };
	u8 got;
	ok(kt_trace_memory(t, n, pa, &got, 1, &err), &err);
	if (got != want)
		fail_msg("0x%llx at State(%llu) is %02x, not %02x", (unsigned long long)pa, (unsigned long long)n, got, want);
}

/* The page that the made-up guest never writes by itself, and a step that writes one byte of it. */
enum { QUIET_AT = SYNTH_HIGH_AT + SYNTH_HIGH - 4096, ON_PAGE = 64 };

static void poke(struct synth *y, u64 at, u8 value)
{
	struct kt_err err = { 0 };
	bool fresh;
	const struct kt_step *s = synth_next(y);
	struct kt_access *a = &y->s.access[y->s.naccess++];

	synth_touch(y, at, 1);
	y->data[y->used] = value;
	*a = (struct kt_access){ .va = at, .pa = at, .size = 1, .space = KT_SPACE_RAM, .flags = KT_ACCESS_WRITE, .data = y->data + y->used };
	*synth_host(y, at) = value;
	ok(kt_writer_step(y->w, s, y->regs, &fresh, &err), &err);
	if (fresh)
		synth_epoch(y);
}

/* As the recorder does it: at a chunk's end, the dirty pages. */
static void audit(struct synth *y, u64 at)
{
	struct kt_err err = { 0 };
	ok(kt_writer_audit_begin(y->w, &err), &err);
	ok(kt_writer_audit_page(y->w, at, synth_host(y, at), &err), &err);
	ok(kt_writer_audit_page(y->w, 0x2000, synth_host(y, 0x2000), &err), &err);
	ok(kt_writer_audit_end(y->w, &err), &err);
	synth_epoch(y);
}

static void audit_finds(void **state)
{
	struct synth *y = start(3, 100);
	struct kt_err err = { 0 };
	struct seen seen = { 0 };
	u64 p = QUIET_AT / 4096, first, second, third;

	y->quiet = true;
	ok(synth_record(y, 250, &err), &err);
	*synth_host(y, QUIET_AT + ON_PAGE) = 0x11; /* unseen, long before anybody writes the page */
	ok(synth_record(y, 250, &err), &err);
	audit(y, QUIET_AT); /* closes the open chunk at 500: there is nothing open */
	first = y->n;
	ok(synth_record(y, 130, &err), &err);
	poke(y, QUIET_AT + ON_PAGE + 1, 0x22); /* a true write after it */
	ok(synth_record(y, 300, &err), &err);
	audit(y, QUIET_AT); /* in the middle of a chunk: it is closed; nothing is wrong */
	second = y->n;
	*synth_host(y, QUIET_AT + ON_PAGE + 2) = 0x33; /* unseen, found when the page is touched */
	ok(synth_record(y, 50, &err), &err);
	poke(y, QUIET_AT + ON_PAGE + 3, 0x44);
	third = y->n;
	ok(synth_record(y, 1000, &err), &err);
	audit(y, QUIET_AT);
	struct kt_writer_stats st;
	kt_writer_stats(y->w, &st);
	assert_int_equal(st.audit_misses, 2);
	struct kt_trace *t = finish(y);
	assert_int_equal(kt_trace_info(t)->audit_misses, 2);
	ok(kt_reader_audits(kt_trace_reader(t), see, &seen, &err), &err);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.page[0], p);
	assert_int_equal(seen.step[0], first);
	assert_int_equal(seen.after[0], 0); /* nobody had looked since the beginning */
	assert_int_equal(seen.page[1], p);
	assert_int_equal(seen.step[1], second); /* dated at the first step of the chunk that touched it */
	assert_int_equal(seen.after[1], second);
	byte_at(t, first - 1, QUIET_AT + ON_PAGE, 0);
	byte_at(t, first, QUIET_AT + ON_PAGE, 0x11);
	byte_at(t, second, QUIET_AT + ON_PAGE, 0x11);
	byte_at(t, second, QUIET_AT + ON_PAGE + 1, 0x22);
	byte_at(t, second - 1, QUIET_AT + ON_PAGE + 2, 0);
	byte_at(t, second, QUIET_AT + ON_PAGE + 2, 0x33);
	byte_at(t, third - 1, QUIET_AT + ON_PAGE + 3, 0);
	byte_at(t, third, QUIET_AT + ON_PAGE + 3, 0x44);
	byte_at(t, y->n, QUIET_AT + ON_PAGE, 0x11);
	static u8 got[SYNTH_HIGH];
	ok(kt_trace_memory(t, y->n, SYNTH_HIGH_AT, got, SYNTH_HIGH, &err), &err);
	assert_memory_equal(got, y->high, SYNTH_HIGH);
	ok(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_trace_close(t);
	end(y);
}

/* What the audit found is not what the steps said: the digest does not know of it. */
static void audit_not_in_digest(void **state)
{
	char a[33], b[33];
	struct kt_err err = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		struct synth *y = start(4, 100);
		ok(synth_record(y, 250, &err), &err);
		if (i) {
			u64 at = SYNTH_LOW - 1;
			u8 was = *synth_host(y, at);
			*synth_host(y, at) = (u8)~was;
			audit(y, at & ~4095ull);
			*synth_host(y, at) = was;
			audit(y, at & ~4095ull);
		}
		ok(synth_record(y, 250, &err), &err);
		ok(kt_writer_finish(y->w, "steps", "", i ? b : a, &err), &err);
		end(y);
	}
	assert_string_equal(a, b);
}

/* A recorder that forgets to announce a page is told so; the trace up to there stands. */
static void unannounced_write(void **state)
{
	struct synth *y = start(5, 100);
	struct kt_err err = { 0 };
	struct kt_writer *w = y->w;
	bool fresh;

	ok(synth_record(y, 500, &err), &err);
	y->w = NULL; /* tells nobody from here on */
	int rc = 0;
	for (unsigned i = 0; i < 1000 && !rc; i++) {
		rc = kt_writer_step(w, synth_next(y), y->regs, &fresh, &err);
		if (!rc && fresh)
			synth_epoch(y);
	}
	assert_int_equal(rc, -KT_E_ARG);
	assert_non_null(strstr(err.text, "not announced"));
	assert_int_equal(kt_writer_finish(w, "steps", "", NULL, &err), -KT_E_ARG);
	struct kt_trace *t;
	ok(kt_trace_open(path, &t, NULL, &err), &err);
	assert_string_equal(kt_trace_info(t)->end_reason, "error");
	assert_int_equal(kt_trace_info(t)->steps, 500);
	ok(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_trace_close(t);
	end(y);
}

static void devices(void **state)
{
	struct synth *y = start(6, 100);
	struct kt_err err = { 0 };
	struct kt_buf b = { 0 };

	kt_buf_put(&b, "state at 0", 10);
	kt_writer_devices(y->w, &b);
	ok(synth_record(y, 100, &err), &err);
	kt_buf_clear(&b);
	kt_buf_put(&b, "state at 100", 12);
	kt_writer_devices(y->w, &b);
	ok(synth_record(y, 150, &err), &err);
	struct kt_trace *t = finish(y);
	kt_buf_clear(&b);
	for (u64 seq = 0; seq < 3; seq++)
		ok(kt_reader_devices(kt_trace_reader(t), seq, &b, &err), &err);
	assert_int_equal(b.len, 22);
	assert_memory_equal(b.data, "state at 0state at 100", 22);
	assert_int_equal(kt_reader_devices(kt_trace_reader(t), 3, &b, &err), -KT_E_RANGE);
	kt_buf_free(&b);
	kt_trace_close(t);
	end(y);
}

static void texts(void **state)
{
	struct synth *y = start(7, 0);
	struct kt_err err = { 0 };
	char text[64];
	bool fresh;
	struct kt_step s = { .kind = KT_STEP_INSN, .pc = 0x1000, .hot = y->regs, .nhot = X86_NHOT };
	struct kt_insn k = { .pc = 0x1000, .bytes = { 0x48, 0x89, 0xd8 }, .len = 3, .mode = KT_MODE_64, .desc = { .len = 3, .width = 8 } };

	s.insn = &k;
	ok(kt_writer_step(y->w, &s, y->regs, &fresh, &err), &err);
	struct kt_trace *t = finish(y);
	struct kt_cursor *c;
	const struct kt_step *got;
	ok(kt_cursor_create(t, &c, &err), &err);
	ok(kt_cursor_next(c, &got, &err), &err);
	assert_string_equal(kt_step_text(t, got, text, sizeof text), "mov rax, rbx");
	assert_string_equal(kt_step_text(t, got, text, 4), "mov");
	kt_cursor_destroy(c);
	kt_trace_close(t);
	end(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(index_search, setup, teardown),
		cmocka_unit_test_setup_teardown(zone_maps, setup, teardown),
		cmocka_unit_test_setup_teardown(audit_finds, setup, teardown),
		cmocka_unit_test_setup_teardown(audit_not_in_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(unannounced_write, setup, teardown),
		cmocka_unit_test_setup_teardown(devices, setup, teardown),
		cmocka_unit_test_setup_teardown(texts, setup, teardown),
	};
	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
