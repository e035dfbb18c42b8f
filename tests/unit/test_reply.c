/* Replies: what each answer says, to the byte, and that the longest fits. */
#include "ask/answer_json.h"
#include "http/dialects/table.h"
#include "http/reply_lines.h"
#include "http/reply_list.h"
#include "http/request.h"
#include "http/routes/table.h"
#include "limits/key.h"
#include "support/dice.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_SECOND                                                                                 \
    {                                                                                              \
        1, MS_PER_S                                                                                \
    }
#define QUOTA_EXCEEDED                                                                             \
    "{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\","                \
    "\"title\":\"Too Many Requests\",\"status\":"

enum { PLAIN, NAMED, SEVERAL, TRIAL, QUOTED, SLOTS, MIXED };

static struct limits *limits;
static struct request request; /* too large for the stack of a test */

static void add_limit(const struct limit_terms *terms)
{
    assert_true(limits_add(limits, terms));
}

static int make_limits(void **state)
{
    (void)state;
    static const struct override_terms overrides[] = {
        {.key = "vip", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "bad \"*\"", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
        {.key = "partner",
         .action = OVERRIDE_TERMS,
         .until_s = OVERRIDE_FOR_EVER,
         .buckets_count = 1,
         .buckets = {{.burst = 500, .rate = {200, MS_PER_S}}}},
    };
    limits = limits_new(7, 100);
    assert_non_null(limits);
    add_limit(&(struct limit_terms){.name = "default",
                                    .buckets_count = 1,
                                    .buckets = {{.burst = 10, .rate = PER_SECOND}},
                                    .overrides_count = LENGTH(overrides),
                                    .overrides = overrides});
    add_limit(&(struct limit_terms){.name = "named",
                                    .match = "n\"*",
                                    .buckets_count = 1,
                                    .buckets = {{.name = "only", .burst = 5, .rate = PER_SECOND}}});
    add_limit(&(struct limit_terms){
        .name = "api",
        .buckets_count = 2,
        .buckets = {{.name = "second", .burst = 20, .rate = {10, MS_PER_S}},
                    {.name = "hour", .burst = 1000, .rate = {1000, 3600 * MS_PER_S}}}});
    add_limit(&(struct limit_terms){.name = "trial",
                                    .shadow = true,
                                    .buckets_count = 1,
                                    .buckets = {{.burst = 10, .rate = PER_SECOND}}});
    add_limit(&(struct limit_terms){.name = "say \"hi\" \\",
                                    .buckets_count = 1,
                                    .buckets = {{.burst = 3, .rate = PER_SECOND}}});
    add_limit(&(struct limit_terms){
        .name = "jobs", .buckets_count = 1, .buckets = {{.burst = 8, .holds_slots = true}}});
    add_limit(&(struct limit_terms){
        .name = "mixed",
        .returns_on_expiry = true,
        .buckets_count = 2,
        .buckets = {{.name = "running", .burst = 4, .holds_slots = true},
                    {.name = "minute", .burst = 30, .rate = {30, 60 * MS_PER_S}}}});
    return 0;
}

/* The check that replies; it stays for what is expected. */
static struct check *check;

static int release_limits(void **state)
{
    (void)state;
    limits_release(limits);
    check_free(check);
    return 0;
}

/* ---- answers, as the brain would give them ---- */

static struct bucket_answer answer_of(int limit, enum bucket_result result,
                                      struct bucket_state state)
{
    return (struct bucket_answer){
        .result = result,
        .limit = &limits->limit[limit],
        .allowance = &limits->limit[limit].allowance,
        .remaining_tokens = state.remaining_tokens,
        .full_after_ms = state.full_after_ms,
        .active = state.full_after_ms > 0,
        .buckets = {state},
    };
}

static struct bucket_answer allowed(int limit)
{
    return answer_of(limit, BUCKET_ALLOWED, (struct bucket_state){9, 1000, 1000, false, 0, 0});
}

static struct bucket_answer denied(int limit)
{
    struct bucket_answer answer =
        answer_of(limit, BUCKET_DENIED, (struct bucket_state){0, 301, 9301, true, 0, 0});
    answer.retry_after_ms = 1301;
    return answer;
}

static struct bucket_answer exceeding(int limit)
{
    struct bucket_answer answer =
        answer_of(limit, BUCKET_EXCEEDS_BURST, (struct bucket_state){10, 0, 0, true, 0, 0});
    answer.retry_after_ms = RETRY_NEVER;
    return answer;
}

/* Of two buckets, the second of which holds less. */
static struct bucket_answer of_several(enum bucket_result result)
{
    struct bucket_answer answer =
        answer_of(SEVERAL, result, (struct bucket_state){19, 100, 100, false, 0, 0});
    answer.buckets[1] = (struct bucket_state){7, 2001, 3575001, result == BUCKET_DENIED, 0, 0};
    answer.remaining_tokens = 7;
    answer.full_after_ms = 3575001;
    answer.retry_after_ms = result == BUCKET_DENIED ? 5000 : 0;
    return answer;
}

static struct bucket_answer with_override(struct bucket_answer answer, int override)
{
    answer.override = &answer.limit->overrides[override];
    if (answer.override->action == OVERRIDE_TERMS)
        answer.allowance = &answer.override->allowance;
    return answer;
}

static struct message bucket_message(enum message_kind kind, const char *key, uint64_t tokens,
                                     struct bucket_answer answer)
{
    return (struct message){
        .kind = kind,
        .ask.bucket = {.key = key, .key_len = strlen(key), .tokens = tokens},
        .answer.bucket = answer,
    };
}

/* ---- what the routes say to them ---- */

/* Others in some tests, which put them back. */
static bool tells_retry_after_ms = false;
static unsigned asked_deny_status = REQUEST_DENY_STATUS;

static void say(const struct route *route, const struct message *message,
                enum headers_dialect dialect)
{
    request.route = route;
    request.message = *message;
    request.deny_status = asked_deny_status;
    request_reply(&request, &(struct serving){.routes = &route_table,
                                              .dialect = dialect_table[dialect],
                                              .retry_after_ms = tells_retry_after_ms});
}

static void say_bucket(const struct message *message, enum headers_dialect dialect)
{
    static const struct route *const routes[] = {
        [MESSAGE_ALLOW] = &route_allow,   [MESSAGE_RESET] = &route_reset,
        [MESSAGE_REFUND] = &route_refund, [MESSAGE_CHARGE] = &route_charge,
        [MESSAGE_STATUS] = &route_status, [MESSAGE_ACQUIRE] = &route_acquire,
        [MESSAGE_RENEW] = &route_renew,   [MESSAGE_RELEASE] = &route_release,
        [MESSAGE_LEASE] = &route_status,
    };
    say(routes[message->kind], message, dialect);
}

static void use_check(const struct check_terms *terms)
{
    check_free(check);
    struct check_terms whole = *terms;
    whole.name = "edge";
    whole.key = "{host}";
    check = check_new(&whole);
    assert_non_null(check);
    request.own.check.check = check;
}

static void say_check_as(const struct check_terms *terms, const struct bucket_answer *answer,
                         enum headers_dialect dialect)
{
    struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, *answer);
    use_check(terms);
    say(&route_check, &message, dialect);
}

static void say_check(const struct bucket_answer *answer, unsigned deny_status,
                      enum headers_dialect dialect)
{
    say_check_as(&(struct check_terms){.deny_status = deny_status}, answer, dialect);
}

static void say_check_missing(bool allows, unsigned deny_status)
{
    struct message message = {.kind = MESSAGE_MISSING, .ask.missing_allows = allows};
    use_check(&(struct check_terms){.missing_allows = allows, .deny_status = deny_status});
    say(&route_check, &message, HEADERS_IETF);
}

/* ---- what is expected ---- */

/* Fields as "NAME: VALUE", a line each. */
static void expect_fields(const char *expected)
{
    char found[4096];
    size_t len = 0;
    for (uint32_t i = 0; i < request.reply.fields_count; i++)
        len += (size_t)snprintf(found + len, sizeof found - len, "%s: %s\n",
                                request.reply.fields[i].name, request.reply.fields[i].value);
    found[len] = '\0';
    assert_string_equal(found, expected);
}

static void expect_reply(unsigned status, const char *content_type, const char *body)
{
    const char *found =
        request.reply.large_body != NULL ? request.reply.large_body : request.reply.body;
    assert_int_equal(request.reply.status, status);
    assert_int_equal(request.reply.content_type == NULL, content_type == NULL);
    if (content_type != NULL)
        assert_ptr_equal(request.reply.content_type, content_type);
    assert_int_equal(request.reply.body_len, strlen(body));
    if (memcmp(found, body, request.reply.body_len) != 0)
        fail_msg("%.*s\nis said, not: %s", (int)request.reply.body_len, found, body);
    assert_false(request.reply.close);
    assert_null(request.reply.allow);
}

/* An answer to ALLOW for one token of "k". */
static void expect_allow(struct bucket_answer answer, unsigned status, const char *body)
{
    struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, answer);
    say_bucket(&message, HEADERS_NONE);
    expect_reply(status, status == 200 ? reply_type_json : reply_type_problem, body);
    assert_true(request.reply.recurs);
}

static void expect_status(struct bucket_answer answer, const char *body)
{
    static const enum message_kind alike[] = {MESSAGE_STATUS, MESSAGE_RESET, MESSAGE_REFUND};
    for (size_t i = 0; i < LENGTH(alike); i++) {
        struct message message = bucket_message(alike[i], "k", 1, answer);
        say_bucket(&message, HEADERS_NONE);
        expect_reply(200, reply_type_json, body);
        expect_fields("");
    }
}

/* ---- one key ---- */

#define PLAIN_NUMBERS                                                                              \
    "\"remaining\":9,\"owed\":0,\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":1000"

static void plain_answers_are_as_ever(void **state)
{
    (void)state;
    expect_allow(allowed(PLAIN), 200,
                 "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1," PLAIN_NUMBERS
                 "}\n");
    expect_allow(denied(PLAIN), 429,
                 QUOTA_EXCEEDED
                 "429,\"violated-policies\":[\"default\"],\"allowed\":false,\"key\":\"k\","
                 "\"limit\":\"default\",\"tokens\":1,\"remaining\":0,\"owed\":0,\"burst\":10,"
                 "\"retry_after_ms\":1301,\"reset_after_ms\":9301}\n");
    expect_fields("Retry-After: 2\n");
    expect_allow(exceeding(PLAIN), 429,
                 QUOTA_EXCEEDED
                 "429,\"violated-policies\":[\"default\"],\"allowed\":false,\"key\":\"k\","
                 "\"limit\":\"default\",\"tokens\":1,\"remaining\":10,\"owed\":0,\"burst\":10,"
                 "\"retry_after_ms\":null,\"reset_after_ms\":0,\"reason\":\"exceeds_burst\"}\n");
    expect_fields("X-Should-Retry: false\n");
    expect_status(allowed(PLAIN), "{\"key\":\"k\",\"limit\":\"default\",\"remaining\":9,\"owed\":0,"
                                  "\"burst\":10,\"reset_after_ms\":1000,\"active\":true}\n");
}

static void what_a_fleet_counts_is_an_estimate(void **state)
{
    (void)state;
    struct bucket_answer answered = allowed(PLAIN), refused = denied(PLAIN);
    answered.is_estimate = refused.is_estimate = true;
    expect_allow(answered, 200,
                 "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1," PLAIN_NUMBERS
                 ",\"estimate\":true}\n");
    expect_status(answered, "{\"key\":\"k\",\"limit\":\"default\",\"remaining\":9,\"owed\":0,"
                            "\"burst\":10,\"reset_after_ms\":1000,\"active\":true,"
                            "\"estimate\":true}\n");
    expect_allow(refused, 429,
                 QUOTA_EXCEEDED
                 "429,\"violated-policies\":[\"default\"],\"allowed\":false,\"key\":\"k\","
                 "\"limit\":\"default\",\"tokens\":1,\"remaining\":0,\"owed\":0,\"burst\":10,"
                 "\"retry_after_ms\":1301,\"reset_after_ms\":9301,\"estimate\":true}\n");
    answered.is_apart = true;
    expect_allow(answered, 200,
                 "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1," PLAIN_NUMBERS
                 ",\"reason\":\"without_store\",\"estimate\":true}\n");
}

static void a_full_table_is_told(void **state)
{
    (void)state;
    struct bucket_answer answer =
        answer_of(PLAIN, BUCKET_TABLE_FULL, (struct bucket_state){10, 0, 0, false, 0, 0});
    answer.retry_after_ms = 100;
    expect_allow(answer, 429,
                 QUOTA_EXCEEDED
                 "429,\"violated-policies\":[\"default\"],\"allowed\":false,\"key\":\"k\","
                 "\"limit\":\"default\",\"tokens\":1,\"remaining\":10,\"owed\":0,\"burst\":10,"
                 "\"retry_after_ms\":100,\"reset_after_ms\":0,\"reason\":\"table_full\"}\n");
    expect_fields("Retry-After: 1\n");
    answer.result = BUCKET_UNCOUNTED;
    answer.retry_after_ms = 0;
    expect_allow(
        answer, 200,
        "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1,"
        "\"remaining\":10,\"owed\":0,\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":0,"
        "\"reason\":\"table_full\"}\n");
}

static void keys_and_names_are_escaped(void **state)
{
    (void)state;
    struct message message = bucket_message(MESSAGE_ALLOW, "a\"\\\xc3\xa9", 0, denied(QUOTED));
    say_bucket(&message, HEADERS_IETF);
    expect_reply(
        429, reply_type_problem,
        QUOTA_EXCEEDED
        "429,\"violated-policies\":[\"say \\\"hi\\\" \\\\\"],\"allowed\":false,"
        "\"key\":\"a\\\"\\\\\xc3\xa9\",\"limit\":\"say \\\"hi\\\" \\\\\",\"tokens\":0,"
        "\"remaining\":0,\"owed\":0,\"burst\":3,\"retry_after_ms\":1301,\"reset_after_ms\":9301}\n");
    expect_fields("RateLimit-Policy: \"say \\\"hi\\\" \\\\\";q=3;w=3\n"
                  "RateLimit: \"say \\\"hi\\\" \\\\\";r=0;t=1\n"
                  "Retry-After: 2\n");
}

#define BUCKETS_OF_SEVERAL                                                                                \
    "\"buckets\":[{\"name\":\"second\",\"remaining\":19,\"owed\":0,\"burst\":20,\"reset_after_ms\":100}," \
    "{\"name\":\"hour\",\"remaining\":7,\"owed\":0,\"burst\":1000,\"reset_after_ms\":3575001}]"

static void several_buckets_are_listed(void **state)
{
    (void)state;
    expect_allow(
        of_several(BUCKET_ALLOWED), 200,
        "{\"allowed\":true,\"key\":\"k\",\"limit\":\"api\",\"tokens\":1,\"remaining\":7,\"owed\":0,"
        "\"burst\":20,\"retry_after_ms\":0,\"reset_after_ms\":3575001," BUCKETS_OF_SEVERAL "}\n");
    expect_allow(of_several(BUCKET_DENIED), 429,
                 QUOTA_EXCEEDED
                 "429,\"violated-policies\":[\"api/hour\"],\"allowed\":false,\"key\":\"k\","
                 "\"limit\":\"api\",\"tokens\":1,\"remaining\":7,\"owed\":0,\"burst\":20,"
                 "\"retry_after_ms\":5000,\"reset_after_ms\":3575001," BUCKETS_OF_SEVERAL "}\n");
    struct bucket_answer both = of_several(BUCKET_DENIED);
    both.buckets[0].violated = true;
    expect_allow(
        both, 429,
        QUOTA_EXCEEDED
        "429,\"violated-policies\":[\"api/second\",\"api/hour\"],\"allowed\":false,"
        "\"key\":\"k\",\"limit\":\"api\",\"tokens\":1,\"remaining\":7,\"owed\":0,\"burst\":20,"
        "\"retry_after_ms\":5000,\"reset_after_ms\":3575001," BUCKETS_OF_SEVERAL "}\n");
    expect_status(of_several(BUCKET_ALLOWED),
                  "{\"key\":\"k\",\"limit\":\"api\",\"remaining\":7,\"owed\":0,\"burst\":20,"
                  "\"reset_after_ms\":3575001,\"active\":true," BUCKETS_OF_SEVERAL "}\n");
}

/* Of 30 tokens, with what each of two buckets took of them. */
static struct bucket_answer charged(void)
{
    struct bucket_answer answer = of_several(BUCKET_ALLOWED);
    answer.buckets[0] = (struct bucket_state){0, 600, 2500, false, 5, 25};
    answer.buckets[1] = (struct bucket_state){7, 2001, 3575001, false, 0, 30};
    answer.remaining_tokens = 0;
    answer.owed_tokens = 5;
    answer.charged_tokens = 25;
    answer.active = true;
    return answer;
}

static void expect_charge(struct bucket_answer answer, const char *body)
{
    struct message message = bucket_message(MESSAGE_CHARGE, "k", 30, answer);
    say_bucket(&message, HEADERS_NONE);
    expect_reply(200, reply_type_json, body);
    expect_fields("");
}

static void a_charge_says_what_was_charged_forgiven_and_is_owed(void **state)
{
    (void)state;
    expect_charge(
        charged(),
        "{\"key\":\"k\",\"limit\":\"api\",\"tokens\":30,\"charged\":25,\"forgiven\":5,"
        "\"remaining\":0,\"owed\":5,\"burst\":20,\"reset_after_ms\":3575001,\"active\":true,"
        "\"buckets\":[{\"name\":\"second\",\"remaining\":0,\"owed\":5,\"burst\":20,"
        "\"reset_after_ms\":2500,\"charged\":25,\"forgiven\":5},{\"name\":\"hour\","
        "\"remaining\":7,\"owed\":0,\"burst\":1000,\"reset_after_ms\":3575001,\"charged\":30,"
        "\"forgiven\":0}]}\n");
    struct bucket_answer trial = allowed(TRIAL);
    trial.charged_tokens = 30;
    expect_charge(trial,
                  "{\"key\":\"k\",\"limit\":\"trial\",\"tokens\":30,\"charged\":30,"
                  "\"forgiven\":0,\"remaining\":9,\"owed\":0,\"burst\":10,\"reset_after_ms\":1000,"
                  "\"active\":true,\"shadow\":true}\n");
    struct bucket_answer always =
        answer_of(PLAIN, BUCKET_ALWAYS, (struct bucket_state){10, 0, 0, false, 0, 0});
    expect_charge(with_override(always, 0),
                  "{\"key\":\"k\",\"limit\":\"default\",\"tokens\":30,\"charged\":0,"
                  "\"forgiven\":30,\"remaining\":10,\"owed\":0,\"burst\":10,\"reset_after_ms\":0,"
                  "\"active\":false,\"reason\":\"override\",\"override\":\"vip\"}\n");
}

static void a_charge_without_room_is_unavailable(void **state)
{
    (void)state;
    struct bucket_answer full =
        answer_of(PLAIN, BUCKET_TABLE_FULL, (struct bucket_state){10, 0, 0, false, 0, 0});
    full.retry_after_ms = 1000;
    struct message message = bucket_message(MESSAGE_CHARGE, "k", 30, full);
    request.fault_status = 0;
    say_bucket(&message, HEADERS_NONE);
    assert_int_equal(request.reply.status, 503);
    assert_string_equal(request.reply.content_type, reply_type_problem);
    assert_non_null(strstr(request.reply.body, "nothing was charged"));
    expect_fields("");
    request.fault_status = 0;
}

/* ---- leases ---- */

static struct message acquire_message(struct bucket_answer answer)
{
    struct message message = bucket_message(MESSAGE_ACQUIRE, "k", 1, answer);
    message.ask.acquire.slots = 2;
    for (unsigned i = 0; i < LEASE_ID_BYTES; i++)
        message.ask.acquire.id.bytes[i] = (uint8_t)(0xf0 + i);
    return message;
}

static void a_lease_is_told_with_what_is_left(void **state)
{
    (void)state;
    struct bucket_answer granted = allowed(PLAIN);
    granted.expires_after_ms = 30000;
    struct message message = acquire_message(granted);
    say_bucket(&message, HEADERS_IETF);
    expect_reply(200, reply_type_json,
                 "{\"allowed\":true,\"lease\":\"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\","
                 "\"expires_after_ms\":30000,\"slots\":2,\"key\":\"k\",\"limit\":\"default\","
                 "\"tokens\":1,\"remaining\":9,\"owed\":0,\"burst\":10,\"retry_after_ms\":0,"
                 "\"reset_after_ms\":1000}\n");
    expect_fields("RateLimit-Policy: \"default\";q=10;w=10\nRateLimit: \"default\";r=9;t=1\n");
    assert_int_equal(request.reply.terse, TERSE_UNAVAILABLE);
}

/* What holds nothing is a lease all the same, so that it can be released. */
static void a_lease_on_trial_is_told_too(void **state)
{
    (void)state;
    struct bucket_answer granted = denied(TRIAL);
    granted.expires_after_ms = 100;
    struct message message = acquire_message(granted);
    say_bucket(&message, HEADERS_NONE);
    assert_int_equal(request.reply.status, 200);
    assert_non_null(strstr(request.reply.body, "{\"allowed\":true,\"lease\":\"f0f1"));
    assert_non_null(strstr(request.reply.body, "\"would_allow\":false"));
}

static void a_lease_is_denied_as_tokens_are(void **state)
{
    (void)state;
    char body[REPLY_BODY_MAX];
    struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, denied(PLAIN));
    say_bucket(&message, HEADERS_NONE);
    assert_int_equal(request.reply.status, 429);
    strcpy(body, request.reply.body);
    message = acquire_message(denied(PLAIN));
    say_bucket(&message, HEADERS_NONE);
    expect_reply(429, reply_type_problem, body);
    expect_fields("Retry-After: 2\n");
    assert_int_equal(request.reply.terse, TERSE_DENIED);
    asked_deny_status = 200;
    say_bucket(&message, HEADERS_NONE);
    asked_deny_status = REQUEST_DENY_STATUS;
    assert_int_equal(request.reply.status, 200);
    assert_ptr_equal(strstr(request.reply.body, "{\"allowed\":false,\"violated-policies\":"),
                     request.reply.body);
    assert_null(strstr(request.reply.body, "\"lease\""));
}

static void a_lease_waits_as_tokens_do(void **state)
{
    (void)state;
    static const struct {
        enum bucket_result result;
        const char *reason;
    } denials[] = {
        {BUCKET_WAIT_OVER, "\"reason\":\"wait_over\""},
        {BUCKET_TOO_MANY_WAITING, "\"reason\":\"too_many_waiting\""},
        {BUCKET_TOO_MANY_LEASES, "\"reason\":\"too_many_leases\""},
    };
    for (size_t i = 0; i < LENGTH(denials); i++) {
        struct bucket_answer answer = denied(PLAIN);
        answer.result = denials[i].result;
        struct message message = acquire_message(answer);
        say_bucket(&message, HEADERS_NONE);
        assert_int_equal(request.reply.status, 429);
        assert_non_null(strstr(request.reply.body, denials[i].reason));
    }
}

static char leased_key[] = "job \"7\"";

static struct message lease_message(enum message_kind kind, enum lease_state state)
{
    return (struct message){
        .kind = kind,
        .answer.lease = {.state = state,
                         .key = leased_key,
                         .key_len = strlen(leased_key),
                         .limit = &limits->limit[QUOTED],
                         .tokens = 8,
                         .slots = 2,
                         .expires_after_ms = 4001,
                         .returned_tokens = 3,
                         .charged_tokens = 4,
                         .forgiven_tokens = 5,
                         .owed_tokens = 6},
    };
}

static void say_lease(enum message_kind kind, enum lease_state state)
{
    struct message message = lease_message(kind, state);
    request.fault_status = 0;
    say_bucket(&message, HEADERS_IETF);
    request.fault_status = 0;
}

#define LEASED                                                                                     \
    "\"key\":\"job \\\"7\\\"\",\"limit\":\"say \\\"hi\\\" \\\\\",\"tokens\":8,\"slots\":2"

static void what_came_of_a_lease_is_told(void **state)
{
    (void)state;
    say_lease(MESSAGE_RELEASE, LEASE_RELEASED);
    expect_reply(200, reply_type_json,
                 "{\"released\":true," LEASED
                 ",\"returned\":3,\"charged\":4,\"forgiven\":5,\"owed\":6}\n");
    expect_fields("");
    assert_int_equal(request.reply.terse, TERSE_DONE);
    say_lease(MESSAGE_RENEW, LEASE_HELD);
    expect_reply(200, reply_type_json,
                 "{\"state\":\"held\"," LEASED ",\"expires_after_ms\":4001}\n");
    assert_int_equal(request.reply.terse, TERSE_DONE);
    say_lease(MESSAGE_LEASE, LEASE_HELD);
    expect_reply(200, reply_type_json,
                 "{\"state\":\"held\"," LEASED ",\"expires_after_ms\":4001}\n");
    assert_int_equal(request.reply.terse, TERSE_UNAVAILABLE);
    say_lease(MESSAGE_LEASE, LEASE_RELEASED);
    expect_reply(200, reply_type_json,
                 "{\"state\":\"released\"," LEASED ",\"expires_after_ms\":null}\n");
    say_lease(MESSAGE_LEASE, LEASE_EXPIRED);
    expect_reply(200, reply_type_json,
                 "{\"state\":\"expired\"," LEASED ",\"expires_after_ms\":null}\n");
    struct message gone = lease_message(MESSAGE_LEASE, LEASE_LOST_LIMIT);
    gone.answer.lease.limit = NULL;
    say_bucket(&gone, HEADERS_IETF);
    expect_reply(200, reply_type_json,
                 "{\"state\":\"limit_removed\",\"key\":\"job \\\"7\\\"\",\"limit\":null,"
                 "\"tokens\":8,\"slots\":2,\"expires_after_ms\":null}\n");
}

static void what_cannot_be_done_with_a_lease_says_why(void **state)
{
    (void)state;
    static const struct {
        enum message_kind kind;
        enum lease_state state;
        const char *says;
    } gone[] = {
        {MESSAGE_RELEASE, LEASE_NONE, "there is no such lease here"},
        {MESSAGE_RENEW, LEASE_NONE, "or another allowd gave it"},
        {MESSAGE_LEASE, LEASE_NONE, "it ended too long ago to be remembered"},
        {MESSAGE_RELEASE, LEASE_EXPIRED, "this lease has expired"},
        {MESSAGE_RENEW, LEASE_EXPIRED, "acquire another one, with a longer ttl"},
        {MESSAGE_RENEW, LEASE_RELEASED, "has been released already"},
        {MESSAGE_RELEASE, LEASE_LOST_LIMIT, "has been removed from the configuration"},
        {MESSAGE_RENEW, LEASE_LOST_LIMIT, "it holds nothing"},
    };
    say_lease(MESSAGE_RENEW, LEASE_UNRENEWED);
    assert_int_equal(request.reply.status, 503);
    assert_non_null(strstr(request.reply.body, "it is held as before, and ends after 4001 ms"));
    for (size_t i = 0; i < LENGTH(gone); i++) {
        say_lease(gone[i].kind, gone[i].state);
        assert_int_equal(request.reply.status, 404);
        assert_ptr_equal(request.reply.content_type, reply_type_problem);
        if (strstr(request.reply.body, gone[i].says) == NULL)
            fail_msg("%s does not say %s", request.reply.body, gone[i].says);
        expect_fields("");
    }
}

static void a_bucket_with_a_name_is_listed(void **state)
{
    (void)state;
    struct bucket_answer answer =
        answer_of(NAMED, BUCKET_ALLOWED, (struct bucket_state){5, 0, 0, false, 0, 0});
    expect_status(answer,
                  "{\"key\":\"k\",\"limit\":\"named\",\"remaining\":5,\"owed\":0,\"burst\":5,"
                  "\"reset_after_ms\":0,\"active\":false,\"buckets\":[{\"name\":\"only\","
                  "\"remaining\":5,\"owed\":0,\"burst\":5,\"reset_after_ms\":0}]}\n");
}

static void overrides_are_named(void **state)
{
    (void)state;
    struct bucket_answer full =
        answer_of(PLAIN, BUCKET_ALWAYS, (struct bucket_state){10, 0, 0, false, 0, 0});
    expect_allow(
        with_override(full, 0), 200,
        "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1,"
        "\"remaining\":10,\"owed\":0,\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":0,"
        "\"reason\":\"override\",\"override\":\"vip\"}\n");
    full.result = BUCKET_NEVER;
    full.retry_after_ms = RETRY_NEVER;
    expect_allow(with_override(full, 1), 429,
                 QUOTA_EXCEEDED
                 "429,\"violated-policies\":[\"default\"],\"allowed\":false,\"key\":\"k\","
                 "\"limit\":\"default\",\"tokens\":1,\"remaining\":10,\"owed\":0,\"burst\":10,"
                 "\"retry_after_ms\":null,\"reset_after_ms\":0,\"reason\":\"override\","
                 "\"override\":\"bad \\\"*\\\"\"}\n");
    expect_fields("X-Should-Retry: false\n");
    expect_status(with_override(full, 1),
                  "{\"key\":\"k\",\"limit\":\"default\",\"remaining\":10,\"owed\":0,\"burst\":10,"
                  "\"reset_after_ms\":0,\"active\":false,\"override\":\"bad \\\"*\\\"\"}\n");
    expect_allow(
        with_override(allowed(PLAIN), 2), 200,
        "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1,"
        "\"remaining\":9,\"owed\":0,\"burst\":500,\"retry_after_ms\":0,\"reset_after_ms\":1000,"
        "\"override\":\"partner\"}\n");
}

static void a_limit_on_trial_allows_and_says_what_it_would_do(void **state)
{
    (void)state;
    expect_allow(allowed(TRIAL), 200,
                 "{\"allowed\":true,\"key\":\"k\",\"limit\":\"trial\",\"tokens\":1," PLAIN_NUMBERS
                 ",\"shadow\":true,\"would_allow\":true}\n");
    expect_allow(
        denied(TRIAL), 200,
        "{\"allowed\":true,\"key\":\"k\",\"limit\":\"trial\",\"tokens\":1,\"remaining\":0,\"owed\":0,"
        "\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":9301,\"shadow\":true,"
        "\"would_allow\":false,\"violated-policies\":[\"trial\"]}\n");
    expect_fields("");
    expect_allow(
        exceeding(TRIAL), 200,
        "{\"allowed\":true,\"key\":\"k\",\"limit\":\"trial\",\"tokens\":1,"
        "\"remaining\":10,\"owed\":0,\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":0,"
        "\"reason\":\"exceeds_burst\",\"shadow\":true,\"would_allow\":false,"
        "\"violated-policies\":[\"trial\"]}\n");
    expect_status(allowed(TRIAL),
                  "{\"key\":\"k\",\"limit\":\"trial\",\"remaining\":9,\"owed\":0,\"burst\":10,"
                  "\"reset_after_ms\":1000,\"active\":true,\"shadow\":true}\n");
}

/* ---- those that wait ---- */

static struct bucket_answer waited(struct bucket_answer answer, uint64_t ms)
{
    answer.has_waited = true;
    answer.waited_ms = ms;
    return answer;
}

static struct bucket_answer with_result(struct bucket_answer answer, enum bucket_result result)
{
    answer.result = result;
    return answer;
}

#define DENIED_FOR(reason, extra)                                                                  \
    QUOTA_EXCEEDED                                                                                 \
    "429,\"violated-policies\":[\"default\"],\"allowed\":false,\"key\":\"k\","                     \
    "\"limit\":\"default\",\"tokens\":1,\"remaining\":0,\"owed\":0,\"burst\":10,"                  \
    "\"retry_after_ms\":1301,\"reset_after_ms\":9301" extra ",\"reason\":\"" reason "\"}\n"

static void who_has_waited_is_told_for_how_long(void **state)
{
    (void)state;
    expect_allow(waited(allowed(PLAIN), 1250), 200,
                 "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1," PLAIN_NUMBERS
                 ",\"waited_ms\":1250}\n");
    expect_allow(waited(allowed(PLAIN), 0), 200,
                 "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1," PLAIN_NUMBERS
                 ",\"waited_ms\":0}\n");
    expect_allow(waited(with_result(denied(PLAIN), BUCKET_WAIT_OVER), 5000), 429,
                 DENIED_FOR("wait_over", ",\"waited_ms\":5000"));
    expect_fields("Retry-After: 2\n");
}

static void who_may_not_wait_is_told_why(void **state)
{
    (void)state;
    expect_allow(with_result(denied(PLAIN), BUCKET_TOO_MANY_WAITING), 429,
                 DENIED_FOR("too_many_waiting", ""));
    expect_allow(with_result(denied(PLAIN), BUCKET_TOO_MANY_LEASES), 429,
                 DENIED_FOR("too_many_leases", ""));
}

static void on_trial_it_is_told_who_would_wait(void **state)
{
    (void)state;
    struct bucket_answer answer = denied(TRIAL);
    answer.would_wait_ms = 1301;
    expect_allow(
        answer, 200,
        "{\"allowed\":true,\"key\":\"k\",\"limit\":\"trial\",\"tokens\":1,\"remaining\":0,\"owed\":0,"
        "\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":9301,\"shadow\":true,"
        "\"would_allow\":false,\"would_wait_ms\":1301,\"violated-policies\":[\"trial\"]}\n");
}

/* Some clients take a 503 with Retry-After for a reason to come back without end. */
static void who_waits_in_a_drain_is_told_of_it(void **state)
{
    (void)state;
    static const char said[] =
        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
        "\"detail\":\"draining: allowd is about to end, so nobody waits any more; nothing was taken, "
        "so ask again once allowd is back\"}\n";
    const struct bucket_answer left = {.result = BUCKET_LEFT};
    const struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, left);
    request.fault_status = 0;
    say_bucket(&message, HEADERS_IETF);
    expect_reply(503, reply_type_problem, said);
    expect_fields("");
    request.fault_status = 0;
    say_check(&left, 403, HEADERS_IETF);
    expect_reply(503, reply_type_problem, said);
    expect_fields("");
    request.fault_status = 0;
}

/* ---- another status for denials ---- */

#define DENIED_NUMBERS                                                                             \
    "\"key\":\"k\",\"limit\":\"default\",\"tokens\":1,\"remaining\":0,\"owed\":0,\"burst\":10,"    \
    "\"retry_after_ms\":1301,\"reset_after_ms\":9301}\n"

static void a_denial_has_the_status_asked_for(void **state)
{
    (void)state;
    struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, denied(PLAIN));
    asked_deny_status = 403;
    say_bucket(&message, HEADERS_NONE);
    expect_reply(403, reply_type_problem,
                 QUOTA_EXCEEDED
                 "403,\"violated-policies\":[\"default\"],\"allowed\":false," DENIED_NUMBERS);
    expect_fields("Retry-After: 2\n");

    /* A problem's "status" would mislead under 200. */
    asked_deny_status = 200;
    say_bucket(&message, HEADERS_NONE);
    expect_reply(200, reply_type_json,
                 "{\"allowed\":false,\"violated-policies\":[\"default\"]," DENIED_NUMBERS);
    expect_fields("Retry-After: 2\n");
    assert_true(request.reply.recurs);
    assert_int_equal(request.reply.terse, TERSE_DENIED);

    message = bucket_message(MESSAGE_ALLOW, "k", 1, denied(TRIAL));
    say_bucket(&message, HEADERS_NONE);
    assert_int_equal(request.reply.terse, TERSE_ALLOWED);
    asked_deny_status = REQUEST_DENY_STATUS;
}

/* ---- dialects ---- */

static void expect_dialect(enum headers_dialect dialect, struct bucket_answer answer,
                           const char *fields)
{
    struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, answer);
    say_bucket(&message, dialect);
    expect_fields(fields);
    say_check(&answer, 403, dialect);
    expect_fields(fields);
}

/* The same for what asks for no tokens. */
static void expect_status_in(enum headers_dialect dialect, struct bucket_answer answer,
                             const char *fields)
{
    struct message message = bucket_message(MESSAGE_STATUS, "k", 1, answer);
    say_bucket(&message, dialect);
    expect_fields(fields);
}

static void one_bucket_in_every_dialect(void **state)
{
    (void)state;
    expect_dialect(HEADERS_IETF, denied(PLAIN),
                   "RateLimit-Policy: \"default\";q=10;w=10\nRateLimit: \"default\";r=0;t=1\n"
                   "Retry-After: 2\n");
    expect_dialect(HEADERS_DRAFT_03, denied(PLAIN),
                   "RateLimit-Limit: 10, 10;w=10\nRateLimit-Remaining: 0\nRateLimit-Reset: 10\n"
                   "Retry-After: 2\n");
    expect_dialect(HEADERS_IETF_ACW, denied(PLAIN),
                   "RateLimit-Policy: \"default\";q=10;w=10\nRateLimit: \"default\";a=0;w=1;c=1\n"
                   "Retry-After: 2\n");
    expect_dialect(HEADERS_X_RATELIMIT, denied(PLAIN),
                   "X-RateLimit-Limit: 10\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 10\n"
                   "Retry-After: 2\n");
    expect_dialect(HEADERS_NONE, denied(PLAIN), "Retry-After: 2\n");
    expect_dialect(HEADERS_NONE, allowed(PLAIN), "");
}

static void several_buckets_in_every_dialect(void **state)
{
    (void)state;
    struct bucket_answer answer = of_several(BUCKET_ALLOWED);
    expect_dialect(HEADERS_IETF, answer,
                   "RateLimit-Policy: \"api/second\";q=20;w=2, \"api/hour\";q=1000;w=3600\n"
                   "RateLimit: \"api/second\";r=19;t=1, \"api/hour\";r=7;t=3\n");
    expect_dialect(HEADERS_IETF_ACW, answer,
                   "RateLimit-Policy: \"api/second\";q=20;w=2, \"api/hour\";q=1000;w=3600\n"
                   "RateLimit: \"api/second\";a=19;w=1;c=1, \"api/hour\";a=7;w=3;c=1\n");
    expect_dialect(HEADERS_DRAFT_03, answer,
                   "RateLimit-Limit: 1000, 20;w=2, 1000;w=3600\nRateLimit-Remaining: 7\n"
                   "RateLimit-Reset: 3576\n");
    expect_dialect(HEADERS_X_RATELIMIT, answer,
                   "X-RateLimit-Limit: 1000\nX-RateLimit-Remaining: 7\n"
                   "X-RateLimit-Reset: 3576\n");
    answer.buckets[1].remaining_tokens = 19; /* of two that hold the same, the first */
    expect_dialect(HEADERS_X_RATELIMIT, answer,
                   "X-RateLimit-Limit: 20\nX-RateLimit-Remaining: 19\nX-RateLimit-Reset: 1\n");
    answer.buckets[0].remaining_tokens = answer.buckets[1].remaining_tokens = 0;
    answer.buckets[1].owed_tokens = 1; /* of two that hold nothing, the one that owes */
    expect_dialect(HEADERS_X_RATELIMIT, answer,
                   "X-RateLimit-Limit: 1000\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 3576\n");
}

static void the_successor_tells_window_and_cost(void **state)
{
    (void)state;
#define POLICY "RateLimit-Policy: \"default\";q=10;w=10\nRateLimit: \"default\";"
    expect_status_in(HEADERS_IETF_ACW, allowed(PLAIN), POLICY "a=9;w=1\n");
    expect_status_in(HEADERS_IETF_ACW, denied(PLAIN), POLICY "a=0;w=1\n");
    struct bucket_answer full =
        answer_of(PLAIN, BUCKET_ALLOWED, (struct bucket_state){10, 0, 0, false, 0, 0});
    expect_status_in(HEADERS_IETF_ACW, full, POLICY "a=10;w=1\n");

    /* Of a full bucket the window is as long as a token takes. */
    struct bucket_answer several = of_several(BUCKET_ALLOWED);
    several.buckets[1] = (struct bucket_state){1000, 0, 0, false, 0, 0};
    expect_status_in(HEADERS_IETF_ACW, several,
                     "RateLimit-Policy: \"api/second\";q=20;w=2, \"api/hour\";q=1000;w=3600\n"
                     "RateLimit: \"api/second\";a=19;w=1, \"api/hour\";a=1000;w=4\n");

    /* What costs nothing: a look, and what is not counted. */
    struct message look = bucket_message(MESSAGE_ALLOW, "k", 0, full);
    say_bucket(&look, HEADERS_IETF_ACW);
    expect_fields(POLICY "a=10;w=1;c=0\n");
    static const enum bucket_result uncounted[] = {BUCKET_ALWAYS, BUCKET_UNCOUNTED};
    for (size_t i = 0; i < LENGTH(uncounted); i++) {
        full.result = uncounted[i];
        struct message message = bucket_message(MESSAGE_ALLOW, "k", 7, full);
        say_bucket(&message, HEADERS_IETF_ACW);
        expect_fields(POLICY "a=10;w=1;c=0\n");
    }
    struct message message = bucket_message(MESSAGE_ALLOW, "k", 11, exceeding(PLAIN));
    say_bucket(&message, HEADERS_IETF_ACW);
    expect_fields(POLICY "a=10;w=1;c=11\nX-Should-Retry: false\n");

    /* There never will be more. */
    struct bucket_state nothing = {.next_token_ms = RETRY_NEVER};
    struct bucket_answer never = with_override(answer_of(PLAIN, BUCKET_NEVER, nothing), 1);
    never.retry_after_ms = RETRY_NEVER;
    expect_dialect(HEADERS_IETF_ACW, never, POLICY "a=0;c=1\nX-Should-Retry: false\n");
#undef POLICY
}

/* Unix time and milliseconds add up before they are rounded, and never overflow. */
static void the_epoch_dialect_tells_a_date(void **state)
{
    (void)state;
    static const struct {
        uint64_t wall_ns, reset_ms;
        const char *reset;
    } dates[] = {
        {0, 0, "X-RateLimit-Reset: 0\n"},
        {1800000000 * NS_PER_S, 0, "X-RateLimit-Reset: 1800000000\n"},
        {1800000000 * NS_PER_S + 1, 0, "X-RateLimit-Reset: 1800000001\n"},
        {1800000000 * NS_PER_S, 1, "X-RateLimit-Reset: 1800000001\n"},
        {1800000000 * NS_PER_S + 1, 999, "X-RateLimit-Reset: 1800000001\n"},
        {1800000000 * NS_PER_S + 1 * NS_PER_MS, 999, "X-RateLimit-Reset: 1800000001\n"},
        {1800000000 * NS_PER_S + 1 * NS_PER_MS + 1, 999, "X-RateLimit-Reset: 1800000002\n"},
        {1800000000 * NS_PER_S + 999999999, 999, "X-RateLimit-Reset: 1800000002\n"},
        {1800000000 * NS_PER_S, 86400000, "X-RateLimit-Reset: 1800086400\n"},
        {UINT64_MAX, RETRY_NEVER - 1, "X-RateLimit-Reset: 18446762520453626\n"},
        {1800000000 * NS_PER_S, RETRY_NEVER, ""},
    };
    for (size_t i = 0; i < LENGTH(dates); i++) {
        char fields[256];
        struct bucket_state bucket = {9, 0, dates[i].reset_ms, false, 0, 0};
        request.route = &route_status;
        request.message =
            bucket_message(MESSAGE_STATUS, "k", 1, answer_of(PLAIN, BUCKET_ALLOWED, bucket));
        request_reply(&request,
                      &(struct serving){.routes = &route_table,
                                        .dialect = dialect_table[HEADERS_X_RATELIMIT_EPOCH],
                                        .wall_ns = dates[i].wall_ns});
        snprintf(fields, sizeof fields, "X-RateLimit-Limit: 10\nX-RateLimit-Remaining: 9\n%s",
                 dates[i].reset);
        expect_fields(fields);
    }
}

static void an_override_has_its_own_numbers_in_every_dialect(void **state)
{
    (void)state;
    struct bucket_answer answer = with_override(allowed(PLAIN), 2);
    expect_dialect(HEADERS_IETF, answer,
                   "RateLimit-Policy: \"default\";q=500;w=3\nRateLimit: \"default\";r=9;t=1\n");
    expect_dialect(HEADERS_DRAFT_03, answer,
                   "RateLimit-Limit: 500, 500;w=3\nRateLimit-Remaining: 9\nRateLimit-Reset: 1\n");
    struct bucket_state nothing = {.next_token_ms = RETRY_NEVER};
    answer = with_override(answer_of(PLAIN, BUCKET_NEVER, nothing), 1);
    answer.retry_after_ms = RETRY_NEVER;
    expect_dialect(HEADERS_IETF, answer,
                   "RateLimit-Policy: \"default\";q=10;w=10\nRateLimit: \"default\";r=0\n"
                   "X-Should-Retry: false\n");
    expect_dialect(HEADERS_DRAFT_03, answer,
                   "RateLimit-Limit: 10, 10;w=10\nRateLimit-Remaining: 0\n"
                   "X-Should-Retry: false\n");
    answer.buckets[0].next_token_ms = 60000; /* the override has an end */
    expect_dialect(HEADERS_X_RATELIMIT, answer,
                   "X-RateLimit-Limit: 10\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 60\n"
                   "X-Should-Retry: false\n");
}

/* http/wire/response.c tells fields apart by their names' addresses. */
static void a_name_is_always_the_same_pointer(void **state)
{
    (void)state;
    for (enum headers_dialect dialect = 0; dialect < HEADERS_DIALECTS; dialect++) {
        struct bucket_answer answer = denied(PLAIN);
        struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, answer);
        const char *names[REPLY_FIELDS_MAX] = {0};
        say_bucket(&message, dialect);
        for (uint32_t i = 0; i < request.reply.fields_count; i++)
            names[i] = request.reply.fields[i].name;
        say_check(&answer, 403, dialect);
        for (uint32_t i = 0; i < request.reply.fields_count; i++)
            assert_ptr_equal(request.reply.fields[i].name, names[i]);
    }
}

/* A check that wrote one of them out would send it twice. */
static void no_check_can_write_out_a_field_of_a_reply(void **state)
{
    (void)state;
    const struct bucket_answer answers[] = {denied(PLAIN), exceeding(PLAIN)};
    tells_retry_after_ms = true;
    for (enum headers_dialect dialect = 0; dialect < HEADERS_DIALECTS; dialect++)
        for (size_t i = 0; i < LENGTH(answers); i++) {
            say_check(&answers[i], 403, dialect);
            for (uint32_t field = 0; field < request.reply.fields_count; field++) {
                char header[64], fault[CHECK_FAULT_MAX];
                size_t longest;
                snprintf(header, sizeof header, "%s: 1", request.reply.fields[field].name);
                assert_false(check_header_is_valid(header, fault, &longest));
                assert_non_null(strstr(fault, "by the server itself"));
            }
        }
    tells_retry_after_ms = false;
}

/* The body tells a wait of any length. */
static void retry_after_is_whole_seconds_from_one_to_twenty_days(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *field, *body_ms;
    } rounded[] = {
        {0, "Retry-After: 1\n", "0"},
        {1, "Retry-After: 1\n", "1"},
        {1000, "Retry-After: 1\n", "1000"},
        {1001, "Retry-After: 2\n", "1001"},
        {1727999001, "Retry-After: 1728000\n", "1727999001"},
        {1728000000, "Retry-After: 1728000\n", "1728000000"},
        {1728000001, "Retry-After: 1728000\n", "1728000001"},
        {2147483648, "Retry-After: 1728000\n", "2147483648"},
        {RETRY_NEVER - 1, "Retry-After: 1728000\n", "18446744073709551614"},
        {RETRY_NEVER, "X-Should-Retry: false\n", "null"},
    };
    for (size_t i = 0; i < LENGTH(rounded); i++) {
        struct bucket_answer answer = denied(PLAIN);
        answer.retry_after_ms = rounded[i].ms;
        say_check(&answer, 429, HEADERS_NONE);
        expect_fields(rounded[i].field);
        char body[256];
        snprintf(body, sizeof body,
                 QUOTA_EXCEEDED "429,\"violated-policies\":[\"default\"],\"retry_after_ms\":%s}\n",
                 rounded[i].body_ms);
        expect_reply(429, reply_type_problem, body);
    }
}

/* It tells the same wait in the same bounds, and is not there unless it is configured. */
static void retry_after_ms_is_exact(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *fields;
    } exact[] = {
        {0, "Retry-After: 1\nRetry-After-Ms: 1\n"},
        {1, "Retry-After: 1\nRetry-After-Ms: 1\n"},
        {100, "Retry-After: 1\nRetry-After-Ms: 100\n"},
        {1001, "Retry-After: 2\nRetry-After-Ms: 1001\n"},
        {1727999999, "Retry-After: 1728000\nRetry-After-Ms: 1727999999\n"},
        {1728000000, "Retry-After: 1728000\nRetry-After-Ms: 1728000000\n"},
        {1728000001, "Retry-After: 1728000\nRetry-After-Ms: 1728000000\n"},
        {RETRY_NEVER - 1, "Retry-After: 1728000\nRetry-After-Ms: 1728000000\n"},
        {RETRY_NEVER, "X-Should-Retry: false\n"},
    };
    for (size_t i = 0; i < LENGTH(exact); i++) {
        struct bucket_answer answer = denied(PLAIN);
        answer.retry_after_ms = exact[i].ms;
        struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, answer);
        tells_retry_after_ms = true;
        say_bucket(&message, HEADERS_NONE);
        tells_retry_after_ms = false;
        expect_fields(exact[i].fields);
    }
}

/* ---- checks ---- */

static void checks_allow_without_content(void **state)
{
    (void)state;
    struct bucket_answer answer = allowed(PLAIN);
    say_check(&answer, 403, HEADERS_IETF);
    expect_reply(200, NULL, "");
    assert_true(request.reply.recurs);
    answer = denied(TRIAL);
    say_check(&answer, 403, HEADERS_NONE);
    expect_reply(200, NULL, "");
    expect_fields("");
}

static void checks_deny_with_the_status_chosen(void **state)
{
    (void)state;
    struct bucket_answer answer = denied(PLAIN);
    say_check(&answer, 403, HEADERS_NONE);
    expect_reply(403, reply_type_problem,
                 QUOTA_EXCEEDED "403,\"violated-policies\":[\"default\"],"
                                "\"retry_after_ms\":1301}\n");
    expect_fields("Retry-After: 2\n");
    answer = exceeding(PLAIN);
    say_check(&answer, 599, HEADERS_NONE);
    expect_reply(599, reply_type_problem,
                 QUOTA_EXCEEDED "599,\"violated-policies\":[\"default\"],"
                                "\"retry_after_ms\":null}\n");
    expect_fields("X-Should-Retry: false\n");
}

static void checks_without_a_key_say_so(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"}, {401, "Unauthorized"},        {403, "Forbidden"},
        {418, "Bad Request"}, {429, "Too Many Requests"},   {451, "Unavailable For Legal Reasons"},
        {499, "Bad Request"}, {503, "Service Unavailable"}, {599, "Internal Server Error"},
    };
    for (size_t i = 0; i < LENGTH(titles); i++) {
        char body[512];
        snprintf(body, sizeof body,
                 "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"the "
                 "request lacks a part of this check's key; have the proxy pass it on, or "
                 "change the key in the configuration\"}\n",
                 titles[i].title, titles[i].status);
        say_check_missing(false, titles[i].status);
        expect_reply(titles[i].status, reply_type_problem, body);
        expect_fields("X-Should-Retry: false\n");
    }
    say_check_missing(true, 403);
    expect_reply(200, NULL, "");
    expect_fields("");
}

/* ---- slots ---- */

/* Of eight slots five are free. */
static struct bucket_answer of_slots(void)
{
    struct bucket_answer answer = answer_of(
        SLOTS, BUCKET_ALLOWED, (struct bucket_state){5, RETRY_NEVER, RETRY_NEVER, false, 0, 0});
    answer.active = true;
    return answer;
}

/* Of four slots one is free, and 29 of 30 tokens are there. */
static struct bucket_answer of_mixed(void)
{
    struct bucket_answer answer = answer_of(
        MIXED, BUCKET_ALLOWED, (struct bucket_state){1, RETRY_NEVER, RETRY_NEVER, false, 0, 0});
    answer.buckets[1] = (struct bucket_state){29, 2000, 2000, false, 0, 0};
    answer.remaining_tokens = 29;
    return answer;
}

static void of_slots_no_time_is_told(void **state)
{
    (void)state;
    expect_status(of_slots(), "{\"key\":\"k\",\"limit\":\"jobs\",\"remaining\":5,\"owed\":0,"
                              "\"burst\":8,\"reset_after_ms\":null,\"active\":true}\n");
    expect_status(
        of_mixed(),
        "{\"key\":\"k\",\"limit\":\"mixed\",\"remaining\":29,\"owed\":0,\"burst\":30,"
        "\"reset_after_ms\":null,\"active\":true,"
        "\"buckets\":[{\"name\":\"running\",\"remaining\":1,\"owed\":0,\"burst\":4,"
        "\"reset_after_ms\":null},{\"name\":\"minute\",\"remaining\":29,\"owed\":0,\"burst\":30,"
        "\"reset_after_ms\":2000}]}\n");
}

static void a_charge_is_told_of_the_buckets_of_tokens(void **state)
{
    (void)state;
    struct bucket_answer answer = of_mixed();
    answer.charged_tokens = answer.buckets[1].charged_tokens = 3;
    struct message message = bucket_message(MESSAGE_CHARGE, "k", 5, answer);
    say_bucket(&message, HEADERS_NONE);
    expect_reply(200, reply_type_json,
                 "{\"key\":\"k\",\"limit\":\"mixed\",\"tokens\":5,\"charged\":3,\"forgiven\":2,"
                 "\"remaining\":29,\"owed\":0,\"burst\":30,\"reset_after_ms\":null,\"active\":true,"
                 "\"buckets\":[{\"name\":\"running\",\"remaining\":1,\"owed\":0,\"burst\":4,"
                 "\"reset_after_ms\":null},{\"name\":\"minute\",\"remaining\":29,\"owed\":0,"
                 "\"burst\":30,\"reset_after_ms\":2000,\"charged\":3,\"forgiven\":2}]}\n");
}

static void each_dialect_tells_slots_without_a_time(void **state)
{
    (void)state;
    static const struct {
        enum headers_dialect dialect;
        const char *of_slots, *of_mixed;
    } cases[] = {
        {HEADERS_IETF,
         "RateLimit-Policy: \"jobs\";q=8;qu=\"concurrent-requests\"\nRateLimit: \"jobs\";r=5\n",
         "RateLimit-Policy: \"mixed/running\";q=4;qu=\"concurrent-requests\", "
         "\"mixed/minute\";q=30;w=60\n"
         "RateLimit: \"mixed/running\";r=1, \"mixed/minute\";r=29;t=2\n"},
        {HEADERS_IETF_ACW,
         "RateLimit-Policy: \"jobs\";q=8;qu=\"concurrent-requests\"\nRateLimit: \"jobs\";a=5\n",
         "RateLimit-Policy: \"mixed/running\";q=4;qu=\"concurrent-requests\", "
         "\"mixed/minute\";q=30;w=60\n"
         "RateLimit: \"mixed/running\";a=1, \"mixed/minute\";a=29;w=2\n"},
        {HEADERS_DRAFT_03, "RateLimit-Limit: 8\nRateLimit-Remaining: 5\n",
         "RateLimit-Limit: 4, 30;w=60\nRateLimit-Remaining: 1\n"},
        {HEADERS_X_RATELIMIT, "X-RateLimit-Limit: 8\nX-RateLimit-Remaining: 5\n",
         "X-RateLimit-Limit: 4\nX-RateLimit-Remaining: 1\n"},
        {HEADERS_X_RATELIMIT_EPOCH, "X-RateLimit-Limit: 8\nX-RateLimit-Remaining: 5\n",
         "X-RateLimit-Limit: 4\nX-RateLimit-Remaining: 1\n"},
        {HEADERS_NONE, "", ""},
    };
    assert_int_equal(LENGTH(cases), HEADERS_DIALECTS);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct message message = bucket_message(MESSAGE_STATUS, "k", 0, of_slots());
        say_bucket(&message, cases[i].dialect);
        expect_fields(cases[i].of_slots);
        message.answer.bucket = of_mixed();
        say_bucket(&message, cases[i].dialect);
        expect_fields(cases[i].of_mixed);
    }
}

#define NEEDS_LEASE                                                                                  \
    "limit \"jobs\" counts what goes on at a time, and this call does not say when that ends; POST " \
    "/acquire?key=KEY instead, and /release its lease at the end"

static void expect_problem(unsigned status, const char *detail)
{
    assert_int_equal(request.reply.status, status);
    assert_ptr_equal(request.reply.content_type, reply_type_problem);
    assert_string_equal(request.detail, detail);
    expect_fields("");
}

static void what_slots_are_not_for_is_refused(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_RESET, MESSAGE_REFUND, MESSAGE_CHARGE};
    struct bucket_answer answer = {.result = BUCKET_NEEDS_LEASE, .limit = &limits->limit[SLOTS]};
    struct message message = bucket_message(MESSAGE_ALLOW, "k", 1, answer);
    say_bucket(&message, HEADERS_IETF);
    expect_problem(400, NEEDS_LEASE);

    request.fault_status = 0;
    say_check(&answer, 403, HEADERS_IETF);
    expect_problem(500,
                   "the key of this check falls under limit \"jobs\", which has slots, and a "
                   "check takes none; in the configuration, have the check name another limit");

    answer.result = BUCKET_SLOTS_ONLY;
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        char wanted[160];
        message = bucket_message(kinds[i], "k", 1, answer);
        request.fault_status = 0;
        say_bucket(&message, HEADERS_IETF);
        snprintf(wanted, sizeof wanted,
                 "limit \"jobs\" has no tokens, only slots, which /release gives back; %s is for "
                 "limits with a rate",
                 request.route->path);
        expect_problem(400, wanted);
    }
    request.fault_status = 0;
}

/* ---- without memory ---- */

static void what_was_decided_can_be_told_without_memory(void **state)
{
    (void)state;
    struct bucket_answer yes = allowed(PLAIN), no = denied(PLAIN), trial = denied(TRIAL);
    struct bucket_answer none = {.result = BUCKET_NO_SUCH_LIMIT};
    const struct {
        enum message_kind kind;
        const struct bucket_answer *answer;
        enum reply_terse terse;
    } cases[] = {
        {MESSAGE_ALLOW, &yes, TERSE_ALLOWED},       {MESSAGE_ALLOW, &no, TERSE_DENIED},
        {MESSAGE_ALLOW, &trial, TERSE_ALLOWED},     {MESSAGE_ALLOW, &none, TERSE_UNAVAILABLE},
        {MESSAGE_RESET, &yes, TERSE_DONE},          {MESSAGE_REFUND, &no, TERSE_DONE},
        {MESSAGE_RESET, &none, TERSE_UNAVAILABLE},  {MESSAGE_REFUND, &none, TERSE_UNAVAILABLE},
        {MESSAGE_STATUS, &yes, TERSE_UNAVAILABLE},  {MESSAGE_CHARGE, &yes, TERSE_DONE},
        {MESSAGE_CHARGE, &none, TERSE_UNAVAILABLE},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct message message = bucket_message(cases[i].kind, "k", 1, *cases[i].answer);
        request.fault_status = 0;
        say_bucket(&message, HEADERS_IETF);
        assert_int_equal(request.reply.terse, cases[i].terse);
    }
    request.fault_status = 0;
    say_check(&yes, 403, HEADERS_IETF);
    assert_int_equal(request.reply.terse, TERSE_ALLOWED);
    say_check(&no, 403, HEADERS_IETF);
    assert_int_equal(request.reply.terse, TERSE_DENIED);
    say_check(&none, 403, HEADERS_IETF);
    assert_int_equal(request.reply.terse, TERSE_UNAVAILABLE);
    say_check_missing(true, 403);
    assert_int_equal(request.reply.terse, TERSE_ALLOWED);
    say_check_missing(false, 403);
    assert_int_equal(request.reply.terse, TERSE_DENIED);
}

/* ---- lists ---- */

/* Asks for one token of each key. */
static struct message list_of(enum message_kind kind, struct bucket_call *calls, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (calls[i].ask.key == NULL)
            calls[i].ask = (struct bucket_question){.key = "k", .key_len = 1, .tokens = 1};
    return (struct message){
        .kind = kind,
        .ask.list = {calls, count},
        .answer.list = {.no_such_limit = count, .needs_lease = count, .allowed = true},
    };
}

static void write_list(const struct message *message)
{
    char *room = malloc(reply_list_room(&message->ask.list));
    assert_non_null(room);
    reply_list(&request.reply, message, asked_deny_status, room,
               &(struct serving){.routes = &route_table});
    assert_false(request.reply.recurs);
}

static void expect_list(const struct message *message, unsigned status, const char *body)
{
    write_list(message);
    expect_reply(status, status == 200 ? reply_type_json : reply_type_problem, body);
    free(request.reply.large_body);
}

#define ALLOWED_ITEM                                                                               \
    "{\"allowed\":true,\"key\":\"k\",\"limit\":\"default\",\"tokens\":1," PLAIN_NUMBERS "}"
#define DENIED_ITEM                                                                                \
    "{\"allowed\":false,\"violated-policies\":[\"default\"],\"key\":\"k\",\"limit\":\"default\","  \
    "\"tokens\":1,\"remaining\":0,\"owed\":0,\"burst\":10,\"retry_after_ms\":1301,\"reset_after_ms\":9301}"

static void each_of_a_list_has_its_result(void **state)
{
    (void)state;
    struct bucket_call calls[] = {
        {.answer = allowed(PLAIN)}, {.answer = denied(PLAIN)}, {.answer = denied(TRIAL)}};
    struct message message = list_of(MESSAGE_EACH, calls, 3);
    expect_list(
        &message, 200,
        "{\"results\":[" ALLOWED_ITEM "," DENIED_ITEM
        ",{\"allowed\":true,\"key\":\"k\",\"limit\":\"trial\",\"tokens\":1,\"remaining\":0,\"owed\":0,"
        "\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":9301,\"shadow\":true,"
        "\"would_allow\":false,\"violated-policies\":[\"trial\"]}]}\n");
    expect_fields("");
    message.ask.list.count = 1;
    expect_list(&message, 200, "{\"results\":[" ALLOWED_ITEM "]}\n");
    assert_int_equal(request.reply.terse, TERSE_UNAVAILABLE); /* which ones has no short way */
}

static void all_of_a_list_is_allowed(void **state)
{
    (void)state;
    struct bucket_call calls[] = {{.answer = allowed(PLAIN)}, {.answer = allowed(PLAIN)}};
    struct message message = list_of(MESSAGE_ALL, calls, 2);
    expect_list(&message, 200,
                "{\"allowed\":true,\"results\":[" ALLOWED_ITEM "," ALLOWED_ITEM "]}\n");
    expect_fields("");
    assert_int_equal(request.reply.terse, TERSE_ALLOWED);
}

/* What is on trial is not allowed either when something else is denied. */
static void all_of_a_list_is_denied(void **state)
{
    (void)state;
    struct bucket_call calls[] = {{.answer = allowed(PLAIN)},
                                  {.answer = denied(TRIAL)},
                                  {.answer = denied(PLAIN)},
                                  {.answer = of_several(BUCKET_DENIED)},
                                  {.answer = with_override(denied(PLAIN), 2)}};
    calls[0].answer.result = BUCKET_HELD_BACK;
    struct message message = list_of(MESSAGE_ALL, calls, 3);
    message.answer.list.allowed = false;
    message.answer.list.retry_after_ms = 2500;
#define HELD_BACK_AND_TRIAL_ITEMS                                                                           \
    "{\"allowed\":false,\"violated-policies\":[],\"key\":\"k\",\"limit\":\"default\",\"tokens\":1,"         \
    "\"remaining\":9,\"owed\":0,\"burst\":10,\"retry_after_ms\":0,\"reset_after_ms\":1000,"                 \
    "\"reason\":\"held_back\"},"                                                                            \
    "{\"allowed\":false,\"violated-policies\":[\"trial\"],\"key\":\"k\",\"limit\":\"trial\","               \
    "\"tokens\":1,\"remaining\":0,\"owed\":0,\"burst\":10,\"retry_after_ms\":1301,\"reset_after_ms\":9301," \
    "\"shadow\":true,\"would_allow\":false},"
    expect_list(&message, 429,
                QUOTA_EXCEEDED
                "429,\"violated-policies\":[\"default\"],\"allowed\":false,"
                "\"retry_after_ms\":2500,\"results\":[" HELD_BACK_AND_TRIAL_ITEMS DENIED_ITEM
                "]}\n");
    expect_fields("Retry-After: 3\n");
    assert_int_equal(request.reply.terse, TERSE_DENIED);

    asked_deny_status = 451;
    expect_list(&message, 451,
                QUOTA_EXCEEDED
                "451,\"violated-policies\":[\"default\"],\"allowed\":false,"
                "\"retry_after_ms\":2500,\"results\":[" HELD_BACK_AND_TRIAL_ITEMS DENIED_ITEM
                "]}\n");
    asked_deny_status = 200;
    expect_list(&message, 200,
                "{\"allowed\":false,\"violated-policies\":[\"default\"],\"retry_after_ms\":2500,"
                "\"results\":[" HELD_BACK_AND_TRIAL_ITEMS DENIED_ITEM "]}\n");
    expect_fields("Retry-After: 3\n");
    assert_int_equal(request.reply.terse, TERSE_DENIED);
    asked_deny_status = REQUEST_DENY_STATUS;

    message.ask.list.count = 5;
    message.answer.list.retry_after_ms = RETRY_NEVER;
    write_list(&message);
    static const char frame[] =
        QUOTA_EXCEEDED "429,\"violated-policies\":[\"default\",\"api/hour\"],\"allowed\":false,"
                       "\"retry_after_ms\":null,\"results\":[";
    assert_memory_equal(request.reply.large_body, frame, sizeof frame - 1);
    expect_fields("X-Should-Retry: false\n");
    free(request.reply.large_body);
}

static void a_list_of_keys_has_their_status(void **state)
{
    (void)state;
    struct bucket_call calls[] = {{.answer = allowed(PLAIN)},
                                  {.answer = of_several(BUCKET_ALLOWED)}};
    struct message message = list_of(MESSAGE_LIST, calls, 2);
    expect_list(
        &message, 200,
        "{\"results\":[{\"key\":\"k\",\"limit\":\"default\",\"remaining\":9,\"owed\":0,\"burst\":10,"
        "\"reset_after_ms\":1000,\"active\":true},{\"key\":\"k\",\"limit\":\"api\","
        "\"remaining\":7,\"owed\":0,\"burst\":20,\"reset_after_ms\":3575001,\"active\":true," BUCKETS_OF_SEVERAL
        "}]}\n");
}

/* ---- lists, one result after the other ---- */

static struct bucket_answer roll_answer(struct dice *dice)
{
    struct bucket_answer answer = allowed(dice_roll(dice, 4) == 0 ? TRIAL : PLAIN);
    switch (dice_roll(dice, 8)) {
    case 0:
        return denied(PLAIN);
    case 1:
        return of_several(BUCKET_ALLOWED);
    case 2:
        return with_override(allowed(PLAIN), 2);
    case 3:
        answer.is_estimate = true;
        break;
    case 4:
        answer.result = BUCKET_UNCOUNTED;
        break;
    default:
        break;
    }
    answer.owed_tokens = dice_roll(dice, 3) == 0 ? 3 : 0;
    answer.remaining_tokens = dice_roll(dice, 1000000000000);
    answer.full_after_ms = dice_roll(dice, 5) == 0 ? RETRY_NEVER : dice_roll(dice, 100000);
    return answer;
}

/* What results have in common is written once for all of them. */
static void results_in_a_row_say_what_each_says_alone(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    static struct bucket_call calls[COUNT];
    static char alone[COUNT * 4096];
    struct dice dice = dice_new(1);
    for (uint64_t rounds = dice_repeats("ALLOWD_LISTS", 200); rounds > 0; rounds--) {
        struct text text = text_begin(alone, sizeof alone);
        text_literal(&text, "{\"results\":[");
        for (int i = 0; i < COUNT; i++) {
            calls[i].answer = roll_answer(&dice);
            calls[i].ask = (struct bucket_question){
                .key = "k", .key_len = 1, .tokens = 1 + dice_roll(&dice, 2)};
            if (i > 0)
                text_literal(&text, ",");
            reply_write_verdict(&text, &calls[i].ask, &calls[i].answer,
                                bucket_answer_allows(&calls[i].answer));
        }
        text_literal(&text, "]}\n");
        text_end(&text);
        struct message message = list_of(MESSAGE_EACH, calls, COUNT);
        expect_list(&message, 200, alone);
    }
}

/* ---- lists in lines ---- */

static void write_lines(const struct message *message)
{
    char *room = malloc(reply_lines_room(&message->ask.list));
    assert_non_null(room);
    reply_lines(&request.reply, message, asked_deny_status, room,
                &(struct serving){.routes = &route_table});
    assert_false(request.reply.recurs);
}

static void expect_lines(const struct message *message, unsigned status, const char *body)
{
    write_lines(message);
    assert_int_equal(request.reply.status, status);
    assert_string_equal(request.reply.content_type, "application/vnd.allowd.lines.v1");
    assert_int_equal(request.reply.body_len, strlen(body));
    assert_memory_equal(request.reply.large_body, body, strlen(body));
    free(request.reply.large_body);
}

static void each_of_a_list_has_its_line(void **state)
{
    (void)state;
    struct bucket_call calls[] = {{.answer = allowed(PLAIN)},
                                  {.answer = denied(PLAIN)},
                                  {.answer = denied(TRIAL)},
                                  {.answer = denied(PLAIN)},
                                  {.answer = allowed(PLAIN)}};
    calls[3].answer.result = BUCKET_EXCEEDS_BURST;
    calls[3].answer.retry_after_ms = RETRY_NEVER;
    calls[4].answer.result = BUCKET_UNCOUNTED;
    struct message message = list_of(MESSAGE_EACH, calls, 5);
    expect_lines(&message, 200,
                 "1\t9\t0\t1000\n"
                 "0\t0\t1301\t9301\n"
                 "1\t0\t0\t9301\n"
                 "0\t0\t-\t9301\texceeds_burst\n"
                 "1\t9\t0\t1000\ttable_full\n");
    expect_fields("");
    assert_int_equal(request.reply.terse, TERSE_UNAVAILABLE);
}

static void all_of_a_list_have_lines_alike(void **state)
{
    (void)state;
    struct bucket_call calls[] = {{.answer = allowed(PLAIN)}, {.answer = denied(PLAIN)}};
    struct message message = list_of(MESSAGE_ALL, calls, 1);
    expect_lines(&message, 200, "1\t9\t0\t1000\n");
    assert_int_equal(request.reply.terse, TERSE_ALLOWED);

    calls[0].answer.result = BUCKET_HELD_BACK;
    message = list_of(MESSAGE_ALL, calls, 2);
    message.answer.list.allowed = false;
    message.answer.list.retry_after_ms = 2500;
    expect_lines(&message, 429,
                 "0\t9\t0\t1000\theld_back\n"
                 "0\t0\t1301\t9301\n");
    expect_fields("Retry-After: 3\n");
    assert_int_equal(request.reply.terse, TERSE_DENIED);
    asked_deny_status = 200;
    expect_lines(&message, 200,
                 "0\t9\t0\t1000\theld_back\n"
                 "0\t0\t1301\t9301\n");
    asked_deny_status = REQUEST_DENY_STATUS;
}

static void a_list_of_keys_has_their_levels_in_lines(void **state)
{
    (void)state;
    struct bucket_call calls[] = {{.answer = allowed(PLAIN)}, {.answer = allowed(PLAIN)}};
    calls[1].answer.remaining_tokens = 0;
    calls[1].answer.owed_tokens = 7;
    calls[1].answer.full_after_ms = RETRY_NEVER;
    struct message message = list_of(MESSAGE_LIST, calls, 2);
    expect_lines(&message, 200, "9\t0\t1000\n0\t7\t-\n");
}

/* ---- lists of keys alike ---- */

/* A list with the bodies of its calls alone put together, each without what it begins and ends with. */
static void expect_as_alone(void (*write)(const struct message *), struct bucket_call *calls,
                            uint32_t count, const char *beginning, const char *between,
                            const char *end)
{
    char expected[8192];
    struct text text = text_begin(expected, sizeof expected);
    text_string(&text, beginning);
    for (uint32_t i = 0; i < count; i++) {
        struct message one = list_of(MESSAGE_EACH, &calls[i], 1);
        write(&one);
        size_t around = strlen(beginning) + strlen(end);
        if (i > 0)
            text_string(&text, between);
        text_bytes(&text, request.reply.large_body + strlen(beginning),
                   request.reply.body_len - around);
        free(request.reply.large_body);
    }
    text_string(&text, end);
    size_t len = text_end(&text);
    struct message all = list_of(MESSAGE_EACH, calls, count);
    write(&all);
    assert_int_equal(request.reply.body_len, len);
    assert_memory_equal(request.reply.large_body, expected, len);
    free(request.reply.large_body);
}

/* Two alike, and one that differs in one thing from those before and behind it. */
static void results_alike_are_told_as_each_alone(void **state)
{
    (void)state;
    for (int what = 0; what < 8; what++) {
        struct bucket_call calls[5];
        for (size_t i = 0; i < LENGTH(calls); i++)
            calls[i] = (struct bucket_call){.answer = what == 0 ? denied(PLAIN) : allowed(PLAIN)};
        list_of(MESSAGE_EACH, calls, LENGTH(calls)); /* has each ask for a token */
        struct bucket_answer *third = &calls[2].answer;
        third->remaining_tokens += what == 1;
        third->full_after_ms += what == 2 ? 100 : 0;
        third->owed_tokens += what == 3;
        calls[2].ask.tokens += what == 4;
        third->is_apart = what == 5;
        if (what == 0)
            third->retry_after_ms++;
        if (what == 6)
            third->result = BUCKET_UNCOUNTED;
        if (what == 7)
            *third = denied(TRIAL);
        expect_as_alone(write_lines, calls, LENGTH(calls), "", "", "");
        expect_as_alone(write_list, calls, LENGTH(calls), "{\"results\":[", ",", "]}\n");
    }
}

/* With the longest reason there is. */
static void the_longest_lines_fit(void **state)
{
    (void)state;
    static struct bucket_call calls[LIST_MAX];
    for (int result = BUCKET_ALLOWED; result < BUCKET_NEEDS_LEASE; result++) {
        for (int i = 0; i < LIST_MAX; i++) {
            calls[i].answer = allowed(PLAIN);
            calls[i].answer.result = (enum bucket_result)result;
            calls[i].answer.remaining_tokens = calls[i].answer.owed_tokens =
                calls[i].answer.retry_after_ms = calls[i].answer.full_after_ms = UINT64_MAX - 1;
            calls[i].answer.is_apart = result == BUCKET_UNCOUNTED;
        }
        struct message message = list_of(MESSAGE_ALL, calls, LIST_MAX);
        message.answer.list.allowed = false;
        write_lines(&message);
        assert_in_range(request.reply.body_len, LIST_MAX * 64,
                        reply_lines_room(&message.ask.list) - 1);
        free(request.reply.large_body);
    }
}

/* ---- the daemon ---- */

static void the_daemon_lists_its_limits(void **state)
{
    (void)state;
    struct fronts_answer fronts = {
        .count = 3,
        .front = {{.connections = 2, .requests = 300, .busy_permille = 7},
                  {.goes = true, .connections = 1, .requests = 4, .busy_permille = 120},
                  {.busy_permille = 1000}},
    };
    request.own.daemon = (struct daemon_answer){.fronts = &fronts,
                                                .uptime_ms = 61999,
                                                .keys = 3,
                                                .max_keys = 1000,
                                                .leases = 4,
                                                .max_leases = 2000,
                                                .when_full = WHEN_FULL_DENY,
                                                .limits = limits};
    request.own.daemon.counters.allowed = 7;
    say(&route_status, &(struct message){.kind = MESSAGE_DAEMON}, HEADERS_IETF);
    assert_int_equal(request.reply.status, 200);
    assert_ptr_equal(request.reply.content_type, reply_type_json);
    assert_int_equal(request.reply.body_len, strlen(request.reply.large_body));
    static const char start[] =
        "{\"version\":\"" PACKAGE_VERSION "\",\"uptime_s\":61,\"keys\":3,\"max_keys\":1000,"
        "\"leases\":4,\"max_leases\":2000,"
        "\"when_full\":\"deny\",\"tick_ms\":100,\"threads\":["
        "{\"state\":\"serving\",\"connections\":2,\"requests\":300,\"busy\":0.007},"
        "{\"state\":\"going\",\"connections\":1,\"requests\":4,\"busy\":0.120},"
        "{\"state\":\"serving\",\"connections\":0,\"requests\":0,\"busy\":1.000}],\"limits\":["
        "{\"name\":\"default\",\"match\":null,\"burst\":10,\"rate\":\"1/s\",\"debt_max\":0,\"overrides\":3},"
        "{\"name\":\"named\",\"match\":\"n\\\"*\",\"buckets\":["
        "{\"name\":\"only\",\"burst\":5,\"rate\":\"1/s\",\"debt_max\":0}]},"
        "{\"name\":\"api\",\"match\":null,\"buckets\":["
        "{\"name\":\"second\",\"burst\":20,\"rate\":\"10/s\",\"debt_max\":0},"
        "{\"name\":\"hour\",\"burst\":1000,\"rate\":\"1000/h\",\"debt_max\":0}]},"
        "{\"name\":\"trial\",\"match\":null,\"burst\":10,\"rate\":\"1/s\",\"debt_max\":0,\"shadow\":true},"
        "{\"name\":\"say \\\"hi\\\" \\\\\",\"match\":null,\"burst\":3,\"rate\":\"1/s\",\"debt_max\":0},"
        "{\"name\":\"jobs\",\"match\":null,\"concurrent\":8},"
        "{\"name\":\"mixed\",\"match\":null,\"buckets\":["
        "{\"name\":\"running\",\"concurrent\":4},"
        "{\"name\":\"minute\",\"burst\":30,\"rate\":\"30/m\",\"debt_max\":0}],"
        "\"on_expiry\":\"return\"}"
        "],\"counters\":{\"allowed\":7,\"denied\":0,";
    if (strncmp(request.reply.large_body, start, sizeof start - 1) != 0)
        fail_msg("%s\nis said, not: %s...", request.reply.large_body, start);
    expect_fields("");
    free(request.reply.large_body);
}

/* ---- a fleet ---- */

static struct fleet_seen fleet_seen;

static void look_at_fleet(struct fleet *fleet, struct fleet_seen *seen)
{
    (void)fleet;
    *seen = fleet_seen;
}

/* Any address does for a thread that nobody touches. */
static struct fleet_view fleet_view = {.fleet = (struct fleet *)&fleet_seen, .look = look_at_fleet};

static void say_with_fleet(const struct route *route, const struct daemon_answer *answer)
{
    struct serving serving = {.dialect = dialect_table[HEADERS_IETF], .fleet = &fleet_view};
    request.own.daemon = *answer;
    request.message = (struct message){.kind = MESSAGE_DAEMON};
    request.route = route;
    route->reply(&request, &serving);
    assert_int_equal(request.reply.status, 200);
}

static void the_daemon_tells_how_its_fleet_is(void **state)
{
    (void)state;
    struct fronts_answer fronts = {.count = 0};
    struct daemon_answer answer = {
        .fronts = &fronts,
        .limits = limits,
        .fleet = {.is_there = true,
                  .shares = 2,
                  .counters = {.granted_tokens = 100,
                               .spent_tokens = 60,
                               .returned_tokens = 20,
                               .lost_tokens = 5,
                               .partitioned = 3}},
    };
    fleet_seen = (struct fleet_seen){.link = FLEET_UP,
                                     .server = "redis 7.0.15",
                                     .calls = 9,
                                     .calls_failed = 1,
                                     .down_ns = 1999999};
    limits->limit[1].is_fleet = true;
    say_with_fleet(&route_status, &answer);
    const char *body = request.reply.large_body;
    assert_non_null(strstr(body, "\"rate\":\"1/s\",\"debt_max\":0}],\"scope\":\"fleet\"}"));
    const char *fleet = strstr(body, ",\"fleet\":");
    assert_non_null(fleet);
    assert_string_equal(fleet, ",\"fleet\":{\"store\":\"up\",\"server\":\"redis 7.0.15\","
                               "\"trouble\":null,\"on_partition\":\"deny\",\"down_ms\":1,"
                               "\"calls\":9,\"calls_failed\":1,\"keys\":2,\"hand\":15,"
                               "\"granted\":100,\"spent\":60,\"returned\":20,\"lost\":5,"
                               "\"partitioned\":3}}\n");
    free(request.reply.large_body);
    limits->limit[1].is_fleet = false;
    answer.fleet.is_there = false;
    say_with_fleet(&route_status, &answer);
    assert_null(strstr(request.reply.large_body, "fleet"));
    free(request.reply.large_body);
}

/* What a body says of a store that is not in reach. */
static void expect_ready(const struct daemon_answer *answer, const char *says)
{
    say_with_fleet(&route_readyz, answer);
    const char *body = request.reply.body;
    assert_non_null(strstr(body, "\"status\":\"ready\""));
    if (says == NULL)
        assert_null(strstr(body, "warnings"));
    else if (strstr(body, says) == NULL)
        fail_msg("%s\nis said, not: %s", body, says);
}

static void a_store_out_of_reach_is_a_warning(void **state)
{
    (void)state;
    static const struct {
        enum fleet_partition on_partition;
        const char *says;
    } cases[] = {
        {FLEET_PARTITION_DENY, "tokens in hand, and then denied (on_partition: deny)\"]"},
        {FLEET_PARTITION_SHARE, "sidecar's share of the limit (on_partition: share)\"]"},
        {FLEET_PARTITION_ALLOW, "and then allowed uncounted (on_partition: allow)\"]"},
    };
    struct daemon_answer answer = {.limits = limits, .fleet.is_there = true};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        limits->fleet.on_partition = cases[i].on_partition;
        fleet_seen = (struct fleet_seen){.link = FLEET_CONNECTING};
        expect_ready(&answer, cases[i].says);
        fleet_seen.link = FLEET_UP;
        expect_ready(&answer, NULL);
        answer.fleet.is_cut = true; /* it is connected, and refuses all orders */
        expect_ready(&answer, cases[i].says);
        answer.fleet.is_cut = false;
    }
    limits->fleet.on_partition = FLEET_PARTITION_DENY;
    answer.surroundings.config = FILE_GONE;
    fleet_seen.link = FLEET_DOWN;
    expect_ready(&answer, "until it is there again\",\"the fleet's store is out of reach");
    fleet_view.fleet = NULL; /* limits are in force, and the thread is to begin yet */
    expect_ready(&answer, "the fleet's store is out of reach");
    fleet_view.fleet = (struct fleet *)&fleet_seen;
    answer = (struct daemon_answer){.limits = limits};
    expect_ready(&answer, NULL);
}

/* ---- reloads ---- */

static void expect_reload(const struct reload_report *report, unsigned status, const char *says)
{
    request.own.reload = *report;
    say(&route_reload, &(struct message){0}, HEADERS_IETF);
    const char *body =
        request.reply.large_body != NULL ? request.reply.large_body : request.reply.body;
    assert_int_equal(request.reply.status, status);
    assert_int_equal(request.reply.body_len, strlen(body));
    if (strstr(body, says) == NULL)
        fail_msg("%s\nis said, not: %s", body, says);
    free(request.reply.large_body);
}

static void a_reload_says_how_it_went(void **state)
{
    (void)state;
    static char plain[] = "c", quoted[] = "a \"b\"";
    static struct reload_note notes[] = {{0, 0, quoted}, {3, 14, plain}};
    struct reload_report report = {.limits = 7};
    expect_reload(&report, 200, "{\"status\":\"reloaded\",\"limits\":7,\"warnings\":[]}\n");
    report.notes_found = report.notes_count = 2;
    report.notes = notes;
    expect_reload(&report, 200,
                  "{\"status\":\"reloaded\",\"limits\":7,\"warnings\":[{\"line\":null,\"column\":"
                  "null,\"text\":\"a \\\"b\\\"\"},{\"line\":3,\"column\":14,\"text\":\"c\"}]}\n");
    report.outcome = RELOAD_NO_FILE;
    expect_reload(&report, 409,
                  "there is nothing to reload: allowd was started without a "
                  "configuration file; start it with -c FILE");
    report.outcome = RELOAD_NO_MEMORY;
    expect_reload(&report, 503, "out of memory, so nothing was changed; try again");
    report.outcome = RELOAD_DRAINING;
    expect_reload(&report, 503, "draining: allowd is about to end");
    report = (struct reload_report){
        .outcome = RELOAD_FAULTY, .notes_found = 1, .notes_count = 1, .notes = notes};
    expect_reload(&report, 422,
                  "the configuration has 1 fault, so nothing was changed; correct it and reload");
    report.notes_found = 3;
    report.notes_count = 2;
    expect_reload(
        &report, 422,
        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
        "\"detail\":\"the configuration has 3 faults, so nothing was changed; correct "
        "them and reload again\",\"faults\":[{\"line\":null,\"column\":null,\"text\":\"a \\\"b\\\"\"},"
        "{\"line\":3,\"column\":14,\"text\":\"c\"}]}\n");
}

/* ---- the longest ---- */

static char quotes[KEY_MAX + 1];

static const char *so_many_quotes(size_t count)
{
    return quotes + KEY_MAX - count;
}

/* A limit whose every name is as long as can be, and each character escaped. */
static struct limits *make_longest_limits(void)
{
    static struct override_terms override = {
        .action = OVERRIDE_TERMS, .until_s = OVERRIDE_FOR_EVER, .buckets_count = BUCKETS_MAX};
    memset(quotes, '"', KEY_MAX);
    override.key = so_many_quotes(LIMIT_MATCH_MAX);
    struct limit_terms terms = {.name = so_many_quotes(LIMIT_NAME_MAX),
                                .shadow = true,
                                .buckets_count = BUCKETS_MAX,
                                .overrides_count = 1,
                                .overrides = &override};
    for (int i = 0; i < BUCKETS_MAX; i++) {
        struct bucket_terms *bucket = &terms.buckets[i];
        strcpy(bucket->name, so_many_quotes(BUCKET_NAME_MAX));
        bucket->burst = TOKENS_MAX;
        bucket->rate = (struct rate){1, 10 * MS_PER_S};
        override.buckets[i] = *bucket;
    }
    struct limits *longest = limits_new(1, 100);
    assert_non_null(longest);
    assert_true(limits_add(longest, &terms));
    return longest;
}

/* Every number as long as a uint64_t can be, though those of the brain are shorter. */
static struct bucket_answer longest_answer(const struct limits *longest, enum bucket_result result)
{
    struct bucket_answer answer = {
        .result = result,
        .limit = &longest->limit[0],
        .override = &longest->limit[0].overrides[0],
        .allowance = &longest->limit[0].overrides[0].allowance,
        .remaining_tokens = UINT64_MAX,
        .owed_tokens = UINT64_MAX,
        .charged_tokens = UINT64_MAX,
        .retry_after_ms = UINT64_MAX - 1,
        .full_after_ms = UINT64_MAX - 1,
        .has_waited = true,
        .waited_ms = UINT64_MAX,
        .would_wait_ms = UINT64_MAX,
    };
    for (int i = 0; i < BUCKETS_MAX; i++)
        answer.buckets[i] = (struct bucket_state){UINT64_MAX, RETRY_NEVER - 1, RETRY_NEVER - 1,
                                                  true,       UINT64_MAX,      (uint64_t)i << 60};
    return answer;
}

static void the_longest_answer_fits(void **state)
{
    (void)state;
    struct limits *longest = make_longest_limits();
    for (int shadow = 0; shadow < 2; shadow++)
        for (enum headers_dialect dialect = 0; dialect < HEADERS_DIALECTS; dialect++) {
            longest->limit[0].shadow = shadow;
            struct bucket_answer answer = longest_answer(longest, BUCKET_TABLE_FULL);
            struct message message =
                bucket_message(MESSAGE_ALLOW, so_many_quotes(KEY_MAX), UINT64_MAX, answer);
            tells_retry_after_ms = true;
            say_bucket(&message, dialect);
            tells_retry_after_ms = false;
            assert_in_range(request.reply.body_len, 2500, sizeof request.reply.body - 1);
            assert_int_equal(request.reply.body_len, strlen(request.reply.body));
            assert_true(strlen(answer.allowance->policy) < REPLY_POLICY_MAX);
            message.kind = MESSAGE_STATUS;
            say_bucket(&message, dialect);
            message.kind = MESSAGE_ACQUIRE;
            message.ask.acquire.slots = UINT32_MAX;
            message.answer.bucket.result = BUCKET_UNCOUNTED;
            message.answer.bucket.expires_after_ms = UINT64_MAX;
            say_bucket(&message, dialect);
            assert_in_range(request.reply.body_len, 2000, sizeof request.reply.body - 1);
            message.kind = MESSAGE_CHARGE;
            message.answer.bucket.result = BUCKET_ALWAYS;
            say_bucket(&message, dialect);
            assert_in_range(request.reply.body_len, 2000, sizeof request.reply.body - 1);
            assert_int_equal(request.reply.body_len, strlen(request.reply.body));
            say_check(&answer, 599, dialect);
        }
    limits_release(longest);
}

static void the_longest_list_fits(void **state)
{
    (void)state;
    struct limits *longest = make_longest_limits();
    static struct bucket_call calls[LIST_MAX];
    static const enum message_kind kinds[] = {MESSAGE_EACH, MESSAGE_ALL, MESSAGE_LIST};
    longest->limit[0].shadow = false;
    for (int i = 0; i < LIST_MAX; i++) {
        calls[i].answer = longest_answer(longest, BUCKET_EXCEEDS_BURST);
        calls[i].ask = (struct bucket_question){
            .key = so_many_quotes(KEY_MAX), .key_len = KEY_MAX, .tokens = UINT64_MAX};
    }
    for (uint32_t count = 1; count <= LIST_MAX; count += LIST_MAX - 1)
        for (size_t i = 0; i < LENGTH(kinds); i++) {
            struct message message = list_of(kinds[i], calls, count);
            message.answer.list.allowed = false;
            message.answer.list.retry_after_ms = UINT64_MAX - 1;
            write_list(&message);
            assert_in_range(request.reply.body_len, count * 1900,
                            reply_list_room(&message.ask.list) - 1);
            free(request.reply.large_body);
        }
    limits_release(longest);
}

/* The body is begun for results as they usually are. */
static void results_that_are_longer_than_usual_are_all_there(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static struct bucket_call calls[COUNT];
    struct limits *longest = make_longest_limits();
    struct text expected = text_begin_growing();
    size_t len = 0;
    text_literal(&expected, "{\"results\":[");
    for (int i = 0; i < COUNT; i++) {
        calls[i].answer =
            i % 3 > 0 ? allowed(PLAIN) : longest_answer(longest, BUCKET_EXCEEDS_BURST);
        calls[i].ask = (struct bucket_question){.key = "a\"b", .key_len = 3, .tokens = 1};
        if (i % 3 == 1)
            calls[i].ask = (struct bucket_question){
                .key = "ab", .key_len = 2, .key_is_plain = true, .tokens = 1};
        if (i > 0)
            text_literal(&expected, ",");
        reply_write_verdict(&expected, &calls[i].ask, &calls[i].answer,
                            bucket_answer_allows(&calls[i].answer));
    }
    text_literal(&expected, "]}\n");
    char *body = text_take(&expected, &len);
    struct message message = list_of(MESSAGE_EACH, calls, COUNT);
    expect_list(&message, 200, body);
    free(body);
    limits_release(longest);
}

/* As many policies as there can be, each in two requests. */
static void a_thousand_limits_are_violated_once_each(void **state)
{
    (void)state;
    static struct bucket_call calls[LIST_MAX];
    struct limits *many = limits_new(LIST_MAX / 2, 100);
    assert_non_null(many);
    for (int i = 0; i < LIST_MAX; i++) {
        char name[LIMIT_NAME_MAX];
        struct limit_terms terms = {.name = name, .buckets_count = BUCKETS_MAX};
        snprintf(name, sizeof name, "limit %d", i);
        for (int j = 0; j < BUCKETS_MAX; j++)
            terms.buckets[j] = (struct bucket_terms){{(char)('a' + j)}, 1, PER_SECOND, 0, false};
        if (i < LIST_MAX / 2)
            assert_true(limits_add(many, &terms));
        calls[i].answer = denied(PLAIN);
        calls[i].answer.limit = &many->limit[i / 2];
        calls[i].answer.allowance = &many->limit[i / 2].allowance;
        for (int j = 0; j < BUCKETS_MAX; j++)
            calls[i].answer.buckets[j].violated = true;
    }
    struct message message = list_of(MESSAGE_ALL, calls, LIST_MAX);
    message.answer.list.allowed = false;
    write_list(&message);
    char *policies = strstr(request.reply.large_body, "[\"limit 0/a\",\"limit 0/b\",");
    assert_non_null(policies);
    char *end = strstr(policies, ",\"limit 499/d\"],\"allowed\":false,");
    assert_non_null(end);
    int commas = 0;
    for (char *at = policies; at <= end; at++)
        commas += *at == ',';
    assert_int_equal(commas, LIST_MAX / 2 * BUCKETS_MAX - 1);
    free(request.reply.large_body);
    limits_release(many);
}

static void a_list_that_needs_a_lease_is_refused(void **state)
{
    (void)state;
    struct bucket_call calls[2] = {0};
    struct message message = list_of(MESSAGE_EACH, calls, LENGTH(calls));
    message.answer.list.needs_lease = 1;
    calls[1].answer.limit = &limits->limit[SLOTS];
    request.is_list = true;
    request.fault_status = 0;
    say(&route_allow, &message, HEADERS_IETF);
    request.is_list = false;
    expect_problem(400, "requests[1]: " NEEDS_LEASE);
    request.fault_status = 0;
}

/* ---- answers of a check that are written out ---- */

static const char *const deny_headers[] = {"Auth-Status: wait {retry_after} s",
                                           "X-Left:{remaining}"};

static void checks_answer_as_it_is_written_out(void **state)
{
    (void)state;
    struct bucket_answer yes = allowed(0), no = denied(0);
    struct check_terms terms = {
        .deny_status = 403,
        .answers[CHECK_ALLOW] = {.is_given = true, .body = "allow"},
        .answers[CHECK_DENY] = {.is_given = true,
                                .status = 200,
                                .type = "application/json",
                                .body = "{{\"wait\":{retry_after},\"ms\":{retry_after_ms},\"full\":"
                                        "{reset_after}}}",
                                .headers = deny_headers,
                                .headers_count = 2},
    };
    say_check_as(&terms, &yes, HEADERS_NONE);
    expect_reply(200, check_answer(check, CHECK_ALLOW)->type, "allow");
    assert_string_equal(request.reply.content_type, "text/plain");
    expect_fields("");
    assert_int_equal(request.reply.terse, TERSE_ALLOWED);
    /* Its names end with the check, so no response with them may be kept. */
    assert_false(request.reply.recurs);

    say_check_as(&terms, &no, HEADERS_NONE);
    expect_reply(200, check_answer(check, CHECK_DENY)->type,
                 "{\"wait\":2,\"ms\":1301,\"full\":10}");
    assert_string_equal(request.reply.content_type, "application/json");
    expect_fields("Retry-After: 2\nAuth-Status: wait 2 s\nX-Left: 0\n");
    assert_int_equal(request.reply.terse, TERSE_DENIED);
}

/* A problem's "status" would be taken for something else under a status that is no error. */
static void no_problem_is_told_with_a_status_of_success(void **state)
{
    (void)state;
    struct bucket_answer no = denied(0);
    static const unsigned statuses[] = {200, 204, 299, 302, 399};
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        const struct check_terms terms = {
            .deny_status = 403,
            .answers[CHECK_DENY] = {.is_given = true, .status = statuses[i]},
        };
        say_check_as(&terms, &no, HEADERS_NONE);
        expect_reply(statuses[i], NULL, "");
        struct message missing = {.kind = MESSAGE_MISSING};
        say(&route_check, &missing, HEADERS_NONE);
        expect_reply(statuses[i], NULL, "");
    }
}

/* An error without a body of its own keeps the usual one. */
static void an_error_has_the_usual_body_unless_another_is_written(void **state)
{
    (void)state;
    struct bucket_answer no = denied(0);
    const struct check_terms terms = {
        .deny_status = 429,
        .answers[CHECK_DENY] = {.is_given = true, .headers = deny_headers, .headers_count = 2},
    };
    say_check_as(&terms, &no, HEADERS_NONE);
    assert_int_equal(request.reply.status, 429);
    assert_ptr_equal(request.reply.content_type, reply_type_problem);
    assert_non_null(strstr(request.reply.body, "\"status\":429,"));
    expect_fields("Retry-After: 2\nAuth-Status: wait 2 s\nX-Left: 0\n");
}

static void what_waiting_never_cures_has_a_status_of_its_own(void **state)
{
    (void)state;
    struct bucket_answer no = denied(0), never = exceeding(0);
    struct check_terms terms = {.deny_status = 429, .never_status = 403};
    say_check_as(&terms, &no, HEADERS_NONE);
    assert_int_equal(request.reply.status, 429);
    say_check_as(&terms, &never, HEADERS_NONE);
    assert_int_equal(request.reply.status, 403);
    assert_non_null(strstr(request.reply.body, "\"status\":403,"));
    expect_fields("X-Should-Retry: false\n");
    terms.never_status = 0;
    say_check_as(&terms, &never, HEADERS_NONE);
    assert_int_equal(request.reply.status, 429);

    /* It shares the words of other denials, whose numbers are then the greatest there are. */
    terms.never_status = 404;
    terms.answers[CHECK_DENY] = (struct check_answer_terms){
        .is_given = true, .status = 200, .body = "{retry_after} {retry_after_ms}"};
    say_check_as(&terms, &never, HEADERS_NONE);
    expect_reply(404, check_answer(check, CHECK_NEVER)->type, "1728000 1728000000");
    terms.never_status = 0;
    terms.answers[CHECK_NEVER] = (struct check_answer_terms){.is_given = true, .body = "never"};
    say_check_as(&terms, &never, HEADERS_NONE);
    expect_reply(200, check_answer(check, CHECK_NEVER)->type, "never");
}

/* Though it tells when it would allow. */
static void a_limit_on_trial_has_nobody_wait(void **state)
{
    (void)state;
    struct bucket_answer trial = denied(TRIAL);
    const struct check_terms terms = {
        .deny_status = 403,
        .answers[CHECK_ALLOW] = {.is_given = true,
                                 .body = "{retry_after} {retry_after_ms} {reset_after}"},
    };
    say_check_as(&terms, &trial, HEADERS_NONE);
    expect_reply(200, check_answer(check, CHECK_ALLOW)->type, "0 0 10");
}

static void whoever_lacks_a_part_gets_the_answer_written_for_him(void **state)
{
    (void)state;
    struct message missing = {.kind = MESSAGE_MISSING};
    struct check_terms terms = {
        .deny_status = 403,
        .answers[CHECK_ALLOW] = {.is_given = true, .body = "allow {burst}"},
        .answers[CHECK_DENY] = {.is_given = true, .status = 200, .body = "deny"},
    };
    use_check(&terms);
    say(&route_check, &missing, HEADERS_IETF);
    expect_reply(200, check_answer(check, CHECK_MISSING)->type, "deny");
    expect_fields("X-Should-Retry: false\n");

    terms.missing_allows = true;
    use_check(&terms);
    say(&route_check, &missing, HEADERS_IETF);
    expect_reply(200, check_answer(check, CHECK_MISSING)->type, "allow 0");
    expect_fields("");
    assert_int_equal(request.reply.terse, TERSE_ALLOWED);

    terms.answers[CHECK_MISSING] =
        (struct check_answer_terms){.is_given = true, .status = 400, .body = "who are you?"};
    use_check(&terms);
    say(&route_check, &missing, HEADERS_IETF);
    expect_reply(400, check_answer(check, CHECK_MISSING)->type, "who are you?");
}

static void what_passes_uncounted_gets_the_answer_of_what_is_allowed(void **state)
{
    (void)state;
    struct message skipped = {.kind = MESSAGE_SKIPPED};
    struct check_terms terms = {.deny_status = 403};
    use_check(&terms);
    say(&route_check, &skipped, HEADERS_IETF);
    expect_reply(200, NULL, "");
    expect_fields("");
    terms.answers[CHECK_ALLOW] =
        (struct check_answer_terms){.is_given = true, .status = 202, .body = "{remaining}"};
    use_check(&terms);
    say(&route_check, &skipped, HEADERS_IETF);
    expect_reply(202, check_answer(check, CHECK_ALLOW)->type, "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_answers_are_as_ever),
        cmocka_unit_test(what_a_fleet_counts_is_an_estimate),
        cmocka_unit_test(a_full_table_is_told),
        cmocka_unit_test(keys_and_names_are_escaped),
        cmocka_unit_test(several_buckets_are_listed),
        cmocka_unit_test(a_charge_says_what_was_charged_forgiven_and_is_owed),
        cmocka_unit_test(a_charge_without_room_is_unavailable),
        cmocka_unit_test(a_lease_is_told_with_what_is_left),
        cmocka_unit_test(a_lease_on_trial_is_told_too),
        cmocka_unit_test(a_lease_is_denied_as_tokens_are),
        cmocka_unit_test(a_lease_waits_as_tokens_do),
        cmocka_unit_test(what_came_of_a_lease_is_told),
        cmocka_unit_test(what_cannot_be_done_with_a_lease_says_why),
        cmocka_unit_test(a_bucket_with_a_name_is_listed),
        cmocka_unit_test(overrides_are_named),
        cmocka_unit_test(a_limit_on_trial_allows_and_says_what_it_would_do),
        cmocka_unit_test(who_has_waited_is_told_for_how_long),
        cmocka_unit_test(who_may_not_wait_is_told_why),
        cmocka_unit_test(on_trial_it_is_told_who_would_wait),
        cmocka_unit_test(who_waits_in_a_drain_is_told_of_it),
        cmocka_unit_test(a_denial_has_the_status_asked_for),
        cmocka_unit_test(one_bucket_in_every_dialect),
        cmocka_unit_test(several_buckets_in_every_dialect),
        cmocka_unit_test(the_successor_tells_window_and_cost),
        cmocka_unit_test(the_epoch_dialect_tells_a_date),
        cmocka_unit_test(an_override_has_its_own_numbers_in_every_dialect),
        cmocka_unit_test(a_name_is_always_the_same_pointer),
        cmocka_unit_test(no_check_can_write_out_a_field_of_a_reply),
        cmocka_unit_test(retry_after_is_whole_seconds_from_one_to_twenty_days),
        cmocka_unit_test(retry_after_ms_is_exact),
        cmocka_unit_test(checks_allow_without_content),
        cmocka_unit_test(checks_deny_with_the_status_chosen),
        cmocka_unit_test(checks_without_a_key_say_so),
        cmocka_unit_test(of_slots_no_time_is_told),
        cmocka_unit_test(a_charge_is_told_of_the_buckets_of_tokens),
        cmocka_unit_test(each_dialect_tells_slots_without_a_time),
        cmocka_unit_test(what_slots_are_not_for_is_refused),
        cmocka_unit_test(what_was_decided_can_be_told_without_memory),
        cmocka_unit_test(each_of_a_list_has_its_result),
        cmocka_unit_test(all_of_a_list_is_allowed),
        cmocka_unit_test(all_of_a_list_is_denied),
        cmocka_unit_test(a_list_of_keys_has_their_status),
        cmocka_unit_test(results_in_a_row_say_what_each_says_alone),
        cmocka_unit_test(each_of_a_list_has_its_line),
        cmocka_unit_test(all_of_a_list_have_lines_alike),
        cmocka_unit_test(a_list_of_keys_has_their_levels_in_lines),
        cmocka_unit_test(results_alike_are_told_as_each_alone),
        cmocka_unit_test(the_longest_lines_fit),
        cmocka_unit_test(the_daemon_lists_its_limits),
        cmocka_unit_test(the_daemon_tells_how_its_fleet_is),
        cmocka_unit_test(a_store_out_of_reach_is_a_warning),
        cmocka_unit_test(a_reload_says_how_it_went),
        cmocka_unit_test(the_longest_answer_fits),
        cmocka_unit_test(the_longest_list_fits),
        cmocka_unit_test(results_that_are_longer_than_usual_are_all_there),
        cmocka_unit_test(a_thousand_limits_are_violated_once_each),
        cmocka_unit_test(a_list_that_needs_a_lease_is_refused),
        cmocka_unit_test(checks_answer_as_it_is_written_out),
        cmocka_unit_test(no_problem_is_told_with_a_status_of_success),
        cmocka_unit_test(an_error_has_the_usual_body_unless_another_is_written),
        cmocka_unit_test(what_waiting_never_cures_has_a_status_of_its_own),
        cmocka_unit_test(a_limit_on_trial_has_nobody_wait),
        cmocka_unit_test(whoever_lacks_a_part_gets_the_answer_written_for_him),
        cmocka_unit_test(what_passes_uncounted_gets_the_answer_of_what_is_allowed),
    };
    return cmocka_run_group_tests_name("reply", tests, make_limits, release_limits);
}
