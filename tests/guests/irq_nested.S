// mode: long
// args: --step-ns 1000
// Two lines: a serial interrupt (4) inside which the timer (0, higher) is taken once IF is set, though not before; in-service bits and EOI; the lower one waits for the EOI of the higher.
#include "pic64.inc"
	.code64
	.globl start
start:
	lidt table
	pic_init 0xee                  // lines 0 and 4
	mov $0x3f9, %edx
	mov $2, %al
	out %al, (%dx)                 // COM1: transmitter empty
	mov $0x3fc, %edx
	mov $8, %al
	out %al, (%dx)                 // OUT2 lets the line out
	sti
	nop
	nop
	cli
	finish
irq4:	pit_once 1
	.rept 4
	nop                            // a step is 1 us, a tick 0.84
	.endr
	sti                            // line 0 is of higher priority: no EOI needed
	nop
	nop
	cli
	mov $0x3fa, %edx
	in (%dx), %al                  // IIR: transmitter empty; reading clears it
	mov $0xb, %al
	out %al, $0x20
	in $0x20, %al                  // ISR: only line 4
	mov $0x64, %al
	out %al, $0x20
	iretq
irq0:	mov $0xb, %al
	out %al, $0x20
	in $0x20, %al                  // ISR: both
	mov $0x60, %al
	out %al, $0x20
	iretq
	.balign 16
idt:	.rept 32
	nogate64
	.endr
	gate64 irq0
	.rept 3
	nogate64
	.endr
	gate64 irq4
	table64 table, idt, 0x250
