// mode: real
// The 16-bit stack: segment registers, lds and les, pusha and popa, enter and leave, SP alone moves (SDM 2, the instructions; SDM 1, 6.2).
#include "real.inc"
	.code16
	.globl start
start:
	mov $0x12348000, %esp          // the upper half stays
	mov $0x1111, %ax
	mov $0x2222, %cx
	mov $0x3333, %dx
	mov $0x4444, %bx
	mov $0x5555, %bp
	mov $0x6666, %si
	mov $0x7777, %di
	pusha                          // AX CX DX BX SP BP SI DI, SP as it was
	xor %ax, %ax
	popa                           // SP of the frame is skipped
	pushal
	popal
	push %ax
	pop %ds
	pushl $0xffff2000
	popl %fs                       // four bytes, of which two count
	push %fs
	pop %es
	lds %cs:pointer, %bx
	lesl %cs:pointer32, %esi
	lgs %cs:pointer, %di
	lss %cs:pointer, %ax
	mov %ax, %sp
	mov $0x1122, %bp
	enter $0x10, $0
	leave
	enterl $4, $0                  // EBP is pushed whole
	leavel
	enter $2, $3                   // two outer frame pointers copied
	leave
	push (%bp)
	mov $0x9000, %bp
	movw $0x9876, (%bp)
	push (%bp)
	pop 2(%bp)                     // SS:9002
	push %sp                       // its value before the push
	pop %ax
	push $0x1234
	mov $0x8ffe, %sp
	pop %sp                        // SP from memory
	finish
pointer: .word 0x1000, 0x5000
pointer32: .long 0x00020008
	.word 0x6000
