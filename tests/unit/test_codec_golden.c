/* SPDX-License-Identifier: MIT */
/* Frames that were written once decode to the same steps for ever; damaged ones are refused. tests/golden/codec.txt has a
 * line for each file of tests/golden/codec: name, number of steps and the XXH3-128 of every field of every step, or name and "corrupt". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <xxhash.h>

#include "codec_box.h"

static struct box b;

/* The line for one file's content. */
static void describe(const u8 *data, size_t size, char line[80])
{
	struct kt_decoder *d = kt_decoder_create(&kt_arch_x86_64);
	struct kt_buf all = { 0 };
	const struct kt_step *s;
	unsigned n = 0;

	assert_non_null(d);
	b.frame.len = 0;
	box_get(&b, data, size, BOX_STEPS);
	kt_decoder_initial_memory(d, &b.initial);
	int rc = kt_decoder_begin(d, b.frame.data, b.frame.len, 0, b.count, b.regs, b.local, b.ninsn, &b.dict, NULL);
	for (; !rc && !(rc = kt_decoder_next(d, &s, NULL)); n++)
		box_put_step(&all, s, s->insn ? s->insn->id : 0);
	if (rc == -KT_E_END) {
		XXH128_hash_t h = XXH3_128bits(all.data, all.len);
		snprintf(line, 80, "%u %016llx%016llx", n, (unsigned long long)h.high64, (unsigned long long)h.low64);
	} else {
		snprintf(line, 80, "%s", rc == -KT_E_CORRUPT ? "corrupt" : "another error");
	}
	kt_buf_free(&all);
	kt_decoder_destroy(d);
}

static FILE *open_golden(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "tests/golden/%s", name);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("%s is not there: run from the top folder", path);
	return f;
}

static void golden_files(void **state)
{
	char name[64], want[80], line[80], path[128];
	static u8 data[1 << 20];
	unsigned files = 0;
	FILE *list = open_golden("codec.txt");
	while (fscanf(list, "%63s %79[^\n]", name, want) == 2) {
		snprintf(path, sizeof(path), "codec/%s", name);
		FILE *f = open_golden(path);
		size_t n = fread(data, 1, sizeof(data), f);
		fclose(f);
		describe(data, n, line);
		if (getenv("KT_VERBOSE"))
			printf("%s %s\n", name, line);
		else
			assert_string_equal(line, want);
		files++;
	}
	fclose(list);
	assert_true(files >= 12);
	kt_buf_free(&b.frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(golden_files) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
