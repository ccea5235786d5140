// mode: real
// Faults through the vector table: no error code, IP of the instruction itself; a divide that is mended and resumed (SDM 3, 20.1.4, 6.15).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 0, mend
	ivt 5, go_on
	ivt 6, go_on
	ivt 13, go_on
	mov $0x1234, %ax
	xor %bl, %bl
	div %bl                        // #DE; the handler sets BL, the div runs again
	mov $0x8000, %ax
	cwd
	mov $-1, %bx
	idiv %bx                       // -8000h / -1 does not fit: #DE, BX becomes 2 in BL: ff02
	mov $5, %cx
	bound %cx, limits              // 2 <= 5 <= 9
	mov $10, %cx
	try bound %cx, limits          // above: #BR
	movw $1, %cx
	try bound %cx, limits          // below
	mov $-3, %cx
	bound %cx, limits2             // -3 <= -3
	try ud2
	try .byte 0x0f, 0xff, 0xc0     // ud0
	try .byte 0xf0, 0x90           // lock nop: #UD
	try .byte 0xf0, 0x40           // lock inc ax: a register
	try lldt %ax                   // #UD in real mode (SDM 2, LLDT)
	try arpl %ax, %bx
	try verr %ax
	try str %ax
	try mov %eax, %cr1             // no such register
	aam $10
	try aam $0                     // #DE: its handler
	finish
mend:	mov $0x40, %bl
	cmpb $0xd4, %cs:last
	cmpw $0, %cs:last
	mov %esp, %ebp
	push %bx
	mov (%ebp), %bx
	cmpb $0xd4, %cs:(%bx)          // aam
	pop %bx
	jne 1f
	mov %di, (%esp)
1:	iret
last:	.word 0
	.balign 2
limits:	.word 2, 9
limits2: .word -3, 0x7fff
	ivt_go_on
