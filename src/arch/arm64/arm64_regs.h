/* SPDX-License-Identifier: MIT */
/* The arm64 register file (AArch64 state, EL0 and EL1). One list; numbers, names and tables come from it. The order is
 * stable: it stands in trace files, new registers go to the end. The first 34 are the hot set. `sp` is the stack pointer
 * in use (PSTATE.SP and EL choose it); sp_el0 and sp_el1 are the banked ones, always both true. pstate has the layout of
 * SPSR_EL1 (Arm ARM, C5.2.18). ID registers are no state: they come from the CPU model. */
#ifndef KT_ARM64_REGS_H
#define KT_ARM64_REGS_H

#include "ktrace/arch.h"

/* X(name, bits, group, gdb, dwarf). gdb: org.gnu.gdb.aarch64.core and .fpu; DWARF: "DWARF for the Arm 64-bit
 * Architecture", table of register numbers. A V register has its numbers at its low half. */
#define KT_ARM64_REGS(R) \
	KT_ARM64_X(R, 0) KT_ARM64_X(R, 1) KT_ARM64_X(R, 2) KT_ARM64_X(R, 3) KT_ARM64_X(R, 4) KT_ARM64_X(R, 5) \
	KT_ARM64_X(R, 6) KT_ARM64_X(R, 7) KT_ARM64_X(R, 8) KT_ARM64_X(R, 9) KT_ARM64_X(R, 10) KT_ARM64_X(R, 11) \
	KT_ARM64_X(R, 12) KT_ARM64_X(R, 13) KT_ARM64_X(R, 14) KT_ARM64_X(R, 15) KT_ARM64_X(R, 16) KT_ARM64_X(R, 17) \
	KT_ARM64_X(R, 18) KT_ARM64_X(R, 19) KT_ARM64_X(R, 20) KT_ARM64_X(R, 21) KT_ARM64_X(R, 22) KT_ARM64_X(R, 23) \
	KT_ARM64_X(R, 24) KT_ARM64_X(R, 25) KT_ARM64_X(R, 26) KT_ARM64_X(R, 27) KT_ARM64_X(R, 28) KT_ARM64_X(R, 29) \
	KT_ARM64_X(R, 30) \
	R(sp, 64, GPR, 31, 31) R(pc, 64, GPR, 32, 32) R(pstate, 32, GPR, 33, -1) \
	R(sp_el0, 64, CONTROL, -1, -1) R(sp_el1, 64, CONTROL, -1, -1) \
	R(elr_el1, 64, CONTROL, -1, 33) R(spsr_el1, 64, CONTROL, -1, -1) \
	R(esr_el1, 64, CONTROL, -1, -1) R(far_el1, 64, CONTROL, -1, -1) R(afsr0_el1, 64, CONTROL, -1, -1) \
	R(afsr1_el1, 64, CONTROL, -1, -1) R(vbar_el1, 64, CONTROL, -1, -1) R(sctlr_el1, 64, CONTROL, -1, -1) \
	R(actlr_el1, 64, CONTROL, -1, -1) R(cpacr_el1, 64, CONTROL, -1, -1) \
	R(ttbr0_el1, 64, CONTROL, -1, -1) R(ttbr1_el1, 64, CONTROL, -1, -1) R(tcr_el1, 64, CONTROL, -1, -1) \
	R(mair_el1, 64, CONTROL, -1, -1) R(amair_el1, 64, CONTROL, -1, -1) R(contextidr_el1, 64, CONTROL, -1, -1) \
	R(par_el1, 64, CONTROL, -1, -1) R(csselr_el1, 64, CONTROL, -1, -1) R(disr_el1, 64, CONTROL, -1, -1) \
	R(tpidr_el0, 64, CONTROL, -1, 36) R(tpidrro_el0, 64, CONTROL, -1, 35) R(tpidr_el1, 64, CONTROL, -1, 37) \
	R(cntkctl_el1, 64, CONTROL, -1, -1) R(cntv_ctl_el0, 3, CONTROL, -1, -1) R(cntv_cval_el0, 64, CONTROL, -1, -1) \
	R(cntp_ctl_el0, 3, CONTROL, -1, -1) R(cntp_cval_el0, 64, CONTROL, -1, -1) R(cntvoff, 64, CONTROL, -1, -1) \
	R(apiakeylo_el1, 64, CONTROL, -1, -1) R(apiakeyhi_el1, 64, CONTROL, -1, -1) \
	R(apibkeylo_el1, 64, CONTROL, -1, -1) R(apibkeyhi_el1, 64, CONTROL, -1, -1) \
	R(apdakeylo_el1, 64, CONTROL, -1, -1) R(apdakeyhi_el1, 64, CONTROL, -1, -1) \
	R(apdbkeylo_el1, 64, CONTROL, -1, -1) R(apdbkeyhi_el1, 64, CONTROL, -1, -1) \
	R(apgakeylo_el1, 64, CONTROL, -1, -1) R(apgakeyhi_el1, 64, CONTROL, -1, -1) \
	R(pmcr_el0, 64, CONTROL, -1, -1) R(pmuserenr_el0, 64, CONTROL, -1, -1) R(pmselr_el0, 64, CONTROL, -1, -1) \
	R(pmcntenset_el0, 64, CONTROL, -1, -1) R(pmintenset_el1, 64, CONTROL, -1, -1) R(pmovsset_el0, 64, CONTROL, -1, -1) \
	R(pmccntr_el0, 64, CONTROL, -1, -1) R(pmccfiltr_el0, 64, CONTROL, -1, -1) \
	R(mdscr_el1, 64, DEBUG, -1, -1) R(mdccint_el1, 64, DEBUG, -1, -1) R(oslsr_el1, 4, DEBUG, -1, -1) R(osdlr_el1, 1, DEBUG, -1, -1) \
	KT_ARM64_DBG(R, 0) KT_ARM64_DBG(R, 1) KT_ARM64_DBG(R, 2) KT_ARM64_DBG(R, 3) KT_ARM64_DBG(R, 4) KT_ARM64_DBG(R, 5) \
	KT_ARM64_DBG(R, 6) KT_ARM64_DBG(R, 7) KT_ARM64_DBG(R, 8) KT_ARM64_DBG(R, 9) KT_ARM64_DBG(R, 10) KT_ARM64_DBG(R, 11) \
	KT_ARM64_DBG(R, 12) KT_ARM64_DBG(R, 13) KT_ARM64_DBG(R, 14) KT_ARM64_DBG(R, 15) \
	R(fpcr, 32, FPU, 67, -1) R(fpsr, 32, FPU, 66, -1) \
	KT_ARM64_V(R, 0) KT_ARM64_V(R, 1) KT_ARM64_V(R, 2) KT_ARM64_V(R, 3) KT_ARM64_V(R, 4) KT_ARM64_V(R, 5) \
	KT_ARM64_V(R, 6) KT_ARM64_V(R, 7) KT_ARM64_V(R, 8) KT_ARM64_V(R, 9) KT_ARM64_V(R, 10) KT_ARM64_V(R, 11) \
	KT_ARM64_V(R, 12) KT_ARM64_V(R, 13) KT_ARM64_V(R, 14) KT_ARM64_V(R, 15) KT_ARM64_V(R, 16) KT_ARM64_V(R, 17) \
	KT_ARM64_V(R, 18) KT_ARM64_V(R, 19) KT_ARM64_V(R, 20) KT_ARM64_V(R, 21) KT_ARM64_V(R, 22) KT_ARM64_V(R, 23) \
	KT_ARM64_V(R, 24) KT_ARM64_V(R, 25) KT_ARM64_V(R, 26) KT_ARM64_V(R, 27) KT_ARM64_V(R, 28) KT_ARM64_V(R, 29) \
	KT_ARM64_V(R, 30) KT_ARM64_V(R, 31) \
	R(excl_size, 5, HIDDEN, -1, -1)  /* exclusive monitor: bytes (1, 2, 4, 8, 16), 0: open */ \
	R(excl_addr, 64, HIDDEN, -1, -1) /* physical; 0 while open */ \
	R(excl_lo, 64, HIDDEN, -1, -1) R(excl_hi, 64, HIDDEN, -1, -1) /* the value loaded; 0 while open */ \
	R(halted, 1, HIDDEN, -1, -1)     /* 1: wfi retired, waiting */ \
	R(event, 1, HIDDEN, -1, -1)      /* the event register of wfe and sev */

#define KT_ARM64_X(R, n) R(x##n, 64, GPR, n, n)
#define KT_ARM64_DBG(R, n) \
	R(dbgbvr##n##_el1, 64, DEBUG, -1, -1) R(dbgbcr##n##_el1, 32, DEBUG, -1, -1) \
	R(dbgwvr##n##_el1, 64, DEBUG, -1, -1) R(dbgwcr##n##_el1, 32, DEBUG, -1, -1)
#define KT_ARM64_V(R, n) R(v##n##_lo, 64, VECTOR, 34 + n, 64 + n) R(v##n##_hi, 64, VECTOR, -1, -1)

#define KT_ARM64_ENUM(name, bits, group, gdb, dwarf) ARM64_##name,
enum arm64_reg { KT_ARM64_REGS(KT_ARM64_ENUM) ARM64_NREGS };
enum { ARM64_NHOT = ARM64_pstate + 1 };

/* Debug register n's four are consecutive from ARM64_dbgbvr0_el1 + 4 * n: BVR, BCR, WVR, WCR; the halves of V register n
 * are ARM64_v0_lo + 2 * n and the next. */
enum { ARM64_DBG_STRIDE = 4, ARM64_V_STRIDE = 2 };

/* PSTATE in SPSR_EL1's layout (Arm ARM, C5.2.18). */
#define ARM64_PSTATE_N 0x80000000ull
enum {
	ARM64_PSTATE_M = 0xf, ARM64_PSTATE_SP = 1, ARM64_PSTATE_EL = 0xc, ARM64_PSTATE_A32 = 0x10, ARM64_PSTATE_F = 0x40,
	ARM64_PSTATE_I = 0x80, ARM64_PSTATE_A = 0x100, ARM64_PSTATE_D = 0x200, ARM64_PSTATE_BTYPE = 0xc00,
	ARM64_PSTATE_SSBS = 0x1000, ARM64_PSTATE_IL = 0x100000, ARM64_PSTATE_SS = 0x200000, ARM64_PSTATE_PAN = 0x400000,
	ARM64_PSTATE_UAO = 0x800000, ARM64_PSTATE_DIT = 0x1000000, ARM64_PSTATE_TCO = 0x2000000,
	ARM64_PSTATE_V = 0x10000000, ARM64_PSTATE_C = 0x20000000, ARM64_PSTATE_Z = 0x40000000
};

extern const struct kt_arch kt_arch_arm64;

#endif
