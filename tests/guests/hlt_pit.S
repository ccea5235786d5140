// mode: long
// hlt until the timer: the clock jumps to the tick (838 ns each), the interrupt is taken with rip behind hlt; specific and plain EOI.
#include "pic64.inc"
	.code64
	.globl start
start:
	lidt table
	pic_init
	pit_once 1000
	rdtsc
	mov %eax, %ebx
	sti
	hlt
	rdtsc
	sub %ebx, %eax                 // 838 us at 1 GHz, and what the steps took
	cli
	hlt                            // nothing can wake it: the recording ends
irq0:	push %rax
	mov $0x20, %al
	out %al, $0x20
	pop %rax
	iretq
	.balign 16
idt:	.rept 32
	nogate64
	.endr
	gate64 irq0
	table64 table, idt, 0x210
