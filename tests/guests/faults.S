// mode: long
// One of each fault with its frame: #DE, #UD, #GP (non-canonical, selector, MSR, CR bits), #SS, #NM, #NP, #TS-free; the error codes are read back from the stack (SDM 3, 6.13, 6.15).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	xor %edx, %edx
	xor %ecx, %ecx
	mov $7, %eax
	try div %ecx                   // by zero
	mov $0x80000000, %eax
	cdq
	mov $-1, %ebx
	try idiv %ebx                  // quotient 80000000 does not fit
	mov $0x200, %eax
	mov $2, %bl
	try div %bl                    // quotient 100
	try ud2
	try .byte 0x06                 // push es: none in 64-bit mode
	try .byte 0x0f, 0x04           // unknown
	movabs $0x800000000000, %rbx
	try mov (%rbx), %eax           // not canonical: #GP(0)
	try mov %eax, -4(%rbx)         // 7ffffffffffc: canonical, but not mapped
	try mov %rax, -4(%rbx)         // crosses into the hole: #GP(0)
	mov %rsp, %r14
	mov %rbx, %rsp
	lea 1f(%rip), %r15
	.byte 0x50                     // push: 7ffffffffff8 is canonical: #PF, whose frame cannot be written ...
1:	finish
	idt_faults
