// mode: real
// int n and iret: frames of three words, IF and TF cleared, interrupts within interrupts, iretd, int3, into (SDM 2, INT n; SDM 3, 20.1.3, 20.1.4).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 3, h3
	ivt 4, h4
	ivt 0x21, outer
	ivt 0x80, inner
	movw $0x800, 4*0x80+2          // the same handler, segment 800
	subw $0x8000, 4*0x80
	std
	stc
	sti
	int $0x21
	int3
	.byte 0xcd, 3                  // int $3 in two bytes
	into                           // OF is clear: nothing
	mov $0x7f, %al
	inc %al                        // OF
	into
	pushl $0x00244ed7              // ID, AC, NT, IOPL 0 ... and bits that stay 0
	pushl %cs
	pushl $1f
	iretl
1:	pushf
	pop %ax
	pushl $2                       // every flag off
	popfl
	finish
outer:	pushf
	pop %ax                        // IF off, the others kept
	int $0x80
	clc
	iret                           // CF comes back from the frame
inner:	mov %cs, %bx
	iret
h3:	iret
h4:	iret
