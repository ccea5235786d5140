/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "base/num.h"

void progress_init(struct progress *p, FILE *out, bool show, uint64_t total)
{
	*p = (struct progress){ .out = show ? out : NULL, .total = total, .column0 = true };
}

static void eta(char *text, size_t n, double seconds)
{
	unsigned s = seconds < 0 || seconds > 359999 ? 359999 : (unsigned)seconds;
	if (s >= 3600)
		snprintf(text, n, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, n, "%u:%02u", s / 60, s % 60);
}

void progress_draw(struct progress *p, uint64_t steps, double seconds, uint64_t pc)
{
	char done[32], all[32], left[16] = "", bar[40] = "";

	if (!p->out)
		return;
	if (seconds > p->last_s) { /* a rate that follows changes, without dancing */
		double now = (double)(steps - p->last_steps) / (seconds - p->last_s);
		p->rate = p->rate ? p->rate * 0.8 + now * 0.2 : now;
	}
	p->last_s = seconds;
	p->last_steps = steps;
	if (p->total) {
		eta(left, sizeof left, p->rate ? (double)(p->total - steps) / p->rate : 0);
		snprintf(bar, sizeof bar, " of %s (%.0f%%)", kt_group_digits(p->total, all), 100.0 * (double)steps / (double)p->total);
	}
	if (!p->column0 && !p->drawn)
		fputc('\n', p->out);
	fprintf(p->out, "\r\033[K%s steps%s  %.0fk/s  pc %llx%s%s  Ctrl-C ends", kt_group_digits(steps, done), bar, p->rate / 1e3,
	        (unsigned long long)pc, *left ? "  ETA " : "", left);
	fflush(p->out);
	p->drawn = true;
}

void progress_clear(struct progress *p)
{
	if (!p->drawn)
		return;
	fputs("\r\033[K", p->out);
	if (!p->column0)
		fputs("\033[A\033[999C", p->out); /* back to the unfinished console line's end */
	p->drawn = false;
}

void progress_console(struct progress *p, uint8_t byte)
{
	if (!p->out || byte == '\r')
		return;
	if (p->drawn && !p->column0) { /* go on with a new line rather than guess the column */
		fputs("\r\033[K", p->out);
		p->drawn = false;
	} else {
		progress_clear(p);
	}
	if (byte == '\n' || byte == '\t' || (byte >= 0x20 && byte < 0x7f))
		fputc(byte, p->out);
	else
		fputc('.', p->out); /* escape sequences of a guest stay out of the user's terminal */
	p->column0 = byte == '\n';
}

void progress_done(struct progress *p)
{
	if (!p->out)
		return;
	if (p->drawn)
		fputs("\r\033[K", p->out);
	else if (!p->column0)
		fputc('\n', p->out);
	p->drawn = false;
	p->column0 = true;
	fflush(p->out);
}
