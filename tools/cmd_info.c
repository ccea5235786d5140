/* SPDX-License-Identifier: MIT */
/* ktrace info: what is in a trace file. */
#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "tool.h"

static const char help[] =
	"usage: ktrace info [-i FILE] [--console] [--format text|json] [--check]\n\n"
	"Says what a trace file holds: guest, steps, gaps, how it ended, size by part, digest.\n\n"
	"  -i, --input FILE    trace file (default ktrace.db, or $KTRACE_FILE)\n"
	"  --console           print the guest's console text instead\n"
	"  --check             decode everything and verify every checksum and the digest first\n"
	"  --format text|json\n\n"
	"Exit code 0; 1 if the file cannot be read or --check finds damage.\n";

typedef unsigned long long ull;

__attribute__((format(printf, 2, 3))) static void row(const char *name, const char *fmt, ...)
{
	va_list ap;
	printf("%-14s", name);
	va_start(ap, fmt);
	print_plain(stdout, fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void part(const char *name, uint64_t bytes, uint64_t steps)
{
	char b[32];
	row("", "%-22s %10s  %.4f B/step", name, kt_human_bytes(bytes, b), steps ? (double)bytes / (double)steps : 0);
}

static void sizes_text(const struct kt_trace_info *i)
{
	char b[32], s[32];

	row("size", "%s, %s of it images and initial memory; %.4f bytes a step", kt_human_bytes(i->bytes, b),
	    kt_human_bytes(i->bytes_static, s), i->bytes_per_step);
	part("control flow", i->bytes_control, i->steps);
	part("registers", i->bytes_regs, i->steps);
	part("loads", i->bytes_loads, i->steps);
	part("memory addresses", i->bytes_addr, i->steps);
	part("events", i->bytes_events, i->steps);
	part("stored and device data", i->bytes_data, i->steps);
	part("keyframes", i->bytes_keyframes, i->steps);
	part("page deltas", i->bytes_pages, i->steps);
	part("index", i->bytes_index, i->steps);
	part("dictionary", i->bytes_dict, i->steps);
}

static void info_text(const struct kt_trace *t, const char *path)
{
	const struct kt_trace_info *i = kt_trace_info(t);
	const struct kt_trace_image *images;
	unsigned n = kt_trace_images(t, &images);
	char a[32], b[32], c[32], d[32];

	row("file", "%s (format %u)", path, i->format_version);
	row("guest", "%s, %s of memory, %llu ns a step", i->arch->name, kt_human_bytes(i->mem_bytes, a), (ull)i->step_ns);
	for (unsigned k = 0; k < n; k++)
		row(k ? "" : "images", "%s (%s, %s at 0x%llx)", images[k].path, images[k].kind, kt_human_bytes(images[k].size, a), (ull)images[k].gpa);
	row("recorded by", "%s", i->engine);
	if (*i->command)
		row("command", "%s", i->command);
	row("steps", "%s: %s instructions, %s exceptions, %s interrupts", kt_group_digits(i->steps, a), kt_group_digits(i->insns, b),
	    kt_group_digits(i->exceptions, c), kt_group_digits(i->irqs, d));
	if (i->gaps)
		row("gaps", "%s (ktrace dump --kind gap lists them)", kt_group_digits(i->gaps, a));
	else
		row("gaps", "none: the trace is whole");
	row("code", "%s different instructions, from 0x%llx to 0x%llx", kt_group_digits(i->unique_insns, a), (ull)i->start_pc, (ull)i->end_pc);
	row("ended", "%s (%s)", i->end_reason, i->end_text);
	row("audit", i->audit_misses ? "%llu pages changed behind the trace's back; they are stored as they are" : "memory is what the steps wrote",
	    (ull)i->audit_misses);
	sizes_text(i);
	row("chunks", "%s", kt_group_digits(i->chunks, a));
	row("digest", "%s", i->digest);
}

static void info_json(const struct kt_trace *t, const char *path)
{
	const struct kt_trace_info *i = kt_trace_info(t);
	const struct kt_trace_image *images;
	unsigned n = kt_trace_images(t, &images);

	fputs("{\"file\":", stdout);
	json_string(stdout, path, strlen(path));
	printf(",\"format\":%u,\"arch\":\"%s\",\"engine\":", i->format_version, i->arch->name);
	json_string(stdout, i->engine, strlen(i->engine));
	fputs(",\"command\":", stdout);
	json_string(stdout, i->command, strlen(i->command));
	printf(",\"first\":%llu,\"steps\":%llu,\"insns\":%llu,\"exceptions\":%llu,\"irqs\":%llu,\"gaps\":%llu,\"whole\":%s,\"chunks\":%llu",
	       (ull)i->first, (ull)i->steps, (ull)i->insns, (ull)i->exceptions, (ull)i->irqs, (ull)i->gaps, i->gaps ? "false" : "true", (ull)i->chunks);
	printf(",\"unique_insns\":%llu,\"mem_bytes\":%llu,\"step_ns\":%llu,\"rtc\":%lld", (ull)i->unique_insns, (ull)i->mem_bytes, (ull)i->step_ns,
	       (long long)i->rtc);
	printf(",\"bytes\":%llu,\"bytes_static\":%llu,\"bytes_per_step\":%.5f", (ull)i->bytes, (ull)i->bytes_static, i->bytes_per_step);
	printf(",\"parts\":{\"control\":%llu,\"registers\":%llu,\"loads\":%llu,\"addresses\":%llu,\"events\":%llu,\"data\":%llu,\"keyframes\":%llu,"
	       "\"pages\":%llu,\"index\":%llu,\"dictionary\":%llu}",
	       (ull)i->bytes_control, (ull)i->bytes_regs, (ull)i->bytes_loads, (ull)i->bytes_addr, (ull)i->bytes_events, (ull)i->bytes_data,
	       (ull)i->bytes_keyframes, (ull)i->bytes_pages, (ull)i->bytes_index, (ull)i->bytes_dict);
	printf(",\"digest\":\"%s\",\"start_pc\":\"0x%llx\",\"end_pc\":\"0x%llx\",\"finished\":%s,\"end_reason\":", i->digest, (ull)i->start_pc,
	       (ull)i->end_pc, i->finished ? "true" : "false");
	json_string(stdout, i->end_reason, strlen(i->end_reason));
	fputs(",\"end_text\":", stdout);
	json_string(stdout, i->end_text, strlen(i->end_text));
	printf(",\"audit_misses\":%llu,\"images\":[", (ull)i->audit_misses);
	for (unsigned k = 0; k < n; k++) {
		fputs(k ? ",{\"path\":" : "{\"path\":", stdout);
		json_string(stdout, images[k].path, strlen(images[k].path));
		fputs(",\"kind\":", stdout);
		json_string(stdout, images[k].kind, strlen(images[k].kind));
		printf(",\"gpa\":\"0x%llx\",\"size\":%llu,\"entry\":\"0x%llx\"}", (ull)images[k].gpa, (ull)images[k].size, (ull)images[k].entry);
	}
	puts("]}");
}

static int console_piece(void *ctx, uint64_t step, const char *text, size_t n)
{
	const char **name = ctx;
	if (*name) { /* the heading of a console, once there is something in it */
		printf("--- %s\n", *name);
		*name = NULL;
	}
	bool terminal = isatty(STDOUT_FILENO); /* which a guest must not command */
	for (size_t k = 0; k < n; k++) {
		unsigned char c = (unsigned char)text[k];
		if (c != '\r')
			putchar(terminal && c != '\n' && c != '\t' && (c < 0x20 || c > 0x7e) ? '.' : c);
	}
	return ferror(stdout);
}

static int print_consoles(struct kt_trace *t)
{
	static const char *const names[] = { "ttyS0", "ttyS1", "debug port 0x402" };
	struct kt_err err = { 0 };

	for (unsigned w = 0; w < 3; w++) {
		const char *name = names[w];
		if (kt_trace_console(t, w, console_piece, &name, &err))
			return fail_err(&err);
	}
	return EXIT_DONE;
}

int cmd_info(int argc, char **argv)
{
	static const struct option options[] = {
		{ "input", required_argument, NULL, 'i' }, { "format", required_argument, NULL, 'f' }, { "console", no_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	const char *input = NULL;
	enum format format = FORMAT_TEXT;
	bool console = false, check = false;
	struct kt_err err = { 0 };
	int code = EXIT_DONE;

	for (int c; (c = getopt_long(argc, argv, "i:h", options, NULL)) != -1;) {
		switch (c) {
		case 'i': input = optarg; break;
		case 'f':
			if (!format_option("info", optarg, &format))
				return EXIT_USAGE;
			break;
		case 'c': console = true; break;
		case 'k': check = true; break;
		case 'h': fputs(help, stdout); return finish_output(EXIT_DONE);
		default: return usage("info", "see above");
		}
	}
	if (optind < argc && !input)
		input = argv[optind++];
	if (optind < argc)
		return usage("info", "unexpected argument '%s'", argv[optind]);
	struct kt_trace *t = open_trace(input);
	if (!t)
		return EXIT_FAILED;
	if (check && kt_trace_check(t, NULL, NULL, &err))
		code = fail_err(&err);
	else if (console)
		code = print_consoles(t);
	else if (format == FORMAT_JSON)
		info_json(t, trace_path(input));
	else
		info_text(t, trace_path(input));
	if (check && !code && !console && format == FORMAT_TEXT)
		row("check", "every checksum, page and leaf is right");
	kt_trace_close(t);
	return finish_output(code);
}
