/* SPDX-License-Identifier: MIT */
/* Small guests for the engine's tests, as assembly between two labels. 64-bit ones run at 0x100000 with an identity
 * map of 4 GiB, real-mode ones at 0x7c00; each ends by a byte to the debug exit port 0xf4. */
#ifndef VM_X86_GUESTS_H
#define VM_X86_GUESTS_H

struct guest {
	const unsigned char *code, *end;
};

#define GUEST(name, bits, text)                                                                                        \
	__asm__(".pushsection .rodata\n.global guest_" #name ", guest_" #name "_end\n.code" #bits "\nguest_" #name ":\n" text  \
	        "\nguest_" #name "_end:\n.code64\n.popsection\n");                                                       \
	extern const unsigned char guest_##name[], guest_##name##_end[];                                                     \
	static const struct guest name = { guest_##name, guest_##name##_end }

#define FINISH "mov $0x2a, %al\n out %al, $0xf4\n"

/* A 64-bit interrupt gate for vector `v` to the label `to` of guest `g`, made at run time in a table at 0x20000. */
#define GATE(v, to)                                                                                                    \
	"lea " to "(%rip), %rax\n mov %ax, 0x20000+16*" #v "\n movw $0x10, 0x20002+16*" #v "\n movw $0x8e00, 0x20004+16*" #v    \
	"\n shr $16, %rax\n mov %ax, 0x20006+16*" #v "\n shr $16, %rax\n mov %eax, 0x20008+16*" #v "\n"
#define LIDT "movw $0xfff, 0x1fff0\n movq $0x20000, 0x1fff2\n lidt 0x1fff0\n"

GUEST(basic, 64,
      "mov $0x1122334455667788, %rax\n"
      "mov %rax, 0x30000\n"
      "addb $0x78, 0x30001\n"
      "push %rax\n"
      "pop %rbx\n"
      "call 1f\n"
      "jmp 2f\n"
      "1: xor %ecx, %ecx\n"
      "ret\n"
      "2: mov 0x30ffc, %rdx\n" /* over two pages */
      "nop\n" FINISH);

/* Three kinds of exceptions and their handlers; the page fault's address is above what is mapped. */
GUEST(faults, 64,
      LIDT GATE(6, "3f") GATE(3, "4f") GATE(14, "5f") GATE(13, "6f")
      "ud2\n"
      "1: int3\n"
      "mov $0x123456789000, %rsi\n"
      "mov (%rsi), %rdi\n"
      "2: mov $0x8000000000000000, %rsi\n"
      "mov (%rsi), %rdi\n"
      "7: " FINISH
      "3: addq $2, (%rsp)\n iretq\n"
      "4: iretq\n"
      "5: addq $8, %rsp\n mov %cr2, %rbp\n addq $3, (%rsp)\n iretq\n"
      "6: addq $8, %rsp\n addq $3, (%rsp)\n iretq\n");

GUEST(rep, 64,
      "mov $0x200000, %edi\n mov $70000, %ecx\n mov $0x5a, %al\n"
      "rep stosb\n" /* 65,536 and 4,464 */
      "mov $0x200000, %esi\n mov $0x240000, %edi\n mov $20000, %ecx\n"
      "rep movsq\n" /* 160,000 bytes: 131,072 and 28,928 */
      "xor %ecx, %ecx\n rep movsb\n"
      "mov $0x200000, %edi\n mov $100000, %ecx\n xor %al, %al\n"
      "repne scasb\n" /* finds the 0 behind 70,000 bytes */
      "std\n mov $0x200fff, %esi\n mov $0x201001, %edi\n mov $0x1000, %ecx\n"
      "rep movsb\n cld\n" FINISH);

/* The second page of the destination is not mapped (its large page is split and cleared): half-way fault. */
GUEST(rep_fault, 64,
      LIDT GATE(14, "1f")
      "mov $0x300000, %edi\n mov $0x200063, %eax\n mov $512, %ecx\n" /* table for 2 MiB..4 MiB at 0x300000 (itself in it) */
      "2: mov %rax, (%rdi)\n add $0x1000, %rax\n add $8, %rdi\n loop 2b\n"
      "movq $0, 0x300000+8*0x81\n"                                          /* page 0x281000 */
      "mov %cr3, %rax\n mov (%rax), %rax\n and $~0xfff, %rax\n mov (%rax), %rax\n and $~0xfff, %rax\n"
      "movq $0x300063, 8(%rax)\n"
      "mov %cr3, %rax\n mov %rax, %cr3\n"
      "mov $0x280ff0, %edi\n mov $100, %ecx\n mov $0x77, %al\n"
      "rep stosb\n"
      "hlt\n"
      "1: mov %cr2, %rbx\n" FINISH);

GUEST(devices, 64,
      "mov $0x402, %dx\n in %dx, %al\n"
      "mov $'k', %al\n out %al, %dx\n"
      "mov $0xa0010, %ebx\n mov (%rbx), %eax\n mov %ecx, (%rbx)\n addw $1, (%rbx)\n"
      "mov $0x30000, %edi\n mov $0x402, %dx\n mov $3, %ecx\n rep insb\n"
      "movl $0x0a6968, 0x30000\n mov $0x30000, %esi\n mov $3, %ecx\n rep outsb\n" FINISH);

/* PIT channel 0, mode 0, 100 ticks; the interrupt wakes the halted CPU. */
GUEST(idle, 64,
      LIDT GATE(0x20, "1f")
      "mov $0x11, %al\n out %al, $0x20\n mov $0x20, %al\n out %al, $0x21\n mov $4, %al\n out %al, $0x21\n mov $1, %al\n out %al, $0x21\n"
      "mov $0xfe, %al\n out %al, $0x21\n"
      "mov $0x30, %al\n out %al, $0x43\n mov $100, %al\n out %al, $0x40\n xor %al, %al\n out %al, $0x40\n"
      "sti\n hlt\n nop\n" FINISH
      "1: mov $0x20, %al\n out %al, $0x20\n iretq\n");

GUEST(stop, 64, "cli\n hlt\n");
GUEST(spin, 64, "1: jmp 1b\n");

GUEST(fence, 64, "mov $2, %ecx\n 1: mfence\n movq $-1, 0x30020\n loop 1b\n" FINISH);

/* Writes the immediate of the instruction behind it, twice round. */
GUEST(self, 64,
      "mov $2, %ecx\n"
      "1: lea 2f+1(%rip), %rax\n mov %cl, (%rax)\n"
      "2: mov $0x55, %bl\n add %bl, %bh\n loop 1b\n" FINISH);

GUEST(fpu, 64,
      "mov %cr4, %rax\n or $0x600, %eax\n mov %rax, %cr4\n"
      "fninit\n fnstcw 0x30000\n movl $0x1fbf, 0x30010\n ldmxcsr 0x30010\n stmxcsr 0x30014\n"
      "movq $-1, 0x30020\n movdqu 0x30020, %xmm3\n movdqu %xmm3, 0x30041\n"
      "movl $0x12345678, 0x31e00\n fxsave 0x31000\n"
      "fninit\n pushq $0x27f\n fldcw (%rsp)\n pop %rax\n"
      "fxrstor 0x31000\n fnstcw 0x30002\n fwait\n" FINISH);

/* Arithmetic that KVM's emulator lacks: SSE with general registers, flags and memory; x87; MMX; the x87 environment. */
GUEST(numbers, 64,
      "mov %cr4, %rax\n or $0x600, %eax\n mov %rax, %cr4\n fninit\n"
      "mov $7, %r9d\n cvtsi2sd %r9d, %xmm9\n movsd %xmm9, 0x30000\n addsd 0x30000, %xmm9\n mulsd %xmm9, %xmm9\n movsd %xmm9, 0x30008\n"
      "ucomisd 0x30000, %xmm9\n seta %r10b\n"
      "cvttsd2si %xmm9, %r11\n pxor %xmm0, %xmm0\n pcmpeqd %xmm1, %xmm1\n movmskps %xmm1, %r12d\n pextrw $3, %xmm9, %r13d\n"
      "divsd %xmm0, %xmm9\n stmxcsr 0x30010\n"
      "fld1\n fldpi\n faddp\n fistpl 0x30018\n fildl 0x30018\n fstpt 0x30020\n"
      "mov $0x01020304, %eax\n movd %eax, %mm2\n paddb %mm2, %mm2\n movd %mm2, %r14d\n emms\n"
      "fld1\n fldz\n fnstenv 0x30040\n fnsave 0x30080\n fldenv 0x30040\n frstor 0x30080\n fxch\n fstpl 0x30100\n" FINISH);

/* A pending interrupt is not taken behind sti, nor behind mov ss. */
GUEST(shadow, 64,
      LIDT GATE(0x20, "1f")
      "mov $0x11, %al\n out %al, $0x20\n mov $0x20, %al\n out %al, $0x21\n mov $4, %al\n out %al, $0x21\n mov $1, %al\n out %al, $0x21\n"
      "mov $0xfe, %al\n out %al, $0x21\n"
      "mov $0x30, %al\n out %al, $0x43\n mov $1, %al\n out %al, $0x40\n xor %al, %al\n out %al, $0x40\n"
      "mov $200, %ecx\n 2: loop 2b\n"
      "mov %ss, %bx\n"
      "sti\n mov %bx, %ss\n nop\n nop\n" FINISH
      "1: iretq\n");

/* Single-step flag and breakpoint registers of the guest's own. */
GUEST(debug, 64,
      LIDT GATE(1, "1f")
      "pushfq\n orq $0x100, (%rsp)\n popfq\n"
      "nop\n"
      "pushfq\n pop %rbx\n"
      "pushfq\n andq $~0x100, (%rsp)\n popfq\n"
      "lea 2f(%rip), %rax\n mov %rax, %dr0\n mov $0x30004, %eax\n mov %rax, %dr1\n mov $0xd0000a, %eax\n mov %rax, %dr7\n"
      "2: movl $1, 0x30004\n"
      "nop\n"
      "xor %eax, %eax\n mov %rax, %dr7\n" FINISH
      "1: inc %ebp\n mov %dr6, %rdx\n testl $1, %edx\n jz 3f\n orq $0x10000, 16(%rsp)\n 3: mov $0xffff0ff0, %ecx\n mov %rcx, %dr6\n iretq\n");

/* Ring 3 and back: iretq, syscall, sysret, int 0x80, a page fault, a hlt that is forbidden. */
GUEST(user, 64,
      "mov %cr3, %rax\n orq $4, (%rax)\n mov (%rax), %rbx\n and $~0xfff, %rbx\n orq $4, (%rbx)\n mov (%rbx), %rbx\n and $~0xfff, %rbx\n"
      "orq $4, (%rbx)\n mov %cr3, %rax\n mov %rax, %cr3\n"
      "movq $0, 0x40000\n"
      "mov $0xaf9b000000ffff, %rax\n mov %rax, 0x40010\n mov $0xcf93000000ffff, %rax\n mov %rax, 0x40018\n"
      "mov $0xcff3000000ffff, %rax\n mov %rax, 0x40028\n mov $0xaffb000000ffff, %rax\n mov %rax, 0x40030\n"
      "mov $0x0000890410000067, %rax\n mov %rax, 0x40038\n movq $0, 0x40040\n" /* TSS at 0x41000 */
      "movw $0x4f, 0x1ffe0\n movq $0x40000, 0x1ffe2\n lgdt 0x1ffe0\n mov $0x38, %ax\n ltr %ax\n"
      "movq $0x50000, 0x41004\n" /* RSP0 */
      LIDT GATE(14, "5f") GATE(13, "6f") GATE(0x80, "7f") "movw $0xee00, 0x20004+16*0x80\n"
      "mov $0xc0000080, %ecx\n rdmsr\n or $1, %eax\n wrmsr\n"
      "mov $0xc0000081, %ecx\n xor %eax, %eax\n mov $0x00200010, %edx\n wrmsr\n"
      "mov $0xc0000082, %ecx\n lea 8f(%rip), %rax\n xor %edx, %edx\n wrmsr\n"
      "mov $0xc0000084, %ecx\n mov $0x700, %eax\n wrmsr\n"
      "pushq $0x2b\n pushq $0x60000\n pushq $0x202\n pushq $0x33\n lea 1f(%rip), %rax\n push %rax\n iretq\n"
      "1: mov $1, %ebp\n push %rbp\n syscall\n"
      "2: pushfq\n pop %r13\n int $0x80\n"
      "mov $0x123456789000, %rsi\n mov (%rsi), %rdi\n"
      "3: hlt\n"
      "5: add $8, %rsp\n mov %cr2, %r14\n addq $3, (%rsp)\n iretq\n"
      "6: add $8, %rsp\n mov 8(%rsp), %r15\n " FINISH
      "7: inc %ebp\n mov %rsp, %r12\n iretq\n"
      "8: inc %ebp\n mov %cs, %ebx\n sysretq\n");

/* Real mode: the vector table, software interrupts, divide by zero, segment loads, a far call. */
GUEST(real, 16,
      "xor %ax, %ax\n mov %ax, %ds\n mov %ax, %ss\n mov $0x7000, %sp\n"
      "movw $(1f - guest_real + 0x7c00), 0x80\n movw $0, 0x82\n"
      "movw $(2f - guest_real + 0x7c00), 0\n movw $0, 2\n"
      "int $0x20\n"
      "xor %cx, %cx\n"
      "div %cx\n"
      "3: mov $0x1000, %ax\n mov %ax, %es\n movw $0x4321, %es:0x10\n"
      "lcall $0, $(4f - guest_real + 0x7c00)\n"
      "push %es\n pop %fs\n daa\n bsf %cx, %dx\n" FINISH
      "1: inc %bx\n iret\n"
      "2: mov %sp, %bp\n addw $2, (%bp)\n iret\n"
      "4: lret\n");

/* Undefined flags and results, read by pushf. */
GUEST(undefined, 64,
      "mov $0x8000000000000001, %rax\n mov $0x1234, %ebx\n xor %ecx, %ecx\n"
      "shr $5, %eax\n pushfq\n rol $3, %ebx\n pushfq\n bsf %ecx, %ebx\n pushfq\n bsr %rcx, %rdx\n pushfq\n"
      "mov $3, %ecx\n mul %ecx\n pushfq\n shld $3, %ecx, %eax\n pushfq\n and %eax, %ecx\n pushfq\n mov $7, %ecx\n div %ecx\n pushfq\n"
      "imul $3, %eax, %edx\n pushfq\n" FINISH);

#endif
