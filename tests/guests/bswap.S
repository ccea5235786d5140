// mode: long
// bswap by width; bswap of 16 bits is undefined (zero on CPUs since); movbe and popcnt raise #UD, for CPUID shows neither.
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	movabs $0x0123456789abcdef, %rax
	bswap %rax
	bswap %eax
	mov %rax, %r9
	bswap %r9
	mov $0x20000, %ebx
	try .byte 0x0f, 0x38, 0xf0, 0x03        // movbe (%rbx), %eax
	try .byte 0xf3, 0x0f, 0xb8, 0xc3        // popcnt %ebx, %eax
	finish
	idt_faults
