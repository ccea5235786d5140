// mode: protected
// Memory where nobody answers reads as ones and swallows writes: the VGA window, above RAM; by mov, push, pop, movs, stos, read-modify-write, over the edge of RAM; RAM at c0000.
#include "guest.inc"
	.code32
	.globl start
start:
	mov 0xb8000, %eax              // ffffffff
	movw $0x0741, 0xb8000
	incl 0xa0000                   // reads ones, writes 0
	mov $0xb8000, %edi
	mov $0x0720, %eax
	mov $3, %ecx
	rep stosw                      // one step an element
	mov $0xa0000, %esi
	mov $0x20000, %edi
	mov $2, %ecx
	rep movsl                      // from a device to RAM
	movsb
	push 0xb8000                   // reads ones
	pop 0xb8004
	mov $0xb8010, %esp
	push $0x1234
	pop %edx                       // ones again
	mov $0x12000, %esp
	mov 0x9fffe, %ebx              // two bytes of RAM, two of the window
	movl $0x11223344, 0x9fffe
	mov 0x9fffe, %bx
	movl $0x55, 0xc0000            // RAM
	mov 0xc0000, %ecx
	mov 0x400000, %ecx             // behind the 4 MiB of RAM
	mov 0xfee00000, %ecx           // no APIC
	cmpb $0, 0xb8000
	finish
