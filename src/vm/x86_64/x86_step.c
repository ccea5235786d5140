/* SPDX-License-Identifier: MIT */
/* The step: one move of the trace, in the order that doc/stepping.md gives. */
#include <string.h>

#include "vm/x86_64/x86_vm.h"

enum { DR6_BS = 1 << 14 };

/* A halted machine's clock jumps at most this often, and this far, without an interrupt coming of it. */
enum { IDLE_JUMPS = 1000000 };
static const u64 idle_most_ns = 3600ull * 1000000000;

static unsigned fetch_use(const u64 *r)
{
	return X86_USE_FETCH | (x86_cpl(r) == 3 ? X86_USE_USER : 0);
}

/* Code bytes at linear address pc, n of them within a page. NULL: faulted or ended (*rc). */
static const u8 *code_at(struct vm *vm, u64 pc, unsigned n, int *rc)
{
	struct x86_cpu *c = &vm->c;
	u64 pa;

	*rc = X86_FAULTED;
	if (x86_translate(c, pc, fetch_use(c->r), &pa, &vm->fault))
		return NULL;
	const u8 *host = x86_ram(c, pa, n);
	if (!host) {
		x86_end(c, VM_END_UNSUPPORTED, pa, "code at %#llx lies at physical %#llx, where there is no RAM", (unsigned long long)pc,
		        (unsigned long long)pa);
		*rc = X86_ENDED;
	}
	return host;
}

static int general_protection(struct vm *vm)
{
	vm->fault = (struct x86_fault){ .vector = X86_GP, .has_error = true };
	return X86_FAULTED;
}

static struct x86_code *entry_for(struct vm *vm, u64 pc, unsigned mode)
{
	return &vm->code[((pc ^ (u64)mode << 60) * 0x9e3779b97f4a7c15ull) >> (64 - X86_CODE_BITS)];
}

static void decoded(struct vm *vm, struct x86_code *e)
{
	e->i.k.id = 0;
	x86_exec_classify(vm, e);
	vm->b.counts.decodes++;
}

/* Near the end of a page: bytes are collected, the second page is touched only if the instruction needs it. */
static int fetch_slow(struct vm *vm, u64 pc, unsigned mode, const u8 *host, unsigned room, struct x86_code **out)
{
	struct x86_cpu *c = &vm->c;
	struct x86_code *e = entry_for(vm, pc, mode);
	u8 b[16] = { 0 };
	struct x86_insn i;
	u64 next = pc + room;
	int rc;

	if (!(mode & KT_MODE_64))
		next = (u32)next;
	memcpy(b, host, room);
	if (x86_decode(mode, pc, c->r[X86_rip], b, room, &i) == -KT_E_RANGE) {
		const u8 *more = code_at(vm, next, 15 - room, &rc);
		if (!more)
			return rc;
		memcpy(b + room, more, 15 - room);
		if (x86_decode(mode, pc, c->r[X86_rip], b, 15, &i))
			return general_protection(vm); /* longer than 15 bytes */
	}
	if (e->i.k.pc != pc || e->i.k.mode != mode || e->i.k.len != i.k.len || memcmp(e->i.k.bytes, i.k.bytes, 16)) {
		e->i = i;
		decoded(vm, e);
	}
	*out = e;
	return X86_RETIRED;
}

/* Compares `len` code bytes with an entry's; 16 bytes can be read at both. */
static inline bool same_bytes(const u8 *a, const struct x86_code *e)
{
	u64 x[2], y[2];
	unsigned len = e->i.k.len;

	memcpy(x, a, 16);
	memcpy(y, e->i.k.bytes, 16);
	if (len < 8)
		return !((x[0] ^ y[0]) << (64 - 8 * len));
	return x[0] == y[0] && (len == 8 || !((x[1] ^ y[1]) << (128 - 8 * len)));
}

/* The instruction at PC. FAULTED: fetching it raises vm->fault. */
static int fetch(struct vm *vm, struct x86_code **out)
{
	struct x86_cpu *c = &vm->c;
	unsigned mode = x86_mode(c->r), room;
	u64 pc = c->step.pc;
	int rc;

	if ((mode & KT_MODE_CODE) == KT_MODE_64) {
		if ((u64)((s64)(pc << 16) >> 16) != pc && !x86_canonical(c->r, pc))
			return general_protection(vm);
	} else if (c->r[X86_rip] > c->r[X86_cs_limit]) {
		return general_protection(vm);
	}
	room = 4096 - (pc & 4095);
	const u8 *host = code_at(vm, pc, KT_MIN(room, 16u), &rc);
	if (kt_unlikely(!host))
		return rc;
	if (kt_unlikely(room < 16)) {
		rc = fetch_slow(vm, pc, mode, host, KT_MIN(room, 15u), out);
		if (rc)
			return rc;
	} else {
		struct x86_code *e = entry_for(vm, pc, mode);
		if (kt_unlikely(e->i.k.pc != pc || e->i.k.mode != mode || !e->i.k.len || !same_bytes(host, e))) {
			if (x86_decode(mode, pc, c->r[X86_rip], host, 15, &e->i)) {
				e->i.k.len = 0;
				return general_protection(vm);
			}
			decoded(vm, e);
		}
		*out = e;
	}
	if ((mode & KT_MODE_CODE) != KT_MODE_64 && c->r[X86_rip] + (*out)->i.k.len - 1 > c->r[X86_cs_limit])
		return general_protection(vm);
	return X86_RETIRED;
}

/* Halted: time goes on to the next timer event until an interrupt is pending. */
static int wait_idle(struct vm *vm)
{
	struct x86_cpu *c = &vm->c;
	struct bus *bus = &vm->b.bus;

	if (!(c->r[X86_rflags] & X86_IF)) {
		x86_end(c, VM_END_IDLE, 0, "halted at %#llx with interrupts off: nothing can wake it", (unsigned long long)c->step.pc);
		return X86_ENDED;
	}
	for (unsigned jumps = 0; !bus->irq_pending; jumps++) {
		u64 now = vm_clock_ns(&vm->b.clock);
		if (bus->next_ns == VM_NEVER || jumps == IDLE_JUMPS || vm->idle_jump > idle_most_ns) {
			x86_end(c, VM_END_IDLE, 0, "halted at %#llx and no device is going to interrupt", (unsigned long long)c->step.pc);
			return X86_ENDED;
		}
		if (bus->next_ns > now) {
			vm->b.clock.idle_ns += bus->next_ns - now;
			vm->idle_jump += bus->next_ns - now;
		}
		bus_run_timers(bus);
		if (c->end)
			return X86_ENDED;
	}
	return X86_RETIRED;
}

static int take_irq(struct vm *vm)
{
	struct x86_cpu *c = &vm->c;
	unsigned line = 0, vector = bus_irq_ack(&vm->b.bus, &line);

	c->step.kind = KT_STEP_IRQ;
	vm->b.counts.irqs++;
	vm->armed = vm->tf_rules ? 0 : vm->armed;
	return x86_deliver_irq(c, vector, line) ? X86_ENDED : X86_RETIRED;
}

static int take_exception(struct vm *vm, unsigned len)
{
	struct x86_cpu *c = &vm->c;

	c->step.kind = KT_STEP_EXCEPTION;
	vm->b.counts.deliveries++;
	vm->armed = vm->tf_rules ? 0 : vm->armed;
	if (vm->fault.vector == X86_DB && vm->fault.dr6)
		return x86_debug_deliver(vm, 1 << 13, true); /* mov dr with DR7.GD */
	return x86_deliver(c, &vm->fault, len) ? X86_ENDED : X86_RETIRED;
}

/* int3, int n, into, int1. */
static void soft_interrupt(struct vm *vm, const struct x86_insn *i)
{
	u8 vector = i->opcode == 0xcc ? X86_BP : i->opcode == 0xce ? X86_OFLOW : i->opcode == 0xf1 ? X86_DB : i->k.bytes[i->k.len - 1];

	vm->fault = (struct x86_fault){ .vector = vector, .is_trap = true, .soft = i->opcode != 0xf1 };
}

/* Behind a retired instruction: the shadow, and #DB traps of the guest's own debugging. */
static void after(struct vm *vm, const struct x86_code *code, u64 tf, u64 hits)
{
	struct x86_cpu *c = &vm->c;
	u64 dr6 = hits | (tf ? DR6_BS : 0);

	if (kt_unlikely(c->r[X86_shadow] != vm->new_shadow))
		x86_set(c, X86_shadow, vm->new_shadow);
	if (kt_likely(!dr6 && !vm->debug_held))
		return;
	if (code->debug_skip) { /* SDM 3, 6.8.3: mov ss holds traps back; its own single-step trap is lost */
		vm->debug_held |= hits;
		return;
	}
	vm->debug_pending = dr6 | vm->debug_held;
	vm->debug_held = 0;
}

static int step_insn(struct vm *vm, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	struct x86_code *code = NULL;
	bool debugging = c->r[X86_dr7] & 0xff;
	u64 hits = 0, tf;
	int rc = fetch(vm, &code);

	if (rc == X86_FAULTED && kt_unlikely(debugging) && !(c->r[X86_rflags] & X86_RF) && x86_debug_code(c, c->step.pc)) {
		vm->b.counts.deliveries++; /* SDM 3, table 6-2: a breakpoint comes before the faults of fetching */
		return x86_debug_deliver(vm, x86_debug_code(c, c->step.pc), true);
	}
	if (rc == X86_FAULTED)
		return take_exception(vm, 0);
	if (rc)
		return rc;
	c->step.insn = &code->i.k;
	if (kt_unlikely(debugging) && !(c->r[X86_rflags] & X86_RF) && x86_debug_code(c, c->step.pc)) {
		vm->b.counts.deliveries++;
		return x86_debug_deliver(vm, x86_debug_code(c, c->step.pc), true);
	}
	vm->plan.n = 0;
	if (x86_predict(c, &code->i, &vm->plan, &vm->fault))
		return take_exception(vm, code->i.k.len);
	if (code->method == X86_M_SOFTINT && (code->i.opcode != 0xce || c->r[X86_rflags] & X86_OF)) {
		soft_interrupt(vm, &code->i);
		return take_exception(vm, code->i.k.len);
	}
	if (kt_unlikely(debugging))
		hits = x86_debug_data(c, &vm->plan);
	memcpy(vm->pre, c->r, sizeof vm->pre);
	vm->new_shadow = false;
	tf = c->r[X86_rflags] & X86_TF;
	rc = x86_exec(vm, code, err);
	if (kt_unlikely(code->i.flow == X86_FLOW_FAR) && code->i.opcode_map == 1 && (code->i.opcode == 0x05 || code->i.opcode == 0x07))
		tf = c->r[X86_rflags] & X86_TF; /* syscall, sysret: as they leave it, so that IA32_FMASK can hold the trap back */
	if (rc == X86_RETIRED)
		after(vm, code, tf, hits);
	else if (rc == X86_FAULTED)
		return take_exception(vm, code->i.k.len);
	else if (rc == X86_LOST)
		return x86_gap(vm, KT_GAP_LOST_STEP, err);
	return rc;
}

static int make(struct vm *vm, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;
	struct bus *bus = &vm->b.bus;
	int rc;

	bus_run_timers(bus);
	if (kt_unlikely(vm->debug_pending)) {
		u64 dr6 = vm->debug_pending;
		vm->debug_pending = 0;
		vm->b.counts.deliveries++;
		return x86_debug_deliver(vm, dr6, false);
	}
	if (kt_unlikely(c->r[X86_halted]) && !c->end) {
		rc = wait_idle(vm);
		if (rc)
			return rc;
		if (vm->idle_jump)
			x86_step_event(c, KT_EVENT_IDLE, 0, 0, vm->idle_jump);
		vm->idle_jump = 0;
	}
	if (kt_unlikely(c->end))
		return X86_ENDED;
	if (kt_unlikely(bus->irq_pending) && c->r[X86_rflags] & X86_IF && !c->r[X86_shadow])
		return take_irq(vm);
	return step_insn(vm, err);
}

int vm_step(struct vm *vm, const struct kt_step **step, struct kt_err *err)
{
	struct x86_cpu *c = &vm->c;

	*step = &c->step;
	if (kt_unlikely(vm->b.stop))
		x86_end(c, VM_END_INTERRUPTED, 0, "interrupted by the user");
	if (kt_unlikely(c->end))
		return VM_ENDED;
	if (kt_unlikely(!vm->watchdog_set)) {
		int rc = x86_kvm_begin(vm, err);
		if (rc)
			return rc;
	}
	x86_step_begin(c);
	int rc = make(vm, err);
	if (kt_unlikely(rc)) {
		if (rc < 0)
			return rc;
		if (!c->end)
			x86_end(c, VM_END_UNSUPPORTED, 0, "ktrace and this host cannot carry out the instruction at %#llx",
			        (unsigned long long)c->step.pc);
		return VM_ENDED;
	}
	vm->b.clock.step++;
	return VM_STEPPED;
}
