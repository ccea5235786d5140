/* SPDX-License-Identifier: MIT */
/* An instruction as text: Intel syntax, lower case, branch targets as absolute offsets. */
#include <string.h>

#include "arch/x86_64/x86_decode.h"

static bool format(unsigned mode, u64 rip, const u8 *bytes, unsigned n, char *text, size_t size)
{
	struct x86_dec x;
	ZydisDecoder z;
	ZydisFormatter f;

	if (!x86_zydis_decoder(mode, &z) || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&z, bytes, KT_MIN(n, 15), &x.zi, x.zo)))
		return false;
	if (!ZYAN_SUCCESS(ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL)) ||
	    !ZYAN_SUCCESS(ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_FORCE_SIZE, ZYAN_TRUE)) ||
	    !ZYAN_SUCCESS(ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE)) ||
	    !ZYAN_SUCCESS(ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED)) ||
	    !ZYAN_SUCCESS(ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_PADDING_DISABLED)) ||
	    !ZYAN_SUCCESS(ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_IMM_PADDING, ZYDIS_PADDING_DISABLED)))
		return false;
	return ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&f, &x.zi, x.zo, x.zi.operand_count_visible, text, size, rip, NULL));
}

char *x86_text(unsigned mode, u64 rip, const u8 *bytes, unsigned n, char *text, size_t size)
{
	char line[160];

	if (!size)
		return text;
	if (!n || !format(mode, rip, bytes, n, line, sizeof line))
		strcpy(line, "(bad)");
	size_t len = strlen(line);
	if (len > size - 1)
		len = size - 1;
	memcpy(text, line, len);
	text[len] = 0;
	return text;
}
