// mode: long
// inc, dec, neg: CF is kept by inc and dec, neg sets it for all but zero (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x7f, %al
	stc
	inc %al                        // 80: overflow, CF stays
	dec %al                        // 7f: overflow
	clc
	mov $0xffff, %bx
	inc %bx                        // zero, CF stays 0
	dec %bx
	mov $-1, %rcx
	inc %ecx                       // upper half cleared
	dec %rcx
	movabs $0x8000000000000000, %rdx
	neg %rdx                       // overflow
	neg %dl                        // zero: CF = 0
	mov $1, %esi
	neg %esi
	neg %si
	movabs $0x7fffffffffffffff, %rdi
	inc %rdi
	dec %rdi
	finish
