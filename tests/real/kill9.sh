# needs: kvm
# kill -9 at ten moments: info and dump work on what is left; at most the open chunk and the one being committed are
# missing; the file alone, copied or renamed, holds what was committed.
. $TOP/tests/real/lib/common
[ -e $BIOS ] || skip "package seabios is not installed"
lost=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	rm -f t.db t.db-wal t.db-shm copy.db moved.db
	$KTRACE record -q --vm $BIOS --mem 64M --steps 1e8 --chunk-steps 4096 -o t.db 2>/dev/null &
	pid=$!
	sleep 0.$((RANDOM % 9 + 1)); sleep $((i % 3))
	kill -9 $pid; wait $pid 2>/dev/null || true
	[ -e t.db ] || continue   # killed before there was a file
	cp t.db copy.db
	$KTRACE info -i t.db --check --format json >left.json 2>notice || die "round $i: info: $(cat notice)"
	n=$(json left.json steps)
	expect "round $i: end reason" "$(json left.json end_reason)" unfinished
	[ $((n % 4096)) = 0 ] || die "round $i: $n steps are no whole chunks"
	if [ $n -gt 0 ]; then
		$KTRACE dump -i t.db --from -1 --limit 1 | grep -q . || die "round $i: dump of the last step"
		mv t.db moved.db
		expect "round $i: steps after renaming" "$($KTRACE info -i moved.db --format json 2>/dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["steps"])')" $n
		m=$($KTRACE info -i copy.db --format json 2>/dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["steps"])') || die "round $i: info on the copied file"
		[ $((n - m)) -le 8192 ] || die "round $i: the file alone holds $m steps, with its log $n"
	fi
	lost=$((lost + 1))
done
[ $lost -ge 5 ] || die "only $lost rounds left a file"
echo "$lost recordings killed, all readable"
