// mode: protected
// exit: 1
// says: returns to a task: not supported
// iretd with NT set returns to the task that the back link names: not supported.
#include "faults32.inc"
	.code32
	.globl start
start:
	push $0x4002
	popf
	push $2
	push $0x10
	push $1f
	iretl
1:	finish
