/* SPDX-License-Identifier: MIT */
#include "arch/arm64/arm64_regs.h"

#define REG(name, bits, group, gdb, dwarf) { #name, bits, KT_GROUP_##group, gdb, dwarf },

static const struct kt_reg arm64_regs[] = { KT_ARM64_REGS(REG) };

_Static_assert(sizeof arm64_regs / sizeof *arm64_regs == ARM64_NREGS, "one row a register");
_Static_assert((int)ARM64_NREGS <= KT_REGS_MAX, "register numbers fit the trace's tables");
_Static_assert(ARM64_NHOT == 34, "x0..x30, sp, pc, pstate");

const struct kt_arch kt_arch_arm64 = {
	.id = KT_ARCH_ARM64,
	.name = "arm64",
	.regs = arm64_regs,
	.nregs = ARM64_NREGS,
	.nhot = ARM64_NHOT,
	.pc = ARM64_pc,
	.sp = ARM64_sp,
	.flags = ARM64_pstate,
	.page_shift = 12,
};
