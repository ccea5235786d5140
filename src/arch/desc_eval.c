/* SPDX-License-Identifier: MIT */
/* Carrying a descriptor out: each architecture has its own classes. */
#include "arch/desc.h"

#include "arch/x86_64/x86_eval.h"

bool kt_desc_eval(const struct kt_arch *arch, const struct kt_desc *d, u64 *regs, const u64 *loads, u64 *stores)
{
	if (arch->id == KT_ARCH_X86_64)
		return x86_desc_eval(d, regs, loads, stores);
	return d->op == KT_OP_NOP;
}
