// mode: long
// repe and repne cmps, scas: end early, end by count, rcx 0 leaves flags (SDM 2, REP).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20000, %edi
	movabs $0x6867666564636261, %rax
	mov %rax, (%rdi)
	mov %rax, 0x100(%rdi)
	movb $'X', 0x105(%rdi)
	mov $'d', %al
	mov $100, %ecx
	repne scasb                    // finds d, the fourth
	lea -4(%rdi), %rdi
	mov $'z', %al
	mov $8, %ecx
	repne scasb                    // not there: ends by count
	mov $0x20000, %esi
	mov $0x20100, %edi
	mov $8, %ecx
	repe cmpsb                     // f and X differ, the sixth
	mov $2, %ecx
	repe cmpsb                     // equal to the end
	xor %ecx, %ecx
	stc
	repe cmpsb                     // no iteration: flags stay
	xor %eax, %eax
	mov $0x20200, %edi
	mov $4, %ecx
	repe scasl
	std
	mov $0x20003, %edi
	mov $'b', %al
	mov $-1, %rcx
	repne scasb                    // downwards: b is the third
	finish
