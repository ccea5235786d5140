/* SPDX-License-Identifier: MIT */
/* Guest images other than Linux: what lies where in memory, how the CPU begins, and what is refused and how. Expected
 * values come from the formats' manuals and from Intel's (descriptors: SDM 3, 3.4.5; paging: 4.5). */
#include "image_make.h"

#include <sys/stat.h>
#include <unistd.h>

static void memory_accessor(void **state)
{
	struct machine m;
	machine_make(&m, 2);
	assert_ptr_equal(guest_mem_at(&m.mem, 0, 0xa0000), m.low);
	assert_ptr_equal(guest_mem_at(&m.mem, 0x9ffff, 1), m.low + 0x9ffff);
	assert_null(guest_mem_at(&m.mem, 0x9ffff, 2));
	assert_null(guest_mem_at(&m.mem, 0xa0000, 1));
	assert_null(guest_mem_at(&m.mem, 0xbffff, 1));
	assert_ptr_equal(guest_mem_at(&m.mem, 0xc0000, 1), m.low + 0xc0000);
	assert_null(guest_mem_at(&m.mem, 0x1fffff, 2));
	assert_null(guest_mem_at(&m.mem, 0, UINT64_MAX));
	assert_null(guest_mem_at(&m.mem, 0xc0001, UINT64_MAX));
	assert_null(guest_mem_at(&m.mem, UINT64_MAX, 2));
	assert_ptr_equal(guest_mem_at(&m.mem, 0xffffffff, 1), m.rom + 16 * MIB - 1);
	machine_free(&m);
}

static void memory_map(void **state)
{
	struct machine m;
	struct image_map map[IMAGE_MAP_MAX];
	machine_make(&m, 2);
	m.ram[3] = (struct vm_ram){ 0x100000000, 0x200000, m.low };
	m.mem.n = 4;
	static const struct image_map want[] = {
		{ 0, 0x9fc00, 1 },         { 0x9fc00, 0x400, 2 },        { 0xf0000, 0x10000, 2 },
		{ 0x100000, 0x100000, 1 }, { 0x100000000, 0x200000, 1 },
	};
	assert_int_equal(image_memory_map(&m.mem, map), 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(map[i].gpa, want[i].gpa);
		assert_int_equal(map[i].size, want[i].size);
		assert_int_equal(map[i].type, want[i].type);
	}
	machine_free(&m);
}

static void flat_real(void **state)
{
	static const u8 code[] = { 0xeb, 0xfe, 0x55, 0xaa };
	struct machine m;
	machine_make(&m, 1);
	m.c.flat = true;
	assert_int_equal(machine_load(&m, code, sizeof code), 0);
	assert_memory_equal(m.low + 0x7c00, code, sizeof code);
	assert_int_equal(m.regs[X86_rip], 0x7c00);
	assert_int_equal(m.regs[X86_cs], 0);
	assert_int_equal(m.regs[X86_cs_base], 0);
	assert_int_equal(m.regs[X86_ss], 0);
	assert_int_equal(m.regs[X86_ss_base], 0);
	assert_int_equal(m.regs[X86_rsp], 0x7c00);
	assert_int_equal(m.regs[X86_rflags], 2);
	assert_int_equal(m.regs[X86_rax], 0);
	assert_int_equal(m.regs[X86_cr0], FILLER); /* the reset state is kept */
	assert_int_equal(m.regs[X86_cs_attr], FILLER);
	assert_int_equal(m.regs[X86_mtrr_def_type], FILLER);
	assert_int_equal(m.out.n, 1);
	assert_string_equal(m.out.info[0].kind, "flat");
	assert_string_equal(m.out.info[0].path, "guest");
	assert_int_equal(m.out.info[0].gpa, 0x7c00);
	assert_int_equal(m.out.info[0].size, 4);
	assert_int_equal(m.out.info[0].entry, 0x7c00);

	m.c.load = 0x12340;
	m.c.entry = 0x12342;
	assert_int_equal(machine_load(&m, code, sizeof code), 0);
	assert_int_equal(m.regs[X86_cs], 0x1234);
	assert_int_equal(m.regs[X86_cs_base], 0x12340);
	assert_int_equal(m.regs[X86_rip], 2);
	assert_int_equal(m.regs[X86_rsp], 0);

	m.c.load = 0x8000;
	m.c.entry = 0;
	assert_int_equal(machine_load(&m, code, sizeof code), 0);
	assert_int_equal(m.regs[X86_rip], 0x8000);
	assert_int_equal(m.regs[X86_rsp], 0x8000);

	m.c.load = m.c.entry = 0; /* 0 said: not the default */
	m.c.has_load = true;
	assert_int_equal(machine_load(&m, code, sizeof code), 0);
	assert_memory_equal(m.low, code, sizeof code);
	assert_int_equal(m.regs[X86_rip], 0);
	assert_int_equal(m.regs[X86_rsp], 0);
	machine_free(&m);
}

/* The physical address of va by 4-level paging with 2 MiB pages, or ~0. */
static u64 walk(struct machine *m, u64 va)
{
	u64 e = at64(m, (m->regs[X86_cr3] & ~0xfffull) + 8 * (va >> 39 & 511));
	if (!(e & 1))
		return ~0ull;
	e = at64(m, (e & 0xffffffffff000) + 8 * (va >> 30 & 511));
	if (!(e & 1))
		return ~0ull;
	e = at64(m, (e & 0xffffffffff000) + 8 * (va >> 21 & 511));
	if ((e & 0x83) != 0x83)
		return ~0ull;
	return (e & 0xfffffffe00000) | (va & 0x1fffff);
}

static void check_flat_segments(struct machine *m, u64 code_attr, u64 code_descriptor)
{
	static const unsigned data[] = { X86_ds, X86_es, X86_ss, X86_fs, X86_gs };
	u64 gdt = m->regs[X86_gdtr_base];
	assert_int_equal(m->regs[X86_cs], 0x10);
	assert_int_equal(m->regs[X86_cs_base], 0);
	assert_int_equal(m->regs[X86_cs_limit], 0xffffffff);
	assert_int_equal(m->regs[X86_cs_attr], code_attr);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(m->regs[data[i]], 0x18);
		assert_int_equal(m->regs[data[i] + X86_SEG_BASE], 0);
		assert_int_equal(m->regs[data[i] + X86_SEG_LIMIT], 0xffffffff);
		assert_int_equal(m->regs[data[i] + X86_SEG_ATTR], 0xc093);
	}
	assert_int_equal(m->regs[X86_gdtr_limit], 31);
	assert_int_equal(m->regs[X86_idtr_limit], 0);
	assert_int_equal(at64(m, gdt), 0);
	assert_int_equal(at64(m, gdt + 8), 0);
	assert_int_equal(at64(m, gdt + 16), code_descriptor);
	assert_int_equal(at64(m, gdt + 24), 0x00cf93000000ffff);
	assert_int_equal(m->regs[X86_rflags], 2);
}

static void check_long(struct machine *m)
{
	static const u64 places[] = {
		0, 0x1fffff, 0x200000, 0x1000000, 0x3fffffff, 0x40000000, 0xc0000123, 0xffffffff
	};
	check_flat_segments(m, 0xa09b, 0x00af9b000000ffff);
	assert_int_equal(m->regs[X86_cr0], 0x80000031); /* PG, NE, ET, PE */
	assert_int_equal(m->regs[X86_cr4], 0x20);       /* PAE */
	assert_int_equal(m->regs[X86_efer], 0x500);     /* LMA, LME */
	assert_int_equal(x86_mode(m->regs) & KT_MODE_CODE, KT_MODE_64);
	for (unsigned i = 0; i < KT_ARRAY_LEN(places); i++)
		assert_int_equal(walk(m, places[i]), places[i]);
	assert_int_equal(walk(m, 0x100000000), ~0ull);
}

static void check_protected(struct machine *m)
{
	check_flat_segments(m, 0xc09b, 0x00cf9b000000ffff);
	assert_int_equal(m->regs[X86_cr0], 0x31);
	assert_int_equal(m->regs[X86_cr4], 0);
	assert_int_equal(m->regs[X86_efer], 0);
	assert_int_equal(x86_mode(m->regs), KT_MODE_32 | KT_MODE_STACK32 | KT_MODE_PROTECTED);
}

static void flat_protected_and_long(void **state)
{
	static u8 code[0x9000];
	struct machine m;
	memset(code, 0x90, sizeof code);
	machine_make(&m, 4);
	m.c.flat = true;
	m.c.mode = VM_MODE_PROTECTED;
	assert_int_equal(machine_load(&m, code, sizeof code), 0);
	check_protected(&m);
	assert_int_equal(m.regs[X86_rip], 0x100000);
	assert_memory_equal(m.low + 0x100000, code, sizeof code);
	machine_free(&m);

	machine_make(&m, 4);
	m.c.flat = true;
	m.c.mode = VM_MODE_LONG;
	m.c.entry = 0x100010;
	assert_int_equal(machine_load(&m, code, sizeof code), 0);
	check_long(&m);
	assert_int_equal(m.regs[X86_rip], 0x100010);
	assert_int_equal(m.regs[X86_gdtr_base], 0x10000);
	machine_free(&m);

	machine_make(&m, 4); /* where the structures would like to be */
	m.c.flat = true;
	m.c.mode = VM_MODE_LONG;
	m.c.load = 0x11800;
	assert_int_equal(machine_load(&m, code, sizeof code), 0);
	check_long(&m);
	assert_memory_equal(m.low + 0x11800, code, sizeof code);
	u64 base = m.regs[X86_gdtr_base];
	assert_true(base + 0x8000 <= 0x11800 || base >= 0x11800 + sizeof code);
	assert_true(m.regs[X86_rsp] > base && m.regs[X86_rsp] <= base + 0x8000);
	machine_free(&m);
}

/* All of low memory and all above taken: nowhere to put tables. */
static void flat_no_room(void **state)
{
	struct machine m;
	u8 *all = calloc(1, 0xa0000);
	machine_make(&m, 1);
	m.c.flat = m.c.has_load = true;
	m.c.mode = VM_MODE_LONG;
	m.mem.n = 1; /* only [0, 0xa0000) */
	refused(&m, all, 0xa0000, KT_E_IMAGE, "no free guest memory");
	m.c.mode = VM_MODE_REAL;
	assert_int_equal(machine_load(&m, all, 0xa0000), 0);
	free(all);
	machine_free(&m);
}

static void flat_refused(void **state)
{
	static const u8 code[32];
	struct machine m;
	machine_make(&m, 2);
	m.c.flat = true;
	refused(&m, code, 0, KT_E_IMAGE, "empty");
	m.c.load = 0x9fff0;
	refused(&m, code, 32, KT_E_IMAGE, "video hole");
	m.c.load = 0xb0000;
	refused(&m, code, 32, KT_E_IMAGE, "video hole");
	m.c.mode = VM_MODE_PROTECTED;
	m.c.load = 0x1ffff0;
	refused(&m, code, 32, KT_E_IMAGE, "--mem");
	m.c.load = UINT64_MAX - 4;
	m.c.entry = 0x1000;
	refused(&m, code, 32, KT_E_IMAGE, "wrap around");
	m.c.load = 0x100000;
	m.c.entry = 0xa0000;
	refused(&m, code, 32, KT_E_ARG, "no RAM at the entry");
	m.c.entry = 1ull << 32;
	refused(&m, code, 32, KT_E_ARG, "above 4 GiB");
	m.c.mode = VM_MODE_REAL;
	m.c.entry = 0x100000;
	refused(&m, code, 32, KT_E_ARG, "--mode");
	m.c.entry = 0;
	m.c.load = 0;
	m.c.append = "x";
	refused(&m, code, 32, KT_E_ARG, "--append");
	m.c.append = NULL;
	m.c.boot = VM_BOOT_FIRMWARE_ENTRY;
	refused(&m, code, 32, KT_E_ARG, "firmware-entry");
	machine_free(&m);
}

static void bios_size(size_t size, u64 shadow)
{
	struct machine m;
	u8 *f = malloc(size);
	for (size_t i = 0; i < size; i++)
		f[i] = (u8)(i * 7 + (i >> 12));
	f[size - 16] = 0xea;
	machine_make(&m, 2);
	assert_int_equal(machine_load(&m, f, size), 0);
	assert_memory_equal(m.rom + 16 * MIB - size, f, size);
	assert_memory_equal(m.low + MIB - shadow, f + size - shadow, shadow);
	assert_int_equal(m.low[MIB - shadow - 1], 0);
	assert_int_equal(m.low[MIB], 0);
	for (unsigned i = 0; i < X86_NREGS; i++)
		assert_int_equal(m.regs[i], FILLER);
	assert_string_equal(m.out.info[0].kind, "bios");
	assert_int_equal(m.out.info[0].gpa, 0x100000000 - size);
	assert_int_equal(m.out.info[0].entry, 0xfffffff0);
	free(f);
	machine_free(&m);
}

static void bios(void **state)
{
	bios_size(64 << 10, 64 << 10);
	bios_size(128 << 10, 128 << 10);
	bios_size(192 << 10, 128 << 10);
	bios_size(256 << 10, 256 << 10);
	bios_size(2 << 20, 128 << 10);
	bios_size(16 << 20, 128 << 10);
}

static void bios_refused(void **state)
{
	static u8 f[(16 << 20) + (64 << 10)];
	struct machine m;
	machine_make(&m, 2);
	f[65536 - 16] = 0xea;
	m.mem.n = 2; /* no firmware range */
	refused(&m, f, 65536, KT_E_IMAGE, "no guest memory");
	m.mem.n = 3;
	m.c.append = "x";
	refused(&m, f, 65536, KT_E_ARG, "--append");
	m.c.append = NULL;
	m.c.boot = VM_BOOT_KERNEL_ENTRY;
	refused(&m, f, 65536, KT_E_ARG, "kernel-entry");
	m.c.boot = VM_BOOT_AUTO;
	m.c.mode = VM_MODE_LONG;
	refused(&m, f, 65536, KT_E_ARG, "--mode");
	m.c.mode = VM_MODE_AUTO;
	f[sizeof f - 16] = 0xea;
	refused(&m, f, sizeof f, KT_E_IMAGE, "not a guest image");
	f[65535 - 16] = 0xea;
	refused(&m, f, 65535, KT_E_IMAGE, "not a guest image");
	f[65536 - 16] = 0; /* nothing at the reset vector */
	refused(&m, f, 65536, KT_E_IMAGE, "not a guest image");
	memset(f, 'a', 65536);
	refused(&m, f, 65536, KT_E_IMAGE, "a text file");
	machine_free(&m);
}

static void not_images(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *says;
	} files[] = {
		{ "\xff\xd8\xff\xe0\0\x10JFIF", 10, "JPEG" },
		{ "hello, world\n", 13, "text" },
		{ "\x1f\x8b\x08\0\0\0\0\0", 8, "gzip-compressed" },
		{ "\xfd"
		  "7zXZ\0\0\0",
		  8, "xz-compressed" },
		{ "#!/bin/sh\n", 10, "script" },
		{ "QFI\xfb\0\0\0\3", 8, "qcow2" },
		{ "\1\2\3", 3, "recognised are" },
		{ "M", 1, "recognised are" },
	};
	struct machine m;
	machine_make(&m, 1);
	for (unsigned i = 0; i < KT_ARRAY_LEN(files); i++) {
		refused(&m, files[i].bytes, files[i].n, KT_E_IMAGE, files[i].says);
		refused(&m, files[i].bytes, files[i].n, KT_E_IMAGE, "bzImage");
	}
	u8 arm64[64] = { 0 };
	memcpy(arm64 + 56, "ARM\x64", 4);
	refused(&m, arm64, sizeof arm64, KT_E_IMAGE, "arm64 host");
	u8 sector[512] = { 0xeb, 0xfe };
	sector[510] = 0x55;
	sector[511] = 0xaa;
	refused(&m, sector, sizeof sector, KT_E_IMAGE, "--load 0x7c00");
	refused(&m, "", 0, KT_E_IMAGE, "empty");
	machine_free(&m);
}

static void elf64(void **state)
{
	static const struct seg s[] = { { 0x200, 0xffffffff80200000, 0x200000, 16, 0x3000 },
					{ 0x210, 0xffffffff80204000, 0x204000, 8, 8 } };
	u8 f[0x220] = { 0 };
	struct machine m;
	put_elf(f, true, 0x200004, s, 2);
	memset(f + 0x200, 0x90, 16);
	memcpy(f + 0x210, "datadata", 8);
	machine_make(&m, 4);
	assert_int_equal(machine_load(&m, f, sizeof f), 0);
	check_long(&m);
	assert_int_equal(m.regs[X86_rip], 0x200004);
	assert_int_equal(m.regs[X86_rsi], 0);
	assert_memory_equal(m.low + 0x200000, f + 0x200, 16);
	assert_int_equal(m.low[0x200010], 0);
	assert_memory_equal(m.low + 0x204000, "datadata", 8);
	assert_string_equal(m.out.info[0].kind, "elf");
	assert_int_equal(m.out.info[0].gpa, 0x200000);
	assert_int_equal(m.out.info[0].size, sizeof f);
	assert_int_equal(m.out.info[0].entry, 0x200004);
	machine_free(&m);

	machine_make(&m, 4); /* the entry by its virtual address */
	put_elf(f, true, 0xffffffff80204002, s, 2);
	assert_int_equal(machine_load(&m, f, sizeof f), 0);
	assert_int_equal(m.regs[X86_rip], 0x204002);
	machine_free(&m);
}

static void elf32(void **state)
{
	static const struct seg s[] = { { 0x100, 0xc0100000, 0x100000, 4, 8 } };
	u8 f[0x104] = { 0 };
	struct machine m;
	put_elf(f, false, 0xc0100002, s, 1);
	memcpy(f + 0x100, "code", 4);
	machine_make(&m, 2);
	assert_int_equal(machine_load(&m, f, sizeof f), 0);
	check_protected(&m);
	assert_int_equal(m.regs[X86_rip], 0x100002);
	assert_memory_equal(m.low + 0x100000, "code", 4);
	machine_free(&m);
}

/* One field of a good file made bad. */
static void elf_refused(void **state)
{
	static const struct seg good = { 0x100, 0x100000, 0x100000, 0x100, 0x200 };
	static const struct {
		struct seg s;
		u64 entry;
		const char *says;
	} cases[] = {
		{ { 0x100, 0x100000, 0x100000, 0x101, 0x200 }, 0x100000, "cut short" },
		{ { UINT64_MAX, 0x100000, 0x100000, 2, 0x200 }, 0x100000, "cut short" },
		{ { 0x100, 0x100000, 0x100000, 0x100, 0xff }, 0x100000, "in the file for" },
		{ { 0x100, 0x100000, 0x100000, 0x100, 0x200 }, 0x100200, "lies in no loaded segment" },
		{ { 0x100, 0x100000, 0x100000, 0x100, UINT64_MAX }, 0x100000, "wrap around" },
		{ { 0x100, 0x100000, 0x100000, 0x100, UINT64_MAX - 0x100000 }, 0x100000, "--mem" },
		{ { 0x100, 0xffffffff80100000, 0xffffffff80100000, 0x100, 0x200 }, 0xffffffff80100000, "AT()" },
		{ { 0x100, 0x9ff80, 0x9ff80, 0x100, 0x200 }, 0x9ff80, "video hole" },
		{ { 0x100, 0x1fff00, 0x1fff00, 0x100, 0x200 }, 0x1fff00, "--mem" },
		{ { 0x100, 0, 0, 0, 0 }, 0, "no segment" },
	};
	u8 f[0x200];
	struct machine m;
	machine_make(&m, 2);
	for (unsigned i = 0; i < KT_ARRAY_LEN(cases); i++) {
		memset(f, 0, sizeof f);
		put_elf(f, true, cases[i].entry, &cases[i].s, 1);
		refused(&m, f, sizeof f, KT_E_IMAGE, cases[i].says);
	}
	static const struct {
		unsigned at;
		u16 value;
		const char *says;
	} fields[] = {
		{ 18, 183, "arm64" },
		{ 18, 243, "RISC-V" },
		{ 18, 3, "machine number 3" },
		{ 18, 9999, "machine number 9999" },
		{ 16, 1, "object file" },
		{ 16, 4, "core dump" },
		{ 16, 77, "ELF type 77" },
		{ 4, 0x0103, "class" },
		{ 4, 0x0202, "big-endian" },
		{ 56, 0, "program headers" },
		{ 56, 0xffff, "program headers" },
		{ 56, 100, "cut short" },
		{ 54, 55, "too small" },
		{ 38, 0xffff, "cut short" },
		{ 64, 3, "dynamic linker" },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(fields); i++) {
		memset(f, 0, sizeof f);
		put_elf(f, true, 0x100000, &good, 1);
		image_set16(f + fields[i].at, fields[i].value);
		refused(&m, f, sizeof f, KT_E_IMAGE, fields[i].says);
	}
	static const struct seg over[] = { { 0x100, 0x100000, 0x100000, 0x10, 0x200 },
					   { 0x100, 0x1001ff, 0x1001ff, 0x10, 0x10 } };
	memset(f, 0, sizeof f);
	put_elf(f, true, 0x100000, over, 2);
	refused(&m, f, sizeof f, KT_E_IMAGE, "overlaps");
	memset(f, 0, sizeof f);
	put_elf(f, true, 0x100000, &good, 1);
	for (size_t n = 1; n < sizeof f; n++) /* every truncation is refused */
		assert_int_equal(machine_load(&m, f, n), -KT_E_IMAGE);
	image_set16(f + 18, 62);
	f[4] = 1; /* x32 */
	refused(&m, f, sizeof f, KT_E_IMAGE, "x32");
	machine_free(&m);
}

static void files(void **state)
{
	struct machine m;
	char dir[] = "/tmp/kt-image-XXXXXX", path[64];
	machine_make(&m, 1);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/boot.bin", dir);
	m.c.flat = true;
	m.c.image = dir;
	assert_int_equal(image_load_x86(&m.c, &m.mem, m.regs, &m.out, &m.err), -KT_E_ARG);
	assert_non_null(strstr(m.err.text, "is a directory"));
	m.c.image = path;
	assert_int_equal(image_load_x86(&m.c, &m.mem, m.regs, &m.out, &m.err), -KT_E_IO);
	assert_non_null(strstr(m.err.text, path));
	assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
	assert_int_equal(image_load_x86(&m.c, &m.mem, m.regs, &m.out, &m.err), -KT_E_ARG);
	unlink(path);
	m.c.image = NULL;
	assert_int_equal(image_load_x86(&m.c, &m.mem, m.regs, &m.out, &m.err), -KT_E_ARG);
	assert_int_equal(image_load_x86(&m.c, &m.mem, m.regs, &m.out, NULL), -KT_E_ARG);
	m.c.image = path;
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("\xf4", f);
	fclose(f);
	assert_int_equal(image_load_x86(&m.c, &m.mem, m.regs, &m.out, &m.err), 0);
	assert_int_equal(m.low[0x7c00], 0xf4);
	assert_string_equal(m.out.info[0].path, path);
	unlink(path);
	rmdir(dir);
	machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_accessor),
		cmocka_unit_test(memory_map),
		cmocka_unit_test(flat_real),
		cmocka_unit_test(flat_protected_and_long),
		cmocka_unit_test(flat_no_room),
		cmocka_unit_test(flat_refused),
		cmocka_unit_test(bios),
		cmocka_unit_test(bios_refused),
		cmocka_unit_test(not_images),
		cmocka_unit_test(elf64),
		cmocka_unit_test(elf32),
		cmocka_unit_test(elf_refused),
		cmocka_unit_test(files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
