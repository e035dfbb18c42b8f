/* Keys over HTTP: from a target to a question, and from an answer to JSON. */
#include "http/request.h"
#include "http/routes/table.h"
#include "support/unit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct request request; /* too large for the stack of a test */
static const struct serving serving = {.routes = &route_table};

static int release(void **unused)
{
    (void)unused;
    request_release(&request);
    return 0;
}

static bool parse(const char *method, const char *target)
{
    request_release(&request);
    request_begin(&request, &route_table, target);
    request.method = method_parse(method);
    return request_finish(&request, NULL);
}

static const struct keys_question *expect_question(const char *target)
{
    assert_true(parse("GET", target));
    assert_int_equal(request.message.kind, MESSAGE_KEYS);
    assert_ptr_equal(request.message.answer.keys, request.room);
    return request.message.ask.keys;
}

static void good_requests_become_questions(void **unused)
{
    (void)unused;
    const struct keys_question *ask = expect_question("/keys");
    assert_int_equal(ask->prefix_len, 0);
    assert_null(ask->limit_name);
    assert_int_equal(ask->sort, KEYS_IN_TABLE);
    assert_int_equal(ask->count, 100);
    assert_int_equal(request.message.answer.keys->cursor, KEYS_CURSOR_BEGIN);

    ask = expect_question("/keys?count=1000&prefix=a+%2F%C3%A4&limit=api&sort=remaining"
                          "&cursor=0123456789abcdef");
    assert_int_equal(ask->prefix_len, strlen("a /\xc3\xa4"));
    assert_memory_equal(ask->prefix, "a /\xc3\xa4", ask->prefix_len);
    assert_int_equal(ask->limit_name_len, 3);
    assert_memory_equal(ask->limit_name, "api", 3);
    assert_int_equal(ask->sort, KEYS_BY_REMAINING);
    assert_int_equal(ask->count, 1000);
    assert_int_equal(request.message.answer.keys->cursor, 0x0123456789abcdef);

    assert_int_equal(expect_question("/keys?prefix=")->prefix_len, 0);
    assert_int_equal(expect_question("/keys?sort=denied&count=1")->sort, KEYS_BY_DENIED);
    assert_true(parse("HEAD", "/keys"));
}

static void the_room_for_an_answer_is_counted_until_it_is_given_back(void **unused)
{
    (void)unused;
    expect_question("/keys?count=1000");
    assert_true(request_held(&request) >= keys_answer_bytes(1000));
    request_release(&request);
    assert_int_equal(request_held(&request), 0);
    expect_question("/keys?count=1");
    assert_true(request_held(&request) < 64 * 1024);
}

#define KEY_51 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define KEY_255 KEY_51 KEY_51 KEY_51 KEY_51 KEY_51
static_assert(sizeof KEY_255 == KEY_MAX + 1, "it is the longest");

static void a_prefix_may_be_as_long_as_a_key(void **unused)
{
    (void)unused;
    assert_int_equal(expect_question("/keys?prefix=" KEY_255)->prefix_len, KEY_MAX);
}

static const struct {
    const char *method, *target;
    unsigned status;
    const char *detail;
} refusals[] = {
    {"GET", "/keys?count=0", 400, "from 1 to 1000"},
    {"GET", "/keys?count=1001", 400, "from 1 to 1000"},
    {"GET", "/keys?count=", 400, "from 1 to 1000"},
    {"GET", "/keys?count", 400, "from 1 to 1000"},
    {"GET", "/keys?count=01", 400, "from 1 to 1000"},
    {"GET", "/keys?count=+1", 400, "from 1 to 1000"},
    {"GET", "/keys?count=-1", 400, "from 1 to 1000"},
    {"GET", "/keys?count=1e2", 400, "from 1 to 1000"},
    {"GET", "/keys?count=1%00", 400, "from 1 to 1000"},
    {"GET", "/keys?count=18446744073709551617", 400, "from 1 to 1000"},
    {"GET", "/keys?count=99999999999999999999999999999", 400, "from 1 to 1000"},
    {"GET", "/keys?count=1&count=1", 400, "\"count\" is there twice"},
    {"GET", "/keys?sort=", 400, "give remaining or denied"},
    {"GET", "/keys?sort=Denied", 400, "give remaining or denied"},
    {"GET", "/keys?sort=denied%00", 400, "give remaining or denied"},
    {"GET", "/keys?sort=remainingremainingremaining", 400, "give remaining or denied"},
    {"GET", "/keys?sort=denied&sort=remaining", 400, "\"sort\" is there twice"},
    {"GET", "/keys?cursor=", 400, "this server did not issue this cursor"},
    {"GET", "/keys?cursor=0", 400, "this server did not issue this cursor"},
    {"GET", "/keys?cursor=0000000000000000", 400, "this server did not issue this cursor"},
    {"GET", "/keys?cursor=0123456789ABCDEF", 400, "this server did not issue this cursor"},
    {"GET", "/keys?cursor=0123456789abcdef0", 400, "this server did not issue this cursor"},
    {"GET", "/keys?cursor=0123456789abcde", 400, "this server did not issue this cursor"},
    {"GET", "/keys?cursor=0123456789abcde%30", 400, "this server did not issue this cursor"},
    {"GET", "/keys?cursor=0123456789abcdef&cursor=0123456789abcdef", 400, "is there twice"},
    {"GET", "/keys?cursor=0123456789abcdef&sort=denied", 400, "takes no cursor"},
    {"GET", "/keys?prefix=%ff", 400, "prefix is not valid UTF-8"},
    {"GET", "/keys?prefix=%C3", 400, "prefix is not valid UTF-8"},
    {"GET", "/keys?prefix=%0a", 400, "prefix holds a control character"},
    {"GET", "/keys?prefix=a%00", 400, "prefix holds a control character"},
    {"GET", "/keys?prefix=%zz", 400, "prefix: a '%' must be followed"},
    {"GET", "/keys?prefix=" KEY_255 "x", 400, "prefix is longer than 255 bytes"},
    {"GET", "/keys?prefix=a&prefix=a", 400, "\"prefix\" is there twice"},
    {"GET", "/keys?limit=", 400, "there can be no limit named"},
    {"GET", "/keys?limit=a&limit=a", 400, "\"limit\" is there twice"},
    {"GET", "/keys?key=a", 400, "/keys takes prefix, limit, sort, count and cursor"},
    {"GET", "/keys?tokens=1", 400, "unknown parameter"},
    {"GET", "/keys?Count=1", 400, "unknown parameter"},
    {"GET", "/keys?&", 400, "unknown parameter"},
    {"GET", "/allow?key=a&count=1", 400, "unknown parameter"},
    {"GET", "/status?prefix=a", 400, "unknown parameter"},
    {"POST", "/keys", 405, "GET, HEAD"},
    {"DELETE", "/keys", 405, "GET, HEAD"},
    {"GET", "/keys/", 404, "/keys"},
};

static void bad_requests_say_what_to_do(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < LENGTH(refusals); i++) {
        bool good = parse(refusals[i].method, refusals[i].target);
        if (good || request.reply.status != refusals[i].status ||
            strstr(request.detail, refusals[i].detail) == NULL)
            fail_msg("%s %s: %u \"%s\"", refusals[i].method, refusals[i].target,
                     good ? 200 : request.reply.status, request.detail);
        assert_null(request.room);
    }
}

/* ---- replies ---- */

static void put_key(const char *key, size_t key_len, const char *limit, uint64_t number)
{
    struct keys_answer *answer = request.message.answer.keys;
    struct keys_entry *entry = &answer->entry[answer->found];
    answer->order[answer->found] = (uint16_t)answer->found;
    answer->found++;
    *entry = (struct keys_entry){
        .shadow = number == UINT64_MAX,
        .active = number != 3,
        .key_len = (uint8_t)key_len,
        .remaining_tokens = number,
        .owed_tokens = number,
        .burst = number,
        .full_after_ms = number - 1, /* a number even of the largest one */
        .leases = (uint32_t)number,
        .slots = number,
        .denied = number,
        .denied_error = number,
    };
    memcpy(entry->key, key, key_len);
    strcpy(entry->limit_name, limit);
}

static void expect_body(const char *body)
{
    request_reply(&request, &serving);
    assert_int_equal(request.reply.status, 200);
    assert_int_equal(request.reply.body_len, strlen(body));
    assert_memory_equal(request.reply.large_body, body, strlen(body));
    free(request.reply.large_body);
}

static void a_reply_is_one_line_of_json(void **unused)
{
    (void)unused;
    expect_question("/keys");
    request.message.answer.keys->result = KEYS_ENDED;
    request.message.answer.keys->tracked = 7;
    request.message.answer.keys->looked_at = 7;
    request.message.answer.keys->denied_over_ms = 61000;
    expect_body("{\"keys\":[],\"cursor\":null,\"looked_at\":7,\"tracked\":7,"
                "\"denied_over_ms\":61000}\n");

    expect_question("/keys");
    request.message.answer.keys->result = KEYS_FULL;
    request.message.answer.keys->cursor = 0xfedcba9876543210;
    request.message.answer.keys->tracked = 7;
    request.message.answer.keys->denied_over_ms = 0;
    put_key("a\"\\/\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80", 13, "\"api\"", 3);
    put_key("b", 1, "default", UINT64_MAX);
    expect_body(
        "{\"keys\":[{\"key\":\"a\\\"\\\\/\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80\","
        "\"limit\":\"\\\"api\\\"\",\"remaining\":3,\"owed\":3,\"burst\":3,\"reset_after_ms\":2,"
        "\"active\":false,\"leases\":3,\"slots\":3,\"denied\":3,\"denied_error\":3},"
        "{\"key\":\"b\",\"limit\":\"default\",\"remaining\":18446744073709551615,"
        "\"owed\":18446744073709551615,"
        "\"burst\":18446744073709551615,\"reset_after_ms\":18446744073709551614,"
        "\"active\":true,\"leases\":4294967295,\"slots\":18446744073709551615,"
        "\"denied\":18446744073709551615,"
        "\"denied_error\":18446744073709551615,\"shadow\":true}],"
        "\"cursor\":\"fedcba9876543210\",\"looked_at\":0,\"tracked\":7,"
        "\"denied_over_ms\":0}\n");
}

/* As many as there can be, each as long as it can be, every character escaped. */
static void the_longest_reply_has_room(void **unused)
{
    (void)unused;
    char key[KEY_MAX], limit[LIMIT_NAME_MAX + 1] = "";
    memset(key, '"', sizeof key);
    memset(limit, '\\', LIMIT_NAME_MAX);
    expect_question("/keys?count=1000");
    request.message.answer.keys->result = KEYS_GOES_ON;
    request.message.answer.keys->looks = KEYS_LOOKS_MAX;
    request.message.answer.keys->cursor = request.message.answer.keys->looked_at =
        request.message.answer.keys->denied_over_ms = UINT64_MAX;
    request.message.answer.keys->tracked = UINT32_MAX;
    for (unsigned i = 0; i < KEYS_COUNT_MAX + KEYS_PLACE_MAX; i++)
        put_key(key, sizeof key, limit, UINT64_MAX);
    assert_false(request_asks_again(&request));
    request_reply(&request, &serving);
    assert_int_equal(request.reply.status, 200);
    assert_true(request.reply.body_len > 1000 * 2 * KEY_MAX);
    assert_int_equal(request_held(&request), request.reply.body_len); /* and no more */
    free(request.reply.large_body);
}

static void it_is_asked_again_until_there_is_enough(void **unused)
{
    (void)unused;
    expect_question("/keys?count=2");
    request.message.answer.keys->result = KEYS_GOES_ON;
    request.message.answer.keys->looks = 1;
    assert_true(request_asks_again(&request));
    request.message.answer.keys->found = 2;
    assert_false(request_asks_again(&request));
    request.message.answer.keys->found = 1;
    request.message.answer.keys->looks = KEYS_LOOKS_MAX;
    assert_false(request_asks_again(&request));
    request.message.answer.keys->looks = 1;
    request.message.answer.keys->result = KEYS_ENDED;
    assert_false(request_asks_again(&request));

    expect_question("/keys?count=2&sort=remaining");
    request.message.answer.keys->result = KEYS_GOES_ON;
    request.message.answer.keys->looks = 1;
    request.message.answer.keys->found = 2;
    assert_true(request_asks_again(&request));
    assert_true(parse("GET", "/status"));
    assert_false(request_asks_again(&request));
}

static void what_the_brain_refuses_is_a_fault(void **unused)
{
    (void)unused;
    static const enum keys_result results[] = {KEYS_BAD_CURSOR, KEYS_NO_SUCH_LIMIT};
    static const char *const details[] = {"this server did not issue this cursor",
                                          "no limit named \\\"gone\\\""};
    for (size_t i = 0; i < LENGTH(results); i++) {
        expect_question("/keys?limit=gone&cursor=0123456789abcdef");
        request.message.answer.keys->result = results[i];
        assert_false(request_asks_again(&request));
        request_reply(&request, &serving);
        assert_int_equal(request.reply.status, 400);
        request.reply.body[request.reply.body_len] = '\0';
        assert_non_null(strstr(request.reply.body, details[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_become_questions),
        cmocka_unit_test(the_room_for_an_answer_is_counted_until_it_is_given_back),
        cmocka_unit_test(a_prefix_may_be_as_long_as_a_key),
        cmocka_unit_test(bad_requests_say_what_to_do),
        cmocka_unit_test(a_reply_is_one_line_of_json),
        cmocka_unit_test(the_longest_reply_has_room),
        cmocka_unit_test(it_is_asked_again_until_there_is_enough),
        cmocka_unit_test(what_the_brain_refuses_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
