# Plants faults in copies of the sources, one after the other, and runs a property test with each: the check of the
# property that a fault breaks must find it, or that check is worth nothing. For tests/prop/planted.sh and
# tests/prop/planted_fleet.sh, which read it.
#
# A fault is the number of the property, the source, and what sed makes of it. If sed changes nothing, the source has
# changed: plant the same fault anew.
#
# The sourcing script sets `word`, by which a failed check calls its property, and `decisions`; and calls keep_object for each
# source of the test that no fault is planted in, and keep_source for one in which some are. It may set `kinds` to have only worlds
# of some kinds (ALLOWD_KIND) for the faults that follow. ALLOWD_SHARE=3/8 tries the third of eight shares of the faults, and sees of
# all that they can be planted.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
number=0
objects=
sources=
kinds='*'
in_share=" $("$TOP_SRCDIR/tests/share" of $(seq 99) | xargs) "

compile() {
    # shellcheck disable=SC2086 # several words each
    ${BUILD_CC:-cc} ${BUILD_CFLAGS:--O1} -std=gnu11 -D_GNU_SOURCE -w -I"$work/src" -I"$TOP_SRCDIR/src" -I"$TOP_SRCDIR/tests" "$@"
}

keep_object() {
    compile -c "$TOP_SRCDIR/$1" -o "$(basename "$1" .c).o"
    objects="$objects $(basename "$1" .c).o"
}

keep_source() {
    compile -c "$TOP_SRCDIR/$1" -o "$(basename "$1" .c).o"
    sources="$sources $1"
}

# For so many seconds of a processor at most, however busy the machine is.
run_faulty() (
    ulimit -t 120
    exec ./faulty
)

# planted PROPERTY SOURCE SED...: is found by that property's check. SOURCE: below src/, or tests/....
planted() {
    property=$1
    source=$2
    shift 2
    number=$((number + 1))
    case $source in
    tests/*) original=$TOP_SRCDIR/$source copy=$source ;;
    *) original=$TOP_SRCDIR/src/$source copy=src/$source ;;
    esac
    rm -rf src tests
    mkdir -p "${copy%/*}"
    sed -E "$@" "$original" >"$copy"
    if cmp -s "$original" "$copy"; then
        echo "fault $number: $source has changed, and this fault cannot be planted: sed -E $*"
        failed=1
        return
    fi
    case $in_share in *" $number "*) ;; *) return ;; esac
    # those that others include are compiled with those; others are linked before the library
    changed=$copy
    is_included=no
    case $source in keep/* | table/* | *.h) changed= is_included=yes ;; esac
    rest=
    for kept in $sources; do
        if [ $is_included = yes ]; then
            rest="$rest $TOP_SRCDIR/$kept"
        else
            [ "$kept" = "$source" ] || rest="$rest $(basename "$kept" .c).o"
        fi
    done
    # shellcheck disable=SC2086
    compile $objects $rest $changed "$BUILDDIR/libsupport.a" "$BUILDDIR/liballowd.a" $PLANTED_LIBS -o faulty
    # the same dice each time, with which it is found; a check that fails ends its kind of world, and others go on
    if ALLOWD_SEED=1 ALLOWD_DECISIONS=$decisions ALLOWD_KIND=$kinds run_faulty >out 2>&1; then
        echo "fault $number in $source: nothing finds it"
        failed=1
    elif grep -q "^ERROR: $word $property " out; then
        echo "fault $number in $source: $word $property, $(grep -c "^ERROR: $word" out) kinds of world"
    else
        echo "fault $number in $source: something finds it, but not the check of $word $property:"
        grep -m3 -E 'ERROR|Assertion|assert' out || tail -3 out
        failed=1
    fi
}
