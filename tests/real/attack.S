// A guest that means harm to devices: every port but the four that end the machine, with every size, in and out, single
// and string; then MMIO and RAM at every edge that ktrace's machine has. Assembled by attack.sh; protected mode, flat.
	.code32
	.globl start
start:
	cld
	xor %ebp, %ebp                 // pass number: the values written differ
pass:
	xor %edx, %edx
ports:
	// what reaches 0xf4 (debug exit), 0x64 (8042: fe resets), 0x92 (fast reset) and 0xcf9 with up to four bytes
	.irp end, 0xf4, 0x64, 0x92, 0xcf9
	lea -(\end - 3)(%edx), %eax
	cmp $3, %eax
	jbe next
	.endr
try:
	mov %edx, %eax
	xor %ebp, %eax
	out %al, %dx
	out %ax, %dx
	out %eax, %dx
	in %dx, %al
	in %dx, %ax
	in %dx, %eax
	mov $0x20001, %edi
	mov $3, %ecx
	rep insb
	mov $2, %ecx
	rep insl
	mov $0x20003, %esi
	mov $3, %ecx
	rep outsb
	mov $2, %ecx
	rep outsw
next:
	add $STRIDE, %edx
	cmp $0x10000, %edx
	jb ports
	add $0x5a5a5a, %ebp
	// the 8042: output port, without pulling reset
	mov $0x64, %edx
	mov $0xd1, %al
	out %al, %dx
	mov $0x60, %edx
	mov $0xdf, %al                 // A20 on, no reset
	out %al, %dx
	cmp $0x5a5a5a, %ebp
	je pass
	// memory: reads and writes of each size around each edge
	mov $edges, %ebx
edge:
	mov (%ebx), %edi
	test %edi, %edi
	jz done
	sub $9, %edi
	mov $18, %ecx
around:
	mov (%edi), %al
	mov (%edi), %dx
	mov (%edi), %eax
	mov %al, (%edi)
	mov %dx, (%edi)
	mov %eax, (%edi)
	incl (%edi)
	lock xaddl %eax, (%edi)
	pushl (%edi)
	popl (%edi)
	cmpxchg8b (%edi)
	inc %edi
	dec %ecx
	jnz around
	mov (%ebx), %edi
	sub $5, %edi
	lea 2(%edi), %esi
	mov $10, %ecx
	rep movsb
	mov (%ebx), %edi
	sub $7, %edi
	mov $5, %ecx
	rep stosl
	add $4, %ebx
	jmp edge
done:
	mov $0, %al
	out %al, $0xf4
edges:	.long 0x9fc00, 0xa0000, 0xb8000, 0xc0000, 0x100000, 0x400000, 0xc0000000, 0xe0000000, 0xfec00000, 0xfee00000, 0xff000000, 0xfffff000, 0
