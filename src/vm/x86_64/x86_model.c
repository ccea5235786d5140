/* SPDX-License-Identifier: MIT */
/* The canonical x86 CPU: how it comes out of reset and what CPUID says. The same on every host, so that the same image
 * gives the same trace: nothing here is asked of the host.
 *
 * The model is a Bonnell Atom without what needs host help (no APIC, no XSAVE, no SSE3): kernels know it as free of
 * speculation bugs, and its maximal leaf of 1 hides what hosts differ in. */
#include "vm/x86_64/x86_cpu.h"

#include <string.h>

enum {
	MODEL_SIGNATURE = 0x106c2,     /* family 6, model 0x1c, stepping 2 */
	MODEL_CLFLUSH = 0x800,         /* leaf 1 EBX: 8 quadwords a line */
	MODEL_HYPERVISOR = (int)(1u << 31),
	/* FPU VME DE PSE TSC MSR PAE MCE CX8 SEP MTRR PGE MCA CMOV PAT PSE36 MMX FXSR SSE SSE2; no APIC, no CLFSH */
	MODEL_FEATURES = 0x0783f9ff,
	MODEL_EXT_FEATURES = 1 << 11 | 1 << 20 | 1 << 29, /* SYSCALL, NX, LM */
	MODEL_ADDRESS_BITS = 0x3028,   /* 48 linear, 40 physical */
	MODEL_HV_BASE = 0x40000000
};

enum {
	ATTR_DATA = 0x93,    /* present, DPL 0, read/write, accessed */
	ATTR_CODE = 0x9b,    /* present, DPL 0, execute/read, accessed */
	ATTR_LDT = 0x82,
	ATTR_TSS_BUSY = 0x8b
};

static void set_seg(u64 *r, unsigned seg, u64 sel, u64 base, u64 attr)
{
	r[seg + X86_SEG_SEL] = sel;
	r[seg + X86_SEG_BASE] = base;
	r[seg + X86_SEG_LIMIT] = 0xffff;
	r[seg + X86_SEG_ATTR] = attr;
}

/* SDM 3, table 9-1 calls CS read/write data; KVM and VMX's entry checks want a code type there on hosts without
 * unrestricted guests, and real mode never looks at the type: so it is a code segment here. TR is busy for the same
 * reason. */
static void reset_segments(u64 *r)
{
	set_seg(r, X86_cs, 0xf000, 0xffff0000, ATTR_CODE);
	static const u16 data[] = { X86_es, X86_ss, X86_ds, X86_fs, X86_gs };
	for (unsigned i = 0; i < KT_ARRAY_LEN(data); i++)
		set_seg(r, data[i], 0, 0, ATTR_DATA);
	set_seg(r, X86_ldtr, 0, 0, ATTR_LDT);
	set_seg(r, X86_tr, 0, 0, ATTR_TSS_BUSY);
	r[X86_gdtr_limit] = 0xffff;
	r[X86_idtr_limit] = 0xffff;
}

/* MTRRs are left as firmware leaves them on a machine that has only RAM below the hole: kernels entered directly (no
 * firmware) would otherwise switch PAT off. */
static void reset_mtrrs(u64 *r)
{
	static const u64 write_back = 0x0606060606060606;
	r[X86_mtrr_def_type] = 0xc06; /* enabled, fixed ranges enabled, write-back */
	for (unsigned reg = X86_mtrr_fix64k_00000; reg <= X86_mtrr_fix4k_f8000; reg++)
		r[reg] = write_back;
	r[X86_mtrr_fix16k_a0000] = 0; /* the VGA window: uncached */
}

void x86_model_reset(u64 *r)
{
	memset(r, 0, X86_NREGS * sizeof *r);
	r[X86_rip] = 0xfff0;
	r[X86_rflags] = 2;
	r[X86_rdx] = MODEL_SIGNATURE;
	reset_segments(r);
	r[X86_cr0] = 0x60000010;
	r[X86_xcr0] = 1;
	r[X86_dr6] = 0xffff0ff0;
	r[X86_dr7] = 0x400;
	r[X86_pat] = 0x0007040600070406;
	r[X86_apic_base] = 0xfee00100; /* bootstrap processor; the APIC itself (bit 11) does not exist */
	r[X86_misc_enable] = 1;        /* fast strings */
	reset_mtrrs(r);
	/* FNINIT has not run yet: control word 40, and a tag word of 5555 (all "zero") is ff in FXSAVE's abridged form. */
	r[X86_fcw] = 0x40;
	r[X86_ftw] = 0xff;
	r[X86_mxcsr] = 0x1f80;
}

static u32 text4(const char *s)
{
	return (u32)(u8)s[0] | (u32)(u8)s[1] << 8 | (u32)(u8)s[2] << 16 | (u32)(u8)s[3] << 24;
}

/* Leaves beyond the maximum are zero, where an Intel CPU would repeat its highest basic leaf (SDM 2, CPUID): software
 * that scans for a hypervisor then sees an end instead of leaf 1 over and over. */
void x86_model_cpuid(const struct x86_cpu *c, u32 leaf, u32 sub, u32 out[4])
{
	memset(out, 0, 4 * sizeof *out);
	switch (leaf) {
	case 0:
		out[0] = 1;
		out[1] = text4("Genu");
		out[2] = text4("ntel");
		out[3] = text4("ineI");
		break;
	case 1:
		out[0] = MODEL_SIGNATURE;
		out[1] = MODEL_CLFLUSH;
		out[2] = (u32)MODEL_HYPERVISOR;
		out[3] = MODEL_FEATURES;
		break;
	case MODEL_HV_BASE:
		out[0] = MODEL_HV_BASE;
		out[1] = text4("ktra");
		out[2] = text4("cekt");
		out[3] = text4("race");
		break;
	case 0x80000000:
		out[0] = 0x80000008;
		break;
	case 0x80000001:
		/* Intel shows SYSCALL in 64-bit mode only; here it does not depend on the mode. */
		out[3] = MODEL_EXT_FEATURES;
		break;
	case 0x80000008:
		out[0] = MODEL_ADDRESS_BITS;
		break;
	}
}

u64 x86_model_tsc(const struct x86_cpu *c)
{
	return vm_clock_ticks(c->clock, X86_TSC_HZ) + c->r[X86_tsc_offset];
}
