// mode: protected
// Interrupt and trap gates of 32 and 16 bits: frames, IF, TF, NT; gate DPL does not matter at CPL 0; iretd (SDM 2, INT n, IRET; SDM 3, 6.12).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	sti
	int $0x20                      // interrupt gate: IF off
	int $0x21                      // trap gate: IF stays
	int $0x22                      // 16-bit interrupt gate: three words
	int $0x23                      // DPL 0; CPL is 0
	int3
	mov $0x7fffffff, %eax
	inc %eax
	into                           // #OF
	pushf
	orl $0x4000, (%esp)
	popf                           // NT
	int $0x21                      // NT off in the handler, on in the frame; its iret brings it back
	pushf
	andl $0xffffbfff, (%esp)
	popf
	int $0x30                      // beyond the limit: #GP(182): index 30h, IDT, not external
	finish
h:	iret
h16:	data16 iret
gp:	pop %ebx                       // 182
	addl $2, (%esp)
	iret
	.balign 16
idt32:	.rept 3
	nogate32
	.endr
	gate32 h                       // 3
	gate32 h                       // 4
	.rept 8
	nogate32
	.endr
	gate32 gp                      // 13
	.rept 0x20 - 14
	nogate32
	.endr
	gate32 h                       // 20
	gate32 h, 0xf                  // 21
	gate32 h16, 6                  // 22
	gate32 h, 0xf, 0               // 23
gdt32:	.quad 0, 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
gdt32_end:
	tables32_end
