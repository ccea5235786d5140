/* SPDX-License-Identifier: MIT */
/* ktrace record: a guest image in, a trace file out. */
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "ktrace/record.h"
#include "progress.h"
#include "tool.h"

static const char help[] =
	"usage: ktrace record --vm IMAGE [options]\n\n"
	"Single-steps a guest from its first instruction and writes every step (PC, registers, memory, devices, interrupts,\n"
	"exceptions) to a trace file. Time, devices and CPU identity are ktrace's own: the same image and options give the\n"
	"same trace on every host.\n\n"
	"  --vm IMAGE          bzImage, vmlinux or other ELF, multiboot ELF, BIOS image; with --load a flat binary\n"
	"  -o, --output FILE   trace file (default ktrace.db, or $KTRACE_FILE; an old one is kept as FILE.old)\n"
	"  --steps N           end after N steps (1e6, 5000, 0x100; default: when the guest ends or on Ctrl-C)\n"
	"  --mem SIZE          guest memory (default 256M)\n"
	"  --append TEXT       kernel command line\n"
	"  --initrd FILE       initial RAM disk; a multiboot image gets it as its module\n"
	"  --boot WAY          kernel-entry: begin in the unpacked kernel (default); firmware-entry: enter it as shipped\n"
	"  --load ADDR         IMAGE is a flat binary for this address\n"
	"  --entry ADDR        where a flat binary is entered (default: its load address)\n"
	"  --mode MODE         real, protected or long: the CPU's mode for a flat binary (default real)\n"
	"  --cpu MODEL         base (the canonical CPU)\n"
	"  --irq POLICY        deliver: interrupts are taken at their exact time and their handlers stepped (default)\n"
	"  --step-ns N         guest nanoseconds a step takes (default 10)\n"
	"  --rtc EPOCH         the real-time clock at step 0, seconds since 1970 (default 1767225600)\n"
	"  --console           show the guest's console even when not on a terminal (on stderr)\n"
	"  --format text|json  how the summary is printed\n"
	"  -q, --quiet         no progress, no console, no summary\n"
	"  --chunk-steps N, --chunk-payload N, --chunk-pages N, --audit-chunks N   smaller chunks, other audits: for tests\n"
	"  --save-memory FILE  write guest RAM as it is at the end, for comparing with the trace's\n\n"
	"Exit code 0: recorded whole; 3: recorded, with gaps; 1: failed, or this host could not go on; 2: usage.\n";

enum { OPT_VM = 256, OPT_STEPS, OPT_MEM, OPT_APPEND, OPT_INITRD, OPT_BOOT, OPT_LOAD, OPT_ENTRY, OPT_MODE, OPT_CPU, OPT_IRQ,
       OPT_STEP_NS, OPT_RTC, OPT_CONSOLE, OPT_FORMAT, OPT_CHUNK_STEPS, OPT_CHUNK_PAYLOAD, OPT_CHUNK_PAGES, OPT_AUDIT, OPT_SAVE_MEMORY };

static const struct option options[] = {
	{ "vm", required_argument, NULL, OPT_VM },
	{ "output", required_argument, NULL, 'o' },
	{ "steps", required_argument, NULL, OPT_STEPS },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "boot", required_argument, NULL, OPT_BOOT },
	{ "load", required_argument, NULL, OPT_LOAD },
	{ "entry", required_argument, NULL, OPT_ENTRY },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "cpu", required_argument, NULL, OPT_CPU },
	{ "irq", required_argument, NULL, OPT_IRQ },
	{ "step-ns", required_argument, NULL, OPT_STEP_NS },
	{ "rtc", required_argument, NULL, OPT_RTC },
	{ "console", no_argument, NULL, OPT_CONSOLE },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "quiet", no_argument, NULL, 'q' },
	{ "chunk-steps", required_argument, NULL, OPT_CHUNK_STEPS },
	{ "chunk-payload", required_argument, NULL, OPT_CHUNK_PAYLOAD },
	{ "chunk-pages", required_argument, NULL, OPT_CHUNK_PAGES },
	{ "audit-chunks", required_argument, NULL, OPT_AUDIT },
	{ "save-memory", required_argument, NULL, OPT_SAVE_MEMORY },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct record_args {
	struct kt_record_options o;
	enum format format;
	bool quiet, console;
	char command[1024];
};

static bool small_option(const char *name, const char *text, uint64_t min, uint64_t max, uint32_t *out)
{
	uint64_t v;
	if (!number_option("record", name, text, min, max, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool rtc_option(const char *text, int64_t *out)
{
	uint64_t v;
	if (!number_option("record", "--rtc", text, 0, 253402300799ull /* the end of year 9999 */, &v))
		return false;
	*out = (int64_t)v;
	return true;
}

static bool word_option(const char *name, const char *text, const char *const *words, int *out)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(text, words[i])) {
			*out = i;
			return true;
		}
	fprintf(stderr, "ktrace record: %s: '%s' is not one of", name, text);
	for (int i = 0; words[i]; i++)
		fprintf(stderr, "%s %s", i ? "," : "", words[i]);
	fputs("\nTry 'ktrace record --help'.\n", stderr);
	return false;
}

/* One option; false: the message is out. */
static bool take(struct record_args *a, int c)
{
	static const char *const boots[] = { "kernel-entry", "firmware-entry", NULL };
	static const char *const modes[] = { "auto", "real", "protected", "long", NULL };
	static const char *const irqs[] = { "deliver", NULL };
	static const char *const cpus[] = { "base", NULL };
	struct kt_record_options *o = &a->o;
	int word;

	switch (c) {
	case OPT_VM: o->image = optarg; return true;
	case 'o': o->output = optarg; return true;
	case OPT_STEPS: return number_option("record", "--steps", optarg, 1, UINT64_MAX >> 1, &o->steps);
	case OPT_MEM: return number_option("record", "--mem", optarg, 1 << 20, 63ull << 30, &o->mem);
	case OPT_APPEND: o->append = optarg; return true;
	case OPT_INITRD: o->initrd = optarg; return true;
	case OPT_BOOT:
		if (!word_option("--boot", optarg, boots, &word))
			return false;
		o->firmware_entry = word == 1;
		return true;
	case OPT_LOAD: o->flat = o->has_load = true; return number_option("record", "--load", optarg, 0, UINT64_MAX, &o->load);
	case OPT_ENTRY: o->flat = o->has_entry = true; return number_option("record", "--entry", optarg, 0, UINT64_MAX, &o->entry);
	case OPT_MODE: return word_option("--mode", optarg, modes, &o->mode);
	case OPT_CPU:
		if (!word_option("--cpu", optarg, cpus, &word))
			return false;
		o->cpu = optarg;
		return true;
	case OPT_IRQ: return word_option("--irq", optarg, irqs, &word);
	case OPT_STEP_NS: return number_option("record", "--step-ns", optarg, 1, 1000000, &o->step_ns);
	case OPT_RTC: return rtc_option(optarg, &o->rtc);
	case OPT_CONSOLE: a->console = true; return true;
	case OPT_FORMAT: return format_option("record", optarg, &a->format);
	case 'q': a->quiet = true; return true;
	case OPT_CHUNK_STEPS: return small_option("--chunk-steps", optarg, 1, 65536, &o->chunk_steps);
	case OPT_CHUNK_PAYLOAD: return small_option("--chunk-payload", optarg, 4096, 1 << 20, &o->chunk_payload);
	case OPT_CHUNK_PAGES: return small_option("--chunk-pages", optarg, 600, 1024, &o->chunk_pages);
	case OPT_AUDIT: return small_option("--audit-chunks", optarg, 1, 1 << 20, &o->audit_chunks);
	case OPT_SAVE_MEMORY: o->save_memory = optarg; return true;
	default: usage("record", "see above"); return false;
	}
}

static void keep_command(struct record_args *a, int argc, char **argv)
{
	size_t n = (size_t)snprintf(a->command, sizeof a->command, "ktrace");
	for (int i = 0; i < argc && n < sizeof a->command; i++) {
		char word[sizeof a->command];
		n += (size_t)snprintf(a->command + n, sizeof a->command - n, " %s", shell_word(argv[i], word, sizeof word));
	}
	a->o.command = a->command;
}

static void on_signal(int sig)
{
	kt_record_interrupt();
}

static bool on_progress(void *ctx, uint64_t steps, double seconds, uint64_t pc)
{
	progress_draw(ctx, steps, seconds, pc);
	return false;
}

static void on_console(void *ctx, unsigned which, uint8_t byte)
{
	progress_console(ctx, byte);
}

static void summary_text(const struct record_args *a, const struct kt_record_result *r)
{
	char n[32], b[32];
	double per = r->steps ? (double)(r->bytes - r->bytes_static) / (double)r->steps : 0;

	printf("%s steps", kt_group_digits(r->steps, n));
	if (r->seconds > 0)
		printf(" in %.1f s (%s steps/s)", r->seconds, kt_group_digits((uint64_t)((double)r->steps / r->seconds), b));
	printf(": %s instructions", kt_group_digits(r->insns, n));
	printf(", %s exceptions", kt_group_digits(r->exceptions, n));
	printf(", %s interrupts; ", kt_group_digits(r->irqs, n));
	if (r->gaps)
		printf("%s gap%s\n", kt_group_digits(r->gaps, n), r->gaps == 1 ? "" : "s");
	else
		puts("whole, no gaps");
	printf("ended: %s (%s)\n", r->end_reason, r->end_text);
	if (r->audit_misses)
		printf("audit: %s page%s changed behind the trace's back; they are stored as they are\n", kt_group_digits(r->audit_misses, n),
		       r->audit_misses == 1 ? "" : "s");
	printf("%s: %s", a->o.output, kt_human_bytes(r->bytes, b));
	printf(", %s of it the initial memory; %.3f bytes a step\n", kt_human_bytes(r->bytes_static, n), per);
	printf("digest %s\n", r->digest);
	char word[4200];
	const char *in = strcmp(a->o.output, "ktrace.db") ? shell_word(a->o.output, word, sizeof word) : NULL;
	printf("\nnext:  ktrace info%s%s\n       ktrace dump%s%s --limit 20\n", in ? " -i " : "", in ? in : "", in ? " -i " : "", in ? in : "");
	if (r->gaps)
		printf("       ktrace dump%s%s --kind gap\n", in ? " -i " : "", in ? in : "");
}

static void summary_json(const struct record_args *a, const struct kt_record_result *r)
{
	printf("{\"file\":");
	json_string(stdout, a->o.output, strlen(a->o.output));
	printf(",\"steps\":%llu,\"insns\":%llu,\"exceptions\":%llu,\"irqs\":%llu,\"gaps\":%llu", (unsigned long long)r->steps,
	       (unsigned long long)r->insns, (unsigned long long)r->exceptions, (unsigned long long)r->irqs, (unsigned long long)r->gaps);
	printf(",\"seconds\":%.3f,\"steps_per_second\":%.0f,\"guest_ns\":%llu", r->seconds,
	       r->seconds > 0 ? (double)r->steps / r->seconds : 0, (unsigned long long)r->guest_ns);
	printf(",\"bytes\":%llu,\"bytes_static\":%llu,\"audit_misses\":%llu", (unsigned long long)r->bytes,
	       (unsigned long long)r->bytes_static, (unsigned long long)r->audit_misses);
	printf(",\"start_pc\":\"0x%llx\",\"end_pc\":\"0x%llx\",\"digest\":\"%s\",\"end_reason\":", (unsigned long long)r->start_pc,
	       (unsigned long long)r->end_pc, r->digest);
	json_string(stdout, r->end_reason, strlen(r->end_reason));
	fputs(",\"end_text\":", stdout);
	json_string(stdout, r->end_text, strlen(r->end_text));
	printf(",\"engine\":\"%s\",\"kvm_steps\":%llu,\"breakpoint_steps\":%llu,\"shims\":%llu,\"deliveries\":%llu,\"reg_writes\":%llu,"
	       "\"extra_exits\":%llu,\"unpredicted\":%llu}\n",
	       r->engine, (unsigned long long)r->engine_counts.kvm_steps, (unsigned long long)r->engine_counts.breakpoint_steps,
	       (unsigned long long)r->engine_counts.shims, (unsigned long long)r->engine_counts.deliveries,
	       (unsigned long long)r->engine_counts.reg_writes, (unsigned long long)r->engine_counts.extra_exits,
	       (unsigned long long)r->engine_counts.unpredicted);
}

static int record(struct record_args *a)
{
	struct kt_record_result res;
	struct kt_err err = { 0 };
	struct progress p;
	const char *term = getenv("TERM");
	bool terminal = isatty(STDERR_FILENO) && !a->quiet && term && strcmp(term, "dumb");
	struct sigaction sa = { .sa_handler = on_signal };

	progress_init(&p, stderr, terminal || (a->console && !a->quiet), a->o.steps);
	a->o.watch.ctx = &p;
	if (terminal)
		a->o.watch.progress = on_progress;
	if (terminal || a->console)
		a->o.watch.console = on_console;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	int rc = kt_record(&a->o, &res, &err);
	progress_done(&p);
	if (rc && !res.steps)
		return fail_err(&err);
	if (!a->quiet) {
		if (a->format == FORMAT_JSON)
			summary_json(a, &res);
		else
			summary_text(a, &res);
	}
	if (rc)
		return fail_err(&err);
	if (!res.as_asked)
		return fail("%s; the trace is valid up to there", res.end_text);
	return res.gaps ? EXIT_DIFFERENT : EXIT_DONE;
}

int cmd_record(int argc, char **argv)
{
	struct record_args a = { .format = FORMAT_TEXT };

	kt_record_options_default(&a.o);
	a.o.output = trace_path(NULL);
	keep_command(&a, argc, argv);
	for (int c; (c = getopt_long(argc, argv, "o:qh", options, NULL)) != -1;) {
		if (c == 'h') {
			fputs(help, stdout);
			return finish_output(EXIT_DONE);
		}
		if (c == '?')
			return usage("record", "see above");
		if (!take(&a, c))
			return EXIT_USAGE;
	}
	if (optind < argc)
		return usage("record", "unexpected argument '%s'; the guest image goes with --vm", argv[optind]);
	if (!a.o.image)
		return usage("record", "which guest? Give --vm IMAGE, for example --vm /usr/share/seabios/bios.bin");
	if (a.o.mem % 4096)
		return usage("record", "--mem: %llu is not a multiple of 4096", (unsigned long long)a.o.mem);
	return finish_output(record(&a));
}
