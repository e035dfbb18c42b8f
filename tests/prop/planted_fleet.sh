#!/bin/sh
# Plants faults for the checks of tests/prop/prop_fleet, in the brain and in the store's model: see planting.sh.
set -eu
# shellcheck source=tests/prop/planting.sh
. "$TOP_SRCDIR/tests/prop/planting.sh"
word=invariant
decisions=600000
keep_object tests/prop/prop_fleet.c
keep_object tests/prop/fleet_sim.c
keep_object tests/prop/fleet_checks.c
keep_object tests/prop/fleet_naive.c

model=tests/support/store_model.c
# 1: what is out does not count against the burst, or what the store did not know of is not taken back
planted 1 $model 's/- \(i128\)out\)/- 0 * (i128)out)/'
# 3: the dead give back what they had; what is told is done again
planted 3 $model 's/record->holder\[kept\+\+\] = record->holder\[i\];/&\n        else\n            for (unsigned b = 0; b < record->buckets; b++)\n                record->level_units[b] += (int64_t)((record->holder[i].bucket[b].granted - record->holder[i].bucket[b].disposed) * record->token_units[b]);/'
planted 3 $model 's/work->own->bucket\[i\]\.net = told->net;//'
# 2: a lease ends later than the store takes it to
planted 2 brain/share.c 's/share->lease_ns = orders->sent_ns \+/share->lease_ns = 10 * NS_PER_S + orders->sent_ns +/'
# 7: a quiet sidecar keeps what it has
planted 7 brain/orders.c 's/return share->used_ns \+ terms_of\(brain\)->return_after_ms \* NS_PER_MS;/return share->used_ns + 1000 * NS_PER_S;/'
# 8: orders go without regard to min_interval, or to what the record has
planted 8 brain/orders.c 's/uint64_t may_ns = share->spaced_ns > ahead_ns .*/uint64_t may_ns = 0 * ahead_ns;/'
planted 8 brain/shares.c 's/share->next_ns = share_ready_ns\(share, share_hand\(share\) \+ 1, now_ns\);/share->next_ns = now_ns;/'
# 9: a record that ends by a clock that steps is held back, and refilled once more
planted 9 $model 's/work->now_ms = work->time_ms; \/\* by which it has ended \*\///'
exit $failed
