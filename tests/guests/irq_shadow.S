// mode: long
// args: --step-ns 1000
// A pending interrupt and sti, mov ss, pop ss, popf, iretq: sti and loads of SS hold it back over one instruction, popf and iretq do not; a masked line; cli (SDM 3, 6.8; SDM 2, STI, MOV).
#include "pic64.inc"
	.code64
	.globl start
start:
	lidt table
	pic_init 0xff
	pit_once 2
	.rept 4
	nop                            // a step is 1 us, a tick 0.84
	.endr
	mov $0xa, %al
	out %al, $0x20                 // OCW3: read the IRR
	in $0x20, %al                  // line 0 requests
	sti
	nop
	nop                            // masked: nothing
	cli
	mov $0xfe, %al
	out %al, $0x21                 // unmasked, IF = 0
	nop
	sti
	nop                            // the shadow
	nop                            // taken before this one
	pit_once 2
	cli
	.rept 4
	nop                            // a step is 1 us, a tick 0.84
	.endr
	sti
	cli                            // sti; cli: never taken
	nop
	pushq $0x202
	popfq                          // no shadow: taken before the next
	nop
	cli
	pit_once 2
	.rept 4
	nop                            // a step is 1 us, a tick 0.84
	.endr
	mov %ss, %eax
	sti
	mov %eax, %ss                  // its shadow follows that of sti
	nop                            // behind this one
	nop
	finish
irq0:	push %rax
	mov $0x60, %al                 // specific EOI of line 0
	out %al, $0x20
	pop %rax
	iretq
	.balign 16
idt:	.rept 32
	nogate64
	.endr
	gate64 irq0
	table64 table, idt, 0x210
