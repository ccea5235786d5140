/* SPDX-License-Identifier: MIT */
/* ELF guests: kernels, freestanding programs, a bare vmlinux. Segments go to their physical addresses (p_paddr). The
 * headers are read by hand, since every field is somebody else's word. Layout: System V gABI, chapters 4 and 5. */
#include "vm/image_load.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

struct segment {
	u32 type;
	u64 offset, vaddr, paddr, filesz, memsz;
};
struct header {
	bool wide;
	unsigned type, machine, phnum, phentsize;
	u64 entry, phoff;
};

bool image_is_elf(const u8 *p, size_t n)
{
	return n >= SELFMAG && !memcmp(p, ELFMAG, SELFMAG);
}

static const char *machine_name(unsigned machine)
{
	static const struct {
		u16 machine;
		const char *name;
	} names[] = {
		{ EM_AARCH64, "arm64" }, { EM_ARM, "32-bit ARM" },       { EM_RISCV, "RISC-V" },
		{ EM_PPC, "PowerPC" },   { EM_PPC64, "64-bit PowerPC" }, { EM_S390, "s390" },
		{ EM_MIPS, "MIPS" },     { EM_SPARCV9, "SPARC" },        { EM_IA_64, "Itanium" },
		{ 258, "LoongArch" },
	};
	for (unsigned i = 0; i < KT_ARRAY_LEN(names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return NULL;
}

static int check_machine(struct image_load *l, const char *what, const struct header *h)
{
	const char *name = machine_name(h->machine);
	if (h->machine == (h->wide ? EM_X86_64 : EM_386))
		return 0;
	if (!h->wide && h->machine == EM_X86_64)
		return image_bad(l, "%san x32 ELF file (32-bit headers, x86-64 code): link it as ELF64, or as i386",
				 what);
	if (name)
		return image_bad(l,
				 "%san ELF file for %s, and this host records x86 guests: take it to a host of its own "
				 "architecture",
				 what, name);
	return image_bad(l, "%san ELF file for machine number %u: x86-64 (62) or i386 (3) is wanted", what, h->machine);
}

static int check_type(struct image_load *l, const char *what, unsigned type)
{
	switch (type) {
	case ET_EXEC:
	case ET_DYN: return 0;
	case ET_REL: return image_bad(l, "%san object file: link it to an executable first", what);
	case ET_CORE: return image_bad(l, "%sa core dump: give the program or kernel itself", what);
	default: return image_bad(l, "%sELF type %u: an executable (2) is wanted", what, type);
	}
}

static int read_header(struct image_load *l, const char *what, const u8 *p, size_t n, struct header *h)
{
	if (n < sizeof(Elf32_Ehdr) || (p[EI_CLASS] == ELFCLASS64 && n < sizeof(Elf64_Ehdr)))
		return image_bad(l, "%sELF header cut short: the file has %zu bytes", what, n);
	if (p[EI_CLASS] != ELFCLASS32 && p[EI_CLASS] != ELFCLASS64)
		return image_bad(l, "%sELF class %u is neither 32 nor 64 bit", what, p[EI_CLASS]);
	if (p[EI_DATA] != ELFDATA2LSB)
		return image_bad(l, "%sa big-endian ELF file: x86 is little-endian", what);
	h->wide = p[EI_CLASS] == ELFCLASS64;
	h->type = image_u16(p + 16);
	h->machine = image_u16(p + 18);
	h->entry = h->wide ? image_u64(p + 24) : image_u32(p + 24);
	h->phoff = h->wide ? image_u64(p + 32) : image_u32(p + 28);
	h->phentsize = image_u16(p + (h->wide ? 54 : 42));
	h->phnum = image_u16(p + (h->wide ? 56 : 44));
	int rc = check_machine(l, what, h);
	if (!rc)
		rc = check_type(l, what, h->type);
	if (rc)
		return rc;
	if (!h->phnum || h->phnum == PN_XNUM)
		return image_bad(l, "%s%u program headers: nothing says what to load", what, h->phnum);
	if (h->phentsize < (h->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return image_bad(l, "%sprogram headers of %u bytes are too small", what, h->phentsize);
	u64 bytes = (u64)h->phnum * h->phentsize;
	if (h->phoff > n || bytes > n - h->phoff)
		return image_bad(l, "%scut short: the program headers lie at bytes %llu to %llu, and there are %zu",
				 what, (unsigned long long)h->phoff, (unsigned long long)(h->phoff + bytes), n);
	return 0;
}

static struct segment read_segment(const struct header *h, const u8 *p, unsigned i)
{
	p += h->phoff + (u64)i * h->phentsize;
	if (h->wide)
		return (struct segment){ image_u32(p),      image_u64(p + 8),  image_u64(p + 16),
					 image_u64(p + 24), image_u64(p + 32), image_u64(p + 40) };
	return (struct segment){ image_u32(p),      image_u32(p + 4),  image_u32(p + 8),
				 image_u32(p + 12), image_u32(p + 16), image_u32(p + 20) };
}

static int place_segment(struct image_load *l, const char *what, const u8 *p, size_t n, unsigned i,
			 const struct segment *s)
{
	char name[96];
	snprintf(name, sizeof name, "%ssegment %u", what, i);
	if (s->offset > n || s->filesz > n - s->offset)
		return image_bad(l, "%s: cut short: its bytes are %llu to %llu of the file, which has %zu", name,
				 (unsigned long long)s->offset, (unsigned long long)s->offset + s->filesz, n);
	if (s->filesz > s->memsz)
		return image_bad(l, "%s: 0x%llx bytes in the file for 0x%llx in memory: the program header is damaged",
				 name, (unsigned long long)s->filesz, (unsigned long long)s->memsz);
	if (s->paddr >= 0xffffffff00000000)
		return image_bad(l,
				 "%s: its physical address is 0x%llx, as kernels have for virtual ones: give the "
				 "segments load addresses (AT() in the linker script)",
				 name, (unsigned long long)s->paddr);
	return image_place(l, name, s->paddr, p + s->offset, s->filesz, s->memsz);
}

/* Where the entry lies physically. A kernel linked high may name it by its virtual address. */
static bool find_entry(const struct header *h, const u8 *p, u64 *entry)
{
	for (int by_virtual = 0; by_virtual < 2; by_virtual++) {
		for (unsigned i = 0; i < h->phnum; i++) {
			struct segment s = read_segment(h, p, i);
			u64 base = by_virtual ? s.vaddr : s.paddr;
			if (s.type == PT_LOAD && h->entry >= base && h->entry - base < s.memsz) {
				*entry = s.paddr + (h->entry - base);
				return true;
			}
		}
	}
	return false;
}

int image_elf_place(struct image_load *l, const char *what, const u8 *p, size_t n, struct image_elf *e)
{
	static const char banner[] = "Linux version ";
	struct header h = { 0 };
	int rc = read_header(l, what, p, n, &h);
	if (rc)
		return rc;
	*e = (struct image_elf){ .wide = h.wide, .first = UINT64_MAX };
	for (unsigned i = 0; i < h.phnum; i++) {
		struct segment s = read_segment(&h, p, i);
		if (s.type == PT_INTERP)
			return image_bad(l,
					 "%sa user-space program that wants a dynamic linker: a guest is a kernel or a "
					 "freestanding program",
					 what);
		if (s.type != PT_LOAD || !s.memsz)
			continue;
		rc = place_segment(l, what, p, n, i, &s);
		if (rc)
			return rc;
		e->first = KT_MIN(e->first, s.paddr);
		e->end = KT_MAX(e->end, s.paddr + s.memsz);
		e->is_linux = e->is_linux || memmem(p + s.offset, s.filesz, banner, sizeof banner - 1);
	}
	if (!e->end)
		return image_bad(l, "%sthe ELF file has no segment to load", what);
	if (!find_entry(&h, p, &e->entry))
		return image_bad(l, "%sthe ELF entry 0x%llx lies in no loaded segment: link with a start symbol (-e)",
				 what, (unsigned long long)h.entry);
	if (e->entry >= IMAGE_4G)
		return image_bad(l, "%sthe ELF entry 0x%llx lies above 4 GiB, where nothing is mapped at the start",
				 what, (unsigned long long)e->entry);
	return 0;
}

int image_load_elf(struct image_load *l)
{
	struct image_elf e = { 0 };
	if (image_has_multiboot2(l->data, l->size)) /* its entry expects 32-bit code and a magic number even in ELF64 */
		return image_bad(l, "an ELF file with a multiboot 2 header and no multiboot 1 header: only 1 is "
				    "supported, add one");
	int rc = image_elf_place(l, "", l->data, l->size, &e);
	if (rc)
		return rc;
	if (e.is_linux || l->c->initrd || l->c->append) {
		struct linux_kernel k = { .wide = e.wide, .entry = e.entry, .kind = "vmlinux", .gpa = e.first };
		return linux_boot(l, &k);
	}
	rc = e.wide ? image_enter_long(l, e.entry) : image_enter_protected(l, e.entry);
	return rc ? rc : image_note(l, l->path, "elf", e.first, l->size, e.entry);
}
