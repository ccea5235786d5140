# needs: kvm
# Signals that make KVM_RUN return at any moment (the watchdog's own, thousands of them): no gap, no other digest. Once a
# kick between a device access and the breakpoint behind its REP instruction lost the step and RCX with it.
. $TOP/tests/real/lib/common
cat >rep.S <<'P'
	.code32
	.globl start
start:	cld
	mov $0x100000, %edi
	mov $0x7fffffff, %ecx
	mov $0x60, %edx
	cmp $0, %ebp
	mov $0xa0000, %esi
	jne 1f
	inc %ebp
	mov $12000, %ecx
	rep insb
	mov $12000, %ecx
	rep outsb
	mov $12000, %ecx
	rep lodsb
1:	mov $0xb8000, %edi
	mov $0x1000, %ecx
	rep stosl
	jmp 1b
P
gcc -m32 -c -nostdlib -o rep.o rep.S
ld -m elf_i386 -Ttext 0x8000 -e start -o rep.elf rep.o
objcopy -O binary rep.elf rep.bin
python3 - $KTRACE <<'P' || die "see above"
import json, signal, subprocess, sys, time
def rec(args, kicks):
    p = subprocess.Popen([sys.argv[1], "record", "--format", "json", "-o", "t.db", *args], stdout=subprocess.PIPE)
    sent = 0
    if kicks:
        time.sleep(0.5) # a signal before the handler is there would end it
        while p.poll() is None:
            p.send_signal(signal.SIGRTMAX - 4)
            sent += 1
            time.sleep(0.0003)
    j = json.loads(p.communicate()[0])
    if p.returncode or j["gaps"] or j["audit_misses"]:
        sys.exit(f"{args}: exit {p.returncode} after {sent} kicks: {j['gaps']} gaps, {j['audit_misses']} audit misses, {j['end_reason']}: {j['end_text']}")
    return j["digest"], sent
total = 0
for args in (["--vm", "rep.bin", "--load", "0x8000", "--mode", "protected", "--mem", "16M", "--steps", "60000"],
             ["--vm", "/usr/share/seabios/bios.bin", "--mem", "16M", "--steps", "150000"]):
    calm, kicked = rec(args, False), rec(args, True)
    total += kicked[1]
    if calm[0] != kicked[0]:
        sys.exit(f"{args}: another digest after {kicked[1]} kicks")
    if kicked[1] < 500:
        sys.exit(f"{args}: only {kicked[1]} kicks: proves nothing")
print(total, "kicks, no step lost")
P
