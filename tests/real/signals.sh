# needs: kvm
# Ctrl-C and SIGTERM end a recording with a good file and exit code 0.
. $TOP/tests/real/lib/common
[ -e $BIOS ] || skip "package seabios is not installed"
for sig in INT TERM HUP; do
	# a background job of a script ignores SIGINT; python's Popen gives it back
	python3 - $KTRACE $BIOS $sig <<'P' || die "SIG$sig: record did not exit 0"
import signal, subprocess, sys, time
k, bios, sig = sys.argv[1:]
signal.signal(signal.SIGINT, signal.SIG_DFL)
p = subprocess.Popen([k, "record", "--vm", bios, "--mem", "64M", "--format", "json", "-o", sig + ".db"], stdout=open(sig + ".json", "w"))
time.sleep(2)
p.send_signal(getattr(signal, "SIG" + sig))
sys.exit(p.wait(20))
P
	expect "SIG$sig: end reason" "$(json $sig.json end_reason)" interrupted
	$KTRACE info -i $sig.db --check >/dev/null || die "SIG$sig: file is not good"
done
echo "INT, TERM, HUP: good files"
