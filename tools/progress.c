/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <sys/ioctl.h>

#include "base/num.h"

enum { WIDTH = 80, TAB = 8 };

void progress_init(struct progress *p, FILE *out, bool show, uint64_t total)
{
	*p = (struct progress){ .out = show ? out : NULL, .total = total };
}

static void eta(char *text, size_t n, double seconds)
{
	unsigned s = seconds < 0 || seconds > 359999 ? 359999 : (unsigned)seconds;
	if (s >= 3600)
		snprintf(text, n, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, n, "%u:%02u", s / 60, s % 60);
}

static unsigned terminal_width(FILE *f)
{
	struct winsize w;
	return !ioctl(fileno(f), TIOCGWINSZ, &w) && w.ws_col ? w.ws_col : WIDTH;
}

void progress_draw(struct progress *p, uint64_t steps, double seconds, uint64_t pc)
{
	char done[32], all[32], left[16] = "", bar[48] = "", line[200];

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
	if (p->column && !p->drawn)
		fputc('\n', p->out);
	snprintf(line, sizeof line, "%s steps%s  %.0fk/s  pc %llx%s%s  Ctrl-C ends", kt_group_digits(steps, done), bar, p->rate / 1e3,
	         (unsigned long long)pc, *left ? "  ETA " : "", left);
	p->width = terminal_width(p->out);
	fprintf(p->out, "\r\033[K%.*s", (int)p->width - 1, line); /* a line that wraps could not be taken away */
	fflush(p->out);
	p->drawn = true;
}

/* Takes the line away and goes back to the end of the console's unfinished line, which stands above. */
static void clear(struct progress *p)
{
	if (!p->drawn)
		return;
	fputs("\r\033[K", p->out);
	if (p->column % p->width)
		fprintf(p->out, "\033[A\033[%uG", p->column % p->width + 1);
	p->drawn = false;
}

void progress_console(struct progress *p, uint8_t byte)
{
	if (!p->out || byte == '\r')
		return;
	clear(p);
	if (byte == '\n')
		p->column = 0;
	else
		p->column += byte == '\t' ? TAB - p->column % TAB : 1;
	if (byte == '\n' || byte == '\t' || (byte >= 0x20 && byte < 0x7f))
		fputc(byte, p->out);
	else
		fputc('.', p->out); /* escape sequences of a guest stay out of the user's terminal */
}

void progress_done(struct progress *p)
{
	if (!p->out)
		return;
	clear(p);
	if (p->column)
		fputc('\n', p->out);
	p->column = 0;
	fflush(p->out);
}
