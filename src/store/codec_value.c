/* SPDX-License-Identifier: MIT */
/* The seldom parts of a step, in one copy for both directions. */
#include "store/codec_value.h"

void kt_habit_meet(const struct kt_model *m, struct kt_habit *h, const struct kt_insn *insn)
{
	h->met = true;
	h->plain = insn && insn->desc.op != KT_OP_LITERAL ? KT_SLOT_OFTEN : KT_SLOT_EVEN;
	h->rep = KT_SLOT_EVEN;
	unsigned ports = 0, reads = 0, writes = 0, longest = 0;
	for (unsigned i = 0; insn && i < insn->desc.nops; i++) {
		const struct kt_operand *o = &insn->desc.opnd[i];
		h->cold |= o->kind == KT_OPND_REG && o->reg >= m->arch->nhot;
		if (o->kind < KT_OPND_MEM)
			continue;
		ports += o->kind == KT_OPND_PORT;
		reads += (o->access & KT_READ) != 0;
		writes += (o->access & KT_WRITE) != 0;
		longest = KT_MAX(longest, (unsigned)o->size);
	}
	bool simple = insn && !ports && !h->cold && !kt_is_rep(&insn->desc) && insn->desc.op != KT_OP_PUSHA && insn->desc.op != KT_OP_POPA;
	h->quick = simple && !reads && !writes;
	h->single = simple && reads + writes == 1 && longest <= 8;
}

/* How many leading bytes of `size` two numbers share. */
static inline unsigned shared(u64 a, u64 b, unsigned size)
{
	u64 x = (a ^ b) << (64 - 8 * size);
	return x ? (unsigned)__builtin_clzll(x) >> 3 : size;
}

/* A load that nothing foretells, from the nearest of four references: the instruction's last value; what its last value pointed at if
 * it was relative to itself (tables of such pointers are common); what the last load of all pointed at; the memory before. */
u64 kt_code_load(struct kt_model *m, bool enc, struct kt_last *last, const struct kt_shape *sh, u64 pa, u64 v)
{
	const unsigned size = sh->size;
	u64 ref[4] = { last->value, kt_cut(last->target - sh->va, size), kt_cut(m->last_target - sh->va, size), 0 };
	unsigned best = 0;

	kt_map_get(m, pa - size, size, &ref[3]);
	for (unsigned i = 1; enc && i < 4; i++)
		if (shared(ref[i], v, size) > shared(ref[best], v, size))
			best = i;
	best = kt_ac_tree(&m->loads_ac, enc, last->ref, 2, best);
	return kt_ac_number(&m->loads_ac, enc, best ? &m->n_ref[best - 1] : &m->n_load, size, ref[best], v);
}

void kt_code_long(struct kt_model *m, bool enc, const struct kt_work *w, unsigned i, struct kt_step *s)
{
	const struct kt_shape *sh = &w->shape[i];
	for (unsigned k = 0; k < sh->n && !m->bad; k++) {
		struct kt_access *a = &s->access[sh->first + k];
		const u8 *p = kt_odd_data(m, enc, sh->flags & KT_ACCESS_WRITE, a->space, a->pa, a->data, a->size, w->local, 32 + i);
		if (!enc)
			a->data = p;
	}
}

void kt_code_regs(struct kt_model *m, bool enc, struct kt_work *w, struct kt_habit *h, u64 mask, const u64 *hot)
{
	struct kt_ac *ac = &m->regs_ac;
	unsigned nhot = m->arch->nhot;

	if (kt_ac_bit(ac, enc, &m->same_mask[h->mask != 0], mask == h->mask)) {
		mask = h->mask;
	} else {
		u64 got = 0;
		for (unsigned i = 0; i < nhot; i++)
			got |= (u64)kt_ac_bit(ac, enc, &m->mask_bit[i], mask >> i & 1) << i;
		h->mask = mask = got;
	}
	for (unsigned i = 0; i < nhot; i++) {
		if (!(mask >> i & 1))
			continue;
		struct kt_last *last = kt_last_at(m, w->local, 64 + i);
		u64 v = enc ? hot[i] : 0, next = last->value + last->stride;
		if (kt_ac_bit(ac, enc, &last->slot, v == next))
			v = next;
		else
			v = kt_ac_number(ac, enc, &m->n_reg, 8, m->regs[i], v);
		last->stride = v - last->value;
		last->value = v;
		m->regs[i] = v;
	}
}

bool kt_evaluate_cold(struct kt_model *m, struct kt_work *w, struct kt_regset *list, unsigned *n)
{
	u64 keep[KT_REGS_MAX];
	unsigned nhot = m->arch->nhot, nregs = m->arch->nregs;

	*n = 0;
	memcpy(keep, m->regs, sizeof(keep));
	bool ok = kt_evaluate(m, w);
	for (unsigned i = nhot; i < nregs; i++) {
		if (m->regs[i] == keep[i])
			continue;
		if (*n < KT_STEP_COLD)
			list[(*n)++] = (struct kt_regset){ .reg = (u16)i, .value = m->regs[i] };
		m->regs[i] = keep[i];
	}
	return ok;
}

void kt_apply_cold(struct kt_model *m, const struct kt_step *s)
{
	for (unsigned i = 0; i < s->ncold; i++) {
		m->regs[s->cold[i].reg] = s->cold[i].value;
		m->cold_ref[s->cold[i].reg] = s->cold[i].value;
	}
}
