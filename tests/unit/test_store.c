/* SPDX-License-Identifier: MIT */
/* Writer and reader together: what was recorded comes back, step by step, register by register, byte by byte. The truth
 * is a second run of the made-up guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ktrace/trace.h"
#include "store/db.h"
#include "store/pages.h"
#include "synth.h"

static char dir[64], path[96];

static int setup(void **state)
{
	strcpy(dir, "/tmp/kt-store-XXXXXX");
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

/* Records `steps` of seed into path with the given chunk length. */
static void record(u64 seed, u64 steps, u32 chunk, char digest[33])
{
	struct kt_writer_head h;
	struct kt_err err = { 0 };
	struct synth *y = malloc(sizeof *y);

	synth_init(y, seed);
	synth_head(y, &h);
	h.limits.steps = chunk;
	ok(kt_writer_create(path, &h, &y->w, &err), &err);
	ok(synth_record(y, steps, &err), &err);
	ok(kt_writer_finish(y->w, "steps", "as many as asked for", digest, &err), &err);
	synth_deinit(y);
	free(y);
}

static struct kt_trace *open_trace(void)
{
	struct kt_trace *t = NULL;
	struct kt_err err = { 0 };
	const char *notice;

	ok(kt_trace_open(path, &t, &notice, &err), &err);
	assert_null(notice);
	return t;
}

static void same_step(const struct kt_step *a, const struct kt_step *b, u64 n)
{
	u8 x[16], z[16];

	if (a->kind != b->kind || a->pc != b->pc || a->naccess != b->naccess || a->nevent != b->nevent || a->ncold != b->ncold)
		fail_msg("step %llu differs", (unsigned long long)n);
	assert_int_equal(kt_step_bytes(a, x), kt_step_bytes(b, z));
	assert_memory_equal(x, z, 16);
	assert_memory_equal(a->hot, b->hot, X86_NHOT * sizeof(u64));
	for (unsigned i = 0; i < a->naccess; i++) {
		const struct kt_access *p = &a->access[i], *q = &b->access[i];
		if (p->va != q->va || p->pa != q->pa || p->size != q->size || p->space != q->space || p->flags != q->flags || p->elem != q->elem ||
		    !p->data != !q->data || (p->data && memcmp(p->data, q->data, p->flags & KT_ACCESS_FILL ? p->elem : p->size)))
			fail_msg("step %llu, access %u differs", (unsigned long long)n, i);
	}
	for (unsigned i = 0; i < a->nevent; i++)
		assert_memory_equal(&a->event[i], &b->event[i], sizeof a->event[i]);
	for (unsigned i = 0; i < a->ncold; i++)
		assert_true(a->cold[i].reg == b->cold[i].reg && a->cold[i].value == b->cold[i].value);
}

/* Walks the trace along a fresh run of the guest. */
static void compare_all(struct kt_trace *t, u64 seed, u64 steps)
{
	struct synth *y = malloc(sizeof *y);
	struct kt_cursor *c;
	struct kt_err err = { 0 };
	const struct kt_step *s;

	synth_init(y, seed);
	ok(kt_cursor_create(t, &c, &err), &err);
	assert_memory_equal(kt_cursor_regs(c), y->regs, sizeof y->regs);
	for (u64 n = 0; n < steps; n++) {
		ok(kt_cursor_next(c, &s, &err), &err);
		same_step(s, synth_next(y), n);
		assert_int_equal(kt_cursor_at(c), n + 1);
		if (n % 7 == 0)
			assert_memory_equal(kt_cursor_regs(c), y->regs, sizeof y->regs);
	}
	assert_int_equal(kt_cursor_next(c, &s, &err), -KT_E_END);
	kt_cursor_destroy(c);
	synth_deinit(y);
	free(y);
}

static void round_trip(void **state)
{
	enum { STEPS = 150000 };
	char digest[33];
	struct kt_err err = { 0 };

	record(1, STEPS, 0, digest);
	struct kt_trace *t = open_trace();
	const struct kt_trace_info *i = kt_trace_info(t);
	assert_int_equal(i->steps, STEPS);
	assert_int_equal(i->first, 0);
	assert_int_equal(i->insns + i->exceptions + i->irqs + i->gaps, STEPS);
	assert_true(i->exceptions && i->irqs && i->gaps);
	assert_true(i->finished);
	assert_string_equal(i->end_reason, "steps");
	assert_string_equal(i->digest, digest);
	assert_string_equal(i->engine, "synthetic");
	assert_int_equal(i->start_pc, 0x1000);
	assert_int_equal(i->mem_bytes, SYNTH_LOW + SYNTH_HIGH);
	assert_int_equal(i->audit_misses, 0);
	assert_true(i->chunks >= 3);
	compare_all(t, 1, STEPS);
	ok(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_trace_close(t);
}

/* The digest says what happened, not how it was cut into chunks. */
static void digest_without_chunks(void **state)
{
	char a[33], b[33], c[33];

	record(2, 70000, 0, a);
	record(2, 70000, 1000, b);
	record(3, 70000, 1000, c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	record(2, 69999, 0, c);
	assert_string_not_equal(a, c);
}

/* Small chunks: segments, page versions beyond 16 deltas, roll-up. */
static void many_chunks(void **state)
{
	enum { STEPS = 150000, CHUNK = 1000 };
	struct kt_err err = { 0 };

	record(4, STEPS, CHUNK, NULL);
	struct kt_trace *t = open_trace();
	assert_int_equal(kt_trace_info(t)->chunks, STEPS / CHUNK);
	compare_all(t, 4, STEPS);
	ok(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_trace_close(t);
}

static void memory_equal_at(struct kt_trace *t, struct synth *y)
{
	static u8 got[SYNTH_LOW];
	struct kt_err err = { 0 };

	ok(kt_trace_memory(t, y->n, 0, got, SYNTH_LOW, &err), &err);
	if (memcmp(got, y->low, SYNTH_LOW))
		fail_msg("low memory at State(%llu) differs", (unsigned long long)y->n);
	ok(kt_trace_memory(t, y->n, SYNTH_HIGH_AT, got, SYNTH_HIGH, &err), &err);
	if (memcmp(got, y->high, SYNTH_HIGH))
		fail_msg("high memory at State(%llu) differs", (unsigned long long)y->n);
}

static void memory_in(u64 seed, u64 steps, u32 chunk, u64 stride)
{
	struct synth *y = malloc(sizeof *y);
	record(seed, steps, chunk, NULL);
	struct kt_trace *t = open_trace();

	synth_init(y, seed);
	for (;;) {
		if (y->n % stride == 0 || y->n % chunk == 0 || y->n % chunk == 1 || y->n == steps)
			memory_equal_at(t, y);
		if (y->n == steps)
			break;
		synth_next(y);
	}
	kt_trace_close(t);
	synth_deinit(y);
	free(y);
}

static void memory_small_chunks(void **state)
{
	memory_in(5, 15000, 300, 997);
}

static void memory_large_chunks(void **state)
{
	memory_in(6, 50000, 30000, 9973);
}

static void seeks(void **state)
{
	enum { STEPS = 100000 };
	struct synth *y = malloc(sizeof *y);
	struct kt_cursor *c;
	struct kt_err err = { 0 };
	static u64 regs[STEPS / 1000 + 1][X86_NREGS];

	record(7, STEPS, 30000, NULL);
	struct kt_trace *t = open_trace();
	synth_init(y, 7);
	for (;;) {
		if (y->n % 1000 == 0)
			memcpy(regs[y->n / 1000], y->regs, sizeof regs[0]);
		if (y->n == STEPS)
			break;
		synth_next(y);
	}
	ok(kt_cursor_create(t, &c, &err), &err);
	for (unsigned i = 0; i < 300; i++) {
		u64 k = synth_below(y, STEPS / 1000 + 1);
		ok(kt_cursor_seek(c, k * 1000, &err), &err);
		assert_int_equal(kt_cursor_at(c), k * 1000);
		assert_memory_equal(kt_cursor_regs(c), regs[k], sizeof regs[0]);
	}
	assert_int_equal(kt_cursor_seek(c, STEPS + 1, &err), -KT_E_RANGE);
	ok(kt_cursor_seek(c, STEPS, &err), &err);
	kt_cursor_destroy(c);
	kt_trace_close(t);
	synth_deinit(y);
	free(y);
}

static void empty_trace(void **state)
{
	struct kt_err err = { 0 };
	struct kt_cursor *c;
	const struct kt_step *s;
	u8 byte;

	record(8, 0, 0, NULL);
	struct kt_trace *t = open_trace();
	assert_int_equal(kt_trace_info(t)->steps, 0);
	ok(kt_cursor_create(t, &c, &err), &err);
	assert_int_equal(kt_cursor_next(c, &s, &err), -KT_E_END);
	ok(kt_trace_memory(t, 0, SYNTH_HIGH_AT + SYNTH_HIGH - 1, &byte, 1, &err), &err);
	assert_int_equal(byte, 0x5a);
	ok(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_cursor_destroy(c);
	kt_trace_close(t);
}

static void no_ram_there(void **state)
{
	struct kt_err err = { 0 };
	u8 b[16];

	record(9, 100, 0, NULL);
	struct kt_trace *t = open_trace();
	assert_int_equal(kt_trace_memory(t, 0, SYNTH_LOW - 8, b, 16, &err), -KT_E_RANGE);
	assert_int_equal(kt_trace_memory(t, 0, ~0ull - 3, b, 16, &err), -KT_E_RANGE);
	assert_int_equal(kt_trace_memory(t, 101, 0, b, 1, &err), -KT_E_RANGE);
	ok(kt_trace_memory(t, 100, SYNTH_LOW - 16, b, 16, &err), &err);
	kt_trace_close(t);
}

/* A file that claims more RAM than a trace can have is refused at once, before anybody walks through it. */
static void too_much_ram(void **state)
{
	char cmd[200];
	struct kt_trace *t;
	struct kt_err err = { 0 };

	record(14, 100, 0, NULL);
	struct kt_db db;
	ok(kt_db_open(path, KT_DB_READ_WRITE, &db, &err), &err);
	snprintf(cmd, sizeof cmd, "UPDATE ram SET size = %lld WHERE gpa = %d", (long long)KT_RAM_TOTAL, SYNTH_HIGH_AT);
	ok(kt_db_exec(&db, cmd, "", &err), &err);
	kt_db_close(&db);
	assert_int_equal(kt_trace_open(path, &t, NULL, &err), -KT_E_CORRUPT);
	assert_non_null(strstr(err.text, "table ram"));
}

/* Exactly one file is left. */
static void one_file(void **state)
{
	char cmd[128];

	record(10, 1000, 0, NULL);
	snprintf(cmd, sizeof cmd, "test \"$(ls %s | wc -l)\" = 1", dir);
	assert_int_equal(system(cmd), 0);
}

static void old_is_kept(void **state)
{
	char a[33], b[33], old[128];
	struct kt_trace *t;
	struct kt_err err = { 0 };

	record(11, 500, 0, a);
	record(12, 600, 0, b);
	t = open_trace();
	assert_string_equal(kt_trace_info(t)->digest, b);
	kt_trace_close(t);
	snprintf(old, sizeof old, "%s.old", path);
	ok(kt_trace_open(old, &t, NULL, &err), &err);
	assert_string_equal(kt_trace_info(t)->digest, a);
	kt_trace_close(t);
}

static int create_at(const char *where, struct kt_err *err)
{
	struct kt_writer_head h;
	struct kt_writer *w = NULL;
	struct synth *y = malloc(sizeof *y);

	synth_init(y, 1);
	synth_head(y, &h);
	int rc = kt_writer_create(where, &h, &w, err);
	if (!rc)
		kt_writer_finish(w, "steps", "", NULL, NULL);
	synth_deinit(y);
	free(y);
	return rc;
}

static void put_file(const char *where, const char *text)
{
	FILE *f = fopen(where, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void refusals(void **state)
{
	struct kt_err err = { 0 };
	char other[128], text[64] = { 0 };

	assert_int_equal(create_at(dir, &err), -KT_E_FORMAT); /* a directory */
	assert_non_null(strstr(err.text, "directory"));
	put_file(path, "not a trace, and somebody's only copy");
	assert_int_equal(create_at(path, &err), -KT_E_FORMAT);
	assert_non_null(strstr(err.text, "-o"));
	FILE *f = fopen(path, "r");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "not a trace, and somebody's only copy");
	struct kt_trace *t;
	assert_int_equal(kt_trace_open(path, &t, NULL, &err), -KT_E_FORMAT);
	unlink(path);
	assert_int_equal(kt_trace_open(path, &t, NULL, &err), -KT_E_IO);
	snprintf(other, sizeof other, "%s/no/such/t.db", dir);
	assert_int_equal(create_at(other, &err), -KT_E_IO);
	assert_non_null(strstr(err.text, "No such file"));
	put_file(path, ""); /* an empty file is nobody's only copy */
	assert_int_equal(create_at(path, &err), 0);
	/* An older trace is there, but its place is taken by something else. */
	snprintf(other, sizeof other, "%s.old", path);
	put_file(other, "mine");
	assert_int_equal(create_at(path, &err), -KT_E_FORMAT);
	unlink(other);
	assert_int_equal(create_at(path, &err), 0);
}

struct text {
	char text[65536];
	size_t n;
	u64 last;
};

static int add_text(void *ctx, u64 step, const char *text, size_t n)
{
	struct text *t = ctx;
	assert_true(t->n + n < sizeof t->text);
	assert_true(t->n == 0 || step > t->last);
	t->last = step;
	memcpy(t->text + t->n, text, n);
	t->n += n;
	return 0;
}

static void console_text(void **state)
{
	enum { STEPS = 40000 };
	static struct text want[2], got;
	struct synth *y = malloc(sizeof *y);
	struct kt_err err = { 0 };

	record(13, STEPS, 7000, NULL);
	synth_init(y, 13);
	for (unsigned i = 0; i < STEPS; i++) {
		const struct kt_step *s = synth_next(y);
		for (unsigned k = 0; k < s->nevent; k++)
			if (s->event[k].kind == KT_EVENT_CONSOLE) {
				struct text *w = &want[s->event[k].num == 2];
				w->text[w->n++] = (char)s->event[k].code;
			}
	}
	struct kt_trace *t = open_trace();
	for (unsigned k = 0; k < 2; k++) {
		got.n = 0;
		ok(kt_trace_console(t, k ? 2 : 0, add_text, &got, &err), &err);
		assert_int_equal(got.n, want[k].n);
		assert_true(got.n > 50);
		assert_memory_equal(got.text, want[k].text, got.n);
	}
	kt_trace_close(t);
	synth_deinit(y);
	free(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(digest_without_chunks, setup, teardown),
		cmocka_unit_test_setup_teardown(many_chunks, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_small_chunks, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_large_chunks, setup, teardown),
		cmocka_unit_test_setup_teardown(seeks, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(no_ram_there, setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_ram, setup, teardown),
		cmocka_unit_test_setup_teardown(one_file, setup, teardown),
		cmocka_unit_test_setup_teardown(old_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(console_text, setup, teardown),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
