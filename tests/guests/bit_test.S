// mode: long
// bt, bts, btr, btc: register offsets are modulo the width; memory offsets reach beyond the operand, signed; immediates are modulo the width (SDM 2, BT).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x8001, %eax
	mov $15, %ecx
	bt %ecx, %eax                  // CF = 1
	bts $33, %eax                  // 33 mod 32 = 1
	btr %ecx, %eax                 // clears 15
	btc $0, %ax
	mov $65, %rcx
	btc %rcx, %rax                 // 65 mod 64 = 1
	mov $0x21000, %ebx
	movq $0, (%rbx)
	mov $1000, %ecx
	bts %rcx, (%rbx)               // word 15: 21078, bit 40
	bts %ecx, (%rbx)               // dword 31: 2107c, bit 8: set already
	mov $-1, %rcx
	bts %rcx, (%rbx)               // bit 63 of 20ff8
	btr %cx, (%rbx)                // 16 bits: word at 20ffe, bit 15
	btc $70, (%rbx)                // immediate modulo the operand: as assembled, dword: bit 6
	bt $6, (%rbx)
	btcq $70, (%rbx)               // 70 mod 64 = 6
	lock btsw $17, (%rbx)          // 17 mod 16 = 1
	finish
