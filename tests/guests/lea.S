// mode: long
// lea and addresses: scales, 32-bit addresses wrap, rip-relative, fs and gs bases, segment prefixes without effect, 16-bit destination (SDM 1, 3.7.5; 3, 5.2.1).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20000, %ebx
	mov $3, %ecx
	lea 5(%rbx,%rcx,8), %rax
	lea -1(,%rcx,4), %rax
	mov $-1, %rdx
	lea 2(%edx), %rsi              // 32-bit address: wraps to 1
	lea 2(%rdx), %rsi
	lea -1(%edx), %esi
	lea 0x12345(%rbx), %si         // low 16 bits
	lea data(%rip), %rdi
	mov data(%rip), %rax
	mov $0xc0000100, %ecx
	mov $0x20000, %eax
	xor %edx, %edx
	wrmsr                          // fs base
	inc %ecx
	mov $0x30000, %eax
	wrmsr                          // gs base
	movb $0x11, %fs:5
	movb $0x22, %gs:5
	mov %fs:0(%rbx), %al           // base added
	movb $0x33, %ss:7(%rbx)        // bases of the others count as 0
	mov %es:7(%rbx), %al
	lea %fs:5(%rbx), %rax          // lea takes no base
	mov $-0x1f000, %rsi
	mov %fs:(%rsi), %al            // wraps in 64 bits: 1000
	try addr32 mov %fs:(%esi), %al // 32-bit offset fffe1000 + base: not wrapped, nothing mapped there
	finish
data:	.quad 0x1234
	idt_faults
