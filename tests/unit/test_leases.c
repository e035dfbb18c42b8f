/* Leases: who gets slots and tokens for how long, what comes back, and what is remembered of it. In virtual time. */
#include "brain/core.h"
#include "brain/keys.h"
#include "brain/lease_ends.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { TICK_MS = 100, TTL_MS = 1000, MAX_LEASES = FIXTURE_MAX_LEASES };

static const struct rate one_per_second = {1, 1000};

/* ---- limits ---- */

static struct bucket_terms rate_of(const char *name, uint64_t burst)
{
    struct bucket_terms terms = {.burst = burst, .rate = one_per_second, .debt_max = burst};
    strcpy(terms.name, name);
    return terms;
}

static struct bucket_terms slots_of(const char *name, uint64_t slots)
{
    struct bucket_terms terms = {.burst = slots, .holds_slots = true};
    strcpy(terms.name, name);
    return terms;
}

static struct limits *limits_of(const struct limit_terms *terms, uint32_t count)
{
    struct limits *limits = limits_new(count, TICK_MS);
    assert_non_null(limits);
    for (uint32_t i = 0; i < count; i++)
        assert_true(limits_add(limits, &terms[i]));
    limits->waiting = (struct waiting_terms){.max_waiting = 1000, .per_key = 1000};
    return limits;
}

/* The default limit is what each test is about. "trial" is on trial, of one slot; "other" is there or
 * not. */
static struct limits *limits_with(const struct bucket_terms *buckets, uint32_t count, bool returns,
                                  bool has_other)
{
    static const struct override_terms overrides[] = {
        {.key = "free", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "banned", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
    };
    struct limit_terms terms[] = {
        {.name = LIMIT_DEFAULT_NAME,
         .buckets_count = count,
         .returns_on_expiry = returns,
         .overrides_count = LENGTH(overrides),
         .overrides = overrides},
        {.name = "trial", .shadow = true, .buckets_count = 1, .buckets = {slots_of("", 1)}},
        {.name = "other", .buckets_count = 1, .buckets = {slots_of("", 5)}},
    };
    memcpy(terms[0].buckets, buckets, count * sizeof buckets[0]);
    return limits_of(terms, has_other ? 3 : 2);
}

static struct limits *slots_only(uint64_t slots)
{
    const struct bucket_terms buckets[] = {slots_of("", slots)};
    return limits_with(buckets, 1, false, true);
}

static struct limits *rate_only(uint64_t burst, bool returns)
{
    const struct bucket_terms buckets[] = {rate_of("", burst)};
    return limits_with(buckets, 1, returns, true);
}

static struct limits *both(uint64_t slots, uint64_t burst)
{
    const struct bucket_terms buckets[] = {slots_of("running", slots), rate_of("second", burst)};
    return limits_with(buckets, 2, false, true);
}

/* ---- asking ---- */

static struct fixture fixture_of(struct limits *limits)
{
    struct fixture fixture;
    fixture_init_limits(&fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    return fixture;
}

static struct lease_id id_of(unsigned number)
{
    struct lease_id id = {{1}};
    memcpy(id.bytes + 1, &number, sizeof number);
    memcpy(id.bytes + LEASE_ID_BYTES - sizeof number, &number, sizeof number);
    return id;
}

static struct message message_of_acquire(unsigned number, const char *key, const char *limit,
                                         uint64_t tokens, uint32_t slots, uint32_t ttl_ms)
{
    struct message message = {
        .kind = MESSAGE_ACQUIRE,
        .ask.acquire = {.bucket = {.key = key,
                                   .key_len = strlen(key),
                                   .limit_name = limit,
                                   .limit_name_len = limit == NULL ? 0 : strlen(limit),
                                   .tokens = tokens},
                        .id = id_of(number),
                        .slots = slots,
                        .ttl_ms = ttl_ms},
    };
    memset(&message.answer, 0xa5, sizeof message.answer);
    return message;
}

static struct bucket_answer acquire_under(struct fixture *fixture, unsigned number, const char *key,
                                          const char *limit, uint64_t tokens, uint32_t slots,
                                          uint32_t ttl_ms)
{
    struct message message = message_of_acquire(number, key, limit, tokens, slots, ttl_ms);
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    return message.answer.bucket;
}

static struct bucket_answer acquire(struct fixture *fixture, unsigned number, const char *key,
                                    uint64_t tokens, uint32_t slots)
{
    return acquire_under(fixture, number, key, NULL, tokens, slots, TTL_MS);
}

static void expect_acquired(struct bucket_answer answer, uint64_t remaining)
{
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, remaining);
    assert_int_equal(answer.retry_after_ms, 0);
    assert_int_equal(answer.expires_after_ms, TTL_MS);
}

static void expect_denied(struct bucket_answer answer, uint64_t retry_after_ms)
{
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_int_equal(answer.retry_after_ms, retry_after_ms);
    assert_int_equal(answer.expires_after_ms, 0);
}

static char told_key[KEY_MAX + 1];

static struct lease_answer ask_lease(struct fixture *fixture, enum message_kind kind,
                                     struct lease_question ask)
{
    struct message message = {.kind = kind, .ask.lease = ask};
    struct message *messages[] = {&message};
    memset(&message.answer, 0xa5, sizeof message.answer);
    message.answer.lease.key = told_key;
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    assert_int_equal(message.kind, kind);
    return message.answer.lease;
}

static struct lease_answer look_at(struct fixture *fixture, unsigned number)
{
    return ask_lease(fixture, MESSAGE_LEASE, (struct lease_question){.id = id_of(number)});
}

static struct lease_answer release(struct fixture *fixture, unsigned number)
{
    return ask_lease(fixture, MESSAGE_RELEASE, (struct lease_question){.id = id_of(number)});
}

static struct lease_answer release_used(struct fixture *fixture, unsigned number, uint64_t used)
{
    return ask_lease(
        fixture, MESSAGE_RELEASE,
        (struct lease_question){.id = id_of(number), .has_used = true, .used_tokens = used});
}

static struct lease_answer renew(struct fixture *fixture, unsigned number, uint32_t ttl_ms)
{
    return ask_lease(fixture, MESSAGE_RENEW,
                     (struct lease_question){.id = id_of(number), .ttl_ms = ttl_ms});
}

static uint64_t remaining(struct fixture *fixture, const char *key)
{
    return fixture_status(fixture, key).remaining_tokens;
}

static const struct brain_counters *counters_of(const struct fixture *fixture)
{
    return &fixture->brain->counters;
}

/* All bookkeeping; how many slices it took. */
static unsigned keep_books(struct fixture *fixture)
{
    unsigned slices = 0;
    for (; brain_has_work(fixture->brain); slices++) {
        struct chain answered = {0};
        brain_look_again(fixture->brain, &answered);
    }
    return slices;
}

/* ---- slots ---- */

static void slots_are_granted_while_there_are_any(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(3));
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 2);
    fixture_at(&fixture, 250);
    expect_acquired(acquire(&fixture, 2, "foo", 1, 2), 0);
    struct bucket_answer answer = acquire(&fixture, 3, "foo", 1, 1);
    expect_denied(answer, 800); /* the first ends at 1000, and the last tick was at 200 */
    assert_true(answer.buckets[0].violated);
    assert_true(answer.full_after_ms == RETRY_NEVER);
    assert_true(answer.active);
    expect_acquired(acquire(&fixture, 4, "bar", 1, 3), 0);
    assert_int_equal(release(&fixture, 1).state, LEASE_RELEASED);
    expect_acquired(acquire(&fixture, 5, "foo", 1, 1), 0);
    assert_int_equal(counters_of(&fixture)->leases_granted, 4);
    assert_int_equal(counters_of(&fixture)->leases_released, 1);
    assert_int_equal(counters_of(&fixture)->allowed, 4);
    assert_int_equal(counters_of(&fixture)->denied, 1);
    assert_int_equal(fixture_daemon(&fixture).leases, 3);
    assert_int_equal(fixture_daemon(&fixture).max_leases, MAX_LEASES);
    fixture_release(&fixture);
}

static void more_than_there_are_is_never_granted(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10));
    assert_int_equal(acquire(&fixture, 1, "foo", 1, 4).result, BUCKET_EXCEEDS_BURST);
    struct bucket_answer answer = acquire(&fixture, 1, "foo", 11, 1);
    assert_int_equal(answer.result, BUCKET_EXCEEDS_BURST);
    assert_true(answer.retry_after_ms == RETRY_NEVER);
    assert_false(answer.buckets[0].violated);
    assert_true(answer.buckets[1].violated);
    assert_int_equal(acquire(&fixture, 1, "banned", 1, 1).result, BUCKET_NEVER);
    assert_int_equal(acquire_under(&fixture, 1, "foo", "none", 1, 1, TTL_MS).result,
                     BUCKET_NO_SUCH_LIMIT);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_NONE);
    assert_int_equal(counters_of(&fixture)->leases_granted, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

static void it_is_all_or_nothing(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10));
    expect_acquired(acquire(&fixture, 1, "foo", 8, 1), 2);
    expect_denied(acquire(&fixture, 2, "foo", 5, 1), 3000); /* for want of tokens */
    assert_int_equal(remaining(&fixture, "foo"), 2);
    expect_acquired(acquire(&fixture, 2, "foo", 0, 2), 2);
    struct bucket_answer answer = acquire(&fixture, 3, "foo", 1, 1);
    expect_denied(answer, TTL_MS); /* for want of slots */
    assert_true(answer.buckets[0].violated);
    assert_false(answer.buckets[1].violated);
    expect_denied(acquire(&fixture, 3, "foo", 5, 1), 3000); /* the later of both */
    assert_int_equal(remaining(&fixture, "foo"), 2);
    fixture_release(&fixture);
}

/* ---- ends ---- */

/* It ends at 1050, and so on the tick at 1100. */
static void until_the_tick_after_its_end_a_lease_is_held_for_no_time(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(1));
    fixture_at(&fixture, 50);
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 0);
    fixture_at(&fixture, 1070);
    struct lease_answer answer = look_at(&fixture, 1);
    assert_int_equal(answer.state, LEASE_HELD);
    assert_int_equal(answer.expires_after_ms, 0);
    fixture_at(&fixture, 1100);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_EXPIRED);
    fixture_release(&fixture);
}

static void an_end_comes_on_the_tick(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(1));
    fixture_at(&fixture, 50);
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 0);
    fixture_at(&fixture, 1049);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_HELD);
    assert_int_equal(look_at(&fixture, 1).expires_after_ms, 1);
    expect_denied(acquire(&fixture, 2, "foo", 1, 1), 100);
    assert_int_equal(brain_next_tick_ns(fixture.brain), FIXTURE_START_NS + 1100 * NS_PER_MS);
    fixture_at(&fixture, 1099); /* its ttl is over, and the tick still to come */
    expect_denied(acquire(&fixture, 2, "foo", 1, 1), 100);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_HELD);
    assert_int_equal(look_at(&fixture, 1).expires_after_ms, 0);
    fixture_at(&fixture, 1100);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_EXPIRED);
    expect_acquired(acquire(&fixture, 2, "foo", 1, 1), 0);
    assert_int_equal(counters_of(&fixture)->leases_expired, 1);
    assert_int_equal(brain_news(fixture.brain).count[NEWS_leases_expired], 1);
    fixture_release(&fixture);
}

static void an_ended_lease_is_told_as_expired_for_a_ttl(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(1));
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 0);
    fixture_at(&fixture, 1000);
    struct lease_answer answer = release(&fixture, 1);
    assert_int_equal(answer.state, LEASE_EXPIRED);
    assert_string_equal(told_key, "foo");
    assert_int_equal(answer.key_len, 3);
    assert_int_equal(answer.slots, 1);
    assert_string_equal(answer.limit->name, LIMIT_DEFAULT_NAME);
    assert_int_equal(renew(&fixture, 1, 0).state, LEASE_EXPIRED);
    fixture_at(&fixture, 1999);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_EXPIRED);
    fixture_at(&fixture, 2000);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_NONE);
    assert_int_equal(release(&fixture, 1).state, LEASE_NONE);
    assert_int_equal(counters_of(&fixture)->leases_released, 0);
    fixture_release(&fixture);
}

static void a_renewal_moves_the_end(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(2));
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 1);
    expect_acquired(acquire(&fixture, 2, "foo", 1, 1), 0);
    fixture_at(&fixture, 900);
    struct lease_answer answer = renew(&fixture, 1, 0);
    assert_int_equal(answer.state, LEASE_HELD);
    assert_int_equal(answer.expires_after_ms, TTL_MS);
    assert_int_equal(renew(&fixture, 2, 5000).expires_after_ms, 5000);
    fixture_at(&fixture, 1899);
    expect_denied(acquire(&fixture, 3, "foo", 1, 1), 100);
    fixture_at(&fixture, 1900);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_EXPIRED);
    assert_int_equal(renew(&fixture, 2, 200).expires_after_ms, 200); /* and earlier */
    assert_int_equal(remaining(&fixture, "foo"), 1);
    fixture_at(&fixture, 2100);
    assert_int_equal(remaining(&fixture, "foo"), 2);
    assert_int_equal(counters_of(&fixture)->leases_renewed, 3);
    fixture_release(&fixture);
}

static void without_leases_no_tick_is_due(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(rate_only(10, false));
    assert_int_equal(brain_next_tick_ns(fixture.brain), BRAIN_NEVER);
    acquire(&fixture, 1, "foo", 0, 1); /* which fills no entry of the table for long */
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_int_equal(brain_next_tick_ns(fixture.brain), FIXTURE_START_NS + TTL_MS * NS_PER_MS);
    fixture_at(&fixture, 1000);
    assert_int_equal(counters_of(&fixture)->leases_expired, 1);
    assert_int_equal(brain_next_tick_ns(fixture.brain), BRAIN_NEVER);
    fixture_release(&fixture);
}

/* ---- tokens ---- */

static void what_was_not_used_comes_back(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10));
    expect_acquired(acquire(&fixture, 1, "foo", 8, 1), 2);
    struct lease_answer answer = release_used(&fixture, 1, 3);
    assert_int_equal(answer.state, LEASE_RELEASED);
    assert_int_equal(answer.tokens, 8);
    assert_int_equal(answer.slots, 1);
    assert_int_equal(answer.returned_tokens, 5);
    assert_int_equal(answer.charged_tokens, 0);
    assert_int_equal(answer.owed_tokens, 0);
    assert_int_equal(remaining(&fixture, "foo"), 7);
    assert_int_equal(fixture_status(&fixture, "foo").buckets[0].remaining_tokens, 3);
    assert_int_equal(counters_of(&fixture)->returned_tokens, 5);
    fixture_release(&fixture);
}

static void without_a_word_all_was_used(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10));
    expect_acquired(acquire(&fixture, 1, "foo", 8, 1), 2);
    struct lease_answer answer = release(&fixture, 1);
    assert_int_equal(answer.returned_tokens, 0);
    assert_int_equal(answer.charged_tokens, 0);
    assert_int_equal(remaining(&fixture, "foo"), 2);
    fixture_release(&fixture);
}

static void what_was_used_beyond_is_charged(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10)); /* of which 10 may be owed */
    expect_acquired(acquire(&fixture, 1, "foo", 8, 1), 2);
    struct lease_answer answer = release_used(&fixture, 1, 15);
    assert_int_equal(answer.returned_tokens, 0);
    assert_int_equal(answer.charged_tokens, 7);
    assert_int_equal(answer.forgiven_tokens, 0);
    assert_int_equal(answer.owed_tokens, 5);
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 5);
    expect_denied(acquire(&fixture, 2, "foo", 1, 1), 6000);
    expect_acquired(acquire(&fixture, 2, "bar", 1, 1), 9);
    answer = release_used(&fixture, 2, 50);
    assert_int_equal(answer.charged_tokens, 19);
    assert_int_equal(answer.forgiven_tokens, 30);
    assert_int_equal(answer.owed_tokens, 10);
    assert_int_equal(counters_of(&fixture)->charges, 2);
    assert_int_equal(counters_of(&fixture)->forgiven_tokens, 30);
    fixture_release(&fixture);
}

static void a_release_pays_debts_first(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10));
    expect_acquired(acquire(&fixture, 1, "foo", 8, 1), 2);
    fixture_ask(&fixture, MESSAGE_CHARGE, "foo", NULL, 9);
    struct lease_answer answer = release_used(&fixture, 1, 4);
    assert_int_equal(answer.returned_tokens, 4);
    assert_int_equal(answer.owed_tokens, 3);
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 3);
    fixture_release(&fixture);
}

static void tokens_of_slots_are_nobodys(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(3));
    expect_acquired(acquire(&fixture, 1, "foo", 7, 1), 2);
    assert_int_equal(look_at(&fixture, 1).tokens, 0);
    struct lease_answer answer = release_used(&fixture, 1, 100);
    assert_int_equal(answer.state, LEASE_RELEASED);
    assert_int_equal(answer.charged_tokens + answer.forgiven_tokens + answer.returned_tokens, 0);
    assert_int_equal(counters_of(&fixture)->charges, 0);
    fixture_release(&fixture);
}

static void tokens_of_expired_leases_stay_or_come_back(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(rate_only(10, false));
    expect_acquired(acquire(&fixture, 1, "foo", 8, 1), 2);
    fixture_at(&fixture, 1000);
    assert_int_equal(remaining(&fixture, "foo"), 3);
    assert_int_equal(counters_of(&fixture)->returned_tokens, 0);
    fixture_reload_limits(&fixture, rate_only(10, true));
    expect_acquired(acquire(&fixture, 2, "foo", 3, 1), 0);
    fixture_at(&fixture, 1999);
    assert_int_equal(remaining(&fixture, "foo"), 0);
    fixture_at(&fixture, 2000);
    assert_int_equal(remaining(&fixture, "foo"), 4);
    assert_int_equal(counters_of(&fixture)->returned_tokens, 3);
    assert_int_equal(look_at(&fixture, 2).state, LEASE_EXPIRED);
    fixture_release(&fixture);
}

/* ---- again ---- */

static void expect_same(struct lease_answer a, struct lease_answer b)
{
    assert_int_equal(a.state, b.state);
    assert_ptr_equal(a.limit, b.limit);
    assert_int_equal(a.tokens, b.tokens);
    assert_int_equal(a.slots, b.slots);
    assert_int_equal(a.returned_tokens, b.returned_tokens);
    assert_int_equal(a.charged_tokens, b.charged_tokens);
    assert_int_equal(a.forgiven_tokens, b.forgiven_tokens);
    assert_int_equal(a.owed_tokens, b.owed_tokens);
}

static void a_release_that_is_repeated_is_answered_the_same(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10));
    expect_acquired(acquire(&fixture, 1, "foo", 8, 1), 2);
    struct lease_answer first = release_used(&fixture, 1, 30);
    uint64_t owed = fixture_status(&fixture, "foo").owed_tokens;
    expect_same(first, release_used(&fixture, 1, 30));
    expect_same(first, release_used(&fixture, 1, 0));
    expect_same(first, release(&fixture, 1));
    expect_same(first, look_at(&fixture, 1));
    expect_same(first, renew(&fixture, 1, 0));
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, owed);
    assert_int_equal(counters_of(&fixture)->leases_released, 1);
    fixture_at(&fixture, 999);
    expect_same(first, release(&fixture, 1));
    fixture_at(&fixture, 1000);
    assert_int_equal(release(&fixture, 1).state, LEASE_NONE);
    fixture_release(&fixture);
}

/* For a whole ttl, though it was not released on a tick. */
static void a_release_is_remembered_for_a_ttl(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(2));
    acquire_under(&fixture, 1, "foo", NULL, 1, 1, TTL_MS);
    fixture_at(&fixture, 99);
    struct lease_answer first = release(&fixture, 1);
    fixture_at(&fixture, 99 + TTL_MS - 1);
    expect_same(first, release(&fixture, 1));
    fixture_at(&fixture, 1100);
    assert_int_equal(release(&fixture, 1).state, LEASE_NONE);
    fixture_release(&fixture);
}

/* A reload that makes ticks shorter brings the last one nearer. */
static void a_release_is_remembered_for_a_ttl_after_a_shorter_tick_too(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(2));
    acquire_under(&fixture, 1, "foo", NULL, 1, 1, TTL_MS);
    fixture_at(&fixture, 99);
    fixture_reload_one(&fixture, TICK_MS / 10, 10, one_per_second);
    struct lease_answer first = release(&fixture, 1);
    fixture_at(&fixture, 1050);
    expect_same(first, release(&fixture, 1));
    fixture_release(&fixture);
}

static void of_a_limit_that_is_gone_nothing_comes_back(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(3));
    for (unsigned i = 0; i < 3; i++)
        acquire_under(&fixture, i, "foo", "other", 1, 1, TTL_MS);
    const struct bucket_terms buckets[] = {slots_of("", 3)};
    fixture_reload_limits(&fixture, limits_with(buckets, 1, false, false));
    struct lease_answer answer = look_at(&fixture, 0);
    assert_int_equal(answer.state, LEASE_LOST_LIMIT);
    assert_null(answer.limit);
    assert_string_equal(told_key, "foo");
    assert_int_equal(renew(&fixture, 0, 0).state, LEASE_LOST_LIMIT);
    answer = release_used(&fixture, 0, 0);
    assert_int_equal(answer.state, LEASE_LOST_LIMIT);
    expect_same(answer, release_used(&fixture, 0, 0));
    assert_int_equal(fixture_daemon(&fixture).leases, 2);
    fixture_reload_limits(&fixture, slots_only(3)); /* it is another limit of that name */
    assert_int_equal(look_at(&fixture, 1).state, LEASE_LOST_LIMIT);
    assert_int_equal(fixture_ask(&fixture, MESSAGE_STATUS, "foo", "other", 0).remaining_tokens, 5);
    fixture_at(&fixture, 1000);
    assert_int_equal(fixture_daemon(&fixture).leases, 0);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_EXPIRED);
    fixture_release(&fixture);
}

/* ---- leases that hold nothing ---- */

static void expect_holds_nothing(struct fixture *fixture, unsigned number)
{
    struct lease_answer answer = look_at(fixture, number);
    assert_int_equal(answer.state, LEASE_HELD);
    assert_int_equal(answer.tokens, 0);
    assert_int_equal(answer.slots, 0);
    answer = release_used(fixture, number, 1000);
    assert_int_equal(answer.state, LEASE_RELEASED);
    assert_int_equal(answer.returned_tokens + answer.charged_tokens + answer.forgiven_tokens, 0);
    assert_int_equal(fixture->brain->counters.charges, 0);
}

static void who_is_told_yes_though_nothing_is_taken_gets_a_lease(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(3, 10));
    assert_int_equal(acquire(&fixture, 1, "free", 5, 1).result, BUCKET_ALWAYS);
    expect_holds_nothing(&fixture, 1);
    acquire_under(&fixture, 2, "foo", "trial", 1, 1, TTL_MS);
    struct bucket_answer answer = acquire_under(&fixture, 3, "foo", "trial", 1, 1, TTL_MS);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_true(bucket_answer_allows(&answer));
    assert_int_equal(answer.expires_after_ms, TTL_MS);
    assert_int_equal(counters_of(&fixture)->shadow_denied, 1);
    expect_holds_nothing(&fixture, 3);
    assert_int_equal(look_at(&fixture, 2).slots, 1);
    answer = acquire_under(&fixture, 4, "foo", "trial", 1, 9, TTL_MS);
    assert_int_equal(answer.result, BUCKET_EXCEEDS_BURST);
    expect_holds_nothing(&fixture, 4);
    fixture_release(&fixture);
}

static void what_the_table_has_no_room_for_gets_a_lease_where_it_is_allowed(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_limits(&fixture, slots_only(3), 1, WHEN_FULL_ALLOW);
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 2);
    assert_int_equal(acquire(&fixture, 2, "bar", 1, 1).result, BUCKET_UNCOUNTED);
    expect_holds_nothing(&fixture, 2);
    fixture_release(&fixture);

    fixture_init_limits(&fixture, slots_only(3), 1, WHEN_FULL_DENY);
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 2);
    assert_int_equal(acquire(&fixture, 2, "bar", 1, 1).result, BUCKET_TABLE_FULL);
    assert_int_equal(look_at(&fixture, 2).state, LEASE_NONE);
    fixture_release(&fixture);

    /* A key with slots is not given away: with evict it is as with deny. */
    fixture_init_limits(&fixture, slots_only(3), 1, WHEN_FULL_EVICT);
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 2);
    assert_int_equal(acquire(&fixture, 2, "bar", 1, 1).result, BUCKET_TABLE_FULL);
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 1);
    release(&fixture, 1);
    expect_acquired(acquire(&fixture, 2, "bar", 1, 1), 2);
    fixture_release(&fixture);
}

/* ---- as many as may be ---- */

static void no_more_leases_are_held_than_may_be(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(1000));
    fixture.brain->max_leases = 3;
    fixture_at(&fixture, 50);
    for (unsigned i = 0; i < 3; i++)
        acquire_under(&fixture, i, "foo", NULL, 1, 1, TTL_MS + 1000 * i);
    struct bucket_answer answer = acquire(&fixture, 3, "bar", 1, 1);
    assert_int_equal(answer.result, BUCKET_TOO_MANY_LEASES);
    assert_int_equal(answer.retry_after_ms, 1100);
    assert_true(bucket_answer_denies(&answer));
    assert_int_equal(answer.expires_after_ms, 0);
    answer = acquire(&fixture, 3, "free", 1, 1);
    assert_int_equal(answer.result, BUCKET_TOO_MANY_LEASES);
    answer = acquire_under(&fixture, 3, "bar", "trial", 1, 9, TTL_MS);
    assert_int_equal(answer.result, BUCKET_TOO_MANY_LEASES);
    assert_false(bucket_answer_allows(&answer)); /* though on trial */
    assert_int_equal(counters_of(&fixture)->leases_refused, 3);
    assert_int_equal(brain_news(fixture.brain).count[NEWS_leases_refused], 3);
    assert_int_equal(remaining(&fixture, "bar"), 1000);
    fixture_at(&fixture, 1100);
    expect_acquired(acquire(&fixture, 3, "bar", 1, 1), 999);
    release(&fixture, 3);
    expect_acquired(acquire(&fixture, 4, "bar", 1, 1), 999);
    fixture_release(&fixture);
}

/* ---- reloads ---- */

static void a_reload_ends_no_lease(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(3));
    for (unsigned i = 0; i < 3; i++)
        acquire_under(&fixture, i, "foo", NULL, 1, 1, 60000);
    fixture_reload_limits(&fixture, slots_only(5)); /* gives the slots at once */
    expect_acquired(acquire(&fixture, 3, "foo", 1, 2), 0);
    fixture_reload_limits(&fixture, slots_only(2)); /* grants none until fewer are out */
    assert_int_equal(remaining(&fixture, "foo"), 0);
    for (unsigned i = 0; i < 3; i++) {
        expect_denied(acquire(&fixture, 9, "foo", 1, 1), 1000);
        assert_int_equal(release(&fixture, i).state, LEASE_RELEASED);
    }
    expect_denied(acquire(&fixture, 9, "foo", 1, 1), 1000);
    fixture_at(&fixture, 1000);
    expect_acquired(acquire(&fixture, 9, "foo", 1, 1), 1);
    fixture_release(&fixture);
}

static void leases_of_a_rate_count_once_it_has_slots_and_the_other_way_round(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(rate_only(10, false));
    expect_acquired(acquire(&fixture, 1, "foo", 4, 2), 6);
    fixture_reload_limits(&fixture, slots_only(3));
    expect_acquired(acquire(&fixture, 2, "foo", 4, 1), 0);
    expect_denied(acquire(&fixture, 3, "foo", 1, 1), 1000);
    struct lease_answer answer = release_used(&fixture, 1, 0);
    assert_int_equal(answer.returned_tokens, 0); /* there are no buckets for them */
    assert_int_equal(remaining(&fixture, "foo"), 2);
    fixture_reload_limits(&fixture, rate_only(10, false));
    uint64_t before = remaining(&fixture, "foo");
    answer = release_used(&fixture, 2, 0);
    assert_int_equal(answer.returned_tokens, 0); /* it took none */
    assert_int_equal(remaining(&fixture, "foo"), before);
    fixture_release(&fixture);
}

/* ---- waiting ---- */

/* Home is where `waited` counts. */
static struct message *waiters[1000];
static unsigned home_count;

static void collect(struct fixture *fixture)
{
    for (struct letter *letter = brain_released(fixture->brain), *next; letter != NULL;
         letter = next) {
        next = letter->next;
        waiters[home_count++] = message_of(letter);
    }
}

static void wait_for(struct fixture *fixture, struct message *message, uint64_t wait_ms)
{
    struct message *messages[] = {message};
    message->ask.bucket.wait_ms = wait_ms;
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 0);
    collect(fixture);
}

static void expect_home(unsigned place, struct message *message, enum bucket_result result,
                        uint64_t waited_ms)
{
    assert_true(home_count > place);
    assert_ptr_equal(waiters[place], message);
    assert_int_equal(message->answer.bucket.result, result);
    assert_true(message->answer.bucket.has_waited);
    assert_int_equal(message->answer.bucket.waited_ms, waited_ms);
    assert_int_equal(message->answer.bucket.expires_after_ms,
                     result == BUCKET_ALLOWED ? TTL_MS : 0);
    message_hold(message, NULL);
}

static void who_waits_for_slots_gets_them_in_order(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(2));
    home_count = 0;
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 1);
    expect_acquired(acquire(&fixture, 2, "foo", 1, 1), 0);
    struct message two = message_of_acquire(3, "foo", NULL, 1, 2, TTL_MS),
                   one = message_of_acquire(4, "foo", NULL, 1, 1, TTL_MS),
                   late = message_of_acquire(5, "foo", NULL, 1, 1, TTL_MS);
    wait_for(&fixture, &two, 5000);
    wait_for(&fixture, &one, 5000);
    fixture_at(&fixture, 300);
    release(&fixture, 1);
    collect(&fixture);
    assert_int_equal(home_count, 0); /* the first wants two */
    struct bucket_answer behind = acquire(&fixture, 6, "foo", 1, 1);
    expect_denied(behind,
                  700); /* nobody passes, though a slot is free, and the next one ends then */
    assert_int_equal(behind.remaining_tokens, 1);
    assert_true(behind.buckets[0].violated);
    fixture_at(&fixture, 500);
    release(&fixture, 2);
    collect(&fixture);
    assert_int_equal(home_count, 1);
    expect_home(0, &two, BUCKET_ALLOWED, 500);
    wait_for(&fixture, &late, 700);
    fixture_at(&fixture, 1199);
    collect(&fixture);
    assert_int_equal(home_count, 1);
    fixture_at(&fixture, 1200);
    collect(&fixture);
    assert_int_equal(home_count, 2);
    expect_home(1, &late, BUCKET_WAIT_OVER, 700);
    fixture_at(&fixture, 1500); /* the two have expired */
    collect(&fixture);
    assert_int_equal(home_count, 3);
    expect_home(2, &one, BUCKET_ALLOWED, 1500);
    assert_int_equal(remaining(&fixture, "foo"), 1);
    assert_int_equal(look_at(&fixture, 4).expires_after_ms, TTL_MS);
    assert_int_equal(look_at(&fixture, 5).state, LEASE_NONE);
    fixture_release(&fixture);
}

/* A slot is free, but the first in the queue wants two, and nobody can say when it goes. */
static void who_is_denied_behind_a_wait_for_slots_is_told_when_one_comes_back(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(2));
    home_count = 0;
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 1);
    struct message two = message_of_acquire(2, "foo", NULL, 1, 2, TTL_MS);
    wait_for(&fixture, &two, 500);
    fixture_at(&fixture, 300);
    expect_denied(acquire(&fixture, 3, "foo", 1, 1), 700);
    fixture_at(&fixture, 500);
    collect(&fixture);
    expect_home(0, &two, BUCKET_WAIT_OVER, 500);
    fixture_release(&fixture);
}

/* A burst of 10, a token a second: 5 more take 5 s, whatever becomes of the slots. */
static void nobody_waits_for_slots_whose_tokens_do_not_come_in_time(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(2, 10));
    home_count = 0;
    assert_int_equal(acquire_under(&fixture, 1, "foo", NULL, 10, 2, 20000).result, BUCKET_ALLOWED);
    struct message vain = message_of_acquire(2, "foo", NULL, 5, 1, TTL_MS),
                   patient = message_of_acquire(3, "foo", NULL, 5, 1, TTL_MS);
    vain.ask.bucket.wait_ms = 4999;
    struct message *messages[] = {&vain};
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    expect_denied(vain.answer.bucket, 20000);
    wait_for(&fixture, &patient, 5000);
    fixture_at(&fixture, 4000);
    release(&fixture, 1);
    fixture_at(&fixture, 5000);
    collect(&fixture);
    expect_home(0, &patient, BUCKET_ALLOWED, 5000);
    fixture_release(&fixture);
}

/* Of 10 tokens 6 are wanted by one who waits for slots: 4 and the debt of 10 can be charged. */
static void a_charge_behind_a_wait_for_slots_owes_no_more_than_it_may(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(2, 10));
    home_count = 0;
    expect_acquired(acquire(&fixture, 1, "foo", 0, 2), 10);
    struct message waits = message_of_acquire(2, "foo", NULL, 6, 1, TTL_MS);
    wait_for(&fixture, &waits, 500);
    struct bucket_answer answer = fixture_ask(&fixture, MESSAGE_CHARGE, "foo", NULL, 20);
    assert_int_equal(answer.charged_tokens, 14);
    release(&fixture, 1);
    collect(&fixture);
    expect_home(0, &waits, BUCKET_ALLOWED, 0);
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 10);
    fixture_release(&fixture);
}

static void a_promise_of_tokens_reserves_its_slots(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(both(2, 10));
    home_count = 0;
    expect_acquired(acquire(&fixture, 1, "foo", 10, 1), 0);
    struct message first = message_of_acquire(2, "foo", NULL, 2, 1, TTL_MS),
                   second = message_of_acquire(3, "foo", NULL, 1, 1, TTL_MS);
    wait_for(&fixture, &first, 5000); /* its tokens come at 2000 */
    struct bucket_answer status = fixture_status(&fixture, "foo");
    assert_int_equal(status.buckets[0].remaining_tokens, 0); /* one is held, one promised */
    fixture_at(&fixture, 100);
    renew(&fixture, 1, 60000);
    wait_for(&fixture, &second, 5000); /* has no tick: no slot is left */
    fixture_at(&fixture, 1999);
    collect(&fixture);
    assert_int_equal(home_count, 0);
    fixture_at(&fixture, 2000);
    collect(&fixture);
    assert_int_equal(home_count, 1);
    expect_home(0, &first, BUCKET_ALLOWED, 2000);
    fixture_at(&fixture, 3000); /* the first has expired, and a token is there */
    collect(&fixture);
    assert_int_equal(home_count, 2);
    expect_home(1, &second, BUCKET_ALLOWED, 2900);
    fixture_release(&fixture);
}

static void what_expired_leases_give_back_lets_waiters_go(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(rate_only(10, true));
    home_count = 0;
    expect_acquired(acquire(&fixture, 1, "foo", 10, 1), 0);
    struct message first = message_of_acquire(2, "foo", NULL, 8, 1, TTL_MS);
    wait_for(&fixture, &first, 20000); /* promised for 8000 */
    fixture_at(&fixture, 1000);
    collect(&fixture);
    assert_int_equal(home_count, 1);
    expect_home(0, &first, BUCKET_ALLOWED, 1000);
    assert_int_equal(remaining(&fixture, "foo"), 2);
    fixture_release(&fixture);
}

static void what_is_used_beyond_goes_behind_those_who_wait(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(rate_only(10, false));
    home_count = 0;
    expect_acquired(acquire(&fixture, 1, "foo", 10, 1), 0);
    struct message first = message_of_acquire(2, "foo", NULL, 3, 1, TTL_MS);
    wait_for(&fixture, &first, 20000);
    assert_int_equal(release_used(&fixture, 1, 15).charged_tokens, 5);
    fixture_at(&fixture, 2999);
    collect(&fixture);
    assert_int_equal(home_count, 0);
    fixture_at(&fixture, 3000);
    collect(&fixture);
    assert_int_equal(home_count, 1);
    expect_home(0, &first, BUCKET_ALLOWED, 3000);
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 5);
    fixture_release(&fixture);
}

static void who_waited_is_told_if_there_is_no_lease_left(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(1));
    home_count = 0;
    fixture.brain->max_leases = 2;
    expect_acquired(acquire(&fixture, 1, "foo", 1, 1), 0);
    struct message first = message_of_acquire(2, "foo", NULL, 1, 1, TTL_MS);
    wait_for(&fixture, &first, 20000);
    acquire_under(&fixture, 3, "bar", NULL, 1, 1, 60000);
    fixture.brain->max_leases = 1; /* as if a third had come between */
    release(&fixture, 1);
    collect(&fixture);
    assert_int_equal(home_count, 1);
    expect_home(0, &first, BUCKET_TOO_MANY_LEASES, 0);
    assert_int_equal(remaining(&fixture, "foo"), 1);
    fixture_release(&fixture);
}

/* One that has ended makes room for the one that waits for its slot. */
static void who_waited_gets_the_lease_that_has_ended(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(2));
    home_count = 0;
    fixture.brain->max_leases = 2;
    acquire(&fixture, 1, "foo", 1, 1);
    acquire(&fixture, 2, "foo", 1, 1);
    struct message both_slots = message_of_acquire(3, "foo", NULL, 1, 2, TTL_MS),
                   none_left = message_of_acquire(4, "foo", NULL, 1, 1, TTL_MS);
    wait_for(&fixture, &both_slots, 20000);
    wait_for(&fixture, &none_left, 20000);
    fixture_at(&fixture, 1000);
    collect(&fixture);
    assert_int_equal(home_count, 1);
    expect_home(0, &both_slots, BUCKET_ALLOWED, 1000);
    assert_int_equal(counters_of(&fixture)->leases_expired, 2);
    assert_int_equal(look_at(&fixture, 1).state, LEASE_EXPIRED);
    fixture_at(&fixture, 2000);
    collect(&fixture);
    assert_int_equal(home_count, 2);
    expect_home(1, &none_left, BUCKET_ALLOWED, 2000);
    fixture_release(&fixture);
}

/* ---- many ---- */

enum { MANY = 100000 };

static struct fixture many_fixture(bool returns)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "not so random";
    const struct bucket_terms buckets[] = {slots_of("running", MANY), rate_of("second", MANY)};
    struct limits *limits = limits_with(buckets, 2, returns, true);
    struct fixture fixture = {.now_ns = FIXTURE_START_NS};
    const struct limits_question question = {.limits = limits, .date_s = FIXTURE_START_DATE_S};
    fixture.brain = brain_new(&question, FIXTURE_MAX_KEYS, MANY, seed, fixture.now_ns);
    assert_non_null(fixture.brain);
    limits_release(limits);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(acquire(&fixture, i, "foo", 1, 1).result, BUCKET_ALLOWED);
    return fixture;
}

/* All end in one tick. Their bookkeeping is done in slices of a few hundred, and whoever asks in between
 * finds all of it done: one step of the tree for all of them. */
static void ends_of_many_in_one_tick_hold_up_nobody(void **state)
{
    (void)state;
    struct fixture fixture = many_fixture(true);
    const struct leases *leases = &fixture.brain->leases;
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 0);
    assert_int_equal(acquire(&fixture, MANY, "bar", 1, 1).result, BUCKET_TOO_MANY_LEASES);
    fixture_at(&fixture, 1000);
    uint32_t left = leases->held.count;
    assert_in_range(left, MANY - 500, MANY - 1); /* a slice is done */
    struct bucket_answer status = fixture_status(&fixture, "foo");
    assert_int_equal(status.remaining_tokens, MANY);
    assert_int_equal(status.buckets[0].remaining_tokens, MANY);
    assert_int_equal(leases->held.count, left); /* an ask does no bookkeeping */
    assert_int_equal(counters_of(&fixture)->returned_tokens, MANY);
    assert_int_equal(look_at(&fixture, MANY / 2).state, LEASE_EXPIRED);
    expect_acquired(acquire(&fixture, MANY, "foo", 7, 1), MANY - 7);
    unsigned slices = keep_books(&fixture);
    assert_in_range(slices, MANY / 500, MANY / 100);
    assert_int_equal(leases->held.count, 1);
    assert_int_equal(counters_of(&fixture)->leases_expired, MANY);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, MANY - 7);
    assert_int_equal(counters_of(&fixture)->returned_tokens, MANY);
    fixture_release(&fixture);
}

/* Leases of more keys end in one tick than a slice sees to: of a list's keys, all tokens have come back. */
static void ends_of_many_keys_are_done_for_a_list(void **state)
{
    (void)state;
    enum { KEYS = 600 };
    static char keys[KEYS][8];
    static struct bucket_call calls[KEYS];
    const enum message_kind kinds[] = {MESSAGE_LIST, MESSAGE_EACH};
    for (size_t kind = 0; kind < LENGTH(kinds); kind++) {
        struct fixture fixture = fixture_of(rate_only(100, true));
        for (unsigned i = 0; i < KEYS; i++) {
            int len = snprintf(keys[i], sizeof keys[i], "k%u", i);
            expect_acquired(acquire(&fixture, i, keys[i], 50, 1), 50);
            calls[i].ask = (struct bucket_question){.key = keys[i], .key_len = (size_t)len};
        }
        struct message message = {.kind = kinds[kind], .ask.list = {calls, KEYS}};
        fixture_at(&fixture, 1000);
        assert_true(lease_ends_are_due(fixture.brain));
        ask_brain(fixture.brain, (struct message *const[]){&message}, 1);
        for (unsigned i = 0; i < KEYS; i++)
            assert_int_equal(calls[i].answer.remaining_tokens, 100);
        fixture_release(&fixture);
    }
}

/* Leases that have ended take nobody's place, though their bookkeeping has not been done. */
static void ends_of_many_in_one_tick_make_room_at_once(void **state)
{
    (void)state;
    struct fixture fixture = many_fixture(false);
    fixture_at(&fixture, 1000);
    for (unsigned i = MANY; i < 2 * MANY; i++)
        assert_int_equal(acquire(&fixture, i, "foo", 0, 1).result, BUCKET_ALLOWED);
    assert_int_equal(counters_of(&fixture)->leases_expired, MANY);
    assert_int_equal(acquire(&fixture, 2 * MANY, "bar", 1, 1).result, BUCKET_TOO_MANY_LEASES);
    fixture_release(&fixture);
}

/* So it is for those who wait until then. */
static void ends_of_many_make_room_for_all_who_wait(void **state)
{
    (void)state;
    enum { WAITERS = 700 };
    struct fixture fixture = many_fixture(false);
    struct message *waiter = calloc(WAITERS, sizeof *waiter);
    assert_non_null(waiter);
    fixture.brain->max_leases = MANY; /* no slot is free before the ends */
    home_count = 0;
    for (unsigned i = 0; i < WAITERS; i++) {
        waiter[i] = message_of_acquire(MANY + i, "foo", NULL, 0, 1, TTL_MS);
        wait_for(&fixture, &waiter[i], 20000);
    }
    fixture_at(&fixture, 1000);
    collect(&fixture);
    assert_int_equal(home_count, WAITERS);
    for (unsigned i = 0; i < WAITERS; i++) {
        assert_int_equal(waiter[i].answer.bucket.result, BUCKET_ALLOWED);
        message_hold(&waiter[i], NULL);
    }
    free(waiter);
    fixture_release(&fixture);
}

/* A reload waits until what ended before it is settled under the limits of that time. */
static void a_reload_waits_for_the_books(void **state)
{
    (void)state;
    struct fixture fixture = many_fixture(true);
    fixture_at(&fixture, 1000);
    struct limits *limits = rate_only(2 * MANY, false);
    struct message message = {.kind = MESSAGE_LIMITS, .ask.limits = {.limits = limits}};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 0);
    assert_true(brain_is_waited_for(fixture.brain));
    assert_true(wait_for_room(fixture.brain) > MANY / 500);
    assert_ptr_equal(brain_limits(fixture.brain), limits);
    limits_release(limits);
    assert_int_equal(counters_of(&fixture)->returned_tokens, MANY);
    fixture_release(&fixture);
}

/* ---- at random, beside a list ---- */

enum { NAMES = 3, SLOTS = 5, IDS = 60, STEPS = 20000 };

/* A lease as the list has it. */
struct entry {
    enum lease_state state; /* NONE, HELD, RELEASED */
    unsigned key;
    uint64_t slots, end_ms, until_ms;
    uint32_t ttl_ms;
};

struct list {
    struct entry entry[IDS];
    uint64_t now_ms, slots;
};

static const char *const names[NAMES] = {"a", "b", "c"};

static bool is_out(const struct list *list, const struct entry *entry)
{
    return entry->state == LEASE_HELD && entry->end_ms > list->now_ms / TICK_MS * TICK_MS;
}

static uint64_t count_out(const struct list *list, unsigned key)
{
    uint64_t out = 0;
    for (unsigned i = 0; i < IDS; i++)
        if (list->entry[i].key == key && is_out(list, &list->entry[i]))
            out += list->entry[i].slots;
    return out;
}

static uint64_t first_end_ms(const struct list *list, unsigned key)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < IDS; i++)
        if (list->entry[i].key == key && is_out(list, &list->entry[i]) &&
            list->entry[i].end_ms < first)
            first = list->entry[i].end_ms;
    return first;
}

static enum lease_state state_now(const struct list *list, const struct entry *entry)
{
    uint64_t tick_ms = list->now_ms / TICK_MS * TICK_MS;
    if (entry->state == LEASE_HELD)
        return is_out(list, entry)                       ? LEASE_HELD
               : entry->end_ms + entry->ttl_ms > tick_ms ? LEASE_EXPIRED
                                                         : LEASE_NONE;
    return entry->state == LEASE_RELEASED && entry->until_ms > tick_ms ? LEASE_RELEASED
                                                                       : LEASE_NONE;
}

static void acquire_beside(struct fixture *fixture, struct list *list, struct dice *dice,
                           unsigned number)
{
    struct entry *entry = &list->entry[number];
    uint64_t slots = dice_between(dice, 1, SLOTS + 1);
    unsigned key = (unsigned)dice_roll(dice, NAMES);
    uint32_t ttl_ms = (uint32_t)dice_between(dice, 100, 3000);
    struct bucket_answer answer =
        acquire_under(fixture, number, names[key], NULL, 1, (uint32_t)slots, ttl_ms);
    uint64_t out = count_out(list, key);
    uint64_t free = out < list->slots ? list->slots - out : 0;
    if (slots > list->slots) {
        assert_int_equal(answer.result, BUCKET_EXCEEDS_BURST);
    } else if (slots > free) {
        uint64_t tick_ms = list->now_ms / TICK_MS * TICK_MS;
        uint64_t wait_ms = first_end_ms(list, key) - tick_ms;
        expect_denied(answer, (wait_ms + TICK_MS - 1) / TICK_MS * TICK_MS);
    } else {
        assert_int_equal(answer.result, BUCKET_ALLOWED);
        assert_int_equal(answer.remaining_tokens, free - slots);
        *entry = (struct entry){LEASE_HELD, key, slots, list->now_ms + ttl_ms, 0, ttl_ms};
    }
}

static void change_beside(struct fixture *fixture, struct list *list, struct dice *dice,
                          unsigned number)
{
    struct entry *entry = &list->entry[number];
    enum lease_state state = state_now(list, entry);
    if (dice_once_in(dice, 2)) {
        uint32_t ttl_ms = (uint32_t)dice_between(dice, 100, 3000);
        assert_int_equal(renew(fixture, number, ttl_ms).state, state);
        if (state == LEASE_HELD)
            entry->end_ms = list->now_ms + ttl_ms;
        return;
    }
    assert_int_equal(release(fixture, number).state, state == LEASE_HELD ? LEASE_RELEASED : state);
    if (state == LEASE_HELD) {
        entry->state = LEASE_RELEASED;
        entry->until_ms = list->now_ms + entry->ttl_ms;
    }
}

static void slots_are_as_a_list_says(void **state)
{
    (void)state;
    struct dice dice = dice_new(41);
    struct list list = {.slots = SLOTS};
    struct fixture fixture = fixture_of(slots_only(SLOTS));
    unsigned held = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = (unsigned)dice_roll(&dice, IDS);
        if (dice_once_in(&dice, 3))
            list.now_ms += dice_roll(&dice, 300);
        fixture_at(&fixture, list.now_ms);
        if (dice_once_in(&dice, 200)) {
            list.slots = dice_between(&dice, 1, 2 * SLOTS);
            fixture_reload_limits(&fixture, slots_only(list.slots));
        }
        if (dice_once_in(&dice, 50))
            fixture_sweep_all(&fixture);
        if (state_now(&list, &list.entry[number]) == LEASE_NONE)
            acquire_beside(&fixture, &list, &dice, number);
        else
            change_beside(&fixture, &list, &dice, number);
        unsigned key = (unsigned)dice_roll(&dice, NAMES);
        uint64_t out = count_out(&list, key);
        assert_int_equal(remaining(&fixture, names[key]), out < list.slots ? list.slots - out : 0);
        held += fixture.brain->leases.held.count;
    }
    assert_true(held > STEPS);
    fixture_release(&fixture);
}

/* ---- lists of keys ---- */

static void keys_show_their_leases(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(slots_only(5));
    acquire(&fixture, 1, "foo", 1, 2);
    acquire(&fixture, 2, "foo", 1, 1);
    const struct keys_question ask = {.prefix = "", .count = 10};
    struct keys_answer *answer = malloc(keys_answer_bytes(10));
    struct message message = {.kind = MESSAGE_KEYS, .ask.keys = &ask, .answer.keys = answer};
    struct message *messages[] = {&message};
    assert_non_null(answer);
    keys_answer_begin(answer, KEYS_CURSOR_BEGIN);
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    assert_int_equal(answer->found, 1);
    assert_int_equal(answer->entry[0].leases, 2);
    assert_int_equal(answer->entry[0].slots, 3);
    assert_int_equal(answer->entry[0].remaining_tokens, 2);
    assert_true(answer->entry[0].active);
    release(&fixture, 1);
    release(&fixture, 2);
    fixture_sweep_all(&fixture);
    keys_answer_begin(answer, KEYS_CURSOR_BEGIN);
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    assert_int_equal(answer->found, 0);
    free(answer);
    fixture_release(&fixture);
}

/* ---- restarts ---- */

/* A brain in a store, whose memory outlives it. */
struct machine {
    struct fixture fixture;
    struct store store;
    unsigned char *memory;
};

static struct moment moment_at(uint64_t now_ns)
{
    return (struct moment){
        .now_ns = now_ns,
        .wall_ns = (uint64_t)FIXTURE_START_DATE_S * NS_PER_S + now_ns,
        .clock_id = "one boot",
    };
}

static struct machine machine_new(void)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "any";
    struct machine machine = {.fixture = {.now_ns = FIXTURE_START_NS}};
    size_t bytes = store_bytes(FIXTURE_MAX_KEYS, MAX_LEASES, false);
    machine.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(machine.memory != MAP_FAILED);
    store_begin(&machine.store, machine.memory, FIXTURE_MAX_KEYS, MAX_LEASES, false, seed);
    return machine;
}

static void machine_begin(struct machine *machine, struct limits *limits)
{
    const struct limits_question question = {.limits = limits, .date_s = FIXTURE_START_DATE_S};
    const struct moment moment = moment_at(machine->fixture.now_ns);
    machine->fixture.date_s = FIXTURE_START_DATE_S;
    machine->fixture.brain = brain_new_stored(&question, &machine->store, &moment);
    assert_non_null(machine->fixture.brain);
    limits_release(limits);
}

/* Killed, and started again some time later. */
static void machine_restart(struct machine *machine, uint64_t down_ms, struct limits *limits)
{
    const char *why = "";
    struct fixture *fixture = &machine->fixture;
    fixture_release(fixture);
    fixture->now_ns += down_ms * NS_PER_MS;
    const struct limits_question question = {.limits = limits, .date_s = FIXTURE_START_DATE_S};
    const struct moment moment = moment_at(fixture->now_ns);
    size_t bytes = store_bytes(FIXTURE_MAX_KEYS, MAX_LEASES, false);
    assert_int_equal(store_find(&machine->store, machine->memory, bytes, &why), STORE_FOUND);
    assert_int_equal(
        brain_restore(&fixture->brain, &question, MAX_LEASES, &machine->store, &moment, &why),
        BRAIN_RESTORED);
    limits_release(limits);
}

static void machine_release(struct machine *machine)
{
    fixture_release(&machine->fixture);
    munmap(machine->memory, store_bytes(FIXTURE_MAX_KEYS, MAX_LEASES, false));
}

static void leases_go_on_over_a_restart(void **state)
{
    (void)state;
    struct machine machine = machine_new();
    struct fixture *fixture = &machine.fixture;
    machine_begin(&machine, slots_only(3));
    for (unsigned i = 0; i < 3; i++)
        acquire(fixture, i, "foo", 1, 1);
    fixture_pass(fixture, 300);
    struct lease_answer first = release(fixture, 0);
    renew(fixture, 1, 5000);
    machine_restart(&machine, 200, slots_only(3));
    assert_int_equal(remaining(fixture, "foo"), 1);
    assert_int_equal(look_at(fixture, 2).expires_after_ms, 500);
    assert_int_equal(look_at(fixture, 1).expires_after_ms, 4800);
    assert_int_equal(release(fixture, 0).state, first.state);
    machine_restart(&machine, 500, slots_only(3)); /* it ended while nobody was there */
    assert_int_equal(look_at(fixture, 2).state, LEASE_EXPIRED);
    assert_int_equal(remaining(fixture, "foo"), 2);
    fixture_pass(fixture, 300);
    assert_int_equal(release(fixture, 0).state, LEASE_NONE);
    machine_restart(&machine, 100, rate_only(10, false));
    assert_int_equal(look_at(fixture, 1).state, LEASE_HELD);
    machine_release(&machine);
}

/* A key with slots has an entry in the table, so that it is listed, even if the one that it had is lost. */
static void a_restart_gives_each_key_with_slots_an_entry(void **state)
{
    (void)state;
    struct machine machine = machine_new();
    struct fixture *fixture = &machine.fixture;
    machine_begin(&machine, slots_only(3));
    acquire(fixture, 1, "foo", 1, 1);
    acquire(fixture, 2, "bar", 1, 1);
    struct table *table = &fixture->brain->buckets.table;
    table_remove(table, table_next_occupied(table, 0));
    machine_restart(&machine, 100, slots_only(3));
    assert_int_equal(fixture_daemon(fixture).keys, 2);
    assert_int_equal(remaining(fixture, "foo"), 2);
    assert_int_equal(remaining(fixture, "bar"), 2);
    machine_release(&machine);
}

/* Tokens come back once. What a process gave back before it was killed, its successor does not give back
 * again, though the lease looks as if it was held. */
static void tokens_come_back_once_over_a_restart(void **state)
{
    (void)state;
    struct machine machine = machine_new();
    struct fixture *fixture = &machine.fixture;
    machine_begin(&machine, rate_only(10, true));
    for (unsigned i = 0; i < 400; i++) /* more than a slice of the books */
        acquire_under(fixture, i, "other", NULL, 0, 1, 910);
    for (unsigned i = 400; i < 410; i++)
        acquire_under(fixture, i, "foo", NULL, 1, 1, 990); /* ends in the same tick, but later */
    assert_int_equal(remaining(fixture, "foo"), 0);
    fixture_pass(fixture, 1000);
    assert_true(lease_ends_are_due(fixture->brain));
    assert_int_equal(remaining(fixture, "foo"), 10); /* they have been given back for this */
    fixture_allow(fixture, "foo", 10);
    assert_true(lease_ends_are_due(fixture->brain));
    machine_restart(&machine, 0, rate_only(10, true));
    assert_int_equal(remaining(fixture, "foo"), 0);
    assert_false(lease_ends_are_due(fixture->brain));
    assert_int_equal(fixture_daemon(fixture).leases, 0);

    acquire(fixture, 1000, "bar", 10, 1); /* but what ended meanwhile does come back */
    machine_restart(&machine, 1000, rate_only(10, true));
    assert_int_equal(remaining(fixture, "bar"), 10);
    machine_release(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_granted_while_there_are_any),
        cmocka_unit_test(more_than_there_are_is_never_granted),
        cmocka_unit_test(it_is_all_or_nothing),
        cmocka_unit_test(until_the_tick_after_its_end_a_lease_is_held_for_no_time),
        cmocka_unit_test(an_end_comes_on_the_tick),
        cmocka_unit_test(an_ended_lease_is_told_as_expired_for_a_ttl),
        cmocka_unit_test(a_renewal_moves_the_end),
        cmocka_unit_test(without_leases_no_tick_is_due),
        cmocka_unit_test(what_was_not_used_comes_back),
        cmocka_unit_test(without_a_word_all_was_used),
        cmocka_unit_test(what_was_used_beyond_is_charged),
        cmocka_unit_test(a_release_pays_debts_first),
        cmocka_unit_test(tokens_of_slots_are_nobodys),
        cmocka_unit_test(tokens_of_expired_leases_stay_or_come_back),
        cmocka_unit_test(a_release_that_is_repeated_is_answered_the_same),
        cmocka_unit_test(a_release_is_remembered_for_a_ttl),
        cmocka_unit_test(a_release_is_remembered_for_a_ttl_after_a_shorter_tick_too),
        cmocka_unit_test(of_a_limit_that_is_gone_nothing_comes_back),
        cmocka_unit_test(who_is_told_yes_though_nothing_is_taken_gets_a_lease),
        cmocka_unit_test(what_the_table_has_no_room_for_gets_a_lease_where_it_is_allowed),
        cmocka_unit_test(no_more_leases_are_held_than_may_be),
        cmocka_unit_test(a_reload_ends_no_lease),
        cmocka_unit_test(leases_of_a_rate_count_once_it_has_slots_and_the_other_way_round),
        cmocka_unit_test(who_waits_for_slots_gets_them_in_order),
        cmocka_unit_test(who_is_denied_behind_a_wait_for_slots_is_told_when_one_comes_back),
        cmocka_unit_test(nobody_waits_for_slots_whose_tokens_do_not_come_in_time),
        cmocka_unit_test(a_charge_behind_a_wait_for_slots_owes_no_more_than_it_may),
        cmocka_unit_test(a_promise_of_tokens_reserves_its_slots),
        cmocka_unit_test(what_expired_leases_give_back_lets_waiters_go),
        cmocka_unit_test(what_is_used_beyond_goes_behind_those_who_wait),
        cmocka_unit_test(who_waited_is_told_if_there_is_no_lease_left),
        cmocka_unit_test(who_waited_gets_the_lease_that_has_ended),
        cmocka_unit_test(ends_of_many_in_one_tick_hold_up_nobody),
        cmocka_unit_test(ends_of_many_keys_are_done_for_a_list),
        cmocka_unit_test(ends_of_many_in_one_tick_make_room_at_once),
        cmocka_unit_test(ends_of_many_make_room_for_all_who_wait),
        cmocka_unit_test(a_reload_waits_for_the_books),
        cmocka_unit_test(slots_are_as_a_list_says),
        cmocka_unit_test(keys_show_their_leases),
        cmocka_unit_test(leases_go_on_over_a_restart),
        cmocka_unit_test(a_restart_gives_each_key_with_slots_an_entry),
        cmocka_unit_test(tokens_come_back_once_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
