// mode: protected
// lldt and ltr with what they mark in the table; a segment in the LDT; sldt, str, lar, lsl, verr, verw, arpl (SDM 2).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	mov $0x20, %eax
	lldt %ax
	sldt %ebx
	mov $0x0f, %ecx                // LDT entry 1, RPL 3
	mov %ecx, %fs
	movb $0x5a, %fs:0x10           // 9100 + 10
	mov $0x17, %ecx
	try mov %ecx, %gs              // entry 2: beyond its limit: #GP(14)
	mov $0x28, %eax
	ltr %ax                        // available -> busy
	str %edx
	try ltr %ax                    // busy: #GP(28)
	mov $0x18, %ecx
	try ltr %cx                    // no TSS: #GP(18)
	try lldt %ax                   // no LDT: #GP(28)
	mov $0x30, %ecx
	try lldt %cx                   // not present: #NP(30)
	xor %ecx, %ecx
	try ltr %cx                    // null: #GP(0)
	lar %eax, %ebx                 // TSS busy: 8b00 and the flags of byte 6
	lsl %eax, %ebx                 // 67
	mov $0x18, %eax
	lar %eax, %ebx                 // c09300: bits 19:16 are not rights
	lsl %eax, %ebx                 // ffffffff
	lar %ax, %bx                   // 16 bits of it
	mov $0x38, %eax
	lsl %eax, %ebx                 // a gate has no limit: ZF 0, EBX stays
	lar %eax, %ebx                 // but rights: 8c00
	mov $0x100, %eax
	lar %eax, %ebx                 // beyond the table
	xor %eax, %eax
	lsl %eax, %ebx                 // null
	mov $0x10, %eax
	verr %ax                       // readable code
	verw %ax                       // never writable
	mov $0x1b, %eax
	verw %ax                       // RPL 3 > DPL 0
	mov $0x18, %eax
	verw %ax
	mov $3, %ecx
	arpl %cx, %ax                  // 1b, ZF
	arpl %cx, %ax                  // not below: ZF 0
	xor %eax, %eax
	lldt %ax                       // null: no LDT
	mov $0x0f, %ecx
	try mov %ecx, %fs              // #GP(c)
	finish
ldt:	.quad 0
	.quad 0x0040f20091000fff       // 9100, limit fff, DPL 3
	tables32
	seg ldt, 15, 0x82              // 20: LDT
	seg 0x9800, 0x67, 0x89         // 28: TSS, available
	seg ldt, 15, 0x02              // 30: LDT, not present
	gate32 start, 0xc              // 38: call gate
gdt32_end:
	tables32_end
