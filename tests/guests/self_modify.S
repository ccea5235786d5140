// mode: long
// Self-modifying code: the changed instruction runs as it stands in memory at each step (SDM 3, 12.6: a jump in between is not needed for the same linear address).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $3, %ecx
1:	mov $1, %al
	incb 1b+1(%rip)                // the immediate
	loop 1b
	movb $0x40, next+1(%rip)       // the very next instruction: 48 ff c0 -> 40 ff c0
	nop
next:	.byte 0x90, 0x48, 0xff, 0xc0
	movw $0x9090, 2f(%rip)         // ud2 -> nops
2:	ud2
	mov $0x20000, %edi
	lea 3f(%rip), %rsi
	mov $4f - 3f, %ecx
	rep movsb                      // code copied ...
	mov $0x20000, %edx
	call *%rdx                     // ... and run
	movb $0x2b, 0x20000            // add -> sub
	call *%rdx
	finish
3:	add %ecx, %eax
	inc %ecx
	ret
4:
