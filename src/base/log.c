/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static kt_log_fn *sink;
static void *sink_ctx;
static enum kt_log_level sink_max;

void kt_log_to(kt_log_fn *fn, void *ctx, enum kt_log_level max)
{
	sink = fn;
	sink_ctx = ctx;
	sink_max = max;
}

void kt_log(enum kt_log_level level, const char *domain, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!sink || level > sink_max)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sink(sink_ctx, level, domain, text);
}
