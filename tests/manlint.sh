#!/bin/sh
# Checks the manual pages: nothing for mandoc to say, at any level. Whether the
# pages referred to are installed on this machine says nothing about ours.
set -eu
command -v "$MANDOC" >/dev/null || { echo "manlint: mandoc is missing"; exit 1; }
said=$(mktemp)
trap 'rm -f "$said"' EXIT
for page in "$TOP_SRCDIR"/man/*.[578]; do
    "$MANDOC" -T lint "$page" 2>/dev/null | grep -v 'STYLE: referenced manual not found' >>"$said" || true
    echo "manlint: ${page##*/}"
done
cat "$said"
test ! -s "$said"
