// mode: long
// shld, shrd: bits come in from the second register; count masked; OF for 1; more than 16 for 16 bits is undefined (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x8000, %ax
	mov $0x8001, %bx
	shld $1, %bx, %ax              // 0001, CF = 1, OF: sign changed
	shrd $1, %bx, %ax              // 8000, CF = 1, OF
	shld $16, %bx, %ax             // all of bx: 8001; CF = bit 0 of ax
	mov $0x12345678, %ecx
	mov $0x9abcdef0, %edx
	shld $8, %edx, %ecx            // 3456789a
	shrd $12, %edx, %ecx           // ef034567
	xchg %rcx, %r8
	mov $32, %cl
	stc
	shld %cl, %r8d, %edx           // count 0: flags stay
	movabs $0x0123456789abcdef, %rsi
	mov $-1, %rdi
	shld $4, %rdi, %rsi            // 123456789abcdeff
	mov $63, %cl
	shrd %cl, %rdi, %rsi           // rdi << 1 | rsi >> 63
	mov $0x20000, %ebx
	movl $0x11112222, (%rbx)
	shld $16, %edi, (%rbx)         // in memory: 2222ffff
	finish
