/* SPDX-License-Identifier: MIT */
/* Instructions from a hostile guest. First byte: the mode; the rest is decoded one instruction after the other from heap
 * memory that ends where the input does. Every descriptor must keep the rules. */
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/x86_insn.h"
#include "arch/x86_64/x86_regs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[24];

	if (size < 2)
		return 0;
	unsigned mode = data[0] & 15;
	u8 *bytes = malloc(size - 1);
	if (!bytes)
		exit(2);
	memcpy(bytes, data + 1, size - 1);
	for (size_t at = 0; at < size - 1;) {
		struct x86_insn x;
		unsigned n = (unsigned)KT_MIN(size - 1 - at, (size_t)15);
		int rc = x86_decode(mode, at, at, bytes + at, n, &x);
		check(strlen(x86_text(mode, at, bytes + at, n, text, sizeof text)) < sizeof text);
		if (rc) {
			check(rc == -KT_E_RANGE);
			break;
		}
		check(x.k.len >= 1 && x.k.len <= n && x.k.len == x.k.desc.len);
		check(!memcmp(x.k.bytes, bytes + at, x.k.len));
		check(kt_desc_valid(&x.k.desc, X86_NREGS));
		check(x.flow != X86_FLOW_INDIRECT || x.branch_op < x.k.desc.nops);
		at += x.k.len;
	}
	free(bytes);
	return 0;
}
