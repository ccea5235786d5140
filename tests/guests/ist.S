// mode: long
// Interrupt stacks: IST in the gate, the current stack without; nested exceptions on one IST stack start over; the TSS is read (SDM 3, 6.14.5).
#include "guest.inc"
	.code64
	.globl start
start:
	lidt table
	lgdt gdt_ptr
	mov $0x20, %eax
	ltr %ax
	int $0                         // IST1
	int $1                         // no IST: the current stack
	int $2                         // IST1, and int 3 inside: IST7
	int $4                         // IST1, inside again IST1: the frame is overwritten
	finish
h0:	iretq
h2:	int $3
	iretq
h4:	push %rax
	int $0                         // overwrites this handler's frame
	mov 8(%rsp), %rbx              // the way back is lost: rip of the inner one
	mov $0x12000, %esp
	finish 4
	.balign 16
idt:	gate64 h0, 0xe, 1
	gate64 h0, 0xe, 0
	gate64 h2, 0xe, 1
	gate64 h0, 0xe, 7
	gate64 h4, 0xe, 1
	table64 table, idt, 0x50
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.word 0x67, tss, 0x8900, 0
	.quad 0
gdt_ptr: .word 0x2f
	.quad gdt
	.balign 8
tss:	.long 0
	.quad 0x21000, 0, 0, 0         // RSP0-2, reserved
	.quad 0x22000, 0, 0, 0, 0, 0, 0x23008
	.quad 0
	.long 0x680000
