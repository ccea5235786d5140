// mode: real
// A push with SP = 1 shuts the CPU down: no room for the frame of #SS either (SDM 2, PUSH: real-address mode). SP = 0 wraps.
#include "real.inc"
	.code16
	.globl start
start:
	ivt 12, go_on
	ivt 8, go_on
	mov $0x2000, %ax
	mov %ax, %ss
	xor %sp, %sp
	push %ax                       // to fffe
	pop %bx                        // and back to 0
	pushl $0x12345678              // to fffc
	mov $2, %sp
	push %bx                       // to 0
	mov $0xffff, %sp
	push %ax                       // to fffd, not aligned
	mov $1, %sp
	push %ax
	finish
	ivt_go_on
