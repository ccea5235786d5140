// mode: real
// 16-bit loops and string operations: CX, SI and DI wrap at 64K, DF, REP with CX = 0 does nothing (SDM 2, LOOP, REP, MOVS ...).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 13, go_on
	mov $0x10002, %ecx
1:	loop 1b                        // CX: 1, then 0; ECX keeps its upper half
	jcxz 2f
	nop
2:	dec %cx                        // ffff
	loop 3f                        // fffe: taken
	nop
3:	mov $1, %cx
	loopne 4f                      // CX becomes 0: not taken
	xor %ax, %ax                   // ZF
4:	mov $2, %cx
	loope 5f
	nop
5:	mov $0x2000, %ax
	mov %ax, %ds
	mov $0x3000, %ax
	mov %ax, %es
	mov $0xffff, %si
	mov $0xffff, %di
	mov $0xaabbccdd, %eax
	stosb                          // DI wraps to 0
	stosb
	lodsb                          // SI wraps to 0
	mov $0x11110000, %esi
	mov $0x22220000, %edi
	std
	movsb                          // both go to ffff; upper halves stay
	movsb %es:(%si), %es:(%di)     // source overridden; fffe
	cld
	xor %cx, %cx
	rep stosl                      // nothing
	repe cmpsb                     // nothing, flags too
	mov $4, %cx
	mov $0xfffc, %di
	rep stosw                      // fffc, fffe, then DI wraps: 0, 2
	mov $3, %cx
	mov $2, %si
	mov $0xfff0, %di
	std
	movl $0x332211, 0
	rep movsb                      // SI 2, 1, 0 and then ffff
	cld
	mov $0x40, %cx
	mov $0xfff0, %di
	mov $0xdd, %al
	repne scasb                    // ES:fff0...; found or the count ends it
	mov $1, %cx
	mov $0xffff, %di
	mov $'A', %al
	std
	xor %di, %di
	mov $2, %cx
	rep stosb                      // 0, then ffff
	cld
	mov $0x99a0, %di
	mov $0x3000, %cx
	movw $0xffff, %si
	try lodsw                      // a word over the limit: #GP; SI stays
	mov $2f, %dx
	mov $0, %si
	mov %si, %ds
	ivt 13, go_on_dx
	mov $3, %cx
	mov $0xfff9, %di
	rep stosl                      // fff9 fits, fffd does not: CX and DI tell how far it came
2:	finish
	ivt_go_on
go_on_dx: mov %dx, (%esp)
	iret
