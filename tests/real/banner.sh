# needs: kvm
# The stock Debian kernel (amd64, not the cloud one) to its banner: 1.5e7 steps, whole, "Linux version 6.1" on the console.
. $TOP/tests/real/lib/common
vmlinuz=$TOP/$(kernel amd64)
$KTRACE record --vm $vmlinuz --append "earlyprintk=serial,ttyS0 console=ttyS0" --mem 256M --steps 1.5e7 --format json -o k.db --save-memory ram >k.json
whole k 15000000
$KTRACE info -i k.db --console | grep -q 'Linux version 6.1' || die "no banner on the console"
$MEMCHECK k.db ram || die "memory rebuilt from the trace differs"
echo "$($KTRACE info -i k.db --console | grep -m1 'Linux version' | cut -c1-60); $(json k.json steps_per_second) steps/s"
