/* SPDX-License-Identifier: MIT */
/* Makes golden frames: codec_golden FOLDER writes steps-0 .. steps-9 (tests/unit/codec_box.h) of the make-believe machine, and prints
 * the lines of tests/golden/codec.txt for them, from the steps as they were before encoding. Golden files are made once and kept: a new version of the format gets new ones beside the old. Exit: 0 done, 1 failed. */
#include <stdio.h>
#include <xxhash.h>

#include "../unit/codec_box.h"
#include "../unit/codec_gen.h"

static bool make(unsigned k, const char *folder)
{
	static struct gen g;
	static struct box b;
	static struct kt_step raw;
	struct kt_raw_chunk c;
	struct kt_chunk_limits limits = { .steps = 50 + k * k * 20 };
	struct kt_buf out = { 0 };
	struct kt_err err;
	u64 bytes[KT_STREAMS] = { 0 };
	struct kt_encoder *e = kt_encoder_create(&kt_arch_x86_64);
	char name[512];

	gen_init(&g, k + 1, 5 + k * 6, k < 2 ? 0 : k * 3);
	g.loop = k & 1 ? 4 : 0;
	for (unsigned i = 0; i < GEN_MEM; i++) /* what box_page says */
		g.mem[i] = (u8)(i >> 12);
	if (!e || !kt_raw_chunk_init(&c, &kt_arch_x86_64, &limits))
		return false;
	kt_raw_chunk_begin(&c, 0, g.r);
	while (!kt_raw_chunk_full(&c) && kt_raw_chunk_add(&c, gen_step(&g), g.r))
		;
	b = (struct box){ .mode = k & 2 ? BOX_INITIAL : 0, .count = c.count, .ninsn = g.nprogram, .dict = { box_insn, &b } };
	for (u32 i = 0; i < b.ninsn; i++) {
		b.insn[i] = g.program[i];
		b.local[i] = i + 1;
	}
	memcpy(b.regs, c.frame_regs, sizeof(b.regs));
	b.initial = (struct kt_memory_view){ k & 2 ? box_page : NULL, NULL };
	kt_encoder_initial_memory(e, &b.initial);
	bool ok = !kt_encode_frame(e, &c, 0, c.count, b.local, b.ninsn, &b.dict, &b.frame, bytes, &err);
	box_put(&out, &b);
	struct kt_buf all = { 0 };
	for (u32 i = 0, id; i < c.count; i++) {
		kt_raw_chunk_get(&c, i, &raw, &id);
		box_put_step(&all, &raw, id);
	}
	XXH128_hash_t h = XXH3_128bits(all.data, all.len);
	printf("steps-%u %u %016llx%016llx\n", k, c.count, (unsigned long long)h.high64, (unsigned long long)h.low64);
	kt_buf_free(&all);
	snprintf(name, sizeof(name), "%s/steps-%u", folder, k);
	FILE *f = fopen(name, "wb");
	ok &= f && fwrite(out.data, 1, out.len, f) == out.len;
	ok &= f && !fclose(f);
	kt_buf_free(&out);
	kt_buf_free(&b.frame);
	kt_raw_chunk_deinit(&c);
	kt_encoder_destroy(e);
	return ok;
}

int main(int argc, char **argv)
{
	for (unsigned k = 0; argc == 2 && k < 10; k++) {
		if (!make(k, argv[1])) {
			fprintf(stderr, "codec_golden: cannot make or write steps-%u\n", k);
			return 1;
		}
	}
	return argc == 2 ? 0 : 1;
}
