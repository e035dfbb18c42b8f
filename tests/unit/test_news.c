/* News: each thing that happens is told once, by kind, and no kind more than once a minute. */
#include "support/brain_fixture.h"

#include <stdio.h>
#include <string.h>

enum { PERIOD_MS = NEWS_PERIOD_S * 1000 };

static const struct rule rules[] = {{"default", NULL, 1, {1, 366ull * MS_PER_DAY}}};
static const struct news nothing;

static void init(struct fixture *fixture, enum when_full when_full)
{
    fixture_init(fixture, 100, rules, LENGTH(rules), 1, when_full);
    struct news news = brain_news(fixture->brain);
    assert_memory_equal(&news, &nothing, sizeof news);
}

static void expect(struct fixture *fixture, enum news_kind kind, uint64_t count)
{
    struct news wanted = {{0}}, news = brain_news(fixture->brain);
    wanted.count[kind] = count;
    assert_memory_equal(&news, &wanted, sizeof news);
}

/* Asks for keys never seen before, of which the table has room for one. */
static void ask(struct fixture *fixture, unsigned count)
{
    static unsigned number;
    for (unsigned i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", number++);
        fixture_allow(fixture, key, 1);
    }
}

static void want_of_room_is_told(enum when_full when_full, enum news_kind kind)
{
    struct fixture fixture;
    init(&fixture, when_full);
    ask(&fixture, 1);
    expect(&fixture, kind, 0);
    ask(&fixture, 1);
    expect(&fixture, kind, 1); /* the first at once */
    for (unsigned second = 1; second < NEWS_PERIOD_S; second++) {
        fixture_at(&fixture, second * 1000);
        ask(&fixture, 3);
        expect(&fixture, kind, 0);
    }
    fixture_at(&fixture, PERIOD_MS);
    expect(&fixture, kind, 3 * (NEWS_PERIOD_S - 1)); /* then what came in between */
    fixture_at(&fixture, 2 * PERIOD_MS);
    expect(&fixture, kind, 0);
    ask(&fixture, 2);
    expect(&fixture, kind, 2);
    fixture_release(&fixture);
}

static void evictions(void **unused)
{
    (void)unused;
    want_of_room_is_told(WHEN_FULL_EVICT, NEWS_evicted);
}

static void denials_for_want_of_room(void **unused)
{
    (void)unused;
    want_of_room_is_told(WHEN_FULL_DENY, NEWS_table_full_denied);
}

static void what_is_let_through_uncounted(void **unused)
{
    (void)unused;
    want_of_room_is_told(WHEN_FULL_ALLOW, NEWS_table_full_allowed);
}

static void kinds_do_not_wait_for_each_other(void **unused)
{
    (void)unused;
    struct news_told told = {0};
    struct brain_counters counters = {.evicted = 5};
    struct news news = news_take(&told, &counters, 1);
    assert_int_equal(news.count[NEWS_evicted], 5);
    counters.overrides_ended = 2;
    counters.evicted = 6;
    counters.allowed = counters.denied = counters.reloads = 9; /* no news */
    news = news_take(&told, &counters, 2);
    assert_int_equal(news.count[NEWS_evicted], 0);
    assert_int_equal(news.count[NEWS_overrides_ended], 2);
    news = news_take(&told, &counters, 1 + NEWS_PERIOD_S * (uint64_t)NS_PER_S);
    assert_int_equal(news.count[NEWS_evicted], 1);
    assert_int_equal(news.count[NEWS_overrides_ended], 0);
}

/* ---- limits that are gone ---- */

static void expect_forgotten(struct fixture *fixture, const char *name, uint64_t keys)
{
    assert_true(brain_has_news(fixture->brain));
    struct forgotten forgotten = brain_forgotten(fixture->brain);
    assert_int_equal(forgotten.named, 1);
    assert_int_equal(forgotten.others, 0);
    assert_string_equal(forgotten.limit[0].name, name);
    assert_int_equal(forgotten.limit[0].keys, keys);
    assert_false(brain_has_news(fixture->brain));
}

/* Whether full or not is a matter of the moment at which the limit went. */
static void a_limit_that_is_gone_is_told_with_its_keys_that_were_not_full(void **unused)
{
    (void)unused;
    static const struct rule two[] = {{"a", "a*", 10, {1, 1000}}, {"default", NULL, 9, {1, 1000}}};
    static const struct rule more[] = {{"a", "a*", 30, {1, 1000}}, {"default", NULL, 9, {1, 1000}}};
    struct fixture fixture;
    fixture_init(&fixture, 100, two, LENGTH(two), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    assert_true(fixture_allows(&fixture, "a1", 10));
    fixture_reload(&fixture, 100, more, LENGTH(more)); /* marks stay on the line before */
    assert_true(fixture_allows(&fixture, "a2", 30));
    assert_true(fixture_allows(&fixture, "a3", 1));
    assert_true(fixture_allows(&fixture, "b", 9));
    fixture_at(&fixture, 1000); /* a3 is full */
    fixture_reload(&fixture, 100, more + 1, 1);
    fixture_at(&fixture, 60000); /* all would be */
    fixture_sweep_all(&fixture);
    expect_forgotten(&fixture, "a", 2);
    assert_int_equal(fixture_daemon(&fixture).counters.dropped_unlimited, 3);
    fixture_sweep_all(&fixture);
    assert_false(brain_has_news(fixture.brain));
    fixture_release(&fixture);
}

static void of_a_limit_with_full_buckets_nothing_is_told(void **unused)
{
    (void)unused;
    static const struct rule two[] = {{"a", "a*", 10, {1, 1000}}, {"default", NULL, 9, {1, 1000}}};
    struct fixture fixture;
    fixture_init(&fixture, 100, two, LENGTH(two), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    assert_true(fixture_allows(&fixture, "a1", 5));
    fixture_at(&fixture, 5000);
    fixture_reload(&fixture, 100, two + 1, 1);
    fixture_sweep_all(&fixture);
    assert_false(brain_has_news(fixture.brain));
    fixture_release(&fixture);
}

/* Keys that give way to others before the sweep comes by count as well. */
static void a_key_that_makes_room_counts_too(void **unused)
{
    (void)unused;
    static const struct rule two[] = {{"a", "a*", 10, {1, 1000}}, {"default", NULL, 9, {1, 1000}}};
    struct fixture fixture;
    fixture_init(&fixture, 100, two, LENGTH(two), 1, WHEN_FULL_DENY);
    assert_true(fixture_allows(&fixture, "a1", 10));
    fixture_reload(&fixture, 100, two + 1, 1);
    assert_true(fixture_allows(&fixture, "b", 1));
    fixture_sweep_all(&fixture);
    expect_forgotten(&fixture, "a", 1);
    fixture_release(&fixture);
}

static void of_many_limits_that_are_gone_the_first_have_names(void **unused)
{
    (void)unused;
    enum { MANY = FORGOTTEN_NAMED_MAX + 3 };
    struct fixture fixture;
    struct rule many[MANY + 1];
    char names[MANY][8];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        many[i] = (struct rule){names[i], names[i], 10, {1, 366ull * MS_PER_DAY}};
    }
    many[MANY] = rules[0];
    fixture_init(&fixture, 100, many, MANY + 1, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(fixture_allows(&fixture, names[i], 1));
    fixture_reload(&fixture, 100, rules, 1);
    fixture_sweep_all(&fixture);
    struct forgotten forgotten = brain_forgotten(fixture.brain);
    assert_int_equal(forgotten.named, FORGOTTEN_NAMED_MAX);
    assert_string_equal(forgotten.limit[0].name, "0");
    assert_int_equal(forgotten.others, 3);
    assert_int_equal(forgotten.keys_of_others, 3);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evictions),
        cmocka_unit_test(denials_for_want_of_room),
        cmocka_unit_test(what_is_let_through_uncounted),
        cmocka_unit_test(kinds_do_not_wait_for_each_other),
        cmocka_unit_test(a_limit_that_is_gone_is_told_with_its_keys_that_were_not_full),
        cmocka_unit_test(of_a_limit_with_full_buckets_nothing_is_told),
        cmocka_unit_test(a_key_that_makes_room_counts_too),
        cmocka_unit_test(of_many_limits_that_are_gone_the_first_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
