// mode: long
// rep movsb, stosb, scasb and lodsb over page ends, forwards and backwards, over pages that are physically apart; A and D of each page when it is reached (SDM 3, 4.8).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20000, %ebx
	movl $0x20003, 0x14008
	movl $0x100003, (%rbx)         // 200000
	movl $0x103003, 8(%rbx)        // 201000
	movl $0x101003, 16(%rbx)       // 202000
	mov %cr3, %rax
	mov %rax, %cr3
	mov $0x200ffa, %edi
	mov $0xab, %al
	mov $12, %ecx
	rep stosb                      // 6 bytes on each page
	mov $0x200ffc, %esi
	mov $0x201ffe, %edi
	mov $8, %ecx
	rep movsb                      // both sides cross
	std
	mov $0x201005, %edi
	mov $12, %ecx
	inc %eax
	rep stosb
	cld
	mov $0x200ff8, %edi
	mov $0xac, %al
	mov $16, %ecx
	repne scasb                    // found on the first page
	repe scasb                     // ends on the second
	mov $0x200ffe, %esi
	mov $4, %ecx
	rep lodsb
	mov $0x200ffd, %edi
	mov $4, %ecx
	rep stosw                      // the second element straddles
	finish
