// mode: real
// Interrupts within interrupts: the serial line's handler (IRQ 4) is interrupted by the timer (IRQ 0, higher priority), never the other way round before its EOI.
#include "real.inc"
	.code16
	.globl start
start:
	ivt 8, timer
	ivt 12, serial
	mov $0x11, %al
	out %al, $0x20
	mov $8, %al
	out %al, $0x21
	mov $4, %al
	out %al, $0x21
	mov $1, %al
	out %al, $0x21
	mov $0xee, %al                 // IRQ 0 and 4
	out %al, $0x21
	mov $0x3fc, %dx
	mov $8, %al                    // OUT2: the interrupt's gate
	out %al, %dx
	mov $0x3f9, %dx
	mov $2, %al                    // transmitter empty: at once
	out %al, %dx
	sti
	nop
	nop                            // both are done
	finish
serial:	mov $0x3fa, %dx
	in %dx, %al                    // IIR 2: reading takes the interrupt back
	mov $0x30, %al                 // the timer, once, very soon
	out %al, $0x43
	mov $1, %al
	out %al, $0x40
	mov $0, %al
	out %al, $0x40
	sti
	hlt                            // until the timer
	mov $0x0b, %al                 // OCW3: read ISR
	out %al, $0x20
	in $0x20, %al                  // 10: only IRQ 4 is in service
	mov $0x20, %al
	out %al, $0x20
	iret
timer:	mov $0x0b, %al
	out %al, $0x20
	in $0x20, %al                  // 11: both
	mov $0x60, %al                 // specific EOI for 0
	out %al, $0x20
	iret
