/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/x86_regs.h"

#define REG(name, bits, group, gdb, dwarf) { #name, bits, KT_GROUP_##group, gdb, dwarf },

static const struct kt_reg x86_regs[] = { KT_X86_REGS(REG) };

_Static_assert(sizeof x86_regs / sizeof *x86_regs == X86_NREGS, "one row a register");
_Static_assert((int)X86_NREGS <= KT_REGS_MAX, "register numbers fit the trace's tables");

const struct kt_arch kt_arch_x86_64 = {
	.id = KT_ARCH_X86_64,
	.name = "x86_64",
	.regs = x86_regs,
	.nregs = X86_NREGS,
	.nhot = X86_NHOT,
	.pc = X86_rip,
	.sp = X86_rsp,
	.flags = X86_rflags,
	.page_shift = 12,
};
