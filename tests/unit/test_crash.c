/* SPDX-License-Identifier: MIT */
/* Recorders that die, disks that fill up, folders that cannot be written: what was committed is there, and whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktrace/trace.h"
#include "synth.h"

enum { CHUNK = 400 };
static char dir[64], path[96];

/* What the child tells before it dies. */
static struct told {
	atomic_ulong chunks; /* committed */
	atomic_int ready;
} *told;

static int setup(void **state)
{
	strcpy(dir, "/tmp/kt-crash-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/t.db", dir);
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return told == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	char cmd[96];
	munmap(told, sizeof *told);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static void ok(int rc, const struct kt_err *err)
{
	if (rc)
		fail_msg("error %d: %s", rc, err->text);
}

static struct synth *start(const char *where, u64 seed, u32 chunk, struct kt_err *err)
{
	struct kt_writer_head h;
	struct synth *y = malloc(sizeof *y);

	synth_init(y, seed);
	synth_head(y, &h);
	h.limits.steps = chunk;
	if (!kt_writer_create(where, &h, &y->w, err))
		return y;
	synth_deinit(y);
	free(y);
	return NULL;
}

/* Records until it is killed; says after each chunk how many are committed. */
static void record_for_ever(u64 seed)
{
	struct kt_err err;
	struct kt_writer_stats st;
	struct synth *y = start(path, seed, CHUNK, &err);

	if (!y)
		_exit(1);
	atomic_store(&told->ready, 1);
	for (;;) {
		if (synth_record(y, CHUNK / 4, &err))
			_exit(2);
		kt_writer_stats(y->w, &st);
		atomic_store(&told->chunks, st.chunks);
	}
}

/* Opens the trace and compares it with a fresh run. Returns its steps; *notice is a copy. */
static u64 compare(const char *where, u64 seed, bool finished, const char **notice)
{
	struct kt_err err = { 0 };
	struct kt_trace *t;
	struct kt_cursor *c;
	const struct kt_step *s;
	struct synth *y = malloc(sizeof *y);
	static u8 mem[SYNTH_LOW];

	static char copy[512];
	const char *said;

	ok(kt_trace_open(where, &t, &said, &err), &err);
	if (said)
		snprintf(copy, sizeof copy, "%s", said);
	if (notice)
		*notice = said ? copy : NULL;
	u64 steps = kt_trace_info(t)->steps;
	assert_int_equal(kt_trace_info(t)->finished, finished);
	if (!finished)
		assert_string_equal(kt_trace_info(t)->end_reason, "unfinished");
	synth_init(y, seed);
	ok(kt_cursor_create(t, &c, &err), &err);
	while (y->n < steps) {
		ok(kt_cursor_next(c, &s, &err), &err);
		assert_int_equal(s->pc, synth_next(y)->pc);
		assert_memory_equal(s->hot, y->regs, X86_NHOT * sizeof(u64));
	}
	ok(kt_trace_memory(t, steps, 0, mem, SYNTH_LOW, &err), &err);
	assert_memory_equal(mem, y->low, SYNTH_LOW);
	ok(kt_trace_check(t, NULL, NULL, &err), &err);
	kt_cursor_destroy(c);
	kt_trace_close(t);
	synth_deinit(y);
	free(y);
	return steps;
}

static void one_file_in(const char *where)
{
	char cmd[192];
	snprintf(cmd, sizeof cmd, "test \"$(ls %s | wc -l)\" = 1 || { ls -la %s; false; }", where, where);
	assert_int_equal(system(cmd), 0);
}

static void killed(void **state)
{
	for (unsigned round = 0; round < 8; round++) {
		const char *notice = NULL;
		atomic_store(&told->ready, 0);
		atomic_store(&told->chunks, 0);
		pid_t pid = fork();
		if (!pid)
			record_for_ever(round);
		while (!atomic_load(&told->ready))
			usleep(200);
		usleep((useconds_t)(1000 + round * 7919 % 60000));
		kill(pid, SIGKILL);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		u64 chunks = atomic_load(&told->chunks), steps = compare(path, round, false, &notice);
		if (steps < chunks * CHUNK)
			fail_msg("%llu chunks were committed, %llu steps are there", (unsigned long long)chunks, (unsigned long long)steps);
		assert_int_equal(steps % CHUNK, 0);
		if (notice)
			assert_non_null(strstr(notice, "died"));
		one_file_in(dir);
		compare(path, round, false, &notice);
		assert_null(notice); /* it was folded the first time */
		unlink(path);
	}
}

/* The digest of what is left is that of a recording that ended there. */
static void digest_of_the_rest(void **state)
{
	struct kt_err err = { 0 };
	char digest[33];
	pid_t pid = fork();

	if (!pid)
		record_for_ever(77);
	while (atomic_load(&told->chunks) < 5)
		usleep(200);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	struct kt_trace *t;
	ok(kt_trace_open(path, &t, NULL, &err), &err);
	u64 steps = kt_trace_info(t)->steps;
	char cut[33];
	strcpy(cut, kt_trace_info(t)->digest);
	kt_trace_close(t);
	struct synth *y = start(path, 77, 0, &err);
	ok(synth_record(y, steps, &err), &err);
	ok(kt_writer_finish(y->w, "steps", "", digest, &err), &err);
	assert_string_equal(digest, cut);
	synth_deinit(y);
	free(y);
	/* The killed one was folded and kept. */
	char old[128];
	snprintf(old, sizeof old, "%s.old", path);
	assert_int_equal(compare(old, 77, false, NULL), steps);
}

/* Leaves a killed recorder's files with `n` chunks committed and checkpointed. */
static void leave_killed(u64 seed, u64 n)
{
	pid_t pid = fork();

	if (!pid) {
		struct kt_err err;
		struct synth *y = start(path, seed, CHUNK, &err);
		if (!y || synth_record(y, n * CHUNK + 7, &err) || kt_writer_audit_begin(y->w, &err) || kt_writer_audit_end(y->w, &err))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
}

/* The database alone, copied without its log, has all that was checkpointed. */
static void without_log(void **state)
{
	char cmd[256], copy[128];
	const char *notice;

	leave_killed(5, 9);
	snprintf(copy, sizeof copy, "%s/copy.db", dir);
	snprintf(cmd, sizeof cmd, "cp %s %s", path, copy);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(compare(copy, 5, false, &notice), 9 * CHUNK + 7);
	assert_int_equal(compare(path, 5, false, &notice), 9 * CHUNK + 7);
	assert_non_null(notice);
}

/* A reader who may not write: the log is there, the folder is not his. */
static void read_only_folder(void **state)
{
	if (geteuid() != 0) {
		print_message("skipped: needs root to become somebody else\n");
		skip();
	}
	leave_killed(6, 4);
	assert_int_equal(chmod(dir, 0755), 0);
	for (unsigned with_log = 1; with_log < 2; with_log--) {
		pid_t pid = fork();
		if (!pid) {
			struct kt_err err = { 0 };
			struct kt_trace *t;
			const char *notice = NULL;
			if (setgid(65534) || setuid(65534))
				_exit(10);
			if (kt_trace_open(path, &t, &notice, &err)) {
				fprintf(stderr, "%s\n", err.text);
				_exit(11);
			}
			if (kt_trace_info(t)->steps != 4 * CHUNK + 7 || (with_log && (!notice || !strstr(notice, "cannot be written"))))
				_exit(12);
			if (kt_trace_check(t, NULL, NULL, &err)) {
				fprintf(stderr, "%s\n", err.text);
				_exit(13);
			}
			kt_trace_close(t);
			_exit(0);
		}
		int status;
		waitpid(pid, &status, 0);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		char cmd[256]; /* then: still marked as one with a log, and no log */
		snprintf(cmd, sizeof cmd, "rm -f %s-wal %s-shm", path, path);
		assert_int_equal(system(cmd), 0);
	}
}

/* Somebody records: a reader sees what is committed, a second recorder is refused, the recording goes on. */
static void while_it_records(void **state)
{
	pid_t pid = fork();
	struct kt_err err = { 0 };
	const char *notice = NULL;

	if (!pid)
		record_for_ever(8);
	while (atomic_load(&told->chunks) < 3)
		usleep(200);
	for (unsigned i = 0; i < 3; i++) {
		u64 before = atomic_load(&told->chunks);
		u64 steps = compare(path, 8, false, &notice);
		assert_true(steps >= before * CHUNK);
		assert_non_null(notice);
		assert_non_null(strstr(notice, "being recorded"));
	}
	u64 chunks = atomic_load(&told->chunks);
	assert_null(start(path, 9, CHUNK, &err));
	assert_non_null(strstr(err.text, "another ktrace"));
	while (atomic_load(&told->chunks) < chunks + 3) { /* it has not been disturbed */
		int status;
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		usleep(200);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Records in a child until the disk is full; 0 if it ended as it should. */
static int fill_disk(const char *where)
{
	struct kt_err err = { 0 }, end = { 0 };
	struct kt_writer_stats st;
	struct synth *y = start(where, 10, 2000, &err);
	bool fresh;
	int rc = 0;

	if (!y) {
		fprintf(stderr, "create: %s\n", err.text);
		return 20;
	}
	for (unsigned i = 0; i < 50000000 && !rc; i++) {
		rc = kt_writer_step(y->w, synth_next(y), y->regs, &fresh, &err);
		if (fresh)
			synth_epoch(y);
	}
	if (rc != -KT_E_FULL) {
		fprintf(stderr, "%d: %s\n", rc, err.text);
		return 21;
	}
	rc = kt_writer_finish_stats(y->w, "disk-full", err.text, NULL, &st, &end);
	if (rc != -KT_E_FULL) {
		fprintf(stderr, "finish %d: %s\n", rc, end.text);
		return 22;
	}
	return 0;
}

static int look_at_full(const char *where)
{
	struct kt_err err = { 0 };
	struct kt_trace *t;
	const char *notice;

	if (kt_trace_open(where, &t, &notice, &err)) {
		fprintf(stderr, "open: %s\n", err.text);
		return 30;
	}
	const struct kt_trace_info *i = kt_trace_info(t);
	if (!i->finished || strcmp(i->end_reason, "disk-full") || i->steps < 2000 || !strstr(i->end_text, "full")) {
		fprintf(stderr, "%d %s %s %llu\n", i->finished, i->end_reason, i->end_text, (unsigned long long)i->steps);
		return 31;
	}
	if (kt_trace_check(t, NULL, NULL, &err)) {
		fprintf(stderr, "check: %s\n", err.text);
		return 32;
	}
	kt_trace_close(t);
	return 0;
}

static void size_limit(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct rlimit l = { 600 << 10, 600 << 10 };
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &l);
		_exit(fill_disk(path));
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(look_at_full(path), 0);
}

static void full_disk(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", dir, "tmpfs", 0, "size=1m"))
			_exit(77);
		int rc = fill_disk(path);
		_exit(rc ? rc : look_at_full(path)); /* on the disk that is still full */
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: cannot mount a small file system here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(killed, setup, teardown),
		cmocka_unit_test_setup_teardown(digest_of_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(without_log, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(while_it_records, setup, teardown),
		cmocka_unit_test_setup_teardown(size_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
	};
	return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
