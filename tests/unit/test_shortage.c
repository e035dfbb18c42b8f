/* Shortages: what finds no memory says so, leaves nothing behind, and all is as it was. */
#include "brain/core.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/failing.h"
#include "support/plain_limit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_KEYS = 100, MAX_LEASES = 10 };

static const struct rate one_per_second = {1, 1000};
static const uint8_t seed[TABLE_SEED_BYTES] = "not so random";

/* ---- limits ---- */

static const struct override_terms overrides[] = {
    {.key = "vip",
     .until_s = OVERRIDE_FOR_EVER,
     .buckets_count = 1,
     .buckets = {{"", 70, {3, 1000}}}},
    {.key = "v*", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
};

static const struct limit_terms with_overrides = {
    .name = "api",
    .match = "api:*",
    .buckets_count = 2,
    .buckets = {{"second", 20, {20, 1000}}, {"hour", 500, {500, 3600000}}},
    .overrides_count = LENGTH(overrides),
    .overrides = overrides,
};

static void a_limit_that_finds_no_memory_is_not_added(void **state)
{
    (void)state;
    failing_at(FAILING_ALLOCATION, 1);
    assert_null(limits_new(2, 100));
    assert_true(failing_end());

    static const char zeros[sizeof(struct limit)];
    unsigned shortages = 0;
    for (bool failed = true; failed; shortages += failed) {
        struct limits *limits = limits_new(2, 100);
        assert_non_null(limits);
        failing_at(FAILING_ALLOCATION, shortages + 1);
        bool is_added = limits_add(limits, &with_overrides);
        failed = failing_end();
        assert_int_equal(is_added, !failed);
        assert_int_equal(limits->count, failed ? 0 : 1);
        if (failed)
            assert_memory_equal(&limits->limit[0], zeros, sizeof zeros);
        add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, 10, one_per_second);
        assert_int_equal(limits->fallback, failed ? 0 : 1);
        assert_int_equal(limits_find(limits, "api", 3), failed ? -1 : 0);
        if (!failed)
            assert_string_equal(limits->limit[0].overrides[1].quoted_key, "\"v*\"");
        limits_release(limits);
    }
    assert_int_equal(shortages, 1 + 4); /* all texts, and four lists */
}

/* ---- the brain ---- */

/* Three limits, of which the first is always the same. */
static struct limits *three(uint64_t burst)
{
    const struct rule rules[] = {
        {"same", "s*", 10, one_per_second},
        {"other", "o*", burst, one_per_second},
        {LIMIT_DEFAULT_NAME, NULL, burst, one_per_second},
    };
    return fixture_limits(100, rules, LENGTH(rules));
}

static void a_brain_without_memory_is_none(void **state)
{
    (void)state;
    struct limits *limits = three(10);
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = FIXTURE_START_DATE_S};
    unsigned shortages = 0;
    for (bool failed = true; failed; shortages += failed) {
        failing_at(FAILING_ALLOCATION, shortages + 1);
        struct brain *brain = brain_new(&question, MAX_KEYS, MAX_LEASES, seed, FIXTURE_START_NS);
        failed = failing_end();
        assert_int_equal(brain == NULL, failed);
        if (!failed)
            brain_free(brain);
    }
    assert_int_equal(shortages, 3);           /* the lines of each limit */
    for (unsigned nth = 1; nth <= 2; nth++) { /* itself, and its table */
        failing_at(FAILING_MMAP, nth);
        assert_null(brain_new(&question, MAX_KEYS, MAX_LEASES, seed, FIXTURE_START_NS));
        assert_true(failing_end());
    }
    assert_int_equal(limits->references, 1);
    limits_release(limits);
}

static enum limits_result put_into_force(struct fixture *fixture, struct limits *limits)
{
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .when_full = WHEN_FULL_DENY, .date_s = fixture->date_s},
    };
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    return message.answer.limits;
}

static void a_reload_without_memory_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_limits(&fixture, three(10), MAX_KEYS, WHEN_FULL_EVICT);
    assert_true(fixture_allows(&fixture, "s", 4));
    assert_true(fixture_allows(&fixture, "d", 7));
    struct limits *before = brain_limits(fixture.brain), *next = three(20);
    uint32_t lines_free = fixture.brain->buckets.lines.lines_free;
    unsigned shortages = 0;
    for (;; shortages++) {
        failing_at(FAILING_ALLOCATION, shortages + 1);
        enum limits_result result = put_into_force(&fixture, next);
        if (!failing_end()) {
            assert_int_equal(result, LIMITS_IN_FORCE);
            break;
        }
        assert_int_equal(result, LIMITS_NO_MEMORY);
        assert_ptr_equal(brain_limits(fixture.brain), before);
        assert_int_equal(next->references, 1);
        assert_int_equal(fixture.brain->buckets.lines.lines_free, lines_free);
        assert_int_equal(fixture_daemon(&fixture).when_full, WHEN_FULL_EVICT);
        assert_int_equal(fixture_daemon(&fixture).counters.reloads, 0);
        assert_int_equal(fixture_status(&fixture, "s").remaining_tokens, 6);
        assert_int_equal(fixture_status(&fixture, "d").remaining_tokens, 3);
    }
    assert_int_equal(shortages, 2); /* the lines of the two limits that change */
    assert_int_equal(fixture_daemon(&fixture).counters.reloads, 1);
    assert_int_equal(fixture_status(&fixture, "s").remaining_tokens, 6);
    assert_ptr_equal(brain_limits(fixture.brain), next);
    assert_int_equal(fixture_status(&fixture, "d").remaining_tokens, 3);
    limits_release(next);
    fixture_release(&fixture);
}

/* ---- a brain with a store ---- */

static const struct moment moment = {FIXTURE_START_NS, FIXTURE_START_DATE_S *NS_PER_S, "boot"};

struct stored {
    struct fixture fixture;
    struct store store;
    void *memory;
    size_t bytes;
};

static void stored_init(struct stored *stored)
{
    *stored = (struct stored){
        .fixture = {.now_ns = FIXTURE_START_NS, .date_s = FIXTURE_START_DATE_S},
        .bytes = store_bytes(MAX_KEYS, MAX_LEASES, false),
    };
    stored->memory = mmap(NULL, stored->bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(stored->memory != MAP_FAILED);
    store_begin(&stored->store, stored->memory, MAX_KEYS, MAX_LEASES, false, seed);
}

static void stored_release(struct stored *stored)
{
    fixture_release(&stored->fixture);
    munmap(stored->memory, stored->bytes);
}

static void a_new_store_without_memory_can_be_begun_again(void **state)
{
    (void)state;
    struct stored stored;
    stored_init(&stored);
    struct limits *limits = three(10);
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = FIXTURE_START_DATE_S};
    failing_at(FAILING_MMAP, 1);
    assert_null(brain_new_stored(&question, &stored.store, &moment));
    assert_true(failing_end());
    unsigned shortages = 0;
    for (bool failed = true; failed; shortages += failed) {
        failing_at(FAILING_ALLOCATION, shortages + 1);
        stored.fixture.brain = brain_new_stored(&question, &stored.store, &moment);
        failed = failing_end();
        assert_int_equal(stored.fixture.brain == NULL, failed);
        if (failed) {
            const char *why;
            assert_int_equal(store_find(&stored.store, stored.memory, stored.bytes, &why),
                             STORE_BEGUN);
        }
    }
    assert_int_equal(shortages, 3);
    limits_release(limits);
    assert_true(fixture_allows(&stored.fixture, "d", 7));
    stored_release(&stored);
}

static enum brain_restored restore(struct stored *stored, struct limits *limits)
{
    const char *why = NULL;
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = FIXTURE_START_DATE_S};
    assert_int_equal(store_find(&stored->store, stored->memory, stored->bytes, &why), STORE_FOUND);
    return brain_restore(&stored->fixture.brain, &question, MAX_LEASES, &stored->store, &moment,
                         &why);
}

static void begin_stored(struct stored *stored)
{
    stored_init(stored);
    struct limits *limits = three(10);
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = FIXTURE_START_DATE_S};
    stored->fixture.brain = brain_new_stored(&question, &stored->store, &moment);
    assert_non_null(stored->fixture.brain);
    limits_release(limits);
    assert_true(fixture_allows(&stored->fixture, "s", 4));
    assert_true(fixture_allows(&stored->fixture, "d", 7));
}

static void a_restart_without_memory_can_be_made_again(void **state)
{
    (void)state;
    struct stored stored;
    begin_stored(&stored);
    brain_free(stored.fixture.brain);
    stored.fixture.brain = NULL;
    struct limits *next = three(20);
    failing_at(FAILING_MMAP, 1);
    assert_int_equal(restore(&stored, next), BRAIN_NO_MEMORY);
    assert_true(failing_end());
    unsigned shortages = 0;
    for (;; shortages++) {
        failing_at(FAILING_ALLOCATION, shortages + 1);
        enum brain_restored result = restore(&stored, next);
        if (!failing_end()) {
            assert_int_equal(result, BRAIN_RESTORED);
            break;
        }
        assert_int_equal(result, BRAIN_NO_MEMORY);
        assert_null(stored.fixture.brain);
        assert_int_equal(next->references, 1);
    }
    /* A set of limits with three, and their texts, of each overrides and lines; the three bitmaps of doubt; and
     * the lines of two limits that change. */
    assert_int_equal(shortages, 2 + 3 * 2 + 3 + 2);
    limits_release(next);
    assert_int_equal(fixture_status(&stored.fixture, "s").remaining_tokens, 6);
    assert_int_equal(fixture_status(&stored.fixture, "d").remaining_tokens, 3);
    stored_release(&stored);
}

/* Nothing of the table is to be believed then, and there is no memory to find out what is: it goes
 * on with one of its own, in which nobody has taken anything. */
static void pages_lost_without_memory_to_doubt_are_all_of_the_table(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 3; nth++) {
        struct stored stored;
        begin_stored(&stored);
        failing_at(FAILING_ALLOCATION, nth);
        brain_lose_pages(stored.fixture.brain, "gone");
        assert_true(failing_end());
        assert_string_equal(fixture_daemon(&stored.fixture).lost_state, "gone");
        assert_int_equal(brain_keys(stored.fixture.brain), 0);
        assert_int_equal(fixture_status(&stored.fixture, "d").remaining_tokens, 10);
        assert_true(fixture_allows(&stored.fixture, "d", 7));
        brain_lose_pages(stored.fixture.brain, "more is gone"); /* that is no longer in use */
        assert_string_equal(fixture_daemon(&stored.fixture).lost_state, "gone");
        assert_int_equal(fixture_status(&stored.fixture, "d").remaining_tokens, 3);
        stored_release(&stored);
    }
}

static void pages_lost_without_memory_for_another_table_leave_what_there_is(void **state)
{
    (void)state;
    struct stored stored;
    begin_stored(&stored);
    memset(stored.fixture.brain->buckets.table.header, 0, sizeof(uint64_t));
    failing_at(FAILING_MMAP, 1);
    brain_lose_pages(stored.fixture.brain, "gone");
    assert_true(failing_end());
    assert_int_equal(brain_keys(stored.fixture.brain), 2);
    assert_int_equal(fixture_status(&stored.fixture, "s").remaining_tokens, 6);
    assert_int_equal(fixture_status(&stored.fixture, "d").remaining_tokens, 3);
    stored_release(&stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_that_finds_no_memory_is_not_added),
        cmocka_unit_test(a_brain_without_memory_is_none),
        cmocka_unit_test(a_reload_without_memory_changes_nothing),
        cmocka_unit_test(a_new_store_without_memory_can_be_begun_again),
        cmocka_unit_test(a_restart_without_memory_can_be_made_again),
        cmocka_unit_test(pages_lost_without_memory_to_doubt_are_all_of_the_table),
        cmocka_unit_test(pages_lost_without_memory_for_another_table_leave_what_there_is),
    };
    return cmocka_run_group_tests_name("shortage", tests, NULL, NULL);
}
