// mode: protected
// PAE paging: PDPTEs, 2 MiB pages, NX, addresses of 40 bits; a CR3 load with bad PDPTEs is #GP (SDM 3, 4.4).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	mov $0x20000, %ebx             // PDPT
	movl $0x21001, (%ebx)
	movl $0x22001, 24(%ebx)        // c0000000..ffffffff
	movl $0xe3, 0x21000            // 2 MiB at 0
	movl $0x23003, 0x21008         // 200000: a table
	movl $0x83, 0x22ff8            // ffe00000: 2 MiB at 0
	movl $0x100003, 0x23000        // 200000 -> 100000
	movl $0x101003, 0x23008
	movl $0x80000000, 0x2300c      // 201000: NX
	movl $0x101003, 0x23010
	movl $0x100, 0x23014           // 202000: bit 40: reserved
	mov %ebx, %cr3
	mov %cr4, %eax
	or $0x20, %eax
	mov %eax, %cr4                 // PAE
	mov $0xc0000080, %ecx
	rdmsr
	or $0x800, %eax
	wrmsr                          // NXE
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	mov 0x200000, %ecx             // A in 8-byte entries; the PDPTE has none
	movb $0xc3, 0x200000           // D
	mov $0x200000, %eax
	call *%eax                     // runs there
	mov 0x201000, %ecx             // NX: may be read
	movb $0xc3, 0x201000
	mov $1f, %ebp
	mov $0x201000, %eax
	jmp *%eax                      // error 11: present, fetch
1:	try mov 0x202000, %ecx         // error 9
	try mov 0x40000000, %ecx       // no PDPTE: 0
	mov 0xffe08000, %ecx           // 8000: this program
	mov $2f, %ebp
	mov $0x40000000, %eax
	jmp *%eax                      // error 10: fetch, not present
2:	movl $0x3, 8(%ebx)             // a PDPTE with a reserved bit (R/W)
	try mov %ebx, %cr3             // #GP(0)
	movl $0x21001, 8(%ebx)
	mov %ebx, %cr3                 // now it is good
	mov 0x40008000, %ecx           // and leads to 8000
	finish
	tables32
gdt32_end:
	tables32_end
