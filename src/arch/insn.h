/* SPDX-License-Identifier: MIT */
/* An instruction as it stood in memory: what a dictionary row of a trace says. */
#ifndef KT_INSN_H
#define KT_INSN_H

#include "arch/desc.h"

/* How bytes are read. x86-64: the low two bits are the code size, the others change what an instruction means.
 * arm64: 0 (A64). Stands in trace files. */
enum {
	KT_MODE_16 = 0,
	KT_MODE_32 = 1,
	KT_MODE_64 = 2,
	KT_MODE_CODE = 3,      /* mask */
	KT_MODE_STACK32 = 4,   /* SS.B = 1 (outside 64-bit mode) */
	KT_MODE_PROTECTED = 8, /* CR0.PE = 1 and not virtual-8086 */
};

struct kt_insn {
	u64 pc;       /* linear address */
	u8 bytes[16]; /* len of them, the rest 0 */
	u8 len;       /* 1..15 (arm64: 4) */
	u8 mode;
	u32 id;       /* dictionary number, given by the store on first sight; 0 before */
	struct kt_desc desc;
};

#endif
