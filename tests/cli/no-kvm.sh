# needs: root
# Without /dev/kvm, or without the right to open it, recording says so and reading goes on.
head -c 16 /dev/zero | tr '\0' '\364' >hlt.bin
unshare -m sh -c 'mount -t tmpfs none /dev && $KTRACE record --vm hlt.bin --load 0x7c00 --steps 5 -o t.db; echo "missing: $?"; $KTRACE doctor; echo "doctor: $?"'
unshare -m sh -c ': >none; mount --bind none /dev/kvm 2>/dev/null || exit 0; $KTRACE record --vm hlt.bin --load 0x7c00 --steps 5 -o t.db; echo "not kvm: $?"' 2>&1 | sed 's/^touch.*//'
$KTRACE info -i $TOP/tests/golden/seabios.db | grep -E '^(guest|gaps|ended)'
d=$(mktemp -d) && chmod 777 $d && cp $KTRACE hlt.bin $d && cd $d   # a place that an ordinary user can reach
unshare -m sh -c 'mount -t tmpfs none /dev && mknod -m 600 /dev/kvm c 10 232 && setpriv --reuid 65534 --regid 65534 --clear-groups ./ktrace record --vm hlt.bin --load 0x7c00 --steps 5 -o t.db; echo "no permission: $?"'
cd - >/dev/null; rm -r $d
ls *.db 2>/dev/null; true
