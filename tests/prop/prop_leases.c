/*
 * Leases, killed at each store: a lease is there whole or not at all, and nothing is minted.
 *
 * A book of leases lives a random life: they are held, renewed, released, expire and are forgotten.
 * After each store the next process reads what a kill would leave: the lease that was being changed is
 * as before or as after, and all others are as they were. Then a whole brain in a store does, with
 * slots and tokens.
 *
 * ALLOWD_KILLS is how many times, ALLOWD_SEED which.
 */
#include "brain/core.h"
#include "prop/told_stores.h"
#include "support/ask_brain.h"
#include "support/dice.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_LEASES = 12, IDS = 40 };

/* What can be seen of a lease; all zeros: it is not there. */
struct seen {
    enum lease_state state;
    uint64_t due_ns, tokens;
    uint32_t slots, ttl_ms;
    char key[KEY_MAX + 1];
    struct lease_outcome outcome;
};

static struct {
    struct dice dice;
    struct leases leases;
    struct table table;
    unsigned char *memory, *copy;
    struct seen before[IDS];
    unsigned number;      /* of the lease that is being changed; IDS: none is */
    struct seen left[64]; /* what is left of it by a kill at each store */
    unsigned left_count;
    bool is_under_way;
    uint64_t kills, changed;
} run;

static struct lease_id id_of(unsigned number)
{
    struct lease_id id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static struct seen see(const struct leases *leases, unsigned number)
{
    struct lease_id id = id_of(number);
    struct seen seen;
    memset(&seen, 0, sizeof seen);
    uint32_t found = leases_find(leases, &id);
    if (found == LEASE_NONE_NUMBER)
        return seen;
    const struct lease *lease = &leases->lease[found];
    seen.state = lease->state;
    seen.due_ns = lease->due_ns;
    seen.tokens = leases->node[found].tokens;
    seen.slots = leases->node[found].slots;
    seen.ttl_ms = lease->ttl_ms;
    strcpy(seen.key, lease->key->key);
    if (lease->state == LEASE_RELEASED || lease->state == LEASE_LOST_LIMIT)
        seen.outcome = lease->outcome;
    return seen;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->state == b->state && a->due_ns == b->due_ns && a->tokens == b->tokens &&
           a->slots == b->slots && a->ttl_ms == b->ttl_ms && strcmp(a->key, b->key) == 0 &&
           memcmp(&a->outcome, &b->outcome, sizeof a->outcome) == 0;
}

static void adopt(struct leases *leases, unsigned char *memory)
{
    uint32_t damaged;
    assert_true(leases_adopt(leases, memory, MAX_LEASES, &run.table, run.leases.now_ns, &damaged));
    assert_int_equal(damaged, 0);
}

static const struct seen nothing;

/* Killed here: all leases are as they were, but for the one that is being changed; and for one that is
 * remembered no longer, to make room. */
static void on_store(void)
{
    struct leases next;
    if (!run.is_under_way)
        return;
    run.is_under_way = false;
    run.kills++;
    memcpy(run.copy, run.memory, lease_records_bytes(MAX_LEASES));
    adopt(&next, run.copy);
    for (unsigned i = 0; i < IDS; i++) {
        struct seen now = see(&next, i);
        bool may_go = run.before[i].state != LEASE_HELD;
        if (i != run.number)
            assert_true(is_same(&now, &run.before[i]) || (may_go && is_same(&now, &nothing)));
    }
    assert_true(run.left_count < LENGTH(run.left));
    if (run.number < IDS)
        run.left[run.left_count++] = see(&next, run.number);
    leases_release(&next);
    run.is_under_way = true;
}

static void begin(unsigned number)
{
    for (unsigned i = 0; i < IDS; i++)
        run.before[i] = see(&run.leases, i);
    run.number = number;
    run.left_count = 0;
    run.is_under_way = true;
}

/* What the kills have left of it: what was before, up to one store, and then what is after. */
static void end(void)
{
    run.is_under_way = false;
    struct seen after = see(&run.leases, run.number);
    bool is_after = false;
    for (unsigned i = 0; i < run.left_count; i++) {
        is_after = is_after || is_same(&run.left[i], &after);
        assert_true(is_same(&run.left[i], is_after ? &after : &run.before[run.number]));
    }
    assert_true(is_after || run.left_count == 0);
    run.changed += !is_same(&run.before[run.number], &after);
}

static void take(unsigned number)
{
    struct lease_terms terms = {
        .salt = 77,
        .tokens = dice_roll(&run.dice, 100),
        .slots = (uint32_t)dice_roll(&run.dice, 4),
        .ttl_ms = (uint32_t)dice_between(&run.dice, 100, 3000),
    };
    memcpy(terms.id, id_of(number).bytes, sizeof terms.id);
    terms.key_len = (uint8_t)dice_between(&run.dice, 1, dice_once_in(&run.dice, 2) ? 5 : KEY_MAX);
    memset(terms.key, 'a' + (int)dice_roll(&run.dice, 5), terms.key_len);
    uint64_t hash = table_hash(&run.table, terms.key, terms.key_len) ^ terms.salt;
    assert_true(leases_make_ready(&run.leases));
    leases_hold(&run.leases, &terms, hash, run.leases.now_ns + terms.ttl_ms * (uint64_t)NS_PER_MS);
}

static void let_go(uint32_t found)
{
    struct lease_outcome outcome = {
        .returned_tokens = dice_roll(&run.dice, 100),
        .charged_tokens = dice_roll(&run.dice, 100),
        .forgiven_tokens = dice_roll(&run.dice, 100),
        .owed_tokens = dice_roll(&run.dice, 100),
    };
    leases_let_go(&run.leases, found,
                  dice_once_in(&run.dice, 2) ? LEASE_RELEASED : LEASE_LOST_LIMIT, &outcome);
}

static void change_one(void)
{
    unsigned number = (unsigned)dice_roll(&run.dice, IDS);
    struct lease_id id = id_of(number);
    uint32_t found = leases_find(&run.leases, &id);
    begin(number);
    if (found == LEASE_NONE_NUMBER && !leases_are_full(&run.leases))
        take(number);
    else if (found != LEASE_NONE_NUMBER && run.leases.lease[found].state == LEASE_HELD &&
             !leases_has_ended(&run.leases, found)) {
        if (dice_once_in(&run.dice, 2))
            let_go(found);
        else
            leases_renew(&run.leases, found,
                         run.leases.now_ns + dice_between(&run.dice, 1, 3000) * NS_PER_MS);
    }
    end();
}

static unsigned number_of(uint32_t found)
{
    unsigned number;
    memcpy(&number, run.leases.lease[found].id.bytes, sizeof number);
    return number;
}

static void pass_time(void)
{
    run.leases.now_ns += dice_roll(&run.dice, 300) * NS_PER_MS;
    for (uint32_t found; (found = leases_ended(&run.leases)) != LEASE_NONE_NUMBER;) {
        begin(number_of(found));
        leases_expire(&run.leases, found);
        end();
    }
    begin(IDS);
    while (leases_forget(&run.leases))
        ;
    run.is_under_way = false;
}

static void a_lease_is_there_whole_or_not_at_all(void **state)
{
    (void)state;
    static const uint8_t seed[TABLE_SEED_BYTES] = "any";
    static const uint16_t owners[UINT16_MAX + 1];
    size_t bytes = lease_records_bytes(MAX_LEASES);
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 100000);
    run.dice = dice_new(30);
    run.memory = aligned_alloc(4096, bytes);
    run.copy = aligned_alloc(4096, bytes);
    assert_true(run.memory != NULL && run.copy != NULL);
    memset(run.memory, 0, bytes);
    assert_true(table_init(&run.table, 10, seed, owners));
    assert_true(leases_init(&run.leases, run.memory, MAX_LEASES));
    told_store = on_store;
    while (run.kills < kills) {
        change_one();
        if (dice_once_in(&run.dice, 3))
            pass_time();
        if (dice_once_in(&run.dice, 50)) { /* killed for good: the next process goes on */
            struct leases next;
            adopt(&next, run.memory);
            leases_release(&run.leases);
            run.leases = next;
        }
    }
    told_store = NULL;
    printf("%" PRIu64 " kills, %" PRIu64 " leases changed\n", run.kills, run.changed);
    assert_true(run.changed > kills / 100);
    leases_release(&run.leases);
    table_release(&run.table);
    free(run.memory);
    free(run.copy);
}

/* ---- a brain with leases, killed at each store ---- */

/* What of a brain must not get lost or be minted. */
struct account {
    uint64_t slots; /* that leases have out */
    int64_t level;  /* of the bucket of tokens, in units */
    int64_t worth;  /* that, and what all leases could give back */
    struct seen lease[IDS];
};

enum { KEYS_MAX = 20, SLOTS = 6, BURST = 50, STORE_LEASES = 30, CLOCK_S = 1000000 };

static struct {
    struct brain *brain;
    struct store store;
    unsigned char *memory, *copy;
    uint64_t now_ns;
    struct account before;
    struct account left[512];
    unsigned left_count;
    bool is_under_way;
    uint64_t kills, changed;
} life;

static const char key[] = "foo";

static struct limits *make_limits(void)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .returns_on_expiry = true,
        .buckets_count = 2,
        .buckets = {{.name = "running", .burst = SLOTS, .holds_slots = true},
                    {.name = "second", .burst = BURST, .rate = {20, 1000}, .debt_max = BURST}},
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    return limits;
}

static struct moment moment_now(void)
{
    return (struct moment){.now_ns = life.now_ns,
                           .wall_ns = CLOCK_S * (uint64_t)NS_PER_S + life.now_ns,
                           .clock_id = "one boot"};
}

static struct account account_of(const struct brain *brain)
{
    struct account account;
    memset(&account, 0, sizeof account);
    uint64_t units;
    account.slots = SLOTS - (uint64_t)brain_level_units(brain, key, NULL, 0, &units);
    account.level = account.worth = brain_level_units(brain, key, NULL, 1, &units);
    for (unsigned i = 0; i < IDS; i++) {
        account.lease[i] = see(&brain->leases, i);
        if (account.lease[i].state == LEASE_HELD)
            account.worth += (int64_t)(account.lease[i].tokens * units);
    }
    return account;
}

static struct brain *restore(struct store *store, unsigned char *memory)
{
    const char *why = "";
    struct brain *brain = NULL;
    struct limits *limits = make_limits();
    const struct limits_question question = {.limits = limits, .date_s = CLOCK_S};
    const struct moment moment = moment_now();
    size_t bytes = store_bytes(KEYS_MAX, STORE_LEASES);
    assert_int_equal(store_find(store, memory, bytes, &why), STORE_FOUND);
    assert_int_equal(brain_restore(&brain, &question, STORE_LEASES, store, &moment, &why),
                     BRAIN_RESTORED);
    limits_release(limits);
    assert_int_equal(brain->damaged_leases, 0);
    return brain;
}

/* What is used of the store: the page, the beginnings of both snapshots, the table and the leases. */
static void copy_memory(void)
{
    enum { PAGE_BYTES = 4096, USED_MAX = 64 << 10 };
    size_t arena = (size_t)((unsigned char *)life.store.arena - life.memory);
    size_t leases = (size_t)((unsigned char *)life.store.leases - life.memory);
    const size_t part[][2] = {{0, PAGE_BYTES + USED_MAX},
                              {PAGE_BYTES + (arena - PAGE_BYTES) / 2, USED_MAX},
                              {arena, table_arena_bytes(KEYS_MAX)},
                              {leases, lease_records_bytes(STORE_LEASES)}};
    for (size_t i = 0; i < LENGTH(part); i++)
        memcpy(life.copy + part[i][0], life.memory + part[i][0], part[i][1]);
}

static void on_store_of_brain(void)
{
    struct store copied;
    if (!life.is_under_way)
        return;
    life.is_under_way = false;
    life.kills++;
    copy_memory();
    struct brain *brain = restore(&copied, life.copy);
    assert_true(life.left_count < LENGTH(life.left));
    life.left[life.left_count++] = account_of(brain);
    brain_free(brain);
    life.is_under_way = true;
}

static void begin_change(void)
{
    life.before = account_of(life.brain);
    life.left_count = 0;
    life.is_under_way = true;
}

static bool is_between(uint64_t value, uint64_t a, uint64_t b)
{
    return value >= (a < b ? a : b) && value <= (a < b ? b : a);
}

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Each lease that a kill left is as before or as after, and the slots that are out are those of the leases.
 * Tokens can be lost, but none is minted: what is in the bucket, and could come back to it, is not more
 * than before or after. */
static void end_change(bool expires)
{
    life.is_under_way = false;
    struct account after = account_of(life.brain);
    for (unsigned i = 0; i < life.left_count; i++) {
        const struct account *left = &life.left[i];
        uint64_t slots = 0;
        for (unsigned j = 0; j < IDS; j++) {
            const struct seen *lease = &left->lease[j];
            bool is_known =
                is_same(lease, &life.before.lease[j]) || is_same(lease, &after.lease[j]);
            bool may_go = life.before.lease[j].state != LEASE_HELD; /* if it is over, or for room */
            assert_true(is_known || expires || (may_go && lease->state == LEASE_NONE));
            slots += lease->state == LEASE_HELD ? lease->slots : 0;
        }
        assert_int_equal(left->slots, slots);
        assert_true(is_between(left->slots, life.before.slots, after.slots));
        assert_true(left->level <= max(life.before.level, after.level));
        assert_true(left->worth <= max(life.before.worth, after.worth));
    }
    life.changed += after.slots != life.before.slots;
}

static struct message about(enum message_kind kind, unsigned number)
{
    struct message message = {.kind = kind};
    if (kind == MESSAGE_ACQUIRE) {
        message.ask.acquire = (struct acquire_question){
            .bucket = {.key = key, .key_len = sizeof key - 1, .tokens = dice_roll(&run.dice, 20)},
            .id = id_of(number),
            .slots = (uint32_t)dice_between(&run.dice, 1, 3),
            .ttl_ms = (uint32_t)dice_between(&run.dice, 100, 3000),
        };
        return message;
    }
    message.ask.lease = (struct lease_question){
        .id = id_of(number),
        .ttl_ms = (uint32_t)dice_between(&run.dice, 100, 3000),
        .has_used = dice_once_in(&run.dice, 2),
        .used_tokens = dice_roll(&run.dice, 30),
    };
    return message;
}

static void ask_one(void)
{
    unsigned number = (unsigned)dice_roll(&run.dice, IDS);
    bool is_there = see(&life.brain->leases, number).state != LEASE_NONE;
    struct message message = about(!is_there                    ? MESSAGE_ACQUIRE
                                   : dice_once_in(&run.dice, 2) ? MESSAGE_RELEASE
                                                                : MESSAGE_RENEW,
                                   number);
    struct message *messages[] = {&message};
    begin_change();
    assert_int_equal(ask_brain(life.brain, messages, 1), 1);
    end_change(false);
}

static void let_time_pass(void)
{
    life.now_ns += dice_roll(&run.dice, 900) * NS_PER_MS;
    const struct moment moment = moment_now();
    brain_tell_wall(life.brain, moment.now_ns, moment.wall_ns);
    begin_change();
    brain_tick(life.brain, life.now_ns);
    end_change(true);
}

static void begin_life(void)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "any";
    size_t bytes = store_bytes(KEYS_MAX, STORE_LEASES);
    life.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    life.copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(life.memory != MAP_FAILED && life.copy != MAP_FAILED);
    store_begin(&life.store, life.memory, KEYS_MAX, STORE_LEASES, seed);
    struct limits *limits = make_limits();
    const struct limits_question question = {.limits = limits, .date_s = CLOCK_S};
    const struct moment moment = moment_now();
    life.brain = brain_new_stored(&question, &life.store, &moment);
    assert_non_null(life.brain);
    limits_release(limits);
}

static void a_kill_mints_no_slot_and_no_token(void **state)
{
    (void)state;
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 10000);
    run.dice = dice_new(31);
    life.now_ns = 12345;
    begin_life();
    told_store = on_store_of_brain;
    while (life.kills < kills) {
        ask_one();
        if (dice_once_in(&run.dice, 4))
            let_time_pass();
        if (dice_once_in(&run.dice, 40)) {
            brain_free(life.brain);
            life.now_ns += dice_roll(&run.dice, 2000) * NS_PER_MS;
            life.brain = restore(&life.store, life.memory);
        }
    }
    told_store = NULL;
    printf("%" PRIu64 " kills, %" PRIu64 " changes\n", life.kills, life.changed);
    assert_true(life.changed > kills / 100);
    brain_free(life.brain);
    munmap(life.memory, store_bytes(KEYS_MAX, STORE_LEASES));
    munmap(life.copy, store_bytes(KEYS_MAX, STORE_LEASES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_there_whole_or_not_at_all),
        cmocka_unit_test(a_kill_mints_no_slot_and_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
