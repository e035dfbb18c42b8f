/* Snapshots: what is written is read back the same, and nothing that is not is believed. */
#include "keep/snapshot.h"

#include "base/bytes.h"
#include "support/dice.h"
#include "support/plain_limit.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ROOM = 1 << 20 };

static const struct rate one_per_second = {1, 1000};
static unsigned char bytes[ROOM], others[ROOM];

struct fixture {
    struct lines *lines;
    struct limits *limits;
};

static struct fixture fixture_new(void)
{
    struct fixture fixture = {mmap(NULL, sizeof *fixture.lines, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                              NULL};
    assert_ptr_not_equal(fixture.lines, MAP_FAILED);
    lines_init(fixture.lines);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    limits_release(fixture->limits);
    lines_release(fixture->lines);
    munmap(fixture->lines, sizeof *fixture->lines);
}

static void fixture_renew(struct fixture *fixture)
{
    fixture_free(fixture);
    *fixture = fixture_new();
}

static void install(struct fixture *fixture, struct limits *next, int64_t date_s)
{
    assert_true(lines_have_room(fixture->lines, next));
    assert_true(lines_install(fixture->lines, fixture->limits, next, date_s));
    limits_release(fixture->limits);
    fixture->limits = next;
}

static enum snapshot_result read_into(struct fixture *fixture, const unsigned char *from,
                                      size_t len)
{
    return snapshot_read(from, len, fixture->lines, &fixture->limits);
}

static size_t write_of(const struct fixture *fixture)
{
    size_t len = snapshot_write(fixture->lines, bytes, sizeof bytes);
    assert_true(len > 0);
    return len;
}

/* Two limits, one with two buckets, three overrides and, of one of them, slots. */
static struct limits *some_limits(uint64_t burst, uint64_t tick_ms)
{
    static const struct bucket_terms three[] = {
        {.name = "second", .burst = 20, .rate = {20, 1000}, .debt_max = 30},
        {.name = "hour", .burst = 500, .rate = {500, 3600000}, .debt_max = 1000},
        {.name = "running", .burst = 8, .holds_slots = true},
    };
    const struct override_terms overrides[] = {
        {.key = "vip",
         .until_s = 100,
         .buckets_count = 1,
         .buckets = {{.burst = burst + 7, .holds_slots = true}}},
        {.key = "v*", .action = OVERRIDE_DENY, .until_s = 200},
        {.key = "w?",
         .action = OVERRIDE_ALLOW,
         .until_s = OVERRIDE_FOR_EVER,
         .is_runtime = true,
         .reason = "a guest"},
    };
    struct limit_terms api = {
        .name = "api",
        .match = "api:*",
        .returns_on_expiry = true,
        .buckets_count = 3,
        .buckets = {three[0], three[1], three[2]},
        .overrides_count = LENGTH(overrides),
        .overrides = overrides,
    };
    struct limits *limits = limits_new(2, tick_ms);
    assert_non_null(limits);
    assert_true(limits_add(limits, &api));
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, burst, one_per_second);
    return limits;
}

/* Lines with a bit of everything: overrides that had ended and that end, editions replaced. */
static struct fixture eventful(void)
{
    struct fixture fixture = fixture_new();
    install(&fixture, some_limits(10, 100), 50);
    lines_advance(fixture.lines, 1234);
    assert_int_equal(lines_end_overrides(fixture.lines, 120), 1);
    lines_advance(fixture.lines, 6);
    install(&fixture, some_limits(12, 100), 120);
    lines_advance(fixture.lines, 77);
    install(&fixture, some_limits(13, 250), 150);
    lines_advance(fixture.lines, 5);
    assert_int_equal(lines_end_overrides(fixture.lines, 210), 1);
    lines_advance(fixture.lines, 1);
    fixture.lines->begun = 3;
    fixture.lines->edition[fixture.lines->of_limit[0]].salt = 0x123456789abcdef;
    return fixture;
}

static void expect_same_line(const struct lines *lines, const struct lines *read, uint16_t number)
{
    const struct line *a = &lines->line[number], *b = &read->line[number];
    assert_int_equal(a->edition, b->edition);
    assert_int_equal(a->index, b->index);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->ended, b->ended);
    assert_true(a->ended_tick == b->ended_tick && a->ended_s == b->ended_s);
    assert_memory_equal(a->credit, b->credit, a->count * sizeof a->credit[0]);
}

static void expect_same(const struct lines *lines, const struct lines *read)
{
    assert_true(lines->tick == read->tick && lines->date_s == read->date_s);
    assert_true(lines->next_end_s == read->next_end_s);
    assert_int_equal(lines->installs, read->installs);
    assert_int_equal(lines->begun, read->begun);
    assert_int_equal(lines->count, read->count);
    assert_int_equal(lines->replaced_count, read->replaced_count);
    assert_int_equal(lines->lines_free, read->lines_free);
    assert_memory_equal(lines->of_limit, read->of_limit, lines->count * sizeof lines->of_limit[0]);
    for (uint32_t i = 0; i < EDITIONS_MAX; i++) {
        const struct edition *a = &lines->edition[i], *b = &read->edition[i];
        assert_int_equal(edition_is_in_use(a), edition_is_in_use(b));
        if (!edition_is_in_use(a))
            continue;
        assert_int_equal(a->successor, b->successor);
        assert_int_equal(a->replaced, b->replaced);
        assert_true(a->salt == b->salt);
        assert_true(a->began_s == b->began_s && a->as_of_s == b->as_of_s);
        assert_int_equal(edition_lines_count(a), edition_lines_count(b));
        for (uint32_t j = 0; j < edition_lines_count(a); j++) {
            assert_int_equal(a->lines[j], b->lines[j]);
            expect_same_line(lines, read, a->lines[j]);
            assert_int_equal(lines->owners[a->lines[j]], read->owners[b->lines[j]]);
        }
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct fixture before = eventful(), after = fixture_new();
    size_t len = write_of(&before);
    assert_int_equal(read_into(&after, bytes, len), SNAPSHOT_OK);
    expect_same(before.lines, after.lines);
    assert_int_equal(after.limits->count, 2);
    assert_string_equal(after.limits->limit[0].name, "api");
    assert_string_equal(after.limits->limit[0].overrides[0].key, "vip");
    assert_true(after.limits->limit[0].returns_on_expiry);
    assert_false(after.limits->limit[1].returns_on_expiry);
    assert_int_equal(after.limits->limit[0].allowance.slots, 8);
    assert_int_equal(after.limits->limit[0].overrides[0].allowance.slots, 20);
    assert_int_equal(after.limits->limit[0].overrides[0].allowance.burst, 0);
    assert_false(after.limits->limit[0].overrides[1].is_runtime);
    assert_null(after.limits->limit[0].overrides[1].reason);
    assert_true(after.limits->limit[0].overrides[2].is_runtime);
    assert_string_equal(after.limits->limit[0].overrides[2].reason, "a guest");
    assert_int_equal(snapshot_write(after.lines, others, sizeof others), len);
    assert_memory_equal(bytes, others, len);
    fixture_free(&before);
    fixture_free(&after);
}

/* What was read lives on: the same limits keep their editions, others replace them. */
static void lines_that_were_read_go_on(void **state)
{
    (void)state;
    struct fixture before = eventful(), after = fixture_new();
    assert_int_equal(read_into(&after, bytes, write_of(&before)), SNAPSHOT_OK);
    uint16_t api = after.lines->of_limit[0], other = after.lines->of_limit[1];
    install(&after, some_limits(13, 250), 210);
    assert_int_equal(after.lines->of_limit[0], api);
    assert_int_equal(after.lines->of_limit[1], other);
    install(&after, some_limits(14, 250), 210);
    assert_int_not_equal(after.lines->of_limit[1], other);
    assert_int_equal(after.lines->owners[after.lines->edition[other].lines[0]],
                     after.lines->of_limit[1]);
    lines_emptied(after.lines);
    /* Each limit, the override that holds, and the one that has ended since its edition began. */
    assert_int_equal(LINES_MAX - after.lines->lines_free, 4);
    fixture_free(&before);
    fixture_free(&after);
}

static void without_room_nothing_is_written(void **state)
{
    (void)state;
    struct fixture fixture = eventful();
    size_t len = write_of(&fixture);
    for (size_t room = 0; room < len; room++)
        assert_int_equal(snapshot_write(fixture.lines, others, room), 0);
    assert_int_equal(snapshot_write(fixture.lines, others, len), len);
    fixture_free(&fixture);
}

/* A limit with so many overrides, which hold until then. */
static struct limits *overridden(uint32_t count, int64_t until_s, uint64_t burst)
{
    struct override_terms *overrides = calloc(count, sizeof overrides[0]);
    char(*keys)[16] = calloc(count, sizeof keys[0]);
    assert_true(overrides != NULL && keys != NULL);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "%" PRIu32, i);
        overrides[i] = (struct override_terms){
            .key = keys[i],
            .action = OVERRIDE_DENY,
            .until_s = until_s,
        };
    }
    struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = one_per_second}},
        .overrides_count = count,
        .overrides = overrides,
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    free(overrides);
    free(keys);
    return limits;
}

/* The number of a line's override has 16 bits, and each takes memory. */
static void more_overrides_than_a_limit_may_have_are_damage(void **state)
{
    (void)state;
    static const uint32_t counts[] = {OVERRIDES_MAX, OVERRIDES_MAX + 1};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        struct fixture fixture = fixture_new(), read = fixture_new();
        install(&fixture, overridden(counts[i], OVERRIDE_FOR_EVER, 10), 0);
        assert_int_equal(read_into(&read, bytes, write_of(&fixture)),
                         counts[i] > OVERRIDES_MAX ? SNAPSHOT_DAMAGED : SNAPSHOT_OK);
        fixture_free(&fixture);
        fixture_free(&read);
    }
}

/* Overrides that had ended before take no lines, so that there may be ever more of them. */
static void as_many_overrides_are_written_as_are_read(void **state)
{
    (void)state;
    enum { EDITIONS = 16, LONG_ROOM = 8 << 20 };
    struct fixture fixture = fixture_new(), read = fixture_new();
    unsigned char *room = malloc(LONG_ROOM);
    assert_non_null(room);
    for (uint64_t i = 0; i < EDITIONS; i++)
        install(&fixture, overridden(OVERRIDES_MAX, 100, 10 + i), 200);
    size_t len = snapshot_write(fixture.lines, room, LONG_ROOM);
    assert_in_range(len, 1, LONG_ROOM);
    assert_int_equal(read_into(&read, room, len), SNAPSHOT_OK);
    struct limits *one_more = overridden(1, 100, 10);
    assert_false(lines_have_room(fixture.lines, one_more));
    limits_release(one_more);
    free(room);
    fixture_free(&fixture);
    fixture_free(&read);
}

/* The versions that others wrote, by what they begin with: 0.1.0 with the tick. */
enum version { FIRST, WITHOUT_DEBTS, WITHOUT_SLOTS, WITHOUT_RUNTIME, NOW };
static const uint64_t beginnings[] = {
    [WITHOUT_DEBTS] = UINT64_MAX - 2,
    [WITHOUT_SLOTS] = UINT64_MAX - 3,
    [WITHOUT_RUNTIME] = UINT64_MAX - 4,
    [NOW] = UINT64_MAX - 5,
};

/* What one of them wrote of one limit, byte for byte as it did. debt_max, credit: of the last one. */
static size_t written_by(enum version version, uint64_t debt_max, uint64_t credit)
{
    struct bytes_writer writer = {.at = others, .end = others + sizeof others};
    if (version != FIRST)
        bytes_put_64(&writer, beginnings[version]);
    bytes_put_64(&writer, 1234); /* the tick */
    bytes_put_32(&writer, 3);    /* installs */
    if (version != FIRST)
        bytes_put_32(&writer, 2); /* limits that began */
    bytes_put_64(&writer, 55);    /* the date */
    bytes_put_32(&writer, 1);     /* editions in force, and replaced */
    bytes_put_32(&writer, 0);
    bytes_put_16(&writer, 7); /* the edition, its successor, the install that replaced it */
    bytes_put_16(&writer, 7);
    bytes_put_32(&writer, 0);
    if (version != FIRST)
        bytes_put_64(&writer, 987); /* the salt */
    bytes_put_64(&writer, 50);      /* when it began, and what ended overrides are as of */
    bytes_put_64(&writer, 55);
    bytes_put_64(&writer, 100); /* the tick's length */
    bytes_put_string(&writer, "default");
    bytes_put_8(&writer, 1); /* bucket */
    bytes_put_string(&writer, "");
    if (version >= WITHOUT_RUNTIME)
        bytes_put_8(&writer, false); /* it holds tokens */
    bytes_put_64(&writer, 10);
    if (version >= WITHOUT_SLOTS)
        bytes_put_64(&writer, debt_max);
    bytes_put_64(&writer, 1);
    bytes_put_64(&writer, 1000);
    if (version != FIRST)
        bytes_put_8(&writer, 0); /* it knows networks, and keeps what leases held that expire */
    bytes_put_32(&writer, 0);    /* overrides */
    bytes_put_8(&writer, 1);     /* it has a line: its number, and whether and when it ended */
    bytes_put_16(&writer, 9);
    bytes_put_8(&writer, 0);
    bytes_put_64(&writer, 0);
    bytes_put_64(&writer, 0);
    bytes_put_64(&writer, credit);
    assert_false(writer.is_full);
    return (size_t)(writer.at - others);
}

static void what_the_first_version_wrote_is_read(void **state)
{
    (void)state;
    struct fixture read = fixture_new();
    assert_int_equal(read_into(&read, others, written_by(FIRST, 0, 777)), SNAPSHOT_OK);
    assert_true(read.lines->tick == 1234 && read.lines->date_s == 55);
    assert_int_equal(read.lines->of_limit[0], 7);
    assert_int_equal(read.lines->edition[7].salt, 0);
    assert_int_equal(read.lines->edition[7].lines[0], 9);
    assert_int_equal(read.lines->line[9].credit[0].credit_units, 777);
    assert_string_equal(read.limits->limit[0].name, "default");
    fixture_free(&read);
}

/* Nothing is owed on lines from before there were debts. The next install makes lines that allow it,
 * and what the buckets hold goes over to them as it is. */
static void lines_from_before_debts_owe_nothing_until_the_next_install(void **state)
{
    (void)state;
    for (enum version version = FIRST; version <= WITHOUT_DEBTS; version++) {
        struct fixture read = fixture_new();
        assert_int_equal(read_into(&read, others, written_by(version, 0, 777)), SNAPSHOT_OK);
        const struct credit_line *before = &read.lines->line[9].credit[0];
        assert_int_equal(before->debt_units, 0);
        assert_int_equal(read.limits->limit[0].allowance.bucket[0].debt_max, 0);
        uint64_t marks[BUCKETS_MAX] = {777 - 43}; /* 4.3 tokens */

        struct limits *next = limits_new(1, 100);
        const struct limit_terms terms = {
            .name = LIMIT_DEFAULT_NAME,
            .buckets_count = 1,
            .buckets = {{.burst = 10, .rate = one_per_second, .debt_max = 10}},
        };
        assert_non_null(next);
        assert_true(limits_add(next, &terms));
        install(&read, next, 55);
        uint16_t now = lines_carry(read.lines, 9, "key", marks);
        assert_int_not_equal(now, 9);
        assert_int_equal(credit_level(&read.lines->line[now].credit[0], marks[0]), 43);
        assert_int_equal(read.lines->line[now].credit[0].debt_units, 100);
        fixture_free(&read);
    }
}

/* A debt that leaves no room, and a credit so far that a debt would not fit into 63 bits. */
static void a_debt_that_cannot_be_is_damage(void **state)
{
    (void)state;
    static const struct {
        uint64_t debt_max, credit;
        enum snapshot_result result;
    } cases[] = {
        {10, 777, SNAPSHOT_OK},
        {TOKENS_MAX, 777, SNAPSHOT_DAMAGED},
        {UINT64_MAX, 777, SNAPSHOT_DAMAGED},
        {10, INT64_MAX - 100, SNAPSHOT_OK},
        {10, INT64_MAX - 99, SNAPSHOT_DAMAGED},
    };
    for (size_t i = 0; i < 3 * LENGTH(cases); i++) {
        const enum snapshot_result result = cases[i / 3].result;
        const enum version version = WITHOUT_SLOTS + (enum version)(i % 3);
        struct fixture read = fixture_new();
        size_t len = written_by(version, cases[i / 3].debt_max, cases[i / 3].credit);
        assert_int_equal(read_into(&read, others, len), result);
        if (result == SNAPSHOT_OK) {
            assert_int_equal(read.lines->line[9].credit[0].debt_units, 100);
            len = written_by(NOW, cases[i / 3].debt_max, cases[i / 3].credit);
            assert_int_equal(snapshot_write(read.lines, bytes, sizeof bytes), len);
            assert_memory_equal(bytes, others, len);
        }
        fixture_free(&read);
    }
}

/* Finds where a limit of `slots` slots is written. */
static size_t place_of_slots(uint64_t slots, size_t len)
{
    unsigned char wanted[9];
    struct bytes_writer writer = {.at = wanted, .end = wanted + sizeof wanted};
    bytes_put_8(&writer, true);
    bytes_put_64(&writer, slots);
    const unsigned char *found = memmem(bytes, len, wanted, sizeof wanted);
    assert_non_null(found);
    return (size_t)(found - bytes);
}

static void put_64_at(size_t place, uint64_t number)
{
    struct bytes_writer writer = {.at = bytes + place, .end = bytes + place + sizeof number};
    bytes_put_64(&writer, number);
}

/* Too many slots or none, a line of slots that has advanced, and words that are none. */
static void slots_that_cannot_be_are_damage(void **state)
{
    (void)state;
    enum { SLOTS = 12345 };
    static const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = SLOTS, .holds_slots = true}},
    };
    struct fixture fixture = fixture_new();
    struct limits *limits = limits_new(1, 100);
    assert_true(limits_add(limits, &terms));
    install(&fixture, limits, 0);
    for (int i = 0; i < 7; i++) {
        struct fixture read = fixture_new();
        size_t len = write_of(&fixture), place = place_of_slots(SLOTS, len);
        if (i == 1 || i == 2)
            put_64_at(place + 1, i == 1 ? 0 : SLOTS_MAX + 1);
        if (i == 3)
            put_64_at(len - 8, SLOTS + 1);
        if (i == 4)
            put_64_at(len - 8, SLOTS - 1);
        if (i == 5)
            bytes[place] = 2;
        if (i == 6)
            bytes[place + 9] = 4;
        assert_int_equal(read_into(&read, bytes, len), i == 0 ? SNAPSHOT_OK : SNAPSHOT_DAMAGED);
        fixture_free(&read);
    }
    fixture_free(&fixture);
}

static void a_snapshot_cut_short_or_too_long_is_damaged(void **state)
{
    (void)state;
    struct fixture fixture = eventful(), read = fixture_new();
    size_t len = write_of(&fixture);
    for (size_t part = 0; part < len; part++) {
        assert_int_equal(read_into(&read, bytes, part), SNAPSHOT_DAMAGED);
        fixture_renew(&read);
    }
    assert_int_equal(read_into(&read, bytes, len + 1), SNAPSHOT_DAMAGED);
    fixture_free(&fixture);
    fixture_free(&read);
}

/* Walks wherever entries could: each line to the line in force, for keys that overrides are for. */
static void walk(const struct lines *lines)
{
    static const char *const keys[] = {"vip", "vi", "w1", "else"};
    for (uint32_t i = 0; i < LINES_MAX; i++) {
        if (lines->owners[i] == EDITION_NONE)
            continue;
        for (size_t j = 0; j < LENGTH(keys); j++) {
            uint64_t marks[BUCKETS_MAX] = {0};
            uint16_t now = lines_carry(lines, (uint16_t)i, keys[j], marks);
            assert_true(lines_is_in_force(lines, now));
            for (uint32_t k = 0; k < lines->line[now].count; k++)
                assert_true(lines->line[now].credit[k].credit_units >=
                            lines->line[now].credit[k].cap_units);
        }
    }
}

/* Bytes that nobody wrote, as a checksum that was made to fit would let through: refused, or lines
 * that hold together. */
static void no_bytes_do_harm(void **state)
{
    (void)state;
    struct fixture fixture = eventful(), read = fixture_new();
    struct dice dice = dice_new(1);
    size_t len = write_of(&fixture);
    unsigned accepted = 0;
    for (size_t bit = 0; bit < 8 * len; bit++, fixture_renew(&read)) {
        memcpy(others, bytes, len);
        others[bit / 8] ^= (unsigned char)(1u << bit % 8);
        for (uint64_t more = dice_roll(&dice, 3); more > 0; more--)
            others[dice_roll(&dice, len)] = (unsigned char)dice_bits(&dice);
        if (read_into(&read, others, len) != SNAPSHOT_OK)
            continue;
        accepted++;
        walk(read.lines);
        lines_advance(read.lines, 1000000);
        lines_end_overrides(read.lines, 1000000);
        lines_emptied(read.lines);
        install(&read, some_limits(99, 100), 1000000);
        walk(read.lines);
    }
    assert_in_range(accepted, 1, 8 * len);
    fixture_free(&fixture);
    fixture_free(&read);
}

static void flip(unsigned char *some, unsigned bit)
{
    some[bit / 8] = (unsigned char)(some[bit / 8] ^ 1u << bit % 8);
}

/* The highest bits too, which a product alone takes nowhere. */
static void the_long_checksum_sees_each_change_of_one_or_two_bits(void **state)
{
    (void)state;
    for (unsigned len = 0; len <= 27; len++) {
        unsigned char some[28] = "twenty-seven of such a file";
        uint64_t sum = bytes_checksum_long(some, len);
        assert_int_not_equal(bytes_checksum_long(some, len + 1), sum);
        for (unsigned i = 0; i < 8 * len; i++) {
            flip(some, i);
            assert_int_not_equal(bytes_checksum_long(some, len), sum);
            for (unsigned j = i + 1; j < 8 * len; j++) {
                flip(some, j);
                assert_int_not_equal(bytes_checksum_long(some, len), sum);
                flip(some, j);
            }
            flip(some, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(lines_that_were_read_go_on),
        cmocka_unit_test(what_the_first_version_wrote_is_read),
        cmocka_unit_test(lines_from_before_debts_owe_nothing_until_the_next_install),
        cmocka_unit_test(a_debt_that_cannot_be_is_damage),
        cmocka_unit_test(slots_that_cannot_be_are_damage),
        cmocka_unit_test(without_room_nothing_is_written),
        cmocka_unit_test(more_overrides_than_a_limit_may_have_are_damage),
        cmocka_unit_test(as_many_overrides_are_written_as_are_read),
        cmocka_unit_test(a_snapshot_cut_short_or_too_long_is_damaged),
        cmocka_unit_test(no_bytes_do_harm),
        cmocka_unit_test(the_long_checksum_sees_each_change_of_one_or_two_bits),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
