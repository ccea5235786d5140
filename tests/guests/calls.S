// mode: long
// call, ret, jmp near: direct, through registers and memory, ret imm, conditional jumps, loop, jrcxz, jecxz (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20000, %ebx
	lea sub1(%rip), %rax
	mov %rax, (%rbx)
	call sub1
	call *%rax
	call *(%rbx)
	push $1
	push $2
	call sub2
	lea 1f(%rip), %rcx
	mov %rcx, 8(%rbx)
	jmp *8(%rbx)
	ud2
1:	movabs $0x100000003, %rcx
2:	addr32 loop 2b                 // ecx counts, the upper half is cleared
	mov $2, %ecx
	xor %eax, %eax                 // ZF = 1
3:	loope 3b
	mov $2, %ecx
4:	loopne 4b                      // ZF = 1: ends at once, counted all the same
	jrcxz 5f                       // rcx = 1
	movabs $0x100000000, %rcx
	jrcxz 5f                       // not zero ...
	jecxz 6f                       // ... but ecx is
5:	ud2
6:	stc
	jnc 5b
	jc 7f
	ud2
7:	jbe 8f
8:	.byte 0x66, 0xe9, 0, 0, 0, 0   // the prefix is ignored in 64-bit mode: 32-bit offset (Intel)
	finish
sub1:	ret
sub2:	ret $16
