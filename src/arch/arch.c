/* SPDX-License-Identifier: MIT */
/* The list of architectures, and look-up of a register by its name. */
#include "ktrace/arch.h"

#include <string.h>

#include "arch/arm64/arm64_regs.h"
#include "arch/x86_64/x86_regs.h"
#include "base/types.h"

static const struct kt_arch *const archs[] = { &kt_arch_x86_64, &kt_arch_arm64 };

const struct kt_arch *kt_arch_get(int id)
{
	for (unsigned i = 0; i < KT_ARRAY_LEN(archs); i++)
		if ((int)archs[i]->id == id)
			return archs[i];
	return NULL;
}

const struct kt_arch *kt_arch_find(const char *name)
{
	for (unsigned i = 0; name && i < KT_ARRAY_LEN(archs); i++)
		if (!strcmp(archs[i]->name, name))
			return archs[i];
	return NULL;
}

unsigned kt_arch_reg(const struct kt_arch *arch, const char *name)
{
	for (unsigned i = 0; arch && name && i < arch->nregs; i++)
		if (!strcmp(arch->regs[i].name, name))
			return i;
	return KT_REG_NONE;
}
