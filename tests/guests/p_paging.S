// mode: protected
// 32-bit paging: 4 KiB and 4 MiB pages, Accessed and Dirty bits, CR0.WP, page crossing, invlpg, CR3 (SDM 3, 4.3, 4.8, 4.6).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	mov $0x20000, %edi             // page directory
	movl $0x21003, (%edi)          // 0..3fffff: a table
	movl $0x000083, 4(%edi)        // 400000..7fffff: 4 MiB page at 0
	mov $0x21000, %edi             // page table: identity for what is used
	movl $0x8003, 0x20(%edi)       // 8000: this code
	movl $0x11003, 0x44(%edi)      // 11000: stack
	movl $0x20003, 0x80(%edi)
	movl $0x21003, 0x84(%edi)
	movl $0x100003, 0xc0(%edi)     // 30000 -> 100000
	movl $0x102003, 0xc4(%edi)     // 31000 -> 102000: not contiguous
	movl $0x103001, 0xc8(%edi)     // 32000 -> 103000, read only
	mov $0x20000, %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $0x10, %eax                 // PSE
	mov %eax, %cr4
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	mov 0x30000, %ebx              // A of table and page; also of the code's and what comes before
	mov %ebx, 0x30004              // D
	movl $0x11223344, 0x30ffe      // both pages: two writes
	mov 0x30ffd, %ecx
	mov 0x32000, %edx              // A
	mov %edx, 0x32004              // WP = 0: written all the same
	mov 0x430000, %ebx             // 4 MiB page: 30000; A
	incl 0x430000                  // D
	mov 0x500000, %ebx             // physical 100000
	push %ebx                      // D of the stack's page
	or $0x10000, %eax
	mov %eax, %cr0                 // WP
	try mov %edx, 0x32004          // error 3
	movl $0x104003, 0xc0(%edi)     // 30000 -> 104000
	invlpg 0x30000
	mov 0x30000, %ebx
	mov %cr3, %ecx
	mov %ecx, %cr3
	mov 0x30004, %ebx
	and $0x7fffffff, %eax
	mov %eax, %cr0                 // paging off: 30000 is 30000
	mov 0x30000, %ebx
	finish
	tables32
gdt32_end:
	tables32_end
