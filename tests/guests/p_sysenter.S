// mode: protected
// sysenter from ring 0 and, by sysexit, from ring 3: fixed segments from SYSENTER_CS (SDM 2, SYSENTER, SYSEXIT).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	try sysenter                   // SYSENTER_CS is 0: #GP(0)
	xor %edx, %edx
	mov $0x174, %ecx
	mov $0x10, %eax
	wrmsr
	inc %ecx
	mov $0x11f00, %eax
	wrmsr                          // ESP
	inc %ecx
	mov $kernel, %eax
	wrmsr                          // EIP
	sti
	sysenter                       // CS 10, SS 18, IF off; no frame
kernel:	dec %ebx
	js 1f                          // the first time
	finish
1:	mov $1, %ebx
	mov $user, %edx
	mov $0x11000, %ecx
	sysexit                        // CS 23, SS 2b: flat, whatever the table says
user:	nop
	sysenter
	tables32
gdt32_end:
	tables32_end
