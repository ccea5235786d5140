# What a new user types first: help, nothing, something wrong.
$KTRACE help
$KTRACE >/dev/null; echo "no command: $?"
$KTRACE --version
$KTRACE recrod; echo "misspelt: $?"
$KTRACE frobnicate; echo "unknown: $?"
for c in record info dump doctor; do $KTRACE $c --help | head -n 1; $KTRACE help $c | head -n 1; done
$KTRACE info --nonsense; echo "bad option: $?"
