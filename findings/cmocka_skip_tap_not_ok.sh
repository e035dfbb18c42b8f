#!/bin/sh
# cmocka 1.1.5 (Debian 12, 1.1.5-2.1), CMOCKA_MESSAGE_OUTPUT=TAP: a test that calls skip() is printed
# as "not ok ... # SKIP", without the "-" that the others have, and prove(1) takes it for a failure,
# while the program itself ends with 0. Its XML, subunit and plain output call it skipped.
#
# TAP has "ok" before a "# SKIP", and one would guess that a harness which is given TAP says what the
# exit status says. So a suite that skips anything on some machine fails there under a TAP driver only.
#
# Needs apt, dpkg-deb, a C compiler and prove (perl); takes 10 seconds. Output on Debian 12.11:
#
#   plan: 1..2
#   test: ok 1 - passes
#   test: not ok 2 # SKIP skips
#   the program ends with 0
#   prove: Result: FAIL
#   XML: failures="0" skipped="1"
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in libcmocka0=1.1.5-2.1 libcmocka-dev=1.1.5-2.1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
    dpkg-deb -x "${package%=*}"_*.deb .
done

cat >two.c <<'END'
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void passes(void **state)
{
    (void)state;
}

static void skips(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passes), cmocka_unit_test(skips)};
    return cmocka_run_group_tests_name("two", tests, NULL, NULL);
}
END
library=$(dirname usr/lib/*/libcmocka.so.0)
${CC:-cc} -Iusr/include two.c -o two "$library/libcmocka.so.0"
export LD_LIBRARY_PATH="$folder/$library"

{
    CMOCKA_MESSAGE_OUTPUT=TAP ./two >tap 2>/dev/null && status=0 || status=$?
    sed -n -e 's/^[0-9]/plan: &/p' -e 's/^\(not \)\{0,1\}ok/test: &/p' tap
    echo "the program ends with $status"
    CMOCKA_MESSAGE_OUTPUT=TAP prove -e '' ./two 2>/dev/null | sed -n 's/^Result/prove: &/p'
    CMOCKA_MESSAGE_OUTPUT=XML ./two 2>/dev/null |
        sed -n 's/.*<testsuite .*\(failures="[0-9]*"\).*\(skipped="[0-9]*"\).*/XML: \1 \2/p'
} | tee seen

cat >expected <<'END'
plan: 1..2
test: ok 1 - passes
test: not ok 2 # SKIP skips
the program ends with 0
prove: Result: FAIL
XML: failures="0" skipped="1"
END
cmp -s seen expected || { echo "$0: cmocka does otherwise now" >&2; exit 1; }
