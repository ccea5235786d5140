/* SPDX-License-Identifier: MIT */
/* A trace as users see it: opening, what is in it, the text of an instruction. */
#include "ktrace/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arm64/arm64_text.h"
#include "arch/x86_64/x86_insn.h"
#include "trace/trace_priv.h"

static void fill_info(struct kt_trace *t)
{
	const struct kt_reader_head *h = kt_reader_head(t->reader);
	struct kt_trace_info *i = &t->info;
	const u64 *v = h->sums.v, *stream = v + KT_SUM_STREAM;

	*i = (struct kt_trace_info){
		.arch = h->arch, .engine = h->engine, .command = h->command, .first = h->first, .steps = h->steps,
		.insns = v[KT_SUM_INSNS], .exceptions = v[KT_SUM_EXCEPTIONS], .irqs = v[KT_SUM_IRQS], .gaps = v[KT_SUM_GAPS],
		.chunks = h->chunks, .unique_insns = v[KT_SUM_DICT], .mem_bytes = h->mem_bytes, .step_ns = h->step_ns, .rtc = h->rtc,
		.bytes = h->bytes_file, .bytes_static = KT_MIN(h->bytes_static, h->bytes_file),
		.bytes_control = stream[KT_STREAM_CONTROL], .bytes_regs = stream[KT_STREAM_REGS], .bytes_loads = stream[KT_STREAM_LOADS],
		.bytes_addr = stream[KT_STREAM_ADDR], .bytes_events = stream[KT_STREAM_EVENTS], .bytes_data = stream[KT_STREAM_DATA],
		.bytes_keyframes = v[KT_SUM_KEYFRAMES], .bytes_pages = v[KT_SUM_PAGES], .bytes_index = v[KT_SUM_INDEX],
		.bytes_dict = v[KT_SUM_DICT_BYTES], .start_pc = h->start_pc, .end_pc = h->steps ? h->sums.end_pc : h->start_pc,
		.end_reason = h->finished ? h->end_reason : "unfinished",
		.end_text = h->finished ? h->end_text : "there is no end record: the recorder died (or is still at work); everything up to here is whole",
		.finished = h->finished, .audit_misses = h->audit_misses, .format_version = h->format,
	};
	if (i->steps)
		i->bytes_per_step = (double)(i->bytes - i->bytes_static) / (double)i->steps;
	for (unsigned k = 0; k < KT_LEAF_BYTES; k++)
		sprintf(i->digest + 2 * k, "%02x", h->digest[k]);
}

int kt_trace_open(const char *path, struct kt_trace **out, const char **notice, struct kt_err *err)
{
	*out = NULL;
	struct kt_trace *t = calloc(1, sizeof *t);
	if (!t)
		return kt_fail(err, KT_E_NOMEM, "no memory to open %s", path);
	int rc = kt_reader_open(path, &t->reader, notice, err);
	if (rc) {
		free(t);
		return rc;
	}
	const struct kt_reader_head *h = kt_reader_head(t->reader);
	t->decoder = kt_decoder_create(h->arch);
	t->images = calloc(h->nimages + 1, sizeof *t->images);
	if (!t->decoder || !t->images) {
		kt_trace_close(t);
		return kt_fail(err, KT_E_NOMEM, "no memory to open %s", path);
	}
	kt_decoder_initial_memory(t->decoder, kt_reader_initial(t->reader));
	t->dict = kt_reader_dict(t->reader);
	fill_info(t);
	for (; t->nimages < h->nimages; t->nimages++) {
		const struct kt_reader_image *im = &h->images[t->nimages];
		t->images[t->nimages] = (struct kt_trace_image){ im->path, im->kind, im->gpa, im->size, im->entry };
	}
	for (; t->nram < h->nram; t->nram++)
		t->ram[t->nram] = (struct kt_trace_ram){ h->ram[t->nram].gpa, h->ram[t->nram].size };
	*out = t;
	return 0;
}

void kt_trace_close(struct kt_trace *t)
{
	if (!t)
		return;
	kt_trace_memory_free(t);
	kt_decoder_destroy(t->decoder);
	kt_reader_close(t->reader);
	free(t->images);
	free(t);
}

const struct kt_trace_info *kt_trace_info(const struct kt_trace *t)
{
	return &t->info;
}

struct kt_reader *kt_trace_reader(const struct kt_trace *t)
{
	return t->reader;
}

unsigned kt_trace_images(const struct kt_trace *t, const struct kt_trace_image **out)
{
	*out = t->images;
	return t->nimages;
}

unsigned kt_trace_ram(const struct kt_trace *t, const struct kt_trace_ram **out)
{
	*out = t->ram;
	return t->nram;
}

unsigned kt_step_bytes(const struct kt_step *s, u8 bytes[16])
{
	memset(bytes, 0, 16);
	if (!s->insn)
		return 0;
	memcpy(bytes, s->insn->bytes, 16);
	return KT_MIN(s->insn->len, 15u);
}

char *kt_step_text(const struct kt_trace *t, const struct kt_step *s, char *text, size_t size)
{
	if (!size)
		return text;
	if (!s->insn || !s->insn->len) {
		snprintf(text, size, "(no instruction)");
		return text;
	}
	if (t->info.arch->id == KT_ARCH_X86_64)
		return x86_text(s->insn->mode, s->pc, s->insn->bytes, KT_MIN(s->insn->len, 15u), text, size);
	return arm64_text(s->pc, s->insn->bytes, s->insn->len, text, size);
}
