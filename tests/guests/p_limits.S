// mode: protected
// Segment limits: byte and page granular, expand-up and expand-down, 16- and 32-bit, #GP(0) and for SS #SS(0) (SDM 3, 5.3).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	mov $0x20, %eax
	mov %eax, %fs                  // base 9000, limit fff
	mov %fs:0xfff, %al             // last byte
	try mov %fs:0xfff, %ax
	try mov %al, %fs:0x1000
	mov %fs:0xffc, %ebx
	try mov %fs:0xffd, %ebx
	mov $0x28, %eax
	mov %eax, %gs                  // expand-down, limit fff: 1000..ffff
	mov %gs:0x1000, %cl            // 9000 + 1000
	try mov %gs:0xfff, %cl
	mov %gs:0xfffc, %edx           // up to ffff with D = 0
	try mov %gs:0xfffd, %edx
	try mov %gs:0x10000, %dl
	mov $0x30, %eax
	mov %eax, %gs                  // the same with D = 1: 1000..ffffffff
	mov %gs:0x10000, %dl
	mov %gs:-4, %edx               // base 9000 + fffffffc wraps to 8ffc
	try mov %gs:0xffe, %edx        // begins below
	mov $0x38, %eax
	mov %eax, %es                  // limit 1 page: fff
	mov $0xffe, %edi
	mov $2, %ecx
	mov $1f, %ebp
	rep stosw                      // the second word does not fit
1:	mov $0x40, %eax
	mov %eax, %ss                  // base 9000, limit 1f, 32-bit
	mov $0x20, %esp
	push %eax                      // 1c..1f
	mov (%esp), %edx
	try mov 2(%esp), %edx          // 1e..21: #SS(0)
	mov $0x18, %eax
	mov $0x12000, %ecx
	mov %eax, %ss
	mov %ecx, %esp
	mov $0x10, %ecx
	mov $0x9f00, %edi
	mov %eax, %es
	std
	rep stosb                      // flat again
	finish
	tables32
	seg 0x9000, 0xfff, 0x92        // 20
	seg 0x9000, 0xfff, 0x96, 0     // 28
	seg 0x9000, 0xfff, 0x96, 4     // 30
	seg 0x9000, 0, 0x92, 8         // 38
	seg 0x9000, 0x1f, 0x92, 4      // 40
gdt32_end:
	tables32_end
