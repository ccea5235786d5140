/* SPDX-License-Identifier: MIT */
/* Guest memory as versions of 4 KiB pages. A chunk that writes a page leaves one version of it: the page at the chunk's
 * end, as the bytes that differ from the version before, or whole. While writing, a hash per page says what the trace believes it holds;
 * what the guest's memory really held when a page is touched must agree (the audit). */
#ifndef KT_PAGES_H
#define KT_PAGES_H

#include "base/zst.h"
#include "store/chunk.h"

enum { KT_PAGE = 4096, KT_PAGE_SHIFT = 12, KT_PAGE_DEPTH = 16, KT_PAGE_DELTA_MAX = 3072, KT_PAGE_GROUP = 65536 };
/* All RAM ranges of a trace together: a bound on what checking a hostile file costs. */
#define KT_RAM_TOTAL (1ull << 38)

enum { KT_EXTENT = 65536, KT_EXTENT_SHIFT = 16, KT_RAM_MAX = 8 };

enum kt_page_kind { /* stands in trace files */
	KT_PAGE_DELTA = 0, /* bytes that differ from version `back` */
	KT_PAGE_FULL = 1,  /* 4096 bytes */
	KT_PAGE_ZERO = 2,  /* all zero: no data */
	KT_PAGE_SAME = 3   /* written, and its content is again what it was */
};

struct kt_page_entry {
	u64 page;  /* gpa >> 12 */
	u32 back;  /* DELTA, SAME: chunks back to the version it builds on; 0: the content before any version (initial, audit) */
	u32 size;  /* DELTA: bytes of its run list */
	u8 kind;   /* enum kt_page_kind */
};
struct kt_page_list {
	struct kt_page_entry *e; /* ascending by page */
	u32 n, cap;
};

void kt_page_list_free(struct kt_page_list *l);
void kt_page_list_put(struct kt_buf *out, const struct kt_page_list *l);
/* l is replaced. -KT_E_CORRUPT, -KT_E_NOMEM. */
int kt_page_list_get(struct kt_rd *r, struct kt_page_list *l, const char *what, struct kt_err *err);
const struct kt_page_entry *kt_page_list_find(const struct kt_page_list *l, u64 page);

/* Appends how `to` differs from `from`: runs (varint bytes alike, varint length) and the runs' bytes in `to`. */
void kt_page_delta_put(struct kt_buf *runs, struct kt_buf *bytes, const u8 *from, const u8 *to);
/* Lays the runs of a delta over a page; takes what they need from `bytes`. false: they leave the page, or bytes lack. */
bool kt_page_delta_apply(u8 *page, struct kt_rd runs, struct kt_rd *bytes);
/* Does a write access to the part of it that lies in the page at gpa; other spaces and reads do nothing. */
void kt_page_write(u8 *page, u64 gpa, const struct kt_access *a);
bool kt_page_is_zero(const u8 *page);

/* What a page's content is known to be. */
struct kt_page_state {
	u64 hash;         /* XXH3-64 of it */
	u32 version;      /* chunk of its last version + 1; 0: none */
	u32 checked : 26; /* chunks finished when it was last known to be right */
	u32 depth : 5;    /* deltas since the last whole version */
	u32 whole : 1;    /* the next version must be whole */
};

struct kt_pages_ram {
	u64 gpa, size;
};
struct kt_pages;

/* All of RAM zero. Ranges ascend, do not overlap, are multiples of 4096. NULL: out of memory or bad ranges. */
struct kt_pages *kt_pages_create(const struct kt_pages_ram *ram, unsigned n);
void kt_pages_destroy(struct kt_pages *p);
/* NULL outside RAM. */
struct kt_page_state *kt_pages_at(struct kt_pages *p, u64 gpa);

/* One page of a chunk while it is being encoded. */
struct kt_page_work {
	u64 page;
	const u8 *before;
	u8 *after;   /* 4096 bytes */
	bool written;
};
/* The pages of a chunk, found by address; reused from chunk to chunk. */
struct kt_page_set {
	struct kt_page_work *w;
	u32 n, cap;
	u8 *images;    /* cap * 4096 */
	u32 *slot;     /* open-addressed, nslots a power of two; index + 1 */
	u32 nslots, last;
};
void kt_page_set_free(struct kt_page_set *s);
/* Takes the pre-images of a raw chunk: after = before. false: out of memory. */
bool kt_page_set_begin(struct kt_page_set *s, const struct kt_raw_chunk *c);
/* Carries a RAM write out on the post-images. false: a page that nobody announced. */
bool kt_page_set_write(struct kt_page_set *s, const struct kt_access *a);

/* Called for each page whose content before the chunk is not what was known. */
typedef int kt_page_miss_fn(void *ctx, u64 page, const u8 *content, u32 checked, struct kt_err *err);

/* Turns the set into versions of chunk `seq`: fills `list` and appends the pages blob (empty if no data). Updates `p`. */
int kt_pages_build(struct kt_pages *p, struct kt_page_set *s, u32 seq, struct kt_zst *z, struct kt_page_list *list, struct kt_buf *blob,
                   kt_page_miss_fn *miss, void *ctx, struct kt_err *err);
/* Makes the version that entry `index` of the list says out of the one it builds on (in `page`). */
int kt_pages_apply(const struct kt_page_list *list, u32 index, struct kt_rd blob, struct kt_zst *z, u8 *page, const char *what,
                   struct kt_err *err);

#endif
