/* SPDX-License-Identifier: MIT */
/* The writing thread: takes one chunk at a time, encodes it, commits it. The stepping thread waits only when it has
 * filled a chunk before the one before is on disk. */
#include <string.h>
#include <time.h>

#include "store/writer_priv.h"

static u64 cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static void done(struct kt_writer *w, int rc, const struct kt_err *err)
{
	if (rc) {
		w->err = *err;
		atomic_store_explicit(&w->failed, true, memory_order_release);
	} else {
		w->seen = w->out.sums;
		w->seen_chunks = w->out.seq + 1;
		w->seen_misses += w->out.nmiss;
	}
	w->encode_ns = cpu_ns();
	w->job = NULL;
	pthread_cond_broadcast(&w->changed);
}

static void *run(void *arg)
{
	struct kt_writer *w = arg;
	struct kt_err err;

	pthread_mutex_lock(&w->lock);
	while (!w->stop || w->job) {
		if (!w->job) {
			pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		const struct kt_raw_chunk *c = w->job;
		u32 dict = w->job_dict;
		pthread_mutex_unlock(&w->lock);
		int rc = kt_writer_encode(w, c, dict, &err);
		if (!rc)
			rc = kt_writer_commit(w, &err);
		pthread_mutex_lock(&w->lock);
		done(w, rc, &err);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int kt_writer_start(struct kt_writer *w, struct kt_err *err)
{
	int e = pthread_create(&w->thread, NULL, run, w);
	if (e)
		return kt_fail(err, KT_E_NOMEM, "the writing thread cannot be started: %s", strerror(e));
	w->started = true;
	return 0;
}

int kt_writer_drain(struct kt_writer *w, struct kt_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (w->job)
		pthread_cond_wait(&w->changed, &w->lock);
	if (w->failed) {
		if (err)
			*err = w->err;
		rc = -(int)w->err.code;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int kt_writer_hand_over(struct kt_writer *w, struct kt_err *err)
{
	struct kt_raw_chunk *c = w->open, *other = c == &w->raw[0] ? &w->raw[1] : &w->raw[0];
	int rc = kt_writer_drain(w, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&w->lock);
	w->job = c;
	w->job_dict = kt_dict_count(w->dict);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	kt_raw_chunk_begin(other, c->first + c->count, w->regs);
	w->open = other;
	return 0;
}

void kt_writer_join(struct kt_writer *w)
{
	if (!w->started)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->started = false;
}
