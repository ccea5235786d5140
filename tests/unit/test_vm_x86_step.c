/* SPDX-License-Identifier: MIT */
/* The x86-64 engine on this host's KVM: small guests stepped whole, each step's record against what the manual says it
 * must be. Every instruction is also carried out by its descriptor and compared. Skips without /dev/kvm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "vm/x86_64/x86_vm.h"
#include "vm_x86_guests.h"

enum { MOST = 4000, SAVED_AT = 25, LONG_AT = 0x100000, REAL_AT = 0x7c00 };

static char path[64];

static int have_kvm(void **state)
{
	struct kt_err err;
	int fd = x86_kvm_open(&err);

	if (fd < 0) {
		print_message("skipped: %s\n", err.text);
		return -1;
	}
	close(fd);
	return 0;
}

static struct vm *start(const struct guest *g, bool in_real)
{
	struct vm_config c;
	struct kt_err err = { 0 };
	struct vm *vm;
	size_t n = (size_t)(g->end - g->code);

	if (have_kvm(NULL))
		skip();
	strcpy(path, "/tmp/ktrace-test-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, g->code, n), n);
	close(fd);
	vm_config_default(&c);
	c.image = path;
	c.mem = 8 << 20;
	c.flat = true;
	c.mode = in_real ? VM_MODE_REAL : VM_MODE_LONG;
	int rc = vm_create(&c, &vm, &err);
	unlink(path);
	if (rc)
		fail_msg("vm_create: %s", err.text);
	vm->verify = true;
	return vm;
}

/* What a whole run did, kept flat for the checks. */
struct run {
	struct vm *vm;
	unsigned n;
	struct kt_step step[MOST]; /* accesses' data copied to `data` */
	u64 hot[MOST][X86_NHOT];
	u64 shadow[MOST];
	struct kt_insn insn[MOST];
	u8 data[1 << 20];
	size_t used;
};
static struct run t;

static void keep(const struct kt_step *s)
{
	struct kt_step *k = &t.step[t.n];

	*k = *s;
	memcpy(t.hot[t.n], s->hot, sizeof t.hot[0]);
	if (s->insn) {
		t.insn[t.n] = *s->insn; /* the engine's own may be another one after the next step */
		k->insn = &t.insn[t.n];
	}
	t.shadow[t.n] = t.vm->c.r[X86_shadow];
	for (unsigned i = 0; i < k->naccess; i++) {
		struct kt_access *a = &k->access[i];
		u32 n = a->flags & KT_ACCESS_NODATA ? 0 : a->flags & KT_ACCESS_FILL ? a->elem : a->size;
		assert_true(a->size >= 1);
		if (!n || t.used + n > sizeof t.data)
			continue;
		assert_non_null(a->data);
		a->data = memcpy(t.data + t.used, a->data, n);
		t.used += n;
	}
	t.n++;
}

static void finish(enum vm_end why)
{
	struct kt_err err = { 0 };

	assert_int_equal(vm_end(t.vm), why);
	assert_int_equal(vm_audit_regs(t.vm, &err), 0);
	assert_int_equal(t.vm->verify_misses, 0);
	assert_int_equal(t.vm->b.counts.gaps, 0);
}

static bool without_breakpoints; /* as on hosts where they do not hit */

static void run(const struct guest *g, bool in_real, enum vm_end why)
{
	struct kt_err err = { 0 };
	const struct kt_step *s;
	int rc;

	t.vm = start(g, in_real);
	t.vm->host.breakpoints &= !without_breakpoints;
	t.n = 0;
	t.used = 0;
	while (!(rc = vm_step(t.vm, &s, &err))) {
		assert_true(t.n < MOST);
		keep(s);
	}
	if (rc < 0)
		fail_msg("vm_step: %s", err.text);
	if (vm_end(t.vm) != why)
		fail_msg("ended: %s", vm_end_text(t.vm));
	finish(why);
}

static void done(void)
{
	vm_destroy(t.vm);
	t.vm = NULL;
}

/* The n-th step of this kind, from 0. */
static const struct kt_step *nth(enum kt_step_kind kind, unsigned n)
{
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].kind == kind && !n--)
			return &t.step[i];
	fail_msg("no such step");
	return NULL;
}

static unsigned index_of(const struct kt_step *s)
{
	return (unsigned)(s - t.step);
}

/* The n-th step whose instruction begins with these bytes. */
static const struct kt_step *insn(const char *bytes, unsigned len, unsigned n)
{
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].insn && !memcmp(t.step[i].insn->bytes, bytes, len) && !n--)
			return &t.step[i];
	fail_msg("no such instruction");
	return NULL;
}

static u64 after(const struct kt_step *s, unsigned reg)
{
	return t.hot[index_of(s)][reg];
}

static void check_access(const struct kt_step *s, unsigned n, u8 space, u8 flags, u64 pa, u32 size)
{
	assert_true(n < s->naccess);
	assert_int_equal(s->access[n].space, space);
	assert_int_equal(s->access[n].flags, flags);
	assert_int_equal(s->access[n].pa, pa);
	assert_int_equal(s->access[n].size, size);
}

static u64 data_of(const struct kt_step *s, unsigned n)
{
	u64 v = 0;
	memcpy(&v, s->access[n].data, s->access[n].size < 8 ? s->access[n].size : 8);
	return v;
}

static void test_basic(void **state)
{
	run(&basic, false, VM_END_EXIT);
	assert_int_equal(t.step[0].pc, LONG_AT);
	assert_int_equal(after(&t.step[0], X86_rax), 0x1122334455667788);
	assert_int_equal(t.step[0].naccess, 0);
	check_access(&t.step[1], 0, KT_SPACE_RAM, KT_ACCESS_WRITE, 0x30000, 8);
	assert_int_equal(data_of(&t.step[1], 0), 0x1122334455667788);
	check_access(&t.step[2], 0, KT_SPACE_RAM, 0, 0x30001, 1);
	check_access(&t.step[2], 1, KT_SPACE_RAM, KT_ACCESS_WRITE, 0x30001, 1);
	assert_int_equal(data_of(&t.step[2], 0), 0x77);
	assert_int_equal(data_of(&t.step[2], 1), 0xef); /* 77 + 78 */
	assert_int_equal(after(&t.step[2], X86_rflags) & X86_STATUS, X86_OF | X86_SF);
	assert_int_equal(after(&t.step[4], X86_rbx), 0x1122334455667788);
	/* call: the return address is stored below the stack pointer */
	const struct kt_step *call = &t.step[5];
	check_access(call, 0, KT_SPACE_RAM, KT_ACCESS_WRITE, after(&t.step[4], X86_rsp) - 8, 8);
	assert_int_equal(data_of(call, 0), call->pc + call->insn->len);
	/* xor, ret, jmp, and the load over two pages, which are contiguous: one record */
	const struct kt_step *two = insn("\x48\x8b\x14\x25", 4, 0);
	assert_int_equal(index_of(two), 9);
	assert_int_equal(two->naccess, 1);
	check_access(two, 0, KT_SPACE_RAM, 0, 0x30ffc, 8);
	for (unsigned i = 0; i < t.n; i++)
		assert_int_equal(t.step[i].kind, KT_STEP_INSN);
	assert_int_equal(vm_step_number(t.vm), t.n);
	assert_int_equal(vm_time_ns(t.vm), t.n * 10);
	done();
}

static void check_exception(unsigned n, unsigned vector, u32 code, u64 value)
{
	const struct kt_step *s = nth(KT_STEP_EXCEPTION, n);

	assert_int_equal(s->nevent, 1);
	assert_int_equal(s->event[0].kind, KT_EVENT_EXCEPTION);
	assert_int_equal(s->event[0].num, vector);
	assert_int_equal(s->event[0].code, code);
	assert_int_equal(s->event[0].value, value);
}

static void test_faults(void **state)
{
	run(&faults, false, VM_END_EXIT);
	check_exception(0, 6, 0, 0);
	check_exception(1, 3, 0, 0);
	check_exception(2, 14, 0, 0x123456789000);
	check_exception(3, 13, 0, 0);
	/* The handler's read of CR2. */
	assert_int_equal(t.hot[t.n - 1][X86_rbp], 0x123456789000);
	/* #UD's frame holds the address of ud2 itself, #BP's that behind it (SDM 3, 6.5). */
	const struct kt_step *ud = nth(KT_STEP_EXCEPTION, 0), *bp = nth(KT_STEP_EXCEPTION, 1);
	u64 frame;
	memcpy(&frame, x86_ram(&t.vm->c, after(ud, X86_rsp), 8), 8);
	assert_memory_equal(ud->insn->bytes, "\x0f\x0b", 2);
	assert_memory_equal(bp->insn->bytes, "\xcc", 1);
	assert_int_equal(t.vm->b.counts.deliveries, 4);
	done();
}

static u64 sum_of_sizes(const struct kt_step *s, unsigned write)
{
	u64 n = 0;
	for (unsigned i = 0; i < s->naccess; i++)
		if ((s->access[i].flags & KT_ACCESS_WRITE) == write && !(s->access[i].flags & KT_ACCESS_IMPLICIT))
			n += s->access[i].size;
	return n;
}

static void test_rep(void **state)
{
	run(&rep, false, VM_END_EXIT);
	const struct kt_step *a = insn("\xf3\xaa", 2, 0), *b = insn("\xf3\xaa", 2, 1);
	check_access(a, a->naccess - 1, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_FILL, 0x200000, 65536);
	assert_int_equal(a->access[a->naccess - 1].elem, 1);
	assert_int_equal(a->access[a->naccess - 1].data[0], 0x5a);
	assert_int_equal(after(a, X86_rip), a->pc);
	assert_int_equal(after(a, X86_rcx), 70000 - 65536);
	check_access(b, b->naccess - 1, KT_SPACE_RAM, KT_ACCESS_WRITE | KT_ACCESS_FILL, 0x210000, 70000 - 65536);
	assert_int_equal(after(b, X86_rip), b->pc + 2);
	assert_int_equal(after(b, X86_rdi), 0x200000 + 70000);

	a = insn("\xf3\x48\xa5", 3, 0);
	b = insn("\xf3\x48\xa5", 3, 1);
	assert_int_equal(sum_of_sizes(a, KT_ACCESS_WRITE), 128 << 10);
	assert_int_equal(sum_of_sizes(b, KT_ACCESS_WRITE), 160000 - (128 << 10));
	assert_int_equal(after(a, X86_rcx), 20000 - 16384);
	assert_int_equal(after(b, X86_rcx), 0);
	assert_int_equal(sum_of_sizes(a, 0), 128 << 10);

	a = insn("\xf3\xa4", 2, 0); /* RCX = 0: one step, nothing done */
	assert_int_equal(a->naccess, 0);
	assert_int_equal(after(a, X86_rip), a->pc + 2);

	a = insn("\xf2\xae", 2, 0);
	b = insn("\xf2\xae", 2, 1);
	assert_int_equal(after(a, X86_rcx), 100000 - 65536);
	assert_int_equal(after(a, X86_rip), a->pc);
	assert_int_equal(after(b, X86_rdi), 0x200000 + 70001);
	assert_int_equal(after(b, X86_rcx), 100000 - 70001);
	assert_true(after(b, X86_rflags) & X86_ZF);
	assert_int_equal(sum_of_sizes(b, 0), 70001 - 65536);

	a = insn("\xf3\xa4", 2, 1); /* downwards: the lowest byte written is 0x1000 - 1 below the first */
	check_access(a, a->naccess - 1, KT_SPACE_RAM, KT_ACCESS_WRITE, 0x200002, 0x1000);
	assert_int_equal(after(a, X86_rdi), 0x201001 - 0x1000);
	done();
}

static void test_rep_fault(void **state)
{
	run(&rep_fault, false, VM_END_EXIT);
	const struct kt_step *a = insn("\xf3\xaa", 2, 0), *b = insn("\xf3\xaa", 2, 1);
	assert_int_equal(a->kind, KT_STEP_INSN);
	assert_int_equal(after(a, X86_rcx), 100 - 16);
	assert_int_equal(after(a, X86_rdi), 0x281000);
	assert_int_equal(after(a, X86_rip), a->pc);
	/* Accessed and Dirty of the new table's entry come before the data */
	assert_true(a->access[0].flags & KT_ACCESS_IMPLICIT || a->naccess == 1);
	assert_int_equal(b->kind, KT_STEP_EXCEPTION);
	assert_int_equal(b->event[0].num, 14);
	assert_int_equal(b->event[0].code, 2); /* a write to what is not present, by the kernel */
	assert_int_equal(b->event[0].value, 0x281000);
	assert_int_equal(t.hot[t.n - 1][X86_rbx], 0x281000);
	done();
}

static void test_devices(void **state)
{
	run(&devices, false, VM_END_EXIT);
	const struct kt_step *s = insn("\xec", 1, 0);
	check_access(s, 0, KT_SPACE_PORT, 0, 0x402, 1);
	assert_int_equal(data_of(s, 0), 0xe9);
	assert_int_equal(after(s, X86_rax) & 0xff, 0xe9);
	s = insn("\xee", 1, 0);
	check_access(s, 0, KT_SPACE_PORT, KT_ACCESS_WRITE, 0x402, 1);
	assert_int_equal(data_of(s, 0), 'k');
	assert_int_equal(s->nevent, 1);
	assert_int_equal(s->event[0].kind, KT_EVENT_CONSOLE);
	assert_int_equal(s->event[0].num, 2);
	assert_int_equal(s->event[0].code, 'k');
	/* 0xa0010: nobody answers. The read-modify-write asks once and writes once. */
	s = insn("\x8b\x03", 2, 0);
	check_access(s, 0, KT_SPACE_MMIO, 0, 0xa0010, 4);
	assert_int_equal(after(s, X86_rax), 0xffffffff);
	s = insn("\x89\x0b", 2, 0);
	check_access(s, 0, KT_SPACE_MMIO, KT_ACCESS_WRITE, 0xa0010, 4);
	s = insn("\x66\x83\x03", 3, 0);
	assert_int_equal(s->naccess, 2);
	check_access(s, 0, KT_SPACE_MMIO, 0, 0xa0010, 2);
	check_access(s, 1, KT_SPACE_MMIO, KT_ACCESS_WRITE, 0xa0010, 2);
	assert_int_equal(data_of(s, 0), 0xffff);
	assert_int_equal(data_of(s, 1), 0);
	/* rep insb, rep outsb: an iteration a step */
	for (unsigned n = 0; n < 3; n++) {
		s = insn("\xf3\x6c", 2, n);
		assert_int_equal(s->naccess, 2);
		check_access(s, 0, KT_SPACE_PORT, 0, 0x402, 1);
		check_access(s, 1, KT_SPACE_RAM, KT_ACCESS_WRITE, 0x30000 + n, 1);
		assert_int_equal(data_of(s, 1), 0xe9);
		assert_int_equal(after(s, X86_rcx), 2 - n);
		s = insn("\xf3\x6e", 2, n);
		assert_int_equal(s->naccess, 2);
		check_access(s, 0, KT_SPACE_RAM, 0, 0x30000 + n, 1);
		check_access(s, 1, KT_SPACE_PORT, KT_ACCESS_WRITE, 0x402, 1);
		assert_int_equal(data_of(s, 1), (u8)"hi\n"[n]);
		assert_int_equal(s->event[0].code, (u8)"hi\n"[n]);
	}
	done();
}

static void test_idle(void **state)
{
	run(&idle, false, VM_END_EXIT);
	const struct kt_step *hlt = insn("\xf4", 1, 0), *irq = nth(KT_STEP_IRQ, 0);
	assert_int_equal(hlt->kind, KT_STEP_INSN);
	assert_int_equal(index_of(irq), index_of(hlt) + 1);
	assert_int_equal(irq->pc, hlt->pc + 1);
	assert_int_equal(irq->nevent, 2);
	assert_int_equal(irq->event[0].kind, KT_EVENT_IDLE);
	/* 100 ticks of 1193182 Hz are 83,809 ns; a few steps of them were spent before the hlt */
	assert_in_range(irq->event[0].value, 83000, 84700);
	assert_int_equal(irq->event[1].kind, KT_EVENT_IRQ);
	assert_int_equal(irq->event[1].num, 0x20);
	assert_int_equal(irq->event[1].code, 0);
	assert_int_equal(vm_time_ns(t.vm), t.n * 10 + irq->event[0].value);
	done();
	run(&stop, false, VM_END_IDLE);
	assert_int_equal(t.n, 2);
	done();
}

static void test_self_modifying(void **state)
{
	run(&self, false, VM_END_EXIT);
	const struct kt_step *a = insn("\xb3\x02", 2, 0), *b = insn("\xb3\x01", 2, 0);
	assert_int_equal(a->pc, b->pc);
	assert_int_equal(after(a, X86_rbx) & 0xff, 2);
	assert_int_equal(after(b, X86_rbx) & 0xff, 1);
	done();
}

static void test_fpu(void **state)
{
	run(&fpu, false, VM_END_EXIT);
	u8 *m = x86_ram(&t.vm->c, 0x30000, 16), *image = x86_ram(&t.vm->c, 0x31000, 512);
	u16 v;
	assert_memory_equal(m, "\x7f\x03", 2);   /* FNINIT's control word */
	memcpy(&v, m + 2, 2);
	assert_int_equal(v, 0x37f);              /* restored over 0x27f */
	assert_memory_equal(m + 0x14, "\xbf\x1f\x00\x00", 4);
	assert_int_equal(t.vm->c.r[X86_mxcsr], 0x1fbf);
	assert_memory_equal(m + 0x41, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(t.vm->c.r[X86_xmm3_lo], ~0ull);
	assert_memory_equal(image + 24, "\xbf\x1f\x00\x00\xff\xff\x00\x00", 8); /* MXCSR and its mask */
	assert_memory_equal(image + 160 + 3 * 16, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_memory_equal(x86_ram(&t.vm->c, 0x31e00, 4), "\x78\x56\x34\x12", 4);
	done();
}

static void test_numbers(void **state)
{
	run(&numbers, false, VM_END_EXIT);
	const u64 *r = t.vm->c.r;
	double d[2], st;
	u32 v;

	memcpy(d, x86_ram(&t.vm->c, 0x30000, 16), 16);
	assert_true(d[0] == 7.0 && d[1] == 196.0);
	assert_int_equal(r[X86_r10] & 0xff, 1);
	assert_int_equal(r[X86_r11], 196);
	assert_int_equal(r[X86_r12], 15);
	assert_int_equal(r[X86_r13], 0x4068); /* 196.0 = 4068800000000000 */
	memcpy(&v, x86_ram(&t.vm->c, 0x30010, 4), 4);
	assert_int_equal(v, 0x1f84); /* divide by zero: its flag beside the reset state's masks */
	memcpy(&v, x86_ram(&t.vm->c, 0x30018, 4), 4);
	assert_int_equal(v, 4); /* 4.14 rounded to nearest */
	assert_memory_equal(x86_ram(&t.vm->c, 0x30020, 10), "\0\0\0\0\0\0\0\x80\x01\x40", 10);
	assert_int_equal(r[X86_r14], 0x02040608);
	/* TOP = 6; R6 zero (01), R7 valid (00), the others empty (11); inexact (PE) from the rounding stays */
	assert_memory_equal(x86_ram(&t.vm->c, 0x30040, 28),
	                    "\x7f\x03\xff\xff\x20\x30\xff\xff\xff\x1f\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff", 28);
	memcpy(&st, x86_ram(&t.vm->c, 0x30100, 8), 8);
	assert_true(st == 1.0);
	done();
}

static void test_shadow(void **state)
{
	run(&shadow, false, VM_END_EXIT);
	const struct kt_step *sti = insn("\xfb", 1, 0), *irq = nth(KT_STEP_IRQ, 0);
	assert_int_equal(t.shadow[index_of(sti)], 1);
	assert_int_equal(t.shadow[index_of(sti) + 1], 1); /* mov ss casts its own */
	assert_int_equal(t.shadow[index_of(sti) + 2], 0);
	assert_int_equal(index_of(irq), index_of(sti) + 3);
	assert_memory_equal(t.step[index_of(irq) - 1].insn->bytes, "\x90", 1);
	done();
}

static void test_guest_debug(void **state)
{
	run(&debug, false, VM_END_EXIT);
	/* TF set by popf: the instruction behind popf runs, then the trap (SDM 3, 18.3.1.4). Trapped: nop, pushf, pop, pushf, and,
	 * popf (which clears TF, but began with it set). */
	unsigned traps = 0;
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].kind == KT_STEP_EXCEPTION && t.step[i].event[0].kind == KT_EVENT_DEBUG && t.step[i].event[0].value == 1 << 14) {
			assert_int_equal(t.step[i].event[1].kind, KT_EVENT_EXCEPTION);
			assert_int_equal(t.step[i].event[1].num, 1);
			traps++;
		}
	assert_int_equal(traps, 6);
	/* pushf shows the guest's own TF */
	const struct kt_step *pop = insn("\x5b", 1, 0);
	assert_true(after(pop, X86_rbx) & X86_TF);
	/* dr0: an instruction breakpoint, a fault; dr1: four bytes written, a trap behind the instruction */
	const struct kt_step *mov = insn("\xc7\x04\x25", 3, 1);
	const struct kt_step *fault = NULL, *trap = NULL;
	(void)mov;
	for (unsigned i = 0; i < t.n; i++)
		if (t.step[i].kind == KT_STEP_EXCEPTION && t.step[i].event[0].value == 1)
			fault = &t.step[i];
		else if (t.step[i].kind == KT_STEP_EXCEPTION && t.step[i].event[0].value == 2)
			trap = &t.step[i];
	assert_non_null(fault);
	assert_non_null(trap);
	assert_memory_equal(fault->insn->bytes, "\xc7\x04\x25", 3);
	assert_int_equal(t.step[index_of(trap) - 1].pc, fault->pc);
	assert_int_equal(trap->pc, fault->pc + fault->insn->len);
	assert_int_equal(t.hot[t.n - 1][X86_rbp], 8);
	done();
}

static void test_user_mode(void **state)
{
	run(&user, false, VM_END_EXIT);
	const u64 *r = t.vm->c.r;
	assert_int_equal(r[X86_rbp], 3);
	assert_int_equal(r[X86_rbx], 0x10);
	assert_int_equal(r[X86_r12], 0x50000 - 40);        /* RSP0, five words pushed */
	assert_int_equal(r[X86_r13] & (X86_IF | X86_TF), X86_IF);
	assert_int_equal(r[X86_r14], 0x123456789000);
	assert_int_equal(r[X86_r15], 0x33);                /* CS in the frame of the forbidden hlt */
	check_exception(0, 0x80, 0, 0);
	check_exception(1, 14, 4, 0x123456789000);         /* U/S */
	check_exception(2, 13, 0, 0);
	done();
}

static void test_real_mode(void **state)
{
	run(&real, true, VM_END_EXIT);
	assert_int_equal(t.step[0].pc, REAL_AT);
	check_exception(0, 0x20, 0, 0);
	check_exception(1, 0, 0, 0);
	assert_int_equal(t.hot[t.n - 1][X86_rbx] & 0xffff, 1);
	assert_memory_equal(x86_ram(&t.vm->c, 0x10010, 2), "\x21\x43", 2);
	assert_int_equal(t.vm->c.r[X86_fs], 0x1000);
	assert_int_equal(t.vm->c.r[X86_fs_base], 0x10000);
	done();
}

static void test_undefined_is_canonical(void **state)
{
	run(&undefined, false, VM_END_EXIT);
	/* A bit scan of zero leaves its destination (canonical; SDM says undefined). */
	assert_int_equal(after(insn("\x0f\xbc\xd9", 3, 0), X86_rbx), 0x91a0); /* 0x1234 rotated left by 3 */
	assert_true(after(insn("\x0f\xbc\xd9", 3, 0), X86_rflags) & X86_ZF);
	done();
}

static unsigned pages_named;

static void count_page(void *ctx, u64 gpa, const u8 *host)
{
	pages_named += gpa == *(const u64 *)ctx;
}

/* A host that loses count, made from one with late traps: mfence is handed to KVM, whose step ends behind the instruction
 * after it. That is a gap, its state is true, and the pages it wrote are recorded. */
static void test_gap(void **state)
{
	struct kt_err err = { 0 };
	const struct kt_step *s;
	struct vm *vm = start(&fence, false);
	unsigned gaps = 0;
	int rc;

	if (!vm->host.late_traps) {
		vm_destroy(vm);
		skip();
	}
	while (!(rc = vm_step(vm, &s, &err))) {
		if (s->kind != KT_STEP_GAP) {
			if (!memcmp(s->insn->bytes, "\x0f\xae\xf0", 3))
				((struct x86_code *)s->insn)->method = X86_M_STEP;
			continue;
		}
		gaps++;
		assert_int_equal(s->event[s->nevent - 1].kind, KT_EVENT_GAP);
		assert_int_equal(s->event[s->nevent - 1].num, KT_GAP_LOST_STEP);
		bool page = false;
		for (unsigned i = 0; i < s->naccess; i++)
			if (s->access[i].pa == 0x30000 && s->access[i].size == 4096) {
				page = true;
				assert_memory_equal(s->access[i].data + 0x20, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
			}
		assert_true(page);
	}
	assert_int_equal(rc, VM_ENDED);
	assert_int_equal(vm_end(vm), VM_END_EXIT);
	assert_int_equal(vm->b.counts.gaps, gaps);
	assert_int_equal(gaps, 1);
	/* a page that did not fit into a gap's record is named by the next audit */
	u64 gpa = 0x45000;
	x86_kvm_keep_dirty(vm, gpa);
	pages_named = 0;
	assert_int_equal(vm_dirty_pages(vm, count_page, &gpa, &err), 0);
	assert_int_equal(vm_dirty_pages(vm, count_page, &gpa, &err), 0);
	assert_int_equal(pages_named, 1);
	vm_destroy(vm);
}

static u64 digest(void)
{
	u64 h = 0xcbf29ce484222325;
	const u8 *p = (const u8 *)t.hot;

	for (size_t i = 0; i < t.n * sizeof t.hot[0]; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

/* REP without breakpoints: moves and fills are ours, scans are stepped by iteration. The trace is the same. */
static void test_rep_by_ourselves(void **state)
{
	static const struct guest *const guests[] = { &rep, &rep_fault, &devices };

	for (unsigned i = 0; i < 3; i++) {
		run(guests[i], false, VM_END_EXIT);
		unsigned n = t.n;
		u64 first = digest(), bytes = t.used;
		static u8 data[sizeof t.data];
		memcpy(data, t.data, bytes);
		done();
		without_breakpoints = true;
		run(guests[i], false, VM_END_EXIT);
		without_breakpoints = false;
		assert_int_equal(t.n, n);
		assert_int_equal(digest(), first);
		assert_int_equal(t.used, bytes);
		assert_memory_equal(t.data, data, bytes);
		done();
	}
}

static void test_deterministic(void **state)
{
	run(&idle, false, VM_END_EXIT);
	unsigned n = t.n;
	u64 first = digest();
	done();
	run(&idle, false, VM_END_EXIT);
	assert_int_equal(t.n, n);
	assert_int_equal(digest(), first);
	done();
}

/* The machine goes back to a saved state and does the same again. */
static void test_save_restore(void **state)
{
	static u64 regs[X86_NREGS], want[X86_NREGS];
	const struct kt_step *s;
	struct kt_err err = { 0 };
	struct kt_buf b = { 0 };
	struct vm *vm = start(&idle, false);
	unsigned nram;
	const struct vm_ram *ram = vm_ram(vm, &nram);

	for (unsigned i = 0; i < SAVED_AT; i++)
		assert_int_equal(vm_step(vm, &s, &err), VM_STEPPED);
	memcpy(regs, vm_regs(vm), sizeof regs);
	vm_devices_save(vm, &b);
	assert_false(b.failed);
	u8 *low = malloc(ram[0].size), *high = malloc(ram[1].size);
	memcpy(low, ram[0].host, ram[0].size);
	memcpy(high, ram[1].host, ram[1].size);
	while (!vm_step(vm, &s, &err))
		;
	u64 steps = vm_step_number(vm), time = vm_time_ns(vm);
	memcpy(want, vm_regs(vm), sizeof want);

	memcpy(ram[0].host, low, ram[0].size);
	memcpy(ram[1].host, high, ram[1].size);
	struct kt_rd in = kt_rd_of(b.data, b.len);
	assert_int_equal(vm_devices_restore(vm, &in, &err), 0);
	assert_int_equal(vm_regs_restore(vm, regs, &err), 0);
	assert_int_equal(vm_step_number(vm), SAVED_AT);
	while (!vm_step(vm, &s, &err))
		;
	assert_int_equal(vm_step_number(vm), steps);
	assert_int_equal(vm_time_ns(vm), time);
	assert_memory_equal(vm_regs(vm), want, sizeof want);

	for (size_t cut = 0; cut < b.len; cut += 7) { /* a torn record is refused */
		in = kt_rd_of(b.data, cut);
		assert_true(vm_devices_restore(vm, &in, &err) < 0);
	}
	free(low);
	free(high);
	kt_buf_free(&b);
	vm_destroy(vm);
}

static void test_page_touch_fn(void *ctx, u64 gpa, const u8 *host)
{
	if (gpa == 0x30000) {
		++*(unsigned *)ctx;
		assert_memory_equal(host, "\0\0\0\0\0\0\0\0", 8); /* still as before the write */
	}
}

static void test_page_touch(void **state)
{
	unsigned n = 0;
	struct vm *vm = start(&basic, false);
	struct vm_hooks hooks = { .ctx = &n, .page_touch = test_page_touch_fn };
	const struct kt_step *s;
	struct kt_err err;

	vm_set_hooks(vm, &hooks);
	while (!vm_step(vm, &s, &err))
		;
	assert_int_equal(n, 1);
	vm_destroy(vm);
}

static void test_interrupt(void **state)
{
	struct vm *vm = start(&spin, false);
	const struct kt_step *s;
	struct kt_err err;

	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(vm_step(vm, &s, &err), VM_STEPPED);
	assert_int_equal(vm_regs(vm)[X86_rip], LONG_AT);
	vm_interrupt(vm);
	assert_int_equal(vm_step(vm, &s, &err), VM_ENDED);
	assert_int_equal(vm_end(vm), VM_END_INTERRUPTED);
	assert_int_equal(vm_step(vm, &s, &err), VM_ENDED);
	vm_destroy(vm);
}

static void test_refusals(void **state)
{
	struct vm_config c;
	struct kt_err err;
	struct vm *vm;

	vm_destroy(NULL);
	vm_config_default(&c);
	assert_int_equal(c.mem, 256 << 20);
	assert_int_equal(vm_create(&c, &vm, &err), -KT_E_ARG);
	assert_null(vm);
	c.image = "/nonexistent";
	c.mem = 4097;
	assert_int_equal(vm_create(&c, &vm, &err), -KT_E_ARG);
	c.mem = 1 << 20;
	c.step_ns = 0;
	assert_int_equal(vm_create(&c, &vm, &err), -KT_E_ARG);
	c.step_ns = 10;
	c.cpu = "pentium";
	assert_int_equal(vm_create(&c, &vm, &err), -KT_E_UNSUPPORTED);
	assert_string_equal(vm_end_name(VM_END_TRIPLE_FAULT), "triple-fault");
	assert_string_equal(vm_end_name((enum vm_end)99), "unknown");
}

static void talk(void *ctx, enum kt_log_level level, const char *domain, const char *text)
{
	print_message("%s: %s\n", domain, text);
}

int main(void)
{
	kt_log_to(talk, NULL, KT_LOG_INFO);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_rep),
		cmocka_unit_test(test_rep_fault),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_self_modifying),
		cmocka_unit_test(test_fpu),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_shadow),
		cmocka_unit_test(test_guest_debug),
		cmocka_unit_test(test_user_mode),
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_undefined_is_canonical),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_rep_by_ourselves),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_save_restore),
		cmocka_unit_test(test_page_touch),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
