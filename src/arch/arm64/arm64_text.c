/* SPDX-License-Identifier: MIT */
#include "arch/arm64/arm64_text.h"

#include <capstone/capstone.h>
#include <stdio.h>

char *arm64_text(u64 pc, const u8 *bytes, unsigned n, char *text, size_t size)
{
	cs_insn *insn = NULL;
	csh cs;

	if (!size)
		return text;
	snprintf(text, size, "(bad)");
	if (n != 4 || cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &cs) != CS_ERR_OK)
		return text;
	if (cs_disasm(cs, bytes, n, pc, 1, &insn) == 1) {
		snprintf(text, size, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "", insn->op_str);
		cs_free(insn, 1);
	}
	cs_close(&cs);
	return text;
}
