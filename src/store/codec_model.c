/* SPDX-License-Identifier: MIT */
/* The state that predictions rest on. Tables are stamped with the frame's generation instead of being cleared. */
#include "store/codec_model.h"

#include <stdlib.h>

struct kt_model *kt_model_create(const struct kt_arch *arch)
{
	struct kt_model *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->arch = arch;
	m->arena = malloc(KT_STEP_DATA);
	if (!m->arena) {
		free(m);
		return NULL;
	}
	return m;
}

void kt_model_destroy(struct kt_model *m)
{
	if (!m)
		return;
	free(m->habit);
	free(m->arena);
	free(m);
}

static void forget_slots(struct kt_model *m)
{
	kt_slots_init(&m->odd[0][0], 64 * 64, KT_SLOT_EVEN);
	kt_slots_init(m->same_mask, 2, KT_SLOT_EVEN);
	kt_slots_init(m->mask_bit, KT_HOT_REGS, KT_SLOT(1 << 19, 1));
	m->xlate[0] = KT_SLOT_EVEN;
	m->xlate[1] = KT_SLOT_OFTEN;
	m->xlate_mmio = KT_SLOT_RARE;
	kt_slots_init(m->untouched, 256, KT_SLOT_EVEN);
	m->known = m->store_ok = KT_SLOT_OFTEN;
	m->silent = m->blob = m->elem_same = m->va_next = m->pa_page = KT_SLOT_EVEN;
	struct kt_numbers *all[] = { &m->n_reg, &m->n_load, &m->n_device, &m->n_store, &m->n_addr, &m->n_event, &m->n_cold, &m->n_ref[0], &m->n_ref[1], &m->n_ref[2] };
	for (unsigned i = 0; i < KT_ARRAY_LEN(all); i++)
		kt_numbers_init(all[i]);
	kt_slots_init(&m->meta[0][0], 8 * 64, KT_SLOT_EVEN);
	kt_slots_init(m->pa_same, 64, KT_SLOT_EVEN);
	kt_slots_init(m->tree_elem, 256, KT_SLOT_EVEN);
	kt_slots_init(m->count_tree, 512, KT_SLOT_EVEN);
	kt_slots_init(m->event_kind, 256, KT_SLOT_EVEN);
	kt_slots_init(m->cold_reg, 256, KT_SLOT_EVEN);
}

int kt_model_begin(struct kt_model *m, const u64 *regs, const struct kt_insn *const *insn, u32 nlocal, struct kt_err *err)
{
	if (!m->habit || nlocal > m->cap) {
		free(m->habit);
		m->cap = KT_MAX(nlocal, 4096u);
		m->habit = calloc(m->cap + 5, sizeof(*m->habit));
		if (!m->habit)
			return kt_fail(err, KT_E_NOMEM, "no memory for a frame of %u instructions", nlocal);
	}
	memset(m->habit, 0, (nlocal + 5) * sizeof(*m->habit));
	memset(m->regs, 0, sizeof(m->regs));
	memcpy(m->regs, regs, m->arch->nregs * sizeof(u64));
	memcpy(m->cold_ref, m->regs, sizeof(m->regs));
	m->insn = insn;
	m->nlocal = nlocal;
	if (!++m->gen) { /* after 2^32 frames stamps could repeat */
		memset(m->map, 0, sizeof(m->map));
		memset(m->tlb, 0, sizeof(m->tlb));
		m->gen = 1;
	}
	memset(m->region, 0, sizeof(m->region));
	for (unsigned i = 0; i < KT_ARRAY_LEN(m->last); i++)
		m->last[i] = (struct kt_last){ .slot = KT_SLOT_EVEN, .ref = { 0, KT_SLOT(1 << 19, 1), KT_SLOT(1 << 19, 1), KT_SLOT_EVEN } };
	forget_slots(m);
	memset(m->last_event, 0, sizeof(m->last_event));
	memset(m->x_size, 0, sizeof(m->x_size));
	m->last_target = 0;
	m->x_va = m->x_pa = m->x_elem = 0;
	m->bad = false;
	m->budget = KT_MAP_BUDGET;
	m->arena_used = 0;
	return 0;
}

u64 kt_map_initial(struct kt_model *m, u64 granule)
{
	u64 v = 0;
	const u8 *page = m->initial.page(m->initial.ctx, granule << 3 & ~4095ull);
	if (page)
		memcpy(&v, page + (granule << 3 & 4095), 8);
	return v;
}

void kt_map_put_bytes(struct kt_model *m, u64 pa, const u8 *data, u32 n)
{
	while (n) {
		u32 part = KT_MIN(n, 8 - (u32)(pa & 7));
		u64 v = 0;
		if (!m->budget)
			return;
		m->budget--;
		memcpy(&v, data, part);
		kt_map_put(m, pa, part, v);
		pa += part;
		data += part;
		n -= part;
	}
}

void kt_map_fill(struct kt_model *m, u64 pa, const u8 *data, u32 elem, u32 n)
{
	u8 pattern[16];
	if (!elem || 8 % elem) /* not what a REP makes: leaves the map alone */
		return;
	for (u32 i = 0; i < sizeof(pattern); i++)
		pattern[i] = data[i % elem];
	u32 phase = 0;
	while (n && m->budget) {
		u32 part = KT_MIN(n, 8 - (u32)(pa & 7));
		u64 v = 0;
		m->budget--;
		memcpy(&v, pattern + phase, part);
		kt_map_put(m, pa, part, v);
		phase = (phase + part) % elem;
		pa += part;
		n -= part;
	}
}

bool kt_map_get_bytes(struct kt_model *m, u64 pa, u8 *to, u32 n)
{
	while (n) {
		u32 part = KT_MIN(n, 8 - (u32)(pa & 7));
		u64 v;
		if (!m->budget || !kt_map_get(m, pa, part, &v))
			return false;
		m->budget--;
		memcpy(to, &v, part);
		pa += part;
		to += part;
		n -= part;
	}
	return true;
}
