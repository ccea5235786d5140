// mode: long
// args: --step-ns 1000
// A timer interrupt between the pieces of a REP: taken with rip at the REP and RF = 1, and the REP goes on behind iretq; a single-device REP likewise (SDM 3, 17.3.1.1; SDM 2, REP).
#include "pic64.inc"
	.code64
	.globl start
start:
	lidt table
	pic_init
	mov $0x100000, %edi
	mov $200000, %ecx
	sti
	pit_once 2
	rep stosb                      // pieces of 65536
	mov $0x80, %edx
	mov $0x20000, %esi
	mov $6, %ecx
	pit_once 1
	rep outsb                      // an iteration a step
	cli
	finish
irq0:	mov %rax, %r8
	mov 16(%rsp), %r9              // RF
	mov $0x20, %al
	out %al, $0x20
	mov %r8, %rax
	iretq
	.balign 16
idt:	.rept 32
	nogate64
	.endr
	gate64 irq0
	table64 table, idt, 0x210
