// mode: long
// Control registers read and written whole; CR2, CR8; CR0.WP and TS toggled; mov to and from segment registers; lss, lfs, lgs; push and pop of fs and gs; fs base through a selector is zero-extended (SDM 2, MOV; SDM 3, 3.4.4).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	lgdt gdt_ptr
	mov %cr0, %rax
	mov %cr2, %rbx
	mov %cr3, %rcx
	mov %cr4, %rdx
	mov %cr8, %rsi
	movabs $0x123456789abc, %rbx
	mov %rbx, %cr2
	mov %cr2, %r9
	mov $5, %esi
	mov %rsi, %cr8
	mov %cr8, %r8
	bts $18, %rax
	mov %rax, %cr0                 // AM
	btr $4, %rax
	mov %rax, %cr0                 // ET is wired to 1
	mov %cr0, %rax
	mov $0x20, %ecx
	mov %ecx, %fs                  // base 12340000
	mov %ecx, %gs
	mov $0xc0000100, %ecx
	rdmsr
	mov %fs, %rdi
	mov $0x20000, %ebx
	movl $0x87654321, (%rbx)
	movw $0x18, 4(%rbx)
	lfs (%rbx), %eax               // base 0 again
	lss (%rbx), %esi
	movl $0x20, 8(%rbx)
	movl $0x20, 10(%rbx)
	.byte 0x48, 0x0f, 0xb5, 0x43, 0x02 // lgs 2(%rbx), %rax:      // 8 bytes, then the selector
	push %fs
	push %gs
	pop %fs
	pop %gs
	pushw %fs
	popw %gs
	movw $0x50, 4(%rbx)
	try lfs (%rbx), %eax           // beyond: #GP(50), eax stays
	mov $0x28, %ecx
	try mov %ecx, %gs              // not present: #NP(28)
	try mov %ecx, %ss              // not present stack: #SS(28)
	finish
	.balign 8
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.quad 0x12cf92340000ffff       // 20: base 12340000, not accessed
	.quad 0x00cf12000000ffff       // 28: not present
gdt_ptr: .word 0x2f
	.quad gdt
	idt_faults
