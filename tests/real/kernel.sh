# needs: kvm
# The stock Debian cloud kernel, 3e6 steps from startup_64: whole, memory right, twice the same.
. $TOP/tests/real/lib/common
vmlinuz=$TOP/$(kernel cloud-amd64)
rec() { local name=$1; shift; $KTRACE record --vm $vmlinuz --append "earlyprintk=serial,ttyS0 console=ttyS0" --mem 256M --format json -o $name.db "$@" >$name.json; }
rec a --steps 3e6 --save-memory ram
whole a 3000000
expect "first PC (startup_64)" "$(json a.json start_pc)" 0x1000000
$KTRACE info -i a.db --check --format json >info.json
$MEMCHECK a.db ram || die "memory rebuilt from the trace differs"
rm ram
rec b --steps 1e6
rec c --steps 1e6 --chunk-steps 10000
expect "digest with small chunks" "$(json c.json digest)" "$(json b.json digest)"
echo "$(json a.json steps_per_second) steps/s, $(python3 -c "import json;print('%.4f' % json.load(open('info.json'))['bytes_per_step'])") bytes a step"
