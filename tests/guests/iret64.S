// mode: long
// iretq: ss null, to another code segment, flags that it loads, NT, bad frames: #GP with the selector, nothing popped (SDM 2, IRET).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov %rsp, %rbp
	push $0                        // SS null is fine: 64-bit mode, CPL 0
	push %rbp
	push $0x3f7e57                 // ID VIP VIF AC VM RF NT IOPL OF DF IF, no TF
	push $0x10
	lea 1f(%rip), %rax
	push %rax
	iretq
1:	push $2
	popfq                          // NT, IOPL off
	mov $0x18, %eax
	mov %eax, %ss
	push $0x18
	push %rbp
	push $2
	push $0x20                     // beyond the GDT
	push %rax
	try iretq
	movq $0x18, 8(%rsp)            // data
	try iretq
	movq $0x10, 8(%rsp)
	movq $0x10, 32(%rsp)           // SS: code
	try iretq
	movq $0x18, 32(%rsp)
	movabs $0x800000000000, %rax
	mov %rax, (%rsp)               // rip not canonical
	try iretq
	movq $0x4002, 16(%rsp)
	pushq $0x4002
	popfq                          // NT
	try iretq                      // NT in 64-bit mode: #GP(0)
	push $2
	popfq
	mov %rbp, %rsp
	lea -20(%rsp), %rsp            // the 32-bit form: five words of four bytes
	lea 2f(%rip), %eax
	mov %eax, (%rsp)
	movl $0x10, 4(%rsp)
	movl $2, 8(%rsp)
	mov %ebp, 12(%rsp)
	movl $0x18, 16(%rsp)
	iretl
2:	finish
	idt_faults
