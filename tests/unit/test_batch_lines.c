/* Batches in lines: good ones become calls, the same as in JSON; bad ones say what is wrong and where. */
#include "base/text.h"
#include "http/batch_json.h"
#include "http/batch_lines.h"
#include "http/json_memory.h"
#include "limits/key.h"
#include "support/batches.h"
#include "support/dice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum batch_result parse_bytes(const char *bytes, size_t len)
{
    return parse_exactly(batch_lines_parse, bytes, len);
}

static void expect_bad_bytes(const char *bytes, size_t len, const char *says)
{
    expect_refused(parse_bytes(bytes, len), bytes, says);
}

static void expect_bad(const char *text, const char *says)
{
    expect_bad_bytes(text, strlen(text), says);
}

static void expect_one(const char *text, const char *key, uint64_t tokens, const char *limit)
{
    assert_int_equal(parse_bytes(text, strlen(text)), BATCH_OK);
    assert_int_equal(batch.count, 1);
    expect_call(0, key, limit, tokens);
    batch_release(&batch);
}

static void a_line_is_a_request(void **state)
{
    (void)state;
    expect_one("a\n", "a", 1, NULL);
    expect_one("a", "a", 1, NULL);
    expect_one("user:1\t7\n", "user:1", 7, NULL);
    expect_one("user:1\t0", "user:1", 0, NULL);
    expect_one("user:1\t999999999999999\tapi\n", "user:1", TOKENS_MAX, "api");
    expect_one("user:1\t\tapi", "user:1", 1, "api");
    expect_one("user:1\t\n", "user:1", 1, NULL);
    expect_one("user:1\t\t\n", "user:1", 1, NULL);
    expect_one("user:1\t2\t\n", "user:1", 2, NULL);

    static const char three[] = "a\nb c\t3\n\"{}\\,%41\t\tapi\n";
    assert_int_equal(parse_bytes(three, strlen(three)), BATCH_OK);
    assert_int_equal(batch.count, 3);
    assert_false(batch.all);
    expect_call(0, "a", NULL, 1);
    expect_call(1, "b c", NULL, 3);
    expect_call(2, "\"{}\\,%41", "api", 1);
    batch_release(&batch);
}

/* All that a key may hold stands for itself: see key_check. */
static void a_key_is_never_escaped(void **state)
{
    (void)state;
    char line[KEY_MAX + 2], key[KEY_MAX + 1];
    size_t len = 0;
    for (int c = ' '; c <= '~'; c++)
        key[len++] = (char)c;
    strcpy(key + len, "caf\xc3\xa9 \xf0\x9d\x84\x9e");
    snprintf(line, sizeof line, "%s\n", key);
    expect_one(line, key, 1, NULL);

    memset(key, 'k', KEY_MAX);
    key[KEY_MAX] = '\0';
    snprintf(line, sizeof line, "%s\n", key);
    expect_one(line, key, 1, NULL);
}

static void bad_lines_say_what_and_where(void **state)
{
    (void)state;
    char too_long[KEY_MAX + 2];
    memset(too_long, 'k', KEY_MAX + 1);
    too_long[KEY_MAX + 1] = '\0';
    expect_bad("", "the batch has no lines; give 1 to 1000, one for each key");
    expect_bad("\n", "line 1: ");
    expect_bad("a\n\nb\n", "line 2: ");
    expect_bad("a\n\t1\n", "line 2: ");
    expect_bad(too_long, "line 1: key is longer than 255 bytes");
    expect_bad("a\nb\xff\n", "line 2: key");
    expect_bad("a\nb\x7f\n", "line 2: key");
    expect_bad("a\n\xc3\xa9\x1f\n", "line 2: key");
    expect_bad_bytes("a\0b\n", 4, "line 1: key");
    expect_bad("\xef\xbb\xbf"
               "a\n",
               "line 1: begins with a byte-order mark; send the lines without it");
    expect_bad("\xef\xbb\xbf", "line 1: begins with a byte-order mark");
    expect_bad("a\r\nb\r\n", "line 1: ends in a carriage return; end lines in a line feed alone");
    expect_bad("a\t1\r\n", "line 1: ends in a carriage return");
    expect_bad("a\t\tapi\r\n", "line 1: ends in a carriage return");
    expect_bad("a\tb\n", "line 1: tokens is \"b\"; give a whole number from 0 to 999999999999999");
    expect_bad("a\t1000000000000000\n", "tokens is \"1000000000000000\"");
    expect_bad("a\t-1\n", "tokens is \"-1\"");
    expect_bad("a\t01\n", "tokens is \"01\"");
    expect_bad("a\t1.5\n", "tokens is \"1.5\"");
    expect_bad("a\t 1\n", "tokens is \" 1\"");
    expect_bad("a\nb\nc\t1\tno/such\x01limit\n", "line 3: there can be no limit named");
    expect_bad("a\t1\tapi\t\n", "line 1: has more than three fields");
}

/* The last of a thousand may be the faulty one, and then none is there. */
static void there_are_1_to_1000_lines(void **state)
{
    (void)state;
    static char body[2 * (LIST_MAX + 1) + 1];
    for (size_t i = 0; i <= LIST_MAX; i++)
        memcpy(body + 2 * i, "k\n", 2);
    size_t len = (size_t)2 * LIST_MAX;
    assert_int_equal(parse_bytes(body, len), BATCH_OK);
    assert_int_equal(batch.count, LIST_MAX);
    batch_release(&batch);
    assert_int_equal(parse_bytes(body, len - 1), BATCH_OK);
    assert_int_equal(batch.count, LIST_MAX);
    batch_release(&batch);
    expect_bad_bytes(body, len + 1, "more lines than may be; give 1 to 1000");
    expect_bad_bytes(body, len + 2, "more lines than may be; give 1 to 1000");
    body[len - 2] = '\t';
    expect_bad_bytes(body, len, "line 1000: ");
}

static bool has_no_memory;

static bool refuses(void)
{
    return has_no_memory;
}

static void without_memory_nothing_is_read(void **state)
{
    (void)state;
    json_memory_fails = refuses;
    has_no_memory = true;
    assert_int_equal(parse_bytes("a\n", 2), BATCH_NO_MEMORY);
    expect_untouched();
    has_no_memory = false;
    expect_one("a\n", "a", 1, NULL);
    json_memory_fails = NULL;
}

/* ---- the same as in JSON ---- */

static void roll_key(struct dice *dice, char key[KEY_MAX + 1])
{
    static const char *const pieces[] = {"a",        "user:", "\"", "\\", " ",
                                         "\xc3\xa9", "%41",   "{",  "7"};
    size_t len = 0;
    for (uint64_t n = dice_between(dice, 1, 20); n > 0; n--) {
        const char *piece = pieces[dice_roll(dice, sizeof pieces / sizeof pieces[0])];
        strcpy(key + len, piece);
        len += strlen(piece);
    }
}

struct both {
    struct text lines, json;
};

/* Writes one request to both, with no more of it than must be there, or with all. */
static void write_request(struct both *both, struct dice *dice)
{
    static const char *const limits[] = {"api", "say \"hi\"", "a \\ b"};
    char key[KEY_MAX + 1];
    roll_key(dice, key);
    text_string(&both->lines, key);
    text_literal(&both->json, "{\"key\":");
    text_json(&both->json, key, strlen(key));
    if (dice_roll(dice, 2) == 0) {
        uint64_t tokens = dice_roll(dice, 3) == 0 ? TOKENS_MAX : dice_roll(dice, 100);
        text_literal(&both->lines, "\t");
        text_number(&both->lines, tokens);
        text_literal(&both->json, ",\"tokens\":");
        text_number(&both->json, tokens);
    } else {
        text_literal(&both->lines, "\t");
    }
    if (dice_roll(dice, 2) == 0) {
        const char *limit = limits[dice_roll(dice, sizeof limits / sizeof limits[0])];
        text_literal(&both->lines, "\t");
        text_string(&both->lines, limit);
        text_literal(&both->json, ",\"limit\":");
        text_json(&both->json, limit, strlen(limit));
    }
    text_literal(&both->json, "}");
}

static void random_batches_mean_what_they_mean_in_json(void **state)
{
    (void)state;
    static char lines[1 << 16], json[1 << 17];
    struct dice dice = dice_new(1);
    for (uint64_t i = dice_repeats("ALLOWD_BATCHES", 3000); i > 0; i--) {
        struct both both = {text_begin(lines, sizeof lines), text_begin(json, sizeof json)};
        uint64_t count = dice_between(&dice, 1, 30);
        text_literal(&both.json, "{\"requests\":[");
        for (uint64_t j = 0; j < count; j++) {
            if (j > 0) {
                text_literal(&both.lines, "\n");
                text_literal(&both.json, ",");
            }
            write_request(&both, &dice);
        }
        text_literal(&both.json, "]}");
        struct batch from_json;
        size_t json_len = text_end(&both.json);
        assert_int_equal(batch_json_parse(json, json_len, &from_json, detail), BATCH_OK);
        if (parse_bytes(lines, text_end(&both.lines)) != BATCH_OK)
            fail_msg("%s: was refused with: %s", lines, detail);
        assert_int_equal(batch.count, count);
        assert_int_equal(from_json.count, count);
        for (uint32_t j = 0; j < count; j++) {
            const struct bucket_question *ask = &from_json.calls[j].ask;
            expect_call(j, ask->key, ask->limit_name, ask->tokens);
        }
        batch_release(&from_json);
        batch_release(&batch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_request),
        cmocka_unit_test(a_key_is_never_escaped),
        cmocka_unit_test(bad_lines_say_what_and_where),
        cmocka_unit_test(there_are_1_to_1000_lines),
        cmocka_unit_test(without_memory_nothing_is_read),
        cmocka_unit_test(random_batches_mean_what_they_mean_in_json),
    };
    json_memory_set_up();
    return cmocka_run_group_tests_name("batch_lines", tests, NULL, NULL);
}
