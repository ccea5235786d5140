/* SPDX-License-Identifier: MIT */
/* Deliveries and far transfers over hostile tables, stacks and registers. A sound machine is set up in one of three modes,
 * the input then spoils some of it and chooses what happens. Whatever that is:
 *
 * - a transfer that does not happen changes nothing;
 * - one that happens has recorded all it changed: the step's writes and registers turn the old state into the new one;
 * - privilege moves the right way only, and RIP lands where code may be. */
#include "vm/x86_64/x86_cpu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 0x18000, GDT = 0x1000, IDT = 0x2000, TSS = 0x3000, LDT = 0x4000, TABLES = 0x10000, POINTER = 0x6000 };
enum op { OP_FAULT, OP_SOFT, OP_IRQ, OP_IRET, OP_RET, OP_JUMP, OP_CALL, OP_JUMP_MEM, OP_CALL_MEM, OP_SYSCALL, OP_SYSRET, OP_SYSENTER, OP_SYSEXIT, OPS };

struct in {
	const u8 *p;
	size_t n;
};

struct machine {
	struct x86_cpu c;
	struct vm_ram ram;
	struct vm_clock clock;
	u8 *mem;
	u64 old[X86_NREGS];
	u8 *old_mem;
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static u64 take(struct in *in, unsigned size)
{
	u64 v = 0;
	unsigned n = size < in->n ? size : (unsigned)in->n;
	memcpy(&v, in->p, n);
	in->p += n;
	in->n -= n;
	return v;
}

static void put(struct machine *m, u64 pa, unsigned size, u64 v)
{
	memcpy(m->mem + pa, &v, size);
}

/* Code and data of both levels and all sizes, a TSS, call gates; every other kind comes by spoiling. */
static const u64 gdt[] = {
	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0x00cf9b000000ffff,
	0x00008b0030000067, 0, 0x00cf9f000000ffff, 0x00009b000000ffff, 0x000093000000ffff, 0x0000f3000000ffff, 0x00cf9a000000ffff,
	0x0000ec0000087000, 0, 0x0000ec0300307000, 0x0000e40200307000, 0x000013000000ffff, 0x00cf97000000ffff
};

static void set_seg(struct machine *m, unsigned seg, unsigned sel)
{
	u64 d = gdt[sel >> 3], limit = (d & 0xffff) | (d >> 32 & 0xf0000);
	m->c.r[seg] = sel;
	m->c.r[seg + 1] = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
	m->c.r[seg + 2] = d >> 55 & 1 ? limit << 12 | 0xfff : limit;
	m->c.r[seg + 3] = d >> 40 & 0xf0ff;
}

static void set_idt(struct machine *m, bool wide)
{
	for (unsigned v = 0; v < 64; v++) {
		u64 type = v % 5 == 4 && !wide ? 0xe6 : v & 1 ? 0xef : 0x8e, sel = wide ? 8 : 0x30;
		put(m, IDT + v * (wide ? 16 : 8), 8, 0x7000 | sel << 16 | type << 40 | (u64)(wide && v % 7 == 3 ? 1 : 0) << 32);
	}
}

static void set_mode(struct machine *m, unsigned mode, bool user)
{
	u64 *r = m->c.r;
	x86_model_reset(r);
	r[X86_rip] = 0x7000;
	r[X86_rsp] = 0x9000;
	if (mode == 0) {
		r[X86_cs] = r[X86_cs_base] = 0;
		r[X86_idtr_limit] = 0x3ff;
		return;
	}
	memcpy(m->mem + GDT, gdt, sizeof gdt);
	memcpy(m->mem + LDT, gdt, sizeof gdt);
	set_idt(m, mode == 2);
	r[X86_gdtr_base] = GDT;
	r[X86_gdtr_limit] = sizeof gdt - 1;
	r[X86_idtr_base] = IDT;
	r[X86_idtr_limit] = 64 * (mode == 2 ? 16 : 8) - 1;
	set_seg(m, X86_tr, 0x38);
	r[X86_ldtr] = 0x40;
	r[X86_ldtr_base] = LDT;
	r[X86_ldtr_limit] = sizeof gdt - 1;
	r[X86_cr0] = 0x60000011;
	set_seg(m, X86_cs, mode == 2 ? user ? 0x2b : 8 : user ? 0x1b : 0x30);
	static const u16 data[] = { X86_ss, X86_ds, X86_es, X86_fs, X86_gs };
	for (unsigned i = 0; i < KT_ARRAY_LEN(data); i++)
		set_seg(m, data[i], user ? 0x23 : 0x10);
	if (mode == 1) {
		put(m, TSS + 4, 8, 0x10000a000);
		put(m, TSS + 8, 4, 0x10);
		return;
	}
	put(m, TSS + 4, 8, 0xa008);
	put(m, TSS + 36, 8, 0xb000);
	for (unsigned i = 0; i < 3; i++)
		put(m, TABLES + i * 0x1000, 8, (TABLES + (i + 1) * 0x1000) | 7);
	for (u64 i = 0; i < RAM >> 12; i++)
		put(m, TABLES + 0x3000 + i * 8, 8, i << 12 | 7);
	r[X86_cr0] = 0xe0010011;
	r[X86_cr3] = TABLES;
	r[X86_cr4] = X86_CR4_PAE;
	r[X86_efer] = 0xd01;
}

/* Only what a guest can bring about: hidden parts of segments are left alone, but for the limits. */
static void spoil(struct machine *m, struct in *in)
{
	static const u16 regs[] = {
		X86_rsp, X86_rcx, X86_rdx, X86_r11, X86_rflags, X86_gdtr_limit, X86_idtr_limit, X86_idtr_base, X86_gdtr_base,
		X86_tr_limit, X86_ldtr_limit, X86_ss_limit, X86_star, X86_lstar, X86_sfmask, X86_sysenter_cs, X86_sysenter_esp,
		X86_sysenter_eip
	};
	for (unsigned n = (unsigned)take(in, 1) % 8; n--;) {
		u64 pa = take(in, 3) % RAM;
		m->mem[pa] = (u8)take(in, 1);
	}
	for (unsigned n = (unsigned)take(in, 1) % 8; n--;) /* tables and stacks, where it hurts */
		m->mem[GDT + take(in, 2) % 0x2100] ^= (u8)(1 << take(in, 1) % 8);
	for (unsigned n = (unsigned)take(in, 1) % 4; n--;) {
		unsigned reg = regs[take(in, 1) % KT_ARRAY_LEN(regs)], bits = kt_arch_x86_64.regs[reg].bits;
		u64 v = take(in, 8);
		v = v & 1 ? v % 0x10040 : v & 2 ? ~v % 0x10000 + 0x7fffffff0000 : v;
		m->c.r[reg] = bits < 64 ? v & ((1ull << bits) - 1) : v;
	}
	bool vm86 = m->c.r[X86_efer] & X86_EFER_LMA || !(m->c.r[X86_cr0] & X86_CR0_PE);
	m->c.r[X86_rflags] = (m->c.r[X86_rflags] & (vm86 ? 0x3d7fd5 : 0x3f7fd5)) | 2;
}

/* A frame of likely words at the stack pointer. */
static void set_frame(struct machine *m, struct in *in, unsigned size)
{
	static const u16 sels[] = { 0, 3, 8, 0x10, 0x1b, 0x23, 0x2b, 0x30, 0x4b, 0x48, 0x50, 0x58, 0x63, 0x68, 0x90, 0x98, 0x0c, 0x2f };
	u64 at = m->c.r[X86_rsp] & 0xffff;
	for (unsigned n = 0; n < 6; n++) {
		u64 pick = take(in, 1), v = n == 1 || n > 3 ? sels[pick % KT_ARRAY_LEN(sels)] : n == 2 ? take(in, 3) : 0x7000 + pick * 8;
		put(m, at + n * size, size, v);
	}
}

static int run_op(struct machine *m, struct in *in, enum op op, struct x86_fault *f)
{
	static const u8 sizes[] = { 2, 4, 8 };
	struct x86_insn i;
	struct x86_plan plan;
	struct x86_cpu *c = &m->c;
	bool wide = x86_mode(c->r) & KT_MODE_64;
	memset(&i, 0, sizeof i);
	memset(&plan, 0, sizeof plan);
	i.osize = sizes[take(in, 1) % (wide ? 3 : 2)];
	i.rex_w = i.osize == 8;
	i.k.len = 8;
	u64 pointer = 0x7000 + take(in, 1);
	u16 sel = (u16)(take(in, 1) % (sizeof gdt + 8));
	if (op == OP_IRET || op == OP_RET)
		set_frame(m, in, i.osize);
	if (op == OP_RET && take(in, 1) & 1)
		i.opcode = 0xca;
	if (op == OP_JUMP || op == OP_CALL) {
		i.osize = i.osize == 8 ? 4 : i.osize;
		memcpy(i.k.bytes + 6 - i.osize, &pointer, i.osize);
		memcpy(i.k.bytes + 6, &sel, 2);
	}
	put(m, POINTER, i.osize, pointer);
	put(m, POINTER + i.osize, 2, sel);
	if (op == OP_JUMP_MEM || op == OP_CALL_MEM) {
		i.opcode = 0xff;
		plan.n = 1;
		plan.p[0] = (struct kt_planned){ .va = POINTER, .size = i.osize + 2u };
		plan.span[0] = (struct x86_span){ .va = POINTER, .size = i.osize + 2u, .n = 1 };
		plan.span[0].part[0].pa = POINTER;
		plan.span[0].part[0].size = i.osize + 2u;
		plan.span[0].part[0].host = m->mem + POINTER;
	}
	u8 vector = (u8)take(in, 1) % 70;
	*f = (struct x86_fault){ .vector = vector };
	memcpy(m->old_mem, m->mem, RAM);
	memcpy(m->old, c->r, sizeof m->old);
	x86_step_begin(c);
	switch (op) {
	case OP_FAULT:
		f->has_error = vector >= 10 && vector < 15;
		f->cr2 = pointer;
		return x86_deliver(c, f, 3);
	case OP_SOFT:
		f->is_trap = f->soft = true;
		return x86_deliver(c, f, 2);
	case OP_IRQ: return x86_deliver_irq(c, vector, 1);
	case OP_IRET: return x86_iret(c, &i, f);
	case OP_RET: return x86_far_ret(c, &i, f);
	case OP_JUMP:
	case OP_JUMP_MEM: return x86_far_jump(c, &i, &plan, f);
	case OP_CALL:
	case OP_CALL_MEM: return x86_far_call(c, &i, &plan, f);
	case OP_SYSCALL: return x86_syscall(c, &i, f);
	case OP_SYSRET: return x86_sysret(c, &i, f);
	case OP_SYSENTER: return x86_sysenter(c, &i, f);
	default: return x86_sysexit(c, &i, f);
	}
}

static void check_nothing(const struct machine *m, int rc, const struct x86_fault *f)
{
	check(!memcmp(m->old_mem, m->mem, RAM));
	check(!memcmp(m->old, m->c.r, sizeof m->old));
	check(!m->c.step.naccess && !m->c.step.ncold);
	check(rc == 1 || (rc == -1 && m->c.end != VM_END_NONE && m->c.end_text[0]));
	if (rc == 1) {
		check(f->vector == X86_UD || (f->vector >= X86_TS && f->vector <= X86_PFAULT && f->has_error));
		check(!f->is_trap && !f->soft);
	}
}

static void check_record(struct machine *m)
{
	const struct kt_step *s = &m->c.step;
	for (unsigned i = 0; i < s->naccess; i++) {
		const struct kt_access *a = &s->access[i];
		check(a->space == KT_SPACE_RAM && a->size && a->pa < RAM && a->size <= RAM - a->pa);
		check(a->flags & KT_ACCESS_WRITE || !memcmp(m->old_mem + a->pa, a->data, a->size));
	}
	for (unsigned i = 0; i < s->naccess; i++)
		if (s->access[i].flags & KT_ACCESS_WRITE)
			memcpy(m->old_mem + s->access[i].pa, s->access[i].data, s->access[i].size);
	check(!memcmp(m->old_mem, m->mem, RAM));
	for (unsigned i = 0; i < s->ncold; i++)
		m->old[s->cold[i].reg] = s->cold[i].value;
	check(!memcmp(m->old + X86_NHOT, m->c.r + X86_NHOT, sizeof m->old - X86_NHOT * 8));
	for (unsigned i = 0; i < X86_NREGS; i++)
		check(kt_arch_x86_64.regs[i].bits == 64 || !(m->c.r[i] >> kt_arch_x86_64.regs[i].bits));
}

static void check_place(const struct machine *m, enum op op, unsigned cpl)
{
	const u64 *r = m->c.r;
	unsigned now = x86_cpl(r);
	bool inwards = op <= OP_IRQ || op == OP_CALL || op == OP_CALL_MEM, outwards = op == OP_IRET || op == OP_RET;
	check(r[X86_rflags] & 2 && !(r[X86_rflags] & X86_VM));
	check(inwards ? now <= cpl : outwards ? now >= cpl : true);
	check((op != OP_JUMP && op != OP_JUMP_MEM) || now == cpl);
	if (!(r[X86_cr0] & X86_CR0_PE))
		check(r[X86_rip] <= 0xffff && r[X86_cs_base] == r[X86_cs] << 4);
	else if (op < OP_SYSCALL)
		check((r[X86_cs] & 3) == now && r[X86_cs_attr] & X86_ATTR_P);
	if (x86_mode(r) & KT_MODE_64)
		check(op >= OP_SYSCALL || x86_canonical(r, r[X86_rip]));
	else
		check(r[X86_rip] <= r[X86_cs_limit]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct machine *m = calloc(1, sizeof *m);
	struct x86_fault f;
	if (!m)
		return 0;
	m->mem = calloc(1, RAM);
	m->old_mem = malloc(RAM);
	m->c.scratch = malloc(X86_SCRATCH);
	if (m->mem && m->old_mem && m->c.scratch) {
		m->ram = (struct vm_ram){ .size = RAM, .host = m->mem };
		m->c.ram = &m->ram;
		m->c.nram = 1;
		m->c.clock = &m->clock;
		m->c.a20 = true;
		u8 how = (u8)take(&in, 1);
		enum op op = take(&in, 1) % OPS;
		set_mode(m, how % 3, how & 0x80);
		spoil(m, &in);
		unsigned cpl = x86_cpl(m->c.r);
		int rc = run_op(m, &in, op, &f);
		if (rc) {
			check_nothing(m, rc, &f);
		} else {
			check_record(m);
			check_place(m, op, cpl);
		}
	}
	free(m->mem);
	free(m->old_mem);
	free(m->c.scratch);
	free(m);
	return 0;
}
