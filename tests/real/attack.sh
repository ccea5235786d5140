# needs: kvm
# A hostile guest against the devices: every port and edge, wild sizes, strings. Sanitizers stay silent, the trace is whole.
. $TOP/tests/real/lib/common
k=$KTRACE_ASAN; stride=5
[ -x $k ] || { k=$KTRACE; stride=7; }
gcc -m32 -DSTRIDE=$stride -c -nostdlib -o a.o $TOP/tests/real/attack.S
ld -m elf_i386 -Ttext 0x8000 -e start -o a.elf a.o
objcopy -O binary a.elf a.bin
rc=0; $k record --vm a.bin --load 0x8000 --mode protected --mem 4M --steps 5e6 --format json -o t.db >t.json 2>err || rc=$?
expect "exit code ($(head -c 300 err))" $rc 0
! grep -q 'Sanitizer\|runtime error' err || die "$(head -n 5 err)"
expect "gaps" "$(json t.json gaps)" 0
expect "audit misses" "$(json t.json audit_misses)" 0
expect "end" "$(json t.json end_reason)" exit
[ "$(json t.json steps)" -gt 300000 ] || die "it ended after $(json t.json steps) steps, before it had tried every port"
$k info -i t.db --check >/dev/null 2>err2 || die "check: $(cat err2)"
echo "$(json t.json steps) hostile steps; sanitizers: $([ $k = $KTRACE_ASAN ] && echo on || echo off)"
