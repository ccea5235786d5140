// mode: long
// Instructions that do nothing one can see: nop forms, pause, fences, prefetch, endbr64, hint space, and xchg %r8d, %eax, which is no nop; clflush is #UD (CPUID does not show it); wbinvd, invd; ud0, ud1, ud2; lahf and sahf #UD in 64-bit mode here; into and other 32-bit opcodes #UD.
#include "faults64.inc"
	.code64
	.globl start
start:
	lidt faults
	mov $0x20000, %ebx
	nop
	nopl (%rbx)
	nopw 0x12345(%rbx)
	.byte 0x0f, 0x1f, 0x04, 0x25, 0, 0, 0, 0x80 // nop with an address that is not mapped: no access
	mov $5, %eax
	xchg %ax, %ax
	.byte 0x41, 0x90               // xchg %r8d, %eax: no nop
	pause
	mfence
	lfence
	sfence
	prefetcht0 (%rbx)
	prefetchnta (%rbx)
	endbr64
	.byte 0xf3, 0x0f, 0x1e, 0xfb   // endbr32
	.byte 0x0f, 0x1e, 0xc0         // hint space
	.byte 0x0f, 0x19, 0xc0
	wbinvd
	invd
	try clflush (%rbx)
	try .byte 0x0f, 0xff, 0xc0     // ud0
	try .byte 0x0f, 0xb9, 0xc0     // ud1
	try lahf
	try sahf
	try .byte 0xce                 // into
	try .byte 0x27                 // daa
	try .byte 0x62, 0x03           // bound / EVEX
	try .byte 0x9a                 // far call with immediate
	try .byte 0x0f, 0x01, 0xc1     // vmcall
	try rdrand %eax
	try rdfsbase %eax
	try .byte 0xc5, 0xf8, 0x77     // vzeroupper
	try xgetbv
	try .byte 0x0f, 0xaa           // rsm
	cmc
	cld
	finish
	idt_faults
