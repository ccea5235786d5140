// mode: long
// rdmsr and wrmsr of what kernels touch: EFER, the syscall MSRs, bases, PAT, MTRRs, APIC base, SYSENTER; wrong values raise #GP (SDM 4).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0xc0000080, %ecx
	rdmsr                          // EFER: LME LMA
	bts $0, %eax
	wrmsr                          // SCE
	inc %ecx
	mov $0x00230010, %edx
	xor %eax, %eax
	wrmsr                          // STAR
	inc %ecx
	mov $0xffff8000, %edx
	wrmsr                          // LSTAR, canonical
	mov $0xc0000084, %ecx
	mov $1, %edx
	try wrmsr                      // SFMASK has 32 bits
	mov $0x277, %ecx
	rdmsr                          // PAT
	mov $2, %eax
	try wrmsr                      // type 2 is reserved
	mov $0xfe, %ecx
	rdmsr                          // MTRRCAP
	try wrmsr
	mov $0x200, %ecx
	mov $0x6, %eax
	xor %edx, %edx
	wrmsr
	mov $0x201, %ecx
	mov $0x100, %edx
	try wrmsr                      // beyond 40 bits
	mov $0x1b, %ecx
	rdmsr                          // APIC base: off
	mov $0x174, %ecx
	mov $0x10, %eax
	xor %edx, %edx
	wrmsr
	inc %ecx
	mov $-1, %edx
	mov $0xffff0000, %eax
	wrmsr
	rdmsr
	mov $0xc0000102, %ecx
	mov $0x77, %eax
	xor %edx, %edx
	wrmsr                          // KERNEL_GS_BASE
	swapgs
	dec %ecx
	rdmsr                          // GS base
	mov $0x140, %ecx
	try rdmsr                      // MISC_FEATURES_ENABLES: not there
	finish
	idt_faults
