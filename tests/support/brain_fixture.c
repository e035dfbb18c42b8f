#include "support/brain_fixture.h"

#include "brain/core.h"
#include "support/ask_brain.h"
#include "support/plain_limit.h"

#include <string.h>

struct limits *fixture_limits(uint64_t tick_ms, const struct rule *rules, size_t count)
{
    struct limits *limits = limits_new((uint32_t)count, tick_ms);
    assert_non_null(limits);
    for (size_t i = 0; i < count; i++)
        add_plain_limit(limits, rules[i].name, rules[i].match, rules[i].burst, rules[i].rate);
    return limits;
}

void fixture_init(struct fixture *fixture, uint64_t tick_ms, const struct rule *rules, size_t count,
                  uint32_t max_keys, enum when_full when_full)
{
    fixture_init_limits(fixture, fixture_limits(tick_ms, rules, count), max_keys, when_full);
}

void fixture_init_limits(struct fixture *fixture, struct limits *limits, uint32_t max_keys,
                         enum when_full when_full)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "not so random";
    fixture->now_ns = FIXTURE_START_NS;
    fixture->sweeps_for_room = 0;
    fixture->date_s = FIXTURE_START_DATE_S;
    const struct limits_question question = {
        .limits = limits, .when_full = when_full, .date_s = fixture->date_s};
    fixture->brain = brain_new(&question, max_keys, FIXTURE_MAX_LEASES, seed, fixture->now_ns);
    assert_non_null(fixture->brain);
    limits_release(limits);
}

void fixture_init_one(struct fixture *fixture, uint64_t tick_ms, uint64_t burst, struct rate rate)
{
    struct rule rule = {LIMIT_DEFAULT_NAME, NULL, burst, rate};
    fixture_init(fixture, tick_ms, &rule, 1, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
}

void fixture_release(struct fixture *fixture)
{
    brain_free(fixture->brain);
}

void fixture_at_ns(struct fixture *fixture, uint64_t ns)
{
    fixture->now_ns = FIXTURE_START_NS + ns;
    brain_tick(fixture->brain, fixture->now_ns);
}

void fixture_at(struct fixture *fixture, uint64_t ms)
{
    fixture_at_ns(fixture, ms * NS_PER_MS);
}

void fixture_pass(struct fixture *fixture, uint64_t ms)
{
    fixture->now_ns += ms * NS_PER_MS;
    brain_tick(fixture->brain, fixture->now_ns);
}

void fixture_date(struct fixture *fixture, int64_t date_s)
{
    fixture->date_s = date_s;
    brain_date(fixture->brain, date_s);
}

struct bucket_answer fixture_ask(struct fixture *fixture, enum message_kind kind, const char *key,
                                 const char *limit, uint64_t tokens)
{
    struct message message = {
        .kind = kind,
        .ask.bucket =
            {
                .key = key,
                .key_len = strlen(key),
                .limit_name = limit,
                .limit_name_len = limit == NULL ? 0 : strlen(limit),
                .tokens = tokens,
            },
    };
    /* So that what the brain does not fill in is seen. */
    memset(&message.answer, 0xa5, sizeof message.answer);
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    return message.answer.bucket;
}

struct bucket_answer fixture_allow(struct fixture *fixture, const char *key, uint64_t tokens)
{
    return fixture_ask(fixture, MESSAGE_ALLOW, key, NULL, tokens);
}

struct bucket_answer fixture_reset(struct fixture *fixture, const char *key)
{
    return fixture_ask(fixture, MESSAGE_RESET, key, NULL, 0);
}

struct bucket_answer fixture_status(struct fixture *fixture, const char *key)
{
    return fixture_ask(fixture, MESSAGE_STATUS, key, NULL, 0);
}

struct daemon_answer fixture_daemon(struct fixture *fixture)
{
    struct daemon_answer answer = {0};
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &answer};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    return answer;
}

bool fixture_allows(struct fixture *fixture, const char *key, uint64_t tokens)
{
    return fixture_allow(fixture, key, tokens).result == BUCKET_ALLOWED;
}

unsigned fixture_hammer(struct fixture *fixture, const char *key, unsigned tries)
{
    unsigned allowed = 0;
    while (allowed < tries && fixture_allows(fixture, key, 1))
        allowed++;
    return allowed;
}

void fixture_drain(struct fixture *fixture, const char *key, const char *limit)
{
    uint64_t held = fixture_ask(fixture, MESSAGE_STATUS, key, limit, 0).remaining_tokens;
    struct bucket_answer answer = fixture_ask(fixture, MESSAGE_ALLOW, key, limit, held);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, 0);
}

bool fixture_try_limits(struct fixture *fixture, struct limits *limits, enum when_full when_full)
{
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .when_full = when_full, .date_s = fixture->date_s},
    };
    struct message *messages[] = {&message};
    if (!lines_have_room(&fixture->brain->buckets.lines, limits))
        return false;
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    assert_int_equal(message.answer.limits, LIMITS_IN_FORCE);
    return true;
}

void fixture_reload(struct fixture *fixture, uint64_t tick_ms, const struct rule *rules,
                    size_t count)
{
    fixture_reload_limits(fixture, fixture_limits(tick_ms, rules, count));
}

void fixture_reload_limits(struct fixture *fixture, struct limits *limits)
{
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = fixture->date_s},
    };
    struct message *messages[] = {&message};
    ask_brain(fixture->brain, messages, 1);
    fixture->sweeps_for_room += wait_for_room(fixture->brain);
    assert_int_equal(message.answer.limits, LIMITS_IN_FORCE);
    assert_ptr_equal(brain_limits(fixture->brain), limits);
    limits_release(limits);
}

void fixture_reload_one(struct fixture *fixture, uint64_t tick_ms, uint64_t burst, struct rate rate)
{
    struct rule rule = {LIMIT_DEFAULT_NAME, NULL, burst, rate};
    fixture_reload(fixture, tick_ms, &rule, 1);
}

/* A slice is 64 slots at least, and the index has fewer than two a key. */
void fixture_sweep_all(struct fixture *fixture)
{
    uint32_t max_keys = fixture_daemon(fixture).max_keys;
    for (uint32_t slots = 0; slots < 5 * max_keys + 64; slots += 64)
        brain_sweep(fixture->brain);
}

void expect_answer(struct bucket_answer answer, enum bucket_result result, uint64_t remaining,
                   uint64_t full_after_ms, uint64_t retry_after_ms)
{
    assert_int_equal(answer.result, result);
    assert_int_equal(answer.remaining_tokens, remaining);
    assert_int_equal(answer.full_after_ms, full_after_ms);
    assert_int_equal(answer.retry_after_ms, retry_after_ms);
    assert_int_equal(answer.active, full_after_ms != 0);
}
