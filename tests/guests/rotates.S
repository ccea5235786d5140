// mode: long
// rol, ror, rcl, rcr: only CF and OF change; counts are taken modulo the width, for rcl and rcr of 8 and 16 bits modulo 9 and 17 (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x81, %al
	rol $1, %al                    // 03, CF = 1, OF = MSB ^ CF = 1
	ror $1, %al                    // 81, CF = 1, OF = MSB ^ next = 1
	mov $8, %cl
	rol %cl, %al                   // whole turn: value kept, CF = bit 0
	clc
	mov $32, %cl
	rol %cl, %al                   // masked to 0: CF stays
	stc
	rcl $1, %al                    // 03, CF = 1
	mov $9, %cl
	rcl %cl, %al                   // 9 of 9 bits: nothing moves
	clc
	rcr $1, %al                    // 01, CF = 1
	rcr $1, %al                    // 80, CF = 1
	mov $0x8000, %bx
	mov $17, %cl
	rcl %cl, %bx                   // 17 of 17 bits
	rcl $1, %bx                    // 0001, CF = 1
	ror $4, %bx                    // 1000
	mov $0x80000001, %edx
	rcr $1, %edx                   // CF in at the top
	rol $4, %edx
	movabs $0x8000000000000001, %rsi
	rol $1, %rsi                   // 3
	rcr $2, %rsi
	ror $63, %rsi
	finish
