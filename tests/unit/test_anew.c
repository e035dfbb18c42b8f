/* A state file made anew while it serves: what goes on in it, and what the next process finds. */
#include "brain/core.h"
#include "keep/file.h"
#include "keep/share_records.h"
#include "support/brain_fixture.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_KEYS = 500, MAX_LEASES = 20, KEYS = 300, LEASES = 15 };

static const uint8_t seed[TABLE_SEED_BYTES] = "not so random";
static const struct rate one_per_hour = {1, 3600000};
static const struct moment moment = {FIXTURE_START_NS, FIXTURE_START_DATE_S *NS_PER_S, "boot"};

/* A process, and its state in one file and then in another. */
struct served {
    struct fixture fixture;
    struct store store;
    struct state_file file, next;
    char directory[PATH_MAX], path[PATH_MAX + 8], next_path[PATH_MAX + 8];
};

static struct limits_question question_of(struct limits *limits)
{
    return (struct limits_question){
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = FIXTURE_START_DATE_S};
}

static struct limits *plain(void)
{
    const struct rule rule = {LIMIT_DEFAULT_NAME, NULL, 10, one_per_hour};
    return fixture_limits(100, &rule, 1);
}

static void make(struct state_file *file, const char *path)
{
    size_t bytes = store_bytes(MAX_KEYS, MAX_LEASES, true);
    assert_int_equal(state_file_open(file, path), 0);
    assert_int_equal(state_file_clear(file, bytes), 0);
    assert_int_equal(state_file_map(file, bytes), 0);
}

static void served_init(struct served *served)
{
    const char *directory = getenv("TMPDIR");
    *served = (struct served){.fixture = {.now_ns = moment.now_ns}};
    snprintf(served->directory, sizeof served->directory, "%s/allowd-unit-XXXXXX",
             directory != NULL ? directory : "/tmp");
    assert_non_null(mkdtemp(served->directory));
    snprintf(served->path, sizeof served->path, "%s/state", served->directory);
    snprintf(served->next_path, sizeof served->next_path, "%s/next", served->directory);
    make(&served->file, served->path);
    struct limits *limits = plain();
    const struct limits_question question = question_of(limits);
    store_begin(&served->store, served->file.memory, MAX_KEYS, MAX_LEASES, true, seed);
    store_own_shares(&served->store, state_file_home(&served->file), moment.clock_id, true);
    assert_false(store_shares_are_believed(&served->store));
    served->fixture.brain = brain_new_stored(&question, &served->store, &moment);
    assert_non_null(served->fixture.brain);
    limits_release(limits);
}

static void served_release(struct served *served)
{
    fixture_release(&served->fixture);
    state_file_close(&served->file);
    unlink(served->path), unlink(served->next_path);
    rmdir(served->directory);
}

/* Whether a file that holds this would be believed as one of that home. */
static bool are_shares_of(const struct served *served, uint64_t home)
{
    struct share_records records = share_records_at(served->store.shares);
    return share_records_are_of(&records, home, moment.clock_id);
}

/* Puts the next file in the place of the one in use. In between what is in hand of a fleet is kept in none. */
static void change_file(struct served *served)
{
    uint64_t home = state_file_home(&served->file);
    bool is_lost = served->fixture.brain->lost_state != NULL;
    assert_int_equal(are_shares_of(served, home), !is_lost);
    make(&served->next, served->next_path);
    uint64_t next_home = state_file_home(&served->next);
    assert_int_not_equal(home, next_home);
    struct anew_answer answer =
        brain_change_file(served->fixture.brain, &served->file, &served->next);
    assert_int_equal(answer.error, 0);
    state_file_close(&served->file);
    served->file = served->next;
    assert_int_equal(rename(served->next_path, served->path), 0);
    assert_false(are_shares_of(served, home) || are_shares_of(served, next_home));
    assert_true(brain_find_state(served->fixture.brain, answer.failures));
    assert_true(are_shares_of(served, next_home));
    assert_int_equal(state_file_home(&served->file), next_home);
}

/* The next process begins with what is in the file. */
static void restart(struct served *served)
{
    const char *why = NULL;
    size_t bytes;
    struct limits *limits = plain();
    const struct limits_question question = question_of(limits);
    fixture_release(&served->fixture);
    state_file_close(&served->file);
    assert_int_equal(state_file_open(&served->file, served->path), 0);
    assert_int_equal(state_file_length(&served->file, &bytes), 0);
    assert_int_equal(state_file_map(&served->file, bytes), 0);
    assert_int_equal(store_find(&served->store, served->file.memory, bytes, &why), STORE_FOUND);
    store_own_shares(&served->store, state_file_home(&served->file), moment.clock_id, true);
    assert_int_equal(
        brain_restore(&served->fixture.brain, &question, MAX_LEASES, &served->store, &moment, &why),
        BRAIN_RESTORED);
    limits_release(limits);
}

static void take(struct served *served)
{
    char key[16];
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key %u", i);
        assert_true(fixture_allows(&served->fixture, key, 1 + i % 10));
    }
}

static void expect_taken(struct served *served)
{
    char key[16];
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key %u", i);
        assert_int_equal(fixture_status(&served->fixture, key).remaining_tokens, 9 - i % 10);
    }
}

static void hold(struct served *served)
{
    struct brain *brain = served->fixture.brain;
    for (uint8_t i = 0; i < LEASES; i++) {
        struct lease_terms terms = {.id = {i},
                                    .salt = brain->buckets.salt[0],
                                    .tokens = i,
                                    .ttl_ms = 60000,
                                    .key_len = 3,
                                    .key = "key"};
        uint64_t hash = table_hash(&brain->buckets.table, "key", 3) ^ terms.salt;
        assert_true(leases_make_ready(&brain->leases));
        leases_hold(&brain->leases, &terms, hash, 60 * NS_PER_S);
    }
}

static void expect_held(const struct served *served)
{
    const struct leases *leases = &served->fixture.brain->leases;
    assert_int_equal(leases->held.count, LEASES);
    for (uint8_t i = 0; i < LEASES; i++) {
        const struct lease_id id = {{i}};
        uint32_t number = leases_find(leases, &id);
        assert_int_not_equal(number, LEASE_NONE_NUMBER);
        assert_int_equal(leases->node[number].tokens, i);
    }
}

static void begin_session(const struct served *served)
{
    struct share_records records = share_records_at(served->store.shares);
    const struct share_record_terms terms = {
        .session = 9, .buckets = 1, .name_len = 4, .key_len = 3, .name = "some", .key = "key"};
    const struct share_record_totals totals = {8, 5, 0};
    share_record_begin(&records, 0, &terms, 1, 2, 3, &totals);
}

static void expect_session(const struct served *served)
{
    struct share_records records = share_records_at(served->store.shares);
    struct share_record_terms terms;
    struct share_record_totals totals[BUCKETS_MAX];
    uint64_t epoch_ms, lease_ns, seq;
    assert_true(store_shares_are_believed(&served->store));
    assert_true(share_record_read(&records, 0, &terms, &epoch_ms, &lease_ns, &seq, totals));
    assert_int_equal(terms.session, 9);
    assert_int_equal(totals[0].disposed, 5);
    assert_int_equal(seq, 3);
}

static void all_goes_on_in_another_file(void **state)
{
    (void)state;
    struct served served;
    served_init(&served);
    take(&served);
    hold(&served);
    begin_session(&served);
    for (int i = 0; i < 3; i++) {
        change_file(&served);
        expect_taken(&served);
        restart(&served);
        expect_taken(&served);
        expect_held(&served);
        expect_session(&served);
    }
    served_release(&served);
}

/* The table that took the place of one past mending was in memory, and the new file is to have it.
 * Behind it in the file are the leases. */
static void a_table_that_was_elsewhere_comes_back(void **state)
{
    (void)state;
    struct served served;
    served_init(&served);
    fixture_allows(&served.fixture, "lost", 1);
    hold(&served);
    memset(served.store.arena, 0xff, table_arena_bytes(MAX_KEYS));
    brain_lose_pages(served.fixture.brain, "they are gone");
    assert_true(served.fixture.brain->buckets.table.has_own_arena);
    take(&served);
    change_file(&served);
    assert_false(served.fixture.brain->buckets.table.has_own_arena);
    expect_taken(&served);
    restart(&served);
    expect_taken(&served);
    expect_held(&served);
    assert_int_equal(fixture_status(&served.fixture, "lost").remaining_tokens, 10);
    served_release(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_goes_on_in_another_file),
        cmocka_unit_test(a_table_that_was_elsewhere_comes_back),
    };
    return cmocka_run_group_tests_name("anew", tests, NULL, NULL);
}
