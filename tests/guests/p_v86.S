// mode: protected
// exit: 1
// says: returns to virtual-8086 mode: not supported
// iretd with VM in the image enters virtual-8086 mode at CPL 0: not supported.
#include "faults32.inc"
	.code32
	.globl start
start:
	push $0
	push $0
	push $0
	push $0
	push $0
	push $0x8000
	push $0x20002
	push $0
	push $0x9000
	iretl
	finish
