// mode: real
// Code changed under the CPU: the next instruction, an immediate in a loop, across two segments with one linear address, across a page (SDM 3, 8.1.3).
#include "real.inc"
	.code16
	.globl start
start:
	movb $0x41, 1f                 // nop -> inc cx
1:	nop
	mov $3, %cx
2:	mov $0, %al
	addb $5, 2b + 1
	loop 2b
	mov $0x7f0, %ax
	mov %ax, %ds
	movb $0x43, 3f - 0x7f00        // another segment, the same byte: inc bx
3:	nop
	xor %ax, %ax
	mov %ax, %ds
	movl $0x90c34040, 0x8ffe       // inc ax, inc ax, ret over a page
	mov $0x8ffe, %bx
	call *%bx
	movb $0x48, 0x8fff             // dec ax
	call *%bx
	movl $0x0005c790, 0x8ffd       // nop; mov word [di], imm16 whose immediate is on the next page
	movb $0xc3, 0x9002
	movw $0x7788, 0x9000
	mov $0x9100, %di
	mov $0x8ffd, %bx
	call *%bx
	movw $0x5566, 0x9000
	dec %bx
	movb $0x90, 0x8ffc
	call *%bx
	finish
