// mode: protected
// Partial registers, exchange with memory, cmpxchg8b, bit instructions with register offsets, 16-bit shifts by more than 16, imul, in 32-bit code (SDM 2).
#include "guest.inc"
	.code32
	.globl start
start:
	mov $0x11223344, %eax
	mov $0x55, %ah                 // 11225544
	mov %ah, %bl
	mov $0xbeef, %cx
	movzx %ah, %edx
	movsx %cx, %edx                // ffffbeef
	xchg %ah, %al                  // 11224455
	movl $0xaabbccdd, 0x9000
	xchg %eax, 0x9000
	xchg %cl, 0x9003
	mov $0x10, %edx
	xadd %edx, 0x9000
	mov $0x33, %ecx
	mov 0x9000, %eax
	cmpxchg %ecx, 0x9000           // equal
	cmpxchg %edx, 0x9000           // not equal: EAX = memory, memory written back
	movl $0x89abcdef, 0x9008
	movl $0x01234567, 0x900c
	mov $0x89abcdef, %eax
	mov $0x01234567, %edx
	mov $0x11111111, %ebx
	mov $0x22222222, %ecx
	lock cmpxchg8b 0x9008          // equal: ZF, ECX:EBX stored
	cmpxchg8b 0x9008               // not: EDX:EAX loaded
	mov $33, %eax
	bts %eax, 0x9010               // bit 1 of 9014
	mov $-1, %eax
	btc %eax, 0x9010               // bit 31 of 900c
	mov $17, %ax
	bt %ax, 0x9010                 // bit 1 of the word at 9012
	btr $33, %ecx                  // bit 1: count modulo 32
	mov $0x8001, %ax
	shl $17, %ax                   // 17 of 16: 0
	mov $0x8001, %ax
	shl $16, %ax                   // CF would be bit 0: for 16 and more it is undefined
	mov $0x8001, %ax
	sar $20, %ax                   // ffff
	rol $17, %ax                   // by 1
	mov $0x8001, %ax
	rol $17, %ax                   // 0003
	stc
	rcl $17, %ax                   // by 17 modulo 17: nothing
	shr $32, %eax                  // count 0: nothing
	mov $0x1234, %ax
	mov $0x5678, %bx
	shld $4, %bx, %ax              // 2345
	imul $-3, %ax, %cx
	imul %ax, %bx                  // 16 bits: overflow
	imul %eax
	mul %bh
	bswap %eax
	movsx %al, %ax
	cwtl
	cltd
	finish
