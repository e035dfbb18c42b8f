#!/bin/sh
# Stands in for allowd in the end-to-end tests: the same under valgrind, which
# makes the exit status 99 if it finds anything.
exec valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=all \
    --num-callers=40 --suppressions="${0%/*}/valgrind.supp" "$ALLOWD_BINARY" "$@"
