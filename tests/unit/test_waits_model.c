/*
 * Waits beside a model that is slow and straightforward: it takes tick after tick, and to find out when
 * somebody would be let go it tries. One key, of one or two buckets; asks, charges, refunds, resets,
 * leavers, reloads and stalls at random. Every answer, its order and its tick must be the same.
 */
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"

#include "brain/core.h"

#include <stdio.h>
#include <string.h>

enum { TICK_MS = 10, CALLERS = 400, FAR_TICKS = 4000, KEY_QUEUE = 12 };

/* ---- the model ---- */

struct model_bucket {
    int64_t token, step, cap, debt; /* in units */
    int64_t content;
};

struct item {
    int caller;           /* -1: a charge */
    int64_t tokens;       /* that the caller wants */
    uint64_t deadline_ms; /* until when */
    uint64_t due_tick;    /* when it is paid */
    int64_t charged[2];   /* units of a charge, by bucket */
};

struct model {
    unsigned buckets;
    struct model_bucket bucket[2];
    uint64_t tick, now_ms;
    unsigned count, waiters;
    struct item queue[2 * CALLERS];
};

enum told {
    TOLD_NOTHING,
    TOLD_ALLOWED,
    TOLD_DENIED,
    TOLD_EXCEEDS,
    TOLD_OVER,
    TOLD_TOO_MANY,
    TOLD_LEFT
};

/* What became of a caller; `order`: of those who waited. */
struct fate {
    enum told told;
    uint64_t tick, retry_ticks;
    unsigned order;
};

static struct fate fates[CALLERS];
static unsigned order;

static int64_t common_divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

static struct model_bucket bucket_of(const struct bucket_terms *terms, int64_t content)
{
    int64_t period = (int64_t)terms->rate.period_ms, refill = (int64_t)terms->rate.tokens * TICK_MS;
    int64_t divisor = common_divisor(period, refill);
    struct model_bucket bucket = {.token = period / divisor, .step = refill / divisor};
    bucket.cap = (int64_t)terms->burst * bucket.token;
    bucket.debt = (int64_t)terms->debt_max * bucket.token;
    bucket.content = content < 0 ? bucket.cap : content;
    return bucket;
}

static bool holds(const struct model *model, int64_t tokens)
{
    for (unsigned i = 0; i < model->buckets; i++)
        if (model->bucket[i].content < tokens * model->bucket[i].token)
            return false;
    return true;
}

static void take(struct model *model, int64_t tokens)
{
    for (unsigned i = 0; i < model->buckets; i++)
        model->bucket[i].content -= tokens * model->bucket[i].token;
}

static void refill(struct model *model, uint64_t ticks)
{
    for (unsigned i = 0; i < model->buckets; i++) {
        struct model_bucket *bucket = &model->bucket[i];
        bucket->content += (int64_t)ticks * bucket->step;
        if (bucket->content > bucket->cap)
            bucket->content = bucket->cap;
    }
    model->tick += ticks;
}

static void drop_first(struct model *model)
{
    model->waiters -= model->queue[0].caller >= 0;
    memmove(model->queue, model->queue + 1, --model->count * sizeof model->queue[0]);
}

/* Applies charges that nobody is before, and lets go who can be. told: whether anybody hears of it. */
static void let_go(struct model *model, bool tells)
{
    while (model->count > 0) {
        const struct item *first = &model->queue[0];
        if (first->caller < 0)
            for (unsigned i = 0; i < model->buckets; i++)
                model->bucket[i].content -= first->charged[i];
        else if (!holds(model, first->tokens))
            return;
        else {
            take(model, first->tokens);
            if (tells)
                fates[first->caller] = (struct fate){TOLD_ALLOWED, model->tick, 0, ++order};
        }
        drop_first(model);
    }
}

/* The tick at which somebody would be let go who came last. */
static uint64_t due_tick(const struct model *model, int64_t tokens)
{
    static struct model tried;
    tried = *model;
    tried.queue[tried.count++] = (struct item){.caller = 0, .tokens = tokens};
    tried.waiters++;
    for (unsigned ticks = 0; ticks < FAR_TICKS; ticks++, refill(&tried, 1)) {
        let_go(&tried, false);
        if (tried.waiters == 0)
            return tried.tick;
    }
    return UINT64_MAX;
}

/* Asks for somebody at this time, who may wait until deadline_ms. */
static enum told model_ask(struct model *model, int caller, int64_t tokens, uint64_t deadline_ms)
{
    int64_t burst = model->bucket[0].cap / model->bucket[0].token;
    for (unsigned i = 1; i < model->buckets; i++)
        if (model->bucket[i].cap / model->bucket[i].token < burst)
            burst = model->bucket[i].cap / model->bucket[i].token;
    if (tokens == 0)
        return TOLD_ALLOWED;
    if (tokens > burst)
        return TOLD_EXCEEDS;
    if (model->waiters == 0 && holds(model, tokens)) {
        take(model, tokens);
        return TOLD_ALLOWED;
    }
    uint64_t due = due_tick(model, tokens);
    if (due == UINT64_MAX || due * TICK_MS > deadline_ms)
        return TOLD_DENIED;
    if (model->waiters >= KEY_QUEUE)
        return TOLD_TOO_MANY;
    model->queue[model->count++] = (struct item){
        .caller = caller, .tokens = tokens, .deadline_ms = deadline_ms, .due_tick = due};
    model->waiters++;
    return TOLD_NOTHING;
}

static void tell(const struct model *model, int caller, enum told told)
{
    fates[caller] = (struct fate){told, model->tick, 0, ++order};
}

/* Asks all anew, in their order. Who is answered hears how long they would have to wait behind those
 * who wait then. */
static void settle(struct model *model)
{
    static struct item queue[2 * CALLERS];
    unsigned count = model->count;
    int told[CALLERS], told_count = 0;
    int64_t wanted[CALLERS];
    memcpy(queue, model->queue, count * sizeof queue[0]);
    model->count = model->waiters = 0;
    for (unsigned i = 0; i < count; i++) {
        struct item *item = &queue[i];
        if (item->caller < 0) {
            model->queue[model->count++] = *item;
            if (model->waiters == 0)
                let_go(model, false);
            continue;
        }
        enum told now = model->tick * TICK_MS > item->deadline_ms
                            ? TOLD_OVER
                            : model_ask(model, item->caller, item->tokens, item->deadline_ms);
        if (now == TOLD_NOTHING)
            continue;
        if (now == TOLD_DENIED && model->now_ms >= item->deadline_ms)
            now = TOLD_OVER;
        tell(model, item->caller, now);
        wanted[told_count] = item->tokens;
        told[told_count++] = item->caller;
    }
    for (int i = 0; i < told_count; i++)
        if (fates[told[i]].told != TOLD_ALLOWED)
            fates[told[i]].retry_ticks = due_tick(model, wanted[i]) - model->tick;
}

static void model_pass(struct model *model, uint64_t ticks)
{
    refill(model, ticks);
    const struct item *first = &model->queue[0];
    if (model->count == 0)
        return;
    if (first->due_tick < model->tick)
        settle(model);
    else
        let_go(model, true);
    assert_true(model->count == 0 || model->queue[0].due_tick > model->tick);
}

static int64_t promised(const struct model *model)
{
    int64_t tokens = 0;
    for (unsigned i = 0; i < model->count; i++)
        tokens += model->queue[i].caller < 0 ? 0 : model->queue[i].tokens;
    return tokens;
}

static int64_t deferred(const struct model *model, unsigned bucket)
{
    int64_t units = 0;
    for (unsigned i = 0; i < model->count; i++)
        units += model->queue[i].caller < 0 ? model->queue[i].charged[bucket] : 0;
    return units;
}

/* Returns what the bucket that takes fewest takes. */
static int64_t model_charge(struct model *model, int64_t tokens)
{
    struct item item = {.caller = -1};
    int64_t fewest = tokens;
    for (unsigned i = 0; i < model->buckets; i++) {
        const struct model_bucket *bucket = &model->bucket[i];
        int64_t there = bucket->content;
        if (there > 0) {
            there -= promised(model) * bucket->token;
            there = there < 0 ? 0 : there;
        }
        int64_t most = (there - deferred(model, i) + bucket->debt) / bucket->token;
        int64_t charged = most < 0 ? 0 : most < tokens ? most : tokens;
        item.charged[i] = charged * bucket->token;
        fewest = charged < fewest ? charged : fewest;
    }
    model->queue[model->count++] = item;
    if (model->waiters == 0)
        let_go(model, false);
    return fewest;
}

static void model_give(struct model *model, int64_t tokens)
{
    for (unsigned i = 0; i < model->buckets; i++) {
        struct model_bucket *bucket = &model->bucket[i];
        bucket->content += tokens * bucket->token;
        if (bucket->content > bucket->cap)
            bucket->content = bucket->cap;
    }
    settle(model);
}

static void model_reset(struct model *model)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < model->count; i++)
        if (model->queue[i].caller >= 0)
            model->queue[kept++] = model->queue[i];
    model->count = kept;
    for (unsigned i = 0; i < model->buckets; i++)
        model->bucket[i].content = model->bucket[i].cap;
    settle(model);
}

/* Charges that were behind somebody are applied; then tokens carry over. */
static void model_reload(struct model *model, const struct bucket_terms *terms)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < model->buckets; i++) {
        struct model_bucket *bucket = &model->bucket[i];
        bucket->content -= deferred(model, i);
        struct model_bucket next = bucket_of(&terms[i], 0);
        bool is_same = next.token == bucket->token && next.step == bucket->step &&
                       next.cap == bucket->cap && next.debt == bucket->debt;
        int64_t scaled = bucket->content * next.token;
        next.content = scaled / bucket->token - (scaled % bucket->token < 0);
        if (bucket->content == bucket->cap || next.content > next.cap)
            next.content = next.cap;
        if (next.content < -next.debt)
            next.content = -next.debt;
        if (is_same)
            next.content = bucket->content;
        *bucket = next;
    }
    for (unsigned i = 0; i < model->count; i++)
        if (model->queue[i].caller >= 0)
            model->queue[kept++] = model->queue[i];
    model->count = kept;
    settle(model);
}

static void model_leave(struct model *model, int caller)
{
    for (unsigned i = 0; i < model->count; i++) {
        if (model->queue[i].caller != caller)
            continue;
        memmove(model->queue + i, model->queue + i + 1,
                (model->count - i - 1) * sizeof model->queue[0]);
        model->count--;
        model->waiters--;
        tell(model, caller, TOLD_LEFT);
        settle(model);
        return;
    }
}

/* ---- both ---- */

struct world {
    struct fixture fixture;
    struct model model;
    struct bucket_terms terms[2];
    unsigned callers;
    struct message message[CALLERS];
    unsigned home[CALLERS], homes; /* who waited: the order of coming home, from 1 */
    uint64_t home_ms[CALLERS];
};

static struct limits *limits_of(const struct world *world)
{
    struct limit_terms terms = {.name = LIMIT_DEFAULT_NAME, .buckets_count = world->model.buckets};
    memcpy(terms.buckets, world->terms, sizeof world->terms);
    struct limits *limits = limits_new(1, TICK_MS);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    limits->waiting = (struct waiting_terms){.max_waiting = 1000, .per_key = KEY_QUEUE};
    return limits;
}

static void roll_terms(struct dice *dice, struct bucket_terms *terms, const char *name)
{
    static const uint64_t periods_ms[] = {30, 50, 100, 70, 110};
    *terms = (struct bucket_terms){
        .burst = dice_between(dice, 2, 12),
        .rate = {dice_between(dice, 1, 3), periods_ms[dice_roll(dice, LENGTH(periods_ms))]},
    };
    if (dice_once_in(dice, 5)) /* more than a token a tick */
        terms->rate = (struct rate){dice_between(dice, TICK_MS, 2 * TICK_MS), TICK_MS};
    if (terms->rate.tokens > terms->burst)
        terms->burst = terms->rate.tokens;
    terms->debt_max = dice_roll(dice, 2 * terms->burst);
    strcpy(terms->name, name);
}

static void roll_all_terms(struct dice *dice, struct world *world)
{
    bool is_one = world->model.buckets == 1;
    for (unsigned i = 0; i < world->model.buckets; i++)
        roll_terms(dice, &world->terms[i], is_one ? "" : i == 0 ? "a" : "b");
}

static enum told told_of(const struct message *message)
{
    switch (message->answer.bucket.result) {
    case BUCKET_ALLOWED:
        return TOLD_ALLOWED;
    case BUCKET_DENIED:
        return TOLD_DENIED;
    case BUCKET_EXCEEDS_BURST:
        return TOLD_EXCEEDS;
    case BUCKET_WAIT_OVER:
        return TOLD_OVER;
    case BUCKET_TOO_MANY_WAITING:
        return TOLD_TOO_MANY;
    case BUCKET_LEFT:
        return TOLD_LEFT;
    default:
        fail();
        return TOLD_NOTHING;
    }
}

static uint64_t now_ms(const struct world *world)
{
    return (world->fixture.now_ns - FIXTURE_START_NS) / NS_PER_MS;
}

static void collect(struct world *world)
{
    for (struct letter *letter = brain_released(world->fixture.brain), *next; letter != NULL;
         letter = next) {
        struct message *message = message_of(letter);
        size_t caller = (size_t)(message - world->message);
        next = letter->next;
        assert_int_equal(world->home[caller], 0);
        world->home[caller] = ++world->homes;
        world->home_ms[caller] = now_ms(world);
        message_hold(message, NULL);
    }
}

/* Everybody's fate so far, and how the buckets are shown. */
static void compare(struct world *world)
{
    collect(world);
    assert_int_equal(world->homes, order);
    for (unsigned i = 0; i < world->callers; i++) {
        const struct fate *fate = &fates[i];
        const struct bucket_answer *answer = &world->message[i].answer.bucket;
        assert_int_equal(world->home[i], fate->order);
        if (fate->order == 0)
            continue;
        assert_int_equal(told_of(&world->message[i]), fate->told);
        assert_true(answer->has_waited);
        if (fate->told == TOLD_ALLOWED)
            assert_int_equal(world->home_ms[i] / TICK_MS, fate->tick);
        if (fate->told == TOLD_DENIED || fate->told == TOLD_OVER || fate->told == TOLD_TOO_MANY)
            assert_int_equal(answer->retry_after_ms, fate->retry_ticks * TICK_MS);
    }
    const struct model *model = &world->model;
    struct bucket_answer shown = fixture_status(&world->fixture, "key");
    for (unsigned i = 0; i < model->buckets; i++) {
        const struct model_bucket *bucket = &model->bucket[i];
        int64_t owing = bucket->content - deferred(model, i);
        int64_t level = owing - promised(model) * bucket->token;
        assert_int_equal(shown.buckets[i].remaining_tokens, level < 0 ? 0 : level / bucket->token);
        assert_int_equal(shown.buckets[i].owed_tokens,
                         owing >= 0 ? 0 : (-owing + bucket->token - 1) / bucket->token);
        assert_true(owing >= -bucket->debt);
    }
    assert_int_equal(world->fixture.brain->counters.waiting, model->waiters);
    assert_int_equal(world->fixture.brain->buckets.holdings.count, model->waiters > 0);
}

static void ask(struct world *world, uint64_t tokens, uint64_t wait_ms)
{
    unsigned caller = world->callers++;
    struct message *message = &world->message[caller];
    *message = (struct message){
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = "key", .key_len = 3, .tokens = tokens, .wait_ms = wait_ms},
    };
    uint64_t due = due_tick(&world->model, (int64_t)tokens);
    enum told told =
        model_ask(&world->model, (int)caller, (int64_t)tokens, now_ms(world) + wait_ms);
    struct message *messages[] = {message};
    size_t answered = ask_brain(world->fixture.brain, messages, 1);
    assert_int_equal(answered, told != TOLD_NOTHING);
    if (told == TOLD_NOTHING)
        return;
    assert_int_equal(told_of(message), told);
    assert_false(message->answer.bucket.has_waited);
    if (told == TOLD_DENIED && due != UINT64_MAX)
        assert_int_equal(message->answer.bucket.retry_after_ms,
                         (due - world->model.tick) * TICK_MS);
}

static void pass(struct world *world, uint64_t ms)
{
    uint64_t ticks = (now_ms(world) + ms) / TICK_MS - world->model.tick;
    fixture_pass(&world->fixture, ms);
    world->model.now_ms = now_ms(world);
    if (ticks > 0)
        model_pass(&world->model, ticks);
}

static void leave(struct world *world, int caller)
{
    struct message message = {.kind = MESSAGE_LEAVE, .ask.leaves = &world->message[caller]};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(world->fixture.brain, messages, 1), 1);
    model_leave(&world->model, caller);
}

static void reload(struct dice *dice, struct world *world)
{
    roll_all_terms(dice, world);
    fixture_reload_limits(&world->fixture, limits_of(world));
    model_reload(&world->model, world->terms);
}

static void charge(struct world *world, uint64_t tokens)
{
    int64_t charged = model_charge(&world->model, (int64_t)tokens);
    struct bucket_answer answer = fixture_ask(&world->fixture, MESSAGE_CHARGE, "key", NULL, tokens);
    assert_int_equal(answer.charged_tokens, charged);
}

static void do_something(struct dice *dice, struct world *world)
{
    uint64_t roll = dice_roll(dice, 100);
    if (roll < 40)
        ask(world, dice_roll(dice, world->terms[0].burst + 2),
            dice_once_in(dice, 4) ? 0 : dice_roll(dice, 1500));
    else if (roll < 75)
        pass(world, dice_between(dice, 1, TICK_MS));
    else if (roll < 80)
        pass(world, dice_between(dice, 1, dice_once_in(dice, 3) ? 1000 : 60));
    else if (roll < 86)
        charge(world, dice_between(dice, 1, world->terms[0].burst));
    else if (roll < 89) {
        uint64_t tokens = dice_between(dice, 1, 4);
        fixture_ask(&world->fixture, MESSAGE_REFUND, "key", NULL, tokens);
        model_give(&world->model, (int64_t)tokens);
    } else if (roll < 97 && world->callers > 0)
        leave(world,
              (int)(world->callers - 1 - dice_roll(dice, world->callers < 9 ? world->callers : 9)));
    else if (roll < 98) {
        fixture_reset(&world->fixture, "key");
        model_reset(&world->model);
    } else if (roll < 99)
        reload(dice, world);
}

static void live(struct dice *dice, unsigned buckets)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    memset(fates, 0, sizeof fates);
    order = 0;
    world.model.buckets = buckets;
    roll_all_terms(dice, &world);
    for (unsigned i = 0; i < buckets; i++)
        world.model.bucket[i] = bucket_of(&world.terms[i], -1);
    fixture_init_limits(&world.fixture, limits_of(&world), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    while (world.callers < CALLERS) {
        do_something(dice, &world);
        compare(&world);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        leave(&world, (int)i);
    compare(&world);
    fixture_release(&world.fixture);
}

static void one_bucket_lets_go_as_the_model(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    for (uint64_t lives = dice_repeats("ALLOWD_LIVES", 40); lives > 0; lives--)
        live(&dice, 1);
}

static void two_buckets_let_go_as_the_model(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    for (uint64_t lives = dice_repeats("ALLOWD_LIVES", 40); lives > 0; lives--)
        live(&dice, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bucket_lets_go_as_the_model),
        cmocka_unit_test(two_buckets_let_go_as_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
