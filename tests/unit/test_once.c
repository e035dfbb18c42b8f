/* Once: the same question with the same token is answered the same, and does nothing. */
#include "brain/core.h"
#include "brain/once.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"
#include "support/plain_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000};

/* A question, with what it borrows. */
struct asked {
    struct message message;
    struct once_question once;
};

static void set_token(struct asked *asked, const char *token)
{
    asked->once = (struct once_question){.token_len = (uint8_t)strlen(token)};
    memcpy(asked->once.token, token, strlen(token));
    asked->message.once = &asked->once;
}

static void ask(struct fixture *fixture, struct asked *asked, enum message_kind kind,
                const char *key, const char *limit, uint64_t tokens, const char *token)
{
    asked->message = (struct message){
        .kind = kind,
        .ask.bucket = {.key = key,
                       .key_len = strlen(key),
                       .limit_name = limit,
                       .limit_name_len = limit == NULL ? 0 : strlen(limit),
                       .tokens = tokens},
    };
    memset(&asked->message.answer, 0xa5, sizeof asked->message.answer);
    if (token != NULL)
        set_token(asked, token);
    struct message *messages[] = {&asked->message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
}

/* Asks for it once, and gives the answer. */
static struct bucket_answer answer_to(struct fixture *fixture, enum message_kind kind,
                                      const char *key, uint64_t tokens, const char *token)
{
    struct asked asked;
    ask(fixture, &asked, kind, key, NULL, tokens, token);
    message_hold(&asked.message, NULL);
    return asked.message.answer.bucket;
}

static void expect_same(const struct bucket_answer *one, const struct bucket_answer *other)
{
    assert_int_equal(one->result, other->result);
    assert_ptr_equal(one->limit, other->limit);
    assert_ptr_equal(one->override, other->override);
    assert_ptr_equal(one->allowance, other->allowance);
    assert_int_equal(one->remaining_tokens, other->remaining_tokens);
    assert_int_equal(one->owed_tokens, other->owed_tokens);
    assert_int_equal(one->retry_after_ms, other->retry_after_ms);
    assert_int_equal(one->full_after_ms, other->full_after_ms);
    assert_int_equal(one->buckets[0].remaining_tokens, other->buckets[0].remaining_tokens);
    assert_int_equal(one->buckets[0].next_token_ms, other->buckets[0].next_token_ms);
}

static struct fixture ten(void)
{
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    return fixture;
}

/* ---- with a brain ---- */

static void a_repetition_is_answered_the_same_and_takes_nothing(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    struct bucket_answer first = answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "abc");
    expect_answer(first, BUCKET_ALLOWED, 7, 3000, 0);
    for (int i = 0; i < 3; i++) {
        fixture_pass(&fixture, 500);
        struct bucket_answer again = answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "abc");
        expect_same(&again, &first);
    }
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 8);
    struct brain_counters counters = fixture_daemon(&fixture).counters;
    assert_int_equal(counters.allowed, 1);
    assert_int_equal(counters.repeated, 3);
    fixture_release(&fixture);
}

static void so_is_a_denial_but_it_is_logged_once(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, 10, one_per_second);
    limits->shown_denials = (struct rate){5, 1000};
    fixture_reload_limits(&fixture, limits);
    fixture_drain(&fixture, "foo", NULL);
    struct bucket_answer first = answer_to(&fixture, MESSAGE_ALLOW, "foo", 1, "abc");
    assert_int_equal(first.result, BUCKET_DENIED);
    assert_true(first.sample.is_taken);
    fixture_pass(&fixture, 5000); /* it would be allowed now */
    struct bucket_answer again = answer_to(&fixture, MESSAGE_ALLOW, "foo", 1, "abc");
    expect_same(&again, &first);
    assert_false(again.sample.is_taken);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 5);
    assert_int_equal(fixture_daemon(&fixture).counters.denied, 1);
    fixture_release(&fixture);
}

static void charges_and_refunds_are_made_once(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    for (int i = 0; i < 4; i++)
        assert_int_equal(answer_to(&fixture, MESSAGE_CHARGE, "foo", 9, "a").remaining_tokens, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(answer_to(&fixture, MESSAGE_REFUND, "foo", 4, "a").remaining_tokens, 5);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 5);
    assert_int_equal(fixture_daemon(&fixture).counters.charges, 1);
    assert_int_equal(fixture_daemon(&fixture).counters.refunds, 1);
    fixture_release(&fixture);
}

/* Kind, key, the limit that is named, and the token. */
static void what_is_another_question_is_decided(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    struct asked asked;
    static const struct {
        enum message_kind kind;
        const char *key, *limit, *token;
    } others[] = {
        {MESSAGE_ALLOW, "foo", NULL, "a"},   {MESSAGE_ALLOW, "foo", "default", "a"},
        {MESSAGE_ALLOW, "foo", NULL, "b"},   {MESSAGE_ALLOW, "foo", NULL, "ab"},
        {MESSAGE_ALLOW, "fooa", NULL, "b"},  {MESSAGE_CHARGE, "foo", NULL, "a"},
        {MESSAGE_CHARGE, "fooa", NULL, "b"}, {MESSAGE_ALLOW, "a", NULL, "foo"},
    };
    for (size_t i = 0; i < LENGTH(others); i++)
        ask(&fixture, &asked, others[i].kind, others[i].key, others[i].limit, 1, others[i].token);
    assert_int_equal(fixture_daemon(&fixture).counters.repeated, 0);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 5);
    fixture_release(&fixture);
}

static void other_numbers_under_the_same_token_are_refused(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    struct asked asked;
    assert_int_equal(answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "a").result, BUCKET_ALLOWED);
    ask(&fixture, &asked, MESSAGE_ALLOW, "foo", NULL, 4, "a");
    assert_int_equal(asked.message.answer.bucket.result, BUCKET_ONCE_DIFFERS);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 7);
    assert_int_equal(answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "a").result, BUCKET_ALLOWED);
    assert_int_equal(fixture_daemon(&fixture).counters.repeated, 1);
    fixture_release(&fixture);
}

static void it_is_remembered_for_a_minute(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "a");
    fixture_at(&fixture, 59999);
    assert_int_equal(answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "a").remaining_tokens, 7);
    assert_false(fixture_status(&fixture, "foo").active); /* nothing was taken */
    fixture_at(&fixture, 60000);
    answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "a");
    assert_true(fixture_status(&fixture, "foo").active);
    fixture_release(&fixture);
}

/* The answer points into the limits by which it was decided. */
static void a_reload_changes_no_answer(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    struct bucket_answer first = answer_to(&fixture, MESSAGE_ALLOW, "foo", 3, "a");
    struct limits *before = limits_retain(brain_limits(fixture.brain));
    fixture_reload_one(&fixture, 100, 99, one_per_second);
    struct asked asked;
    ask(&fixture, &asked, MESSAGE_ALLOW, "foo", NULL, 3, "a");
    expect_same(&asked.message.answer.bucket, &first);
    assert_int_equal(asked.message.answer.bucket.allowance->burst, 10);
    assert_ptr_equal(asked.message.limits, before);
    message_hold(&asked.message, NULL);
    unsigned references = atomic_load(&before->references);
    once_advance(&fixture.brain->once, fixture.now_ns + 60 * NS_PER_S - 1);
    assert_int_equal(atomic_load(&before->references), references);
    once_advance(&fixture.brain->once, fixture.now_ns + 60 * NS_PER_S);
    assert_int_equal(atomic_load(&before->references), references - 1);
    limits_release(before);
    fixture_release(&fixture);
}

static void what_can_be_otherwise_next_time_is_not_remembered(void **state)
{
    (void)state;
    static const struct rule rules[] = {{"default", NULL, 10, {1, 1000}},
                                        {"api", NULL, 10, {1, 1000}}};
    struct fixture fixture;
    struct asked asked;
    fixture_init(&fixture, 100, rules, 1, 1, WHEN_FULL_EVICT);
    ask(&fixture, &asked, MESSAGE_ALLOW, "foo", "api", 1, "a");
    assert_int_equal(asked.message.answer.bucket.result, BUCKET_NO_SUCH_LIMIT);
    fixture_reload(&fixture, 100, rules, 2);
    ask(&fixture, &asked, MESSAGE_ALLOW, "foo", "api", 1, "a");
    assert_int_equal(asked.message.answer.bucket.result, BUCKET_ALLOWED);
    fixture_release(&fixture);
}

static void a_question_without_a_token_is_as_ever(void **state)
{
    (void)state;
    struct fixture fixture = ten();
    for (uint64_t left = 10; left-- > 0;)
        assert_int_equal(answer_to(&fixture, MESSAGE_ALLOW, "foo", 1, NULL).remaining_tokens, left);
    assert_int_equal(fixture.brain->once.used, 0);
    fixture_release(&fixture);
}

static void four_at_once_are_answered_the_same(void **state)
{
    (void)state;
    enum { TIMES = 4 };
    struct fixture fixture = ten();
    struct asked asked[TIMES];
    struct message *messages[TIMES];
    for (int i = 0; i < TIMES; i++) {
        asked[i].message = (struct message){
            .kind = MESSAGE_ALLOW, .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 2}};
        set_token(&asked[i], "abc");
        messages[i] = &asked[i].message;
    }
    assert_int_equal(ask_brain(fixture.brain, messages, TIMES), TIMES);
    for (int i = 0; i < TIMES; i++) {
        expect_same(&asked[i].message.answer.bucket, &asked[0].message.answer.bucket);
        message_hold(&asked[i].message, NULL);
    }
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 8);
    fixture_release(&fixture);
}

/* ---- leases ---- */

/* A brain with two slots for each key. */
static struct fixture slots(void)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = 2, .holds_slots = true}},
    };
    struct fixture fixture;
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    fixture_init_limits(&fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    return fixture;
}

/* number: of the id that it has drawn. */
static void acquire(struct fixture *fixture, struct asked *asked, uint8_t number)
{
    struct message *messages[] = {&asked->message};
    *asked = (struct asked){
        .message = {.kind = MESSAGE_ACQUIRE,
                    .ask.acquire = {.bucket = {.key = "foo", .key_len = 3, .tokens = 1},
                                    .id = {{number}},
                                    .slots = 1,
                                    .ttl_ms = 30000}}};
    set_token(asked, "a");
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    assert_int_equal(asked->message.answer.bucket.result, BUCKET_ALLOWED);
    message_hold(&asked->message, NULL);
}

/* Whoever asked has gone, or is done with it: then the message has no token. */
static enum lease_state release(struct fixture *fixture, struct asked *asked, bool has_gone)
{
    struct message *messages[] = {&asked->message};
    const struct lease_id id = asked->message.ask.acquire.id;
    asked->message.kind = MESSAGE_RELEASE;
    asked->message.once = has_gone ? &asked->once : NULL;
    asked->message.ask.lease = (struct lease_question){.id = id, .has_used = has_gone};
    asked->message.answer.lease.key = NULL;
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    return asked->message.answer.lease.state;
}

static uint64_t free_slots(struct fixture *fixture)
{
    return fixture_status(fixture, "foo").remaining_tokens;
}

static void a_lease_is_granted_once(void **state)
{
    (void)state;
    struct fixture fixture = slots();
    struct asked asked[4];
    for (uint8_t i = 0; i < LENGTH(asked); i++) {
        acquire(&fixture, &asked[i], i + 1);
        assert_int_equal(asked[i].message.ask.acquire.id.bytes[0], 1);
        assert_int_equal(free_slots(&fixture), 1);
    }
    assert_int_equal(release(&fixture, &asked[0], false), LEASE_RELEASED);
    assert_int_equal(free_slots(&fixture), 2);
    acquire(&fixture, &asked[0], 9); /* a repetition that is late takes no slot */
    assert_int_equal(asked[0].message.ask.acquire.id.bytes[0], 1);
    assert_int_equal(free_slots(&fixture), 2);
    fixture_release(&fixture);
}

/* The connection of the first one broke, and its client has asked again. */
static void a_lease_stays_with_the_one_that_got_it(void **state)
{
    (void)state;
    struct fixture fixture = slots();
    struct asked first, second;
    acquire(&fixture, &first, 1);
    acquire(&fixture, &second, 2);
    assert_int_equal(release(&fixture, &first, true), LEASE_HELD);
    assert_int_equal(free_slots(&fixture), 1);
    assert_int_equal(release(&fixture, &second, false), LEASE_RELEASED);
    assert_int_equal(free_slots(&fixture), 2);
    fixture_release(&fixture);
}

static void whoever_asks_after_all_have_gone_gets_another(void **state)
{
    (void)state;
    struct fixture fixture = slots();
    struct asked first, second;
    acquire(&fixture, &first, 1);
    acquire(&fixture, &second, 2);
    assert_int_equal(release(&fixture, &first, true), LEASE_HELD);
    assert_int_equal(release(&fixture, &second, true), LEASE_RELEASED);
    assert_int_equal(free_slots(&fixture), 2);
    acquire(&fixture, &first, 3);
    assert_int_equal(first.message.ask.acquire.id.bytes[0], 3);
    assert_int_equal(free_slots(&fixture), 1);
    fixture_release(&fixture);
}

/* ---- alone, where a question can wait ---- */

struct alone {
    struct once *once;
    struct table table;
    struct limits *limits;
    uint64_t now_ns;
};

static struct alone alone_begin(void)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "not so random";
    static const uint16_t owners[1] = {0};
    struct alone alone = {.now_ns = 1, .once = calloc(1, sizeof *alone.once)};
    assert_non_null(alone.once);
    assert_true(table_init(&alone.table, 1, seed, owners));
    alone.limits = limits_new(1, 100);
    assert_non_null(alone.limits);
    add_plain_limit(alone.limits, LIMIT_DEFAULT_NAME, NULL, 10, one_per_second);
    return alone;
}

/* What is still remembered must not outlive it. */
static void alone_end(struct alone *alone)
{
    once_release(alone->once);
    assert_int_equal(atomic_load(&alone->limits->references), 1);
    limits_release(alone->limits);
    table_release(&alone->table);
    free(alone->once);
}

static void make(struct asked *asked, enum message_kind kind, uint64_t tokens, const char *token)
{
    memset(asked, 0, sizeof *asked);
    asked->message.kind = kind;
    asked->message.ask.bucket =
        (struct bucket_question){.key = "foo", .key_len = 3, .tokens = tokens};
    set_token(asked, token);
}

static bool repeats(struct alone *alone, struct asked *asked)
{
    return once_repeats(alone->once, &alone->table, &asked->message, alone->now_ns);
}

static void end(struct alone *alone, struct asked *asked, enum bucket_result result)
{
    asked->message.answer.bucket = (struct bucket_answer){.result = result};
    once_end(alone->once, &asked->message, alone->limits, alone->now_ns);
}

static void while_the_first_waits_the_others_are_told_so(void **state)
{
    (void)state;
    struct alone alone = alone_begin();
    struct asked first, second;
    make(&first, MESSAGE_ALLOW, 1, "a");
    assert_false(repeats(&alone, &first));
    alone.now_ns += 120 * NS_PER_S; /* a wait can be longer than a minute */
    make(&second, MESSAGE_ALLOW, 1, "a");
    assert_true(repeats(&alone, &second));
    assert_int_equal(second.message.answer.bucket.result, BUCKET_ONCE_WAITS);
    make(&second, MESSAGE_ALLOW, 2, "a");
    assert_true(repeats(&alone, &second));
    assert_int_equal(second.message.answer.bucket.result, BUCKET_ONCE_DIFFERS);

    end(&alone, &first, BUCKET_ALLOWED);
    alone.now_ns += 60 * NS_PER_S - 1; /* it counts from the answer */
    make(&second, MESSAGE_ALLOW, 1, "a");
    assert_true(repeats(&alone, &second));
    assert_int_equal(second.message.answer.bucket.result, BUCKET_ALLOWED);
    message_hold(&second.message, NULL);
    alone_end(&alone);
}

static void what_did_nothing_is_asked_anew(void **state)
{
    (void)state;
    static const struct {
        enum message_kind kind;
        enum bucket_result result;
        bool lasts;
    } ends[] = {
        {MESSAGE_ALLOW, BUCKET_LEFT, false},          {MESSAGE_CHARGE, BUCKET_TABLE_FULL, false},
        {MESSAGE_ALLOW, BUCKET_NO_SUCH_LIMIT, false}, {MESSAGE_ALLOW, BUCKET_NEEDS_LEASE, false},
        {MESSAGE_REFUND, BUCKET_SLOTS_ONLY, false},   {MESSAGE_ALLOW, BUCKET_TABLE_FULL, true},
        {MESSAGE_ALLOW, BUCKET_WAIT_OVER, true},      {MESSAGE_ACQUIRE, BUCKET_ALLOWED, true},
        {MESSAGE_ALLOW, BUCKET_EXCEEDS_BURST, true},  {MESSAGE_ALLOW, BUCKET_NEVER, true},
        {MESSAGE_ALLOW, BUCKET_UNCOUNTED, true},      {MESSAGE_ALLOW, BUCKET_ALWAYS, true},
    };
    struct alone alone = alone_begin();
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct asked first, second;
        char token[8];
        snprintf(token, sizeof token, "%zu", i);
        make(&first, ends[i].kind, 1, token);
        assert_false(repeats(&alone, &first));
        end(&alone, &first, ends[i].result);
        make(&second, ends[i].kind, 1, token);
        assert_int_equal(repeats(&alone, &second), ends[i].lasts);
        message_hold(&second.message, NULL);
    }
    alone_end(&alone);
}

static void all_that_is_asked_of_a_lease_must_be_the_same(void **state)
{
    (void)state;
    struct alone alone = alone_begin();
    struct asked first, second;
    make(&first, MESSAGE_ACQUIRE, 1, "a");
    first.message.ask.acquire.slots = 2;
    first.message.ask.acquire.ttl_ms = 30000;
    first.message.ask.acquire.id.bytes[0] = 1;
    assert_false(repeats(&alone, &first));
    end(&alone, &first, BUCKET_ALLOWED);
    for (int i = 0; i < 4; i++) {
        make(&second, MESSAGE_ACQUIRE, 1, "a");
        second.message.ask.acquire.slots = i == 1 ? 1 : 2;
        second.message.ask.acquire.ttl_ms = i == 2 ? 29999 : 30000;
        second.message.ask.acquire.bucket.wait_ms = i == 3 ? 1 : 0;
        second.message.ask.acquire.id.bytes[0] = 2;
        assert_true(repeats(&alone, &second));
        assert_int_equal(second.message.answer.bucket.result,
                         i == 0 ? BUCKET_ALLOWED : BUCKET_ONCE_DIFFERS);
        assert_int_equal(second.message.ask.acquire.id.bytes[0], i == 0 ? 1 : 2);
        message_hold(&second.message, NULL);
    }
    alone_end(&alone);
}

/* Then nobody knows whether the first one holds it. */
static void who_only_repeated_takes_no_lease_away_that_is_forgotten(void **state)
{
    (void)state;
    struct alone alone = alone_begin();
    struct asked first, second;
    make(&first, MESSAGE_ACQUIRE, 1, "a");
    first.message.ask.acquire.id.bytes[0] = 1;
    assert_false(repeats(&alone, &first));
    end(&alone, &first, BUCKET_ALLOWED);
    alone.now_ns += ONCE_KEPT_S * NS_PER_S - 1;
    make(&second, MESSAGE_ACQUIRE, 1, "a");
    assert_true(repeats(&alone, &second));
    const struct lease_id id = second.message.ask.acquire.id;
    message_hold(&second.message, NULL);
    once_advance(alone.once, ++alone.now_ns);
    assert_false(once_unclaim(alone.once, &second.once, &id));
    alone_end(&alone);
}

/* Of all who were told of a lease the last one that goes without it gives it back. */
static void a_lease_that_nobody_got_is_forgotten(void **state)
{
    (void)state;
    struct alone alone = alone_begin();
    struct asked first, second, third;
    make(&first, MESSAGE_ACQUIRE, 1, "a");
    first.message.ask.acquire.id.bytes[0] = 1;
    assert_false(repeats(&alone, &first));
    end(&alone, &first, BUCKET_ALLOWED);
    make(&second, MESSAGE_ACQUIRE, 1, "a");
    assert_true(repeats(&alone, &second));
    const struct lease_id id = second.message.ask.acquire.id;
    message_hold(&second.message, NULL);
    assert_false(once_unclaim(alone.once, &first.once, &id));
    assert_true(once_unclaim(alone.once, &second.once, &id));
    make(&third, MESSAGE_ACQUIRE, 1, "a");
    assert_false(repeats(&alone, &third)); /* it gets another lease */
    end(&alone, &third, BUCKET_ALLOWED);
    assert_true(once_unclaim(alone.once, &first.once, &id)); /* which is not this one */
    make(&second, MESSAGE_ACQUIRE, 1, "a");
    assert_true(repeats(&alone, &second));
    message_hold(&second.message, NULL);
    alone_end(&alone);
}

static void when_there_is_no_room_the_oldest_answer_goes(void **state)
{
    (void)state;
    struct alone alone = alone_begin();
    struct asked waits, asked;
    char token[16];
    make(&waits, MESSAGE_ALLOW, 1, "waits");
    assert_false(repeats(&alone, &waits));
    for (int i = 0; i < ONCE_ANSWERS_MAX; i++) {
        snprintf(token, sizeof token, "%d", i);
        make(&asked, MESSAGE_ALLOW, 1, token);
        assert_false(repeats(&alone, &asked));
        end(&alone, &asked, BUCKET_ALLOWED);
    }
    make(&asked, MESSAGE_ALLOW, 1, "waits");
    assert_true(repeats(&alone, &asked));
    assert_int_equal(asked.message.answer.bucket.result, BUCKET_ONCE_WAITS);
    make(&asked, MESSAGE_ALLOW, 1, "1");
    assert_true(repeats(&alone, &asked));
    message_hold(&asked.message, NULL);
    make(&asked, MESSAGE_ALLOW, 1, "0");
    assert_false(repeats(&alone, &asked));
    end(&alone, &asked, BUCKET_ALLOWED);
    end(&alone, &waits, BUCKET_ALLOWED);
    alone_end(&alone);
}

/* The one that has waited longest goes, and its answer is not remembered. */
static void when_all_wait_one_of_them_is_forgotten(void **state)
{
    (void)state;
    struct alone alone = alone_begin();
    struct asked *waiting = calloc(ONCE_ANSWERS_MAX + 1, sizeof *waiting), asked;
    assert_non_null(waiting);
    for (int i = 0; i <= ONCE_ANSWERS_MAX; i++) {
        char token[16];
        snprintf(token, sizeof token, "%d", i);
        make(&waiting[i], MESSAGE_ALLOW, 1, token);
        assert_false(repeats(&alone, &waiting[i]));
    }
    end(&alone, &waiting[0], BUCKET_ALLOWED);
    make(&asked, MESSAGE_ALLOW, 1, "0");
    assert_false(repeats(&alone, &asked)); /* in place of the next one that has waited longest */
    end(&alone, &waiting[1], BUCKET_ALLOWED);
    end(&alone, &waiting[2], BUCKET_ALLOWED);
    make(&asked, MESSAGE_ALLOW, 1, "2");
    assert_true(repeats(&alone, &asked));
    assert_int_equal(asked.message.answer.bucket.result, BUCKET_ALLOWED);
    message_hold(&asked.message, NULL);
    free(waiting);
    alone_end(&alone);
}

/* ---- at random, beside one that searches through all ---- */

enum { TOKENS = 3000, KINDS = 4, NAMES = 2, QUESTIONS = TOKENS * KINDS * NAMES };

/* What is expected of a question. */
struct expected {
    enum { UNKNOWN, WAITS, ANSWERED } state;
    uint64_t since; /* the number of the step in which it came to that state */
    uint64_t answered_ns, tokens, remaining;
    struct asked *asked; /* WAITS */
};

static struct expected expected[QUESTIONS];

static const enum message_kind kinds[KINDS] = {MESSAGE_ALLOW, MESSAGE_CHARGE, MESSAGE_REFUND,
                                               MESSAGE_ACQUIRE};

static void make_numbered(struct asked *asked, unsigned number, uint64_t tokens)
{
    char token[16];
    snprintf(token, sizeof token, "%u", number / (KINDS * NAMES));
    make(asked, kinds[number % KINDS], tokens, token);
    if (number / KINDS % NAMES == 1) {
        asked->message.ask.bucket.limit_name = LIMIT_DEFAULT_NAME;
        asked->message.ask.bucket.limit_name_len = strlen(LIMIT_DEFAULT_NAME);
    }
}

/* Takes away what is too old, or what must go for another one. */
static void expect_forgotten(uint64_t now_ns, bool needs_room)
{
    unsigned count = 0;
    struct expected *oldest[ANSWERED + 1] = {NULL};
    for (unsigned i = 0; i < QUESTIONS; i++) {
        struct expected *one = &expected[i];
        if (one->state == ANSWERED && now_ns - one->answered_ns >= 60 * NS_PER_S)
            one->state = UNKNOWN;
        if (one->state == UNKNOWN)
            continue;
        count++;
        if (oldest[one->state] == NULL || one->since < oldest[one->state]->since)
            oldest[one->state] = one;
    }
    if (needs_room && count == ONCE_ANSWERS_MAX)
        oldest[oldest[ANSWERED] != NULL ? ANSWERED : WAITS]->state = UNKNOWN;
}

static void finish(struct alone *alone, struct asked *asked, struct expected *one, uint64_t step,
                   bool leaves)
{
    asked->message.answer.bucket = (struct bucket_answer){
        .result = leaves ? BUCKET_LEFT : BUCKET_ALLOWED, .remaining_tokens = step};
    once_end(alone->once, &asked->message, alone->limits, alone->now_ns);
    if (one->state != WAITS || one->asked != asked)
        return; /* it had to go */
    one->state = leaves ? UNKNOWN : ANSWERED;
    one->since = one->remaining = step;
    one->answered_ns = alone->now_ns;
}

struct waiting {
    struct asked *asked;
    unsigned number;
};

static void ask_at_random(struct alone *alone, struct dice *dice, uint64_t step,
                          struct waiting *waiting, unsigned *count)
{
    unsigned number = (unsigned)dice_roll(dice, QUESTIONS);
    struct expected *one = &expected[number];
    uint64_t tokens = dice_once_in(dice, 10) ? 2 : 1;
    struct asked *asked = malloc(sizeof *asked);
    assert_non_null(asked);
    make_numbered(asked, number, tokens);
    expect_forgotten(alone->now_ns, false);
    bool is_known = one->state != UNKNOWN;
    if (!is_known)
        expect_forgotten(alone->now_ns, true);
    assert_int_equal(repeats(alone, asked), is_known);
    const struct bucket_answer *answer = &asked->message.answer.bucket;
    if (is_known) {
        if (one->tokens != tokens)
            assert_int_equal(answer->result, BUCKET_ONCE_DIFFERS);
        else if (one->state == WAITS)
            assert_int_equal(answer->result, BUCKET_ONCE_WAITS);
        else
            assert_int_equal(answer->remaining_tokens, one->remaining);
        message_hold(&asked->message, NULL);
        free(asked);
        return;
    }
    *one = (struct expected){.state = WAITS, .since = step, .tokens = tokens, .asked = asked};
    if (dice_once_in(dice, 2)) {
        waiting[(*count)++] = (struct waiting){asked, number};
        return;
    }
    finish(alone, asked, one, step, false);
    free(asked);
}

static void at_random_it_remembers_what_it_should(void **state)
{
    (void)state;
    struct dice dice = dice_new(0);
    struct alone alone = alone_begin();
    uint64_t steps = dice_repeats("ALLOWD_ONCE_STEPS", 40000);
    struct waiting *waiting = calloc(steps, sizeof *waiting);
    assert_non_null(waiting);
    unsigned count = 0;
    memset(expected, 0, sizeof expected);
    for (uint64_t step = 1; step <= steps; step++) {
        /* at first so quickly that there is no room for all */
        alone.now_ns += dice_roll(&dice, step < steps / 2 ? NS_PER_MS : 20 * NS_PER_MS);
        if (count > 0 && dice_once_in(&dice, step % 20000 < 15000 ? 8 : 2)) {
            unsigned which = (unsigned)dice_roll(&dice, count);
            struct waiting ends = waiting[which];
            waiting[which] = waiting[--count];
            finish(&alone, ends.asked, &expected[ends.number], step, dice_once_in(&dice, 3));
            free(ends.asked);
        } else {
            ask_at_random(&alone, &dice, step, waiting, &count);
        }
    }
    once_release(alone.once);
    while (count > 0)
        free(waiting[--count].asked);
    free(waiting);
    alone_end(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repetition_is_answered_the_same_and_takes_nothing),
        cmocka_unit_test(so_is_a_denial_but_it_is_logged_once),
        cmocka_unit_test(charges_and_refunds_are_made_once),
        cmocka_unit_test(what_is_another_question_is_decided),
        cmocka_unit_test(other_numbers_under_the_same_token_are_refused),
        cmocka_unit_test(it_is_remembered_for_a_minute),
        cmocka_unit_test(a_reload_changes_no_answer),
        cmocka_unit_test(what_can_be_otherwise_next_time_is_not_remembered),
        cmocka_unit_test(a_question_without_a_token_is_as_ever),
        cmocka_unit_test(four_at_once_are_answered_the_same),
        cmocka_unit_test(a_lease_is_granted_once),
        cmocka_unit_test(a_lease_stays_with_the_one_that_got_it),
        cmocka_unit_test(whoever_asks_after_all_have_gone_gets_another),
        cmocka_unit_test(while_the_first_waits_the_others_are_told_so),
        cmocka_unit_test(what_did_nothing_is_asked_anew),
        cmocka_unit_test(all_that_is_asked_of_a_lease_must_be_the_same),
        cmocka_unit_test(a_lease_that_nobody_got_is_forgotten),
        cmocka_unit_test(who_only_repeated_takes_no_lease_away_that_is_forgotten),
        cmocka_unit_test(when_there_is_no_room_the_oldest_answer_goes),
        cmocka_unit_test(when_all_wait_one_of_them_is_forgotten),
        cmocka_unit_test(at_random_it_remembers_what_it_should),
    };
    return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
