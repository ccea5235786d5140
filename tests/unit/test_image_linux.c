/* SPDX-License-Identifier: MIT */
/* Images with a boot protocol: Linux (bzImage in every compression, vmlinux) and multiboot 1. Offsets of the zero page
 * and of the multiboot structures are those of the manuals (Linux: zero-page.rst, boot.rst; Multiboot 0.6.96, 3.3). */
#include "image_make.h"

#include "base/zst.h"

#include <lz4.h>
#include <lzma.h>
#include <unistd.h>
#include <zlib.h>

enum { CODE = 3 * 512, PAYLOAD = 0x300, KERNEL_AT = 0x1000000, KERNEL_SIZE = 0x1200 };

/* The kernel that lies in the payload: one segment of text, entry at its start. */
static size_t make_kernel(u8 *f, bool wide)
{
	static const struct seg s = { 0x200, 0xffffffff81000000, KERNEL_AT, 0x1000, KERNEL_SIZE };
	static const struct seg narrow = { 0x200, 0xc1000000, KERNEL_AT, 0x1000, KERNEL_SIZE };
	memset(f, 0, 0x1200);
	put_elf(f, wide, KERNEL_AT, wide ? &s : &narrow, 1);
	for (unsigned i = 0; i < 0x1000; i++)
		f[0x200 + i] = (u8)(i % 251);
	return 0x1200;
}

/* A bzImage of protocol 2.15 around a payload, built as the manual describes: two setup sectors, then the code. */
static size_t make_bzimage(u8 *f, const void *payload, size_t n)
{
	size_t code = (PAYLOAD + n + 15) / 16 * 16;
	memset(f, 0, CODE + code);
	f[0x1f1] = 2;
	image_set32(f + 0x1f4, (u32)(code / 16));
	image_set16(f + 0x1fe, 0xaa55);
	f[0x200] = 0xeb;
	f[0x201] = 0x6a; /* the header ends at 0x26c */
	memcpy(f + 0x202, "HdrS", 4);
	image_set16(f + 0x206, 0x020f);
	f[0x211] = 1;
	image_set32(f + 0x214, 0x100000);
	image_set32(f + 0x22c, 0x7fffffff);
	image_set32(f + 0x230, 0x200000);
	image_set16(f + 0x236, 1);
	image_set32(f + 0x238, 2047);
	image_set32(f + 0x248, PAYLOAD);
	image_set32(f + 0x24c, (u32)n);
	image_set64(f + 0x258, KERNEL_AT);
	image_set32(f + 0x260, 0x200000);
	f[0x26c] = 0x77; /* behind the header: must not reach the zero page */
	memset(f + CODE, 0x90, PAYLOAD);
	memcpy(f + CODE + PAYLOAD, payload, n);
	return CODE + code;
}

static size_t pack_gzip(const u8 *in, size_t n, u8 *to, size_t cap)
{
	z_stream z = { 0 };
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)in;
	z.avail_in = (uInt)n;
	z.next_out = to;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}
static size_t pack_xz(const u8 *in, size_t n, u8 *to, size_t cap)
{
	size_t at = 0;
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, in, n, to, &at, cap), LZMA_OK);
	return at;
}
static size_t pack_lzma(const u8 *in, size_t n, u8 *to, size_t cap)
{
	lzma_options_lzma o;
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_lzma_preset(&o, 6);
	assert_int_equal(lzma_alone_encoder(&z, &o), LZMA_OK);
	z.next_in = in;
	z.avail_in = n;
	z.next_out = to;
	z.avail_out = cap;
	assert_int_equal(lzma_code(&z, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&z);
	return (size_t)z.total_out;
}
static size_t pack_zstd(const u8 *in, size_t n, u8 *to, size_t cap)
{
	struct kt_zst *z = kt_zst_create(19);
	struct kt_buf b = { 0 };
	assert_int_equal(kt_zst_compress(z, in, n, &b), 0);
	assert_true(b.len <= cap);
	memcpy(to, b.data, b.len);
	n = b.len;
	kt_buf_free(&b);
	kt_zst_destroy(z);
	return n;
}
static size_t pack_lz4(const u8 *in, size_t n, u8 *to, size_t cap)
{
	image_set32(to, 0x184c2102);
	int got = LZ4_compress_default((const char *)in, (char *)to + 8, (int)n, (int)cap - 8);
	assert_true(got > 0);
	image_set32(to + 4, (u32)got);
	return 8 + (size_t)got;
}
static size_t pack_none(const u8 *in, size_t n, u8 *to, size_t cap)
{
	memcpy(to, in, n);
	return n;
}

static void check_zero_page(struct machine *m, u64 zp, const char *cmdline)
{
	assert_int_equal(zp & 0xfff, 0);
	assert_int_equal(at32(m, zp + 0x1fe) & 0xffff, 0xaa55);
	assert_int_equal(at32(m, zp + 0x202), 0x53726448); /* "HdrS" */
	assert_int_equal(at32(m, zp + 0x206) & 0xffff, 0x020f);
	assert_int_equal(at32(m, zp + 0x210) & 0xff, 0xff);
	assert_int_equal(at32(m, zp + 0x250), 0);
	assert_int_equal(at32(m, zp + 0x26c), 0);
	assert_int_equal(at32(m, zp + 0x1ec) >> 24, 0); /* the sentinel, 0x1ef */
	u32 text = at32(m, zp + 0x228);
	assert_true(text >= 0x1000 && text < 0x9fc00);
	assert_string_equal((char *)guest_mem_at(&m->mem, text, strlen(cmdline) + 1), cmdline);
	assert_int_equal(at32(m, zp + 0x1e8) & 0xff, 4);
	assert_int_equal(at64(m, zp + 0x2d0), 0);
	assert_int_equal(at64(m, zp + 0x2d8), 0x9fc00);
	assert_int_equal(at32(m, zp + 0x2e0), 1);
	assert_int_equal(at64(m, zp + 0x2d0 + 60), 0x100000);
	assert_int_equal(at64(m, zp + 0x2d8 + 60), m->mem.total - 0x100000);
	assert_int_equal(at32(m, zp + 0x2e0 + 60), 1);
}

static void compressions(void **state)
{
	static size_t (*const packs[])(const u8 *, size_t, u8 *, size_t) = { pack_gzip, pack_xz,  pack_lzma,
									     pack_zstd, pack_lz4, pack_none };
	static u8 kernel[0x2000], packed[0x4000], image[0x8000];
	for (unsigned i = 0; i < KT_ARRAY_LEN(packs); i++) {
		for (unsigned wide = 0; wide < 2; wide++) {
			struct machine m;
			size_t n = make_kernel(kernel, wide), p = packs[i](kernel, n, packed, sizeof packed - 4);
			image_set32(packed + p, (u32)n); /* as the kernel's build appends it */
			size_t whole = make_bzimage(image, packed, p + 4);
			machine_make(&m, 32);
			m.c.append = "console=ttyS0 quiet";
			if (machine_load(&m, image, whole))
				fail_msg("compression %u: %s", i, m.err.text);
			assert_memory_equal(m.low + KERNEL_AT, kernel + 0x200, 0x1000);
			assert_int_equal(at64(&m, KERNEL_AT + 0x1000), 0);
			assert_int_equal(m.regs[X86_rip], KERNEL_AT);
			assert_int_equal(x86_mode(m.regs) & KT_MODE_CODE, wide ? KT_MODE_64 : KT_MODE_32);
			assert_int_equal(m.regs[X86_cs], 0x10);
			assert_int_equal(m.regs[X86_ds], 0x18);
			assert_int_equal(m.regs[X86_rflags], 2);
			assert_int_equal(m.regs[X86_rbp] | m.regs[X86_rdi] | m.regs[X86_rbx], 0);
			check_zero_page(&m, m.regs[X86_rsi], m.c.append);
			assert_int_equal(m.out.n, 1);
			assert_string_equal(m.out.info[0].kind, "bzimage");
			assert_int_equal(m.out.info[0].gpa, KERNEL_AT);
			assert_int_equal(m.out.info[0].size, whole);
			assert_int_equal(m.out.info[0].entry, KERNEL_AT);
			machine_free(&m);
		}
	}
}

/* Two blocks of 8 MiB and one of 1 byte: lz4's legacy frame has one size for all but the last. */
static void lz4_blocks(void **state)
{
	enum { BLOCK = 8 * MIB, ALL = 2 * BLOCK + 1 };
	u8 *in = malloc(ALL), *packed = malloc(ALL);
	struct kt_buf out = { 0 };
	struct kt_err err;
	size_t at = 4;
	for (u32 i = 0, x = 7; i < ALL; i++) {
		x = x * 1664525 + 1013904223;
		in[i] = i % 64 ? (u8)(i >> 8) : (u8)(x >> 24);
	}
	image_set32(packed, 0x184c2102);
	for (size_t done = 0; done < ALL; done += BLOCK) {
		size_t n = KT_MIN((size_t)BLOCK, ALL - done);
		int got = LZ4_compress_default((char *)in + done, (char *)packed + at + 4, (int)n, (int)(ALL - at - 4));
		assert_true(got > 0);
		image_set32(packed + at, (u32)got);
		at += 4 + (size_t)got;
	}
	assert_int_equal(image_unpack(packed, at, ALL, &out, &err), 0);
	assert_int_equal(out.len, ALL);
	assert_memory_equal(out.data, in, ALL);
	kt_buf_clear(&out);
	assert_int_equal(image_unpack(packed, at, ALL - 1, &out, &err), -KT_E_IMAGE);
	assert_true(out.len < ALL);
	kt_buf_clear(&out);
	assert_int_equal(image_unpack(packed, at / 2, ALL, &out, &err), -KT_E_IMAGE);
	kt_buf_free(&out);
	free(in);
	free(packed);
}

/* Each stream cut short, damaged, or larger than allowed: an error, and never more than allowed in the buffer. */
static void unpack_hostile(void **state)
{
	static size_t (*const packs[])(const u8 *, size_t, u8 *, size_t) = { pack_gzip, pack_xz, pack_lzma, pack_zstd,
									     pack_lz4 };
	static u8 in[20000], packed[32000];
	struct kt_err err;
	for (unsigned i = 0; i < sizeof in; i++)
		in[i] = (u8)(i * i >> 5);
	for (unsigned k = 0; k < KT_ARRAY_LEN(packs); k++) {
		size_t n = packs[k](in, sizeof in, packed, sizeof packed);
		struct kt_buf out = { 0 };
		assert_int_equal(image_unpack(packed, n, sizeof in, &out, &err), 0);
		assert_int_equal(out.len, sizeof in);
		assert_memory_equal(out.data, in, sizeof in);
		kt_buf_clear(&out);
		assert_int_equal(image_unpack(packed, n, sizeof in - 1, &out, &err), -KT_E_IMAGE);
		assert_non_null(strstr(err.text, "--mem"));
		for (size_t cut = 0; cut < n - 8; cut += 41) {
			u8 *copy = malloc(cut ? cut : 1);
			memcpy(copy, packed, cut);
			kt_buf_clear(&out);
			assert_int_equal(image_unpack(copy, cut, sizeof in, &out, &err), -KT_E_IMAGE);
			free(copy);
		}
		for (size_t at = 6; at < n; at += 17) {
			packed[at] ^= 0x41;
			kt_buf_clear(&out);
			image_unpack(packed, n, sizeof in, &out, &err);
			assert_true(out.len <= sizeof in);
			packed[at] ^= 0x41;
		}
		kt_buf_free(&out);
	}
	struct kt_buf out = { 0 };
	assert_int_equal(image_unpack((const u8 *)"BZh91AY", 7, 100, &out, &err), -KT_E_IMAGE);
	assert_non_null(strstr(err.text, "bzip2"));
	assert_int_equal(image_unpack((const u8 *)"plain", 5, 100, &out, &err), -KT_E_IMAGE);
	kt_buf_free(&out);
}

static void firmware_entry(void **state)
{
	static u8 image[0x4000];
	struct machine m;
	size_t n = make_bzimage(image, "whatever the payload is here", 28);
	machine_make(&m, 32);
	m.c.boot = VM_BOOT_FIRMWARE_ENTRY;
	assert_int_equal(machine_load(&m, image, n), 0);
	assert_memory_equal(m.low + 0x100000, image + CODE, n - CODE);
	assert_int_equal(m.regs[X86_rip], 0x100200);
	assert_int_equal(x86_mode(m.regs) & KT_MODE_CODE, KT_MODE_64);
	check_zero_page(&m, m.regs[X86_rsi], "");
	machine_free(&m);

	image_set16(image + 0x236, 0); /* a 32-bit kernel */
	machine_make(&m, 32);
	m.c.boot = VM_BOOT_FIRMWARE_ENTRY;
	assert_int_equal(machine_load(&m, image, n), 0);
	assert_int_equal(m.regs[X86_rip], 0x100000);
	assert_int_equal(x86_mode(m.regs) & KT_MODE_CODE, KT_MODE_32);
	machine_free(&m);
}

static void write_file(const char *path, const void *data, size_t n)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
}

static void initrd(void **state)
{
	static u8 kernel[0x2000], image[0x8000], rd[5000];
	char dir[] = "/tmp/kt-image-XXXXXX", path[64];
	struct machine m;
	memset(rd, 'r', sizeof rd);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/rd", dir);
	write_file(path, rd, sizeof rd);
	size_t n = make_bzimage(image, kernel, make_kernel(kernel, true));

	machine_make(&m, 32);
	m.c.initrd = path;
	assert_int_equal(machine_load(&m, image, n), 0);
	u64 zp = m.regs[X86_rsi];
	assert_int_equal(at32(&m, zp + 0x218), 32 * MIB - 0x2000); /* 5000 bytes: the last two pages */
	assert_int_equal(at32(&m, zp + 0x21c), sizeof rd);
	assert_memory_equal(m.low + 32 * MIB - 0x2000, rd, sizeof rd);
	assert_int_equal(m.out.n, 2);
	assert_string_equal(m.out.info[1].kind, "initrd");
	assert_int_equal(m.out.info[1].gpa, 32 * MIB - 0x2000);
	assert_int_equal(m.out.info[1].entry, 0);
	machine_free(&m);

	machine_make(&m, 32); /* the kernel forbids high addresses: below its limit, and below its own working space */
	m.c.initrd = path;
	image_set32(image + 0x22c, 0x11fffff);
	assert_int_equal(machine_load(&m, image, n), 0);
	assert_int_equal(at32(&m, m.regs[X86_rsi] + 0x218), KERNEL_AT - 0x2000);
	machine_free(&m);
	image_set32(image + 0x22c, 0x7fffffff);

	machine_make(&m, 18); /* only the kernel fits above 16 MiB: the initrd goes below */
	m.c.initrd = path;
	assert_int_equal(machine_load(&m, image, n), 0);
	assert_int_equal(at32(&m, m.regs[X86_rsi] + 0x218), KERNEL_AT - 0x2000);
	image_set32(image + 0x22c, 0xfffff);
	refused(&m, image, n, KT_E_IMAGE, "--mem");
	machine_free(&m);

	machine_make(&m, 32);
	m.c.initrd = path;
	write_file(path, "", 0);
	assert_int_equal(machine_load(&m, image, n), -KT_E_IMAGE);
	assert_non_null(strstr(m.err.text, "initrd is empty"));
	assert_non_null(strstr(m.err.text, path));
	unlink(path);
	assert_int_equal(machine_load(&m, image, n), -KT_E_IO);
	assert_non_null(strstr(m.err.text, "--initrd"));
	machine_free(&m);
	rmdir(dir);
}

static void bzimage_refused(void **state)
{
	static u8 kernel[0x2000], good[0x8000], image[0x8000];
	static const struct {
		unsigned at;
		u32 value;
		const char *says;
	} cases[] = {
		{ 0x1f4, 0x10000, "cut short" },        { 0x1f4, 0, "cut short" },
		{ 0x1f4, 0xffffffff, "cut short" },     { 0x248, 0x10000, "payload" },
		{ 0x24c, 0xffffffff, "payload" },       { 0x24c, 3, "payload" },
		{ 0x260, 0x10000000, "--mem" },         { 0x260, 0xffffffff, "--mem" },
		{ 0x25c, 0xffffffff, "--mem" },         { CODE + PAYLOAD, 0x12345678, "no compression" },
		{ CODE + PAYLOAD, 0x00088b1f, "gzip" },
	};
	struct machine m;
	size_t n = make_bzimage(good, kernel, make_kernel(kernel, true));
	machine_make(&m, 32);
	for (unsigned i = 0; i < KT_ARRAY_LEN(cases); i++) {
		memcpy(image, good, n);
		image_set32(image + cases[i].at, cases[i].value);
		refused(&m, image, n, KT_E_IMAGE, cases[i].says);
	}
	for (size_t cut = 0x206; cut < n; cut += 37)
		refused(&m, good, cut, KT_E_IMAGE, "cut short");
	char expect[64];
	snprintf(expect, sizeof expect, "%zu bytes, the file has %zu", n, n - 1);
	refused(&m, good, n - 1, KT_E_IMAGE, expect);
	memcpy(image, good, n);
	image[0x211] = 0;
	refused(&m, image, n, KT_E_IMAGE, "zImage");
	memcpy(image, good, n);
	image_set16(image + 0x206, 0x207);
	refused(&m, image, n, KT_E_IMAGE, "2.07");
	memcpy(image, good, n);
	image_set16(image + CODE + PAYLOAD + 18, 183);
	refused(&m, image, n, KT_E_IMAGE, "arm64");
	char *text = malloc(2049);
	memset(text, 'x', 2048);
	text[2048] = 0;
	m.c.append = text;
	refused(&m, good, n, KT_E_ARG, "2048 characters");
	machine_free(&m);
	machine_make(&m, 32);
	text[2047] = 0; /* the most */
	m.c.append = text;
	assert_int_equal(machine_load(&m, good, n), 0);
	free(text);
	machine_free(&m);
}

static void vmlinux(void **state)
{
	static u8 kernel[0x2000];
	struct machine m;
	size_t n = make_kernel(kernel, true);
	memcpy(kernel + 0x800, "Linux version 6.1.0", 19);
	machine_make(&m, 32);
	assert_int_equal(machine_load(&m, kernel, n), 0);
	check_zero_page(&m, m.regs[X86_rsi], "");
	assert_int_equal(at32(&m, m.regs[X86_rsi] + 0x236) & 0xffff, 1);
	assert_string_equal(m.out.info[0].kind, "vmlinux");
	machine_free(&m);

	machine_make(&m, 32); /* not Linux, but a command line asks for the protocol */
	n = make_kernel(kernel, true);
	m.c.append = "a b";
	assert_int_equal(machine_load(&m, kernel, n), 0);
	check_zero_page(&m, m.regs[X86_rsi], "a b");
	machine_free(&m);
}

/* --- multiboot --- */

static void put_multiboot(u8 *p, u32 flags)
{
	image_set32(p, 0x1badb002);
	image_set32(p + 4, flags);
	image_set32(p + 8, 0 - (0x1badb002 + flags));
}

static void check_info(struct machine *m, const char *cmdline)
{
	u64 info = m->regs[X86_rbx];
	u32 flags = at32(m, info);
	assert_int_equal(m->regs[X86_rax], 0x2badb002);
	assert_int_equal(x86_mode(m->regs), KT_MODE_32 | KT_MODE_STACK32 | KT_MODE_PROTECTED);
	assert_int_equal(m->regs[X86_cr0] & X86_CR0_PG, 0);
	assert_int_equal(flags & ~8u, 1 | 4 | 0x40 | 0x200);
	assert_int_equal(at32(m, info + 4), 639);
	assert_int_equal(at32(m, info + 8), (m->mem.total >> 10) - 1024);
	assert_string_equal((char *)guest_mem_at(&m->mem, at32(m, info + 16), 16), cmdline);
	assert_int_equal(at32(m, info + 44), 4 * 24);
	u64 map = at32(m, info + 48);
	assert_int_equal(at32(m, map), 20);
	assert_int_equal(at64(m, map + 4), 0);
	assert_int_equal(at64(m, map + 12), 0x9fc00);
	assert_int_equal(at32(m, map + 20), 1);
	assert_int_equal(at64(m, map + 72 + 4), 0x100000);
	assert_string_equal((char *)guest_mem_at(&m->mem, at32(m, info + 64), 8), "ktrace");
}

static void multiboot_elf(void **state)
{
	static const struct seg s = { 0x100, 0x100000, 0x100000, 0x100, 0x1234 };
	u8 f[0x200] = { 0 };
	char dir[] = "/tmp/kt-image-XXXXXX", path[64];
	struct machine m;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/mod", dir);
	write_file(path, "module!", 7);
	put_elf(f, false, 0x100010, &s, 1);
	put_multiboot(f + 0x100, 3);
	machine_make(&m, 4);
	m.c.append = "one two";
	m.c.initrd = path;
	assert_int_equal(machine_load(&m, f, sizeof f), 0);
	check_info(&m, "kernel one two");
	assert_int_equal(m.regs[X86_rip], 0x100010);
	assert_string_equal(m.out.info[0].kind, "multiboot");
	u64 info = m.regs[X86_rbx];
	assert_int_equal(at32(&m, info) & 8, 8);
	assert_int_equal(at32(&m, info + 20), 1);
	u64 mod = at32(&m, info + 24);
	assert_int_equal(at32(&m, mod), 0x102000); /* the first page behind the bss */
	assert_int_equal(at32(&m, mod + 4), 0x102007);
	assert_memory_equal(m.low + 0x102000, "module!", 7);
	assert_int_equal(m.out.info[1].gpa, 0x102000);
	machine_free(&m);
	unlink(path);
	rmdir(dir);

	machine_make(&m, 4);
	assert_int_equal(machine_load(&m, f, sizeof f), 0);
	check_info(&m, "kernel");
	assert_int_equal(at32(&m, m.regs[X86_rbx]) & 8, 0);
	machine_free(&m);
}

static void put_addresses(u8 *h, u32 header, u32 load, u32 load_end, u32 bss_end, u32 entry)
{
	u32 v[] = { header, load, load_end, bss_end, entry };
	for (unsigned i = 0; i < 5; i++)
		image_set32(h + 12 + 4 * i, v[i]);
}

static void multiboot_addresses(void **state)
{
	u8 f[0x100];
	struct machine m;
	for (unsigned i = 0; i < sizeof f; i++)
		f[i] = (u8)i;
	put_multiboot(f + 0x20, 0x10003);
	put_addresses(f + 0x20, 0x200010, 0x200000, 0x200080, 0x201000, 0x200040);
	machine_make(&m, 4);
	assert_int_equal(machine_load(&m, f, sizeof f), 0);
	check_info(&m, "kernel");
	assert_int_equal(m.regs[X86_rip], 0x200040);
	assert_memory_equal(m.low + 0x200000, f + 0x10, 0x80); /* header_addr - load_addr before the header */
	assert_int_equal(m.low[0x200080], 0);
	machine_free(&m);

	static const struct {
		u32 header, load, load_end, bss_end, entry;
		const char *says;
	} bad[] = {
		{ 0x200010, 0x200011, 0, 0, 0x200020, "load_addr" },
		{ 0x200100, 0x200000, 0, 0, 0x200020, "load_addr" },
		{ 0x200010, 0x200000, 0x1fffff, 0, 0x200020, "load_end_addr" },
		{ 0x200010, 0x200000, 0x200100, 0, 0x200020, "cut short" },
		{ 0x200010, 0x200000, 0, 0x200010, 0x200020, "bss_end_addr" },
		{ 0x200010, 0x200000, 0, 0, 0x2000f0, "entry_addr" },
		{ 0x200010, 0x200000, 0, 0xffffffff, 0x200020, "--mem" },
		{ 0x9ffe0, 0x9ffd0, 0, 0, 0x9ffd0, "video hole" },
	};
	machine_make(&m, 4);
	for (unsigned i = 0; i < KT_ARRAY_LEN(bad); i++) {
		put_addresses(f + 0x20, bad[i].header, bad[i].load, bad[i].load_end, bad[i].bss_end, bad[i].entry);
		refused(&m, f, sizeof f, KT_E_IMAGE, bad[i].says);
	}
	refused(&m, f, 0x20 + 31, KT_E_IMAGE, "cut short");
	put_multiboot(f + 0x20, 3);
	refused(&m, f, sizeof f, KT_E_IMAGE, "not ELF");
	put_multiboot(f + 0x20, 0x10008);
	refused(&m, f, sizeof f, KT_E_IMAGE, "features 0x8");
	f[0x28] ^= 1; /* a wrong checksum is no header */
	refused(&m, f, sizeof f, KT_E_IMAGE, "not a guest image");
	machine_free(&m);
}

static void multiboot2_refused(void **state)
{
	static const struct seg s = { 0x100, 0x100000, 0x100000, 0x80, 0x80 };
	u8 f[0x180] = { 0 };
	struct machine m;
	put_elf(f, true, 0x100000, &s, 1);
	image_set32(f + 0x100, 0xe85250d6);
	image_set32(f + 0x108, 16);
	image_set32(f + 0x10c, 0 - (0xe85250d6 + 16));
	machine_make(&m, 4);
	refused(&m, f, sizeof f, KT_E_IMAGE, "multiboot 2");
	machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compressions),
		cmocka_unit_test(lz4_blocks),
		cmocka_unit_test(unpack_hostile),
		cmocka_unit_test(firmware_entry),
		cmocka_unit_test(initrd),
		cmocka_unit_test(bzimage_refused),
		cmocka_unit_test(vmlinux),
		cmocka_unit_test(multiboot_elf),
		cmocka_unit_test(multiboot_addresses),
		cmocka_unit_test(multiboot2_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
