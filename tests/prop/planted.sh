#!/bin/sh
# Plants faults in copies of the sources, one after the other, and runs tests/prop/prop_waits with each: the check of the
# property that a fault breaks must find it, or that check is worth nothing.
#
# A fault is the number of the property, the source, and what sed makes of it. If sed changes nothing, the source has
# changed: plant the same fault anew.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
number=0
compile() {
    # shellcheck disable=SC2086 # several words each
    ${BUILD_CC:-cc} ${BUILD_CFLAGS:--O1} -std=gnu11 -D_GNU_SOURCE -w -I"$work/src" -I"$TOP_SRCDIR/src" -I"$TOP_SRCDIR/tests" "$@"
}
compile -c "$TOP_SRCDIR/tests/prop/prop_waits.c" -o prop_waits.o
compile -c "$TOP_SRCDIR/tests/prop/sim.c" -o sim.o

# planted PROPERTY SOURCE SED...: is found by that property's check.
planted() {
    property=$1
    source=$2
    shift 2
    number=$((number + 1))
    rm -rf src
    mkdir -p "src/${source%/*}"
    sed -E "$@" "$TOP_SRCDIR/src/$source" >"src/$source"
    if cmp -s "$TOP_SRCDIR/src/$source" "src/$source"; then
        echo "fault $number: $source has changed, and this fault cannot be planted: sed -E $*"
        failed=1
        return
    fi
    # told_stores.c includes those that store; others are linked before the library
    changed="src/$source"
    case $source in keep/* | table/*) changed= ;; esac
    # shellcheck disable=SC2086
    compile prop_waits.o sim.o "$TOP_SRCDIR/tests/prop/told_stores.c" $changed \
        "$BUILDDIR/libsupport.a" "$BUILDDIR/liballowd.a" $PLANTED_LIBS -o faulty
    # the same dice each time, with which it is found; a check that fails ends its kind of world, and others go on
    if ALLOWD_SEED=1 ALLOWD_DECISIONS=60000 ./faulty >out 2>&1; then
        echo "fault $number in $source: nothing finds it"
        failed=1
    elif grep -q "^ERROR: property $property " out; then
        echo "fault $number in $source: property $property, $(grep -c '^ERROR: property' out) kinds of world"
    else
        echo "fault $number in $source: something finds it, but not the check of property $property:"
        grep -m3 -E 'ERROR|Assertion|assert' out || tail -3 out
        failed=1
    fi
}

# 1: tokens are not taken, or more are charged than may be owed
planted 1 brain/decide.c 's/credit_take\(credit, demand_of\(demand, credit\), &mark\)/credit_take(credit, demand_of(demand, credit) \/ 2, \&mark)/'
planted 1 brain/holdings.c 's/\(i128\)holding->hoped_tokens \*/0 */'
# 2: somebody passes the queue, or is let go a tick late
planted 2 brain/waits.c 's/decide_is_next\(holding\), message->kind/true, message->kind/'
planted 2 brain/waits.c 's/: time_of\(brain, tail->tick\);/: time_of(brain, tail->tick + 1);/'
# 3: one that leaves, or whose limit is gone, is not answered
planted 3 brain/waits.c 's/^    settle_as\(brain, message, BUCKET_LEFT\);//'
planted 3 brain/waits.c 's/settle_as\(brain, message, BUCKET_NO_SUCH_LIMIT\);/continue;/'
# 4: slots that are out are not counted, or come back late
planted 4 brain/leases.c 's/return out_now\(leases, key\)\.slots;/return out_now(leases, key).slots \/ 2;/'
planted 4 brain/decide.c 's/(bucket\.tokens : 0, acquire->slots)\);/\1 + 1);/'
# 5: a lease is there before its tokens are taken, or after they have come back
planted 5 brain/decide.c -e '/^ALWAYS_INLINE enum bucket_result try\(/,/^}/{s/^    take\(.*//;s/^        hold_taken\(.*/&\n    take(brain, place, holding, ask, demand, slot, marks);/}'
planted 5 brain/lease.c -e '/^static enum lease_state release\(/,/^}/{s/^    lease_give_back\(.*//;s/^    leases_let_go\(.*LEASE_RELEASED.*/    lease_give_back(brain, target, outcome.returned_tokens);\n&/}'
# 6: keys that owe are evicted, or those with promises or slots
planted 6 brain/buckets.c '/^static bool can_be_given_away\(/,/^}/s/if \(level < 0\)/if (false)/'
planted 6 brain/buckets.c '/^static bool can_be_given_away\(/,/^}/s/return !is_held/return true || !is_held/'
# 7: time that passes in a reboot is lost, or a file of 0.1.0 is read as if it knew how long it lived
planted 7 keep/store.c "s/\(record->lived_ns == 0 &&/(false \&\&/"
planted 7 brain/resume.c 's/return now->wall_ns > then->wall_ns .*/return 0;/'
exit $failed
