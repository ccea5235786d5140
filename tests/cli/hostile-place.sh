# needs: kvm
# Two recorders at one place, names that are no plain words, limits, closed streams, a file that talks to the terminal.
printf '\353\376' >jmp.bin
printf '\364' >hlt.bin
hlt() { $KTRACE record -q --vm hlt.bin --load 0x7c00 --steps 5 "$@"; }
$KTRACE record -q --vm jmp.bin --load 0x7c00 -o two.db & p=$!
while [ ! -s two.db-shm ]; do sleep 0.05; done
hlt -o two.db; echo "second recorder: $?"
$KTRACE info -i two.db 2>&1 >/dev/null
kill -TERM $p; wait $p; echo "first recorder: $?"
$KTRACE info -i two.db --check | grep -E '^check'
ls two.db*
for i in 1 2 3 4; do { hlt -o race.db 2>/dev/null && echo won >>won; } & done; wait
test -s won && $KTRACE info -i race.db --check | grep -E '^check'
name="it's \$(x) ü.db"
$KTRACE record --vm hlt.bin --load 0x7c00 --steps 5 -o "$name" | grep 'info -i'
$KTRACE info -i "$name" --format json | python3 -c 'import json, sys; print(ascii(json.load(sys.stdin)["file"]))'
hlt -o esc.db; sqlite3 esc.db "update head set engine = 'a' || char(27) || '[2J' || char(10) || 'b'"
$KTRACE info -i esc.db | grep '^recorded'
sqlite3 esc.db 'pragma user_version = 0'; $KTRACE info -i esc.db; echo "no version: $?"
(ulimit -f 8; $KTRACE record -q --vm hlt.bin --load 0x7c00 --steps 5 -o limit.db); echo "file size limit: $?"; ls limit.db 2>/dev/null
$KTRACE record --vm hlt.bin --load 0x7c00 --steps 5 -o closed.db >&- 2>&- <&-; echo "closed streams: $?"
$KTRACE info -i closed.db --check | grep -E '^check'
$KTRACE help nonsense; echo "help nonsense: $?"
