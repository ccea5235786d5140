/* SPDX-License-Identifier: MIT */
/* A made-up guest for tests of the store: registers, RAM and a stream of steps that a seed determines, so that a second
 * run of it is the truth about the first. Its instructions are invented, not decoded; what they do obeys the contract
 * of ktrace/step.h and nothing else. */
#ifndef SYNTH_H
#define SYNTH_H

#include <stdlib.h>
#include <string.h>

#include "arch/insn.h"
#include "arch/x86_64/x86_regs.h"
#include "store/writer.h"

enum { SYNTH_INSNS = 600, SYNTH_LOW = 1 << 20, SYNTH_HIGH = 256 << 10, SYNTH_HIGH_AT = 16 << 20 };
enum { SYNTH_PAGES = (SYNTH_LOW + SYNTH_HIGH) / 4096 };

struct synth {
	u64 rng, n;
	u64 regs[KT_REGS_MAX];
	u8 *low, *high;
	struct kt_insn insn[SYNTH_INSNS];
	u8 touched[SYNTH_PAGES];
	u8 data[8192];
	size_t used;
	struct kt_writer *w; /* told of pages, if not NULL */
	bool quiet;          /* no consoles, interrupts, gaps */
	struct kt_step s;
};

static inline u64 synth_random(struct synth *y)
{
	y->rng ^= y->rng << 13;
	y->rng ^= y->rng >> 7;
	y->rng ^= y->rng << 17;
	return y->rng * 0x2545f4914f6cdd1dull;
}

static inline u64 synth_below(struct synth *y, u64 n)
{
	return (synth_random(y) >> 16) % n;
}

/* The host's bytes of a guest address; the caller stays within a range. */
static inline u8 *synth_host(struct synth *y, u64 pa)
{
	return pa >= SYNTH_HIGH_AT ? y->high + (pa - SYNTH_HIGH_AT) : y->low + pa;
}

static inline unsigned synth_page(u64 pa)
{
	return (unsigned)(pa >= SYNTH_HIGH_AT ? (pa - SYNTH_HIGH_AT + SYNTH_LOW) >> 12 : pa >> 12);
}

static inline void synth_init(struct synth *y, u64 seed)
{
	memset(y, 0, sizeof *y);
	y->rng = seed * 2 + 1;
	y->low = calloc(1, SYNTH_LOW);
	y->high = calloc(1, SYNTH_HIGH);
	for (unsigned i = 0; i < 3 * 4096; i++) /* a little initial image, across an extent's border */
		y->low[0xf000 + i] = (u8)synth_random(y);
	y->high[SYNTH_HIGH - 1] = 0x5a;
	for (unsigned r = 0; r < X86_NREGS; r++)
		y->regs[r] = r < 16 ? synth_random(y) : 0;
	y->regs[X86_rip] = 0x1000;
	y->regs[X86_rflags] = 2;
	y->regs[X86_cs_attr] = X86_ATTR_L;
	y->regs[X86_efer] = X86_EFER_LMA;
	y->regs[X86_cr0] = X86_CR0_PE;
	u64 pc = 0x1000;
	for (unsigned i = 0; i < SYNTH_INSNS; i++) {
		struct kt_insn *k = &y->insn[i];
		k->pc = pc;
		k->len = (u8)(1 + synth_below(y, 7));
		k->mode = KT_MODE_64 | KT_MODE_PROTECTED;
		for (unsigned b = 0; b < k->len; b++)
			k->bytes[b] = (u8)synth_random(y);
		k->desc.op = i % 3 ? KT_OP_LITERAL : KT_OP_NOP;
		k->desc.width = 8;
		k->desc.len = k->len;
		pc += k->len;
	}
}

static inline void synth_deinit(struct synth *y)
{
	free(y->low);
	free(y->high);
}

/* Every page is untouched again: a new chunk has begun. */
static inline void synth_epoch(struct synth *y)
{
	memset(y->touched, 0, sizeof y->touched);
}

static inline void synth_touch(struct synth *y, u64 pa, u64 size)
{
	for (u64 at = pa & ~4095ull; at < pa + size; at += 4096) {
		if (!y->touched[synth_page(at)] && y->w)
			kt_writer_page(y->w, at, synth_host(y, at));
		y->touched[synth_page(at)] = 1;
	}
}

static inline void synth_access(struct synth *y, u64 pa, u32 size, u8 space, u8 flags, u8 elem)
{
	struct kt_access *a = &y->s.access[y->s.naccess++];
	u32 n = flags & KT_ACCESS_NODATA ? 0 : flags & KT_ACCESS_FILL ? elem : size;
	u8 *d = y->data + y->used;

	y->used += n;
	*a = (struct kt_access){ .va = space == KT_SPACE_RAM ? pa + 0xffff800000000000ull : space == KT_SPACE_PORT || space == KT_SPACE_MSR ? 0 : pa,
		                 .pa = pa, .size = size, .space = space, .flags = flags, .elem = elem, .data = n ? d : NULL };
	if (space == KT_SPACE_RAM && !(flags & KT_ACCESS_WRITE)) {
		if (n)
			memcpy(d, synth_host(y, pa), n);
		return;
	}
	for (u32 i = 0; i < n; i++)
		d[i] = (u8)(synth_below(y, 4) ? synth_random(y) : 0);
	if (space != KT_SPACE_RAM)
		return;
	synth_touch(y, pa, size);
	for (u32 i = 0; i < size; i++)
		synth_host(y, pa)[i] = flags & KT_ACCESS_FILL ? d[i % elem] : d[i];
}

static inline u64 synth_place(struct synth *y, u32 size)
{
	bool high = synth_below(y, 8) == 0;
	/* Mostly a few hot pages, so that versions pile up on them; never the last page of high memory, which is for tests. */
	u64 span = high ? SYNTH_HIGH - 4096 : SYNTH_LOW, at = synth_below(y, 4) ? 0x2000 + synth_below(y, 5 * 4096) : synth_below(y, span - size);
	return at + (high ? SYNTH_HIGH_AT : 0);
}

static inline void synth_event(struct synth *y, u16 kind, u16 num, u32 code, u64 value)
{
	y->s.event[y->s.nevent++] = (struct kt_event){ kind, num, code, value };
}

static inline void synth_cold(struct synth *y, u16 reg, u64 value)
{
	y->regs[reg] = value;
	y->s.cold[y->s.ncold++] = (struct kt_regset){ reg, value };
}

static inline void synth_accesses(struct synth *y)
{
	u64 dice = synth_below(y, 1000);

	if (dice < 250)
		synth_access(y, synth_place(y, 8), (u32)(1u << synth_below(y, 4)), KT_SPACE_RAM, 0, 0);
	if (dice % 4 == 0)
		synth_access(y, synth_place(y, 8), (u32)(1u << synth_below(y, 4)), KT_SPACE_RAM, KT_ACCESS_WRITE, 0);
	if (dice == 999)
		synth_access(y, synth_place(y, 40000), (u32)(8 * (1 + synth_below(y, 5000))), KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_FILL, 8);
	if (dice == 998)
		synth_access(y, synth_place(y, 3000), (u32)(1 + synth_below(y, 3000)), KT_SPACE_RAM, KT_ACCESS_WRITE, 0);
	if (dice == 997)
		synth_access(y, synth_place(y, 3000), 512, KT_SPACE_RAM, KT_ACCESS_NODATA, 0);
	if (dice >= 990 && dice < 993)
		synth_access(y, 0x3f8 + dice - 990, 1, KT_SPACE_PORT, dice & 1 ? KT_ACCESS_WRITE : 0, 0);
	if (dice == 989)
		synth_access(y, 0xfee00000, 4, KT_SPACE_MMIO, KT_ACCESS_WRITE, 0);
	if (dice == 988)
		synth_access(y, 0xc0000080, 8, KT_SPACE_MSR, 0, 0);
}

static inline void synth_oddities(struct synth *y)
{
	u64 dice = synth_below(y, 2000);

	if (dice < 20)
		synth_cold(y, X86_cr3, synth_random(y) & ~4095ull);
	if (dice == 21)
		synth_cold(y, X86_xmm3_lo, synth_random(y));
	if (y->quiet)
		return;
	if (dice < 60 && dice >= 30)
		synth_event(y, KT_EVENT_CONSOLE, dice < 40 ? 2 : 0, dice == 59 ? '\n' : (u32)('a' + dice - 30), 0);
	if (dice == 70) {
		y->s.kind = KT_STEP_EXCEPTION;
		synth_event(y, KT_EVENT_EXCEPTION, 14, 2, synth_random(y));
	}
	if (dice == 71) {
		y->s.kind = KT_STEP_IRQ;
		synth_event(y, KT_EVENT_IRQ, 32, 0, 0);
	}
	if (dice == 72) {
		y->s.kind = KT_STEP_GAP;
		synth_event(y, KT_EVENT_GAP, KT_GAP_LOST_STEP, 0, 0);
	}
	if (dice == 73)
		y->s.insn = NULL;
}

/* The next step: y->s, and y->regs and RAM after it. */
static inline const struct kt_step *synth_next(struct synth *y)
{
	/* Loops of some length, so that the same instructions come again and new ones keep appearing. */
	u64 at = y->n % 97 + y->n / 1500 % (SYNTH_INSNS - 100);
	struct kt_insn *k = &y->insn[at];

	y->s.kind = KT_STEP_INSN;
	y->s.insn = k;
	y->s.naccess = y->s.nevent = y->s.ncold = 0;
	y->used = 0;
	y->s.pc = y->regs[X86_rip] = k->pc;
	synth_accesses(y);
	synth_oddities(y);
	if (synth_below(y, 3) == 0)
		y->regs[synth_below(y, 16)] += synth_below(y, 1 << 12);
	y->n++;
	at = y->n % 97 + y->n / 1500 % (SYNTH_INSNS - 100);
	y->regs[X86_rip] = y->insn[at].pc;
	y->s.hot = y->regs;
	y->s.nhot = X86_NHOT;
	return &y->s;
}

static inline void synth_head(struct synth *y, struct kt_writer_head *h)
{
	static const struct kt_writer_image image = { "a.bin", "flat", 0xf000, 3 * 4096, 0x1000 };

	*h = (struct kt_writer_head){ .arch = &kt_arch_x86_64, .engine = "synthetic", .command = "a test", .mem_bytes = SYNTH_LOW + SYNTH_HIGH,
		                      .step_ns = 10, .rtc = 1767225600, .regs = y->regs, .images = &image, .nimages = 1, .nram = 2 };
	h->ram[0].size = SYNTH_LOW;
	h->ram[0].host = y->low;
	h->ram[1].gpa = SYNTH_HIGH_AT;
	h->ram[1].size = SYNTH_HIGH;
	h->ram[1].host = y->high;
}

/* Records n more steps; 0 or the writer's error. */
static inline int synth_record(struct synth *y, u64 n, struct kt_err *err)
{
	bool fresh;

	for (u64 i = 0; i < n; i++) {
		const struct kt_step *s = synth_next(y);
		int rc = kt_writer_step(y->w, s, y->regs, &fresh, err);
		if (rc)
			return rc;
		if (fresh)
			synth_epoch(y);
	}
	return 0;
}

#endif
