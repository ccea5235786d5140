/* SPDX-License-Identifier: MIT */
/* What an engine must know beyond operands: where control goes, privilege, FPU state, what else changes. */
#include "arch/x86_64/x86_decode.h"

/* Far transfers, and those that go by a register of their own. */
static bool is_far(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT1: case ZYDIS_MNEMONIC_INT3: case ZYDIS_MNEMONIC_INTO:
	case ZYDIS_MNEMONIC_SYSCALL: case ZYDIS_MNEMONIC_SYSRET: case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_SYSEXIT:
	case ZYDIS_MNEMONIC_RSM: case ZYDIS_MNEMONIC_XABORT:
		return true;
	default:
		return false;
	}
}

static unsigned flow_of(const struct x86_dec *x, bool relative)
{
	if (is_far(x->zi.mnemonic) || x->zi.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return X86_FLOW_FAR;
	if (x->zi.mnemonic == ZYDIS_MNEMONIC_RET)
		return X86_FLOW_RET;
	if (x->zi.mnemonic == ZYDIS_MNEMONIC_CALL)
		return relative ? X86_FLOW_CALL : X86_FLOW_INDIRECT;
	if (x->zi.mnemonic == ZYDIS_MNEMONIC_JMP)
		return relative ? X86_FLOW_JUMP : X86_FLOW_INDIRECT;
	return relative ? X86_FLOW_COND : X86_FLOW_NEXT;
}

static void control_flow(const struct x86_dec *x, struct x86_insn *out)
{
	const ZydisDecodedOperand *z = &x->zo[0];
	bool relative = x->zi.operand_count_visible && z->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && z->imm.is_relative;

	out->flow = (u8)flow_of(x, relative);
	if (relative)
		out->target = kt_cut(x->rip + x->zi.length + z->imm.value.u, (x->mode & KT_MODE_CODE) == KT_MODE_64 ? 8 : out->osize);
	if (out->flow == X86_FLOW_INDIRECT)
		out->branch_op = out->k.desc.op == KT_OP_CALL;
}

/* "#GP(0) if the current privilege level is not 0" in the manual's pages. stac, clac, monitor, mwait are #UD instead;
 * rdtsc, rdpmc depend on CR4; in, out, cli, sti on IOPL; smsw, sgdt, sidt, sldt, str on UMIP. */
static bool is_privileged(const struct x86_dec *x, const struct kt_desc *d)
{
	switch (x->zi.mnemonic) {
	case ZYDIS_MNEMONIC_HLT: case ZYDIS_MNEMONIC_LGDT: case ZYDIS_MNEMONIC_LIDT: case ZYDIS_MNEMONIC_LLDT: case ZYDIS_MNEMONIC_LTR:
	case ZYDIS_MNEMONIC_LMSW: case ZYDIS_MNEMONIC_CLTS: case ZYDIS_MNEMONIC_INVLPG: case ZYDIS_MNEMONIC_INVPCID:
	case ZYDIS_MNEMONIC_RDMSR: case ZYDIS_MNEMONIC_WRMSR: case ZYDIS_MNEMONIC_WBINVD: case ZYDIS_MNEMONIC_INVD:
	case ZYDIS_MNEMONIC_SWAPGS: case ZYDIS_MNEMONIC_SYSRET: case ZYDIS_MNEMONIC_SYSEXIT: case ZYDIS_MNEMONIC_XSETBV:
	case ZYDIS_MNEMONIC_XSAVES: case ZYDIS_MNEMONIC_XSAVES64: case ZYDIS_MNEMONIC_XRSTORS: case ZYDIS_MNEMONIC_XRSTORS64:
		return true;
	case ZYDIS_MNEMONIC_MOV:
		for (unsigned i = 0; i < 2; i++)
			if (x->zo[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			    (ZydisRegisterGetClass(x->zo[i].reg.value) == ZYDIS_REGCLASS_CONTROL ||
			     ZydisRegisterGetClass(x->zo[i].reg.value) == ZYDIS_REGCLASS_DEBUG))
				return true;
		return false;
	default:
		return false;
	}
}

static void fpu_facts(const struct x86_dec *x, struct x86_insn *out)
{
	ZydisISAExt ext = x->zi.meta.isa_ext;
	bool mmx = ext == ZYDIS_ISA_EXT_MMX, vector = ext == ZYDIS_ISA_EXT_AVX; /* vzeroupper has no operand */

	for (unsigned i = 0; i < x->zi.operand_count; i++) {
		if (x->zo[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		ZydisRegisterClass c = ZydisRegisterGetClass(x->zo[i].reg.value);
		mmx |= c == ZYDIS_REGCLASS_MMX;
		vector |= c == ZYDIS_REGCLASS_XMM || c == ZYDIS_REGCLASS_YMM || c == ZYDIS_REGCLASS_ZMM || c == ZYDIS_REGCLASS_MASK;
	}
	switch (x->zi.mnemonic) {
	case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64: case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64:
	case ZYDIS_MNEMONIC_FWAIT:
		out->is_x87 = true;
		break;
	case ZYDIS_MNEMONIC_LDMXCSR: case ZYDIS_MNEMONIC_STMXCSR:
		out->is_sse = true;
		break;
	case ZYDIS_MNEMONIC_XSAVE: case ZYDIS_MNEMONIC_XSAVE64: case ZYDIS_MNEMONIC_XSAVEC: case ZYDIS_MNEMONIC_XSAVEC64:
	case ZYDIS_MNEMONIC_XSAVEOPT: case ZYDIS_MNEMONIC_XSAVEOPT64: case ZYDIS_MNEMONIC_XSAVES: case ZYDIS_MNEMONIC_XSAVES64:
	case ZYDIS_MNEMONIC_XRSTOR: case ZYDIS_MNEMONIC_XRSTOR64: case ZYDIS_MNEMONIC_XRSTORS: case ZYDIS_MNEMONIC_XRSTORS64:
		out->touches_fpu = true;
		break;
	default:
		out->is_x87 = ext == ZYDIS_ISA_EXT_X87;
		out->is_sse = vector && !out->is_vex;
	}
	out->is_mmx = mmx;
	out->touches_fpu |= out->is_x87 || out->is_sse || mmx || vector;
}

static bool changes_segments(const struct x86_dec *x, const struct x86_insn *out)
{
	const struct kt_desc *d = &out->k.desc;

	if (out->flow == X86_FLOW_FAR)
		return true;
	for (unsigned i = 0; i < d->nops; i++)
		if (d->opnd[i].kind == KT_OPND_REG && d->opnd[i].access & KT_WRITE && d->opnd[i].reg >= X86_es && d->opnd[i].reg <= X86_xcr0)
			return true;
	switch (x->zi.mnemonic) {
	case ZYDIS_MNEMONIC_LDS: case ZYDIS_MNEMONIC_LES: case ZYDIS_MNEMONIC_LFS: case ZYDIS_MNEMONIC_LGS: case ZYDIS_MNEMONIC_LSS:
	case ZYDIS_MNEMONIC_LGDT: case ZYDIS_MNEMONIC_LIDT: case ZYDIS_MNEMONIC_LLDT: case ZYDIS_MNEMONIC_LTR:
	case ZYDIS_MNEMONIC_LMSW: case ZYDIS_MNEMONIC_CLTS: case ZYDIS_MNEMONIC_WRMSR: case ZYDIS_MNEMONIC_XSETBV:
		return true;
	default:
		return false;
	}
}

static bool loads_flags(const struct x86_dec *x)
{
	switch (x->zi.mnemonic) {
	case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ:
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_SYSRET: case ZYDIS_MNEMONIC_RSM:
		return true;
	default:
		return false;
	}
}

void x86_facts(const struct x86_dec *x, struct x86_insn *out)
{
	control_flow(x, out);
	fpu_facts(x, out);
	out->privileged = is_privileged(x, &out->k.desc);
	out->changes_segs = changes_segments(x, out);
	out->loads_flags = loads_flags(x);
}
