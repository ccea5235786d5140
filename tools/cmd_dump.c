/* SPDX-License-Identifier: MIT */
/* ktrace dump: lists steps. */
#include <getopt.h>
#include <string.h>

#include "dump.h"

static const char help[] =
	"usage: ktrace dump [-i FILE] [--from POS] [--to POS] [--limit N] [--kind KIND] [--regs] [--format text|json]\n\n"
	"Lists steps: number, kind, PC, instruction, registers that changed, memory and device accesses, events.\n\n"
	"  -i, --input FILE    trace file (default ktrace.db, or $KTRACE_FILE)\n"
	"  --from POS          first step (default: the first)\n"
	"  --to POS            step behind the last (default: end)\n"
	"  --limit N           print at most N steps\n"
	"  --kind KIND         only steps of this kind: insn, exception, irq, gap; or device: those that touch a port,\n"
	"                      MMIO or an MSR; or event: those with an event (console, idle, ...)\n"
	"  --regs              all general registers after each step\n"
	"  --format text|json  json: one object a line, addresses and register values as hex strings\n\n"
	"POS is a step number (1e6, 0x100), 50%, end, or -N for N steps before the end.\n"
	"In text: 'read [va=pa]:size value', 'cpu write' for what the CPU writes outside the operands (A/D bits, frames).\n\n"
	"Exit code 0; 4 if --kind matched nothing.\n";

enum kind_filter { KIND_ANY = -1, KIND_DEVICE = 100, KIND_EVENT };

struct dump_args {
	const char *input, *from, *to;
	uint64_t limit;
	int kind;
	bool regs;
	enum format format;
};

static bool kind_option(const char *text, int *out)
{
	for (int k = 0; k < 4; k++)
		if (!strcmp(text, step_kind_name((enum kt_step_kind)k))) {
			*out = k;
			return true;
		}
	if (!strcmp(text, "device"))
		*out = KIND_DEVICE;
	else if (!strcmp(text, "event"))
		*out = KIND_EVENT;
	else {
		usage("dump", "--kind: '%s' is not one of insn, exception, irq, gap, device, event", text);
		return false;
	}
	return true;
}

static bool wanted(const struct kt_step *s, int kind)
{
	if (kind == KIND_ANY || (int)s->kind == kind)
		return true;
	if (kind == KIND_EVENT)
		return s->nevent != 0;
	if (kind == KIND_DEVICE)
		for (unsigned i = 0; i < s->naccess; i++)
			if (s->access[i].space != KT_SPACE_RAM)
				return true;
	return false;
}

static int list(const struct dump_args *a, struct kt_trace *t, uint64_t from, uint64_t to)
{
	const struct kt_arch *arch = kt_trace_info(t)->arch;
	struct dump d = { stdout, t, arch, colour(stdout), a->regs, kt_trace_info(t)->start_pc > UINT32_MAX || kt_trace_info(t)->end_pc > UINT32_MAX };
	uint64_t before[KT_REGS_MAX], printed = 0;
	struct kt_cursor *c = NULL;
	struct kt_err err = { 0 };
	const struct kt_step *s;
	int rc;

	if (kt_cursor_create(t, &c, &err) || kt_cursor_seek(c, from, &err)) {
		kt_cursor_destroy(c);
		return fail_err(&err);
	}
	for (rc = 0; !rc && kt_cursor_at(c) < to && printed < a->limit && !ferror(stdout);) {
		uint64_t n = kt_cursor_at(c);
		memcpy(before, kt_cursor_regs(c), arch->nregs * sizeof *before);
		rc = kt_cursor_next(c, &s, &err);
		if (rc || !wanted(s, a->kind))
			continue;
		d.wide_pc |= s->pc > UINT32_MAX;
		(a->format == FORMAT_JSON ? dump_json : dump_text)(&d, n, s, before, kt_cursor_regs(c));
		printed++;
	}
	kt_cursor_destroy(c);
	if (rc && rc != -KT_E_END)
		return fail_err(&err);
	return !printed && a->kind != KIND_ANY ? EXIT_NO_MATCH : EXIT_DONE;
}

static int dump(const struct dump_args *a)
{
	struct kt_trace *t = open_trace(a->input);
	uint64_t from, to;
	int code = EXIT_USAGE;

	if (!t)
		return EXIT_FAILED;
	const struct kt_trace_info *info = kt_trace_info(t);
	if (position("dump", "--from", a->from ? a->from : "0%", info, &from) && position("dump", "--to", a->to ? a->to : "end", info, &to)) {
		if (from > to)
			usage("dump", "--from %s lies behind --to %s", a->from ? a->from : "0", a->to);
		else
			code = list(a, t, from, to);
	}
	kt_trace_close(t);
	return code;
}

int cmd_dump(int argc, char **argv)
{
	static const struct option options[] = {
		{ "input", required_argument, NULL, 'i' }, { "from", required_argument, NULL, 'a' }, { "to", required_argument, NULL, 'b' },
		{ "limit", required_argument, NULL, 'n' }, { "kind", required_argument, NULL, 'k' }, { "regs", no_argument, NULL, 'r' },
		{ "format", required_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct dump_args a = { .limit = UINT64_MAX, .kind = KIND_ANY, .format = FORMAT_TEXT };
	bool ok = true;

	for (int c; ok && (c = getopt_long(argc, argv, "i:n:h", options, NULL)) != -1;) {
		switch (c) {
		case 'i': a.input = optarg; break;
		case 'a': a.from = optarg; break;
		case 'b': a.to = optarg; break;
		case 'n': ok = number_option("dump", "--limit", optarg, 0, UINT64_MAX, &a.limit); break;
		case 'k': ok = kind_option(optarg, &a.kind); break;
		case 'r': a.regs = true; break;
		case 'f': ok = format_option("dump", optarg, &a.format); break;
		case 'h': fputs(help, stdout); return finish_output(EXIT_DONE);
		default: return usage("dump", "see above");
		}
	}
	if (!ok)
		return EXIT_USAGE;
	if (optind < argc && !a.input)
		a.input = argv[optind++];
	if (optind < argc)
		return usage("dump", "unexpected argument '%s'", argv[optind]);
	return finish_output(dump(&a));
}
