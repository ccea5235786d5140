/* SPDX-License-Identifier: MIT */
/* One step as a line of text: step, kind, PC, instruction, what changed, accesses, events. */
#include <inttypes.h>
#include <string.h>

#include "dump.h"

static const char *const space_read[] = { "read", "mmio read", "in", "rdmsr" };
static const char *const space_write[] = { "write", "mmio write", "out", "wrmsr" };

const char *step_kind_name(enum kt_step_kind kind)
{
	static const char *const names[] = { "insn", "exception", "irq", "gap" };
	return (unsigned)kind < 4 ? names[kind] : "unknown";
}

const char *event_kind_name(unsigned kind)
{
	static const char *const names[] = { "none", "exception", "irq", "gap", "console", "pending", "idle", "debug", "unpredicted" };
	return kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

const char *gap_reason_name(unsigned reason)
{
	static const char *const names[] = { "unknown", "lost-step", "unpredicted-fault", "stepped-over", "approach" };
	return reason < sizeof names / sizeof *names ? names[reason] : "unknown";
}

/* A datum of up to 8 bytes as a number, longer ones as bytes, shortened. */
static void put_data(FILE *f, const struct kt_access *a)
{
	unsigned n = a->flags & KT_ACCESS_FILL ? a->elem : a->size;
	uint64_t v = 0;

	if (!a->data)
		return;
	if (n <= 8) {
		memcpy(&v, a->data, n);
		fprintf(f, " 0x%" PRIx64, v);
		return;
	}
	fputc(' ', f);
	for (unsigned i = 0; i < n && i < 16; i++)
		fprintf(f, "%02x", a->data[i]);
	if (n > 16)
		fputs("..", f);
}

static void put_access(FILE *f, const struct kt_access *a)
{
	bool write = a->flags & KT_ACCESS_WRITE;
	unsigned space = a->space & 3;

	fprintf(f, "  %s%s", a->flags & KT_ACCESS_IMPLICIT ? "cpu " : "", write ? space_write[space] : space_read[space]);
	if (space == KT_SPACE_RAM || space == KT_SPACE_MMIO) {
		fprintf(f, " [%" PRIx64, a->va);
		if (a->pa != a->va)
			fprintf(f, "=%" PRIx64, a->pa);
		fprintf(f, "]:%u", a->size);
	} else {
		fprintf(f, " %" PRIx64 ":%u", a->pa, a->size);
	}
	if (a->flags & KT_ACCESS_FILL)
		fprintf(f, " fill:%u", a->elem);
	put_data(f, a);
}

static void put_event(FILE *f, const struct kt_event *e)
{
	switch (e->kind) {
	case KT_EVENT_EXCEPTION:
		fprintf(f, "  vector %u error %x", e->num, e->code);
		if (e->value)
			fprintf(f, " address %" PRIx64, e->value);
		break;
	case KT_EVENT_IRQ: fprintf(f, "  vector %u line %u", e->num, e->code); break;
	case KT_EVENT_GAP: fprintf(f, "  gap: %s", gap_reason_name(e->num)); break;
	case KT_EVENT_CONSOLE:
		if (e->code >= 0x20 && e->code < 0x7f)
			fprintf(f, "  console%u '%c'", e->num, (char)e->code);
		else
			fprintf(f, "  console%u \\x%02x", e->num, e->code & 255);
		break;
	case KT_EVENT_IDLE: fprintf(f, "  idle %" PRIu64 " ns", e->value); break;
	default: fprintf(f, "  %s %u 0x%x 0x%" PRIx64, event_kind_name(e->kind), e->num, e->code, e->value);
	}
}

static void put_kind(const struct dump *d, const struct kt_step *s)
{
	static const char *const mark[] = { "", "EXC", "IRQ", "GAP" };
	static const char *const ink[] = { "", "\033[31m", "\033[35m", "\033[41m" };
	unsigned k = (unsigned)s->kind & 3;

	if (d->colour && *mark[k])
		fprintf(d->out, "%s%-3s\033[0m", ink[k], mark[k]);
	else
		fprintf(d->out, "%-3s", mark[k]);
}

static void put_all_regs(const struct dump *d, const uint64_t *r)
{
	enum { ACROSS = 4 };

	for (unsigned i = 0; i < d->arch->nhot; i++) {
		fprintf(d->out, "%s%-6s %016" PRIx64, i % ACROSS ? "  " : "           ", d->arch->regs[i].name, r[i]);
		if (i % ACROSS == ACROSS - 1 || i + 1 == d->arch->nhot)
			fputc('\n', d->out);
	}
}

/* Does anything follow the instruction's text? */
static bool says_more(const struct dump *d, const struct kt_step *s, const uint64_t *before, const uint64_t *after)
{
	for (unsigned r = 0; r < d->arch->nhot; r++)
		if (r != d->arch->pc && before[r] != after[r])
			return true;
	return s->ncold || s->naccess || s->nevent;
}

void dump_text(const struct dump *d, uint64_t n, const struct kt_step *s, const uint64_t *before, const uint64_t *after)
{
	char text[128] = "";
	FILE *f = d->out;

	kt_step_text(d->trace, s, text, sizeof text);
	fprintf(f, "%10" PRIu64 " ", n);
	put_kind(d, s);
	fprintf(f, " %0*" PRIx64 "  %-*s", d->wide_pc ? 16 : 8, s->pc, says_more(d, s, before, after) ? 40 : 0, text);
	for (unsigned r = 0; r < d->arch->nhot; r++)
		if (r != d->arch->pc && before[r] != after[r])
			fprintf(f, "  %s=%" PRIx64, d->arch->regs[r].name, after[r]);
	for (unsigned i = 0; i < s->ncold; i++)
		fprintf(f, "  %s=%" PRIx64, d->arch->regs[s->cold[i].reg].name, s->cold[i].value);
	for (unsigned i = 0; i < s->naccess; i++)
		put_access(f, &s->access[i]);
	for (unsigned i = 0; i < s->nevent; i++)
		put_event(f, &s->event[i]);
	fputc('\n', f);
	if (d->all_regs)
		put_all_regs(d, after);
}
