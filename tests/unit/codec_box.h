/* SPDX-License-Identifier: MIT */
/* A frame with all that its decoding needs, in one file: golden tests and the fuzz target's corpus.
 *
 * mode (u8; bit 0: the frame is whole, else six stream sizes and the streams, for which a right header is made; bit 1: with
 * initial memory), count (varint), number of instructions (u8, to 64), for each the distance of its PC from the one before
 * (svarint), length - 1 (u8), descriptor; keyframes of one register file; the rest is the frame. */
#ifndef KT_CODEC_BOX_H
#define KT_CODEC_BOX_H

#include <string.h>

#include "arch/x86_64/x86_regs.h"
#include "store/codec.h"
#include "store/codec_frame.h"

enum { BOX_INSNS = 64, BOX_STEPS = 4096, BOX_WHOLE = 1, BOX_INITIAL = 2 };

struct box {
	u8 mode;
	u32 count, ninsn;
	struct kt_insn insn[BOX_INSNS];
	u32 local[BOX_INSNS];
	u64 regs[KT_REGS_MAX];
	struct kt_buf frame; /* with its header */
	struct kt_dict_view dict;
	struct kt_memory_view initial; /* page is NULL without BOX_INITIAL */
};

static inline const struct kt_insn *box_insn(void *ctx, u32 id)
{
	struct box *b = ctx;
	return id && id <= b->ninsn ? &b->insn[id - 1] : NULL;
}

/* Initial memory: 1 MiB of RAM, every byte of a page is its number. */
static inline const u8 *box_page(void *ctx, u64 gpa)
{
	static u8 page[4096];
	memset(page, (int)(gpa >> 12), sizeof(page));
	return gpa < 1 << 20 ? page : NULL;
}

static inline void box_put(struct kt_buf *out, const struct box *b)
{
	u64 pc = 0x1000;
	kt_buf_u8(out, b->mode | BOX_WHOLE);
	kt_buf_varint(out, b->count);
	kt_buf_u8(out, (u8)b->ninsn);
	for (u32 i = 0; i < b->ninsn; i++) {
		kt_buf_svarint(out, (s64)(b->insn[i].pc - pc));
		pc = b->insn[i].pc;
		kt_buf_u8(out, b->insn[i].len - 1);
		kt_desc_put(out, &b->insn[i].desc);
	}
	kt_keyframes_put(out, &kt_arch_x86_64, b->regs, 1);
	kt_buf_put(out, b->frame.data, b->frame.len);
}

static inline void box_frame(struct box *b, struct kt_rd *r)
{
	if (b->mode & BOX_WHOLE) {
		kt_buf_put(&b->frame, r->p, kt_rd_left(r));
		return;
	}
	struct kt_frame f = { .count = b->count, .end = 7, .features = b->mode & BOX_INITIAL ? KT_FRAME_INITIAL : 0 };
	for (unsigned i = 0; i < KT_STREAMS; i++)
		f.size[i] = kt_rd_varint(r);
	r->bad = false;
	for (unsigned i = 0; i < KT_STREAMS; i++) {
		f.size[i] = KT_MIN(f.size[i], kt_rd_left(r));
		f.stream[i] = kt_rd_bytes(r, f.size[i]);
	}
	kt_frame_put(&b->frame, &f);
}

/* Whatever the bytes are, b is something that can be decoded, or fails to. b->frame is appended to: empty it before. */
static inline void box_get(struct box *b, const u8 *data, size_t size, u32 most)
{
	struct kt_rd r = kt_rd_of(data, size);
	u64 pc = 0x1000;

	b->mode = kt_rd_u8(&r);
	b->count = (u32)(kt_rd_varint(&r) % (most + 1));
	b->ninsn = kt_rd_u8(&r) % (BOX_INSNS + 1);
	for (u32 i = 0; i < b->ninsn; i++) {
		pc += (u64)kt_rd_svarint(&r);
		b->insn[i] = (struct kt_insn){ .id = i + 1, .pc = pc, .len = kt_rd_u8(&r) % 15 + 1 };
		if (kt_desc_get(&r, X86_NREGS, &b->insn[i].desc, NULL))
			b->insn[i].desc = (struct kt_desc){ .op = KT_OP_LITERAL, .len = b->insn[i].len };
		b->local[i] = i + 1;
	}
	memset(b->regs, 0, sizeof(b->regs));
	if (kt_keyframes_get(&r, &kt_arch_x86_64, b->regs, 1, NULL))
		memset(b->regs, 0, sizeof(b->regs));
	r.bad = false;
	box_frame(b, &r);
	b->dict = (struct kt_dict_view){ box_insn, b };
	b->initial = (struct kt_memory_view){ b->mode & BOX_INITIAL ? box_page : NULL, NULL };
}

/* Every field of a step, for hashing. */
static inline void box_put_step(struct kt_buf *out, const struct kt_step *s, u32 id)
{
	const u64 head[] = { s->kind, s->pc, id, s->naccess, s->nevent, s->ncold };
	kt_buf_put(out, head, sizeof(head));
	kt_buf_put(out, s->hot, s->nhot * sizeof(u64));
	for (unsigned i = 0; i < s->naccess; i++) {
		const struct kt_access *a = &s->access[i];
		const u64 w[] = { a->va, a->pa, a->size, a->space, a->flags, a->elem };
		kt_buf_put(out, w, sizeof(w));
		if (!(a->flags & KT_ACCESS_NODATA))
			kt_buf_put(out, a->data, a->flags & KT_ACCESS_FILL ? a->elem : a->size);
	}
	for (unsigned i = 0; i < s->nevent; i++) {
		const u64 w[] = { s->event[i].kind, s->event[i].num, s->event[i].code, s->event[i].value };
		kt_buf_put(out, w, sizeof(w));
	}
	for (unsigned i = 0; i < s->ncold; i++) {
		const u64 w[] = { s->cold[i].reg, s->cold[i].value };
		kt_buf_put(out, w, sizeof(w));
	}
}

#endif
