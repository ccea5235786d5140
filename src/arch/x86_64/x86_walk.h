/* SPDX-License-Identifier: MIT */
/* The page walk: linear to physical in every paging mode (Intel SDM 3, chapter 4). Pure: memory comes through a
 * callback, A/D bits are reported, not set. */
#ifndef KT_X86_WALK_H
#define KT_X86_WALK_H

#include "arch/x86_64/x86_regs.h"
#include "base/types.h"

enum x86_use { X86_USE_READ = 0, X86_USE_WRITE = 1, X86_USE_FETCH = 2, X86_USE_USER = 4 /* as CPL 3 */, X86_USE_IMPLICIT = 8 /* supervisor access to a system structure at any CPL */ };

/* MAXPHYADDR of the canonical CPU, as its CPUID leaf 80000008 says (SDM 3, 4.1.4). Address bits above are reserved. */
enum { X86_PHYS_BITS = 40 };

/* Where a walk reads entries. Returns a pointer to `size` (4 or 8) bytes of guest RAM at pa, NULL if no RAM is there. */
typedef const u8 *x86_phys_fn(void *ctx, u64 pa, unsigned size);

struct x86_walk {
	u64 pa;         /* of the byte at va */
	u64 page_size;  /* 4096, 2M, 4M, 1G; 4096 with paging off; of a page that is there but may not be used, too; else 0 */
	u32 error;      /* #PF error code (P, W, U, RSVD, I/D) when the walk fails */
	bool write_ok, exec_ok, user_ok;
	unsigned nset;  /* how many entries need A or D set for this use, in the order the CPU sets them */
	struct { u64 pa; u8 size; u64 old, new_; } set[6];
};

/* Walks `va` for `use` with the registers' CR0, CR3, CR4, EFER and RFLAGS.AC. PAE's PDPTEs are read from memory at CR3.
 * A non-canonical va is the caller's business (it is #GP or #SS, not #PF). Returns 0, or -1 for a page fault
 * (w->error). An entry that lies outside RAM reads as all ones (RSVD fault), as on a machine where nobody answers. */
int x86_walk(const u64 *regs, x86_phys_fn *phys, void *ctx, u64 va, unsigned use, struct x86_walk *w);

/* True if va is canonical for the registers' mode (48 or 57 bits in long mode; always outside it). */
bool x86_canonical(const u64 *regs, u64 va);

#endif
