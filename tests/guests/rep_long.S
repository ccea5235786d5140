// mode: long
// rep stosb of 200,000 bytes and rep movsq of 160 KiB: pieces of at most 65,536 iterations or 128 KiB; a piece that does not finish leaves rip (doc/stepping.md).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x100000, %edi
	mov $0x11, %al
	mov $200000, %ecx
	rep stosb
	mov $0x100000, %esi
	mov $0x200000, %edi
	mov $20480, %ecx
	rep movsq
	mov $70000, %ecx
	mov $0x100000, %edi
	repe scasb
	finish
