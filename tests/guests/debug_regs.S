// mode: long
// Breakpoints: execution (a fault, RF lets it pass), data write and read/write (traps), byte ranges, two at once, I/O with CR4.DE; DR6 sticky bits; DR7.GD; DR4/5 (SDM 3, 17.2, 17.3).
#include "guest.inc"
	.code64
	.globl start
start:
	lidt table
	lea here(%rip), %rax
	mov %rax, %dr0
	mov $0x20004, %eax
	mov %rax, %dr1
	mov $0x20008, %eax
	mov %rax, %dr2
	mov $0xf0, %eax
	mov %rax, %dr3
	mov $0x07d00455, %eax          // 0: execute; 1: write, 4 bytes (d); 2: read/write, 2 bytes (7); 3: later
	mov %rax, %dr7
	mov $0x20000, %ebx
here:	nop                            // fault before it
	mov 4(%rbx), %eax              // reads do not match a write breakpoint
	movb $1, 7(%rbx)               // within 20004..20007: 1
	movl $2, 8(%rbx)               // 2
	mov 9(%rbx), %al               // 2: its second byte
	mov 10(%rbx), %al              // beyond it
	movq $3, 4(%rbx)               // both
	mov %cr4, %rax
	bts $3, %rax
	mov %rax, %cr4                 // DE
	mov $0x27d00455, %eax          // 3: I/O, 1 byte
	mov %rax, %dr7
	out %al, $0xf0                 // 3
	.byte 0x0f, 0x21, 0xe0 // mov %dr4, %rax: #UD with DE
	mov $0x2400, %eax              // GD, all off
	mov %rax, %dr7
	mov %dr0, %rcx                 // #DB fault: BD; GD is cleared for the handler
	mov %dr7, %rcx
	mov $0xffffffff, %eax
	mov %rax, %dr6                 // reserved bits read as they must
	mov %dr6, %rdx
	finish
db:	mov %dr6, %r8
	mov $0, %r9d
	mov %r9, %dr6
	test $1, %r8b
	jz 1f
	orl $0x10000, 16(%rsp)         // RF: not again
1:	iretq
ud:	addq $3, (%rsp)
	iretq
	.balign 16
idt:	nogate64
	gate64 db
	.rept 4
	nogate64
	.endr
	gate64 ud
	table64 table, idt, 0x70
