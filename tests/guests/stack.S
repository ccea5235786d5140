// mode: long
// push and pop in all forms, pushf, popf, enter, leave: width, sign extension, rsp as operand and base (SDM 2, PUSH, POP, ENTER).
#include "guest.inc"
	.code64
	.globl start
start:
	sub $0x100, %rsp               // page tables lie above
	mov $0x1122334455667788, %rax
	push %rax
	push %rsp                      // the value before
	push %ax                       // 2 bytes
	push $-2                       // sign-extended to 8
	push $0x12345678
	pushw $0x1234
	push %fs
	popw %cx                       // the selector's low word
	add $6, %rsp
	popw %cx                       // 1234
	pop %rdx
	pop %rdx                       // -2
	pop %cx
	pop %rsp                       // the popped value wins
	pushq (%rsp)
	popq 8(%rsp)                   // the address is made with rsp behind the pop
	pop %rbx
	pushfq
	popw %si
	add $6, %rsp
	pushq $0x3f7ed7                // ID VIP VIF AC VM RF NT IOPL=3 OF DF IF SF ...
	popfq
	pushfq
	pushq $2
	popfq
	pushw $0xfeff                  // bits 3, 5, 15 stay 0
	popfw
	pushq $2
	popfq
	mov $0x5555, %ebp
	enter $32, $0
	leave
	mov $0x20100, %ebp
	movq $0xaaaa, -8(%rbp)
	movq $0xbbbb, -16(%rbp)
	enter $16, $3                  // copies two frame pointers
	leave
	finish
