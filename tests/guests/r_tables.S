// mode: real
// lgdt, sgdt, lidt, sidt, smsw, lmsw in real mode: 24- and 32-bit bases, a moved vector table, a short one (SDM 2, LGDT, SGDT, LMSW; SDM 3, 20.1.4).
#include "real.inc"
	.code16
	.globl start
start:
	lgdt desc                      // 16-bit operand: 24 bits of base
	sgdt 0x9000                    // six bytes
	lgdtl desc                     // all 32
	sgdt 0x9000
	sidt 0x9008
	movl $handler, 0x9000 + 4*0x40
	lidt moved
	int $0x40                      // through 9000
	sidt 0x9008
	movl $go_on, 0x9000 + 4*13
	lidt cut                       // limit 37: vectors 0 to 13
	try int $0x0e                  // beyond the limit: #GP, IP of the int
	smsw %ax                       // CR0's low word
	smsw %eax                      // 32 bits of it on this CPU
	smsw 0x9020
	mov $8, %ax
	lmsw %ax                       // TS
	mov %cr0, %ebx
	clts
	mov $4, %ax
	lmsw %ax                       // EM
	xor %ax, %ax
	lmsw %ax
	mov $0x10, %ax
	lmsw %ax                       // only the low four bits
	mov %cr0, %ebx
	finish
handler: iret
desc:	.word 0x1234
	.long 0x87654321
moved:	.word 0x3ff
	.long 0x9000
cut:	.word 0x37
	.long 0x9000
	ivt_go_on
