// mode: long
// SSE: #UD without CR4.OSFXSR, #NM with TS; movups, movaps, movdqu; unaligned movaps and memory operands: #GP(0); over two pages; ldmxcsr, stmxcsr; flags of comisd (SDM 2).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20000, %ebx
	try movaps %xmm0, (%rbx)       // OSFXSR = 0
	mov %cr4, %rax
	bts $9, %rax
	mov %rax, %cr4
	movabs $0x0123456789abcdef, %rax
	movq %rax, %xmm0
	movaps %xmm0, %xmm1
	pslldq $8, %xmm1
	por %xmm1, %xmm0
	movaps %xmm0, (%rbx)
	movups %xmm0, 0x11(%rbx)
	try movaps %xmm0, 0x11(%rbx)   // not aligned
	try paddd 4(%rbx), %xmm0       // memory operands, too
	movdqu 8(%rbx), %xmm2
	movdqu %xmm2, 0x1fff8          // two pages
	movq %xmm2, %rcx
	movd %xmm0, %edx
	stmxcsr (%rbx)
	movl $0x10000, 4(%rbx)
	try ldmxcsr 4(%rbx)            // reserved bit
	movl $0x7f80, 4(%rbx)
	ldmxcsr 4(%rbx)                // round to zero
	mov $3, %eax
	cvtsi2sd %eax, %xmm3
	mov $2, %eax
	cvtsi2sd %eax, %xmm4
	divsd %xmm4, %xmm3             // 1.5
	comisd %xmm4, %xmm3            // 1.5 < 2: CF
	cvtsd2si %xmm3, %ecx           // 1
	stmxcsr (%rbx)                 // PE
	try .byte 0xf2, 0x0f, 0xd0, 0xc1 // addsubps: SSE3 is not shown
	mov %cr0, %rax
	bts $3, %rax
	mov %rax, %cr0
	try movaps %xmm0, %xmm1        // #NM
	finish
	idt_faults
