// mode: protected
// hlt with interrupts off: nothing can wake it, the recording ends idle (exit code 0).
#include "guest.inc"
	.code32
	.globl start
start:
	cli
	mov $1, %eax
	hlt
	finish
