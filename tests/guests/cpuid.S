// mode: long
// cpuid: the canonical CPU, the same on every host (doc/stepping.md); 32-bit results, upper halves cleared.
#include "guest.inc"
	.code64
	.globl start
start:
	mov $-1, %rbx
	mov $-1, %rdx
	xor %eax, %eax
	cpuid
	mov $1, %eax
	cpuid
	mov $2, %eax
	cpuid
	mov $7, %eax
	xor %ecx, %ecx
	cpuid
	mov $0x80000000, %eax
	cpuid
	mov $0x80000001, %eax
	cpuid
	mov $0x80000008, %eax
	cpuid
	mov $0x40000000, %eax
	cpuid
	mov $0x40000001, %eax
	cpuid
	finish
