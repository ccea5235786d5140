/* SPDX-License-Identifier: MIT */
/* The page walk in every paging mode: 32-bit, PAE, 4- and 5-level (Intel SDM 3, chapter 4).
 *
 * All modes are one loop over levels; a mode is a row of `struct shape`: where the tables start, how wide an entry and
 * an index are, which levels may map a large page. Rights are the AND of all entries; they are judged once, at the
 * end, after every entry was present and free of reserved bits, as the manual has it (4.6, 4.7). */
#include "arch/x86_64/x86_walk.h"

#include <string.h>

enum { E_P = 1, E_RW = 2, E_US = 4, E_A = 0x20, E_D = 0x40, E_PS = 0x80 };
enum { ERR_P = 1, ERR_W = 2, ERR_U = 4, ERR_RSVD = 8, ERR_ID = 16 };
#define E_XD (1ull << 63)
#define PHYS_MASK ((1ull << X86_PHYS_BITS) - 1)
#define TABLE_MASK (PHYS_MASK & ~0xfffull)

struct shape {
	u64 root;         /* physical address of the first table */
	u64 rsvd;         /* bits reserved in every entry */
	unsigned levels;  /* tables on the way to a 4K page */
	unsigned bits;    /* of index per level */
	unsigned size;    /* bytes of an entry */
	unsigned large;   /* bit l set: an entry of level l (1 = page table) may have PS */
	bool pdpte4;      /* the top level has four entries, with rules of their own (PAE) */
};

struct walker {
	const u64 *regs;
	x86_phys_fn *phys;
	void *ctx;
	u64 va;
	unsigned use;
	u64 rights; /* AND of R/W and U/S */
	bool xd;
	struct x86_walk *w;
};

static bool as_user(const struct walker *k)
{
	return (k->use & (X86_USE_USER | X86_USE_IMPLICIT)) == X86_USE_USER;
}

static bool has_nx(const u64 *r)
{
	return r[X86_cr4] & X86_CR4_PAE && r[X86_efer] & X86_EFER_NXE;
}

/* Error code: SDM 3, 4.7. I/D tells of a fetch only where fetches can be forbidden. */
static int page_fault(struct walker *k, u32 why)
{
	u32 error = why;
	if (k->use & X86_USE_WRITE)
		error |= ERR_W;
	if (as_user(k))
		error |= ERR_U;
	if (k->use & X86_USE_FETCH && (has_nx(k->regs) || k->regs[X86_cr4] & X86_CR4_SMEP))
		error |= ERR_ID;
	k->w->error = error;
	k->w->nset = 0;
	return -1;
}

/* An entry outside RAM reads as all ones. */
static u64 entry_at(struct walker *k, u64 pa, unsigned size)
{
	const u8 *p = k->phys(k->ctx, pa, size);
	u64 e = size == 8 ? ~0ull : 0xffffffffull;
	if (p)
		memcpy(&e, p, size);
	return e;
}

/* Notes that `bits` have to be set in the entry. With a table that maps itself one entry serves several levels: it
 * stays one change. */
static void mark(struct walker *k, u64 pa, unsigned size, u64 e, u64 bits)
{
	struct x86_walk *w = k->w;
	if ((e & bits) == bits)
		return;
	for (unsigned n = 0; n < w->nset; n++) {
		if (w->set[n].pa == pa) {
			w->set[n].new_ |= bits;
			return;
		}
	}
	w->set[w->nset].pa = pa;
	w->set[w->nset].size = (u8)size;
	w->set[w->nset].old = e;
	w->set[w->nset].new_ = e | bits;
	w->nset++;
}

static struct shape shape_of(const u64 *r)
{
	u64 cr3 = r[X86_cr3], cr4 = r[X86_cr4];
	u64 high = ((1ull << 52) - 1) & ~PHYS_MASK; /* address bits the CPU does not have */
	u64 nx = has_nx(r) ? 0 : E_XD;              /* without NXE bit 63 is reserved */
	if (r[X86_efer] & X86_EFER_LMA)
		return (struct shape){.root = cr3 & TABLE_MASK, .rsvd = high | nx, .levels = cr4 & X86_CR4_LA57 ? 5 : 4,
		                      .bits = 9, .size = 8, .large = 1 << 2 | 1 << 3};
	if (cr4 & X86_CR4_PAE) /* table 4-8 and on: 62:M are reserved here, ignored in long mode */
		return (struct shape){.root = cr3 & 0xffffffe0ull, .rsvd = high | 0x7ffull << 52 | nx, .levels = 3, .bits = 9,
		                      .size = 8, .large = 1 << 2, .pdpte4 = true};
	return (struct shape){.root = cr3 & 0xfffff000ull, .levels = 2, .bits = 10, .size = 4,
	                      .large = cr4 & X86_CR4_PSE ? 1 << 2 : 0};
}

/* Reserved bits of a level's entry beyond those of all entries. */
static u64 reserved(const struct shape *s, unsigned level, unsigned shift, u64 e)
{
	if (s->pdpte4 && level == 3) /* table 4-8: 2:1, 8:5 and all above the address, bit 63 in any case */
		return s->rsvd | 0x1e6 | E_XD;
	if (level == 1)
		return s->rsvd;
	if (!(e & E_PS))
		return s->rsvd;
	if (s->large & 1u << level) {
		if (s->size == 4) /* table 4-4: 20:13 hold address bits 39:32; those the CPU lacks and bit 21 are reserved */
			return 0x3fe000ull & ~((1ull << (X86_PHYS_BITS - 19)) - 1);
		return s->rsvd | (((1ull << shift) - 1) & ~0x1fffull);
	}
	return s->size == 8 ? s->rsvd | E_PS : s->rsvd; /* PML4E, PML5E: PS is reserved; 32-bit without PSE: ignored */
}

/* SDM 3, 4.6.1. */
static bool permitted(const struct walker *k)
{
	const u64 *r = k->regs;
	bool user_page = k->rights & E_US, writable = k->rights & E_RW;
	if (as_user(k)) {
		if (!user_page || (k->use & X86_USE_WRITE && !writable))
			return false;
		return !(k->use & X86_USE_FETCH && k->xd);
	}
	if (k->use & X86_USE_FETCH)
		return !k->xd && !(user_page && r[X86_cr4] & X86_CR4_SMEP);
	if (user_page && r[X86_cr4] & X86_CR4_SMAP && (k->use & X86_USE_IMPLICIT || !(r[X86_rflags] & X86_AC)))
		return false;
	return !(k->use & X86_USE_WRITE) || writable || !(r[X86_cr0] & X86_CR0_WP);
}

static int walk_tables(struct walker *k)
{
	const struct shape s = shape_of(k->regs);
	struct x86_walk *w = k->w;
	u64 table = s.root;
	for (unsigned level = s.levels;; level--) {
		unsigned shift = 12 + (level - 1) * s.bits;
		bool top4 = s.pdpte4 && level == 3;
		u64 index = k->va >> shift & ((1u << (top4 ? 2 : s.bits)) - 1);
		u64 pa = table + index * s.size, e = entry_at(k, pa, s.size);
		if (!(e & E_P))
			return page_fault(k, 0);
		if (e & reserved(&s, level, shift, e))
			return page_fault(k, ERR_P | ERR_RSVD);
		if (!top4) { /* PDPTEs of PAE carry no rights and no A bit */
			k->rights &= e;
			k->xd |= s.size == 8 && e & E_XD;
		}
		bool leaf = level == 1 || (e & E_PS && s.large & 1u << level);
		if (!leaf) {
			if (!top4)
				mark(k, pa, s.size, e, E_A);
			table = s.size == 8 ? e & TABLE_MASK : e & 0xfffff000ull;
			continue;
		}
		u64 offset = (1ull << shift) - 1;
		w->page_size = offset + 1;
		if (!permitted(k))
			return page_fault(k, ERR_P);
		mark(k, pa, s.size, e, k->use & X86_USE_WRITE ? E_A | E_D : E_A);
		u64 base = s.size == 8 ? e & PHYS_MASK : e & 0xffffffffull;
		if (s.size == 4 && level == 2)
			base |= (e >> 13 & 0xff) << 32;
		w->pa = (base & ~offset) | (k->va & offset);
		w->write_ok = k->rights & E_RW;
		w->user_ok = k->rights & E_US;
		w->exec_ok = !k->xd;
		return 0;
	}
}

int x86_walk(const u64 *regs, x86_phys_fn *phys, void *ctx, u64 va, unsigned use, struct x86_walk *w)
{
	if (!(regs[X86_efer] & X86_EFER_LMA))
		va &= 0xffffffffull;
	w->nset = 0;
	w->error = 0;
	w->page_size = 0;
	if (!(regs[X86_cr0] & X86_CR0_PG)) {
		w->pa = va;
		w->page_size = 4096;
		w->write_ok = w->exec_ok = w->user_ok = true;
		return 0;
	}
	struct walker k = {.regs = regs, .phys = phys, .ctx = ctx, .va = va, .use = use, .rights = E_RW | E_US, .w = w};
	return walk_tables(&k);
}

bool x86_canonical(const u64 *regs, u64 va)
{
	if (!(regs[X86_efer] & X86_EFER_LMA))
		return true;
	unsigned unused = regs[X86_cr4] & X86_CR4_LA57 ? 64 - 57 : 64 - 48;
	return (u64)((s64)(va << unused) >> unused) == va;
}
