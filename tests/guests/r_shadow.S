// mode: real
// The shadow of sti, mov ss and pop ss: a pending interrupt waits one instruction; a second sti casts none (SDM 2, STI, MOV, POP; SDM 3, 6.8.3).
// The interrupt is the serial line's: transmitter empty, which is so at once.
#include "real.inc"
	.code16
	.globl start
start:
	ivt 12, irq
	mov $0x11, %al
	out %al, $0x20
	mov $8, %al
	out %al, $0x21
	mov $4, %al
	out %al, $0x21
	mov $1, %al
	out %al, $0x21
	mov $0xef, %al
	out %al, $0x21
	mov $0x3fc, %dx
	mov $8, %al
	out %al, %dx
	mov $0x3f9, %dx
	mov $2, %al
	out %al, %dx                   // pending
	sti
	cli                            // runs in the shadow, so it is not taken
	nop
	sti
	inc %bx                        // in the shadow
	inc %bx                        // behind the handler
	call again                     // IF is on: taken at once
	cli
	call again
	sti
	sti                            // in the first one's shadow; casts none, for IF was on
	inc %bx                        // behind the handler
	cli
	call again
	xor %ax, %ax
	sti
	mov %ax, %ss                   // in the shadow of sti, and casts its own
	mov $0x7000, %sp
	inc %bx                        // behind the handler
	cli
	push %ss
	call again
	sti
	nop                            // taken behind it
	call again0
	sti
	pop %ss
	mov %sp, %cx                   // both shadows are over behind this
	finish
again:	xor %al, %al
	out %al, %dx
again2:	mov $2, %al
	out %al, %dx
	ret
again0:	cli
	jmp again
irq:	mov $0x3fa, %dx
	in %dx, %al                    // takes the request back
	dec %dx
	mov $0x20, %al
	out %al, $0x20
	iret
