#include "brain/brain.h"

#include "brain/lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP_MAX = 32,       /* messages whose memory is fetched together */
    EVICTION_PROBES = 16, /* entries compared to find the one to give away */
    SWEEP_CYCLE_S = 60,   /* the whole table, if a slice stays within: */
    SWEEP_SLOTS_MIN = 64,
    SWEEP_SLOTS_MAX = 4096,
};

struct brain {
    struct limits *limits;
    enum when_full when_full;
    uint64_t tick_ns;
    uint64_t started_ns, now_ns;
    uint64_t last_tick_ns; /* the last tick's due time; ticks never drift from their multiples */
    struct lines lines;
    struct table table;
    uint64_t name_hash[LIMITS_MAX]; /* of each limit: one key under two limits has two places */
    struct brain_counters counters;
};

/* Time since the last tick counts towards the next one, but not for more than
 * one: a long tick's worth of it is not many short ticks at another rate. */
static void set_tick(struct brain *brain, uint64_t tick_ns)
{
    brain->last_tick_ns = brain->now_ns - (brain->now_ns - brain->last_tick_ns) % tick_ns;
    brain->tick_ns = tick_ns;
}

/* The hash of a limit's name behind a NUL, so that it is that of no key. */
static uint64_t hash_name(const struct table *table, const char *name)
{
    char bytes[1 + LIMIT_NAME_MAX];
    size_t len = strlen(name);
    bytes[0] = '\0';
    memcpy(bytes + 1, name, len);
    return table_hash(table, bytes, 1 + len);
}

static void install(struct brain *brain, struct limits *limits, enum when_full when_full)
{
    lines_install(&brain->lines, brain->limits, limits);
    for (uint32_t i = 0; i < limits->count; i++)
        brain->name_hash[i] = hash_name(&brain->table, limits->limit[i].name);
    limits_release(brain->limits);
    brain->limits = limits_retain(limits);
    brain->when_full = when_full;
    set_tick(brain, limits->tick_ms * NS_PER_MS);
}

struct brain *brain_new(struct limits *limits, enum when_full when_full, uint32_t max_keys,
                        const uint8_t seed[TABLE_SEED_BYTES], uint64_t now_ns)
{
    struct brain *brain = calloc(1, sizeof *brain);
    if (brain == NULL || !table_init(&brain->table, max_keys, seed, brain->lines.heirs)) {
        free(brain);
        return NULL;
    }
    brain->started_ns = brain->now_ns = brain->last_tick_ns = now_ns;
    install(brain, limits, when_full);
    return brain;
}

void brain_free(struct brain *brain)
{
    table_release(&brain->table);
    limits_release(brain->limits);
    free(brain);
}

struct limits *brain_limits(const struct brain *brain)
{
    return brain->limits;
}

/* ---- entries ---- */

static void drop(struct brain *brain, uint32_t slot)
{
    lines_leave(&brain->lines, table_line(&brain->table, slot));
    table_remove(&brain->table, slot);
}

/* Brings an entry up to the line in force. */
static void convert(struct brain *brain, uint32_t slot)
{
    uint16_t line = table_line(&brain->table, slot);
    uint16_t heir = brain->lines.heirs[line];
    if (heir == line)
        return;
    table_set_line(&brain->table, slot, heir,
                   lines_carry(&brain->lines, line, table_spent(&brain->table, slot)));
    lines_enter(&brain->lines, heir);
    lines_leave(&brain->lines, line);
}

static bool has_limit(const struct brain *brain, uint32_t slot)
{
    return brain->lines.heirs[table_line(&brain->table, slot)] != LINE_NONE;
}

static const struct credit_line *credit_of(const struct brain *brain, uint32_t slot)
{
    return &brain->lines.line[table_line(&brain->table, slot)].credit;
}

/* Drops an entry that nothing depends on: its limit is gone, or its bucket is full. */
static bool drop_if_idle(struct brain *brain, uint32_t slot)
{
    if (!has_limit(brain, slot)) {
        drop(brain, slot);
        brain->counters.dropped_unlimited++;
        return true;
    }
    convert(brain, slot);
    if (table_spent(&brain->table, slot) > credit_full_mark(credit_of(brain, slot)))
        return false;
    drop(brain, slot);
    brain->counters.dropped_full++;
    return true;
}

/* ---- time ---- */

static uint32_t slice_slots(const struct brain *brain)
{
    uint64_t slots = brain->table.slots * (brain->tick_ns / NS_PER_MS) / (SWEEP_CYCLE_S * MS_PER_S);
    if (slots < SWEEP_SLOTS_MIN)
        slots = SWEEP_SLOTS_MIN;
    if (slots > SWEEP_SLOTS_MAX)
        slots = SWEEP_SLOTS_MAX;
    return slots < brain->table.slots ? (uint32_t)slots : brain->table.slots;
}

void brain_sweep(struct brain *brain)
{
    for (uint32_t left = slice_slots(brain); left > 0 && brain->table.keys > 0; left--) {
        uint32_t slot = table_sweep_look(&brain->table);
        if (slot != TABLE_NONE && !drop_if_idle(brain, slot))
            table_sweep_keep(&brain->table);
    }
}

void brain_tick(struct brain *brain, uint64_t now_ns)
{
    if (now_ns <= brain->now_ns)
        return;
    brain->now_ns = now_ns;
    uint64_t ticks = (now_ns - brain->last_tick_ns) / brain->tick_ns;
    if (ticks == 0)
        return;
    brain->last_tick_ns += ticks * brain->tick_ns;
    lines_advance(&brain->lines, ticks);
    brain_sweep(brain);
}

uint64_t brain_next_tick_ns(const struct brain *brain)
{
    return brain->table.keys == 0 ? BRAIN_NEVER : brain->last_tick_ns + brain->tick_ns;
}

/* ---- making room ---- */

/* Whether bucket a lacks fewer tokens than bucket b; compared as fractions, exactly. */
static bool lacks_less(const struct brain *brain, uint32_t a, uint32_t b)
{
    const struct credit_line *line_a = credit_of(brain, a), *line_b = credit_of(brain, b);
    uint64_t lack_a = line_a->cap_units - credit_level(line_a, table_spent(&brain->table, a));
    uint64_t lack_b = line_b->cap_units - credit_level(line_b, table_spent(&brain->table, b));
    return (unsigned __int128)lack_a * line_b->token_units <
           (unsigned __int128)lack_b * line_a->token_units;
}

/* Whether there is room for one more key: there is, or an idle entry among a few
 * was dropped, or the policy let the one nearest to full go. The few are those
 * at the newcomer's own place, which the keyed hash makes random. */
static bool make_room(struct brain *brain, uint64_t hash)
{
    struct table *table = &brain->table;
    if (table->keys < table->max_keys)
        return true;

    uint32_t best = TABLE_NONE;
    uint32_t slot = table_next_occupied(table, table_home(table, hash));
    for (unsigned probe = 0; probe < EVICTION_PROBES && probe < table->keys; probe++) {
        if (drop_if_idle(brain, slot))
            return true;
        if (best == TABLE_NONE || lacks_less(brain, slot, best))
            best = slot;
        slot = table_next_occupied(table, slot + 1 == table->slots ? 0 : slot + 1);
    }
    if (brain->when_full != WHEN_FULL_EVICT)
        return false;
    drop(brain, best);
    brain->counters.evicted++;
    return true;
}

/* ---- answers ---- */

/* Where the bucket of a question is. */
struct place {
    int limit; /* index, or -1: there is no such limit */
    uint16_t line;
    uint64_t hash;
};

static void find_place(const struct brain *brain, const struct bucket_question *ask,
                       struct place *place)
{
    place->limit = ask->limit_name == NULL
                       ? (int)limits_match(brain->limits, ask->key)
                       : limits_find(brain->limits, ask->limit_name, ask->limit_name_len);
    if (place->limit < 0)
        return;
    place->line = brain->lines.of_limit[place->limit];
    place->hash =
        table_hash(&brain->table, ask->key, ask->key_len) ^ brain->name_hash[place->limit];
}

/* The slot of a question's bucket, its entry brought up to date, or TABLE_NONE. */
static uint32_t find_slot(struct brain *brain, const struct bucket_question *ask,
                          const struct place *place)
{
    uint32_t slot = table_find(&brain->table, place->hash, ask->key, ask->key_len, place->line);
    if (slot != TABLE_NONE)
        convert(brain, slot);
    return slot;
}

/* Fills in all of an answer but the result, for a bucket at a mark. */
static void describe(const struct brain *brain, const struct place *place, uint64_t spent_mark,
                     struct bucket_answer *answer)
{
    const struct credit_line *line = &brain->lines.line[place->line].credit;
    uint64_t level = credit_level(line, spent_mark);
    uint64_t remaining = level / line->token_units;
    uint64_t tick_ms = brain->limits->tick_ms;
    bool full = level == line->cap_units;

    answer->limit = &brain->limits->limit[place->limit];
    answer->override = NULL;
    answer->allowance = &answer->limit->allowance;
    answer->remaining_tokens = remaining;
    answer->retry_after_ms = 0;
    answer->buckets[0].remaining_tokens = remaining;
    answer->buckets[0].violated = false;
    answer->buckets[0].next_token_ms =
        full ? 0
             : tick_ms * credit_ticks_until(line, level, (remaining + 1) * line->token_units);
    answer->full_after_ms = tick_ms * credit_ticks_until(line, level, line->cap_units);
    answer->buckets[0].full_after_ms = answer->full_after_ms;
    answer->active = !full;
}

/* How long a client denied for want of room is told to wait: room comes as
 * other buckets fill up, which nobody can foretell. */
enum { TABLE_FULL_RETRY_MS = 1000 };

/* The mark of a bucket: its entry's, or that of a full one. */
static uint64_t mark_of(const struct brain *brain, const struct place *place, uint32_t slot)
{
    return slot != TABLE_NONE ? table_spent(&brain->table, slot)
                              : credit_full_mark(&brain->lines.line[place->line].credit);
}

/* Decides, and if the answer is yes moves *spent_mark and stores it. */
static enum bucket_result decide(struct brain *brain, const struct bucket_question *ask,
                                 const struct place *place, uint32_t slot, uint64_t *spent_mark)
{
    if (ask->tokens > brain->limits->limit[place->limit].allowance.burst)
        return BUCKET_EXCEEDS_BURST;
    if (ask->tokens == 0)
        return BUCKET_ALLOWED;
    if (slot == TABLE_NONE && !make_room(brain, place->hash))
        return brain->when_full == WHEN_FULL_DENY ? BUCKET_TABLE_FULL : BUCKET_UNCOUNTED;
    if (!credit_take(&brain->lines.line[place->line].credit, ask->tokens, spent_mark))
        return BUCKET_DENIED;
    if (slot != TABLE_NONE) {
        table_set_spent(&brain->table, slot, *spent_mark);
    } else {
        table_insert(&brain->table, place->hash, ask->key, ask->key_len, place->line, *spent_mark);
        lines_enter(&brain->lines, place->line);
    }
    return BUCKET_ALLOWED;
}

static void answer_allow(struct brain *brain, const struct bucket_question *ask,
                         const struct place *place, uint32_t slot, struct bucket_answer *answer)
{
    const struct credit_line *line = &brain->lines.line[place->line].credit;
    uint64_t spent_mark = mark_of(brain, place, slot);
    enum bucket_result result = decide(brain, ask, place, slot, &spent_mark);
    describe(brain, place, spent_mark, answer);
    answer->result = result;

    switch (result) {
    case BUCKET_ALLOWED:
        brain->counters.allowed++;
        return;
    case BUCKET_UNCOUNTED:
        brain->counters.allowed++;
        brain->counters.table_full_allowed++;
        return;
    case BUCKET_DENIED:
        answer->buckets[0].violated = true;
        answer->retry_after_ms =
            brain->limits->tick_ms * credit_ticks_until(line, credit_level(line, spent_mark),
                                                        ask->tokens * line->token_units);
        brain->counters.denied++;
        return;
    case BUCKET_TABLE_FULL:
        answer->retry_after_ms = TABLE_FULL_RETRY_MS;
        brain->counters.table_full_denied++;
        brain->counters.denied++;
        return;
    case BUCKET_EXCEEDS_BURST:
        answer->retry_after_ms = RETRY_NEVER;
        answer->buckets[0].violated = true;
        brain->counters.denied++;
        return;
    case BUCKET_ALWAYS:
    case BUCKET_NEVER:
    case BUCKET_HELD_BACK:
    case BUCKET_NO_SUCH_LIMIT:
        break;
    }
    assert(!"decide gives no other result");
}

static void answer_reset(struct brain *brain, const struct place *place, uint32_t slot,
                         struct bucket_answer *answer)
{
    if (slot != TABLE_NONE)
        drop(brain, slot);
    describe(brain, place, mark_of(brain, place, TABLE_NONE), answer);
    answer->result = BUCKET_ALLOWED;
    brain->counters.resets++;
}

static void answer_refund(struct brain *brain, const struct bucket_question *ask,
                          const struct place *place, uint32_t slot, struct bucket_answer *answer)
{
    uint64_t spent_mark = mark_of(brain, place, slot);
    credit_give(&brain->lines.line[place->line].credit, ask->tokens, &spent_mark);
    if (slot != TABLE_NONE)
        table_set_spent(&brain->table, slot, spent_mark);
    describe(brain, place, spent_mark, answer);
    answer->result = BUCKET_ALLOWED;
    brain->counters.refunds++;
}

static void answer_status(struct brain *brain, const struct place *place, uint32_t slot,
                          struct bucket_answer *answer)
{
    describe(brain, place, mark_of(brain, place, slot), answer);
    answer->result = BUCKET_ALLOWED;
    brain->counters.statuses++;
}

static void answer_bucket(struct brain *brain, struct message *message, const struct place *place)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct bucket_answer *answer = &message->answer.bucket;
    if (place->limit < 0) {
        answer->result = BUCKET_NO_SUCH_LIMIT;
        return;
    }
    uint32_t slot = find_slot(brain, ask, place);
    if (message->kind == MESSAGE_ALLOW)
        answer_allow(brain, ask, place, slot, answer);
    else if (message->kind == MESSAGE_RESET)
        answer_reset(brain, place, slot, answer);
    else if (message->kind == MESSAGE_REFUND)
        answer_refund(brain, ask, place, slot, answer);
    else
        answer_status(brain, place, slot, answer);
}

static void answer_daemon(const struct brain *brain, struct daemon_answer *answer)
{
    *answer = (struct daemon_answer){
        .uptime_ms = (brain->now_ns - brain->started_ns) / NS_PER_MS,
        .keys = brain->table.keys,
        .max_keys = brain->table.max_keys,
        .when_full = brain->when_full,
        .limits = brain->limits,
        .counters = brain->counters,
    };
}

/* Answers a message that is not about a bucket; false: not now. */
static bool answer_whole(struct brain *brain, struct message *message)
{
    switch (message->kind) {
    case MESSAGE_DAEMON:
        answer_daemon(brain, message->answer.daemon);
        return true;
    case MESSAGE_LIMITS:
        if (!lines_have_room(&brain->lines, message->ask.limits.limits->count))
            return false;
        install(brain, message->ask.limits.limits, message->ask.limits.when_full);
        brain->counters.reloads++;
        message->answer.limits = LIMITS_IN_FORCE;
        return true;
    case MESSAGE_STOP:
        return true;
    case MESSAGE_ALLOW:
    case MESSAGE_RESET:
    case MESSAGE_REFUND:
    case MESSAGE_STATUS:
    case MESSAGE_EACH:
    case MESSAGE_ALL:
    case MESSAGE_LIST:
    case MESSAGE_MISSING:
        break;
    }
    assert(!"a message of no known kind");
    return true;
}

static bool is_about_a_bucket(const struct message *message)
{
    return message->kind <= MESSAGE_STATUS;
}
static_assert(MESSAGE_ALLOW < MESSAGE_STATUS && MESSAGE_RESET < MESSAGE_STATUS && MESSAGE_REFUND < MESSAGE_STATUS &&
                  MESSAGE_STATUS < MESSAGE_DAEMON,
              "the kinds about a bucket come first");

/* Answers the run of up to GROUP_MAX messages about buckets that starts here:
 * each step asks for the memory that the next one reads. */
static size_t answer_group(struct brain *brain, struct message *const *messages, size_t count)
{
    struct place places[GROUP_MAX];
    size_t n = 0;
    for (; n < count && n < GROUP_MAX && is_about_a_bucket(messages[n]); n++) {
        find_place(brain, &messages[n]->ask.bucket, &places[n]);
        if (places[n].limit >= 0)
            table_prefetch_slot(&brain->table, places[n].hash);
    }
    for (size_t i = 0; i < n; i++)
        if (places[i].limit >= 0)
            table_prefetch_entry(&brain->table, places[i].hash);
    for (size_t i = 0; i < n; i++)
        answer_bucket(brain, messages[i], &places[i]);
    return n;
}

size_t brain_answer(struct brain *brain, struct message *const *messages, size_t count)
{
    size_t done = 0;
    while (done < count) {
        if (is_about_a_bucket(messages[done]))
            done += answer_group(brain, messages + done, count - done);
        else if (answer_whole(brain, messages[done]))
            done++;
        else
            break;
    }
    return done;
}

uint64_t brain_level_units(const struct brain *brain, const char *key, const char *limit_name,
                           uint64_t *token_units)
{
    struct bucket_question ask = {
        .key = key,
        .key_len = strlen(key),
        .limit_name = limit_name,
        .limit_name_len = limit_name == NULL ? 0 : strlen(limit_name),
    };
    struct place place = {0};
    find_place(brain, &ask, &place);
    assert(place.limit >= 0);

    const struct credit_line *line = &brain->lines.line[place.line].credit;
    uint32_t slot = table_find(&brain->table, place.hash, key, ask.key_len, place.line);
    *token_units = line->token_units;
    if (slot == TABLE_NONE)
        return line->cap_units;
    return credit_level(line, lines_carry(&brain->lines, table_line(&brain->table, slot),
                                          table_spent(&brain->table, slot)));
}
