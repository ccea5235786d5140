/* SPDX-License-Identifier: MIT */
/* The CPU against kt_desc_eval: random instructions of every class run on the host, and registers, flags and memory are
 * compared with what decoder, plan and evaluation make of the same bytes. Undefined flags are compared too where the
 * canonical rule is the host's (GenuineIntel). Deterministic: the seed is fixed, a failure prints the case. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

#include "arch/x86_64/x86_alu.h"
#include "arch/x86_64/x86_insn.h"
#include "x86_templates.h"

#ifdef __x86_64__

enum { CASES = 4000, CODE_SIZE = 4096, DATA_SIZE = 8192, SLOT = 16 };

/* The mapping: code, then the context, then data, so that generated code reaches the context relative to rip. */
struct context {
	u64 saved_rsp, rflags;
	u64 gpr[16]; /* in our register order */
};

static struct jit {
	u8 *code, *slot, *epilogue;
	struct context *ctx;
	u8 *data;
	volatile sig_atomic_t fault;
} jit;

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

/* An instruction with a rip-relative operand, REX, opcode and ModRM given. */
static u8 *emit_ctx(u8 *p, int rex, int op, int reg, const void *target)
{
	p = emit(p, 3, rex, op, 5 | (reg & 7) << 3);
	s32 rel = (s32)((const u8 *)target - (p + 4));
	memcpy(p, &rel, 4);
	return p + 4;
}

static u8 *emit_gprs(u8 *p, int op)
{
	for (unsigned i = 0; i < 16; i++) {
		int e = encoding_of[i];
		p = emit_ctx(p, 0x48 | (e > 7 ? 4 : 0), op, e, &jit.ctx->gpr[i]);
	}
	return p;
}

static void jit_build(void)
{
	u8 *p = jit.code;

	p = emit(p, 10, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); /* push rbx rbp r12..r15 */
	p = emit_ctx(p, 0x48, 0x89, 4, &jit.ctx->saved_rsp);
	p = emit_ctx(p, 0x48, 0xff, 6, &jit.ctx->rflags); /* push [rflags] */
	p = emit(p, 1, 0x9d);
	p = emit_gprs(p, 0x8b);
	jit.slot = p;
	p += SLOT;
	jit.epilogue = p;
	p = emit_gprs(p, 0x89);
	p = emit_ctx(p, 0x48, 0x8b, 4, &jit.ctx->saved_rsp);
	p = emit(p, 1, 0x9c);
	p = emit_ctx(p, 0x48, 0x8f, 0, &jit.ctx->rflags); /* pop [rflags] */
	p = emit(p, 12, 0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
	assert_true(p < jit.code + CODE_SIZE);
}

/* A fault leads to the epilogue, registers as the CPU left them. */
static void on_fault(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *u = uc;
	jit.fault = sig;
	u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)jit.epilogue;
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

static int jit_setup(void **state)
{
	u8 *p = mmap(NULL, CODE_SIZE + 4096 + DATA_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 0;
	jit.code = p;
	jit.ctx = (struct context *)(p + CODE_SIZE);
	jit.data = p + CODE_SIZE + 4096;
	jit_build();
	return 0;
}

/* Inside the test: cmocka sets handlers of its own around each. */
static void catch_faults(void)
{
	static u8 stack[65536];
	static const int signals[] = { SIGFPE, SIGSEGV, SIGBUS, SIGILL, SIGTRAP };
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
	sigaltstack(&ss, NULL);
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	for (unsigned i = 0; i < KT_ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

static void run_native(const u8 *bytes, unsigned n)
{
	void (*go)(void);
	memset(jit.slot, 0x90, SLOT);
	memcpy(jit.slot, bytes, n);
	jit.fault = 0;
	memcpy(&go, &jit.code, sizeof go);
	go();
}

struct test_case {
	u8 bytes[16];
	unsigned n;
	u64 regs[X86_NREGS];
	unsigned base, index, modreg; /* our register numbers; 99: none */
};

/* ModRM (and SIB) for a memory operand in the middle of the data. Returns the bytes' end; REX bits in *rex. */
static u8 *memory_form(struct test_case *t, u8 *p, unsigned reg, unsigned *rex)
{
	unsigned base = (unsigned)rnd() & 15, index = (unsigned)rnd() & 15, scale = (unsigned)rnd() & 3;
	bool sib = rnd() & 1 || (base & 7) == 4;

	while (index == 4 || index == base)
		index = (unsigned)rnd() & 15;
	t->base = number_of(base);
	t->regs[t->base] = (u64)(uintptr_t)jit.data + DATA_SIZE / 2 + (rnd() & 1023);
	*rex |= base > 7 ? 1 : 0;
	if (!sib) {
		*p++ = 0x40 | (reg & 7) << 3 | (base & 7);
		*p++ = (u8)rnd();
		return p;
	}
	*p++ = 0x40 | (reg & 7) << 3 | 4;
	bool has = rnd() & 1;
	*p++ = (u8)(scale << 6 | ((has ? index : 4) & 7) << 3 | (base & 7));
	*p++ = (u8)rnd();
	if (has) {
		t->index = number_of(index);
		t->regs[t->index] = (u64)(s64)(s8)rnd();
		*rex |= index > 7 ? 2 : 0;
	}
	return p;
}

/* Prefixes in front of what stands in `body`. */
static void assemble(struct test_case *t, const struct template *m, unsigned rex, const u8 *opcode, unsigned nop, const u8 *tail, unsigned ntail, bool lock, bool small)
{
	u8 *p = t->bytes;
	if (lock)
		*p++ = 0xf0;
	if (small)
		*p++ = 0x66;
	if (m->prefix)
		*p++ = m->prefix;
	if (rex)
		*p++ = (u8)(0x40 | rex);
	memcpy(p, opcode, nop);
	p += nop;
	memcpy(p, tail, ntail);
	p += ntail;
	t->n = (unsigned)(p - t->bytes);
}

static void make_case(struct test_case *t, const struct template *m)
{
	u8 opcode[3], tail[12], *p = tail;
	unsigned nop = 0, rex = 0, reg = m->digit >= 0 ? (unsigned)m->digit : (unsigned)rnd() & 15;
	bool mem = false, small = false;

	memset(t, 0, sizeof *t);
	t->base = t->index = t->modreg = 99;
	for (unsigned i = 0; i < 16; i++)
		t->regs[i] = interesting();
	t->regs[X86_rsp] = (u64)(uintptr_t)jit.data + DATA_SIZE / 2 + (rnd() & 1023);
	t->regs[X86_rflags] = (rnd() & X86_STATUS) | 0x202 | (m->flags & T_DF && rnd() & 1 ? X86_DF : 0);
	if (!(m->flags & T_BYTE)) {
		unsigned r = (unsigned)rnd() % 3;
		small = r == 0 && !(m->flags & T_NO16);
		rex = r == 1 && !(m->flags & T_NOW) ? 8 : 0;
	}
	if (m->flags & T_BYTE && rnd() & 1)
		rex = 0x80; /* an empty REX: spl..dil instead of ah..bh */
	if (m->map)
		opcode[nop++] = 0x0f;
	if (m->map == 2)
		opcode[nop++] = 0x38;
	opcode[nop++] = m->opcode;
	if (m->form == F_RM) {
		mem = !(m->flags & T_REG) && (m->flags & T_MEM || rnd() & 1);
		if (m->digit < 0) {
			t->modreg = number_of(reg);
			rex |= reg > 7 ? 4 : 0;
		}
		if (mem)
			p = memory_form(t, p, reg, &rex);
		else {
			unsigned rm = (unsigned)rnd() & 15;
			rex |= rm > 7 ? 1 : 0;
			*p++ = (u8)(0xc0 | (reg & 7) << 3 | (rm & 7));
		}
	} else if (m->form == F_O) {
		reg = (unsigned)rnd() & 15;
		rex |= reg > 7 ? 1 : 0;
		opcode[nop - 1] |= reg & 7;
	}
	if (m->flags & T_FIXED)
		*p++ = (u8)m->digit;
	if (m->flags & T_COND)
		opcode[nop - 1] |= rnd() & 15;
	unsigned imm = m->imm == IMM_Z ? (small ? 2 : 4) : m->imm;
	for (unsigned i = 0; i < imm; i++)
		*p++ = (u8)rnd();
	if (m->flags & T_STRING) {
		t->regs[X86_rsi] = (u64)(uintptr_t)jit.data + DATA_SIZE / 2 + (rnd() & 1023);
		t->regs[X86_rdi] = (u64)(uintptr_t)jit.data + DATA_SIZE / 2 + (rnd() & 1023);
	}
	if (m->flags & T_RBP)
		t->regs[X86_rbp] = (u64)(uintptr_t)jit.data + DATA_SIZE / 2 + (rnd() & 1023);
	if (m->flags & T_XLAT)
		t->regs[X86_rbx] = (u64)(uintptr_t)jit.data + DATA_SIZE / 2;
	if (m->flags & T_BITMEM && mem && t->modreg != 99) {
		while (t->modreg == t->base || t->modreg == t->index) {
			/* The bit offset must be free: take another register. */
			reg = (unsigned)rnd() & 15;
			t->modreg = number_of(reg);
			rex = (rex & ~4u) | (reg > 7 ? 4 : 0);
			tail[0] = (u8)((tail[0] & 0xc7) | (reg & 7) << 3);
		}
		/* Within the data, and with something above the operand that must not count. */
		u64 junk = rex & 8 ? 0 : small ? ~0xffffull : ~0xffffffffull;
		t->regs[t->modreg] = (rnd() & junk) | ((u64)((s64)(rnd() % 16000) - 8000) & ~junk);
	}
	if (m->flags & T_EASY && t->base != X86_rdx && t->index != X86_rdx && rnd() & 1)
		t->regs[X86_rdx] = rnd() & 1 ? 0 : (u64)((s64)t->regs[X86_rax] >> 63);
	bool lock = mem && m->flags & T_LOCK && rnd() % 3 == 0;
	assemble(t, m, rex & 0x8f ? (rex & 15) | (rex & 0x80 ? 0x40 : 0) : 0, opcode, nop, tail, (unsigned)(p - tail), lock, small);
}

static void describe_case(const struct test_case *t, const struct x86_insn *x)
{
	char text[100];
	x86_text(KT_MODE_64 | KT_MODE_PROTECTED, 0, t->bytes, t->n, text, sizeof text);
	print_message("  %s  [", text);
	for (unsigned i = 0; i < t->n; i++)
		print_message("%02x", t->bytes[i]);
	print_message("]  class %u width %u\n", x->k.desc.op, x->k.desc.width);
}

/* What the model says: true if it predicts. Memory is changed in `data`, whose copy the CPU changes for real. */
static bool run_model(const struct test_case *t, const struct x86_insn *x, u64 *regs, u8 *data)
{
	struct kt_planned plan[KT_PLAN_MAX];
	u64 loads[KT_PLAN_MAX] = { 0 }, stores[KT_PLAN_MAX] = { 0 };
	unsigned n = kt_desc_plan(&kt_arch_x86_64, &x->k.desc, regs, plan), nload = 0, nstore = 0;

	for (unsigned i = 0; i < n; i++) {
		u64 at = plan[i].va - (u64)(uintptr_t)jit.data;
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
			memcpy(data + (plan[i].va - (u64)(uintptr_t)jit.data), &stores[nstore++], plan[i].size);
	return true;
}

/* Puts the accumulator where the instruction will compare it. */
static void make_equal(const struct x86_insn *x, const u64 *regs)
{
	struct kt_planned plan[KT_PLAN_MAX];
	u64 v = x->k.desc.op == KT_OP_CMPXCHG2 ? regs[X86_rdx] << 32 | (u32)regs[X86_rax] : regs[X86_rax];
	kt_desc_plan(&kt_arch_x86_64, &x->k.desc, regs, plan);
	memcpy(jit.data + (plan[0].va - (u64)(uintptr_t)jit.data), &v, plan[0].size);
}

static void check_case(const struct template *m, struct test_case *t, u32 care_undefined, u32 *seen_wrong)
{
	static u8 data[DATA_SIZE];
	struct x86_insn x;
	u64 want[X86_NREGS];

	assert_int_equal(x86_decode(KT_MODE_64 | KT_MODE_PROTECTED, (u64)(uintptr_t)jit.slot, (u64)(uintptr_t)jit.slot, t->bytes, t->n, &x), 0);
	if (m->flags & T_RENAME) {
		assert_true(x.k.desc.op == KT_OP_BSF || x.k.desc.op == KT_OP_BSR);
		x.k.desc.op = m->op;
		x.k.desc.opnd[0].access = KT_WRITE;
		x.flags_undefined = X86_OF | X86_SF | X86_AF | X86_PF;
	}
	if (x.k.len != t->n || x.k.desc.op != m->op || !kt_desc_valid(&x.k.desc, kt_arch_x86_64.nregs)) {
		describe_case(t, &x);
		fail_msg("%s: decoded to class %u (want %u), length %u (want %u)", m->name, x.k.desc.op, m->op, x.k.len, t->n);
	}
	bool fresh = rnd() % 64 == 0;
	for (unsigned i = 0; fresh && i < DATA_SIZE; i += 8) {
		u64 v = interesting();
		memcpy(jit.data + i, &v, 8);
	}
	if (m->flags & T_POPF) {
		u64 v = (rnd() & (X86_STATUS | X86_DF)) | 0x202;
		memcpy((u8 *)(uintptr_t)t->regs[X86_rsp], &v, 8);
	}
	if (m->flags & T_EQUAL && x.k.desc.opnd[0].kind == KT_OPND_MEM && rnd() & 1)
		make_equal(&x, t->regs);
	memcpy(data, jit.data, DATA_SIZE);
	memcpy(want, t->regs, sizeof want);
	want[X86_rip] = (u64)(uintptr_t)jit.slot;
	memcpy(jit.ctx->gpr, t->regs, sizeof jit.ctx->gpr);
	jit.ctx->rflags = t->regs[X86_rflags];
	bool predicts = run_model(t, &x, want, data);
	run_native(t->bytes, t->n);
	if (jit.fault && !predicts && jit.fault == SIGFPE)
		return; /* #DE on both sides; the kernel's frame shows registers unchanged by definition */
	if (jit.fault || !predicts) {
		describe_case(t, &x);
		fail_msg("%s: signal %d on the CPU, evaluation says %d", m->name, (int)jit.fault, predicts);
	}
	if (m->flags & T_ROTATE && x.k.desc.opnd[0].kind == KT_OPND_REG)
		care_undefined &= (u32)~X86_OF;
	u32 undefined = x.flags_undefined & (u32)~care_undefined;
	u32 wrong = (u32)(jit.ctx->rflags ^ want[X86_rflags]) & (X86_STATUS | X86_DF);
	*seen_wrong |= wrong & x.flags_undefined;
	bool bad = wrong & ~undefined;
	for (unsigned i = 0; i < 16; i++)
		bad |= jit.ctx->gpr[i] != want[i];
	bad |= memcmp(data, jit.data, DATA_SIZE) != 0;
	if (!bad)
		return;
	describe_case(t, &x);
	for (unsigned i = 0; i < 16; i++)
		print_message("  %-6s before %016llx cpu %016llx model %016llx%s\n", kt_arch_x86_64.regs[i].name, (unsigned long long)t->regs[i],
		              (unsigned long long)jit.ctx->gpr[i], (unsigned long long)want[i], jit.ctx->gpr[i] != want[i] ? " <--" : "");
	print_message("  flags  before %llx cpu %llx model %llx, wrong %x undefined %x\n", (unsigned long long)t->regs[X86_rflags],
	              (unsigned long long)jit.ctx->rflags, (unsigned long long)want[X86_rflags], wrong, x.flags_undefined);
	fail_msg("%s: the CPU and the model differ (memory %s)", m->name, memcmp(data, jit.data, DATA_SIZE) ? "differs" : "agrees");
}

static void test_against_cpu(void **state)
{
	u32 care = host_is_intel() ? X86_STATUS : 0;

	if (!jit.code) {
		print_message("SKIP: no memory that is writable and executable\n");
		skip();
	}
	catch_faults();
	for (unsigned i = 0; i < KT_ARRAY_LEN(templates); i++) {
		struct test_case t;
		u32 wrong = 0;
		if (templates[i].flags & T_RENAME && !host_counts_zeros()) {
			print_message("SKIP: %s: this CPU has no BMI1 or LZCNT\n", templates[i].name);
			continue;
		}
		rng_state = 0x9e3779b97f4a7c15ull + i;
		for (unsigned n = 0; n < CASES; n++) {
			make_case(&t, &templates[i]);
			check_case(&templates[i], &t, getenv("KT_SHOW_UNDEFINED") ? 0 : care, &wrong);
		}
		if (wrong && getenv("KT_SHOW_UNDEFINED"))
			print_message("%s: undefined flags differ: %x\n", templates[i].name, wrong);
	}
	if (!care)
		print_message("note: undefined flags not compared, this is no Intel CPU\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_against_cpu) };
	return cmocka_run_group_tests(tests, jit_setup, NULL);
}

#else

static void test_against_cpu(void **state)
{
	print_message("SKIP: the host is no x86-64\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_against_cpu) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
