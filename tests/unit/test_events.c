/*
 * Events: what makes one, what it tells, and that each reader gets each once and in order, or hears how
 * many it has missed. In virtual time.
 */
#include "brain/core.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"
#include "support/fleet_world.h"
#include "support/plain_limit.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOOT = 0x7f3a9c01, KEEP = 1000, ROOM = 32768, ALL_KINDS = -1 };

static const struct rate slow = {1, 3600000};

/* ---- worlds ---- */

static struct bucket_terms bucket_of(uint64_t burst)
{
    return (struct bucket_terms){.burst = burst, .rate = slow, .debt_max = burst};
}

static struct limits *limits_of(const struct limit_terms *terms, uint32_t count)
{
    struct limits *limits = limits_new(count, 100);
    assert_non_null(limits);
    for (uint32_t i = 0; i < count; i++)
        assert_true(limits_add(limits, &terms[i]));
    limits->waiting = (struct waiting_terms){.max_waiting = 100, .per_key = 100};
    return limits;
}

/* "api" for keys that begin with "api:", which warns at 80 % of 10 tokens; else "default", of 5. */
static struct limits *usual_limits(void)
{
    const struct limit_terms terms[] = {
        {.name = "api",
         .match = "api:*",
         .warn_percent = 80,
         .buckets_count = 1,
         .buckets = {bucket_of(10)}},
        {.name = LIMIT_DEFAULT_NAME, .buckets_count = 1, .buckets = {bucket_of(5)}},
    };
    return limits_of(terms, LENGTH(terms));
}

static void begin(struct fixture *fixture, struct limits *limits, uint32_t max_keys,
                  enum when_full when_full, uint32_t keep)
{
    fixture_init_limits(fixture, limits, max_keys, when_full);
    assert_true(brain_keep_events(fixture->brain, keep, BOOT));
}

static void begin_usual(struct fixture *fixture)
{
    begin(fixture, usual_limits(), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT, KEEP);
}

/* Lets time pass without a stall. */
static void pass(struct fixture *fixture, uint64_t ms)
{
    for (; ms > 100; ms -= 100)
        fixture_pass(fixture, 100);
    fixture_pass(fixture, ms);
}

/* ---- readers ---- */

struct reader {
    struct message message; /* the first member */
    struct events_question ask;
    struct events_answer answer;
    bool waits;  /* its letter is the brain's */
    uint64_t at; /* the next event to look at in the room */
    alignas(8) char room[ROOM];
};

static void reader_init(struct reader *reader, enum events_from from)
{
    reader->ask = (struct events_question){
        .from = from,
        .kinds = (uint32_t)ALL_KINDS,
        .room = reader->room,
        .room_bytes = ROOM,
    };
    reader->waits = false;
}

/* Asks; the answer is there at once, unless the reader waits. */
static void reader_ask(struct fixture *fixture, struct reader *reader)
{
    memset(&reader->answer, 0xa5, sizeof reader->answer);
    memset(&reader->message, 0, sizeof reader->message);
    reader->message.kind = MESSAGE_EVENTS;
    reader->message.ask.events = &reader->ask;
    reader->message.answer.events = &reader->answer;
    struct message *messages[] = {&reader->message};
    size_t answered = ask_brain(fixture->brain, messages, 1);
    assert_true(answered == 1 || reader->ask.waits);
    reader->waits = answered == 0;
    reader->at = 0;
}

/* Goes on where an answer has ended. */
static void reader_go_on(struct reader *reader)
{
    reader->ask.from = EVENTS_SINCE;
    reader->ask.boot = reader->answer.boot;
    reader->ask.since = reader->answer.next;
}

/* The next event of an answer. */
static struct event reader_next(struct reader *reader)
{
    struct event event;
    assert_true(reader->at < reader->answer.bytes);
    reader->at += event_unpack(reader->room + reader->at, &event);
    return event;
}

static void reader_is_done(const struct reader *reader)
{
    assert_int_equal(reader->at, reader->answer.bytes);
}

/* The events since the last call, of which there must be so many, all told. */
static void read_all(struct fixture *fixture, struct reader *reader, uint32_t count)
{
    brain_news(fixture->brain);
    reader_ask(fixture, reader);
    assert_int_equal(reader->answer.lost, 0);
    assert_int_equal(reader->answer.count, count);
    reader_go_on(reader);
}

static bool is_text(const char *text, size_t len, const char *wanted)
{
    if (wanted == NULL)
        return text == NULL;
    return text != NULL && len == strlen(wanted) && memcmp(text, wanted, len) == 0;
}

/* The next event is of this kind, about this limit and key. */
static struct event expect(struct reader *reader, enum event_kind kind, const char *limit,
                           const char *key)
{
    struct event event = reader_next(reader);
    assert_string_equal(event_rows[event.kind].word, event_rows[kind].word);
    assert_true(is_text(event.limit, event.limit_len, limit));
    assert_true(is_text(event.key, event.key_len, key));
    return event;
}

static void expect_values(const struct event *event, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                          uint64_t e)
{
    const uint64_t wanted[] = {a, b, c, d, e};
    for (int i = 0; i < event_rows[event->kind].values_count; i++)
        assert_int_equal(event->values[i], wanted[i]);
}

/* ---- records and the ring ---- */

static void the_table_has_each_kind(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        const struct event_row *row = &event_rows[kind];
        assert_int_equal(event_kind_named(row->word, strlen(row->word)), kind);
        assert_int_equal(event_kind_named(row->word, strlen(row->word) - 1), EVENT_KIND_COUNT);
        for (int i = 0; i < row->values_count; i++)
            assert_non_null(event_value_rows[row->values[i]].name);
    }
    assert_int_equal(event_kind_named("", 0), EVENT_KIND_COUNT);
    assert_int_equal(event_kind_named("deniedx", 7), EVENT_KIND_COUNT);
    assert_int_equal(event_rows[EVENT_drain].values_count, 0);
    assert_int_equal(event_rows[EVENT_denied].values_count, 5);
}

static struct event random_event(struct dice *dice, char text[EVENT_TEXT_MAX])
{
    static char name[LIMIT_NAME_MAX + 1], key[KEY_MAX + 1];
    struct event event = {.kind = (enum event_kind)dice_roll(dice, EVENT_KIND_COUNT)};
    event.time_ms = dice_bits(dice);
    for (int i = 0; i < event_rows[event.kind].values_count; i++)
        event.values[i] = dice_bits(dice);
    if (dice_once_in(dice, 2)) {
        event.limit = name;
        event.limit_len = dice_roll(dice, LIMIT_NAME_MAX + 1);
        memset(name, 'a' + (int)dice_roll(dice, 26), LIMIT_NAME_MAX);
    }
    if (dice_once_in(dice, 2)) {
        event.key = key;
        event.key_len = dice_roll(dice, KEY_MAX + 1);
        memset(key, 'a' + (int)dice_roll(dice, 26), KEY_MAX);
    }
    if (dice_once_in(dice, 4)) {
        event.text = text;
        event.text_len = dice_roll(dice, EVENT_TEXT_MAX + 1);
        memset(text, 'a' + (int)dice_roll(dice, 26), EVENT_TEXT_MAX);
    }
    return event;
}

static void expect_same(const struct event *found, const struct event *wanted)
{
    assert_int_equal(found->number, wanted->number);
    assert_int_equal(found->time_ms, wanted->time_ms);
    assert_int_equal(found->kind, wanted->kind);
    assert_true((found->limit == NULL) == (wanted->limit == NULL));
    assert_true((found->key == NULL) == (wanted->key == NULL));
    assert_true((found->text == NULL) == (wanted->text == NULL));
    assert_int_equal(found->limit_len, wanted->limit_len);
    assert_int_equal(found->key_len, wanted->key_len);
    assert_int_equal(found->text_len, wanted->text_len);
    if (found->limit_len > 0)
        assert_memory_equal(found->limit, wanted->limit, found->limit_len);
    if (found->key_len > 0)
        assert_memory_equal(found->key, wanted->key, found->key_len);
    if (found->text_len > 0)
        assert_memory_equal(found->text, wanted->text, found->text_len);
    for (int i = 0; i < event_rows[found->kind].values_count; i++)
        assert_int_equal(found->values[i], wanted->values[i]);
}

static void a_record_has_all_of_an_event(void **unused)
{
    (void)unused;
    struct dice dice = dice_new(1);
    char text[EVENT_TEXT_MAX];
    alignas(8) char record[EVENT_RECORD_MAX + 8];
    for (int i = 0; i < 10000; i++) {
        struct event event = random_event(&dice, text), found;
        event.number = dice_bits(&dice);
        size_t len = event_packed_bytes(&event);
        assert_true(len <= EVENT_RECORD_MAX && len % 8 == 0);
        memset(record, 0x5a, sizeof record);
        event_pack(&event, record);
        assert_int_equal(record[len], 0x5a);
        assert_int_equal(event_unpack(record, &found), len);
        expect_same(&found, &event);
    }
}

/* A text that is too long ends with a whole character. */
static void a_long_text_is_cut_between_characters(void **unused)
{
    (void)unused;
    static char text[3000];
    alignas(8) char record[EVENT_RECORD_MAX];
    for (size_t at = 0; at + 3 <= sizeof text; at += 3)
        memcpy(text + at, "\xe2\x82\xac", 3);
    struct event event = {.kind = EVENT_reload_failed, .text = text, .text_len = sizeof text};
    struct event found;
    event_pack(&event, record);
    event_unpack(record, &found);
    assert_int_equal(found.text_len, EVENT_TEXT_MAX / 3 * 3);
    assert_memory_equal(found.text, text, found.text_len);
    memset(text, '\xff', sizeof text); /* no character at all */
    event_pack(&event, record);
    event_unpack(record, &found);
    assert_int_equal(found.text_len, EVENT_TEXT_MAX);
}

/* All that the ring keeps is as it was put in, it never keeps more than it has room for, and it gives up no
 * more than it must. */
static void the_ring_keeps_the_last_events(void **unused)
{
    (void)unused;
    enum { SLOTS = 64, ADDED = 20000, ALL_BYTES = SLOTS * (int)EVENT_RING_BYTES_EACH };
    static alignas(8) char records[ADDED + 1][EVENT_RECORD_MAX];
    struct dice dice = dice_new(2);
    struct event_ring ring;
    char text[EVENT_TEXT_MAX];
    bool was_full = false, was_bound_by_bytes = false;
    assert_true(event_ring_init(&ring, SLOTS));
    assert_int_equal(ring.oldest, ring.newest + 1);
    for (uint64_t number = 1; number <= ADDED; number++) {
        uint64_t before = ring.oldest;
        struct event event = random_event(&dice, text);
        if (number / 1000 % 2 == 0) /* short ones only, so that their number is the bound */
            event.limit_len = event.key_len = event.text_len = 0;
        event_ring_add(&ring, &event);
        assert_int_equal(event.number, number);
        assert_int_equal(ring.newest, number);
        event_pack(&event, records[number]);
        size_t kept = 0;
        struct event found, wanted;
        for (uint64_t i = ring.oldest; i <= number; i++) {
            kept += event_unpack(event_ring_record(&ring, i), &found);
            event_unpack(records[i], &wanted);
            expect_same(&found, &wanted);
        }
        uint64_t count = number + 1 - ring.oldest;
        assert_true(count <= SLOTS && kept <= ALL_BYTES);
        was_full |= count == SLOTS;
        if (ring.oldest > before &&
            count < SLOTS) { /* bytes were the bound: at its end some may be unused */
            event_unpack(records[ring.oldest - 1], &wanted);
            size_t last = event_packed_bytes(&wanted);
            assert_true(kept + last + EVENT_RECORD_MAX > ALL_BYTES);
            was_bound_by_bytes = true;
        }
    }
    assert_true(was_full && was_bound_by_bytes);
    event_ring_release(&ring);
}

/* ---- what makes an event ---- */

static void the_first_denial_is_told_and_then_one_in_ten_seconds(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    assert_true(fixture_allows(&fixture, "a", 5));
    read_all(&fixture, &reader, 0); /* an allow is no event */
    struct bucket_answer denied = fixture_allow(&fixture, "a", 2);
    read_all(&fixture, &reader, 1);
    struct event event = expect(&reader, EVENT_denied, "default", "a");
    assert_int_equal(event.number, 1);
    expect_values(&event, 1, 2, 0, denied.retry_after_ms, BUCKET_DENIED);
    for (int second = 1; second < EVENTS_KEY_S; second++) {
        pass(&fixture, 1000);
        assert_false(fixture_allows(&fixture, "a", 1));
        read_all(&fixture, &reader, 0);
    }
    pass(&fixture, 1000);
    assert_false(fixture_allows(&fixture, "a", 6)); /* more than its burst */
    assert_false(fixture_allows(&fixture, "b", 6));
    read_all(&fixture, &reader, 2);
    event = expect(&reader, EVENT_denied, "default", "a");
    expect_values(&event, EVENTS_KEY_S, 6, 0, UINT64_MAX, BUCKET_EXCEEDS_BURST);
    event = expect(&reader, EVENT_denied, "default", "b");
    expect_values(&event, 1, 6, 5, UINT64_MAX, BUCKET_EXCEEDS_BURST);
    assert_int_equal(event.number, 3);
    fixture_release(&fixture);
}

static void a_trial_denies_nobody_and_so_there_is_no_event(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME, .shadow = true, .buckets_count = 1, .buckets = {bucket_of(1)}};
    begin(&fixture, limits_of(&terms, 1), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT, KEEP);
    reader_init(&reader, EVENTS_KEPT);
    fixture_allow(&fixture, "a", 1);
    assert_int_equal(fixture_allow(&fixture, "a", 1).result, BUCKET_DENIED);
    read_all(&fixture, &reader, 0);
    fixture_release(&fixture);
}

/* However many keys are denied, there are no more events than that; and their counts add up. */
static void a_flood_of_denials_is_told_as_few(void **unused)
{
    (void)unused;
    enum { KEYS = 900 };
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    uint64_t told = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        fixture_allow(&fixture, key, 6);
    }
    read_all(&fixture, &reader, EVENTS_A_SECOND + 1);
    for (unsigned i = 0; i < EVENTS_A_SECOND; i++)
        told += reader_next(&reader).values[0];
    assert_int_equal(told, EVENTS_A_SECOND);
    struct event event = expect(&reader, EVENT_denied, NULL, NULL);
    assert_int_equal(event.values[0], KEYS - EVENTS_A_SECOND);
    /* The second is not over: what comes now is told when it is, though nobody asks anything. */
    fixture_allow(&fixture, "one more", 6);
    read_all(&fixture, &reader, 0);
    assert_int_equal(brain_next_tick_ns(fixture.brain), fixture.now_ns + NS_PER_S);
    pass(&fixture, 1000);
    assert_int_equal(brain_next_tick_ns(fixture.brain), BRAIN_NEVER);
    read_all(&fixture, &reader, 1);
    event = expect(&reader, EVENT_denied, NULL, NULL);
    assert_int_equal(event.values[0], 1);
    fixture_release(&fixture);
}

/* Keys that are denied all the time do not push each other out of the memory of keys, so that each has one
 * event in its period, and there is room for who is denied for the first time. */
static void many_hot_keys_leave_room_for_another(void **unused)
{
    (void)unused;
    enum { KEYS = 600, SECONDS = 8 };
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    uint64_t named = 0;
    for (int second = 0; second < SECONDS; second++) {
        pass(&fixture, 1000);
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < KEYS; i++) {
                char key[16];
                snprintf(key, sizeof key, "k%d", i);
                fixture_allow(&fixture, key, 6);
            }
        }
        reader_ask(&fixture, &reader);
        reader_go_on(&reader);
        while (reader.at < reader.answer.bytes)
            named += reader_next(&reader).key_len > 0;
    }
    assert_int_equal(named, KEYS);
    fixture_allow(&fixture, "one more", 6);
    read_all(&fixture, &reader, 1);
    expect(&reader, EVENT_denied, "default", "one more");
    fixture_release(&fixture);
}

static void a_limit_that_warns_does_so_once_as_its_share_is_passed(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    assert_true(fixture_allows(&fixture, "api:a", 7));
    read_all(&fixture, &reader, 0);
    assert_true(fixture_allows(&fixture, "api:a", 1));
    read_all(&fixture, &reader, 1);
    struct event event = expect(&reader, EVENT_warned, "api", "api:a");
    expect_values(&event, 1, 2, 10, 80, 0);
    assert_true(fixture_allows(&fixture, "api:a", 1));
    assert_true(fixture_allows(&fixture, "api:a", 0));
    assert_true(fixture_allows(&fixture, "other", 5)); /* its limit does not warn */
    read_all(&fixture, &reader, 0);
    fixture_reset(&fixture, "api:a");
    assert_true(fixture_allows(&fixture, "api:a", 10)); /* it has had one a moment ago */
    read_all(&fixture, &reader, 0);
    fixture_reset(&fixture, "api:a");
    pass(&fixture, EVENTS_KEY_S * 1000);
    assert_true(fixture_allows(&fixture, "api:a", 10));
    read_all(&fixture, &reader, 1);
    event = expect(&reader, EVENT_warned, "api", "api:a");
    expect_values(&event, 2, 0, 10, 80, 0);
    fixture_release(&fixture);
}

/* Calls about one key are one request: they pass the share together, and once. */
static void a_batch_passes_the_share_once(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    struct bucket_call calls[3];
    for (int i = 0; i < 3; i++)
        calls[i] = (struct bucket_call){.ask = {.key = "api:a", .key_len = 5, .tokens = 3}};
    struct message all = {.kind = MESSAGE_ALL, .ask.list = {calls, 3}}, *messages[] = {&all};
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    assert_true(all.answer.list.allowed);
    read_all(&fixture, &reader, 1);
    struct event event = expect(&reader, EVENT_warned, "api", "api:a");
    expect_values(&event, 1, 1, 10, 80, 0);
    fixture_release(&fixture);
}

static void a_debt_is_told(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    fixture_ask(&fixture, MESSAGE_CHARGE, "a", NULL, 5);
    read_all(&fixture, &reader, 0);
    fixture_ask(&fixture, MESSAGE_CHARGE, "a", NULL, 3);
    read_all(&fixture, &reader, 1);
    struct event event = expect(&reader, EVENT_owed, "default", "a");
    expect_values(&event, 1, 3, 0, 0, 0);
    fixture_release(&fixture);
}

static void who_has_waited_is_told(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 2,
        .buckets = {{.name = "tokens", .burst = 1, .rate = {1, 100}},
                    {.name = "slots", .burst = 1, .holds_slots = true}},
    };
    begin(&fixture, limits_of(&terms, 1), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT, KEEP);
    reader_init(&reader, EVENTS_KEPT);
    struct message acquire[3];
    for (int i = 0; i < 3; i++) {
        acquire[i] = (struct message){
            .kind = MESSAGE_ACQUIRE,
            .ask.acquire = {.bucket = {.key = "a", .key_len = 1, .tokens = 1, .wait_ms = 1500},
                            .id = {{(uint8_t)(i + 1)}},
                            .slots = 1,
                            .ttl_ms = 1000},
        };
        struct message *messages[] = {&acquire[i]};
        assert_int_equal(ask_brain(fixture.brain, messages, 1), i == 0);
    }
    pass(&fixture, 900);
    read_all(&fixture, &reader, 0);
    pass(&fixture, 100); /* the lease ends, and the next one has its slot and its token */
    assert_int_equal(letters_count(brain_released(fixture.brain)), 1);
    read_all(&fixture, &reader, 2);
    struct event event = expect(&reader, EVENT_lease_expired, "default", "a");
    expect_values(&event, 1, 1, 1, 0, 0);
    event = expect(&reader, EVENT_waited, "default", "a");
    expect_values(&event, 1, 1000, 0, 0, 0);
    pass(&fixture, 500);
    assert_int_equal(letters_count(brain_released(fixture.brain)), 1);
    read_all(&fixture, &reader, 1);
    event = expect(&reader, EVENT_wait_over, "default", "a");
    expect_values(&event, 1, 1500, 0, 0, 0);
    for (int i = 0; i < 3; i++)
        message_hold(&acquire[i], NULL);
    fixture_release(&fixture);
}

static void want_of_room_is_told(enum when_full when_full, enum event_kind kind, uint64_t cause)
{
    struct fixture fixture;
    struct reader reader;
    begin(&fixture, usual_limits(), 1, when_full, KEEP);
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.kinds = 1u << kind;
    fixture_allow(&fixture, "first", 1);
    fixture_allow(&fixture, "second", 1);
    read_all(&fixture, &reader, 1);
    struct event event = expect(&reader, kind, NULL, NULL);
    expect_values(&event, 1, cause, 0, 0, 0);
    fixture_allow(&fixture, "third", 1);
    fixture_allow(&fixture, "fourth", 1);
    read_all(&fixture, &reader, 0); /* not again in this second */
    pass(&fixture, 1000);
    read_all(&fixture, &reader, 1);
    event = expect(&reader, kind, NULL, NULL);
    expect_values(&event, 2, cause, 0, 0, 0);
    fixture_release(&fixture);
}

static void a_table_that_is_full_is_told(void **unused)
{
    (void)unused;
    want_of_room_is_told(WHEN_FULL_EVICT, EVENT_evicted, 0);
    want_of_room_is_told(WHEN_FULL_ALLOW, EVENT_uncounted, 0);
    want_of_room_is_told(WHEN_FULL_DENY, EVENT_overload, EVENT_CAUSE_TABLE);
}

static void tell(struct fixture *fixture, struct message message)
{
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    message_hold(&message, NULL);
}

/* ---- limits and overrides ---- */

static struct limits *with_overrides(const struct override_terms *overrides, uint32_t count)
{
    const struct limit_terms terms[] = {
        {.name = "api",
         .match = "api:*",
         .buckets_count = 1,
         .buckets = {bucket_of(10)},
         .overrides_count = count,
         .overrides = overrides},
        {.name = LIMIT_DEFAULT_NAME, .buckets_count = 1, .buckets = {bucket_of(5)}},
    };
    return limits_of(terms, LENGTH(terms));
}

static void expect_override(struct reader *reader, enum event_kind kind, const char *key,
                            enum override_action action, int64_t until_s, bool removed)
{
    struct event event = expect(reader, kind, "api", key);
    expect_values(&event, 1, action, (uint64_t)until_s, 0, removed);
}

static void overrides_are_told_as_they_begin_and_end(void **unused)
{
    (void)unused;
    enum { UNTIL = FIXTURE_START_DATE_S + 10 };
    const struct override_terms before[] = {
        {.key = "api:c", .action = OVERRIDE_DENY, .until_s = UNTIL},
        {.key = "api:b*", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "api:over", .action = OVERRIDE_ALLOW, .until_s = FIXTURE_START_DATE_S},
    };
    const struct override_terms after[] = {
        {.key = "api:a",
         .action = OVERRIDE_TERMS,
         .until_s = OVERRIDE_FOR_EVER,
         .buckets_count = 1,
         .buckets = {bucket_of(3)}},
        {.key = "api:c", .action = OVERRIDE_DENY, .until_s = UNTIL},
        {.key = "api:b*", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
    };
    struct fixture fixture;
    struct reader reader;
    begin(&fixture, with_overrides(before, LENGTH(before)), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT,
          KEEP);
    reader_init(&reader, EVENTS_KEPT);
    read_all(&fixture, &reader, 0); /* what a start finds is not news */
    fixture_reload_limits(&fixture, with_overrides(after, LENGTH(after)));
    read_all(&fixture, &reader, 4);
    expect_override(&reader, EVENT_override_begun, "api:a", OVERRIDE_TERMS, OVERRIDE_FOR_EVER,
                    false);
    expect_override(&reader, EVENT_override_ended, "api:b*", OVERRIDE_ALLOW, OVERRIDE_FOR_EVER,
                    true);
    expect_override(&reader, EVENT_override_begun, "api:b*", OVERRIDE_DENY, OVERRIDE_FOR_EVER,
                    false);
    struct event event = expect(&reader, EVENT_reloaded, NULL, NULL);
    expect_values(&event, 2, 0, 0, 0, 0);
    fixture_date(&fixture, UNTIL);
    read_all(&fixture, &reader, 1);
    expect_override(&reader, EVENT_override_ended, "api:c", OVERRIDE_DENY, UNTIL, false);
    fixture_date(&fixture, UNTIL + 1);
    read_all(&fixture, &reader, 0);
    fixture_reload_one(&fixture, 100, 5, slow); /* the limit goes, and its overrides with it */
    read_all(&fixture, &reader, 3);
    expect_override(&reader, EVENT_override_ended, "api:a", OVERRIDE_TERMS, OVERRIDE_FOR_EVER,
                    true);
    expect_override(&reader, EVENT_override_ended, "api:b*", OVERRIDE_DENY, OVERRIDE_FOR_EVER,
                    true);
    expect(&reader, EVENT_reloaded, NULL, NULL);
    reader_is_done(&reader);
    fixture_release(&fixture);
}

/* Of one for the same as the configuration has, both are told apart; why it is there is told too. */
static void overrides_of_run_time_are_told_as_such(void **unused)
{
    (void)unused;
    const struct override_terms overrides[] = {
        {.key = "api:a",
         .action = OVERRIDE_ALLOW,
         .until_s = FIXTURE_START_DATE_S + 10,
         .is_runtime = true,
         .reason = "a friend"},
        {.key = "api:a", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
    };
    struct fixture fixture;
    struct reader reader;
    begin(&fixture, with_overrides(overrides + 1, 1), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT, KEEP);
    reader_init(&reader, EVENTS_KEPT);
    read_all(&fixture, &reader, 0);
    struct limits *limits = with_overrides(overrides, 2);
    tell(&fixture, (struct message){.kind = MESSAGE_LIMITS,
                                    .ask.limits = {.limits = limits,
                                                   .date_s = FIXTURE_START_DATE_S,
                                                   .is_no_reload = true}});
    limits_release(limits);
    assert_int_equal(fixture_daemon(&fixture).counters.reloads, 0);
    read_all(&fixture, &reader, 1); /* and no reload */
    struct event event = expect(&reader, EVENT_override_begun, "api", "api:a");
    expect_values(&event, 1, OVERRIDE_ALLOW, FIXTURE_START_DATE_S + 10, true, 0);
    assert_true(is_text(event.text, event.text_len, "a friend"));
    fixture_date(&fixture, FIXTURE_START_DATE_S + 10);
    read_all(&fixture, &reader, 1);
    event = expect(&reader, EVENT_override_ended, "api", "api:a");
    expect_values(&event, 1, OVERRIDE_ALLOW, FIXTURE_START_DATE_S + 10, true, false);
    assert_true(is_text(event.text, event.text_len, "a friend"));
    fixture_release(&fixture);
}

/* Puts limits into force with changes that begin from `from`, and expects an override to have begun for this key; NULL:
 * none. */
static void expect_begun(struct fixture *fixture, struct reader *reader, const struct limits *from,
                         struct limits *next, const char *key)
{
    struct override_changes *changes = changes_between(from, next, FIXTURE_START_DATE_S);
    assert_non_null(changes);
    tell(fixture, (struct message){.kind = MESSAGE_LIMITS,
                                   .ask.limits = {.limits = next,
                                                  .changes = changes,
                                                  .date_s = FIXTURE_START_DATE_S,
                                                  .is_no_reload = true}});
    free(changes);
    read_all(fixture, reader, key != NULL);
    if (key != NULL)
        expect_override(reader, EVENT_override_begun, key, OVERRIDE_DENY, OVERRIDE_FOR_EVER, false);
}

/* Whoever makes the limits compares them; if with others than are in force, the brain does it again. */
static void changes_may_come_with_the_limits(void **unused)
{
    (void)unused;
    const struct override_terms overrides[] = {
        {.key = "api:a", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
        {.key = "api:b", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
        {.key = "api:c", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
    };
    struct limits *with[LENGTH(overrides) + 1];
    for (uint32_t i = 0; i < LENGTH(with); i++)
        with[i] = with_overrides(overrides, i);
    struct fixture fixture;
    struct reader reader;
    begin(&fixture, limits_retain(with[0]), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT, KEEP);
    reader_init(&reader, EVENTS_KEPT);
    read_all(&fixture, &reader, 0);
    expect_begun(&fixture, &reader, with[0], with[1], "api:a");
    expect_begun(&fixture, &reader, with[0], with[2], "api:b");
    expect_begun(&fixture, &reader, with[2], with[2], NULL);
    expect_begun(&fixture, &reader, with[3], with[3], "api:c");
    for (uint32_t i = 0; i < LENGTH(with); i++)
        limits_release(with[i]);
    fixture_release(&fixture);
}

static void limits_that_are_gone_are_told(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    fixture_allow(&fixture, "api:a", 1);
    fixture_allow(&fixture, "api:b", 1);
    fixture_reload_one(&fixture, 100, 5, slow);
    fixture_sweep_all(&fixture);
    reader.ask.kinds = 1u << EVENT_limit_forgotten;
    read_all(&fixture, &reader, 1);
    struct event event = expect(&reader, EVENT_limit_forgotten, "api", NULL);
    expect_values(&event, 1, 2, 0, 0, 0);
    fixture_release(&fixture);
}

/* ---- the daemon ---- */

static void what_happens_to_the_daemon_is_told(void **unused)
{
    (void)unused;
    static struct tally tally;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    tally.front.place = 3;
    tally.turned_away = 7;
    tell(&fixture, (struct message){.kind = MESSAGE_TALLY, .ask.tally = &tally});
    tally.turned_away = 0;
    tell(&fixture, (struct message){.kind = MESSAGE_TALLY, .ask.tally = &tally});
    tally.front.is_last = true;
    tell(&fixture, (struct message){.kind = MESSAGE_TALLY, .ask.tally = &tally});
    tell(&fixture, (struct message){.kind = MESSAGE_RELOAD_FAILED, .ask.faults = "a:1:2: x\nb"});
    tell(&fixture, (struct message){.kind = MESSAGE_STATE_LOST, .ask.lost_state = "it is gone"});
    tell(&fixture, (struct message){.kind = MESSAGE_STATE_LOST, .ask.lost_state = "again"});
    tell(&fixture, (struct message){.kind = MESSAGE_DRAIN, .ask.detail = "Terminated: draining"});
    read_all(&fixture, &reader, 6);
    struct event event = expect(&reader, EVENT_front_added, NULL, NULL);
    expect_values(&event, 1, 0, 0, 0, 0);
    event = expect(&reader, EVENT_front_gone, NULL, NULL);
    expect_values(&event, 0, 0, 0, 0, 0);
    event = expect(&reader, EVENT_reload_failed, NULL, NULL);
    assert_true(is_text(event.text, event.text_len, "a:1:2: x\nb"));
    event = expect(&reader, EVENT_state_lost, NULL, NULL);
    assert_true(is_text(event.text, event.text_len, "it is gone"));
    event = expect(&reader, EVENT_drain, NULL, NULL);
    assert_true(is_text(event.text, event.text_len, "Terminated: draining"));
    event = expect(&reader, EVENT_overload, NULL, NULL);
    expect_values(&event, 7, EVENT_CAUSE_CONNECTIONS, 0, 0, 0);
    fixture_release(&fixture);
}

/* Asks for foo, which is answered without the store, and gives an order time to come back. */
static void ask_in_vain(struct fleet_world *world)
{
    assert_true(fleet_world_allow(world, "foo", 1).is_apart);
    fleet_world_pass(world, 2000);
}

static void a_store_that_is_lost_and_back_is_told_once_each(void **unused)
{
    (void)unused;
    static const struct {
        enum order_result result;
        const char *says;
    } cases[] = {
        {ORDER_NOT_SENT, "the fleet's store is not connected"},
        {ORDER_REFUSED, "the fleet's store refuses orders"},
        {ORDER_UNREACHABLE, "the fleet's store does not answer"},
    };
    struct fleet_world world;
    struct reader reader;
    fleet_world_begin_one(&world, 10, slow);
    assert_true(brain_keep_events(world.fixture.brain, KEEP, BOOT));
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.kinds = 1u << EVENT_fleet_lost | 1u << EVENT_fleet_back;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        world.forced = cases[i].result;
        ask_in_vain(&world);
        ask_in_vain(&world);
        read_all(&world.fixture, &reader, 1);
        struct event event = expect(&reader, EVENT_fleet_lost, NULL, NULL);
        assert_true(is_text(event.text, event.text_len, cases[i].says));
        world.forced = ORDER_RESULT_COUNT;
        fleet_world_allow(&world, "foo", 1);
        fleet_world_pass(&world, 2000);
        read_all(&world.fixture, &reader, 1);
        event = expect(&reader, EVENT_fleet_back, NULL, NULL);
        assert_true(is_text(event.text, event.text_len, "the fleet's store answers"));
        reader_go_on(&reader);
    }
    fleet_world_end(&world);
}

/* Orders for one node of a cluster fail, and the others' do not: that is no change each time. */
static void a_part_of_a_store_that_is_lost_and_back_is_told_once_each(void **unused)
{
    (void)unused;
    struct fleet_world world;
    struct reader reader;
    fleet_world_begin_one(&world, 10, (struct rate){.tokens = 5, .period_ms = 1000});
    assert_true(brain_keep_events(world.fixture.brain, KEEP, BOOT));
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.kinds = 1u << EVENT_fleet_lost | 1u << EVENT_fleet_back;
    world.forced_key = "lost";
    world.forced = ORDER_NOT_SENT;
    for (unsigned i = 0; i < 50; i++) {
        struct bucket_answer lost = fleet_world_allow(&world, "lost", 1);
        assert_true(lost.result == BUCKET_DENIED && lost.is_apart);
        fleet_world_pass(&world, 100);
        assert_false(fleet_world_allow(&world, i % 2 == 0 ? "foo" : "bar", 1).is_apart);
        assert_true(fixture_daemon(&world.fixture).fleet.is_cut);
        fleet_world_pass(&world, 100);
    }
    assert_int_equal(fleet_world_allow(&world, "new", 1).result, BUCKET_ALLOWED);
    read_all(&world.fixture, &reader, 1);
    expect(&reader, EVENT_fleet_lost, NULL, NULL);
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_pass(&world, 1001);
    assert_int_equal(fleet_world_allow(&world, "lost", 1).result, BUCKET_ALLOWED);
    read_all(&world.fixture, &reader, 1);
    expect(&reader, EVENT_fleet_back, NULL, NULL);
    assert_false(fixture_daemon(&world.fixture).fleet.is_cut);
    reader_go_on(&reader);
    fleet_world_end(&world);
}

/* That a key was out of reach for which nobody asks any more is forgotten with it. */
static void a_part_that_nobody_asks_for_is_not_lost_for_long(void **unused)
{
    (void)unused;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, (struct rate){.tokens = 1, .period_ms = 3600000});
    world.forced_key = "lost";
    for (unsigned i = 0; i < 20; i++)
        fleet_world_allow(&world, "lost", 1); /* it is exhausted, and known to be for long */
    world.forced = ORDER_NOT_SENT;
    fleet_world_pass(&world, 900);
    fleet_world_allow(&world, "lost", 1);
    fleet_world_pass(&world, 500);
    assert_true(fixture_daemon(&world.fixture).fleet.is_cut);
    fleet_world_pass(&world, 10000);
    assert_false(fixture_daemon(&world.fixture).fleet.is_cut);
    assert_int_equal(world.fixture.brain->shares.count, 0);
    fleet_world_end(&world);
}

static void a_stall_is_told_unless_it_was_sleep(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    fixture_allow(&fixture, "a", 1);
    brain_slept(fixture.brain, 10 * NS_PER_S);
    fixture_pass(&fixture, 10000);
    fixture_pass(&fixture, 100 + BRAIN_LATE_MS - 1);
    read_all(&fixture, &reader, 0);
    fixture_pass(&fixture, 2000);
    read_all(&fixture, &reader, 1);
    struct event event = expect(&reader, EVENT_overload, NULL, NULL);
    expect_values(&event, 1, EVENT_CAUSE_STALL, 0, 0, 0);
    fixture_release(&fixture);
}

static void an_event_has_its_time(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    brain_tell_wall(fixture.brain, fixture.now_ns, 1700000000123456789u);
    pass(&fixture, 5000);
    fixture_allow(&fixture, "a", 6);
    read_all(&fixture, &reader, 1);
    assert_int_equal(reader_next(&reader).time_ms, 1700000005123u);
    fixture_release(&fixture);
}

static void events_are_counted(void **unused)
{
    (void)unused;
    struct fixture fixture;
    begin_usual(&fixture);
    fixture_allow(&fixture, "a", 6);
    fixture_allow(&fixture, "b", 6);
    fixture_allow(&fixture, "b", 6);
    assert_int_equal(fixture.brain->meters.events[EVENT_denied], 2);
    fixture_release(&fixture);
}

/* ---- reading ---- */

/* Denies a key that nobody had denied. */
static void deny_another(struct fixture *fixture)
{
    static unsigned number;
    char key[32];
    snprintf(key, sizeof key, "another %u", number++);
    fixture_allow(fixture, key, 6);
}

static void without_events_there_is_nothing_to_read(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin(&fixture, usual_limits(), 1, WHEN_FULL_EVICT, 0);
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.waits = true;
    fixture_allow(&fixture, "a", 1);
    fixture_allow(&fixture, "b", 1);
    reader_ask(&fixture, &reader);
    assert_false(reader.waits);
    assert_false(reader.answer.is_kept);
    assert_int_equal(brain_news(fixture.brain).count[NEWS_evicted],
                     1); /* the log hears all the same */
    fixture_release(&fixture);
}

static void filters_pass_over_what_does_not_suit(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    fixture_allow(&fixture, "api:one", 11);
    fixture_allow(&fixture, "a", 6);
    fixture_allow(&fixture, "api:two", 8);
    fixture_ask(&fixture, MESSAGE_CHARGE, "api:two", NULL, 4);
    tell(&fixture, (struct message){.kind = MESSAGE_DRAIN, .ask.detail = "x"});
    reader_init(&reader, EVENTS_KEPT);
    read_all(&fixture, &reader, 5);
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.kinds = 1u << EVENT_denied | 1u << EVENT_drain;
    read_all(&fixture, &reader, 3);
    assert_int_equal(reader.answer.next, 5);
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.limit_name = "api";
    reader.ask.limit_name_len = 3;
    read_all(&fixture, &reader, 3);
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.limit_name = "ap";
    reader.ask.limit_name_len = 2;
    read_all(&fixture, &reader, 0);
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.prefix = "api:t";
    reader.ask.prefix_len = 5;
    read_all(&fixture, &reader, 2);
    expect(&reader, EVENT_warned, "api", "api:two");
    expect(&reader, EVENT_owed, "api", "api:two");
    reader.ask.kinds = 1u << EVENT_owed;
    reader.ask.since = 0;
    read_all(&fixture, &reader, 1);
    fixture_release(&fixture);
}

static void a_reader_begins_where_it_says(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    for (int i = 0; i < 5; i++)
        deny_another(&fixture);
    reader_init(&reader, EVENTS_TO_COME);
    read_all(&fixture, &reader, 0);
    assert_int_equal(reader.answer.next, 5);
    assert_int_equal(reader.answer.boot, BOOT);
    assert_false(reader.answer.is_other_boot);
    reader.ask.since = 3;
    read_all(&fixture, &reader, 2);
    assert_int_equal(reader_next(&reader).number, 4);
    reader.ask.since = 0;
    read_all(&fixture, &reader, 5);
    fixture_release(&fixture);
}

static void a_reader_of_another_process_begins_anew(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    for (int i = 0; i < 5; i++)
        deny_another(&fixture);
    reader_init(&reader, EVENTS_SINCE);
    reader.ask.boot = BOOT + 1;
    reader.ask.since = 3;
    reader.ask.waits = true;
    read_all(&fixture, &reader, 5);
    assert_true(reader.answer.is_other_boot);
    read_all(&fixture, &reader, 0 * (reader.ask.waits = false));
    assert_false(reader.answer.is_other_boot);
    reader.ask.since = 6; /* which is still to come */
    read_all(&fixture, &reader, 5);
    assert_true(reader.answer.is_other_boot);
    fixture_release(&fixture);
}

/* A reader that comes back too late, or is of another process, hears exactly how many it has missed. */
static void what_is_kept_no_more_is_counted(void **unused)
{
    (void)unused;
    enum { FEW = 10 };
    struct fixture fixture;
    struct reader reader;
    begin(&fixture, usual_limits(), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT, FEW);
    for (int i = 0; i < 3; i++)
        deny_another(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    reader_ask(&fixture, &reader);
    reader_go_on(&reader);
    for (int i = 0; i < FEW; i++)
        deny_another(&fixture);
    reader_ask(&fixture, &reader);
    assert_int_equal(reader.answer.lost, 0);
    assert_int_equal(reader.answer.count, FEW);
    reader_go_on(&reader);
    for (int i = 0; i < FEW + 4; i++)
        deny_another(&fixture);
    reader_ask(&fixture, &reader);
    assert_int_equal(reader.answer.lost, 4);
    assert_int_equal(reader.answer.lost_last, 3 + FEW + 4);
    assert_int_equal(reader.answer.count, FEW);
    assert_int_equal(reader_next(&reader).number, 3 + FEW + 5);
    assert_int_equal(fixture.brain->counters.events_lost, 4);
    reader.ask.boot++;
    reader.ask.since = 1;
    reader_ask(&fixture, &reader);
    assert_int_equal(reader.answer.lost, 3 + FEW + 4);
    reader.ask.from = EVENTS_KEPT; /* it has not asked for them */
    reader_ask(&fixture, &reader);
    assert_int_equal(reader.answer.lost, 0);
    assert_int_equal(reader.answer.count, FEW);
    fixture_release(&fixture);
}

static void a_small_room_takes_several_answers(void **unused)
{
    (void)unused;
    enum { MANY = 60 };
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    for (int i = 0; i < MANY; i++)
        deny_another(&fixture);
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.room_bytes = EVENT_RECORD_MAX;
    reader.ask.waits = true;
    uint64_t number = 0, answers = 0;
    while (number < MANY) {
        reader_ask(&fixture, &reader);
        assert_false(reader.waits);
        assert_true(reader.answer.bytes <= EVENT_RECORD_MAX);
        while (reader.at < reader.answer.bytes)
            assert_int_equal(reader_next(&reader).number, ++number);
        reader_go_on(&reader);
        answers++;
    }
    assert_true(answers > 2);
    fixture_release(&fixture);
}

/* One answer does not go through a whole ring for a filter that nothing suits. */
static void a_look_is_bounded(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin(&fixture, usual_limits(), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT, BRAIN_EVENTS_MAX);
    for (unsigned i = 0; i < EVENTS_LOOKS_MAX + 10; i++)
        tell(&fixture, (struct message){.kind = MESSAGE_DRAIN, .ask.detail = "x"});
    reader_init(&reader, EVENTS_KEPT);
    reader.ask.kinds = 1u << EVENT_owed;
    reader.ask.waits = true;
    reader_ask(&fixture, &reader);
    assert_false(reader.waits);
    assert_int_equal(reader.answer.count, 0);
    assert_int_equal(reader.answer.next, EVENTS_LOOKS_MAX);
    reader_go_on(&reader);
    reader_ask(&fixture, &reader);
    assert_true(reader.waits);
    events_leave(fixture.brain, &reader.message);
    fixture_release(&fixture);
}

/* ---- waiting ---- */

/* Takes home who has waited; how many. */
static unsigned collect(struct fixture *fixture)
{
    unsigned count = 0;
    for (struct letter *letter = brain_released(fixture->brain), *next; letter != NULL;
         letter = next, count++) {
        next = letter->next;
        struct reader *reader = (struct reader *)(void *)letter;
        assert_true(reader->waits);
        reader->waits = false;
    }
    return count;
}

/* Ends a turn, as the decider does. */
static void end_turn(struct fixture *fixture)
{
    if (brain_has_news(fixture->brain))
        brain_news(fixture->brain);
}

static void who_waits_is_let_go_by_an_event_that_suits(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader any, owed;
    begin_usual(&fixture);
    pass(&fixture, 1000);
    reader_init(&any, EVENTS_TO_COME);
    reader_init(&owed, EVENTS_TO_COME);
    any.ask.waits = owed.ask.waits = true;
    owed.ask.kinds = 1u << EVENT_owed;
    reader_ask(&fixture, &any);
    reader_ask(&fixture, &owed);
    assert_true(any.waits && owed.waits);
    assert_int_equal(brain_next_tick_ns(fixture.brain), BRAIN_NEVER); /* it costs nothing */
    end_turn(&fixture);
    assert_int_equal(collect(&fixture), 0);
    deny_another(&fixture);
    assert_true(brain_has_news(fixture.brain));
    end_turn(&fixture);
    assert_int_equal(collect(&fixture), 1); /* at once, because none was let go for so long */
    assert_false(any.waits);
    assert_int_equal(any.answer.count, 1);
    reader_go_on(&any);
    reader_ask(&fixture, &any);
    assert_true(any.waits);
    deny_another(&fixture);
    deny_another(&fixture);
    end_turn(&fixture);
    assert_int_equal(collect(&fixture), 0); /* then in the next tenth of a second */
    uint64_t due_ns = fixture.now_ns + EVENTS_LET_GO_MS * (uint64_t)NS_PER_MS;
    assert_int_equal(brain_next_tick_ns(fixture.brain), due_ns);
    pass(&fixture, EVENTS_LET_GO_MS - 1);
    assert_int_equal(collect(&fixture), 0);
    pass(&fixture, 1);
    assert_int_equal(collect(&fixture), 1);
    assert_int_equal(any.answer.count, 2);
    assert_int_equal(any.answer.next, 3);
    fixture_ask(&fixture, MESSAGE_CHARGE, "a", NULL, 6);
    pass(&fixture, EVENTS_LET_GO_MS);
    assert_int_equal(collect(&fixture), 1);
    assert_int_equal(owed.answer.count, 1);
    assert_int_equal(owed.answer.next, 4);
    fixture_release(&fixture);
}

static void who_leaves_is_home_before_that_is_answered(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader readers[3];
    begin_usual(&fixture);
    for (int i = 0; i < 3; i++) {
        reader_init(&readers[i], EVENTS_TO_COME);
        readers[i].ask.waits = true;
        reader_ask(&fixture, &readers[i]);
        assert_true(readers[i].waits);
    }
    tell(&fixture, (struct message){.kind = MESSAGE_LEAVE, .ask.leaves = &readers[1].message});
    assert_int_equal(collect(&fixture), 1);
    assert_false(readers[1].waits);
    assert_int_equal(readers[1].answer.count, 0);
    tell(&fixture, (struct message){.kind = MESSAGE_LEAVE, .ask.leaves = &readers[1].message});
    assert_int_equal(collect(&fixture), 0);
    deny_another(&fixture);
    pass(&fixture, EVENTS_LET_GO_MS);
    assert_int_equal(collect(&fixture), 2);
    fixture_release(&fixture);
}

/* A drain ends them, so they hear of it before whoever begins it goes on. */
static void a_drain_lets_all_go_at_once(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct reader reader;
    begin_usual(&fixture);
    pass(&fixture, 1000);
    reader_init(&reader, EVENTS_TO_COME);
    reader.ask.waits = true;
    for (int i = 0; i < 3; i++) {
        reader_ask(&fixture, &reader);
        assert_true(reader.waits);
        tell(&fixture, (struct message){.kind = MESSAGE_DRAIN, .ask.detail = "x"});
        assert_int_equal(collect(&fixture), 1);
        assert_int_equal(reader.answer.count, 1);
        expect(&reader, EVENT_drain, NULL, NULL);
    }
    fixture_release(&fixture);
}

/* ---- each event once, in order, or lost ---- */

enum { READERS = 20, STEPS = 4000, SMALL_KEEP = 40, EVENTS_MAX = STEPS * 40 };

/* A reader as a client is: it knows the number of its last event, whatever happened since. */
struct client {
    struct reader reader;
    bool is_new;  /* it has never had an answer */
    uint64_t has; /* all events up to this number it has had, or was told that they are lost */
    uint32_t kinds;
};

/* A world of events, as a reader saw it that looked after each step. */
static struct {
    struct fixture fixture;
    struct dice dice;
    struct reader witness;
    enum event_kind kind[EVENTS_MAX];
    uint64_t known;
    uint64_t lost, got; /* by all clients */
    struct client client[READERS];
} world;

static void look(void)
{
    bool goes_on;
    do {
        reader_ask(&world.fixture, &world.witness);
        assert_int_equal(world.witness.answer.lost, 0);
        while (world.witness.at < world.witness.answer.bytes) {
            struct event event = reader_next(&world.witness);
            assert_int_equal(event.number, ++world.known);
            assert_true(world.known < EVENTS_MAX);
            world.kind[world.known] = event.kind;
        }
        goes_on = world.witness.answer.count > 0;
        reader_go_on(&world.witness);
    } while (goes_on);
    assert_int_equal(world.known, world.fixture.brain->events.ring.newest);
}

/* What came between is what does not suit the client; nothing else is missing. */
static void pass_over(const struct client *client, uint64_t from, uint64_t to)
{
    for (uint64_t number = from; number <= to; number++)
        assert_int_equal(client->kinds & 1u << world.kind[number], 0);
}

static void take_answer(struct client *client)
{
    struct reader *reader = &client->reader;
    assert_false(reader->answer.is_other_boot);
    if (reader->answer.lost > 0) {
        uint64_t looked_at = reader->answer.lost_last - reader->answer.lost; /* while it waited */
        assert_true(looked_at >= client->has);
        pass_over(client, client->has + 1, looked_at);
        client->has = reader->answer.lost_last;
        world.lost += reader->answer.lost;
    }
    while (reader->at < reader->answer.bytes) {
        struct event event = reader_next(reader);
        assert_true(event.number > client->has);
        pass_over(client, client->has + 1, event.number - 1);
        assert_true((client->kinds & 1u << event.kind) != 0);
        assert_int_equal(event.kind, world.kind[event.number]);
        client->has = event.number;
        world.got++;
    }
    assert_true(reader->answer.next >= client->has);
    pass_over(client, client->has + 1, reader->answer.next);
    client->has = reader->answer.next;
}

static void ask_as(struct client *client)
{
    struct reader *reader = &client->reader;
    reader_init(reader, EVENTS_SINCE);
    reader->ask.boot = BOOT;
    reader->ask.since = client->has;
    reader->ask.kinds = client->kinds;
    reader->ask.waits = !dice_once_in(&world.dice, 3);
    reader->ask.room_bytes = dice_between(&world.dice, EVENT_RECORD_MAX, ROOM);
    uint64_t first = world.known >= SMALL_KEEP ? world.known + 1 - SMALL_KEEP : 1;
    uint64_t lost = first > client->has + 1 ? first - 1 - client->has : 0;
    reader_ask(&world.fixture, reader);
    if (reader->waits)
        return;
    assert_int_equal(reader->answer.lost, lost);
    take_answer(client);
}

static void come_home(void)
{
    for (struct letter *letter = brain_released(world.fixture.brain), *next; letter != NULL;
         letter = next) {
        struct client *client = (struct client *)(void *)letter;
        next = letter->next;
        assert_true(client->reader.waits);
        client->reader.waits = false;
        take_answer(client);
    }
}

/* A client goes, and comes back later with what it has; or with what it had before, as one does that was
 * killed before it had written it down. */
static void restart(struct client *client)
{
    if (client->reader.waits)
        tell(&world.fixture,
             (struct message){.kind = MESSAGE_LEAVE, .ask.leaves = &client->reader.message});
    come_home();
    assert_false(client->reader.waits);
    client->has -= dice_roll(&world.dice, client->has / 8 + 1);
    client->kinds =
        dice_once_in(&world.dice, 2) ? (uint32_t)ALL_KINDS : (uint32_t)dice_bits(&world.dice);
}

static void happen(void)
{
    static unsigned number;
    char key[32];
    unsigned events = (unsigned)dice_roll(&world.dice, 12);
    switch (dice_roll(&world.dice, 8)) {
    case 0:
        fixture_reload_limits(&world.fixture, usual_limits());
        return;
    case 1:
        tell(&world.fixture, (struct message){.kind = MESSAGE_DRAIN, .ask.detail = "any"});
        return;
    case 2:
        for (unsigned i = 0; i < events; i++) {
            snprintf(key, sizeof key, "api:%u", number++);
            fixture_ask(&world.fixture, MESSAGE_CHARGE, key, NULL, 11);
        }
        return;
    default:
        for (unsigned i = 0; i < events; i++) {
            snprintf(key, sizeof key, "%u", number++ % 500);
            fixture_allow(&world.fixture, key, 6);
        }
    }
}

static void step(void)
{
    struct client *client = &world.client[dice_roll(&world.dice, READERS)];
    switch (dice_roll(&world.dice, 5)) {
    case 0:
        happen();
        break;
    case 1:
        fixture_pass(&world.fixture, dice_roll(&world.dice, 400));
        break;
    case 2:
        if (dice_once_in(&world.dice, 3))
            restart(client);
        break;
    default:
        if (!client->reader.waits)
            ask_as(client);
        break;
    }
    look();
    end_turn(&world.fixture);
    look();
    come_home();
}

static void each_reader_gets_each_event_once_in_order_or_hears_of_it(void **unused)
{
    (void)unused;
    memset(&world, 0, sizeof world);
    world.dice = dice_new(3);
    begin(&world.fixture, usual_limits(), 200, WHEN_FULL_EVICT, SMALL_KEEP);
    reader_init(&world.witness, EVENTS_SINCE);
    world.witness.ask.boot = BOOT;
    for (int i = 0; i < READERS; i++)
        world.client[i].kinds = (uint32_t)ALL_KINDS;
    for (int i = 0; i < STEPS; i++)
        step();
    for (int i = 0; i < READERS; i++) { /* all catch up, and then none has missed anything */
        struct client *client = &world.client[i];
        while (client->reader.waits || client->has < world.known) {
            if (client->reader.waits)
                tell(&world.fixture, (struct message){.kind = MESSAGE_LEAVE,
                                                      .ask.leaves = &client->reader.message});
            come_home();
            if (client->has < world.known)
                ask_as(client);
        }
        assert_int_equal(client->has, world.known);
    }
    assert_true(world.known > 1000 && world.lost > 1000 && world.got > 1000);
    fixture_release(&world.fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_each_kind),
        cmocka_unit_test(a_record_has_all_of_an_event),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(the_ring_keeps_the_last_events),
        cmocka_unit_test(the_first_denial_is_told_and_then_one_in_ten_seconds),
        cmocka_unit_test(a_trial_denies_nobody_and_so_there_is_no_event),
        cmocka_unit_test(a_flood_of_denials_is_told_as_few),
        cmocka_unit_test(many_hot_keys_leave_room_for_another),
        cmocka_unit_test(a_limit_that_warns_does_so_once_as_its_share_is_passed),
        cmocka_unit_test(a_batch_passes_the_share_once),
        cmocka_unit_test(a_debt_is_told),
        cmocka_unit_test(who_has_waited_is_told),
        cmocka_unit_test(a_table_that_is_full_is_told),
        cmocka_unit_test(overrides_are_told_as_they_begin_and_end),
        cmocka_unit_test(overrides_of_run_time_are_told_as_such),
        cmocka_unit_test(changes_may_come_with_the_limits),
        cmocka_unit_test(limits_that_are_gone_are_told),
        cmocka_unit_test(what_happens_to_the_daemon_is_told),
        cmocka_unit_test(a_store_that_is_lost_and_back_is_told_once_each),
        cmocka_unit_test(a_part_of_a_store_that_is_lost_and_back_is_told_once_each),
        cmocka_unit_test(a_part_that_nobody_asks_for_is_not_lost_for_long),
        cmocka_unit_test(a_stall_is_told_unless_it_was_sleep),
        cmocka_unit_test(an_event_has_its_time),
        cmocka_unit_test(events_are_counted),
        cmocka_unit_test(without_events_there_is_nothing_to_read),
        cmocka_unit_test(filters_pass_over_what_does_not_suit),
        cmocka_unit_test(a_reader_begins_where_it_says),
        cmocka_unit_test(a_reader_of_another_process_begins_anew),
        cmocka_unit_test(what_is_kept_no_more_is_counted),
        cmocka_unit_test(a_small_room_takes_several_answers),
        cmocka_unit_test(a_look_is_bounded),
        cmocka_unit_test(who_waits_is_let_go_by_an_event_that_suits),
        cmocka_unit_test(a_drain_lets_all_go_at_once),
        cmocka_unit_test(who_leaves_is_home_before_that_is_answered),
        cmocka_unit_test(each_reader_gets_each_event_once_in_order_or_hears_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
