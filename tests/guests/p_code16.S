// mode: protected
// 16-bit segments in protected mode: IP and SP are 16 bits, prefixes turn sizes round, far transfers between 16- and 32-bit code (SDM 3, 21).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	ljmp $0x20, $1f                // 16-bit code, base 0
	.code16
1:	mov $0x1234, %ax
	mov $0x12345678, %ebx
	mov 0x8000, %dx
	mov $0x28, %cx
	mov %cx, %ss                   // 16-bit stack: SP
	mov $0xffff0002, %esp
	push %ax                       // 0
	pushl %ebx                     // fffc: wraps
	pop %cx
	jmp 2f
	nop
2:	call 3f
	lcall $0x20, $f16
	lcalll $0x10, $f32             // to 32-bit code and back: ESP's upper half is kept
	mov $0xfff0, %bx
	mov 0x20(%bx), %al             // address wraps to 10
	ljmpl $0x10, $4f
	.code32
4:	mov $0x18, %ecx
	mov %ecx, %ss
	mov $0x12000, %esp
	finish
	.code16
3:	ret
f16:	lret
	.code32
f32:	push %ecx                      // 16-bit stack, 32-bit code: four bytes by SP
	pop %ecx
	lret
	tables32
	seg 0, 0xffff, 0x9a            // 20: 16-bit code
	seg 0, 0xffff, 0x92            // 28: 16-bit data at 0
gdt32_end:
	tables32_end
