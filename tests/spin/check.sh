#!/bin/sh
# Proves the model of the exchange with spin, over every interleaving; and that
# each way of breaking it is found, or the proof would be worth nothing.
set -eu
model=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/spin/exchange.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# prove OPTION...: what pan says of the model with these definitions.
prove() {
    rm -f pan.* ./*.trail
    spin "$@" -a "$model" >spin.log || { cat spin.log; exit 1; }
    ${CC:-cc} -w -O2 -DSAFETY -o pan pan.c
    ./pan -m1000000 >pan.log
}

failed=0
for options in -DIDLE=0 -DIDLE=1; do
    prove "$options"
    if grep -q 'errors: 0$' pan.log && ! grep -q 'max search depth too small' pan.log; then
        echo "$options: $(grep 'states, stored' pan.log), no error"
    else
        cat pan.log
        failed=1
    fi
done
for broken in 1 2 3 4 5 6; do
    idle=1
    [ $broken != 3 ] || idle=0 # it takes a deadline
    prove -DIDLE=$idle -DBROKEN=$broken
    if grep -q 'errors: 0$' pan.log; then
        echo "BROKEN=$broken: spin finds nothing wrong with a broken model"
        failed=1
    else
        echo "BROKEN=$broken: $(grep '^pan:1:' pan.log)"
    fi
done
exit $failed
