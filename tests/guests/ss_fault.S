// mode: long
// #SS: stack accesses at addresses that are not canonical, with rsp and rbp as base, push, pop, call, ret, leave; #GP where another register is the base (SDM 3, 6.15).
#include "faults64.inc"
	.code64
	.globl start
start:
	movb $1, faults_idt + 12 * 16 + 4 // #SS and #GP on IST1
	movb $1, faults_idt + 13 * 16 + 4
	lidt faults
	lgdt gdt_ptr
	mov $0x20, %eax
	ltr %ax                        // handlers run on IST1
	movabs $0x800000000000, %rbx
	mov %rbx, %rbp
	try mov (%rbp), %eax           // #SS(0)
	try mov %ds:(%rbp), %eax       // the prefix does not count in 64-bit mode: #SS
	try mov (%rbx), %eax           // #GP(0)
	try leave                      // rsp = rbp: #SS
	mov %rsp, %r14
	lea 8(%rbx), %rsp
	try push %rax                  // 800000000000: #SS
	try call go_on                 // the same
	mov %rbx, %rsp
	try pop %rax
	try ret
	try iretq                      // #SS
	try popfq
	mov %r14, %rsp
	finish
	.balign 8
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.word 0x67, tss, 0x8900, 0
	.quad 0
gdt_ptr: .word 0x2f
	.quad gdt
	.balign 8
tss:	.long 0
	.quad 0, 0, 0, 0, 0x22000, 0, 0, 0, 0, 0, 0, 0
	idt_faults
