// mode: long
// mul, imul, div, idiv: CF = OF = the upper half counts; the rest of the flags undefined; results by hand (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x1234, %ax
	mov $0x10, %bl
	mul %bl                        // 34 * 10 = 340
	mov $2, %bl
	mov $0x40, %al
	mul %bl                        // 80: upper half 0, CF = 0
	mov $0xff, %al
	imul %bl                       // -1 * 2 = fffe, CF = 0
	mov $0x8000, %ax
	mov $0x8000, %cx
	imul %cx                       // 4000:0000, CF = 1
	mov $-1, %eax
	mov $-1, %ecx
	mul %ecx                       // fffffffe:00000001
	imul %ecx, %eax                // 1 * -1 = ffffffff, CF = 0
	imul $1000, %eax, %esi         // -1000
	imul $0x7f, %cx, %di           // -127 in 16 bits
	mov $-1, %rax
	mov $3, %ecx
	mul %rcx                       // 2:fffffffffffffffd
	div %rcx                       // back: ffffffffffffffff, remainder 0
	xor %edx, %edx
	mov $100, %eax
	mov $7, %ebx
	div %ebx                       // 14, 2
	mov $-100, %ax
	mov $-1, %dx
	idiv %bx                       // -14 (fff2), -2 (fffe)
	mov $0x00ff, %ax
	div %bl                        // 255 / 7 = 36 (24), 3
	mov $-7, %ax
	idiv %bl                       // -1, 0
	mov $0x20000, %ebp
	movq $-5, (%rbp)
	mov $17, %eax
	cqo
	idivq (%rbp)                   // -3, 2
	finish
