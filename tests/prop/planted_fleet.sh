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
keep_object tests/prop/fleet_once.c
keep_object tests/prop/fleet_state.c

model=tests/support/store_model.c
# 1: what is out does not count against the burst
planted 1 $model 's/- \(i128\)out\)/- 0 * (i128)out)/'
# 2: a lease ends later than the store takes it to; each sidecar has all of the burst while the store is out of reach; a list
# takes nothing
planted 2 $model 's/return call->ttl_ms \+ call->grace_ms;/return call->ttl_ms \/ 10;/'
planted 2 brain/share_apart.c 's/\(i128\)bucket->terms\.token_units \* \(sidecars == 0 \? 1 : sidecars\)/(i128)bucket->terms.token_units * (sidecars == 0 ? 1 : 1)/'
planted 2 brain/share_lists.c 's/share_spend\(share, tokens, brain_fleet_counters\(brain\)\);/(void)tokens;/'
# what a process before has spent is in hand again: all, in its record or once it is taken over; or what no order has told
kinds='crashes_t*'
planted 2 brain/share_order_take.c 's/bucket->disposed = bucket->sent_disposed = bucket->told_disposed = former->disposed;/bucket->disposed = 0;/'
planted 2 brain/share_keep.c 's/bucket->granted, bucket->disposed, bucket->net/bucket->granted, bucket->told_disposed, bucket->net/'
planted 2 brain/share_keep.c 's/totals\)\{bucket->granted, bucket->disposed, /totals){bucket->granted, 0, /'
kinds='*'
# 3: the dead give back what they had; what is told is done again: always, or by copies that come late, or by another order
planted 3 $model 's/record->holder\[kept\+\+\] = record->holder\[i\];/&\n        else\n            for (unsigned b = 0; b < record->buckets; b++)\n                record->level_units[b] += (int64_t)((record->holder[i].bucket[b].granted - record->holder[i].bucket[b].disposed) * record->token_units[b]);/'
planted 3 $model 's/work->own->bucket\[i\]\.net = told->net;//'
planted 3 $model 's/work->own->seq = !was_known && .*/work->own->seq = call->seq;/'
planted 3 brain/share_order_write.c 's/\.net = share->is_joined \? bucket->net : 0/.net = bucket->net/'
planted 3 brain/share_order_write.c 's/return share->is_reset_told \|\| share->former != NULL;/return share->former != NULL;/'
# 4: who stood still goes on as if its lease were not over
planted 4 brain/share_session.c 's/most\(ttl_ms, sure_ms\)/most(5 * ttl_ms, sure_ms)/'
# 5: what a session knows of, and a store that was rolled back does not, is not taken back
planted 5 $model 's/\*level - \(i128\)\(told->granted/*level - 0 * (i128)(told->granted/'
# 6: after a loss that counts as full, a record is full for each who comes
planted 6 $model 's/work->must_write = was_known/work->must_write = work->epoch_ms == 0 ? false : was_known/'
# 7: a record is taken to refill more slowly than it does; what is asked for exactly is granted only if more is there; a list
# waits for one order only; a quiet sidecar keeps what it has
planted 7 brain/share_estimate.c 's/i128 refilled = \(i128\)\(\(now_ns - seen_ns\) \/ NS_PER_MS\)/i128 refilled = (i128)((now_ns - seen_ns) \/ NS_PER_S)/'
planted 7 $model 's/work->record.level_units\[i\] </work->record.level_units[i] <=/'
planted 7 brain/share_lists.c 's/return turn != NO_TURN && join\(/return false \&\& join(/'
planted 7 brain/orders.c 's/return share->used_ns \+ brain_fleet_terms\(brain\)->return_after_ms \* NS_PER_MS;/return share->used_ns + 1000 * NS_PER_S;/'
# 8: orders go without regard to min_interval, or to those of a share that was forgotten, or to what the record has
planted 8 brain/orders.c 's/uint64_t may_ns = share->spaced_ns > ahead_ns .*/uint64_t may_ns = 0 * ahead_ns;/'
planted 8 brain/orders.c 's/exhausted_ns = most\(exhausted_ns, share->spaced_ns\);//'
planted 8 brain/shares.c 's/share->next_ns = share_ready_ns\(share, share_hand\(share\) \+ 1, now_ns\);/share->next_ns = now_ns;/'
# 9: a record that ends by a clock that steps is held back, and refilled once more
planted 9 $model 's/work->now_ms = work->time_ms; \/\* by which it has ended \*\///'
# 10: a lease begins, or is renewed, before the store keeps its slots, or the store does not, or may not any more by an order that is
# away
kinds='slots*'
planted 10 brain/share_slots.c 's/slots <= share_hand\(share\) && end_ns <= share->kept_ns;/slots <= share_hand(share) \&\& end_ns > 0;/'
planted 10 brain/share_queue.c 's/if \(!is_covered\(brain, share, number, ask\)\)/if (false)/'
planted 10 $model 's/call->keep_ms > lease_ms\(call\) \? call->keep_ms : lease_ms\(call\)/lease_ms(call)/'
planted 10 brain/share_order_write.c 's/share->kept_ns = least\(share->kept_ns, kept_ns\);//'
# what a new session claims is not out; or it does not claim what leases hold; or the store does not know claims
planted 10 $model 's/if \(told->granted > \*granted\) \{/if (told->granted > *granted \&\& !(work->call->flags \& ORDER_CLAIM)) {/'
planted 10 brain/share_session.c 's/share->is_claim = share->bucket\[0\]\.used > 0;/share->is_claim = false;/'
planted 10 $model 's/ && !\(work->call->flags & ORDER_CLAIM\)\)/)/'
# a slot that is given back counts twice in the store; or one that is released does in the hand
planted 10 $model 's/\*disposed = most;/*disposed = most + (most < *granted);/'
planted 10 brain/share_hand.c 's/bucket->used = slots;/bucket->used = slots > 0 \&\& slots < bucket->used ? slots - 1 : slots;/'
# slots that are taken over are free, though leases hold them; or those leases are forgotten, and so the slots are given back
kinds='slots_taken*'
planted 10 brain/share_order_take.c 's/bucket\[i\]\.used = least\(used, share_bucket_out\(&share->bucket\[i\]\)\);/bucket[i].used = 0;/'
planted 10 brain/share_order_write.c 's/uint64_t free = share->has_slots \? hand - least\(hand, share->bucket\[i\]\.used\) : 0;/uint64_t free = share->has_slots ? hand : 0;/'
# what has come before is decided again, and the answer is that of before, or it is not; or nobody hears that one who waited has his
# answer
kinds='asked*'
planted 3 brain/brain.c 's/    if \(message->once != NULL && repeats\(brain, message\)\)/    bool is_answered_before = message->once != NULL \&\& repeats(brain, message);\n    struct bucket_answer told = message->answer.bucket;\n    if (is_answered_before \&\& message->kind == MESSAGE_CHARGE)\n        decide_one(brain, place, message);\n    if (is_answered_before)\n        message->answer.bucket = told;\n    if (is_answered_before)/'
# 11
planted 11 brain/brain.c 's/if \(message->once != NULL && repeats\(brain, message\)\)/if (message->once != NULL \&\& repeats(brain, message) \&\& false)/'
planted 11 brain/share_queue.c 's/once_end\(&brain->once, message, brain->limits, brain->now_ns\);/;/'
# 12: a key that an override always denies is not; a share does not hear of overrides that come and go, or of any
kinds='overrides*'
planted 12 brain/shares.c 's/result = share_result_without_hand\(terms, ask->tokens\);/&\n    if (result == BUCKET_NEVER)\n        result = BUCKET_DENIED;/'
planted 12 brain/share_changes.c 's/        share_set_terms_at\(brain, &place, share\);//'
planted 12 brain/share_places.c 's/share_set_terms\(share, place_allowance\(brain, place\)/share_set_terms(share, \&place_limit(brain, place)->allowance/'
# 13: a session is taken over though the store knows a later order of it; or by another order of it each time
kinds='copies*'
planted 13 $model 's/call->seq <= work->own->seq\)/call->seq <= work->own->seq \&\& !work->has_taken)/'
planted 13 brain/share_order_write.c 's/return share->is_reset_told \|\| share->former != NULL;/return share->is_reset_told;/'
exit $failed
