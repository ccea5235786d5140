# needs: kvm
# A disk that fills: a clear error, the file valid, the reason in it.
. $TOP/tests/real/lib/common
[ -e $BIOS ] || skip "package seabios is not installed"
[ "$(id -u)" = 0 ] || skip "mounting a small disk needs root"
mkdir -p small
mount -t tmpfs -o size=1500k none small 2>/dev/null || skip "mounting is not allowed here"
trap 'umount small' EXIT
head -c 16 /dev/zero >/dev/null
rc=0; $KTRACE record --vm $BIOS --mem 64M --steps 2e7 -o small/t.db >out 2>err || rc=$?
expect "exit code" $rc 1
grep -qi 'full' err || die "the message does not say that the disk is full: $(cat err)"
$KTRACE info -i small/t.db --check --format json >left.json || die "info on what is left"
expect "end reason" "$(json left.json end_reason)" disk-full
[ "$(json left.json steps)" -gt 65536 ] || die "only $(json left.json steps) steps are left"
$KTRACE dump -i small/t.db --from -1 | grep -q . || die "dump of the last step"
echo "$(json left.json steps) steps kept; $(head -n1 err)"
