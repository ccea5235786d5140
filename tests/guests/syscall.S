// mode: long
// syscall at CPL 0: RCX, R11, FMASK, fixed segments, no memory; its TF counts as FMASK leaves it; #UD without EFER.SCE; sysenter; sysret to CPL 3 with a bad RIP: #GP still in the kernel (SDM 2, SYSCALL, SYSRET).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	try syscall                    // SCE = 0
	mov $0xc0000080, %ecx
	rdmsr
	bts $0, %eax
	wrmsr
	mov $0xc0000081, %ecx
	mov $0x00230010, %edx
	xor %eax, %eax
	wrmsr                          // STAR
	inc %ecx
	lea entry(%rip), %rax
	xor %edx, %edx
	wrmsr                          // LSTAR
	mov $0xc0000084, %ecx
	mov $0x100, %eax
	wrmsr                          // FMASK: TF
	stc
	lea 1f(%rip), %r15
	syscall
1:	pushq $0x102
	popfq
	syscall                        // TF is masked: no trap
	andl $~0x100, %r11d
	mov $0x174, %ecx
	mov $0x10, %eax
	xor %edx, %edx
	wrmsr
	inc %ecx
	mov $0x22000, %eax
	wrmsr
	inc %ecx
	lea 2f(%rip), %rax
	wrmsr
	sysenter                       // rsp and rip from MSRs, IF = 0
2:	mov $0x11f00, %esp
	movabs $0x800000000000, %rcx
	try sysretq
	finish
entry:	cmp %r15, %rcx
	jmp *%rcx
	idt_faults
