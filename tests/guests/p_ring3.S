// mode: protected
// Ring 3 without paging: a far return goes there, interrupts, faults and a call gate come back through the TSS's stack, what is privileged faults (SDM 2, RET, INT n, CALL; SDM 3, 5.8.5, 5.9, 6.12.1).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	movl $0x11800, 0x9804          // ESP0
	movl $0x18, 0x9808             // SS0
	movw $0x68, 0x9866             // I/O map behind the limit: none
	mov $0x30, %eax
	ltr %ax
	mov $0x2b, %eax
	mov %eax, %fs                  // DPL 3 data: kept
	push $0x2b
	push $0x11000
	push $0x23
	push $1f
	lret                           // DS, ES and GS become null, FS stays
1:	inc %eax
	movl $0x55, %fs:0x9000
	int $0x20                      // gate of DPL 3: SS, ESP, EFLAGS, CS, EIP on the inner stack
	try int $0x21                  // gate of DPL 0: #GP(10a)
	try cli                        // IOPL 0: #GP(0)
	try hlt
	try mov %cr0, %eax
	try in $0x60, %al              // no I/O map in this TSS
	movw $0x50, %fs:0x9866         // one there; port 60 is bit 0 of 985c
	in $0x60, %al                  // clear: allowed
	movb $1, %fs:0x985c
	try in $0x60, %al
	pushf
	pop %eax
	or $0x3202, %eax               // IOPL and IF: neither can be changed here
	push %eax
	popf
	push $0x1111
	push $0x2222
	lcall $0x3b, $0                // call gate, DPL 3, two parameters copied to the inner stack
	try mov %eax, %ds:0x9000       // DS is null
	mov $0x18, %ecx
	try mov %ecx, %ds              // DPL 0: #GP(18)
	mov $0x2b, %ecx
	mov %ecx, %ds
	mov $0, %eax
	lcall $0x43, $0                // a gate without parameters, whose end is the end
gate:	mov 8(%esp), %ebx              // the last parameter
	lret $8                        // parameters drop from both stacks
end:	finish
	tables32
	.quad 0x00cffa000000ffff       // 20: code, DPL 3
	.quad 0x00cff2000000ffff       // 28: data, DPL 3
	seg 0x9800, 0x67, 0x89         // 30: TSS
	.word gate, 0x10, 0xec02, 0    // 38: call gate, DPL 3, 2 parameters
	.word end, 0x10, 0xec00, 0     // 40
gdt32_end:
	tables32_end
