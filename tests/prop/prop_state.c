/*
 * The brain with a store, killed between any two stores, restarted and rebooted: it
 * goes on as the model in exact rational numbers says, bit for bit.
 *
 * The worlds are those of prop_decisions. While a message is answered, or time
 * passes, the store is copied after each store into it, and another brain goes on from
 * the copy: each bucket is as it was before or as it will be, and all others are
 * untouched. Between messages the process is killed for good, and the next one lives on.
 * Now and then what it left is a store of the first layout, and the next one is killed while
 * it brings that into the present one, whether its file can grow by room for leases or not.
 *
 * ALLOWD_KILLS is how many copies a run goes on from, ALLOWD_SEED which.
 */
#define main decisions_main
int decisions_main(void);
#include "prop/prop_decisions.c"
#undef main
#include "support/ask_brain.h"

#include "base/bytes.h"
#include "brain/core.h"
#include "keep/directory.h"
#include "prop/told_stores.h"
#include "support/old_store.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    STATE_KEYS_MAX = 40,
    STATE_LEASES_MAX = 5,
    PAGE_BYTES = 4096,
    USED_MAX = 64 << 10, /* bytes of each snapshot that are copied */
};

/* A level of each bucket of each key under each rule, by the model. */
struct levels {
    unsigned rules, buckets[MODEL_NAMES][MODEL_KEYS];
    mpq_t level[MODEL_NAMES][MODEL_KEYS][BUCKETS_MAX];
};

static struct {
    struct world *world;
    unsigned char *memory, *copy; /* two files, and how long they are */
    size_t bytes;
    struct store store, copied;
    struct moment moment;
    struct levels before, after;
    bool is_under_way;
    uint64_t kills, restarts, moves; /* moves: restarts of the first layout */
} run;

static uint8_t run_seed[TABLE_SEED_BYTES] = "any will do";

/* ---- levels ---- */

static void levels_init(struct levels *levels)
{
    for (unsigned i = 0; i < MODEL_NAMES; i++)
        for (unsigned j = 0; j < MODEL_KEYS; j++)
            for (unsigned k = 0; k < BUCKETS_MAX; k++)
                mpq_init(levels->level[i][j][k]);
}

static void levels_take(struct levels *levels, struct model *model)
{
    levels->rules = model->count;
    for (unsigned i = 0; i < model->count; i++)
        for (unsigned j = 0; j < MODEL_KEYS; j++) {
            levels->buckets[i][j] = model_terms(model, &model->rule[i], j)->count;
            for (unsigned k = 0; k < levels->buckets[i][j]; k++)
                model_level(model, &model->rule[i], j, k, levels->level[i][j][k]);
        }
}

static void check_kept_level(const struct brain *brain, unsigned rule, unsigned key,
                             unsigned bucket)
{
    static mpq_t found;
    static bool is_ready;
    if (!is_ready)
        mpq_init(found);
    is_ready = true;
    uint64_t token_units;
    int64_t units =
        brain_level_units(brain, model_keys[key], model_names[run.world->model.rule[rule].name],
                          bucket, &token_units);
    mpz_set_si(mpq_numref(found), units);
    mpz_set_ui(mpq_denref(found), token_units);
    mpq_canonicalize(found);
    mpq_t *before = &run.before.level[rule][key][bucket],
          *after = &run.after.level[rule][key][bucket];
    bool falls = mpq_cmp(*before, *after) >= 0;
    if (mpq_cmp(found, falls ? *after : *before) < 0 ||
        mpq_cmp(found, falls ? *before : *after) > 0)
        fail_msg("ALLOWD_SEED=%" PRIu64 " world %" PRIu64 " decision %u: rule %u key %u bucket %u "
                 "has %f, before %f, after %f",
                 dice_seed(), run.world->number, run.world->decisions, rule, key, bucket,
                 mpq_get_d(found), mpq_get_d(*before), mpq_get_d(*after));
}

static void check_kept_levels(const struct brain *brain)
{
    for (unsigned i = 0; i < run.after.rules; i++)
        for (unsigned j = 0; j < MODEL_KEYS; j++)
            for (unsigned k = 0; k < run.after.buckets[i][j]; k++)
                check_kept_level(brain, i, j, k);
}

/* ---- processes ---- */

static size_t file_bytes(void)
{
    return store_bytes(STATE_KEYS_MAX, STATE_LEASES_MAX, false);
}

static size_t file_bytes_without_leases(void)
{
    return store_bytes(STATE_KEYS_MAX, 0, false);
}

static struct limits_question question_of(const struct world *world, struct limits *limits)
{
    return (struct limits_question){
        .limits = limits, .when_full = world->model.when_full, .date_s = world->model.date_s};
}

/* The limits are those of the model, as the configuration has them by now. */
static struct brain *start(const struct world *world, struct store *store, unsigned char *memory)
{
    const char *why = "";
    struct brain *brain = NULL;
    struct limits *limits = make_limits(&world->model);
    const struct limits_question question = question_of(world, limits);
    assert_int_equal(store_find(store, memory, run.bytes, &why), STORE_FOUND);
    assert_int_equal(brain_restore(&brain, &question, STATE_LEASES_MAX, store, &run.moment, &why),
                     BRAIN_RESTORED);
    limits_release(limits);
    return brain;
}

static void copy_part(size_t at, size_t len)
{
    memcpy(run.copy + at, run.memory + at, len);
}

/* Killed here: what the next process makes of it. Then the one that was killed goes on. */
static void on_store(void)
{
    if (!run.is_under_way || !dice_once_in(&run.world->dice, 3))
        return;
    run.is_under_way = false;
    run.kills++;
    size_t arena = (size_t)((unsigned char *)run.store.arena - run.memory);
    copy_part(0, PAGE_BYTES + USED_MAX);
    copy_part(PAGE_BYTES + (arena - PAGE_BYTES) / 2, USED_MAX);
    copy_part(arena, file_bytes() - arena);
    struct brain *brain = start(run.world, &run.copied, run.copy);
    check_kept_levels(brain);
    const struct table_damage *found = &brain->buckets.table.damage;
    assert_int_equal(found->mended + found->emptied + found->dropped, 0);
    brain_free(brain);
    run.is_under_way = true;
}

static void run_init(struct world *world)
{
    run.world = world;
    run.bytes = file_bytes();
    run.memory = mmap(NULL, run.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(run.memory != MAP_FAILED);
    run.moment =
        (struct moment){.now_ns = world->model.now_ns, .wall_ns = 1ull << 60, .clock_id = "1"};
    store_begin(&run.store, run.memory, STATE_KEYS_MAX, STATE_LEASES_MAX, false, run_seed);
    struct limits *limits = limits_retain(brain_limits(world->brain));
    const struct limits_question question = question_of(world, limits);
    brain_free(world->brain);
    world->brain = brain_new_stored(&question, &run.store, &run.moment);
    assert_non_null(world->brain);
    limits_release(limits);
}

static void run_release(void)
{
    munmap(run.memory, file_bytes());
}

/* ---- a life with kills ---- */

static void tell_moment(struct world *world)
{
    run.moment.wall_ns += world->model.now_ns - run.moment.now_ns;
    run.moment.now_ns = world->model.now_ns;
}

/* One message, killed while it is answered. */
static void ask_one(struct world *world)
{
    struct model *model = &world->model;
    struct message message = {.kind = random_kind(&world->dice)}, *batch[] = {&message};
    unsigned key;
    message.ask.bucket = random_question(world, &key, false);
    levels_take(&run.before, model);
    struct expected expected = model_answer(model, message.kind, &message.ask.bucket, key);
    levels_take(&run.after, model);
    run.is_under_way = true;
    assert_int_equal(ask_brain(world->brain, batch, 1), 1);
    run.is_under_way = false;
    check_answer(world, &message.answer.bucket, &expected, key);
    if (message.kind == MESSAGE_CHARGE)
        check_charged(world, &message.answer.bucket, &expected);
    world->decisions++;
}

static void reload_killed(struct world *world)
{
    struct model *model = &world->model;
    struct model_rule rules[MODEL_NAMES];
    unsigned count = choose_rules(world, model->tick_ms, rules);
    model_change(model, rules, count, model->tick_ms);
    levels_take(&run.before, model);
    levels_take(&run.after, model);
    struct limits *limits = make_limits(model);
    struct message message = {.kind = MESSAGE_LIMITS, .ask.limits = question_of(world, limits)};
    struct message *batch[] = {&message};
    run.is_under_way = true;
    ask_brain(world->brain, batch, 1);
    wait_for_room(world->brain);
    run.is_under_way = false;
    check(world, "the answer to limits", message.answer.limits, LIMITS_IN_FORCE);
    limits_release(limits);
}

static void pass_killed(struct world *world)
{
    struct model *model = &world->model;
    unsigned __int128 then_ns = (unsigned __int128)model->now_ns + random_pass_ns(world);
    if (then_ns - world->start_ns >= WORLD_YEARS_NS / 4)
        return;
    model_advance(model, (uint64_t)then_ns);
    tell_moment(world);
    brain_tell_wall(world->brain, run.moment.now_ns, run.moment.wall_ns);
    levels_take(&run.before, model);
    levels_take(&run.after, model);
    run.is_under_way = true;
    brain_tick(world->brain, model->now_ns);
    if (dice_once_in(&world->dice, 3))
        brain_sweep(world->brain);
    run.is_under_way = false;
    if (dice_once_in(&world->dice, 3))
        pass_date(world);
}

/* Time that passes while nobody counts. After a reboot the wall clock tells, and no part of a tick
 * counts; one that was set back tells nothing. */
static void pass_while_down(struct world *world)
{
    struct model *model = &world->model;
    uint64_t down_ns = dice_roll(&world->dice, 30) * model->tick_ms * NS_PER_MS / 4;
    bool is_reboot = dice_once_in(&world->dice, 3), is_set_back = dice_once_in(&world->dice, 2);
    if (is_reboot)
        run.moment.clock_id[0]++;
    if (!is_reboot || !is_set_back) {
        model_advance(model, model->now_ns + down_ns);
        tell_moment(world);
    } else {
        model->now_ns += down_ns;
        run.moment.now_ns = model->now_ns;
        run.moment.wall_ns -= 2 * model->tick_ms * NS_PER_MS;
    }
    if (is_reboot)
        model->last_tick_ns = model->now_ns;
}

/* Makes the file longer if it has no room for leases. */
static void grow(void)
{
    const char *why = "";
    assert_int_equal(store_find(&run.store, run.memory, run.bytes, &why), STORE_FOUND);
    run.bytes = store_grow(&run.store, run.bytes, STATE_LEASES_MAX);
    assert_int_equal(run.bytes, file_bytes());
}

static void restart(struct world *world)
{
    struct model *model = &world->model;
    struct model_rule rules[MODEL_NAMES];
    brain_free(world->brain);
    pass_while_down(world);
    if (dice_once_in(&world->dice, 2)) {
        unsigned count = choose_rules(world, model->tick_ms, rules);
        model_change(model, rules, count, model->tick_ms);
    }
    if (dice_once_in(&world->dice, 3)) {
        old_store_first_layout(run.memory);
        run.bytes = file_bytes_without_leases();
        run.moves++;
    }
    levels_take(&run.before, model);
    levels_take(&run.after, model);
    run.is_under_way = true;
    if (dice_once_in(&world->dice, 2))
        grow();
    world->brain = start(world, &run.store, run.memory);
    run.is_under_way = false;
    run.restarts++;
    check_kept_levels(world->brain);
}

static void live_and_die(struct world *world)
{
    while (world->decisions < WORLD_DECISIONS) {
        pass_killed(world);
        if (dice_once_in(&world->dice, 15))
            reload_killed(world);
        if (dice_once_in(&world->dice, 15))
            restart(world);
        for (uint64_t messages = dice_between(&world->dice, 1, 5); messages > 0; messages--)
            ask_one(world);
    }
}

/* A start finds in the store which overrides were set at run time, and here it is told all of them: so there
 * are none of these. test_keep.c has them. */
static void kills_and_restarts_lose_nothing_and_mint_nothing(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 20,
        .rules_max = 3,
        .buckets_max = BUCKETS_MAX,
        .overrides_max = MODEL_OVERRIDES,
        .trials = true,
    };
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 10000);
    run.copy = mmap(NULL, file_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(run.copy != MAP_FAILED);
    levels_init(&run.before);
    levels_init(&run.after);
    told_store = on_store;
    for (uint64_t number = 0; run.kills < kills; number++) {
        static struct world world;
        world_init(&world, &recipe, number);
        run_init(&world);
        live_and_die(&world);
        world_release(&world);
        run_release();
    }
    told_store = NULL;
    printf("%" PRIu64 " kills between two stores, %" PRIu64 " restarts, %" PRIu64
           " of the first layout\n",
           run.kills, run.restarts, run.moves);
    assert_true(run.restarts > 0 && run.moves > 0);
}

/* ---- a move to the present layout, killed at each store ---- */

/* In the page: its checksum, what has come since the first layout, and where that ends. */
enum { CHECKSUM_AT = 40, LEASES_AT = 48, TIMES_AT = 128, DIRECTORY_AT = 256 };

static struct {
    unsigned char *memory, *present; /* a store, and its page when it was moved */
    size_t bytes;                    /* how long its file is */
    struct store store;
    unsigned stores_left; /* until the process is killed */
    jmp_buf killed;
} mover;

static void on_store_of_a_move(void)
{
    if (--mover.stores_left == 0)
        longjmp(mover.killed, 1);
}

static enum store_found find_moved(void)
{
    const char *why = "";
    enum store_found found = store_find(&mover.store, mover.memory, mover.bytes, &why);
    if (found == STORE_REFUSED)
        fail_msg("a move that was killed left a store that is refused: %s", why);
    return found;
}

/* What the keeper does with a state that it finds. */
static void make_move(void)
{
    assert_int_equal(find_moved(), STORE_FOUND);
    size_t bytes = store_grow(&mover.store, mover.bytes, STATE_LEASES_MAX);
    if (bytes != mover.bytes) {
        mover.bytes = bytes;
        on_store_of_a_move();
        assert_int_equal(find_moved(), STORE_FOUND);
    }
    store_renew(&mover.store);
}

/* Moves, as far as it gets. true: it was not killed. */
static bool move(unsigned stores)
{
    mover.stores_left = stores;
    told_store = on_store_of_a_move;
    if (setjmp(mover.killed) != 0) {
        told_store = NULL;
        return false;
    }
    make_move();
    told_store = NULL;
    return true;
}

static bool begin_store(unsigned stores, bool has_shares)
{
    mover.stores_left = stores;
    told_store = on_store_of_a_move;
    if (setjmp(mover.killed) != 0) {
        told_store = NULL;
        return false;
    }
    store_begin(&mover.store, mover.memory, STATE_KEYS_MAX, STATE_LEASES_MAX, has_shares, run_seed);
    told_store = NULL;
    return true;
}

/* What was left is a store in either layout, and what 0.1.0 looks at is either as it was, or what it
 * refuses. */
static void check_left(const unsigned char *first)
{
    assert_int_equal(find_moved(), STORE_FOUND);
    bool is_first = mover.store.layout != STORE_LAYOUT;
    const unsigned char *page = is_first ? first : mover.present;
    assert_memory_equal(mover.memory, page, CHECKSUM_AT);
    assert_memory_equal(mover.memory + LEASES_AT + 8, page + LEASES_AT + 8,
                        DIRECTORY_AT - LEASES_AT - 8);
    if (is_first)
        assert_memory_equal(mover.memory + CHECKSUM_AT, page + CHECKSUM_AT, 8);
}

static void check_moved(const unsigned char *first)
{
    check_left(first);
    assert_int_equal(mover.bytes, file_bytes());
    assert_int_equal(mover.store.layout, STORE_LAYOUT);
    assert_int_equal(mover.store.max_leases, STATE_LEASES_MAX);
    assert_memory_equal(mover.memory, mover.present, DIRECTORY_AT);
    const struct directory *directory =
        directory_in_force((const struct directory_place *)(mover.memory + DIRECTORY_AT));
    const struct directory *expected =
        directory_in_force((const struct directory_place *)(mover.present + DIRECTORY_AT));
    assert_int_equal(directory->count, expected->count);
    assert_memory_equal(directory->section, expected->section, sizeof expected->section);
}

/* Killed while it is begun, a store has nothing in it yet, and is begun anew. */
static void begin_killed(bool has_shares)
{
    size_t bytes = store_bytes(STATE_KEYS_MAX, STATE_LEASES_MAX, has_shares);
    bool is_done = false;
    unsigned stores = 0;
    mover.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(mover.memory != MAP_FAILED);
    for (unsigned first = 1; !is_done; first++) {
        const char *why = "";
        memset(mover.memory, 0, PAGE_BYTES);
        is_done = begin_store(first, has_shares);
        enum store_found found = store_find(&mover.store, mover.memory, bytes, &why);
        if (found != STORE_BEGUN)
            fail_msg("killed at store %u it is refused: %s", first, why);
        stores = first;
    }
    assert_true(stores > 100);
    munmap(mover.memory, bytes);
}

static void a_store_killed_while_it_is_begun_is_begun_anew(void **state)
{
    (void)state;
    begin_killed(false);
    begin_killed(true);
}

/* Of a store: its page as it is begun now, and what it would be without room for leases, in the first
 * layout and in the present one. */
static void mover_init(unsigned char first[PAGE_BYTES], unsigned char second[PAGE_BYTES])
{
    static struct world world;
    static const struct recipe recipe = {.stream = 21, .rules_max = 3, .buckets_max = BUCKETS_MAX};
    world_init(&world, &recipe, 0);
    run_init(&world);
    mover.memory = run.memory;
    mover.present = malloc(PAGE_BYTES);
    assert_non_null(mover.present);
    memcpy(mover.present, mover.memory, PAGE_BYTES);
    old_store_first_layout(mover.memory);
    memcpy(mover.present + TIMES_AT, mover.memory + TIMES_AT, DIRECTORY_AT - TIMES_AT);
    memcpy(first, mover.memory, PAGE_BYTES);
    mover.bytes = file_bytes_without_leases();
    assert_int_equal(find_moved(), STORE_FOUND);
    store_renew(&mover.store);
    memcpy(second, mover.memory, PAGE_BYTES);
    world_release(&world);
}

/* Puts a page back as it was while the file was so long. */
static void put_page_back(const unsigned char *page, size_t bytes)
{
    memcpy(mover.memory, page, PAGE_BYTES);
    mover.bytes = bytes;
}

/* Returns how many stores the move of this page takes. */
static unsigned move_killed_twice(const unsigned char *page, unsigned *kills)
{
    for (unsigned first = 1;; first++) {
        put_page_back(page, file_bytes_without_leases());
        check_left(page);
        bool is_first_done = move(first);
        check_left(page);
        unsigned char left[PAGE_BYTES];
        size_t left_bytes = mover.bytes;
        memcpy(left, mover.memory, PAGE_BYTES);
        for (unsigned second = 1;; second++) {
            put_page_back(left, left_bytes);
            bool is_done = move(second);
            check_left(page);
            assert_true(move(UINT_MAX));
            check_moved(page);
            ++*kills;
            if (is_done)
                break;
        }
        if (is_first_done)
            return first - 1;
    }
}

static void a_move_killed_at_any_store_and_again_at_any_store_is_made(void **state)
{
    (void)state;
    static unsigned char first[PAGE_BYTES], second[PAGE_BYTES];
    unsigned kills = 0;
    mover_init(first, second);
    unsigned stores = move_killed_twice(first, &kills);
    printf("%u stores make a move; killed %u times at two of them\n", stores, kills);
    assert_true(stores > 100);
    assert_in_range(move_killed_twice(second, &kills), 100, stores - 1);
    free(mover.present);
    run_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kills_and_restarts_lose_nothing_and_mint_nothing),
        cmocka_unit_test(a_store_killed_while_it_is_begun_is_begun_anew),
        cmocka_unit_test(a_move_killed_at_any_store_and_again_at_any_store_is_made),
    };
    return cmocka_run_group_tests_name("state", tests, setup, NULL);
}
