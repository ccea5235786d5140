// mode: long
// Page faults of each kind: error code, CR2, and the A and D bits of the tables before and after (SDM 3, 4.7, 4.8, 6.15).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20000, %ebx             // a page table for 200000..3fffff
	movl $0x20003, 0x14008         // PDE 1: table, not accessed yet
	movl $0x100003, (%rbx)         // 200000 -> 100000
	movl $0x101001, 8(%rbx)        // 201000 -> 101000, read only
	movl $0x102003, 16(%rbx)       // 202000 -> 102000, NX below
	movl $0x103003, 24(%rbx)       // 203000: a reserved bit below
	movl $0x800, 28(%rbx)          // bit 43: beyond 40 physical bits
	mov %cr3, %rax
	mov %rax, %cr3
	mov 0x200000, %eax             // A of the PDE and of the PTE
	mov %eax, 0x200004             // D
	mov %eax, 0x200008             // nothing more to set
	mov 0x201000, %ecx             // A
	mov %ecx, 0x201000             // CR0.WP = 0: the supervisor may write; D
	mov %cr0, %rax
	bts $16, %rax
	mov %rax, %cr0
	try mov %ecx, 0x201008         // WP: present, write
	try addl $1, 0x201008          // read-modify-write faults as a write
	try mov 0x204010, %eax         // not present, read
	try mov %eax, 0x204ff8         // not present, write
	try mov 0x203000, %eax         // reserved bit
	movl $0x80000000, 20(%rbx)     // without EFER.NXE bit 63 is reserved
	invlpg 0x202000
	try mov 0x202000, %eax
	mov $0xc0000080, %ecx
	rdmsr
	bts $11, %eax
	wrmsr                          // NXE
	mov 0x202000, %eax             // data may be read
	movb $0xc3, 0x202000
	lea 1f(%rip), %r15
	mov $0x202000, %eax
	jmp *%rax                      // instruction fetch: error 11
1:	mov $0x204000, %eax
	lea 2f(%rip), %r15
	jmp *%rax                      // not present: error 10
2:	finish
	idt_faults
