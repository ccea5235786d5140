// mode: long
// movs, stos, lods, scas, cmps once each, every width, DF both ways, segment override on the source only (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20100, %esi
	mov $0x20200, %edi
	movabs $0x8877665544332211, %rax
	cld
	stosq
	mov %rax, (%rsi)
	movsb
	movsw
	movsl
	movsq
	std
	lodsq
	lodsl
	lodsw
	lodsb
	stosb
	stosw
	stosl
	scasb
	scasw
	cld
	scasl
	cmpsb
	cmpsq
	mov %esi, %ecx
	mov $0xc0000101, %ecx
	xor %edx, %edx
	mov $0x1000, %eax
	wrmsr
	gs lodsb                       // source with the gs base
	gs movsb
	addr32 stosb                   // edi
	finish
