/* SPDX-License-Identifier: MIT */
/* The fast system calls as Intel has them (SDM 2, SYSCALL, SYSRET, SYSENTER, SYSEXIT): no memory, fixed segments. */
#include "vm/x86_64/x86_xfer.h"

/* Attributes: present, S, type code execute/read accessed (b) or data read/write accessed (3), G. */
enum {
	FLAT_CODE = 0x9b | X86_ATTR_G,
	FLAT_DATA = 0x93 | X86_ATTR_G | X86_ATTR_DB,
	RING3 = 3 << 5
};
enum { SYSRET_FLAGS = 0x3c7fd7 }; /* all but RF and VM */

static u32 code_attr(bool code64, u32 ring)
{
	return FLAT_CODE | ring | (code64 ? X86_ATTR_L : X86_ATTR_DB);
}

static bool syscall_enabled(const struct x86_cpu *c)
{
	return x86_in_64(c) && c->r[X86_efer] & X86_EFER_SCE;
}

/* Loads CS and SS, sets RIP, clears RF; nothing of it can fault any more. */
static int finish(struct x86_xfer *x, u16 cs, u32 cs_attr, u16 ss, u32 ss_attr, u64 rip)
{
	x86_xfer_flat(x, X86_cs, cs, cs_attr);
	x86_xfer_flat(x, X86_ss, ss, ss_attr);
	x->rip = rip;
	x->rflags &= ~(u64)X86_RF;
	return x86_xfer_commit(x);
}

int x86_syscall(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	struct x86_xfer x;
	if (!syscall_enabled(c)) /* Intel has none in compatibility and legacy mode */
		return x86_raise_plain(f, X86_UD);
	x86_xfer_begin(&x, c, f, 0);
	u16 cs = (u16)(c->r[X86_star] >> 32) & 0xfffc;
	u64 next = x.rip + i->k.len, flags = x.rflags & ~(u64)X86_RF;
	x.rflags = (flags & ~c->r[X86_sfmask]) | 2;
	c->r[X86_rcx] = next;
	c->r[X86_r11] = flags;
	return finish(&x, cs, code_attr(true, 0), (u16)(cs + 8), FLAT_DATA, c->r[X86_lstar]);
}

/* The address is checked while still at CPL 0, so that #GP comes on the kernel's side of the return: Intel's order,
 * which AMD's does not share. */
int x86_sysret(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	struct x86_xfer x;
	bool code64 = i->rex_w;
	if (!syscall_enabled(c))
		return x86_raise_plain(f, X86_UD);
	x86_xfer_begin(&x, c, f, 0);
	if (x86_cpl(c->r) || (code64 && !x86_canonical(c->r, c->r[X86_rcx])))
		return x86_xfer_raise(&x, X86_GP, 0);
	u16 base = (u16)(c->r[X86_star] >> 48);
	u16 cs = (u16)(base + (code64 ? 16 : 0)) | 3, ss = (u16)(base + 8) | 3;
	x.rflags = (c->r[X86_r11] & SYSRET_FLAGS) | 2;
	return finish(&x, cs, code_attr(code64, RING3), ss, FLAT_DATA | RING3, code64 ? c->r[X86_rcx] : (u32)c->r[X86_rcx]);
}

int x86_sysenter(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	struct x86_xfer x;
	x86_xfer_begin(&x, c, f, 0);
	u16 cs = c->r[X86_sysenter_cs] & 0xfffc;
	if (x86_real(c) || !cs)
		return x86_xfer_raise(&x, X86_GP, 0);
	x.rflags &= ~(u64)(X86_VM | X86_IF);
	x.rsp = x.lma ? c->r[X86_sysenter_esp] : (u32)c->r[X86_sysenter_esp];
	u64 rip = x.lma ? c->r[X86_sysenter_eip] : (u32)c->r[X86_sysenter_eip];
	return finish(&x, cs, code_attr(x.lma, 0), (u16)(cs + 8), FLAT_DATA, rip);
}

int x86_sysexit(struct x86_cpu *c, const struct x86_insn *i, struct x86_fault *f)
{
	struct x86_xfer x;
	bool code64 = i->rex_w;
	x86_xfer_begin(&x, c, f, 0);
	u64 rip = c->r[X86_rdx], rsp = c->r[X86_rcx];
	u16 base = c->r[X86_sysenter_cs] & 0xfffc;
	if (x86_real(c) || c->r[X86_rflags] & X86_VM || x86_cpl(c->r) || !base)
		return x86_xfer_raise(&x, X86_GP, 0);
	if (code64 && (!x86_canonical(c->r, rip) || !x86_canonical(c->r, rsp)))
		return x86_xfer_raise(&x, X86_GP, 0);
	if (!code64) {
		rip = (u32)rip;
		rsp = (u32)rsp;
	}
	x.rsp = rsp;
	u16 cs = (u16)(base + (code64 ? 32 : 16)) | 3;
	return finish(&x, cs, code_attr(code64, RING3), (u16)(cs + 8), FLAT_DATA | RING3, rip);
}
