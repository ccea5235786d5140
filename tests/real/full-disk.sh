# needs: kvm
# A disk that fills: a clear error, the file valid, the reason in it. The guest fills memory with what no codec shrinks.
. $TOP/tests/real/lib/common
[ "$(id -u)" = 0 ] || skip "mounting a small disk needs root"
cat >noise.S <<'S'
	.code32
	.globl start
start:	mov $1, %eax
again:	mov $0x100000, %edi
next:	imul $1103515245, %eax, %eax
	add $12345, %eax
	mov %eax, %edx
	bswap %edx
	xor %eax, %edx
	mov %edx, (%edi)
	add $4, %edi
	cmp $0x3f0000, %edi
	jb next
	jmp again
S
gcc -m32 -c -nostdlib -o noise.o noise.S
ld -m elf_i386 -Ttext 0x8000 -e start -o noise.elf noise.o
objcopy -O binary noise.elf noise.bin
mkdir -p small
mount -t tmpfs -o size=700k none small 2>/dev/null || skip "mounting is not allowed here"
trap 'umount small' EXIT
rc=0; $KTRACE record --vm noise.bin --load 0x8000 --mode protected --mem 4M --steps 5e6 -o small/t.db >out 2>err || rc=$?
expect "exit code" $rc 1
grep -qi 'full\|no space' err || die "the message does not say that the disk is full: $(cat err)"
$KTRACE info -i small/t.db --check --format json >left.json || die "info on what is left"
expect "end reason" "$(json left.json end_reason)" disk-full
[ "$(json left.json steps)" -ge 65536 ] || die "only $(json left.json steps) steps are left"
[ "$($KTRACE dump -i small/t.db --from -1 | wc -l)" = 1 ] || die "dump of the last step"
echo "$(json left.json steps) steps kept; $(head -n1 err)"
