/* SPDX-License-Identifier: MIT */
#include "store/zone.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arm64/arm64_regs.h"
#include "arch/x86_64/x86_regs.h"

unsigned kt_zone_level(const struct kt_arch *arch, const u64 *regs)
{
	if (arch->id == KT_ARCH_ARM64)
		return (regs[ARM64_pstate] & ARM64_PSTATE_EL) >> 2;
	return x86_cpl(regs);
}

void kt_zone_begin(struct kt_zone *z, const struct kt_arch *arch, const u64 *regs)
{
	u64 *rpage = z->rpage;

	*z = (struct kt_zone){ .rpage = rpage, .pc_min = ~0ull };
	z->levels = (u8)(1u << kt_zone_level(arch, regs));
	memcpy(z->min, regs, arch->nhot * sizeof *regs);
	memcpy(z->max, regs, arch->nhot * sizeof *regs);
}

void kt_zone_step(struct kt_zone *z, const struct kt_arch *arch, const struct kt_step *s, const u64 *prev, const u64 *regs)
{
	z->kinds |= (u8)(1u << (s->kind & 7));
	z->pc_min = KT_MIN(z->pc_min, s->pc);
	z->pc_max = KT_MAX(z->pc_max, s->pc);
	for (unsigned r = 0; r < arch->nhot; r++) {
		u64 v = s->hot[r];
		if (v == prev[r])
			continue;
		z->changed |= 1ull << r;
		z->min[r] = KT_MIN(z->min[r], v);
		z->max[r] = KT_MAX(z->max[r], v);
	}
	for (unsigned i = 0; i < s->naccess; i++) {
		u8 bit = (u8)(1u << (s->access[i].space & 7));
		if (s->access[i].flags & KT_ACCESS_WRITE)
			z->writes |= bit;
		else
			z->reads |= bit;
	}
	for (unsigned i = 0; i < s->nevent; i++)
		z->events |= 1u << (s->event[i].kind & 31);
	for (unsigned i = 0; i < s->ncold; i++)
		z->cold[s->cold[i].reg / 32] |= 1u << s->cold[i].reg % 32;
	/* x86's level lies in cold registers (SS attributes, CR0; VM changes only together with them), arm64's is hot. */
	if (s->ncold || arch->id == KT_ARCH_ARM64)
		z->levels |= (u8)(1u << kt_zone_level(arch, s->ncold ? regs : s->hot));
}

void kt_zone_put(struct kt_buf *out, const struct kt_zone *z, const struct kt_arch *arch)
{
	u64 last = 0;
	unsigned ncold = 0;

	kt_buf_u8(out, z->kinds);
	kt_buf_u8(out, z->levels);
	kt_buf_u8(out, z->reads);
	kt_buf_u8(out, z->writes);
	kt_buf_varint(out, z->events);
	kt_buf_varint(out, z->pc_min);
	kt_buf_varint(out, z->pc_max - z->pc_min);
	kt_buf_varint(out, z->changed);
	for (unsigned r = 0; r < arch->nhot; r++) {
		kt_buf_varint(out, z->min[r]);
		kt_buf_varint(out, z->max[r] - z->min[r]);
	}
	for (unsigned i = 0; i < KT_REGS_MAX / 32; i++)
		ncold += (unsigned)__builtin_popcount(z->cold[i]);
	kt_buf_varint(out, ncold);
	for (unsigned r = 0; r < KT_REGS_MAX; r++)
		if (z->cold[r / 32] >> r % 32 & 1)
			kt_buf_u8(out, (u8)r);
	kt_buf_varint(out, z->nrpages);
	for (u32 i = 0; i < z->nrpages; i++) {
		kt_buf_varint(out, z->rpage[i] - last);
		last = z->rpage[i];
	}
}

static int get_pages(struct kt_rd *r, struct kt_zone *z, const char *what, struct kt_err *err)
{
	u64 n = kt_rd_varint(r), last = 0;

	if (r->bad || n > kt_rd_left(r))
		return kt_fail(err, KT_E_CORRUPT, "%s: its zone map claims %llu pages", what, (unsigned long long)n);
	z->rpage = malloc(n ? (size_t)n * sizeof(u64) : 1);
	if (!z->rpage)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory for a zone map", what);
	z->nrpages = (u32)n;
	for (u64 i = 0; i < n; i++) {
		u64 step = kt_rd_varint(r);
		if ((i && !step) || last + step < last)
			r->bad = true;
		z->rpage[i] = last += step;
	}
	return 0;
}

int kt_zone_get(struct kt_rd *r, struct kt_zone *z, const struct kt_arch *arch, const char *what, struct kt_err *err)
{
	*z = (struct kt_zone){ .kinds = kt_rd_u8(r), .levels = 0 };
	z->levels = kt_rd_u8(r);
	z->reads = kt_rd_u8(r);
	z->writes = kt_rd_u8(r);
	z->events = (u32)kt_rd_varint(r);
	z->pc_min = kt_rd_varint(r);
	z->pc_max = z->pc_min + kt_rd_varint(r);
	z->changed = kt_rd_varint(r);
	for (unsigned i = 0; i < arch->nhot; i++) {
		z->min[i] = kt_rd_varint(r);
		z->max[i] = z->min[i] + kt_rd_varint(r);
	}
	u64 ncold = kt_rd_varint(r);
	for (u64 i = 0; i < ncold && !r->bad; i++) {
		u8 reg = kt_rd_u8(r);
		z->cold[reg / 32] |= 1u << reg % 32;
	}
	int rc = get_pages(r, z, what, err);
	if (!rc && r->bad)
		rc = kt_fail(err, KT_E_CORRUPT, "%s: its zone map is cut short", what);
	if (rc)
		kt_zone_free(z);
	return rc;
}

void kt_zone_free(struct kt_zone *z)
{
	free(z->rpage);
	z->rpage = NULL;
	z->nrpages = 0;
}
