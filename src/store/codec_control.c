/* SPDX-License-Identifier: MIT */
/* The control stream. Most instructions have one successor: a cheap decision confirms it. Branches with several are
 * decided by mixed contexts (global and local history, loop length); returns by a stack of calls; what is new by where
 * it stands in the local table, whose order is that of first execution. */
#include "store/codec_control.h"

#include <stdlib.h>

#include "store/codec_mix.h"

enum node_state { NODE_NEW = 0, NODE_ONE, NODE_MANY };
enum node_class { CLASS_PLAIN = 0, CLASS_NOP, CLASS_CALL, CLASS_RET, CLASS_LITERAL, CLASS_OTHER, CLASSES };

/* What is known of an instruction's successors in this frame. */
struct node {
	u32 seq;      /* local index of the instruction that stands behind it, or KT_LOCAL_NONE */
	u32 only;     /* NODE_ONE: its successor */
	u32 to[2];    /* last successors other than seq, most recent first */
	kt_slot slot;
	u16 history;  /* its last outcomes: 1 where seq followed */
	u16 run;      /* equal outcomes in a row (NODE_ONE: visits, up to 15) */
	u8 state, class;
	bool sure;    /* NODE_ONE and cannot branch: nothing is coded */
	bool went_seq, several; /* seq has followed; more than one other has */
};

enum { CONTEXT_BITS = 14, PATH_BITS = 12, RETURN_DEPTH = 64, CANDIDATES = 6, SETS = 8 };

struct kt_control {
	struct kt_mix_tables tables;
	u32 nlocal, cap, explicit_bits;
	const struct kt_insn **insn;
	struct node *node;   /* nlocal + 5: none, behind a step of kind 1..3, the frame's start */
	u32 *by_pc, pc_mask; /* open addressing: local index + 1 */
	kt_slot one[CLASSES][16], fresh[CLASSES], candidate[CLASSES][CANDIDATES], ret, explicit_tree[256];
	struct kt_mix_weights weights[SETS];
	kt_slot context[1 << CONTEXT_BITS];
	u32 path_to[1 << PATH_BITS];
	u32 returns[RETURN_DEPTH], nreturns;
	u32 history, path, newest;
};

struct kt_control *kt_control_create(void)
{
	struct kt_control *c = calloc(1, sizeof(*c));
	if (c)
		kt_mix_tables_init(&c->tables);
	return c;
}

void kt_control_destroy(struct kt_control *c)
{
	if (!c)
		return;
	free(c->insn);
	free(c->node);
	free(c->by_pc);
	free(c);
}

const struct kt_insn *const *kt_control_insns(const struct kt_control *c)
{
	return (const struct kt_insn *const *)c->insn;
}

static int make_room(struct kt_control *c, u32 nlocal, struct kt_err *err)
{
	if (nlocal <= c->cap && c->node)
		return 0;
	u32 cap = 1024;
	while (cap < nlocal)
		cap *= 2;
	free(c->insn);
	free(c->node);
	free(c->by_pc);
	c->cap = cap;
	c->insn = calloc(cap, sizeof(*c->insn));
	c->node = calloc(cap + 5, sizeof(*c->node));
	c->by_pc = calloc(2 * cap, sizeof(*c->by_pc));
	if (c->insn && c->node && c->by_pc)
		return 0;
	c->cap = 0;
	return kt_fail(err, KT_E_NOMEM, "no memory for a frame of %u instructions", nlocal);
}

static u32 pc_hash(u64 pc)
{
	return (u32)(pc * 0x9e3779b97f4a7c15ull >> 40);
}

static u32 find_pc(const struct kt_control *c, u64 pc)
{
	for (u32 h = pc_hash(pc) & c->pc_mask;; h = (h + 1) & c->pc_mask) {
		u32 v = c->by_pc[h];
		if (!v)
			return KT_LOCAL_NONE;
		if (c->insn[v - 1]->pc == pc)
			return v - 1;
	}
}

/* Of several instructions at one address the first stays. */
static void add_pc(struct kt_control *c, u32 local)
{
	u32 h = pc_hash(c->insn[local]->pc) & c->pc_mask;
	for (; c->by_pc[h]; h = (h + 1) & c->pc_mask)
		if (c->insn[c->by_pc[h] - 1]->pc == c->insn[local]->pc)
			return;
	c->by_pc[h] = local + 1;
}

static u8 class_of(const struct kt_desc *d)
{
	switch (d->op) {
	case KT_OP_NOP:
		return d->sp_size && d->sp_add > 0 ? CLASS_RET : CLASS_NOP;
	case KT_OP_CALL:
		return CLASS_CALL;
	case KT_OP_LITERAL:
	case KT_OP_LOOP:
		return CLASS_LITERAL;
	default:
		return d->flags & KT_DESC_REP ? CLASS_LITERAL : CLASS_PLAIN;
	}
}

static void forget(struct kt_control *c)
{
	for (unsigned i = 0; i < CLASSES; i++) {
		kt_slots_init(c->one[i], 16, KT_SLOT_OFTEN);
		c->fresh[i] = i == CLASS_PLAIN ? KT_SLOT_OFTEN : KT_SLOT_EVEN;
		kt_slots_init(c->candidate[i], CANDIDATES, KT_SLOT_EVEN);
	}
	c->ret = KT_SLOT_OFTEN;
	kt_slots_init(c->explicit_tree, 256, KT_SLOT_EVEN);
	for (unsigned i = 0; i < SETS; i++)
		for (unsigned k = 0; k < KT_MIX_INPUTS; k++)
			c->weights[i].w[k] = 20000;
	kt_slots_init(c->context, 1 << CONTEXT_BITS, KT_SLOT_EVEN);
	memset(c->path_to, 0xff, sizeof(c->path_to));
	c->nreturns = c->history = c->path = c->newest = 0;
}

int kt_control_begin(struct kt_control *c, const u32 *local, u32 nlocal, const struct kt_dict_view *dict, struct kt_err *err)
{
	if (nlocal > KT_CHUNK_STEPS)
		return kt_fail(err, KT_E_CORRUPT, "local id table of %u entries", nlocal);
	int rc = make_room(c, nlocal, err);
	if (rc < 0)
		return rc;
	u32 slots = 64;
	while (slots < 2 * nlocal)
		slots *= 2;
	memset(c->by_pc, 0, slots * sizeof(*c->by_pc));
	c->pc_mask = slots - 1;
	c->nlocal = nlocal;
	for (c->explicit_bits = 1; nlocal >> c->explicit_bits;)
		c->explicit_bits++;
	for (u32 i = 0; i < nlocal; i++) {
		if (!local[i] || (i && local[i] <= local[i - 1]))
			return kt_fail(err, KT_E_CORRUPT, "local id table does not ascend at entry %u", i);
		c->insn[i] = dict->get(dict->ctx, local[i]);
		if (!c->insn[i])
			return kt_fail(err, KT_E_CORRUPT, "instruction %u is not in the dictionary", local[i]);
		add_pc(c, i);
	}
	memset(c->node, 0, (nlocal + 5) * sizeof(*c->node));
	for (u32 i = 0; i < 5; i++)
		c->node[nlocal + i] = (struct node){ .seq = KT_LOCAL_NONE, .to = { KT_LOCAL_NONE, KT_LOCAL_NONE }, .class = CLASS_OTHER, .slot = KT_SLOT_EVEN };
	forget(c);
	return 0;
}

static void meet(struct kt_control *c, u32 at)
{
	struct node *n = &c->node[at];
	if (at >= c->nlocal || n->slot)
		return;
	n->slot = KT_SLOT_EVEN;
	n->class = class_of(&c->insn[at]->desc);
	n->seq = find_pc(c, c->insn[at]->pc + c->insn[at]->len);
	n->to[0] = n->to[1] = KT_LOCAL_NONE;
}

static inline u32 hash2(u32 a, u32 b)
{
	u32 h = a * 0x9e3779b1u ^ (b + 0x7f4a7c15u) * 0x85ebca6bu;
	return h ^ h >> 15;
}

static inline __attribute__((always_inline)) bool mixed(struct kt_control *c, struct kt_ac *a, const bool enc, u32 at, struct node *n, bool bit)
{
	const u32 mask = (1 << CONTEXT_BITS) - 1, h = at << 3;
	kt_slot *slot[KT_MIX_INPUTS] = {
		&n->slot,
		&c->context[hash2(h + 1, c->history & 0xf) & mask],
		&c->context[hash2(h + 2, c->history & 0xff) & mask],
		&c->context[hash2(h + 3, c->history & 0xffff) & mask],
		&c->context[hash2(h + 4, n->history) & mask],
		&c->context[hash2(h + 5, n->run) & mask],
	};
	return kt_mix_bit(a, enc, &c->tables, &c->weights[KT_MIN(n->run, SETS - 1)], slot, bit);
}

static inline __attribute__((always_inline)) u32 explicit_index(struct kt_control *c, struct kt_ac *a, const bool enc, u32 v)
{
	unsigned low = c->explicit_bits > 8 ? c->explicit_bits - 8 : 0, got = kt_ac_tree(a, enc, c->explicit_tree, c->explicit_bits - low, v >> low);
	for (unsigned i = low; i-- > 0;)
		got = got << 1 | kt_ac_code(a, enc, 32768, v >> i & 1);
	return got;
}

/* Successors to try, best first, without repetition. The first is decided by mixing once the node has shown several. */
static unsigned candidates(const struct kt_control *c, u32 at, const struct node *n, u32 out[CANDIDATES])
{
	u32 all[CANDIDATES] = { KT_LOCAL_NONE, KT_LOCAL_NONE, KT_LOCAL_NONE, KT_LOCAL_NONE, KT_LOCAL_NONE, KT_LOCAL_NONE };
	unsigned count = 0, k = 0;

	if (n->went_seq || n->state == NODE_NEW)
		all[k++] = n->seq;
	if (n->several)
		all[k++] = c->path_to[hash2(at, c->path) & ((1 << PATH_BITS) - 1)];
	all[k++] = n->to[0];
	all[k++] = n->to[1];
	if (at < c->nlocal)
		all[k++] = at + 1;
	all[k++] = c->newest;
	for (unsigned i = 0; i < CANDIDATES; i++) {
		bool dup = all[i] > c->nlocal;
		for (unsigned j = 0; j < count; j++)
			dup |= out[j] == all[i];
		if (!dup)
			out[count++] = all[i];
	}
	return count;
}

static void learn(struct kt_control *c, u32 at, struct node *n, u32 next)
{
	bool seq = next == n->seq;
	if (n->state == NODE_NEW) {
		n->state = n->class == CLASS_RET ? NODE_MANY : NODE_ONE;
		n->sure = n->class == CLASS_PLAIN;
		n->only = next;
		n->run = 0;
	} else if (n->state == NODE_ONE && next != n->only) {
		n->state = NODE_MANY;
		n->sure = false;
	}
	n->run = seq == (n->history & 1) ? (u16)KT_MIN(n->run + 1, 60000) : 0;
	n->history = (u16)(n->history << 1 | seq);
	if (n->state == NODE_MANY)
		c->history = c->history << 1 | seq;
	if (seq) {
		n->went_seq = true;
	} else {
		if (n->several || n->class == CLASS_RET)
			c->path_to[hash2(at, c->path) & ((1 << PATH_BITS) - 1)] = next;
		if (next != n->to[0]) {
			n->several |= n->to[0] != KT_LOCAL_NONE;
			n->to[1] = n->to[0];
			n->to[0] = next;
		}
		c->path = hash2(c->path, next) & 0xffff;
	}
	if (next >= c->newest)
		c->newest = next + 1;
}

/* What follows the step at node `at`. missed: it is already known not to be the only successor so far. */
static inline __attribute__((always_inline)) u32 follow_slow(struct kt_control *c, struct kt_ac *a, const bool enc, u32 at, u32 next, bool missed)
{
	u32 try[CANDIDATES], got = KT_LOCAL_NONE;
	struct node *n = &c->node[at];

	meet(c, at);
	if (n->class == CLASS_CALL)
		c->returns[c->nreturns++ % RETURN_DEPTH] = n->seq;
	if (n->class == CLASS_RET && c->nreturns) {
		u32 back = c->returns[--c->nreturns % RETURN_DEPTH];
		if (back != KT_LOCAL_NONE && kt_ac_bit(a, enc, &c->ret, next == back))
			return back; /* nothing to learn from it */
	}
	if (n->state == NODE_ONE && !missed && kt_ac_bit(a, enc, &c->one[n->class][n->run & 15], next == n->only)) {
		n->run += n->run < 15;
		return n->only;
	}
	unsigned count = candidates(c, at, n, try), rank = 0;
	for (; rank < count && got == KT_LOCAL_NONE; rank++) {
		bool hit = next == try[rank];
		if (n->state == NODE_ONE && try[rank] == n->only)
			continue;
		if (rank == 0 && n->state == NODE_MANY)
			hit = mixed(c, a, enc, at, n, hit);
		else
			hit = kt_ac_bit(a, enc, n->state == NODE_NEW && rank == 0 ? &c->fresh[n->class] : &c->candidate[n->class][rank], hit);
		if (hit)
			got = try[rank];
	}
	if (got == KT_LOCAL_NONE)
		got = explicit_index(c, a, enc, next);
	if (!enc && got > c->nlocal)
		return KT_LOCAL_NONE;
	learn(c, at, n, got);
	return got;
}

static __attribute__((noinline)) u32 follow_write(struct kt_control *c, struct kt_ac *a, u32 at, u32 next, bool missed)
{
	return follow_slow(c, a, true, at, next, missed);
}

static __attribute__((noinline)) u32 follow_read(struct kt_control *c, struct kt_ac *a, u32 at, bool missed)
{
	return follow_slow(c, a, false, at, 0, missed);
}

/* The steps that are special: known before the rest is read. */
static void write_specials(const struct kt_flow *f, u32 count, struct kt_buf *out)
{
	u32 n = 0, last = 0;
	u64 pc = 0;
	for (u32 i = 0; i < count; i++)
		n += f->how[i] != 0;
	kt_buf_varint(out, n);
	for (u32 i = 0; i < count; i++) {
		if (!f->how[i])
			continue;
		kt_buf_varint(out, i - last);
		kt_buf_u8(out, f->how[i]);
		if (f->how[i] & KT_FLOW_PC) {
			kt_buf_svarint(out, (s64)(f->pc[i] - pc));
			pc = f->pc[i];
		}
		last = i;
	}
}

static bool read_specials(struct kt_rd *r, u32 count, const struct kt_flow *f)
{
	u64 n = kt_rd_varint(r), at = 0, pc = 0;
	memset(f->how, 0, count * sizeof(*f->how));
	if (n > count)
		return false;
	for (u64 i = 0; i < n; i++) {
		u64 gap = kt_rd_varint(r);
		u8 how = kt_rd_u8(r);
		if (r->bad || gap >= count - at || (i && !gap) || how > 15 || !how)
			return false;
		at += gap;
		f->how[at] = how;
		if (how & KT_FLOW_PC)
			f->pc[at] = pc += (u64)kt_rd_svarint(r);
	}
	return !r->bad;
}

static inline u32 node_behind(const struct kt_control *c, u32 sym, u8 how)
{
	return kt_unlikely(how & KT_FLOW_KIND) ? c->nlocal + (how & KT_FLOW_KIND) : sym;
}

int kt_control_write(struct kt_control *c, const struct kt_flow *f, u32 count, struct kt_buf *out)
{
	struct kt_buf late = { 0 }; /* breaks become known on the way, and stand before it */
	struct kt_ac a;
	u32 at = c->nlocal + 4;

	kt_ac_write_begin(&a, &late);
	for (u32 i = 0; i < count; i++) {
		const struct node *n = &c->node[at];
		bool broken = n->sure && f->sym[i] != n->only;
		if (broken)
			f->how[i] |= KT_FLOW_BREAK;
		if (!n->sure || broken)
			follow_write(c, &a, at, f->sym[i], broken);
		at = node_behind(c, f->sym[i], f->how[i]);
	}
	kt_ac_write_end(&a);
	write_specials(f, count, out);
	kt_buf_put(out, late.data, late.len);
	bool failed = late.failed || out->failed;
	kt_buf_free(&late);
	return failed ? -KT_E_NOMEM : 0;
}

int kt_control_read(struct kt_control *c, const u8 *p, size_t n, u32 count, const struct kt_flow *f, struct kt_err *err)
{
	struct kt_rd r = kt_rd_of(p, n);
	struct kt_ac a;
	u32 at = c->nlocal + 4;

	if (!read_specials(&r, count, f))
		return kt_fail(err, KT_E_CORRUPT, "control stream: list of special steps");
	kt_ac_read_begin(&a, r.p, kt_rd_left(&r));
	for (u32 i = 0; i < count; i++) {
		struct node *nd = &c->node[at];
		u8 how = f->how[i];
		u32 next;
		if (kt_likely(nd->sure)) {
			next = kt_unlikely(how & KT_FLOW_BREAK) ? follow_read(c, &a, at, true) : nd->only;
		} else if (nd->state == NODE_ONE && nd->class != CLASS_CALL) {
			if (kt_likely(kt_ac_bit(&a, false, &c->one[nd->class][nd->run & 15], false))) {
				nd->run += nd->run < 15;
				next = nd->only;
			} else {
				next = follow_read(c, &a, at, true);
			}
		} else {
			next = follow_read(c, &a, at, false);
		}
		if (kt_unlikely(next >= c->nlocal) && (next != c->nlocal || !(how & KT_FLOW_PC)))
			return kt_fail(err, KT_E_CORRUPT, "control stream: no instruction at step %u of the frame", i);
		f->sym[i] = next;
		at = node_behind(c, next, how);
	}
	if (kt_ac_cut(&a))
		return kt_fail(err, KT_E_CORRUPT, "control stream is cut short");
	return 0;
}
