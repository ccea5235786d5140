/* SPDX-License-Identifier: MIT */
/* What the tests that run instructions on the host's CPU share: random values, the context that generated code loads and
 * saves, the model's run of the same instruction, and the comparison. */
#ifndef KT_TEST_X86_NATIVE_H
#define KT_TEST_X86_NATIVE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "arch/x86_64/x86_alu.h"
#include "arch/x86_64/x86_insn.h"
#include "x86_templates.h"

enum { CODE_SIZE = 4096, DATA_SIZE = 8192, SLOT = 16 };

/* Registers in our order, as generated code finds and leaves them. */
struct context {
	u64 saved_rsp, rflags, gpr[16], stack[64];
};

struct test_case {
	u8 bytes[16];
	unsigned n;
	u64 regs[X86_NREGS];
	unsigned base, index, modreg; /* our register numbers; 99: none */
};

/* One mapping: code, then the context, then data. */
static struct native {
	unsigned mode; /* of the instructions under test */
	u8 *code, *slot, *epilogue;
	struct context *ctx;
	u8 *data;
	volatile sig_atomic_t fault;
	u32 care; /* undefined flags that are compared all the same */
	/* Writes ModRM, SIB and displacement of a memory operand that lies in the data, and the registers it needs.
	 * Returns the bytes' end; REX bits into *rex. */
	u8 *(*memory_form)(struct test_case *t, u8 *p, unsigned reg, unsigned *rex);
} nat;

static u64 rng_state;

static u64 rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state * 0x2545f4914f6cdd1dull;
}

/* Values where carries, signs and counts turn. */
static u64 interesting(void)
{
	static const u64 some[] = { 0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
		0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ~0ull, ~1ull };
	u64 v = rnd();
	switch (rnd() % 4) {
	case 0: return some[v % KT_ARRAY_LEN(some)];
	case 1: return v >> (rnd() & 63);
	case 2: return (u64)((s64)v >> (rnd() & 63));
	default: return v;
	}
}

static u64 data_address(void)
{
	return (u64)(uintptr_t)nat.data + DATA_SIZE / 2 + (rnd() & 1023);
}

static const u8 encoding_of[16] = { 0, 3, 1, 2, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15 }; /* rax rbx rcx rdx rsi rdi rsp rbp */
static unsigned number_of(unsigned encoding)
{
	for (unsigned i = 0; i < 16; i++)
		if (encoding_of[i] == encoding)
			return i;
	return 0;
}

static u8 *emit(u8 *p, unsigned n, ...)
{
	va_list ap;
	va_start(ap, n);
	while (n--)
		*p++ = (u8)va_arg(ap, int);
	va_end(ap);
	return p;
}

static bool host_is_intel(void)
{
	unsigned a = 0, b, c, d;
	__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	return b == 0x756e6547 && d == 0x49656e69 && c == 0x6c65746e;
}

static bool host_counts_zeros(void)
{
	unsigned a = 7, b = 0, c = 0, d;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	bool bmi1 = b & 8;
	a = 0x80000001;
	c = 0;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return bmi1 && c & 0x20;
}

/* Inside a test: cmocka sets handlers of its own around each. */
static void catch_faults(void (*handler)(int, siginfo_t *, void *))
{
	static u8 stack[65536];
	static const int signals[] = { SIGFPE, SIGSEGV, SIGBUS, SIGILL, SIGTRAP };
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	sigaltstack(&ss, NULL);
	for (unsigned i = 0; i < KT_ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

static void run_native(const u8 *bytes, unsigned n)
{
	void (*go)(void);
	memset(nat.slot, 0x90, SLOT);
	memcpy(nat.slot, bytes, n);
	nat.fault = 0;
	memcpy(&go, &nat.code, sizeof go);
	go();
}

static void describe_case(const struct test_case *t, const struct x86_insn *x)
{
	char text[100];
	x86_text(nat.mode, 0, t->bytes, t->n, text, sizeof text);
	print_message("  %s  [", text);
	for (unsigned i = 0; i < t->n; i++)
		print_message("%02x", t->bytes[i]);
	print_message("]  class %u width %u\n", x->k.desc.op, x->k.desc.width);
}

/* What the model says: true if it predicts. Memory is changed in `data`, whose original the CPU changes for real. */
static bool run_model(const struct test_case *t, const struct x86_insn *x, u64 *regs, u8 *data)
{
	struct kt_planned plan[KT_PLAN_MAX];
	u64 loads[KT_PLAN_MAX] = { 0 }, stores[KT_PLAN_MAX] = { 0 };
	unsigned n = kt_desc_plan(&kt_arch_x86_64, &x->k.desc, regs, plan), nload = 0, nstore = 0;

	for (unsigned i = 0; i < n; i++) {
		u64 at = plan[i].va - (u64)(uintptr_t)nat.data;
		if (at > DATA_SIZE - 16) {
			describe_case(t, x);
			fail_msg("planned access at %#llx lies outside the data", (unsigned long long)plan[i].va);
		}
		if (!plan[i].write)
			memcpy(&loads[nload++], data + at, KT_MIN(plan[i].size, 8u));
	}
	if (!kt_desc_eval(&kt_arch_x86_64, &x->k.desc, regs, loads, stores))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (plan[i].write)
			memcpy(data + (plan[i].va - (u64)(uintptr_t)nat.data), &stores[nstore++], plan[i].size);
	return true;
}

/* Puts the accumulator where the instruction will compare it. */
static void make_equal(const struct x86_insn *x, const u64 *regs)
{
	struct kt_planned plan[KT_PLAN_MAX];
	u64 v = x->k.desc.op == KT_OP_CMPXCHG2 ? regs[X86_rdx] << 32 | (u32)regs[X86_rax] : regs[X86_rax];
	kt_desc_plan(&kt_arch_x86_64, &x->k.desc, regs, plan);
	memcpy(nat.data + (plan[0].va - (u64)(uintptr_t)nat.data), &v, plan[0].size);
}

static void decode_case(const struct template *m, const struct test_case *t, struct x86_insn *x)
{
	u64 at = (u64)(uintptr_t)nat.slot;

	assert_int_equal(x86_decode(nat.mode, at, at, t->bytes, t->n, x), 0);
	if (m->flags & T_RENAME) {
		assert_true(x->k.desc.op == KT_OP_BSF || x->k.desc.op == KT_OP_BSR);
		x->k.desc.op = m->op;
		x->k.desc.opnd[0].access = KT_WRITE;
		x->flags_undefined = X86_OF | X86_SF | X86_AF | X86_PF;
	}
	if (x->k.len != t->n || x->k.desc.op != m->op || !kt_desc_valid(&x->k.desc, kt_arch_x86_64.nregs)) {
		describe_case(t, x);
		fail_msg("%s: decoded to class %u (want %u), length %u (want %u)", m->name, x->k.desc.op, m->op, x->k.len, t->n);
	}
}

static void fill_data(const struct template *m, const struct test_case *t, const struct x86_insn *x)
{
	bool fresh = rnd() % 64 == 0;

	for (unsigned i = 0; fresh && i < DATA_SIZE; i += 8) {
		u64 v = interesting();
		memcpy(nat.data + i, &v, 8);
	}
	if (m->flags & T_POPF) {
		u64 v = (rnd() & (X86_STATUS | X86_DF)) | 0x202;
		memcpy((u8 *)(uintptr_t)t->regs[X86_rsp], &v, 8);
	}
	if (m->flags & T_EQUAL && x->k.desc.opnd[0].kind == KT_OPND_MEM && rnd() & 1)
		make_equal(x, t->regs);
}

static void print_difference(const struct test_case *t, const u64 *want, u32 wrong, u32 undefined)
{
	for (unsigned i = 0; i < 16; i++)
		print_message("  %-6s before %016llx cpu %016llx model %016llx%s\n", kt_arch_x86_64.regs[i].name, (unsigned long long)t->regs[i],
		              (unsigned long long)nat.ctx->gpr[i], (unsigned long long)want[i], nat.ctx->gpr[i] != want[i] ? " <--" : "");
	print_message("  flags  before %llx cpu %llx model %llx, wrong %x undefined %x\n", (unsigned long long)t->regs[X86_rflags],
	              (unsigned long long)nat.ctx->rflags, (unsigned long long)want[X86_rflags], wrong, undefined);
}

static void check_case(const struct template *m, const struct test_case *t)
{
	static u8 data[DATA_SIZE];
	struct x86_insn x;
	u64 want[X86_NREGS];
	u32 care = nat.care;

	decode_case(m, t, &x);
	fill_data(m, t, &x);
	memcpy(data, nat.data, DATA_SIZE);
	memcpy(want, t->regs, sizeof want);
	want[X86_rip] = (u64)(uintptr_t)nat.slot;
	memcpy(nat.ctx->gpr, t->regs, sizeof nat.ctx->gpr);
	nat.ctx->rflags = t->regs[X86_rflags];
	bool predicts = run_model(t, &x, want, data);
	run_native(t->bytes, t->n);
	if (nat.fault == SIGFPE && !predicts)
		return; /* #DE on both sides */
	if (nat.fault || !predicts) {
		describe_case(t, &x);
		fail_msg("%s: signal %d on the CPU, evaluation says %d", m->name, (int)nat.fault, predicts);
	}
	if (m->flags & T_ROTATE && x.k.desc.opnd[0].kind == KT_OPND_REG)
		care &= (u32)~X86_OF;
	u32 wrong = (u32)(nat.ctx->rflags ^ want[X86_rflags]) & (X86_STATUS | X86_DF);
	bool bad = wrong & ~(x.flags_undefined & ~care);
	for (unsigned i = 0; i < 16; i++)
		bad |= nat.ctx->gpr[i] != want[i];
	bad |= memcmp(data, nat.data, DATA_SIZE) != 0;
	if (!bad)
		return;
	describe_case(t, &x);
	print_difference(t, want, wrong, x.flags_undefined);
	fail_msg("%s: the CPU and the model differ (memory %s)", m->name, memcmp(data, nat.data, DATA_SIZE) ? "differs" : "agrees");
}

/* ---- making cases ---- */

static bool wide(void)
{
	return (nat.mode & KT_MODE_CODE) == KT_MODE_64;
}

static unsigned random_gpr(void)
{
	return (unsigned)rnd() & (wide() ? 15 : 7);
}

/* An instruction under way: prefixes are put in front at the end. */
struct making {
	u8 opcode[3], tail[12];
	unsigned nop, rex; /* rex: WRXB, 0x40 an empty one */
	bool lock, small, mem;
};

static void start_case(struct test_case *t, const struct template *m, struct making *k)
{
	memset(t, 0, sizeof *t);
	memset(k, 0, sizeof *k);
	t->base = t->index = t->modreg = 99;
	for (unsigned i = 0; i < (wide() ? 16 : 8); i++)
		t->regs[i] = wide() ? interesting() : (u32)interesting();
	t->regs[X86_rsp] = data_address();
	t->regs[X86_ds] = wide() ? 0 : 0x2b; /* as the 32-bit code sets it */
	t->regs[X86_rflags] = (rnd() & X86_STATUS) | 0x202 | (m->flags & T_DF && rnd() & 1 ? X86_DF : 0);
	if (m->flags & T_BYTE) {
		k->rex = wide() && rnd() & 1 ? 0x40 : 0; /* spl..dil instead of ah..bh */
	} else {
		unsigned r = (unsigned)rnd() % 3;
		k->small = r == 0 && !(m->flags & T_NO16);
		k->rex = wide() && r == 1 && !(m->flags & T_NOW) ? 8 : 0;
	}
	if (m->map)
		k->opcode[k->nop++] = 0x0f;
	if (m->map == 2)
		k->opcode[k->nop++] = 0x38;
	k->opcode[k->nop++] = m->opcode;
	if (m->flags & T_COND)
		k->opcode[k->nop - 1] |= rnd() & 15;
}

static u8 *make_modrm(struct test_case *t, const struct template *m, struct making *k, u8 *p)
{
	unsigned reg = m->digit >= 0 ? (unsigned)m->digit : random_gpr(), rm = random_gpr();

	k->mem = !(m->flags & T_REG) && (m->flags & T_MEM || rnd() & 1);
	if (m->digit < 0) {
		t->modreg = number_of(reg);
		k->rex |= reg > 7 ? 4 : 0;
	}
	if (k->mem)
		return nat.memory_form(t, p, reg, &k->rex);
	k->rex |= rm > 7 ? 1 : 0;
	*p++ = (u8)(0xc0 | (reg & 7) << 3 | (rm & 7));
	return p;
}

/* A bit offset must be a register of its own, reach within the data, and have bits above the operand that do not count. */
static void make_bit_offset(struct test_case *t, struct making *k)
{
	u64 junk = k->rex & 8 ? 0 : k->small ? ~0xffffull : ~0xffffffffull;

	while (t->modreg == t->base || t->modreg == t->index) {
		unsigned reg = random_gpr();
		t->modreg = number_of(reg);
		k->rex = (k->rex & ~4u) | (reg > 7 ? 4 : 0);
		k->tail[0] = (u8)((k->tail[0] & 0xc7) | (reg & 7) << 3);
	}
	t->regs[t->modreg] = (rnd() & junk) | ((u64)((s64)(rnd() % 16000) - 8000) & ~junk);
	if (!wide())
		t->regs[t->modreg] = (u32)t->regs[t->modreg];
}

/* Registers that an implicit operand uses. */
static void make_implicit(struct test_case *t, const struct template *m)
{
	if (m->flags & T_STRING) {
		t->regs[X86_rsi] = data_address();
		t->regs[X86_rdi] = data_address();
	}
	if (m->flags & T_RBP)
		t->regs[X86_rbp] = data_address();
	if (m->flags & T_XLAT)
		t->regs[X86_rbx] = (u64)(uintptr_t)nat.data + DATA_SIZE / 2;
	if (m->flags & T_EASY && t->base != X86_rdx && t->index != X86_rdx && rnd() & 1) {
		s64 low = wide() ? (s64)t->regs[X86_rax] : (s32)t->regs[X86_rax];
		t->regs[X86_rdx] = rnd() & 1 ? 0 : wide() ? (u64)(low >> 63) : (u32)(low >> 63);
	}
}

static void finish_case(struct test_case *t, const struct template *m, const struct making *k, unsigned ntail)
{
	u8 *p = t->bytes;

	if (k->lock)
		*p++ = 0xf0;
	if (k->small)
		*p++ = 0x66;
	if (m->prefix)
		*p++ = m->prefix;
	if (k->rex)
		*p++ = (u8)(0x40 | k->rex);
	memcpy(p, k->opcode, k->nop);
	memcpy(p + k->nop, k->tail, ntail);
	t->n = (unsigned)(p - t->bytes) + k->nop + ntail;
}

static void make_case(struct test_case *t, const struct template *m)
{
	struct making k;
	u8 *p = k.tail;

	start_case(t, m, &k);
	if (m->form == F_RM) {
		p = make_modrm(t, m, &k, p);
	} else if (m->form == F_O) {
		unsigned reg = random_gpr();
		k.rex |= reg > 7 ? 1 : 0;
		k.opcode[k.nop - 1] |= reg & 7;
	}
	if (m->flags & T_FIXED)
		*p++ = (u8)m->digit;
	for (unsigned i = m->imm == IMM_Z ? (k.small ? 2 : 4) : m->imm; i; i--)
		*p++ = (u8)rnd();
	make_implicit(t, m);
	if (m->flags & T_BITMEM && k.mem && t->modreg != 99)
		make_bit_offset(t, &k);
	k.lock = k.mem && m->flags & T_LOCK && rnd() % 3 == 0;
	finish_case(t, m, &k, (unsigned)(p - k.tail));
}

/* `cases` of each template that `fits` takes. */
static void run_templates(unsigned cases, bool (*fits)(const struct template *))
{
	nat.care = host_is_intel() ? X86_STATUS : 0;
	if (!nat.care)
		print_message("note: undefined flags are not compared, this is no Intel CPU\n");
	for (unsigned i = 0; i < KT_ARRAY_LEN(templates); i++) {
		struct test_case t;
		if (!fits(&templates[i]))
			continue;
		if (templates[i].flags & T_RENAME && !host_counts_zeros()) {
			print_message("skip: %s: this CPU has no BMI1 or LZCNT\n", templates[i].name);
			continue;
		}
		rng_state = 0x9e3779b97f4a7c15ull + i;
		for (unsigned n = 0; n < cases; n++) {
			make_case(&t, &templates[i]);
			check_case(&templates[i], &t);
		}
	}
}

#endif
