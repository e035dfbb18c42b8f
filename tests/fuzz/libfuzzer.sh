#!/bin/sh
# libfuzzer.sh PROGRAM SECONDS: runs a fuzz target that is built for libFuzzer, from its seeds
# and what earlier runs have left in fuzz-corpus, in the working directory.
set -eu
program=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
name=${program##*/fuzz_}
more=$(sed -n 's/.*more_seeds = "\(.*\)".*/\1/p' "$here/fuzz_$name.c")
corpus=fuzz-corpus/$name
mkdir -p "$corpus"
set -- "$corpus"
for directory in "$here/seeds/$name" "$here/regressions/$name" ${more:+"$here/../../$more"}; do
    [ ! -d "$directory" ] || set -- "$@" "$directory"
done
exec "$program" -max_total_time="$seconds" -timeout=10 -max_len=4096 -print_final_stats=1 \
    -dict="$here/words/$name" -artifact_prefix="$name-" "$@"
