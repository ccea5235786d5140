/* SPDX-License-Identifier: MIT */
#include "ktrace/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[KT_OK] = "ok",
	[KT_E_ARG] = "bad argument",
	[KT_E_NOMEM] = "out of memory",
	[KT_E_IO] = "input/output error",
	[KT_E_NO_KVM] = "no usable KVM",
	[KT_E_IMAGE] = "bad guest image",
	[KT_E_GUEST] = "guest cannot be recorded further",
	[KT_E_FORMAT] = "not a ktrace file",
	[KT_E_VERSION] = "needs a newer ktrace",
	[KT_E_CORRUPT] = "corrupt trace",
	[KT_E_RANGE] = "out of range",
	[KT_E_END] = "end of trace",
	[KT_E_FULL] = "disk full",
	[KT_E_UNSUPPORTED] = "not supported",
};

const char *kt_code_name(int code)
{
	if (code < 0)
		code = -code;
	if ((unsigned)code >= sizeof names / sizeof *names)
		return "unknown error";
	return names[code];
}

int kt_fail(struct kt_err *err, enum kt_code code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

int kt_fail_in(struct kt_err *err, const char *fmt, ...)
{
	if (!err)
		return -KT_E_IO;
	char old[sizeof err->text];
	va_list ap;
	memcpy(old, err->text, sizeof old);
	va_start(ap, fmt);
	int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 2 < sizeof err->text) /* what does not fit is cut at the end */
		snprintf(err->text + n, sizeof err->text - (size_t)n, ": %.*s", (int)(sizeof err->text - (size_t)n - 3), old);
	return -(int)err->code;
}
