// mode: long
// rep with rcx 0, 1, many; fills and copies are one record a piece; overlap; rep stos and movs in both directions (SDM 2, REP).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20000, %edi
	mov $0x5a, %al
	xor %ecx, %ecx
	rep stosb                      // nothing at all
	mov $1, %ecx
	rep stosb
	mov $100, %ecx
	rep stosb
	mov $0x12345678, %eax
	mov $10, %ecx
	rep stosl
	mov $0x20000, %esi
	mov $0x20400, %edi
	mov $16, %ecx
	rep movsb
	mov $0x20400, %esi
	mov $0x20401, %edi
	movb $0x77, (%rsi)
	mov $8, %ecx
	rep movsb                      // overlaps by one: spreads 77
	std
	mov $0x20438, %edi
	mov $4, %ecx
	rep stosq                      // downwards
	mov $0x20418, %esi
	mov $0x20420, %edi
	mov $3, %ecx
	rep movsq
	cld
	movabs $0x100000002, %rcx
	mov $0x20500, %edi
	addr32 rep stosw               // ecx counts: 2
	mov $3, %ecx
	rep lodsb
	finish
