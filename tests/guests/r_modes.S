// mode: real
// All modes in turn: real, protected (16- and 32-bit code), paging with PAE, long (compatibility and 64-bit code), and back: what CS, CR0, CR4 and EFER show at each (SDM 3, 9.8.5, 9.9).
#include "guest.inc"
	.code16
	.globl start
start:
	cli
	movl $h, 0x40
	lgdt gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0                 // protected, CS still as it was
	ljmp $8, $1f                   // 32-bit code
	.code32
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $0x7000, %esp
	mov $0x20000, %edi
	movl $0x21003, (%edi)          // PML4
	movl $0x22003, 0x21000         // PDPT
	movl $0x83, 0x22000            // 2 MiB at 0
	mov %edi, %cr3
	mov %cr4, %eax
	or $0x20, %eax
	mov %eax, %cr4                 // PAE
	mov $0xc0000080, %ecx
	rdmsr
	or $0x100, %eax
	wrmsr                          // LME
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0                 // LMA: compatibility mode
	push %eax                      // four bytes: still 32-bit code
	ljmp $0x18, $2f                // 64-bit code
	.byte 0x90
2:	.byte 0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff // mov $-1, %rax: in 32-bit code 48 would be dec eax
	push %eax                      // eight bytes here
	.byte 0xff, 0x2d, 0, 0, 0, 0   // ljmp *(%rip): back to compatibility mode
	.long 3f
	.word 8
3:	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0                 // paging off: LMA off
	mov $0xc0000080, %ecx
	rdmsr
	and $0xfffffeff, %eax
	wrmsr                          // LME off
	ljmp $0x20, $4f                // 16-bit code segment: limit ffff for real mode
	.code16
4:	mov $0x28, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov %cr0, %eax
	and $0xfe, %al
	mov %eax, %cr0                 // real, CS still 20 with base 0
	ljmp $0, $5f
5:	mov %sp, %bx
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	int $0x10                      // the vector table again
	finish
h:	iret
	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff       // 8: 32-bit code
	.quad 0x00cf93000000ffff       // 10: data
	.quad 0x00af9b000000ffff       // 18: 64-bit code
	.quad 0x00009b000000ffff       // 20: 16-bit code
	.quad 0x000093000000ffff       // 28: 16-bit data
gdtr:	.word 0x2f
	.long gdt
