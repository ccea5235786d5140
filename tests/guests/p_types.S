// mode: protected
// What a segment's type allows: writes to read-only data and to code, reads of execute-only code, null selectors (SDM 3, 5.5, 3.4.2, 5.4.1).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	mov $0x20, %eax
	mov %eax, %fs                  // read-only data
	mov %fs:0, %ebx
	try movb $1, %fs:0
	try incl %fs:0                 // read-modify-write: no read seen
	mov $0x10, %eax
	mov %eax, %gs                  // readable code
	mov %gs:0x9000, %ebx
	try mov %ebx, %gs:0x9000
	try mov %ebx, %cs:0x9000
	mov $0x28, %eax
	try mov %eax, %gs              // execute-only: not even loaded: #GP(28)
	ljmp $0x28, $1f                // but run
1:	try mov %cs:0x9000, %ebx       // not read: #GP(0)
	ljmp $0x10, $2f
2:	xor %eax, %eax
	mov %eax, %gs                  // null: may be loaded
	try mov %gs:0, %ebx            // not used
	mov $3, %eax
	mov %eax, %gs                  // null with RPL 3
	try mov %eax, %ss              // #GP(0)
	mov $0x18, %eax
	mov %eax, %gs
	lsl %eax, %ecx
	mov $0x20, %eax
	try mov %eax, %ss              // read-only: #GP(20)
	mov $0x10, %eax
	try mov %eax, %ss              // code: #GP(10)
	try ljmp $0x18, $0             // data: #GP(18)
	try ljmp $0, $0                // null: #GP(0)
	try lcall $0x1000, $0          // beyond the table: #GP(1000)
	mov $0x1c, %eax
	try mov %eax, %es              // LDT, of which there is none: #GP(1c)
	mov $0x1b, %eax
	try mov %eax, %es              // RPL 3 > DPL 0: #GP(18)
	finish
	tables32
	seg 0x9000, 0xffff, 0x90       // 20: read-only
	.quad 0x00cf98000000ffff       // 28: execute-only
gdt32_end:
	tables32_end
