#!/bin/sh
# Plants faults for the checks of tests/prop/prop_fleet, in the brain and in the store's model: see planting.sh.
set -eu
# shellcheck source=tests/prop/planting.sh
. "$TOP_SRCDIR/tests/prop/planting.sh"
word=invariant
decisions=100000
keep_object tests/prop/prop_fleet.c
keep_object tests/prop/fleet_sim.c
keep_object tests/prop/fleet_checks.c
keep_object tests/prop/fleet_naive.c

model=tests/support/store_model.c
# 1: what is out does not count against the burst
planted 1 $model 's/\(i128\)burst - \(i128\)out\)/(i128)burst)/'
exit $failed
