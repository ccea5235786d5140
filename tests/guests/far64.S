// mode: long
// Far jmp, call, ret in long mode; 64-bit to a compatibility-mode code segment and back; REX.W far pointers; accessed bits in the GDT (SDM 2, JMP, CALL, RET).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	lgdt gdt_ptr
	ljmp *to64                     // 32-bit offset: same kind of segment, accessed bit
1:	push $1
	lcall *to_far
	rex64 lcall *to_far64          // 64-bit words
	lcallw *to_far16               // 16-bit words
	rex64 ljmp *to_compat          // 64-bit offset
	.code32
compat:	mov $0x12345678, %eax
	inc %eax                       // 40 is inc here
	.byte 0x40
	push %eax                      // 4 bytes
	mov $0x18, %ecx
	mov %ecx, %ss
	pushf
	popf
	mov 0x8000, %edx
	lcall $0x28, $far32            // to 64-bit code: 32-bit words
	ljmp $0x10, $back
	.code64
far32:	lret                           // pops 32-bit words, back to compatibility mode
far:	lret $8
far64:	lretq
far16:	lretw
back:	mov %eax, %edx
	try ljmp *bad                  // data: #GP(18)
	try ljmp *beyond               // #GP(48)
	try ljmp *absent               // #NP(40)
	finish
	.balign 8
to64:	.long 1b
	.word 0x28
to_far:	.long far
	.word 0x28
to_far64: .quad far64
	.word 0x28
to_far16: .word far16, 0x28
to_compat: .quad compat
	.word 0x30
bad:	.long 1b
	.word 0x18
beyond:	.long 1b
	.word 0x48
absent:	.long 1b
	.word 0x40
	.balign 8
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0
	.quad 0x00af9a000000ffff       // 28: 64-bit code, not accessed
	.quad 0x00cf9a000000ffff       // 30: 32-bit code
	.quad 0x00cf92000000ffff       // 38: data
	.quad 0x00af1b000000ffff       // 40: not present
gdt_ptr: .word 0x47
	.quad gdt
	idt_faults
