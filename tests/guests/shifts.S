// mode: long
// shl, shr, sar: counts 0, 1, more, beyond the width (SDM 2): the count is masked to 5 bits (6 with REX.W), count 0 leaves flags, OF is defined for 1 only.
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x81, %al
	stc
	mov $32, %cl
	shl %cl, %al                   // masked to 0: nothing, flags stay
	mov $1, %cl
	shl %cl, %al                   // 02, CF = 1, OF = MSB ^ CF = 1
	mov $0xff, %al
	mov $9, %cl
	shl %cl, %al                   // beyond 8 bits: 0
	mov $0x80, %al
	shr $1, %al                    // 40, OF = old MSB
	shr $7, %al                    // 0, CF = bit 6
	mov $0x80, %al
	sar $1, %al                    // c0, OF = 0
	mov $31, %cl
	sar %cl, %al                   // ff, CF = sign
	mov $0x8001, %bx
	shl $15, %bx                   // 8000
	sar $4, %bx                    // f800
	mov $0x80000000, %edx
	shr $31, %edx                  // 1
	shl $32, %edx                  // nothing, but the upper half is cleared anyway
	mov $-1, %rdx
	shl $32, %edx                  // count 0 clears the upper half
	mov $1, %rdx
	mov $127, %cl
	shl %cl, %rdx                  // masked to 63
	sar $63, %rdx                  // -1
	shr $64, %rdx                  // masked to 0
	shr $1, %rdx
	finish
