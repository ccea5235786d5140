/* SPDX-License-Identifier: MIT */
/* May the instruction use x87, MMX, SSE or AVX state now? SDM 3, tables 2-2 (x87), 12-1 (MMX), 13-1 (SSE), and 14.4
 * (AVX); pending x87 exceptions, SDM 1, 8.7. */
#include "vm/x86_64/x86_predict.h"

/* An unmasked x87 exception waits (FSW.ES) and CR0.NE reports it inside the CPU. With NE = 0 it goes to the interrupt
 * controller as IRQ 13 (SDM 1, 8.7.2), which this machine leaves unconnected. */
static int check_pending(const u64 *r, struct x86_fault *f)
{
	bool pending = r[X86_fsw] & ~r[X86_fcw] & 0x3f;
	return pending && r[X86_cr0] & X86_CR0_NE ? x86_fault_plain(f, X86_MF) : 0;
}

/* A switch of the FPU's owner is pending: TS. */
static int check_switched(const u64 *r, struct x86_fault *f)
{
	return r[X86_cr0] & X86_CR0_TS ? x86_fault_plain(f, X86_NM) : 0;
}

static int check_vex(const u64 *r, struct x86_fault *f)
{
	if (!x86_is_protected(r) || !(r[X86_cr4] & X86_CR4_OSXSAVE) || (r[X86_xcr0] & 6) != 6)
		return x86_fault_plain(f, X86_UD);
	return check_switched(r, f);
}

int x86_check_fpu(const struct x86_cpu *c, const struct x86_insn *i, unsigned kind, struct x86_fault *f)
{
	const u64 *r = c->r;
	u64 cr0 = r[X86_cr0];
	if (kt_unlikely(kind == X86_K_FWAIT)) {
		if ((cr0 & (X86_CR0_MP | X86_CR0_TS)) == (X86_CR0_MP | X86_CR0_TS))
			return x86_fault_plain(f, X86_NM);
		return check_pending(r, f);
	}
	if (kt_likely(!i->touches_fpu))
		return 0; /* BMI is VEX, but works on general registers */
	if (i->is_vex)
		return check_vex(r, f);
	if (kind == X86_K_FXSAVE || kind == X86_K_FXRSTOR)
		return cr0 & (X86_CR0_EM | X86_CR0_TS) ? x86_fault_plain(f, X86_NM) : 0;
	if (i->is_x87) {
		if (cr0 & (X86_CR0_EM | X86_CR0_TS))
			return x86_fault_plain(f, X86_NM);
		return kind != X86_K_X87_NOWAIT ? check_pending(r, f) : 0;
	}
	if ((cr0 & X86_CR0_EM && (i->is_sse || i->is_mmx)) || (i->is_sse && !(r[X86_cr4] & X86_CR4_OSFXSR)))
		return x86_fault_plain(f, X86_UD);
	if (check_switched(r, f))
		return -1;
	return i->is_mmx ? check_pending(r, f) : 0; /* MMX lives in the x87 registers */
}
