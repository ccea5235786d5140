// mode: protected
// exit: 1
// says: vector 6 goes through a task gate: task switches are not supported
// Task switches are not supported: the recording ends there, whole up to then.
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	mov $1, %eax
	ud2
	finish
	.balign 8
idt32:	.rept 6
	nogate32
	.endr
	gate32 0, 5, 0, 0x28
gdt32:
idtr:	.word gdt32 - idt32 - 1
	.long idt32
