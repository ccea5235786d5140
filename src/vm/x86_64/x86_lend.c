/* SPDX-License-Identifier: MIT */
/* x87, MMX and SSE instructions that KVM's emulator lacks, lent the CPU that we run on: the instruction is encoded anew
 * with its memory operand at a buffer of ours and its general register as RAX, the guest's FPU state is loaded, the
 * instruction runs, and what it did is taken back. Only decoded instructions without control flow or privilege come
 * here, and only in their new encoding: guest bytes are never run.
 *
 * SSE exceptions are masked for the run; one that the guest has unmasked is raised as #XM, and nothing else has changed.
 * x87 exceptions wait for the next x87 instruction, so they can be left as the guest has them: FXSAVE and FXRSTOR, all
 * that follows here, do not look. */
#include <Zydis/Zydis.h>
#include <string.h>
#include <sys/mman.h>

#include "vm/x86_64/x86_vm.h"

enum { PAGE = 4096, MXCSR_MASKS = 0x1f80, EXCEPTIONS = 0x3f, BUFFER = 64 };

struct lend {
	u8 guest[X86_FX_SIZE] __attribute__((aligned(16)));
	u8 host[X86_FX_SIZE] __attribute__((aligned(16)));
	u64 rax, memory, flags; /* offsets 1024, 1032, 1040: x86_lend_run */
	u8 buffer[BUFFER] __attribute__((aligned(16)));
};
_Static_assert(offsetof(struct lend, rax) == 1024 && offsetof(struct lend, memory) == 1032 && offsetof(struct lend, flags) == 1040,
               "x86_lend_run knows these");

void x86_lend_run(struct lend *l, const void *code);
__asm__(".pushsection .text\n"
        ".type x86_lend_run, @function\n"
        "x86_lend_run:\n"
        "	push %rbx\n"
        "	push %rbp\n"
        "	mov %rdi, %rbx\n"
        "	mov %rsi, %rbp\n"
        "	fxsave 512(%rbx)\n"
        "	fxrstor (%rbx)\n"
        "	mov 1024(%rbx), %rax\n"
        "	mov 1032(%rbx), %rdi\n"
        "	push 1040(%rbx)\n"
        "	popfq\n"
        "	call *%rbp\n"
        "	pushfq\n"
        "	pop 1040(%rbx)\n"
        "	mov %rax, 1024(%rbx)\n"
        "	fxsave (%rbx)\n"
        "	fxrstor 512(%rbx)\n"
        "	cld\n"
        "	pop %rbp\n"
        "	pop %rbx\n"
        "	ret\n"
        ".size x86_lend_run, . - x86_lend_run\n"
        ".popsection\n");

/* General registers by class: RAX of the same width. */
static ZydisRegister as_rax(ZydisRegister r)
{
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR64:
		return ZYDIS_REGISTER_RAX;
	case ZYDIS_REGCLASS_GPR32:
		return ZYDIS_REGISTER_EAX;
	case ZYDIS_REGCLASS_GPR16:
		return ZYDIS_REGISTER_AX;
	case ZYDIS_REGCLASS_MMX:
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_X87:
		return r;
	default:
		return ZYDIS_REGISTER_NONE;
	}
}

/* The register file's number of the general register; KT_REG_NONE for others. */
static unsigned gpr_number(ZydisRegister r)
{
	static const u8 order[16] = { X86_rax, X86_rcx, X86_rdx, X86_rbx, X86_rsp, X86_rbp, X86_rsi, X86_rdi,
		                      X86_r8,  X86_r9,  X86_r10, X86_r11, X86_r12, X86_r13, X86_r14, X86_r15 };
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR64:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR16:
		return order[ZydisRegisterGetId(r) & 15];
	default:
		return KT_REG_NONE;
	}
}

/* Encodes the instruction anew, followed by a ret. *gpr: which general register stands in RAX; *writes: it is written. */
static bool encode(const struct x86_insn *i, u8 *to, unsigned *gpr, bool *writes)
{
	static const struct {
		ZydisMachineMode mode;
		ZydisStackWidth width;
	} modes[3] = { { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		       { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		       { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 } };
	unsigned m = KT_MIN(i->k.mode & KT_MODE_CODE, 2);
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction zi;
	ZydisEncoderRequest rq;
	ZydisDecoder dec;
	ZyanUSize size = ZYDIS_MAX_INSTRUCTION_LENGTH;

	*gpr = KT_REG_NONE;
	*writes = false;
	if (ZYAN_FAILED(ZydisDecoderInit(&dec, modes[m].mode, modes[m].width)) ||
	    ZYAN_FAILED(ZydisDecoderDecodeFull(&dec, i->k.bytes, i->k.len, &zi, op)) ||
	    ZYAN_FAILED(ZydisEncoderDecodedInstructionToEncoderRequest(&zi, op, zi.operand_count_visible, &rq)))
		return false;
	rq.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
	rq.prefixes = 0;
	rq.branch_type = ZYDIS_BRANCH_TYPE_NONE;
	rq.branch_width = ZYDIS_BRANCH_WIDTH_NONE;
	rq.address_size_hint = ZYDIS_ADDRESS_SIZE_HINT_NONE;
	rq.operand_size_hint = ZYDIS_OPERAND_SIZE_HINT_NONE;
	for (unsigned n = 0; n < rq.operand_count; n++) {
		ZydisEncoderOperand *o = &rq.operands[n];
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			u16 bytes = o->mem.size;
			if (bytes > BUFFER)
				return false;
			memset(&o->mem, 0, sizeof o->mem);
			o->mem.base = ZYDIS_REGISTER_RDI;
			o->mem.size = bytes;
		} else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
			unsigned number = gpr_number(o->reg.value);
			if (number != KT_REG_NONE && *gpr != KT_REG_NONE)
				return false;
			if (number != KT_REG_NONE) {
				*gpr = number;
				*writes = op[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
			}
			o->reg.value = as_rax(o->reg.value);
			if (o->reg.value == ZYDIS_REGISTER_NONE)
				return false;
		}
	}
	if (ZYAN_FAILED(ZydisEncoderEncodeInstruction(&rq, to, &size)))
		return false;
	to[size] = 0xc3;
	return true;
}

static bool may_lend(const struct x86_insn *i)
{
	return i->touches_fpu && !i->is_vex && !i->privileged && i->flow == X86_FLOW_NEXT;
}

/* Reads go through the bus where devices are; the buffer also shows what stands where a partial write goes. */
static bool gather(struct vm *vm, struct lend *l)
{
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].size > BUFFER || vm->plan.p[k].space != KT_SPACE_RAM)
			return false;
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].write)
			(void)x86_peek(vm, k, l->buffer);
		else
			x86_load(vm, k, l->buffer);
	return true;
}

int x86_lend(struct vm *vm, struct x86_code *code)
{
	struct x86_cpu *c = &vm->c;
	const struct x86_insn *i = &code->i;
	struct lend l = { 0 };
	unsigned gpr;
	bool writes;

	if (!may_lend(i) || c->r[X86_fsw] & ~c->r[X86_fcw] & EXCEPTIONS) /* #MF is predicted where CR0.NE is set */
		return X86_CANNOT;
	if (!vm->lend) {
		void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return X86_CANNOT;
		vm->lend = p;
	}
	if (!encode(i, vm->lend, &gpr, &writes) || !gather(vm, &l))
		return X86_CANNOT;
	memcpy(vm->ev, c->r, sizeof c->r);
	vm->ev[X86_mxcsr] = (vm->ev[X86_mxcsr] & ~(u64)EXCEPTIONS) | MXCSR_MASKS;
	x86_regs_to_fx(vm->ev, l.guest, 16);
	l.rax = gpr == KT_REG_NONE ? 0 : c->r[gpr];
	l.memory = (u64)(uintptr_t)l.buffer;
	l.flags = (c->r[X86_rflags] & X86_STATUS) | 2;
	x86_lend_run(&l, vm->lend);
	x86_regs_from_fx(vm->ev, l.guest, 16);
	vm->ev[X86_mxcsr] = (c->r[X86_mxcsr] & ~(u64)EXCEPTIONS) | ((vm->ev[X86_mxcsr] | c->r[X86_mxcsr]) & EXCEPTIONS);
	if (vm->ev[X86_mxcsr] & ~c->r[X86_mxcsr] & ~(c->r[X86_mxcsr] >> 7) & EXCEPTIONS) {
		x86_set(c, X86_mxcsr, vm->ev[X86_mxcsr]);
		c->dirty |= X86_DIRTY_FPU;
		return x86_raise(vm, c->r[X86_cr4] & 1 << 10 ? X86_XM : X86_UD, false, 0);
	}
	for (unsigned k = 0; k < vm->plan.n; k++)
		if (vm->plan.p[k].write)
			x86_store(vm, k, l.buffer);
	x86_set_fpu(c, vm->ev);
	c->dirty |= X86_DIRTY_FPU;
	if (writes)
		c->r[gpr] = l.rax;
	c->r[X86_rflags] = (c->r[X86_rflags] & ~(u64)X86_STATUS) | (l.flags & X86_STATUS);
	code->method = X86_M_LEND;
	vm->b.counts.shims++;
	return x86_retire(vm, code);
}
