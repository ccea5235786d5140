// mode: long
// and, or, xor, test, not: CF and OF are cleared, AF is undefined, NOT keeps flags (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0xf0f0, %eax
	stc
	and $0xff, %al                 // al = f0
	stc
	and $0x0f0f, %ax               // 16 bits: zero
	mov $0x80000001, %ecx
	or $0x10, %ecx                 // 32 bits, sign
	mov $-1, %rdx
	xor %edx, %edx                 // zero, clears the upper half
	not %rdx                       // no flags
	stc
	xor $0x7f, %dl
	and $0x80, %rdx                // one bit: odd parity
	test $0x80, %dl
	test %rdx, %rdx
	not %dl
	not %dx
	not %edx
	finish
