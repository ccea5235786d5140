// mode: long
// lock: on memory destinations of the listed instructions; anywhere else #UD, and the frame holds the address of the prefix (SDM 2, LOCK).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20000, %ebx
	movl $7, (%rbx)
	lock incl (%rbx)
	lock negl (%rbx)
	lock orw $0x100, (%rbx)
	lock notb (%rbx)
	lock decq (%rbx)
	lock btcl $4, (%rbx)
	try .byte 0xf0, 0xff, 0xc3              // lock inc %ebx: a register
	try .byte 0xf0, 0x8b, 0x03              // lock mov (%rbx), %eax
	try .byte 0xf0, 0x39, 0x03              // lock cmp: reads only
	try .byte 0xf0, 0x03, 0x03              // lock add (%rbx), %eax: memory is the source
	try .byte 0xf0, 0x0f, 0xa3, 0x03        // lock bt
	try .byte 0xf0, 0x90                    // lock nop
	finish
	idt_faults
