/* SPDX-License-Identifier: MIT */
/* The step being built: accesses with their data, events, changed cold registers. Room is fixed; a step that does not
 * fit ends the machine, since dropping a record would make the trace lie. */
#include "vm/x86_64/x86_cpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(X86_NREGS - X86_NHOT <= KT_STEP_COLD, "every cold register can change in one step");

void x86_step_begin(struct x86_cpu *c)
{
	struct kt_step *s = &c->step;
	bool long_code = (x86_mode(c->r) & KT_MODE_CODE) == KT_MODE_64;
	s->kind = KT_STEP_INSN;
	s->pc = long_code ? c->r[X86_rip] : (u32)(c->r[X86_cs_base] + c->r[X86_rip]);
	s->insn = NULL;
	s->hot = c->r;
	s->nhot = X86_NHOT;
	s->naccess = s->nevent = s->ncold = 0;
	c->scratch_used = 0;
}

static void no_room(struct x86_cpu *c, const char *what)
{
	x86_end(c, VM_END_UNSUPPORTED, c->step.pc, "the step at %#llx makes more %s than a step can hold",
	        (unsigned long long)c->step.pc, what);
}

void x86_step_access(struct x86_cpu *c, u8 space, u8 flags, u64 va, u64 pa, u32 size, const void *data, u32 n)
{
	struct kt_step *s = &c->step;
	if (s->naccess == KT_STEP_ACCESSES) {
		no_room(c, "accesses");
		return;
	}
	if (n > X86_SCRATCH - c->scratch_used) {
		no_room(c, "access data");
		return;
	}
	struct kt_access *a = &s->access[s->naccess++];
	a->va = va;
	a->pa = pa;
	a->size = size;
	a->space = space;
	a->flags = flags;
	a->elem = flags & KT_ACCESS_FILL ? (u8)n : 0;
	a->data = NULL;
	if (flags & KT_ACCESS_NODATA || !n)
		return;
	a->data = c->scratch + c->scratch_used;
	memcpy(c->scratch + c->scratch_used, data, n);
	c->scratch_used += n;
}

void x86_step_event(struct x86_cpu *c, u16 kind, u16 num, u32 code, u64 value)
{
	struct kt_step *s = &c->step;
	if (s->nevent == KT_STEP_EVENTS) {
		no_room(c, "events");
		return;
	}
	s->event[s->nevent++] = (struct kt_event){.kind = kind, .num = num, .code = code, .value = value};
}

void x86_set(struct x86_cpu *c, unsigned reg, u64 value)
{
	struct kt_step *s = &c->step;
	if (c->r[reg] == value)
		return;
	c->r[reg] = value;
	if (reg < X86_NHOT) /* the hot set is in every step anyway */
		return;
	for (unsigned n = s->ncold; n--;) {
		if (s->cold[n].reg == reg) {
			s->cold[n].value = value;
			return;
		}
	}
	s->cold[s->ncold++] = (struct kt_regset){.reg = (uint16_t)reg, .value = value};
}

void x86_end(struct x86_cpu *c, enum vm_end why, u64 value, const char *fmt, ...)
{
	if (c->end != VM_END_NONE) /* the first reason is the cause */
		return;
	c->end = why;
	c->end_value = value;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->end_text, sizeof c->end_text, fmt, ap);
	va_end(ap);
}
