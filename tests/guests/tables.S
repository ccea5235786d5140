// mode: long
// sgdt, sidt, lgdt, lidt, sldt, str, smsw, lmsw, ltr, lldt, clts, lar, lsl, verr, verw: operand widths, busy and accessed bits, ZF (SDM 2).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	lgdt gdt_ptr
	mov $0x20000, %ebx
	sgdt (%rbx)
	sidt 16(%rbx)
	sldt %eax
	str %rax
	smsw %eax
	smsw (%rbx)                    // 16 bits
	mov $0x30, %eax
	lldt %ax
	mov $0x20, %ecx
	ltr %cx                        // 16 bytes of descriptor; busy
	try ltr %cx                    // busy: #GP(20)
	sldt %rdx
	str 4(%rbx)
	mov $0x04, %eax
	mov %eax, %es                  // LDT entry 0: its accessed bit
	mov $-1, %rsi
	mov $0x10, %eax
	lar %eax, %esi
	lsl %eax, %edi
	mov $0x20, %eax
	lar %eax, %esi                 // a busy TSS
	mov $0x48, %eax
	lsl %eax, %esi                 // beyond: ZF = 0
	mov $0x18, %eax
	verr %ax
	verw %ax
	mov $0x10, %eax
	verw %ax                       // code: ZF = 0
	verr %ax
	mov $0x8, %eax
	lmsw %ax                       // TS; PE stays
	try fninit                     // #NM
	clts
	mov %cr0, %rcx
	xor %eax, %eax
	lldt %ax
	sldt %eax
	movq $0, 8(%rbx)
	movabs $0x1000000000, %rax
	try lgdt (%rax)                // not there: #PF
	movabs $0x800000000000, %rax
	mov %rax, 2(%rbx)
	try lidt (%rbx)                // base not canonical
	finish
	.balign 8
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.word 0x67, 0x3000, 0x8900, 0
	.quad 0
	.word 7, ldt, 0x8200, 0        // 30: LDT
	.quad 0
gdt_ptr: .word 0x3f
	.quad gdt
ldt:	.quad 0x00cf92000000ffff
	idt_faults
