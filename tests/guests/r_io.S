// mode: real
// Port instructions of each width and form; ins and outs with 16-bit indexes; what the devices answer: PIC masks, CMOS, serial output with its event, nobody (all ones).
#include "real.inc"
	.code16
	.globl start
start:
	mov $0x1234abcd, %eax
	mov $0x1000, %dx               // nobody there
	in %dx, %al
	in %dx, %ax
	in %dx, %eax
	out %eax, %dx
	mov $0xfb, %al
	out %al, $0x21                 // PIC mask
	in $0x21, %al
	mov $0x0f, %al
	out %al, $0x70                 // CMOS index
	in $0x71, %al
	mov $0x15, %al
	out %al, $0x70
	in $0x71, %al                  // base memory, low: 280h KiB
	mov $0x16, %al
	out %al, $0x70
	in $0x71, %al
	mov $0x3f8, %dx
	mov $'K', %al
	out %al, %dx                   // console 0
	mov $0x3fd, %dx
	in %dx, %al                    // 60: transmitter empty
	mov $0x402, %dx
	mov $'!', %al
	out %al, %dx                   // console 2
	in %dx, %al                    // e9
	mov $0x2000, %bx
	mov %bx, %ds
	mov %bx, %es
	movb $'t', 0xffff
	movb $'r', 0
	mov $0xffff, %si
	mov $2, %cx
	mov $0x3f8, %dx
	rep outsb                      // two events, SI wraps
	mov $0x3fd, %dx
	mov $0xfffe, %di
	mov $2, %cx
	rep insb                       // DI wraps to 0
	std
	insb                           // DS:0, DI goes to ffff
	cld
	mov $0x1000, %dx
	mov $8, %di
	insl                           // all ones
	mov $0x10, %si
	outsw %cs:(%si), %dx
	xor %cx, %cx
	rep insb                       // nothing
	finish
