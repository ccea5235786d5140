// mode: long
// in, out: each width, by immediate and dx; 32-bit in clears the upper half; ports where nobody answers read all ones; ins and outs with rep: one iteration a step (doc/stepping.md).
#include "guest.inc"
	.code64
	.globl start
start:
	mov $-1, %rax
	in $0xe0, %al                  // nobody
	mov $0x1234, %edx
	xor %eax, %eax
	in (%dx), %ax
	mov $-2, %rax
	in (%dx), %eax
	mov $0x11223344, %eax
	out %ax, $0xe0
	out %eax, (%dx)
	out %al, $0x80
	in $0x80, %al
	mov $0x402, %edx
	in (%dx), %al                  // e9: the debug console is there
	lea text(%rip), %rsi
	mov $3, %ecx
	rep outsb
	outsb
	mov $0x20000, %edi
	mov $2, %ecx
	rep insb                       // e9 twice
	mov $0x1234, %edx
	mov $2, %ecx
	std
	rep insl
	cld
	insw
	xor %ecx, %ecx
	rep outsl                      // nothing
	finish
text:	.ascii "Hey\n"
