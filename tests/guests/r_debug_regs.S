// mode: real
// The guest's own breakpoint registers: execution (a fault, RF lets it go on), write, read or write, I/O; DR6, DR7.GD (SDM 3, 17.2).
#include "real.inc"
	.code16
	.globl start
start:
	ivt 1, debug
	ivt 6, go_on
	mov $bp, %eax
	mov %eax, %dr0
	mov $0x9000, %eax
	mov %eax, %dr1                 // write, 2 bytes
	mov $0x9010, %eax
	mov %eax, %dr2                 // read or write, 4 bytes
	mov $0x80, %eax
	mov %eax, %dr3                 // I/O, 1 byte
	mov %cr4, %eax
	or $8, %eax                    // CR4.DE
	mov %eax, %cr4
	mov $0x2f5006ff, %eax          // DR0 execute; DR1 write, 2; DR2 read/write, 4; DR3 I/O, 1
	mov %eax, %dr7
bp:	nop                            // a fault before it; the handler switches DR0 off
	mov 0x9000, %ax                // a read: not DR1
	movb %al, 0x9001               // within its two bytes
	movb %al, 0x9002               // behind them
	movb 0x9013, %al               // DR2's last byte
	movl 0x900d, %eax              // overlaps DR2
	out %al, $0x80                 // DR3
	out %al, $0x81
	in $0x80, %al
	mov $0x2500, %eax              // GD
	mov %eax, %dr7
	mov %dr0, %eax                 // faults: BD; GD is cleared, so it runs then
	mov %cr4, %eax
	try .byte 0x0f, 0x21, 0xe0     // mov eax, dr4: #UD with CR4.DE
	finish
debug:	mov %dr6, %ebx
	mov %dr7, %ebp
	and $0xfffffffc, %ebp          // no more execution breakpoint
	mov %ebp, %dr7
	xor %ebp, %ebp
	mov %ebp, %dr6
	iret
	ivt_go_on
