# Listing steps of a trace that comes with ktrace.
cp $TOP/tests/golden/seabios.db t.db
d() { echo "\$ dump $*"; $KTRACE dump -i t.db "$@"; echo "-> $?"; }
d --limit 12
d --from 1000 --to 1005
d --from 50% --limit 2
d --from -2
d --from 100 --to 102 --format json
d --kind device --limit 5
d --kind device --limit 3 --format json
d --from 61 --limit 2 --regs
d --kind gap
d --kind irq --limit 1
d --from 1e9
d --from 10 --to 5
d --from abc
d --kind nothing
d --limit -3
KTRACE_FILE=t.db $KTRACE dump --limit 1
