// mode: real
// Big segments in real mode: a limit loaded in protected mode stays when PE is cleared and the selector is reloaded (SDM 3, 9.9.2 asks software to undo it).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 12, go_on
	ivt 13, go_on
	mov $0x100000, %ebx
	try movb (%ebx), %al           // limit ffff: #GP
	cli
	lgdt gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	jmp 1f                         // still 16-bit code: CS is as it was
1:	mov $8, %dx
	mov %dx, %ds                   // limit ffffffff; sets Accessed in the table
	mov %dx, %es
	and $0xfe, %al
	mov %eax, %cr0
	movb $0x77, (%ebx)             // 1 MiB, by the protected-mode base 0
	mov $0x1000, %dx
	mov %dx, %ds                   // base 10000; the limit stays
	movb $0x88, (%ebx)             // 110000
	mov $4, %ecx
	mov $0x120000, %edi
	addr32 rep stosb               // ES: base 0, limit 4G
	try movb %ss:(%ebx), %al       // SS was not loaded: vector 12
	finish
	.balign 8
gdt:	.quad 0
	.quad 0x00cf92000000ffff
gdtr:	.word 15
	.long gdt
	ivt_go_on
