// mode: real
// Decimal arithmetic, SALC and XLAT: values and flags from the manual's pseudocode; what it leaves undefined is 0 (SDM 2, DAA, DAS, AAA, AAS, AAM, AAD, XLAT).
#include "real.inc"
	.code16
	.globl start
start:
	mov $0x79, %al
	add $0x35, %al                 // ae: the manual's own example
	daa                            // 14, CF
	mov $0x35, %al
	sub $0x47, %al                 // ee, CF AF
	das                            // 88, CF: 35 - 47 = -12
	mov $0x99, %al
	add $0x01, %al                 // 9a
	daa                            // 00: ZF, CF, AF
	mov $0x9, %al
	add $0x9, %al                  // 12, AF
	daa                            // 18, no CF
	mov $0x0108, %ax
	add $0x09, %al                 // 11, AF
	aaa                            // 0207
	mov $0x0305, %ax
	sub $0x08, %al                 // fd
	aas                            // 0207
	mov $0x05, %al
	test %al, %al
	aaa                            // nothing to adjust: CF, AF cleared
	mov $0x63, %al
	aam                            // 0909
	aad                            // 0063
	mov $0xff, %al
	aam $16                        // 0f0f
	aad $16                        // 00ff
	mov $0, %al
	aam                            // 0: ZF, PF
	stc
	.byte 0xd6                     // salc: ff
	clc
	.byte 0xd6                     // salc: 0
	mov $0x2000, %bx
	mov %bx, %ds
	movb $0x5a, 0x00ef
	mov $0xfff0, %bx
	mov $0xff, %al
	xlat                           // fff0 + ff wraps to ef
	mov $0xff, %al
	xlat %cs:(%bx)                 // CS:00ef
	movb $0x77, 0x20ef
	mov $0x1ff0, %ebx
	mov $0xff, %al
	addr32 xlat
	lahf
	mov $0xff, %ah
	sahf                           // SF ZF AF PF CF, bit 1 stays, bits 3, 5 stay 0
	cbw
	cwd
	cwde
	finish
