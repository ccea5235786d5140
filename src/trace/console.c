/* SPDX-License-Identifier: MIT */
/* What the guest said on its consoles: the table that the writer keeps beside the events. */
#include "trace/trace_priv.h"

int kt_trace_console(struct kt_trace *t, unsigned which, int (*fn)(void *ctx, uint64_t step, const char *text, size_t n), void *ctx,
                     struct kt_err *err)
{
	return kt_reader_console(t->reader, (int)KT_MIN(which, 65535u), fn, ctx, err);
}
