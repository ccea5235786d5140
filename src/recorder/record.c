/* SPDX-License-Identifier: MIT */
/* The recorder: drives the machine, feeds the store. Each step goes straight from the engine's outcome into the open
 * chunk; everything else here happens once a chunk or a few times a second. */
#include "ktrace/record.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/num.h"
#include "store/writer.h"
#include "vm/vm.h"

enum { LOOK_EVERY = 2048, AUDIT_CHUNKS = 16 }; /* steps between looks at the clock; chunks between audits */

struct recording {
	const struct kt_record_options *o;
	struct vm *vm;
	struct kt_writer *w;
	struct kt_buf devices;
	u64 steps, chunks;
	double started, shown;
	bool stopped; /* by the progress callback */
};

static struct vm *volatile running;       /* what kt_record_interrupt ends */
static volatile sig_atomic_t interrupted; /* also before there is a machine */

void kt_record_interrupt(void)
{
	struct vm *vm = running;
	interrupted = 1;
	if (vm)
		vm_interrupt(vm);
}

void kt_record_options_default(struct kt_record_options *o)
{
	struct vm_config c;
	vm_config_default(&c);
	*o = (struct kt_record_options){ .mem = c.mem, .step_ns = c.step_ns, .rtc = c.rtc };
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void page_touch(void *ctx, u64 gpa, const u8 *host)
{
	struct recording *r = ctx;
	kt_writer_page(r->w, gpa, host);
}

/* Two names of one file? The memory would take the trace's place. */
static bool same_file(const char *a, const char *b)
{
	struct stat x, y;
	return !strcmp(a, b) || (!stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static int make_vm(struct recording *r, struct kt_err *err)
{
	const struct kt_record_options *o = r->o;
	struct vm_config c;

	vm_config_default(&c);
	c.image = o->image;
	c.initrd = o->initrd;
	c.append = o->append;
	c.cpu = o->cpu;
	c.mem = o->mem;
	c.step_ns = o->step_ns;
	c.rtc = o->rtc;
	c.boot = o->firmware_entry ? VM_BOOT_FIRMWARE_ENTRY : VM_BOOT_AUTO;
	c.flat = o->flat;
	c.has_load = o->has_load;
	c.has_entry = o->has_entry;
	c.load = o->load;
	c.entry = o->entry;
	c.mode = (enum vm_mode)o->mode;
	int rc = vm_create(&c, &r->vm, err);
	if (rc)
		return rc;
	struct vm_hooks hooks = { .ctx = r, .page_touch = page_touch };
	vm_set_hooks(r->vm, &hooks);
	return 0;
}

static int make_writer(struct recording *r, struct kt_err *err)
{
	const struct kt_record_options *o = r->o;
	struct kt_writer_image images[16];
	unsigned nimages, nram;
	const struct vm_image_info *info = vm_images(r->vm, &nimages);
	const struct vm_ram *ram = vm_ram(r->vm, &nram);
	struct kt_writer_head head = {
		.arch = vm_arch(r->vm), .engine = vm_engine(r->vm), .command = o->command ? o->command : "",
		.mem_bytes = o->mem, .step_ns = o->step_ns, .rtc = o->rtc, .regs = vm_regs(r->vm), .images = images,
		.limits = { .steps = o->chunk_steps, .payload = o->chunk_payload, .pages = o->chunk_pages },
	};

	head.nimages = KT_MIN(nimages, (unsigned)KT_ARRAY_LEN(images));
	for (unsigned i = 0; i < head.nimages; i++)
		images[i] = (struct kt_writer_image){ info[i].path, info[i].kind, info[i].gpa, info[i].size, info[i].entry };
	if (nram > KT_ARRAY_LEN(head.ram))
		return kt_fail(err, KT_E_UNSUPPORTED, "the machine has %u RAM ranges, the store keeps %zu", nram, KT_ARRAY_LEN(head.ram));
	head.nram = nram;
	for (unsigned i = 0; i < nram; i++) {
		head.ram[i].gpa = ram[i].gpa;
		head.ram[i].size = ram[i].size;
		head.ram[i].host = ram[i].host;
	}
	return kt_writer_create(o->output, &head, &r->w, err);
}

struct audit {
	struct kt_writer *w;
	struct kt_err *err;
	int rc;
};

static void audit_page(void *ctx, u64 gpa, const u8 *host)
{
	struct audit *a = ctx;
	if (!a->rc)
		a->rc = kt_writer_audit_page(a->w, gpa, host, a->err);
}

/* What the host says was written, compared by content with what the trace says. */
static int audit(struct recording *r, struct kt_err *err)
{
	struct audit a = { r->w, err, 0 };
	int rc = kt_writer_audit_begin(r->w, err);
	if (!rc)
		rc = vm_dirty_pages(r->vm, audit_page, &a, err);
	int end = kt_writer_audit_end(r->w, err);
	return rc ? rc : a.rc ? a.rc : end;
}

static int begin_chunk(struct recording *r, struct kt_err *err)
{
	unsigned every = r->o->audit_chunks ? r->o->audit_chunks : AUDIT_CHUNKS;

	if (r->chunks && r->chunks % every == 0) {
		int rc = audit(r, err);
		if (rc)
			return rc;
	}
	r->chunks++;
	vm_epoch(r->vm);
	kt_buf_clear(&r->devices);
	vm_devices_save(r->vm, &r->devices);
	if (r->devices.failed)
		return kt_fail(err, KT_E_NOMEM, "no memory for the devices' state");
	kt_writer_devices(r->w, &r->devices);
	return 0;
}

static void pass_console(struct recording *r, const struct kt_step *s)
{
	for (unsigned i = 0; i < s->nevent; i++)
		if (s->event[i].kind == KT_EVENT_CONSOLE)
			r->o->watch.console(r->o->watch.ctx, s->event[i].num, (u8)s->event[i].code);
}

/* A few times a second: the progress line, and whether to go on. */
static void look(struct recording *r)
{
	double t = now_s();
	if (!r->o->watch.progress || t - r->shown < 0.2)
		return;
	r->shown = t;
	r->stopped |= r->o->watch.progress(r->o->watch.ctx, r->steps, t - r->started, kt_arch_linear_pc(vm_arch(r->vm), vm_regs(r->vm)));
}

/* 0: as many steps as asked for, or the machine ended, or somebody stopped it. */
static int run(struct recording *r, struct kt_err *err)
{
	u64 limit = r->o->steps ? r->o->steps : ~0ull;
	bool console = r->o->watch.console != NULL, new_chunk;
	int rc;

	while (r->steps < limit && !r->stopped) {
		const struct kt_step *s;
		rc = vm_step(r->vm, &s, err);
		if (kt_unlikely(rc))
			return rc < 0 ? rc : 0;
		rc = kt_writer_step(r->w, s, vm_regs(r->vm), &new_chunk, err);
		if (kt_unlikely(rc))
			return rc;
		r->steps++;
		if (kt_unlikely(console && s->nevent))
			pass_console(r, s);
		if (kt_unlikely(new_chunk) && (rc = begin_chunk(r, err)))
			return rc;
		if (kt_unlikely(r->steps % LOOK_EVERY == 0))
			look(r);
	}
	return 0;
}

/* Guest RAM as it is, for tests of the trace's own memory. */
static int save_memory(struct recording *r, struct kt_err *err)
{
	unsigned n;
	const struct vm_ram *ram = vm_ram(r->vm, &n);
	if (same_file(r->o->save_memory, r->o->output))
		return kt_fail(err, KT_E_ARG, "%s: guest memory cannot go to the trace file; name another", r->o->save_memory);
	FILE *f = fopen(r->o->save_memory, "wb");

	if (!f)
		return kt_fail(err, KT_E_IO, "%s: %s", r->o->save_memory, strerror(errno));
	for (unsigned i = 0; i < n; i++)
		fwrite(ram[i].host, 1, ram[i].size, f);
	if (ferror(f) | fclose(f))
		return kt_fail(err, KT_E_IO, "%s: writing guest memory: %s", r->o->save_memory, strerror(errno));
	return 0;
}

static void say_end(struct recording *r, int rc, const struct kt_err *err, struct kt_record_result *res)
{
	char n[32];

	res->as_asked = true;
	if (rc == -KT_E_FULL) {
		snprintf(res->end_reason, sizeof res->end_reason, "disk-full");
		snprintf(res->end_text, sizeof res->end_text, "%.280s", err->text);
		res->as_asked = false;
	} else if (rc) {
		snprintf(res->end_reason, sizeof res->end_reason, "error");
		snprintf(res->end_text, sizeof res->end_text, "%.280s", err->text);
		res->as_asked = false;
	} else if (r->stopped) {
		snprintf(res->end_reason, sizeof res->end_reason, "interrupted");
		snprintf(res->end_text, sizeof res->end_text, "stopped by the user");
	} else if (vm_end(r->vm) != VM_END_NONE && (!r->o->steps || r->steps < r->o->steps)) {
		enum vm_end end = vm_end(r->vm);
		snprintf(res->end_reason, sizeof res->end_reason, "%s", vm_end_name(end));
		snprintf(res->end_text, sizeof res->end_text, "%s", vm_end_text(r->vm));
		res->as_asked = end != VM_END_UNSUPPORTED && end != VM_END_STUCK;
	} else {
		snprintf(res->end_reason, sizeof res->end_reason, "steps");
		snprintf(res->end_text, sizeof res->end_text, "%s steps were asked for", kt_group_digits(r->o->steps, n));
	}
}

static int finish(struct recording *r, int rc, struct kt_record_result *res, struct kt_err *err)
{
	struct kt_writer_stats st;
	struct kt_err second = { 0 };
	int end;

	if (!rc) { /* the last word on memory and registers: nothing may have moved behind our back */
		rc = audit(r, err);
		if (!rc && vm_audit_regs(r->vm, err) < 0)
			rc = -(int)err->code;
	}
	if (!rc && r->o->save_memory)
		rc = save_memory(r, err);
	say_end(r, rc, err, res);
	kt_writer_stats(r->w, &st);
	end = kt_writer_finish_stats(r->w, res->end_reason, res->end_text, res->digest, &st, &second);
	r->w = NULL;
	res->steps = st.steps;
	res->insns = st.insns;
	res->exceptions = st.exceptions;
	res->irqs = st.irqs;
	res->gaps = st.gaps;
	res->audit_misses = st.audit_misses;
	res->bytes = st.bytes_file;
	res->bytes_static = st.bytes_static;
	if (end && !rc) {
		if (err)
			*err = second;
		rc = end;
	}
	return rc;
}

static void fill_engine(struct recording *r, struct kt_record_result *res)
{
	struct vm_counts c;

	vm_counts(r->vm, &c);
	res->engine_counts.kvm_steps = c.kvm_steps;
	res->engine_counts.breakpoint_steps = c.breakpoint_steps;
	res->engine_counts.shims = c.shims;
	res->engine_counts.deliveries = c.deliveries;
	res->engine_counts.reg_writes = c.reg_writes;
	res->engine_counts.extra_exits = c.extra_exits;
	res->engine_counts.unpredicted = c.unpredicted;
	res->guest_ns = vm_time_ns(r->vm);
	res->end_pc = kt_arch_linear_pc(vm_arch(r->vm), vm_regs(r->vm));
	snprintf(res->engine, sizeof res->engine, "%s", vm_engine(r->vm));
}

int kt_record(const struct kt_record_options *o, struct kt_record_result *res, struct kt_err *err)
{
	struct recording r = { .o = o };
	struct kt_err own;
	int rc;

	if (!err)
		err = &own;
	*res = (struct kt_record_result){ 0 };
	*err = (struct kt_err){ 0 };
	if ((rc = make_vm(&r, err))) {
		interrupted = 0;
		return rc;
	}
	res->start_pc = kt_arch_linear_pc(vm_arch(r.vm), vm_regs(r.vm));
	if (!(rc = make_writer(&r, err))) {
		running = r.vm;
		r.stopped = interrupted; /* while it was being set up */
		r.started = r.shown = now_s();
		rc = begin_chunk(&r, err);
		if (!rc)
			rc = run(&r, err);
		running = NULL;
		res->seconds = now_s() - r.started;
		fill_engine(&r, res);
		rc = finish(&r, rc, res, err);
	}
	interrupted = 0;
	kt_buf_free(&r.devices);
	vm_destroy(r.vm);
	return rc;
}
