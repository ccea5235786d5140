/* SPDX-License-Identifier: MIT */
/* Making a struct x86_fault. All return -1, so that a check can `return x86_fault_gp(f, 0)`. */
#ifndef X86_FAULT_H
#define X86_FAULT_H

#include "vm/x86_64/x86_cpu.h"

/* A fault without an error code: #UD, #NM, #DE, #BR, #MF, #DB. */
static inline int x86_fault_plain(struct x86_fault *f, unsigned vector)
{
	*f = (struct x86_fault){.vector = (u8)vector};
	return -1;
}

/* A fault with an error code. has_error says what the vector has in protected mode; real mode pushes none of them,
 * which is the delivery's business (SDM 3, 20.1.4). */
static inline int x86_fault_code(struct x86_fault *f, unsigned vector, u32 error)
{
	*f = (struct x86_fault){.vector = (u8)vector, .has_error = true, .error = error};
	return -1;
}

static inline int x86_fault_gp(struct x86_fault *f, u32 error)
{
	return x86_fault_code(f, X86_GP, error);
}

static inline int x86_fault_pf(struct x86_fault *f, u32 error, u64 va)
{
	*f = (struct x86_fault){.vector = X86_PFAULT, .has_error = true, .error = error, .cr2 = va};
	return -1;
}

/* A trap: the saved RIP is behind the instruction. soft: int n, int3, into. */
static inline int x86_fault_trap(struct x86_fault *f, unsigned vector, bool soft)
{
	*f = (struct x86_fault){.vector = (u8)vector, .is_trap = true, .soft = soft};
	return -1;
}

#endif
