#include "brain/core.h"
#include "brain/decide.h"
#include "brain/explain.h"
#include "brain/keys.h"
#include "brain/lease.h"
#include "brain/list.h"
#include "brain/share_resume.h"
#include "brain/shares.h"
#include "brain/waits.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

enum {
    GROUP_MAX = 32,     /* messages whose memory is fetched together */
    SWEEP_CYCLE_S = 60, /* seconds for the whole table, as far as these bounds of a slice allow */
    SWEEP_SLOTS_MIN = 64,
    SWEEP_SLOTS_MAX = 2048,
};

/* When the tick length changes, the time since the last tick is kept, but at most one new tick of
 * it: most of a long tick must not become many short ones at another rate. */
static void set_tick(struct brain *brain, uint64_t tick_ns)
{
    brain->last_tick_ns = brain->now_ns - (brain->now_ns - brain->last_tick_ns) % tick_ns;
    brain->tick_ns = tick_ns;
}

/* Denials counted under a limit count for the limit that goes on as it. */
static void carry_denied(struct brain *brain, const struct limits *next)
{
    uint16_t label_of[LIMITS_MAX];
    if (brain->limits == NULL)
        return;
    for (uint32_t i = 0; i < brain->limits->count; i++)
        label_of[i] = HITTERS_NO_LABEL;
    for (uint32_t i = 0; i < next->count; i++) {
        int before = limits_before(brain->limits, &next->limit[i]);
        if (before >= 0)
            label_of[before] = (uint16_t)i;
    }
    hitters_relabel(&brain->denied, label_of);
}

static bool install(struct brain *brain, const struct limits_question *ask)
{
    if (!buckets_install(&brain->buckets, brain->limits, ask->limits, ask->date_s))
        return false;
    events_installed(brain, ask);
    meters_carry(&brain->meters, brain->limits, ask->limits);
    carry_denied(brain, ask->limits);
    if (!ask->is_no_reload) {
        brain->meters.reloaded_s = ask->date_s;
        brain->meters.last_reload_failed = false;
    }
    limits_release(brain->limits);
    brain->limits = limits_retain(ask->limits);
    brain->when_full = ask->when_full;
    brain->counters.config_warnings = ask->warnings;
    sampler_set(&brain->denials, ask->limits->shown_denials, brain->now_ns);
    set_tick(brain, ask->limits->tick_ms * NS_PER_MS);
    brain_keep_time(brain);
    brain_keep_lines(brain);
    return true;
}

/* false: it waits. Inline, because nearly all is asked by one caller of the two. */
static inline __attribute__((always_inline)) bool decide_one(struct brain *brain,
                                                             const struct place *place,
                                                             struct message *message)
{
    if (place->limit < 0) {
        message->answer.bucket.result = BUCKET_NO_SUCH_LIMIT;
        return true;
    }
    if (lease_ends_are_due(brain))
        lease_settle(brain, place, &message->ask.bucket);
    if (shares_concern(brain, place))
        return shares_answer(brain, place, message);
    if (waits_concern(brain, place, &message->ask.bucket))
        return waits_answer(brain, place, message);
    decide(brain, message->kind, place, &message->ask.bucket, &message->answer.bucket);
    return true;
}

static void before_change(struct brain *brain)
{
    waits_before_change(brain);
    shares_before_change(brain);
}

/* false: it waits. */
static bool ask_anew(struct brain *brain, struct message *message)
{
    if (message->kind == MESSAGE_RENEW)
        return lease_answer(brain, message);
    const struct place place = buckets_place(&brain->buckets, brain->limits, &message->ask.bucket);
    return decide_one(brain, &place, message);
}

/* Asks anew for those whose limit has become one of another scope; their wait begins anew. Not inline, because there is
 * hardly ever anybody. */
__attribute__((noinline)) static void ask_moved(struct brain *brain)
{
    struct letter *letter = letters_oldest_first(brain->moved.newest);
    brain->moved.newest = NULL;
    for (struct letter *next; letter != NULL; letter = next) {
        struct message *message = message_of(letter);
        next = letter->next;
        if (!ask_anew(brain, message))
            continue;
        if (message->once != NULL)
            once_end(&brain->once, message, brain->limits, brain->now_ns);
        message_hold(message, brain->limits);
        chain_add(&brain->released, letter);
    }
}

static void after_change(struct brain *brain)
{
    waits_after_change(brain);
    shares_after_change(brain);
    lease_claim_slots(brain);
    ask_moved(brain);
}

bool brain_install(struct brain *brain, const struct limits_question *ask)
{
    before_change(brain);
    bool is_in_force = install(brain, ask);
    after_change(brain);
    return is_in_force;
}

struct brain *brain_begin(uint64_t now_ns, int64_t date_s)
{
    /* Mapped zeros: most pages of a brain are never touched, and so take no memory. */
    struct brain *brain =
        mmap(NULL, sizeof *brain, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (brain == MAP_FAILED)
        return NULL;
    if (!events_begin(&brain->events, 0, 0)) {
        munmap(brain, sizeof *brain);
        return NULL;
    }
    brain->started_ns = brain->now_ns = brain->last_tick_ns = now_ns;
    brain->lived_offset_ns = 0 - now_ns;
    brain->buckets.leases = &brain->leases;
    brain->denied.began_ns = now_ns;
    brain->meters.started_s = date_s;
    brain->meters.tick_lag_ns.began_ns = now_ns;
    return brain;
}

void brain_end(struct brain *brain)
{
    events_end(&brain->events);
    munmap(brain, sizeof *brain);
}

bool brain_keep_events(struct brain *brain, uint32_t keep, uint32_t boot)
{
    return events_begin_anew(&brain->events, keep, boot);
}

/* A file that will not outlive the process is nobody's home. */
static bool resume_shares(struct brain *brain)
{
    const struct store *store = brain->store;
    if (store == NULL || store->shares == NULL)
        return true;
    const struct share_records records = share_records_at(store->shares);
    return share_resume(brain, &records, brain->lost_state == NULL ? store->shares_home : 0,
                        brain->moment.clock_id);
}

/* What a session had that is taken over is not claimed. */
bool brain_begin_fleet(struct brain *brain, uint64_t nonce)
{
    brain->shares.sessions.nonce = nonce;
    bool are_kept = resume_shares(brain);
    lease_claim_slots(brain);
    return are_kept;
}

uint32_t brain_resumed_sessions(const struct brain *brain)
{
    return brain->shares.resumed;
}

struct brain *brain_new(const struct limits_question *limits, uint32_t max_keys,
                        uint32_t max_leases, const uint8_t seed[TABLE_SEED_BYTES], uint64_t now_ns)
{
    struct brain *brain = brain_begin(now_ns, limits->date_s);
    if (brain == NULL)
        return NULL;
    brain->max_leases = max_leases;
    if (!leases_init(&brain->leases, NULL, max_leases)) {
        brain_end(brain);
        return NULL;
    }
    if (!buckets_init(&brain->buckets, max_keys, seed, &brain->counters)) {
        leases_release(&brain->leases);
        brain_end(brain);
        return NULL;
    }
    if (brain_install(brain, limits))
        return brain;
    brain_free(brain);
    return NULL;
}

void brain_free(struct brain *brain)
{
    once_release(&brain->once);
    throttles_release(&brain->throttles);
    shares_release(brain);
    wait_heap_release(&brain->waiters);
    buckets_release(&brain->buckets);
    leases_release(&brain->leases);
    limits_release(brain->limits);
    brain_end(brain);
}

struct limits *brain_limits(const struct brain *brain)
{
    return brain->limits;
}

/* ---- time ---- */

void brain_sweep(struct brain *brain)
{
    uint32_t slots = brain->buckets.table.slots;
    uint64_t slice = slots * (brain->tick_ns / NS_PER_MS) / (SWEEP_CYCLE_S * MS_PER_S);
    if (slice < SWEEP_SLOTS_MIN)
        slice = SWEEP_SLOTS_MIN;
    if (slice > SWEEP_SLOTS_MAX)
        slice = SWEEP_SLOTS_MAX;
    buckets_sweep(&brain->buckets, slice < slots ? (uint32_t)slice : slots);
}

/* How late the tick comes that is due. */
static uint64_t late_ns(const struct brain *brain)
{
    uint64_t late_ns = brain->now_ns - brain->last_tick_ns - brain->tick_ns;
    return late_ns > brain->slept_ns ? late_ns - brain->slept_ns : 0;
}

uint64_t brain_late_ns(const struct brain *brain)
{
    return brain->last_tick_ns + brain->tick_ns + BRAIN_LATE_MS * (uint64_t)NS_PER_MS;
}

void brain_slept(struct brain *brain, uint64_t slept_ns)
{
    brain->slept_ns = slept_ns;
}

static void credit(struct brain *brain, uint64_t ticks)
{
    if (brain->buckets.table.keys > 0) /* without keys nobody waits for a tick */
        meters_tick_late(&brain->meters, brain->now_ns, late_ns(brain));
    if (brain->buckets.table.keys > 0 && late_ns(brain) >= BRAIN_LATE_MS * (uint64_t)NS_PER_MS)
        events_stalled(brain);
    brain->slept_ns = 0;
    brain->last_tick_ns += ticks * brain->tick_ns;
    brain->leases.now_ns = brain_lived_ns(brain, brain->last_tick_ns);
    lines_advance(&brain->buckets.lines, ticks);
    brain_keep_time(brain);
    lease_keep_books(brain);
    brain_sweep(brain);
    once_advance(&brain->once, brain->now_ns);
}

static void advance_shares(struct brain *brain)
{
    shares_advance(brain);
    list_advance(brain);
}

void brain_tick(struct brain *brain, uint64_t now_ns)
{
    if (now_ns <= brain->now_ns)
        return;
    brain->now_ns = now_ns;
    uint64_t ticks = (now_ns - brain->last_tick_ns) / brain->tick_ns;
    if (ticks > 0)
        credit(brain, ticks);
    if (waits_due_ns(brain) <= now_ns)
        waits_let_go(brain);
    if (shares_due_ns(brain) <= now_ns)
        advance_shares(brain);
    if (events_due_ns(&brain->events) <= now_ns)
        events_advance(brain);
}

uint64_t brain_next_tick_ns(const struct brain *brain)
{
    uint64_t waits_ns = waits_due_ns(brain);
    uint64_t tick_ns = buckets_are_none(&brain->buckets) ? lease_next_tick_ns(brain)
                                                         : brain->last_tick_ns + brain->tick_ns;
    uint64_t events_ns = events_due_ns(&brain->events);
    uint64_t shares_ns = shares_due_ns(brain);
    uint64_t due_ns = waits_ns < tick_ns ? waits_ns : tick_ns;
    due_ns = shares_ns < due_ns ? shares_ns : due_ns;
    return events_ns < due_ns ? events_ns : due_ns;
}

void brain_date(struct brain *brain, int64_t date_s)
{
    bool changes = date_s >= brain->buckets.lines.next_end_s;
    if (changes)
        before_change(brain);
    int64_t before_s = brain->buckets.lines.date_s;
    unsigned ended = lines_end_overrides(&brain->buckets.lines, date_s);
    brain->counters.overrides_ended += ended;
    if (ended > 0) {
        events_dated(brain, before_s, date_s);
        brain_keep_lines(brain);
    }
    if (changes)
        after_change(brain);
}

bool brain_needs_date(const struct brain *brain)
{
    return brain->buckets.lines.next_end_s != OVERRIDE_FOR_EVER;
}

/* ---- answers ---- */

static void answer_daemon(const struct brain *brain, struct daemon_answer *answer)
{
    *answer = (struct daemon_answer){
        .uptime_ms = (brain->now_ns - brain->started_ns) / NS_PER_MS,
        .keys = brain->buckets.table.keys,
        .max_keys = brain->buckets.table.max_keys,
        .leases = brain->leases.held.count,
        .max_leases = brain->max_leases,
        .when_full = brain->when_full,
        .limits = brain->limits,
        .date_s = brain->buckets.lines.date_s,
        .counters = brain->counters,
        .fleet =
            {
                .is_there = brain->limits->has_fleet,
                .is_cut = share_book_is_cut_somewhere(&brain->shares),
                .shares = brain->shares.count,
                .counters = brain->shares.counters,
            },
        .surroundings = brain->surroundings,
        .is_stored = brain->store != NULL,
        .lost_state = brain->lost_state,
    };
}

static void answer_daemon_and_fronts(const struct brain *brain, struct daemon_answer *answer)
{
    struct fronts_answer *fronts = answer->fronts;
    answer_daemon(brain, answer);
    answer->fronts = fronts;
    if (fronts != NULL)
        meters_tell_fronts(&brain->meters, brain->now_ns, fronts);
}

static void answer_metrics(const struct brain *brain, struct metrics_answer *answer)
{
    answer_daemon(brain, &answer->daemon);
    answer->ticks = brain->buckets.lines.tick;
    answer->tick_lag_ns = meters_peak(&brain->meters.tick_lag_ns, brain->now_ns);
    answer->damage = brain->buckets.table.damage;
    answer->damage.dropped += brain->damaged_leases;
    answer->meters = brain->meters;
}

/* false: there is no room for new editions yet, or what has ended under the old ones is not settled. */
static bool answer_limits(struct brain *brain, struct message *message)
{
    if (lease_ends_are_due(brain) ||
        !lines_have_room(&brain->buckets.lines, message->ask.limits.limits))
        return false;
    message->answer.limits = LIMITS_NO_MEMORY;
    if (!brain_install(brain, &message->ask.limits))
        return true;
    message->answer.limits = LIMITS_IN_FORCE;
    if (message->ask.limits.is_no_reload)
        return true;
    counters_reloaded(&brain->counters, true);
    events_tell(brain, EVENT_reloaded, NULL, message->ask.limits.limits->count,
                message->ask.limits.warnings);
    return true;
}

static void take_tally(struct brain *brain, const struct tally *tally)
{
    const bool *is_there = &brain->meters.fronts[tally->front.place].is_there;
    bool was_there = *is_there;
    meters_take(&brain->meters, tally, brain->now_ns);
    if (*is_there != was_there)
        events_tell(brain, was_there ? EVENT_front_gone : EVENT_front_added, NULL,
                    meters_fronts(&brain->meters), 0);
}

static bool is_about_one_key(const struct message *message)
{
    return message->kind <= MESSAGE_STATUS;
}
static_assert(MESSAGE_ALLOW < MESSAGE_STATUS && MESSAGE_RESET < MESSAGE_STATUS &&
                  MESSAGE_REFUND < MESSAGE_STATUS && MESSAGE_CHARGE < MESSAGE_STATUS &&
                  MESSAGE_STATUS < MESSAGE_EACH,
              "the kinds about one key come first");

/* A lease that was granted to a question with a token is given up by a client that did not learn of it
 * only if no other one has: else it is only told how the lease is. */
static void answer_release(struct brain *brain, struct message *message)
{
    if (message->once != NULL && !once_unclaim(&brain->once, message->once, &message->ask.lease.id))
        message->kind = MESSAGE_LEASE;
    lease_answer(brain, message);
    message->kind = MESSAGE_RELEASE;
}

/* Answers a message that is not about one key. false: it cannot be answered now. An EVENTS, RENEW or FLEET_END is with
 * those that wait then, a LIMITS is nowhere yet. Nor is an ORDERS answered: it is one of the brain's own. */
static bool answer_whole(struct brain *brain, struct message *message)
{
    assert(!is_about_one_key(message));
    switch (message->kind) {
    case MESSAGE_EACH:
    case MESSAGE_ALL:
    case MESSAGE_LIST:
        return list_answer(brain, message);
    case MESSAGE_GCRA:
        throttles_answer(&brain->throttles, &brain->buckets.table, brain->now_ns, message,
                         &brain->counters);
        return true;
    case MESSAGE_MISSING:
        counters_missed(&brain->counters, message->ask.missing_allows);
        return true;
    case MESSAGE_SKIPPED:
        counters_skipped(&brain->counters);
        return true;
    case MESSAGE_DAEMON:
        answer_daemon_and_fronts(brain, message->answer.daemon);
        return true;
    case MESSAGE_METRICS:
        answer_metrics(brain, message->answer.metrics);
        return true;
    case MESSAGE_KEYS:
        keys_answer(brain, message->ask.keys, message->answer.keys);
        return true;
    case MESSAGE_EXPLAIN:
        explain_answer(brain, message);
        return true;
    case MESSAGE_EVENTS:
        return events_answer(brain, message);
    case MESSAGE_DRAIN:
        events_tell(brain, EVENT_drain, message->ask.detail, 0, 0);
        events_let_go(brain);
        return true;
    case MESSAGE_RELOAD_FAILED:
        counters_reloaded(&brain->counters, false);
        brain->meters.last_reload_failed = true;
        events_tell(brain, EVENT_reload_failed,
                    message->ask.faults == NULL ? "" : message->ask.faults, 0, 0);
        return true;
    case MESSAGE_STATE_LOST:
        brain_lose_state(brain, message->ask.lost_state);
        return true;
    case MESSAGE_STATE_ANEW:
        message->answer.anew =
            brain_change_file(brain, message->ask.anew.file, message->ask.anew.next);
        return true;
    case MESSAGE_STATE_KEPT:
        message->answer.is_kept = brain_find_state(brain, message->ask.failures);
        return true;
    case MESSAGE_SURROUNDINGS:
        brain->surroundings = message->ask.surroundings;
        return true;
    case MESSAGE_TALLY:
        take_tally(brain, message->ask.tally);
        message_hold(message, brain->limits);
        return true;
    case MESSAGE_LIMITS:
        return answer_limits(brain, message);
    case MESSAGE_RELEASE:
        answer_release(brain, message);
        return true;
    case MESSAGE_RENEW:
    case MESSAGE_LEASE:
        return lease_answer(brain, message);
    case MESSAGE_ORDERS:
        shares_take(brain, orders_of(message));
        list_advance(brain);
        return false;
    case MESSAGE_FLEET_END:
        return shares_end(brain, message);
    case MESSAGE_STOP:
    case MESSAGE_RELOAD:
    case MESSAGE_OVERRIDE:
    case MESSAGE_LEAVE:
    case MESSAGE_ACQUIRE:
    case MESSAGE_ALLOW:
    case MESSAGE_RESET:
    case MESSAGE_REFUND:
    case MESSAGE_CHARGE:
    case MESSAGE_STATUS:
        break;
    }
    return true;
}

/* Whether the answer to a question is in place, because it was asked with this token before. */
static bool repeats(struct brain *brain, struct message *message)
{
    if (!once_repeats(&brain->once, &brain->buckets.table, message, brain->now_ns))
        return false;
    if (message->answer.bucket.result != BUCKET_ONCE_DIFFERS &&
        message->answer.bucket.result != BUCKET_ONCE_WAITS)
        counters_repeated(&brain->counters);
    return true;
}

static bool answer_one(struct brain *brain, const struct place *place, struct message *message)
{
    if (message->once != NULL && repeats(brain, message))
        return true;
    bool is_answered = decide_one(brain, place, message);
    if (message->once != NULL && is_answered)
        once_end(&brain->once, message, brain->limits, brain->now_ns);
    return is_answered;
}

/* One that came home while LEAVE was away can still be read, and is in no queue. */
static void leave(struct brain *brain, struct message *message)
{
    if (message->kind == MESSAGE_EVENTS)
        events_leave(brain, message);
    else if (!shares_leave(brain, message))
        waits_leave(brain, message);
}

/* Answers the LEAVE messages that come first. Returns what follows. */
static struct letter *answer_leavers(struct brain *brain, struct letter *letters,
                                     struct chain *answered)
{
    while (letters != NULL && message_of(letters)->kind == MESSAGE_LEAVE) {
        struct letter *letter = letters;
        letters = letters->next;
        leave(brain, message_of(letter)->ask.leaves);
        chain_add(answered, letter);
    }
    waits_have_left(brain);
    shares_have_left(brain);
    return letters;
}

/* Answers the messages about one key each that come first, at most GROUP_MAX. It goes through them
 * three times, and each time asks for the memory that the next time will read. Returns what follows. */
static struct letter *answer_group(struct brain *brain, struct letter *letters,
                                   struct chain *answered)
{
    struct place places[GROUP_MAX];
    struct letter *last = NULL, *letter = letters;
    size_t count = 0;
    for (; letter != NULL && count < GROUP_MAX && is_about_one_key(message_of(letter));
         letter = letter->next, count++) {
        places[count] =
            buckets_place(&brain->buckets, brain->limits, &message_of(letter)->ask.bucket);
        if (places[count].limit >= 0)
            table_prefetch_slot(&brain->buckets.table, places[count].hash);
    }
    for (size_t i = 0; i < count; i++)
        if (places[i].limit >= 0)
            table_prefetch_entry(&brain->buckets.table, places[i].hash);
    struct letter **link = &letters; /* to the next letter that is answered now */
    for (size_t i = 0; i < count; i++) {
        struct letter *next = (*link)->next;
        if (answer_one(brain, &places[i], message_of(*link))) {
            last = *link;
            link = &last->next;
        } else
            *link = next;
    }
    if (last != NULL)
        chain_add_run(answered, letters, last);
    return letter;
}

void brain_answer(struct brain *brain, struct letter *letters, struct chain *answered)
{
    while (letters != NULL) {
        if (is_about_one_key(message_of(letters))) {
            letters = answer_group(brain, letters, answered);
            continue;
        }
        if (message_of(letters)->kind == MESSAGE_LEAVE) {
            letters = answer_leavers(brain, letters, answered);
            continue;
        }
        struct letter *letter = letters;
        letters = letters->next;
        if (answer_whole(brain, message_of(letter)))
            chain_add(answered, letter);
        else if (message_of(letter)->kind == MESSAGE_LIMITS)
            chain_add(&brain->waiting, letter);
    }
}

struct letter *brain_orders(struct brain *brain)
{
    return shares_orders(brain);
}

bool brain_is_waited_for(const struct brain *brain)
{
    return brain->waiting.newest != NULL;
}

bool brain_has_work(const struct brain *brain)
{
    return brain_is_waited_for(brain) || lease_ends_are_due(brain);
}

void brain_look_again(struct brain *brain, struct chain *answered)
{
    struct letter *waiting = letters_oldest_first(brain->waiting.newest);
    brain->waiting.newest = NULL;
    lease_keep_books(brain);
    brain_sweep(brain);
    brain_answer(brain, waiting, answered);
}

struct letter *brain_released(struct brain *brain)
{
    struct letter *released = letters_oldest_first(brain->released.newest);
    brain->released.newest = NULL;
    return released;
}

/* ---- what is measured from outside ---- */

void brain_measure_batch(struct brain *brain, uint64_t messages)
{
    meters_batch(&brain->meters, messages);
}

bool brain_has_news(const struct brain *brain)
{
    const struct events *events = &brain->events;
    return events->unheard != 0 || events_due_ns(events) <= brain->now_ns ||
           events_are_pending(brain) || brain->has_heard ||
           !forgotten_is_empty(&brain->buckets.lines.forgotten);
}

/* The log is a reader too, but one that never waits and misses nothing. */
static void hear(struct brain *brain)
{
    struct event event;
    events_advance(brain);
    while (events_hear(&brain->events, &event))
        news_hear(&event, &brain->heard, &brain->gone);
}

/* Looks what is left of what the log has heard. */
static void look_back(struct brain *brain)
{
    brain->has_heard =
        news_may_be(&brain->told, &brain->heard) || !forgotten_is_empty(&brain->gone);
}

struct news brain_news(struct brain *brain)
{
    hear(brain);
    struct news news = news_take(&brain->told, &brain->heard, brain->now_ns);
    look_back(brain);
    return news;
}

struct forgotten brain_forgotten(struct brain *brain)
{
    hear(brain);
    struct forgotten forgotten = brain->gone;
    memset(&brain->gone, 0, sizeof brain->gone);
    look_back(brain);
    return forgotten;
}

uint64_t brain_decisions(const struct brain *brain)
{
    return brain->counters.allowed + brain->counters.denied;
}

void brain_measure_time(struct brain *brain, uint64_t decisions, uint64_t took_ns)
{
    meters_took(&brain->meters, decisions, took_ns);
}

int64_t brain_level_units(const struct brain *brain, const char *key, const char *limit_name,
                          unsigned bucket, uint64_t *token_units)
{
    const struct bucket_question ask = {
        .key = key,
        .key_len = strlen(key),
        .limit_name = limit_name,
        .limit_name_len = limit_name == NULL ? 0 : strlen(limit_name),
    };
    struct place place = buckets_place(&brain->buckets, brain->limits, &ask);
    assert(place.limit >= 0);
    const struct line *line = buckets_line(&brain->buckets, &place);
    assert(bucket < line->count);
    uint64_t marks[BUCKETS_MAX];
    buckets_peek(&brain->buckets, &place, &ask, marks);
    *token_units = line->credit[bucket].token_units;
    const struct holding *holding = buckets_holding(&brain->buckets, &place, key, ask.key_len);
    return holding == NULL ? credit_level(&line->credit[bucket], marks[bucket])
                           : holding_shown(holding, &line->credit[bucket], bucket, marks[bucket]);
}
