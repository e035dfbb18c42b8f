/* Explaining: what is said of a key, and that asking it changes nothing. In virtual time. */
#include "ask/explain_json.h"
#include "ask/explain_text.h"
#include "brain/core.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 100, START_S = FIXTURE_START_DATE_S };

/* ---- a configuration ---- */

static const struct override_terms overrides[] = {
    {.key = "login:eve",
     .action = OVERRIDE_DENY,
     .until_s = START_S + 60,
     .is_runtime = true,
     .reason = "she \"asked\" for it"},
    {.key = "login:al*",
     .until_s = OVERRIDE_FOR_EVER,
     .buckets_count = 1,
     .buckets = {{.burst = 2, .rate = {1, 60000}}}},
    {.key = "login:alice", .action = OVERRIDE_DENY, .until_s = START_S + 60},
    {.key = "login:10.0.0.0/8", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
    {.key = "login:10.1.0.0/16", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
    {.key = "login:a*", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
    {.key = "login:eve", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
};

static struct limits *usual_limits(void)
{
    const struct limit_terms terms[] = {
        {.name = "api",
         .match = "api:*",
         .buckets_count = 1,
         .buckets = {{.burst = 100, .rate = {10, 1000}}}},
        {.name = "login",
         .match = "login:*",
         .buckets_count = 2,
         .buckets = {{.name = "minute", .burst = 3, .rate = {5, 60000}, .debt_max = 5},
                     {.name = "day", .burst = 50, .rate = {50, MS_PER_DAY}, .debt_max = 50}},
         .overrides_count = LENGTH(overrides),
         .overrides = overrides},
        {.name = "jobs",
         .match = "job:*",
         .buckets_count = 1,
         .buckets = {{.burst = 2, .holds_slots = true}}},
        {.name = "trial",
         .match = "trial:*",
         .shadow = true,
         .buckets_count = 1,
         .buckets = {{.burst = 1, .rate = {1, 1000}}}},
        {.name = LIMIT_DEFAULT_NAME,
         .buckets_count = 1,
         .buckets = {{.burst = 5, .rate = {1, 1000}}}},
    };
    struct limits *limits = limits_new(LENGTH(terms), TICK_MS);
    assert_non_null(limits);
    for (size_t i = 0; i < LENGTH(terms); i++)
        assert_true(limits_add(limits, &terms[i]));
    limits->waiting = (struct waiting_terms){.max_waiting = 10, .per_key = 10};
    return limits;
}

static struct fixture fixture;
static struct explain_answer answer;
static struct bucket_question asked;

static int set_up(void **state)
{
    (void)state;
    fixture_init_limits(&fixture, usual_limits(), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    assert_true(brain_keep_events(fixture.brain, 100, 0xabcdef01));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_release(&fixture);
    return 0;
}

/* ---- asking ---- */

static void explain_under(const char *key, const char *limit, uint64_t tokens)
{
    struct message message = {
        .kind = MESSAGE_EXPLAIN,
        .ask.bucket = {.key = key,
                       .key_len = strlen(key),
                       .limit_name = limit,
                       .limit_name_len = limit == NULL ? 0 : strlen(limit),
                       .tokens = tokens},
        .answer.explain = &answer,
    };
    struct message *messages[] = {&message};
    asked = message.ask.bucket;
    memset(&answer, 0xa5, sizeof answer);
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
}

static void explain(const char *key, uint64_t tokens)
{
    explain_under(key, NULL, tokens);
}

/* What is said of the answer; the caller's to free. */
static char *sentences(void)
{
    const struct explanation explanation = explanation_of(&asked, &answer);
    struct text text = text_begin_growing();
    size_t len;
    explain_text_write(&text, &explanation);
    char *taken = text_take(&text, &len);
    assert_non_null(taken);
    return taken;
}

static void expect_text(const char *expected)
{
    char *said = sentences();
    assert_string_equal(said, expected);
    free(said);
}

/* What the last sentence says of a request for a token, or begins with. */
static void expect_last(const char *says)
{
    static const char begin[] = "\nA request for 1 token ";
    char *said = sentences();
    const char *last = strstr(said, begin);
    assert_non_null(last);
    if (strncmp(last + sizeof begin - 1, says, strlen(says)) != 0)
        fail_msg("%s", last);
    free(said);
}

static struct message acquire(const char *key, unsigned number)
{
    struct message message = {
        .kind = MESSAGE_ACQUIRE,
        .ask.acquire = {.bucket = {.key = key, .key_len = strlen(key), .tokens = 1},
                        .id = {{(uint8_t)number}},
                        .slots = 1,
                        .ttl_ms = 5000},
    };
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    return message;
}

/* ---- the tests ---- */

static void a_key_that_nothing_was_asked_of(void **state)
{
    (void)state;
    explain("login:bob", 1);
    expect_text(
        "Key \"login:bob\" is counted under limit \"login\": its match \"login:*\" is the first that "
        "matches it.\n"
        "None of the limit's 7 overrides is for it.\n"
        "Its bucket \"minute\" holds 3 of 3 tokens and refills at 5/m: it is full.\n"
        "Its bucket \"day\" holds 50 of 50 tokens and refills at 50/d: it is full.\n"
        "A request for 1 token would be allowed, and leave 2 tokens.\n"
        "The events that are kept tell nothing of it.\n");
    assert_int_equal(answer.next.result, BUCKET_ALLOWED);
    assert_int_equal(answer.next.remaining_tokens, 2);
    assert_int_equal(answer.now.remaining_tokens, 3);
}

static void a_key_that_is_denied(void **state)
{
    (void)state;
    fixture_hammer(&fixture, "login:bob", 4);
    explain("login:bob", 1);
    expect_text(
        "Key \"login:bob\" is counted under limit \"login\": its match \"login:*\" is the first that "
        "matches it.\n"
        "None of the limit's 7 overrides is for it.\n"
        "Its bucket \"minute\" holds 0 of 3 tokens and refills at 5/m: the next token is there in "
        "12 s, all in 36 s.\n"
        "Its bucket \"day\" holds 47 of 50 tokens and refills at 50/d: the next token is there in "
        "28 min 48 s, all in 1 h 27 min.\n"
        "A request for 1 token would be denied, because there is no token in \"minute\"; the same "
        "would be allowed in 12 s.\n"
        "There is 1 event of it; the last is \"denied\" at 1970-01-01T00:00:00Z.\n");
}

static void why_a_limit_decides(void **state)
{
    (void)state;
    explain("api:a", 0);
    const struct explanation first = explanation_of(&asked, &answer);
    assert_int_equal(first.why, EXPLANATION_MATCH);
    assert_int_equal(first.limit, 0);
    explain("other", 0);
    const struct explanation fallback = explanation_of(&asked, &answer);
    assert_int_equal(fallback.why, EXPLANATION_DEFAULT);
    expect_text(
        "Key \"other\" is counted under limit \"default\", because none of the 4 matches of the other "
        "limits matches it.\n"
        "Its bucket holds 5 of 5 tokens and refills at 1/s: it is full.\n"
        "A request for 0 tokens would be allowed.\n"
        "The events that are kept tell nothing of it.\n");
    explain_under("login:bob", "api", 1);
    const struct explanation named = explanation_of(&asked, &answer);
    assert_int_equal(named.why, EXPLANATION_NAMED);
    assert_int_equal(named.limit, 0);
    assert_int_equal(named.limit_if_unnamed, 1);
    explain_under("login:bob", "none", 1);
    assert_int_equal(answer.next.result, BUCKET_NO_SUCH_LIMIT);
}

static void expect_overrides(const char *key, const char *const *keys,
                             const enum explanation_state *states, uint32_t count)
{
    explain(key, 1);
    const struct explanation explanation = explanation_of(&asked, &answer);
    assert_int_equal(explanation.overrides_count, count);
    assert_int_equal(explanation.overrides_shown, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(explanation.overrides[i]->key, keys[i]);
        assert_int_equal(explanation_state_of(&explanation, explanation.overrides[i]), states[i]);
    }
}

static void which_override_holds(void **state)
{
    (void)state;
    static const char *const of_alice[] = {"login:alice", "login:al*", "login:a*"};
    static const char *const of_address[] = {"login:10.1.0.0/16", "login:10.0.0.0/8"};
    expect_overrides(
        "login:alice", of_alice,
        (enum explanation_state[]){EXPLANATION_HOLDS, EXPLANATION_BEHIND, EXPLANATION_BEHIND}, 3);
    assert_int_equal(answer.next.result, BUCKET_NEVER);
    expect_text(
        "Key \"login:alice\" is counted under limit \"login\": its match \"login:*\" is the first that "
        "matches it.\n"
        "Override \"login:alice\" holds until 1970-01-12T13:47:40Z: it always denies.\n"
        "Override \"login:al*\" would do as well, but the other one goes before it.\n"
        "Override \"login:a*\" would do as well, but the other one goes before it.\n"
        "A request for 1 token would be denied, because the override denies; the same would be "
        "allowed in 1 min.\n"
        "The events that are kept tell nothing of it.\n");
    fixture_date(&fixture, START_S + 60);
    expect_overrides(
        "login:alice", of_alice,
        (enum explanation_state[]){EXPLANATION_ENDED, EXPLANATION_HOLDS, EXPLANATION_BEHIND}, 3);
    assert_int_equal(answer.next.remaining_tokens, 1);
    expect_overrides("login:10.1.2.3", of_address,
                     (enum explanation_state[]){EXPLANATION_HOLDS, EXPLANATION_BEHIND}, 2);
    assert_int_equal(answer.next.result, BUCKET_NEVER);
    expect_overrides("login:zoe", NULL, NULL, 0);
}

/* It stands before that of the configuration for the same key, until its end. Then it is there no more. */
static void an_override_that_was_set_by_a_request(void **state)
{
    (void)state;
    static const char *const of_eve[] = {"login:eve", "login:eve"};
    expect_overrides("login:eve", of_eve,
                     (enum explanation_state[]){EXPLANATION_HOLDS, EXPLANATION_BEHIND}, 2);
    expect_text(
        "Key \"login:eve\" is counted under limit \"login\": its match \"login:*\" is the first that "
        "matches it.\n"
        "Override \"login:eve\" holds until 1970-01-12T13:47:40Z: it always denies, and was set by a "
        "request; the reason given is \"she \\\"asked\\\" for it\".\n"
        "Override \"login:eve\" would do as well, but the other one goes before it.\n"
        "A request for 1 token would be denied, because the override denies; the same would be "
        "allowed in 1 min.\n"
        "The events that are kept tell nothing of it.\n");
    fixture_date(&fixture, START_S + 60);
    expect_overrides("login:eve", &of_eve[1], (enum explanation_state[]){EXPLANATION_HOLDS}, 1);
    assert_int_equal(answer.next.result, BUCKET_ALWAYS);
}

static void who_waits(void **state)
{
    (void)state;
    assert_true(fixture_allows(&fixture, "w", 5));
    struct message waits = {
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = "w", .key_len = 1, .tokens = 2, .wait_ms = 5000},
    };
    struct message *messages[] = {&waits};
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 0);
    explain("w", 1);
    assert_int_equal(answer.queue.waiting, 1);
    assert_int_equal(answer.queue.promised_tokens, 2);
    assert_int_equal(answer.queue.last_after_ms, 2000);
    expect_text(
        "Key \"w\" is counted under limit \"default\", because none of the 4 matches of the other "
        "limits matches it.\n"
        "Its bucket holds 0 of 5 tokens and refills at 1/s: the next token is there in 3 s, all in "
        "7 s.\n"
        "1 request waits for it, with 2 tokens promised; the last is let go in 2 s.\n"
        "A request for 1 token would be denied, because another one waits before it; the same would be "
        "allowed in 3 s.\n"
        "The events that are kept tell nothing of it.\n");
    fixture_pass(&fixture, 2000);
    assert_ptr_equal(brain_released(fixture.brain), &waits.letter);
    message_hold(&waits, NULL);
    explain("w", 1);
    assert_int_equal(answer.queue.waiting, 0);
    assert_int_equal(answer.queue.last_after_ms, 0);
}

static void leases_and_slots(void **state)
{
    (void)state;
    assert_int_equal(acquire("job:a", 1).answer.bucket.result, BUCKET_ALLOWED);
    explain("job:a", 1);
    assert_int_equal(answer.kind, MESSAGE_ACQUIRE);
    assert_int_equal(answer.next.result, BUCKET_ALLOWED);
    assert_int_equal(answer.next.remaining_tokens, 0);
    assert_int_equal(answer.leases.held, 1);
    fixture_pass(&fixture, 1000);
    assert_int_equal(acquire("job:a", 2).answer.bucket.result, BUCKET_ALLOWED);
    explain("job:a", 1);
    expect_text(
        "Key \"job:a\" is counted under limit \"jobs\": its match \"job:*\" is the first that matches "
        "it.\n"
        "Its bucket has 0 of 2 slots free.\n"
        "2 leases of it are held, with 2 slots; the first ends in 4 s unless it is renewed or "
        "released.\n"
        "An /acquire for 1 slot would be denied, because no slot is free; the same would be allowed in "
        "4 s, or as soon as a lease is released.\n"
        "The events that are kept tell nothing of it.\n");
    fixture_pass(&fixture, 4000);
    explain("job:a", 1);
    assert_int_equal(answer.leases.held, 1);
    assert_int_equal(answer.leases.slots, 1);
    assert_int_equal(answer.events_count, 1);
}

/* More leases end in one tick than its bookkeeping comes to: those of the key have ended all the same. */
static void ends_that_are_still_to_be_seen_to(void **state)
{
    (void)state;
    enum { COUNT = 900 };
    char key[16];
    for (unsigned i = 0; i < COUNT; i++) {
        struct message message = {
            .kind = MESSAGE_ACQUIRE,
            .ask.acquire = {.bucket = {.key = key, .tokens = 1}, .slots = 1, .ttl_ms = 5000},
        };
        struct message *messages[] = {&message};
        memcpy(message.ask.acquire.id.bytes, &(unsigned){i + 1}, sizeof i);
        message.ask.acquire.bucket.key_len = (size_t)snprintf(key, sizeof key, "job:%u", i / 2);
        assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
        assert_int_equal(message.answer.bucket.result, BUCKET_ALLOWED);
    }
    fixture_pass(&fixture, 5000);
    assert_true(brain_has_work(fixture.brain));
    for (unsigned i = 0; i < COUNT / 2; i++) {
        snprintf(key, sizeof key, "job:%u", i);
        explain(key, 1);
        assert_int_equal(answer.leases.held, 0);
        assert_int_equal(answer.leases.slots, 0);
        assert_int_equal(answer.now.remaining_tokens, 2);
        assert_int_equal(answer.next.result, BUCKET_ALLOWED);
    }
    assert_true(brain_has_work(fixture.brain));
}

static void a_limit_on_trial_and_what_is_owed(void **state)
{
    (void)state;
    fixture_hammer(&fixture, "trial:a", 1);
    explain("trial:a", 1);
    expect_text(
        "Key \"trial:a\" is counted under limit \"trial\": its match \"trial:*\" is the first that "
        "matches it.\n"
        "The limit is on trial: it counts, but everybody is allowed.\n"
        "Its bucket holds 0 of 1 token and refills at 1/s: the next token is there in 1 s, all in 1 s.\n"
        "A request for 1 token would be denied, because there is no token; the same would be allowed in "
        "1 s; as the limit is on trial, it is allowed all the same.\n"
        "The events that are kept tell nothing of it.\n");
    fixture_ask(&fixture, MESSAGE_CHARGE, "login:bob", NULL, 4);
    explain("login:bob", 4);
    assert_int_equal(answer.next.result, BUCKET_EXCEEDS_BURST);
    explain("login:bob", 1);
    assert_int_equal(answer.now.owed_tokens, 1);
}

static void forged_lines_are_escaped(void **state)
{
    (void)state;
    explain("a\xe2\x80\xae\"b\xe2\x80\xa8", 0);
    char *said = sentences();
    assert_non_null(strstr(said, "Key \"a\\u202e\\\"b\\u2028\" is counted"));
    free(said);
}

/* Only this key's events under this limit, the newest first, and no more than there is room for. */
static void the_last_events(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EXPLAIN_EVENTS_MAX + 5; i++) {
        assert_false(fixture_allows(&fixture, "login:10.1.0.1", 1));
        fixture_pass(&fixture, EVENTS_KEY_S * MS_PER_S);
    }
    assert_false(fixture_allows(&fixture, "login:10.1.0.11", 1));
    assert_int_equal(fixture_ask(&fixture, MESSAGE_ALLOW, "login:10.1.0.1", "api", 101).result,
                     BUCKET_EXCEEDS_BURST);
    explain("login:10.1.0.1", 1);
    assert_int_equal(answer.events_count, EXPLAIN_EVENTS_MAX);
    const char *at = answer.events;
    for (uint64_t i = 0, before = UINT64_MAX; i < answer.events_count; i++) {
        struct event event;
        at += event_unpack(at, &event);
        assert_true(event.number < before);
        before = event.number;
        assert_int_equal(event.key_len, strlen("login:10.1.0.1"));
        assert_memory_equal(event.limit, "login", event.limit_len);
    }
    assert_ptr_equal(at, answer.events + answer.events_bytes);
    explain_under("login:10.1.0.1", "api", 1);
    assert_int_equal(answer.events_count, 1);
}

enum { MANY_GLOBS = EXPLANATION_OVERRIDES_MAX + 2 };

/* All of them match a key of so many letters: k*, kk*, kkk*, ... */
static struct limits *limits_of_globs(uint32_t count)
{
    struct override_terms terms[MANY_GLOBS];
    char keys[MANY_GLOBS][MANY_GLOBS + 2];
    for (uint32_t i = 0; i < count; i++) {
        memset(keys[i], 'k', i + 1);
        strcpy(keys[i] + i + 1, "*");
        terms[i] = (struct override_terms){
            .key = keys[i], .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER};
    }
    struct limits *limits = limits_new(1, TICK_MS);
    assert_non_null(limits);
    assert_true(limits_add(limits, &(struct limit_terms){
                                       .name = LIMIT_DEFAULT_NAME,
                                       .buckets_count = 1,
                                       .buckets = {{.burst = 5, .rate = {1, 1000}}},
                                       .overrides_count = count,
                                       .overrides = terms,
                                   }));
    return limits;
}

static void more_overrides_than_are_shown(void **state)
{
    (void)state;
    static const char *const says[] = {
        "\nThere is 1 more override for it, which goes behind these.\n",
        "\nThere are 2 more overrides for it, which go behind these.\n",
    };
    char key[MANY_GLOBS + 1] = "";
    memset(key, 'k', MANY_GLOBS);
    for (uint32_t more = 0; more <= LENGTH(says); more++) {
        struct fixture usual = fixture;
        fixture_init_limits(&fixture, limits_of_globs(EXPLANATION_OVERRIDES_MAX + more), 1,
                            WHEN_FULL_EVICT);
        explain(key, 1);
        char *said = sentences();
        assert_int_equal(strstr(said, "\nThere ") != NULL, more > 0);
        if (more > 0)
            assert_non_null(strstr(said, says[more - 1]));
        free(said);
        fixture_release(&fixture);
        fixture = usual;
    }
}

/* Whether there is room for one more key is found out without making any. */
static void a_full_table(void **state)
{
    (void)state;
    static const enum when_full ways[] = {WHEN_FULL_EVICT, WHEN_FULL_DENY, WHEN_FULL_ALLOW};
    static const enum bucket_result results[] = {BUCKET_ALLOWED, BUCKET_TABLE_FULL,
                                                 BUCKET_UNCOUNTED};
    static const char *const says[] = {
        "would be allowed, and leave 4 tokens.\n",
        "would be denied, because there are as many keys as max_keys lets there be, and no room "
        "can be made",
        "would be allowed and not be counted, because there are as many keys as max_keys lets "
        "there be.\n",
    };
    for (size_t i = 0; i < LENGTH(ways); i++) {
        struct fixture full;
        fixture_init_limits(&full, usual_limits(), 1, ways[i]);
        assert_true(fixture_allows(&full, "first", 1));
        struct fixture usual = fixture;
        fixture = full;
        explain("second", 1);
        assert_int_equal(answer.next.result, results[i]);
        expect_last(says[i]);
        assert_int_equal(fixture_status(&fixture, "first").remaining_tokens, 4);
        assert_int_equal(fixture_allow(&fixture, "second", 1).result, results[i]);
        fixture = usual;
        fixture_release(&full);
    }
}

static void nothing_is_counted_or_taken(void **state)
{
    (void)state;
    static const char *const keys[] = {"login:bob", "login:alice", "login:10.1.2.3",
                                       "job:a",     "trial:a",     "other"};
    for (size_t i = 0; i < LENGTH(keys); i++) {
        const struct daemon_answer before = fixture_daemon(&fixture);
        for (uint64_t tokens = 0; tokens < 4; tokens++)
            explain(keys[i], tokens);
        const struct daemon_answer after = fixture_daemon(&fixture);
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(fixture_status(&fixture, keys[i]).active, false);
    }
    explain("login:alice", 1);
    assert_int_equal(answer.events_looked, 0);
}

static void the_json_is_whole(void **state)
{
    (void)state;
    fixture_hammer(&fixture, "login:alan", 3);
    explain("login:alan", 1);
    const struct explanation explanation = explanation_of(&asked, &answer);
    struct text text = text_begin_growing();
    size_t len;
    explain_json_write(&text, &explanation);
    char *json = text_take(&text, &len);
    assert_non_null(strstr(
        json, "{\"key\":\"login:alan\",\"limit\":\"login\",\"why\":\"match\",\"shadow\":false,"
              "\"sentences\":[\"Key \\\"login:alan\\\" is counted"));
    assert_non_null(strstr(
        json, "\"override\":\"login:al*\",\"overrides\":[{\"override\":\"login:al*\","
              "\"kind\":\"glob\",\"state\":\"holds\",\"action\":\"limit\",\"runtime\":false},"));
    assert_non_null(
        strstr(json, "\"buckets\":[{\"name\":null,\"burst\":2,\"rate\":\"1/m\",\"debt_max\":0,"
                     "\"remaining\":0,\"owed\":0,\"next_token_after_ms\":60000,"
                     "\"reset_after_ms\":120000}]"));
    assert_non_null(strstr(json, "\"call\":\"/allow\",\"next\":{\"allowed\":false,"));
    assert_non_null(strstr(json, "\"events\":[{\"id\":\"abcdef01-1\","));
    free(json);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_key_that_nothing_was_asked_of),
        TEST(a_key_that_is_denied),
        TEST(why_a_limit_decides),
        TEST(which_override_holds),
        TEST(an_override_that_was_set_by_a_request),
        TEST(who_waits),
        TEST(leases_and_slots),
        TEST(ends_that_are_still_to_be_seen_to),
        TEST(a_limit_on_trial_and_what_is_owed),
        TEST(forged_lines_are_escaped),
        TEST(the_last_events),
        TEST(more_overrides_than_are_shown),
        TEST(a_full_table),
        TEST(nothing_is_counted_or_taken),
        TEST(the_json_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
