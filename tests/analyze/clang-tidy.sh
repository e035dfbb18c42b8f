#!/bin/sh
# clang-tidy.sh TEST: clang-tidy over the source that the test is named after, as .clang-tidy says. Fails if it finds
# anything. If the test is tests/analyze/shallow/SOURCE.shallow, the checks of clang's analyzer are left out, which follow
# each path through a function and take ten times as long as all others.
# One source at a time, for with several clang-tidy 14 takes every va_list after the first for uninitialized.
set -eu
case $1 in
*.shallow) source=${1##*tests/analyze/shallow/} checks='-clang-analyzer-*' ;;
*) source=${1##*tests/analyze/tidy/} checks= ;;
esac
source=${source%.*}.c
cd "${TOP_SRCDIR:-.}"
clang-tidy --quiet --checks="$checks" "$source" -- -std=c11 -D_GNU_SOURCE -DPACKAGE_VERSION=\"0\" $ANALYZE_CFLAGS -Isrc
echo "clang-tidy: nothing found in $source"
