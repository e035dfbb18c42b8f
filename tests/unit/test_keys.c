/* Keys: walks over a table that changes under them, and who is denied, in virtual time. */
#include "brain/core.h"
#include "brain/keys.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"
#include "support/plain_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rule two_rules[] = {
    {"other", "o:*", 20, {1, 3600000}},
    {LIMIT_DEFAULT_NAME, NULL, 10, {1, 3600000}},
};

static struct fixture fixture;
static struct keys_answer *answer; /* of the last message */

static void begin(const struct rule *rules, size_t count, uint32_t max_keys)
{
    fixture_init(&fixture, 100, rules, count, max_keys, WHEN_FULL_EVICT);
    if (answer == NULL)
        answer = malloc(keys_answer_bytes(KEYS_COUNT_MAX));
    keys_answer_begin(answer, KEYS_CURSOR_BEGIN);
}

static void end(void)
{
    fixture_release(&fixture);
    free(answer);
    answer = NULL;
}

static enum keys_result look(const struct keys_question *ask)
{
    struct message message = {.kind = MESSAGE_KEYS, .ask.keys = ask, .answer.keys = answer};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    return answer->result;
}

/* One call, as a client makes it. */
static enum keys_result call(const struct keys_question *ask, uint64_t cursor)
{
    keys_answer_begin(answer, cursor);
    do
        look(ask);
    while (keys_wants_more(ask, answer));
    keys_arrange(ask, answer);
    return answer->result;
}

static const struct keys_entry *entry(uint32_t at)
{
    assert_true(at < answer->found);
    return &answer->entry[answer->order[at]];
}

static void expect_key(uint32_t at, const char *key, uint64_t remaining)
{
    assert_int_equal(entry(at)->key_len, strlen(key));
    assert_memory_equal(entry(at)->key, key, strlen(key));
    assert_int_equal(entry(at)->remaining_tokens, remaining);
}

/* An entry says what a status says. */
static void expect_status(const struct keys_entry *shown)
{
    char key[KEY_MAX + 1];
    memcpy(key, shown->key, shown->key_len);
    key[shown->key_len] = '\0';
    struct bucket_answer status = fixture_ask(&fixture, MESSAGE_STATUS, key, shown->limit_name, 0);
    assert_int_equal(shown->remaining_tokens, status.remaining_tokens);
    assert_int_equal(shown->owed_tokens, status.owed_tokens);
    assert_int_equal(shown->full_after_ms, status.full_after_ms);
    assert_int_equal(shown->burst, status.allowance->burst);
    assert_int_equal(shown->active, status.active);
    assert_int_equal(shown->shadow, status.limit->shadow);
}

/* ---- a walk while all changes ---- */

#define BUCKETS 20000u /* those with an odd number are under the limit "other", by name */

static struct {
    uint8_t shown, was_active, was_full; /* since the walk began */
} seen[BUCKETS];

static const char *name_of(uint32_t bucket, char name[16])
{
    snprintf(name, 16, "k%u", bucket / 2);
    return name;
}

static const char *limit_of(uint32_t bucket)
{
    return bucket % 2 == 0 ? LIMIT_DEFAULT_NAME : "other";
}

static void observe(uint32_t bucket)
{
    char name[16];
    bool active =
        fixture_ask(&fixture, MESSAGE_STATUS, name_of(bucket, name), limit_of(bucket), 0).active;
    seen[bucket].was_active |= active;
    seen[bucket].was_full |= !active;
}

static void observe_all(uint32_t buckets)
{
    for (uint32_t i = 0; i < buckets; i++)
        observe(i);
}

static void take_in_page(uint32_t count)
{
    assert_true(answer->found <= count);
    for (uint32_t i = 0; i < answer->found; i++) {
        char key[KEY_MAX + 1] = "";
        memcpy(key, entry(i)->key, entry(i)->key_len);
        uint32_t bucket =
            2 * (uint32_t)strtoul(key + 1, NULL, 10) + (strcmp(entry(i)->limit_name, "other") == 0);
        expect_status(entry(i));
        assert_true(bucket < BUCKETS);
        assert_int_equal(seen[bucket].shown++, 0);
    }
}

static void expect_walked(uint32_t buckets, const char *prefix)
{
    for (uint32_t i = 0; i < buckets; i++) {
        char name[16];
        bool is_asked_for = strncmp(name_of(i, name), prefix, strlen(prefix)) == 0;
        assert_true(seen[i].shown <= 1);
        if (is_asked_for && !seen[i].was_full)
            assert_int_equal(seen[i].shown, 1);
        if (!is_asked_for || !seen[i].was_active)
            assert_int_equal(seen[i].shown, 0);
    }
}

/* Something happens to one bucket, or to all. */
static void stir(struct dice *dice, uint32_t buckets, bool ages)
{
    char name[16];
    uint32_t bucket = (uint32_t)dice_roll(dice, buckets);
    enum message_kind kind = dice_once_in(dice, 3) ? MESSAGE_RESET : MESSAGE_ALLOW;
    fixture_ask(&fixture, kind, name_of(bucket, name), limit_of(bucket), dice_between(dice, 1, 3));
    observe(bucket);
    if (!ages)
        return;
    if (dice_once_in(dice, 8))
        fixture_pass(&fixture, dice_between(dice, 1, 200000));
    if (dice_once_in(dice, 8))
        brain_sweep(fixture.brain);
    observe_all(buckets);
}

/* Whoever was there all the time is shown once, however many evictions, drops and sweeps
 * move others about; in a table so small that clusters run over its end. */
static void a_walk_shows_each_key_once_in_a_small_table(void **unused)
{
    (void)unused;
    static const struct rule rules[] = {
        {"other", "o:*", 20, {1, 60000}},
        {LIMIT_DEFAULT_NAME, NULL, 10, {1, 60000}},
    };
    enum { SMALL = 50 };
    struct dice dice = dice_new(0);
    for (unsigned round = 0; round < 300; round++) {
        begin(rules, LENGTH(rules), (uint32_t)dice_between(&dice, 1, SMALL + 5));
        for (uint32_t i = (uint32_t)dice_roll(&dice, 2 * SMALL); i > 0; i--)
            stir(&dice, SMALL, true);
        memset(seen, 0, sizeof seen);
        observe_all(SMALL);
        struct keys_question ask = {.prefix = "", .count = (uint32_t)dice_between(&dice, 1, 6)};
        uint64_t cursor = KEYS_CURSOR_BEGIN;
        while (call(&ask, cursor) != KEYS_ENDED) {
            take_in_page(ask.count);
            cursor = answer->cursor;
            for (uint32_t i = (uint32_t)dice_roll(&dice, 6); i > 0; i--)
                stir(&dice, SMALL, true);
        }
        take_in_page(ask.count);
        expect_walked(SMALL, "");
        end();
    }
}

/* The same where a message looks at only a part, for keys few of which are asked for. */
static void a_walk_shows_each_key_once_in_a_large_table(void **unused)
{
    (void)unused;
    struct dice dice = dice_new(1);
    for (unsigned round = 0; round < 40; round++) {
        begin(two_rules, LENGTH(two_rules), BUCKETS + (uint32_t)dice_roll(&dice, BUCKETS));
        for (uint32_t i = 0; i < BUCKETS; i++)
            stir(&dice, BUCKETS, false);
        memset(seen, 0, sizeof seen);
        observe_all(BUCKETS);
        char prefix[] = {'k', (char)('1' + dice_roll(&dice, 9)), '\0'};
        struct keys_question ask = {.prefix = prefix,
                                    .prefix_len = strlen(prefix),
                                    .count = (uint32_t)dice_between(&dice, 50, 1000)};
        while (true) {
            look(&ask);
            for (uint32_t i = 0; i < 20; i++)
                stir(&dice, BUCKETS, false);
            if (answer->result == KEYS_GOES_ON && answer->found < ask.count)
                continue;
            for (uint32_t i = 0; i < answer->found; i++) {
                char key[KEY_MAX + 1] = "";
                memcpy(key, entry(i)->key, entry(i)->key_len);
                seen[2 * strtoul(key + 1, NULL, 10) + (strcmp(entry(i)->limit_name, "other") == 0)]
                    .shown++;
            }
            if (answer->result == KEYS_ENDED)
                break;
            keys_answer_begin(answer, answer->cursor);
        }
        expect_walked(BUCKETS, prefix);
        end();
    }
}

static void a_message_looks_at_no_more_than_it_may(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), 1000000);
    struct keys_question ask = {.prefix = "", .sort = KEYS_BY_REMAINING, .count = 10};
    uint32_t slots = 1500000, messages = 1;
    while (look(&ask) == KEYS_GOES_ON)
        messages++;
    assert_int_equal(messages, (slots + KEYS_LOOK_SLOTS - 1) / KEYS_LOOK_SLOTS);
    for (uint32_t i = 0; i < 3 * KEYS_LOOK_ENTRIES; i++) {
        char name[16];
        fixture_ask(&fixture, MESSAGE_ALLOW, name_of(2 * i, name), NULL, 1);
    }
    keys_answer_begin(answer, KEYS_CURSOR_BEGIN);
    for (uint64_t before = 0; look(&ask) == KEYS_GOES_ON; before = answer->looked_at)
        assert_true(answer->looked_at - before <= KEYS_LOOK_ENTRIES + KEYS_PLACE_MAX);
    assert_int_equal(answer->looked_at, 3 * KEYS_LOOK_ENTRIES);
    assert_int_equal(answer->tracked, 3 * KEYS_LOOK_ENTRIES);
    end();
}

/* A call ends too, though the table has not. */
static void a_call_is_a_bounded_number_of_messages(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), 10000000);
    struct keys_question ask = {.prefix = "", .count = 10};
    unsigned calls = 1;
    for (; call(&ask, answer->cursor) == KEYS_GOES_ON; calls++)
        assert_int_equal(answer->looks, KEYS_LOOKS_MAX);
    assert_int_equal(calls, 15000000 / (KEYS_LOOKS_MAX * KEYS_LOOK_SLOTS) + 1);
    end();
}

/* ---- what a walk shows ---- */

struct tagged_key {
    uint32_t tag, number;
};

static int by_tag(const void *left, const void *right)
{
    const struct tagged_key *a = left, *b = right;
    return a->tag != b->tag ? (a->tag < b->tag ? -1 : 1) : 0;
}

/* No cursor comes between keys of one tag, so a page takes all of them, or goes on with them. */
static void keys_of_one_tag_are_shown_together(void **unused)
{
    (void)unused;
    enum { TRIED = 400000, OTHERS = 5 };
    static struct tagged_key tried[TRIED];
    char name[16];
    begin(two_rules, LENGTH(two_rules), 1000);
    for (uint32_t i = 0; i < TRIED; i++) {
        uint64_t hash = table_hash(&fixture.brain->buckets.table, name,
                                   (size_t)snprintf(name, sizeof name, "%u", (unsigned)i));
        tried[i] = (struct tagged_key){(uint32_t)(hash >> 32), i};
    }
    qsort(tried, TRIED, sizeof tried[0], by_tag);
    uint32_t pair = 1;
    while (pair < TRIED && tried[pair].tag != tried[pair - 1].tag)
        pair++;
    assert_in_range(pair, 1, TRIED - 1);
    const uint32_t numbers[] = {tried[pair - 1].number, tried[pair].number};
    for (uint32_t i = 0; i < LENGTH(numbers) + OTHERS; i++) {
        snprintf(name, sizeof name, "%u", (unsigned)(i < 2 ? numbers[i] : TRIED + i));
        assert_true(fixture_allows(&fixture, name, 1));
    }
    for (uint32_t count = 1; count <= OTHERS + 2; count++) {
        const struct keys_question ask = {.prefix = "", .count = count};
        uint64_t cursor = KEYS_CURSOR_BEGIN;
        unsigned shown = 0, looked_at = 0, together = 0;
        enum keys_result result;
        do {
            result = call(&ask, cursor);
            unsigned of_pair = 0;
            for (uint32_t i = 0; i < answer->found; i++)
                for (uint32_t j = 0; j < 2; j++)
                    of_pair += strtoul(memcpy((char[16]){0}, entry(i)->key, entry(i)->key_len),
                                       NULL, 10) == numbers[j];
            assert_true(of_pair == 0 || of_pair == 2);
            assert_true(answer->found <= (of_pair == 2 && count == 1 ? 2 : count));
            together += of_pair / 2;
            shown += answer->found;
            looked_at += (unsigned)answer->looked_at;
            cursor = answer->cursor;
        } while (result != KEYS_ENDED);
        assert_int_equal(together, 1);
        assert_int_equal(shown, OTHERS + 2);
        assert_int_equal(looked_at, OTHERS + 2);
    }
    end();
}

static void names_begin_as_asked(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    fixture_allow(&fixture, "user:1", 1);
    fixture_allow(&fixture, "user:22", 2);
    fixture_allow(&fixture, "use", 3);
    fixture_allow(&fixture, "o:user:1", 4);
    fixture_ask(&fixture, MESSAGE_ALLOW, "user:1", "other", 5);
    assert_int_equal(call(&(struct keys_question){.prefix = "", .count = 9}, 0), KEYS_ENDED);
    assert_int_equal(answer->found, 5);
    call(&(struct keys_question){.prefix = "user:", .prefix_len = 5, .count = 9}, 0);
    assert_int_equal(answer->found, 3);
    assert_int_equal(answer->looked_at, 5);
    call(&(struct keys_question){.prefix = "user:22", .prefix_len = 7, .count = 9}, 0);
    assert_int_equal(answer->found, 1);
    expect_key(0, "user:22", 8);
    struct keys_question ask = {.prefix = "user", .prefix_len = 4, .count = 9};
    ask.limit_name = "other";
    ask.limit_name_len = 5;
    call(&ask, 0);
    assert_int_equal(answer->found, 1);
    expect_key(0, "user:1", 15);
    assert_string_equal(entry(0)->limit_name, "other");
    end();
}

static void the_emptiest_come_first(void **unused)
{
    (void)unused;
    static uint64_t left[400];
    struct dice dice = dice_new(2);
    for (unsigned round = 0; round < 50; round++) {
        begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
        uint32_t keys = (uint32_t)dice_between(&dice, 1, LENGTH(left));
        for (uint32_t i = 0; i < keys; i++) {
            char name[16];
            left[i] = fixture_ask(&fixture, MESSAGE_ALLOW, name_of(2 * i, name), limit_of(i),
                                  dice_between(&dice, 1, i % 2 == 0 ? 10 : 20))
                          .remaining_tokens;
        }
        struct keys_question ask = {.prefix = "",
                                    .sort = KEYS_BY_REMAINING,
                                    .count = (uint32_t)dice_between(&dice, 1, 450)};
        assert_int_equal(call(&ask, 0), KEYS_ENDED);
        assert_int_equal(answer->found, keys < ask.count ? keys : ask.count);
        for (uint32_t i = 0; i < answer->found; i++) {
            uint32_t fewest = 0;
            for (uint32_t j = 1; j < keys; j++)
                if (left[j] < left[fewest])
                    fewest = j;
            assert_int_equal(entry(i)->remaining_tokens, left[fewest]);
            left[fewest] = UINT64_MAX;
            expect_status(entry(i));
            assert_false(i > 0 && entry(i)->remaining_tokens == entry(i - 1)->remaining_tokens &&
                         entry(i)->full_after_ms > entry(i - 1)->full_after_ms);
        }
        end();
    }
}

/* Those that owe come before those that hold nothing, and those that owe more before. */
static void those_that_owe_most_come_first(void **unused)
{
    (void)unused;
    static const char *const keys[] = {"c", "b", "d", "a"};
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = {1, 1000}, .debt_max = 100}},
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    fixture_init_limits(&fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    answer = malloc(keys_answer_bytes(KEYS_COUNT_MAX));
    fixture_ask(&fixture, MESSAGE_ALLOW, "a", NULL, 10);
    fixture_ask(&fixture, MESSAGE_CHARGE, "b", NULL, 30);
    fixture_ask(&fixture, MESSAGE_CHARGE, "c", NULL, 31);
    fixture_ask(&fixture, MESSAGE_CHARGE, "d", NULL, 11);
    fixture_ask(&fixture, MESSAGE_ALLOW, "e", NULL, 1);
    for (uint32_t count = 1; count <= LENGTH(keys); count++) {
        struct keys_question ask = {.prefix = "", .sort = KEYS_BY_REMAINING, .count = count};
        assert_int_equal(call(&ask, 0), KEYS_ENDED);
        assert_int_equal(answer->found, count);
        for (uint32_t i = 0; i < count; i++) {
            expect_key(i, keys[i], 0);
            expect_status(entry(i));
        }
    }
    assert_int_equal(entry(0)->owed_tokens, 21);
    end();
}

/* What is full is as good as not there, even before a sweep has found it so. */
static void a_full_bucket_is_not_shown(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    struct keys_question ask = {.prefix = "", .count = 9};
    fixture_allow(&fixture, "a", 1);
    fixture_allow(&fixture, "b", 1);
    fixture_ask(&fixture, MESSAGE_REFUND, "a", NULL, 1);
    assert_int_equal(fixture_daemon(&fixture).keys, 2);
    assert_int_equal(call(&ask, 0), KEYS_ENDED);
    assert_int_equal(answer->found, 1);
    expect_key(0, "b", 9);
    assert_int_equal(fixture_daemon(&fixture).keys, 2); /* and it changes nothing */
    end();
}

/* Entries that a reload left behind are shown as they will be. */
static void a_reload_is_seen_before_the_sweep_has_come_by(void **unused)
{
    (void)unused;
    static const struct rule next[] = {
        {LIMIT_DEFAULT_NAME, NULL, 5, {1, 3600000}},
        {"new", "a*", 3, {1, 3600000}},
    };
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    struct keys_question ask = {.prefix = "", .count = 9};
    fixture_allow(&fixture, "a", 7);
    fixture_allow(&fixture, "o:b", 7);
    fixture_reload(&fixture, 100, next, LENGTH(next));
    assert_int_equal(call(&ask, 0), KEYS_ENDED);
    assert_int_equal(answer->found, 1);
    expect_key(0, "a", 3);
    assert_string_equal(entry(0)->limit_name, LIMIT_DEFAULT_NAME);
    expect_status(entry(0));
    ask.limit_name = "other";
    ask.limit_name_len = 5;
    assert_int_equal(call(&ask, 0), KEYS_NO_SUCH_LIMIT);
    end();
}

/* A limit with three overrides, of which one denies, one allows and one ends. */
static struct limits *limits_with_overrides(void)
{
    static const struct override_terms overrides[] = {
        {.key = "bad*", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
        {.key = "good", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "big",
         .until_s = FIXTURE_START_DATE_S + 10,
         .buckets_count = 2,
         .buckets = {{"s", 50, {1, 3600000}}, {"m", 60, {1, 3600000}}}},
    };
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .shadow = true,
        .buckets_count = 1,
        .buckets = {{"", 10, {1, 3600000}}},
        .overrides_count = LENGTH(overrides),
        .overrides = overrides,
    };
    struct limits *limits = limits_new(1, 100);
    assert_true(limits_add(limits, &terms));
    return limits;
}

static void overrides_are_shown_as_they_hold(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    struct keys_question ask = {.prefix = "", .sort = KEYS_BY_REMAINING, .count = 9};
    fixture_allow(&fixture, "bad", 1);
    fixture_allow(&fixture, "good", 1);
    fixture_allow(&fixture, "big", 1);
    fixture_reload_limits(&fixture, limits_with_overrides());
    fixture_allow(&fixture, "big", 4);
    assert_int_equal(call(&ask, 0), KEYS_ENDED);
    assert_int_equal(answer->found, 2); /* what is always allowed lacks nothing */
    expect_key(0, "bad", 0);
    expect_key(1, "big", 5); /* of those it had left */
    assert_int_equal(entry(1)->burst, 50);
    for (uint32_t i = 0; i < answer->found; i++)
        expect_status(entry(i));
    fixture_date(&fixture, FIXTURE_START_DATE_S + 10);
    call(&ask, 0);
    assert_int_equal(answer->found, 2);
    assert_int_equal(entry(1)->burst, 10);
    expect_status(entry(1));
    end();
}

/* ---- cursors ---- */

static void only_cursors_given_out_are_taken(void **unused)
{
    (void)unused;
    struct dice dice = dice_new(3);
    struct keys_question ask = {.prefix = "", .count = 1};
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    fixture_allow(&fixture, "a", 1);
    fixture_allow(&fixture, "b", 1);
    assert_int_equal(call(&ask, 0), KEYS_FULL);
    uint64_t cursor = answer->cursor;
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_int_equal(call(&ask, cursor ^ UINT64_C(1) << bit), KEYS_BAD_CURSOR);
        assert_int_equal(answer->found, 0);
    }
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(call(&ask, dice_bits(&dice) | 1), KEYS_BAD_CURSOR);
    assert_int_equal(call(&ask, cursor), KEYS_ENDED);
    assert_int_equal(answer->found, 1);
    end();
}

/* ---- the denied ---- */

static const struct keys_question denied = {.prefix = "", .sort = KEYS_BY_DENIED, .count = 9};

static void expect_denied(uint32_t at, const char *key, uint64_t times)
{
    assert_memory_equal(entry(at)->key, key, strlen(key));
    assert_int_equal(entry(at)->denied, times);
    assert_int_equal(entry(at)->denied_error, 0);
    expect_status(entry(at));
}

static void who_is_denied_most_comes_first(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    for (unsigned i = 0; i < 3; i++)
        fixture_allow(&fixture, "three", 11); /* never was in the table */
    fixture_drain(&fixture, "five", NULL);
    for (unsigned i = 0; i < 5; i++)
        fixture_allow(&fixture, "five", 1);
    for (unsigned i = 0; i < 2; i++)
        fixture_ask(&fixture, MESSAGE_ALLOW, "five", "other", 21);
    fixture_allow(&fixture, "none", 1);
    fixture_allow(&fixture, "five", 0); /* a look is no denial */
    assert_int_equal(call(&denied, 0), KEYS_ENDED);
    assert_int_equal(answer->found, 3);
    expect_denied(0, "five", 5);
    expect_denied(1, "three", 3);
    expect_denied(2, "five", 2);
    assert_string_equal(entry(2)->limit_name, "other");
    assert_false(entry(1)->active);

    struct keys_question ask = denied;
    ask.limit_name = "other";
    ask.limit_name_len = 5;
    call(&ask, 0);
    assert_int_equal(answer->found, 1);
    ask = denied;
    ask.prefix = "th";
    ask.prefix_len = 2;
    call(&ask, 0);
    assert_int_equal(answer->found, 1);
    ask = denied;
    ask.count = 2;
    call(&ask, 0);
    assert_int_equal(answer->found, 2);

    ask = (struct keys_question){.prefix = "", .sort = KEYS_BY_REMAINING, .count = 9};
    call(&ask, 0); /* a walk tells it too */
    assert_int_equal(answer->found, 2);
    expect_denied(0, "five", 5);
    expect_denied(1, "none", 0);
    end();
}

static void denials_are_of_the_last_minutes(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    fixture_allow(&fixture, "a", 11);
    fixture_at(&fixture, 59999);
    fixture_allow(&fixture, "a", 11);
    call(&denied, 0);
    expect_denied(0, "a", 2);
    assert_int_equal(answer->denied_over_ms, 59999);
    fixture_at(&fixture, 60001);
    fixture_allow(&fixture, "b", 11);
    call(&denied, 0);
    expect_denied(0, "a", 2);
    expect_denied(1, "b", 1);
    assert_int_equal(answer->denied_over_ms, 60001);
    fixture_at(&fixture, 120000);
    call(&denied, 0);
    assert_int_equal(answer->found, 1);
    expect_denied(0, "b", 1);
    assert_int_equal(answer->denied_over_ms, 60000);
    fixture_at(&fixture, 180000);
    call(&denied, 0);
    assert_int_equal(answer->found, 0);
    end();
}

static void denials_stay_with_their_limit_over_a_reload(void **unused)
{
    (void)unused;
    static const struct rule next[] = {
        {LIMIT_DEFAULT_NAME, NULL, 5, {1, 3600000}},
        {"new", "n", 3, {1, 3600000}},
        {"other", "o:*", 2, {1, 3600000}},
    };
    static const struct rule last[] = {{LIMIT_DEFAULT_NAME, NULL, 5, {1, 3600000}}};
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    fixture_allow(&fixture, "a", 11);
    fixture_allow(&fixture, "o:b", 21);
    fixture_allow(&fixture, "o:b", 21);
    fixture_reload(&fixture, 100, next, LENGTH(next));
    fixture_allow(&fixture, "o:b", 21);
    call(&denied, 0);
    assert_int_equal(answer->found, 2);
    expect_denied(0, "o:b", 3);
    assert_string_equal(entry(0)->limit_name, "other");
    fixture_reload(&fixture, 100, last, LENGTH(last));
    call(&denied, 0);
    assert_int_equal(answer->found, 1);
    expect_denied(0, "a", 1);
    end();
}

static void denials_stay_with_a_limit_that_is_renamed(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    fixture_allow(&fixture, "o:b", 21);
    struct limits *limits = limits_new(2, 100);
    assert_non_null(limits);
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, 5, (struct rate){1, 3600000});
    add_renamed_limit(limits, "another", "other", "o:*", 20, (struct rate){1, 3600000});
    fixture_reload_limits(&fixture, limits);
    fixture_allow(&fixture, "o:b", 21);
    call(&denied, 0);
    assert_int_equal(answer->found, 1);
    expect_denied(0, "o:b", 2);
    assert_string_equal(entry(0)->limit_name, "another");
    end();
}

/* A trial denies nobody, but is asked about for what it would do. */
static void denials_on_trial_and_by_override_count(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    fixture_reload_limits(&fixture, limits_with_overrides());
    fixture_allow(&fixture, "a", 11);
    fixture_allow(&fixture, "bad", 1);
    fixture_allow(&fixture, "bad", 1);
    fixture_allow(&fixture, "good", 1);
    call(&denied, 0);
    assert_int_equal(answer->found, 2);
    expect_denied(0, "bad", 2);
    expect_denied(1, "a", 1);
    assert_true(entry(0)->shadow);
    end();
}

static void only_whoever_lacks_tokens_is_denied_of_all(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    struct bucket_call calls[] = {
        {.ask = {.key = "poor", .key_len = 4, .tokens = 11}},
        {.ask = {.key = "rich", .key_len = 4, .tokens = 1}},
    };
    struct message message = {.kind = MESSAGE_ALL, .ask.list = {calls, LENGTH(calls)}};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    assert_false(message.answer.list.allowed);
    call(&denied, 0);
    assert_int_equal(answer->found, 1);
    expect_denied(0, "poor", 1);
    end();
}

/* In a flood of ever new keys who was really denied often is told apart. */
static void a_flood_hides_no_one(void **unused)
{
    (void)unused;
    begin(two_rules, LENGTH(two_rules), FIXTURE_MAX_KEYS);
    for (unsigned i = 0; i < 50000; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%u", i);
        fixture_allow(&fixture, name, 11);
        if (i % 100 == 0)
            fixture_allow(&fixture, "loud", 11);
    }
    call(&denied, 0);
    assert_memory_equal(entry(0)->key, "loud", 4);
    assert_true(entry(0)->denied <= 500 && entry(0)->denied + entry(0)->denied_error >= 500);
    assert_true(entry(0)->denied > 400);
    assert_true(entry(1)->denied < 10);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_shows_each_key_once_in_a_small_table),
        cmocka_unit_test(a_walk_shows_each_key_once_in_a_large_table),
        cmocka_unit_test(a_message_looks_at_no_more_than_it_may),
        cmocka_unit_test(a_call_is_a_bounded_number_of_messages),
        cmocka_unit_test(keys_of_one_tag_are_shown_together),
        cmocka_unit_test(names_begin_as_asked),
        cmocka_unit_test(the_emptiest_come_first),
        cmocka_unit_test(those_that_owe_most_come_first),
        cmocka_unit_test(a_full_bucket_is_not_shown),
        cmocka_unit_test(a_reload_is_seen_before_the_sweep_has_come_by),
        cmocka_unit_test(overrides_are_shown_as_they_hold),
        cmocka_unit_test(only_cursors_given_out_are_taken),
        cmocka_unit_test(who_is_denied_most_comes_first),
        cmocka_unit_test(denials_are_of_the_last_minutes),
        cmocka_unit_test(denials_stay_with_their_limit_over_a_reload),
        cmocka_unit_test(denials_stay_with_a_limit_that_is_renamed),
        cmocka_unit_test(denials_on_trial_and_by_override_count),
        cmocka_unit_test(only_whoever_lacks_tokens_is_denied_of_all),
        cmocka_unit_test(a_flood_hides_no_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
