/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

/* Bytes of the UTF-8 character at s, of which n are there; 0: it is none, or a control character. */
static unsigned character(const char *s, size_t n, uint32_t *code)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*s;
	unsigned len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

	if (!len || len > n)
		return 0;
	*code = len == 1 ? c : c & (0x7fu >> len);
	for (unsigned i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) || *code < 0x20 || (*code >= 0x7f && *code < 0xa0))
		return 0;
	return len;
}

void print_plain(FILE *f, const char *fmt, va_list ap)
{
	char *text = NULL;
	uint32_t code;
	int n = vasprintf(&text, fmt, ap);

	if (n < 0)
		return;
	for (int i = 0; i < n;) {
		unsigned len = character(text + i, (size_t)(n - i), &code);
		if (len)
			fwrite(text + i, 1, len, f);
		else
			fputc('?', f);
		i += len ? (int)len : 1;
	}
	free(text);
}

int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("ktrace: ", stderr);
	print_plain(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

int usage(const char *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "ktrace %s: ", cmd);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry 'ktrace %s --help'.\n", cmd);
	return EXIT_USAGE;
}

int fail_err(const struct kt_err *err)
{
	fail("%s", err->text[0] ? err->text : kt_code_name(err->code));
	return err->code == KT_E_ARG ? EXIT_USAGE : EXIT_FAILED;
}

const char *trace_path(const char *given)
{
	const char *env = getenv("KTRACE_FILE");
	return given ? given : env && *env ? env : "ktrace.db";
}

struct kt_trace *open_trace(const char *given)
{
	struct kt_trace *t;
	struct kt_err err = { 0 };
	const char *notice = NULL, *path = trace_path(given);

	if (kt_trace_open(path, &t, &notice, &err)) {
		fail_err(&err);
		if (!given && access(path, F_OK))
			fprintf(stderr, "Name a trace file with -i FILE, or make one: ktrace record --vm IMAGE\n");
		return NULL;
	}
	if (notice)
		fprintf(stderr, "ktrace: %s\n", notice);
	return t;
}

bool number_option(const char *cmd, const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v;

	if (!kt_parse_u64(text, &v)) {
		usage(cmd, "%s: '%s' is not a number; write 1000, 1e6, 64K, 2G or 0x1000", option, text);
		return false;
	}
	if (v < min || v > max) {
		usage(cmd, "%s: %s is out of range (%llu to %llu)", option, text, (unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*out = v;
	return true;
}

static bool percent(const char *text, uint64_t steps, uint64_t *out)
{
	char *end;
	double p = strtod(text, &end);
	if (end == text || strcmp(end, "%") || !(p >= 0 && p <= 100))
		return false;
	*out = (uint64_t)((double)steps * p / 100);
	return true;
}

bool position(const char *cmd, const char *option, const char *text, const struct kt_trace_info *info, uint64_t *out)
{
	uint64_t end = info->first + info->steps, v;

	if (!strcmp(text, "end")) {
		*out = end;
		return true;
	}
	if (strchr(text, '%') && percent(text, info->steps, &v)) {
		*out = info->first + v;
		return true;
	}
	if (!kt_parse_u64(text + (*text == '-'), &v)) {
		usage(cmd, "%s: '%s' is no position; write a step number, 50%%, end, or -N for N steps before the end", option, text);
		return false;
	}
	if (*text == '-')
		v = v > info->steps ? info->first : end - v;
	if (v < info->first || v > end) {
		usage(cmd, "%s: step %s is outside the trace, which holds steps %llu to %llu", option, text,
		      (unsigned long long)info->first, (unsigned long long)(end ? end - 1 : 0));
		return false;
	}
	*out = v;
	return true;
}

bool format_option(const char *cmd, const char *text, enum format *out)
{
	if (!strcmp(text, "text"))
		*out = FORMAT_TEXT;
	else if (!strcmp(text, "json"))
		*out = FORMAT_JSON;
	else {
		usage(cmd, "--format: '%s' is not one of text, json", text);
		return false;
	}
	return true;
}

bool colour(FILE *f)
{
	const char *term = getenv("TERM");
	return isatty(fileno(f)) && !getenv("NO_COLOR") && term && strcmp(term, "dumb");
}

void json_string(FILE *f, const char *s, size_t n)
{
	uint32_t code;

	fputc('"', f);
	for (size_t i = 0; i < n;) {
		unsigned char c = (unsigned char)s[i];
		unsigned len = character(s + i, n - i, &code);
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", f);
		else if (c == '\r')
			fputs("\\r", f);
		else if (c == '\t')
			fputs("\\t", f);
		else if (len == 1)
			fputc(c, f);
		else if (!len || code < 0x10000) /* bytes that are no UTF-8: as in Latin-1, for want of better */
			fprintf(f, "\\u%04x", len ? code : c);
		else
			fprintf(f, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff));
		i += len ? len : 1;
	}
	fputc('"', f);
}

const char *shell_word(const char *s, char *buf, size_t n)
{
	size_t o = 0;

	if (*s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@^_") ])
		return s;
	for (const char *p = s; *p && o + 8 < n; p++) {
		if (p == s)
			buf[o++] = '\'';
		if (*p == '\'')
			o += (size_t)snprintf(buf + o, n - o, "'\\''");
		else
			buf[o++] = *p;
	}
	if (!*s)
		buf[o++] = '\'';
	buf[o++] = '\'';
	buf[o] = 0;
	return buf;
}

int finish_output(int code)
{
	if (!ferror(stdout) && !fflush(stdout))
		return code;
	if (errno == EPIPE)
		return code; /* the reader has seen enough */
	return fail("writing the output: %s", strerror(errno));
}
