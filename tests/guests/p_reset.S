// mode: protected
// The reset port cf9: a byte with bit 2 set ends the machine; a doubleword write there is a PCI address (out to cf8 covers it), not a reset.
#include "guest.inc"
	.code32
	.globl start
start:
	mov $0xcf8, %dx
	mov $0x80000600, %eax
	out %eax, %dx                  // cf8..cfb: bit 2 of cf9's byte is set
	mov $0xcf9, %dx
	mov $2, %al
	out %al, %dx                   // bit 2 clear: prepares
	mov $6, %al
	out %al, %dx                   // reset
	finish
