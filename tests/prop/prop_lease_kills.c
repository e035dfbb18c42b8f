/*
 * The brain with leases, killed between any two stores: no slot and no token is there twice.
 *
 * A world has a limit with tokens and slots. Its leases are acquired, renewed, released with more or
 * less than they took, and end. After each store another brain goes on from what a kill would leave:
 * the lease that was asked about is as before or as after, all others are as they were, the slots of a
 * key are those of its leases, and no key has more tokens than it had, those of its leases reckoned in.
 * Between questions the process is killed for good, and the next one finds all as it was.
 *
 * ALLOWD_KILLS is how many copies a run goes on from, ALLOWD_SEED which.
 */
#include "brain/core.h"
#include "keep/directory.h"
#include "prop/told_stores.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    KEYS = 3,
    IDS = 16,
    TABLE_KEYS = 20,
    MAX_LEASES = 10,
    SLOTS = 3,
    BURST = 20,
    TICK_MS = 100,
    LEFT_MAX = 128,       /* kills in one question */
    SNAPSHOT_USED = 8192, /* bytes of each that are copied */
    QUESTIONS = 300,      /* in a world */
};

static const char *const keys[KEYS] = {"a", "another, that is longer than a cell", "c"};
static const uint8_t seed[TABLE_SEED_BYTES] = "any will do";

/* What can be seen of a world. */
struct seen {
    int64_t units[KEYS]; /* of the bucket of tokens */
    uint64_t free_slots[KEYS], held_slots[KEYS], held_tokens[KEYS];
    enum lease_state state[IDS];
};

/* What is under way. */
enum doing { DOING_NOTHING, DOING_ACQUIRE, DOING_RENEW, DOING_RELEASE, DOING_PASS };

static struct {
    struct dice dice;
    struct fixture fixture;
    struct store store;
    struct moment moment;
    unsigned char *memory, *copy;
    bool returns_on_expiry;
    struct lease_id id[IDS];
    unsigned key_of[IDS];
    uint64_t ids; /* made so far */
    enum doing doing;
    struct seen left[LEFT_MAX];
    unsigned left_count;
    uint64_t token_units;
    uint64_t kills, restarts, granted, expired;
} run;

static size_t file_bytes(void)
{
    return store_bytes(TABLE_KEYS, MAX_LEASES, false);
}

static struct limits_question question(void)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .returns_on_expiry = run.returns_on_expiry,
        .buckets_count = 2,
        .buckets = {{.name = "tokens", .burst = BURST, .rate = {1, 500}, .debt_max = BURST},
                    {.name = "slots", .burst = SLOTS, .holds_slots = true}},
    };
    struct limits *limits = limits_new(1, TICK_MS);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    return (struct limits_question){.limits = limits, .when_full = WHEN_FULL_DENY};
}

/* ---- looking ---- */

static struct lease_answer ask_lease(struct brain *brain, enum message_kind kind,
                                     const struct lease_question *ask)
{
    struct message message = {.kind = kind, .ask.lease = *ask};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(brain, messages, 1), 1);
    limits_release(message.limits);
    return message.answer.lease;
}

static struct seen look(struct brain *brain)
{
    struct fixture fixture = {.brain = brain};
    struct seen seen = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        struct bucket_answer answer = fixture_status(&fixture, keys[i]);
        seen.free_slots[i] = answer.buckets[1].remaining_tokens;
        seen.units[i] = brain_level_units(brain, keys[i], NULL, 0, &run.token_units);
    }
    for (unsigned i = 0; i < IDS; i++) {
        const struct lease_question ask = {.id = run.id[i]};
        struct lease_answer answer = ask_lease(brain, MESSAGE_LEASE, &ask);
        seen.state[i] = answer.state;
        if (answer.state != LEASE_HELD)
            continue;
        seen.held_slots[run.key_of[i]] += answer.slots;
        seen.held_tokens[run.key_of[i]] += answer.tokens;
    }
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(seen.free_slots[i] + seen.held_slots[i], SLOTS);
    return seen;
}

/* ---- processes ---- */

static struct brain *start(struct store *store, unsigned char *memory)
{
    const char *why = "";
    struct brain *brain = NULL;
    struct limits_question limits = question();
    assert_int_equal(store_find(store, memory, file_bytes(), &why), STORE_FOUND);
    assert_int_equal(brain_restore(&brain, &limits, MAX_LEASES, store, &run.moment, &why),
                     BRAIN_RESTORED);
    limits_release(limits.limits);
    assert_int_equal(brain->damaged_leases, 0);
    return brain;
}

static void copy_part(size_t at, size_t len)
{
    memcpy(run.copy + at, run.memory + at, len);
}

/* Gives all back, as a test of what the next process can do with what it found. */
static void release_all(struct brain *brain)
{
    struct fixture fixture = {.brain = brain};
    for (unsigned i = 0; i < IDS; i++) {
        const struct lease_question ask = {.id = run.id[i], .has_used = true};
        ask_lease(brain, MESSAGE_RELEASE, &ask);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct bucket_answer answer = fixture_status(&fixture, keys[i]);
        assert_int_equal(answer.buckets[1].remaining_tokens, SLOTS);
        assert_in_range(answer.buckets[0].remaining_tokens, 0, BURST);
    }
}

static void on_store(void)
{
    if (run.doing == DOING_NOTHING || run.left_count == LEFT_MAX)
        return;
    enum doing doing = run.doing;
    struct store store;
    run.doing = DOING_NOTHING;
    run.kills++;
    size_t arena = (size_t)((unsigned char *)run.store.arena - run.memory);
    size_t half = (arena - DIRECTORY_PAGE_BYTES) / 2;
    copy_part(0, DIRECTORY_PAGE_BYTES + SNAPSHOT_USED);
    copy_part(DIRECTORY_PAGE_BYTES + half, SNAPSHOT_USED);
    copy_part(arena, file_bytes() - arena);
    struct brain *brain = start(&store, run.copy);
    run.left[run.left_count++] = look(brain);
    if (dice_once_in(&run.dice, 4))
        release_all(brain);
    brain_free(brain);
    run.doing = doing;
}

static void world_init(uint64_t number)
{
    run.dice = dice_new(number);
    run.returns_on_expiry = dice_once_in(&run.dice, 2);
    run.moment = (struct moment){FIXTURE_START_NS, (uint64_t)FIXTURE_START_DATE_S * NS_PER_S, "1"};
    memset(run.id, 0, sizeof run.id);
    store_begin(&run.store, run.memory, TABLE_KEYS, MAX_LEASES, false, seed);
    struct limits_question limits = question();
    run.fixture = (struct fixture){.brain = brain_new_stored(&limits, &run.store, &run.moment),
                                   .now_ns = run.moment.now_ns};
    assert_non_null(run.fixture.brain);
    limits_release(limits.limits);
}

/* ---- a life with kills ---- */

static void expect(bool is_so, const char *what)
{
    if (!is_so)
        fail_msg("ALLOWD_SEED=%" PRIu64 " after %" PRIu64 " kills: %s", dice_seed(), run.kills,
                 what);
}

/* What a kill left of a question about lease `id` of a key. */
static void check_left(enum doing doing, const struct seen *before, const struct seen *left,
                       const struct seen *after, unsigned id)
{
    for (unsigned i = 0; i < IDS; i++)
        expect(left->state[i] == before->state[i] ||
                   (i == id && left->state[i] == after->state[i]) ||
                   (before->state[i] != LEASE_HELD && left->state[i] == LEASE_NONE),
               "a lease is neither as it was nor as it will be");
    for (unsigned i = 0; i < KEYS; i++) {
        int64_t least = before->units[i] < after->units[i] ? before->units[i] : after->units[i];
        int64_t most = before->units[i] < after->units[i] ? after->units[i] : before->units[i];
        expect(left->units[i] >= least && left->units[i] <= most,
               "a bucket is neither as it was nor as it will be");
        int64_t units = (int64_t)run.token_units;
        expect(left->units[i] + units * (int64_t)left->held_tokens[i] <=
                   before->units[i] + units * (int64_t)before->held_tokens[i],
               "tokens were made of nothing");
    }
    unsigned key = run.key_of[id];
    if (doing == DOING_ACQUIRE && left->state[id] == LEASE_HELD)
        expect(left->units[key] == after->units[key], "a lease has tokens that were not taken");
    if (doing == DOING_RELEASE && left->state[id] == LEASE_HELD)
        expect(left->units[key] <= before->units[key],
               "tokens of a lease came back before it ended");
}

static void ask_killed(enum doing doing, struct message *message, unsigned id)
{
    struct message *messages[] = {message};
    struct seen before = look(run.fixture.brain);
    run.left_count = 0;
    run.doing = doing;
    assert_int_equal(ask_brain(run.fixture.brain, messages, 1), 1);
    run.doing = DOING_NOTHING;
    limits_release(message->limits);
    struct seen after = look(run.fixture.brain);
    for (unsigned i = 0; i < run.left_count; i++)
        check_left(doing, &before, &run.left[i], &after, id);
}

/* In the place of one that is over, if there is any. */
static void acquire(void)
{
    unsigned id = (unsigned)dice_roll(&run.dice, IDS);
    const struct lease_question old = {.id = run.id[id]};
    if (ask_lease(run.fixture.brain, MESSAGE_LEASE, &old).state == LEASE_HELD)
        return;
    run.ids++;
    memcpy(run.id[id].bytes, &run.ids, sizeof run.ids);
    run.key_of[id] = (unsigned)dice_roll(&run.dice, KEYS);
    const char *key = keys[run.key_of[id]];
    struct message message = {
        .kind = MESSAGE_ACQUIRE,
        .ask.acquire =
            {
                .bucket = {.key = key, .key_len = strlen(key), .tokens = dice_roll(&run.dice, 8)},
                .id = run.id[id],
                .slots = (uint32_t)dice_between(&run.dice, 1, 2),
                .ttl_ms = (uint32_t)dice_between(&run.dice, LEASE_TTL_MIN_MS, 20 * TICK_MS),
            },
    };
    ask_killed(DOING_ACQUIRE, &message, id);
    run.granted += message.answer.bucket.result == BUCKET_ALLOWED;
}

static void renew(void)
{
    unsigned id = (unsigned)dice_roll(&run.dice, IDS);
    struct message message = {
        .kind = MESSAGE_RENEW,
        .ask.lease = {.id = run.id[id],
                      .ttl_ms = (uint32_t)dice_between(&run.dice, LEASE_TTL_MIN_MS, 3000)},
    };
    ask_killed(DOING_RENEW, &message, id);
}

static void release(void)
{
    unsigned id = (unsigned)dice_roll(&run.dice, IDS);
    struct message message = {
        .kind = MESSAGE_RELEASE,
        .ask.lease = {.id = run.id[id],
                      .has_used = !dice_once_in(&run.dice, 4),
                      .used_tokens = dice_roll(&run.dice, 12)},
    };
    ask_killed(DOING_RELEASE, &message, id);
}

/* Of what ends then, tokens may be lost by a kill while they come back, and slots never are. */
static void pass(void)
{
    uint64_t ns = dice_roll(&run.dice, 12) * TICK_MS * NS_PER_MS / 2;
    run.fixture.now_ns += ns;
    run.moment.now_ns += ns;
    run.moment.wall_ns += ns;
    run.left_count = 0;
    run.doing = DOING_PASS;
    brain_tell_wall(run.fixture.brain, run.moment.now_ns, run.moment.wall_ns);
    brain_tick(run.fixture.brain, run.fixture.now_ns);
    run.doing = DOING_NOTHING;
    struct seen after = look(run.fixture.brain);
    for (unsigned i = 0; i < run.left_count; i++) {
        const struct seen *left = &run.left[i];
        for (unsigned j = 0; j < KEYS; j++) {
            expect(left->free_slots[j] == after.free_slots[j], "slots differ when time has passed");
            expect(left->units[j] <= after.units[j], "time made more tokens than it should");
        }
        for (unsigned j = 0; j < IDS; j++)
            expect(left->state[j] == after.state[j] ||
                       (after.state[j] != LEASE_HELD && left->state[j] == LEASE_NONE),
                   "a lease differs when time has passed");
    }
    for (unsigned i = 0; i < IDS; i++)
        run.expired += after.state[i] == LEASE_EXPIRED;
}

static void restart(void)
{
    struct seen before = look(run.fixture.brain);
    brain_free(run.fixture.brain);
    run.fixture.brain = start(&run.store, run.memory);
    struct seen after = look(run.fixture.brain);
    assert_memory_equal(&before, &after, sizeof before);
    run.restarts++;
}

static void live_and_die(void)
{
    for (unsigned i = 0; i < QUESTIONS; i++) {
        uint64_t which = dice_roll(&run.dice, 20);
        if (which < 8)
            acquire();
        else if (which < 12)
            release();
        else if (which < 14)
            renew();
        else if (which < 19)
            pass();
        else
            restart();
    }
}

static unsigned char *map_file(void)
{
    void *memory = mmap(NULL, file_bytes(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static void kills_lose_no_slot_and_mint_no_token(void **state)
{
    (void)state;
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 10000);
    told_store = on_store;
    for (uint64_t number = 0; run.kills < kills; number++) {
        run.memory = map_file();
        run.copy = map_file();
        world_init(number);
        live_and_die();
        brain_free(run.fixture.brain);
        munmap(run.memory, file_bytes());
        munmap(run.copy, file_bytes());
    }
    told_store = NULL;
    printf("%" PRIu64 " kills between two stores, %" PRIu64 " restarts, %" PRIu64 " leases\n",
           run.kills, run.restarts, run.granted);
    assert_true(run.restarts > 0 && run.granted > 0 && run.expired > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kills_lose_no_slot_and_mint_no_token),
    };
    return cmocka_run_group_tests_name("lease kills", tests, NULL, NULL);
}
