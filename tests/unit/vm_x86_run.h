/* SPDX-License-Identifier: MIT */
/* Running a small guest on this host's KVM and keeping what each of its steps did, for the engine's tests. */
#ifndef VM_X86_RUN_H
#define VM_X86_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "vm/x86_64/x86_vm.h"
#include "vm_x86_guests.h"

enum { MOST = 4000, SAVED_AT = 25, LONG_AT = 0x100000, REAL_AT = 0x7c00 };

static char path[64];

static inline int have_kvm(void **state)
{
	struct kt_err err;
	int fd = x86_kvm_open(&err);

	if (fd < 0) {
		print_message("skipped: %s\n", err.text);
		return -1;
	}
	close(fd);
	return 0;
}

static inline struct vm *start(const struct guest *g, bool in_real)
{
	struct vm_config c;
	struct kt_err err = { 0 };
	struct vm *vm;
	size_t n = (size_t)(g->end - g->code);

	if (have_kvm(NULL))
		skip();
	strcpy(path, "/tmp/ktrace-test-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, g->code, n), n);
	close(fd);
	vm_config_default(&c);
	c.image = path;
	c.mem = 8 << 20;
	c.flat = true;
	c.mode = in_real ? VM_MODE_REAL : VM_MODE_LONG;
	int rc = vm_create(&c, &vm, &err);
	unlink(path);
	if (rc)
		fail_msg("vm_create: %s", err.text);
	vm->verify = true;
	return vm;
}

/* What a whole run did, kept flat for the checks. */
struct run {
	struct vm *vm;
	unsigned n;
	struct kt_step step[MOST]; /* accesses' data copied to `data` */
	u64 hot[MOST][X86_NHOT];
	u64 shadow[MOST];
	struct kt_insn insn[MOST];
	u8 data[1 << 20];
	size_t used;
};
static struct run t;

static inline void keep(const struct kt_step *s)
{
	struct kt_step *k = &t.step[t.n];

	*k = *s;
	memcpy(t.hot[t.n], s->hot, sizeof t.hot[0]);
	if (s->insn) {
		t.insn[t.n] = *s->insn; /* the engine's own may be another one after the next step */
		k->insn = &t.insn[t.n];
	}
	t.shadow[t.n] = t.vm->c.r[X86_shadow];
	for (unsigned i = 0; i < k->naccess; i++) {
		struct kt_access *a = &k->access[i];
		u32 n = a->flags & KT_ACCESS_NODATA ? 0 : a->flags & KT_ACCESS_FILL ? a->elem : a->size;
		assert_true(a->size >= 1);
		if (!n || t.used + n > sizeof t.data)
			continue;
		assert_non_null(a->data);
		a->data = memcpy(t.data + t.used, a->data, n);
		t.used += n;
	}
	t.n++;
}

static inline void finish(enum vm_end why)
{
	struct kt_err err = { 0 };

	assert_int_equal(vm_end(t.vm), why);
	assert_int_equal(vm_audit_regs(t.vm, &err), 0);
	assert_int_equal(t.vm->verify_misses, 0);
	assert_int_equal(t.vm->b.counts.gaps, 0);
}

static bool without_breakpoints; /* as on hosts where they do not hit */

static inline void run(const struct guest *g, bool in_real, enum vm_end why)
{
	struct kt_err err = { 0 };
	const struct kt_step *s;
	int rc;

	t.vm = start(g, in_real);
	t.vm->host.breakpoints &= !without_breakpoints;
	t.n = 0;
	t.used = 0;
	while (!(rc = vm_step(t.vm, &s, &err))) {
		assert_true(t.n < MOST);
		keep(s);
	}
	if (rc < 0)
		fail_msg("vm_step: %s", err.text);
	if (vm_end(t.vm) != why)
		fail_msg("ended: %s", vm_end_text(t.vm));
	finish(why);
}

static inline void done(void)
{
	vm_destroy(t.vm);
	t.vm = NULL;
}

/* The n-th step of this kind, from 0. */
static inline const struct kt_step *nth(enum kt_step_kind kind, unsigned n)
{
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].kind == kind && !n--)
			return &t.step[i];
	fail_msg("no such step");
	return NULL;
}

static inline unsigned index_of(const struct kt_step *s)
{
	return (unsigned)(s - t.step);
}

/* The n-th step whose instruction begins with these bytes. */
static inline const struct kt_step *insn(const char *bytes, unsigned len, unsigned n)
{
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].insn && !memcmp(t.step[i].insn->bytes, bytes, len) && !n--)
			return &t.step[i];
	fail_msg("no such instruction");
	return NULL;
}

static inline u64 after(const struct kt_step *s, unsigned reg)
{
	return t.hot[index_of(s)][reg];
}

static inline void check_access(const struct kt_step *s, unsigned n, u8 space, u8 flags, u64 pa, u32 size)
{
	assert_true(n < s->naccess);
	assert_int_equal(s->access[n].space, space);
	assert_int_equal(s->access[n].flags, flags);
	assert_int_equal(s->access[n].pa, pa);
	assert_int_equal(s->access[n].size, size);
}

static inline u64 data_of(const struct kt_step *s, unsigned n)
{
	u64 v = 0;
	memcpy(&v, s->access[n].data, s->access[n].size < 8 ? s->access[n].size : 8);
	return v;
}

static inline void check_exception(unsigned n, unsigned vector, u32 code, u64 value)
{
	const struct kt_step *s = nth(KT_STEP_EXCEPTION, n);

	assert_int_equal(s->nevent, 1);
	assert_int_equal(s->event[0].kind, KT_EVENT_EXCEPTION);
	assert_int_equal(s->event[0].num, vector);
	assert_int_equal(s->event[0].code, code);
	assert_int_equal(s->event[0].value, value);
}

static inline void talk(void *ctx, enum kt_log_level level, const char *domain, const char *text)
{
	print_message("%s: %s\n", domain, text);
}

#endif
