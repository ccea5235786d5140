// mode: protected
// Under 32-bit paging (which a KVM may not have: x86_alone.c), one of each kind: ports, strings on RAM, ports and devices, branches, calls, a timer interrupt out of hlt, x87 and SSE, cmpxchg8b, division by a device's answer, ring 3 with pages of its own.
#include "faults32.inc"
	.code32
	.globl start
start:
	lidt idtr
	lgdt gdtr
	movl $0x83, 0x20000            // 0..3fffff, supervisor
	movl $0x87, 0x20004            // 400000..7fffff: the same for everybody
	movl $0x400083, 0x20008        // 800000: no RAM
	mov $0x20000, %eax
	mov %eax, %cr3
	mov $0x210, %eax               // PSE, OSFXSR
	mov %eax, %cr4
	mov $0x80000031, %eax
	mov %eax, %cr0
	mov $0x3f8, %edx
	mov $'P', %al
	out %al, %dx
	mov $0x3fd, %edx
	in %dx, %al
	movl $0x216b6f, 0x409000       // "ok!"
	mov $0x409000, %esi
	mov $0x3f8, %edx
	mov $3, %ecx
	rep outsb
	mov $0x409000, %edi
	mov $8, %ecx
	mov $'!', %al
	repne scasb
	mov $0x409000, %esi
	mov $0x9000, %edi
	mov $4, %ecx
	repe cmpsb                     // the same bytes by another address
	mov $2, %ecx
	rep lodsb
	mov $0x4b8000, %edi            // the VGA window
	mov $2, %ecx
	rep stosb
	mov 0x4b8000, %ebx
	incl 0x800000                  // behind RAM
	xor %edx, %edx
	mov $7, %eax
	divl 0x4b8000                  // by ffffffff
	call 1f
1:	pop %ebx
	mov $2, %ecx
2:	loop 2b
	lock cmpxchg8b 0x9000          // not equal
	fninit
	fld1
	fstps 0x9010
	movups 0x9010, %xmm0
	movups %xmm0, 0x9020
	mov $0x11, %al
	out %al, $0x20
	mov $0x20, %al                 // vectors 20..27
	out %al, $0x21
	mov $4, %al
	out %al, $0x21
	mov $1, %al
	out %al, $0x21
	mov $0xfe, %al
	out %al, $0x21
	mov $0x30, %al
	out %al, $0x43
	mov $9, %al
	out %al, $0x40
	mov $0, %al
	out %al, $0x40
	sti
	hlt
	cli
	movl $0x11800, 0x9804
	movl $0x18, 0x9808
	mov $0x30, %eax
	ltr %ax
	push $0x2b
	push $0x411000
	push $0x23
	push $3f + 0x400000
	lret
3:	push %eax                      // ring 3, by the second 4 MiB
	mov $0x2b, %ecx
	mov %ecx, %ds
	mov %ds:0x409000, %ebx
	mov $4f + 0x400000, %ebp
	mov %ds:0x9000, %ebx           // a supervisor's page: error 5
4:	mov $0, %eax
	lcall $0x3b, $0
end:	finish
	tables32
	.quad 0x00cffa000000ffff       // 20: code, DPL 3
	.quad 0x00cff2000000ffff       // 28: data, DPL 3
	seg 0x9800, 0x67, 0x89         // 30: TSS
	.word end, 0x10, 0xec00, 0     // 38: call gate
gdt32_end:
	tables32_end
