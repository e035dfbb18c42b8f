#include "prop/fleet_checks.h"

#include "brain/orders.h"
#include "support/dice.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_A_TICK 1000000.0 /* of the store: a millisecond */
#define ROUNDING 1e-6       /* tokens: what doubles may lack */

const char *const fleet_invariants[FLEET_INVARIANTS] = {
    [FLEET_NO_FAULT] = "nothing fails that must not",
    [FLEET_WITHIN_BURST] = "level and what is out are at most the burst, after every call",
    [FLEET_WINDOWS] = "in any time the fleet admits at most the burst and what is refilled",
    [FLEET_CONSERVED] = "what was there and is refilled is there, out, spent or lost",
    [FLEET_STOOD_STILL] = "who stood still exceeds the burst by what it had in hand, at most",
    [FLEET_ROLLED_BACK] = "a store rolled back costs what it forgot, once, at most",
    [FLEET_FULL_ON_LOSS] = "a record lost and full again costs the burst, at most",
    [FLEET_DENIES_LITTLE] = "denied is only what a bucket would lack, but for what is in hand",
    [FLEET_CALLS_FEW] =
        "a sidecar calls for a key once in min_interval, and not before it can get any, or a second later",
    [FLEET_CLOCK_AHEAD] = "a store's clock that steps ahead refills for the step, at most",
    [FLEET_SLOTS] =
        "leases in force hold no more slots than there are, while the store keeps what it was told",
    [FLEET_OVERRIDES] =
        "a key is never limited, always denied, or has buckets of its own where an override says so",
    [FLEET_ONCE] =
        "a question that comes again with its token is answered as before, and does nothing",
    [FLEET_COPIED] =
        "a copy of a state that is written back spends again what the store was not told, at most",
};

char fleet_where[300];

void fleet_violated(enum fleet_invariant invariant, const struct fleet_ledger *ledger,
                    const char *format, ...)
{
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    fail_msg("invariant %d (%s) does not hold of %s under %s: %s: %s", invariant,
             fleet_invariants[invariant], ledger->key, ledger->limit, fleet_where, what);
    abort();
}

/* ---- windows ---- */

static double most(double a, double b)
{
    return a > b ? a : b;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void window_begin(struct fleet_window *window, const struct fleet_window *terms,
                         uint64_t now_ns)
{
    *window = (struct fleet_window){.from_ns = now_ns, .at_ns = now_ns, .buckets = terms->buckets};
    memcpy(window->burst, terms->burst, sizeof window->burst);
    memcpy(window->rate_per_ns, terms->rate_per_ns, sizeof window->rate_per_ns);
}

static void window_leak(struct fleet_window *window, uint64_t now_ns)
{
    for (unsigned i = 0; i < window->buckets; i++)
        window->used[i] =
            most(0, window->used[i] - window->rate_per_ns[i] * (double)(now_ns - window->at_ns));
    window->at_ns = now_ns;
}

static void window_check(const struct fleet_ledger *ledger, const struct fleet_window *window)
{
    for (unsigned i = 0; i < window->buckets; i++) {
        double bound = window->burst[i] + window->rate_per_ns[i] * NS_A_TICK + window->may_cost[i];
        if (window->used[i] > bound + ROUNDING)
            fleet_violated(
                window->last_fault == FLEET_NO_FAULT ? FLEET_WINDOWS : window->last_fault, ledger,
                "bucket %u: %.3f tokens are admitted beyond the rate; the burst is "
                "%.0f, and what has happened since +%" PRIu64 " us may cost %.3f",
                i, window->used[i], window->burst[i], window->from_ns / 1000, window->may_cost[i]);
    }
}

/* If the effects of all faults are over, windows that begin now are clean. */
static void start_clean(struct fleet_ledger *ledger, uint64_t now_ns)
{
    if (ledger->is_mixed || ledger->clean_ns == 0 || now_ns < ledger->clean_ns)
        return;
    window_begin(&ledger->since, &ledger->terms, now_ns);
    ledger->clean_ns = 0;
}

static void fault_until(struct fleet_ledger *ledger, uint64_t until_ns)
{
    if (until_ns > ledger->clean_ns)
        ledger->clean_ns = until_ns;
}

static double rate_of(const struct fleet_ledger *ledger, const struct bucket_terms *terms)
{
    if (terms->holds_slots)
        return 0;
    return ledger->rate_factor * (double)terms->rate.tokens /
           ((double)terms->rate.period_ms * NS_A_TICK);
}

static void set_terms(struct fleet_ledger *ledger, const struct bucket_terms *terms,
                      unsigned buckets)
{
    ledger->terms.buckets = buckets;
    for (unsigned i = 0; i < buckets; i++) {
        ledger->terms.burst[i] = (double)terms[i].burst;
        ledger->terms.rate_per_ns[i] = most(rate_of(ledger, &terms[i]), ledger->rate_least[i]);
    }
}

/* What either has, where both have the bucket: another one says nothing about a window in which
 * it was not there. */
static void window_widen(struct fleet_window *window, const struct fleet_window *other)
{
    if (other->buckets < window->buckets)
        window->buckets = other->buckets;
    for (unsigned i = 0; i < window->buckets; i++) {
        window->burst[i] = most(window->burst[i], other->burst[i]);
        window->rate_per_ns[i] = most(window->rate_per_ns[i], other->rate_per_ns[i]);
    }
}

void fleet_ledger_open(struct fleet_ledger *ledger, const char *limit, const char *key,
                       const struct bucket_terms *terms, unsigned buckets, double rate_factor,
                       uint64_t now_ns)
{
    *ledger = (struct fleet_ledger){.limit = limit, .key = key, .rate_factor = rate_factor};
    set_terms(ledger, terms, buckets);
    window_begin(&ledger->whole, &ledger->terms, now_ns);
    window_begin(&ledger->since, &ledger->terms, now_ns);
}

void fleet_ledger_expect(struct fleet_ledger *ledger, const struct bucket_terms *terms,
                         unsigned buckets)
{
    for (unsigned i = 0; i < buckets; i++) {
        ledger->rate_least[i] = most(ledger->rate_least[i], rate_of(ledger, &terms[i]));
        ledger->terms.rate_per_ns[i] = most(ledger->terms.rate_per_ns[i], ledger->rate_least[i]);
    }
    window_begin(&ledger->whole, &ledger->terms, ledger->whole.at_ns);
    window_begin(&ledger->since, &ledger->terms, ledger->whole.at_ns);
}

void fleet_ledger_change(struct fleet_ledger *ledger, const struct bucket_terms *terms,
                         unsigned buckets, uint64_t now_ns)
{
    window_leak(&ledger->whole, now_ns);
    window_leak(&ledger->since, now_ns);
    set_terms(ledger, terms, buckets);
    window_widen(&ledger->whole, &ledger->terms);
    window_widen(&ledger->since, &ledger->terms);
    ledger->is_mixed = ledger->has_changed = true;
    ledger->is_faulty = ledger->is_lossy = true;
}

void fleet_ledger_settle(struct fleet_ledger *ledger, uint64_t until_ns)
{
    ledger->is_mixed = false;
    fault_until(ledger, until_ns);
}

/* So many tokens of a bucket, in each window. */
static void may_cost(struct fleet_ledger *ledger, enum fleet_invariant kind, unsigned i,
                     double tokens)
{
    ledger->whole.may_cost[i] += tokens;
    ledger->since.may_cost[i] += tokens;
    ledger->whole.last_fault = ledger->since.last_fault = kind;
}

void fleet_ledger_fault(struct fleet_ledger *ledger, enum fleet_invariant kind, double tokens,
                        double bursts, uint64_t now_ns, uint64_t until_ns)
{
    start_clean(ledger, now_ns);
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        may_cost(ledger, kind, i,
                 tokens + bursts * most(ledger->whole.burst[i], ledger->since.burst[i]));
    fault_until(ledger, until_ns);
}

void fleet_ledger_roll_back(struct fleet_ledger *ledger, const uint64_t granted[BUCKETS_MAX],
                            uint64_t now_ns, uint64_t until_ns)
{
    start_clean(ledger, now_ns);
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        may_cost(ledger, FLEET_ROLLED_BACK, i, (double)(ledger->granted[i] - granted[i]));
    fault_until(ledger, until_ns);
}

/* What so much time refills of a bucket, at once. */
static double refilled_in(const struct fleet_ledger *ledger, unsigned i, uint64_t ms)
{
    double burst = most(ledger->whole.burst[i], ledger->since.burst[i]);
    double rate = most(ledger->whole.rate_per_ns[i], ledger->since.rate_per_ns[i]);
    return least(burst, rate * NS_A_TICK * (double)ms);
}

/* The one that does not know the clock may come at any time: so it has no end. */
void fleet_ledger_step(struct fleet_ledger *ledger, uint64_t ms, uint64_t guard_ms, uint64_t now_ns)
{
    start_clean(ledger, now_ns);
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        may_cost(ledger, FLEET_CLOCK_AHEAD, i,
                 refilled_in(ledger, i, ms) + refilled_in(ledger, i, guard_ms));
    fault_until(ledger, UINT64_MAX);
}

/* ---- what callers are told ---- */

static void admit_in(const struct fleet_ledger *ledger, struct fleet_window *window,
                     uint64_t tokens, uint64_t now_ns)
{
    window_leak(window, now_ns);
    for (unsigned i = 0; i < window->buckets; i++)
        window->used[i] += (double)tokens;
    window_check(ledger, window);
}

void fleet_ledger_admit(struct fleet_ledger *ledger, uint64_t tokens, uint64_t now_ns)
{
    start_clean(ledger, now_ns);
    ledger->admitted += tokens;
    admit_in(ledger, &ledger->since, tokens, now_ns);
    admit_in(ledger, &ledger->whole, tokens, now_ns);
    for (unsigned i = 0; i < ledger->whole.buckets; i++)
        ledger->worst_percent =
            most(ledger->worst_percent, 100 * ledger->whole.used[i] / ledger->whole.burst[i]);
}

void fleet_ledger_part(struct fleet_ledger *ledger, unsigned sidecars, uint64_t now_ns)
{
    window_begin(&ledger->apart, &ledger->terms, now_ns);
    for (unsigned i = 0; i < ledger->apart.buckets; i++)
        ledger->apart.burst[i] = most(ledger->apart.burst[i], sidecars);
}

void fleet_ledger_admit_apart(struct fleet_ledger *ledger, uint64_t tokens, uint64_t now_ns)
{
    admit_in(ledger, &ledger->apart, tokens, now_ns);
    for (unsigned i = 0; i < ledger->apart.buckets; i++)
        ledger->worst_apart_percent =
            most(ledger->worst_apart_percent, 100 * ledger->apart.used[i] / ledger->apart.burst[i]);
}

void fleet_ledger_lend(const struct fleet_ledger *ledger, uint64_t slots)
{
    if (!ledger->may_lend_more && (double)slots > ledger->terms.burst[0])
        fleet_violated(FLEET_SLOTS, ledger, "%" PRIu64 " slots are lent, of %.0f", slots,
                       ledger->terms.burst[0]);
}

void fleet_ledger_keep(const struct fleet_ledger *ledger, uint64_t kept_ns, uint64_t end_ns)
{
    if (!ledger->may_lend_more && kept_ns < end_ns)
        fleet_violated(FLEET_SLOTS, ledger,
                       "a lease ends %" PRIu64 " us after the store may forget who holds its slots",
                       (end_ns - kept_ns) / 1000);
}

void fleet_ledger_out(const struct fleet_ledger *ledger, uint64_t out, uint64_t slots)
{
    if (!ledger->may_lend_more && out < slots)
        fleet_violated(FLEET_SLOTS, ledger,
                       "the store has %" PRIu64 " slots out, and leases hold %" PRIu64, out, slots);
}

/* One bucket for all would hold its burst less what is used. What is in hand elsewhere was taken out of the record,
 * and may have kept it from refilling meanwhile: twice of it may be missing; and what the dead had. */
void fleet_ledger_deny(struct fleet_ledger *ledger, uint64_t tokens, uint64_t now_ns)
{
    const struct fleet_window *window = &ledger->whole;
    double nearest = 0;
    if (ledger->is_faulty)
        return;
    window_leak(&ledger->whole, now_ns);
    for (unsigned i = 0; i < window->buckets; i++) {
        double would_hold = window->burst[i] - window->used[i];
        double lacks = (double)tokens + 2 * ledger->out_most[i] + ledger->lost[i] +
                       window->rate_per_ns[i] * NS_A_TICK - would_hold;
        if (lacks > -ROUNDING)
            return;
        nearest = i == 0 ? lacks : most(nearest, lacks);
    }
    fleet_violated(FLEET_DENIES_LITTLE, ledger,
                   "%" PRIu64 " tokens are denied; one bucket for all would hold %.3f more than "
                   "those, and than twice what was in hand",
                   tokens, -nearest);
}

/* ---- the store's calls ---- */

/* The session in a record that is to be of that time, in which it may be forgotten. */
static const struct store_holder *holder_of(const struct store_record *record, uint64_t session,
                                            uint64_t time_ms)
{
    for (unsigned i = 0; record != NULL && i < record->holders; i++)
        if (record->holder[i].session == session && record->holder[i].dead_at_ms >= time_ms)
            return &record->holder[i];
    return NULL;
}

/* The order's own session; or if it takes one over, that one. */
static const struct store_holder *own_of(const struct store_record *record,
                                         const struct order *order)
{
    const struct store_holder *own = holder_of(record, order->session, order->answered_ms);
    if (own == NULL && (order->flags & ORDER_TAKES_OVER) != 0)
        own = holder_of(record, order->former, order->answered_ms);
    return own;
}

static bool is_done(const struct order *order)
{
    return order->result == ORDER_DONE || order->result == ORDER_REPEATED;
}

/* 1. */
static void check_burst(const struct fleet_ledger *ledger, const struct store_record *record,
                        const struct order *order)
{
    for (unsigned i = 0; i < order->buckets; i++) {
        __int128 token = order->terms[i].token_units;
        __int128 held = record->level_units[i] + (__int128)store_record_out(record, i) * token;
        if (held > order->terms[i].burst_tokens * token)
            fleet_violated(FLEET_WITHIN_BURST, ledger,
                           "bucket %u: level %" PRId64 " units of %" PRIu64 " a token, %" PRIu64
                           " tokens are out, and the burst is %" PRIu64,
                           i, record->level_units[i], order->terms[i].token_units,
                           store_record_out(record, i), order->terms[i].burst_tokens);
    }
}

/* What the level was before, in units of now. */
static __int128 level_before(const struct store_record *before, const struct order *order,
                             unsigned bucket)
{
    __int128 level = before->level_units[bucket], token = before->token_units[bucket];
    if (bucket >= before->buckets)
        return 0;
    return token == (__int128)order->terms[bucket].token_units
               ? level
               : (level * (__int128)order->terms[bucket].token_units) / token;
}

static bool has_grants(const struct order *order)
{
    bool has = false;
    for (unsigned i = 0; i < order->buckets; i++)
        has |= order->totals[i].granted > 0;
    return has;
}

/* What a record that is not there may begin with: all that was refilled since nobody who holds anything is
 * left of before the epoch. */
static __int128 level_anew(const struct store_record *after, const struct order *order,
                           const struct orders *letter, unsigned bucket)
{
    const struct order_terms *terms = &order->terms[bucket];
    __int128 full = (__int128)terms->burst_tokens * terms->token_units;
    uint64_t since_ms = order->answered_epoch_ms + letter->ttl_ms + letter->grace_ms;
    if ((order->flags & ORDER_ON_LOSS_FULL) != 0)
        return full;
    if (has_grants(order))
        return 0;
    if (after->time_ms <= since_ms)
        return 0;
    __int128 refilled = (__int128)(after->time_ms - since_ms) * terms->step_units;
    return refilled < full ? refilled : full;
}

/* 3: of one bucket, no more has come in than time refills; and where less has, the bucket was full. */
static void check_conserved(const struct fleet_ledger *ledger, const struct store_record *before,
                            const struct store_record *after, const struct order *order,
                            const struct orders *letter, unsigned i)
{
    const struct order_terms *terms = &order->terms[i];
    const struct store_holder *holder = own_of(before, order);
    __int128 token = terms->token_units;
    __int128 had =
        before != NULL ? level_before(before, order, i) : level_anew(after, order, letter, i);
    __int128 granted =
        (__int128)order->granted[i] - (holder == NULL ? 0 : holder->bucket[i].granted);
    __int128 net = (__int128)order->totals[i].net - (holder == NULL ? 0 : holder->bucket[i].net);
    __int128 refilled =
        before != NULL ? (__int128)(after->time_ms - before->time_ms) * terms->step_units : 0;
    __int128 came = after->level_units[i] - had + granted * token - net * token;
    if (came > refilled)
        fleet_violated(order->was_rolled_back ? FLEET_ROLLED_BACK : FLEET_CONSERVED, ledger,
                       "bucket %u: %.3f tokens came in, and time refilled %.3f", i,
                       (double)came / (double)token, (double)refilled / (double)token);
    __int128 cap =
        ((__int128)terms->burst_tokens - (before == NULL ? 0 : store_record_out(before, i))) *
        token;
    bool is_plain = before != NULL && before->terms_tag == after->terms_tag && i < before->buckets;
    if (is_plain && came < refilled && had + refilled + (net > 0 ? net * token : 0) < cap)
        fleet_violated(
            FLEET_CONSERVED, ledger,
            "bucket %u: %.3f tokens came in, though time refilled %.3f and there is room", i,
            (double)came / (double)token, (double)refilled / (double)token);
}

static bool is_holder(const struct store_record *record, uint64_t session)
{
    for (unsigned i = 0; record != NULL && i < record->holders; i++)
        if (record->holder[i].session == session)
            return true;
    return false;
}

/* What holders had who are forgotten by this call, or by the end of the record before it. */
static void count_dead(struct fleet_ledger *ledger, const struct store_record *before,
                       const struct store_record *after, const struct order *order)
{
    for (unsigned i = 0; before != NULL && i < before->holders; i++) {
        const struct store_holder *holder = &before->holder[i];
        bool is_taken = (order->flags & ORDER_TAKES_OVER) != 0 && holder->session == order->former;
        if (holder->session == order->session || is_taken || is_holder(after, holder->session))
            continue;
        for (unsigned j = 0; j < before->buckets; j++)
            ledger->lost[j] += (double)(holder->bucket[j].granted - holder->bucket[j].disposed);
    }
}

static void count_call(struct fleet_ledger *ledger, const struct store_record *before,
                       const struct store_record *after, const struct order *order)
{
    const struct store_holder *holder = own_of(before, order);
    for (unsigned i = 0; i < order->buckets; i++) {
        ledger->granted[i] += order->granted[i] - (holder == NULL ? 0 : holder->bucket[i].granted);
        ledger->disposed[i] +=
            order->totals[i].disposed - (holder == NULL ? 0 : holder->bucket[i].disposed);
        ledger->net[i] += order->totals[i].net - (holder == NULL ? 0 : holder->bucket[i].net);
        double out = after == NULL ? 0 : (double)store_record_out(after, i);
        ledger->out_most[i] = most(ledger->out_most[i], out);
    }
}

static struct fleet_session *session_of(struct fleet_ledger *ledger, uint64_t session,
                                        const struct store_holder *holder)
{
    for (unsigned i = 0; i < FLEET_SESSIONS; i++)
        if (ledger->session[i].session == session)
            return &ledger->session[i];
    struct fleet_session *fresh = &ledger->session[ledger->sessions++ % FLEET_SESSIONS];
    *fresh = (struct fleet_session){.session = session};
    for (unsigned i = 0; holder != NULL && i < BUCKETS_MAX; i++)
        fresh->done[i] = fresh->told[i] = holder->bucket[i].net;
    return fresh;
}

/* Buckets that a record does not have any more begin anew and empty: then sessions tell all of theirs again. */
static void forget_buckets(struct fleet_ledger *ledger, unsigned kept)
{
    for (unsigned i = 0; i < FLEET_SESSIONS; i++)
        for (unsigned j = kept; j < BUCKETS_MAX; j++)
            ledger->session[i].done[j] = ledger->session[i].told[j] = 0;
}

/* So is a reset; but of two copies of an order that tells of one, one may be done before the store forgets everything and the
 * other may come home, with the answer that nothing is done: then it is told again. */
static void count_reset(struct fleet_ledger *ledger, const struct order *order, uint64_t now_ns)
{
    if ((order->flags & ORDER_RESET) == 0 || ++ledger->resets_done <= ledger->resets)
        return;
    if (!ledger->is_forgetful)
        fleet_violated(FLEET_CONSERVED, ledger,
                       "%" PRIu64 " resets were asked for, and one more is done", ledger->resets);
    fleet_ledger_fault(ledger, FLEET_WINDOWS, 0, 1, now_ns, UINT64_MAX);
    ledger->resets++;
}

/* 3: what a session tells is done once, however often its orders come, and however late. */
static void check_once(struct fleet_ledger *ledger, const struct store_record *before,
                       const struct order *order, uint64_t now_ns)
{
    const struct store_holder *holder = own_of(before, order);
    struct fleet_session *session = session_of(ledger, order->session, holder);
    bool is_newest = order->seq > session->seq;
    count_reset(ledger, order, now_ns);
    forget_buckets(ledger, order->buckets);
    session->seq = is_newest ? order->seq : session->seq;
    for (unsigned i = 0; i < order->buckets; i++) {
        int64_t net = order->totals[i].net;
        session->done[i] += net - (holder == NULL ? 0 : holder->bucket[i].net);
        if (is_newest)
            session->told[i] = net;
        if (session->done[i] != session->told[i] && !ledger->is_forgetful)
            fleet_violated(FLEET_CONSERVED, ledger,
                           "bucket %u: with order %" PRIu64 " of a session %" PRId64
                           " tokens have come back, and it has told of %" PRId64,
                           i, order->seq, session->done[i], session->told[i]);
    }
}

/* Whether the call has left the record as it was. */
static bool is_unchanged(const struct store_record *before, const struct store_record *after)
{
    if (before == NULL || after == NULL)
        return before == after;
    return before->time_ms == after->time_ms && before->terms_tag == after->terms_tag &&
           before->holders == after->holders && before->buckets == after->buckets &&
           memcmp(before->level_units, after->level_units,
                  before->buckets * sizeof before->level_units[0]) == 0 &&
           memcmp(before->holder, after->holder, before->holders * sizeof before->holder[0]) == 0;
}

void fleet_ledger_call(struct fleet_ledger *ledger, const struct store_record *before,
                       const struct store_record *after, const struct order *order,
                       const struct orders *letter, uint64_t now_ns)
{
    if (!is_done(order) || is_unchanged(before, after))
        return;
    /* It has ended because it was full, which is less for terms of before than for those of now. */
    if (before == NULL && ledger->has_changed)
        fleet_ledger_fault(ledger, FLEET_WINDOWS, 0, 1, now_ns, 0);
    if (after != NULL)
        check_burst(ledger, after, order);
    for (unsigned i = 0; after != NULL && i < order->buckets; i++)
        if ((order->flags & ORDER_RESET) == 0)
            check_conserved(ledger, before, after, order, letter, i);
    check_once(ledger, before, order, now_ns);
    count_call(ledger, before, after, order);
    count_dead(ledger, before, after, order);
}

void fleet_ledger_quiet(const struct fleet_ledger *ledger, const struct store_record *record)
{
    if (record != NULL)
        fleet_violated(FLEET_DENIES_LITTLE, ledger,
                       "the record is there still, with %" PRIu64 " tokens out",
                       store_record_out(record, 0));
    int64_t told = (int64_t)ledger->disposed[0] - ledger->net[0];
    int64_t most_spent = (int64_t)ledger->granted[0] - ledger->net[0];
    int64_t spent = (int64_t)(ledger->admitted - ledger->refunded + ledger->charged);
    if (!ledger->is_lossy && (told > spent || spent > most_spent))
        fleet_violated(FLEET_CONSERVED, ledger,
                       "%" PRId64 " tokens were spent; the store was told of %" PRId64
                       ", and has granted %" PRId64,
                       spent, told, most_spent);
}

/* ---- how often ---- */

/* Whether an order tells something that must not wait for a token to be there. */
static bool tells_something(const struct order *order, const struct order *last)
{
    bool tells = (order->flags & (ORDER_RESET | ORDER_RELEASE | ORDER_EXACT)) != 0;
    for (unsigned i = 0; i < order->buckets; i++)
        tells |= order->totals[i].granted > order->totals[i].disposed ||
                 order->totals[i].net != last->totals[i].net ||
                 order->totals[i].disposed != last->totals[i].disposed;
    return tells;
}

/* For how many milliseconds no order can bring a token of each bucket, as far as is known. */
static uint64_t refills_after_ms(const struct order *last)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < last->buckets; i++) {
        const struct order_terms *terms = &last->terms[i];
        int64_t lacks = (int64_t)terms->token_units - last->level_units[i];
        uint64_t ms = lacks <= 0 ? 0 : (uint64_t)lacks / terms->step_units;
        longest = ms > longest ? ms : longest;
    }
    /* The store's clock has to catch up, which somebody may have it do at any time: it is looked at now and then. */
    if (last->behind_ms > ORDERS_RETRY_MS && longest > ORDERS_RETRY_MS)
        return ORDERS_RETRY_MS;
    return longest;
}

static bool may_be_repeated(enum order_result result)
{
    return result == ORDER_AGAIN || result == ORDER_EPOCH || result == ORDER_SESSION ||
           result == ORDER_UNSOUND;
}

void fleet_pace_order(struct fleet_pace *pace, const struct fleet_ledger *ledger,
                      const struct order *order, uint64_t sent_ns, uint64_t min_interval_ns,
                      bool is_ending)
{
    const struct order *last = &pace->last;
    if (pace->has_ordered && !pace->is_answered)
        fleet_violated(FLEET_CALLS_FEW, ledger, "an order goes while one is away");
    bool is_repeated = pace->has_ordered && may_be_repeated(last->result);
    pace->repeats = is_repeated ? pace->repeats + 1 : 0;
    if (pace->has_ordered)
        pace->ahead =
            most(0, pace->ahead - (double)(sent_ns - pace->sent_ns) / (double)min_interval_ns);
    if (pace->ahead > ORDERS_AHEAD + 1 + ROUNDING && !is_ending &&
        (!is_repeated || pace->repeats > ORDERS_REPEATS))
        fleet_violated(FLEET_CALLS_FEW, ledger,
                       "%" PRIu64 " us after the last one, and %.2f have gone ahead of their time",
                       (sent_ns - pace->sent_ns) / 1000, pace->ahead);
    pace->ahead++;
    if (pace->has_ordered && !pace->is_changed && last->result == ORDER_DONE &&
        last->terms_tag == order->terms_tag && last->session == order->session &&
        !tells_something(order, last) &&
        sent_ns - pace->sent_ns < ORDERS_RETRY_MS * (uint64_t)NS_A_TICK &&
        sent_ns - pace->sent_ns < refills_after_ms(last) * (uint64_t)NS_A_TICK)
        fleet_violated(FLEET_CALLS_FEW, ledger,
                       "%" PRIu64 " us after an answer by which no token is there for %" PRIu64
                       " ms",
                       (sent_ns - pace->sent_ns) / 1000, refills_after_ms(last));
    pace->has_ordered = true;
    pace->is_answered = pace->is_changed = false;
    pace->sent_ns = sent_ns;
    pace->last = *order;
}

void fleet_pace_answer(struct fleet_pace *pace, const struct order *order)
{
    pace->is_answered = true;
    pace->last = *order;
}
