/* SPDX-License-Identifier: MIT */
/* The progress line of long work: on a terminal only, below whatever else is printed (the guest's console). */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *out;      /* the terminal; NULL: nothing is shown */
	uint64_t total; /* 0: not known */
	bool drawn;     /* the line is on the screen now */
	bool column0;   /* the console text ended with a newline */
	double last_s, rate;
	uint64_t last_steps;
};

void progress_init(struct progress *p, FILE *out, bool show, uint64_t total);
void progress_draw(struct progress *p, uint64_t steps, double seconds, uint64_t pc);
/* Takes the line away, so that other text can be printed. */
void progress_clear(struct progress *p);
/* One byte of the guest's console, made harmless for the terminal. */
void progress_console(struct progress *p, uint8_t byte);
void progress_done(struct progress *p);

#endif
