/* SPDX-License-Identifier: MIT */
/* ktrace doctor: can this host record, by which methods, and if not, what to do. */
#include <getopt.h>

#include "base/buf.h"
#include "tool.h"
#include "vm/vm.h"

static const char help[] =
	"usage: ktrace doctor\n\n"
	"Probes /dev/kvm with tiny guests: which way of stepping is exact here for which instructions, what the host's\n"
	"KVM cannot do, and what ktrace does instead. Exit code 0 if this host can record, 1 if not (reading traces needs\n"
	"neither KVM nor the guest's architecture).\n";

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct kt_buf text = { 0 };
	struct kt_err err = { 0 };
	bool usable = false;

	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o != 'h')
			return usage("doctor", "unknown option");
		fputs(help, stdout);
		return finish_output(EXIT_DONE);
	}
	if (optind < argc)
		return usage("doctor", "unexpected argument '%s'", argv[optind]);
	int rc = vm_doctor(&text, &usable, &err);
	if (text.len)
		fwrite(text.data, 1, text.len, stdout);
	kt_buf_free(&text);
	if (rc) {
		fail_err(&err);
		return finish_output(EXIT_FAILED);
	}
	return finish_output(usable ? EXIT_DONE : EXIT_FAILED);
}
