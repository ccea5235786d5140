# Options out of range or malformed: exit 2, a sentence that says which and why.
try() { echo "\$ record $*"; $KTRACE record "$@"; echo "-> $?"; }
try
try --vm x --steps -1
try --vm x --steps abc
try --vm x --steps 0
try --vm x --steps 1.23e1
try --vm x --mem 0
try --vm x --mem 1T
try --vm x --mem 4097K1
try --vm x --mem 1048577
try --vm x --cpu pentium
try --vm x --mode fast
try --vm x --irq never
try --vm x --boot somehow
try --vm x --step-ns 0
try --vm x --rtc yesterday
try --vm x --format xml
try x
ls
