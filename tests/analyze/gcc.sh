#!/bin/sh
# gcc.sh TEST: gcc's own analyzer over the source that the test is named after. Fails if it finds anything that no
# exception below explains.
set -eu
source=${1##*tests/analyze/fanalyzer/}
source=${source%.fanalyzer}.c
cd "${TOP_SRCDIR:-.}"

# except FILE WARNING: not there. What is wrong with the analyzer, not with the file, in gcc 12.
flags=
except() {
    [ "$1" != "$source" ] || flags="$flags -Wno-analyzer-$2"
}
# The strings of an allowance hang on an element of an array in a struct, where it loses them;
# limits_release frees them, as valgrind and LeakSanitizer see (tests/unit/test_limits).
except src/limits/limits.c malloc-leak
# room_for gives NULL for some only with is_short_of_memory set, and goes_on then ends the loop
# before its first turn.
except src/keep/snapshot.c null-dereference
# share_foresee copies a share as a whole, of which it loses the elements of an array in a struct.
except src/brain/share_lists.c use-of-uninitialized-value
# read_plain hands its memory on in a copy of the struct, which batch_release frees, as LeakSanitizer sees.
except src/http/batch_json.c malloc-leak
# Of a shift of a vector it compares the bits with the number of elements.
except src/table/hashes.c shift-count-overflow

gcc -fanalyzer $flags -Werror -O1 -std=c11 -D_GNU_SOURCE -DPACKAGE_VERSION=\"0\" \
    $ANALYZE_CFLAGS -Isrc -c "$source" -o /dev/null
echo "gcc -fanalyzer: nothing found in $source"
