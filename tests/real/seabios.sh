# needs: kvm
# SeaBIOS, 1e6 steps from reset: whole, console text, memory, equal digests whatever the chunks, the build, the run.
. $TOP/tests/real/lib/common
[ -e $BIOS ] || skip "package seabios is not installed"
rec() { local name=$1; shift; $KTRACE record --vm $BIOS --mem 64M --format json -o $name.db "$@" >$name.json; }
rec a --steps 1e6 --save-memory ram
whole a 1000000
$KTRACE info -i a.db --check --format json >info.json
expect "digest in info" "$(json info.json digest)" "$(json a.json digest)"
$KTRACE info -i a.db --console | grep -q 'SeaBIOS (version' || die "the banner is not on the recorded console"
$KTRACE info -i a.db --console | grep -q 'Found QEMU fw_cfg' || die "fw_cfg was not found by the BIOS"
$MEMCHECK a.db ram || die "memory rebuilt from the trace differs"
expect "lines of dump" "$($KTRACE dump -i a.db | wc -l)" 1000000
rm ram
rec b --steps 1e6
expect "digest of the second run" "$(json b.json digest)" "$(json a.json digest)"
rec c --steps 1e6 --chunk-steps 5000 --chunk-payload 100000 --chunk-pages 600 --audit-chunks 3
expect "digest with small chunks" "$(json c.json digest)" "$(json a.json digest)"
$KTRACE info -i c.db --check >/dev/null
rec d --steps 2e5
if [ -x $KTRACE_ASAN ]; then
	KTRACE=$KTRACE_ASAN rec e --steps 2e5
	expect "digest of the sanitizer build" "$(json e.json digest)" "$(json d.json digest)"
fi
echo "$(json a.json steps_per_second) steps/s, $(python3 -c "import json;print('%.4f' % json.load(open('info.json'))['bytes_per_step'])") bytes a step, digest $(json a.json digest)"
