/* SPDX-License-Identifier: MIT */
/* Bytes -> struct x86_insn. Zydis finds length, mnemonic and operands; what they mean is ours. The instruction set is
 * that of the canonical CPU, so CET's and MPX' encodings in the NOP space are NOPs (their mnemonics stay), and f3 0f
 * bc / bd are BSF and BSR: a CPU without BMI1 and LZCNT ignores the prefix (SDM 2A, TZCNT: "on processors that do not
 * support TZCNT, the instruction byte encoding is executed as BSF"). */
#include "arch/x86_64/x86_decode.h"

#include <string.h>

static const struct kt_operand no_operand = KT_OPERAND_NONE;

static unsigned stack_width(unsigned mode)
{
	return (mode & KT_MODE_CODE) == KT_MODE_64 ? 8 : mode & KT_MODE_STACK32 ? 4 : 2;
}

bool x86_zydis_decoder(unsigned mode, ZydisDecoder *z)
{
	ZydisStackWidth w = ZYDIS_STACK_WIDTH_16;
	ZydisMachineMode m;

	switch (mode & KT_MODE_CODE) {
	case KT_MODE_64:
		m = ZYDIS_MACHINE_MODE_LONG_64;
		w = ZYDIS_STACK_WIDTH_64;
		break;
	case KT_MODE_32:
		m = ZYDIS_MACHINE_MODE_LEGACY_32;
		w = ZYDIS_STACK_WIDTH_32;
		break;
	case KT_MODE_16:
		m = mode & KT_MODE_PROTECTED ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_REAL_16;
		break;
	default:
		return false;
	}
	/* Zydis ties the stack's width to the mode; its true width is put in by us. */
	return ZYAN_SUCCESS(ZydisDecoderInit(z, m, w)) &&
	       ZYAN_SUCCESS(ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE)) &&
	       ZYAN_SUCCESS(ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_TZCNT, ZYAN_FALSE)) &&
	       ZYAN_SUCCESS(ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_LZCNT, ZYAN_FALSE));
}

/* What every decode starts from, and what stays when the bytes are no instruction. */
static void start(unsigned mode, u64 pc, const u8 *bytes, struct x86_insn *out)
{
	memset(out, 0, sizeof *out);
	out->k.pc = pc;
	out->k.mode = (u8)mode;
	out->k.len = out->k.desc.len = 1;
	out->k.bytes[0] = bytes[0];
	for (unsigned i = 0; i < KT_DESC_OPS; i++)
		out->k.desc.opnd[i] = no_operand;
}

/* The last of f2 and f3 counts, be it a prefix proper or part of the opcode. */
static u8 rep_prefix(const ZydisDecodedInstruction *zi)
{
	u8 r = 0;
	for (unsigned i = 0; i < zi->raw.prefix_count; i++)
		if (zi->raw.prefixes[i].value == 0xf2 || zi->raw.prefixes[i].value == 0xf3)
			r = zi->raw.prefixes[i].value;
	return r;
}

static bool has_prefix(const ZydisDecodedInstruction *zi, u8 which)
{
	for (unsigned i = 0; i < zi->raw.prefix_count; i++)
		if (zi->raw.prefixes[i].value == which)
			return true;
	return false;
}

/* Zydis says 8 for instructions on bytes; the effective operand size is what it would be otherwise. */
static u8 operand_size(unsigned mode, const ZydisDecodedInstruction *zi, bool rex_w)
{
	if (zi->operand_width > 8)
		return (u8)(zi->operand_width / 8);
	bool other = has_prefix(zi, 0x66);
	if (rex_w)
		return 8;
	return (mode & KT_MODE_CODE) == KT_MODE_16 ? (other ? 4 : 2) : (other ? 2 : 4);
}

static void encoding_facts(const struct x86_dec *x, const u8 *bytes, struct x86_insn *out)
{
	const ZydisDecodedInstruction *zi = &x->zi;

	out->is_vex = zi->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && zi->encoding != ZYDIS_INSTRUCTION_ENCODING_3DNOW;
	out->rex_w = !out->is_vex ? zi->raw.rex.W : zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX ? zi->raw.vex.W : 0;
	out->prefix_rep = rep_prefix(zi);
	out->prefix_lock = has_prefix(zi, 0xf0);
	out->osize = operand_size(x->mode, zi, out->rex_w);
	out->asize = zi->address_width / 8;
	out->opcode = zi->opcode;
	out->opcode_map = (u8)zi->opcode_map;
	out->has_modrm = !!(zi->attributes & ZYDIS_ATTRIB_HAS_MODRM);
	out->modrm = out->has_modrm ? bytes[zi->raw.modrm.offset] : 0;
	out->isa_set = (u16)zi->meta.isa_set;
}

int x86_decode(unsigned mode, u64 pc, u64 rip, const u8 *bytes, unsigned n, struct x86_insn *out)
{
	struct x86_dec x = { .mode = mode, .stack = stack_width(mode), .rip = rip };
	ZydisDecoder z;

	if (!n)
		return -KT_E_RANGE;
	start(mode, pc, bytes, out);
	if (!x86_zydis_decoder(mode, &z))
		return 0;
	ZyanStatus st = ZydisDecoderDecodeFull(&z, bytes, KT_MIN(n, 15), &x.zi, x.zo);
	if (st == ZYDIS_STATUS_NO_MORE_DATA || st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
		return -KT_E_RANGE;
	if (!ZYAN_SUCCESS(st))
		return 0;
	out->mnemonic = (u16)x.zi.mnemonic;
	out->k.len = out->k.desc.len = x.zi.length;
	memcpy(out->k.bytes, bytes, x.zi.length);
	encoding_facts(&x, bytes, out);
	if ((mode & KT_MODE_CODE) != KT_MODE_64)
		out->k.desc.flags |= KT_DESC_WRAP32;
	if (out->prefix_lock)
		out->k.desc.flags |= KT_DESC_LOCK;
	x86_describe(&x, &out->k.desc);
	x86_facts(&x, out);
	out->flags_undefined = x86_undefined_flags(&x, &out->k.desc);
	return 0;
}
