// mode: real
// Where 64K ends: an interrupt frame and a call whose stack wraps, a jump and a call that wrap IP, pops at SP = ffff, an instruction across the end of its segment (SDM 3, 20.1.1, 5.3; SDM 2, JMP).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 12, go_on
	ivt 13, go_on
	ivt 0x21, h
	mov $0x2000, %ax
	mov %ax, %ss
	mov $4, %sp
	int $0x21                      // FLAGS at 2, CS at 0, IP at fffe
	mov $2, %sp
	lcall $0, $far                 // CS at 0, IP at fffe
	mov $0xffff, %sp
	try pop %cx                    // ffff..10000: #SS; its frame lies below, and is odd
	try popf
	try ret
	try lret
	try iret
	movw $0x1eeb, 0xfff0           // jmp fff2 + 1e = 10010: IP 0010
	movb $0xe9, 0x10               // jmp back
	movw $back - 0x13, 0x11
	mov $0xfff0, %bx
	jmp *%bx
back:
	movb $0xb8, 0xffff             // the last byte: mov ax without its immediate
	mov $0xffff, %bx
	mov $1f, %di
	jmp *%bx                       // needs bytes beyond the limit: #GP at ffff
1:	mov $0x4000, %sp
	finish
h:	iret
far:	lret
go_on:	mov %di, %ss:(%esp)
	iret
