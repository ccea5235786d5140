// mode: long
// rdtsc counts 10 ns a step at 1 GHz; wrmsr TSC and TSC_ADJUST shift it; rdtscp raises #UD: CPUID does not show it (SDM 3, 17.17).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	rdtsc
	rdtsc
	nop
	rdtsc
	mov $0x10, %ecx
	rdmsr                          // the same counter
	mov $1000, %eax
	xor %edx, %edx
	wrmsr
	rdtsc
	mov $0x3b, %ecx
	rdmsr                          // moved by as much
	xor %eax, %eax
	xor %edx, %edx
	wrmsr                          // back
	rdtsc
	try .byte 0x0f, 0x01, 0xf9     // rdtscp
	mov %cr4, %rax
	bts $2, %rax
	mov %rax, %cr4                 // TSD: CPL 0 may
	rdtsc
	finish
	idt_faults
