/* SPDX-License-Identifier: MIT */
/* Descriptors from a stranger's file: what kt_desc_get takes keeps the rules, survives its byte form, and makes neither
 * plan nor evaluation reach outside their arrays, which are heap memory of exactly their size. */
#include <stdlib.h>
#include <string.h>

#include "arch/arm64/arm64_regs.h"
#include "arch/desc.h"
#include "arch/x86_64/x86_regs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void use(const struct kt_arch *arch, const struct kt_desc *d, u64 seed)
{
	struct kt_planned *plan = malloc(KT_PLAN_MAX * sizeof *plan);
	u64 *regs = malloc(arch->nregs * sizeof *regs), *loads = malloc(KT_PLAN_MAX * sizeof *loads);
	u64 *stores = malloc(KT_PLAN_MAX * sizeof *stores), *was = malloc(arch->nregs * sizeof *was);
	if (!plan || !regs || !loads || !stores || !was)
		exit(2);
	for (unsigned i = 0; i < arch->nregs; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		regs[i] = seed >> (seed >> 58);
	}
	for (unsigned i = 0; i < KT_PLAN_MAX; i++)
		loads[i] = seed * (i + 1);
	memcpy(was, regs, arch->nregs * sizeof *regs);
	check(kt_desc_plan(arch, d, regs, plan) <= KT_PLAN_MAX);
	check(!memcmp(was, regs, arch->nregs * sizeof *regs));
	if (!kt_desc_eval(arch, d, regs, loads, stores))
		check(!memcmp(was, regs, arch->nregs * sizeof *regs));
	free(plan);
	free(regs);
	free(loads);
	free(stores);
	free(was);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kt_arch *archs[] = { &kt_arch_x86_64, &kt_arch_arm64 };

	for (unsigned a = 0; a < 2; a++) {
		struct kt_rd r = kt_rd_of(data, size);
		struct kt_err err = { 0 };
		struct kt_desc d, back;
		while (kt_rd_left(&r)) {
			int rc = kt_desc_get(&r, archs[a]->nregs, &d, &err);
			if (rc) {
				check((rc == -KT_E_CORRUPT || rc == -KT_E_VERSION) && err.code == (enum kt_code) - rc && err.text[0]);
				break;
			}
			check(kt_desc_valid(&d, archs[a]->nregs));
			struct kt_buf b = { 0 };
			kt_desc_put(&b, &d);
			struct kt_rd again = kt_rd_of(b.data, b.len);
			check(!kt_desc_get(&again, archs[a]->nregs, &back, NULL) && !kt_rd_left(&again) && !memcmp(&d, &back, sizeof d));
			kt_buf_free(&b);
			use(archs[a], &d, size + a);
		}
	}
	return 0;
}
