// mode: long
// xchg, xadd, cmpxchg, cmpxchg8b: success and failure; a failed cmpxchg writes the old value back (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20000, %ebx
	movq $0x1111, (%rbx)
	mov $0x2222, %eax
	xchg %eax, (%rbx)
	mov $0x33, %ah
	xchg %ah, %al
	mov $0x10, %ecx
	xadd %ecx, (%rbx)              // sum to memory, old to ecx
	lock xadd %cl, %fs:(%rbx)
	mov $0x2242, %eax
	add $2, %al
	mov $0x99, %edx
	cmpxchg %edx, (%rbx)           // by what is there
	mov $0x1234, %eax
	cmpxchg %edx, (%rbx)           // fails: eax = memory
	lock cmpxchg %dl, (%rbx)       // al equal: byte swapped
	mov $0x77, %esi
	cmpxchg %rsi, %rax             // register form: equal
	xor %edx, %edx
	mov %edx, 4(%rbx)
	mov (%rbx), %eax
	mov $0xaaaa, %ecx
	cmpxchg8b (%rbx)               // edx:eax equal: ecx:ebx
	mov $0x20000, %ebx
	lock cmpxchg8b (%rbx)          // not equal: edx:eax = memory, ZF = 0
	finish
