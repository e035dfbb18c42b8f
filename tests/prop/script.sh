#!/bin/sh
# Holds the script against its model on real stores (tests/prop/prop_script.c).
set -eu
"$BUILDDIR/tests/prop/prop_script"
