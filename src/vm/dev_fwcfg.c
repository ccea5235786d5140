/* SPDX-License-Identifier: MIT */
/* QEMU's firmware configuration device by ports (QEMU docs/specs/fw_cfg.rst, traditional interface, no DMA): a 16-bit
 * selector at 0x510, the selected item byte by byte at 0x511. Past an item's end, and of items there are none, zeros.
 */
#include "vm/dev_pc.h"

#include <stdlib.h>
#include <string.h>

enum { SAVE_VERSION = 1 };
enum { SELECTOR = 0, DATA = 1 };
enum { ID_TRADITIONAL = 1 };
enum {
	K_SIGNATURE = 0,
	K_ID = 1,
	K_UUID = 2,
	K_RAM_SIZE = 3,
	K_NOGRAPHIC = 4,
	K_CPUS = 5,
	K_NUMA = 0x0d,
	K_BOOT_MENU = 0x0e,
	K_MAX_CPUS = 0x0f,
	K_FILE_DIR = 0x19,
	K_FILE_E820 = 0x20,
	K_ACPI = 0x8000,
	K_SMBIOS,
	K_IRQ0_OVERRIDE,
	K_E820
};
enum { E820_RAM = 1, FILE_NAME = 56 };

enum { ITEMS = 16, POOL = 512 };

struct item {
	u16 key;
	u16 at, len; /* in the pool */
};

struct fwcfg {
	struct device dev;
	struct item item[ITEMS];
	unsigned nitem;
	u8 pool[POOL];
	unsigned used;
	u16 selected;
	u32 offset;
};

/* ---- content: fixed at creation, small by design (create asserts that it fits) ---- */

static bool add(struct fwcfg *f, u16 key, const void *data, size_t len)
{
	if (f->nitem >= ITEMS || len > POOL - f->used)
		return false;
	memcpy(f->pool + f->used, data, len);
	f->item[f->nitem++] = (struct item){ key, (u16)f->used, (u16)len };
	f->used += (unsigned)len;
	return true;
}

static void put_le(u8 *p, u64 v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (u8)(v >> (8 * i));
}

static bool add_le(struct fwcfg *f, u16 key, u64 v, unsigned n)
{
	u8 raw[8];

	put_le(raw, v, n);
	return add(f, key, raw, n);
}

/* One entry: u64 address, u64 length, u32 type, packed. */
static size_t e820_entry(u8 *p, u64 addr, u64 len)
{
	put_le(p, addr, 8);
	put_le(p + 8, len, 8);
	put_le(p + 16, E820_RAM, 4);
	return 20;
}

static bool add_files(struct fwcfg *f, const struct pc_config *c)
{
	const u64 four_gib = 1ull << 32;
	u8 e820[40], dir[4 + 8 + FILE_NAME] = { 0 };
	size_t n = e820_entry(e820, 0, c->mem_below_4g);

	if (c->mem_above_4g)
		n += e820_entry(e820 + n, four_gib, c->mem_above_4g);
	/* The directory is big-endian: u32 count; each u32 size, u16 key, u16 0, name. */
	dir[3] = 1;
	dir[7] = (u8)n;
	dir[9] = K_FILE_E820;
	memcpy(dir + 12, "etc/e820", 8);
	return add(f, K_FILE_DIR, dir, sizeof(dir)) && add(f, K_FILE_E820, e820, n);
}

static bool add_all(struct fwcfg *f, const struct pc_config *c)
{
	static const u8 zeros[16];

	return add(f, K_SIGNATURE, "QEMU", 4) && add_le(f, K_ID, ID_TRADITIONAL, 4) && add(f, K_UUID, zeros, 16) &&
	       add_le(f, K_RAM_SIZE, c->mem_below_4g + c->mem_above_4g, 8) && add_le(f, K_NOGRAPHIC, 0, 2) &&
	       add_le(f, K_CPUS, 1, 2) && add(f, K_NUMA, zeros, 16) && add_le(f, K_BOOT_MENU, 0, 2) &&
	       add_le(f, K_MAX_CPUS, 1, 2) && add_le(f, K_ACPI, 0, 2) && add_le(f, K_SMBIOS, 0, 2) &&
	       add_le(f, K_IRQ0_OVERRIDE, 1, 4) && add_le(f, K_E820, 0, 4) && add_files(f, c);
}

/* ---- ports ---- */

static u64 fwcfg_read(struct device *d, u64 offset, unsigned size)
{
	struct fwcfg *f = (struct fwcfg *)d;

	if (offset != DATA)
		return ~0ull;
	for (unsigned i = 0; i < f->nitem; i++)
		if (f->item[i].key == f->selected)
			return f->offset < f->item[i].len ? f->pool[f->item[i].at + f->offset++] : 0;
	return 0;
}

static void fwcfg_write(struct device *d, u64 offset, unsigned size, u64 value)
{
	struct fwcfg *f = (struct fwcfg *)d;

	if (offset != SELECTOR || size != 2) /* items cannot be written */
		return;
	f->selected = (u16)value;
	f->offset = 0;
}

static void fwcfg_save(const struct device *d, struct kt_buf *out)
{
	const struct fwcfg *f = (const struct fwcfg *)d;

	kt_buf_u8(out, SAVE_VERSION);
	kt_buf_u16(out, f->selected);
	kt_buf_u32(out, f->offset);
}

static bool fwcfg_restore(struct device *d, struct kt_rd *in)
{
	struct fwcfg *f = (struct fwcfg *)d;

	if (kt_rd_u8(in) != SAVE_VERSION)
		return false;
	f->selected = kt_rd_u16(in);
	f->offset = kt_rd_u32(in);
	return !in->bad && f->offset <= POOL;
}

static const struct device_ops fwcfg_ops = {
	.name = "fw_cfg",
	.read = fwcfg_read,
	.write = fwcfg_write,
	.save = fwcfg_save,
	.restore = fwcfg_restore,
};

struct device *dev_fwcfg_create(const struct pc_config *c)
{
	struct fwcfg *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->dev.ops = &fwcfg_ops;
	if (!add_all(f, c)) {
		free(f);
		return NULL;
	}
	return &f->dev;
}
