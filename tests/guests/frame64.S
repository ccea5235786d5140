// mode: long
// The frame of an exception in 64-bit mode, word by word: alignment of the stack, SS, RSP, RFLAGS with RF, CS, RIP, error code; interrupt and trap gates; traps save the next RIP and no RF; iretq takes it all back (SDM 3, 6.14).
#include "guest.inc"
	.code64
	.globl start
start:
	lidt table
	add $-0x105, %rsp              // misaligned
	stc
	sti
	ud2
	int3
	int $0x20
	.byte 0xcd, 0x03               // int 3 in two bytes
	mov $0x40, %eax
	mov %eax, %es
	.byte 0xf1                     // int1
	finish
h6:	pop %rax                       // RIP
	pop %rbx                       // CS
	pop %rcx                       // RFLAGS
	pop %rdx                       // RSP
	pop %rsi                       // SS
	add $2, %rax                   // behind ud2
	push %rsi
	push %rdx
	push %rcx
	push %rbx
	push %rax
	iretq
h13:	pop %rdi                       // error code
	addq $2, (%rsp)
	iretq
h3:	mov (%rsp), %rax
	mov 16(%rsp), %rcx
	iretq
	.balign 16
idt:	nogate64
	gate64 h3                      // #DB
	nogate64
	gate64 h3, 0xf                 // #BP by a trap gate: IF stays
	nogate64
	nogate64
	gate64 h6
	.rept 6
	nogate64
	.endr
	gate64 h13
	.rept 18
	nogate64
	.endr
	gate64 h3
	table64 table, idt, 0x210
