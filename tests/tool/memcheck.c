/* SPDX-License-Identifier: MIT */
/* memcheck TRACE RAM [STEP]: memory rebuilt from the trace at its end (or at STEP) against RAM as `ktrace record
 * --save-memory` wrote it. Exit 0 equal, 1 different (the first differences are named), 2 cannot tell. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ktrace/trace.h"

enum { PAGE = 4096, SHOW = 8 };

static int compare_range(struct kt_trace *t, uint64_t n, const struct kt_trace_ram *ram, FILE *f, unsigned *shown)
{
	uint8_t want[PAGE], have[PAGE];
	struct kt_err err;

	for (uint64_t at = 0; at < ram->size; at += PAGE) {
		if (fread(want, 1, PAGE, f) != PAGE) {
			fprintf(stderr, "memcheck: the RAM file is too short\n");
			return 2;
		}
		if (kt_trace_memory(t, n, ram->gpa + at, have, PAGE, &err)) {
			fprintf(stderr, "memcheck: %s\n", err.text);
			return 2;
		}
		if (!memcmp(want, have, PAGE))
			continue;
		for (unsigned i = 0; i < PAGE; i++)
			if (want[i] != have[i] && (*shown)++ < SHOW)
				printf("0x%" PRIx64 ": guest %02x, trace %02x\n", ram->gpa + at + i, want[i], have[i]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct kt_trace *t;
	struct kt_err err;
	const struct kt_trace_ram *ram;
	unsigned shown = 0;

	if (argc < 3 || kt_trace_open(argv[1], &t, NULL, &err)) {
		fprintf(stderr, "memcheck: %s\n", argc < 3 ? "usage: memcheck TRACE RAM [STEP]" : err.text);
		return 2;
	}
	const struct kt_trace_info *info = kt_trace_info(t);
	uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 0) : info->first + info->steps;
	FILE *f = fopen(argv[2], "rb");
	if (!f) {
		perror(argv[2]);
		return 2;
	}
	int rc = 0;
	for (unsigned i = 0, n_ram = kt_trace_ram(t, &ram); i < n_ram && !rc; i++)
		rc = compare_range(t, n, &ram[i], f, &shown);
	if (!rc && fgetc(f) != EOF) {
		fprintf(stderr, "memcheck: the RAM file is longer than the machine's RAM\n");
		rc = 2;
	}
	fclose(f);
	kt_trace_close(t);
	if (!rc && shown)
		printf("%u bytes differ\n", shown);
	return rc ? rc : shown ? 1 : 0;
}
