/* SPDX-License-Identifier: MIT */
/* A guest machine and its exact step. Knows nothing of traces.
 *
 * Order of calls: vm_create, vm_set_hooks, then vm_step until it says VM_ENDED or fails, vm_destroy. One thread;
 * only vm_interrupt may be called from elsewhere (a signal handler, too). */
#ifndef VM_H
#define VM_H

#include "base/buf.h"
#include "ktrace/arch.h"
#include "ktrace/error.h"
#include "ktrace/step.h"

struct vm;

enum vm_boot { VM_BOOT_AUTO = 0, VM_BOOT_KERNEL_ENTRY, VM_BOOT_FIRMWARE_ENTRY };
enum vm_mode { VM_MODE_AUTO = 0, VM_MODE_REAL, VM_MODE_PROTECTED, VM_MODE_LONG };
enum vm_irq_policy { VM_IRQ_DELIVER = 0 /* step-over and mask come later */ };

/* What the user asked for. Strings belong to the caller and are read during vm_create only. */
struct vm_config {
	const char *image;   /* --vm */
	const char *initrd;  /* --initrd or NULL */
	const char *append;  /* --append or NULL: kernel command line */
	const char *cpu;     /* --cpu or NULL: "base", or "base,+feature,..." */
	u64 mem;             /* bytes, a multiple of 4096; 1 MiB .. 63 GiB */
	u64 step_ns;         /* 1..1000000 */
	s64 rtc;             /* epoch seconds at step 0 */
	enum vm_boot boot;
	bool flat;           /* image is a flat binary: load, entry, mode are meant */
	u64 load, entry;     /* physical load address, entry (linear address) */
	bool has_load, has_entry; /* 0 was said, not left out; without them 0 means: the default (image_flat.c) */
	enum vm_mode mode;
	enum vm_irq_policy irq;
};
/* 256 MiB, 10 ns, RTC 2026-01-01 00:00:00 UTC, everything else AUTO or NULL. */
void vm_config_default(struct vm_config *c);

/* Guest RAM: at most a few ranges, ascending, page aligned, host pointers stable for the vm's life. */
struct vm_ram {
	u64 gpa, size;
	u8 *host;
};

struct vm_image_info { /* what was loaded, for the trace's `images` */
	char path[256];
	char kind[24]; /* "bzimage", "elf", "multiboot", "bios", "flat", "initrd" ... */
	u64 gpa, size; /* where its first byte lies; bytes of the file */
	u64 entry;     /* linear address of the first instruction, 0 if not executable */
	u8 sha256[32]; /* zero if not computed */
};

struct vm_hooks {
	void *ctx;
	/* Called before guest RAM page `gpa` (4096 aligned) is written by a step, once per page and epoch (vm_epoch).
	 * `host` is its content before. May be NULL. */
	void (*page_touch)(void *ctx, u64 gpa, const u8 *host);
};

enum vm_result { VM_STEPPED = 0, VM_ENDED = 1 /* < 0: error */ };

/* Why a recording ends by itself. Stable names stand in the file. */
enum vm_end {
	VM_END_NONE = 0,
	VM_END_RESET,        /* 0xcf9, 8042, port 92, triple fault has its own */
	VM_END_TRIPLE_FAULT,
	VM_END_IDLE,         /* halted, nothing to wait for */
	VM_END_EXIT,         /* debug exit port 0xf4; value = the byte */
	VM_END_UNSUPPORTED,  /* an instruction or event that this host cannot do and we do not shim */
	VM_END_INTERRUPTED,  /* vm_interrupt */
	VM_END_STUCK         /* one instruction did not finish: the watchdog, after the PC left the predicted set */
};

/* Builds the machine: RAM, devices, image, canonical initial state. Errors: -KT_E_ARG, -KT_E_IMAGE, -KT_E_NO_KVM,
 * -KT_E_NOMEM, -KT_E_IO; `err` says what to do. */
int vm_create(const struct vm_config *c, struct vm **out, struct kt_err *err);
void vm_destroy(struct vm *vm); /* NULL is fine */
void vm_set_hooks(struct vm *vm, const struct vm_hooks *hooks);

/* Executes exactly one step, or says that it could not. VM_STEPPED: *step describes it, valid until the next call.
 * VM_ENDED: no step was made; vm_end and vm_end_text say why. Negative: the host failed; State is unchanged as far as
 * known. */
int vm_step(struct vm *vm, const struct kt_step **step, struct kt_err *err);
enum vm_end vm_end(const struct vm *vm);
const char *vm_end_name(enum vm_end end);    /* "reset", "triple-fault", ... */
const char *vm_end_text(const struct vm *vm); /* a sentence with the particulars */

/* The whole register file now (kt_arch numbering), current at step boundaries. */
const u64 *vm_regs(const struct vm *vm);
const struct kt_arch *vm_arch(const struct vm *vm);
const struct vm_ram *vm_ram(const struct vm *vm, unsigned *n);
const struct vm_image_info *vm_images(const struct vm *vm, unsigned *n);
const char *vm_engine(const struct vm *vm); /* "kvm-x86_64 (PVM)" and the like */
u64 vm_step_number(const struct vm *vm);
u64 vm_time_ns(const struct vm *vm); /* guest time now */

/* Reads every FPU/vector register and segment register from the host into the register file: for keyframes (audit).
 * Returns how many differed from what the steps had said; 0 is right. */
int vm_audit_regs(struct vm *vm, struct kt_err *err);

/* From now on every page counts as untouched again (page_touch is called anew). */
void vm_epoch(struct vm *vm);

/* Calls fn for every RAM page the host's dirty log names since the last call. */
int vm_dirty_pages(struct vm *vm, void (*fn)(void *ctx, u64 gpa, const u8 *host), void *ctx, struct kt_err *err);

/* Appends the state of all devices and the clock / restores it. The byte form is the machine's own, versioned. */
void vm_devices_save(const struct vm *vm, struct kt_buf *out);
int vm_devices_restore(struct vm *vm, struct kt_rd *in, struct kt_err *err);
/* Puts a whole register file (kt_arch numbering) into the machine, for re-execution from a keyframe; device state goes in by
 * vm_devices_restore, memory through vm_ram's host pointers. The machine may step again even if it had ended. */
int vm_regs_restore(struct vm *vm, const u64 *regs, struct kt_err *err);

/* Counters of what the engine did, for `info` and tests. */
struct vm_counts {
	u64 kvm_steps, breakpoint_steps, shims, deliveries, irqs, kicks, reg_writes, sreg_reads, extra_exits, unpredicted, gaps, decodes;
};
void vm_counts(const struct vm *vm, struct vm_counts *out);

/* For benchmarks: n times KVM_RUN under single-step, registers synchronised, device exits served, and nothing else: no
 * decode, no prediction, no check, nothing kept. The guest's state afterwards is not canonical; destroy the machine. *done:
 * exits that ended a step. */
int vm_bare_steps(struct vm *vm, u64 n, u64 *done, struct kt_err *err);

/* Async-signal-safe: the next vm_step (or the one under way) returns VM_ENDED with VM_END_INTERRUPTED. */
void vm_interrupt(struct vm *vm);

/* What this host can do, as text lines for `ktrace doctor`; *usable says whether recording works. */
int vm_doctor(struct kt_buf *text, bool *usable, struct kt_err *err);

#endif
