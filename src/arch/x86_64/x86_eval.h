/* SPDX-License-Identifier: MIT */
/* kt_desc_eval for x86. */
#ifndef KT_X86_EVAL_H
#define KT_X86_EVAL_H

#include "arch/desc.h"

bool x86_desc_eval(const struct kt_desc *d, u64 *regs, const u64 *loads, u64 *stores);

#endif
