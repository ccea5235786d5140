// mode: real
// The A20 gate, at the keyboard controller and at port 92 (either opens it): with it off, bit 20 of every physical address is 0, so FFFF:0010 is address 0 again.
#include "real.inc"
	.code16
	.globl start
start:
	mov $0xffff, %ax
	mov %ax, %es
	movw $0x1111, 0x500
	movw $0x2222, %es:0x510        // 100500: A20 is on
	mov $0xd1, %al                 // keyboard controller: write its output port
	out %al, $0x64
	mov $0xdd, %al                 // A20 low there: port 92 alone holds it open
	out %al, $0x60
	movw %es:0x510, %bx            // 2222 still
	in $0x92, %al                  // bit 1
	and $0xfc, %al
	out %al, $0x92                 // off
	movw %es:0x510, %bx            // 000500
	incw %es:0x510
	mov 0x500, %cx
	mov $0x500, %si
	mov $0x512, %di
	movsw                          // DS:500 to ES:512 = 502
	push %es:0x512
	pop %dx
	in $0x92, %al
	or $2, %al
	out %al, $0x92                 // on
	mov %es:0x510, %bx             // 100500 kept its value
	mov 0x502, %dx
	finish
