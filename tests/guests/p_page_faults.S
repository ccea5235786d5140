// mode: protected
// Page faults of each kind with 32-bit paging, a REP that faults in the middle and goes on, a stack that is gone: #DF, shutdown (SDM 3, 4.7, 6.15).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	mov $0x20000, %ebx
	movl $0x21067, (%ebx)
	movl $0x000e3, 4(%ebx)         // 400000: 4 MiB
	movl $0x2000e3, 8(%ebx)        // 800000: bit 21 is reserved in a 4 MiB entry
	mov $0x21000, %edi
	movl $0x8067, 0x20(%edi)
	movl $0x11067, 0x44(%edi)
	movl $0x20067, 0x80(%edi)
	movl $0x21067, 0x84(%edi)
	movl $0x30067, 0xc0(%edi)      // 30000; 31000 not yet
	movl $0x32061, 0xc8(%edi)      // 32000: read only
	mov %ebx, %cr3
	mov $0x10, %eax
	mov %eax, %cr4
	mov $0x80010031, %eax          // PG WP PE
	mov %eax, %cr0
	try mov 0x31000, %ecx          // 0: not present, read
	try mov %ecx, 0x31ffc          // 2
	try movl $1, 0x32000           // 3
	try orl $0, 0x32000            // 3: read-modify-write
	try mov 0x800000, %ecx         // 9: reserved bit
	try mov 0xc00000, %ecx         // 0: no directory entry
	mov $1f, %ebp
	mov $0xc00000, %eax
	jmp *%eax                      // 0: fetch, but without NX no bit for it
1:	try mov %ecx, 0x30ffe          // second page: CR2 is its start; nothing written
	mov $0x30ff8, %edi
	mov $4, %ecx
	mov $0xaabbccdd, %eax
	movw $pf, idt32 + 14*8
	rep stosl                      // two, then #PF; the handler maps the page, two more
	mov $0x31ffe, %esi
	movw $go_on_code, idt32 + 14*8
	try lodsl                      // over into 32000, which may be read
	mov $0x30010, %esp
	movl $0, 0x210c0               // the stack's page is gone
	push %eax                      // #PF, whose frame raises #PF: #DF, the same: shutdown
	finish
pf:	mov %cr2, %edx
	movl $0x31067, 0x210c4
	add $4, %esp
	iret
	tables32
gdt32_end:
	tables32_end
