// mode: protected
// Far calls: direct, by call gates of 32 and 16 bits at the same privilege, conforming code, to bad gates (SDM 2, CALL; SDM 3, 5.8.3, 5.8.4).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	lcall $0x10, $f32
	push $0x11223344
	lcall $0x20, $0xdeadbeef       // 32-bit gate: the offset is not used, two doublewords pushed; its count too, for CPL stays
	pop %eax
	lcall $0x28, $0                // 16-bit gate: two words
	lcall *ptr
	ljmp $0x30, $0                 // a jump by a gate
1:	lcall $0x40, $f32              // conforming: CS 40, CPL stays
	data16 lcall $0x10, $f16       // 16-bit operand: words
	try lcall $0x38, $0            // gate not present: #NP(38)
	try lcall $0x48, $0            // gate to data: #GP(18)
	try lcall $0x50, $0            // gate to null: #GP(0)
	try lcall $0x23, $0            // RPL 3 > DPL 0: #GP(20)
	try lcall $0x58, $0            // 32-bit TSS would be a task switch, this is an LDT: #GP(58)
	try lcall $0x60, $0            // offset beyond the code segment's limit: #GP(0), nothing pushed
	finish
f32:	lret
f16:	data16 lret
ptr:	.long 0
	.word 0x20
	tables32
	gate32 f32, 0xc, 0, 0x10       // 20
	gate32 f16, 4, 0, 0x10         // 28: 16 bits
	gate32 1b, 0xc, 0, 0x10        // 30
	.word f32, 0x10, 0x0c00, 0     // 38: not present
	.quad 0x00cf9f000000ffff       // 40: conforming code
	gate32 f32, 0xc, 0, 0x18       // 48
	gate32 f32, 0xc, 0, 0          // 50
	seg 0x9000, 0xff, 0x82         // 58
	gate32 f32, 0xc, 0, 0x68       // 60
	seg 0, 0xff, 0x9a, 4           // 68: code with a small limit
gdt32_end:
	tables32_end
