// mode: long
// add and sub at each width: CF, OF, AF, ZF, SF, PF (SDM 2, ADD, SUB; SDM 1, 3.4.3.1).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x7f, %al
	add $1, %al                    // signed overflow
	add $0x80, %al                 // carry out, zero
	mov $0xffff, %bx
	add $1, %bx                    // 16 bits: carry, upper bits kept
	mov $0x7fffffff, %ecx
	add $1, %ecx                   // 32 bits: overflow, upper half cleared
	mov $-1, %rdx
	add $1, %rdx                   // 64 bits: carry
	sub $1, %rdx                   // borrow
	sub %rdx, %rdx                 // zero
	stc
	adc $0, %rdx                   // carry in
	stc
	sbb $1, %rdx                   // 1 - 1 - 1
	finish
