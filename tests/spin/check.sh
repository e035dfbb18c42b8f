#!/bin/sh
# Proves the model of letters and inboxes with spin, over every interleaving, with the decider on
# a thread of its own and hosted; and that each way of breaking it is found, or the proof would be worth nothing.
set -eu
model=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/spin/letters.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# prove OPTION...: what pan says of the model with these definitions.
prove() {
    rm -f pan.* ./*.trail
    spin "$@" -a "$model" >spin.log || { cat spin.log; exit 1; }
    ${CC:-cc} -w -O2 -DSAFETY -DCOLLAPSE -o pan pan.c
    ./pan -m1000000 -w"$hash_bits" >pan.log
}

# is_proven: nothing is wrong, and all has been looked at.
is_proven() {
    grep -q 'errors: 0$' pan.log && ! grep -q 'max search depth too small' pan.log
}

failed=0
for kind in '-DHOSTED=1 -DFRONTS=1' '-DHOSTED=0 -DFRONTS=1' '-DHOSTED=0 -DFRONTS=2'; do
    hash_bits=22
    case $kind in *FRONTS=2) hash_bits=26 ;; esac # 512 MiB
    for idle in 0 1; do
        prove $kind -DIDLE=$idle
        if is_proven; then
            echo "$kind -DIDLE=$idle: $(grep 'states, stored' pan.log), no error"
        else
            cat pan.log
            failed=1
        fi
    done
done

# broken NUMBER HOSTED...: is found with the decider on its own thread (0), hosted (1), or both.
broken() {
    number=$1
    shift
    for hosted; do
        prove -DHOSTED="$hosted" -DFRONTS=1 -DIDLE=1 -DBROKEN="$number"
        if grep -q 'errors: 0$' pan.log; then
            echo "BROKEN=$number HOSTED=$hosted: spin finds nothing wrong with a broken model"
            failed=1
        else
            echo "BROKEN=$number HOSTED=$hosted: $(grep '^pan:1:' pan.log)"
        fi
    done
}
hash_bits=22
broken 1 0 1
broken 2 0 1
broken 3 0 # hosted, nobody sleeps with a deadline before the front-end has ended
broken 4 0 1
broken 5 0 1
broken 6 0 1
broken 7 0 1
broken 8 0 1
broken 9 0 1
broken 10 0 1
exit $failed
