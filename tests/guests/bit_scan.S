// mode: long
// bsf, bsr: index of the lowest and highest bit; a zero source sets ZF and (here) keeps the destination; tzcnt and lzcnt encodings run as bsf and bsr, since CPUID shows neither (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x80010, %eax
	bsf %eax, %ecx                 // 4
	bsr %eax, %edx                 // 19
	xor %eax, %eax
	mov $-1, %rcx
	bsf %eax, %ecx                 // ZF = 1
	mov $-1, %rdx
	bsr %rax, %rdx                 // ZF = 1
	mov $-1, %rbx
	bsf %ax, %bx
	movabs $0x8000000000000000, %rax
	bsf %rax, %rcx                 // 63
	bsr %rax, %rdx                 // 63
	mov $0x20000, %esi
	movw $0x8100, (%rsi)
	bsfw (%rsi), %bx               // 8
	bsrw (%rsi), %bx               // 15
	.byte 0xf3, 0x0f, 0xbc, 0xd8   // tzcnt eax, ebx: bsf
	.byte 0xf3, 0x48, 0x0f, 0xbd, 0xd8 // lzcnt rax, rbx: bsr
	finish
