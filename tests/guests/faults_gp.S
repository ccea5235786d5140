// mode: long
// #GP: bad selectors, MSRs, control register bits, privileged state: error codes (SDM 3, 6.15; SDM 2).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20, %eax
	try mov %eax, %ds              // beyond the GDT (limit 1f): error 20
	mov $0x23, %eax
	try mov %eax, %es              // error without RPL: 20
	mov $0x0c, %eax
	try mov %eax, %fs              // TI: no LDT: error c
	mov $0x10, %eax
	try mov %eax, %ss              // code is no stack: error 10
	mov $0x1b, %eax
	try mov %eax, %ss              // RPL 3 at CPL 0: error 18
	xor %eax, %eax
	mov %eax, %ds                  // null is fine for data
	mov %eax, %ss                  // and for SS in 64-bit mode below CPL 3
	mov %eax, -8(%rsp)             // and it can be used
	mov $0x18, %eax
	mov %eax, %ss
	mov %eax, %ds
	try .byte 0x8e, 0xc8           // mov %eax, %cs: #UD
	mov $0x12345, %ecx
	try rdmsr
	try wrmsr
	mov $0xc0000080, %ecx
	mov $0x100000, %eax
	xor %edx, %edx
	try wrmsr                      // reserved bit of EFER
	mov $0x500, %eax
	btr $8, %eax
	try wrmsr                      // LME while paging
	mov $0xc0000082, %ecx
	mov $0x8000, %edx
	try wrmsr                      // LSTAR not canonical
	movabs $0x100000000, %rax
	try mov %rax, %cr0
	mov %cr0, %rax
	bts $29, %rax
	try mov %rax, %cr0             // NW without CD
	mov %cr0, %rax
	btr $31, %rax
	try mov %rax, %cr0             // paging off in 64-bit mode
	mov $0x0, %eax
	try mov %rax, %cr4             // PAE off in long mode
	bts $31, %rax
	try mov %rax, %cr4             // reserved
	bts $45, %rax
	try mov %rax, %cr3             // beyond 40 physical bits
	mov $16, %eax
	try mov %rax, %cr8
	try .byte 0x0f, 0x20, 0xc8     // mov %cr1, %eax: #UD
	try int $0x30                  // beyond the IDT: error 30*8 + 2
	try rdpmc
	finish
	idt_faults
