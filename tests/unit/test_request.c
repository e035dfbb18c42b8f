/* Requests: targets and forms become messages, or errors that say what to do. */
#include "ask/fault_text.h"
#include "http/batch.h"
#include "http/json_memory.h"
#include "http/request.h"
#include "http/routes/table.h"
#include "support/failing.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"
#define DIGITS_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define ID "0123456789abcdef0123456789abcdef"
#define LINES "application/vnd.allowd.lines.v1"
#define BATCH "{\"requests\":[{\"key\":\"a\"}]}"

enum { WAIT_MAX_MS = 30000 };

static struct request request; /* too large for the stack of a test */

static bool parse(const char *method, const char *target, const char *body, const char *type)
{
    request_begin(&request, &route_table, target);
    request.method = method_parse(method);
    request.wait_max_ms = WAIT_MAX_MS;
    if (body != NULL)
        request_add_body(&request, body, strlen(body));
    return request_finish(&request, type);
}

static void expect_question(const char *method, const char *target, const char *body,
                            enum message_kind kind, const char *key, uint64_t tokens,
                            const char *limit)
{
    const struct bucket_question *ask = &request.message.ask.bucket;
    assert_true(parse(method, target, body, body == NULL ? NULL : FORM));
    assert_int_equal(request.message.kind, kind);
    assert_string_equal(ask->key, key);
    assert_int_equal(ask->key_len, strlen(key));
    assert_int_equal(ask->tokens, tokens);
    if (limit == NULL) {
        assert_null(ask->limit_name);
    } else {
        assert_int_equal(ask->limit_name_len, strlen(limit));
        assert_memory_equal(ask->limit_name, limit, strlen(limit));
    }
}

static void good_requests_become_messages(void **state)
{
    (void)state;
    expect_question("GET", "/allow?key=alice", NULL, MESSAGE_ALLOW, "alice", 1, NULL);
    expect_question("GET", "/allow?tokens=0&key=a+b", NULL, MESSAGE_ALLOW, "a b", 0, NULL);
    expect_question("POST", "/allow?key=%2F&limit=api", NULL, MESSAGE_ALLOW, "/", 1, "api");
    expect_question("POST", "/allow", "key=alice&tokens=7", MESSAGE_ALLOW, "alice", 7, NULL);
    expect_question("POST", "/allow?key=alice", "tokens=7", MESSAGE_ALLOW, "alice", 7, NULL);
    expect_question("DELETE", "/reset?key=k", NULL, MESSAGE_RESET, "k", 1, NULL);
    expect_question("POST", "/refund?key=k&tokens=3", NULL, MESSAGE_REFUND, "k", 3, NULL);
    expect_question("POST", "/charge?key=k&tokens=3", NULL, MESSAGE_CHARGE, "k", 3, NULL);
    expect_question("POST", "/charge", "limit=api&tokens=999999999999999&key=k", MESSAGE_CHARGE,
                    "k", 999999999999999u, "api");
    expect_question("GET", "/status?key=k", NULL, MESSAGE_STATUS, "k", 1, NULL);
    expect_question("GET", "/%61llow?k%65y=k", NULL, MESSAGE_ALLOW, "k", 1, NULL);
    expect_question("GET", "/allow?key=k&tokens=999999999999999", NULL, MESSAGE_ALLOW, "k",
                    999999999999999u, NULL);
    assert_true(parse("HEAD", "/status", NULL, NULL));
    assert_int_equal(request.message.kind, MESSAGE_DAEMON);
}

static void expect_token(const char *method, const char *target, const char *token)
{
    assert_true(parse(method, target, NULL, NULL));
    assert_non_null(request.message.once);
    assert_int_equal(request.message.once->token_len, strlen(token));
    assert_memory_equal(request.message.once->token, token, strlen(token));
}

static void a_token_goes_along_with_its_question(void **state)
{
    (void)state;
    expect_token("GET", "/allow?key=k&once=a", "a");
    expect_token("POST", "/allow?once=%20+~%25&key=k", "  ~%");
    expect_token("POST", "/charge?key=k&tokens=3&once=" DIGITS_64, DIGITS_64);
    expect_token("POST", "/refund?key=k&once=a-b", "a-b");
    expect_question("GET", "/allow?key=k", NULL, MESSAGE_ALLOW, "k", 1, NULL);
    assert_null(request.message.once);
}

static void expect_wait(const char *target, const char *body, uint64_t wait_ms)
{
    expect_question(body == NULL ? "GET" : "POST", target, body, MESSAGE_ALLOW, "k", 1, NULL);
    assert_int_equal(request.message.ask.bucket.wait_ms, wait_ms);
    assert_int_equal(request_may_wait(&request), wait_ms > 0);
}

static void whoever_asks_may_wait(void **state)
{
    (void)state;
    expect_wait("/allow?key=k&wait=1ms", NULL, 1);
    expect_wait("/allow?wait=30s&key=k", NULL, WAIT_MAX_MS);
    expect_wait("/allow?key=k", "wait=%32s", 2000);
    expect_wait("/allow?key=k&wait=0s", NULL, 0);
    expect_wait("/allow?key=k", NULL, 0);
    expect_question("GET", "/allow?key=k&wait=0ms&tokens=0", NULL, MESSAGE_ALLOW, "k", 0, NULL);
    assert_true(parse("POST", "/allow", BATCH, JSON));
    assert_false(request_may_wait(&request));
    request_release(&request);
}

/* wait_max is 0. */
static void where_nobody_may_wait_that_is_told(void **state)
{
    (void)state;
    request_begin(&request, &route_table, "/allow?key=k&wait=1ms");
    request.method = METHOD_GET;
    request.wait_max_ms = 0;
    assert_false(request_finish(&request, NULL));
    assert_int_equal(request.reply.status, 400);
    assert_non_null(strstr(request.detail, "nobody may wait here, because wait_max is 0"));
}

static void expect_acquire(const char *target, uint64_t tokens, uint32_t slots, uint32_t ttl_ms)
{
    expect_question("POST", target, NULL, MESSAGE_ACQUIRE, "k", tokens, NULL);
    assert_int_equal(request.message.ask.acquire.slots, slots);
    assert_int_equal(request.message.ask.acquire.ttl_ms, ttl_ms);
}

/* Each lease has an id that was drawn for it. */
static void leases_are_asked_for(void **state)
{
    (void)state;
    expect_acquire("/acquire?key=k", 1, 1, 30000);
    const struct lease_id first = request.message.ask.acquire.id;
    expect_acquire("/acquire?key=k&tokens=0&slots=1000000&ttl=1d", 0, 1000000, 86400000);
    assert_memory_not_equal(&request.message.ask.acquire.id, &first, sizeof first);
    expect_acquire("/acquire?key=k&tokens=7&ttl=100ms", 7, 1, 100);
    expect_acquire("/acquire?key=k&deny_status=503", 1, 1, 30000);
    assert_int_equal(request.deny_status, 503);
    expect_token("POST", "/acquire?key=k&once=a", "a");
}

static void expect_lease(const char *method, const char *target, enum message_kind kind,
                         uint32_t ttl_ms, bool has_used, uint64_t used_tokens)
{
    static const struct lease_id id = {{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 0x23,
                                        0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}};
    const struct lease_question *ask = &request.message.ask.lease;
    assert_true(parse(method, target, NULL, NULL));
    assert_int_equal(request.message.kind, kind);
    assert_memory_equal(&ask->id, &id, sizeof id);
    assert_int_equal(ask->ttl_ms, ttl_ms);
    assert_int_equal(ask->has_used, has_used);
    assert_int_equal(ask->used_tokens, used_tokens);
    assert_ptr_equal(request.message.answer.lease.key, request.key);
    assert_int_equal(request_cost(&request), 0);
}

static void leases_are_asked_about(void **state)
{
    (void)state;
    expect_lease("POST", "/release?lease=" ID "&used=999999999999999", MESSAGE_RELEASE, 0, true,
                 TOKENS_MAX);
    expect_lease("POST", "/release?used=0&lease=" ID, MESSAGE_RELEASE, 0, true, 0);
    expect_lease("POST", "/release?lease=" ID, MESSAGE_RELEASE, 0, false, 0);
    expect_lease("POST", "/renew?ttl=2m&lease=" ID, MESSAGE_RENEW, 120000, false, 0);
    expect_lease("POST", "/renew?lease=" ID, MESSAGE_RENEW, 0, false, 0);
    expect_lease("GET", "/status?lease=" ID, MESSAGE_LEASE, 0, false, 0);
    expect_lease("HEAD",
                 "/status?lease=%30"
                 "123456789abcdef0123456789abcdef",
                 MESSAGE_LEASE, 0, false, 0);
    expect_question("GET", "/status?key=k", NULL, MESSAGE_STATUS, "k", 1, NULL);
    assert_true(parse("GET", "/status", NULL, NULL));
    assert_int_equal(request.message.kind, MESSAGE_DAEMON);
    assert_true(request_cost(&request) > 0);
    request_release(&request);
}

/* By the id alone: a page of /status that shows more is for admins, and so is what a fault hides. */
static void who_knows_a_lease_may_ask_for_it(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        bool is_for_all;
    } targets[] = {
        {"/status?lease=" ID, true}, {"/status?lease=x", true}, {"/status", false},
        {"/status?key=a", false},    {"/keys", false},          {"/status?x=1&lease=" ID, false},
    };
    for (size_t i = 0; i < LENGTH(targets); i++) {
        request_begin(&request, &route_table, targets[i].target);
        assert_int_equal(request_is_for_all(&request), targets[i].is_for_all);
    }
}

/* The body of a method that takes none is ignored, whatever it is. */
static void bodies_of_other_methods_do_not_count(void **state)
{
    (void)state;
    expect_question("GET", "/allow?key=alice", "key=bob", MESSAGE_ALLOW, "alice", 1, NULL);
    assert_true(parse("DELETE", "/reset?key=k", "junk", "text/plain"));
}

static const struct {
    const char *method, *target, *body, *type;
    unsigned status;
    const char *says;
} errors[] = {
    {"GET", "*", NULL, NULL, 400, "begins with '/'"},
    {"GET", "allow?key=a", NULL, NULL, 400, "begins with '/'"},
    {"GET", "ftp://h/allow?key=a", NULL, NULL, 400, "begins with '/'"},
    {"GET", "http:/allow?key=a", NULL, NULL, 400, "begins with '/'"},
    {"GET", "https://h/allow?key=a", NULL, NULL, 421, "not encrypted"},
    {"GET", "HTTPS://h/allow?key=a", NULL, NULL, 421, "send its path alone"},
    {"GET", "http:///allow?key=a", NULL, NULL, 400, "the target's host is"},
    {"GET", "http://?key=a", NULL, NULL, 400, "the target's host is"},
    {"GET", "http://u@h/allow?key=a", NULL, NULL, 400, "the target's host is"},
    {"GET", "http://h:x/allow?key=a", NULL, NULL, 400, "the target's host is"},
    {"POST", "http://h", NULL, NULL, 405, "/ is called with GET, HEAD"},
    {"GET", "http://h?token=a", NULL, NULL, 400, "token"},
    {"GET", "http://h/allow", NULL, NULL, 400, "key is missing"},
    {"POST", "*", NULL, NULL, 400, "begins with '/'"},
    {"OPTIONS", "*?", NULL, NULL, 400, "begins with '/'"},
    {"OPTIONS", "http://h/allow", NULL, NULL, 405, "GET, POST"},
    {"G@T", "/check/web", NULL, NULL, 405, "is called with"},
    {"GET", "/allow?key=a b", NULL, NULL, 400, "as %XX"},
    {"GET", "/allow?key=a#b", NULL, NULL, 400, "escape it"},
    {"GET", "/allow?key=\xc3\xa9", NULL, NULL, 400, "as %XX"},
    {"GET", "/al%zzow", NULL, NULL, 400, "path: a '%'"},
    {"GET", "/allow%00", NULL, NULL, 400, "control characters"},
    {"GET", "//", NULL, NULL, 404, "/allow, /charge, /refund, /reset and /status"},
    {"GET", "/allow/", NULL, NULL, 404, "no such path"},
    {"GET", "/ALLOW?key=a", NULL, NULL, 404, "no such path"},
    {"PUT", "/allow?key=a", NULL, NULL, 405, "GET, POST"},
    {"HEAD", "/allow?key=a", NULL, NULL, 405, "GET, POST"},
    {"OPTIONS", "/allow", NULL, NULL, 405, "GET, POST"},
    {"get", "/allow?key=a", NULL, NULL, 405, "GET, POST"},
    {"GET", "/reset?key=a", NULL, NULL, 405, "POST, DELETE"},
    {"POST", "/status", NULL, NULL, 405, "GET, HEAD, QUERY"},
    {"GET", "/refund?key=a", NULL, NULL, 405, "POST"},
    {"POST", "/refund?tokens=1", NULL, NULL, 400, "key is missing; call /refund?key=KEY"},
    {"GET", "/charge?key=a&tokens=1", NULL, NULL, 405, "POST"},
    {"DELETE", "/charge?key=a&tokens=1", NULL, NULL, 405, "POST"},
    {"QUERY", "/charge?key=a&tokens=1", NULL, NULL, 405, "POST"},
    {"POST", "/charge?tokens=1", NULL, NULL, 400, "key is missing; call /charge?key=KEY"},
    {"POST", "/charge?key=a", NULL, NULL, 400, "tokens is missing; call /charge?key=KEY&tokens="},
    {"POST", "/charge?key=a&tokens=0", NULL, NULL, 400, "tokens is 0; give the number to charge"},
    {"POST", "/charge?key=a", "tokens=0", FORM, 400, "tokens is 0; give the number to charge"},
    {"POST", "/charge?key=a&tokens=", NULL, NULL, 400, "tokens is \"\"; give a whole number"},
    {"POST", "/charge?key=a&tokens=-1", NULL, NULL, 400, "tokens is \"-1\""},
    {"POST", "/charge?key=a&tokens=1.5", NULL, NULL, 400, "tokens is \"1.5\""},
    {"POST", "/charge?key=a&tokens=1000000000000000", NULL, NULL, 400, "999999999999999"},
    {"POST", "/charge?key=a&tokens=1&tokens=1", NULL, NULL, 400, "\"tokens\" is there twice"},
    {"POST", "/charge?key=a&tokens=1&wait=1s", NULL, NULL, 400, "/charge takes key, tokens, limit"},
    {"POST", "/charge", BATCH, JSON, 415, "must be a form"},
    {"PUT", "/allow?kez=a", NULL, NULL, 405, "GET, POST"},
    {"GET", "/allow", NULL, NULL, 400, "key is missing; call /allow?key=KEY"},
    {"GET", "/allow?", NULL, NULL, 400, "key is missing"},
    {"GET", "/allow?key", NULL, NULL, 400, "key is empty"},
    {"GET", "/allow?key=", NULL, NULL, 400, "key is empty"},
    {"GET", "/allow?key=a&key=a", NULL, NULL, 400, "\"key\" is there twice"},
    {"GET", "/allow?key=a&kez=a", NULL, NULL, 400, "unknown parameter \"kez\"; /allow takes"},
    {"GET", "/allow?key=a&&tokens=1", NULL, NULL, 400, "unknown parameter \"\""},
    {"GET", "/allow?key=a&Key=a", NULL, NULL, 400, "unknown parameter \"Key\""},
    {"GET", "/allow?key=a&%00=a", NULL, NULL, 400, "unknown parameter \"%00\""},
    {"GET", "/allow?key=a&tokens%20=1", NULL, NULL, 400, "unknown parameter"},
    {"POST", "/reset?key=a&tokens=1", NULL, NULL, 400, "/reset takes key and limit"},
    {"GET", "/allow?key=%zz", NULL, NULL, 400, "key: a '%'"},
    {"GET", "/allow?key=a%00b", NULL, NULL, 400, "control character"},
    {"GET", "/allow?key=a%0d%0ab", NULL, NULL, 400, "control character"},
    {"GET", "/allow?key=%ff", NULL, NULL, 400, "UTF-8"},
    {"GET", "/allow?key=a&tokens=", NULL, NULL, 400, "tokens is \"\""},
    {"GET", "/allow?key=a&tokens=-1", NULL, NULL, 400, "tokens is \"-1\""},
    {"GET", "/allow?key=a&tokens=1e3", NULL, NULL, 400, "tokens is \"1e3\""},
    {"GET", "/allow?key=a&tokens=+1", NULL, NULL, 400, "tokens is \"+1\""},
    {"GET", "/allow?key=a&tokens=%201", NULL, NULL, 400, "tokens is \"%201\""},
    {"GET", "/allow?key=a&tokens=01", NULL, NULL, 400, "tokens is \"01\""},
    {"GET", "/allow?key=a&tokens=1.0", NULL, NULL, 400, "tokens is"},
    {"GET", "/allow?key=a&tokens=1%00", NULL, NULL, 400, "tokens is"},
    {"GET", "/allow?key=a&tokens=1000000000000000", NULL, NULL, 400, "from 0 to 999999999999999"},
    {"GET", "/allow?key=a&tokens=18446744073709551616", NULL, NULL, 400, "tokens is"},
    {"GET", "/allow?key=a&tokens=123456789012345678901234567890", NULL, NULL, 400, "tokens is"},
    {"GET", "/allow?key=a&limit=", NULL, NULL, 400, "no limit named \"\""},
    {"GET", "/allow?key=a&limit=%c3%a9", NULL, NULL, 400, "no limit named"},
    {"GET", "/acquire?key=a", NULL, NULL, 405, "POST"},
    {"GET", "/release?lease=" ID, NULL, NULL, 405, "POST"},
    {"DELETE", "/release?lease=" ID, NULL, NULL, 405, "POST"},
    {"GET", "/renew?lease=" ID, NULL, NULL, 405, "POST"},
    {"POST", "/status?lease=" ID, NULL, NULL, 405, "GET, HEAD, QUERY"},
    {"POST", "/acquire", NULL, NULL, 400, "key is missing; call /acquire?key=KEY"},
    {"POST", "/acquire", BATCH, JSON, 415, "must be a form"},
    {"POST", "/acquire?key=a&slots=0", NULL, NULL, 400,
     "slots is \"0\"; give a whole number from 1"},
    {"POST", "/acquire?key=a&slots=1000001", NULL, NULL, 400, "from 1 to 1000000"},
    {"POST", "/acquire?key=a&slots=-1", NULL, NULL, 400, "slots is \"-1\""},
    {"POST", "/acquire?key=a&slots=", NULL, NULL, 400, "slots is \"\""},
    {"POST", "/acquire?key=a&slots=1.5", NULL, NULL, 400, "slots is \"1.5\""},
    {"POST", "/acquire?key=a&ttl=99ms", NULL, NULL, 400, "ttl is \"99ms\"; give a whole number"},
    {"POST", "/acquire?key=a&ttl=0s", NULL, NULL, 400, "from 100ms to 1d"},
    {"POST", "/acquire?key=a&ttl=25h", NULL, NULL, 400, "ttl is \"25h\""},
    {"POST", "/acquire?key=a&ttl=30", NULL, NULL, 400, "such as 30s"},
    {"POST", "/acquire?key=a&ttl=-1s", NULL, NULL, 400, "ttl is \"-1s\""},
    {"POST", "/acquire?key=a&ttl=1y", NULL, NULL, 400, "ttl is \"1y\""},
    {"POST", "/acquire?key=a&ttl=", NULL, NULL, 400, "ttl is \"\""},
    {"POST", "/acquire?key=a&ttl=99999999999999999999s", NULL, NULL, 400, "ttl is \"999999999"},
    {"POST", "/acquire?key=a&tokens=1000000000000000", NULL, NULL, 400, "tokens is"},
    {"POST", "/acquire?key=a&lease=" ID, NULL, NULL, 400, "unknown parameter \"lease\""},
    {"POST", "/release", NULL, NULL, 400, "lease is missing; call /release?lease=ID"},
    {"POST", "/release?used=1", NULL, NULL, 400, "lease is missing"},
    {"POST", "/release?lease=", NULL, NULL, 400, "lease is \"\"; give the 32 hexadecimal digits"},
    {"POST", "/release?lease=" ID "0", NULL, NULL, 400, "lease is \"0123456789"},
    {"POST", "/release?lease=0123456789abcdef0123456789abcde", NULL, NULL, 400, "lease is"},
    {"POST", "/release?lease=0123456789ABCDEF0123456789abcdef", NULL, NULL, 400, "lease is"},
    {"POST", "/release?lease=0123456789abcdef0123456789abcdeg", NULL, NULL, 400, "lease is"},
    {"POST", "/release?lease=0123456789abcdef0123456789abcd%00f", NULL, NULL, 400, "lease is"},
    {"POST", "/release?lease=" ID "&lease=" ID, NULL, NULL, 400, "\"lease\" is there twice"},
    {"POST", "/release?lease=" ID "&key=a", NULL, NULL, 400, "/release takes lease and used"},
    {"POST", "/release?lease=" ID "&used=1000000000000000", NULL, NULL, 400, "used is"},
    {"POST", "/release?lease=" ID "&used=1125899906842625", NULL, NULL, 400, "to 999999999999999"},
    {"POST", "/release?lease=" ID "&used=-1", NULL, NULL, 400, "used is \"-1\"; give how many"},
    {"POST", "/release?lease=" ID "&used=", NULL, NULL, 400, "used is \"\""},
    {"POST", "/release?lease=" ID "&once=a", NULL, NULL, 400, "unknown parameter \"once\""},
    {"POST", "/renew", NULL, NULL, 400, "lease is missing; call /renew?lease=ID"},
    {"POST", "/renew?lease=x", NULL, NULL, 400, "lease is \"x\""},
    {"POST", "/renew?lease=" ID "&ttl=99ms", NULL, NULL, 400, "from 100ms to 1d"},
    {"POST", "/renew?lease=" ID "&ttl=86400001ms", NULL, NULL, 400, "ttl is"},
    {"GET", "/status?lease=x", NULL, NULL, 400, "lease is \"x\""},
    {"GET", "/status?lease=" ID "&key=a", NULL, NULL, 400, "give a key or a lease, not both"},
    {"GET", "/status?lease=" ID "&limit=api", NULL, NULL, 400, "leave limit out"},
    {"QUERY", "/status?lease=" ID, NULL, NULL, 400, "a QUERY brings a batch"},
    {"QUERY", "/status?lease=" ID, BATCH, JSON, 400, "a batch brings its own keys"},
    {"GET", "/allow?key=a&once=", NULL, NULL, 400, "once is \"\"; give 1 to 64 printable ASCII"},
    {"GET", "/allow?key=a&once=%c3%a9", NULL, NULL, 400, "once is \"%c3%a9\""},
    {"GET", "/allow?key=a&once=a%00", NULL, NULL, 400, "once is"},
    {"GET", "/allow?key=a&once=a%0ab", NULL, NULL, 400, "once is"},
    {"GET", "/allow?key=a&once=a%7f", NULL, NULL, 400, "once is"},
    {"GET", "/allow?key=a&once=%zz", NULL, NULL, 400, "once is"},
    {"POST", "/charge?key=a&tokens=1&once=" DIGITS_64 "0", NULL, NULL, 400, "once is \"0123"},
    {"GET", "/allow?key=a&once=a&once=a", NULL, NULL, 400, "\"once\" is there twice"},
    {"POST", "/reset?key=a&once=a", NULL, NULL, 400, "/reset takes key and limit"},
    {"GET", "/status?key=a&once=a", NULL, NULL, 400, "unknown parameter \"once\""},
    {"POST", "/allow?once=a", BATCH, JSON, 400, "has no once and does not wait"},
    {"POST", "/allow?mode=all", BATCH, JSON, 400, "say the mode of one in JSON in its body"},
    {"POST", "/allow?mode=some", "a\n", LINES, 400, "mode is \"some\"; give each or all"},
    {"POST", "/allow?mode=all&mode=all", "a\n", LINES, 400, "\"mode\" is there twice"},
    {"POST", "/allow?once=a", "a\n", LINES, 400, "has no once and does not wait; leave these out"},
    {"POST", "/allow?key=a", "a\n", LINES, 400, "a batch brings its own keys"},
    {"POST", "/allow", "a\n\n", LINES, 400, "line 2: key"},
    {"POST", "/status?mode=all", "a\n", LINES, 400, "unknown parameter \"mode\""},
    {"GET", "/allow?key=a&mode=all", NULL, NULL, 400, "only a batch has one; leave it out"},
    {"POST", "/allow?key=a", "mode=each", FORM, 400, "only a batch has one; leave it out"},
    {"POST", "/allow", "a\nb=c\n", FORM, 415, "is lines, but its Content-Type says"},
    {"POST", "/allow", "a\n", FORM, 415, "send Content-Type: " LINES},
    {"POST", "/allow", "key=a\n", FORM, 400, "key holds a control character"},
    {"POST", "/charge", "a\n", FORM, 400, "unknown parameter"},
    {"POST", "/charge", "a\n", LINES, 415, "must be a form"},
    {"POST", "/reset", "a\n", LINES, 415, "must be a form"},
    {"GET", "/status?limit=api", NULL, NULL, 400, "limit needs a key"},
    {"GET", "/allow?key=a&wait=30001ms", NULL, NULL, 400,
     "longer than wait_max, 30s; give at most"},
    {"POST", "/allow?key=a", "wait=1h", FORM, 400, "wait is longer than wait_max, 30s"},
    {"GET", "/allow?key=a&wait=18446744073709551615ms", NULL, NULL, 400, "longer than wait_max"},
    {"GET", "/allow?key=a&wait=99999999999999999999d", NULL, NULL, 400, "longer than wait_max"},
    {"GET", "/allow?key=a&wait=1s&tokens=0", NULL, NULL, 400, "tokens is 0, and nobody waits for"},
    {"GET", "/allow?tokens=0&wait=1s&key=a", NULL, NULL, 400, "leave wait out, or give tokens"},
    {"GET", "/allow?key=a&wait=-1s", NULL, NULL, 400, "wait is \"-1s\"; give a whole number with"},
    {"GET", "/allow?key=a&wait=2", NULL, NULL, 400, "wait is \"2\"; give a whole number with its"},
    {"GET", "/allow?key=a&wait=2x", NULL, NULL, 400, "unit, such as 2s or 500ms"},
    {"GET", "/allow?key=a&wait=1.5s", NULL, NULL, 400, "wait is \"1.5s\""},
    {"GET", "/allow?key=a&wait=01s", NULL, NULL, 400, "wait is \"01s\""},
    {"GET", "/allow?key=a&wait=s", NULL, NULL, 400, "wait is \"s\""},
    {"GET", "/allow?key=a&wait=", NULL, NULL, 400, "wait is \"\""},
    {"GET", "/allow?key=a&wait=2%20s", NULL, NULL, 400, "wait is \"2%20s\""},
    {"GET", "/allow?key=a&wait=000000000000000000000000000000s", NULL, NULL, 400, "wait is \"00"},
    {"GET", "/allow?key=a&wait=1s&wait=1s", NULL, NULL, 400, "\"wait\" is there twice"},
    {"POST", "/allow?wait=1s", BATCH, JSON, 400, "and does not wait; leave these out"},
    {"POST", "/allow", "{\"requests\":[{\"key\":\"a\",\"wait\":\"1s\"}]}", JSON, 400,
     "requests[0]: wait is there, and a batch does not wait; leave it out"},
    {"POST", "/allow", "key=a", NULL, 415, "Content-Type: " FORM},
    {"POST", "/allow", "{\"key\":\"a\"}", "application/json", 415, "must be a form"},
    {"POST", "/allow", "key=a", FORM "x", 415, "must be a form"},
    {"POST", "/allow", "{\"key\":\"a\"}", FORM, 415, "send Content-Type: application/json"},
    {"POST", "/allow", BATCH, FORM, 415, "send Content-Type: application/json"},
    {"POST", "/charge", "{\"key\":\"a\"}", FORM, 400, "unknown parameter \"{"},
    {"POST", "/allow?key=a", "key=a", FORM, 400, "\"key\" is there twice"},
    {"POST", "/allow", "key=a&x=1", FORM, 400, "unknown parameter \"x\""},
    {"QUERY", "/status", NULL, NULL, 400, "a QUERY brings a batch"},
    {"QUERY", "/status?key=a", NULL, NULL, 400, "a QUERY brings a batch"},
    {"QUERY", "/status", "", JSON, 400, "a QUERY brings a batch"},
    {"QUERY", "/status", BATCH, NULL, 400, "send Content-Type: " JSON},
    {"QUERY", "/status", "key=a", FORM, 415, "send Content-Type: " JSON},
    {"QUERY", "/status", BATCH, JSON "x", 415, "send Content-Type: " JSON},
    {"QUERY", "/status", "key=a", JSON, 400, "a QUERY brings a batch"},
    {"QUERY", "/status", "{}", JSON, 400, "a QUERY brings a batch"},
    {"QUERY", "/status", "{\"requests\":[]}", JSON, 400, "give 1 to 1000"},
    {"QUERY", "/status?key=a", BATCH, JSON, 400, "a batch brings its own keys"},
    {"QUERY", "/allow", BATCH, JSON, 405, "GET, POST"},
    {"QUERY", "/keys", BATCH, JSON, 405, "GET, HEAD"},
    {"query", "/status", BATCH, JSON, 405, "GET, HEAD, QUERY"},
};

/* RFC 10008, 3: who may ask so is told how. */
static void whom_a_query_would_serve_is_told_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *type;
        bool is_told;
    } asked[] = {
        {"QUERY", "/status", FORM, true},    {"QUERY", "/status", LINES "x", true},
        {"QUERY", "/allow", LINES, false},   {"OPTIONS", "/status", NULL, true},
        {"QUERY", "/allow", JSON, false},    {"POST", "/allow", JSON "x", false},
        {"OPTIONS", "/allow", NULL, false},  {"QUERY", "/status", NULL, false},
        {"GET", "/status?x=1", NULL, false},
    };
    for (size_t i = 0; i < LENGTH(asked); i++) {
        assert_false(parse(asked[i].method, asked[i].target, BATCH, asked[i].type));
        assert_int_equal(request.reply.fields_count, asked[i].is_told);
        if (asked[i].is_told) {
            assert_string_equal(request.reply.fields[0].name, "Accept-Query");
            assert_string_equal(request.reply.fields[0].value, JSON ", " LINES);
        }
        request_release(&request);
    }
}

static void expect_lines(const char *method, const char *target, enum message_kind kind)
{
    assert_true(parse(method, target, "a b\t2\tapi\nc", LINES));
    assert_int_equal(request.message.kind, kind);
    assert_true(request.is_list && request.is_lines);
    assert_int_equal(request.message.ask.list.count, 2);
    const struct bucket_call *calls = request.message.ask.list.calls;
    assert_string_equal(calls[0].ask.key, "a b");
    assert_int_equal(calls[0].ask.tokens, 2);
    assert_string_equal(calls[0].ask.limit_name, "api");
    assert_string_equal(calls[1].ask.key, "c");
    request_release(&request);
}

static void a_batch_in_lines_has_its_mode_in_the_query(void **state)
{
    (void)state;
    expect_lines("POST", "/allow", MESSAGE_EACH);
    expect_lines("POST", "/allow?mode=each", MESSAGE_EACH);
    expect_lines("POST", "/allow?mode=all&deny_status=451", MESSAGE_ALL);
    expect_lines("POST", "/allow", MESSAGE_EACH); /* nothing is left of the one before */
    expect_lines("POST", "/status", MESSAGE_LIST);
    expect_lines("QUERY", "/status", MESSAGE_LIST);
    assert_true(parse("POST", "/allow", BATCH, JSON));
    assert_false(request.is_lines);
    request_release(&request);
}

static void a_query_asks_what_a_posted_batch_asks(void **state)
{
    (void)state;
    static const char *const methods[] = {"QUERY", "POST"};
    for (size_t i = 0; i < LENGTH(methods); i++) {
        assert_true(parse(methods[i], "/status", BATCH, JSON));
        assert_int_equal(request.message.kind, MESSAGE_LIST);
        assert_int_equal(request.message.ask.list.count, 1);
        assert_string_equal(request.message.ask.list.calls[0].ask.key, "a");
        request_release(&request);
    }
    /* To a check it is a method like any other. */
    assert_true(parse("QUERY", "/check/edge", NULL, NULL));
    assert_int_equal(request.message.kind, MESSAGE_MISSING);
}

static void a_target_may_name_the_server(void **state)
{
    (void)state;
    static const char *const origins[] = {"http://h", "HTTP://H:80", "http://[::1]:1", "http://h:"};
    for (size_t i = 0; i < LENGTH(origins); i++) {
        char target[100];
        snprintf(target, sizeof target, "%s/allow?key=a%%2Fb&tokens=3", origins[i]);
        expect_question("GET", target, NULL, MESSAGE_ALLOW, "a/b", 3, NULL);
        assert_int_equal(request.origin_len, strlen(origins[i]));
    }
    expect_question("GET", "/allow?key=http://h", NULL, MESSAGE_ALLOW, "http://h", 1, NULL);
    assert_int_equal(request.origin_len, 0);
}

/* As HAProxy does, if it is told no path. */
static void options_of_the_server_asks_whether_it_answers(void **state)
{
    (void)state;
    static const char *const targets[] = {"*", "/", "http://h", "http://h/", "/?a=b"};
    for (size_t i = 0; i < LENGTH(targets); i++) {
        assert_true(parse("OPTIONS", targets[i], NULL, NULL));
        assert_int_equal(request.message.kind, MESSAGE_DAEMON);
        assert_int_equal(request.route_number, 0);
        assert_true(request_bears_no_stall(&request));
        request_release(&request);
    }
}

static void bad_requests_say_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(errors); i++) {
        if (parse(errors[i].method, errors[i].target, errors[i].body, errors[i].type))
            fail_msg("%s %s was taken", errors[i].method, errors[i].target);
        if (request.reply.status != errors[i].status ||
            strstr(request.detail, errors[i].says) == NULL)
            fail_msg("%s %s: %u %s", errors[i].method, errors[i].target, request.reply.status,
                     request.detail);
        assert_string_equal(request.reply.content_type, "application/problem+json");
        assert_int_equal(request.reply.body_len, strlen(request.reply.body));
        assert_true((request.reply.status == 405) == (request.reply.allow != NULL));
        request_release(&request);
    }
}

static void form_types_are_known_in_any_case_and_with_parameters(void **state)
{
    (void)state;
    assert_true(parse("POST", "/allow", "key=a", "Application/X-WWW-Form-URLEncoded"));
    assert_true(parse("POST", "/allow", "key=a", FORM "; charset=utf-8"));
    assert_true(parse("POST", "/allow", "key=a", FORM " ;charset=utf-8"));
}

static void keys_have_255_bytes_at_most(void **state)
{
    (void)state;
    char target[3 * 256 + 32] = "/allow?key=";
    for (int i = 0; i < 255; i++)
        strcat(target, "%61");
    assert_true(parse("GET", target, NULL, NULL));
    assert_int_equal(request.message.ask.bucket.key_len, 255);
    strcat(target, "a");
    assert_false(parse("GET", target, NULL, NULL));
    assert_non_null(strstr(request.detail, "longer than 255 bytes"));
}

/* A request must leave nothing behind for the next one on its connection. */
static void nothing_is_left_of_the_request_before(void **state)
{
    (void)state;
    assert_true(parse("GET", "/allow?key=a&tokens=5&limit=api", NULL, NULL));
    expect_question("GET", "/allow?key=b", NULL, MESSAGE_ALLOW, "b", 1, NULL);
    assert_false(parse("GET", "/allow?key=a&kez=1", NULL, NULL));
    expect_question("POST", "/allow", "key=c", MESSAGE_ALLOW, "c", 1, NULL);
    assert_false(parse("GET", "/allow", NULL, NULL));
}

static void what_is_no_fault_has_no_text(void **state)
{
    (void)state;
    assert_string_equal(fault_text_key(KEY_OK), "");
    assert_string_equal(fault_text_prefix(KEY_OK), "");
    assert_string_equal(fault_text_prefix(KEY_EMPTY), ""); /* that of all keys */
}

static void expect_refusal(unsigned status, const char *says)
{
    assert_int_equal(request.reply.status, status);
    assert_non_null(strstr(request.detail, says));
    assert_non_null(strstr(request.reply.body, says));
}

/* What was asked is decided under other limits than those that the check was made for. */
static void a_check_whose_limit_is_gone_is_to_be_tried_again(void **state)
{
    (void)state;
    request_begin(&request, &route_table, "/check/edge");
    assert_ptr_equal(request.route, &route_check);
    request.message.kind = MESSAGE_ALLOW;
    request.message.answer.bucket.result = BUCKET_NO_SUCH_LIMIT;
    request_reply(&request, &(struct serving){.routes = &route_table});
    expect_refusal(503, "a reload is just removing the limit of this check; try again");
}

/* The limit is one that a reload has just made so. */
static void what_does_not_suit_its_limit_is_told_what_does(void **state)
{
    (void)state;
    static const struct limit jobs = {.name = "jobs"};
    static const struct {
        const char *target;
        enum bucket_result result;
        unsigned status;
        const char *says;
    } cases[] = {
        {"/allow?key=a", BUCKET_NEEDS_LEASE, 400, "counts what goes on at a time"},
        {"/refund?key=a", BUCKET_SLOTS_ONLY, 400, "/refund is for limits with a rate"},
        {"/charge?key=a&tokens=1", BUCKET_SLOTS_ONLY, 400, "/charge is for limits with a rate"},
        {"/reset?key=a", BUCKET_SLOTS_ONLY, 400, "has no tokens, only slots"},
        {"/acquire?key=a", BUCKET_NO_LEASES, 400, "scope: fleet and counts tokens"},
        {"/allow?key=a&once=x", BUCKET_ONCE_DIFFERS, 400, "once=x came with other parameters"},
        {"/refund?key=a&once=x", BUCKET_ONCE_WAITS, 409, "with once=x still waits"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_true(parse("POST", cases[i].target, NULL, NULL));
        request.message.answer.bucket = (struct bucket_answer){cases[i].result, .limit = &jobs};
        request_reply(&request, &(struct serving){.routes = &route_table});
        expect_refusal(cases[i].status, cases[i].says);
        request_release(&request);
    }
    request_begin(&request, &route_table, "/check/edge");
    request.message.kind = MESSAGE_ALLOW;
    request.message.answer.bucket = (struct bucket_answer){BUCKET_NEEDS_LEASE, .limit = &jobs};
    request_reply(&request, &(struct serving){.routes = &route_table});
    expect_refusal(500, "have the check name another limit");
}

static void a_batch_is_told_which_of_it_needs_a_lease(void **state)
{
    (void)state;
    assert_true(parse("POST", "/allow", BATCH, JSON));
    static const struct limit jobs = {.name = "jobs"};
    request.message.answer.list = (struct list_answer){.no_such_limit = 1, .needs_lease = 0};
    request.message.ask.list.calls[0].answer.limit = &jobs;
    request_reply(&request, &(struct serving){.routes = &route_table});
    assert_non_null(strstr(request.detail, "requests[0]: limit \"jobs\" counts what goes on"));
    request_release(&request);
}

static void a_request_that_finds_no_memory_is_to_be_tried_again(void **state)
{
    (void)state;
    static const char batch[] = "{\"requests\": [{\"key\": \"a\"}]}";
    static const char *const targets[] = {"/keys", "/metrics"};
    for (size_t i = 0; i < LENGTH(targets); i++) {
        failing_at(FAILING_ALLOCATION, 1);
        assert_false(parse("GET", targets[i], NULL, NULL));
        assert_true(failing_end());
        expect_refusal(503, "out of memory; try again");
    }
    assert_true(parse("GET", "/keys", NULL, NULL));
    request.message.answer.keys->result = KEYS_ENDED;
    request.message.answer.keys->tracked = 0;
    request.message.answer.keys->denied_over_ms = 0;
    failing_at(FAILING_ALLOCATION, 1);
    request_reply(&request, &(struct serving){.routes = &route_table});
    assert_true(failing_end());
    assert_int_equal(request.reply.status, 503);
    assert_int_equal(request_held(&request), 0);

    assert_true(parse("POST", "/reload", NULL, NULL));
    assert_int_equal(request.message.kind, MESSAGE_RELOAD);
    request.message.answer.reload->outcome = RELOAD_FAULTY;
    failing_at(FAILING_ALLOCATION, 1);
    request_reply(&request, &(struct serving){.routes = &route_table});
    assert_true(failing_end());
    assert_int_equal(request.reply.status, 422);
    assert_non_null(strstr(request.reply.body,
                           "there is no memory to list the faults, run allowd -t to see them"));

    unsigned shortages = 0;
    for (bool failed = true; failed; shortages += failed) {
        failing_at(FAILING_ALLOCATION, shortages + 1);
        bool is_taken = parse("POST", "/allow", batch, "application/json");
        failed = failing_end();
        assert_int_equal(is_taken, !failed);
        if (failed)
            expect_refusal(503, "out of memory; try again, or send a smaller batch");
        request_release(&request);
    }
    assert_in_range(shortages, 2, 10);
}

static void a_long_body_has_room_of_its_own(void **state)
{
    (void)state;
    request_begin(&request, &route_table, "/allow");
    assert_true(request_expect_body(&request, REQUEST_BODY_MAX));
    assert_null(request.long_body);
    failing_at(FAILING_MMAP, 1);
    assert_false(request_expect_body(&request, REQUEST_BODY_MAX + 1));
    assert_true(failing_end());
    assert_null(request.long_body);
    assert_true(request_expect_body(&request, REQUEST_BODY_MAX + 1));
    assert_non_null(request.long_body);
    request_release(&request);
    assert_null(request.long_body);
}

/* Takes a body in pieces of a size, as it comes in chunks; whether there was memory for all. */
static bool add_in_pieces(const char *bytes, size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece) {
        size_t now = len - at < piece ? len - at : piece;
        size_t room = request_body_room_grown(&request, now);
        assert_true(room == 0 || room <= 4 * (at + now));
        if (room > 0 && !request_grow_body(&request, room))
            return false;
        request_add_body(&request, bytes + at, now);
    }
    return true;
}

static void a_body_of_unknown_length_gets_room_as_it_comes(void **state)
{
    (void)state;
    static char bytes[REQUEST_LONG_BODY_MAX];
    static const size_t lengths[] = {0,     1,     4095,  4096,   4097,    16384,
                                     16385, 65536, 65537, 524289, 1048575, 1048576};
    static const size_t pieces[] = {1000, 4096, 4097, 50000, REQUEST_LONG_BODY_MAX};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31 + i / 4096);
    for (size_t i = 0; i < LENGTH(lengths) * LENGTH(pieces); i++) {
        size_t len = lengths[i / LENGTH(pieces)], piece = pieces[i % LENGTH(pieces)];
        request_begin(&request, &route_table, "/allow");
        assert_true(add_in_pieces(bytes, len, piece));
        assert_int_equal(request.body_len, len);
        assert_int_equal(request.long_body != NULL, len > REQUEST_BODY_MAX);
        assert_true(request_held(&request) <= REQUEST_LONG_BODY_MAX);
        assert_memory_equal(len > REQUEST_BODY_MAX ? request.long_body : request.body, bytes, len);
        request_release(&request);
        assert_int_equal(request_held(&request), 0);
    }
}

static void a_body_that_finds_no_more_room_keeps_what_it_has(void **state)
{
    (void)state;
    static const char bytes[20000];
    request_begin(&request, &route_table, "/allow");
    failing_at(FAILING_MMAP, 1);
    assert_false(add_in_pieces(bytes, 5000, 1000));
    assert_true(failing_end());
    assert_int_equal(request_held(&request), 0);
    request_release(&request);

    request_begin(&request, &route_table, "/allow");
    failing_at(FAILING_MREMAP, 1);
    assert_false(add_in_pieces(bytes, sizeof bytes, 1000));
    assert_true(failing_end());
    assert_int_equal(request_held(&request), 16384);
    assert_int_equal(request.body_len, 16000);
    request_release(&request);
    assert_null(request.long_body);
}

/* It belongs to another service and is thrown away. */
static void what_is_sent_to_a_check_needs_no_room(void **state)
{
    (void)state;
    request_begin(&request, &route_table, "/check/web");
    assert_int_equal(request_body_room_grown(&request, REQUEST_LONG_BODY_MAX), 0);
    request_release(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_become_messages),
        cmocka_unit_test(a_token_goes_along_with_its_question),
        cmocka_unit_test(whoever_asks_may_wait),
        cmocka_unit_test(where_nobody_may_wait_that_is_told),
        cmocka_unit_test(leases_are_asked_for),
        cmocka_unit_test(leases_are_asked_about),
        cmocka_unit_test(who_knows_a_lease_may_ask_for_it),
        cmocka_unit_test(bodies_of_other_methods_do_not_count),
        cmocka_unit_test(a_target_may_name_the_server),
        cmocka_unit_test(options_of_the_server_asks_whether_it_answers),
        cmocka_unit_test(bad_requests_say_what_to_do),
        cmocka_unit_test(whom_a_query_would_serve_is_told_its_type),
        cmocka_unit_test(a_batch_in_lines_has_its_mode_in_the_query),
        cmocka_unit_test(a_query_asks_what_a_posted_batch_asks),
        cmocka_unit_test(form_types_are_known_in_any_case_and_with_parameters),
        cmocka_unit_test(keys_have_255_bytes_at_most),
        cmocka_unit_test(nothing_is_left_of_the_request_before),
        cmocka_unit_test(what_is_no_fault_has_no_text),
        cmocka_unit_test(a_check_whose_limit_is_gone_is_to_be_tried_again),
        cmocka_unit_test(what_does_not_suit_its_limit_is_told_what_does),
        cmocka_unit_test(a_batch_is_told_which_of_it_needs_a_lease),
        cmocka_unit_test(a_request_that_finds_no_memory_is_to_be_tried_again),
        cmocka_unit_test(a_long_body_has_room_of_its_own),
        cmocka_unit_test(a_body_of_unknown_length_gets_room_as_it_comes),
        cmocka_unit_test(a_body_that_finds_no_more_room_keeps_what_it_has),
        cmocka_unit_test(what_is_sent_to_a_check_needs_no_room),
    };
    json_memory_set_up();
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
