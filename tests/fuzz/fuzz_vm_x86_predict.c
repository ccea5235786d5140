/* SPDX-License-Identifier: MIT */
/* Fault prediction and segment loads against a hostile guest: any instruction, any registers, any page tables and
 * descriptor tables. Nothing may be touched but guest RAM; what is planned must lie where it is said to; a prediction
 * that changes nothing must come out the same again; registers stay as they are.
 *
 * Input: one byte of mode, registers as pairs (number, 8 bytes) until number ff, then 15 bytes of code, then what RAM is
 * filled with over and over. */
#include "vm/x86_64/x86_cpu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOW = 0x8000, HIGH = 0x4000, HIGH_AT = 0x10000 };

static u8 *low, *high, *scratch;
static struct x86_cpu *cpu;
static struct vm_clock fuzz_clock;

#define must(x)          \
	do {             \
		if (!(x)) \
			abort(); \
	} while (0)

static void on_touch(void *ctx, u64 gpa, const u8 *host)
{
	must(!(gpa & 4095));
	must(gpa < LOW ? host == low + gpa : gpa >= HIGH_AT && gpa < HIGH_AT + HIGH && host == high + (gpa - HIGH_AT));
}

static u64 take(const uint8_t **p, const uint8_t *end, unsigned n)
{
	u64 v = 0;
	for (unsigned i = 0; i < n && *p < end; i++)
		v |= (u64) * (*p)++ << 8 * i;
	return v;
}

static void machine(unsigned mode)
{
	static struct vm_ram ram[2];
	static u32 touched[(LOW + HIGH) / 4096];
	if (!low) {
		low = malloc(LOW);
		high = malloc(HIGH);
		scratch = malloc(X86_SCRATCH);
		cpu = malloc(sizeof *cpu);
		must(low && high && scratch && cpu);
	}
	ram[0] = (struct vm_ram){0, LOW, low};
	ram[1] = (struct vm_ram){HIGH_AT, HIGH, high};
	memset(touched, 0, sizeof touched);
	memset(cpu, 0, sizeof *cpu);
	cpu->ram = ram;
	cpu->nram = 2;
	cpu->clock = &fuzz_clock;
	cpu->hooks.page_touch = on_touch;
	cpu->touched = touched;
	cpu->epoch = 1;
	cpu->scratch = scratch;
	cpu->a20 = !(mode & 0x80);
	u64 *r = cpu->r;
	r[X86_rflags] = 2;
	r[X86_cr0] = mode & 1 ? 0x11 : 0x10;
	if (mode & 2)
		r[X86_cr0] |= X86_CR0_PG | 1;
	if (mode & 4)
		r[X86_cr4] |= X86_CR4_PAE;
	if (mode & 8) {
		r[X86_cr0] |= X86_CR0_PG | 1;
		r[X86_cr4] |= X86_CR4_PAE | X86_CR4_OSFXSR;
		r[X86_efer] = X86_EFER_LMA | X86_EFER_LME | X86_EFER_NXE;
	}
	unsigned cpl = mode & 16 ? 3 : 0;
	for (unsigned seg = X86_es; seg <= X86_gs; seg += X86_SEG_STRIDE) {
		r[seg + X86_SEG_LIMIT] = mode & 32 ? 0xffffffff : 0xffff;
		r[seg + X86_SEG_ATTR] = (seg == X86_cs ? 0x9b : 0x93) | cpl << 5 | (mode & 64 ? X86_ATTR_DB : 0);
	}
	if (mode & 8 && !(mode & 64))
		r[X86_cs_attr] |= X86_ATTR_L;
	r[X86_gdtr_limit] = r[X86_ldtr_limit] = 0xffff;
	r[X86_ldtr_attr] = 0x82;
	r[X86_tr_attr] = 0x8b;
	r[X86_tr_limit] = 0x100;
}

static void check_plan(const struct x86_plan *p)
{
	must(p->n <= KT_PLAN_MAX && p->limit <= X86_REP_ITERATIONS);
	for (unsigned k = 0; k < p->n; k++) {
		if (p->p[k].space != KT_SPACE_RAM)
			continue;
		const struct x86_span *s = &p->span[k];
		must(s->n == 1 || s->n == 2);
		u32 total = 0;
		for (unsigned n = 0; n < s->n; n++) {
			must(s->part[n].size);
			for (u32 at = 0; at < s->part[n].size; at++)
				must(x86_ram(cpu, s->part[n].pa + at, 1) == (s->part[n].host ? s->part[n].host + at : NULL));
			total += s->part[n].size;
		}
		must(total == s->size && s->size == KT_MIN(p->p[k].size, 4096u));
	}
}

static void check_fault(const struct x86_fault *f)
{
	must(!f->is_trap || !f->has_error);
	must(f->vector != X86_PFAULT || f->has_error || f->soft);
	must(f->vector < 32 || f->soft);
}

static void predict(const struct x86_insn *i)
{
	static struct x86_plan plan[2];
	static u64 before[X86_NREGS];
	struct x86_fault f[2];
	int rc[2];
	memcpy(before, cpu->r, sizeof before);
	for (unsigned n = 0; n < 2; n++) {
		cpu->end = VM_END_NONE;
		x86_step_begin(cpu);
		memset(&f[n], 0, sizeof f[n]);
		rc[n] = x86_predict(cpu, i, &plan[n], &f[n]);
		must(rc[n] == 0 || rc[n] == 1);
		must(!memcmp(before, cpu->r, sizeof before));
		if (rc[n])
			check_fault(&f[n]);
		else
			check_plan(&plan[n]);
		if (n == 0 && cpu->step.naccess)
			return; /* A/D bits were set: the same again need not come out */
	}
	must(rc[0] == rc[1] && !memcmp(&f[0], &f[1], sizeof f[0]));
	must(rc[0] || (plan[0].n == plan[1].n && plan[0].limit == plan[1].limit && plan[0].rep_done == plan[1].rep_done));
	for (unsigned k = 0; !rc[0] && k < plan[0].n; k++)
		must(plan[0].p[k].va == plan[1].p[k].va);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	struct x86_insn i;
	struct x86_fault f;
	u8 code[15];
	machine((unsigned)take(&p, end, 1));
	while (p < end) {
		unsigned reg = (unsigned)take(&p, end, 1);
		if (reg == 0xff)
			break;
		/* segment registers' numbers keep their widths; RFLAGS.VM is refused elsewhere */
		reg %= X86_nmi_blocked;
		u64 v = take(&p, end, 8);
		unsigned bits = kt_arch_x86_64.regs[reg].bits;
		cpu->r[reg] = bits == 64 ? v : v & ((1ull << bits) - 1);
	}
	for (unsigned n = 0; n < sizeof code; n++)
		code[n] = (u8)take(&p, end, 1);
	size_t left = (size_t)(end - p);
	for (size_t n = 0; n < LOW + HIGH; n++)
		*(n < LOW ? low + n : high + n - LOW) = left ? p[n % left] : 0;

	cpu->r[X86_rflags] |= 2;
	if (!x86_decode(x86_mode(cpu->r), 0, cpu->r[X86_rip], code, sizeof code, &i))
		predict(&i);
	x86_step_begin(cpu);
	for (unsigned seg = X86_es; seg <= X86_gs; seg += X86_SEG_STRIDE)
		if (seg != X86_cs)
			(void)x86_load_seg(cpu, seg, (u16)cpu->r[X86_rax], &f);
	(void)x86_load_ldtr(cpu, (u16)cpu->r[X86_rcx], &f);
	(void)x86_load_tr(cpu, (u16)cpu->r[X86_rdx], &f);
	return 0;
}
