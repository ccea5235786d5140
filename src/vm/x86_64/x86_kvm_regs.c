/* SPDX-License-Identifier: MIT */
/* Between the register file and KVM's structures. Pure: no ioctl here. */
#include <linux/kvm.h>
#include <string.h>

#include "vm/x86_64/x86_vm.h"

/* The register file's first 18 are struct kvm_regs, so a step's capture is one copy. */
_Static_assert(offsetof(struct kvm_regs, rip) == 8 * X86_rip && offsetof(struct kvm_regs, rflags) == 8 * X86_rflags &&
               sizeof(struct kvm_regs) == 8 * X86_NHOT && offsetof(struct kvm_regs, rsp) == 8 * X86_rsp &&
               offsetof(struct kvm_regs, r8) == 8 * X86_r8, "struct kvm_regs");

static void seg_to_kvm(const u64 *seg, bool l_ok, struct kvm_segment *k)
{
	u32 a = (u32)seg[X86_SEG_ATTR];
	*k = (struct kvm_segment){
		.base = seg[X86_SEG_BASE],
		.limit = (u32)seg[X86_SEG_LIMIT],
		.selector = (u16)seg[X86_SEG_SEL],
		.type = a & 15,
		.s = a >> 4 & 1,
		.dpl = a >> 5 & 3,
		.present = a >> 7 & 1,
		.avl = a >> 12 & 1,
		.l = l_ok && a & X86_ATTR_L,
		.db = a >> 14 & 1,
		.g = a >> 15 & 1,
		.unusable = a >> 16 & 1,
	};
}

static void seg_from_kvm(const struct kvm_segment *k, u64 *seg)
{
	seg[X86_SEG_SEL] = k->selector;
	seg[X86_SEG_BASE] = k->base;
	seg[X86_SEG_LIMIT] = k->limit;
	seg[X86_SEG_ATTR] = (u64)((k->type & 15) | k->s << 4 | k->dpl << 5 | k->present << 7 | k->avl << 12 | k->l << 13 | k->db << 14 |
	                          k->g << 15 | (u32)k->unusable << 16);
}

void x86_regs_to_sregs(const u64 *r, struct kvm_sregs *s)
{
	bool lma = r[X86_efer] & X86_EFER_LMA; /* KVM refuses CS.L outside long mode */

	memset(s, 0, sizeof *s);
	seg_to_kvm(r + X86_es, lma, &s->es);
	seg_to_kvm(r + X86_cs, lma, &s->cs);
	seg_to_kvm(r + X86_ss, lma, &s->ss);
	seg_to_kvm(r + X86_ds, lma, &s->ds);
	seg_to_kvm(r + X86_fs, lma, &s->fs);
	seg_to_kvm(r + X86_gs, lma, &s->gs);
	seg_to_kvm(r + X86_ldtr, false, &s->ldt);
	seg_to_kvm(r + X86_tr, false, &s->tr);
	s->gdt.base = r[X86_gdtr_base];
	s->gdt.limit = (u16)r[X86_gdtr_limit];
	s->idt.base = r[X86_idtr_base];
	s->idt.limit = (u16)r[X86_idtr_limit];
	s->cr0 = r[X86_cr0];
	s->cr2 = r[X86_cr2];
	s->cr3 = r[X86_cr3];
	s->cr4 = r[X86_cr4];
	s->cr8 = r[X86_cr8];
	s->efer = r[X86_efer];
	s->apic_base = r[X86_apic_base];
}

/* Where KVM does not run ring 3, it is shown ring 0: prediction has checked by then what ring 3 may do, and every
 * instruction whose result shows the ring is a shim or goes by its descriptor. */
void x86_sregs_of(const struct vm *vm, struct kvm_sregs *s)
{
	x86_regs_to_sregs(vm->c.r, s);
	if (!x86_hides_ring3(vm))
		return;
	s->cs.selector &= 0xfffc;
	s->ss.selector &= 0xfffc;
	s->cs.dpl = s->ss.dpl = 0;
}

void x86_regs_from_sregs(u64 *r, const struct kvm_sregs *s)
{
	seg_from_kvm(&s->es, r + X86_es);
	seg_from_kvm(&s->cs, r + X86_cs);
	seg_from_kvm(&s->ss, r + X86_ss);
	seg_from_kvm(&s->ds, r + X86_ds);
	seg_from_kvm(&s->fs, r + X86_fs);
	seg_from_kvm(&s->gs, r + X86_gs);
	seg_from_kvm(&s->ldt, r + X86_ldtr);
	seg_from_kvm(&s->tr, r + X86_tr);
	r[X86_gdtr_base] = s->gdt.base;
	r[X86_gdtr_limit] = s->gdt.limit;
	r[X86_idtr_base] = s->idt.base;
	r[X86_idtr_limit] = s->idt.limit;
	r[X86_cr0] = s->cr0;
	r[X86_cr2] = s->cr2;
	r[X86_cr3] = s->cr3;
	r[X86_cr4] = s->cr4;
	r[X86_cr8] = s->cr8;
	r[X86_efer] = s->efer;
}

void x86_control_from_sregs(struct x86_cpu *c, const struct kvm_sregs *s)
{
	x86_set(c, X86_cr0, s->cr0);
	x86_set(c, X86_cr3, s->cr3);
	x86_set(c, X86_cr4, s->cr4);
	x86_set(c, X86_efer, s->efer);
}

/* The FXSAVE image (SDM 1, 10.5.1). Its last-instruction pointers differ between makers and between KVM's ways of
 * carrying x87 out (AMD keeps them only on exceptions; an emulated instruction leaves the host's): in the canonical
 * machine they are always 0. */
enum { FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_MXCSR = 24, FX_MASK = 28, FX_ST = 32, FX_XMM = 160 };

void x86_regs_to_fx(const u64 *r, u8 *b, unsigned nxmm)
{
	static const u32 mask = X86_MXCSR_MASK;

	memset(b, 0, FX_XMM);
	memcpy(b + FX_FCW, &r[X86_fcw], 2);
	memcpy(b + FX_FSW, &r[X86_fsw], 2);
	b[FX_FTW] = (u8)r[X86_ftw];
	memcpy(b + FX_MXCSR, &r[X86_mxcsr], 4);
	memcpy(b + FX_MASK, &mask, 4);
	for (unsigned n = 0; n < 8; n++) {
		memcpy(b + FX_ST + 16 * n, &r[X86_st0_lo + 2 * n], 8);
		memcpy(b + FX_ST + 16 * n + 8, &r[X86_st0_hi + 2 * n], 2);
	}
	for (unsigned n = 0; n < nxmm; n++)
		memcpy(b + FX_XMM + 16 * n, &r[X86_xmm0_lo + 2 * n], 16);
}

void x86_regs_from_fx(u64 *r, const u8 *b, unsigned nxmm)
{
	r[X86_fcw] = b[FX_FCW] | b[FX_FCW + 1] << 8;
	r[X86_fsw] = b[FX_FSW] | b[FX_FSW + 1] << 8;
	r[X86_ftw] = b[FX_FTW];
	r[X86_mxcsr] = 0;
	memcpy(&r[X86_mxcsr], b + FX_MXCSR, 4);
	for (unsigned n = 0; n < 8; n++) {
		u64 *st = &r[X86_st0_lo + 2 * n];
		st[1] = 0;
		memcpy(st, b + FX_ST + 16 * n, 10);
	}
	for (unsigned n = 0; n < nxmm; n++)
		memcpy(&r[X86_xmm0_lo + 2 * n], b + FX_XMM + 16 * n, 16);
}

void x86_set_fpu(struct x86_cpu *c, const u64 *r)
{
	for (unsigned i = X86_fcw; i <= X86_ftw; i++)
		x86_set(c, i, r[i]);
	for (unsigned i = X86_mxcsr; i <= X86_xmm15_hi; i++)
		x86_set(c, i, r[i]);
}

/* MSR numbers: SDM 4, table 2-2. */
void x86_regs_to_msrs(const u64 *r, struct kvm_msr_entry *e, unsigned *n)
{
	static const struct {
		u32 msr;
		unsigned reg;
	} t[X86_KVM_MSRS] = {
		{ 0xc0000081, X86_star }, { 0xc0000082, X86_lstar }, { 0xc0000083, X86_cstar }, { 0xc0000084, X86_sfmask },
		{ 0xc0000102, X86_kernel_gs_base }, { 0x174, X86_sysenter_cs }, { 0x175, X86_sysenter_esp }, { 0x176, X86_sysenter_eip },
	};

	for (unsigned i = 0; i < X86_KVM_MSRS; i++)
		e[i] = (struct kvm_msr_entry){ .index = t[i].msr, .data = r[t[i].reg] };
	*n = X86_KVM_MSRS;
}
