// mode: protected
// Segments that are not present: #NP with the selector, #SS for SS; loads of SS that must be #GP; the Accessed bit as a write of the CPU (SDM 2, MOV; SDM 3, 3.4.5.1, 6.15).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	mov $0x20, %eax
	try mov %eax, %ds              // #NP(20)
	try mov %eax, %ss              // #SS(20)
	try ljmp $0x28, $0             // #NP(28)
	try lcall $0x28, $0            // nothing pushed
	push $0x20
	try pop %es                    // ESP stays
	pop %eax
	try lds pointer, %ebx          // EBX stays
	mov $0x30, %eax
	try mov %eax, %ss              // DPL 3: #GP(30)
	mov %eax, %es                  // for data that is allowed; Accessed
	mov %eax, %es                  // no second write
	mov $0x33, %eax
	mov %eax, %fs                  // RPL 3 <= DPL 3
	try mov %eax, %ss              // RPL 3 is not CPL: #GP(30)
	orb $0x80, gdt32 + 0x25        // the handler of #NP would do this
	mov $0x20, %eax
	mov %eax, %gs                  // now it is present
	ljmp $0x38, $1f                // code: its Accessed bit
1:	ljmp $0x10, $2f
2:	mov $0x18, %eax
	mov %eax, %ss
	finish
pointer: .long 0x12345678
	.word 0x20
	tables32
	seg 0x9000, 0xfff, 0x12        // 20: data, not present
	seg 0, 0xffff, 0x1a, 0xc       // 28: code, not present
	seg 0, 0xfff, 0xf2, 8          // 30: data, DPL 3
	.quad 0x00cf9a000000ffff       // 38: code
gdt32_end:
	tables32_end
