/* SPDX-License-Identifier: MIT */
/* The x86-64 register file. One list; numbers, names and tables come from it. The order is stable: it stands in trace
 * files, new registers go to the end. The first 18 are in the order of Linux' struct kvm_regs, so that capturing a step
 * is one copy. Segment attributes: the bits of a descriptor's high word shifted right by 8 (Intel SDM 3, 3.4.5): type
 * 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15; bit 16: unusable (null selector loaded). Limits are in bytes,
 * granularity applied. */
#ifndef KT_X86_REGS_H
#define KT_X86_REGS_H

#include "ktrace/arch.h"

/* X(name, bits, group, gdb, dwarf). gdb numbers: org.gnu.gdb.i386.core/sse/linux/segments as doc/ says; -1 none. */
#define KT_X86_REGS(X) \
	X(rax, 64, GPR, 0, 0) X(rbx, 64, GPR, 1, 3) X(rcx, 64, GPR, 2, 2) X(rdx, 64, GPR, 3, 1) \
	X(rsi, 64, GPR, 4, 4) X(rdi, 64, GPR, 5, 5) X(rsp, 64, GPR, 7, 7) X(rbp, 64, GPR, 6, 6) \
	X(r8, 64, GPR, 8, 8) X(r9, 64, GPR, 9, 9) X(r10, 64, GPR, 10, 10) X(r11, 64, GPR, 11, 11) \
	X(r12, 64, GPR, 12, 12) X(r13, 64, GPR, 13, 13) X(r14, 64, GPR, 14, 14) X(r15, 64, GPR, 15, 15) \
	X(rip, 64, GPR, 16, 16) X(rflags, 64, GPR, 17, 49) \
	KT_X86_SEG(X, es, 21, 50) KT_X86_SEG(X, cs, 18, 51) KT_X86_SEG(X, ss, 19, 52) KT_X86_SEG(X, ds, 20, 53) \
	KT_X86_SEG(X, fs, 22, 54) KT_X86_SEG(X, gs, 23, 55) KT_X86_SEG(X, ldtr, -1, 63) KT_X86_SEG(X, tr, -1, 62) \
	X(gdtr_base, 64, SEGMENT, -1, -1) X(gdtr_limit, 16, SEGMENT, -1, -1) \
	X(idtr_base, 64, SEGMENT, -1, -1) X(idtr_limit, 16, SEGMENT, -1, -1) \
	X(cr0, 64, CONTROL, -1, -1) X(cr2, 64, CONTROL, -1, -1) X(cr3, 64, CONTROL, -1, -1) X(cr4, 64, CONTROL, -1, -1) \
	X(cr8, 4, CONTROL, -1, -1) X(efer, 64, CONTROL, -1, -1) X(xcr0, 64, CONTROL, -1, -1) \
	X(dr0, 64, DEBUG, -1, -1) X(dr1, 64, DEBUG, -1, -1) X(dr2, 64, DEBUG, -1, -1) X(dr3, 64, DEBUG, -1, -1) \
	X(dr6, 64, DEBUG, -1, -1) X(dr7, 64, DEBUG, -1, -1) \
	X(star, 64, MSR, -1, -1) X(lstar, 64, MSR, -1, -1) X(cstar, 64, MSR, -1, -1) X(sfmask, 64, MSR, -1, -1) \
	X(kernel_gs_base, 64, MSR, -1, -1) X(sysenter_cs, 64, MSR, -1, -1) X(sysenter_esp, 64, MSR, -1, -1) \
	X(sysenter_eip, 64, MSR, -1, -1) X(pat, 64, MSR, -1, -1) X(tsc_aux, 64, MSR, -1, -1) X(tsc_adjust, 64, MSR, -1, -1) \
	X(tsc_offset, 64, MSR, -1, -1) X(apic_base, 64, MSR, -1, -1) X(misc_enable, 64, MSR, -1, -1) \
	X(ucode_rev, 64, MSR, -1, -1) X(debugctl, 64, MSR, -1, -1) X(mcg_status, 64, MSR, -1, -1) \
	X(mtrr_def_type, 64, MSR, -1, -1) \
	X(mtrr_physbase0, 64, MSR, -1, -1) X(mtrr_physmask0, 64, MSR, -1, -1) \
	X(mtrr_physbase1, 64, MSR, -1, -1) X(mtrr_physmask1, 64, MSR, -1, -1) \
	X(mtrr_physbase2, 64, MSR, -1, -1) X(mtrr_physmask2, 64, MSR, -1, -1) \
	X(mtrr_physbase3, 64, MSR, -1, -1) X(mtrr_physmask3, 64, MSR, -1, -1) \
	X(mtrr_physbase4, 64, MSR, -1, -1) X(mtrr_physmask4, 64, MSR, -1, -1) \
	X(mtrr_physbase5, 64, MSR, -1, -1) X(mtrr_physmask5, 64, MSR, -1, -1) \
	X(mtrr_physbase6, 64, MSR, -1, -1) X(mtrr_physmask6, 64, MSR, -1, -1) \
	X(mtrr_physbase7, 64, MSR, -1, -1) X(mtrr_physmask7, 64, MSR, -1, -1) \
	X(mtrr_fix64k_00000, 64, MSR, -1, -1) X(mtrr_fix16k_80000, 64, MSR, -1, -1) X(mtrr_fix16k_a0000, 64, MSR, -1, -1) \
	X(mtrr_fix4k_c0000, 64, MSR, -1, -1) X(mtrr_fix4k_c8000, 64, MSR, -1, -1) X(mtrr_fix4k_d0000, 64, MSR, -1, -1) \
	X(mtrr_fix4k_d8000, 64, MSR, -1, -1) X(mtrr_fix4k_e0000, 64, MSR, -1, -1) X(mtrr_fix4k_e8000, 64, MSR, -1, -1) \
	X(mtrr_fix4k_f0000, 64, MSR, -1, -1) X(mtrr_fix4k_f8000, 64, MSR, -1, -1) \
	X(fcw, 16, FPU, 32, 65) X(fsw, 16, FPU, 33, 66) X(ftw, 8, FPU, 34, -1) /* abridged tag, as FXSAVE */ \
	X(fop, 11, FPU, 39, -1) X(fip, 64, FPU, -1, -1) X(fdp, 64, FPU, -1, -1) X(mxcsr, 32, FPU, 56, 64) \
	KT_X86_ST(X, 0) KT_X86_ST(X, 1) KT_X86_ST(X, 2) KT_X86_ST(X, 3) KT_X86_ST(X, 4) KT_X86_ST(X, 5) KT_X86_ST(X, 6) KT_X86_ST(X, 7) \
	KT_X86_XMM(X, 0) KT_X86_XMM(X, 1) KT_X86_XMM(X, 2) KT_X86_XMM(X, 3) KT_X86_XMM(X, 4) KT_X86_XMM(X, 5) \
	KT_X86_XMM(X, 6) KT_X86_XMM(X, 7) KT_X86_XMM(X, 8) KT_X86_XMM(X, 9) KT_X86_XMM(X, 10) KT_X86_XMM(X, 11) \
	KT_X86_XMM(X, 12) KT_X86_XMM(X, 13) KT_X86_XMM(X, 14) KT_X86_XMM(X, 15) \
	X(shadow, 1, HIDDEN, -1, -1)  /* 1: no interrupt before the next instruction (behind sti, mov ss, pop ss) */ \
	X(halted, 1, HIDDEN, -1, -1)  /* 1: hlt retired, waiting for an interrupt */ \
	X(nmi_blocked, 1, HIDDEN, -1, -1)

#define KT_X86_SEG(X, s, gdb, dwarf) \
	X(s, 16, SEGMENT, gdb, dwarf) X(s##_base, 64, SEGMENT, -1, -1) X(s##_limit, 32, SEGMENT, -1, -1) X(s##_attr, 17, SEGMENT, -1, -1)
#define KT_X86_ST(X, n) X(st##n##_lo, 64, FPU, 24 + n, 33 + n) X(st##n##_hi, 16, FPU, -1, -1)
#define KT_X86_XMM(X, n) X(xmm##n##_lo, 64, VECTOR, 40 + n, 17 + n) X(xmm##n##_hi, 64, VECTOR, -1, -1)

#define KT_X86_ENUM(name, bits, group, gdb, dwarf) X86_##name,
enum x86_reg { KT_X86_REGS(KT_X86_ENUM) X86_NREGS };
enum { X86_NHOT = X86_rflags + 1 };

/* A segment register's four numbers are consecutive: selector, base, limit, attributes. */
enum { X86_SEG_SEL = 0, X86_SEG_BASE = 1, X86_SEG_LIMIT = 2, X86_SEG_ATTR = 3, X86_SEG_STRIDE = 4 };
enum { X86_ATTR_S = 1 << 4, X86_ATTR_P = 1 << 7, X86_ATTR_L = 1 << 13, X86_ATTR_DB = 1 << 14, X86_ATTR_G = 1 << 15, X86_ATTR_UNUSABLE = 1 << 16 };

/* RFLAGS (SDM 1, 3.4.3). */
enum {
	X86_CF = 1, X86_PF = 4, X86_AF = 0x10, X86_ZF = 0x40, X86_SF = 0x80, X86_TF = 0x100, X86_IF = 0x200, X86_DF = 0x400,
	X86_OF = 0x800, X86_IOPL = 0x3000, X86_NT = 0x4000, X86_RF = 0x10000, X86_VM = 0x20000, X86_AC = 0x40000,
	X86_VIF = 0x80000, X86_VIP = 0x100000, X86_ID = 0x200000, X86_STATUS = 0x8d5
};
/* CR0, CR4 (SDM 3, 2.5), EFER (2.2.1). */
enum {
	X86_CR0_PE = 1, X86_CR0_MP = 2, X86_CR0_EM = 4, X86_CR0_TS = 8, X86_CR0_NE = 0x20, X86_CR0_WP = 0x10000, X86_CR0_AM = 0x40000,
	X86_CR4_VME = 1, X86_CR4_TSD = 4, X86_CR4_DE = 8, X86_CR4_PSE = 0x10, X86_CR4_PAE = 0x20, X86_CR4_PGE = 0x80,
	X86_CR4_OSFXSR = 0x200, X86_CR4_UMIP = 0x800, X86_CR4_LA57 = 0x1000, X86_CR4_FSGSBASE = 0x10000, X86_CR4_OSXSAVE = 0x40000,
	X86_CR4_SMEP = 0x100000, X86_CR4_SMAP = 0x200000, X86_CR4_PKE = 0x400000,
	X86_EFER_SCE = 1, X86_EFER_LME = 0x100, X86_EFER_LMA = 0x400, X86_EFER_NXE = 0x800
};
#define X86_CR0_PG 0x80000000ull

/* Vectors (SDM 3, 6.3.1). */
enum {
	X86_DE = 0, X86_DB = 1, X86_NMI = 2, X86_BP = 3, X86_OFLOW = 4, X86_BR = 5, X86_UD = 6, X86_NM = 7, X86_DF_VEC = 8,
	X86_TS = 10, X86_NP = 11, X86_SS_VEC = 12, X86_GP = 13, X86_PFAULT = 14, X86_MF = 16, X86_AC_VEC = 17, X86_XM = 19
};

extern const struct kt_arch kt_arch_x86_64;

/* The mode byte (arch/insn.h) that this register file is in. */
static inline unsigned x86_mode(const uint64_t *r)
{
	unsigned code = r[X86_efer] & X86_EFER_LMA && r[X86_cs_attr] & X86_ATTR_L ? 2 : r[X86_cs_attr] & X86_ATTR_DB ? 1 : 0;
	unsigned stack = code != 2 && r[X86_ss_attr] & X86_ATTR_DB ? 4 : 0;
	unsigned prot = r[X86_cr0] & X86_CR0_PE && !(r[X86_rflags] & X86_VM) ? 8 : 0;
	return code | stack | prot;
}
/* Current privilege level: SS.DPL (SDM 3, 5.5); 0 in real mode, 3 in virtual-8086 mode. */
static inline unsigned x86_cpl(const uint64_t *r)
{
	if (!(r[X86_cr0] & X86_CR0_PE))
		return 0;
	return r[X86_rflags] & X86_VM ? 3 : r[X86_ss_attr] >> 5 & 3;
}

#endif
