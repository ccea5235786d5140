// mode: long
// fxsave, fxrstor: the canonical image byte by byte; what is reserved is not written or restored; alignment; TS (SDM 1, 10.5).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov %cr4, %rax
	bts $9, %rax
	mov %rax, %cr4
	mov $0x20000, %ebx
	mov %rbx, %rdi
	mov $-1, %rax
	mov $64, %ecx
	rep stosq                      // so that what is not written shows
	fninit
	fld1
	movabs $0x1122334455667788, %rax
	movq %rax, %xmm5
	fxsave64 (%rbx)
	mov (%rbx), %rax               // FCW FSW FTW FOP
	mov 8(%rbx), %rcx              // FIP
	mov 16(%rbx), %rdx             // FDP
	mov 24(%rbx), %rsi             // MXCSR and its mask
	mov 32(%rbx), %r8              // ST0
	mov 40(%rbx), %r9
	mov 160+5*16(%rbx), %r10       // XMM5
	mov 416(%rbx), %r11            // reserved: untouched
	mov 464(%rbx), %r12            // for software: untouched
	fninit
	pxor %xmm5, %xmm5
	movw $0x27f, (%rbx)
	fxrstor64 (%rbx)
	movq %xmm5, %r13
	fnstcw 0x400(%rbx)
	fstpl 0x408(%rbx)
	try fxsave 8(%rbx)             // not aligned
	orl $0x10000, 24(%rbx)
	try fxrstor (%rbx)             // reserved bit of MXCSR
	finish
	idt_faults
