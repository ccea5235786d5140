// mode: long
// Memory-mapped I/O where nobody answers: reads are all ones; widths 1 to 8, read-modify-write, unaligned, over a page end into RAM and out of it, string instructions, push and call operands (doc/stepping.md).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0xfee00000, %ebx
	mov (%rbx), %al
	mov 2(%rbx), %cx
	mov 4(%rbx), %edx
	mov 8(%rbx), %rsi
	movl $0x12345678, 0x20(%rbx)
	mov %al, 0x24(%rbx)
	mov %rsi, 0x28(%rbx)
	movw $0x1234, 0x31(%rbx)
	addl $2, 0x40(%rbx)            // ffffffff + 2
	lock incb 0x44(%rbx)
	xchg %edx, 0x48(%rbx)
	mov $5, %edx
	cmpxchg %edx, 0x50(%rbx)       // eax = ff: fails, eax loads
	bts %edx, 0x54(%rbx)
	mov 0x61(%rbx), %rcx           // unaligned
	movzbl (%rbx), %ecx
	movsbl (%rbx), %ecx
	cmpb $0xff, (%rbx)
	push (%rbx)
	pop (%rbx)
	mov $0x20000, %edi
	mov %rbx, %rsi
	movsl
	mov $2, %ecx
	rep movsb
	xchg %rsi, %rdi
	mov $0x20000, %esi
	mov $2, %ecx
	rep movsw
	mov %ebx, %edi
	stosb
	mov $0xa0000 - 2, %esi         // RAM ends at 0x9ffff
	movl $0x11223344, -2(%rsi)
	mov (%rsi), %eax               // half RAM, half hole
	mov %eax, (%rsi)
	finish
