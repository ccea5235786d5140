// mode: long
// The guest steps itself: TF set by popf takes effect behind the next instruction, by iretq likewise; #DB is a trap with DR6.BS; int n and faults clear TF before their handlers; mov ss holds the trap back; REP traps between iterations (SDM 3, 17.3.1.4).
#include "guest.inc"
	.code64
	.globl start
start:
	lidt table
	pushq $0x102
	popfq                          // no trap behind this one
	nop                            // trap
	xor %eax, %eax                 // trap
	int $3                         // TF is cleared for the handler; no trap of the int itself
	mov %ss, %eax
	mov %eax, %ss                  // no trap
	nop                            // trap
	mov $0x20000, %edi
	mov $3, %ecx
	rep stosb                      // three traps
	pushfq                         // the pushed image has TF
	andl $~0x100, (%rsp)
	popfq                          // TF was set before: trap
	nop
	mov $0x102, %ebx
	push $0x18
	lea 8(%rsp), %rax
	push %rax
	push %rbx
	push $0x10
	lea 1f(%rip), %rax
	push %rax
	iretq
1:	ud2                            // iretq set TF: ud2 faults, no trap
	mov %dr6, %rdx
	finish
db:	mov %dr6, %r8
	btr $14, %r8
	mov %r8, %dr6
	incl %r9d
	iretq
bp:	nop
	iretq
ud:	addq $2, (%rsp)
	andl $~0x100, 16(%rsp)
	iretq
	.balign 16
idt:	nogate64
	gate64 db
	nogate64
	gate64 bp
	nogate64
	nogate64
	gate64 ud
	table64 table, idt, 0x70
