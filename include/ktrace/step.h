/* SPDX-License-Identifier: MIT */
/* One step of a trace, as the engine makes it, the store keeps it and a reader gets it back.
 *
 * State(n) is the architectural state before step n. A step turns State(n) into State(n+1) and says what it did on
 * the way. Register numbers index the architecture's register file (ktrace/arch.h). */
#ifndef KTRACE_STEP_H
#define KTRACE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kt_step_kind {
	KT_STEP_INSN = 0,      /* one instruction retired (or one piece of a REP) */
	KT_STEP_EXCEPTION = 1, /* the instruction at PC trapped or faulted: the step is the delivery */
	KT_STEP_IRQ = 2,       /* an interrupt taken before the instruction at PC: the step is its delivery */
	KT_STEP_GAP = 3        /* the guest ran on unrecorded; the state after it is true */
};

/* Where an access went. */
enum kt_space {
	KT_SPACE_RAM = 0,  /* guest memory */
	KT_SPACE_MMIO = 1, /* a device, by physical address (also: nobody answers there) */
	KT_SPACE_PORT = 2, /* an x86 port: pa is the port number, va is 0 */
	KT_SPACE_MSR = 3   /* an MSR or system register: pa is its number, size 8 */
};

enum {
	KT_ACCESS_WRITE = 1 << 0,    /* else a read */
	KT_ACCESS_FILL = 1 << 1,     /* data is one element of `elem` bytes, repeated to `size` bytes */
	KT_ACCESS_NODATA = 1 << 2,   /* a read whose data is not kept (the source of a REP) */
	KT_ACCESS_IMPLICIT = 1 << 3, /* made by the CPU outside the operands: A/D bits, a delivery's frame, descriptor bits */
};

/* One access. Ranges never cross what is physically contiguous: an access over two unrelated pages is two records,
 * in address order. Order in a step: reads in operand order, then writes in operand order; implicit ones first. */
struct kt_access {
	uint64_t va;         /* linear address; equals pa where the access has none (page-table bits) */
	uint64_t pa;         /* physical address, port or MSR number */
	uint32_t size;       /* bytes, at least 1 */
	uint8_t space;       /* enum kt_space */
	uint8_t flags;       /* KT_ACCESS_* */
	uint8_t elem;        /* KT_ACCESS_FILL: 1, 2, 4 or 8 */
	const uint8_t *data; /* size bytes (elem bytes for a fill), NULL with NODATA. Valid until the next step */
};

enum kt_event_kind {
	KT_EVENT_EXCEPTION = 1, /* of an exception step: num = vector, code = error code (or 0), value = CR2/FAR where the vector has one */
	KT_EVENT_IRQ = 2,       /* of an irq step: num = vector, code = controller line */
	KT_EVENT_GAP = 3,       /* of a gap step: num = enum kt_gap_reason, value = length in steps if known, else 0 */
	KT_EVENT_CONSOLE = 4,   /* num = console (0 serial ttyS0, 1 ttyS1, 2 debug port 0x402), code = the byte written */
	KT_EVENT_PENDING = 5,   /* an interrupt became pending while masked: num = vector or line */
	KT_EVENT_IDLE = 6,      /* the CPU halted: value = nanoseconds that the clock jumped */
	KT_EVENT_DEBUG = 7,     /* the guest's own breakpoint or single-step matched: value = the DR6 bits */
	KT_EVENT_UNPREDICTED = 8 /* the host delivered a fault we had not predicted: num = vector */
};

enum kt_gap_reason {
	KT_GAP_LOST_STEP = 1,     /* PC left the predicted set: the host lost a step */
	KT_GAP_UNPREDICTED = 2,   /* a fault that was not predicted, merged by the host with what followed */
	KT_GAP_STEPPED_OVER = 3,  /* --irq step-over */
	KT_GAP_APPROACH = 4       /* a window's approach */
};

struct kt_event {
	uint16_t kind; /* enum kt_event_kind */
	uint16_t num;
	uint32_t code;
	uint64_t value;
};

/* A register outside the hot set that changed. */
struct kt_regset {
	uint16_t reg;
	uint64_t value; /* after the step */
};

/* Never more than this in one step; the engine ends the recording rather than dropping one. */
enum { KT_STEP_ACCESSES = 320, KT_STEP_EVENTS = 64, KT_STEP_COLD = 192, KT_HOT_REGS = 34 };

struct kt_insn; /* src/arch/insn.h: the instruction at PC; NULL where none could be fetched */

/* PC of a step is the linear address of the instruction that ran or was about to. `hot` holds the architecture's
 * first `nhot` registers after the step (x86-64: 18, in the order of struct kvm_regs; arm64: 34). */
struct kt_step {
	enum kt_step_kind kind;
	uint64_t pc;
	struct kt_insn *insn;
	const uint64_t *hot;
	unsigned nhot, naccess, nevent, ncold;
	struct kt_access access[KT_STEP_ACCESSES];
	struct kt_event event[KT_STEP_EVENTS];
	struct kt_regset cold[KT_STEP_COLD];
};

#endif
