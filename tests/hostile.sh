#!/bin/sh
# Checks tests/hostile.md: each row says what comes in, what allowd does and which tests show
# it, or how it was tried by hand; each test named is there, and belongs to the suite.
#
#   hostile.sh [TABLE]
set -eu
top=${TOP_SRCDIR:-.}
table=${1:-$top/tests/hostile.md}

# belongs PATH: make knows it, and it is a file; tests/conf is a directory of cases.
belongs() {
    case $1 in
    tests/conf) test -d "$top/$1" ;;
    *) test -f "$top/$1" && grep -Eq "(^|[[:space:]])${1%.c}([[:space:]]|\$)" "$top/Makefile.am" ;;
    esac
}

# defines PATH NAME: a method of Python, a function that cmocka is given, a case of the configuration.
defines() {
    case $1 in
    tests/conf) test -f "$top/$1/$2.yaml" && { test -f "$top/$1/$2.error" || test -f "$top/$1/$2.dump"; } ;;
    *.py) grep -Eq "^ +def $2\(self\):" "$top/$1" ;;
    *.c) grep -Eq "(cmocka_unit_test[a-z_]*|TEST)\($2[,)]" "$top/$1" ;;
    *) false ;;
    esac
}

# test_faults TEST: what is wrong with "PATH" or "PATH: NAME, NAME".
test_faults() {
    path=${1%%:*}
    if ! belongs "$path"; then
        echo "  $path is no file of the suite"
        return
    fi
    [ "$path" != "$1" ] || return 0
    for name in $(echo "${1#*:}" | tr , ' '); do
        defines "$path" "$name" || echo "  $path has no test \"$name\""
    done
}

# row_faults ROW
row_faults() {
    printf '%s\n' "$1" | awk -F'|' '
        NF != 5 { print "  it has not three cells" }
        $4 !~ /`/ && $4 !~ /By hand/ { print "  it names no test, and does not say how it was tried by hand" }'
    printf '%s\n' "$1" | awk -F'|' '{ n = split($4, part, "`"); for (i = 2; i <= n; i += 2) print part[i] }' |
        while IFS= read -r test; do test_faults "$test"; done
}

# The rows of standard input, without those that head a table.
rows() {
    grep '^|' | grep -vE '^\|( what comes in |-)' || true
}

# table_faults: each faulty row of standard input, and what is wrong with it.
table_faults() {
    rows | while IFS= read -r row; do
        faults=$(row_faults "$row")
        [ -z "$faults" ] || printf '%s\n%s\n' "$row" "$faults"
    done
}

# A check that finds no fault in these would find none in the table.
while IFS= read -r row; do
    if [ -z "$(printf '%s\n' "$row" | table_faults)" ]; then
        echo "hostile: this row is faulty, and would pass: $row"
        exit 1
    fi
done <<'EOF'
| in | out | |
| in | out |
| in | out | tried |
| in | out | `tests/e2e/test_nowhere.py` |
| in | out | `tests/e2e/harness.py` |
| in | out | `tests/e2e/test_load.py: test_nothing` |
| in | out | `tests/e2e/test_load.py: test_burst_and` |
| in | out | `tests/e2e/test_load.py`, `tests/unit/test_key.c: refuses_the_empty_key, refuses` |
| in | out | `tests/conf: ok-full, ok-nothing` |
| in | out | `tests/layers.sh: layers` |
EOF

faults=$(table_faults <"$table")
count=$(rows <"$table" | wc -l)
if [ -n "$faults" ]; then
    echo "hostile: rows of ${table##*/} that do not hold:"
    echo "$faults"
    exit 1
fi
[ "$count" -ge 80 ] || { echo "hostile: saw only $count rows"; exit 1; }
echo "hostile: $count rows, each with its tests"
