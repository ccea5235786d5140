// mode: real
// Far jumps, calls and returns with 16- and 32-bit operands: CS.base is 16 times the selector (SDM 2, JMP, CALL, RET).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 13, go_on
	ljmp $0x800, $1f - 0x8000      // the same place by another name
1:	ljmpl $0, $2f
2:	lcall $0x7ff, $f16 - 0x7ff0
	lcalll $0, $f32
	lcall *ptr16
	lcalll *ptr32
	push $arg
	lcall $0, $f_args              // takes its word with it
	push %cs
	push $3f
	lret                           // a jump by the stack
	nop
3:	ljmp *ptr_jump
4:	ljmp $0, $5f
5:	try ljmpl $0, $0x10000         // EIP beyond 64K: vector 13, nothing changed
	try lcalll $0, $0x12345        // nothing pushed either
	finish
f16:	lret
f32:	lretl
f_args:	lret $2
arg = 0x5aa5
ptr16:	.word f16 - 0x7000, 0x700
ptr32:	.long f32
	.word 0
ptr_jump: .word 4b - 0x8000, 0x800
	ivt_go_on
