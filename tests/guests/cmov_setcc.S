// mode: long
// cmovcc, setcc: all conditions; a 32-bit cmov clears the upper half even if it does not move; memory is read either way (SDM 2, CMOVcc).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $-1, %rax
	mov $0x20000, %ebx
	movl $5, (%rbx)
	mov $0x80, %cl
	sub $1, %cl                    // 7f: OF, AF; ZF SF CF PF clear
	cmovz %ebx, %eax               // not taken: upper half cleared
	cmovz (%rbx), %eax             // reads, does not move
	cmovo (%rbx), %rax
	cmovl %bx, %ax                 // SF != OF: moves 16 bits
	seto %dl
	setno %dl
	setb %dl
	setae %dl
	sete %dl
	setne %dl
	setbe %dl
	seta %dl
	sets %dl
	setns %dl
	setp %dl
	setnp %dl
	setl %dl
	setge %dl
	setle %dl
	setg %dl
	setl (%rbx)
	setge %ah
	finish
