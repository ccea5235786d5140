/* SPDX-License-Identifier: MIT */
/* The rules that several control transfers share: the stack of an inner level out of the TSS, and what a return to the
 * same or an outer level may load (SDM 2, CALL, INT, IRET, RET; SDM 3, 5.8). */
#include "vm/x86_64/x86_xfer.h"

#include <string.h>

/* Places of stack pointers in the TSS (SDM 3, figures 7-2, 7-10, 7-11). */
enum { TSS16_SP0 = 2, TSS32_ESP0 = 4, TSS64_RSP0 = 4, TSS64_IST1 = 36 };

/* `size` bytes at `offset` of the current TSS, or #TS with its selector. */
static int read_tss(struct x86_xfer *x, unsigned offset, void *to, unsigned size)
{
	const u64 *r = x->c->r;
	if (offset + size - 1 > r[X86_tr_limit])
		return x86_xfer_raise(x, X86_TS, r[X86_tr] & 0xfffc);
	return x86_xfer_table(x, r[X86_tr_base] + offset, to, size);
}

static int inner_stack64(struct x86_xfer *x, unsigned dpl, unsigned ist, struct x86_stack *s)
{
	unsigned offset = ist ? TSS64_IST1 + (ist - 1) * 8 : TSS64_RSP0 + dpl * 8;
	*s = (struct x86_stack){ .width = 8, .use = dpl == 3 ? X86_USE_USER : 0 };
	if (dpl < x86_cpl(x->c->r))
		x86_xfer_null(x, X86_ss, (u16)dpl, dpl);
	return read_tss(x, offset, &s->sp, 8);
}

/* A stack segment for level `dpl`: #TS, or #SS if it is not present (SDM 2, INT: inter-privilege-level). */
static int inner_ss(struct x86_xfer *x, u16 sel, unsigned dpl, struct x86_raw *d)
{
	if (x86_null_sel(sel))
		return x86_xfer_raise(x, X86_TS, 0);
	int rc = x86_xfer_descr(x, sel, X86_TS, d);
	if (rc)
		return rc;
	if ((sel & 3) != dpl || x86_raw_dpl(d) != dpl || !x86_raw_writable(d))
		return x86_xfer_raise(x, X86_TS, sel & 0xfffc);
	if (!x86_raw_present(d))
		return x86_xfer_raise(x, X86_SS_VEC, sel & 0xfffc);
	return x86_xfer_load(x, X86_ss, sel, d);
}

int x86_xfer_inner_stack(struct x86_xfer *x, unsigned dpl, unsigned ist, struct x86_stack *s)
{
	struct x86_raw d;
	if (x->lma)
		return inner_stack64(x, dpl, ist, s);
	bool tss32 = x->c->r[X86_tr_attr] & 8;
	unsigned width = tss32 ? 4 : 2, offset = tss32 ? TSS32_ESP0 + dpl * 8 : TSS16_SP0 + dpl * 4;
	u8 raw[6];
	u32 sp = 0;
	u16 sel;
	int rc = read_tss(x, offset, raw, width + 2);
	if (rc)
		return rc;
	memcpy(&sp, raw, width);
	memcpy(&sel, raw + width, 2);
	rc = inner_ss(x, sel, dpl, &d);
	if (rc)
		return rc;
	const struct x86_segval *ss = &x->seg[X86_XFER_SEG(X86_ss)];
	*s = (struct x86_stack){
		.sp = sp, .base = ss->base, .limit = ss->limit, .attr = ss->attr, .width = ss->attr & X86_ATTR_DB ? 4 : 2, .error = sel
	};
	return 0;
}

int x86_xfer_return_cs(struct x86_xfer *x, u16 sel, struct x86_raw *d)
{
	unsigned rpl = sel & 3;
	if (x86_null_sel(sel))
		return x86_xfer_raise(x, X86_GP, 0);
	int rc = x86_xfer_descr(x, sel, X86_GP, d);
	if (rc)
		return rc;
	bool ok = x86_raw_code(d) && rpl >= x86_cpl(x->c->r);
	ok = ok && (x86_raw_conforming(d) ? x86_raw_dpl(d) <= rpl : x86_raw_dpl(d) == rpl);
	if (!ok || (x->lma && x86_raw_long(d) && x86_raw_db(d)))
		return x86_xfer_raise(x, X86_GP, sel & 0xfffc);
	return x86_raw_present(d) ? 0 : x86_xfer_raise(x, X86_NP, sel & 0xfffc);
}

int x86_xfer_return_ss(struct x86_xfer *x, u16 sel, unsigned rpl, bool code64)
{
	struct x86_raw d;
	if (x86_null_sel(sel)) {
		if (!code64 || rpl == 3 || (sel & 3) != rpl)
			return x86_xfer_raise(x, X86_GP, 0);
		x86_xfer_null(x, X86_ss, sel, rpl);
		return 0;
	}
	int rc = x86_xfer_descr(x, sel, X86_GP, &d);
	if (rc)
		return rc;
	if ((sel & 3) != rpl || !x86_raw_writable(&d) || x86_raw_dpl(&d) != rpl)
		return x86_xfer_raise(x, X86_GP, sel & 0xfffc);
	if (!x86_raw_present(&d))
		return x86_xfer_raise(x, X86_SS_VEC, sel & 0xfffc);
	return x86_xfer_load(x, X86_ss, sel, &d);
}

void x86_xfer_drop_data(struct x86_xfer *x, unsigned rpl)
{
	static const u16 segs[] = { X86_es, X86_ds, X86_fs, X86_gs };
	for (unsigned i = 0; i < KT_ARRAY_LEN(segs); i++) {
		u64 attr = x->c->r[segs[i] + X86_SEG_ATTR];
		bool conforming = (attr & 0xc) == 0xc;
		if (!(attr & X86_ATTR_UNUSABLE) && !conforming && (attr >> 5 & 3) < rpl)
			x86_xfer_null(x, segs[i], 0, 0);
	}
}

/* A 16-bit stack takes only SP: bits 31:16 of the inner ESP stay, as on every CPU (the leak behind Linux' espfix). */
u64 x86_xfer_return_sp(const struct x86_xfer *x, u64 left, u64 popped, bool code64)
{
	if (code64)
		return popped;
	if (x->seg[X86_XFER_SEG(X86_ss)].attr & X86_ATTR_DB)
		return (u32)popped;
	return (left & 0xffff0000) | (popped & 0xffff);
}
