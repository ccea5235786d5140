/* SPDX-License-Identifier: MIT */
/* The x86 vCPU as the engine sees it: one register file, guest memory through our own walk, and the step being made.
 *
 * Everything that is architecture (faults, deliveries, far transfers, shims) works on this and never on KVM: it changes
 * `r`, marks what is dirty, and the engine (x86_kvm.c) writes it to KVM before the next entry. So all of it can be
 * tested without /dev/kvm. */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "arch/x86_64/x86_insn.h"
#include "arch/x86_64/x86_regs.h"
#include "arch/x86_64/x86_walk.h"
#include "vm/device.h"
#include "vm/vm.h"

enum {
	X86_DIRTY_HOT = 1,   /* GPRs, RIP, RFLAGS */
	X86_DIRTY_SREGS = 2, /* segments, tables, CRn, EFER */
	X86_DIRTY_MSRS = 4,  /* MSRs that KVM holds: STAR family, SYSENTER family, KERNEL_GS_BASE */
	X86_DIRTY_FPU = 8    /* x87 and SSE state */
};

enum { X86_SCRATCH = 1 << 20 };

struct x86_cpu {
	u64 r[X86_NREGS];
	unsigned dirty;       /* X86_DIRTY_*: what KVM does not know yet */
	const struct vm_ram *ram;
	unsigned nram;
	struct bus *bus;
	struct vm_clock *clock;
	struct vm_hooks hooks;
	u32 *touched;         /* per RAM page, in order of ranges: the epoch of the last page_touch */
	u32 epoch;
	struct kt_step step;  /* being built */
	u8 *scratch;          /* X86_SCRATCH bytes for access data of this step */
	u32 scratch_used;
	enum vm_end end;      /* set: the machine ends (before the next step) */
	u64 end_value;
	char end_text[240];
	bool a20;             /* false: bit 20 of physical addresses is masked */
};

/* A fault that an instruction is going to raise. */
struct x86_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;      /* #PF only */
	u64 dr6;      /* #DB only: bits to be set in DR6 (BD), 0 for int1 */
	bool is_trap; /* saved RIP is behind the instruction (int n, int3, into, #DB trap) */
	bool soft;    /* int n, int3, into: gate DPL is checked */
};

/* --- x86_mem.c: guest memory --- */

/* Host pointer to [pa, pa+size) of RAM within one page, NULL if it is not RAM. A20 applied. */
u8 *x86_ram(const struct x86_cpu *c, u64 pa, unsigned size);
/* Like x86_ram, for writing: calls hooks.page_touch first if the page is new in this epoch. */
u8 *x86_ram_write(struct x86_cpu *c, u64 pa, unsigned size);

/* Physical addresses that these give out have A20 applied. */
/* Translates one byte's address; sets A/D bits in memory (recorded as implicit writes of the step) when the walk
 * succeeds. 0, or -1 and *f = the #PF. */
int x86_translate(struct x86_cpu *c, u64 va, unsigned use, u64 *pa, struct x86_fault *f);
/* The same without setting A/D bits: for peeking. */
int x86_peek_pa(const struct x86_cpu *c, u64 va, unsigned use, u64 *pa, struct x86_fault *f);

/* A place of 1..4096 bytes that the step touches: translated, permission checked, A/D set; for a write page_touch has been
 * called. Over two pages: both are checked before either gets its A/D bits. */
struct x86_span {
	u64 va;
	u32 size;
	unsigned n; /* 1, or 2 when it crosses a page into one not contiguous */
	struct { u64 pa; u32 size; u8 *host; /* NULL: not RAM, MMIO */ } part[2];
};
int x86_span(struct x86_cpu *c, u64 va, u32 size, unsigned use, struct x86_span *s, struct x86_fault *f);

/* Implicit system accesses (tables, frames) at linear addresses, RAM only: recorded as IMPLICIT writes; reads are not
 * recorded. 0, or -1 and *f (a #PF, or a #GP(0) for what is not RAM). */
int x86_sys_read(struct x86_cpu *c, u64 va, void *to, u32 size, struct x86_fault *f);
int x86_sys_write(struct x86_cpu *c, u64 va, const void *from, u32 size, unsigned use, struct x86_fault *f);

/* --- x86_step_build.c: the step being built --- */
void x86_step_begin(struct x86_cpu *c);
/* Adds an access; data is copied to the scratch (n bytes: size, or elem for a fill, 0 with NODATA). Ends the machine
 * with VM_END_UNSUPPORTED if the step has no room. */
void x86_step_access(struct x86_cpu *c, u8 space, u8 flags, u64 va, u64 pa, u32 size, const void *data, u32 n);
void x86_step_event(struct x86_cpu *c, u16 kind, u16 num, u32 code, u64 value);
/* Sets a cold register: records the change if it is one. Does not mark anything dirty. */
void x86_set(struct x86_cpu *c, unsigned reg, u64 value);
/* The machine ends before the next step (or instead of this one, as the caller says). */
void x86_end(struct x86_cpu *c, enum vm_end why, u64 value, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* --- x86_seg.c: segmentation --- */
struct x86_descr { u64 base; u32 limit; u32 attr; /* as x86_regs.h */ u64 raw_va; };

/* Linear address of offset `off` in segment `seg` (X86_es ..) for `size` bytes: limit, type, canonical checks (SDM 3,
 * 5.3, 3.3.7.1). 0, or -1 and *f (#GP(0) or #SS(0)). `use`: x86_use. */
int x86_linear(const struct x86_cpu *c, unsigned seg, u64 off, u32 size, unsigned use, u64 *va, struct x86_fault *f);
/* Loads a data segment register or SS as mov/pop/lds would; sets the descriptor's Accessed bit in memory. 0 or -1. */
int x86_load_seg(struct x86_cpu *c, unsigned seg, u16 selector, struct x86_fault *f);
/* Reads the descriptor that `selector` names (not null) from the GDT or LDT; wide: a 16-byte system descriptor. Checks
 * table limits only: #GP(selector), or what reading memory raises. 0 or -1 and *f. */
int x86_descr_read(struct x86_cpu *c, u16 selector, bool wide, struct x86_descr *d, struct x86_fault *f);
/* Sets `bits` of the descriptor's access byte (1 Accessed, 2 busy TSS) in memory and in d->attr if they are not set: a
 * one-byte implicit write. */
int x86_descr_mark(struct x86_cpu *c, struct x86_descr *d, unsigned bits, struct x86_fault *f);
/* Puts a segment register's four numbers (X86_es .. X86_tr) through x86_set and marks SREGS dirty. Checks nothing. */
void x86_seg_set(struct x86_cpu *c, unsigned seg, u16 selector, u64 base, u32 limit, u32 attr);
/* lldt, ltr. The caller has checked mode and CPL. */
int x86_load_ldtr(struct x86_cpu *c, u16 selector, struct x86_fault *f);
int x86_load_tr(struct x86_cpu *c, u16 selector, struct x86_fault *f);

/* --- x86_predict.c: will this instruction fault? --- */

/* A piece of a REP string instruction ends at the latest after so much. */
enum { X86_REP_ITERATIONS = 65536, X86_REP_BYTES = 128 << 10 };

/* The instruction's memory operands, translated (spans in the order of kt_desc_plan), filled by x86_predict. */
struct x86_plan {
	unsigned n;
	struct kt_planned p[KT_PLAN_MAX];
	struct x86_span span[KT_PLAN_MAX]; /* valid for RAM/MMIO entries */
	u64 limit;                         /* REP: iterations of this piece; 0 when the count is 0. Up to the next fault,
	                                    * device access, or wrap of an index register; INS and OUTS, and an iteration on a device: 1. CMPS, SCAS in
	                                    * RAM: exactly those the instruction makes */
	bool rep_done;                     /* REP: behind these iterations the instruction is over (count 0, or the comparison
	                                    * ends it); CMPS, SCAS on a device: as far as the count says */
};
/* Checks everything that page walk, segment limits, privilege, canonical form, alignment (AC), divide, opcode, CR/DR/MSR
 * tables, TS/EM, IOPL and the TSS permission bitmap imply, in the CPU's order of priority (SDM 3, 6.9). Sets A/D bits of what will
 * be accessed. 0: it will retire; 1: it raises *f. REP string operations: faults of the first iteration; plan->limit says
 * how many iterations go before the next fault. Software interrupts (int n, int3, int1, into when it is taken) are "raised" too.
 * Left to those who carry them out: segment loads (x86_load_seg ...) and what far transfers push, pop and load; for them
 * only the reads of a memory operand (far jmp/call) are planned. Changes no register. */
int x86_predict(struct x86_cpu *c, const struct x86_insn *i, struct x86_plan *plan, struct x86_fault *f);

/* --- x86_deliver.c: exceptions and interrupts --- */

/* Delivers a fault, trap or interrupt through the IDT or IVT by the mode's rules: frame, error code, CR2, RF, IST, privilege
 * change, #DF and triple fault. Changes registers and memory, records implicit writes and the events of the step, sets
 * dirty. insn_len: length of the instruction for traps. Triple fault: x86_end(VM_END_TRIPLE_FAULT) and -1. Task gates and
 * VM86: x86_end(VM_END_UNSUPPORTED) and -1. 0: delivered. */
int x86_deliver(struct x86_cpu *c, const struct x86_fault *f, unsigned insn_len);
int x86_deliver_irq(struct x86_cpu *c, unsigned vector, unsigned line);

/* --- x86_far.c: far transfers carried out by us --- */

/* iret, far jmp/call/ret, int n in real mode etc. by our own rules, privilege changes included. 0: done (registers, memory, accesses
 * recorded); 1: it raises *f and nothing is changed; -1: cannot (x86_end says why: task switch ...). */
int x86_iret(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f);
int x86_far_jump(struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct x86_fault *f);
int x86_far_call(struct x86_cpu *c, const struct x86_insn *i, const struct x86_plan *plan, struct x86_fault *f);
int x86_far_ret(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f);
int x86_syscall(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f);
int x86_sysret(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f);
int x86_sysenter(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f);
int x86_sysexit(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f);

/* --- x86_model.c: the canonical CPU --- */

/* Fills the register file with the canonical reset state (SDM 3, table 9-1, made explicit). */
void x86_model_reset(u64 *r);
void x86_model_cpuid(const struct x86_cpu *c, u32 leaf, u32 sub, u32 out[4]);
/* The MSR table. 0: done, *value / registers set (x86_set, dirty); -1: #GP(0). */
int x86_model_rdmsr(struct x86_cpu *c, u32 msr, u64 *value);
int x86_model_wrmsr(struct x86_cpu *c, u32 msr, u64 value);
bool x86_model_msr_ok(const struct x86_cpu *c, u32 msr, bool write, u64 value);
/* TSC = guest time at 1 GHz + tsc_offset. */
u64 x86_model_tsc(const struct x86_cpu *c);
enum { X86_TSC_HZ = 1000000000 };

#endif
