#!/bin/sh
# Checks that the version, which configure.ac gives, is that of Debian's changelog too.
set -eu
ours=$(sed -n 's/^AC_INIT(\[allowd\], \[\(.*\)\])$/\1/p' "$TOP_SRCDIR/configure.ac")
debians=$(sed -n '1s/^allowd (\([^)]*\)).*/\1/p' "$TOP_SRCDIR/debian/changelog")
if [ -z "$ours" ] || [ "$ours" != "$debians" ]; then
    echo "version: \"$ours\" in configure.ac, but \"$debians\" on top of debian/changelog: let the latter follow" >&2
    exit 1
fi
echo "version: $ours everywhere"
