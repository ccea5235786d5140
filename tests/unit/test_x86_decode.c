/* SPDX-License-Identifier: MIT */
/* The x86 decoder against the manual, in 16-, 32- and 64-bit modes: class, operands, stack, flow, facts. Expectations are
 * written from the SDM's instruction pages. Random bytes must give a valid descriptor in every mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/x86_insn.h"
#include "arch/x86_64/x86_regs.h"

enum {
	REAL = KT_MODE_16,
	P16 = KT_MODE_16 | KT_MODE_PROTECTED,
	P32 = KT_MODE_32 | KT_MODE_STACK32 | KT_MODE_PROTECTED,
	P32S16 = KT_MODE_32 | KT_MODE_PROTECTED, /* 32-bit code on a 16-bit stack */
	L64 = KT_MODE_64 | KT_MODE_PROTECTED,
	RIP = 0x1000
};

static unsigned from_hex(const char *hex, u8 bytes[16])
{
	unsigned n = 0, byte;
	for (; hex[0] && n < 15; hex += 2) {
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[n++] = (u8)byte;
	}
	return n;
}

static void decode(unsigned mode, const char *hex, struct x86_insn *x)
{
	u8 bytes[16] = { 0 };
	unsigned n = from_hex(hex, bytes);
	assert_int_equal(x86_decode(mode, RIP, RIP, bytes, n, x), 0);
	if (x->mnemonic)
		assert_int_equal(x->k.len, n);
}

static const char *reg(unsigned r)
{
	return r < X86_NREGS ? kt_arch_x86_64.regs[r].name : "?";
}

/* "=rax.8", "-#5.4", "+[ds_base:rbx+rsi*2+10].4a8" (address size a), "-port(rdx).1"; access as in doc/descriptors.md. */
static void operand_text(const struct kt_operand *o, char *to, size_t size)
{
	char access = "&-=+"[o->access & 3];
	size_t n = 0;
#define ADD(...) (n += (size_t)snprintf(to + n, n < size ? size - n : 0, __VA_ARGS__))
	switch (o->kind) {
	case KT_OPND_NONE: ADD("none"); return;
	case KT_OPND_REG: ADD("%c%s%s.%u", access, reg(o->reg), o->shift ? "h" : "", o->size); return;
	case KT_OPND_IMM: ADD("%c#%llx.%u", access, (unsigned long long)o->imm, o->size); return;
	case KT_OPND_PORT:
		if (o->reg == KT_REG_NONE)
			ADD("%cport(%llx).%u", access, (unsigned long long)o->imm, o->size);
		else
			ADD("%cport(%s).%u", access, reg(o->reg), o->size);
		return;
	default:
		break;
	}
	ADD("%c[", access);
	if (o->seg != KT_REG_NONE)
		ADD("%s:", reg(o->seg));
	if (o->base != KT_REG_NONE)
		ADD("%s", reg(o->base));
	if (o->index != KT_REG_NONE)
		ADD("+%s%s*%u", reg(o->index), o->shift ? "l" : "", 1u << o->scale);
	if (o->bitreg != KT_REG_NONE)
		ADD("+bit %s", reg(o->bitreg));
	if (o->imm)
		ADD("%s%llx", (s64)o->imm < 0 ? "-" : "+", (unsigned long long)((s64)o->imm < 0 ? 0 - o->imm : o->imm));
	ADD("].%ua%u", o->size, o->addr_size);
#undef ADD
}

struct expect {
	unsigned mode;
	const char *hex;
	u8 op, width;
	const char *operands; /* separated by blanks */
	u8 sp_size;
	int sp_add;
};

static const struct expect operands[] = {
	/* moves and address forms */
	{ L64, "4889d8", KT_OP_MOV, 8, "=rax.8 -rbx.8", 0, 0 },
	{ L64, "88e0", KT_OP_MOV, 1, "=rax.1 -raxh.1", 0, 0 },
	{ L64, "4088e0", KT_OP_MOV, 1, "=rax.1 -rsp.1", 0, 0 }, /* with REX: spl */
	{ L64, "8b4c8510", KT_OP_MOV, 4, "=rcx.4 -[rbp+rax*4+10].4a8", 0, 0 },
	{ P32, "8b4c8510", KT_OP_MOV, 4, "=rcx.4 -[ss_base:rbp+rax*4+10].4a4", 0, 0 },
	{ P32, "3e8b4c8510", KT_OP_MOV, 4, "=rcx.4 -[ds_base:rbp+rax*4+10].4a4", 0, 0 },
	{ L64, "3e8b4c8510", KT_OP_MOV, 4, "=rcx.4 -[rbp+rax*4+10].4a8", 0, 0 }, /* ds is ignored */
	{ L64, "658b4c8510", KT_OP_MOV, 4, "=rcx.4 -[gs_base:rbp+rax*4+10].4a8", 0, 0 },
	{ L64, "65678b4c8510", KT_OP_MOV, 4, "=rcx.4 -[gs_base:rbp+rax*4+10].4a4", 0, 0 },
	{ L64, "488b0510000000", KT_OP_MOV, 8, "=rax.8 -[rip+10].8a8", 0, 0 },
	{ L64, "8b042510000000", KT_OP_MOV, 4, "=rax.4 -[+10].4a8", 0, 0 },
	{ P32, "8b0510000000", KT_OP_MOV, 4, "=rax.4 -[ds_base:+10].4a4", 0, 0 },
	{ REAL, "8b42fe", KT_OP_MOV, 2, "=rax.2 -[ss_base:rbp+rsi*1-2].2a2", 0, 0 },
	{ REAL, "8b04", KT_OP_MOV, 2, "=rax.2 -[ds_base:rsi].2a2", 0, 0 },
	{ REAL, "8b0610f0", KT_OP_MOV, 2, "=rax.2 -[ds_base:-ff0].2a2", 0, 0 },
	{ REAL, "66678b0424", KT_OP_MOV, 4, "=rax.4 -[ss_base:rsp].4a4", 0, 0 },
	{ REAL, "2ea17856", KT_OP_MOV, 2, "=rax.2 -[cs_base:+5678].2a2", 0, 0 },
	{ L64, "48a18877665544332211", KT_OP_MOV, 8, "=rax.8 -[+1122334455667788].8a8", 0, 0 },
	{ L64, "c7450000000080", KT_OP_MOV, 4, "=[rbp].4a8 -#ffffffff80000000.4", 0, 0 },
	{ L64, "48c7c0ffffffff", KT_OP_MOV, 8, "=rax.8 -#ffffffffffffffff.8", 0, 0 },
	{ L64, "0fb703", KT_OP_MOV, 4, "=rax.4 -[rbx].2a8", 0, 0 },
	{ L64, "480fbe03", KT_OP_MOVSX, 8, "=rax.8 -[rbx].1a8", 0, 0 },
	{ L64, "4863c1", KT_OP_MOVSX, 8, "=rax.8 -rcx.4", 0, 0 },
	{ P32, "98", KT_OP_MOVSX, 4, "=rax.4 -rax.2", 0, 0 },
	{ REAL, "98", KT_OP_MOVSX, 2, "=rax.2 -rax.1", 0, 0 },
	{ REAL, "6699", KT_OP_SIGN, 4, "=rdx.4 -rax.4", 0, 0 },
	{ L64, "678d04b8", KT_OP_LEA, 4, "=rax.4 &[rax+rdi*4].0a4", 0, 0 },
	{ L64, "d7", KT_OP_MOV, 1, "=rax.1 -[rbx+raxl*1].1a8", 0, 0 },
	{ REAL, "26d7", KT_OP_MOV, 1, "=rax.1 -[es_base:rbx+raxl*1].1a2", 0, 0 },
	/* arithmetic */
	{ L64, "4883c0ff", KT_OP_ADD, 8, "+rax.8 -#ffffffffffffffff.8", 0, 0 },
	{ L64, "f0830701", KT_OP_ADD, 4, "+[rdi].4a8 -#1.4", 0, 0 },
	{ P32, "820005", KT_OP_ADD, 1, "+[ds_base:rax].1a4 -#5.1", 0, 0 },
	{ P32, "40", KT_OP_INC, 4, "+rax.4", 0, 0 },
	{ REAL, "4c", KT_OP_DEC, 2, "+rsp.2", 0, 0 },
	{ L64, "483b07", KT_OP_CMP, 8, "-rax.8 -[rdi].8a8", 0, 0 },
	{ L64, "f6c801", KT_OP_TEST, 1, "-rax.1 -#1.1", 0, 0 }, /* /1 is an alias of /0 */
	{ L64, "d327", KT_OP_SHL, 4, "+[rdi].4a8 -rcx.1", 0, 0 },
	{ L64, "d1f0", KT_OP_SHL, 4, "+rax.4 -#1.1", 0, 0 }, /* /6 is an alias of /4 */
	{ L64, "480fa4d804", KT_OP_SHLD, 8, "+rax.8 -rbx.8 -#4.1", 0, 0 },
	{ L64, "0fa30f", KT_OP_BT, 4, "-[rdi+bit rcx].4a8 -rcx.4", 0, 0 },
	{ L64, "f0480fab0f", KT_OP_BTS, 8, "+[rdi+bit rcx].8a8 -rcx.8", 0, 0 },
	{ L64, "0fba2f47", KT_OP_BTS, 4, "+[rdi].4a8 -#47.1", 0, 0 },
	{ L64, "f7e3", KT_OP_MUL, 4, "none -rbx.4", 0, 0 },
	{ L64, "f62b", KT_OP_IMUL1, 1, "none -[rbx].1a8", 0, 0 },
	{ L64, "0fafc3", KT_OP_IMUL, 4, "=rax.4 -rbx.4 -rax.4", 0, 0 },
	{ L64, "6b03fe", KT_OP_IMUL, 4, "=rax.4 -[rbx].4a8 -#fffffffffffffffe.4", 0, 0 },
	{ L64, "48f7f9", KT_OP_IDIV, 8, "none -rcx.8", 0, 0 },
	{ L64, "8703", KT_OP_XCHG, 4, "+[rbx].4a8 +rax.4", 0, 0 },
	{ L64, "4190", KT_OP_XCHG, 4, "+r8.4 +rax.4", 0, 0 },
	{ L64, "f0480fb10b", KT_OP_CMPXCHG, 8, "+[rbx].8a8 -rcx.8", 0, 0 },
	{ L64, "0fc70b", KT_OP_CMPXCHG2, 8, "+[rbx].8a8", 0, 0 },
	{ L64, "480fc70b", KT_OP_CMPXCHG2, 16, "+[rbx].16a8", 0, 0 },
	{ L64, "f30fbcc1", KT_OP_BSF, 4, "+rax.4 -rcx.4", 0, 0 }, /* the canonical CPU has no BMI1 */
	{ L64, "f30fbdc1", KT_OP_BSR, 4, "+rax.4 -rcx.4", 0, 0 },
	/* the stack */
	{ L64, "55", KT_OP_MOV, 8, "=[rsp-8].8a8 -rbp.8", 8, -8 },
	{ P32, "55", KT_OP_MOV, 4, "=[ss_base:rsp-4].4a4 -rbp.4", 4, -4 },
	{ P32S16, "55", KT_OP_MOV, 4, "=[ss_base:rsp-4].4a2 -rbp.4", 2, -4 },
	{ REAL, "55", KT_OP_MOV, 2, "=[ss_base:rsp-2].2a2 -rbp.2", 2, -2 },
	{ REAL, "6655", KT_OP_MOV, 4, "=[ss_base:rsp-4].4a2 -rbp.4", 2, -4 },
	{ REAL | KT_MODE_STACK32, "55", KT_OP_MOV, 2, "=[ss_base:rsp-2].2a4 -rbp.2", 4, -2 },
	{ L64, "6655", KT_OP_MOV, 2, "=[rsp-2].2a8 -rbp.2", 8, -2 },
	{ L64, "6a80", KT_OP_MOV, 8, "=[rsp-8].8a8 -#ffffffffffffff80.8", 8, -8 },
	{ L64, "ff742408", KT_OP_MOV, 8, "=[rsp-8].8a8 -[rsp+8].8a8", 8, -8 },
	{ L64, "8f442408", KT_OP_MOV, 8, "=[rsp+10].8a8 -[rsp].8a8", 8, 8 }, /* address after the increment */
	{ L64, "0fa0", KT_OP_MOV, 8, "=[rsp-8].8a8 -fs.2", 8, -8 },
	{ REAL, "07", KT_OP_SEGREAL, 2, "=es.2 -[ss_base:rsp].2a2", 2, 2 },
	{ P32, "07", KT_OP_LITERAL, 2, "=es.2 -[ss_base:rsp].4a4", 4, 4 },
	{ L64, "9c", KT_OP_PUSHF, 8, "=[rsp-8].8a8", 8, -8 },
	{ P32, "669d", KT_OP_POPF, 2, "none -[ss_base:rsp].2a4", 4, 2 },
	{ REAL, "60", KT_OP_PUSHA, 2, "=[ss_base:rsp].16a2", 2, -16 },
	{ P32, "61", KT_OP_POPA, 4, "-[ss_base:rsp].32a4", 4, 32 },
	{ L64, "c9", KT_OP_LEAVE, 8, "none -[rbp].8a8", 8, 0 },
	{ REAL, "66c9", KT_OP_LEAVE, 4, "none -[ss_base:rbp].4a2", 2, 0 },
	{ L64, "e800000000", KT_OP_CALL, 8, "=[rsp-8].8a8", 8, -8 },
	{ REAL, "e80000", KT_OP_CALL, 2, "=[ss_base:rsp-2].2a2", 2, -2 },
	{ L64, "ff1500000000", KT_OP_CALL, 8, "=[rsp-8].8a8 -[rip].8a8", 8, -8 },
	{ L64, "ffd0", KT_OP_CALL, 8, "=[rsp-8].8a8 -rax.8", 8, -8 },
	{ L64, "c3", KT_OP_NOP, 8, "-[rsp].8a8", 8, 8 },
	{ REAL, "c20600", KT_OP_NOP, 2, "-[ss_base:rsp].2a2", 2, 8 },
	{ L64, "c2ffff", KT_OP_NOP, 8, "-[rsp].8a8", 8, 0x10007 },
	{ L64, "c8100001", KT_OP_LITERAL, 0, "-#10.2 -#1.1", 0, 0 },
	{ L64, "48cf", KT_OP_LITERAL, 0, "", 0, 0 },
	{ P32, "cb", KT_OP_LITERAL, 0, "", 0, 0 },
	/* strings and ports */
	{ L64, "48a5", KT_OP_MOVS, 8, "=[rdi].8a8 -[rsi].8a8", 0, 0 },
	{ L64, "64a4", KT_OP_MOVS, 1, "=[rdi].1a8 -[fs_base:rsi].1a8", 0, 0 },
	{ REAL, "26a5", KT_OP_MOVS, 2, "=[es_base:rdi].2a2 -[es_base:rsi].2a2", 0, 0 },
	{ P32, "64a5", KT_OP_MOVS, 4, "=[es_base:rdi].4a4 -[fs_base:rsi].4a4", 0, 0 },
	{ REAL, "67aa", KT_OP_STOS, 1, "=[es_base:rdi].1a4 -rax.1", 0, 0 },
	{ L64, "67ad", KT_OP_LODS, 4, "=rax.4 -[rsi].4a4", 0, 0 },
	{ P32, "a6", KT_OP_CMPS, 1, "-[ds_base:rsi].1a4 -[es_base:rdi].1a4", 0, 0 },
	{ P32, "64ae", KT_OP_SCAS, 1, "-rax.1 -[es_base:rdi].1a4", 0, 0 }, /* es: no override */
	{ REAL, "6d", KT_OP_INS, 2, "=[es_base:rdi].2a2 -port(rdx).2", 0, 0 },
	{ P32, "6f", KT_OP_OUTS, 4, "=port(rdx).4 -[ds_base:rsi].4a4", 0, 0 },
	{ L64, "e4ff", KT_OP_IN, 1, "=rax.1 -port(ff).1", 0, 0 },
	{ REAL, "ed", KT_OP_IN, 2, "=rax.2 -port(rdx).2", 0, 0 },
	{ REAL, "66ef", KT_OP_OUT, 4, "=port(rdx).4 -rax.4", 0, 0 },
	/* control and segment registers */
	{ L64, "0f22d8", KT_OP_MOV, 8, "=cr3.8 -rax.8", 0, 0 },
	{ P32, "0f20c0", KT_OP_MOV, 4, "=rax.4 -cr0.8", 0, 0 },
	{ L64, "0f2218", KT_OP_MOV, 8, "=cr3.8 -rax.8", 0, 0 }, /* ModRM.mod is ignored */
	{ L64, "0f23f8", KT_OP_MOV, 8, "=dr7.8 -rax.8", 0, 0 },
	{ L64, "8cd8", KT_OP_MOV, 4, "=rax.4 -ds.2", 0, 0 },
	{ L64, "8c18", KT_OP_MOV, 2, "=[rax].2a8 -ds.2", 0, 0 },
	{ REAL, "8ed8", KT_OP_SEGREAL, 2, "=ds.2 -rax.2", 0, 0 },
	{ REAL, "8e1e3412", KT_OP_SEGREAL, 2, "=ds.2 -[ds_base:+1234].2a2", 0, 0 },
	{ P16, "8ed8", KT_OP_LITERAL, 2, "=ds.2 -rax.2", 0, 0 },
	{ L64, "0f01f8", KT_OP_XCHG, 8, "+gs_base.8 +kernel_gs_base.8", 0, 0 },
	{ L64, "f3480faed0", KT_OP_MOV, 8, "=fs_base.8 -rax.8", 0, 0 },
	{ L64, "f30faec9", KT_OP_MOV, 4, "=rcx.4 -gs_base.4", 0, 0 },
	{ L64, "fa", KT_OP_FLAGS, 8, "none -#200.8 -#0.8", 0, 0 },
	{ L64, "e2fe", KT_OP_LOOP, 8, "+rcx.8", 0, 0 },
	{ L64, "67e2fe", KT_OP_LOOP, 4, "+rcx.4", 0, 0 },
	{ REAL, "e2fe", KT_OP_LOOP, 2, "+rcx.2", 0, 0 },
	/* addresses only */
	{ L64, "0f1f4400ff", KT_OP_NOP, 0, "&[rax+rax*1-1].0a8", 0, 0 },
	{ L64, "0f0138", KT_OP_NOP, 0, "&[rax].0a8", 0, 0 },
	{ L64, "0f1808", KT_OP_NOP, 0, "&[rax].0a8", 0, 0 },
	{ L64, "0fae38", KT_OP_NOP, 0, "&[rax].0a8", 0, 0 },
	/* literal, with memory of the right size */
	{ L64, "0fae00", KT_OP_LITERAL, 0, "=[rax].512a8", 0, 0 },
	{ L64, "0fae08", KT_OP_LITERAL, 0, "-[rax].512a8", 0, 0 },
	{ L64, "0fae10", KT_OP_LITERAL, 0, "-[rax].4a8", 0, 0 },
	{ L64, "0f2900", KT_OP_LITERAL, 0, "=[rax].16a8", 0, 0 },
	{ L64, "660fef00", KT_OP_LITERAL, 0, "-[rax].16a8", 0, 0 },
	{ L64, "0fef00", KT_OP_LITERAL, 0, "-[rax].8a8", 0, 0 },
	{ L64, "f30f1000", KT_OP_LITERAL, 0, "-[rax].4a8", 0, 0 },
	{ L64, "f20f1100", KT_OP_LITERAL, 0, "=[rax].8a8", 0, 0 },
	{ L64, "660ff7c1", KT_OP_LITERAL, 0, "=[rdi].16a8", 0, 0 },
	{ L64, "c5fe6f00", KT_OP_LITERAL, 0, "-[rax].32a8", 0, 0 },
	{ L64, "d920", KT_OP_LITERAL, 0, "-[rax].28a8", 0, 0 },
	{ REAL, "d924", KT_OP_LITERAL, 0, "-[ds_base:rsi].14a2", 0, 0 },
	{ L64, "dd30", KT_OP_LITERAL, 0, "=[rax].108a8", 0, 0 },
	{ L64, "db28", KT_OP_LITERAL, 0, "-[rax].10a8", 0, 0 },
	{ L64, "df30", KT_OP_LITERAL, 0, "=[rax].10a8", 0, 0 },
	{ L64, "d918", KT_OP_LITERAL, 0, "=[rax].4a8", 0, 0 },
	{ L64, "0f0110", KT_OP_LITERAL, 0, "-[rax].10a8", 0, 0 },
	{ P32, "0f0110", KT_OP_LITERAL, 0, "-[ds_base:rax].6a4", 0, 0 },
	{ REAL, "0f0104", KT_OP_LITERAL, 0, "=[ds_base:rsi].6a2", 0, 0 },
	{ P32, "c40e", KT_OP_LITERAL, 0, "=rcx.4 -[ds_base:rsi].6a4", 0, 0 },
	{ REAL, "c50c", KT_OP_LITERAL, 0, "=rcx.2 -[ds_base:rsi].4a2", 0, 0 },
	{ P32, "ff28", KT_OP_LITERAL, 0, "-[ds_base:rax].6a4", 0, 0 },
	{ L64, "48ff28", KT_OP_LITERAL, 0, "-[rax].10a8", 0, 0 },
	{ REAL, "ea00f000ff", KT_OP_LITERAL, 0, "-#ff00.2 -#f000.4", 0, 0 },
	{ P32, "6200", KT_OP_LITERAL, 0, "-rax.4 -[ds_base:rax].8a4", 0, 0 },
	{ L64, "0f00e0", KT_OP_LITERAL, 0, "-rax.2", 0, 0 },
	{ L64, "cd80", KT_OP_LITERAL, 0, "-#80.1", 0, 0 },
};

static void test_operands(void **state)
{
	for (unsigned i = 0; i < KT_ARRAY_LEN(operands); i++) {
		const struct expect *e = &operands[i];
		struct x86_insn x;
		char got[300] = "";
		decode(e->mode, e->hex, &x);
		const struct kt_desc *d = &x.k.desc;
		for (unsigned k = 0; k < d->nops; k++) {
			size_t n = strlen(got);
			if (k)
				got[n++] = ' ';
			operand_text(&d->opnd[k], got + n, sizeof got - n);
		}
		if (!x.mnemonic || d->op != e->op || (d->op && d->width != e->width) || strcmp(got, e->operands) || d->sp_size != e->sp_size || d->sp_add != e->sp_add)
			fail_msg("%s in mode %u: class %u width %u \"%s\" sp %u %+d; want %u %u \"%s\" %u %+d", e->hex, e->mode, d->op, d->width, got,
			         d->sp_size, d->sp_add, e->op, e->width, e->operands, e->sp_size, e->sp_add);
		assert_int_equal(!!(d->flags & KT_DESC_WRAP32), (e->mode & KT_MODE_CODE) != KT_MODE_64);
	}
}

static void test_flow(void **state)
{
	static const struct { unsigned mode; const char *hex; u8 flow; u64 target; u8 branch_op; } t[] = {
		{ L64, "90", X86_FLOW_NEXT, 0, 0 },          { L64, "ebfe", X86_FLOW_JUMP, 0x1000, 0 },
		{ L64, "e9fbefffff", X86_FLOW_JUMP, 0, 0 },  { L64, "e9fafeffef", X86_FLOW_JUMP, 0xfffffffff0000eff, 0 },
		{ P32, "e9fafeffef", X86_FLOW_JUMP, 0xf0000eff, 0 }, { REAL, "e900f0", X86_FLOW_JUMP, 0x3, 0 },
		{ REAL, "66e900000100", X86_FLOW_JUMP, 0x11006, 0 }, { L64, "66e900000100", X86_FLOW_JUMP, 0x11006, 0 },
		{ L64, "7405", X86_FLOW_COND, 0x1007, 0 },   { L64, "0f8500010000", X86_FLOW_COND, 0x1106, 0 },
		{ L64, "e2fe", X86_FLOW_COND, 0x1000, 0 },   { REAL, "e3fe", X86_FLOW_COND, 0x1000, 0 },
		{ L64, "e8fbffffff", X86_FLOW_CALL, 0x1000, 0 }, { L64, "ffe0", X86_FLOW_INDIRECT, 0, 0 },
		{ L64, "ff20", X86_FLOW_INDIRECT, 0, 0 },    { L64, "ff10", X86_FLOW_INDIRECT, 0, 1 },
		{ L64, "ffd0", X86_FLOW_INDIRECT, 0, 1 },    { L64, "c3", X86_FLOW_RET, 0, 0 },
		{ L64, "f3c3", X86_FLOW_RET, 0, 0 },         { P32, "cb", X86_FLOW_FAR, 0, 0 },
		{ P32, "ea000000001000", X86_FLOW_FAR, 0, 0 }, { L64, "48cf", X86_FLOW_FAR, 0, 0 },
		{ L64, "cc", X86_FLOW_FAR, 0, 0 },           { L64, "cd80", X86_FLOW_FAR, 0, 0 },
		{ L64, "0f05", X86_FLOW_FAR, 0, 0 },         { L64, "480f07", X86_FLOW_FAR, 0, 0 },
		{ L64, "0f0b", X86_FLOW_NEXT, 0, 0 },        { L64, "f4", X86_FLOW_NEXT, 0, 0 },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(t); i++) {
		struct x86_insn x;
		decode(t[i].mode, t[i].hex, &x);
		if (x.flow != t[i].flow || x.target != t[i].target || x.branch_op != t[i].branch_op)
			fail_msg("%s: flow %u target %llx operand %u", t[i].hex, x.flow, (unsigned long long)x.target, x.branch_op);
	}
}

enum { PRIV = 1, FPU = 2, SSE = 4, X87 = 8, MMX = 16, VEX = 32, SEGS = 64, LOADS = 128 };

static void test_facts(void **state)
{
	static const struct { unsigned mode; const char *hex; unsigned facts; } t[] = {
		{ L64, "90", 0 },                    { L64, "f4", PRIV },
		{ L64, "0f30", PRIV | SEGS },        { L64, "0f32", PRIV },
		{ L64, "0f22d8", PRIV | SEGS },      { L64, "0f20d8", PRIV },
		{ L64, "0f23f8", PRIV },             { L64, "0f0110", PRIV | SEGS },
		{ L64, "0f0100", 0 },                { L64, "0f01f8", PRIV | SEGS },
		{ L64, "0f06", PRIV | SEGS },        { L64, "0f0138", PRIV },
		{ L64, "0f00d8", PRIV | SEGS },      { L64, "fa", 0 },
		{ L64, "ec", 0 },                    { L64, "0f31", 0 },
		{ L64, "8ed8", SEGS },               { REAL, "8ed8", SEGS },
		{ REAL, "1f", SEGS },                { REAL, "06", 0 },
		{ L64, "48cf", SEGS | LOADS },       { L64, "480f07", PRIV | SEGS | LOADS },
		{ L64, "9d", LOADS },                { L64, "9e", 0 },
		{ L64, "d9e8", FPU | X87 },          { L64, "9b", FPU | X87 },
		{ L64, "dbe3", FPU | X87 },          { L64, "0fae00", FPU | X87 },
		{ L64, "0f2900", FPU | SSE },        { L64, "0fae10", FPU | SSE },
		{ L64, "0fef00", FPU | MMX },        { L64, "0f77", FPU | MMX },
		{ L64, "0f2ac0", FPU | SSE | MMX },  { L64, "c5fe6f00", FPU | VEX },
		{ L64, "c5f877", FPU | VEX },        { L64, "0faee8", 0 },
		{ L64, "0fc300", 0 },                { L64, "0f1800", 0 },
		{ P32, "c40e", SEGS },               { P32, "cb", SEGS },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(t); i++) {
		struct x86_insn x;
		decode(t[i].mode, t[i].hex, &x);
		unsigned got = (x.privileged ? PRIV : 0) | (x.touches_fpu ? FPU : 0) | (x.is_sse ? SSE : 0) | (x.is_x87 ? X87 : 0) |
		               (x.is_mmx ? MMX : 0) | (x.is_vex ? VEX : 0) | (x.changes_segs ? SEGS : 0) | (x.loads_flags ? LOADS : 0);
		if (got != t[i].facts)
			fail_msg("%s: facts %x, want %x", t[i].hex, got, t[i].facts);
	}
}

static void test_encoding(void **state)
{
	struct x86_insn x;

	decode(L64, "f0480fb10b", &x);
	assert_true(x.prefix_lock && x.rex_w && x.has_modrm);
	assert_int_equal(x.modrm, 0x0b);
	assert_int_equal(x.opcode, 0xb1);
	assert_int_equal(x.opcode_map, 1);
	assert_int_equal(x.osize, 8);
	assert_int_equal(x.asize, 8);
	assert_true(x.k.desc.flags & KT_DESC_LOCK);
	assert_int_equal(x.k.bytes[4], 0x0b);
	assert_int_equal(x.k.bytes[5], 0);
	assert_int_equal(x.k.pc, RIP);
	assert_int_equal(x.k.mode, L64);
	decode(L64, "f3a4", &x);
	assert_int_equal(x.prefix_rep, 0xf3);
	assert_int_equal(x.osize, 4); /* on bytes: what it would be otherwise */
	assert_int_equal(x.k.desc.flags, KT_DESC_REP);
	decode(L64, "f2a6", &x);
	assert_int_equal(x.k.desc.flags, KT_DESC_REP | KT_DESC_REPNE);
	decode(L64, "f2a4", &x);
	assert_int_equal(x.k.desc.flags, KT_DESC_REP);
	decode(L64, "f3f2a6", &x); /* the last one counts */
	assert_int_equal(x.k.desc.flags, KT_DESC_REP | KT_DESC_REPNE);
	decode(L64, "0f9cc0", &x);
	assert_int_equal(x.k.desc.op, KT_OP_SETCC);
	assert_int_equal(x.k.desc.cond, 12);
	decode(L64, "0f47c1", &x);
	assert_int_equal(x.k.desc.op, KT_OP_CMOV);
	assert_int_equal(x.k.desc.cond, 7);
	decode(REAL, "67668b00", &x);
	assert_int_equal(x.osize, 4);
	assert_int_equal(x.asize, 4);
	decode(REAL, "88c0", &x);
	assert_int_equal(x.osize, 2);
	decode(L64, "660f38f6c1", &x); /* adcx: map 2 */
	assert_int_equal(x.opcode_map, 2);
	/* flags that the manual calls undefined */
	decode(L64, "c1e004", &x);
	assert_int_equal(x.flags_undefined, X86_OF | X86_AF);
	decode(L64, "d1e0", &x);
	assert_int_equal(x.flags_undefined, X86_AF);
	decode(L64, "c1e000", &x);
	assert_int_equal(x.flags_undefined, 0);
	decode(L64, "f7f1", &x);
	assert_int_equal(x.flags_undefined, X86_STATUS);
	decode(L64, "01c0", &x);
	assert_int_equal(x.flags_undefined, 0);
	decode(L64, "0fbcc1", &x);
	assert_int_equal(x.flags_undefined, X86_STATUS & ~X86_ZF);
	decode(L64, "f30fbcc1", &x); /* TZCNT on some hosts */
	assert_int_equal(x.flags_undefined, X86_STATUS);
}

static void bad(unsigned mode, const char *hex)
{
	struct x86_insn x;
	decode(mode, hex, &x);
	if (x.mnemonic || x.k.len != 1 || x.k.desc.op != KT_OP_LITERAL || !kt_desc_valid(&x.k.desc, X86_NREGS))
		fail_msg("%s in mode %u is taken for an instruction", hex, mode);
}

static void test_no_instruction(void **state)
{
	bad(L64, "06");       /* push es */
	bad(L64, "60");       /* pusha */
	bad(L64, "d40a");     /* aam */
	bad(L64, "ea000000001000");
	bad(L64, "f04801d8"); /* lock on a register */
	bad(L64, "f08b00");   /* lock on a load */
	bad(L64, "0f20c8");   /* cr1 */
	bad(L64, "8ec8");     /* mov cs */
	bad(L64, "8dc0");     /* lea of a register */
	bad(L64, "fff8");     /* ff /7 */
	bad(L64, "c6c8");     /* c6 /1 */
	bad(REAL, "0f00d8");  /* ltr in real mode */
	bad(REAL, "63c8");    /* arpl in real mode */
	bad(P32, "ffe8");     /* far jump through a register */
}

static void test_short(void **state)
{
	static const u8 mov[] = { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 };
	static const u8 prefixes[15] = { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66 };
	struct x86_insn x;

	for (unsigned n = 0; n < sizeof mov; n++)
		assert_int_equal(x86_decode(L64, 0, 0, mov, n, &x), -KT_E_RANGE);
	assert_int_equal(x86_decode(L64, 0, 0, mov, sizeof mov, &x), 0);
	assert_int_equal(x.k.len, 10);
	assert_int_equal(x86_decode(L64, 0, 0, prefixes, 15, &x), -KT_E_RANGE); /* longer than 15: #GP */
	assert_int_equal(x86_decode(3, 0, 0, mov, sizeof mov, &x), 0);          /* no such code size */
	assert_int_equal(x.mnemonic, 0);
}

static void text(unsigned mode, const char *hex, const char *want)
{
	u8 bytes[16];
	char got[100];
	unsigned n = from_hex(hex, bytes);
	assert_string_equal(x86_text(mode, RIP, bytes, n, got, sizeof got), want);
}

static void test_text(void **state)
{
	char tiny[5];
	static const u8 nop[] = { 0x90 }, ret[] = { 0xc3 };

	text(L64, "4889d8", "mov rax, rbx");
	text(L64, "8b4c8510", "mov ecx, dword ptr [rbp+rax*4+0x10]");
	text(L64, "ebfe", "jmp 0x1000");
	text(L64, "e8fb0f0000", "call 0x2000");
	text(L64, "488b05f90f0000", "mov rax, qword ptr [0x2000]");
	text(REAL, "cd10", "int 0x10");
	text(L64, "f348ab", "rep stosq");
	text(L64, "06", "(bad)");
	assert_string_equal(x86_text(L64, 0, nop, 0, tiny, sizeof tiny), "(bad"); /* cut to size - 1 */
	assert_string_equal(x86_text(L64, 0, ret, 1, tiny, sizeof tiny), "ret");
	tiny[0] = 'x';
	x86_text(L64, 0, nop, 1, tiny, 0);
	assert_int_equal(tiny[0], 'x');
}

/* Whatever the bytes: the descriptor keeps the rules, survives its byte form, and plans within its bounds. */
static void test_random(void **state)
{
	static const unsigned modes[] = { REAL, P16, P32, P32S16, L64, REAL | KT_MODE_STACK32, KT_MODE_32 };
	u64 rng = 7, regs[X86_NREGS];
	unsigned found = 0;

	for (unsigned i = 0; i < X86_NREGS; i++)
		regs[i] = i * 0x1111111111ull;
	for (unsigned n = 0; n < 400000; n++) {
		u8 bytes[16];
		struct x86_insn x;
		for (unsigned i = 0; i < 16; i++) {
			rng = rng * 6364136223846793005ull + 1442695040888963407ull;
			bytes[i] = (u8)(rng >> 56);
		}
		if (n & 1)
			bytes[0] = 0x0f;
		unsigned mode = modes[n % KT_ARRAY_LEN(modes)];
		int rc = x86_decode(mode, RIP, RIP, bytes, 15, &x);
		if (rc) {
			assert_int_equal(rc, -KT_E_RANGE);
			continue;
		}
		const struct kt_desc *d = &x.k.desc;
		if (!kt_desc_valid(d, X86_NREGS) || d->len != x.k.len || x.k.len < 1 || x.k.len > 15) {
			char t[100];
			fail_msg("%s (%02x%02x%02x%02x%02x%02x, mode %u): invalid descriptor, class %u", x86_text(mode, RIP, bytes, 15, t, sizeof t), bytes[0], bytes[1],
			         bytes[2], bytes[3], bytes[4], bytes[5], mode, d->op);
		}
		struct kt_buf b = { 0 };
		struct kt_desc back;
		kt_desc_put(&b, d);
		struct kt_rd r = kt_rd_of(b.data, b.len);
		assert_int_equal(kt_desc_get(&r, X86_NREGS, &back, NULL), 0);
		struct kt_buf again = { 0 }; /* compared as bytes: padding is nobody's */
		kt_desc_put(&again, &back);
		assert_int_equal(again.len, b.len);
		assert_memory_equal(again.data, b.data, b.len);
		kt_buf_free(&again);
		kt_buf_free(&b);
		struct kt_planned plan[KT_PLAN_MAX];
		assert_true(kt_desc_plan(&kt_arch_x86_64, d, regs, plan) <= KT_PLAN_MAX);
		found += x.mnemonic != 0;
	}
	assert_true(found > 200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operands), cmocka_unit_test(test_flow), cmocka_unit_test(test_facts), cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_no_instruction), cmocka_unit_test(test_short), cmocka_unit_test(test_text), cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
