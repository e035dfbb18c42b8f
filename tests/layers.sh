#!/bin/sh
# Checks that each layer of src/ includes only itself and what is below it, and
# that a library has one place where it may be included.
set -eu
src=${TOP_SRCDIR:-.}/src
faults=0

fault() {
    echo "layers: $*" >&2
    faults=$((faults + 1))
}

# allow LAYER REGEX: the files of a layer include, with quotes or angles, only what matches.
allow() {
    layer=$1 allowed=$2
    found=$(grep -nE '^[[:space:]]*#[[:space:]]*include' "$src/$layer"/*.[ch] | grep -vE "$allowed" || true)
    [ -z "$found" ] || fault "src/$layer may not include this:
$found"
}

# only HEADER FILES-REGEX: a library's header is included by those files alone.
only() {
    header=$1 files=$2
    found=$(grep -rnlE "#[[:space:]]*include <($header)" "$src" | sed "s|^$src/||" | grep -vE "^($files)\$" || true)
    [ -z "$found" ] || fault "<$header> may be included by $files alone, not by: $found"
}

# What C itself gives, without threads, clocks, files or a log.
plain='<(assert|fnmatch|inttypes|limits|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string)\.h>'

allow pure "\"pure/|$plain|<sodium/crypto_shorthash|<sys/mman\.h>"
allow brain "\"(pure|brain)/|$plain|<sys/mman\.h>"
allow machine "\"(pure|brain|machine)/|$plain|<(errno|fcntl|pthread|sched|semaphore|signal|time|unistd|sys/(eventfd|file|mman|stat))\.h>"
allow check "\"(pure|check)/|$plain|<(arpa/inet|netinet/in|stdarg|strings|sys/(socket|types))\.h>|<sodium/(crypto_hash_sha256|utils)"
allow http "\"(pure|brain|machine|check|http)/|<"
allow config "\"(pure|brain|check|config)/|<"
allow edge "\"(pure|brain|machine|check|http|config|edge)/|<"

only 'microhttpd\.h' 'http/http(_fields|_response)?\.[ch]'
only 'cyaml/' 'config/config[a-z_]*\.[ch]'
only 'jansson\.h' 'http/batch_json\.c'
only 'yaml\.h' 'config/config[a-z_]*\.[ch]'
only 'sodium/crypto_shorthash' 'pure/table\.c'
only 'sodium/crypto_hash_sha256' 'check/(key_maker|secret)\.h'
only 'sodium' 'pure/table\.c|edge/keeper\.c|check/(key_maker\.h|secret\.[ch])'
only 'pthread\.h' 'machine/.*|edge/front\.[ch]'

# main.c wires: it includes the edge and the system, nothing deeper.
found=$(grep -nE '#[[:space:]]*include "(pure|brain|machine|check|http)/' "$src/main.c" || true)
[ -z "$found" ] || fault "src/main.c may not include this:
$found"

# A check that looked at nothing would pass too.
seen=$(ls "$src"/pure/*.c "$src"/brain/*.c "$src"/machine/*.c "$src"/check/*.c "$src"/http/*.c \
    "$src"/config/*.c "$src"/edge/*.c | wc -l)
[ "$seen" -ge 20 ] || fault "saw only $seen sources"

if [ "$faults" -ne 0 ]; then
    echo "layers: $faults faults" >&2
    exit 1
fi
echo "layers: $seen sources, each in its layer"
