// mode: long
// Breakpoints and REP: data breakpoints inside a REP trap behind the iteration; an execution breakpoint on a REP matches before the first iteration only; one on a page that is not there comes before the page fault; interrupts between iterations show RF (SDM 3, 17.3.1.1, table 6-2).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt table
	mov $0x20002, %eax
	mov %rax, %dr0
	mov $0x00010402, %eax          // 0: write, 1 byte, global
	mov %rax, %dr7
	mov $0x20000, %edi
	mov $5, %ecx
	rep stosb                      // trap behind the third
	lea here(%rip), %rax
	mov %rax, %dr1
	mov $0x0001040a, %eax          // and 1: execution
	mov %rax, %dr7
	mov $0x20001, %edi
	mov $3, %ecx
here:	rep stosb                      // fault before it; trap behind the second; no fault again
	movabs $0x400000000, %rax
	mov %rax, %dr1
	lea 1f(%rip), %r15
	jmp *%rax                      // #DB, then #PF
1:	xor %eax, %eax
	mov %rax, %dr7
	finish
db:	mov %dr6, %r8
	xor %r9d, %r9d
	mov %r9, %dr6
	mov 16(%rsp), %r10             // RF in the frame
	test $2, %r8b
	jz 1f
	btsl $16, 16(%rsp)
1:	iretq
pf:	add $8, %rsp
	mov %r15, (%rsp)
	iretq
	.balign 16
idt:	nogate64
	gate64 db
	.rept 12
	nogate64
	.endr
	gate64 pf
	table64 table, idt, 0xf0
