/* SPDX-License-Identifier: MIT */
/* Guest images from a stranger: every input is loaded as what it says it is and as a flat binary. RAM is heap memory of
 * exactly its size, so that a sanitizer sees a byte written outside. What loads must also begin in RAM, and what does
 * not must say why. */
#include "arch/x86_64/x86_regs.h"
#include "vm/image_load.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 20 << 20, ROM = 1 << 20 };

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void load(const struct vm_config *c, const struct guest_mem *m, const u8 *data, size_t size)
{
	u64 regs[X86_NREGS] = { 0 };
	struct loaded out;
	struct kt_err err = { 0 };
	int rc = image_load_x86_bytes(c, m, data, size, regs, &out, &err);
	if (rc) {
		check(rc < 0 && err.code == (enum kt_code) - rc && err.text[0]);
		return;
	}
	check(out.n >= 1 && out.n <= IMAGE_MAX);
	check(guest_mem_at(m, out.info[0].gpa, 1));
	if (strcmp(out.info[0].kind, "bios")) {
		check(guest_mem_at(m, regs[X86_cs_base] + regs[X86_rip], 1));
		check(regs[X86_cs_base] + regs[X86_rip] == out.info[0].entry);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm_ram ram[3];
	if (!ram[0].host) {
		ram[0] = (struct vm_ram){ 0, 0xa0000, calloc(1, 0xa0000) };
		ram[1] = (struct vm_ram){ 0xc0000, RAM - 0xc0000, calloc(1, RAM - 0xc0000) };
		ram[2] = (struct vm_ram){ IMAGE_4G - ROM, ROM, calloc(1, ROM) };
	}
	check(ram[0].host && ram[1].host && ram[2].host);
	struct guest_mem m = { ram, 3, RAM, RAM, 0 };
	struct vm_config c = { .image = "guest", .mem = RAM };
	load(&c, &m, data, size);
	c.append = "console=ttyS0";
	load(&c, &m, data, size);
	c.append = NULL;
	c.boot = VM_BOOT_FIRMWARE_ENTRY;
	load(&c, &m, data, size);
	c.boot = VM_BOOT_AUTO;
	c.flat = true;
	for (int mode = VM_MODE_AUTO; mode <= VM_MODE_LONG; mode++) {
		c.mode = (enum vm_mode)mode;
		c.load = size >= 8 ? image_u64(data) >> (data[0] & 63) : 0;
		load(&c, &m, data, size);
	}
	return 0;
}
