// mode: protected
// Division at 8, 16 and 32 bits, each with its overflow: #DE, nothing changed, EIP of the instruction (SDM 2, DIV, IDIV).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	mov $0x0fff, %ax
	mov $0x10, %bl
	div %bl                        // ff rem f
	mov $0x1000, %ax
	try div %bl                    // 100 does not fit
	mov $0xf800, %ax               // -2048
	idiv %bl                       // -128 rem 0
	mov $0xf7f0, %ax               // -2064
	try idiv %bl                   // -129
	mov $0x0800, %ax
	try idiv %bl                   // 128
	mov $2, %dx
	mov $1, %ax
	mov $3, %cx
	div %cx                        // 20001 / 3
	mov $3, %dx
	try div %cx                    // DX >= divisor
	mov $0x8000, %ax
	cwtd
	mov $-1, %cx
	try idiv %cx                   // -32768 / -1
	mov $0x80000000, %eax
	cltd
	mov $-1, %ecx
	try idiv %ecx
	mov $2, %ecx
	idiv %ecx                      // -40000000
	xor %edx, %edx
	movl $0, 0x9000
	try divl 0x9000                // by zero in memory
	movl $7, 0x9000
	divl 0x9000
	finish
	tables32
gdt32_end:
	tables32_end
