/* SPDX-License-Identifier: MIT */
/* PC as people and indexes know it: one linear address, whatever the code segment. */
#include "arch/x86_64/x86_regs.h"
#include "ktrace/arch.h"

uint64_t kt_arch_linear_pc(const struct kt_arch *arch, const uint64_t *r)
{
	if (arch->id != KT_ARCH_X86_64)
		return r[arch->pc];
	uint64_t pc = r[X86_rip] + r[X86_cs_base];
	return (x86_mode(r) & 3) == 2 ? pc : (uint32_t)pc;
}
