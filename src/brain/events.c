#include "brain/events.h"

#include "brain/place_terms.h"
#include "limits/changes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The log needs room for the events of a turn, whatever readers are to have. */
enum { SLOTS_MIN = 4096 };

enum { GATE_REMOVED = EVENT_KIND_COUNT };

static uint64_t sum_period_ns(void)
{
    return NS_PER_S;
}

/* ---- life ---- */

static bool begin(struct events *events, uint32_t keep, uint32_t boot)
{
    assert(keep <= BRAIN_EVENTS_MAX);
    if (!event_ring_init(&events->ring, keep > SLOTS_MIN ? keep : SLOTS_MIN))
        return false;
    events->keep = keep;
    events->boot = boot;
    return true;
}

static_assert(BRAIN_EVENTS_MAX == EVENT_RING_SLOTS_MAX, "the ring has room for all");

bool events_begin(struct events *events, uint32_t keep, uint32_t boot)
{
    events->sums_due_ns = events->readers_due_ns = BRAIN_NEVER;
    return begin(events, keep, boot);
}

bool events_begin_anew(struct events *events, uint32_t keep, uint32_t boot)
{
    struct event_ring before = events->ring;
    struct event event;
    if (!begin(events, keep, boot))
        return false;
    for (uint64_t number = before.oldest; number <= before.newest; number++) {
        event_unpack(event_ring_record(&before, number), &event);
        event_ring_add(&events->ring, &event);
    }
    event_ring_release(&before);
    return true;
}

void events_end(struct events *events)
{
    event_ring_release(&events->ring);
}

/* ---- adding ---- */

static uint64_t time_ms(const struct brain *brain)
{
    return (brain->moment.wall_ns + brain->now_ns - brain->moment.now_ns) / NS_PER_MS;
}

static void add(struct brain *brain, struct event *event)
{
    struct events *events = &brain->events;
    event->time_ms = time_ms(brain);
    event_ring_add(&events->ring, event);
    brain->meters.events[event->kind]++;
    if (events->unheard == 0 && news_wants(event))
        events->unheard = event->number;
    if (events->readers.newest == NULL || events->readers_due_ns != BRAIN_NEVER)
        return;
    uint64_t due_ns = events->let_go_ns + EVENTS_LET_GO_MS * (uint64_t)NS_PER_MS;
    events->readers_due_ns = due_ns > brain->now_ns ? due_ns : brain->now_ns;
}

static void is_due(struct events *events, uint64_t at_ns)
{
    if (at_ns < events->sums_due_ns)
        events->sums_due_ns = at_ns;
}

static void leave_out(struct events *events, struct events_gate *gate, uint64_t count)
{
    gate->left_out += count;
    is_due(events, gate->summed_ns);
}

bool events_are_too_many(const struct brain *brain, enum event_kind kind)
{
    const struct events_gate *gate = &brain->events.gate[kind];
    return gate->taken == EVENTS_A_SECOND && brain->now_ns - gate->began_ns < NS_PER_S;
}

/* Adds an event that stands for so many, unless there were too many such ones in this second. */
static void add_through(struct brain *brain, unsigned number, struct event *event, uint64_t count)
{
    struct events_gate *gate = &brain->events.gate[number];
    if (brain->now_ns - gate->began_ns >= NS_PER_S) {
        gate->began_ns = brain->now_ns;
        gate->taken = 0;
    }
    if (gate->taken == EVENTS_A_SECOND) {
        leave_out(&brain->events, gate, count);
        return;
    }
    gate->taken++;
    assert(event_rows[event->kind].values[0] == EVENT_COUNT);
    event->values[0] = count;
    add(brain, event);
}

/* Where a key is remembered, or may be: in its place if that is free, else wherever beside it, else instead
 * of the one whose period ends first. */
static struct events_key *look_beside(struct events *events, uint64_t hash)
{
    struct events_key *oldest = &events->key[hash % EVENTS_MEMORY];
    struct events_key *side = &events->key[hash % EVENTS_MEMORY & ~(uint64_t)(EVENTS_BESIDE - 1)];
    for (unsigned i = 0; i < EVENTS_BESIDE; i++) {
        if (side[i].hash == hash)
            return &side[i];
        if (side[i].due_ns < oldest->due_ns)
            oldest = &side[i];
    }
    return oldest;
}

static_assert(EVENTS_MEMORY % EVENTS_BESIDE == 0, "keys have as many beside them everywhere");

/* Gives a key an event of a kind. Returns how many it stands for. */
static uint64_t begin_period(struct brain *brain, enum event_kind kind, struct events_key *key,
                             uint64_t hash)
{
    uint64_t count = 1;
    if (key->hash == hash)
        count += key->since;
    else if (key->since > 0)
        leave_out(&brain->events, &brain->events.gate[key->kind], key->since);
    *key = (struct events_key){
        .hash = hash,
        .due_ns = brain->now_ns + EVENTS_KEY_S * (uint64_t)NS_PER_S,
        .kind = kind,
    };
    return count;
}

/* As count_for, for a key that is not in its place, or is due. */
__attribute__((noinline)) static uint64_t count_beside(struct brain *brain, enum event_kind kind,
                                                       uint64_t hash)
{
    struct events_key *key = look_beside(&brain->events, hash);
    if (key->hash == hash && brain->now_ns < key->due_ns) {
        key->since++;
        return 0;
    }
    return begin_period(brain, kind, key, hash);
}

/* How many an event stands for that a key is to have now; 0: it has none, and is counted. */
static inline uint64_t count_for(struct brain *brain, enum event_kind kind, uint64_t place_hash)
{
    struct events *events = &brain->events;
    uint64_t hash = place_hash + (uint64_t)kind * 0x9e3779b97f4a7c15u;
    struct events_key *key = &events->key[hash % EVENTS_MEMORY];
    if (key->hash == hash && brain->now_ns < key->due_ns) {
        key->since++;
        return 0;
    }
    if (events_are_too_many(brain, kind)) { /* it may have its first event later */
        leave_out(events, &events->gate[kind], 1);
        return 0;
    }
    return count_beside(brain, kind, hash);
}

static struct event event_of(enum event_kind kind, const struct limit *limit, const char *key,
                             size_t key_len)
{
    return (struct event){
        .kind = kind,
        .limit = limit == NULL ? NULL : limit->name,
        .limit_len = limit == NULL ? 0 : strlen(limit->name),
        .key = key,
        .key_len = key_len,
    };
}

/* ---- keys ---- */

/* Not inline, so that a denial that is only counted pays for none of it. */
__attribute__((noinline)) static void tell_denied(struct brain *brain, const struct place *place,
                                                  const struct bucket_question *ask,
                                                  const struct bucket_answer *answer,
                                                  uint64_t count)
{
    struct event event = event_of(EVENT_denied, place_limit(brain, place), ask->key, ask->key_len);
    event.values[1] = ask->tokens;
    event.values[2] = answer->remaining_tokens;
    event.values[3] = answer->retry_after_ms;
    event.values[4] = answer->result;
    add_through(brain, EVENT_denied, &event, count);
}

void events_denied(struct brain *brain, const struct place *place,
                   const struct bucket_question *ask, const struct bucket_answer *answer)
{
    uint64_t count =
        answer->result == BUCKET_WAIT_OVER ? 0 : count_for(brain, EVENT_denied, place->hash);
    if (count > 0)
        tell_denied(brain, place, ask, answer, count);
}

/* Whether so much of a burst was used that the limit warns, when so many are left. */
static bool is_past(uint64_t left, uint64_t burst, uint32_t percent)
{
    return (unsigned __int128)left * 100 <= (unsigned __int128)burst * (100 - percent);
}

void events_taken(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct demand demand, const struct bucket_answer *answer)
{
    uint32_t percent = answer->limit->warn_percent;
    for (uint32_t i = 0; i < answer->allowance->count; i++) {
        const struct bucket_terms *terms = &answer->allowance->bucket[i];
        uint64_t left = answer->buckets[i].remaining_tokens;
        uint64_t taken = terms->holds_slots ? demand.slots : demand.tokens;
        if (!is_past(left, terms->burst, percent) || is_past(left + taken, terms->burst, percent))
            continue;
        uint64_t count = count_for(brain, EVENT_warned, place->hash);
        if (count == 0)
            return;
        struct event event = event_of(EVENT_warned, answer->limit, ask->key, ask->key_len);
        event.values[1] = left;
        event.values[2] = terms->burst;
        event.values[3] = percent;
        add_through(brain, EVENT_warned, &event, count);
        return;
    }
}

void events_owed(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                 uint64_t owed_tokens)
{
    uint64_t count = count_for(brain, EVENT_owed, place->hash);
    if (count == 0)
        return;
    struct event event = event_of(EVENT_owed, place_limit(brain, place), ask->key, ask->key_len);
    event.values[1] = owed_tokens;
    add_through(brain, EVENT_owed, &event, count);
}

void events_waited(struct brain *brain, const struct bucket_question *ask,
                   const struct limit *limit, uint64_t waited_ms, bool in_vain)
{
    enum event_kind kind = in_vain ? EVENT_wait_over : EVENT_waited;
    struct event event = event_of(kind, limit, ask->key, ask->key_len);
    event.values[1] = waited_ms;
    add_through(brain, kind, &event, 1);
}

void events_lease_expired(struct brain *brain, const struct limit *limit, const char *key,
                          size_t key_len, uint64_t tokens, uint64_t slots)
{
    struct event event = event_of(EVENT_lease_expired, limit, key, key_len);
    event.values[1] = tokens;
    event.values[2] = slots;
    add_through(brain, EVENT_lease_expired, &event, 1);
}

/* ---- overrides ---- */

static void tell_override(struct brain *brain, enum event_kind kind, const struct limit *limit,
                          const struct override *override, bool is_removed)
{
    struct event event = event_of(kind, limit, override->key, strlen(override->key));
    event.text = override->reason == NULL ? "" : override->reason;
    event.text_len = strlen(event.text);
    event.values[1] = override->action;
    event.values[2] = (uint64_t) override->until_s;
    event.values[3] = override->is_runtime;
    event.values[4] = is_removed;
    add_through(brain, is_removed ? GATE_REMOVED : kind, &event, 1);
}

void events_ended_meanwhile(struct brain *brain, uint64_t overrides)
{
    if (overrides > 0)
        leave_out(&brain->events, &brain->events.gate[EVENT_override_ended], overrides);
}

void events_dated(struct brain *brain, int64_t from_s, int64_t to_s)
{
    for (uint32_t i = 0; i < brain->limits->count; i++) {
        const struct limit *limit = &brain->limits->limit[i];
        for (uint32_t j = 0; j < limit->overrides_count; j++)
            if (limit->overrides[j].until_s > from_s && limit->overrides[j].until_s <= to_s)
                tell_override(brain, EVENT_override_ended, limit, &limit->overrides[j], false);
    }
}

static void tell_changes(struct brain *brain, const struct override_changes *changes)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct override_change *change = &changes->change[i];
        tell_override(brain, change->has_ended ? EVENT_override_ended : EVENT_override_begun,
                      change->limit, change->override, change->has_ended);
    }
}

void events_installed(struct brain *brain, const struct limits_question *ask)
{
    const struct limits *prior = brain->limits;
    if (prior == NULL || prior->overrides_count + ask->limits->overrides_count == 0)
        return;
    if (ask->changes != NULL && ask->changes->prior == prior) {
        tell_changes(brain, ask->changes);
        return;
    }
    struct override_changes *changes = changes_between(prior, ask->limits, ask->date_s);
    if (changes != NULL)
        tell_changes(brain, changes);
    free(changes);
}

/* ---- the daemon ---- */

void events_tell(struct brain *brain, enum event_kind kind, const char *text, uint64_t first,
                 uint64_t second)
{
    struct event event = {
        .kind = kind,
        .text = text,
        .text_len = text == NULL ? 0 : strlen(text),
        .values = {first, second},
    };
    assert(event_rows[kind].subject == EVENT_OF_DAEMON);
    add(brain, &event);
}

void events_forgotten(struct brain *brain, const char *name, uint64_t limits, uint64_t keys)
{
    struct event event = {
        .kind = EVENT_limit_forgotten,
        .limit = name,
        .limit_len = name == NULL ? 0 : strlen(name),
        .values = {limits, keys},
    };
    add(brain, &event);
}

/* ---- what is added up ---- */

static void count_all(const struct brain *brain, uint64_t counted[EVENTS_SUM_COUNT])
{
#define X(name, kind, cause, count) counted[EVENTS_SUM_##name] = (count);
    EVENTS_SUMS(X)
#undef X
}

bool events_are_pending(const struct brain *brain)
{
    uint64_t total = 0;
#define X(name, kind, cause, count) total += (count);
    EVENTS_SUMS(X)
#undef X
    return brain->events.told_total != total;
}

static void tell_sums(struct brain *brain)
{
    static const struct {
        enum event_kind kind;
        enum event_cause cause;
    } row[EVENTS_SUM_COUNT] = {
#define X(name, which, why, count) [EVENTS_SUM_##name] = {(which), (why)},
        EVENTS_SUMS(X)
#undef X
    };
    struct events *events = &brain->events;
    uint64_t counted[EVENTS_SUM_COUNT];
    count_all(brain, counted);
    for (int i = 0; i < EVENTS_SUM_COUNT; i++) {
        uint64_t count = counted[i] - events->told[i];
        if (count == 0)
            continue;
        if (brain->now_ns < events->told_due_ns[i]) {
            is_due(events, events->told_due_ns[i]);
            continue;
        }
        events_tell(brain, row[i].kind, NULL, count, row[i].cause);
        events->told[i] = counted[i];
        events->told_total += count;
        events->told_due_ns[i] = brain->now_ns + sum_period_ns();
    }
}

void events_stalled(struct brain *brain)
{
    brain->events.stalls++;
    tell_sums(brain);
}

static void tell_left_out(struct brain *brain, unsigned number)
{
    struct events *events = &brain->events;
    struct events_gate *gate = &events->gate[number];
    if (gate->left_out == 0)
        return;
    if (brain->now_ns < gate->summed_ns) {
        is_due(events, gate->summed_ns);
        return;
    }
    bool is_removed = number == GATE_REMOVED;
    struct event event = {
        .kind = is_removed ? EVENT_override_ended : (enum event_kind)number,
        .values = {[0] = gate->left_out, [4] = is_removed},
    };
    gate->left_out = 0;
    gate->summed_ns = brain->now_ns + sum_period_ns();
    add(brain, &event);
}

/* The limits that the lines have found to be gone, by now. */
static void tell_forgotten(struct brain *brain)
{
    struct forgotten *forgotten = &brain->buckets.lines.forgotten;
    if (forgotten_is_empty(forgotten))
        return;
    for (uint32_t i = 0; i < forgotten->named; i++)
        events_forgotten(brain, forgotten->limit[i].name, 1, forgotten->limit[i].keys);
    if (forgotten->others > 0)
        events_forgotten(brain, NULL, forgotten->others, forgotten->keys_of_others);
    memset(forgotten, 0, sizeof *forgotten);
}

/* ---- readers ---- */

static bool begins(const char *text, size_t len, const char *prefix, size_t prefix_len)
{
    return text != NULL && len >= prefix_len && memcmp(text, prefix, prefix_len) == 0;
}

static bool suits(const struct events_question *ask, const struct event *event)
{
    if ((ask->kinds & 1u << event->kind) == 0)
        return false;
    if (ask->limit_name != NULL &&
        (event->limit_len != ask->limit_name_len ||
         !begins(event->limit, event->limit_len, ask->limit_name, ask->limit_name_len)))
        return false;
    return ask->prefix == NULL || begins(event->key, event->key_len, ask->prefix, ask->prefix_len);
}

/* Puts more events into an answer, from where it has got to. false: it stopped before the newest one. */
static bool fill(struct brain *brain, const struct events_question *ask,
                 struct events_answer *answer)
{
    const struct events *events = &brain->events;
    uint64_t first = events_first_kept(events);
    if (answer->next + 1 < first) {
        answer->lost += first - 1 - answer->next;
        brain->counters.events_lost += first - 1 - answer->next;
        answer->lost_last = answer->next = first - 1;
    }
    for (unsigned looks = 0; answer->next < events->ring.newest; looks++) {
        struct event event;
        const void *record = event_ring_record(&events->ring, answer->next + 1);
        size_t len = event_unpack(record, &event);
        if (looks == EVENTS_LOOKS_MAX)
            return false;
        if (suits(ask, &event)) {
            if (ask->room_bytes - answer->bytes < len)
                return false;
            memcpy((char *)ask->room + answer->bytes, record, len);
            answer->bytes += len;
            answer->count++;
        }
        answer->next++;
    }
    return true;
}

/* Whether there is something that a reader should not wait for. */
static bool has_more(const struct events_answer *answer)
{
    return answer->count > 0 || answer->lost > 0 || answer->is_other_boot;
}

/* Where a reader is. */
static void find_place(const struct events *events, const struct events_question *ask,
                       struct events_answer *answer)
{
    switch (ask->from) {
    case EVENTS_SINCE:
        answer->is_other_boot = ask->boot != events->boot || ask->since > events->ring.newest;
        answer->next = answer->is_other_boot ? 0 : ask->since;
        break;
    case EVENTS_KEPT:
        answer->next = events_first_kept(events) - 1;
        break;
    case EVENTS_TO_COME:
        answer->next = events->ring.newest;
        break;
    }
}

bool events_answer(struct brain *brain, struct message *message)
{
    struct events *events = &brain->events;
    const struct events_question *ask = message->ask.events;
    struct events_answer *answer = message->answer.events;
    assert(ask->room_bytes >= EVENT_RECORD_MAX);
    *answer = (struct events_answer){.is_kept = events->keep > 0, .boot = events->boot};
    if (!answer->is_kept)
        return true;
    find_place(events, ask, answer);
    if (!fill(brain, ask, answer) || has_more(answer) || !ask->waits)
        return true;
    chain_add(&events->readers, &message->letter);
    return false;
}

void events_leave(struct brain *brain, struct message *message)
{
    struct chain *readers = &brain->events.readers;
    struct letter *at = readers->newest;
    while (at != NULL && at != &message->letter)
        at = at->next;
    if (at == NULL)
        return;
    chain_remove(readers, at);
    chain_add(&brain->released, at);
}

/* Lets all readers go for whom there is something. The others stay, in their order. */
void events_let_go(struct brain *brain)
{
    struct events *events = &brain->events;
    struct letter *letter = letters_oldest_first(events->readers.newest);
    events->readers.newest = NULL;
    events->readers_due_ns = BRAIN_NEVER;
    events->let_go_ns = brain->now_ns;
    for (struct letter *next; letter != NULL; letter = next) {
        struct message *message = message_of(letter);
        struct events_answer *answer = message->answer.events;
        next = letter->next;
        bool is_released = !fill(brain, message->ask.events, answer) || has_more(answer);
        chain_add(is_released ? &brain->released : &events->readers, letter);
    }
}

/* ---- time ---- */

void events_advance(struct brain *brain)
{
    struct events *events = &brain->events;
    events->sums_due_ns = BRAIN_NEVER;
    tell_forgotten(brain);
    tell_sums(brain);
    for (unsigned i = 0; i <= EVENT_KIND_COUNT; i++)
        tell_left_out(brain, i);
    if (events->readers_due_ns <= brain->now_ns)
        events_let_go(brain);
}

bool events_hear(struct events *events, struct event *event)
{
    while (events->unheard != 0) {
        /* Only a brain that nobody has asked for news for long can have given up some. */
        bool is_kept = events->unheard >= events->ring.oldest;
        uint64_t number = is_kept ? events->unheard : events->ring.oldest;
        event_unpack(event_ring_record(&events->ring, number), event);
        events->unheard = number == events->ring.newest ? 0 : number + 1;
        if (news_wants(event))
            return true;
    }
    return false;
}
