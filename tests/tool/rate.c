/* SPDX-License-Identifier: MIT */
/* Steps per second over a window of a guest's life, for tests/bench/run.
 *
 *   rate bare   IMAGE APPEND MEM FROM TO        a KVM_RUN loop under single-step that keeps nothing
 *   rate step   IMAGE APPEND MEM FROM TO        vm_step, nothing recorded
 *   rate record IMAGE APPEND MEM FROM TO FILE   everything
 *   rate read   FILE                            decoding all steps of a trace
 *
 * Prints one JSON object. FROM is reached by vm_step (record: by recording). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "ktrace/record.h"
#include "ktrace/trace.h"
#include "vm/vm.h"

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int die(const struct kt_err *err)
{
	fprintf(stderr, "rate: %s\n", err->text);
	return 1;
}

static void result(uint64_t steps, double seconds)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	printf("{\"steps\":%" PRIu64 ",\"seconds\":%.4f,\"rate\":%.0f,\"maxrss_kb\":%ld}\n", steps, seconds,
	       seconds > 0 ? (double)steps / seconds : 0, u.ru_maxrss);
}

static int stepping(bool bare, const struct vm_config *c, uint64_t from, uint64_t to)
{
	struct vm *vm;
	struct kt_err err = { 0 };
	const struct kt_step *s;
	uint64_t done = 0;
	int rc;

	if (vm_create(c, &vm, &err))
		return die(&err);
	for (uint64_t i = 0; i < from; i++)
		if ((rc = vm_step(vm, &s, &err))) {
			fprintf(stderr, "rate: the guest ended at step %" PRIu64 "\n", i);
			return 1;
		}
	double t = now_s();
	if (bare) {
		if (vm_bare_steps(vm, to - from, &done, &err) && !done)
			return die(&err);
	} else {
		while (done < to - from && !vm_step(vm, &s, &err))
			done++;
	}
	result(done, now_s() - t);
	vm_destroy(vm);
	return 0;
}

struct window {
	uint64_t from, at_from;
	double t_from, t_last;
	uint64_t at_last;
};

static bool watch(void *ctx, uint64_t steps, double seconds, uint64_t pc)
{
	struct window *w = ctx;
	if (!w->at_from && steps >= w->from) {
		w->at_from = steps;
		w->t_from = seconds;
	}
	w->at_last = steps;
	w->t_last = seconds;
	return false;
}

static int recording(const struct vm_config *c, uint64_t from, uint64_t to, const char *file)
{
	struct kt_record_options o;
	struct kt_record_result r;
	struct kt_err err = { 0 };
	struct window w = { .from = from };

	kt_record_options_default(&o);
	o.image = c->image;
	o.append = c->append;
	o.mem = c->mem;
	o.output = file;
	o.steps = to;
	o.watch.ctx = &w;
	o.watch.progress = watch;
	if (kt_record(&o, &r, &err))
		return die(&err);
	if (from)
		result(r.steps - w.at_from, r.seconds - w.t_from);
	else
		result(r.steps, r.seconds);
	return 0;
}

static int reading(const char *file)
{
	struct kt_trace *t;
	struct kt_cursor *c;
	const struct kt_step *s;
	struct kt_err err = { 0 };
	uint64_t n = 0;

	if (kt_trace_open(file, &t, NULL, &err) || kt_cursor_create(t, &c, &err) || kt_cursor_seek(c, kt_trace_info(t)->first, &err))
		return die(&err);
	double t0 = now_s();
	while (!kt_cursor_next(c, &s, &err))
		n++;
	result(n, now_s() - t0);
	return 0;
}

int main(int argc, char **argv)
{
	struct vm_config c;

	if (argc == 3 && !strcmp(argv[1], "read"))
		return reading(argv[2]);
	if (argc < 7) {
		fprintf(stderr, "usage: see the head of rate.c\n");
		return 2;
	}
	vm_config_default(&c);
	c.image = argv[2];
	c.append = *argv[3] ? argv[3] : NULL;
	c.mem = strtoull(argv[4], NULL, 0) << 20;
	uint64_t from = strtoull(argv[5], NULL, 0), to = strtoull(argv[6], NULL, 0);
	if (!strcmp(argv[1], "record") && argc == 8)
		return recording(&c, from, to, argv[7]);
	return stepping(!strcmp(argv[1], "bare"), &c, from, to);
}
