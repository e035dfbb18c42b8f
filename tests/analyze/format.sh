#!/bin/sh
# Holds every C source and header to .clang-format, by clang-format 14 (Debian 12's): another
# version lays some lines out otherwise. Mend with: clang-format -i FILE
set -eu
cd "${TOP_SRCDIR:-.}"
case $(clang-format --version) in
*"version 14."*) ;;
*) echo "format: $(clang-format --version) is not version 14"; exit 77 ;;
esac
files=$(find src tests -name '*.[ch]' | sort)
clang-format --dry-run --Werror $files
echo "format: $(echo "$files" | wc -l) files, all laid out as .clang-format says"
