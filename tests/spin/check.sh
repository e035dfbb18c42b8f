#!/bin/sh
# Proves the model of letters and inboxes with spin, over every interleaving, with the decider on
# a thread of its own and hosted; and that each way of breaking it is found, or the proof would be worth nothing.
# Three things are done at a time, and take 2 GiB of memory together. Of the two large proofs ALLOWD_SHARE=3/8 does one.
set -eu
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
model=$top/tests/spin/letters.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# prove OPTION...: what pan says of the model with these definitions.
prove() {
    rm -f pan.* ./*.trail
    spin "$@" -a "$model" >spin.log || { cat spin.log; exit 1; }
    ${CC:-cc} -w $optimize -DSAFETY -DCOLLAPSE -o pan pan.c
    ./pan -m1000000 -w"$hash_bits" >pan.log
}

# is_proven: nothing is wrong, and all has been looked at.
is_proven() {
    grep -q 'errors: 0$' pan.log && ! grep -q 'max search depth too small' pan.log
}

failed=0
optimize=-O2

# proven BITS OPTION...: nothing is wrong with the model. Of the states, the table has 2^BITS lists.
proven() {
    hash_bits=$1
    shift
    prove "$@"
    if is_proven; then
        echo "$*: $(grep 'states, stored' pan.log), no error"
    else
        cat pan.log
        failed=1
    fi
}

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

all_broken() {
    hash_bits=22
    optimize=-O0 # it is found at once
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
    broken 11 0 1
    broken 12 0 1
    broken 13 0 # hosted, a LEAVE is answered before its client's letters are looked at
    broken 14 0 1
    broken 15 0 1
}

with_one_front() {
    for idle in 0 1; do
        proven 22 -DHOSTED=1 -DFRONTS=1 -DIDLE=$idle
        proven 22 -DHOSTED=0 -DFRONTS=1 -DIDLE=$idle
    done
    all_broken
}

# aside COMMAND...: in a directory of its own, while others are at work. Its status is whether anything failed there.
parts=
aside() {
    part=part$(echo "$parts" | wc -w)
    mkdir "$part"
    (
        cd "$part"
        "$@"
        exit "$failed"
    ) >"$part.out" 2>&1 &
    parts="$parts $part=$!"
}
aside with_one_front
for proof in $("$top/tests/share" of idle busy idle busy idle busy idle busy | sort -u); do
    case $proof in
        idle) aside proven 25 -DHOSTED=0 -DFRONTS=2 -DIDLE=1 ;;
        busy) aside proven 25 -DHOSTED=0 -DFRONTS=2 -DIDLE=0 -DLEAVES=0 ;;
    esac
done
for part in $parts; do
    wait "${part#*=}" || failed=1
    cat "${part%=*}.out"
done
exit $failed
