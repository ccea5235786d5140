/* SPDX-License-Identifier: MIT */
/* How each instruction is carried out: the table, the way through KVM with its check, and the way through the
 * descriptor. */
#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

#include "vm/x86_64/x86_predict.h"
#include "vm/x86_64/x86_vm.h"

#define M(m) ZYDIS_MNEMONIC_##m

/* What is not here is single-stepped by KVM (X86_M_STEP), or is found by its form in x86_exec_classify. */
static const u8 methods[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	/* Nothing of them can be seen in a machine with one vCPU whose caches have no state. */
	[M(NOP)] = X86_M_ADVANCE, [M(PAUSE)] = X86_M_ADVANCE, [M(MFENCE)] = X86_M_ADVANCE, [M(LFENCE)] = X86_M_ADVANCE,
	[M(SFENCE)] = X86_M_ADVANCE, [M(ENDBR32)] = X86_M_ADVANCE, [M(ENDBR64)] = X86_M_ADVANCE, [M(CLDEMOTE)] = X86_M_ADVANCE,
	[M(PREFETCH)] = X86_M_ADVANCE, [M(PREFETCHW)] = X86_M_ADVANCE, [M(PREFETCHWT1)] = X86_M_ADVANCE,
	[M(PREFETCHNTA)] = X86_M_ADVANCE, [M(PREFETCHT0)] = X86_M_ADVANCE, [M(PREFETCHT1)] = X86_M_ADVANCE,
	[M(PREFETCHT2)] = X86_M_ADVANCE, [M(CLFLUSH)] = X86_M_ADVANCE, [M(CLFLUSHOPT)] = X86_M_ADVANCE, [M(CLWB)] = X86_M_ADVANCE,
	[M(FWAIT)] = X86_M_ADVANCE, [M(FNOP)] = X86_M_ADVANCE, [M(BOUND)] = X86_M_ADVANCE,
	[M(FENI8087_NOP)] = X86_M_ADVANCE, [M(FDISI8087_NOP)] = X86_M_ADVANCE, [M(FSETPM287_NOP)] = X86_M_ADVANCE,
	/* #NM, #MF and #BR are predicted */
	[M(WBINVD)] = X86_M_ADVANCE, [M(INVD)] = X86_M_ADVANCE,
	/* TF of a TF-based host would show in the pushed image. */
	[M(PUSHF)] = X86_M_EVAL, [M(PUSHFD)] = X86_M_EVAL, [M(PUSHFQ)] = X86_M_EVAL,
	[M(INT)] = X86_M_SOFTINT, [M(INT1)] = X86_M_SOFTINT, [M(INT3)] = X86_M_SOFTINT, [M(INTO)] = X86_M_SOFTINT,
	[M(RSM)] = X86_M_CANNOT, [M(GETSEC)] = X86_M_CANNOT,
	/* Late traps where KVM's emulator is the CPU. */
	[M(RDRAND)] = X86_M_BREAK, [M(RDSEED)] = X86_M_BREAK, [M(SERIALIZE)] = X86_M_BREAK,
	[M(RDFSBASE)] = X86_M_BREAK, [M(RDGSBASE)] = X86_M_BREAK,
};

static bool is_string(u8 op)
{
	return op >= KT_OP_MOVS && op <= KT_OP_OUTS;
}

static bool pushes_segment(const struct x86_insn *i)
{
	u8 op = i->opcode;

	return i->opcode_map == 0 ? op == 0x06 || op == 0x0e || op == 0x16 || op == 0x1e : i->opcode_map == 1 && (op == 0xa0 || op == 0xa8);
}

/* With an operand size prefix in 64-bit mode, Intel's near branches are as without, AMD's cut the target to 16 bits. */
static bool is_narrowed_branch(const struct x86_insn *i)
{
	if ((i->k.mode & KT_MODE_CODE) != KT_MODE_64 || i->flow == X86_FLOW_NEXT || i->flow == X86_FLOW_FAR)
		return false;
	for (unsigned n = 0; n + 1 < i->k.len && i->k.bytes[n] != i->opcode && i->k.bytes[n] != 0x0f; n++)
		if (i->k.bytes[n] == 0x66)
			return true;
	return false;
}

void x86_exec_classify(const struct vm *vm, struct x86_code *code)
{
	const struct x86_insn *i = &code->i;
	u16 m = i->mnemonic;
	bool moves_cr = m == M(MOV) && i->opcode_map == 1 && (i->opcode == 0x22);

	code->method = m <= ZYDIS_MNEMONIC_MAX_VALUE ? methods[m] : X86_M_CANNOT;
	code->debug_skip = false;
	/* cmpxchg that fails leaves a 32-bit register destination alone (KVM's emulator clears its upper half) */
	code->canon = i->flags_undefined || i->k.desc.op == KT_OP_BSF || i->k.desc.op == KT_OP_BSR || i->k.desc.op == KT_OP_CMPXCHG ||
	              (i->k.desc.op == KT_OP_BSWAP && i->k.desc.width == 2);
	code->shim = x86_shim_of(i, &code->debug_skip);
	if (code->shim)
		code->method = X86_M_SHIM;
	else if (moves_cr)
		code->method = X86_M_CONTROL; /* through KVM, which flushes translations as the CPU does */
	else if (m == M(MOV) && i->opcode_map == 0 && i->opcode == 0x8c)
		code->method = X86_M_EVAL; /* KVM's emulator takes REX.R for part of the segment's number */
	else if (is_narrowed_branch(i))
		code->method = X86_M_EVAL;
	else if (m == M(PUSH) && pushes_segment(i))
		code->method = X86_M_EVAL; /* makers differ: 32-bit pushes write two bytes or four */
	else if (is_string(i->k.desc.op) && i->prefix_rep)
		code->method = X86_M_REP;
	else if (code->method == X86_M_STEP && i->touches_fpu)
		code->method = X86_M_BREAK;
}

u64 x86_pc(const u64 *r)
{
	u64 pc = r[X86_rip] + r[X86_cs_base];
	return (x86_mode(r) & KT_MODE_CODE) == KT_MODE_64 ? pc : (u32)pc;
}

u64 x86_next_rip(const u64 *r, const struct x86_insn *i)
{
	static const u8 width[4] = { 2, 4, 8, 8 };
	return kt_cut(r[X86_rip] + i->k.len, width[i->k.mode & KT_MODE_CODE]);
}

static bool peek(const struct vm *vm, unsigned k, u64 *v)
{
	*v = 0;
	return vm->plan.span[k].size <= 8 && x86_peek(vm, k, v);
}

/* Where the instruction may go besides the next one. 0: nowhere else, 1: *to only, 2: *to or the next, 3: anywhere. */
enum { GO_NEXT, GO_TO, GO_EITHER, GO_ANY };
static int goes(const struct vm *vm, const struct x86_insn *i, u64 *to)
{
	const struct kt_desc *d = &i->k.desc;

	switch ((enum x86_flow)i->flow) {
	case X86_FLOW_NEXT:
		return GO_NEXT;
	case X86_FLOW_COND:
		*to = i->target;
		return GO_EITHER;
	case X86_FLOW_JUMP:
	case X86_FLOW_CALL:
		*to = i->target;
		return GO_TO;
	case X86_FLOW_INDIRECT:
	case X86_FLOW_RET:
		break;
	case X86_FLOW_FAR:
		return GO_ANY;
	}
	if (i->flow == X86_FLOW_INDIRECT && i->branch_op < d->nops && d->opnd[i->branch_op].kind == KT_OPND_REG) {
		*to = kt_cut(vm->c.r[d->opnd[i->branch_op].reg], i->osize);
		return GO_TO;
	}
	for (unsigned k = 0; k < vm->plan.n; k++) {
		if (vm->plan.p[k].write || (i->flow == X86_FLOW_INDIRECT && vm->plan.p[k].op != i->branch_op))
			continue;
		if (!peek(vm, k, to))
			break;
		*to = kt_cut(*to, i->osize);
		return GO_TO;
	}
	return GO_ANY;
}

static bool is_division(const struct x86_insn *i)
{
	return i->k.desc.op == KT_OP_DIV || i->k.desc.op == KT_OP_IDIV;
}

static bool all_ram(const struct vm *vm)
{
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].space != KT_SPACE_RAM || !vm->plan.span[k].part[0].host ||
		    !vm->plan.span[k].part[vm->plan.span[k].n - 1].host)
			return false;
	return true;
}

/* Whether it faults is known only when the device has answered: never KVM's business. */
static int divide_by_device(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;

	if (vm->plan.n != 1 || vm->plan.p[0].write || vm->plan.p[0].size > 8)
		return X86_CANNOT;
	vm->loads[0] = 0;
	x86_load(vm, 0, &vm->loads[0]);
	memcpy(vm->ev, c->r, sizeof c->r);
	if (!kt_desc_eval(vm->b.arch, &code->i.k.desc, vm->ev, vm->loads, vm->stores))
		return x86_raise(vm, X86_DE, false, 0);
	memcpy(c->r, vm->ev, X86_NHOT * 8);
	return x86_retire(vm, code);
}

int x86_exec_eval(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	const struct x86_insn *i = &code->i;
	unsigned nl = 0, ns = 0;
	u64 to = 0;
	int go = goes(vm, i, &to);

	if (go == GO_ANY)
		return X86_CANNOT;
	if (go == GO_EITHER)
		go = x86_branch_taken(vm->c.r, i) ? GO_TO : GO_NEXT;
	if (is_division(i) && !all_ram(vm))
		return divide_by_device(vm, code);
	for (unsigned k = 0; k < vm->plan.n; k++) {
		if (vm->plan.p[k].size > 8)
			return X86_CANNOT;
		if (!vm->plan.p[k].write && !peek(vm, k, &vm->loads[nl++]))
			return X86_CANNOT; /* asking a device twice would be seen */
	}
	memcpy(vm->ev, c->r, sizeof c->r);
	if (!kt_desc_eval(vm->b.arch, &i->k.desc, vm->ev, vm->loads, vm->stores))
		return X86_CANNOT;
	for (unsigned k = 0; k < vm->plan.n; k++) {
		u64 v;
		if (vm->plan.p[k].write)
			x86_store(vm, k, &vm->stores[ns++]);
		else
			x86_load(vm, k, &v);
	}
	memcpy(c->r, vm->ev, X86_NHOT * 8);
	for (unsigned n = X86_NHOT; n < X86_NREGS; n++)
		if (c->r[n] != vm->ev[n]) {
			x86_set(c, n, vm->ev[n]);
			c->dirty |= X86_DIRTY_SREGS;
		}
	vm->b.counts.shims++;
	if (go == GO_NEXT)
		return x86_retire(vm, code);
	c->r[X86_rip] = to;
	c->r[X86_rflags] &= ~(u64)X86_RF;
	c->dirty |= X86_DIRTY_HOT;
	return X86_RETIRED;
}

static int cannot(struct vm *vm, struct x86_code *code)
{
	const struct x86_insn *i = &code->i;
	char text[96], hex[48];

	for (unsigned n = 0; n < i->k.len; n++)
		snprintf(hex + 3 * n, 4, "%02x ", i->k.bytes[n]);
	hex[3 * i->k.len - 1] = 0;
	x86_text(i->k.mode, vm->pre[X86_rip], i->k.bytes, i->k.len, text, sizeof text);
	x86_end(&vm->c, VM_END_UNSUPPORTED, 0, "this host's KVM cannot carry out `%s` (%s) at %#llx, and ktrace does not either", text, hex,
	        (unsigned long long)i->k.pc);
	return X86_ENDED;
}

/* What a KVM with TF-based stepping may carry out in its emulator, which forgets TF: whatever is intercepted. */
static bool may_be_emulated(const struct x86_insn *i)
{
	u8 op = i->k.desc.op;

	return i->loads_flags || i->privileged || i->changes_segs || op == KT_OP_IN || op == KT_OP_OUT || is_string(op) ||
	       i->mnemonic == M(SGDT) || i->mnemonic == M(SIDT) || i->mnemonic == M(SLDT) || i->mnemonic == M(STR) ||
	       i->mnemonic == M(SMSW);
}

/* What KVM would do, in a state that this host's KVM does not have. */
static int alone(struct vm *vm, struct x86_code *code)
{
	int rc = code->method == X86_M_CONTROL ? x86_alone_mov_cr(vm, code) : x86_exec_eval(vm, code);

	if (rc == X86_CANNOT && code->i.flow == X86_FLOW_NEXT) {
		rc = x86_alone_devices(vm, &code->i.k.desc);
		if (rc == X86_RETIRED)
			return x86_retire(vm, code);
	}
	if (rc == X86_CANNOT)
		rc = x86_lend(vm, code);
	return rc == X86_CANNOT ? cannot(vm, code) : rc;
}

static int by_kvm(struct vm *vm, struct x86_code *code, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	const struct x86_insn *i = &code->i;
	bool control = code->method == X86_M_CONTROL;
	u64 next = x86_next_rip(c->r, i), to = next, bp = 0;
	int go = goes(vm, i, &to);
	unsigned naccess = c->step.naccess;

	if (kt_unlikely(!vm->host.paging32) && (x86_alone(vm) || (control && x86_alone_control(vm))))
		return alone(vm, code);
	if (i->touches_fpu && c->dirty & X86_DIRTY_FPU) {
		int rc = x86_kvm_put_fpu(vm, err);
		if (rc)
			return rc;
	}
	if (code->method == X86_M_BREAK && vm->host.late_traps && go == GO_NEXT)
		bp = i->k.mode & KT_MODE_64 ? next + c->r[X86_cs_base] : (u32)(next + c->r[X86_cs_base]);
	x86_access_before(vm);
	if (kt_unlikely(c->end))
		return X86_ENDED;
	int rc = x86_kvm_run(vm, bp, control, err);
	if (rc == X86_CANNOT) {
		c->step.naccess = naccess;
		rc = x86_exec_eval(vm, code);
		if (rc == X86_CANNOT)
			rc = x86_lend(vm, code);
		return rc == X86_CANNOT ? cannot(vm, code) : rc;
	}
	if (rc != X86_RETIRED)
		return rc;
	u64 rip = c->r[X86_rip];
	if (kt_unlikely(rip == next + (1 << 16) && (i->k.mode & KT_MODE_CODE) == KT_MODE_16)) {
		rip = c->r[X86_rip] = next; /* hosts differ in whether IP wraps at the end of a segment */
		c->dirty |= X86_DIRTY_HOT;
	}
	if (kt_unlikely(!(rip == next && go != GO_TO) && !(rip == to && go != GO_NEXT) && go != GO_ANY))
		return X86_LOST;
	x86_access_after(vm);
	if (i->touches_fpu) {
		rc = x86_kvm_get_fpu(vm, vm->ev, err);
		if (!rc)
			x86_set_fpu(c, vm->ev);
	}
	if (control)
		x86_control_from_sregs(c, &vm->run->s.regs.sregs);
	if (vm->tf_rules && may_be_emulated(i))
		vm->armed = 0;
	if (code->canon || vm->verify)
		x86_canonicalise(vm, i);
	return rc;
}

/* KVM does not know A20: what touches an address with bit 20 set is not for it. */
static bool needs_a20(const struct vm *vm, const struct x86_insn *i)
{
	u64 bit = (i->k.pc | (i->k.pc + i->k.len - 1)) & 1 << 20;

	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].space == KT_SPACE_RAM)
			bit |= (vm->plan.p[k].va | (vm->plan.p[k].va + vm->plan.p[k].size - 1)) & 1 << 20;
	return bit || vm->c.r[X86_cr0] & X86_CR0_PG;
}

static int without_a20(struct vm *vm, struct x86_code *code)
{
	int rc = X86_CANNOT;

	if (code->method == X86_M_ADVANCE)
		return x86_retire(vm, code);
	if (code->method == X86_M_SHIM)
		return code->shim(vm, code);
	if (!(vm->c.r[X86_cr0] & X86_CR0_PG))
		rc = x86_exec_eval(vm, code);
	if (rc != X86_CANNOT)
		return rc;
	x86_end(&vm->c, VM_END_UNSUPPORTED, 0, "with the A20 gate off, the instruction at %#llx touches memory that KVM would not mask",
	        (unsigned long long)code->i.k.pc);
	return X86_ENDED;
}

int x86_exec(struct vm *vm, struct x86_code *code, struct kt_err *err)
{
	const struct x86_insn *i = &code->i;
	int rc;

	if (kt_unlikely(!vm->c.a20) && needs_a20(vm, i))
		return without_a20(vm, code);
	switch ((enum x86_method)code->method) {
	case X86_M_ADVANCE:
		vm->b.counts.shims++;
		return x86_retire(vm, code);
	case X86_M_SHIM:
		vm->b.counts.shims++;
		rc = code->shim(vm, code);
		return rc == X86_CANNOT ? cannot(vm, code) : rc;
	case X86_M_EVAL:
		rc = x86_exec_eval(vm, code);
		return rc == X86_CANNOT ? by_kvm(vm, code, err) : rc;
	case X86_M_LEND:
		rc = x86_lend(vm, code);
		return rc == X86_CANNOT ? cannot(vm, code) : rc;
	case X86_M_REP:
		rc = x86_rep(vm, code, err);
		return rc == X86_CANNOT ? cannot(vm, code) : rc;
	case X86_M_STEP:
		if (kt_unlikely(is_division(i)) && !all_ram(vm))
			return x86_exec_eval(vm, code);
		return by_kvm(vm, code, err);
	case X86_M_BREAK:
	case X86_M_CONTROL:
		return by_kvm(vm, code, err);
	case X86_M_SOFTINT: /* the others are delivered; this is into with OF clear */
		return x86_retire(vm, code);
	case X86_M_CANNOT:
		break;
	}
	return cannot(vm, code);
}
