/* SPDX-License-Identifier: MIT */
/* What writer and reader of a frame both know: memory seen so far, translations, last values. They run the same code on
 * it in the same order, so that they cannot disagree. All of it is forgotten at a frame's start. */
#ifndef KT_CODEC_MODEL_H
#define KT_CODEC_MODEL_H

#include "store/codec.h"
#include "store/codec_ac.h"

enum {
	KT_MAP_BITS = 16,   /* granules of memory known: 8 bytes each, direct-mapped */
	KT_TLB_BITS = 10,
	KT_REGION_BITS = 6, /* of 1 GiB: the last distance between linear and physical pages */
	KT_LAST_BITS = 11,
	KT_PAGES_MAX = 288, /* pages of one step's planned accesses */
	KT_MAP_BUDGET = 1 << 22, /* granules that long data, copies and fills of a frame may look at and change */
	KT_STEP_DATA = (1 << 20) + 65536 /* bytes of access data in one step */
};

struct kt_granule {
	u64 tag, data; /* bytes that are not known are the initial memory's */
	u32 gen;
	u8 known;      /* bit i: byte i */
};
struct kt_tlb {
	u64 vpage, ppage;
	u32 gen;
	bool mmio;
};
struct kt_last {
	u64 value, stride;
	u64 target;   /* value + its linear address: what a self-relative pointer points at */
	kt_slot slot; /* is it value + stride again? */
	kt_slot ref[4]; /* which reference is nearest? (a tree of 2 bits) */
};

/* Per local id, and per kind of step without one. */
struct kt_habit {
	kt_slot plain;
	kt_slot rep;
	u64 mask;       /* of registers last corrected */
	u8 flags;       /* KT_ODD_* of its last step that was not plain */
	bool cold;      /* evaluating it may touch cold registers */
	bool quick;     /* it touches hot registers alone: no memory, no ports */
	bool single;    /* it touches those, and reads or writes memory once, up to 8 bytes */
	bool met;
};

struct kt_page {
	u64 ppage;
	bool mmio;
};

struct kt_model {
	const struct kt_arch *arch;
	u64 regs[KT_REGS_MAX];
	u64 cold_ref[KT_REGS_MAX];
	u32 gen, nlocal, cap;
	const struct kt_insn *const *insn;
	struct kt_habit *habit;

	struct kt_memory_view initial; /* page is NULL: none */
	struct kt_granule map[1 << KT_MAP_BITS];
	u32 budget;
	struct kt_tlb tlb[1 << KT_TLB_BITS];
	u64 region[1 << KT_REGION_BITS];
	struct kt_last last[1 << KT_LAST_BITS];

	struct kt_ac regs_ac, loads_ac, addr_ac, events_ac, data_ac;
	struct kt_buf *bulk;    /* writing: long data */
	struct kt_rd bulk_in;   /* reading */
	bool bad;               /* reading: what no writer writes */

	kt_slot odd[64][64];
	kt_slot same_mask[2], mask_bit[KT_HOT_REGS];
	kt_slot xlate[2], xlate_mmio;
	kt_slot untouched[256], known, silent, store_ok, blob;
	struct kt_numbers n_reg, n_load, n_device, n_store, n_addr, n_event, n_cold;
	kt_slot meta[8][64], elem_same, va_next, pa_same[64], pa_page, tree_elem[256];
	kt_slot count_tree[512], event_kind[256], cold_reg[256];
	struct kt_event last_event[16];
	u64 last_target; /* of the last load coded */
	struct kt_numbers n_ref[3];
	u64 x_va, x_pa;
	u32 x_size[64];
	u8 x_elem;

	u8 *arena; /* this step's data; KT_STEP_DATA bytes */
	u32 arena_used;
};

struct kt_model *kt_model_create(const struct kt_arch *arch);
void kt_model_destroy(struct kt_model *m);
/* Begins a frame. */
int kt_model_begin(struct kt_model *m, const u64 *regs, const struct kt_insn *const *insn, u32 nlocal, struct kt_err *err);

static inline struct kt_granule *kt_map_at(struct kt_model *m, u64 granule)
{
	return &m->map[(granule ^ granule >> 16) & ((1 << KT_MAP_BITS) - 1)];
}

u64 kt_map_initial(struct kt_model *m, u64 granule);

/* The granule's entry, made if it is another's. */
static inline struct kt_granule *kt_map_make(struct kt_model *m, u64 granule, bool whole)
{
	struct kt_granule *g = kt_map_at(m, granule);
	if (kt_unlikely(g->gen != m->gen || g->tag != granule))
		*g = (struct kt_granule){ .tag = granule, .gen = m->gen, .data = whole || !m->initial.page ? 0 : kt_map_initial(m, granule) };
	return g;
}

/* Up to 8 bytes at pa. True if all are known; *value holds what is known, and the initial memory where it is not. */
static inline bool kt_map_get(struct kt_model *m, u64 pa, unsigned size, u64 *value)
{
	unsigned off = pa & 7, first = KT_MIN(size, 8 - off);
	struct kt_granule *g = kt_map_make(m, pa >> 3, false);
	u8 want = (u8)((1u << first) - 1) << off;
	u64 v = g->data >> 8 * off;
	bool all = (g->known & want) == want;
	if (size < 8)
		v &= (1ull << 8 * size) - 1;
	if (kt_unlikely(first < size)) {
		u64 high;
		v &= (1ull << 8 * first) - 1;
		all &= kt_map_get(m, pa + first, size - first, &high);
		v |= high << 8 * first;
	}
	*value = v;
	return all;
}

static inline void kt_map_put(struct kt_model *m, u64 pa, unsigned size, u64 value)
{
	unsigned off = pa & 7, first = KT_MIN(size, 8 - off);
	struct kt_granule *g = kt_map_make(m, pa >> 3, first == 8);
	u64 bytes = first == 8 ? ~0ull : (1ull << 8 * first) - 1;
	g->data = (g->data & ~(bytes << 8 * off)) | (value & bytes) << 8 * off;
	g->known |= (u8)((1u << first) - 1) << off;
	if (kt_unlikely(first < size))
		kt_map_put(m, pa + first, size - first, value >> 8 * first);
}

/* Longer ranges, within the frame's budget (so that no frame can cost more than it could ever be worth): data of n bytes, or elem bytes repeated. */
void kt_map_put_bytes(struct kt_model *m, u64 pa, const u8 *data, u32 n);
void kt_map_fill(struct kt_model *m, u64 pa, const u8 *data, u32 elem, u32 n);
/* True if all n bytes at pa are known and the budget allows to look; to gets them (or is partly written). */
bool kt_map_get_bytes(struct kt_model *m, u64 pa, u8 *to, u32 n);

static inline struct kt_last *kt_last_at(struct kt_model *m, u32 local, u32 what)
{
	u32 h = (local * 0x9e3779b1u) ^ (what + 1) * 0x85ebca6bu;
	return &m->last[(h ^ h >> 15) & ((1 << KT_LAST_BITS) - 1)];
}

/* n bytes of this step's data, NULL and bad when it has too much. */
static inline u8 *kt_arena(struct kt_model *m, u32 n)
{
	if (kt_unlikely(n > KT_STEP_DATA - m->arena_used)) {
		m->bad = true;
		return NULL;
	}
	u8 *p = m->arena + m->arena_used;
	m->arena_used += n;
	return p;
}

/* A linear page's physical page and space: predicted from the frame's translations, corrected where wrong. */
static inline __attribute__((always_inline)) struct kt_page kt_model_xlate(struct kt_model *m, const bool enc, u64 vpage, struct kt_page real)
{
	struct kt_tlb *t = &m->tlb[(vpage ^ vpage >> KT_TLB_BITS) & ((1 << KT_TLB_BITS) - 1)];
	u64 *region = &m->region[(vpage >> 18 ^ vpage >> 24) & ((1 << KT_REGION_BITS) - 1)];
	bool hit = t->gen == m->gen && t->vpage == vpage;
	struct kt_page guess = { hit ? t->ppage : (vpage + *region) & (~0ull >> 12), hit && t->mmio };
	if (kt_unlikely(!kt_ac_bit(&m->addr_ac, enc, &m->xlate[hit], enc && guess.ppage == real.ppage && guess.mmio == real.mmio))) {
		guess.mmio = kt_ac_bit(&m->addr_ac, enc, &m->xlate_mmio, real.mmio);
		guess.ppage = kt_ac_number(&m->addr_ac, enc, &m->n_addr, 7, guess.ppage, real.ppage);
		hit = false;
	}
	if (kt_unlikely(!hit)) {
		*t = (struct kt_tlb){ vpage, guess.ppage, m->gen, guess.mmio };
		if (!guess.mmio)
			*region = guess.ppage - vpage;
	}
	return guess;
}

#endif
