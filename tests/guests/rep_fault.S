// mode: long
// rep movsb runs into a missing page: the iterations before it retire as a piece, the fault is a step with registers as they stand, the handler maps the page, and the rest goes on (SDM 2, REP).
#include "guest.inc"
	.code64
	.globl start
start:
	lidt table
	mov $0x20000, %ebx
	movl $0x20003, 0x14008
	movl $0x100003, (%rbx)         // 200000
	mov %cr3, %rax
	mov %rax, %cr3
	mov $0x30000, %esi
	movl $0x44332211, (%rsi)
	mov $0x200ff0, %edi
	mov $0x20, %ecx
	rep movsb
	mov $0x200ffd, %edi
	mov $4, %ecx
	movl $0, 8(%rbx)
	invlpg 0x201000
	rep stosl                      // the first element straddles: no piece before the fault
	finish
fault:	push %rax
	mov %cr2, %rax
	movl $0x101003, 8(%rbx)
	pop %rax
	add $8, %rsp
	iretq
	.balign 16
idt:	.rept 14
	nogate64
	.endr
	gate64 fault
	table64 table, idt, 0xf0
