/* SPDX-License-Identifier: MIT */
/* A control transfer being prepared: a delivery, a far call, an iret. It reads descriptors and stacks, checks, and
 * collects what it would write; only x86_xfer_commit changes memory and registers. So a transfer that faults half-way
 * leaves nothing behind, not even Accessed bits.
 *
 * Functions that can fault return 0, 1 with *x->f filled, or -1 when the machine has to end (x86_end has said why). */
#ifndef X86_XFER_H
#define X86_XFER_H

#include "vm/x86_64/x86_cpu.h"

/* Far call through a gate with 31 parameters: 62 parameter accesses, 4 pushes, each perhaps over two pages, and tables. */
enum { X86_XFER_ACCESSES = 160, X86_XFER_SEGS = 6 };

enum x86_xfer_kind {
	X86_XFER_TABLE, /* a read of a system structure: sets Accessed bits, is not recorded */
	X86_XFER_READ,  /* a read of the program's data: recorded */
	X86_XFER_KNOWN, /* a read whose translation is already done (x86_plan): recorded */
	X86_XFER_WRITE  /* recorded as implicit */
};

struct x86_xfer_access {
	u64 va, pa;
	u8 kind, size, use; /* enum x86_xfer_kind, 1..16 bytes within one page, x86_use */
	u8 data[16];
};

/* A descriptor as it stands in a table; for 16-byte ones (long mode) `up` is the third word. */
struct x86_raw {
	u64 va;
	u32 lo, hi, up, top;
};

/* What a segment register is going to hold. */
struct x86_segval {
	u16 sel;
	u64 base;
	u32 limit, attr;
};

/* A stack being pushed to or popped from. */
struct x86_stack {
	u64 sp, base;
	u32 limit, attr;
	u8 width;  /* of the stack pointer: 2, 4, 8 */
	u8 use;    /* 0 or X86_USE_USER */
	u16 error; /* selector in the error code of #SS, 0 for the current stack */
};

struct x86_xfer {
	struct x86_cpu *c;
	struct x86_fault *f;
	u32 ext;      /* 1: error codes carry EXT (delivery of what the program did not ask for) */
	bool lma;     /* long mode active: 64-bit or compatibility */
	u64 rip, rsp, rflags; /* after the transfer */
	unsigned set; /* bit k: seg[k] is to be loaded; k as X86_XFER_SEG(X86_cs) */
	struct x86_segval seg[X86_XFER_SEGS];
	unsigned n;
	struct x86_xfer_access access[X86_XFER_ACCESSES];
};

#define X86_XFER_SEG(reg) (((reg) - X86_es) / X86_SEG_STRIDE)

static inline unsigned x86_raw_type(const struct x86_raw *d) { return d->hi >> 8 & 15; }
static inline bool x86_raw_s(const struct x86_raw *d) { return d->hi >> 12 & 1; }
static inline unsigned x86_raw_dpl(const struct x86_raw *d) { return d->hi >> 13 & 3; }
static inline bool x86_raw_present(const struct x86_raw *d) { return d->hi >> 15 & 1; }
static inline bool x86_raw_long(const struct x86_raw *d) { return d->hi >> 21 & 1; }
static inline bool x86_raw_db(const struct x86_raw *d) { return d->hi >> 22 & 1; }
static inline bool x86_raw_code(const struct x86_raw *d) { return x86_raw_s(d) && x86_raw_type(d) & 8; }
static inline bool x86_raw_conforming(const struct x86_raw *d) { return x86_raw_type(d) & 4; }
static inline bool x86_raw_writable(const struct x86_raw *d) { return x86_raw_s(d) && (x86_raw_type(d) & 10) == 2; }
static inline bool x86_null_sel(u16 sel) { return !(sel & 0xfffc); }
/* True if code runs in 64-bit mode now. */
static inline bool x86_in_64(const struct x86_cpu *c)
{
	return c->r[X86_efer] & X86_EFER_LMA && c->r[X86_cs_attr] & X86_ATTR_L;
}
static inline bool x86_real(const struct x86_cpu *c) { return !(c->r[X86_cr0] & X86_CR0_PE); }

/* --- x86_xfer.c --- */
void x86_xfer_begin(struct x86_xfer *x, struct x86_cpu *c, struct x86_fault *f, u32 ext);
/* Fills *x->f; EXT is added here. Always 1. Vectors without an error code: x86_raise_plain. */
int x86_xfer_raise(struct x86_xfer *x, unsigned vector, u32 error);
int x86_raise_plain(struct x86_fault *f, unsigned vector);
/* Reads a system structure, at most 16 bytes, at a linear address. What is not RAM reads as all ones. */
int x86_xfer_table(struct x86_xfer *x, u64 va, void *to, unsigned size);
/* Reads the descriptor of a selector that is not null; outside its table: `vector` with the selector. */
int x86_xfer_descr(struct x86_xfer *x, u16 sel, unsigned vector, struct x86_raw *d);
/* Stages a segment register with a descriptor (its Accessed bit too), a null selector, or in real mode a selector. */
int x86_xfer_load(struct x86_xfer *x, unsigned seg, u16 sel, const struct x86_raw *d);
void x86_xfer_null(struct x86_xfer *x, unsigned seg, u16 sel, unsigned dpl);
void x86_xfer_real(struct x86_xfer *x, unsigned seg, u16 sel);
/* Stages a segment register with fixed content (syscall and its kin). */
void x86_xfer_flat(struct x86_xfer *x, unsigned seg, u16 sel, u32 attr);
/* The stack as it is now. */
struct x86_stack x86_xfer_stack(const struct x86_cpu *c);
/* Checks the segment and stages / reads at once. size 2, 4, 8. Limit and canonical violations: #SS(s->error). */
int x86_xfer_push(struct x86_xfer *x, struct x86_stack *s, u64 value, unsigned size);
int x86_xfer_pop(struct x86_xfer *x, struct x86_stack *s, unsigned size, u64 *value);
/* Records a read that x86_predict has translated; copies it to `to` (at most 16 bytes). */
int x86_xfer_known(struct x86_xfer *x, const struct x86_span *s, u8 *to);
/* Sets x->rip after checking it against the code segment staged last: #GP(0). */
int x86_xfer_rip(struct x86_xfer *x, u64 rip);
/* Checks the pages to be written, then does everything. After 1 or -1 nothing is changed. */
int x86_xfer_commit(struct x86_xfer *x);

/* --- x86_xfer_check.c: the rules several transfers share --- */

/* The stack of privilege level `dpl` out of the TSS, checked and staged in SS (not in long mode, where SS becomes null).
 * ist: 0 or 1..7 (long mode). */
int x86_xfer_inner_stack(struct x86_xfer *x, unsigned dpl, unsigned ist, struct x86_stack *s);
/* CS of a return (iret, far ret): descriptor, privilege. Does not stage it. */
int x86_xfer_return_cs(struct x86_xfer *x, u16 sel, struct x86_raw *d);
/* SS of a return to privilege `rpl`, checked and staged. code64: the return goes to 64-bit code. */
int x86_xfer_return_ss(struct x86_xfer *x, u16 sel, unsigned rpl, bool code64);
/* Nulls data segments that privilege `rpl` may not keep. */
void x86_xfer_drop_data(struct x86_xfer *x, unsigned rpl);
/* The stack pointer behind a return that loads SS: only the width of the new stack changes. */
u64 x86_xfer_return_sp(const struct x86_xfer *x, u64 left, u64 popped, bool code64);

/* x86_deliver_gate.c: one attempt through the IDT (protected and long mode); rip and rflags are what the frame shows. */
int x86_deliver_gate(struct x86_xfer *x, const struct x86_fault *event, u64 rip, u64 rflags);

#endif
