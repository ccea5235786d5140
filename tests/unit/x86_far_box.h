/* SPDX-License-Identifier: MIT */
/* Running one decoded far transfer on an x86_box, and frames for it to pop. */
#ifndef X86_FAR_BOX_H
#define X86_FAR_BOX_H

#include "x86_box.h"

/* Decodes `bytes` at RIP, as the engine would. */
static inline struct x86_insn decode(struct box *b, const char *bytes, unsigned n)
{
	struct x86_insn i;
	assert_int_equal(x86_decode(x86_mode(b->c.r), b->c.r[X86_rip], b->c.r[X86_rip], (const u8 *)bytes, n, &i), 0);
	assert_int_equal(i.k.len, n);
	assert_int_not_equal(i.mnemonic, 0);
	return i;
}

typedef int far_fn(struct x86_cpu *, const struct x86_insn *, struct x86_fault *);

static inline int run(struct box *b, far_fn *fn, const char *bytes, unsigned n, struct x86_fault *f)
{
	struct x86_insn i = decode(b, bytes, n);
	box_snapshot(b);
	return fn(&b->c, &i, f);
}

/* It faults, and nothing else happens. */
static inline void run_faults(struct box *b, far_fn *fn, const char *bytes, unsigned n, unsigned vector, u32 error)
{
	struct x86_fault f = { 0 };
	assert_int_equal(run(b, fn, bytes, n, &f), 1);
	want_fault(&f, vector, vector != X86_UD, error);
	box_unchanged(b);
}

#define RUN(b, fn, bytes, f) run(b, fn, bytes, sizeof(bytes) - 1, f)
#define FAULTS(b, fn, bytes, vector, error) run_faults(b, fn, bytes, sizeof(bytes) - 1, vector, error)

static inline void push8(struct box *b, u64 value)
{
	b->c.r[X86_rsp] -= 8;
	put(b, b->c.r[X86_rsp], 8, value);
}

static inline void push4(struct box *b, u32 value)
{
	b->c.r[X86_rsp] -= 4;
	put(b, b->c.r[X86_rsp], 4, value);
}

static inline void push2(struct box *b, u32 value)
{
	b->c.r[X86_rsp] -= 2;
	put(b, b->c.r[X86_rsp], 2, value);
}

static inline void frame64(struct box *b, u64 ss, u64 rsp, u64 rflags, u64 cs, u64 rip)
{
	push8(b, ss);
	push8(b, rsp);
	push8(b, rflags);
	push8(b, cs);
	push8(b, rip);
}

#endif
