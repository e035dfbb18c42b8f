/* Batches in JSON: good ones become calls, bad ones say what is wrong and where. */
#include "base/arena.h"
#include "http/batch_json.h"
#include "http/batch_plain.h"
#include "http/json_memory.h"
#include "limits/key.h"
#include "support/batches.h"
#include "support/dice.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char body[BATCH_BODY_MAX + 1];
static size_t body_len;

static void add(const char *bytes, size_t len)
{
    assert_true(len <= sizeof body - body_len);
    memcpy(body + body_len, bytes, len);
    body_len += len;
}

static void add_text(const char *text)
{
    add(text, strlen(text));
}

static void add_times(const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        add_text(text);
}

static enum batch_result parse_bytes(const char *bytes, size_t len)
{
    return parse_exactly(batch_json_parse, bytes, len);
}

static enum batch_result parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static enum batch_result parse_body(void)
{
    return parse_bytes(body, body_len);
}

static void expect_bad(enum batch_result result, const char *says)
{
    expect_refused(result, body, says);
}

static void expect_one(const char *text, const char *key, const char *limit, uint64_t tokens)
{
    assert_int_equal(parse(text), BATCH_OK);
    assert_int_equal(batch.count, 1);
    expect_call(0, key, limit, tokens);
    batch_release(&batch);
}

#define GOOD                                                                                       \
    "{\"requests\":[{\"key\":\"user:1\",\"limit\":\"api\",\"tokens\":2},{\"key\":\"\\u00e9 "       \
    "\\\"\xe2\x82\xac\"}],\"mode\":\"all\"}"

#define PLAIN                                                                                      \
    "{\"requests\": [{\"key\":\"user:1\",\"limit\":\"api\",\"tokens\":20},\n"                      \
    "{\"tokens\":0,\"key\":\"\xe2\x82\xac{\"}],\"mode\":\"each\"}"

static bool is_plain(const char *text)
{
    uint32_t most = batch_plain_count(text, strlen(text)), count = most;
    struct bucket_call calls[8];
    char strings[256], *string = strings;
    bool all;
    assert_in_range(most, 0, 8);
    assert_true(strlen(text) <= sizeof strings);
    return most > 0 && batch_plain_read(text, strlen(text), calls, &string, &count, &all);
}

/* The rest is left to jansson, whether it is sound or not. */
static void what_clients_send_is_plain(void **state)
{
    (void)state;
    static const char *const others[] = {
        GOOD,
        "",
        "{",
        "{}",
        "{\"requests\":[]}",
        "{\"requests\":[{}]}",
        "{\"requests\":[{\"key\":\"a\"}]",
        "{\"requests\":[{\"key\":\"a\"},]}",
        "{\"requests\":[{\"key\":\"a\"}]}x",
        "{\"requests\":[{\"key\":\"a\",\"key\":\"a\"}]}",
        "{\"requests\":[{\"key\":\"a\",\"tokens\":01}]}",
        "{\"requests\":[{\"key\":\"a\",\"tokens\":1e0}]}",
        "{\"requests\":[{\"key\":\"a\",\"tokens\":1000000000000000}]}",
        "{\"requests\":[{\"key\":\"a\",\"tokens\":1,\"tokens\":1}]}",
        "{\"requests\":[{\"key\":\"\xe2\x82\"}]}",
        "{\"requests\":[{\"key\":\"a\"}],\"requests\":[{\"key\":\"a\"}]}",
        "{\"requests\":[{\"key\":\"a\"}],\"mode\":\"none\"}",
    };
    assert_true(is_plain(PLAIN));
    assert_true(is_plain(" {\t\"mode\" : \"all\" , \"requests\" : [ { \"key\" : \"a\" } ] }\n"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (is_plain(others[i]))
            fail_msg("%s is no plain batch", others[i]);
}

static void good_batches_become_calls(void **state)
{
    (void)state;
    assert_int_equal(parse(GOOD), BATCH_OK);
    assert_int_equal(batch.count, 2);
    assert_true(batch.all);
    expect_call(0, "user:1", "api", 2);
    expect_call(1, "\xc3\xa9 \"\xe2\x82\xac", NULL, 1);
    batch_release(&batch);

    assert_int_equal(parse("{\"mode\":\"each\",\"requests\":[{\"key\":\"a\"}]}"), BATCH_OK);
    assert_false(batch.all);
    batch_release(&batch);
    assert_int_equal(parse(" \t\r\n{ \"requests\" :\n[ {\t\"key\" : \"a\" } ] } \r\n"), BATCH_OK);
    assert_false(batch.all);
    batch_release(&batch);
}

#define REQUEST(members) "{\"requests\":[{" members "}]}"

static void members_come_in_any_order_and_may_be_left_out(void **state)
{
    (void)state;
    expect_one(REQUEST("\"tokens\":0,\"limit\":\"a b\",\"key\":\"k\""), "k", "a b", 0);
    expect_one(REQUEST("\"key\":\"k\",\"tokens\":999999999999999"), "k", NULL, 999999999999999u);
    expect_one(REQUEST("\"key\":\"k\",\"tokens\":-0"), "k", NULL, 0);
    expect_one(REQUEST("\"k\\u0065y\":\"\\uD83D\\uDE00\""), "\xf0\x9f\x98\x80", NULL, 1);
    expect_one(REQUEST("\"limit\":\"\\\"\\\\\",\"key\":\"\\/\""), "/", "\"\\", 1);
}

static void what_is_no_object_with_requests_is_no_batch(void **state)
{
    (void)state;
    const char *const others[] = {
        "",
        " ",
        "\n",
        "null",
        "true",
        "17",
        "\"a\"",
        "[]",
        "key=a",
        "[1,",
        "[{\"a\":1}]",
        "{}",
        " { } ",
        "{\"a\":1}",
        "\xff",
        "\xef\xbb\xbf{}",
        "{\"Requests\":[]}",
        "requests",
        "<a>{\"requests\":[{\"key\":\"a\"}]}</a>",
    };
    for (size_t i = 0; i < LENGTH(others); i++) {
        if (parse(others[i]) != BATCH_NONE)
            fail_msg("%s is taken for a batch", others[i]);
        expect_untouched();
    }
    assert_int_equal(parse_bytes("\0{}", 3), BATCH_NONE);
}

static const struct {
    const char *text, *says;
} faults[] = {
    /* the batch */
    {"{\"requests\":null}", "requests is null; give an array of 1 to 1000 requests"},
    {"{\"requests\":{}}", "requests is an object; give an array"},
    {"{\"requests\":\"a\"}", "requests is a string; give an array"},
    {"{\"requests\":[]}", "requests holds 0 requests; give 1 to 1000"},
    {"{\"requests\":[{\"key\":\"a\"}],\"mode\":1}", "mode is a number; give \"each\" or \"all\""},
    {"{\"requests\":[{\"key\":\"a\"}],\"mode\":\"ALL\"}", "mode is \"ALL\"; give \"each\" or"},
    {"{\"requests\":[{\"key\":\"a\"}],\"mode\":null}", "mode is null"},
    {"{\"requests\":[{\"key\":\"a\"}],\"Mode\":\"all\"}",
     "unknown member \"Mode\"; a batch has requests and mode"},
    {"{\"requests\":[{\"key\":\"a\"}],\"\":1}", "unknown member \"\""},
    {"{\"requests\":[{\"key\":\"a\"}],\"\xc3\xa9\\n\":1}", "unknown member \"???\""},
    {"{\"requests\":[],\"requests\":[{\"key\":\"a\"}]}",
     "duplicate object key near '\"requests\"'"},
    /* a request */
    {"{\"requests\":[1]}", "requests[0]: is a number; give an object such as {\"key\":\"user:1\"}"},
    {"{\"requests\":[{\"key\":\"a\"},null]}", "requests[1]: is null"},
    {"{\"requests\":[[]]}", "requests[0]: is an array"},
    {REQUEST(""), "requests[0]: key is missing"},
    {REQUEST("\"limit\":\"api\""), "requests[0]: key is missing"},
    {REQUEST("\"key\":\"a\",\"kez\":1"),
     "requests[0]: unknown member \"kez\"; a request has key, limit and tokens"},
    {REQUEST("\"key\":\"a\",\"wait\":\"2s\""),
     "requests[0]: wait is there, and a batch does not wait"},
    {"{\"requests\":[{\"key\":\"a\"}],\"wait\":\"2s\"}",
     "wait is there, and a batch does not wait"},
    {REQUEST("\"key\":\"a\",\"Key\":\"a\""), "requests[0]: unknown member \"Key\""},
    {REQUEST("\"key\":\"a\",\"token\":5"), "unknown member \"token\""},
    {REQUEST("\"key\":\"a\",\"key\":\"a\""), "duplicate object key near '\"key\"'"},
    {REQUEST("\"key\":\"a\",\"k\\u0065y\":\"b\""), "duplicate object key"},
    /* a key */
    {"{\"requests\":[{\"key\":\"a\"},{\"key\":\"b\"},{\"key\":\"c\"},{\"key\":\"\"}]}",
     "requests[3]: key is empty; give 1 to 255 bytes of UTF-8"},
    {REQUEST("\"key\":1"), "requests[0]: key is a number; give a string of 1 to 255 bytes"},
    {REQUEST("\"key\":null"), "key is null"},
    {REQUEST("\"key\":true"), "key is a boolean"},
    {REQUEST("\"key\":[\"a\"]"), "key is an array"},
    {REQUEST("\"key\":{\"key\":\"a\"}"), "key is an object"},
    {REQUEST("\"key\":\"a\\r\\nb\""), "requests[0]: key holds a control character"},
    {REQUEST("\"key\":\"\\u0085\""), "key holds a control character"},
    {REQUEST("\"key\":\"a\\u0000b\""),
     "line 1, column 30 of the JSON: a string holds the control character \\u0000"},
    {REQUEST("\"\\u0000key\":\"a\""), "the control character \\u0000"},
    {REQUEST("\"key\":\"\\ud800\""), "line 1, column"},
    {REQUEST("\"key\":\"\\ud800\\ud800\""), "line 1, column"},
    {REQUEST("\"key\":\"\\udc00\""), "line 1, column"},
    {REQUEST("\"key\":\"\xff\""), "unable to decode byte 0xff"},
    {REQUEST("\"key\":\"\xc0\x80\""), "unable to decode byte 0xc0"},
    {REQUEST("\"key\":\"\xed\xa0\x80\""), "unable to decode byte 0xed"},
    {REQUEST("\"key\":\"a\nb\""), "line 1, column"},
    /* a limit */
    {REQUEST("\"key\":\"a\",\"limit\":\"\""), "requests[0]: there can be no limit named \"\""},
    {REQUEST("\"key\":\"a\",\"limit\":\" a\""), "no limit named \" a\"; GET /status lists"},
    {REQUEST("\"key\":\"a\",\"limit\":\"\xc3\xa9\""), "no limit named \"??\""},
    {REQUEST("\"key\":\"a\",\"limit\":null"), "limit is null; give a limit's name"},
    {REQUEST("\"key\":\"a\",\"limit\":7"), "limit is a number"},
    /* tokens */
    {REQUEST("\"key\":\"a\",\"tokens\":-1"),
     "requests[0]: tokens is -1; give a whole number from 0 to 999999999999999, in digits only"},
    {REQUEST("\"key\":\"a\",\"tokens\":1.0"), "tokens is a number with a fraction or an exponent"},
    {REQUEST("\"key\":\"a\",\"tokens\":1e3"), "tokens is a number with a fraction or an exponent"},
    {REQUEST("\"key\":\"a\",\"tokens\":\"1\""), "tokens is a string"},
    {REQUEST("\"key\":\"a\",\"tokens\":null"), "tokens is null"},
    {REQUEST("\"key\":\"a\",\"tokens\":1000000000000000"), "tokens is 1000000000000000; give"},
    {REQUEST("\"key\":\"a\",\"tokens\":9223372036854775807"), "tokens is 9223372036854775807"},
    {REQUEST("\"key\":\"a\",\"tokens\":-9223372036854775808"), "tokens is -9223372036854775808"},
    {REQUEST("\"key\":\"a\",\"tokens\":9223372036854775808"), "too big integer"},
    {REQUEST("\"key\":\"a\",\"tokens\":18446744073709551616"), "too big integer"},
    {REQUEST("\"key\":\"a\",\"tokens\":1e999"), "real number overflow"},
    {REQUEST("\"key\":\"a\",\"tokens\":01"), "line 1, column"},
    {REQUEST("\"key\":\"a\",\"tokens\":+1"), "line 1, column"},
    {REQUEST("\"key\":\"a\",\"tokens\":0x1"), "line 1, column"},
    {REQUEST("\"key\":\"a\",\"tokens\":NaN"), "line 1, column"},
    /* broken JSON */
    {"{", "line 1, column 1 of the JSON: string or '}' expected near end of file; give a batch"},
    {"{\n \"requests\":\n  [}", "line 3, column 4 of the JSON: unexpected token near '}'"},
    {"{requests:[]}", "line 1, column"},
    {"{'requests':[]}", "line 1, column"},
    {"{\"requests\":[{\"key\":\"a\"},]}", "line 1, column"},
    {"{\"requests\":[{\"key\":\"a\"}]}x", "end of file expected near 'x'"},
    {"{\"requests\":[{\"key\":\"a\"}]}{}", "end of file expected near '{'"},
    {"{\"requests\":[{\"key\":\"a\"}]/**/}", "line 1, column"},
    {"{\"requests\":[{\"key\":\"a\"}]\"mode\":\"all\"}", "line 1, column"},
    {"{\xef\xbb\xbf}", "line 1, column"},
};

static void bad_batches_say_what_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(faults); i++) {
        body_len = 0;
        add_text(faults[i].text);
        body[body_len] = '\0';
        expect_bad(parse_body(), faults[i].says);
    }
}

static void a_nul_is_no_blank(void **state)
{
    (void)state;
    static const char inside[] = "{\"requests\":[{\"key\":\"a\0b\"}]}";
    expect_bad(parse_bytes(inside, sizeof inside - 1), "line 1, column");
    static const char behind[] = "{\"requests\":[{\"key\":\"a\"}]}";
    expect_bad(parse_bytes(behind, sizeof behind), "line 1, column");
}

static void add_key_of(const char *character, size_t times)
{
    body_len = 0;
    add_text("{\"requests\":[{\"key\":\"");
    add_times(character, times);
    add_text("\"}]}");
}

static void keys_have_255_bytes_at_most_once_decoded(void **state)
{
    (void)state;
    add_key_of("a", 255);
    assert_int_equal(parse_body(), BATCH_OK);
    assert_int_equal(batch.calls[0].ask.key_len, 255);
    batch_release(&batch);
    add_key_of("\\u20ac", 85);
    assert_int_equal(parse_body(), BATCH_OK);
    assert_int_equal(batch.calls[0].ask.key_len, 255);
    batch_release(&batch);
    add_key_of("a", 256);
    expect_bad(parse_body(), "requests[0]: key is longer than 255 bytes");
    add_key_of("\\u20ac", 86);
    expect_bad(parse_body(), "requests[0]: key is longer than 255 bytes");
    add_key_of("a", BATCH_BODY_MAX - 26);
    assert_int_equal(body_len, BATCH_BODY_MAX - 1);
    expect_bad(parse_body(), "requests[0]: key is longer than 255 bytes");
}

/* Requests of the longest key, and the numbers of bytes that they then take. */
static void add_requests(size_t count)
{
    body_len = 0;
    add_text("{\"requests\":[");
    for (size_t i = 0; i < count; i++) {
        char request[96];
        snprintf(request, sizeof request, "%s{\"limit\":\"limit %zu\",\"key\":\"%zu/",
                 i == 0 ? "" : ",", i, i % 10);
        add_text(request);
        add_times("\\u00e9\xe2\x82\xac", 50);
        add_text("xyz\",\"tokens\":1}");
    }
    add_text("]}");
}

static void there_are_1_to_1000_requests(void **state)
{
    (void)state;
    add_requests(1000);
    assert_int_equal(parse_body(), BATCH_OK);
    assert_int_equal(batch.count, 1000);
    for (uint32_t i = 0; i < batch.count; i++) {
        char name[32];
        snprintf(name, sizeof name, "limit %u", i);
        assert_int_equal(batch.calls[i].ask.key_len, 255);
        assert_int_equal(batch.calls[i].ask.key[0], '0' + i % 10);
        assert_string_equal(batch.calls[i].ask.limit_name, name);
    }
    batch_release(&batch);
    add_requests(1001);
    expect_bad(parse_body(), "requests holds 1001 requests; give 1 to 1000");

    body_len = 0;
    add_text("{\"requests\":[");
    add_times("{\"key\":\"a\"},", 80000);
    add_text("{\"key\":\"a\"}]}");
    expect_bad(parse_body(),
               "the JSON holds more values than 1000 requests need; give 1 to 1000 requests");
}

/* The largest bodies there can be, of what takes most memory for its length. */
static void large_bodies_are_refused_in_bounded_memory(void **state)
{
    (void)state;
    const char *const fillers[] = {"[],", "{},", "1,", "{\"\":0},", "\"\",", "[[[[[[[[]]]]]]]],"};
    for (size_t i = 0; i < LENGTH(fillers); i++) {
        body_len = 0;
        add_text("{\"requests\":[");
        add_times(fillers[i], (BATCH_BODY_MAX - body_len - 4) / strlen(fillers[i]));
        add_text("0]}");
        enum batch_result result = parse_body();
        assert_int_equal(result, BATCH_BAD);
        expect_detail();
    }
    body_len = 0;
    add_text("{\"requests\":[{\"key\":\"a\"}]");
    add_times(" ", BATCH_BODY_MAX - body_len - 1);
    add_text("}");
    assert_int_equal(body_len, BATCH_BODY_MAX);
    assert_int_equal(parse_body(), BATCH_OK);
    batch_release(&batch);
}

static void deep_bodies_are_refused(void **state)
{
    (void)state;
    body_len = 0;
    add_text("{\"requests\":");
    add_times("[", 20000);
    add_times("]", 20000);
    add_text("}");
    expect_bad(parse_body(), "maximum parsing depth reached");
    body_len = 0;
    add_times("{\"requests\":", 20000);
    expect_bad(parse_body(), "maximum parsing depth reached");
    body_len = 0;
    add_text("{\"requests\":[{\"key\":");
    add_times("[", BATCH_BODY_MAX - body_len);
    expect_bad(parse_body(), "maximum parsing depth reached");
    body_len = 0;
    add_text("{\"requests\":[{\"key\":");
    add_times("[", 2000);
    add_times("]", 2000);
    add_text("}]}");
    expect_bad(parse_body(), "requests[0]: key is an array");
}

static void a_body_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    static const char good[] = GOOD;
    assert_int_equal(parse_bytes(good, 0), BATCH_NONE);
    for (size_t len = 1; len < sizeof good - 1; len++)
        expect_bad(parse_bytes(good, len), "line 1, column");
}

/* ---- no memory ---- */

static unsigned long pieces, fails_at;
static bool fails_from_there_on;

static bool fails(void)
{
    pieces++;
    return fails_from_there_on ? pieces >= fails_at : pieces == fails_at;
}

static void fail_each_piece(const char *text)
{
    enum batch_result result = BATCH_NO_MEMORY;
    for (fails_at = 1; result == BATCH_NO_MEMORY; fails_at++) {
        pieces = 0;
        result = parse(text);
        if (result == BATCH_NO_MEMORY)
            expect_untouched();
    }
    assert_int_equal(result, BATCH_OK);
    assert_in_range(pieces, 10, 1000);
    assert_int_equal(pieces, fails_at - 2);
    batch_release(&batch);
}

static void every_piece_of_memory_can_be_refused(void **state)
{
    (void)state;
    json_memory_fails = fails;
    fails_from_there_on = false;
    fail_each_piece(GOOD);
    fails_from_there_on = true;
    fail_each_piece(GOOD);
    fails_at = 1;
    pieces = 0;
    assert_int_equal(parse(PLAIN), BATCH_NO_MEMORY);
    expect_untouched();
    json_memory_fails = NULL;
}

/* ---- whoever else uses jansson ---- */

static void other_values_live_beside_batches(void **state)
{
    (void)state;
    json_t *before = json_loads("{\"a\": [1, \"b\"]}", 0, NULL);
    assert_non_null(before);
    assert_int_equal(parse(GOOD), BATCH_OK);
    batch_release(&batch);
    json_t *after = json_loads("{\"a\": [1, \"b\"]}", 0, NULL);
    assert_int_equal(parse("{\"requests\""), BATCH_BAD);
    assert_true(json_equal(before, after));
    assert_int_equal(json_object_set_new(before, "c", json_string("grows")), 0);
    char *text = json_dumps(before, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"a\":[1,\"b\"],\"c\":\"grows\"}");
    free(text);
    json_decref(before);
    json_decref(after);
}

/* ---- whatever comes ---- */

static void mutate(struct dice *dice)
{
    static const char likely[] = "{}[]\",:\\u0 \n-.e1\xff\xc3";
    size_t at = dice_roll(dice, body_len);
    switch (dice_roll(dice, 4)) {
    case 0:
        body[at] = (char)dice_bits(dice);
        break;
    case 1:
        body[at] = likely[dice_roll(dice, sizeof likely - 1)];
        break;
    case 2: /* away with some */
        memmove(body + at, body + at + 1, body_len - at - 1);
        body_len--;
        break;
    default: { /* some twice */
        size_t len = dice_between(dice, 1, body_len - at);
        memmove(body + at + len, body + at, body_len - at);
        body_len += len;
    }
    }
}

/* What is plain is read without jansson, so jansson must say the same of it: an escape in the name of
 * a member makes it read the rest. */
static void expect_jansson_agrees(void)
{
    static const char name[] = "\"requests\"", escaped[] = "\"request\\u0073\"";
    struct batch plain = batch;
    body[body_len] = '\0';
    char *at = strstr(body, name);
    if (at == NULL)
        return; /* it is escaped already */
    memmove(at + sizeof escaped - 1, at + sizeof name - 1,
            body_len - (size_t)(at - body) - (sizeof name - 1));
    memcpy(at, escaped, sizeof escaped - 1);
    body_len += sizeof escaped - sizeof name;
    if (parse_body() != BATCH_OK)
        fail_msg("%s: was taken as plain, but jansson says: %s", body, detail);
    assert_int_equal(batch.count, plain.count);
    assert_int_equal(batch.all, plain.all);
    for (uint32_t i = 0; i < plain.count; i++) {
        const struct bucket_question *ask = &plain.calls[i].ask;
        expect_call(i, ask->key, ask->limit_name, ask->tokens);
    }
    batch_release(&batch);
    batch = plain;
}

/* Whatever is accepted must be what the brain may be asked. */
static void expect_fit_to_ask(void)
{
    assert_in_range(batch.count, 1, LIST_MAX);
    for (uint32_t i = 0; i < batch.count; i++) {
        const struct bucket_question *ask = &batch.calls[i].ask;
        assert_int_equal(key_check(ask->key, ask->key_len), KEY_OK);
        assert_int_equal(ask->key[ask->key_len], '\0');
        assert_true(ask->tokens <= TOKENS_MAX);
        if (ask->limit_name != NULL)
            assert_true(limit_name_is_valid(ask->limit_name, ask->limit_name_len));
    }
}

/* Not even where it would be nothing when made round. */
static void no_piece_is_larger_than_memory(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100, 1000);
    for (size_t less = 0; less < 100; less++)
        assert_null(arena_take(&arena, SIZE_MAX - less));
    assert_non_null(arena_take(&arena, 1));
    arena_release(&arena);
}

static void mutated_batches_are_fit_to_ask_or_refused(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    uint64_t rounds = dice_repeats("ALLOWD_BATCHES", 50000);
    unsigned long taken = 0, refused = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        body_len = 0;
        add_text(i % 2 == 0 ? GOOD : PLAIN);
        for (uint64_t n = dice_between(&dice, 1, 4); n > 0 && body_len > 1; n--)
            mutate(&dice);
        switch (parse_body()) {
        case BATCH_OK:
            expect_fit_to_ask();
            expect_jansson_agrees();
            batch_release(&batch);
            taken++;
            break;
        case BATCH_BAD:
            expect_untouched();
            expect_detail();
            refused++;
            break;
        case BATCH_NONE:
            expect_untouched();
            break;
        case BATCH_NO_MEMORY:
            fail_msg("there was memory");
        }
    }
    assert_true(taken > rounds / 100);
    assert_true(refused > rounds / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_send_is_plain),
        cmocka_unit_test(good_batches_become_calls),
        cmocka_unit_test(members_come_in_any_order_and_may_be_left_out),
        cmocka_unit_test(what_is_no_object_with_requests_is_no_batch),
        cmocka_unit_test(bad_batches_say_what_and_where),
        cmocka_unit_test(a_nul_is_no_blank),
        cmocka_unit_test(keys_have_255_bytes_at_most_once_decoded),
        cmocka_unit_test(there_are_1_to_1000_requests),
        cmocka_unit_test(large_bodies_are_refused_in_bounded_memory),
        cmocka_unit_test(deep_bodies_are_refused),
        cmocka_unit_test(a_body_cut_short_anywhere_is_refused),
        cmocka_unit_test(every_piece_of_memory_can_be_refused),
        cmocka_unit_test(other_values_live_beside_batches),
        cmocka_unit_test(no_piece_is_larger_than_memory),
        cmocka_unit_test(mutated_batches_are_fit_to_ask_or_refused),
    };
    json_memory_set_up();
    return cmocka_run_group_tests_name("batch_json", tests, NULL, NULL);
}
