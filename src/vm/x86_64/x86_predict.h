/* SPDX-License-Identifier: MIT */
/* The inside of fault prediction, shared by the x86_predict*.c files only. Checks return 0, or -1 and *f. */
#ifndef X86_PREDICT_H
#define X86_PREDICT_H

#include "vm/x86_64/x86_fault.h"

/* Instructions with a rule of their own. 0: the general rules are all. */
enum x86_kind {
	X86_K_PLAIN = 0,
	X86_K_UD,        /* always #UD on this CPU */
	X86_K_PROTECTED, /* #UD outside protected mode */
	X86_K_MOV,       /* may be mov cr, mov dr, mov sreg */
	X86_K_PORT,      /* in, out, ins, outs */
	X86_K_CLI,
	X86_K_STI,
	X86_K_RDMSR,
	X86_K_WRMSR,
	X86_K_RDTSC,
	X86_K_RDPMC,
	X86_K_SYSCALL,
	X86_K_SYSRET,
	X86_K_SYSENTER,
	X86_K_SYSEXIT,
	X86_K_LAHF,
	X86_K_FWAIT,
	X86_K_FXSAVE,
	X86_K_X87_NOWAIT,
	X86_K_UNALIGNED, /* 16-byte SSE operands without the alignment rule */
	/* What depends on operand values; checked behind the memory operands. */
	X86_K_DIV,
	X86_K_IDIV,
	X86_K_AAM,
	X86_K_BOUND,
	X86_K_INTO,
	X86_K_INT,
	X86_K_INT1,
	X86_K_INT3,
	X86_K_LGDT,
	X86_K_LDMXCSR,
	X86_K_FXRSTOR,
	X86_K_ENTER
};

/* --- x86_predict_table.c --- */
unsigned x86_kind(const struct x86_insn *i);
/* #UD for what the CPU model does not have, by x86_model_cpuid and the control registers that switch it on. */
int x86_check_isa(const struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_fault *f);

/* --- x86_predict_fpu.c --- */
/* #UD, #NM, #MF of x87, MMX, SSE, VEX. */
int x86_check_fpu(const struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_fault *f);

/* --- x86_predict_sys.c --- */
/* Modes, privilege, control and debug registers, MSRs, ports: before any operand in memory is touched. */
int x86_check_system(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_fault *f);

/* --- x86_predict_value.c --- */
/* What values decide: #DE, #BR, int n, table bases, MXCSR. The plan's reads are translated. */
int x86_check_value(struct x86_cpu *c, const struct x86_insn *i, unsigned kind, const struct x86_plan *plan, struct x86_fault *f);
/* ENTER: its frame reads and pushes, planned here since the descriptor does not have them. */
int x86_check_enter(struct x86_cpu *c, const struct x86_insn *i, struct x86_plan *plan, struct x86_fault *f);
/* Where a near branch goes, if that is an address CS does not have. */
/* Whether a conditional near branch (jcc, loop, jcxz) goes to its target. */
bool x86_branch_taken(const u64 *r, const struct x86_insn *i);
int x86_check_branch(const struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct x86_fault *f);

/* --- x86_predict_rep.c --- */
/* Fills plan->limit and plan->rep_done of a REP string instruction whose first iteration is checked. */
void x86_check_rep(struct x86_cpu *c, const struct x86_insn *i, struct x86_plan *plan);

/* --- shared --- */

static inline bool x86_is_protected(const u64 *r)
{
	return r[X86_cr0] & X86_CR0_PE && !(r[X86_rflags] & X86_VM);
}

static inline bool x86_is_code64(const u64 *r)
{
	return r[X86_efer] & X86_EFER_LMA && r[X86_cs_attr] & X86_ATTR_L;
}

/* The register file's number of general register n of an encoding (0 rax, 1 rcx, 2 rdx, 3 rbx ...). */
static inline unsigned x86_gpr(unsigned n)
{
	static const u8 low[8] = {X86_rax, X86_rcx, X86_rdx, X86_rbx, X86_rsp, X86_rbp, X86_rsi, X86_rdi};
	return n < 8 ? low[n] : X86_r8 + (n & 15) - 8;
}

/* The REX prefix if it is the byte at index `at` (a REX stands directly before the opcode), else 0. */
static inline u8 x86_rex_at(const struct x86_insn *i, int at)
{
	bool wide = (i->k.mode & KT_MODE_CODE) == KT_MODE_64;
	return wide && at >= 0 && (i->k.bytes[at] & 0xf0) == 0x40 ? i->k.bytes[at] : 0;
}

/* The rights an explicit access has. */
static inline unsigned x86_use_now(const u64 *r)
{
	return x86_cpl(r) == 3 ? X86_USE_USER : 0;
}

/* Copies a span's bytes; false if a part is not RAM. n <= s->size. */
bool x86_span_get(const struct x86_span *s, void *to, u32 n);
/* The segment register and the offset in it of a planned access. */
void x86_planned_place(const u64 *r, const struct kt_operand *o, u64 va, unsigned *seg, u64 *off);

#endif
