/*
 * The script on a real server, against its model: the same answers, the same records and the same ends, byte for byte.
 *
 * Worlds live in virtual time: TIME, the one place where the script reads the server's clock, is replaced by what the test
 * hands in, and what has ended by then is deleted before each call. Callers behave as sidecars do, and sometimes as none would: orders
 * come late, twice, or damaged; answers are lost; terms change; clocks step; records are evicted, rolled
 * back or damaged, or all is forgotten.
 *
 * ALLOWD_CALLS is how many calls are made of each server, ALLOWD_SEED which. ALLOWD_STORES names the servers,
 * separated by blanks; by default redis-server, and valkey-server if it is there. ALLOWD_SCRIPT is a script that is run in place of
 * the one that is built in: see script.sh.
 */
#include "fleet/script.h"
#include "limits/limits.h"
#include "support/dice.h"
#include "support/store_model.h"
#include "support/store_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORDS = 24,
    SHARDS = 3,
    SESSIONS_MAX = 140,
    LATE = 64,
    CALLS_A_WORLD = 100,
    CALLS_OF_A_CROWD = 650,
    SCRIPT_BYTES_MAX = 1 << 16,
    NAME_MAX_BYTES = 32
};
#define NET_MAX (INT64_C(1) << 52)
#define TAG_OF_SEVERAL 1             /* as if two sets of terms had one tag by chance */
#define START_MS (UINT64_C(1) << 42) /* far ahead: no server ends a record by itself meanwhile */

/* ---- what happened, so that a run which met too little fails ---- */

enum met {
    MET_RESULT,
    MET_CONVERTED = ORDER_VERSION + 1,
    MET_LATE,
    MET_EVICTED,
    MET_FORGOTTEN,
    MET_ROLLED_BACK,
    MET_DAMAGED,
    MET_EPOCH_DAMAGED,
    MET_OTHER_TYPE,
    MET_CALL_DAMAGED,
    MET_CLOCK_BACK,
    MET_HELD_BACK,
    MET_ENDED,
    MET_GRANT,
    MET_OWED,
    MET_MANY_HOLDERS,
    MET_CLAIMED,
    MET_KEPT,
    MET_TAKEN,
    MET_TAKEN_BEFORE,
    MET_TAKEN_BEHIND,
    MET_COUNT,
};
static const char *const MET[MET_COUNT] = {
    [ORDER_DONE] = "done",
    [ORDER_AGAIN] = "again",
    [ORDER_EPOCH] = "epoch",
    [ORDER_SESSION] = "session",
    [ORDER_OLD] = "old",
    [ORDER_REPEATED] = "repeated",
    [ORDER_FULL] = "full",
    [ORDER_UNSOUND] = "unsound",
    [ORDER_VERSION] = "version",
    [MET_CONVERTED] = "converted",
    [MET_LATE] = "late or doubled",
    [MET_EVICTED] = "evicted",
    [MET_FORGOTTEN] = "all forgotten",
    [MET_ROLLED_BACK] = "rolled back",
    [MET_DAMAGED] = "record damaged",
    [MET_EPOCH_DAMAGED] = "epoch damaged",
    [MET_OTHER_TYPE] = "value of another type",
    [MET_CALL_DAMAGED] = "order damaged",
    [MET_CLOCK_BACK] = "clock went back",
    [MET_HELD_BACK] = "clock held back",
    [MET_ENDED] = "record ended",
    [MET_GRANT] = "granted",
    [MET_OWED] = "level below zero",
    [MET_MANY_HOLDERS] = "more than 50 holders",
    [MET_CLAIMED] = "claimed",
    [MET_KEPT] = "kept for longer",
    [MET_TAKEN] = "taken over",
    [MET_TAKEN_BEFORE] = "taken over by another one",
    [MET_TAKEN_BEHIND] = "not taken over by what is behind",
};

/* ---- a world ---- */

struct terms_set {
    uint32_t tag;
    unsigned buckets;
    struct order_terms bucket[BUCKETS_MAX];
};

struct caller {
    struct order order; /* what it knows; seq is that of the last order */
};

struct record {
    char name[NAME_MAX_BYTES], epoch[NAME_MAX_BYTES];
    struct terms_set terms[2];
    struct caller caller[SESSIONS_MAX];
};

/* An order as it is sent. */
struct sent {
    unsigned record;
    struct caller *caller; /* who learns of the answer, or NULL */
    unsigned char bytes[CALL_BYTES_MAX];
    size_t len;
};

struct world {
    struct store_server server;
    const char *sha;
    struct dice dice;
    struct store_model *model, *before; /* before: to roll back to, or NULL */
    uint64_t now_ms, number, calls;
    unsigned sessions, calls_left;
    bool is_crowded; /* one record has all the holders that there may be */
    struct call_terms lease;
    struct record record[RECORDS];
    struct sent late[LATE];
    unsigned late_count;
    uint64_t met[MET_COUNT];
};

static uint64_t roll(struct world *world, uint64_t sides)
{
    return dice_roll(&world->dice, sides);
}

static bool once_in(struct world *world, uint64_t times)
{
    return dice_once_in(&world->dice, times);
}

/* Any size is as likely as any other: 0 to most. */
static uint64_t any_size(struct world *world, uint64_t most)
{
    unsigned bits = 0;
    while (bits < 63 && most >> bits != 0)
        bits++;
    uint64_t number = roll(world, UINT64_C(1) << roll(world, bits + 1));
    return number < most ? number : most;
}

static struct order_terms random_terms(struct world *world)
{
    struct order_terms terms;
    if (world->is_crowded) {
        terms = (struct order_terms){2000, 1000, 1, 2000};
    } else if (once_in(world, 4)) {
        terms.token_units = 1 + any_size(world, UINT64_C(1) << 35);
        terms.burst_tokens = 1 + any_size(world, ORDER_UNITS_MAX / terms.token_units - 1);
        terms.step_units = 1 + any_size(world, UINT64_C(1) << 50);
        terms.outstanding_tokens = 1 + any_size(world, terms.burst_tokens);
    } else {
        terms.token_units = 1 + any_size(world, 1000);
        terms.burst_tokens = 1 + roll(world, 500);
        terms.step_units = 1 + any_size(world, 10);
        terms.outstanding_tokens = 1 + terms.burst_tokens / 2;
    }
    return terms;
}

static void begin_caller(struct world *world, struct caller *caller, uint64_t epoch_ms)
{
    caller->order =
        (struct order){.session = 1 + dice_bits(&world->dice) / 2, .epoch_ms = epoch_ms};
}

static void begin_record(struct world *world, unsigned number)
{
    struct record *record = &world->record[number];
    snprintf(record->name, sizeof record->name, "{%u}:record:%u", number % SHARDS, number);
    snprintf(record->epoch, sizeof record->epoch, "{%u}:epoch", number % SHARDS);
    for (unsigned i = 0; i < 2; i++) {
        struct terms_set *terms = &record->terms[i];
        terms->tag = once_in(world, 8) ? TAG_OF_SEVERAL : (uint32_t)dice_bits(&world->dice);
        terms->buckets = once_in(world, 2) ? 1 : 1 + (unsigned)roll(world, BUCKETS_MAX);
        for (unsigned j = 0; j < BUCKETS_MAX; j++)
            terms->bucket[j] = random_terms(world);
    }
    for (unsigned i = 0; i < world->sessions; i++)
        begin_caller(world, &record->caller[i], 0);
}

static void forget_all(struct world *world)
{
    freeReplyObject(store_server_do(&world->server, "FLUSHALL"));
    store_model_forget(world->model);
}

static void forget_before(struct world *world)
{
    if (world->before != NULL)
        store_model_free(world->before);
    world->before = NULL;
}

/* ---- the same done to both ---- */

static size_t name_len(const char *name)
{
    return strlen(name);
}

static bool model_value(struct world *world, const char *name, uint64_t time_ms,
                        struct store_value *value)
{
    return store_model_get(world->model, name, name_len(name), time_ms, value);
}

static void put_both(struct world *world, const char *name, const struct store_value *value)
{
    /* the model's bytes may be the ones that are put */
    freeReplyObject(
        value->end_ms == STORE_NO_END
            ? store_server_do(&world->server, "SET %s %b", name, value->bytes, value->len)
            : store_server_do(&world->server, "SET %s %b PXAT %llu", name, value->bytes, value->len,
                              (unsigned long long)value->end_ms));
    store_model_put(world->model, name, name_len(name), value);
}

static void evict_both(struct world *world, const char *name)
{
    freeReplyObject(store_server_do(&world->server, "DEL %s", name));
    store_model_evict(world->model, name, name_len(name));
}

static void begin_world(struct world *world)
{
    world->number++;
    world->now_ms = START_MS + roll(world, 1000000);
    world->is_crowded = world->number % 20 == 0;
    world->sessions = world->is_crowded ? SESSIONS_MAX : 1 + (unsigned)roll(world, 8);
    world->calls_left = world->is_crowded ? CALLS_OF_A_CROWD : CALLS_A_WORLD;
    world->lease = (struct call_terms){.ttl_ms = 2000, .grace_ms = 500};
    if (once_in(world, 10))
        world->lease = (struct call_terms){(uint32_t)any_size(world, UINT32_MAX),
                                           (uint32_t)any_size(world, UINT32_MAX), 0};
    world->late_count = 0;
    forget_all(world);
    forget_before(world);
    for (unsigned i = 0; i < RECORDS; i++)
        begin_record(world, i);
    if (world->is_crowded) /* so that there is enough for all */
        put_both(world, world->record[0].epoch,
                 &(struct store_value){(const unsigned char *)"1", 1, STORE_NO_END});
}

static void roll_back_name(struct world *world, const char *name)
{
    struct store_value value;
    if (store_model_get(world->before, name, name_len(name), 0, &value))
        put_both(world, name, &value);
    else
        evict_both(world, name);
}

static void roll_back(struct world *world)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        roll_back_name(world, world->record[i].name);
        roll_back_name(world, world->record[i].epoch);
    }
    world->met[MET_ROLLED_BACK]++;
}

static void damage(struct world *world, const char *name)
{
    struct store_value value;
    unsigned char bytes[16384];
    if (!model_value(world, name, 0, &value))
        value = (struct store_value){(const unsigned char *)"", 0, STORE_NO_END};
    size_t len = value.len;
    memcpy(bytes, value.bytes, len);
    if (once_in(world, 3))
        len = any_size(world, len + 3);
    for (size_t i = value.len; i < len; i++)
        bytes[i] = (unsigned char)dice_bits(&world->dice);
    for (uint64_t i = roll(world, 4); i > 0 && len > 0; i--)
        bytes[roll(world, len)] = once_in(world, 3) ? 255 : (unsigned char)dice_bits(&world->dice);
    put_both(world, name, &(struct store_value){bytes, len, value.end_ms});
}

/* As only somebody would who knows the layout: the last holder is there twice, or the level is below any. */
static void damage_finely(struct world *world, const char *name)
{
    struct store_value value;
    struct store_record record;
    unsigned char bytes[16384];
    if (!model_value(world, name, 0, &value) || !store_record_read(&record, value.bytes, value.len))
        return;
    size_t len = value.len, holder = 20 + 19 * record.buckets, how = 6 + 5 * record.buckets;
    memcpy(bytes, value.bytes, len);
    if (record.holders > 0 && once_in(world, 2)) {
        memcpy(bytes + len, bytes + len - holder, holder);
        len += holder;
        bytes[how]++;
    } else {
        memset(bytes + how + 14, 0, 7);
    }
    put_both(world, name, &(struct store_value){bytes, len, value.end_ms});
    world->met[MET_DAMAGED]++;
}

static void damage_epoch(struct world *world, const char *name)
{
    static const char *const texts[] = {"",
                                        "0",
                                        "x",
                                        "-1",
                                        "1e9",
                                        " 7",
                                        "0x10",
                                        "nan",
                                        "4398046511104",
                                        "99999999999999999999",
                                        "140737488355328",
                                        "140737488355327",
                                        "007"};
    const char *text = texts[roll(world, sizeof texts / sizeof texts[0])];
    put_both(world, name,
             &(struct store_value){(const unsigned char *)text, strlen(text), STORE_NO_END});
}

/* To the script that is as if it were not there. */
static void put_other_type(struct world *world, const char *name)
{
    evict_both(world, name);
    freeReplyObject(store_server_do(&world->server, "LPUSH %s 1", name));
}

static void step_clock_back(struct world *world)
{
    uint64_t back = any_size(world, 10000000);
    world->now_ms -= back < world->now_ms - START_MS / 2 ? back : 0;
    world->met[MET_CLOCK_BACK]++;
}

static void pass_time(struct world *world)
{
    if (world->is_crowded)
        world->now_ms += roll(world, 3);
    else if (once_in(world, 40))
        step_clock_back(world);
    else if (once_in(world, 20))
        world->now_ms += any_size(world, UINT64_C(100000000000));
    else
        world->now_ms += any_size(world, 4000);
}

static void have_something_happen(struct world *world)
{
    struct record *record = &world->record[roll(world, RECORDS)];
    switch (roll(world, 400)) {
    case 0:
    case 1:
    case 2:
    case 3:
        evict_both(world, record->name);
        world->met[MET_EVICTED]++;
        return;
    case 4:
        forget_all(world);
        world->met[MET_FORGOTTEN]++;
        return;
    case 5:
    case 6:
        forget_before(world);
        world->before = store_model_copy(world->model);
        return;
    case 7:
    case 8:
        if (world->before != NULL)
            roll_back(world);
        return;
    case 9:
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
        damage(world, record->name);
        world->met[MET_DAMAGED]++;
        return;
    case 17:
        damage_epoch(world, record->epoch);
        world->met[MET_EPOCH_DAMAGED]++;
        return;
    case 19:
    case 20:
    case 21:
    case 22:
        damage_finely(world, record->name);
        return;
    case 18:
        put_other_type(world, once_in(world, 8) ? record->epoch : record->name);
        world->met[MET_OTHER_TYPE]++;
        return;
    default:
        return;
    }
}

/* ---- orders ---- */

static void tell_totals(struct world *world, struct order_totals *totals)
{
    uint64_t left = totals->granted - totals->disposed;
    uint64_t done = roll(world, left + 1);
    totals->disposed += once_in(world, 2) ? done : left;
    if (once_in(world, 4))
        totals->net += (int64_t)roll(world, done + 1);
    if (once_in(world, 12) && (totals->granted > 0 || once_in(world, 10)))
        totals->net += (int64_t)any_size(world, 1000) - 200;
    if (totals->net > NET_MAX || totals->net < -NET_MAX)
        totals->net = 0;
}

/* What no sidecar would tell. */
static void tell_nonsense(struct world *world, struct order_totals *totals)
{
    totals->granted = any_size(world, ORDER_TOKENS_MAX);
    totals->disposed = any_size(world, totals->granted);
    totals->net = (int64_t)any_size(world, NET_MAX);
    if (once_in(world, 2))
        totals->net = -totals->net;
}

static uint64_t random_want(struct world *world, uint64_t burst)
{
    switch (roll(world, 6)) {
    case 0:
        return 0;
    case 1:
        return any_size(world, ORDER_TOKENS_MAX);
    case 2:
        return burst;
    default:
        return any_size(world, burst);
    }
}

static uint8_t random_flags(struct world *world)
{
    static const uint8_t flags[] = {ORDER_EXACT, ORDER_RELEASE, ORDER_RESET, ORDER_ON_LOSS_FULL,
                                    ORDER_PROBE, ORDER_JOIN,    ORDER_CLAIM};
    uint8_t chosen = 0;
    for (unsigned i = 0; i < sizeof flags; i++)
        if (once_in(world, i == 0 ? 5 : 20))
            chosen |= flags[i];
    return chosen;
}

static void make_order(struct world *world, const struct record *record, struct order *order)
{
    const struct terms_set *terms = &record->terms[once_in(world, 10)];
    order->buckets = (uint8_t)terms->buckets;
    order->terms_tag = terms->tag;
    memcpy(order->terms, terms->bucket, sizeof order->terms);
    for (unsigned i = 0; i < terms->buckets; i++) {
        if (once_in(world, 200))
            tell_nonsense(world, &order->totals[i]);
        else
            tell_totals(world, &order->totals[i]);
        order->totals[i].want = random_want(world, terms->bucket[i].burst_tokens);
    }
    order->flags = random_flags(world);
    if (order->former != 0)
        order->flags |= ORDER_TAKES_OVER;
    if (order->flags & ORDER_RESET && order->seq < START_MS / 2 && !once_in(world, 10))
        order->flags ^= ORDER_RESET | ORDER_JOIN; /* nobody knows it yet */
    order->seq += once_in(world, 30) ? 0 : 1 + any_size(world, 3);
    order->keep_ms = once_in(world, 4) ? (uint32_t)any_size(world, 100000) : 0;
    order->store_ms =
        once_in(world, 3) ? world->now_ms + any_size(world, 100) - any_size(world, 3000) : 0;
    if (once_in(world, 100))
        order->epoch_ms = any_size(world, world->now_ms);
}

/* Another session goes on where a caller is: the caller's own next one, or that of another which has a copy of what it knew. */
static void take_over(struct world *world, const struct record *record, struct order *order)
{
    const struct order *from =
        once_in(world, 4) ? &record->caller[roll(world, world->sessions)].order : order;
    struct order next = *from;
    next.former = from->session;
    next.session = 1 + dice_bits(&world->dice) / 2;
    if (once_in(world, 4)) /* the copy is of before */
        next.seq -= next.seq < 8 ? 0 : 8;
    *order = next;
}

static void damage_order(struct world *world, struct sent *sent)
{
    sent->caller = NULL;
    if (once_in(world, 3))
        sent->len = roll(world, sizeof sent->bytes);
    else if (once_in(world, 3))
        sent->bytes[14 + 26 * sent->bytes[1]] ^= ORDER_TAKES_OVER; /* but for whom it takes over */
    else
        sent->bytes[roll(world, sent->len)] =
            once_in(world, 2) ? 255 : (unsigned char)dice_bits(&world->dice);
    world->met[MET_CALL_DAMAGED]++;
}

static void make_sent(struct world *world, unsigned number, struct sent *sent)
{
    struct record *record = &world->record[number];
    memset(sent, 0, sizeof *sent);
    sent->record = number;
    sent->caller = &record->caller[roll(world, world->sessions)];
    if (once_in(world, 25))
        take_over(world, record, &sent->caller->order);
    make_order(world, record, &sent->caller->order);
    sent->len = call_write(&sent->caller->order, &world->lease, 0, sent->bytes);
    if (once_in(world, 200))
        damage_order(world, sent);
    struct sent *kept = &world->late[roll(world, LATE)];
    if (world->late_count < LATE)
        kept = &world->late[world->late_count++];
    *kept = *sent;
}

/* One that was sent before, or should have been, of any caller. */
static void make_late(struct world *world, const struct sent *late, struct sent *sent)
{
    *sent = *late;
    sent->caller = NULL;
    world->met[MET_LATE]++;
}

static void learn(struct world *world, struct caller *caller, const unsigned char *answer,
                  size_t len)
{
    struct order *order = &caller->order;
    if (once_in(world, 20) || !call_read(order, answer, len)) /* it was lost */
        return;
    if (order->answered_epoch_ms != 0)
        order->epoch_ms = order->answered_epoch_ms;
    bool is_over = order->result == ORDER_EPOCH || order->result == ORDER_SESSION ||
                   order->result == ORDER_UNSOUND ||
                   (order->result == ORDER_DONE && order->flags & ORDER_RELEASE);
    if (is_over && !once_in(world, 5)) {
        begin_caller(world, caller, order->epoch_ms);
        return;
    }
    if (order->result == ORDER_DONE || order->result == ORDER_REPEATED ||
        order->result == ORDER_OLD)
        for (unsigned i = 0; i < order->buckets; i++)
            order->totals[i].granted = order->granted[i];
    bool is_known =
        order->result != ORDER_DONE || order->granted[0] > 0 || (order->flags & ORDER_JOIN) != 0;
    if (is_known && order->seq < order->answered_ms && !once_in(world, 30))
        order->seq = order->answered_ms;
    if (is_known)
        order->former = 0;
    for (unsigned i = 0; i < order->buckets; i++)
        if (order->totals[i].disposed > order->totals[i].granted)
            order->totals[i].disposed = order->totals[i].granted;
}

/* ---- a call of both ---- */

struct answer {
    unsigned char bytes[CALL_ANSWER_BYTES_MAX];
    size_t len;
};

static void print_hex(const char *what, const void *bytes, size_t len)
{
    printf("  %-8s", what);
    for (size_t i = 0; i < len; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
    printf("\n");
}

static void expect_same(const struct world *world, const char *what, const struct sent *sent,
                        const void *model, size_t model_len, const void *real, size_t real_len)
{
    if (model_len == real_len && memcmp(model, real, real_len) == 0)
        return;
    printf("world %" PRIu64 ", call %" PRIu64 ", %" PRIu64 " ms, %s: its %s differs\n",
           world->number, world->calls, world->now_ms, world->record[sent->record].name, what);
    print_hex("order", sent->bytes, sent->len);
    print_hex("model", model, model_len);
    print_hex("server", real, real_len);
    exit(1);
}

static void delete_ended(struct world *world, const char *name)
{
    struct store_value value;
    if (model_value(world, name, 0, &value) && !model_value(world, name, world->now_ms, &value)) {
        evict_both(world, name);
        world->met[MET_ENDED]++;
    }
}

static void append_call(struct world *world, const struct sent *sent, unsigned count)
{
    const char *args[3 + 3 * ORDERS_MAX + 2];
    size_t lens[sizeof args / sizeof args[0]];
    char keys[8], seconds[24], microseconds[8];
    int argc = 0;
    snprintf(keys, sizeof keys, "%u", 2 * count);
    snprintf(seconds, sizeof seconds, "%" PRIu64, world->now_ms / 1000);
    snprintf(microseconds, sizeof microseconds, "%u",
             (unsigned)(world->now_ms % 1000 * 1000 + roll(world, 1000)));
    const char *head[] = {"EVALSHA", world->sha, keys};
    for (unsigned i = 0; i < 3; i++)
        args[argc++] = head[i];
    for (unsigned i = 0; i < count; i++) {
        args[argc++] = world->record[sent[i].record].name;
        args[argc++] = world->record[sent[i].record].epoch;
    }
    for (int i = 0; i < argc; i++)
        lens[i] = strlen(args[i]);
    for (unsigned i = 0; i < count; i++) {
        args[argc] = (const char *)sent[i].bytes;
        lens[argc++] = sent[i].len;
    }
    args[argc] = seconds;
    lens[argc++] = strlen(seconds);
    args[argc] = microseconds;
    lens[argc++] = strlen(microseconds);
    redisAppendCommandArgv(world->server.connection, argc, args, lens);
    for (unsigned i = 0; i < count; i++) {
        const struct record *record = &world->record[sent[i].record];
        redisAppendCommand(world->server.connection, "MGET %s %s", record->name, record->epoch);
        redisAppendCommand(world->server.connection, "PEXPIRETIME %s", record->name);
    }
}

static void expect_value(struct world *world, const struct sent *sent, const char *what,
                         const char *name, const redisReply *real)
{
    struct store_value value;
    if (!model_value(world, name, 0, &value))
        value = (struct store_value){0};
    expect_same(world, what, sent, value.bytes, value.len, real->str, real->len);
}

static void expect_stored(struct world *world, const struct sent *sent)
{
    const struct record *record = &world->record[sent->record];
    redisReply *values = store_server_reply(&world->server),
               *end = store_server_reply(&world->server);
    expect_value(world, sent, "record", record->name, values->element[0]);
    expect_value(world, sent, "epoch", record->epoch, values->element[1]);
    struct store_value value;
    long long end_ms = -1;
    if (model_value(world, record->name, 0, &value) && value.end_ms != STORE_NO_END)
        end_ms = (long long)value.end_ms;
    if (values->element[0]->type == REDIS_REPLY_STRING)
        expect_same(world, "end", sent, &end_ms, sizeof end_ms, &end->integer, sizeof end->integer);
    freeReplyObject(values);
    freeReplyObject(end);
}

/* What the answer says of a record, which is also what was stored, if it was. */
static void expect_within(const struct world *world, const struct order *order)
{
    if (order->result == ORDER_AGAIN || order->result == ORDER_EPOCH ||
        order->result == ORDER_VERSION)
        return;
    for (unsigned i = 0; i < order->buckets; i++)
        if (order->level_units[i] > store_level_max(&order->terms[i], order->out_tokens[i])) {
            printf("world %" PRIu64 ", call %" PRIu64
                   ": level and what is out are more than the burst\n",
                   world->number, world->calls);
            exit(1);
        }
}

static void count_answer(struct world *world, const struct sent *sent, const struct answer *answer)
{
    struct order read = {.buckets = sent->bytes[1]};
    if (sent->caller != NULL)
        read = sent->caller->order;
    world->met[answer->bytes[1]]++;
    if (answer->len <= 20 || !call_read(&read, answer->bytes, answer->len))
        return;
    world->met[MET_CONVERTED] += read.is_converted;
    world->met[MET_HELD_BACK] += read.behind_ms > 0;
    world->met[MET_MANY_HOLDERS] += read.holders > 50;
    world->met[MET_OWED] += read.level_units[0] < 0;
    if (sent->caller != NULL) {
        world->met[MET_GRANT] += read.granted[0] > read.totals[0].granted;
        bool takes_over = (read.flags & ORDER_TAKES_OVER) != 0 && read.totals[0].granted > 0;
        world->met[MET_TAKEN] += takes_over && !(read.flags & ORDER_CLAIM) &&
                                 (read.result == ORDER_DONE || read.result == ORDER_REPEATED);
        world->met[MET_TAKEN_BEFORE] +=
            takes_over && read.result == ORDER_SESSION && read.granted[0] == 0;
        world->met[MET_TAKEN_BEHIND] +=
            takes_over && read.result == ORDER_SESSION && read.granted[0] > 0;
        world->met[MET_CLAIMED] += (read.flags & ORDER_CLAIM) && read.was_rolled_back;
        world->met[MET_KEPT] +=
            read.result == ORDER_DONE && read.keep_ms > world->lease.ttl_ms + world->lease.grace_ms;
        expect_within(world, &read);
    }
}

static void do_call(struct world *world, const struct sent *sent, unsigned count)
{
    struct answer answer[ORDERS_MAX];
    for (unsigned i = 0; i < count; i++)
        delete_ended(world, world->record[sent[i].record].name);
    append_call(world, sent, count);
    for (unsigned i = 0; i < count; i++) {
        const struct record *record = &world->record[sent[i].record];
        answer[i].len = store_model_do(world->model, record->name, name_len(record->name),
                                       record->epoch, name_len(record->epoch), sent[i].bytes,
                                       sent[i].len, world->now_ms, answer[i].bytes);
    }
    redisReply *reply = store_server_reply(&world->server);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count) {
        printf("%zu answers to %u orders\n", reply->elements, count);
        exit(1);
    }
    for (unsigned i = 0; i < count; i++)
        expect_same(world, "answer", &sent[i], answer[i].bytes, answer[i].len,
                    reply->element[i]->str, reply->element[i]->len);
    freeReplyObject(reply);
    for (unsigned i = 0; i < count; i++) {
        expect_stored(world, &sent[i]);
        count_answer(world, &sent[i], &answer[i]);
        if (sent[i].caller != NULL)
            learn(world, sent[i].caller, answer[i].bytes, answer[i].len);
    }
    world->calls++;
    world->calls_left--;
}

static bool is_in(const struct sent *sent, unsigned count, unsigned record)
{
    for (unsigned i = 0; i < count; i++)
        if (sent[i].record == record)
            return true;
    return false;
}

static void call_once(struct world *world)
{
    struct sent sent[ORDERS_MAX];
    unsigned count = 0, most = once_in(world, 2) ? 1 : 1 + (unsigned)roll(world, ORDERS_MAX);
    unsigned records = world->is_crowded ? 1 : RECORDS;
    for (unsigned i = 0; i < most; i++) {
        unsigned record = (unsigned)roll(world, records);
        const struct sent *late = NULL;
        if (world->late_count > 0 && once_in(world, 10)) {
            late = &world->late[roll(world, world->late_count)];
            record = late->record;
        }
        if (is_in(sent, count, record))
            continue;
        if (late == NULL)
            make_sent(world, record, &sent[count++]);
        else
            make_late(world, late, &sent[count++]);
    }
    do_call(world, sent, count);
}

/* ---- the servers ---- */

/* The script, or another in its place, which is the caller's. */
static char *whole_script(void)
{
    const char *path = getenv("ALLOWD_SCRIPT");
    size_t len = strlen(fleet_script), room = SCRIPT_BYTES_MAX;
    char *script = calloc(1, room);
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    if (script == NULL || len >= room || (path != NULL && file == NULL)) {
        perror(path);
        exit(1);
    }
    if (file != NULL) {
        len = fread(script, 1, room - 1, file);
        fclose(file);
    } else {
        memcpy(script, fleet_script, len);
    }
    return script;
}

/* The same with the server's clock replaced by the last two arguments of a call. */
static char *clockless(const char *script)
{
    static const char clock[] = "redis.call('TIME')",
                      handed_in[] = "{ARGV[#ARGV - 1], ARGV[#ARGV]}";
    const char *at = strstr(script, clock);
    if (at == NULL || strstr(at + strlen(clock), "'TIME'") != NULL) {
        printf("the script reads its clock at one place no more\n");
        exit(1);
    }
    char *replaced = NULL;
    if (asprintf(&replaced, "%.*s%s%s", (int)(at - script), script, handed_in, at + strlen(clock)) <
        0)
        abort();
    return replaced;
}

/* As it is, by the server's own clock: a record is there for as long as it says more than that it is full, and then
 * no more. */
static void ends_by_itself(struct world *world, const char *script)
{
    redisReply *sha = store_server_do(&world->server, "SCRIPT LOAD %s", script);
    struct order order = {.buckets = 1, .session = 1, .seq = 1};
    order.terms[0] = (struct order_terms){
        .burst_tokens = 10, .token_units = 1, .step_units = 1, .outstanding_tokens = 5};
    order.totals[0].want = 3;
    order.flags = ORDER_ON_LOSS_FULL;
    const struct call_terms lease = {.ttl_ms = 20, .grace_ms = 10};
    for (unsigned i = 0; i < 2; i++) {
        unsigned char bytes[CALL_BYTES_MAX];
        size_t len = call_write(&order, &lease, 0, bytes);
        redisReply *reply =
            store_server_do(&world->server, "EVALSHA %s 2 r e %b", sha->str, bytes, len);
        if (!call_read(&order, (unsigned char *)reply->element[0]->str, reply->element[0]->len) ||
            order.result != (i == 0 ? ORDER_AGAIN : ORDER_DONE))
            exit(1);
        freeReplyObject(reply);
    }
    redisReply *end = store_server_do(&world->server, "PEXPIRETIME r");
    if (order.granted[0] != 3 || end->integer != (long long)order.answered_ms + 30 + 3 + 30) {
        printf("granted %" PRIu64 ", from %" PRIu64 " to %lld\n", order.granted[0],
               order.answered_ms, end->integer);
        exit(1);
    }
    freeReplyObject(end);
    freeReplyObject(sha);
    for (bool is_there = true; is_there;) {
        redisReply *exists = store_server_do(&world->server, "EXISTS r");
        is_there = exists->integer == 1;
        freeReplyObject(exists);
    }
}

static void try_server(const char *program, uint64_t calls)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    world.dice = dice_new(1);
    world.model = store_model_new();
    store_server_start(&world.server, program);
    char *script = whole_script(), *replaced = clockless(script);
    ends_by_itself(&world, script);
    redisReply *sha = store_server_do(&world.server, "SCRIPT LOAD %s", replaced);
    world.sha = sha->str;
    while (world.calls < calls) {
        if (world.calls_left == 0)
            begin_world(&world);
        pass_time(&world);
        if (!world.is_crowded || once_in(&world, 20))
            have_something_happen(&world);
        call_once(&world);
    }
    printf("%s: %" PRIu64 " calls", program, world.calls);
    bool has_met_all = true;
    for (unsigned i = 0; i < MET_COUNT; i++) {
        printf(", %s %" PRIu64, MET[i], world.met[i]);
        has_met_all &= world.met[i] > 0;
    }
    printf("\n");
    if (!has_met_all && calls >= 20000) {
        printf("something was never met\n");
        exit(1);
    }
    freeReplyObject(sha);
    free(script);
    free(replaced);
    forget_before(&world);
    store_model_free(world.model);
    store_server_stop(&world.server);
}

static bool is_in_path(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

int main(void)
{
    uint64_t calls = dice_repeats("ALLOWD_CALLS", 20000);
    const char *stores = getenv("ALLOWD_STORES");
    char list[1024];
    snprintf(list, sizeof list, "%s", stores != NULL ? stores : "redis-server valkey-server");
    for (char *rest = list, *program; (program = strtok_r(rest, " ", &rest)) != NULL;)
        if (stores != NULL || strcmp(program, "valkey-server") != 0 || is_in_path(program))
            try_server(program, calls);
    return 0;
}
