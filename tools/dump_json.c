/* SPDX-License-Identifier: MIT */
/* One step as one line of JSON. Addresses and register values are hex strings, counts are numbers. */
#include <inttypes.h>
#include <string.h>

#include "dump.h"

static void put_hex(FILE *f, const uint8_t *p, size_t n)
{
	fputc('"', f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
	fputc('"', f);
}

static void put_regs(const struct dump *d, const struct kt_step *s, const uint64_t *before, const uint64_t *after)
{
	const char *comma = "";

	fputs(",\"regs\":{", d->out);
	for (unsigned r = 0; r < d->arch->nhot; r++)
		if (d->all_regs || before[r] != after[r]) {
			fprintf(d->out, "%s\"%s\":\"0x%" PRIx64 "\"", comma, d->arch->regs[r].name, after[r]);
			comma = ",";
		}
	for (unsigned i = 0; i < s->ncold; i++) {
		fprintf(d->out, "%s\"%s\":\"0x%" PRIx64 "\"", comma, d->arch->regs[s->cold[i].reg].name, s->cold[i].value);
		comma = ",";
	}
	fputc('}', d->out);
}

static void put_access(FILE *f, const struct kt_access *a)
{
	static const char *const spaces[] = { "ram", "mmio", "port", "msr" };

	fprintf(f, "{\"op\":\"%s\",\"space\":\"%s\"", a->flags & KT_ACCESS_WRITE ? "write" : "read", spaces[a->space & 3]);
	if (a->space == KT_SPACE_RAM || a->space == KT_SPACE_MMIO)
		fprintf(f, ",\"va\":\"0x%" PRIx64 "\"", a->va);
	fprintf(f, ",\"pa\":\"0x%" PRIx64 "\",\"size\":%u", a->pa, a->size);
	if (a->flags & KT_ACCESS_IMPLICIT)
		fputs(",\"implicit\":true", f);
	if (a->flags & KT_ACCESS_FILL)
		fprintf(f, ",\"fill\":%u", a->elem);
	if (a->data) {
		fputs(",\"data\":", f);
		put_hex(f, a->data, a->flags & KT_ACCESS_FILL ? a->elem : a->size);
	}
	fputc('}', f);
}

static void put_event(FILE *f, const struct kt_event *e)
{
	fprintf(f, "{\"event\":\"%s\"", event_kind_name(e->kind));
	switch (e->kind) {
	case KT_EVENT_EXCEPTION:
		fprintf(f, ",\"vector\":%u,\"error\":%u,\"address\":\"0x%" PRIx64 "\"}", e->num, e->code, e->value);
		return;
	case KT_EVENT_IRQ: fprintf(f, ",\"vector\":%u,\"line\":%u}", e->num, e->code); return;
	case KT_EVENT_GAP: fprintf(f, ",\"reason\":\"%s\",\"length\":%" PRIu64 "}", gap_reason_name(e->num), e->value); return;
	case KT_EVENT_CONSOLE: fprintf(f, ",\"console\":%u,\"byte\":%u}", e->num, e->code); return;
	case KT_EVENT_IDLE: fprintf(f, ",\"ns\":%" PRIu64 "}", e->value); return;
	default: fprintf(f, ",\"num\":%u,\"code\":%u,\"value\":\"0x%" PRIx64 "\"}", e->num, e->code, e->value);
	}
}

void dump_json(const struct dump *d, uint64_t n, const struct kt_step *s, const uint64_t *before, const uint64_t *after)
{
	char text[128] = "";
	uint8_t bytes[16];
	FILE *f = d->out;
	unsigned len = kt_step_bytes(s, bytes);

	kt_step_text(d->trace, s, text, sizeof text);
	fprintf(f, "{\"step\":%" PRIu64 ",\"kind\":\"%s\",\"pc\":\"0x%" PRIx64 "\",\"bytes\":", n, step_kind_name(s->kind), s->pc);
	put_hex(f, bytes, len);
	fputs(",\"insn\":", f);
	json_string(f, text, strlen(text));
	put_regs(d, s, before, after);
	if (s->naccess) {
		fputs(",\"accesses\":[", f);
		for (unsigned i = 0; i < s->naccess; i++) {
			if (i)
				fputc(',', f);
			put_access(f, &s->access[i]);
		}
		fputc(']', f);
	}
	if (s->nevent) {
		fputs(",\"events\":[", f);
		for (unsigned i = 0; i < s->nevent; i++) {
			if (i)
				fputc(',', f);
			put_event(f, &s->event[i]);
		}
		fputc(']', f);
	}
	fputs("}\n", f);
}
