/* SPDX-License-Identifier: MIT */
/* ENTER (SDM 2): KVM's emulator has only level 0, and pushes as much as the stack is wide, not the operand size.
 * x86_check_enter planned its words: the level - 1 frame pointers that are read, then what is pushed: rBP, those pointers,
 * the new frame pointer. */
#include <Zydis/Zydis.h>
#include <string.h>

#include "vm/x86_64/x86_vm.h"

/* A frame pointer may be read from where this very instruction has pushed. */
static void overlay(const struct x86_plan *p, unsigned first_push, unsigned pushed, const u64 *vals, unsigned k, u64 *v)
{
	u8 *to = (u8 *)v;

	for (unsigned n = 0; n < pushed; n++) {
		const u8 *from = (const u8 *)&vals[n];
		for (unsigned b = 0; b < p->p[k].size; b++) {
			u64 at = p->p[k].va + b - p->p[first_push + n].va;
			if (at < p->p[first_push + n].size)
				to[b] = from[at];
		}
	}
}

/* SP and BP are as wide as the stack, whatever the operand size. */
static u64 put_wide(u64 old, u64 v, unsigned width)
{
	return width == 8 ? v : width == 4 ? (u32)v : (old & ~0xffffull) | (v & 0xffff);
}

static int do_enter(struct vm *vm, struct x86_code *code)
{
	const struct x86_insn *i = &code->i;
	const u8 *b = i->k.bytes + i->k.len - 3;
	u64 *r = vm->c.r, vals[KT_PLAN_MAX] = { 0 };
	unsigned level = b[2] & 31, reads = level ? level - 1 : 0, pushes = level ? level + 1 : 1, word = i->osize;
	unsigned wide = (i->k.mode & KT_MODE_CODE) == KT_MODE_64 ? 8 : r[X86_ss_attr] & X86_ATTR_DB ? 4 : 2;
	u64 frame = r[X86_rsp] - word;

	if (vm->plan.n != reads + pushes)
		return X86_CANNOT;
	vals[0] = r[X86_rbp];
	for (unsigned k = 0; k < reads; k++) {
		x86_load(vm, k, &vals[k + 1]);
		overlay(&vm->plan, reads, k + 1, vals, k, &vals[k + 1]);
	}
	if (level)
		vals[level] = frame;
	for (unsigned k = 0; k < pushes; k++)
		x86_store(vm, reads + k, &vals[k]);
	r[X86_rbp] = put_wide(r[X86_rbp], frame, wide);
	r[X86_rsp] = put_wide(r[X86_rsp], frame - (u64)level * word - (b[0] | b[1] << 8), wide);
	return x86_retire(vm, code);
}

x86_shim_fn *x86_shim_enter_of(const struct x86_insn *i)
{
	return i->mnemonic == ZYDIS_MNEMONIC_ENTER && i->k.len >= 4 ? do_enter : NULL;
}
