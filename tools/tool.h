/* SPDX-License-Identifier: MIT */
/* What the subcommands share: exit codes, options, errors to people, output that programs read. */
#ifndef TOOL_H
#define TOOL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ktrace/error.h"
#include "ktrace/trace.h"

/* Exit codes (design: stable). */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DIFFERENT = 3 /* gaps, or a difference was found */, EXIT_NO_MATCH = 4 };

struct command {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
};
int cmd_record(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);
const struct command *commands(unsigned *n);

/* "ktrace: fmt" to stderr; returns EXIT_FAILED. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "ktrace CMD: fmt" and where help is; returns EXIT_USAGE. */
int usage(const char *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints err; the exit code that fits it: EXIT_USAGE for KT_E_ARG, else EXIT_FAILED. */
int fail_err(const struct kt_err *err);

/* The trace to read: `given`, else $KTRACE_FILE, else ktrace.db. */
const char *trace_path(const char *given);
/* Opens it and prints the notice, if any, to stderr. NULL after having printed the error. */
struct kt_trace *open_trace(const char *given);

/* A number option: the value, or prints a usage error that names the option and returns false. */
bool number_option(const char *cmd, const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* A place in a trace: N, 50%, end, -N (from the end). */
bool position(const char *cmd, const char *option, const char *text, const struct kt_trace_info *info, uint64_t *out);

enum format { FORMAT_TEXT, FORMAT_JSON };
bool format_option(const char *cmd, const char *text, enum format *out);

/* True if colour may be used on this stream: a terminal, TERM is not dumb, NO_COLOR unset. */
bool colour(FILE *f);

/* Prints for people what may come from a trace file or a guest: control characters and what is no UTF-8 become '?'. */
void print_plain(FILE *f, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* `s` as one word of a shell's command line: itself, or quoted in buf (n bytes, at least 16; what does not fit is cut). */
const char *shell_word(const char *s, char *buf, size_t n);

/* A JSON string with its quotes; anything that is not plain ASCII is escaped. */
void json_string(FILE *f, const char *s, size_t n);

/* stdout could be written whole? Prints why not and returns EXIT_FAILED, else `code`. Call last. */
int finish_output(int code);

#endif
