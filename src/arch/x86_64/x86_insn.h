/* SPDX-License-Identifier: MIT */
/* Decoding x86: bytes -> descriptor plus what an engine must know to carry the instruction out. */
#ifndef KT_X86_INSN_H
#define KT_X86_INSN_H

#include "arch/insn.h"

/* How control leaves the instruction. */
enum x86_flow {
	X86_FLOW_NEXT,     /* falls through */
	X86_FLOW_COND,     /* falls through or goes to target (jcc, loop, jcxz, xbegin) */
	X86_FLOW_JUMP,     /* to target */
	X86_FLOW_CALL,     /* to target, pushes */
	X86_FLOW_INDIRECT, /* near jmp/call through operand `branch_op` of the descriptor */
	X86_FLOW_RET,      /* near ret: target is the word popped */
	X86_FLOW_FAR       /* far jmp/call/ret, iret, int, syscall, sysret ...: by their own rules */
};

struct x86_insn {
	struct kt_insn k;    /* first, so that a kt_insn of an x86 trace can be cast */
	u16 mnemonic;        /* ZydisMnemonic (Zydis 4); 0: the bytes are no instruction (#UD) */
	u16 isa_set;         /* ZydisISASet (instruction.meta.isa_set): x86_predict's feature check; 0: always there */
	u8 flow;             /* enum x86_flow */
	u8 branch_op;
	u8 osize;            /* effective operand size, bytes: 2, 4, 8 */
	u8 asize;            /* effective address size, bytes */
	u8 prefix_rep;       /* 0, 0xf2 or 0xf3 as a prefix of the instruction (mandatory prefixes too) */
	u8 prefix_lock;
	u8 opcode, opcode_map; /* last opcode byte; map 0: one byte, 1: 0f, 2: 0f38, 3: 0f3a */
	u8 modrm;            /* 0 when it has none */
	u8 has_modrm, rex_w;
	bool privileged;     /* #GP(0) unless CPL 0 (hlt, lgdt, mov cr, wrmsr ...; not in/out/cli/sti: IOPL rules) */
	bool touches_fpu;    /* reads or writes x87/MMX/SSE state: needs the FPU group captured */
	bool is_sse, is_x87, is_mmx, is_vex; /* for #NM/#UD rules; x87 includes fxsave, fxrstor, fwait; sse: legacy encodings on xmm, ldmxcsr, stmxcsr */
	bool changes_segs;   /* may change segments, descriptor tables, control registers, EFER or their MSRs */
	bool loads_flags;    /* popf, iret, sysret: loads RFLAGS whole */
	u64 target;          /* linear offset (rip-space, cut to osize) of a direct branch */
	u32 flags_undefined; /* RFLAGS bits the manual leaves undefined after it */
};

/* The canonical CPU has neither BMI1 nor LZCNT: f3 0f bc / f3 0f bd decode as BSF / BSR (prefix_rep says f3). A host CPU
 * that has them executes TZCNT / LZCNT instead: an engine has to take destination and flags of these two from kt_desc_eval
 * (flags_undefined has all six bits then).
 *
 * Decodes what stands at linear address pc (offset rip) in `mode` (arch/insn.h). n bytes, 1..15, are available. Always
 * fills `out`: bytes that are no instruction give mnemonic 0, len = 1, class LITERAL; an instruction that needs more
 * than n bytes gives -KT_E_RANGE (fetch further, or #PF/#GP). Returns 0 otherwise. Thread-safe. */
int x86_decode(unsigned mode, u64 pc, u64 rip, const u8 *bytes, unsigned n, struct x86_insn *out);

/* Text in Intel syntax, absolute branch targets; at most size-1 characters. Returns text. "(bad)" for no instruction. */
char *x86_text(unsigned mode, u64 rip, const u8 *bytes, unsigned n, char *text, size_t size);

#endif
