/* SPDX-License-Identifier: MIT */
/* What every engine's `struct vm` begins with: the parts of the machine that are no architecture's. An engine's own
 * struct has this as its first member, so that the accessors of vm.h are written once (vm.c). */
#ifndef VM_BASE_H
#define VM_BASE_H

#include <signal.h>

#include "vm/clock.h"
#include "vm/device.h"
#include "vm/image.h"
#include "vm/vm.h"

enum { VM_RAM_RANGES = 6 };

struct vm_base {
	const struct kt_arch *arch;
	u64 *regs;            /* the register file: arch->nregs of them */
	const enum vm_end *end;
	const char *end_text;
	struct vm_ram ram[VM_RAM_RANGES];
	unsigned nram;
	struct loaded images;
	char engine[64];
	struct vm_clock clock;
	struct bus bus;
	struct vm_counts counts;
	volatile sig_atomic_t stop; /* vm_interrupt was called */
};

#endif
