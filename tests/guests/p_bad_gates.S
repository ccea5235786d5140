// mode: protected
// Gates that do not work: error codes with IDT and EXT bits, #NP gate, code segments that do not fit, a double fault and its frame (SDM 3, 6.13, 6.15).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	try int $0x20                  // not present: #NP(102), a software interrupt: no EXT
	try int $0x21                  // a data segment is no gate: #GP(10a)
	try int $0x22                  // gate to a data segment: #GP(18)
	try int $0x23                  // gate to null: #GP(0)
	try int $0x24                  // gate to code that is not present: #NP(20)
	try int $0x25                  // offset beyond the limit: #GP(0)
	try ud2                        // its gate is not present: #NP(33): index 6, IDT, EXT
	try bound %eax, bounds         // gate to null: #GP(1): EXT
	xor %ecx, %ecx
	try div %ecx                   // #DE's gate is not present: contributory twice: #DF(0)
	finish
bounds:	.long 1, 2
go_on:	mov %ebp, (%esp)
	iret
go_on_code:
	pop %esi
	mov %ebp, (%esp)
	iret
	.balign 16
idt32:	.word go_on, 0x10, 0x0e00, 0   // 0: not present
	.rept 4
	nogate32
	.endr
	gate32 go_on, 0xe, 0, 0        // 5: null selector
	.word go_on, 0x10, 0x0e00, 0   // 6: not present
	nogate32
	gate32 go_on_code              // 8 #DF
	nogate32
	.rept 5
	gate32 go_on_code              // 10 to 14
	.endr
	.rept 0x20 - 15
	nogate32
	.endr
	.word go_on, 0x10, 0x0e00, 0   // 20: not present
	.quad 0x00cf93000000ffff       // 21: no gate
	gate32 go_on, 0xe, 0, 0x18     // 22: to data
	gate32 go_on, 0xe, 0, 0        // 23: to null
	gate32 go_on, 0xe, 0, 0x20     // 24: not present
	gate32 go_on, 0xe, 0, 0x28     // 25: small
gdt32:	.quad 0, 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	seg 0, 0xffff, 0x1a, 0xc       // 20: code, not present
	seg 0, 0xff, 0x9a, 4           // 28: code, limit ff
gdt32_end:
	tables32_end
