#!/bin/sh
# Plants faults for the checks of tests/prop/prop_waits: see planting.sh.
set -eu
# shellcheck source=tests/prop/planting.sh
. "$TOP_SRCDIR/tests/prop/planting.sh"
word=property
decisions=60000
keep_object tests/prop/prop_waits.c
keep_object tests/prop/sim.c
keep_source tests/prop/told_stores.c # which includes sources that store

# 1: tokens are not taken, or more are charged than may be owed
planted 1 brain/decide.c 's/credit_take\(credit, demand_of\(demand, credit\), &mark\)/credit_take(credit, demand_of(demand, credit) \/ 2, \&mark)/'
planted 1 brain/holdings.c 's/\(i128\)holding->hoped_tokens \*/0 */'
# 2: somebody passes the queue, or is let go a tick late
planted 2 brain/waits.c 's/decide_is_next\(holding\), message->kind/true, message->kind/'
planted 2 brain/waits.c 's/: time_of\(brain, tail->tick\);/: time_of(brain, tail->tick + 1);/'
# 3: one that leaves, or whose limit is gone, is not answered
planted 3 brain/waits.c 's/^    settle_as\(brain, message, BUCKET_LEFT\);//'
planted 3 brain/waits.c 's/settle_as\(brain, message, BUCKET_NO_SUCH_LIMIT\);/continue;/'
# 4: slots that are out are not counted, or come back late
planted 4 brain/leases.c 's/return out_now\(leases, key\)\.slots;/return out_now(leases, key).slots \/ 2;/'
planted 4 brain/decide.c 's/(bucket\.tokens : 0, acquire->slots)\);/\1 + 1);/'
# 5: a lease is there before its tokens are taken, or after they have come back
planted 5 brain/decide.c -e '/^ALWAYS_INLINE enum bucket_result try\(/,/^}/{s/^    (move_marks|buckets_store_all)\(.*//;s/^        hold_taken\(.*/&\n    move_marks(at, holding, demand, marks);\n    buckets_store_all(\&brain->buckets, place, ask, slot, at->count, marks);/}'
planted 5 brain/lease.c -e '/^static enum lease_state release\(/,/^}/{s/^    lease_give_back\(.*//;s/^    leases_let_go\(.*LEASE_RELEASED.*/    lease_give_back(brain, target, outcome.returned_tokens);\n&/}'
# 6: keys that owe are evicted, or those with promises or slots
planted 6 brain/buckets.c '/^static bool can_be_given_away\(/,/^}/s/if \(level < 0\)/if (false)/'
planted 6 brain/buckets.c '/^static bool can_be_given_away\(/,/^}/s/return !is_held/return true || !is_held/'
# 7: time that passes in a reboot is lost, or a file of 0.1.0 is read as if it knew how long it lived
planted 7 keep/store.c "s/\(record->lived_ns == 0 &&/(false \&\&/"
planted 7 brain/resume.c 's/return now->wall_ns > then->wall_ns .*/return 0;/'
exit $failed
