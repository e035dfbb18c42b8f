/* Lines: what a reload keeps, replaces and drops, and that no line is leaked or freed too soon. */
#include "limits/lines.h"
#include "support/dice.h"
#include "support/plain_limit.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000};

struct terms {
    const char *name;
    uint64_t burst;
    struct rate rate;
};

static struct limits *renamed(const char *name, const char *was, uint64_t burst)
{
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    add_renamed_limit(limits, name, was, NULL, burst, one_per_second);
    return limits;
}

static struct limits *limits_of(uint64_t tick_ms, const struct terms *terms, uint32_t count)
{
    struct limits *limits = limits_new(count, tick_ms);
    assert_non_null(limits);
    for (uint32_t i = 0; i < count; i++)
        add_plain_limit(limits, terms[i].name, NULL, terms[i].burst, terms[i].rate);
    return limits;
}

/* The lines under test, and the limits in force. */
struct fixture {
    struct lines *lines;
    struct limits *limits;
};

static void install(struct fixture *fixture, struct limits *next)
{
    assert_true(lines_have_room(fixture->lines, next));
    assert_true(lines_install(fixture->lines, fixture->limits, next, 0));
    limits_release(fixture->limits);
    fixture->limits = next;
}

static void install_terms(struct fixture *fixture, uint64_t tick_ms, const struct terms *terms,
                          uint32_t count)
{
    install(fixture, limits_of(tick_ms, terms, count));
}

static void install_burst(struct fixture *fixture, uint64_t burst)
{
    struct terms terms = {"default", burst, one_per_second};
    install_terms(fixture, 100, &terms, 1);
}

static struct fixture fixture_new(void)
{
    struct fixture fixture = {calloc(1, sizeof *fixture.lines), NULL};
    assert_non_null(fixture.lines);
    lines_init(fixture.lines);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    limits_release(fixture->limits);
    lines_release(fixture->lines);
    free(fixture->lines);
}

static unsigned lines_in_use(const struct lines *lines)
{
    return LINES_MAX - lines->lines_free;
}

/* The line in force of a limit without overrides. */
static uint16_t line_now(const struct lines *lines, uint32_t limit)
{
    return lines_line(lines, limit, -1);
}

/* The line that entries on a line go over to, or LINE_NONE. */
static uint16_t heir(const struct lines *lines, uint16_t line)
{
    uint16_t owner = lines->owners[line];
    return owner == EDITION_NONE ? LINE_NONE : lines->edition[owner].lines[0];
}

static void the_first_limits_each_get_a_full_line(void **state)
{
    (void)state;
    static const struct terms terms[] = {{"api", 100, {50, 1000}}, {"default", 10, {1, 1000}}};
    struct fixture fixture = fixture_new();
    install_terms(&fixture, 100, terms, 2);
    struct lines *lines = fixture.lines;
    assert_int_equal(lines->count, 2);
    assert_int_not_equal(line_now(lines, 0), line_now(lines, 1));
    for (uint32_t i = 0; i < 2; i++) {
        const struct line *line = &lines->line[line_now(lines, i)];
        assert_int_equal(line->credit[0].credit_units, line->credit[0].cap_units);
        assert_int_equal(heir(lines, line_now(lines, i)), line_now(lines, i));
    }
    assert_int_equal(lines_in_use(lines), 2);
    fixture_free(&fixture);
}

static void unchanged_terms_keep_the_line_and_its_credit(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install_burst(&fixture, 10);
    uint16_t line = line_now(fixture.lines, 0);
    lines_advance(fixture.lines, 12345);
    uint64_t credit = fixture.lines->line[line].credit[0].credit_units;
    install_burst(&fixture, 10);
    assert_int_equal(line_now(fixture.lines, 0), line);
    assert_int_equal(fixture.lines->line[line].credit[0].credit_units, credit);
    assert_int_equal(lines_in_use(fixture.lines), 1);
    fixture_free(&fixture);
}

static void the_same_name_elsewhere_in_the_list_keeps_its_line(void **state)
{
    (void)state;
    static const struct terms before[] = {{"a", 1, {1, 1000}}, {"b", 2, {1, 1000}}};
    static const struct terms after[] = {
        {"c", 3, {1, 1000}},
        {"b", 2, {1, 1000}},
        {"a", 1, {1, 1000}},
    };
    struct fixture fixture = fixture_new();
    install_terms(&fixture, 100, before, 2);
    uint16_t a = line_now(fixture.lines, 0), b = line_now(fixture.lines, 1);
    install_terms(&fixture, 100, after, 3);
    assert_int_equal(line_now(fixture.lines, 1), b);
    assert_int_equal(line_now(fixture.lines, 2), a);
    assert_int_equal(lines_in_use(fixture.lines), 3);
    fixture_free(&fixture);
}

static void the_same_terms_under_another_name_are_another_line(void **state)
{
    (void)state;
    static const struct terms before[] = {{"a", 10, {1, 1000}}}, after[] = {{"b", 10, {1, 1000}}};
    struct fixture fixture = fixture_new();
    install_terms(&fixture, 100, before, 1);
    uint16_t a = line_now(fixture.lines, 0);
    install_terms(&fixture, 100, after, 1);
    assert_int_not_equal(line_now(fixture.lines, 0), a);
    assert_int_equal(heir(fixture.lines, a), LINE_NONE);
    fixture_free(&fixture);
}

static void a_renamed_limit_keeps_its_line_with_and_without_its_former_name(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install(&fixture, renamed("a", NULL, 10));
    uint16_t line = line_now(fixture.lines, 0);
    install(&fixture, renamed("b", "a", 10));
    assert_int_equal(line_now(fixture.lines, 0), line);
    install(&fixture, renamed("b", "a", 10)); /* the same file once more */
    assert_int_equal(line_now(fixture.lines, 0), line);
    install(&fixture, renamed("b", NULL, 10));
    assert_int_equal(line_now(fixture.lines, 0), line);
    install(&fixture, renamed("c", "b", 10));
    install(&fixture, renamed("a", "c", 10)); /* and back to the first name */
    assert_int_equal(line_now(fixture.lines, 0), line);
    assert_int_equal(lines_in_use(fixture.lines), 1);
    fixture_free(&fixture);
}

static void a_limit_renamed_with_other_terms_is_the_heir(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install(&fixture, renamed("a", NULL, 10));
    uint16_t a = line_now(fixture.lines, 0);
    fixture.lines->edition[fixture.lines->of_limit[0]].salt = 4711;
    install(&fixture, renamed("b", "a", 20));
    assert_int_not_equal(line_now(fixture.lines, 0), a);
    assert_int_equal(heir(fixture.lines, a), line_now(fixture.lines, 0));
    assert_true(fixture.lines->edition[fixture.lines->of_limit[0]].salt == 4711);
    fixture_free(&fixture);
}

/* A limit that skips a name, or names one that never was, is a new one. */
static void a_former_name_that_is_not_in_force_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install(&fixture, renamed("a", NULL, 10));
    uint16_t a = line_now(fixture.lines, 0);
    install(&fixture, renamed("c", "b", 10));
    assert_int_not_equal(line_now(fixture.lines, 0), a);
    assert_int_equal(heir(fixture.lines, a), LINE_NONE);
    install(&fixture, renamed("d", "a", 10)); /* a went with the reload before */
    assert_int_equal(heir(fixture.lines, a), LINE_NONE);
    fixture_free(&fixture);
}

static void a_limit_that_is_there_goes_on_as_itself_whatever_it_was(void **state)
{
    (void)state;
    static const struct terms both[] = {{"a", 10, {1, 1000}}, {"b", 10, {1, 1000}}};
    struct fixture fixture = fixture_new();
    install_terms(&fixture, 100, both, 2);
    uint16_t a = line_now(fixture.lines, 0), b = line_now(fixture.lines, 1);
    install(&fixture, renamed("b", "a", 10));
    assert_int_equal(line_now(fixture.lines, 0), b);
    assert_int_equal(heir(fixture.lines, a), LINE_NONE);
    fixture_free(&fixture);
}

static void each_changed_term_makes_a_new_line(void **state)
{
    (void)state;
    static const struct terms base = {"default", 10, {1, 1000}};
    static const struct {
        uint64_t tick_ms;
        struct terms terms;
    } changes[] = {
        {100, {"default", 11, {1, 1000}}},
        {100, {"default", 10, {2, 1000}}},
        {100, {"default", 10, {1, 1001}}},
        {200, {"default", 10, {1, 1000}}},
    };
    for (size_t i = 0; i < LENGTH(changes); i++) {
        struct fixture fixture = fixture_new();
        install_terms(&fixture, 100, &base, 1);
        uint16_t before = line_now(fixture.lines, 0);
        install_terms(&fixture, changes[i].tick_ms, &changes[i].terms, 1);
        uint16_t now = line_now(fixture.lines, 0);
        assert_int_not_equal(now, before);
        assert_int_equal(heir(fixture.lines, before), now);
        fixture_free(&fixture);
    }
}

static void only_lines_in_force_advance(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install_burst(&fixture, 10);
    uint16_t before = line_now(fixture.lines, 0);
    install_burst(&fixture, 20);
    uint16_t now = line_now(fixture.lines, 0);
    uint64_t frozen = fixture.lines->line[before].credit[0].credit_units;
    lines_advance(fixture.lines, 7);
    assert_int_equal(fixture.lines->line[before].credit[0].credit_units, frozen);
    assert_int_equal(fixture.lines->line[now].credit[0].credit_units, 200 + 7);
    fixture_free(&fixture);
}

static void a_replaced_line_is_free_once_the_table_is_empty(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    for (uint64_t burst = 1; burst < 10000; burst++) {
        install_burst(&fixture, burst);
        lines_emptied(fixture.lines);
        assert_int_equal(lines_in_use(fixture.lines), 1);
    }
    fixture_free(&fixture);
}

/* One lap has gone round only the slots that were ahead of the hand. */
static void a_replaced_line_lives_until_a_whole_lap_has_gone_by(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install_burst(&fixture, 10);
    lines_swept(fixture.lines);
    install_burst(&fixture, 20);
    assert_int_equal(lines_in_use(fixture.lines), 2);
    lines_swept(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 2);
    lines_swept(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 1);
    fixture_free(&fixture);
}

/* The oldest entry needs every line on the way to the one in force. */
static void an_entry_keeps_the_whole_chain_to_its_heir(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install_burst(&fixture, 10);
    uint16_t first = line_now(fixture.lines, 0);
    for (uint64_t burst = 11; burst <= 30; burst++)
        install_burst(&fixture, burst);
    assert_int_equal(lines_in_use(fixture.lines), 21);
    assert_int_equal(heir(fixture.lines, first), line_now(fixture.lines, 0));
    lines_swept(fixture.lines);
    lines_swept(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 1);
    fixture_free(&fixture);
}

static void an_entry_in_the_middle_of_a_chain_keeps_its_end(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install_burst(&fixture, 10);
    install_burst(&fixture, 11);
    uint16_t second = line_now(fixture.lines, 0);
    lines_swept(fixture.lines);
    install_burst(&fixture, 12);
    assert_int_equal(lines_in_use(fixture.lines), 3);
    lines_swept(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 2);
    assert_int_equal(heir(fixture.lines, second), line_now(fixture.lines, 0));
    lines_swept(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 1);
    fixture_free(&fixture);
}

static void the_chain_of_a_removed_limit_has_no_heir(void **state)
{
    (void)state;
    static const struct terms gone = {"other", 5, {1, 1000}};
    struct fixture fixture = fixture_new();
    install_burst(&fixture, 10);
    uint16_t first = line_now(fixture.lines, 0);
    install_burst(&fixture, 11);
    uint16_t second = line_now(fixture.lines, 0);
    install_terms(&fixture, 100, &gone, 1);
    assert_int_equal(heir(fixture.lines, first), LINE_NONE);
    assert_int_equal(heir(fixture.lines, second), LINE_NONE);
    install_burst(&fixture, 11); /* the name is back, but not the line */
    assert_int_equal(heir(fixture.lines, first), LINE_NONE);
    assert_int_not_equal(line_now(fixture.lines, 0), second);
    lines_emptied(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 1);
    fixture_free(&fixture);
}

static void carries_a_mark_through_every_step_of_the_chain(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install_burst(&fixture, 100);
    uint16_t first = line_now(fixture.lines, 0);
    uint64_t mark = credit_full_mark(&fixture.lines->line[first].credit[0]);
    assert_true(credit_take(&fixture.lines->line[first].credit[0], 60, &mark)); /* 40 tokens left */
    install_burst(&fixture, 50);
    lines_advance(fixture.lines, 50); /* 45 */
    install_burst(&fixture, 200);
    lines_advance(fixture.lines, 25); /* 47.5 */
    const struct line *now = &fixture.lines->line[line_now(fixture.lines, 0)];
    uint64_t marks[BUCKETS_MAX] = {mark};
    assert_int_equal(lines_carry(fixture.lines, first, "key", marks), line_now(fixture.lines, 0));
    assert_int_equal(credit_level(&now->credit[0], marks[0]), 475);
    uint64_t carried = marks[0];
    lines_carry(fixture.lines, line_now(fixture.lines, 0), "key", marks);
    assert_int_equal(marks[0], carried);
    fixture_free(&fixture);
}

/* ---- room ---- */

static bool has_room(const struct lines *lines, uint32_t count)
{
    struct limits *limits = many_plain_limits(count, 10, one_per_second);
    bool has = lines_have_room(lines, limits);
    limits_release(limits);
    return has;
}

static void the_most_limits_can_be_changed_once_with_no_sweep(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install(&fixture, many_plain_limits(LIMITS_MAX, 10, one_per_second));
    assert_true(has_room(fixture.lines, LIMITS_MAX));
    install(&fixture, many_plain_limits(LIMITS_MAX, 11, one_per_second));
    assert_int_equal(lines_in_use(fixture.lines), 2 * LIMITS_MAX);
    fixture_free(&fixture);
}

static void all_editions_can_be_used_to_the_last(void **state)
{
    (void)state;
    enum { LAST = EDITIONS_MAX % LIMITS_MAX };
    struct fixture fixture = fixture_new();
    uint16_t first[LIMITS_MAX];
    install(&fixture, many_plain_limits(LIMITS_MAX, 10, one_per_second));
    for (uint32_t i = 0; i < LIMITS_MAX; i++)
        first[i] = line_now(fixture.lines, i);
    for (uint64_t burst = 11; has_room(fixture.lines, LIMITS_MAX); burst++)
        install(&fixture, many_plain_limits(LIMITS_MAX, burst, one_per_second));
    assert_true(has_room(fixture.lines, LAST));
    assert_false(has_room(fixture.lines, LAST + 1));
    install(&fixture, many_plain_limits(LAST, 9, one_per_second));
    assert_int_equal(lines_in_use(fixture.lines), EDITIONS_MAX);
    for (uint32_t i = 0; i < LIMITS_MAX; i++) {
        uint16_t now = i < LAST ? line_now(fixture.lines, i) : LINE_NONE;
        assert_int_equal(heir(fixture.lines, first[i]), now);
    }
    lines_emptied(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), LAST);
    fixture_free(&fixture);
}

/* ---- overrides ---- */

/* The default limit of burst 10, with overrides of burst 20, 30, ... for these keys. */
static struct limits *overridden(const char *const *keys, const int64_t *until_s, uint32_t count)
{
    static struct override_terms overrides[OVERRIDES_MAX];
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    for (uint32_t i = 0; i < count; i++)
        overrides[i] = (struct override_terms){
            .key = keys[i],
            .until_s = until_s == NULL ? OVERRIDE_FOR_EVER : until_s[i],
            .buckets_count = 1,
            .buckets = {{.burst = 20 + 10 * i, .rate = one_per_second}},
        };
    struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = one_per_second}},
        .overrides_count = count,
        .overrides = overrides,
    };
    assert_true(limits_add(limits, &terms));
    return limits;
}

static uint16_t line_of_key(const struct lines *lines, const char *key)
{
    return lines_line(lines, 0, lines_override(lines, 0, key));
}

static void each_override_has_a_line(void **state)
{
    (void)state;
    static const char *const keys[] = {"vip", "v*"};
    struct fixture fixture = fixture_new();
    install(&fixture, overridden(keys, NULL, 2));
    assert_int_equal(lines_in_use(fixture.lines), 3);
    static const struct {
        const char *key;
        uint64_t burst;
    } wanted[] = {{"other", 10}, {"vip", 20}, {"vi", 30}};
    for (size_t i = 0; i < LENGTH(wanted); i++) {
        const struct line *line = &fixture.lines->line[line_of_key(fixture.lines, wanted[i].key)];
        assert_int_equal(line->credit[0].cap_units, wanted[i].burst * 10);
    }
    fixture_free(&fixture);
}

static void the_same_overrides_keep_their_lines(void **state)
{
    (void)state;
    static const char *const keys[] = {"vip", "v*"}, *const other_keys[] = {"vip", "w*"};
    struct fixture fixture = fixture_new();
    install(&fixture, overridden(keys, NULL, 2));
    uint16_t line = line_of_key(fixture.lines, "vip");
    install(&fixture, overridden(keys, NULL, 2));
    assert_int_equal(line_of_key(fixture.lines, "vip"), line);
    install(&fixture, overridden(other_keys, NULL, 2));
    assert_int_not_equal(line_of_key(fixture.lines, "vip"), line);
    assert_int_equal(lines_in_use(fixture.lines), 6);
    uint64_t marks[BUCKETS_MAX] = {0};
    assert_int_equal(lines_carry(fixture.lines, line, "vip", marks),
                     line_of_key(fixture.lines, "vip"));
    lines_emptied(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 3);
    fixture_free(&fixture);
}

/* A key goes from the exact override to the glob to the limit itself, at the
 * credit that each had when the one before it ended. */
static void an_override_that_ends_hands_over_to_the_next(void **state)
{
    (void)state;
    static const char *const keys[] = {"vip", "v*"};
    static const int64_t until_s[] = {100, 200};
    struct fixture fixture = fixture_new();
    install(&fixture, overridden(keys, until_s, 2));
    struct lines *lines = fixture.lines;
    assert_int_equal(lines->next_end_s, 100);
    uint16_t vip = line_of_key(lines, "vip"), glob = line_of_key(lines, "vi");
    uint64_t marks[BUCKETS_MAX] = {credit_full_mark(&lines->line[vip].credit[0])};
    assert_true(credit_take(&lines->line[vip].credit[0], 20, &marks[0])); /* empty */
    lines_advance(lines, 30);                                             /* 3 tokens */
    assert_int_equal(lines_end_overrides(lines, 99), 0);
    assert_int_equal(line_of_key(lines, "vip"), vip);
    assert_int_equal(lines_end_overrides(lines, 100), 1);
    assert_int_equal(lines->next_end_s, 200);
    assert_int_equal(line_of_key(lines, "vip"), glob);
    lines_advance(lines, 20); /* 5 tokens */
    assert_int_equal(lines_end_overrides(lines, 5000), 1);
    assert_int_equal(lines->next_end_s, OVERRIDE_FOR_EVER);
    lines_advance(lines, 10); /* 6 tokens, all this time untouched */
    uint16_t now = lines_carry(lines, vip, "vip", marks);
    assert_int_equal(now, line_of_key(lines, "vip"));
    assert_int_equal(now, line_of_key(lines, "other"));
    assert_int_equal(credit_level(&lines->line[now].credit[0], marks[0]), 60);
    fixture_free(&fixture);
}

static void a_date_that_goes_back_brings_no_override_back(void **state)
{
    (void)state;
    static const char *const keys[] = {"vip"};
    static const int64_t until_s[] = {100};
    struct fixture fixture = fixture_new();
    install(&fixture, overridden(keys, until_s, 1));
    assert_int_equal(lines_end_overrides(fixture.lines, 100), 1);
    assert_int_equal(lines_end_overrides(fixture.lines, 50), 0);
    assert_int_equal(lines_override(fixture.lines, 0, "vip"), -1);
    install(&fixture, overridden(keys, until_s, 1)); /* as of date 0, and unchanged */
    assert_int_equal(lines_override(fixture.lines, 0, "vip"), -1);
    static const int64_t later_s[] = {101};
    install(&fixture, overridden(keys, later_s, 1));
    assert_int_equal(lines_override(fixture.lines, 0, "vip"), 0);
    fixture_free(&fixture);
}

static void the_most_overrides_can_be_changed_once_with_no_sweep(void **state)
{
    (void)state;
    static char texts[OVERRIDES_MAX][8];
    static const char *keys[OVERRIDES_MAX];
    for (unsigned i = 0; i < OVERRIDES_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "k%u", i);
        keys[i] = texts[i];
    }
    struct fixture fixture = fixture_new();
    install(&fixture, overridden(keys, NULL, OVERRIDES_MAX));
    keys[5] = "another";
    install(&fixture, overridden(keys, NULL, OVERRIDES_MAX));
    assert_int_equal(lines_in_use(fixture.lines), 2 * (1 + OVERRIDES_MAX));
    lines_emptied(fixture.lines);
    assert_int_equal(lines_in_use(fixture.lines), 1 + OVERRIDES_MAX);
    fixture_free(&fixture);
}

/* Else an entry that nobody touches would have ever more steps to go through. */
static void an_entry_on_a_line_replaced_long_ago_is_waited_for(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    for (unsigned i = 0; i < 3 * LINE_AGE_MAX; i++)
        install(&fixture,
                many_plain_limits(1, 10,
                                  one_per_second)); /* in force for long is not replaced for long */
    for (uint64_t i = 0; i <= LINE_AGE_MAX; i++) {
        assert_true(has_room(fixture.lines, 1));
        install(&fixture, many_plain_limits(1, 11 + i, one_per_second));
    }
    assert_true(has_room(fixture.lines, 1));
    install(&fixture, many_plain_limits(1, 10, one_per_second));
    assert_false(has_room(fixture.lines, 1));
    lines_swept(fixture.lines);
    assert_false(has_room(fixture.lines, 1));
    lines_swept(fixture.lines);
    assert_true(has_room(fixture.lines, 1));
    fixture_free(&fixture);
}

/* ---- at random ---- */

enum { ENTRIES = 40, NAMES = 5 };

static struct limits *random_limits(struct dice *dice)
{
    static const char *const names[NAMES] = {"a", "b", "c", "d", "e"};
    struct limits *limits = limits_new(NAMES, 100);
    assert_non_null(limits);
    for (int i = 0; i < NAMES; i++)
        if (!dice_once_in(dice, 4))
            add_plain_limit(limits, names[i], NULL, dice_between(dice, 1, 3), one_per_second);
    return limits;
}

/* A table's place for an entry: the line it is on, and the name of the limit that it is under. */
struct entry {
    uint16_t line;
    char name;
};

/* Moves an entry to its heir, or out; as the table's user does. */
static void touch_entry(struct lines *lines, struct entry *entry)
{
    if (entry->line != LINE_NONE)
        entry->line = heir(lines, entry->line);
}

static void sweep_entries(struct lines *lines, struct entry entries[ENTRIES], unsigned *hand,
                          uint64_t slots)
{
    for (; slots > 0; slots--) {
        touch_entry(lines, &entries[*hand]);
        *hand = (*hand + 1) % ENTRIES;
        if (*hand == 0)
            lines_swept(lines);
    }
}

static void check_entry(const struct lines *lines, const struct entry *entry)
{
    if (entry->line == LINE_NONE)
        return;
    const struct edition *edition = &lines->edition[lines->line[entry->line].edition];
    assert_non_null(edition->limits);
    assert_int_equal(edition->limits->limit[edition->limit].name[0], entry->name);
}

static void no_line_goes_from_under_an_entry_through_random_reloads(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    struct fixture fixture = fixture_new();
    struct entry entries[ENTRIES];
    unsigned hand = 0;
    memset(entries, 0xff, sizeof entries);
    for (int step = 0; step < 20000; step++) {
        struct limits *next = random_limits(&dice);
        while (!lines_have_room(fixture.lines, next))
            sweep_entries(fixture.lines, entries, &hand, ENTRIES);
        install(&fixture, next);
        sweep_entries(fixture.lines, entries, &hand, dice_roll(&dice, 20));
        for (int i = 0; i < 6; i++) {
            struct entry *entry = &entries[dice_roll(&dice, ENTRIES)];
            touch_entry(fixture.lines, entry);
            if (entry->line == LINE_NONE && fixture.lines->count > 0) {
                uint32_t limit = (uint32_t)dice_roll(&dice, fixture.lines->count);
                *entry = (struct entry){line_now(fixture.lines, limit),
                                        fixture.limits->limit[limit].name[0]};
            }
        }
        for (int i = 0; i < ENTRIES; i++)
            check_entry(fixture.lines, &entries[i]);
    }
    sweep_entries(fixture.lines, entries, &hand, 3 * ENTRIES);
    assert_int_equal(lines_in_use(fixture.lines), fixture.lines->count);
    fixture_free(&fixture);
}

/* ---- debts ---- */

static struct limits *lending(uint64_t debt_max)
{
    struct limits *limits = limits_new(1, 100);
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = one_per_second, .debt_max = debt_max}},
    };
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    return limits;
}

/* A line knows what its buckets may owe, so another debt makes another line, over which they carry. */
static void another_debt_makes_another_line(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    install(&fixture, lending(20));
    struct lines *lines = fixture.lines;
    uint16_t first = line_now(lines, 0);
    uint64_t marks[BUCKETS_MAX] = {credit_full_mark(&lines->line[first].credit[0])};
    assert_int_equal(credit_charge(&lines->line[first].credit[0], 30, &marks[0]), 30);
    install(&fixture, lending(20));
    assert_int_equal(line_now(lines, 0), first);
    lines_advance(lines, 5); /* owes 19.5 */
    install(&fixture, lending(12));
    assert_int_not_equal(line_now(lines, 0), first);
    lines_advance(lines, 5); /* owes 12, and then 11.5 */
    install(&fixture, lending(30));
    lines_advance(lines, 5); /* 11 */
    uint16_t now = lines_carry(lines, first, "key", marks);
    assert_int_equal(now, line_now(lines, 0));
    assert_int_equal(credit_level(&lines->line[now].credit[0], marks[0]), -110);
    fixture_free(&fixture);
}

static struct limits *of_buckets(const struct bucket_terms *buckets, uint32_t count)
{
    struct limits *limits = limits_new(1, 100);
    struct limit_terms terms = {.name = LIMIT_DEFAULT_NAME, .buckets_count = count};
    memcpy(terms.buckets, buckets, count * sizeof buckets[0]);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    return limits;
}

/* If no name stays, the first new bucket gets what the one holds that owes most: here 3 of 100
 * units each, not 20 of 10. */
static void the_bucket_that_owes_most_carries_over_if_no_name_stays(void **state)
{
    (void)state;
    static const struct bucket_terms before[] = {
        {"a", 100, {1, 1000}, 50, false},
        {"b", 100, {1, 10000}, 50, false},
        {"c", 100, {1, 1000}, 50, false},
    };
    static const struct bucket_terms after[] = {{"x", 100, {1, 1000}, 50, false},
                                                {"y", 10, {1, 1000}, 5, false}};
    struct fixture fixture = fixture_new();
    install(&fixture, of_buckets(before, 3));
    struct lines *lines = fixture.lines;
    uint16_t first = line_now(lines, 0);
    const struct credit_line *credit = lines->line[first].credit;
    uint64_t marks[BUCKETS_MAX] = {0};
    assert_int_equal(credit[1].token_units, 100);
    marks[0] = credit[0].credit_units + 20;
    marks[1] = credit[1].credit_units + 300;
    marks[2] = credit[2].credit_units - 1;
    install(&fixture, of_buckets(after, 2));
    uint16_t now = lines_carry(lines, first, "key", marks);
    assert_int_equal(credit_level(&lines->line[now].credit[0], marks[0]), -30);
    assert_true(credit_is_full(&lines->line[now].credit[1], marks[1]));
    fixture_free(&fixture);
}

/* ---- slots ---- */

static const struct bucket_terms rate_a = {"a", 100, {1, 1000}, 50, false};
static const struct bucket_terms rate_b = {"b", 10, {1, 1000}, 5, false};
static const struct bucket_terms slots_a = {"a", 8, {0, 0}, 0, true};
static const struct bucket_terms slots_b = {"b", 5, {0, 0}, 0, true};

/* Carries these marks over one reload. */
static void carry_over(const struct bucket_terms *before, uint32_t before_count,
                       const struct bucket_terms *after, uint32_t after_count,
                       const int64_t levels[BUCKETS_MAX], int64_t carried[BUCKETS_MAX])
{
    struct fixture fixture = fixture_new();
    install(&fixture, of_buckets(before, before_count));
    struct lines *lines = fixture.lines;
    lines_advance(lines, 7000);
    uint16_t first = line_now(lines, 0);
    uint64_t marks[BUCKETS_MAX] = {0};
    for (uint32_t i = 0; i < before_count; i++)
        marks[i] = lines->line[first].credit[i].credit_units - (uint64_t)levels[i];
    install(&fixture, of_buckets(after, after_count));
    uint16_t now = lines_carry(lines, first, "key", marks);
    assert_int_equal(now, line_now(lines, 0));
    for (uint32_t i = 0; i < after_count; i++)
        carried[i] = credit_level(&lines->line[now].credit[i], marks[i]);
    fixture_free(&fixture);
}

static void slots_and_rates_of_one_name_give_each_other_nothing(void **state)
{
    (void)state;
    int64_t carried[BUCKETS_MAX];
    carry_over(&rate_a, 1, &slots_a, 1, (int64_t[]){-3, 0, 0, 0}, carried);
    assert_int_equal(carried[0], 8);
    carry_over(&slots_a, 1, &rate_a, 1, (int64_t[]){2, 0, 0, 0}, carried);
    assert_int_equal(carried[0], 1000);

    const struct bucket_terms before[] = {slots_a, rate_b}, after[] = {rate_a, slots_b};
    carry_over(before, 2, after, 2, (int64_t[]){2, 34, 0, 0}, carried);
    assert_int_equal(carried[0], 34); /* the only rate before, as no name of one stays */
    assert_int_equal(carried[1], 0);  /* six are taken, of five */
}

/* Where the name of a rate stays, other rates begin full. */
static void a_rate_that_stays_keeps_its_tokens_beside_slots(void **state)
{
    (void)state;
    int64_t carried[BUCKETS_MAX];
    const struct bucket_terms before[] = {rate_b}, after[] = {slots_a, rate_a, rate_b};
    carry_over(before, 1, after, 3, (int64_t[]){12, 0, 0, 0}, carried);
    assert_int_equal(carried[0], 8);
    const struct bucket_terms first[] = {slots_b, rate_a}, then[] = {rate_b, rate_a, slots_a};
    carry_over(first, 2, then, 3, (int64_t[]){1, 400, 0, 0}, carried);
    assert_int_equal(carried[0], 100);
    assert_int_equal(carried[1], 400);
    assert_int_equal(carried[2], 4);
}

/* Names do not matter: a lease has taken the same number in all of them. */
static void the_slots_that_are_taken_stay_taken(void **state)
{
    (void)state;
    int64_t carried[BUCKETS_MAX];
    const struct bucket_terms both[] = {slots_a, slots_b};
    carry_over(&slots_a, 1, &slots_b, 1, (int64_t[]){5, 0, 0, 0}, carried);
    assert_int_equal(carried[0], 2);
    carry_over(&slots_b, 1, both, 2, (int64_t[]){1, 0, 0, 0}, carried);
    assert_int_equal(carried[0], 4);
    assert_int_equal(carried[1], 1);
    carry_over(both, 2, &slots_a, 1, (int64_t[]){2, 0, 0, 0}, carried);
    assert_int_equal(carried[0], 2);
}

static void other_slots_make_another_line(void **state)
{
    (void)state;
    struct bucket_terms more = slots_a;
    struct fixture fixture = fixture_new();
    install(&fixture, of_buckets(&slots_a, 1));
    uint16_t first = line_now(fixture.lines, 0);
    lines_advance(fixture.lines, 1u << 31);
    install(&fixture, of_buckets(&slots_a, 1));
    assert_int_equal(line_now(fixture.lines, 0), first);
    assert_int_equal(fixture.lines->line[first].credit[0].credit_units, 8);
    more.burst++;
    install(&fixture, of_buckets(&more, 1));
    assert_int_not_equal(line_now(fixture.lines, 0), first);
    fixture_free(&fixture);
}

/* One to four buckets of either kind, under names of few. */
static uint32_t random_buckets(struct dice *dice, struct bucket_terms buckets[BUCKETS_MAX])
{
    uint32_t count = 1 + (uint32_t)dice_roll(dice, BUCKETS_MAX),
             first = (uint32_t)dice_roll(dice, 6);
    for (uint32_t i = 0; i < count; i++) {
        bool holds_slots = dice_roll(dice, 2) == 0;
        buckets[i] = (struct bucket_terms){
            .name = {(char)('a' + (first + i) % 6)},
            .burst = 1 + dice_roll(dice, 9),
            .rate = holds_slots ? (struct rate){0, 0} : (struct rate){1, 1000},
            .holds_slots = holds_slots,
        };
    }
    return count;
}

/* What a bucket that ticks fill holds after a reload, in units; all tokens here are of ten. */
static int64_t wanted_level(const struct allowance *before, const int64_t levels[BUCKETS_MAX],
                            const struct allowance *after, uint32_t at)
{
    bool some_stay = false, is_first = true;
    int64_t wanted = (int64_t)after->bucket[at].burst * 10, scarcest = INT64_MAX;
    for (uint32_t i = 0; i < before->count; i++) {
        if (before->bucket[i].holds_slots)
            continue;
        bool is_full = levels[i] == (int64_t)before->bucket[i].burst * 10;
        if (!is_full && levels[i] < scarcest)
            scarcest = levels[i];
        for (uint32_t j = 0; j < after->count; j++) {
            if (after->bucket[j].holds_slots ||
                after->bucket[j].name[0] != before->bucket[i].name[0])
                continue;
            some_stay = true;
            if (j == at && !is_full && levels[i] < wanted)
                wanted = levels[i];
        }
    }
    for (uint32_t j = 0; j < at; j++)
        is_first &= after->bucket[j].holds_slots;
    return !some_stay && is_first && scarcest < wanted ? scarcest : wanted;
}

/* The slots that are taken: in buckets of slots alone they go on, and no further than there are. */
static void random_reloads_keep_slots_and_tokens_apart(void **state)
{
    (void)state;
    enum { CASES = 300, RELOADS = 20 };
    struct dice dice = dice_new(2);
    for (int i = 0; i < CASES; i++) {
        struct fixture fixture = fixture_new();
        struct lines *lines = fixture.lines;
        struct bucket_terms buckets[BUCKETS_MAX];
        install(&fixture, of_buckets(buckets, random_buckets(&dice, buckets)));
        uint64_t marks[BUCKETS_MAX] = {0}, taken = 0;
        uint16_t at = line_now(lines, 0);
        for (int j = 0; j < RELOADS; j++) {
            struct allowance before = fixture.limits->limit[0].allowance;
            const struct credit_line *from = lines->line[at].credit;
            int64_t levels[BUCKETS_MAX];
            lines_advance(lines, dice_roll(&dice, 20));
            taken = before.slots == 0 ? 0 : taken + dice_roll(&dice, 3);
            uint64_t most = 0;
            for (uint32_t k = 0; k < before.count; k++) {
                if (before.bucket[k].holds_slots)
                    marks[k] = credit_slots_mark(&from[k], taken);
                else
                    credit_take(&from[k], dice_roll(&dice, 4), &marks[k]);
                if (before.bucket[k].holds_slots && marks[k] > most)
                    most = marks[k];
                levels[k] = credit_level(&from[k], marks[k]);
            }
            taken = most;
            install(&fixture, of_buckets(buckets, random_buckets(&dice, buckets)));
            const struct allowance *after = &fixture.limits->limit[0].allowance;
            at = lines_carry(lines, at, "key", marks);
            assert_int_equal(at, line_now(lines, 0));
            const struct credit_line *to = lines->line[at].credit;
            for (uint32_t k = 0; k < after->count; k++)
                assert_int_equal(credit_level(&to[k], marks[k]),
                                 after->bucket[k].holds_slots
                                     ? (int64_t)(to[k].cap_units - credit_slots_mark(&to[k], taken))
                                     : wanted_level(&before, levels, after, k));
        }
        fixture_free(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_limits_each_get_a_full_line),
        cmocka_unit_test(unchanged_terms_keep_the_line_and_its_credit),
        cmocka_unit_test(the_same_name_elsewhere_in_the_list_keeps_its_line),
        cmocka_unit_test(the_same_terms_under_another_name_are_another_line),
        cmocka_unit_test(a_renamed_limit_keeps_its_line_with_and_without_its_former_name),
        cmocka_unit_test(a_limit_renamed_with_other_terms_is_the_heir),
        cmocka_unit_test(a_former_name_that_is_not_in_force_changes_nothing),
        cmocka_unit_test(a_limit_that_is_there_goes_on_as_itself_whatever_it_was),
        cmocka_unit_test(each_changed_term_makes_a_new_line),
        cmocka_unit_test(only_lines_in_force_advance),
        cmocka_unit_test(a_replaced_line_is_free_once_the_table_is_empty),
        cmocka_unit_test(a_replaced_line_lives_until_a_whole_lap_has_gone_by),
        cmocka_unit_test(an_entry_keeps_the_whole_chain_to_its_heir),
        cmocka_unit_test(an_entry_in_the_middle_of_a_chain_keeps_its_end),
        cmocka_unit_test(the_chain_of_a_removed_limit_has_no_heir),
        cmocka_unit_test(carries_a_mark_through_every_step_of_the_chain),
        cmocka_unit_test(another_debt_makes_another_line),
        cmocka_unit_test(the_bucket_that_owes_most_carries_over_if_no_name_stays),
        cmocka_unit_test(slots_and_rates_of_one_name_give_each_other_nothing),
        cmocka_unit_test(a_rate_that_stays_keeps_its_tokens_beside_slots),
        cmocka_unit_test(the_slots_that_are_taken_stay_taken),
        cmocka_unit_test(other_slots_make_another_line),
        cmocka_unit_test(random_reloads_keep_slots_and_tokens_apart),
        cmocka_unit_test(the_most_limits_can_be_changed_once_with_no_sweep),
        cmocka_unit_test(all_editions_can_be_used_to_the_last),
        cmocka_unit_test(each_override_has_a_line),
        cmocka_unit_test(the_same_overrides_keep_their_lines),
        cmocka_unit_test(an_override_that_ends_hands_over_to_the_next),
        cmocka_unit_test(a_date_that_goes_back_brings_no_override_back),
        cmocka_unit_test(the_most_overrides_can_be_changed_once_with_no_sweep),
        cmocka_unit_test(an_entry_on_a_line_replaced_long_ago_is_waited_for),
        cmocka_unit_test(no_line_goes_from_under_an_entry_through_random_reloads),
    };
    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
