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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evictions),
        cmocka_unit_test(denials_for_want_of_room),
        cmocka_unit_test(what_is_let_through_uncounted),
        cmocka_unit_test(kinds_do_not_wait_for_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
