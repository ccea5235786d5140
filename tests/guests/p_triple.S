// mode: protected
// No double fault handler either: shutdown, the end of the machine (SDM 3, 6.15, interrupt 8).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	mov $1, %eax
	ud2                            // vector 6 is beyond the table: #GP, beyond it too: #DF, beyond it too
	finish
idtr:	.word 0x27
	.long 0x9000
