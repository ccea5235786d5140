// mode: real
// Segment:offset addresses: 16-bit wrap, each override, SS as the default of BP, and the 64K limit (SDM 3, 20.1.1, 20.1.2; SDM 1, 3.7.4).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 12, go_on
	ivt 13, go_on
	mov $0x2000, %ax
	mov %ax, %ds
	mov $0x3000, %ax
	mov %ax, %es
	mov $0x4000, %ax
	mov %ax, %fs
	mov $0x5000, %ax
	mov %ax, %gs
	mov $0xfff0, %bx
	mov $0x20, %si
	mov $0x10, %bp
	movw $0x1111, (%bx,%si)        // fff0 + 20 = 10: wraps
	movw $0x2222, %es:(%bx)
	movw $0x3333, %fs:(%si)
	movw $0x4444, %gs:4(%si)
	movb %cs:data, %cl             // CS is 0
	movw (%bp,%si), %dx            // SS is 0
	movw %ds:(%bp), %dx            // DS again
	movb $0x55, 0xffff             // the last byte
	try movw $0x6666, 0xffff       // a word there crosses the limit: vector 13
	try movw %ss:0xffff, %ax       // in SS: vector 12
	try movl %ss:0xfffd, %eax      // four bytes, one too many
	movl %ss:0xfffc, %eax          // just fits
	mov $0xffff, %ax
	mov %ax, %ds
	movb $0x77, 0x10               // ffff0 + 10 = 100000: A20 is on
	mov %cs:0x8001, %ah
	mov $0x8000, %sp
	try mov %cs:-1, %ax            // disp16 ffff: vector 13
	try incw %es:(-1)              // read-modify-write
	finish
data:	.byte 0x99
	ivt_go_on
