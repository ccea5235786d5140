// mode: long
// Vectors at the edge of the IDT; gates whose code selector is null, data, beyond; an IDT that is not mapped: #PF during delivery; software interrupts with DPL 0 from CPL 0; each error code (SDM 3, 6.13).
#include "guest.inc"
	.code64
	.globl start
start:
	lidt table
	int $0x20                      // the last gate that fits
	int $0x21                      // its second half is beyond the limit: #GP(10a)
	int $0x10                      // selector null: #GP(0)
	int $0x11                      // selector is data: #GP(18)
	int $0x12                      // beyond the GDT: #GP(70)
	int $0x13                      // an offset that is not canonical: #GP(0)
	int $0x14                      // DPL 3: the same for CPL 0
	int $0x15                      // trap gate
	lidt far_table
	int3                           // IDT not mapped: #PF, then #PF: #DF, then #PF: shutdown
	finish
ok:	iretq
gp:	pop %r8
	addq $2, (%rsp)
	iretq
	.macro gate sel, attr=0x8e, high=0
	.word ok, \sel
	.byte 0, \attr
	.word 0
	.long \high, 0
	.endm
	.balign 16
idt:	.rept 13
	nogate64
	.endr
	gate64 gp
	nogate64
	nogate64
	gate 0                         // 10
	gate 0x18
	gate 0x70
	gate 0x10, 0x8e, 0x8000
	gate 0x10, 0xee
	gate 0x10, 0x8f
	.rept 10
	nogate64
	.endr
	gate 0x10                      // 20
	gate 0x10
	table64 table, idt, 0x218
	.balign 8
far_table: .word 0xfff
	.quad 0x4000000000
