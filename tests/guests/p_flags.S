// mode: protected
// pushf, popf at each size and what they leave alone; AC and ID; sti, cli; lahf, sahf; RF never shows (SDM 2, POPF table 4-16).
#include "guest.inc"
	.code32
	.globl start
start:
	pushf
	pop %eax                       // 2
	push $0xfffffeff
	popf                           // all that may be set but TF: not VM, RF, VIF, VIP
	pushf
	pop %eax
	push $0
	data16 popf                    // 16 bits: AC and ID stay
	pushf
	pop %eax
	push $0
	data16 pushf                   // two bytes
	pop %ebx
	add $2, %esp
	popf
	pop %ecx
	push $0x3002
	popf                           // IOPL 3
	sti
	cli
	push $0x10002                  // RF is not loaded
	popf
	stc
	cmc
	std
	cld
	mov $0xff, %ah
	sahf
	mov $0, %ah
	lahf
	mov $0xff, %al
	add $1, %al
	setc %bl
	seto %bh
	finish
