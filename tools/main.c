/* SPDX-License-Identifier: MIT */
/* The ktrace program: one subcommand, one file, one row in this table. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#ifndef KTRACE_VERSION
#define KTRACE_VERSION "0.1.0"
#endif

static const struct command table[] = {
	{ "record", "single-step a guest and write every step to a trace file", cmd_record },
	{ "info", "what is in a trace file", cmd_info },
	{ "dump", "list steps: instruction, what changed, accesses", cmd_dump },
	{ "doctor", "what this host can record, and what is missing", cmd_doctor },
	{ "help", "this list", cmd_help },
};

const struct command *commands(unsigned *n)
{
	*n = sizeof table / sizeof *table;
	return table;
}

/* How many single-letter edits lie between two short words: for "did you mean". */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32], n = (unsigned)strlen(b);
	if (n > 30 || strlen(a) > 30)
		return 99;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			best = above + 1 < best ? above + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[n];
}

static int unknown(const char *name)
{
	const struct command *near = NULL;
	unsigned best = 3;

	for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
		unsigned d = distance(name, table[i].name);
		if (d < best) {
			best = d;
			near = &table[i];
		}
	}
	fprintf(stderr, "ktrace: there is no command '%s'", name);
	if (near)
		fprintf(stderr, "; did you mean '%s'?", near->name);
	fputs("\nTry 'ktrace help'.\n", stderr);
	return EXIT_USAGE;
}

int cmd_help(int argc, char **argv)
{
	if (argc > 1)
		for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
			if (!strcmp(argv[1], table[i].name) && table[i].run != cmd_help)
				return table[i].run(2, (char *[]){ argv[1], "--help", NULL });
	if (argc > 1 && argv[1][0] != '-' && strcmp(argv[1], "help"))
		return unknown(argv[1]);
	puts("ktrace: a flight recorder and time machine for virtual machines\n\n"
	     "usage: ktrace COMMAND [options]\n");
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		printf("  %-10s %s\n", table[i].name, table[i].summary);
	puts("\n'ktrace COMMAND --help' tells a command's options. Begin with:\n\n"
	     "  ktrace doctor\n"
	     "  ktrace record --vm /usr/share/seabios/bios.bin --steps 1e6\n"
	     "  ktrace info\n"
	     "  ktrace dump --limit 20\n\n"
	     "Exit codes: 0 done, 1 failed, 2 usage, 3 done but the trace has gaps or a difference was found, 4 no match.");
	return finish_output(EXIT_DONE);
}

/* A closed standard stream must not be taken by the next file that is opened: what is meant for people would be written
 * into it. Each is opened the way in which its use fails. */
static void keep_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
}

int main(int argc, char **argv)
{
	keep_standard_streams();
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error to report, not a death */
	signal(SIGXFSZ, SIG_IGN); /* and so is a limit on file sizes (ulimit -f) */
	if (argc < 2) {
		cmd_help(1, argv);
		return EXIT_USAGE;
	}
	const char *name = argv[1];
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version") || !strcmp(name, "-V") || !strcmp(name, "version")) {
		puts("ktrace " KTRACE_VERSION);
		return finish_output(EXIT_DONE);
	}
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(name, table[i].name))
			return table[i].run(argc - 1, argv + 1);
	return unknown(name);
}
