/* SPDX-License-Identifier: MIT */
/* kt_arch_linear_pc the other way round: which PC register stands for a linear address. */
#ifndef KT_CODEC_PC_H
#define KT_CODEC_PC_H

#include "arch/x86_64/x86_regs.h"
#include "base/types.h"

/* The PC register's value at linear address pc under the other registers in r: x86 takes the code segment's base off, cut to 32
 * bits outside 64-bit code (SDM 3, 3.3.1, 3.4.4). */
static inline u64 kt_pc_register(const struct kt_arch *arch, const u64 *r, u64 pc)
{
	if (arch->id != KT_ARCH_X86_64)
		return pc;
	u64 rip = pc - r[X86_cs_base];
	return r[X86_efer] & X86_EFER_LMA && r[X86_cs_attr] & X86_ATTR_L ? rip : (u32)rip;
}

#endif
