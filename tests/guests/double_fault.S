// mode: long
// Faults during delivery: #PF through a gate that is not present gives #NP (a page fault and a contributory one: #DF); a benign one and #NP: #NP; #DF on an IST stack; a #DF that fails: shutdown (SDM 3, table 6-5, 6.14.5).
#include "guest.inc"
	.code64
	.globl start
start:
	lidt table
	lgdt gdt_ptr
	mov $0x20, %eax
	ltr %ax                        // TSS: marks it busy
	int3                           // its gate is not present: #NP, error 3*8 + 2, rip of int3
	ud2                            // benign: its gate is bad: #GP, error 6*8 + 2 + EXT
	lea 1f(%rip), %r15
	movabs 0x400000000, %eax       // #PF, gate not present: #NP is contributory: #DF
1:	lea 2f(%rip), %r15
	xor %edx, %edx
	div %edx                       // #DE contributory, gate's selector is bad: #GP: #DF
2:	movb $0, df_gate + 5           // #DF gate is gone
	movabs 0x400000000, %eax          // shutdown
	finish
np:	pop %r8                        // error code
	addq $1, (%rsp)
	iretq
gp:	pop %r8
	addq $2, (%rsp)
	iretq
df:	pop %r8                        // always 0
	mov %r15, (%rsp)
	iretq
	.balign 16
idt:	.word df, 0x18                 // #DE: its selector is data
	.byte 0, 0x8e
	.word 0
	.long 0, 0
	nogate64
	nogate64
	.word np, 0x10                 // #BP: an interrupt gate, not present
	.byte 0, 0x0e
	.word 0
	.long 0, 0
	nogate64
	nogate64
	gate64 df, 0x6                 // #UD: a 16-bit gate is no gate in long mode
	nogate64
df_gate:
	gate64 df, 0xe, 2
	nogate64
	nogate64
	gate64 np                      // #NP
	nogate64
	gate64 gp                      // #GP
	.word gp, 0x10                 // #PF: not present
	.byte 0, 0x0e
	.word 0
	.long 0, 0
	.rept 17
	nogate64
	.endr
	table64 table, idt, 0x200
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.word 0x67, tss, 0x8900, 0
	.quad 0
gdt_ptr: .word 0x2f
	.quad gdt
	.balign 8
tss:	.long 0
	.quad 0x21000, 0, 0, 0
	.quad 0x22000, 0x23008         // IST1, IST2 (aligned down)
	.rept 64
	.byte 0
	.endr
