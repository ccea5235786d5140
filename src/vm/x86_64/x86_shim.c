/* SPDX-License-Identifier: MIT */
/* Instructions that ktrace carries out itself: what differs between hosts, what shows time or identity, what a
 * single-stepped KVM would lose or cannot do. x86_predict has found that they do not fault, but for what it says
 * otherwise. */
#include <Zydis/Zydis.h>
#include <string.h>

#include "vm/x86_64/x86_vm.h"

#define M(m) ZYDIS_MNEMONIC_##m

int x86_retire(struct vm *vm, const struct x86_code *code)
{
	u64 *r = vm->c.r;

	r[X86_rip] = x86_next_rip(r, &code->i);
	r[X86_rflags] &= ~(u64)X86_RF;
	vm->c.dirty |= X86_DIRTY_HOT;
	return X86_RETIRED;
}

int x86_raise(struct vm *vm, u8 vector, bool has_error, u32 error)
{
	vm->fault = (struct x86_fault){ .vector = vector, .has_error = has_error, .error = error };
	return X86_FAULTED;
}

/* The first planned read's place; KT_PLAN_MAX if the instruction reads no memory. */
static unsigned first(const struct vm *vm, bool write)
{
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].write == write)
			return k;
	return KT_PLAN_MAX;
}

static void pair(u64 *r, u64 v)
{
	r[X86_rax] = (u32)v;
	r[X86_rdx] = v >> 32;
}

static int do_rdtsc(struct vm *vm, struct x86_code *code)
{
	pair(vm->c.r, x86_model_tsc(&vm->c));
	if (code->i.mnemonic == M(RDTSCP))
		vm->c.r[X86_rcx] = (u32)vm->c.r[X86_tsc_aux];
	return x86_retire(vm, code);
}

static int do_cpuid(struct vm *vm, struct x86_code *code)
{
	u64 *r = vm->c.r;
	u32 o[4];

	x86_model_cpuid(&vm->c, (u32)r[X86_rax], (u32)r[X86_rcx], o);
	r[X86_rax] = o[0];
	r[X86_rbx] = o[1];
	r[X86_rcx] = o[2];
	r[X86_rdx] = o[3];
	return x86_retire(vm, code);
}

static int do_hlt(struct vm *vm, struct x86_code *code)
{
	x86_set(&vm->c, X86_halted, 1);
	return x86_retire(vm, code);
}

static int do_msr(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	u32 msr = (u32)c->r[X86_rcx];
	bool write = code->i.mnemonic == M(WRMSR);
	u64 v = (u32)c->r[X86_rax] | c->r[X86_rdx] << 32;

	if (write ? x86_model_wrmsr(c, msr, v) : x86_model_rdmsr(c, msr, &v))
		return x86_raise(vm, X86_GP, true, 0);
	x86_step_access(c, KT_SPACE_MSR, write ? KT_ACCESS_WRITE : 0, 0, msr, 8, &v, 8);
	if (!write)
		pair(c->r, v);
	return x86_retire(vm, code);
}

/* SDM 2, STI: the shadow lasts one instruction, and only if IF was clear. */
static int do_sti(struct vm *vm, struct x86_code *code)
{
	u64 *flags = &vm->c.r[X86_rflags];
	unsigned iopl = *flags >> 12 & 3;

	if (x86_cpl(vm->c.r) > iopl) {
		*flags |= X86_VIF; /* protected-mode virtual interrupts; without them this is #GP, found before */
		return x86_retire(vm, code);
	}
	vm->new_shadow = !(*flags & X86_IF);
	*flags |= X86_IF;
	return x86_retire(vm, code);
}

/* SDM 2, POPF, table 4-16. */
static int do_popf(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	const struct kt_desc *d = &code->i.k.desc;
	u64 v = 0, old = c->r[X86_rflags], keep = ~0ull << (8 * KT_MIN(d->width, 4)) | X86_VM | X86_VIF | X86_VIP | ~0x3f7fd7ull;
	unsigned k = first(vm, false), cpl = x86_cpl(c->r), iopl = old >> 12 & 3;

	if (k == KT_PLAN_MAX)
		return X86_CANNOT;
	x86_load(vm, k, &v);
	if (cpl)
		keep |= X86_IOPL;
	if (cpl > iopl)
		keep |= X86_IF;
	c->r[X86_rflags] = ((old & keep) | (v & ~keep) | 2) & ~(u64)X86_RF;
	x86_move_sp(c->r, d);
	return x86_retire(vm, code);
}

void x86_move_sp(u64 *r, const struct kt_desc *d)
{
	u64 sp = r[X86_rsp] + (u64)(s64)d->sp_add;

	if (d->sp_size == 2)
		r[X86_rsp] = (r[X86_rsp] & ~0xffffull) | (sp & 0xffff);
	else if (d->sp_size)
		r[X86_rsp] = d->sp_size == 4 ? (u32)sp : sp;
}

/* The register that a modrm byte names, with REX found again in the bytes. */
static unsigned rex(const struct x86_insn *i)
{
	if ((i->k.mode & KT_MODE_CODE) != KT_MODE_64)
		return 0;
	for (unsigned n = 0; n + 1 < i->k.len; n++) {
		u8 b = i->k.bytes[n];
		if ((b & 0xf0) == 0x40)
			return b;
		if (b != 0x66 && b != 0x67 && b != 0xf2 && b != 0xf3 && b != 0xf0 && b != 0x2e && b != 0x36 && b != 0x3e && b != 0x26 &&
		    b != 0x64 && b != 0x65)
			break;
	}
	return 0;
}

/* Hot registers stand in the order of struct kvm_regs, not of the encoding. */
static unsigned gpr(unsigned n)
{
	static const u8 order[8] = { X86_rax, X86_rcx, X86_rdx, X86_rbx, X86_rsp, X86_rbp, X86_rsi, X86_rdi };
	return n < 8 ? order[n] : X86_r8 + n - 8;
}

static unsigned rm_reg(const struct x86_insn *i)
{
	return gpr((i->modrm & 7u) | (rex(i) & 1) << 3);
}

static unsigned reg_reg(const struct x86_insn *i)
{
	return gpr((i->modrm >> 3 & 7u) | (rex(i) & 4) << 1);
}

static int do_mov_dr(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	const struct x86_insn *i = &code->i;
	bool wide = (i->k.mode & KT_MODE_CODE) == KT_MODE_64;
	unsigned n = i->modrm >> 3 & 7, reg = rm_reg(i);
	unsigned dr = n < 4 ? X86_dr0 + n : n == 4 || n == 6 ? X86_dr6 : X86_dr7; /* 4 and 5 with CR4.DE are #UD */

	if (i->opcode == 0x21) {
		c->r[reg] = wide ? c->r[dr] : (u32)c->r[dr];
		return x86_retire(vm, code);
	}
	u64 v = wide ? c->r[reg] : (u32)c->r[reg];
	if (dr == X86_dr6)
		v = (v & 0xe00f) | 0xffff0ff0; /* SDM 3, 18.2.3: reserved bits read as one; no TSX, so bit 16 too */
	else if (dr == X86_dr7)
		v = (v & 0xffff23ff) | 0x400; /* 18.2.4 */
	x86_set(c, dr, v);
	return x86_retire(vm, code);
}

/* mov cr2 and mov cr8: nothing in KVM need follow at once. */
static int do_mov_cr(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	bool wide = (code->i.k.mode & KT_MODE_CODE) == KT_MODE_64;
	u64 v = c->r[rm_reg(&code->i)];

	if ((code->i.modrm >> 3 & 7) == 2)
		x86_set(c, X86_cr2, wide ? v : (u32)v);
	else
		x86_set(c, X86_cr8, v & 15);
	c->dirty |= X86_DIRTY_SREGS;
	return x86_retire(vm, code);
}

static int set_cr0(struct vm *vm, const struct x86_code *code, u64 v)
{
	x86_set(&vm->c, X86_cr0, v);
	vm->c.dirty |= X86_DIRTY_SREGS;
	return x86_retire(vm, code);
}

static int do_clts(struct vm *vm, struct x86_code *code)
{
	return set_cr0(vm, code, vm->c.r[X86_cr0] & ~(u64)X86_CR0_TS);
}

/* The 16-bit value of an r/m operand that is read. Nothing is recorded yet: a fault may come of it. */
static u16 rm16(struct vm *vm, const struct x86_insn *i)
{
	unsigned k = first(vm, false);
	u16 v = 0xffff;

	if (k == KT_PLAN_MAX)
		return (u16)vm->c.r[rm_reg(i)];
	if (vm->plan.span[k].size == 2)
		(void)x86_peek(vm, k, &v); /* a selector in device memory reads as all ones */
	return v;
}

static void record_loads(struct vm *vm)
{
	u8 b[16];

	for (unsigned k = 0; k < vm->plan.n; k++)
		if (!vm->plan.p[k].write && vm->plan.p[k].size <= sizeof b)
			x86_load(vm, k, b);
}

static int do_lmsw(struct vm *vm, struct x86_code *code)
{
	u64 cr0 = vm->c.r[X86_cr0], v = rm16(vm, &code->i);

	record_loads(vm);
	return set_cr0(vm, code, (cr0 & ~14ull) | (v & 15)); /* PE can be set, not cleared */
}

static int do_ltr(struct vm *vm, struct x86_code *code)
{
	u16 sel = rm16(vm, &code->i);
	int rc = code->i.mnemonic == M(LTR) ? x86_load_tr(&vm->c, sel, &vm->fault) : x86_load_ldtr(&vm->c, sel, &vm->fault);

	if (rc)
		return X86_FAULTED;
	record_loads(vm);
	vm->c.dirty |= X86_DIRTY_SREGS;
	return x86_retire(vm, code);
}

static int do_lgdt(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	bool gdt = code->i.mnemonic == M(LGDT);
	unsigned k = first(vm, false);
	u8 b[16] = { 0 };
	u64 base = 0;

	if (k == KT_PLAN_MAX || vm->plan.p[k].size > 10)
		return X86_CANNOT;
	x86_load(vm, k, b);
	memcpy(&base, b + 2, 8);
	if ((code->i.k.mode & KT_MODE_CODE) != KT_MODE_64)
		base = code->i.osize == 2 ? base & 0xffffff : (u32)base; /* SDM 2, LGDT: a 16-bit operand has 24 bits of base */
	x86_set(c, gdt ? X86_gdtr_base : X86_idtr_base, base);
	x86_set(c, gdt ? X86_gdtr_limit : X86_idtr_limit, b[0] | b[1] << 8);
	c->dirty |= X86_DIRTY_SREGS;
	return x86_retire(vm, code);
}

static int do_swapgs(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	u64 was = c->r[X86_gs_base];

	x86_set(c, X86_gs_base, c->r[X86_kernel_gs_base]);
	x86_set(c, X86_kernel_gs_base, was);
	c->dirty |= X86_DIRTY_SREGS | X86_DIRTY_MSRS;
	return x86_retire(vm, code);
}

/* A segment register by its number in the encoding: es cs ss ds fs gs stand in that order in the file. */
static int load_seg(struct vm *vm, struct x86_code *code, unsigned n, u16 sel)
{
	if (n == 1 || n > 5)
		return X86_CANNOT;
	if (x86_load_seg(&vm->c, X86_es + n * X86_SEG_STRIDE, sel, &vm->fault))
		return X86_FAULTED;
	vm->c.dirty |= X86_DIRTY_SREGS;
	if (n == 2 && code->debug_skip)
		vm->new_shadow = true;
	return X86_RETIRED;
}

static int do_mov_seg(struct vm *vm, struct x86_code *code)
{
	int rc = load_seg(vm, code, code->i.modrm >> 3 & 7, rm16(vm, &code->i));

	if (rc)
		return rc;
	record_loads(vm);
	return x86_retire(vm, code);
}

static int do_pop_seg(struct vm *vm, struct x86_code *code)
{
	unsigned k = first(vm, false);
	u64 v = ~0ull;

	if (k == KT_PLAN_MAX || vm->plan.p[k].size > 8)
		return X86_CANNOT;
	(void)x86_peek(vm, k, &v);
	int rc = load_seg(vm, code, code->i.opcode >> 3 & 7, (u16)v);
	if (rc)
		return rc;
	record_loads(vm);
	x86_move_sp(vm->c.r, &code->i.k.desc);
	return x86_retire(vm, code);
}

/* lds les lss lfs lgs: offset, then selector. */
static int do_far_pointer(struct vm *vm, struct x86_code *code)
{
	static const struct {
		u16 mnemonic;
		u8 seg;
	} which[] = { { M(LES), 0 }, { M(LSS), 2 }, { M(LDS), 3 }, { M(LFS), 4 }, { M(LGS), 5 } };
	const struct x86_insn *i = &code->i;
	unsigned seg = 0, at = 0, reg = reg_reg(i);
	u8 b[16];
	u64 off = 0;

	for (unsigned n = 0; n < KT_ARRAY_LEN(which); n++)
		if (which[n].mnemonic == i->mnemonic)
			seg = which[n].seg;
	memset(b, 0xff, sizeof b);
	for (unsigned k = 0; k < vm->plan.n; k++) {
		if (vm->plan.p[k].write || at + vm->plan.p[k].size > 10)
			continue;
		(void)x86_peek(vm, k, b + at);
		at += vm->plan.p[k].size;
	}
	if (at != i->osize + 2u)
		return X86_CANNOT;
	memcpy(&off, b, i->osize);
	int rc = load_seg(vm, code, seg, (u16)(b[i->osize] | b[i->osize + 1] << 8));
	if (rc)
		return rc;
	record_loads(vm);
	vm->c.r[reg] = i->osize == 2 ? (vm->c.r[reg] & ~0xffffull) | off : off;
	return x86_retire(vm, code);
}

/* The index lies within its bounds, as prediction has found: they were read, and that is all. */
static int do_bound(struct vm *vm, struct x86_code *code)
{
	record_loads(vm);
	return x86_retire(vm, code);
}

/* 0: done, 1: faults, -1: cannot. */
static int far_result(struct vm *vm, int rc)
{
	vm->c.dirty |= X86_DIRTY_HOT;
	return rc < 0 ? X86_ENDED : rc ? X86_FAULTED : X86_RETIRED;
}

static int do_iret(struct vm *vm, struct x86_code *code)
{
	return far_result(vm, x86_iret(&vm->c, &code->i, &vm->fault));
}

static int do_far(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;

	if (code->i.mnemonic == M(JMP))
		return far_result(vm, x86_far_jump(c, &code->i, &vm->plan, &vm->fault));
	if (code->i.mnemonic == M(CALL))
		return far_result(vm, x86_far_call(c, &code->i, &vm->plan, &vm->fault));
	return far_result(vm, x86_far_ret(c, &code->i, &vm->fault));
}

static int do_syscall(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;

	switch (code->i.mnemonic) {
	case M(SYSCALL):
		return far_result(vm, x86_syscall(c, &code->i, &vm->fault));
	case M(SYSRET):
		return far_result(vm, x86_sysret(c, &code->i, &vm->fault));
	case M(SYSENTER):
		return far_result(vm, x86_sysenter(c, &code->i, &vm->fault));
	default:
		return far_result(vm, x86_sysexit(c, &code->i, &vm->fault));
	}
}

static x86_shim_fn *shim_of_mov(const struct x86_insn *i, bool *debug_skip)
{
	unsigned reg = i->modrm >> 3 & 7;

	if (i->opcode_map == 0 && i->opcode == 0x8e) {
		*debug_skip = reg == 2;
		return do_mov_seg;
	}
	if (i->opcode_map == 1 && (i->opcode == 0x21 || i->opcode == 0x23))
		return do_mov_dr;
	if (i->opcode_map == 1 && i->opcode == 0x22 && (reg == 2 || (reg == 0 && rex(i) & 4)))
		return do_mov_cr;
	return NULL;
}

x86_shim_fn *x86_shim_of(const struct x86_insn *i, bool *debug_skip)
{
	static const struct {
		u16 mnemonic;
		x86_shim_fn *fn;
	} table[] = {
		{ M(RDTSC), do_rdtsc }, { M(RDTSCP), do_rdtsc }, { M(CPUID), do_cpuid }, { M(HLT), do_hlt }, { M(RDMSR), do_msr },
		{ M(WRMSR), do_msr }, { M(STI), do_sti }, { M(POPF), do_popf }, { M(POPFD), do_popf }, { M(POPFQ), do_popf },
		{ M(CLTS), do_clts }, { M(LMSW), do_lmsw }, { M(LTR), do_ltr }, { M(LLDT), do_ltr }, { M(LGDT), do_lgdt },
		{ M(LIDT), do_lgdt }, { M(SWAPGS), do_swapgs }, { M(LDS), do_far_pointer }, { M(LES), do_far_pointer },
		{ M(LFS), do_far_pointer }, { M(LGS), do_far_pointer }, { M(LSS), do_far_pointer }, { M(IRET), do_iret },
		{ M(IRETD), do_iret }, { M(IRETQ), do_iret }, { M(SYSCALL), do_syscall }, { M(SYSRET), do_syscall },
		{ M(SYSENTER), do_syscall }, { M(SYSEXIT), do_syscall }, { M(BOUND), do_bound },
	};

	*debug_skip = false;
	for (unsigned n = 0; n < KT_ARRAY_LEN(table); n++)
		if (table[n].mnemonic == i->mnemonic)
			return table[n].fn;
	switch (i->mnemonic) {
	case M(MOV):
		return shim_of_mov(i, debug_skip);
	case M(POP):
		if ((i->opcode_map == 0 && (i->opcode == 0x07 || i->opcode == 0x17 || i->opcode == 0x1f)) ||
		    (i->opcode_map == 1 && (i->opcode == 0xa1 || i->opcode == 0xa9))) {
			*debug_skip = i->opcode_map == 0 && i->opcode == 0x17;
			return do_pop_seg;
		}
		return NULL;
	case M(JMP):
	case M(CALL):
	case M(RET):
		return i->flow == X86_FLOW_FAR ? do_far : NULL;
	default:
		break;
	}
	static x86_shim_fn *(*const others[])(const struct x86_insn *) = { x86_shim_fpu_of, x86_shim_env_of, x86_shim_enter_of, x86_shim_sys_of, x86_shim_bcd_of };
	for (unsigned n = 0; n < KT_ARRAY_LEN(others); n++) {
		x86_shim_fn *fn = others[n](i);
		if (fn)
			return fn;
	}
	return NULL;
}
