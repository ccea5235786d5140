/* SPDX-License-Identifier: MIT */
/* A make-believe x86 machine that runs random instructions by their descriptors, and misbehaves on purpose: for tests of
 * everything that takes steps. The same seed gives the same steps. */
#ifndef KT_CODEC_GEN_H
#define KT_CODEC_GEN_H

#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/x86_insn.h"
#include "arch/x86_64/x86_regs.h"
#include "store/chunk.h"
#include "store/codec.h"

enum { GEN_MEM = 1 << 20, GEN_PROGRAM = 3000 };

struct gen {
	u64 seed;
	u64 r[KT_REGS_MAX];
	u8 mem[GEN_MEM];
	struct kt_insn program[GEN_PROGRAM];
	u32 nprogram, at;
	u32 odd;          /* misbehaves in one of so many steps; 0: never */
	u32 loop;         /* length of loops, 0: wanders */
	u32 loop_at, loop_left;
	u8 data[2 << 20]; /* of the current step */
	u32 used;
	struct kt_step s;
};

static inline u64 gen_random(struct gen *g)
{
	g->seed ^= g->seed << 13; /* xorshift64 (Marsaglia) */
	g->seed ^= g->seed >> 7;
	g->seed ^= g->seed << 17;
	return g->seed;
}

static inline u32 gen_below(struct gen *g, u32 n)
{
	return (u32)((gen_random(g) >> 16) % n);
}

static inline bool gen_one_in(struct gen *g, u32 n)
{
	return n && gen_below(g, n) == 0;
}

/* What decodes to something predictable is kept more often than what is literal. */
static inline void gen_program(struct gen *g, u32 n)
{
	u64 pc = 0xffffffff81000000ull;
	g->nprogram = 0;
	while (g->nprogram < n) {
		u8 bytes[15];
		struct x86_insn x;
		for (unsigned i = 0; i < sizeof(bytes); i++)
			bytes[i] = (u8)gen_random(g);
		if (gen_one_in(g, 4)) { /* strings, with and without REP */
			static const u8 op[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xa6, 0xa7, 0x6c, 0x6e };
			bytes[0] = gen_one_in(g, 2) ? 0xf3 : 0x48;
			bytes[1] = op[gen_below(g, sizeof(op))];
		}
		if (x86_decode(KT_MODE_64 | KT_MODE_PROTECTED, pc, pc, bytes, sizeof(bytes), &x) || !x.mnemonic)
			continue;
		if (x.k.desc.op == KT_OP_LITERAL && !gen_one_in(g, 4))
			continue;
		x.k.id = ++g->nprogram;
		g->program[g->nprogram - 1] = x.k;
		pc += gen_one_in(g, 40) ? 100 : x.k.len;
	}
}

static inline void gen_init(struct gen *g, u64 seed, u32 n, u32 odd)
{
	memset(g, 0, sizeof(*g));
	g->seed = seed * 0x9e3779b97f4a7c15ull | 1;
	for (unsigned i = 0; i < X86_NREGS; i++)
		g->r[i] = i < 18 ? gen_random(g) >> gen_below(g, 64) : gen_one_in(g, 3) ? gen_random(g) : 0;
	g->r[X86_efer] = X86_EFER_LMA | X86_EFER_LME;
	g->r[X86_cs_attr] = X86_ATTR_L | X86_ATTR_P | X86_ATTR_S | 0xb;
	g->r[X86_cs_base] = g->r[X86_ds_base] = g->r[X86_es_base] = g->r[X86_ss_base] = 0;
	g->r[X86_rflags] = 2;
	for (u32 i = 0; i < GEN_MEM; i += 8) {
		u64 v = gen_one_in(g, 2) ? gen_random(g) >> gen_below(g, 64) : 0;
		memcpy(g->mem + i, &v, 8);
	}
	g->odd = odd;
	gen_program(g, n);
	g->r[X86_rip] = g->program[0].pc;
}

/* Pages lie anywhere, but neighbours are often neighbours; some are a device. */
static inline u64 gen_page(u64 vpage, bool *mmio)
{
	u64 block = vpage >> 2, h = block * 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	*mmio = (h & 63) == 5;
	return ((h & 0xff) << 2 | (vpage & 3)) & 0xff;
}

static inline u8 *gen_data(struct gen *g, u32 n)
{
	u8 *p = g->data + g->used;
	g->used += n;
	return p;
}

static inline struct kt_access *gen_access(struct gen *g, u64 va, u64 pa, u32 size, u8 space, u8 flags)
{
	struct kt_access *a = &g->s.access[g->s.naccess++];
	*a = (struct kt_access){ .va = va, .pa = pa, .size = size, .space = space, .flags = flags };
	if (!(flags & KT_ACCESS_NODATA)) {
		u8 *p = gen_data(g, flags & KT_ACCESS_FILL ? 8 : size);
		a->data = p;
		for (u32 i = 0; i < (flags & KT_ACCESS_FILL ? 8 : size); i++)
			p[i] = space == KT_SPACE_RAM && !(flags & KT_ACCESS_WRITE) ? g->mem[(pa + i) & (GEN_MEM - 1)] : (u8)gen_random(g);
	}
	return a;
}

/* Records for a range, cut where it is not physically contiguous. Returns the first's number. */
static inline unsigned gen_range(struct gen *g, u64 va, u32 size, u8 flags)
{
	unsigned first = g->s.naccess;
	while (size) {
		bool mmio, next_mmio;
		u64 page = gen_page(va >> 12, &mmio), pa = page << 12 | (va & 4095);
		u32 part = KT_MIN(size, 4096 - (u32)(va & 4095));
		while (part < size) {
			u64 next = gen_page((va + part) >> 12, &next_mmio);
			if (next_mmio != mmio || next << 12 != pa + part)
				break;
			part += KT_MIN(size - part, 4096u);
		}
		gen_access(g, va, pa, part, mmio ? KT_SPACE_MMIO : KT_SPACE_RAM, flags);
		va += part;
		size -= part;
	}
	return first;
}

static inline void gen_commit(struct gen *g)
{
	for (unsigned i = 0; i < g->s.naccess; i++) {
		const struct kt_access *a = &g->s.access[i];
		if (a->space != KT_SPACE_RAM || !(a->flags & KT_ACCESS_WRITE) || a->flags & KT_ACCESS_NODATA)
			continue;
		for (u32 k = 0; k < a->size; k++)
			g->mem[(a->pa + k) & (GEN_MEM - 1)] = a->data[a->flags & KT_ACCESS_FILL ? k % a->elem : k];
	}
}

static inline u64 gen_gather(const struct gen *g, unsigned first, u32 size)
{
	u8 b[8] = { 0 };
	u32 at = 0;
	for (unsigned i = first; at < size && size <= 8; at += g->s.access[i++].size)
		memcpy(b + at, g->s.access[i].data, g->s.access[i].size);
	u64 v;
	memcpy(&v, b, 8);
	return v;
}

static inline void gen_scatter(struct gen *g, unsigned first, u32 size, u64 v)
{
	u32 at = 0;
	for (unsigned i = first; at < size; at += g->s.access[i++].size)
		memcpy((u8 *)(uintptr_t)g->s.access[i].data, (u8 *)&v + at, g->s.access[i].size);
}

/* The records from number `to` on get what the NODATA records before them hold. */
static inline void gen_copy(struct gen *g, unsigned to)
{
	u8 flat[8192];
	u32 n = 0;
	for (unsigned i = 0; i < to; i++)
		for (u32 k = 0; g->s.access[i].flags & KT_ACCESS_NODATA && k < g->s.access[i].size && n < sizeof(flat); k++)
			flat[n++] = g->mem[(g->s.access[i].pa + k) & (GEN_MEM - 1)];
	n = 0;
	for (unsigned i = to; i < g->s.naccess; n += g->s.access[i++].size)
		memcpy((u8 *)(uintptr_t)g->s.access[i].data, flat + n, g->s.access[i].size);
}

static inline void gen_rep(struct gen *g, const struct kt_insn *k)
{
	struct kt_planned p[KT_PLAN_MAX];
	u64 *r = g->r;
	if (gen_one_in(g, 3))
		r[X86_rcx] = gen_below(g, 300);
	unsigned n = kt_desc_plan(&kt_arch_x86_64, &k->desc, r, p);
	u32 w = k->desc.width, count = (u32)KT_MIN(r[X86_rcx], gen_one_in(g, 4) ? 1000ull : 100ull), size = count * w;
	bool down = r[X86_rflags] & X86_DF;
	for (unsigned i = 0; i < n && count; i++) {
		u64 va = down ? p[i].va - (size - w) : p[i].va;
		if (p[i].space == KT_SPACE_PORT) {
			gen_access(g, 0, p[i].va, p[i].size, KT_SPACE_PORT, p[i].write ? KT_ACCESS_WRITE : 0);
			continue;
		}
		u8 flags = !p[i].write ? KT_ACCESS_NODATA : k->desc.op == KT_OP_STOS ? KT_ACCESS_WRITE | KT_ACCESS_FILL : KT_ACCESS_WRITE;
		unsigned first = gen_range(g, va, size, flags);
		for (unsigned a = first; a < g->s.naccess; a++) {
			if (flags & KT_ACCESS_FILL) {
				g->s.access[a].elem = (u8)w;
				memcpy((u8 *)(uintptr_t)g->s.access[a].data, &r[X86_rax], 8);
			}
		}
		if (k->desc.op == KT_OP_MOVS && p[i].write)
			gen_copy(g, first);
	}
	u64 by = (down ? 0 - (u64)size : size);
	r[X86_rcx] -= count;
	for (unsigned i = 0; i < 2; i++)
		if (k->desc.opnd[i].kind == KT_OPND_MEM)
			r[k->desc.opnd[i].base] += by;
}

static inline void gen_insn(struct gen *g, const struct kt_insn *k)
{
	struct kt_planned p[KT_PLAN_MAX];
	u64 loads[KT_PLAN_MAX] = { 0 }, stores[KT_PLAN_MAX] = { 0 };
	unsigned first[KT_PLAN_MAX], n = kt_desc_plan(&kt_arch_x86_64, &k->desc, g->r, p), nl = 0, ns = 0;
	u64 before[KT_REGS_MAX];

	memcpy(before, g->r, sizeof(before));
	for (unsigned i = 0; i < n; i++) {
		if (p[i].space == KT_SPACE_PORT) {
			first[i] = g->s.naccess;
			gen_access(g, 0, p[i].va, p[i].size, KT_SPACE_PORT, p[i].write ? KT_ACCESS_WRITE : 0);
		} else {
			first[i] = gen_range(g, p[i].va, p[i].size, p[i].write ? KT_ACCESS_WRITE : 0);
		}
		if (!p[i].write)
			loads[nl++] = gen_gather(g, first[i], p[i].size);
	}
	bool ok = kt_desc_eval(&kt_arch_x86_64, &k->desc, g->r, loads, stores);
	for (unsigned i = 0; i < n && ok; i++)
		if (p[i].write && p[i].size <= 8)
			gen_scatter(g, first[i], p[i].size, stores[ns++]);
	if (!ok)
		for (unsigned i = 0; i < 3; i++)
			g->r[gen_below(g, 18)] = gen_random(g) >> gen_below(g, 64);
	for (unsigned i = X86_NHOT; i < X86_NREGS; i++) /* cold registers change by misbehaving only */
		if (g->r[i] != before[i])
			g->s.cold[g->s.ncold++] = (struct kt_regset){ .reg = (u16)i, .value = g->r[i] };
}

static inline void gen_misbehave(struct gen *g)
{
	struct kt_step *s = &g->s;
	switch (gen_below(g, 8)) {
	case 0:
		g->r[gen_below(g, 16)] = gen_random(g);
		break;
	case 1:
		if (s->naccess && s->access[0].data)
			((u8 *)(uintptr_t)s->access[0].data)[0] ^= 1;
		break;
	case 2:
		for (unsigned i = gen_below(g, 5) + 1; i-- > 0;)
			s->event[s->nevent++] = (struct kt_event){ .kind = (u16)(gen_below(g, 9)), .num = (u16)gen_below(g, 40), .code = gen_below(g, 256), .value = gen_random(g) };
		break;
	case 3:
		for (unsigned i = gen_below(g, 20) + 1; i-- > 0;) {
			u16 reg = (u16)(X86_NHOT + gen_below(g, X86_NREGS - X86_NHOT));
			if (reg == X86_cs_attr || reg == X86_efer || reg == X86_cs_base)
				continue;
			g->r[reg] = gen_random(g);
			s->cold[s->ncold++] = (struct kt_regset){ .reg = reg, .value = g->r[reg] };
		}
		break;
	case 4: /* Accessed and Dirty bits before the rest */
		if (s->naccess < 100) {
			unsigned n = gen_below(g, 4) + 1, was = s->naccess;
			struct kt_access keep[100];
			memcpy(keep, s->access, was * sizeof(keep[0]));
			s->naccess = 0;
			for (unsigned i = 0; i < n; i++) {
				u64 pa = gen_random(g) & (GEN_MEM - 8);
				gen_access(g, pa, pa, 8, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_IMPLICIT);
			}
			memcpy(s->access + s->naccess, keep, was * sizeof(keep[0]));
			s->naccess += was;
		}
		break;
	case 5:
		if (s->naccess < KT_STEP_ACCESSES - 40)
			for (unsigned i = gen_below(g, 30) + 1; i-- > 0;) {
				u8 space = (u8)gen_below(g, 4), flags = (u8)gen_below(g, 16);
				u32 size = gen_one_in(g, 10) ? gen_below(g, 2000) + 1 : 1u << gen_below(g, 4);
				struct kt_access *a = gen_access(g, gen_random(g) >> gen_below(g, 64), gen_random(g) >> gen_below(g, 64), size, space, flags);
				if (flags & KT_ACCESS_FILL && !(flags & KT_ACCESS_NODATA))
					a->elem = (u8)(1u << gen_below(g, 4));
			}
		break;
	case 6:
		s->kind = (enum kt_step_kind)gen_below(g, 4);
		break;
	case 7:
		if (gen_one_in(g, 2)) {
			s->insn = NULL;
			s->pc = gen_random(g);
		} else {
			s->pc ^= 0x1000;
		}
		break;
	}
}

/* The next step; g->s, and g->r is the state after it. */
static inline const struct kt_step *gen_step(struct gen *g)
{
	struct kt_step *s = &g->s;
	struct kt_insn *k = &g->program[g->at];

	s->kind = KT_STEP_INSN;
	s->pc = k->pc;
	s->insn = k;
	s->naccess = s->nevent = s->ncold = 0;
	g->used = 0;
	g->r[X86_rip] = k->pc;
	if (k->desc.flags & KT_DESC_REP && k->desc.op >= KT_OP_MOVS && k->desc.op <= KT_OP_OUTS)
		gen_rep(g, k);
	else
		gen_insn(g, k);
	if (gen_one_in(g, g->odd))
		gen_misbehave(g);
	gen_commit(g);
	if (g->loop) {
		if (++g->at >= g->nprogram || g->at - g->loop_at >= g->loop) {
			if (!g->loop_left--) {
				g->loop_at = gen_below(g, g->nprogram - g->loop);
				g->loop_left = 5 + gen_below(g, 100);
			}
			g->at = g->loop_at;
		}
	} else {
		g->at = gen_one_in(g, 8) ? gen_below(g, g->nprogram) : (g->at + 1) % g->nprogram;
	}
	g->r[X86_rip] = g->program[g->at].pc;
	s->hot = g->r;
	s->nhot = X86_NHOT;
	return s;
}

static inline const struct kt_insn *gen_dict(void *ctx, u32 id)
{
	struct gen *g = ctx;
	return id && id <= g->nprogram ? &g->program[id - 1] : NULL;
}

/* Ascending ids of a chunk's steps; returns how many. local has room for nprogram. */
static inline u32 gen_local(const struct gen *g, const struct kt_raw_chunk *c, u32 *local)
{
	u8 seen[GEN_PROGRAM + 1] = { 0 };
	u32 n = 0;
	for (u32 i = 0; i < c->count; i++)
		seen[c->step[i].insn] = 1;
	for (u32 i = 1; i <= g->nprogram; i++)
		if (seen[i])
			local[n++] = i;
	return n;
}

#endif
