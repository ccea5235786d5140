/* SPDX-License-Identifier: MIT */
/* The x86-64 engine on this host's KVM: small guests stepped whole, each step's record against what the manual says it
 * must be. Every instruction is also carried out by its descriptor and compared. Skips without /dev/kvm. */
#include "vm_x86_run.h"

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
		cmocka_unit_test(test_shadow),
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
