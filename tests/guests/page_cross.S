// mode: long
// Accesses over two pages: the second missing (CR2 is its start), both missing, physically apart; an instruction over two pages (SDM 3, 4.7).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20000, %ebx
	movl $0x20003, 0x14008
	movl $0x100003, (%rbx)         // 200000
	movl $0x105003, 16(%rbx)       // 202000
	movl $0x103003, 24(%rbx)       // 203000: physically elsewhere
	mov %cr3, %rax
	mov %rax, %cr3
	try mov 0x200ffc, %rax         // 201000 is missing
	try mov %rax, 0x200ffd
	try mov 0x201ffe, %eax         // 201000 is missing: CR2 is the operand's first byte
	movabs $0x1122334455667788, %rax
	mov %rax, 0x202ffd             // 3 bytes at 105ffd, 5 at 103000
	mov 0x202ffc, %rcx
	lock xadd %ecx, 0x202ffe
	movl $0x90909090, 0x202ffc
	movb $0xe9, 0x202fff           // jmp, its offset on the next page
	mov $0x202fff, %eax
	lea target(%rip), %rdx
	sub $0x203004, %edx
	mov %edx, 0x203000
	jmp *%rax
target:	movw $0xe990, 0x200ffe         // nop; jmp with the offset on a missing page
	mov $0x200ffe, %eax
	lea 1f(%rip), %r15
	jmp *%rax
1:	finish
	idt_faults
