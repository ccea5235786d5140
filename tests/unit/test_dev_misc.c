/* SPDX-License-Identifier: MIT */
/* The one-register ports and fw_cfg, as firmware reads them. */
#include "dev_machine.h"

static void ports(void **state)
{
	struct machine *m = machine_new(NULL);

	assert_int_equal(in8(m, 0x402), 0xe9);
	for (const char *p = "SeaBIOS"; *p; p++)
		out8(m, 0x402, (u8)*p);
	assert_string_equal(m->console[2], "SeaBIOS");
	out8(m, 0x80, 0x77);
	assert_int_equal(in8(m, 0x80), 0x77);
	assert_int_equal(m->ends, 0);
	bus_write(&m->bus, false, 0xf4, 4, 0x11223344); /* as QEMU's isa-debug-exit is written */
	assert_int_equal(m->ends, 1);
	assert_int_equal(m->why, VM_END_EXIT);
	assert_int_equal(m->value, 0x44);
	machine_free(m);
}

/* What is not there: DMA, ATA, PCI, parallel port, local APIC. */
static void nobody(void **state)
{
	static const u16 none[] = { 0x00, 0x08, 0x1f0, 0x1f7, 0x378, 0xcf8, 0xcfc, 0x3d4, 0x600, 0xffff };
	struct machine *m = machine_new(NULL);

	for (unsigned i = 0; i < KT_ARRAY_LEN(none); i++) {
		out8(m, none[i], 0);
		assert_int_equal(in8(m, none[i]), 0xff);
	}
	assert_int_equal(bus_read(&m->bus, true, 0xfee00030, 4), 0xffffffff);
	assert_int_equal(m->ends, 0);
	machine_free(m);
}

static void no_hooks(void **state)
{
	struct machine *m = machine_new(NULL);

	m->bus.hooks = (struct bus_hooks){ 0 };
	out8(m, 0x3f8, 'x');
	out8(m, 0x402, 'x');
	out8(m, 0x92, 1);
	out8(m, 0x64, 0xdd);
	out8(m, 0xf4, 1);
	machine_free(m);
}

static void select_key(struct machine *m, u16 key)
{
	bus_write(&m->bus, false, 0x510, 2, key);
}

static void read_bytes(struct machine *m, u16 key, u8 *to, size_t n)
{
	select_key(m, key);
	for (size_t i = 0; i < n; i++)
		to[i] = in8(m, 0x511);
}

static u64 read_le(struct machine *m, u16 key, unsigned n)
{
	u8 raw[8];
	u64 v = 0;

	read_bytes(m, key, raw, n);
	for (unsigned i = 0; i < n; i++)
		v |= (u64)raw[i] << (8 * i);
	return v;
}

static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static u64 le(const u8 *p, unsigned n)
{
	return n ? p[0] | le(p + 1, n - 1) << 8 : 0;
}

static void fwcfg_items(void **state)
{
	const struct pc_config c = { .mem_below_4g = 3ull << 30, .mem_above_4g = 2ull << 30 };
	struct machine *m = machine_new(&c);
	u8 raw[8];

	read_bytes(m, 0, raw, 5);
	assert_memory_equal(raw, "QEMU\0", 5);
	assert_int_equal(read_le(m, 1, 4), 1); /* no DMA */
	assert_int_equal(read_le(m, 3, 8), 5ull << 30);
	assert_int_equal(read_le(m, 5, 2), 1);
	assert_int_equal(read_le(m, 0x0f, 2), 1);
	static const u16 zero[] = { 2, 4, 0x0d, 0x0e, 0x8000, 0x8001, 0x8003, 0x1234, 0xffff };
	for (unsigned i = 0; i < KT_ARRAY_LEN(zero); i++)
		assert_int_equal(read_le(m, zero[i], 8), 0);
	/* The selector takes 16 bits at once and nothing else; selecting starts over. */
	select_key(m, 0);
	assert_int_equal(in8(m, 0x511), 'Q');
	out8(m, 0x510, 1);
	bus_write(&m->bus, false, 0x510, 4, 1);
	out8(m, 0x511, 1);
	assert_int_equal(in8(m, 0x511), 'E');
	select_key(m, 0);
	assert_int_equal(in8(m, 0x511), 'Q');
	machine_free(m);
}

/* The file directory names one file, and its table says what RAM there is. */
static void fwcfg_e820(void **state)
{
	static const u64 sizes[][2] = { { 64 << 20, 0 }, { 3ull << 30, 61ull << 30 } };

	for (unsigned i = 0; i < 2; i++) {
		const struct pc_config c = { .mem_below_4g = sizes[i][0], .mem_above_4g = sizes[i][1] };
		struct machine *m = machine_new(&c);
		u8 dir[4 + 64], table[40];
		read_bytes(m, 0x19, dir, sizeof(dir));
		assert_int_equal(be32(dir), 1);
		assert_string_equal((char *)dir + 12, "etc/e820");
		assert_int_equal(be32(dir + 4), i ? 40 : 20);
		read_bytes(m, (u16)(dir[8] << 8 | dir[9]), table, sizeof(table));
		assert_int_equal(le(table, 8), 0);
		assert_int_equal(le(table + 8, 8), sizes[i][0]);
		assert_int_equal(le(table + 16, 4), 1);
		if (i) {
			assert_int_equal(le(table + 20, 8), 1ull << 32);
			assert_int_equal(le(table + 28, 8), sizes[i][1]);
			assert_int_equal(le(table + 36, 4), 1);
		}
		assert_int_equal(in8(m, 0x511), 0);
		machine_free(m);
	}
}

static void fwcfg_restored(void **state)
{
	struct machine *m = machine_new(NULL);

	select_key(m, 0);
	in8(m, 0x511);
	struct machine *copy = machine_copy(m, NULL);
	assert_int_equal(in8(copy, 0x511), 'E');
	assert_int_equal(in8(m, 0x511), 'E');
	machine_free(m);
	machine_free(copy);
}

static void state_refused(void **state)
{
	struct machine *m = machine_new(NULL);

	assert_false(takes_state(m, "port61", 0, 2));
	assert_false(takes_state(m, "port61", 1, 0x10));
	assert_true(takes_state(m, "port61", 1, 0x0f));
	assert_false(takes_state(m, "pc-ports", 0, 2));
	assert_false(takes_state(m, "pc-ports", 1, 2));
	assert_false(takes_state(m, "pc-ports", 2, 2));
	assert_true(takes_state(m, "pc-ports", 2, 0));
	assert_false(takes_state(m, "fw_cfg", 0, 2));
	assert_false(takes_state(m, "fw_cfg", 6, 1));
	assert_true(takes_state(m, "fw_cfg", 3, 1));
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports),         cmocka_unit_test(nobody),     cmocka_unit_test(no_hooks),
		cmocka_unit_test(fwcfg_items),   cmocka_unit_test(fwcfg_e820), cmocka_unit_test(fwcfg_restored),
		cmocka_unit_test(state_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
