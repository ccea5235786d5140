// mode: real
// The interval timer's interrupt: PIC set up, hlt jumps to the next tick (idle), the handler acknowledges; hlt with everything masked ends idle (SDM 2, HLT).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 8, tick
	mov $0x11, %al                 // ICW1
	out %al, $0x20
	mov $8, %al                    // ICW2: vectors 8..15
	out %al, $0x21
	mov $4, %al                    // ICW3
	out %al, $0x21
	mov $1, %al                    // ICW4
	out %al, $0x21
	mov $0xfe, %al                 // only IRQ 0
	out %al, $0x21
	mov $0x34, %al                 // channel 0, mode 2
	out %al, $0x43
	mov $100, %al
	out %al, $0x40
	mov $0, %al
	out %al, $0x40
	sti
	hlt                            // 100 ticks of 1.193182 MHz: 83809 ns
	hlt
	mov $0xff, %al
	out %al, $0x21
	hlt                            // nothing can wake it but what is masked
	finish
tick:	push %ax
	mov $0x20, %al
	out %al, $0x20                 // end of interrupt
	pop %ax
	iret
