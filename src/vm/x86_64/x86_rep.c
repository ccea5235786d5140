/* SPDX-License-Identifier: MIT */
/* String instructions under REP, in pieces. x86_predict has walked ahead and says how many iterations go before something
 * happens: completion, a fault, a device (each of its iterations is a piece), 65,536 iterations or 128 KiB. RCX is
 * capped for the run, so every host makes the same piece whatever its own granularity is. */
#include <string.h>

#include "vm/x86_64/x86_predict.h"
#include "vm/x86_64/x86_vm.h"

static void put(u64 *reg, u64 v, unsigned bytes)
{
	if (bytes == 2)
		*reg = (*reg & ~0xffffull) | (v & 0xffff);
	else
		*reg = kt_cut(v, bytes);
}

/* Iterations that index register `reg` allows before its address wraps at the address size. */
static u64 until_wrap(const struct vm *vm, const struct x86_insn *i, unsigned reg)
{
	u64 off = kt_cut(vm->c.r[reg], i->asize), elem = i->k.desc.width;

	if (i->asize == 8)
		return X86_REP_ITERATIONS;
	if (vm->c.r[X86_rflags] & X86_DF)
		return off / elem + 1;
	u64 left = ((1ull << 8 * i->asize) - off) / elem;
	return left ? left : 1;
}

/* How many iterations the piece has: what predict has walked, as far as the operands lie in one stretch. */
static u64 piece(const struct vm *vm, const struct x86_insn *i)
{
	u8 op = i->k.desc.op;
	u64 n = vm->plan.limit;

	if (op != KT_OP_STOS && op != KT_OP_SCAS && op != KT_OP_INS)
		n = KT_MIN(n, until_wrap(vm, i, X86_rsi));
	if (op != KT_OP_LODS && op != KT_OP_OUTS)
		n = KT_MIN(n, until_wrap(vm, i, X86_rdi));
	return n;
}

/* Adds a page's part to the operand's runs. */
static bool add_run(struct x86_rep_operand *o, bool down, u64 va, u64 pa, u8 *host, u32 size)
{
	struct x86_rep_run *last = o->n ? &o->run[o->n - 1] : NULL;

	if (last && !down && last->pa + last->size == pa && last->host + last->size == host) {
		last->size += size;
		return true;
	}
	if (last && down && pa + size == last->pa && host + size == last->host) {
		last->pa = pa;
		last->va = va;
		last->host = host;
		last->size += size;
		return true;
	}
	if (o->n == X86_REP_RUNS)
		return false;
	o->run[o->n++] = (struct x86_rep_run){ va, pa, host, size };
	return true;
}

/* Translates the pages that n elements of the k-th access lie in, setting Accessed and Dirty bits, from the first
 * iteration's on. Returns how many whole elements lie in RAM. */
static u64 lay_out(struct vm *vm, const struct x86_insn *i, unsigned k, u64 n, struct x86_rep_operand *o)
{
	struct x86_cpu *c = &vm->c;
	const struct kt_planned *p = &vm->plan.p[k];
	bool down = c->r[X86_rflags] & X86_DF, wide = (i->k.mode & KT_MODE_CODE) == KT_MODE_64;
	unsigned use = (p->write ? X86_USE_WRITE : X86_USE_READ) | (x86_cpl(c->r) == 3 ? X86_USE_USER : 0);
	u64 elem = i->k.desc.width, bytes = n * elem, done = 0;
	u64 lowest = down ? p->va - (n - 1) * elem : p->va;
	struct x86_fault f;

	o->n = 0;
	o->write = p->write;
	while (done < bytes) {
		u64 left = bytes - done, near = down ? lowest + left - 1 : lowest + done, in = near & 4095, pa;
		u64 size = KT_MIN(left, down ? in + 1 : 4096 - in), va = down ? near - (size - 1) : near;
		if (!wide)
			va = (u32)va;
		if (x86_translate(c, va, use, &pa, &f))
			break;
		u8 *host = x86_ram(c, pa, (unsigned)size);
		if (!host || !add_run(o, down, va, pa, host, (u32)size))
			break;
		done += size;
	}
	return done / elem;
}

/* What the piece will write is announced before it is. */
static void touch(struct vm *vm, const struct x86_rep_operand *o)
{
	for (unsigned r = 0; o->write && r < o->n; r++)
		for (u64 at = 0; at < o->run[r].size;) {
			u64 pa = o->run[r].pa + at, size = KT_MIN(o->run[r].size - at, 4096 - (pa & 4095));
			x86_ram_write(&vm->c, pa, (unsigned)size);
			at += size;
		}
}

/* Records what `iterations` of the operand touched, in address order. */
static void record(struct vm *vm, const struct x86_insn *i, struct x86_rep_operand *o, u64 iterations)
{
	struct x86_cpu *c = &vm->c;
	u64 elem = i->k.desc.width, left = iterations * elem;
	bool down = vm->pre[X86_rflags] & X86_DF, fill = i->k.desc.op == KT_OP_STOS;
	unsigned n = 0;

	for (; n < o->n && left; n++) {
		struct x86_rep_run *r = &o->run[n];
		u32 size = (u32)KT_MIN(left, (u64)r->size), skip = down ? r->size - size : 0;
		r->va += skip;
		r->pa += skip;
		r->host += skip;
		r->size = size;
		left -= size;
		fill &= !(size % elem); /* an element over two runs: neither is a repetition from its start */
	}
	for (unsigned a = 0; a < n; a++) {
		const struct x86_rep_run *r = &o->run[down ? n - 1 - a : a];
		if (!o->write)
			x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_NODATA, r->va, r->pa, r->size, NULL, 0);
		else if (fill)
			x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_FILL, r->va, r->pa, r->size, &vm->pre[X86_rax], (u32)elem);
		else
			x86_step_access(c, KT_SPACE_RAM, KT_ACCESS_WRITE, r->va, r->pa, r->size, r->host, r->size);
	}
}

/* Byte d of an operand, counted in the order of execution. *hint: the run it was found in last, and where that begins. */
struct hint {
	unsigned run;
	u64 before;
};
static u8 *byte_at(const struct x86_rep_operand *o, bool down, u64 d, struct hint *h)
{
	while (d - h->before >= o->run[h->run].size) {
		h->before += o->run[h->run].size;
		h->run++;
	}
	const struct x86_rep_run *r = &o->run[h->run];
	u64 in = d - h->before;
	return r->host + (down ? r->size - 1 - in : in);
}

/* MOVS and STOS by ourselves, element after element as the CPU does: on hosts where KVM would have to be entered for each
 * iteration. Not where breakpoints work: a KVM that shadows page tables must see the guest's writes to them. */
static void run_ours(struct vm *vm, const struct x86_insn *i, u64 n)
{
	struct x86_cpu *c = &vm->c;
	const struct x86_rep_operand *to = &vm->rep[i->k.desc.op == KT_OP_MOVS], *from = &vm->rep[0];
	u64 e = i->k.desc.width, by = n * e;
	bool down = c->r[X86_rflags] & X86_DF;
	struct hint ht = { 0 }, hf = { 0 };

	for (u64 j = 0; j < n; j++) {
		u8 v[8];
		memcpy(v, &c->r[X86_rax], 8);
		for (u64 d = 0; to != from && d < e; d++)
			v[down ? e - 1 - d : d] = *byte_at(from, down, j * e + d, &hf);
		for (u64 d = 0; d < e; d++)
			*byte_at(to, down, j * e + d, &ht) = v[down ? e - 1 - d : d];
	}
	put(&c->r[X86_rdi], down ? c->r[X86_rdi] - by : c->r[X86_rdi] + by, i->asize);
	if (to != from)
		put(&c->r[X86_rsi], down ? c->r[X86_rsi] - by : c->r[X86_rsi] + by, i->asize);
	put(&c->r[X86_rcx], 0, i->asize);
	c->r[X86_rip] = x86_next_rip(c->r, i);
	c->r[X86_rflags] &= ~(u64)X86_RF;
	c->dirty |= X86_DIRTY_HOT;
	vm->b.counts.shims++;
}

/* Makes KVM do n iterations. */
static int run(struct vm *vm, const struct x86_insn *i, u64 n, u64 next, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	u64 start = c->r[X86_rip], bp = 0;

	if (vm->host.breakpoints)
		bp = (i->k.mode & KT_MODE_CODE) == KT_MODE_64 ? next : (u32)(next + c->r[X86_cs_base]);
	if (kt_cut(c->r[X86_rcx], i->asize) != n) {
		put(&c->r[X86_rcx], n, i->asize);
		c->dirty |= X86_DIRTY_HOT;
	}
	for (;;) {
		u64 before = c->r[X86_rcx];
		int rc = x86_kvm_run(vm, bp, false, err);
		if (rc != X86_RETIRED || c->r[X86_rip] == next)
			return rc;
		if (c->r[X86_rip] != start || c->r[X86_rcx] == before)
			return X86_LOST;
		if (!kt_cut(c->r[X86_rcx], i->asize)) { /* stepped, some hosts stop on the same PC with nothing left to do */
			c->r[X86_rip] = next;
			c->dirty |= X86_DIRTY_HOT;
			return rc;
		}
	}
}

/* LODS, SCAS and CMPS in RAM without KVM: element after element by the descriptor. */
static int scan_alone(struct vm *vm, const struct x86_insn *i, u64 n)
{
	struct x86_cpu *c = &vm->c;
	bool down = c->r[X86_rflags] & X86_DF;
	struct hint h[KT_ARRAY_LEN(vm->rep)] = { 0 };
	struct kt_desc d = i->k.desc;
	u64 e = d.width;

	d.flags &= (u8)~(KT_DESC_REP | KT_DESC_REPNE);
	memcpy(vm->ev, c->r, sizeof c->r);
	for (u64 j = 0; j < n; j++) {
		for (unsigned k = 0; k < vm->plan.n && k < KT_ARRAY_LEN(vm->rep); k++) {
			u8 v[8] = { 0 };
			for (u64 b = 0; b < e; b++)
				v[down ? e - 1 - b : b] = *byte_at(&vm->rep[k], down, j * e + b, &h[k]);
			memcpy(&vm->loads[k], v, 8);
		}
		if (!kt_desc_eval(vm->b.arch, &d, vm->ev, vm->loads, vm->stores))
			return X86_CANNOT;
	}
	memcpy(c->r, vm->ev, X86_rip * 8);
	c->r[X86_rflags] = vm->ev[X86_rflags];
	return X86_RETIRED;
}

/* A piece without KVM (x86_alone.c). */
static int run_alone(struct vm *vm, const struct x86_insn *i, u64 n, u64 next, bool ram)
{
	struct x86_cpu *c = &vm->c;
	struct kt_desc d = i->k.desc;

	d.flags &= (u8)~(KT_DESC_REP | KT_DESC_REPNE);
	int rc = ram ? scan_alone(vm, i, n) : x86_alone_devices(vm, &d);
	if (rc != X86_RETIRED)
		return rc;
	put(&c->r[X86_rcx], 0, i->asize);
	c->r[X86_rip] = next;
	c->r[X86_rflags] &= ~(u64)X86_RF;
	c->dirty |= X86_DIRTY_HOT;
	return rc;
}

static bool all_ram(const struct vm *vm)
{
	for (unsigned k = 0; k < vm->plan.n; k++) {
		const struct x86_span *s = &vm->plan.span[k];
		if (vm->plan.p[k].space != KT_SPACE_RAM || !s->part[0].host || !s->part[s->n - 1].host)
			return false;
	}
	return true;
}

/* The piece has run. If there is more to do, PC stays on the instruction, and its breakpoint does not match again. */
static void conclude(struct vm *vm, const struct x86_insn *i, u64 left, bool through)
{
	struct x86_cpu *c = &vm->c;

	if (i->k.desc.op == KT_OP_CMPS || i->k.desc.op == KT_OP_SCAS) /* a device's answer was not known beforehand */
		through |= !(c->r[X86_rflags] & X86_ZF) == !(i->k.desc.flags & KT_DESC_REPNE);
	if (kt_cut(c->r[X86_rcx], i->asize) != left) {
		put(&c->r[X86_rcx], left, i->asize);
		c->dirty |= X86_DIRTY_HOT;
	}
	if (!through) {
		c->r[X86_rip] = vm->pre[X86_rip];
		c->r[X86_rflags] |= X86_RF; /* SDM 3, 17.3.1.1: so do frames between iterations show it */
		c->dirty |= X86_DIRTY_HOT;
	}
}

int x86_rep(struct vm *vm, struct x86_code *code, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	const struct x86_insn *i = &code->i;
	u64 count = kt_cut(c->r[X86_rcx], i->asize), next = x86_next_rip(c->r, i);
	bool ram = all_ram(vm), alone = x86_alone(vm);
	unsigned nop = KT_MIN(vm->plan.n, (unsigned)KT_ARRAY_LEN(vm->rep));

	if (!count)
		return x86_retire(vm, code);
	u64 n = ram ? piece(vm, i) : 1;
	for (unsigned k = 0; ram && k < nop; k++) {
		u64 fits = lay_out(vm, i, k, n, &vm->rep[k]);
		n = KT_MIN(n, fits);
	}
	if (!n) /* the first element lies over two places, of which one is new to us only now */
		return X86_CANNOT;
	for (unsigned k = 0; ram && k < nop; k++)
		touch(vm, &vm->rep[k]);
	if (!ram && !alone)
		x86_access_before(vm);
	if (kt_unlikely(c->end))
		return X86_ENDED;
	int rc = X86_RETIRED;
	if (ram && (alone || !vm->host.breakpoints) && (i->k.desc.op == KT_OP_MOVS || i->k.desc.op == KT_OP_STOS))
		run_ours(vm, i, n);
	else if (alone)
		rc = run_alone(vm, i, n, next, ram);
	else
		rc = run(vm, i, n, next, err);
	if (rc != X86_RETIRED)
		return rc;
	if (vm->tf_rules)
		vm->armed = 0; /* string instructions may have gone through KVM's emulator */
	if (kt_cut(c->r[X86_rcx], i->asize))
		return X86_LOST; /* the host stopped where nothing ends the piece */
	conclude(vm, i, count - n, n == vm->plan.limit ? vm->plan.rep_done : n == count);
	if (ram)
		for (unsigned k = 0; k < nop; k++)
			record(vm, i, &vm->rep[k], n);
	else if (!alone)
		x86_access_after(vm);
	return rc;
}
