/* SPDX-License-Identifier: MIT */
/* The x86-64 engine's inside: how a machine is held together and how a step is carried out. Shared by the x86_*.c
 * files of the engine only.
 *
 * Truth lies in the register file vm->c.r. KVM holds a copy that is brought up to date (x86_kvm_run) for what
 * c.dirty says, and of which only what an instruction may have changed is taken back. Segments, descriptor tables
 * and MSRs never come from KVM: their instructions are shims. The guest's TF, RF and debug registers are never
 * given to KVM. */
#ifndef X86_VM_H
#define X86_VM_H

#include <linux/kvm.h>
#include <time.h>

#include "vm/vm_base.h"
#include "vm/x86_64/x86_cpu.h"

/* How this host's KVM steps, by observation (x86_probe.c), never by name. */
struct x86_host {
	bool late_traps;  /* after fences and some others the trap comes one instruction late; breakpoints are exact */
	bool tf_based;    /* stepping is the guest's own TF: lost on register writes, deliveries, loads of flags */
	bool breakpoints; /* a hardware breakpoint set through KVM_SET_GUEST_DEBUG hits */
	bool ring3;       /* CPL 3 code runs; else KVM is shown ring 0 (x86_sregs_of) */
	bool paging32;    /* paging outside long mode (32-bit, PAE) works; else KVM is not entered then (x86_alone.c) */
};

/* How an instruction is carried out (x86_exec.c has the table). */
enum x86_method {
	X86_M_STEP = 0, /* KVM_GUESTDBG_SINGLESTEP */
	X86_M_BREAK,    /* on hosts with late traps: run to a breakpoint at pc+len; else single-step */
	X86_M_CONTROL,  /* KVM step, then control registers are read back (mov to cr) */
	X86_M_ADVANCE,  /* nothing but RIP */
	X86_M_SHIM,     /* a function of ours */
	X86_M_EVAL,     /* carried out by its descriptor */
	X86_M_SOFTINT,  /* int n, int3, into, int1: an exception step */
	X86_M_LEND,     /* by the CPU that we run on, outside the guest (x86_lend.c) */
	X86_M_REP,      /* string instruction under REP */
	X86_M_CANNOT    /* ends the recording */
};

struct vm;
struct x86_code;

/* What became of an instruction. Negative: the host failed (kt_err filled). */
enum x86_outcome {
	X86_RETIRED = 0,
	X86_FAULTED,  /* nothing changed, vm->fault says what it raises */
	X86_LOST,     /* PC left the predicted set */
	X86_ENDED,    /* c.end is set, no step was made */
	X86_CANNOT    /* the host cannot do it; state as before */
};

/* A shim carries the instruction out whole, RIP included (x86_retire). Returns enum x86_outcome. */
typedef int x86_shim_fn(struct vm *vm, struct x86_code *code);

/* A decoded instruction in the cache. */
struct x86_code {
	struct x86_insn i; /* first: step.insn points here */
	u8 method;         /* enum x86_method */
	bool canon;        /* the result may differ between hosts: x86_canonicalise */
	bool debug_skip;   /* mov ss, pop ss: #DB traps wait for the next instruction */
	x86_shim_fn *shim;
};

enum { X86_CODE_BITS = 16, X86_SLOTS = 2 * KT_PLAN_MAX };

/* Where the data of a device access goes once KVM has asked for it. */
struct x86_slot {
	u64 addr;
	u32 size;
	u8 space, write;
	bool used;
	u8 *data;
};

/* An operand of a REP piece: physically contiguous runs, from the first iteration's on. 33 pages at most (x86_rep.c). */
enum { X86_REP_RUNS = 40 };
struct x86_rep_run {
	u64 va, pa;
	u8 *host;
	u32 size;
};
struct x86_rep_operand {
	bool write;
	unsigned n;
	struct x86_rep_run run[X86_REP_RUNS];
};

struct vm {
	struct vm_base b; /* first (vm_base.h) */
	struct x86_cpu c;
	struct x86_host host;
	bool tf_rules; /* host.tf_based */

	/* x86_kvm.c */
	int kvm, vmfd, vcpu;
	struct kvm_run *run;
	size_t run_size;
	u8 *mem;           /* the one mapping of RAM; mem_size bytes */
	size_t mem_size;
	u8 *rom;           /* 16 MiB below 4 GiB, or NULL */
	u8 xsave[4096]; /* a struct kvm_xsave: KVM_GET_FPU and KVM_SET_FPU leave MXCSR out */
	u64 *log;          /* dirty log buffer of the largest range */
	u64 *kept[VM_RAM_RANGES]; /* pages to be named again by vm_dirty_pages */
	u64 armed;         /* 0: not armed; 1: single-step; else the linear address of the breakpoint */
	bool tf_lost;      /* TF-based hosts: an MMIO exit of this run took TF along */
	bool io_pending;   /* an access was answered but KVM has not completed it */
	timer_t watchdog;
	bool watchdog_set;
	int watchdog_tid;
	unsigned kicks_here; /* watchdog kicks during this step */
	long kicked_s;       /* when the first of them came, CLOCK_MONOTONIC */

	/* the step under way */
	struct x86_code *code; /* the cache, 1 << X86_CODE_BITS */
	struct x86_plan plan;
	struct x86_fault fault;
	u64 pre[X86_NHOT];     /* hot registers before the instruction */
	u64 ev[X86_NREGS];     /* room for the evaluator */
	u64 loads[KT_PLAN_MAX], stores[KT_PLAN_MAX];
	struct {
		const u8 *host;
		u8 *data;
		u32 size;
	} later[X86_SLOTS];    /* RAM writes: where their bytes will stand and where the record wants them */
	unsigned nlater, first_access;
	struct x86_rep_operand rep[2];
	bool new_shadow;       /* the instruction under way casts a one-step interrupt shadow */
	u8 *lend;              /* a page for re-encoded instructions, made on first use */
	struct x86_slot slot[X86_SLOTS];
	unsigned nslot;
	u64 idle_jump;         /* ns that the clock jumped since the last step */
	u64 debug_pending;     /* DR6 bits of a #DB trap that is due before the next instruction */
	u64 debug_held;        /* the same, held back by mov ss */
	bool verify;           /* tests: compare every instruction with the evaluator */
	u64 verified, verify_misses;
	void (*on_miss)(struct vm *vm, const struct x86_insn *i, const u64 *expected);
};

/* --- x86_kvm.c, x86_kvm_run.c --- */
int x86_kvm_create(struct vm *vm, const struct vm_config *c, struct kt_err *err);
void x86_kvm_destroy(struct vm *vm);
/* Opens /dev/kvm and checks what is needed. >= 0: the descriptor. */
int x86_kvm_open(struct kt_err *err);
/* Runs one instruction: by single-step, or (bp != 0) to a hardware breakpoint at linear address bp. Registers of the
 * file are brought to KVM first; afterwards c.r's hot registers are KVM's. `next` is the instruction's fall-through
 * RIP. Device accesses go to the bus and into slots. Returns enum x86_outcome: RETIRED (control came back where a step
 * ends; the caller checks PC), LOST, CANNOT, ENDED; or a negative error. */
int x86_kvm_run(struct vm *vm, u64 bp, bool sregs_back, struct kt_err *err);
/* Completes pending I/O and writes every dirty class to KVM by ioctl, now. */
int x86_kvm_flush(struct vm *vm, struct kt_err *err);
/* vm_dirty_pages will name this page next time, too. */
void x86_kvm_keep_dirty(struct vm *vm, u64 gpa);
/* The watchdog timer, for the calling thread. */
int x86_kvm_begin(struct vm *vm, struct kt_err *err);
void x86_kvm_stop_watchdog(struct vm *vm);
/* KVM's FPU registers into r, which may be any register file. */
int x86_kvm_get_fpu(struct vm *vm, u64 *r, struct kt_err *err);
int x86_kvm_put_fpu(struct vm *vm, struct kt_err *err);

/* --- x86_kvm_regs.c: between the register file and KVM's structures --- */
void x86_regs_to_sregs(const u64 *r, struct kvm_sregs *s);
void x86_regs_to_msrs(const u64 *r, struct kvm_msr_entry *e, unsigned *n);
/* Through x86_set: changes are recorded in the step. */
void x86_control_from_sregs(struct x86_cpu *c, const struct kvm_sregs *s);
/* What KVM is told of vm's. */
void x86_sregs_of(const struct vm *vm, struct kvm_sregs *s);
static inline bool x86_hides_ring3(const struct vm *vm)
{
	return !vm->host.ring3 && x86_cpl(vm->c.r) == 3;
}
/* Every FPU and vector register from r. */
void x86_set_fpu(struct x86_cpu *c, const u64 *r);
/* The file names x87 registers from the top of their stack: they change places when TOP becomes `top` and the registers
 * themselves stay. Before FSW is changed. */
void x86_turn_stack(u64 *r, unsigned top);
/* All of them straight into r (audit, gaps). */
void x86_regs_from_sregs(u64 *r, const struct kvm_sregs *s);
/* Between the file and an FXSAVE image of 512 bytes; nxmm registers of 16 bytes. To: bytes behind them stay. */
enum { X86_FX_SIZE = 512, X86_MXCSR_MASK = 0xffff /* what MXCSR may hold (SDM 1, 11.6.6) */ };
void x86_regs_to_fx(const u64 *r, u8 *b, unsigned nxmm);
void x86_regs_from_fx(u64 *r, const u8 *b, unsigned nxmm);
enum { X86_KVM_MSRS = 8 };

/* --- x86_exec.c --- */
/* Sets method and shim of a freshly decoded instruction. */
void x86_exec_classify(const struct vm *vm, struct x86_code *code);
/* Carries out the instruction whose plan x86_predict has filled. enum x86_outcome or a negative error. */
int x86_exec(struct vm *vm, struct x86_code *code, struct kt_err *err);
/* By the descriptor: RETIRED or CANNOT (nothing changed). */
int x86_exec_eval(struct vm *vm, struct x86_code *code);
/* Linear PC of the file, and RIP of the instruction behind. */
u64 x86_pc(const u64 *r);
u64 x86_next_rip(const u64 *r, const struct x86_insn *i);

/* --- x86_access.c: the planned accesses, done and recorded --- */
/* Records RAM reads and makes slots for device reads; touches pages that will be written. */
void x86_access_before(struct vm *vm);
/* Records writes: RAM from memory as it is now, devices from their slots. */
void x86_access_after(struct vm *vm);
/* A device access that KVM asks for: the bus, the slot. `data` is read or written, 1..8 bytes. */
void x86_access_device(struct vm *vm, u8 space, bool write, u64 addr, void *data, unsigned size);
/* The k-th planned access carried out by us (a shim): moves and records its bytes. */
void x86_load(struct vm *vm, unsigned k, void *to);
void x86_store(struct vm *vm, unsigned k, const void *from);
/* The bytes at the k-th planned access, without recording; false if they are not all RAM. */
bool x86_peek(const struct vm *vm, unsigned k, void *to);
/* The values that the planned reads had, from the step's records (after x86_access_before), up to 8 bytes each. */
void x86_access_loads(const struct vm *vm, u64 *loads);

/* --- x86_lend.c --- */
/* RETIRED, FAULTED or CANNOT. */
int x86_lend(struct vm *vm, struct x86_code *code);

/* --- x86_alone.c: paging outside long mode where KVM has none --- */
/* True if KVM must not be entered in this state. */
bool x86_alone(const struct vm *vm);
/* True if control registers are moved to without KVM: paging may begin. */
bool x86_alone_control(const struct vm *vm);
/* mov to CR0, CR3, CR4 that prediction has let through, outside long mode. */
int x86_alone_mov_cr(struct vm *vm, const struct x86_code *code);
/* An instruction (or one iteration of a REP: d without its flags) whose plan may touch devices, by its descriptor. RIP
 * stays. RETIRED or CANNOT (nothing changed). */
int x86_alone_devices(struct vm *vm, const struct kt_desc *d);

/* --- x86_rep.c --- */
int x86_rep(struct vm *vm, struct x86_code *code, struct kt_err *err);

/* --- x86_shim.c, x86_shim_fpu.c, x86_shim_bcd.c, x86_shim_sys.c --- */
/* The shim of an instruction, or NULL; *debug_skip is set for those that hold #DB traps back. */
x86_shim_fn *x86_shim_of(const struct x86_insn *i, bool *debug_skip);
x86_shim_fn *x86_shim_fpu_of(const struct x86_insn *i);
x86_shim_fn *x86_shim_env_of(const struct x86_insn *i);
x86_shim_fn *x86_shim_bcd_of(const struct x86_insn *i);
x86_shim_fn *x86_shim_sys_of(const struct x86_insn *i);
x86_shim_fn *x86_shim_enter_of(const struct x86_insn *i);
/* The instruction is done: RIP behind it, hot registers dirty. */
int x86_retire(struct vm *vm, const struct x86_code *code);
/* Raises a fault from a shim. */
int x86_raise(struct vm *vm, u8 vector, bool has_error, u32 error);
/* Steps the stack pointer as the descriptor says. */
void x86_move_sp(u64 *r, const struct kt_desc *d);

/* --- x86_canon.c --- */
/* Undefined flags and results are set to the evaluator's, after KVM carried the instruction out. */
void x86_canonicalise(struct vm *vm, const struct x86_insn *i);

/* --- x86_debug.c: the guest's own debugging --- */
/* An instruction breakpoint at linear address pc: DR6 bits, 0 for none. */
u64 x86_debug_code(const struct x86_cpu *c, u64 pc);
/* DR6 bits of data and I/O breakpoints that the plan's accesses hit. */
u64 x86_debug_data(const struct x86_cpu *c, const struct x86_plan *plan);
/* The #DB step. enum x86_outcome. */
int x86_debug_deliver(struct vm *vm, u64 dr6, bool fault);

/* --- x86_audit.c --- */
/* The step becomes a gap: true state, changed pages. RETIRED or a negative error. */
int x86_gap(struct vm *vm, unsigned reason, struct kt_err *err);

/* --- x86_probe.c --- */
int x86_probe(int kvm, struct x86_host *out, struct kt_err *err);

#endif
