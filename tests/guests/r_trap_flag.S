// mode: real
// Single-stepping by TF: int 1 behind every instruction, DR6.BS; not behind the popf or iret that sets it before one more ran; mov ss holds it back (SDM 3, 17.3.1.4, 6.8.3).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 1, step
	ivt 3, brk
	pushf
	pop %ax
	or $0x100, %ax
	push %ax
	popf                           // TF is on from here
	nop                            // trapped behind it
	int3                           // TF is off in the handler; no trap of its own
	mov %ss, %bx
	mov %bx, %ss                   // no trap here ...
	mov %sp, %cx                   // ... but behind this
	mov $2, %cx
	mov $0x9000, %di
	rep stosb                      // behind each iteration
	pushf                          // the image shows TF
	pop %ax
	and $0xfeff, %ax
	push %ax
	popf                           // TF off; still trapped, for it was on before
	mov %dr6, %eax
	finish
step:	iret
brk:	iret
