// mode: protected
// exit: 1
// says: switches tasks: not supported
// A far jump to a TSS is a task switch: not supported, the recording ends with that.
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	mov $0x20, %eax
	ltr %ax
	ljmp $0x28, $0
	finish
	tables32
	seg 0x9800, 0x67, 0x89         // 20: TSS
	seg 0x9900, 0x67, 0x89         // 28: TSS
gdt32_end:
	tables32_end
