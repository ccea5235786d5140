# What is in a trace that comes with ktrace.
cp $TOP/tests/golden/seabios.db t.db
$KTRACE info -i t.db --check
$KTRACE info -i t.db --format json | python3 -c '
import json, sys
i = json.load(sys.stdin)
for k in "arch engine steps insns gaps chunks bytes bytes_static bytes_per_step digest start_pc end_pc end_reason images audit_misses".split():
    assert k in i, k
print(i["arch"], i["steps"], i["gaps"], i["start_pc"], i["end_reason"], [m["kind"] for m in i["images"]])'
$KTRACE info -i t.db --console
$KTRACE info; echo "no file: $?"
$KTRACE info a b; echo "two: $?"
$KTRACE info -i t.db > /dev/full; echo "full: $?"
