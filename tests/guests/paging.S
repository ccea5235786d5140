// mode: long
// CR3 switch, invlpg after a change of an entry, large pages, global pages: what is in memory is what counts, never an old translation; an access without invlpg sees the change, too, which the manual allows (SDM 3, 4.10.4).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20000, %ebx             // page table for 200000
	movl $0x11111111, 0x100000
	movl $0x22222222, 0x101000
	movl $0x33333333, 0x340000
	movl $0x20003, 0x14008
	movl $0x100003, (%rbx)
	mov %cr3, %rax
	mov %rax, %cr3
	mov 0x200000, %ecx             // 1111
	movl $0x101003, (%rbx)
	invlpg 0x200000
	mov 0x200000, %ecx             // 2222
	movl $0x100003, (%rbx)
	mov %rax, %cr3
	mov 0x200000, %ecx             // 1111
	// another set of tables, at 30000: 0..200000 by the old PD's first entry, 40000000.. by a 1 GiB-aligned PDPTE
	movl $0x31003, 0x30000
	movl $0x14003, 0x31000         // PDPTE 0: the same PD
	movl $0x32003, 0x31008         // PDPTE 1
	movl $0x200083, 0x32000        // 2 MiB at 40000000 -> 200000
	movl $0x000083, 0x32008        // 40200000 -> 0
	mov $0x30000, %edx
	mov %rdx, %cr3
	mov 0x200000, %ecx
	mov 0x40140000, %ecx           // 340000: A of PDPTE and PDE
	mov %ecx, 0x40300000           // 100000: D of the PDE
	mov 0x200000, %ecx             // the same RAM
	mov %rax, %cr3
	mov %cr4, %rsi
	bts $7, %rsi
	mov %rsi, %cr4                 // PGE
	orl $0x100, (%rbx)             // global
	invlpg (%rbx)
	mov 0x200000, %ecx
	movl $0x101103, (%rbx)
	invlpg 0x200000                // drops global translations as well
	mov 0x200000, %ecx
	finish
