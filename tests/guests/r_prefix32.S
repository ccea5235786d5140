// mode: real
// Operand and address size prefixes in 16-bit code: 32-bit registers, scaled addresses, and offsets beyond 64K, which fault (SDM 1, 3.6; SDM 3, 21.5).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 13, go_on
	mov $0x12345678, %eax
	mov $0x1000, %bx               // BX only
	mov $0xffff9000, %ebx
	mov $0x4000, %ecx
	lea (%ebx,%ecx,4), %edx        // ffff9000 + 10000 = 9000, 32 bits
	lea 0x7fff(%bx), %si           // 16 bits: 9000 + 7fff = 10fff -> 0fff
	lea (%bx,%si), %esi            // 16-bit address, 32-bit register: 9fff
	lea (%ebx), %bp                // 32-bit address, 16-bit register: low half
	movl %eax, (%edx)              // DS:9000
	movw (%edx), %cx               // CX only
	movb 1(%edx), %ch
	movzbl 3(%edx), %ebx
	movswl %ax, %edi
	push %eax                      // four bytes
	pushl $-2                      // imm8, sign-extended
	push $-2                       // two bytes
	pop %cx
	pop %edi
	pop %cx
	pop %cx
	add $0x11111111, %eax
	mov $0x10000, %ebx
	try movb (%ebx), %al           // offset 10000 > ffff
	try movb -0x10001(%ebx), %al   // ffffffff
	mov -0x8000(%ebx), %al         // 8000: within
	mov $0x10002, %ecx
	jecxz 1f                       // 32-bit address size: ECX
	addr32 loop 1f                 // ECX too: 10001
	nop
1:	xor %cx, %cx
	jcxz 2f                        // CX is 0, ECX is not
	nop
2:	jmpl *target
target:	.long 3f
3:	calll 4f
	finish
4:	retl
	ivt_go_on
