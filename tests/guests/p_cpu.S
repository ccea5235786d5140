// mode: protected
// cpuid, rdtsc, MSRs and the x87's control words from 32-bit code; ud2, lock, missing features: #UD; CR0.TS: #NM (SDM 2).
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	xor %eax, %eax
	cpuid                          // GenuineIntel, up to leaf 1
	mov $1, %eax
	xor %ecx, %ecx
	cpuid
	mov $7, %eax
	cpuid                          // no such leaf: zeros
	rdtsc                          // 10 ns a step at 1 GHz: ten for each step before this
	rdtsc
	mov $0x174, %ecx
	mov $0x10, %eax
	xor %edx, %edx
	wrmsr                          // SYSENTER_CS
	rdmsr
	mov $0x12345, %ecx
	try rdmsr                      // #GP(0)
	try wrmsr
	try ud2
	try .byte 0xf0, 0x90           // lock nop
	try .byte 0xf3, 0x0f, 0xb8, 0xc0 // popcnt: CPUID does not show it
	try syscall                    // 64-bit mode only
	try movaps %xmm0, %xmm1        // CR4.OSFXSR is 0
	fninit
	fnstcw 0x9000                  // 37f
	fnstsw %ax
	movw $0x27f, 0x9000
	fldcw 0x9000
	fnstcw 0x9002
	mov %cr0, %eax
	or $8, %eax
	mov %eax, %cr0                 // TS
	try fnstcw 0x9004              // #NM
	try fwait                      // TS without MP: not #NM
	clts
	fnstcw 0x9004
	mov $0x1000, %eax
	try mov %eax, %cr4             // a reserved bit: #GP(0)
	mov $0x80000000, %eax
	try mov %eax, %cr0             // PG without PE
	mov $0x20000001, %eax
	try mov %eax, %cr0             // NW without CD
	try mov %cr5, %eax             // #UD
	finish
	tables32
gdt32_end:
	tables32_end
