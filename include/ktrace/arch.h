/* SPDX-License-Identifier: MIT */
/* What an architecture is, as data: its register file, with gdb's and DWARF's numbers. Both are always built. */
#ifndef KTRACE_ARCH_H
#define KTRACE_ARCH_H

#include <stddef.h>
#include <stdint.h>

enum kt_arch_id { KT_ARCH_X86_64 = 1, KT_ARCH_ARM64 = 2 }; /* stable: stands in trace files */

enum { KT_REG_NONE = 0xffff, KT_REGS_MAX = 256 };

enum kt_reg_group {
	KT_GROUP_GPR,     /* general registers, PC, flags: the hot set, captured every step */
	KT_GROUP_SEGMENT, /* selectors, bases, limits, attributes, descriptor tables */
	KT_GROUP_CONTROL, /* CRn, EFER / system registers */
	KT_GROUP_DEBUG,
	KT_GROUP_MSR,
	KT_GROUP_FPU, /* x87 / FPCR, FPSR */
	KT_GROUP_VECTOR,
	KT_GROUP_HIDDEN /* ktrace's own: interrupt shadow and the like */
};

struct kt_reg {
	const char *name;
	uint8_t bits; /* 1..64: how many of the 64 can be other than zero */
	uint8_t group;
	int16_t gdb;   /* number in gdb's target description, -1: none */
	int16_t dwarf; /* -1: none */
};

struct kt_arch {
	enum kt_arch_id id;
	const char *name;          /* "x86_64", "arm64" */
	const struct kt_reg *regs; /* nregs of them; the number is the index, stable in trace files */
	unsigned nregs, nhot;      /* the first nhot are the hot set */
	unsigned pc, sp, flags;    /* register numbers */
	unsigned page_shift;       /* of the smallest page ktrace tracks: 12 */
};

/* NULL for an id or a name that is not known. */
const struct kt_arch *kt_arch_get(int id);
const struct kt_arch *kt_arch_find(const char *name);
/* The number of the register of that name, or KT_REG_NONE. */
unsigned kt_arch_reg(const struct kt_arch *arch, const char *name);
/* The linear address of the next instruction: x86 adds the code segment's base (32 bits outside 64-bit mode). */
uint64_t kt_arch_linear_pc(const struct kt_arch *arch, const uint64_t *regs);

#endif
