#!/bin/sh
# Line coverage, part by part. Fails where a part has less than its goal, and shows what is not run there.
#
#   coverage.sh SOURCE-TREE
#
# In a build directory of --enable-coverage, after "make check". Needs gcovr. Nothing is left out. What a process
# did that was killed, by a test or by a signal of its own, is not counted.
set -eu
top=$1
failed=

# part NAME GOAL FILES: a regular expression, below src/
part() {
    gcovr --root "$top" --add-tracefile coverage.json --filter "$top/src/$3" --output coverage.txt --print-summary \
        --fail-under-line "$2" >coverage.summary 2>&1 || failed="$failed $1,"
    sed -n "s/^lines: \(.*\)/$1: \1, the goal is $2%/p" coverage.summary
    case $failed in *" $1,") grep -v " 100% *$" coverage.txt ;; esac
}

gcovr --root "$top" --filter "$top/src/" --object-directory . --json coverage.json
part 'core, exchange and state' 100 '(limits|table|keep|brain|actor)/'
part 'parser of the configuration' 100 'config/'
part 'parsers of requests' 100 '(http/(request|question|parameters|body|list|batch|access|route|fault_text)|http/routes/.*|http/wire/gate|base/(arena|quote|text))\.[ch]'
part 'checks' 100 'ask/'
part 'everything' 95 ''
[ -z "$failed" ] || { echo "coverage: below the goal:${failed%,}" >&2; exit 1; }
