/* SPDX-License-Identifier: MIT */
/* Descriptors: the golden vectors, the byte form, hostile bytes; register tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/arm64/arm64_regs.h"
#include "arch/desc.h"
#include "arch/x86_64/x86_regs.h"

static const struct kt_arch *const x86 = &kt_arch_x86_64;

/* ---- golden vectors ---- */

struct vector {
	char name[100];
	u8 bytes[200];
	size_t n;
	struct kt_desc d;
	u64 regs[X86_NREGS];
	unsigned nplan;
	struct kt_planned plan[KT_PLAN_MAX];
	u64 loads[KT_PLAN_MAX];
	unsigned nload;
};

static void take_desc(struct vector *v, const char *hex)
{
	struct kt_err err;
	for (v->n = 0; hex[0] && hex[1]; hex += 2) {
		unsigned byte;
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		v->bytes[v->n++] = (u8)byte;
	}
	struct kt_rd r = kt_rd_of(v->bytes, v->n);
	if (kt_desc_get(&r, x86->nregs, &v->d, &err))
		fail_msg("%s: %s", v->name, err.text);
	assert_int_equal(kt_rd_left(&r), 0);
	struct kt_buf b = { 0 };
	kt_desc_put(&b, &v->d);
	assert_int_equal(b.len, v->n);
	assert_memory_equal(b.data, v->bytes, v->n);
	kt_buf_free(&b);
}

static u64 take_reg(const struct vector *v, char *word, unsigned *reg)
{
	char *eq = strchr(word, '=');
	assert_non_null(eq);
	*eq = 0;
	*reg = kt_arch_reg(x86, word);
	if (*reg == KT_REG_NONE && strcmp(word, "store"))
		fail_msg("%s: no register %s", v->name, word);
	return strtoull(eq + 1, NULL, 16);
}

static void take_plan(struct vector *v, char *word)
{
	struct kt_planned *p = &v->plan[v->nplan++];
	char *at;
	memset(p, 0, sizeof *p);
	p->write = *word++ == 'w';
	p->space = *word == 'p' ? KT_SPACE_PORT : KT_SPACE_RAM;
	p->va = strtoull(strchr(word, ':') + 1, &at, 16);
	assert_int_equal(*at, '+');
	p->size = (u32)strtoul(at + 1, &at, 16);
	if (!p->write)
		v->loads[v->nload++] = strtoull(at + 1, NULL, 16);
}

static void check_plan(const struct vector *v)
{
	struct kt_planned got[KT_PLAN_MAX];
	unsigned n = kt_desc_plan(x86, &v->d, v->regs, got);

	if (n != v->nplan)
		fail_msg("%s: %u accesses planned, not %u", v->name, n, v->nplan);
	for (unsigned i = 0; i < n; i++)
		if (got[i].va != v->plan[i].va || got[i].size != v->plan[i].size || got[i].space != v->plan[i].space || got[i].write != v->plan[i].write)
			fail_msg("%s: access %u is %c at %llx, %u bytes", v->name, i, got[i].write ? 'w' : 'r', (unsigned long long)got[i].va, got[i].size);
}

static void check_out(struct vector *v, char *words)
{
	u64 got[X86_NREGS], want[X86_NREGS], stores[KT_PLAN_MAX] = { 0 };
	unsigned reg, nstore = 0;

	memcpy(got, v->regs, sizeof got);
	memcpy(want, v->regs, sizeof want);
	bool predicts = kt_desc_eval(x86, &v->d, got, v->loads, stores);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
		if (!strcmp(w, "nothing")) {
			if (predicts)
				fail_msg("%s: predicts", v->name);
			assert_memory_equal(got, want, sizeof got);
			return;
		}
		u64 value = take_reg(v, w, &reg);
		if (reg == KT_REG_NONE) {
			if (stores[nstore++] != value)
				fail_msg("%s: store %u is %llx", v->name, nstore - 1, (unsigned long long)stores[nstore - 1]);
		} else {
			want[reg] = value;
		}
	}
	if (!predicts)
		fail_msg("%s: predicts nothing", v->name);
	for (unsigned i = 0; i < X86_NREGS; i++)
		if (got[i] != want[i])
			fail_msg("%s: %s is %llx, not %llx", v->name, x86->regs[i].name, (unsigned long long)got[i], (unsigned long long)want[i]);
	unsigned writes = 0;
	for (unsigned i = 0; i < v->nplan; i++)
		writes += v->plan[i].write;
	assert_int_equal(nstore, writes);
}

static FILE *open_vectors(void)
{
	FILE *f = fopen("tests/golden/desc-vectors.txt", "r");
	return f ? f : fopen("../tests/golden/desc-vectors.txt", "r");
}

static void test_vectors(void **state)
{
	static struct vector v;
	char line[1000];
	unsigned n = 0;
	FILE *f = open_vectors();

	if (!f)
		fail_msg("tests/golden/desc-vectors.txt is not there: run from the top folder");
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#')
			snprintf(v.name, sizeof v.name, "%.90s", line + 1);
		char *rest = strchr(line, ' ');
		char empty[1] = "";
		rest = rest ? rest + 1 : empty;
		if (!strncmp(line, "desc", 4)) {
			take_desc(&v, rest);
			memset(v.regs, 0, sizeof v.regs);
			v.regs[X86_rflags] = 2;
			v.regs[X86_rip] = 0x1000;
		} else if (!strncmp(line, "in", 2)) {
			for (char *w = strtok(rest, " "); w; w = strtok(NULL, " ")) {
				unsigned reg;
				u64 value = take_reg(&v, w, &reg);
				v.regs[reg] = value;
			}
		} else if (!strncmp(line, "plan", 4)) {
			v.nplan = v.nload = 0;
			memset(v.loads, 0, sizeof v.loads);
			for (char *w = strtok(rest, " "); w; w = strtok(NULL, " "))
				take_plan(&v, w);
			check_plan(&v);
		} else if (!strncmp(line, "out", 3)) {
			check_out(&v, rest);
			n++;
		}
	}
	fclose(f);
	assert_true(n > 100);
}

/* ---- the byte form ---- */

static struct kt_desc a_load(void)
{
	struct kt_operand none = KT_OPERAND_NONE;
	struct kt_desc d = { .op = KT_OP_MOV, .width = 8, .len = 4, .nops = 2, .opnd = { none, none, none, none } };
	d.opnd[0].kind = KT_OPND_REG;
	d.opnd[0].access = KT_WRITE;
	d.opnd[0].size = 8;
	d.opnd[0].reg = X86_rax;
	d.opnd[1].kind = KT_OPND_MEM;
	d.opnd[1].access = KT_READ;
	d.opnd[1].size = 8;
	d.opnd[1].addr_size = 8;
	d.opnd[1].base = X86_rdi;
	d.opnd[1].imm = (u64)-8;
	return d;
}

static int round_trip(const struct kt_desc *d, struct kt_desc *out, struct kt_err *err)
{
	struct kt_buf b = { 0 };
	kt_desc_put(&b, d);
	struct kt_rd r = kt_rd_of(b.data, b.len);
	int rc = kt_desc_get(&r, x86->nregs, out, err);
	kt_buf_free(&b);
	return rc;
}

/* Written out by hand from the field table of doc/descriptors.md. */
static void test_byte_form(void **state)
{
	static const u8 want[] = { 1, KT_OP_MOV, 8, 4, 0, 0, 2, 0, 0,
		0x21, 8, 0, X86_rax + 1,                               /* register, written */
		0x13, 8, 0, 8, 0, 0, X86_rdi + 1, 0, 0, 15 };          /* memory, read: no segment, base rdi; -8 in zigzag */
	struct kt_desc d = a_load(), back;
	struct kt_buf b = { 0 };
	kt_desc_put(&b, &d);
	assert_int_equal(b.len, sizeof want);
	assert_memory_equal(b.data, want, sizeof want);
	kt_buf_free(&b);
	assert_int_equal(round_trip(&d, &back, NULL), 0);
	assert_memory_equal(&d, &back, sizeof d);
}

static void refused(const struct kt_desc *d, int line)
{
	struct kt_desc back;
	struct kt_err err = { 0 };
	assert_false(kt_desc_valid(d, x86->nregs));
	if (round_trip(d, &back, &err) != -KT_E_CORRUPT || err.code != KT_E_CORRUPT || !err.text[0])
		fail_msg("line %d: taken", line);
}

#define REFUSED(change) do { struct kt_desc d = a_load(); change; refused(&d, __LINE__); } while (0)

static void test_refuses(void **state)
{
	struct kt_desc good = a_load();
	assert_true(kt_desc_valid(&good, x86->nregs));
	REFUSED(d.len = 0);
	REFUSED(d.len = 16);
	REFUSED(d.width = 3);
	REFUSED(d.width = 0);
	REFUSED(d.width = 16);
	REFUSED(d.cond = 16);
	REFUSED(d.flags = 16);
	REFUSED(d.sp_size = 1);
	REFUSED(d.sp_size = 3);
	REFUSED(d.opnd[0].reg = X86_NREGS);
	REFUSED(d.opnd[0].reg = KT_REG_NONE);
	REFUSED(d.opnd[0].size = 16);
	REFUSED(d.opnd[0].size = 0);
	REFUSED(d.opnd[0].shift = 8);
	REFUSED(d.opnd[0].access = KT_READ);
	REFUSED(d.opnd[0].access = 0);
	REFUSED(d.opnd[0].kind = 5);
	REFUSED(d.opnd[1].access = KT_WRITE);
	REFUSED(d.opnd[1].size = 16);
	REFUSED(d.opnd[1].size = 4097);
	REFUSED(d.opnd[1].addr_size = 1);
	REFUSED(d.opnd[1].addr_size = 16);
	REFUSED(d.opnd[1].scale = 4);
	REFUSED(d.opnd[1].base = X86_NREGS);
	REFUSED(d.opnd[1].seg = 0xfffe);
	REFUSED(d.opnd[1].bitreg = 300);
	REFUSED(d.op = KT_OP_DIV);
	REFUSED(d.op = KT_OP_PUSHA);
	REFUSED(d.op = KT_OP_NOP); /* writes a register */
	REFUSED(d.op = KT_OP_ADD; d.sp_size = 8; d.opnd[0].access = 3);
}

static void test_versions_and_unknown_classes(void **state)
{
	struct kt_desc d = a_load(), back;
	struct kt_err err = { 0 };
	struct kt_buf b = { 0 };
	u64 regs[X86_NREGS] = { 0 }, was[X86_NREGS], loads[KT_PLAN_MAX] = { 0 }, stores[KT_PLAN_MAX];

	kt_desc_put(&b, &d);
	b.data[0] = KT_DESC_VERSION + 1;
	struct kt_rd r = kt_rd_of(b.data, b.len);
	assert_int_equal(kt_desc_get(&r, x86->nregs, &back, &err), -KT_E_VERSION);
	b.data[0] = 0;
	r = kt_rd_of(b.data, b.len);
	assert_int_equal(kt_desc_get(&r, x86->nregs, &back, &err), -KT_E_CORRUPT);
	for (size_t n = 0; n < b.len; n++) { /* cut anywhere */
		b.data[0] = KT_DESC_VERSION;
		r = kt_rd_of(b.data, n);
		assert_int_equal(kt_desc_get(&r, x86->nregs, &back, NULL), -KT_E_CORRUPT);
	}
	kt_buf_free(&b);
	d.op = 127;
	assert_int_equal(round_trip(&d, &back, &err), 0);
	memcpy(was, regs, sizeof regs);
	assert_false(kt_desc_eval(x86, &back, regs, loads, stores));
	assert_memory_equal(regs, was, sizeof regs);
	struct kt_planned plan[KT_PLAN_MAX];
	assert_int_equal(kt_desc_plan(x86, &back, regs, plan), 1); /* its operands are planned all the same */
}

/* Random bytes and bytes nearly right: what passes must not make plan or eval reach outside their arrays, and must be
 * predicted the same way twice. Sanitizers watch. */
static void test_hostile(void **state)
{
	u64 rng = 42;
	unsigned taken = 0;
	for (unsigned n = 0; n < 300000; n++) {
		u8 raw[64];
		struct kt_desc d = a_load();
		struct kt_buf b = { 0 };
		for (unsigned i = 0; i < sizeof raw; i++) {
			rng = rng * 6364136223846793005ull + 1442695040888963407ull;
			raw[i] = (u8)(rng >> 56);
			raw[i] &= rng >> 40 & 3 ? 15 : 255;
		}
		raw[0] = KT_DESC_VERSION;
		kt_desc_put(&b, &d);
		bool nearly = n & 1;
		if (nearly)
			for (unsigned i = 0; i < 3; i++)
				b.data[1 + raw[8 + 2 * i] % (b.len - 1)] = raw[9 + 2 * i];
		struct kt_rd r = nearly ? kt_rd_of(b.data, b.len) : kt_rd_of(raw, sizeof raw);
		for (int arm = 0; arm < 2 && !kt_desc_get(&r, arm ? ARM64_NREGS : X86_NREGS, &d, NULL); arm++) {
			u64 one[KT_REGS_MAX], two[KT_REGS_MAX], loads[KT_PLAN_MAX], stores[KT_PLAN_MAX], again[KT_PLAN_MAX];
			const struct kt_arch *arch = arm ? &kt_arch_arm64 : x86;
			struct kt_planned plan[KT_PLAN_MAX];
			for (unsigned i = 0; i < KT_REGS_MAX; i++)
				one[i] = two[i] = rng * (i + 1);
			for (unsigned i = 0; i < KT_PLAN_MAX; i++)
				loads[i] = rng ^ i;
			memset(stores, 0, sizeof stores);
			memset(again, 0xff, sizeof again);
			unsigned np = kt_desc_plan(arch, &d, one, plan), w = 0;
			assert_true(np <= KT_PLAN_MAX);
			bool a = kt_desc_eval(arch, &d, one, loads, stores), c = kt_desc_eval(arch, &d, two, loads, again);
			assert_int_equal(a, c);
			assert_memory_equal(one, two, sizeof one);
			for (unsigned i = 0; a && i < np; i++) /* every planned write has its value */
				if (plan[i].write) {
					assert_true(stores[w] == again[w]);
					w++;
				}
			taken++;
			r = nearly ? kt_rd_of(b.data, b.len) : kt_rd_of(raw, sizeof raw);
		}
		kt_buf_free(&b);
	}
	assert_true(taken > 1000);
}

/* ---- register tables ---- */

static void test_tables(void **state)
{
	assert_ptr_equal(kt_arch_get(KT_ARCH_X86_64), x86);
	assert_ptr_equal(kt_arch_get(KT_ARCH_ARM64), &kt_arch_arm64);
	assert_null(kt_arch_get(0));
	assert_null(kt_arch_get(3));
	assert_ptr_equal(kt_arch_find("x86_64"), x86);
	assert_ptr_equal(kt_arch_find("arm64"), &kt_arch_arm64);
	assert_null(kt_arch_find("x86"));
	assert_null(kt_arch_find(NULL));
	assert_int_equal(kt_arch_reg(x86, "rsp"), X86_rsp);
	assert_int_equal(kt_arch_reg(&kt_arch_arm64, "pstate"), ARM64_pstate);
	assert_int_equal(kt_arch_reg(x86, "eax"), KT_REG_NONE);
	assert_int_equal(kt_arch_reg(NULL, "eax"), KT_REG_NONE);
	assert_int_equal(x86->nhot, 18);
	assert_int_equal(kt_arch_arm64.nhot, 34);
	/* struct kvm_regs: rax rbx rcx rdx rsi rdi rsp rbp r8..r15 rip rflags */
	assert_int_equal(X86_rbx, 1);
	assert_int_equal(X86_rsp, 6);
	assert_int_equal(X86_r15, 15);
	assert_int_equal(X86_rip, 16);
}

static void test_tables_are_sound(void **state)
{
	const struct kt_arch *both[] = { x86, &kt_arch_arm64 };
	for (unsigned a = 0; a < 2; a++) {
		const struct kt_arch *arch = both[a];
		assert_true(arch->nregs <= KT_REGS_MAX && arch->nhot <= KT_HOT_REGS && arch->pc < arch->nhot && arch->sp < arch->nhot && arch->flags < arch->nhot);
		for (unsigned i = 0; i < arch->nregs; i++) {
			const struct kt_reg *r = &arch->regs[i];
			assert_true(r->bits >= 1 && r->bits <= 64 && r->group <= KT_GROUP_HIDDEN);
			assert_int_equal(kt_arch_reg(arch, r->name), i); /* names are unique */
			assert_true((r->group == KT_GROUP_GPR) == (i < arch->nhot));
			for (unsigned j = 0; j < i; j++) {
				assert_false(r->gdb >= 0 && r->gdb == arch->regs[j].gdb);
				assert_false(r->dwarf >= 0 && r->dwarf == arch->regs[j].dwarf);
			}
		}
	}
	/* System V ABI, AMD64 supplement, figure 3.36; AArch64 DWARF, table 1. */
	assert_int_equal(x86->regs[X86_rdx].dwarf, 1);
	assert_int_equal(x86->regs[X86_rcx].dwarf, 2);
	assert_int_equal(x86->regs[X86_rbx].dwarf, 3);
	assert_int_equal(x86->regs[X86_rsi].dwarf, 4);
	assert_int_equal(x86->regs[X86_rdi].dwarf, 5);
	assert_int_equal(x86->regs[X86_rbp].dwarf, 6);
	assert_int_equal(x86->regs[X86_rsp].dwarf, 7);
	assert_int_equal(kt_arch_arm64.regs[ARM64_sp].dwarf, 31);
	assert_int_equal(kt_arch_arm64.regs[ARM64_v0_lo].dwarf, 64);
	assert_int_equal(kt_arch_arm64.regs[ARM64_v31_lo].dwarf, 95);
	assert_int_equal(kt_arch_arm64.regs[ARM64_v31_lo].gdb, 65);
	assert_int_equal(ARM64_dbgwcr15_el1, ARM64_dbgbvr0_el1 + 15 * ARM64_DBG_STRIDE + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_byte_form), cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_versions_and_unknown_classes), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_tables), cmocka_unit_test(test_tables_are_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
