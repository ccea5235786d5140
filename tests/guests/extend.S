// mode: long
// movzx, movsx, movsxd, cbw family, mov of each width, high bytes, xlat, moffs (SDM 2).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $0x20000, %ebx
	movabs $0x8899aabbccddeeff, %rax
	mov %rax, (%rbx)
	movzbl 1(%rbx), %ecx
	movsbl 1(%rbx), %ecx
	movsbw %ah, %cx
	movzwl 2(%rbx), %edx
	movsbq (%rbx), %rdx
	movswq 2(%rbx), %rdx
	movslq 4(%rbx), %rdx
	.byte 0x63, 0x53, 0x04         // movsxd without REX.W: a 32-bit mov
	mov $0x80, %al
	cbw
	cwde
	cdqe
	cwd
	cdq
	cqo
	mov %ah, 3(%rbx)
	mov 3(%rbx), %ch
	movw %dx, 4(%rbx)
	movl $-1, 8(%rbx)
	movq $-2, 8(%rbx)              // sign-extended
	mov $3, %al
	xlat                           // (rbx + al)
	movabs 0x20004, %rax
	movabs %al, 0x20009
	.byte 0x67, 0xa1, 0x08, 0, 2, 0 // 32-bit moffs
	mov %ds, %ecx
	mov %ss, %r8w
	mov %fs, (%rbx)                // 2 bytes
	finish
