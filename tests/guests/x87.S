// mode: long
// x87: fninit, control and status words, a load and store, fwait, an unmasked exception reported by the next waiting instruction (#MF), TS and EM (#NM) (SDM 1, 8; SDM 3, 2.5).
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20000, %ebx
	fnstcw (%rbx)                  // 40 from reset
	fninit
	fnstcw (%rbx)                  // 37f
	fnstsw %ax
	fld1
	fldpi
	faddp
	fstpl 8(%rbx)                  // 4.14159..
	fnstsw 16(%rbx)
	movw $0x37b, (%rbx)            // division by zero unmasked
	fldcw (%rbx)
	fldz
	fld1
	fdivp %st, %st(1)              // de f1, fdivrp: 1 / 0
	fnstsw %ax                     // does not wait
	try fwait                      // #MF
	try fld1                       // #MF
	fnclex
	fwait
	mov %cr0, %rax
	bts $3, %rax
	mov %rax, %cr0                 // TS
	try fld1                       // #NM
	try fnstsw %ax                 // #NM
	fwait                          // MP = 0: no #NM
	bts $1, %rax
	mov %rax, %cr0                 // MP
	try fwait                      // #NM
	clts
	fnstsw %ax
	fninit
	finish
	idt_faults
