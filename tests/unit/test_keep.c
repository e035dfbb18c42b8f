/* Keeping: what another process goes on from, in virtual time, whatever clocks and limits do
 * meanwhile. */
#include "base/bytes.h"
#include "brain/core.h"
#include "keep/file.h"
#include "keep/share_records.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"
#include "support/old_store.h"
#include "support/plain_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SMALL = 4 /* keys, in a table of which every bit is flipped */ };

static const struct rate one_per_second = {1, 1000};
static const uint8_t seed[TABLE_SEED_BYTES] = "not so random";

enum { MAX_LEASES = 10 };

/* A machine: its clocks, and the file that stays when a process is gone. */
struct machine {
    struct fixture fixture; /* the process */
    struct store store;
    unsigned char *memory;
    size_t bytes;
    uint32_t max_leases; /* as configured */
    bool has_shares;     /* of the next file */
    uint64_t wall_ns;
    uint8_t clock_id[STORE_CLOCK_ID_BYTES];
};

static unsigned char *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static struct moment moment_of(const struct machine *machine)
{
    struct moment moment = {machine->fixture.now_ns, machine->wall_ns, {0}};
    memcpy(moment.clock_id, machine->clock_id, sizeof moment.clock_id);
    return moment;
}

static struct limits_question question_of(const struct machine *machine, struct limits *limits)
{
    return (struct limits_question){
        .limits = limits,
        .when_full = WHEN_FULL_EVICT,
        .date_s = (int64_t)(machine->wall_ns / NS_PER_S),
    };
}

static void machine_init(struct machine *machine, struct limits *limits, uint32_t max_keys)
{
    *machine = (struct machine){
        .fixture = {.now_ns = FIXTURE_START_NS},
        .wall_ns = (uint64_t)FIXTURE_START_DATE_S * NS_PER_S + 5,
        .clock_id = "the first boot",
        .bytes = store_bytes(max_keys, MAX_LEASES, false),
        .max_leases = MAX_LEASES,
    };
    machine->memory = map(machine->bytes);
    store_begin(&machine->store, machine->memory, max_keys, MAX_LEASES, false, seed);
    const struct limits_question question = question_of(machine, limits);
    const struct moment moment = moment_of(machine);
    machine->fixture.brain = brain_new_stored(&question, &machine->store, &moment);
    assert_non_null(machine->fixture.brain);
    limits_release(limits);
}

/* Nothing of what a process does at its end is needed: its memory goes, the file stays. */
static void machine_kill(struct machine *machine)
{
    fixture_release(&machine->fixture);
    machine->fixture.brain = NULL;
}

static void machine_release(struct machine *machine)
{
    if (machine->fixture.brain != NULL)
        machine_kill(machine);
    munmap(machine->memory, machine->bytes);
}

static void machine_start(struct machine *machine, struct limits *limits)
{
    const char *why = NULL;
    const struct limits_question question = question_of(machine, limits);
    const struct moment moment = moment_of(machine);
    machine->fixture.date_s = question.date_s;
    assert_int_equal(store_find(&machine->store, machine->memory, machine->bytes, &why),
                     STORE_FOUND);
    assert_int_equal(brain_restore(&machine->fixture.brain, &question, machine->max_leases,
                                   &machine->store, &moment, &why),
                     BRAIN_RESTORED);
    limits_release(limits);
}

/* Both clocks go on, and a process that runs notices. */
static void machine_pass(struct machine *machine, uint64_t ms)
{
    machine->fixture.now_ns += ms * NS_PER_MS;
    machine->wall_ns += ms * NS_PER_MS;
    if (machine->fixture.brain == NULL)
        return;
    brain_tell_wall(machine->fixture.brain, machine->fixture.now_ns, machine->wall_ns);
    brain_tick(machine->fixture.brain, machine->fixture.now_ns);
    brain_date(machine->fixture.brain, (int64_t)(machine->wall_ns / NS_PER_S));
}

static void machine_reboot(struct machine *machine)
{
    machine->fixture.now_ns = 1234567; /* since then */
    machine->clock_id[0]++;
}

static struct limits *one_limit(uint64_t tick_ms, uint64_t burst, struct rate rate)
{
    struct rule rule = {LIMIT_DEFAULT_NAME, NULL, burst, rate};
    return fixture_limits(tick_ms, &rule, 1);
}

static struct limits *plain(void)
{
    return one_limit(100, 10, one_per_second);
}

static void machine_of(struct machine *machine)
{
    machine_init(machine, plain(), FIXTURE_MAX_KEYS);
}

/* In tenths of a token, of which each is a unit under plain limits. */
static int64_t level(const struct machine *machine, const char *key)
{
    uint64_t token_units;
    int64_t units = brain_level_units(machine->fixture.brain, key, NULL, 0, &token_units);
    return units * 10 / (int64_t)token_units;
}

/* ---- restarts ---- */

static void a_restart_goes_on_as_if_there_had_been_none(void **state)
{
    (void)state;
    struct machine machine, other;
    machine_of(&machine);
    machine_of(&other);
    struct dice dice = dice_new(1);
    for (int i = 0; i < 3000; i++) {
        char key[2] = {(char)('a' + dice_roll(&dice, 6)), '\0'};
        uint64_t tokens = dice_roll(&dice, 5);
        struct bucket_answer a = fixture_allow(&machine.fixture, key, tokens);
        struct bucket_answer b = fixture_allow(&other.fixture, key, tokens);
        assert_int_equal(a.result, b.result);
        assert_int_equal(a.remaining_tokens, b.remaining_tokens);
        assert_int_equal(a.full_after_ms, b.full_after_ms);
        uint64_t ms = dice_once_in(&dice, 20) ? 3000 : dice_roll(&dice, 300);
        bool is_killed = dice_once_in(&dice, 3);
        if (is_killed)
            machine_kill(&machine);
        machine_pass(&machine, ms);
        machine_pass(&other, ms);
        if (is_killed)
            machine_start(&machine, plain());
    }
    machine_release(&machine);
    machine_release(&other);
}

static void the_wall_clock_is_nothing_to_a_restart(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    fixture_drain(&machine.fixture, "key", NULL);
    machine_kill(&machine);
    machine_pass(&machine, 2000);
    machine.wall_ns += 3600 * (uint64_t)NS_PER_S;
    machine_start(&machine, plain());
    assert_int_equal(level(&machine, "key"), 20);
    machine_kill(&machine);
    machine.wall_ns = 0;
    machine_pass(&machine, 1000);
    machine_start(&machine, plain());
    assert_int_equal(level(&machine, "key"), 30);
    machine_release(&machine);
}

/* Somebody sets the wall clock, by as much as a year, while the process goes on. */
static void the_wall_clock_is_nothing_to_a_running_process(void **state)
{
    (void)state;
    const uint64_t year_ns = 365 * (uint64_t)86400 * NS_PER_S;
    struct dice dice = dice_new(9);
    struct machine machine, other;
    machine_of(&machine);
    machine_of(&other);
    const uint64_t right_ns = machine.wall_ns += 2 * year_ns;
    uint64_t passed_ms = 0;
    for (int i = 0; i < 2000; i++) {
        uint64_t ms = dice_roll(&dice, 700), tokens = dice_roll(&dice, 4);
        machine.wall_ns =
            right_ns + passed_ms * NS_PER_MS - year_ns + dice_roll(&dice, 3) * year_ns;
        passed_ms += ms;
        machine_pass(&machine, ms);
        machine_pass(&other, ms);
        assert_int_equal(fixture_allows(&machine.fixture, "key", tokens),
                         fixture_allows(&other.fixture, "key", tokens));
        assert_int_equal(level(&machine, "key"), level(&other, "key"));
    }
    machine_release(&other);
    machine_release(&machine);
}

static void after_a_reboot_the_wall_clock_tells(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    machine_pass(&machine, 12340);
    fixture_drain(&machine.fixture, "key", NULL);
    machine_kill(&machine);
    machine_reboot(&machine);
    machine.wall_ns += 4260 * (uint64_t)NS_PER_MS; /* 40 ms of a tick were over before */
    machine_start(&machine, plain());
    assert_int_equal(level(&machine, "key"), 43);
    machine_pass(&machine, 1000);
    assert_int_equal(level(&machine, "key"), 53);
    machine_release(&machine);
}

static void a_clock_set_back_over_a_reboot_gives_nothing(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    machine_pass(&machine, 12340);
    fixture_drain(&machine.fixture, "key", NULL);
    machine_pass(&machine, 700);
    machine_kill(&machine);
    machine_reboot(&machine);
    machine.wall_ns -= 3600 * (uint64_t)NS_PER_S;
    machine_start(&machine, plain());
    assert_int_equal(level(&machine, "key"), 7);
    machine_pass(&machine, 1000);
    assert_int_equal(level(&machine, "key"), 17);
    machine_release(&machine);
}

/* As on a machine whose clock starts in 1970: what is full stays so, and refills ever after. */
static void a_clock_far_ahead_gives_full_buckets_and_no_more(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    for (int i = 0; i < 20; i++) {
        fixture_drain(&machine.fixture, "key", NULL);
        machine_kill(&machine);
        machine_reboot(&machine);
        machine.wall_ns += 10ull * 365 * MS_PER_DAY * NS_PER_MS;
        machine_start(&machine, plain());
        assert_int_equal(level(&machine, "key"), 100);
        fixture_drain(&machine.fixture, "key", NULL);
        machine_pass(&machine, 3000);
        assert_int_equal(level(&machine, "key"), 30);
        machine_pass(&machine, 60000);
    }
    machine_release(&machine);
}

static void a_boot_that_is_not_known_is_another_one(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    memset(machine.clock_id, 0, sizeof machine.clock_id);
    machine_pass(&machine, 1000);
    fixture_drain(&machine.fixture, "key", NULL);
    machine_kill(&machine);
    machine.fixture.now_ns += 5000 * (uint64_t)NS_PER_MS;
    machine.wall_ns += 2000 * (uint64_t)NS_PER_MS;
    machine_start(&machine, plain());
    assert_int_equal(level(&machine, "key"), 20);
    machine_release(&machine);
}

/* ---- the time lived ---- */

static uint64_t lived_ms(const struct machine *machine)
{
    uint64_t lived_ns = brain_lived_ns(machine->fixture.brain, machine->fixture.now_ns);
    assert_int_equal(lived_ns % NS_PER_MS, 0);
    return lived_ns / NS_PER_MS;
}

static void the_time_lived_goes_on_over_restarts(void **state)
{
    (void)state;
    struct machine machine;
    struct store_time kept;
    machine_of(&machine);
    assert_int_equal(lived_ms(&machine), 0);
    machine_pass(&machine, 1234);
    assert_int_equal(lived_ms(&machine), 1234);
    store_time(&machine.store, &kept);
    assert_int_equal(kept.lived_ns, 1200 * (uint64_t)NS_PER_MS); /* at its tick */
    for (uint64_t i = 1; i <= 5; i++) {
        machine_kill(&machine);
        machine_pass(&machine, 777);
        machine_start(&machine, one_limit(10 * i, 10, one_per_second)); /* another tick */
        assert_int_equal(lived_ms(&machine), 1234 + 777 * i);
    }
    machine_release(&machine);
}

/* Where the clock is another one, a part of a tick counts for nothing: as for buckets. */
static void after_a_reboot_the_time_lived_goes_on_by_whole_ticks(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    machine_pass(&machine, 1234);
    machine_kill(&machine);
    machine_reboot(&machine);
    machine.wall_ns += 2077 * (uint64_t)NS_PER_MS;
    machine_start(&machine, plain());
    assert_int_equal(lived_ms(&machine), 1200 + 2100);
    machine_pass(&machine, 50);
    assert_int_equal(lived_ms(&machine), 3350);
    machine_kill(&machine);
    machine_reboot(&machine);
    machine.wall_ns -= 3600 * (uint64_t)NS_PER_S;
    machine_start(&machine, plain());
    assert_int_equal(lived_ms(&machine), 3300); /* it never goes back behind the last tick */
    machine_release(&machine);
}

static void however_far_ahead_the_clocks_are_the_time_lived_is_a_time(void **state)
{
    (void)state;
    struct machine machine;
    uint64_t before_ms = 0;
    machine_of(&machine);
    for (int i = 0; i < 100; i++) {
        machine_kill(&machine);
        machine_reboot(&machine);
        machine.wall_ns += 10ull * 365 * MS_PER_DAY * NS_PER_MS;
        machine_start(&machine, plain());
        machine_pass(&machine, 1000);
        uint64_t ms = brain_lived_ns(machine.fixture.brain, machine.fixture.now_ns) / NS_PER_MS;
        assert_in_range(ms, before_ms < 200ull * 365 * MS_PER_DAY ? before_ms + 1000 : 1,
                        302ull * 365 * MS_PER_DAY);
        before_ms = ms;
    }
    machine_release(&machine);
}

/* ---- another clock ---- */

/* The machine's time goes on by another clock, which reads `ahead_ms` more than the one that the
 * state is by: what passed by the former until now is credited, and no more. */
static void another_clock(struct machine *machine, uint64_t ahead_ms, uint64_t former_ms)
{
    const char *why = NULL;
    struct moment by_that = moment_of(machine);
    by_that.now_ns += former_ms * NS_PER_MS;
    machine->fixture.now_ns = by_that.now_ns + ahead_ms * NS_PER_MS;
    machine->clock_id[0]++;
    const struct moment by_this = moment_of(machine);
    assert_int_equal(store_find(&machine->store, machine->memory, machine->bytes, &why),
                     STORE_FOUND);
    store_change_clock(&machine->store, &by_that, &by_this);
}

static void what_another_clock_counts_more_is_not_credited(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    machine_pass(&machine, 1000);
    fixture_drain(&machine.fixture, "key", NULL);
    machine_kill(&machine);
    another_clock(&machine, 3600000, 2000);
    machine.wall_ns += 9000 * (uint64_t)NS_PER_MS;
    machine_start(&machine, plain());
    assert_int_equal(level(&machine, "key"), 20);
    assert_int_equal(lived_ms(&machine), 3000);
    machine_kill(&machine); /* it is by the other clock now */
    machine.fixture.now_ns += 3000 * (uint64_t)NS_PER_MS;
    machine_start(&machine, plain());
    assert_int_equal(level(&machine, "key"), 50);
    assert_int_equal(lived_ms(&machine), 6000);
    machine_release(&machine);
}

/* The time kept is one that the former clock has yet to reach, or that was before the other clock
 * began: what has passed since is not known. */
static void a_time_that_has_no_moment_is_left_to_the_wall_clock(void **state)
{
    (void)state;
    for (int is_before = 0; is_before < 2; is_before++) {
        struct machine machine;
        const char *why = NULL;
        machine_of(&machine);
        machine_pass(&machine, 5000);
        fixture_drain(&machine.fixture, "key", NULL);
        machine_kill(&machine);
        struct moment by_that = moment_of(&machine);
        by_that.now_ns = is_before ? by_that.now_ns + NS_PER_S : by_that.now_ns - NS_PER_S;
        machine.fixture.now_ns = is_before ? NS_PER_S - 1 : 2 * by_that.now_ns;
        machine.clock_id[0]++;
        const struct moment by_this = moment_of(&machine);
        assert_int_equal(store_find(&machine.store, machine.memory, machine.bytes, &why),
                         STORE_FOUND);
        store_change_clock(&machine.store, &by_that, &by_this);
        machine.wall_ns += 4 * (uint64_t)NS_PER_S;
        machine_start(&machine, plain());
        assert_int_equal(level(&machine, "key"), 40);
        machine_release(&machine);
    }
}

/* A crash of the system may lose what was written last of some pages and not of others: marks may
 * be ahead of the credit that is known. */
static void a_time_that_is_older_than_the_marks_mints_nothing(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    machine_pass(&machine, 1000);
    unsigned char page[4096];
    memcpy(page, machine.memory, sizeof page);
    fixture_drain(&machine.fixture, "before", NULL);
    machine_pass(&machine, 5000);
    fixture_drain(&machine.fixture, "after", NULL);
    machine_kill(&machine);
    memcpy(machine.memory, page, sizeof page);
    machine_reboot(&machine);
    machine.wall_ns -= 4000 * (uint64_t)NS_PER_MS; /* 1 s after the time that is known */
    machine_start(&machine, plain());
    assert_int_equal(fixture_status(&machine.fixture, "before").remaining_tokens, 1);
    assert_int_equal(fixture_status(&machine.fixture, "after").remaining_tokens, 0);
    machine_pass(&machine, 2000);
    assert_int_equal(level(&machine, "before"), 30);
    assert_int_equal(level(&machine, "after"), 20);
    machine_release(&machine);
}

static void keys_that_were_full_are_forgotten_and_others_counted(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    fixture_drain(&machine.fixture, "one", NULL);
    fixture_drain(&machine.fixture, "two", NULL);
    machine_kill(&machine);
    machine_start(&machine, plain());
    assert_int_equal(fixture_daemon(&machine.fixture).keys, 2);
    machine_pass(&machine, 10000);
    fixture_sweep_all(&machine.fixture);
    assert_int_equal(fixture_daemon(&machine.fixture).keys, 0);
    machine_release(&machine);
}

/* ---- restarts with other limits ---- */

static void a_restart_with_other_limits_is_a_reload(void **state)
{
    (void)state;
    static const struct rule two[] = {
        {"api", "api:*", 20, {1, 1000}},
        {LIMIT_DEFAULT_NAME, NULL, 10, {1, 1000}},
    };
    static const struct rule changed[] = {
        {"api", "api:*", 5, {1, 1000}},
        {LIMIT_DEFAULT_NAME, NULL, 10, {1, 1000}},
    };
    struct machine machine;
    machine_init(&machine, fixture_limits(100, two, 2), FIXTURE_MAX_KEYS);
    assert_true(fixture_allows(&machine.fixture, "api:a", 3));  /* 17 left, more than 5 */
    assert_true(fixture_allows(&machine.fixture, "api:b", 18)); /* 2 left */
    assert_true(fixture_allows(&machine.fixture, "other", 4));  /* 6 left */
    machine_kill(&machine);
    machine_start(&machine, fixture_limits(100, changed, 2));
    assert_int_equal(level(&machine, "api:a"), 50);
    assert_int_equal(level(&machine, "api:b"), 20);
    assert_int_equal(level(&machine, "other"), 60);
    machine_kill(&machine);
    machine_start(&machine, plain()); /* api is gone, its keys are the default's, and new there */
    assert_int_equal(level(&machine, "api:b"), 100);
    assert_int_equal(level(&machine, "other"), 60);
    machine_release(&machine);
}

static struct limits *renamed(const char *name, const char *was, uint64_t burst)
{
    struct limits *limits = limits_new(2, 100);
    assert_non_null(limits);
    add_renamed_limit(limits, name, was, "api:*", burst, one_per_second);
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, 10, one_per_second);
    return limits;
}

static void a_restart_that_renames_a_limit_keeps_its_keys_under_the_new_name(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, renamed("old", NULL, 20), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "api:a", NULL);
    assert_true(fixture_allows(&machine.fixture, "api:b", 3));
    machine_kill(&machine);
    machine_start(&machine, renamed("new", "old", 5));
    assert_int_equal(level(&machine, "api:a"), 0);
    assert_int_equal(level(&machine, "api:b"), 50); /* 17 tokens, as many as the new burst */
    machine_kill(&machine);
    machine_start(&machine, renamed("new", NULL, 5)); /* the line was taken out */
    assert_int_equal(level(&machine, "api:a"), 0);
    assert_int_equal(level(&machine, "api:b"), 50);
    machine_kill(&machine);
    machine_start(&machine, renamed("new", "old", 5)); /* or put back */
    assert_int_equal(level(&machine, "api:a"), 0);
    fixture_sweep_all(&machine.fixture);
    assert_int_equal(brain_keys(machine.fixture.brain), 1); /* b is full */
    machine_release(&machine);
}

/* A limit may come under a name that another has left. Their keys are never mixed up. */
static void a_former_name_can_be_another_limits(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, renamed("old", NULL, 20), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "api:a", "old");
    fixture_reload_limits(&machine.fixture, renamed("new", "old", 20));
    struct limits *both = limits_new(3, 100);
    assert_non_null(both);
    add_plain_limit(both, "new", "api:*", 20, one_per_second);
    add_plain_limit(both, "old", NULL, 30, one_per_second);
    add_plain_limit(both, LIMIT_DEFAULT_NAME, NULL, 10, one_per_second);
    fixture_reload_limits(&machine.fixture, limits_retain(both));
    fixture_drain(&machine.fixture, "api:a", "old"); /* it is full: these are other buckets */
    fixture_ask(&machine.fixture, MESSAGE_REFUND, "api:a", "new", 2);
    assert_int_equal(brain_keys(machine.fixture.brain), 2);
    const struct lines *lines = &machine.fixture.brain->buckets.lines;
    assert_true(lines->edition[lines->of_limit[0]].salt != lines->edition[lines->of_limit[1]].salt);
    machine_kill(&machine);
    machine_start(&machine, both);
    fixture_sweep_all(&machine.fixture);
    assert_int_equal(
        fixture_ask(&machine.fixture, MESSAGE_STATUS, "api:a", "new", 0).remaining_tokens, 2);
    assert_int_equal(
        fixture_ask(&machine.fixture, MESSAGE_STATUS, "api:a", "old", 0).remaining_tokens, 0);
    machine_release(&machine);
}

/* As with a reload, what is left of a long tick is not many short ones. */
static void a_restart_with_another_tick_goes_on_from_the_last_one(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, one_limit(10000, 10, one_per_second), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "key", NULL);
    machine_pass(&machine, 9990);
    machine_kill(&machine);
    machine_start(&machine, one_limit(100, 10, one_per_second));
    assert_int_equal(level(&machine, "key"), 0);
    machine_kill(&machine);
    machine_pass(&machine, 310);
    machine_start(&machine, one_limit(100, 10, one_per_second));
    assert_int_equal(level(&machine, "key"), 4); /* 90 ms were over before */
    machine_release(&machine);
}

static void restarts_with_ever_other_limits_mint_nothing(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, one_limit(100, 100, one_per_second), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "key", NULL);
    for (uint64_t i = 0; i < 3 * LINE_AGE_MAX; i++) {
        machine_kill(&machine);
        machine_start(&machine, one_limit(100, 100 + i % 7, one_per_second));
        assert_int_equal(level(&machine, "key"), 0);
    }
    machine_release(&machine);
}

/* A start that swept the whole table would take seconds where there are millions of keys. */
static void restarts_with_the_same_limits_sweep_nothing(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, one_limit(100, 20, one_per_second), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "key", NULL);
    for (int i = 0; i < 100; i++) {
        machine_kill(&machine);
        machine_start(&machine, plain());
        const struct table *table = &machine.fixture.brain->buckets.table;
        assert_int_equal(table->laps, 0);
        assert_int_equal(table->hand, 0);
    }
    assert_int_equal(level(&machine, "key"), 0);
    machine_release(&machine);
}

/* A limit of one bucket, and something else for some key. */
static struct limits *limit_but(uint64_t burst, const struct override_terms *override)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = one_per_second}},
        .overrides_count = 1,
        .overrides = override,
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    return limits;
}

static struct limits *overridden(int64_t until_s)
{
    const struct override_terms override = {
        .key = "vip",
        .until_s = until_s,
        .buckets_count = 1,
        .buckets = {{.burst = 1000, .rate = {10, 1000}}},
    };
    return limit_but(500, &override);
}

static void an_override_that_ends_meanwhile_does_so_at_its_time(void **state)
{
    (void)state;
    struct machine machine;
    int64_t until_s = FIXTURE_START_DATE_S + 30;
    machine_init(&machine, overridden(until_s), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "vip", NULL);
    machine_kill(&machine);
    machine_pass(&machine, 50000); /* 30 s at 10/s, then 20 s at 1/s */
    machine_start(&machine, overridden(until_s));
    int64_t tenths = level(&machine, "vip");
    assert_in_range(tenths, 3180, 3200); /* a date is whole seconds, a tick 100 ms */
    assert_int_equal(brain_news(machine.fixture.brain).count[NEWS_overrides_ended], 1);
    machine_kill(&machine);
    machine_start(&machine, overridden(until_s));
    assert_int_equal(level(&machine, "vip"), tenths);
    machine_release(&machine);
}

static void an_override_that_has_ended_stays_so(void **state)
{
    (void)state;
    struct machine machine;
    int64_t until_s = FIXTURE_START_DATE_S + 30;
    machine_init(&machine, overridden(until_s), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "vip", NULL);
    machine_pass(&machine, 40000);
    int64_t tenths = level(&machine, "vip");
    machine_kill(&machine);
    machine.wall_ns -= 20 * (uint64_t)NS_PER_S;
    machine_start(&machine, overridden(until_s));
    assert_int_equal(level(&machine, "vip"), tenths);
    machine_release(&machine);
}

/* ---- a file that is gone ---- */

static void what_is_told_first_of_a_lost_state_holds(void **state)
{
    (void)state;
    static const char first[] = "one reason", second[] = "another";
    struct machine machine;
    machine_of(&machine);
    fixture_drain(&machine.fixture, "key", NULL);
    assert_null(fixture_daemon(&machine.fixture).lost_state);
    struct message lost[] = {
        {.kind = MESSAGE_STATE_LOST, .ask.lost_state = first},
        {.kind = MESSAGE_STATE_LOST, .ask.lost_state = second},
    };
    struct message *messages[] = {&lost[0], &lost[1]};
    assert_int_equal(ask_brain(machine.fixture.brain, messages, 2), 2);
    assert_ptr_equal(fixture_daemon(&machine.fixture).lost_state, first);
    assert_int_equal(level(&machine, "key"), 0);
    machine_release(&machine);
}

/* ---- another number of keys ---- */

static void move(struct machine *machine, uint32_t max_keys)
{
    struct store store;
    uint32_t max_leases = brain_leases_room(machine->fixture.brain);
    size_t bytes = store_bytes(max_keys, max_leases, machine->has_shares);
    unsigned char *memory = map(bytes);
    store_begin(&store, memory, max_keys, max_leases, machine->has_shares, machine->store.seed);
    assert_true(brain_move(machine->fixture.brain, &store));
    machine_kill(machine);
    munmap(machine->memory, machine->bytes);
    machine->memory = memory;
    machine->bytes = bytes;
}

static void another_number_of_keys_keeps_all_that_fits(void **state)
{
    (void)state;
    enum { KEYS = 300 };
    struct machine machine;
    machine_init(&machine, one_limit(100, 1000, one_per_second), KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[64];
        snprintf(key, sizeof key, "key %u%*s", i, (int)(i % 40), "");
        assert_true(fixture_allows(&machine.fixture, key, i + 1));
    }
    move(&machine, 5000);
    machine_start(&machine, one_limit(100, 1000, one_per_second));
    assert_int_equal(fixture_daemon(&machine.fixture).keys, KEYS);
    assert_int_equal(fixture_daemon(&machine.fixture).max_keys, 5000);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[64];
        snprintf(key, sizeof key, "key %u%*s", i, (int)(i % 40), "");
        assert_int_equal(level(&machine, key), 10 * (1000 - i - 1));
    }
    move(&machine, 100);
    machine_start(&machine, one_limit(100, 1000, one_per_second));
    assert_int_equal(fixture_daemon(&machine.fixture).keys, 100);
    machine_release(&machine);
}

static void a_move_takes_nobody_along_whose_buckets_are_full(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    assert_true(fixture_allows(&machine.fixture, "key", 4));
    machine_pass(&machine, 500); /* too little for any sweep to come by */
    assert_int_equal(fixture_daemon(&machine.fixture).keys, 1);
    machine.fixture.now_ns += 10000 * NS_PER_MS;
    lines_advance(&machine.fixture.brain->buckets.lines, 100);
    move(&machine, 5000);
    machine_start(&machine, plain());
    assert_int_equal(fixture_daemon(&machine.fixture).keys, 0);
    assert_int_equal(level(&machine, "key"), 100);
    machine_release(&machine);
}

/* ---- what is in hand of a fleet ---- */

enum { HOME = 77, NEXT_HOME = 78 };

/* A process begins: it may believe what is kept in the file of that home. Returns whether it does. */
static bool start_with_shares(struct machine *machine, uint64_t home)
{
    machine_start(machine, plain());
    store_own_shares(&machine->store, home, machine->clock_id, true);
    return store_shares_are_believed(&machine->store);
}

static struct share_records records_of(const struct machine *machine)
{
    return share_records_at(machine->fixture.brain->store->shares);
}

static void begin_session(const struct machine *machine, uint32_t number)
{
    const struct share_record_terms terms = {.session = 100 + number,
                                             .buckets = 1,
                                             .name_len = 6,
                                             .key_len = 3,
                                             .name = "shared",
                                             .key = "key"};
    const struct share_record_totals totals = {10, 3, -1};
    struct share_records records = records_of(machine);
    share_record_begin(&records, number, &terms, 5, 6, 7, &totals);
}

static bool has_session(const struct machine *machine, uint32_t number)
{
    struct share_records records = records_of(machine);
    struct share_record_terms terms;
    struct share_record_totals totals[BUCKETS_MAX];
    uint64_t epoch_ms, lease_ns, seq;
    if (number >= share_records_used(&records) ||
        !share_record_read(&records, number, &terms, &epoch_ms, &lease_ns, &seq, totals))
        return false;
    assert_int_equal(terms.session, 100 + number);
    assert_int_equal(totals[0].granted - totals[0].disposed, 7);
    assert_int_equal(seq, 7);
    return true;
}

/* A machine whose process was killed with a session in hand, in a file of HOME. */
static void machine_with_session(struct machine *machine)
{
    machine_of(machine);
    assert_true(fixture_allows(&machine->fixture, "key", 4));
    machine->has_shares = true;
    move(machine, FIXTURE_MAX_KEYS);
    assert_false(start_with_shares(machine, HOME)); /* it was nobody's */
    assert_int_equal(level(machine, "key"), 60);
    begin_session(machine, 3);
    machine_kill(machine);
}

static void what_is_in_hand_is_there_in_its_own_file_only(void **state)
{
    (void)state;
    struct machine machine;
    machine_with_session(&machine);
    for (int i = 0; i < 2; i++) {
        assert_true(start_with_shares(&machine, HOME));
        assert_true(has_session(&machine, 3));
        machine_kill(&machine);
    }
    assert_false(start_with_shares(&machine, NEXT_HOME));
    assert_false(has_session(&machine, 3));
    machine_kill(&machine);
    assert_false(start_with_shares(&machine, HOME)); /* somebody else has had it */
    assert_false(has_session(&machine, 3));
    begin_session(&machine, 0);
    machine_kill(&machine);
    memcpy(machine.clock_id, "the second boot", sizeof machine.clock_id);
    assert_false(start_with_shares(&machine, HOME));
    assert_false(has_session(&machine, 0));
    machine_release(&machine);
}

/* Another fleet, or the same one in another store, has never granted it. */
static void what_is_in_hand_is_of_one_fleet(void **state)
{
    (void)state;
    struct machine machine;
    machine_with_session(&machine);
    for (uint64_t fleet = 0; fleet < 2; fleet++) {
        machine_start(&machine, plain());
        machine.store.shares_fleet = fleet;
        store_own_shares(&machine.store, HOME, machine.clock_id, true);
        assert_int_equal(store_shares_are_believed(&machine.store), fleet == 0);
        assert_int_equal(has_session(&machine, 3), fleet == 0);
        machine_kill(&machine);
    }
    assert_false(start_with_shares(&machine, HOME));
    machine_release(&machine);
}

/* As the keeper does before it renames a file into place. */
static void put_home(const struct machine *machine, uint64_t home)
{
    struct store store;
    const char *why;
    assert_int_equal(store_find(&store, machine->memory, machine->bytes, &why), STORE_FOUND);
    store_put_shares_home(&store, home, machine->clock_id);
}

static void what_is_in_hand_moves_along(void **state)
{
    (void)state;
    struct machine machine;
    machine_with_session(&machine);
    assert_true(start_with_shares(&machine, HOME));
    move(&machine, 5000);
    assert_false(start_with_shares(&machine, NEXT_HOME)); /* nobody has said yet that it is */
    machine_kill(&machine);
    munmap(machine.memory, machine.bytes);

    machine_with_session(&machine);
    assert_true(start_with_shares(&machine, HOME));
    move(&machine, 5000);
    put_home(&machine, NEXT_HOME);
    assert_true(start_with_shares(&machine, NEXT_HOME));
    assert_true(has_session(&machine, 3));
    assert_int_equal(level(&machine, "key"), 60);
    machine_release(&machine);
}

/* Not believed, it is as if there were none. */
static void what_is_not_believed_does_not_move_along(void **state)
{
    (void)state;
    struct machine machine;
    machine_with_session(&machine);
    machine_start(&machine, plain());
    move(&machine, 5000);
    put_home(&machine, NEXT_HOME);
    assert_true(start_with_shares(&machine, NEXT_HOME));
    assert_false(has_session(&machine, 3));
    machine_release(&machine);
}

static void what_is_in_hand_is_not_kept_while_the_state_is_lost(void **state)
{
    (void)state;
    struct machine machine;
    machine_with_session(&machine);
    assert_true(start_with_shares(&machine, HOME));
    brain_lose_state(machine.fixture.brain, "it is gone");
    begin_session(&machine, 4);
    assert_true(brain_find_state(machine.fixture.brain, state_file_failures()));
    machine_kill(&machine);
    assert_true(start_with_shares(&machine, HOME));
    assert_true(has_session(&machine, 3) && has_session(&machine, 4));
    brain_lose_state(machine.fixture.brain, "it is gone");
    machine_kill(&machine);
    assert_false(start_with_shares(&machine, HOME));
    begin_session(&machine, 1);
    brain_lose_pages(machine.fixture.brain, "they are gone");
    machine_kill(&machine);
    assert_false(start_with_shares(&machine, HOME));
    assert_false(has_session(&machine, 1));
    machine_release(&machine);
}

/* ---- overrides at run time ---- */

/* Limits as they are configured, with these overrides of run time. */
static struct limits *with_runtime(struct limits *configured, const struct override_terms *set,
                                   uint32_t count)
{
    struct limits *limits = limits_retain(configured);
    for (uint32_t i = 0; i < count; i++) {
        struct runtime_lost lost;
        const struct runtime_change change = {.key = set[i].key, .set = &set[i]};
        struct limits *next =
            runtime_merge(configured, limits, &change, FIXTURE_START_DATE_S, &lost);
        assert_non_null(next);
        limits_release(limits);
        limits = next;
    }
    limits_release(configured);
    return limits;
}

/* A start is told the limits of the configuration only. What was set goes on beside them, with the levels
 * of its keys; what has ended meanwhile did so at its time, and is forgotten. */
static void what_was_set_at_run_time_outlives_a_kill(void **state)
{
    (void)state;
    const struct override_terms set[] = {
        {.key = "key",
         .until_s = FIXTURE_START_DATE_S + 100,
         .buckets_count = 1,
         .buckets = {{.burst = 50, .rate = one_per_second}},
         .is_runtime = true,
         .reason = "for a while"},
        {.key = "e*",
         .action = OVERRIDE_ALLOW,
         .until_s = FIXTURE_START_DATE_S + 20,
         .is_runtime = true},
    };
    struct machine machine;
    machine_of(&machine);
    machine.fixture.date_s = FIXTURE_START_DATE_S;
    assert_true(fixture_allows(&machine.fixture, "key", 10));
    fixture_reload_limits(&machine.fixture, with_runtime(plain(), set, LENGTH(set)));
    assert_int_equal(fixture_status(&machine.fixture, "key").allowance->burst, 50);
    machine_kill(&machine);
    machine_pass(&machine, 30000);
    machine_start(&machine, plain());
    const struct limit *limit = &brain_limits(machine.fixture.brain)->limit[0];
    assert_int_equal(limit->overrides_count, 1);
    assert_string_equal(limit->overrides[0].key, "key");
    assert_string_equal(limit->overrides[0].reason, "for a while");
    assert_int_equal(fixture_status(&machine.fixture, "key").allowance->burst, 50);
    assert_int_equal(level(&machine, "key"), 300); /* none were left, and 30 s have passed */
    const struct runtime_lost lost = brain_runtime_lost(machine.fixture.brain);
    assert_int_equal(lost.without_limit + lost.unfit + lost.without_room, 0);
    machine_pass(&machine, 80000);
    assert_int_equal(fixture_status(&machine.fixture, "key").allowance->burst, 10);
    machine_kill(&machine);
    machine_start(&machine, plain());
    assert_int_equal(brain_limits(machine.fixture.brain)->limit[0].overrides_count, 0);
    machine_release(&machine);
}

/* The tick was changed between two starts. */
static void what_does_not_go_with_the_tick_of_a_start_is_told(void **state)
{
    (void)state;
    const struct override_terms set = {
        .key = "key",
        .until_s = OVERRIDE_FOR_EVER,
        .buckets_count = 1,
        .buckets = {{.burst = 1, .rate = {10, 1000}}},
        .is_runtime = true,
    };
    struct machine machine;
    machine_of(&machine);
    machine.fixture.date_s = FIXTURE_START_DATE_S;
    fixture_reload_limits(&machine.fixture, with_runtime(plain(), &set, 1));
    machine_kill(&machine);
    machine_start(&machine, one_limit(1000, 10, one_per_second));
    assert_int_equal(brain_runtime_lost(machine.fixture.brain).unfit, 1);
    assert_int_equal(brain_limits(machine.fixture.brain)->limit[0].overrides_count, 0);
    machine_release(&machine);
}

/* ---- more than there is room for ---- */

/* One limit, with as many overrides as there may be, all of which have ended: they take no
 * lines, but as much of a snapshot as they can. */
static struct limits *with_ended_overrides(uint64_t burst)
{
    static struct override_terms ended[OVERRIDES_MAX];
    static char keys[OVERRIDES_MAX][KEY_MAX + 1];
    for (unsigned i = 0; i < OVERRIDES_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "%0*u", KEY_MAX, i);
        ended[i] =
            (struct override_terms){.key = keys[i], .until_s = 1, .buckets_count = BUCKETS_MAX};
        for (unsigned j = 0; j < BUCKETS_MAX; j++) {
            struct bucket_terms *bucket = &ended[i].buckets[j];
            *bucket = (struct bucket_terms){.burst = 1, .rate = one_per_second};
            snprintf(bucket->name, sizeof bucket->name, "%0*u", BUCKET_NAME_MAX, j);
        }
    }
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = one_per_second}},
        .overrides_count = OVERRIDES_MAX,
        .overrides = ended,
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    return limits;
}

static void more_limits_than_can_be_kept_are_said_to_be_lost(void **state)
{
    (void)state;
    enum { MOST = 6 }; /* editions of so many overrides that a snapshot has */
    struct machine machine;
    const char *why = NULL;
    machine_of(&machine);
    machine.fixture.date_s = FIXTURE_START_DATE_S;
    fixture_drain(&machine.fixture, "key", NULL);
    for (unsigned i = 0; i <= MOST; i++) {
        assert_null(fixture_daemon(&machine.fixture).lost_state);
        fixture_reload_limits(&machine.fixture, with_ended_overrides(20 + i));
    }
    assert_string_equal(fixture_daemon(&machine.fixture).lost_state,
                        "too many limits were replaced in too short a time");
    assert_int_equal(level(&machine, "key"), 0);
    machine_kill(&machine);
    assert_int_equal(store_find(&machine.store, machine.memory, machine.bytes, &why),
                     STORE_REFUSED);
    assert_string_equal(why, "it does not say which limits it is for");
    machine_release(&machine);
}

/* ---- leases ---- */

enum { TTL_MS = 3600000 };

static struct lease_id lease_id(unsigned number)
{
    struct lease_id id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

/* Holds a lease for a key, from now on. */
static void hold(struct machine *machine, unsigned number, const char *key)
{
    struct brain *brain = machine->fixture.brain;
    const struct lease_id id = lease_id(number);
    struct lease_terms terms = {
        .salt = brain->buckets.salt[0],
        .tokens = number,
        .ttl_ms = TTL_MS,
        .key_len = (uint8_t)strlen(key),
    };
    memcpy(terms.id, id.bytes, sizeof terms.id);
    memcpy(terms.key, key, terms.key_len);
    uint64_t hash = table_hash(&brain->buckets.table, key, terms.key_len) ^ terms.salt;
    uint64_t now_ns = brain_lived_ns(brain, machine->fixture.now_ns);
    assert_true(leases_make_ready(&brain->leases));
    leases_hold(&brain->leases, &terms, hash, now_ns + TTL_MS * (uint64_t)NS_PER_MS);
}

static void hold_many(struct machine *machine, unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        hold(machine, i, i % 2 == 0 ? "key" : "another, that is longer than a cell");
}

static uint32_t find_lease(const struct machine *machine, unsigned number)
{
    const struct lease_id id = lease_id(number);
    uint32_t found = leases_find(&machine->fixture.brain->leases, &id);
    assert_int_not_equal(found, LEASE_NONE_NUMBER);
    return found;
}

/* Whether so many are held, from the first on, and each for as long. */
static void assert_held(const struct machine *machine, unsigned count, uint64_t for_ms)
{
    const struct brain *brain = machine->fixture.brain;
    uint64_t now_ns = brain_lived_ns(brain, machine->fixture.now_ns);
    assert_int_equal(brain->leases.held.count, count);
    for (unsigned i = 1; i <= count; i++) {
        uint32_t found = find_lease(machine, i);
        assert_int_equal(brain->leases.lease[found].state, LEASE_HELD);
        assert_int_equal(brain->leases.node[found].tokens, i);
        assert_int_equal(brain->leases.lease[found].due_ns - now_ns, for_ms * NS_PER_MS);
    }
}

static void the_time_of_leases_goes_on_over_a_restart(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    machine_pass(&machine, 12300);
    hold_many(&machine, 7);
    for (uint64_t i = 1; i <= 4; i++) {
        machine_kill(&machine);
        machine_pass(&machine, 1234);
        machine_start(&machine, plain());
        assert_held(&machine, 7, TTL_MS - i * 1234);
    }
    machine_release(&machine);
}

static void another_number_of_leases_keeps_all(void **state)
{
    (void)state;
    static const uint32_t most[] = {MAX_LEASES + 1, 10 * MAX_LEASES, MAX_LEASES};
    struct machine machine;
    machine_of(&machine);
    hold_many(&machine, MAX_LEASES);
    assert_true(brain_leases_are_full(machine.fixture.brain));
    for (size_t i = 0; i < LENGTH(most); i++) {
        machine_kill(&machine);
        machine.max_leases = most[i];
        machine_start(&machine, plain());
        move(&machine, FIXTURE_MAX_KEYS);
        machine_start(&machine, plain());
        assert_int_equal(machine.store.max_leases, most[i]);
        assert_held(&machine, MAX_LEASES, TTL_MS);
        assert_int_equal(brain_leases_are_full(machine.fixture.brain), most[i] == MAX_LEASES);
    }
    machine_release(&machine);
}

/* The room for all stays, and no other is granted before there are fewer than is configured. */
static void fewer_than_are_held_keep_room_for_all(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    hold_many(&machine, 5);
    machine_kill(&machine);
    machine.max_leases = 4;
    machine_start(&machine, plain());
    assert_int_equal(brain_leases_room(machine.fixture.brain), MAX_LEASES);
    move(&machine, 2 * FIXTURE_MAX_KEYS);
    machine_start(&machine, plain());
    assert_held(&machine, 5, TTL_MS);
    struct leases *leases = &machine.fixture.brain->leases;
    assert_true(brain_leases_are_full(machine.fixture.brain));
    leases_let_go(leases, find_lease(&machine, 5), LEASE_RELEASED, &(struct lease_outcome){0});
    assert_true(brain_leases_are_full(machine.fixture.brain));
    leases_let_go(leases, find_lease(&machine, 4), LEASE_RELEASED, &(struct lease_outcome){0});
    assert_false(brain_leases_are_full(machine.fixture.brain));
    assert_int_equal(brain_leases_room(machine.fixture.brain), 4);
    machine_release(&machine);
}

/* As in a file that 0.1.0 left and that cannot become longer; once it can, they outlive it. */
static void without_room_in_the_file_leases_end_with_the_process(void **state)
{
    (void)state;
    struct machine machine;
    const char *why = NULL;
    machine_of(&machine);
    machine_kill(&machine);
    old_store_first_layout(machine.memory);
    machine.bytes = store_bytes(FIXTURE_MAX_KEYS, 0, false);
    for (int i = 0; i < 2; i++) {
        machine_start(&machine, plain());
        assert_held(&machine, 0, 0);
        hold_many(&machine, MAX_LEASES);
        assert_true(brain_leases_are_full(machine.fixture.brain));
        machine_kill(&machine);
    }
    assert_int_equal(store_find(&machine.store, machine.memory, machine.bytes, &why), STORE_FOUND);
    machine.bytes = store_grow(&machine.store, machine.bytes, MAX_LEASES);
    machine_start(&machine, plain());
    hold_many(&machine, 3);
    machine_kill(&machine);
    machine_start(&machine, plain());
    assert_held(&machine, 3, TTL_MS);
    machine_release(&machine);
}

static uint64_t dropped(struct machine *machine)
{
    static struct metrics_answer answer;
    struct message message = {.kind = MESSAGE_METRICS, .answer.metrics = &answer};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(machine->fixture.brain, messages, 1), 1);
    return answer.damage.dropped;
}

static void a_damaged_lease_is_dropped_and_counted(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    hold_many(&machine, 2);
    hold(&machine, 3, "its name");
    assert_int_equal(dropped(&machine), 0);
    machine_kill(&machine);
    unsigned char *name =
        memmem(machine.store.leases, lease_records_bytes(MAX_LEASES), "its name", 8);
    assert_non_null(name);
    name[3] ^= 4;
    machine_start(&machine, plain());
    assert_held(&machine, 2, TTL_MS);
    assert_int_equal(dropped(&machine), 1);
    machine_kill(&machine);
    machine_start(&machine, plain());
    assert_held(&machine, 2, TTL_MS);
    assert_int_equal(dropped(&machine), 0);
    machine_release(&machine);
}

static void leases_of_pages_that_were_lost_are_written_anew(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine);
    hold_many(&machine, MAX_LEASES);
    memset(machine.store.leases, 0, lease_records_bytes(MAX_LEASES));
    brain_lose_pages(machine.fixture.brain, "they are gone");
    machine_kill(&machine);
    machine_start(&machine, plain());
    assert_held(&machine, MAX_LEASES, TTL_MS);
    machine_release(&machine);
}

/* ---- damage ---- */

/* What a small store has touched, put back before each damage. */
struct part {
    size_t at, len;
};

struct image {
    struct machine machine;
    struct part parts[4];
    unsigned char *copies[4];
};

static const char *const image_keys[] = {"a", "b", "a key that is longer than a cell has room for"};
static int64_t image_levels[LENGTH(image_keys)];

static struct limits *image_limits(void)
{
    struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 2,
        .buckets = {{"second", 10, {1, 1000}}, {"minute", 50, {1, 60000}}},
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    return limits;
}

static void image_init(struct image *image)
{
    struct machine *machine = &image->machine;
    machine_init(machine, image_limits(), SMALL);
    machine_pass(machine, 1000);
    for (size_t i = 0; i < LENGTH(image_keys); i++) {
        assert_true(fixture_allows(&machine->fixture, image_keys[i], 10 - i));
        image_levels[i] = level(machine, image_keys[i]);
    }
    machine_kill(machine);
    size_t arena = (size_t)((unsigned char *)machine->store.arena - machine->memory);
    size_t half = (arena - 4096) / 2;
    image->parts[0] = (struct part){0, 2048}; /* the directory too */
    image->parts[1] = (struct part){4096, 512};
    image->parts[2] = (struct part){4096 + half, 512};
    image->parts[3] = (struct part){arena, table_arena_bytes(SMALL)};
    for (size_t i = 0; i < LENGTH(image->parts); i++) {
        image->copies[i] = malloc(image->parts[i].len);
        memcpy(image->copies[i], machine->memory + image->parts[i].at, image->parts[i].len);
    }
}

static void image_put_back(struct image *image)
{
    for (size_t i = 0; i < LENGTH(image->parts); i++)
        memcpy(image->machine.memory + image->parts[i].at, image->copies[i], image->parts[i].len);
}

static void image_release(struct image *image)
{
    for (size_t i = 0; i < LENGTH(image->parts); i++)
        free(image->copies[i]);
    machine_release(&image->machine);
}

/* Whether what is there is refused; else no key may have more than it had. */
static bool is_refused(struct image *image, size_t bytes)
{
    struct machine *machine = &image->machine;
    const char *why = NULL;
    struct limits *limits = image_limits();
    const struct limits_question question = question_of(machine, limits);
    const struct moment moment = moment_of(machine);
    bool is_found = store_find(&machine->store, machine->memory, bytes, &why) == STORE_FOUND &&
                    brain_restore(&machine->fixture.brain, &question, MAX_LEASES, &machine->store,
                                  &moment, &why) == BRAIN_RESTORED;
    limits_release(limits);
    if (!is_found) {
        assert_non_null(why);
        return true;
    }
    for (size_t i = 0; i < LENGTH(image_keys); i++) {
        uint64_t left = fixture_status(&machine->fixture, image_keys[i]).remaining_tokens;
        if (left > (uint64_t)image_levels[i] / 10)
            fail_msg("key %zu has %u tokens of %u tenths", i, (unsigned)left,
                     (unsigned)image_levels[i]);
        fixture_allow(&machine->fixture, image_keys[i], 1);
    }
    fixture_allow(&machine->fixture, "another", 1);
    machine_pass(machine, 1000000);
    fixture_sweep_all(&machine->fixture);
    machine_kill(machine);
    machine->fixture.now_ns = moment.now_ns;
    machine->wall_ns = moment.wall_ns;
    return false;
}

/* Each bit of what was ever written, and some of what was not. */
static size_t next_bit(const struct image *image, size_t part, size_t bit)
{
    size_t used = image->parts[part].len;
    while (used > 0 && image->copies[part][used - 1] == 0)
        used--;
    return bit + (bit < 8 * used ? 1 : 37);
}

static void each_bit_flip_is_refused_or_mended(void **state)
{
    (void)state;
    static struct image image;
    image_init(&image);
    assert_false(is_refused(&image, image.machine.bytes));
    unsigned refused = 0, mended = 0;
    for (size_t i = 0; i < LENGTH(image.parts); i++)
        for (size_t bit = 0; bit < 8 * image.parts[i].len; bit = next_bit(&image, i, bit)) {
            image_put_back(&image);
            image.machine.memory[image.parts[i].at + bit / 8] ^= (unsigned char)(1u << bit % 8);
            if (is_refused(&image, image.machine.bytes))
                refused++;
            else
                mended++;
        }
    print_message("%u flips refused, %u mended or of no effect\n", refused, mended);
    assert_true(refused > 0 && mended > 0);
    image_release(&image);
}

/* What a full disk does: the newest limits are not in the file, and what says that they are is. */
static void of_limits_that_were_lost_those_before_hold(void **state)
{
    (void)state;
    struct machine machine;
    machine_of(&machine); /* 1: in the second half */
    fixture_drain(&machine.fixture, "key", NULL);
    machine_kill(&machine);
    machine_start(&machine, one_limit(100, 20, one_per_second)); /* 2: in the first */
    machine_kill(&machine);
    memset(machine.memory + 4096, 0, 4096);
    machine_pass(&machine, 2000);
    machine_start(&machine, one_limit(100, 20, one_per_second));
    assert_int_equal(level(&machine, "key"), 20);
    machine_kill(&machine);
    machine_start(&machine, one_limit(100, 20, one_per_second));
    assert_int_equal(level(&machine, "key"), 20);
    machine_release(&machine);
}

/* Two buckets for one key. */
static struct limits *two_for_a_vip(void)
{
    const struct override_terms override = {
        .key = "vip",
        .until_s = OVERRIDE_FOR_EVER,
        .buckets_count = 2,
        .buckets = {{"s", 1000, {1, 1000}}, {"m", 5000, {1, 60000}}},
    };
    return limit_but(10, &override);
}

static struct place place_of(struct machine *machine, const char *key)
{
    const struct bucket_question ask = {.key = key, .key_len = strlen(key)};
    return buckets_place(&machine->fixture.brain->buckets, brain_limits(machine->fixture.brain),
                         &ask);
}

/* What somebody could write who has the file: the entry of a key with full buckets of another's. */
static void put_on_the_line_of(struct machine *machine, const char *key, const char *other)
{
    struct buckets *buckets = &machine->fixture.brain->buckets;
    struct place own = place_of(machine, key), place = place_of(machine, other);
    const struct line *line = buckets_line(buckets, &place);
    uint64_t marks[BUCKETS_MAX];
    for (unsigned i = 0; i < line->count; i++)
        marks[i] = credit_seal(credit_full_mark(&line->credit[i]));
    uint32_t slot = table_find(&buckets->table, own.hash, key, strlen(key), own.owner);
    assert_int_not_equal(slot, TABLE_NONE);
    assert_int_not_equal(own.line, place.line);
    assert_true(table_replace(&buckets->table, slot, place.line, marks, line->count));
}

static void an_entry_on_the_line_of_another_key_is_emptied(void **state)
{
    (void)state;
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        struct machine machine;
        machine_init(&machine, two_for_a_vip(), FIXTURE_MAX_KEYS);
        assert_true(fixture_allows(&machine.fixture, "vip", 1));
        assert_true(fixture_allows(&machine.fixture, "other", 1));
        put_on_the_line_of(&machine, "vip", "other");
        put_on_the_line_of(&machine, "other", "vip");
        if (is_restarted) {
            machine_kill(&machine);
            machine_start(&machine, two_for_a_vip());
        }
        assert_false(fixture_allows(&machine.fixture, "vip", 1));
        assert_false(fixture_allows(&machine.fixture, "other", 1));
        assert_int_equal(machine.fixture.brain->buckets.table.damage.emptied, 2);
        machine_pass(&machine, 3000);
        assert_int_equal(fixture_status(&machine.fixture, "vip").buckets[0].remaining_tokens, 3);
        assert_int_equal(fixture_status(&machine.fixture, "vip").buckets[1].remaining_tokens, 0);
        assert_int_equal(fixture_status(&machine.fixture, "other").remaining_tokens, 3);
        assert_int_equal(machine.fixture.brain->buckets.table.damage.emptied, 2);
        machine_release(&machine);
    }
}

static void each_truncation_is_refused(void **state)
{
    (void)state;
    static struct image image;
    image_init(&image);
    for (size_t bytes = 0; bytes < 20000; bytes++)
        assert_true(is_refused(&image, bytes));
    for (size_t bytes = 20000; bytes < image.machine.bytes; bytes += 4001)
        assert_true(is_refused(&image, bytes));
    assert_true(is_refused(&image, image.machine.bytes - 1));
    assert_true(is_refused(&image, image.machine.bytes + 4096));
    image_release(&image);
}

/* Whole in every other way: what an older or a later version of allowd, or another machine,
 * wrote. */
static void other_layouts_are_refused(void **state)
{
    (void)state;
    enum { LAYOUT_AT = 8, CHECKED_BYTES = 40 }; /* store.c; the checksum comes after */
    struct store store;
    const char *why = NULL;
    struct machine machine;
    machine_of(&machine);
    machine_kill(&machine);
    uint32_t own, layout;
    uint64_t checksum = bytes_checksum(machine.memory, CHECKED_BYTES);
    assert_memory_equal(&checksum, machine.memory + CHECKED_BYTES, sizeof checksum);
    memcpy(&own, machine.memory + LAYOUT_AT, sizeof own);
    for (unsigned bit = 0; bit < 8 * sizeof layout; bit++) {
        layout = own ^ 1u << bit;
        memcpy(machine.memory + LAYOUT_AT, &layout, sizeof layout);
        checksum = bytes_checksum(machine.memory, CHECKED_BYTES);
        memcpy(machine.memory + CHECKED_BYTES, &checksum, sizeof checksum);
        assert_int_equal(store_find(&store, machine.memory, machine.bytes, &why), STORE_REFUSED);
        assert_non_null(strstr(why, "another layout"));
    }
    machine_release(&machine);
}

static void what_nobody_began_is_blank(void **state)
{
    (void)state;
    struct store store;
    const char *why = NULL;
    size_t bytes = store_bytes(SMALL, MAX_LEASES, false);
    unsigned char *memory = map(bytes);
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_BLANK);
    assert_false(store_has_begun(memory, bytes));
    store_begin(&store, memory, SMALL, MAX_LEASES, false, seed);
    assert_true(store_has_begun(memory, bytes));
    assert_false(store_has_begun(memory, 7));
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_BEGUN);
    memset(memory + 256, 0, 4096 - 256); /* before it has a directory */
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_BEGUN);
    munmap(memory, bytes);
}

/* ---- those who wait ---- */

static struct limits *patient(void)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = one_per_second, .debt_max = 10}},
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    limits->waiting = (struct waiting_terms){.max_waiting = 10, .per_key = 10};
    return limits;
}

static struct message ask_and_wait(uint64_t tokens)
{
    struct message message = {
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = "foo", .key_len = 3, .tokens = tokens, .wait_ms = 60000},
    };
    return message;
}

/* It waits from now on. */
static void post(struct machine *machine, struct message *message)
{
    assert_int_equal(ask_brain(machine->fixture.brain, &message, 1), 0);
}

/* Of what was charged behind somebody nothing is forgotten, nor of what is in the bucket. */
static void a_kill_takes_back_promises_and_no_charge(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, patient(), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "foo", NULL);
    machine_pass(&machine, 3000);
    struct message waits = ask_and_wait(5);
    post(&machine, &waits);
    assert_int_equal(fixture_ask(&machine.fixture, MESSAGE_CHARGE, "foo", NULL, 4).charged_tokens,
                     4);
    assert_int_equal(level(&machine, "foo"), 10 * (3 - 5 - 4));
    machine_kill(&machine);
    machine_start(&machine, patient());
    assert_int_equal(level(&machine, "foo"), 10 * (3 - 4));
    machine_release(&machine);
}

/* An empty table takes the place of what is lost, so that its buckets are full. But what was charged
 * behind somebody is remembered here too. */
static void who_waits_is_let_go_by_buckets_that_were_lost(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, patient(), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "foo", NULL);
    struct message waits = ask_and_wait(5);
    post(&machine, &waits);
    assert_int_equal(fixture_ask(&machine.fixture, MESSAGE_CHARGE, "foo", NULL, 4).charged_tokens,
                     4);
    memset(machine.store.arena, 0,
           machine.bytes - (size_t)((unsigned char *)machine.store.arena - machine.memory));
    brain_lose_pages(machine.fixture.brain, "they are gone");
    machine_pass(&machine, 5000);
    assert_ptr_equal(brain_released(machine.fixture.brain), &waits.letter);
    assert_int_equal(waits.answer.bucket.result, BUCKET_ALLOWED);
    assert_int_equal(level(&machine, "foo"), 10 * (10 - 5 - 4));
    message_hold(&waits, NULL);
    machine_release(&machine);
}

/* The mark is that of an empty bucket then, so the promise cannot be kept at its tick. */
static void who_waits_for_a_bucket_that_was_emptied_is_asked_for_anew(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, patient(), FIXTURE_MAX_KEYS);
    fixture_drain(&machine.fixture, "foo", NULL);
    machine_pass(&machine, 4000);
    struct message waits = ask_and_wait(5);
    post(&machine, &waits);
    const struct bucket_question ask = {.key = "foo", .key_len = 3};
    struct buckets *buckets = &machine.fixture.brain->buckets;
    struct place place = buckets_place(buckets, brain_limits(machine.fixture.brain), &ask);
    const uint64_t empty[BUCKETS_MAX] = {buckets_line(buckets, &place)->credit[0].credit_units};
    buckets_store(buckets, &place, &ask, buckets_find(buckets, &place, &ask), empty);
    machine_pass(&machine, 1000);
    assert_null(brain_released(machine.fixture.brain));
    machine_pass(&machine, 4000);
    assert_ptr_equal(brain_released(machine.fixture.brain), &waits.letter);
    assert_int_equal(waits.answer.bucket.result, BUCKET_ALLOWED);
    assert_int_equal(waits.answer.bucket.waited_ms, 5000);
    message_hold(&waits, NULL);
    machine_release(&machine);
}

/* It lacks less than the others, which would make it the first to be given away. */
static void a_table_with_less_room_keeps_who_is_waited_for(void **state)
{
    (void)state;
    struct machine machine;
    machine_init(&machine, patient(), 3);
    fixture_drain(&machine.fixture, "foo", NULL);
    machine_pass(&machine, 9900);
    fixture_drain(&machine.fixture, "bar", NULL);
    fixture_drain(&machine.fixture, "baz", NULL);
    struct message waits = ask_and_wait(10);
    post(&machine, &waits);
    unsigned char *arena = map(table_arena_bytes(1));
    buckets_move(&machine.fixture.brain->buckets, arena, 1);
    assert_int_equal(level(&machine, "foo"), -1);
    assert_int_equal(level(&machine, "bar"), 100);
    machine_pass(&machine, 100);
    assert_ptr_equal(brain_released(machine.fixture.brain), &waits.letter);
    assert_int_equal(level(&machine, "foo"), 0);
    message_hold(&waits, NULL);
    machine_release(&machine);
    munmap(arena, table_arena_bytes(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_goes_on_as_if_there_had_been_none),
        cmocka_unit_test(the_wall_clock_is_nothing_to_a_restart),
        cmocka_unit_test(the_wall_clock_is_nothing_to_a_running_process),
        cmocka_unit_test(after_a_reboot_the_wall_clock_tells),
        cmocka_unit_test(a_clock_set_back_over_a_reboot_gives_nothing),
        cmocka_unit_test(a_clock_far_ahead_gives_full_buckets_and_no_more),
        cmocka_unit_test(a_boot_that_is_not_known_is_another_one),
        cmocka_unit_test(the_time_lived_goes_on_over_restarts),
        cmocka_unit_test(after_a_reboot_the_time_lived_goes_on_by_whole_ticks),
        cmocka_unit_test(however_far_ahead_the_clocks_are_the_time_lived_is_a_time),
        cmocka_unit_test(what_another_clock_counts_more_is_not_credited),
        cmocka_unit_test(a_time_that_has_no_moment_is_left_to_the_wall_clock),
        cmocka_unit_test(a_time_that_is_older_than_the_marks_mints_nothing),
        cmocka_unit_test(keys_that_were_full_are_forgotten_and_others_counted),
        cmocka_unit_test(a_restart_with_other_limits_is_a_reload),
        cmocka_unit_test(a_restart_that_renames_a_limit_keeps_its_keys_under_the_new_name),
        cmocka_unit_test(a_former_name_can_be_another_limits),
        cmocka_unit_test(a_restart_with_another_tick_goes_on_from_the_last_one),
        cmocka_unit_test(restarts_with_ever_other_limits_mint_nothing),
        cmocka_unit_test(restarts_with_the_same_limits_sweep_nothing),
        cmocka_unit_test(an_override_that_ends_meanwhile_does_so_at_its_time),
        cmocka_unit_test(an_override_that_has_ended_stays_so),
        cmocka_unit_test(what_is_told_first_of_a_lost_state_holds),
        cmocka_unit_test(another_number_of_keys_keeps_all_that_fits),
        cmocka_unit_test(a_move_takes_nobody_along_whose_buckets_are_full),
        cmocka_unit_test(what_is_in_hand_is_there_in_its_own_file_only),
        cmocka_unit_test(what_is_in_hand_is_of_one_fleet),
        cmocka_unit_test(what_is_in_hand_moves_along),
        cmocka_unit_test(what_is_not_believed_does_not_move_along),
        cmocka_unit_test(what_is_in_hand_is_not_kept_while_the_state_is_lost),
        cmocka_unit_test(what_was_set_at_run_time_outlives_a_kill),
        cmocka_unit_test(what_does_not_go_with_the_tick_of_a_start_is_told),
        cmocka_unit_test(more_limits_than_can_be_kept_are_said_to_be_lost),
        cmocka_unit_test(the_time_of_leases_goes_on_over_a_restart),
        cmocka_unit_test(another_number_of_leases_keeps_all),
        cmocka_unit_test(fewer_than_are_held_keep_room_for_all),
        cmocka_unit_test(without_room_in_the_file_leases_end_with_the_process),
        cmocka_unit_test(a_damaged_lease_is_dropped_and_counted),
        cmocka_unit_test(leases_of_pages_that_were_lost_are_written_anew),
        cmocka_unit_test(each_bit_flip_is_refused_or_mended),
        cmocka_unit_test(of_limits_that_were_lost_those_before_hold),
        cmocka_unit_test(an_entry_on_the_line_of_another_key_is_emptied),
        cmocka_unit_test(each_truncation_is_refused),
        cmocka_unit_test(other_layouts_are_refused),
        cmocka_unit_test(what_nobody_began_is_blank),
        cmocka_unit_test(a_kill_takes_back_promises_and_no_charge),
        cmocka_unit_test(who_waits_is_let_go_by_buckets_that_were_lost),
        cmocka_unit_test(who_waits_for_a_bucket_that_was_emptied_is_asked_for_anew),
        cmocka_unit_test(a_table_with_less_room_keeps_who_is_waited_for),
    };
    return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
