/*
 * Explanations: EXPLAIN against what is answered to the question that it foretells, in random worlds of
 * limits, overrides, slots, leases and waiters, whose tables and leases are often full.
 *
 * ALLOWD_DECISIONS sets how many configurations a run makes up, ALLOWD_SEED which.
 */
#include "ask/explain_json.h"
#include "brain/core.h"
#include "support/ask_brain.h"
#include "support/dice.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMITS = 4,
    OVERRIDES = 6,
    WAITERS = 8,
    LEASES = 8,
    STEPS = 12,  /* of a configuration */
    RELOADS = 3, /* of a world */
    JSON_EACH = 16,
};

static const char *const keys[] = {"a",          "ab",         "b:1",      "b:2",
                                   "c:10.0.0.1", "c:10.1.2.3", "10.1.2.3", "d"};
static const char *const names[LIMITS] = {LIMIT_DEFAULT_NAME, "one", "two", "three"};
static const char *const matches[] = {"*", "a*", "b:*", "c:*", "?", "[ab]*", "10.*", NULL};
static const char *const subjects[] = {
    "a",          "ab",       "b:1", "c:10.0.0.1", "c:10.0.0.0/8", "c:10.1.0.0/16",
    "10.0.0.0/8", "10.1.2.3", "*",   "a*",         "[bc]:*",       "c:10.1.2.3"};
static const char *const bucket_names[] = {"x", "y", "z"};

struct world {
    uint64_t number;
    struct dice dice;
    struct brain *brain;
    const char *favourite; /* the key that most is asked about */
    uint64_t now_ns, tick_ms;
    int64_t date_s;
    struct message waits[WAITERS];
    bool is_away[WAITERS];
    struct lease_id lease[LEASES];
    uint64_t leases;
};

static uint64_t total_configurations, total_questions, total_by_result[BUCKET_NO_SUCH_LIMIT + 1],
    total_behind_waiters, total_overridden, total_acquires;

static void differ(const struct world *world, const char *what, uint64_t explained,
                   uint64_t answered)
{
    fail_msg("ALLOWD_SEED=%" PRIu64 " world %" PRIu64 " question %" PRIu64
             ": %s is explained to be %" PRIu64 ", and is %" PRIu64,
             dice_seed(), world->number, total_questions, what, explained, answered);
}

static void check(const struct world *world, const char *what, uint64_t explained,
                  uint64_t answered)
{
    if (explained != answered)
        differ(world, what, explained, answered);
}

/* ---- configurations ---- */

static const char *one_of(struct dice *dice, const char *const *texts, size_t count)
{
    return texts[dice_roll(dice, count)];
}

static struct bucket_terms random_bucket(struct world *world)
{
    static const uint64_t periods_ms[] = {100, 1000, 60000};
    struct dice *dice = &world->dice;
    struct bucket_terms terms = {.burst = dice_between(dice, 1, 6)};
    struct credit_line line;
    if (dice_once_in(dice, 4)) {
        terms.holds_slots = true;
        terms.burst = dice_between(dice, 1, 3);
        return terms;
    }
    do
        terms.rate = (struct rate){dice_between(dice, 1, 3),
                                   periods_ms[dice_roll(dice, LENGTH(periods_ms))]};
    while (credit_line_init(&line, terms.burst, terms.rate, world->tick_ms) != CREDIT_OK);
    terms.debt_max = dice_roll(dice, terms.burst + 1);
    return terms;
}

static uint32_t random_buckets(struct world *world, struct bucket_terms buckets[BUCKETS_MAX])
{
    uint32_t count = dice_once_in(&world->dice, 2)
                         ? 1
                         : (uint32_t)dice_between(&world->dice, 1, LENGTH(bucket_names));
    for (uint32_t i = 0; i < count; i++) {
        buckets[i] = random_bucket(world);
        if (count > 1)
            strcpy(buckets[i].name, bucket_names[i]);
    }
    return count;
}

static bool is_there(const struct override_terms *overrides, uint32_t count,
                     const struct override_terms *by)
{
    for (uint32_t i = 0; i < count; i++)
        if (overrides[i].is_runtime == by->is_runtime && strcmp(overrides[i].key, by->key) == 0)
            return true;
    return false;
}

/* Those that are set at run time come first. */
static uint32_t random_overrides(struct world *world, struct override_terms overrides[OVERRIDES])
{
    struct dice *dice = &world->dice;
    uint32_t want = (uint32_t)dice_roll(dice, OVERRIDES + 1),
             at_runtime = (uint32_t)dice_roll(dice, want + 1), count = 0;
    for (uint32_t tries = 0; tries < want; tries++) {
        struct override_terms terms = {
            .key = one_of(dice, subjects, LENGTH(subjects)),
            .action =
                dice_once_in(dice, 2) ? OVERRIDE_TERMS : (enum override_action)dice_roll(dice, 3),
            .until_s = dice_once_in(dice, 2) ? OVERRIDE_FOR_EVER
                                             : world->date_s - 5 + (int64_t)dice_roll(dice, 30),
            .is_runtime = tries < at_runtime,
        };
        if (terms.action == OVERRIDE_TERMS)
            terms.buckets_count = random_buckets(world, terms.buckets);
        if (!is_there(overrides, count, &terms))
            overrides[count++] = terms;
    }
    return count;
}

static void add_limit(struct world *world, struct limits *limits, const char *name)
{
    struct dice *dice = &world->dice;
    struct override_terms overrides[OVERRIDES];
    bool is_default = strcmp(name, LIMIT_DEFAULT_NAME) == 0;
    struct limit_terms terms = {
        .name = name,
        .match = is_default ? NULL : one_of(dice, matches, LENGTH(matches)),
        .shadow = dice_once_in(dice, 5),
        .returns_on_expiry = dice_once_in(dice, 2),
        .warn_percent = dice_once_in(dice, 3) ? 80 : 0,
        .overrides = overrides,
    };
    terms.buckets_count = random_buckets(world, terms.buckets);
    terms.overrides_count = dice_once_in(dice, 2) ? 0 : random_overrides(world, overrides);
    assert_true(limits_add(limits, &terms));
}

static struct limits *random_limits(struct world *world)
{
    static const uint64_t ticks_ms[] = {1, 10, 100};
    struct dice *dice = &world->dice;
    world->tick_ms = ticks_ms[dice_roll(dice, LENGTH(ticks_ms))];
    struct limits *limits = limits_new(LIMITS, world->tick_ms);
    assert_non_null(limits);
    uint32_t default_at = (uint32_t)dice_roll(dice, LIMITS);
    for (uint32_t i = 0; i < LIMITS; i++)
        if (i == default_at)
            add_limit(world, limits, names[0]);
        else if (dice_once_in(dice, 2))
            add_limit(world, limits, names[i == 0 ? default_at : i]);
    limits->waiting = (struct waiting_terms){
        .max_waiting = (uint32_t)dice_between(dice, 1, WAITERS),
        .per_key = (uint32_t)dice_roll(dice, WAITERS),
    };
    total_configurations++;
    return limits;
}

static struct limits_question random_question(struct world *world)
{
    return (struct limits_question){
        .limits = random_limits(world),
        .when_full = (enum when_full)dice_roll(&world->dice, WHEN_FULL_COUNT),
        .date_s = world->date_s,
    };
}

/* ---- asking ---- */

static void come_home(struct world *world)
{
    for (struct letter *letter = brain_released(world->brain), *next; letter != NULL;
         letter = next) {
        struct message *message = message_of(letter);
        next = letter->next;
        world->is_away[message - world->waits] = false;
        message_hold(message, NULL);
    }
}

static bool ask(struct world *world, struct message *message)
{
    struct message *messages[] = {message};
    bool is_answered = ask_brain(world->brain, messages, 1) == 1;
    come_home(world);
    return is_answered;
}

static struct message random_message(struct world *world, enum message_kind kind)
{
    struct dice *dice = &world->dice;
    struct message message = {.kind = kind};
    struct bucket_question *question = &message.ask.bucket;
    if (kind == MESSAGE_ACQUIRE) {
        message.ask.acquire.slots = 1;
        message.ask.acquire.ttl_ms = LEASE_TTL_MIN_MS * (uint32_t)dice_between(dice, 1, 30);
    }
    question->key = dice_once_in(dice, 4) ? one_of(dice, keys, LENGTH(keys)) : world->favourite;
    question->key_len = strlen(question->key);
    question->tokens = dice_roll(dice, 4);
    if (dice_once_in(dice, 5)) {
        question->limit_name = one_of(dice, names, LIMITS);
        question->limit_name_len = strlen(question->limit_name);
    }
    return message;
}

/* An id that no lease had. */
static struct lease_id next_id(struct world *world)
{
    struct lease_id id = {{1}};
    memcpy(id.bytes + 1, &world->leases, sizeof world->leases);
    world->lease[world->leases++ % LEASES] = id;
    return id;
}

/* ---- what happens in a world ---- */

static void take(struct world *world, enum message_kind kind)
{
    struct message message = random_message(world, kind);
    if (kind == MESSAGE_ACQUIRE)
        message.ask.acquire.id = next_id(world);
    assert_true(ask(world, &message));
}

static void wait(struct world *world, enum message_kind kind)
{
    size_t i = 0;
    while (i < WAITERS && world->is_away[i])
        i++;
    if (i == WAITERS)
        return;
    world->waits[i] = random_message(world, kind);
    world->waits[i].ask.bucket.wait_ms = dice_between(&world->dice, 1, 60000);
    if (kind == MESSAGE_ACQUIRE)
        world->waits[i].ask.acquire.id = next_id(world);
    world->is_away[i] = true;
    if (ask(world, &world->waits[i]))
        world->is_away[i] = false;
}

static void leave(struct world *world)
{
    size_t i = (size_t)dice_roll(&world->dice, WAITERS);
    if (!world->is_away[i])
        return;
    struct message message = {.kind = MESSAGE_LEAVE, .ask.leaves = &world->waits[i]};
    assert_true(ask(world, &message));
}

static void release(struct world *world)
{
    struct message message = {.kind = MESSAGE_RELEASE};
    message.ask.lease.id = world->lease[dice_roll(&world->dice, LEASES)];
    message.ask.lease.has_used = dice_once_in(&world->dice, 2);
    assert_true(ask(world, &message));
}

static void pass(struct world *world)
{
    static const uint64_t most_ms[] = {1, 200, 1000, 20000};
    world->now_ns +=
        dice_roll(&world->dice, most_ms[dice_roll(&world->dice, LENGTH(most_ms))]) * NS_PER_MS +
        dice_roll(&world->dice, NS_PER_MS);
    brain_tick(world->brain, world->now_ns);
    if (dice_once_in(&world->dice, 3))
        brain_date(world->brain, world->date_s += (int64_t)dice_roll(&world->dice, 10));
    come_home(world);
}

static void reload(struct world *world)
{
    const struct limits_question question = random_question(world);
    struct message message = {.kind = MESSAGE_LIMITS, .ask.limits = question};
    ask(world, &message);
    wait_for_room(world->brain);
    come_home(world);
    assert_int_equal(message.answer.limits, LIMITS_IN_FORCE);
    limits_release(question.limits);
}

static void happen(struct world *world)
{
    static const enum message_kind kinds[] = {MESSAGE_ALLOW,  MESSAGE_ALLOW,  MESSAGE_RESET,
                                              MESSAGE_REFUND, MESSAGE_CHARGE, MESSAGE_ACQUIRE};
    switch (dice_roll(&world->dice, 8)) {
    case 0:
    case 1:
        pass(world);
        return;
    case 2:
        wait(world, MESSAGE_ALLOW);
        return;
    case 3:
        wait(world, MESSAGE_ACQUIRE);
        return;
    case 4:
        leave(world);
        return;
    case 5:
        release(world);
        return;
    default:
        take(world, kinds[dice_roll(&world->dice, LENGTH(kinds))]);
        return;
    }
}

/* ---- what is explained ---- */

static struct explain_answer explained;

/* What asking must not change, unless leases have ended whose bookkeeping is still to be done: any question
 * about their key does that. */
static struct daemon_answer look(struct world *world)
{
    struct daemon_answer answer = {0};
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &answer};
    assert_true(ask(world, &message));
    return answer;
}

static void explain(struct world *world, const struct message *about)
{
    struct message message = {
        .kind = MESSAGE_EXPLAIN, .ask.bucket = about->ask.bucket, .answer.explain = &explained};
    bool has_work = brain_has_work(world->brain);
    const struct daemon_answer before = look(world);
    uint64_t events = world->brain->events.ring.newest;
    memset(&explained, 0xa5, sizeof explained);
    assert_true(ask(world, &message));
    const struct daemon_answer after = look(world);
    if (has_work)
        return;
    check(world, "what the daemon has counted", memcmp(&before, &after, sizeof before) != 0, false);
    check(world, "the last event", world->brain->events.ring.newest, events);
}

static void compare_buckets(const struct world *world, const struct bucket_answer *next,
                            const struct bucket_answer *answer)
{
    for (uint32_t i = 0; i < answer->allowance->count; i++) {
        const struct bucket_state *one = &next->buckets[i], *other = &answer->buckets[i];
        check(world, "a bucket's remaining", one->remaining_tokens, other->remaining_tokens);
        check(world, "a bucket's next token", one->next_token_ms, other->next_token_ms);
        check(world, "a bucket's full_after", one->full_after_ms, other->full_after_ms);
        check(world, "whether a bucket is violated", one->violated, other->violated);
        check(world, "what a bucket owes", one->owed_tokens, other->owed_tokens);
    }
}

static void compare(const struct world *world, const struct bucket_answer *next,
                    const struct bucket_answer *answer)
{
    check(world, "the result", next->result, answer->result);
    check(world, "the limit", (uintptr_t)next->limit, (uintptr_t)answer->limit);
    check(world, "the override", (uintptr_t)next->override, (uintptr_t)answer->override);
    check(world, "the allowance", (uintptr_t)next->allowance, (uintptr_t)answer->allowance);
    check(world, "remaining", next->remaining_tokens, answer->remaining_tokens);
    check(world, "owed", next->owed_tokens, answer->owed_tokens);
    check(world, "retry_after_ms", next->retry_after_ms, answer->retry_after_ms);
    check(world, "full_after_ms", next->full_after_ms, answer->full_after_ms);
    check(world, "active", next->active, answer->active);
    check(world, "would_wait_ms", next->would_wait_ms, answer->would_wait_ms);
    compare_buckets(world, next, answer);
}

/* Which limit and override hold is derived again, from the limits alone. */
static void check_explanation(const struct world *world, const struct bucket_question *asked)
{
    const struct explanation explanation = explanation_of(asked, &explained);
    const struct override *holds = NULL;
    for (uint32_t i = 0; i < explanation.overrides_shown && holds == NULL; i++)
        if (explanation.overrides[i]->until_s > explained.date_s)
            holds = explanation.overrides[i];
    check(world, "the override that holds", (uintptr_t)holds, (uintptr_t)explained.next.override);
    if (asked->limit_name == NULL)
        check(world, "the limit that decides", explanation.limit, explanation.limit_if_unnamed);
    if (total_questions % JSON_EACH != 0)
        return;
    struct text text = text_begin_growing();
    size_t len;
    explain_json_write(&text, &explanation);
    char *json = text_take(&text, &len);
    assert_non_null(json);
    assert_true(len > 2 && json[0] == '{' && json[len - 1] == '}');
    free(json);
}

static void count(const struct bucket_answer *answer)
{
    total_questions++;
    total_by_result[answer->result]++;
    if (answer->result == BUCKET_NO_SUCH_LIMIT)
        return;
    total_behind_waiters += explained.queue.waiting > 0;
    total_overridden += answer->override != NULL;
    total_acquires += explained.kind == MESSAGE_ACQUIRE;
}

/* Explains, and then asks. */
static void question(struct world *world)
{
    struct message next = random_message(world, MESSAGE_ACQUIRE);
    struct message status = {.kind = MESSAGE_STATUS, .ask.bucket = next.ask.bucket};
    next.ask.acquire.ttl_ms = LEASE_TTL_MS;
    explain(world, &next);
    assert_true(ask(world, &status));
    if (explained.next.result == BUCKET_NO_SUCH_LIMIT) {
        check(world, "the limit of a status", BUCKET_NO_SUCH_LIMIT, status.answer.bucket.result);
        count(&explained.next);
        return;
    }
    compare(world, &explained.now, &status.answer.bucket);
    next.kind = explained.kind;
    if (next.kind == MESSAGE_ACQUIRE)
        next.ask.acquire.id = next_id(world);
    assert_true(ask(world, &next));
    compare(world, &explained.next, &next.answer.bucket);
    if (next.kind == MESSAGE_ACQUIRE)
        check(world, "expires_after_ms", explained.next.expires_after_ms,
              next.answer.bucket.expires_after_ms);
    check_explanation(world, &next.ask.bucket);
    count(&next.answer.bucket);
}

/* ---- worlds ---- */

static void live(uint64_t number)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "explain";
    static struct world world;
    world = (struct world){.number = number, .dice = dice_new(number), .date_s = 1000000};
    struct dice *dice = &world.dice;
    uint32_t max_keys = (uint32_t)(dice_once_in(dice, 2) ? dice_between(dice, 1, 4) : 100);
    uint32_t max_leases = (uint32_t)dice_between(dice, 1, LEASES);
    const struct limits_question limits = random_question(&world);
    world.brain = brain_new(&limits, max_keys, max_leases, seed, 0);
    assert_non_null(world.brain);
    assert_true(brain_keep_events(world.brain, 50, 1));
    limits_release(limits.limits);
    for (unsigned i = 0; i <= RELOADS; i++) {
        world.favourite = one_of(dice, keys, LENGTH(keys));
        for (unsigned step = 0; step < STEPS; step++) {
            happen(&world);
            if (dice_once_in(dice, 2))
                question(&world);
        }
        question(&world);
        if (i < RELOADS)
            reload(&world);
    }
    brain_free(world.brain);
}

static void what_is_explained_is_what_is_answered(void **state)
{
    (void)state;
    static const enum bucket_result seen[] = {
        BUCKET_ALLOWED,    BUCKET_DENIED,          BUCKET_EXCEEDS_BURST,
        BUCKET_TABLE_FULL, BUCKET_UNCOUNTED,       BUCKET_ALWAYS,
        BUCKET_NEVER,      BUCKET_TOO_MANY_LEASES, BUCKET_NO_SUCH_LIMIT,
    };
    uint64_t configurations = dice_repeats("ALLOWD_DECISIONS", 40000);
    for (uint64_t number = 0; total_configurations < configurations; number++)
        live(number);
    printf("%" PRIu64 " configurations, %" PRIu64 " questions; %" PRIu64 " behind waiters, %" PRIu64
           " overridden, %" PRIu64 " for leases; by result:",
           total_configurations, total_questions, total_behind_waiters, total_overridden,
           total_acquires);
    for (size_t i = 0; i < LENGTH(seen); i++)
        printf(" %" PRIu64, total_by_result[seen[i]]);
    printf("\n");
    for (size_t i = 0; i < LENGTH(seen) && configurations >= 1000; i++)
        assert_true(total_by_result[seen[i]] > 0);
    assert_true(configurations < 1000 ||
                (total_behind_waiters > 0 && total_overridden > 0 && total_acquires > 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_explained_is_what_is_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
