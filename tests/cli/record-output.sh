# needs: kvm root
# Where the trace goes: what may be replaced, what is refused. As an ordinary user, for permissions to count.
head -c 16 /dev/zero | tr '\0' '\364' >hlt.bin        # hlt with interrupts off: idle at once
rec() { $KTRACE record -q --vm hlt.bin --load 0x7c00 --steps 5 "$@"; echo "-> $?"; }
rec -o missing/dir/t.db
mkdir d; rec -o d
echo 'precious text' >notes.txt; rec -o notes.txt; cat notes.txt
rec -o t.db; rec -o t.db; ls
sqlite3 t.db 'pragma user_version = 99; update head set min_reader = 99'; $KTRACE info -i t.db; echo "newer: $?"; rec -o t.db
sqlite3 other.db 'create table x(y)'; $KTRACE info -i other.db; echo "other database: $?"; rec -o other.db
$KTRACE info -i notes.txt; echo "text: $?"
$KTRACE info -i nothing.db; echo "missing: $?"
: >empty.db; $KTRACE info -i empty.db; echo "empty: $?"
head -c 8192 t.db.old >cut.db; $KTRACE info -i cut.db >/dev/null 2>err; echo "truncated: $?"; test -s err && echo said so
