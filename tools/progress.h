/* SPDX-License-Identifier: MIT */
/* The progress line of long work: on a terminal only, below whatever else is printed (the guest's console). */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *out;       /* the terminal; NULL: nothing is shown */
	uint64_t total;  /* 0: not known */
	bool drawn;      /* the line is on the screen now */
	unsigned column; /* where the console's unfinished line is, counted over the terminal's width; 0: it has ended */
	unsigned width;  /* of the terminal when the line was drawn */
	double last_s, rate;
	uint64_t last_steps;
};

void progress_init(struct progress *p, FILE *out, bool show, uint64_t total);
void progress_draw(struct progress *p, uint64_t steps, double seconds, uint64_t pc);
/* One byte of the guest's console, made harmless for the terminal. */
void progress_console(struct progress *p, uint8_t byte);
void progress_done(struct progress *p);

#endif
