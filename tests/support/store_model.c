#include "support/store_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef __int128 i128;

enum { LAYOUT_VERSION = 1, CONVERTED = 1, ROLLED_BACK = 2 };
enum { CALL_HEAD = 42, CALL_BUCKET = 51, CALL_KEEP = 4, CALL_FORMER = 8 };
enum { RECORD_HEAD = 20, RECORD_BUCKET = 12, HOLDER_HEAD = 20, HOLDER_BUCKET = 19 };
enum {
    RECORD_BYTES_MAX = RECORD_HEAD + BUCKETS_MAX * RECORD_BUCKET +
                       HOLDERS_MAX * (HOLDER_HEAD + BUCKETS_MAX * HOLDER_BUCKET)
};

#define LEVEL_MAX (INT64_C(1) << 52)
#define SIGNED_ZERO (INT64_C(1) << 52) /* 0, where there may be less */
#define SIGNED_MAX (UINT64_C(1) << 53)
#define TIME_END (UINT64_C(1) << 47)
#define SEQ_KNOWN (UINT64_C(1) << 32) /* below, the session does not know that it is remembered */
#define EXACT_END (UINT64_C(1) << 53) /* doubles below are exact */

/* ---- bytes ---- */

static uint64_t get(const unsigned char **at, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++)
        number |= (uint64_t) * (*at)++ << 8 * i;
    return number;
}

static void put(unsigned char **at, unsigned bytes, uint64_t number)
{
    for (unsigned i = 0; i < bytes; i++)
        *(*at)++ = (unsigned char)(number >> 8 * i);
}

/* A number with its sign; false: it is out of bounds. */
static bool get_signed(const unsigned char **at, int64_t *number)
{
    uint64_t raised = get(at, 7);
    *number = (int64_t)raised - SIGNED_ZERO;
    return raised <= SIGNED_MAX;
}

/* ---- calls ---- */

struct call {
    unsigned flags, buckets;
    uint32_t tag;
    uint64_t seq, ttl_ms, grace_ms, session, epoch_ms, not_after_ms, keep_ms, former;
    struct order_terms terms[BUCKETS_MAX];
    struct order_totals totals[BUCKETS_MAX];
};

static bool read_terms(const unsigned char **at, struct order_terms *terms)
{
    terms->burst_tokens = get(at, 7);
    terms->token_units = get(at, 5);
    terms->step_units = get(at, 7);
    terms->outstanding_tokens = get(at, 7);
    return terms->token_units > 0 && terms->step_units > 0 &&
           (i128)terms->burst_tokens * terms->token_units <= LEVEL_MAX;
}

static bool read_totals(const unsigned char **at, struct order_totals *totals)
{
    totals->granted = get(at, 6);
    totals->disposed = get(at, 6);
    bool is_sound = get_signed(at, &totals->net);
    totals->want = get(at, 6);
    return is_sound && totals->granted + totals->want <= ORDER_TOKENS_MAX;
}

static bool takes_over(const struct call *call)
{
    return (call->flags & ORDER_TAKES_OVER) != 0;
}

static bool read_call(struct call *call, const unsigned char *at, size_t len)
{
    if (len < CALL_HEAD || get(&at, 1) != LAYOUT_VERSION)
        return false;
    call->buckets = (unsigned)get(&at, 1);
    size_t usual = CALL_HEAD + call->buckets * (size_t)CALL_BUCKET;
    if (call->buckets < 1 || call->buckets > BUCKETS_MAX ||
        (len != usual && len != usual + CALL_KEEP && len != usual + CALL_KEEP + CALL_FORMER))
        return false;
    bool is_sound = true;
    call->tag = (uint32_t)get(&at, 4);
    call->ttl_ms = get(&at, 4);
    call->grace_ms = get(&at, 4);
    for (unsigned i = 0; i < call->buckets; i++)
        is_sound &= read_terms(&at, &call->terms[i]);
    call->flags = (unsigned)get(&at, 1);
    call->session = get(&at, 8);
    call->seq = get(&at, 6);
    call->epoch_ms = get(&at, 6);
    call->not_after_ms = get(&at, 7);
    for (unsigned i = 0; i < call->buckets; i++)
        is_sound &= read_totals(&at, &call->totals[i]);
    call->keep_ms = len > usual ? get(&at, CALL_KEEP) : 0;
    bool has_former = len > usual + CALL_KEEP;
    call->former = has_former ? get(&at, CALL_FORMER) : 0;
    return is_sound && has_former == takes_over(call);
}

/* Whether it has news, which only a record does that knows the session. */
static bool has_news(const struct call *call)
{
    if (call->flags & ORDER_RESET || call->seq >= SEQ_KNOWN)
        return true;
    for (unsigned i = 0; i < call->buckets; i++)
        if (call->totals[i].granted > 0 || call->totals[i].net != 0)
            return true;
    return false;
}

/* ---- records ---- */

static bool read_holder(const unsigned char **at, struct store_holder *holder, unsigned buckets)
{
    holder->session = get(at, 8);
    holder->dead_at_ms = get(at, 6);
    holder->seq = get(at, 6);
    bool is_sound = true;
    for (unsigned i = 0; i < buckets; i++) {
        uint64_t granted = holder->bucket[i].granted = get(at, 6);
        holder->bucket[i].disposed = get(at, 6);
        is_sound &= get_signed(at, &holder->bucket[i].net);
        is_sound &= holder->bucket[i].disposed <= granted && granted <= ORDER_TOKENS_MAX;
    }
    for (unsigned i = buckets; i < BUCKETS_MAX; i++)
        memset(&holder->bucket[i], 0, sizeof holder->bucket[i]);
    return is_sound;
}

bool store_record_read(struct store_record *record, const unsigned char *at, size_t len)
{
    if (len < RECORD_HEAD || get(&at, 1) != LAYOUT_VERSION)
        return false;
    unsigned buckets = record->buckets = (unsigned)get(&at, 1);
    if (buckets < 1 || buckets > BUCKETS_MAX || len < RECORD_HEAD + (size_t)buckets * RECORD_BUCKET)
        return false;
    bool is_sound = true;
    record->terms_tag = (uint32_t)get(&at, 4);
    for (unsigned i = 0; i < buckets; i++) {
        record->token_units[i] = get(&at, 5);
        is_sound &= record->token_units[i] > 0;
    }
    record->holders = (unsigned)get(&at, 1);
    record->time_ms = get(&at, 6);
    record->end_ms = get(&at, 7);
    if (record->holders > HOLDERS_MAX || record->time_ms >= TIME_END ||
        len != RECORD_HEAD + (size_t)buckets * RECORD_BUCKET +
                   (size_t)record->holders * (HOLDER_HEAD + buckets * HOLDER_BUCKET))
        return false;
    for (unsigned i = 0; i < buckets; i++) {
        is_sound &= get_signed(&at, &record->level_units[i]);
        is_sound &= record->level_units[i] >= STORE_LEVEL_MIN;
    }
    for (unsigned i = 0; i < record->holders; i++)
        is_sound &= read_holder(&at, &record->holder[i], buckets);
    return is_sound;
}

static size_t write_record(const struct store_record *record, unsigned char *bytes)
{
    unsigned char *at = bytes;
    put(&at, 1, LAYOUT_VERSION);
    put(&at, 1, record->buckets);
    put(&at, 4, record->terms_tag);
    for (unsigned i = 0; i < record->buckets; i++)
        put(&at, 5, record->token_units[i]);
    put(&at, 1, record->holders);
    put(&at, 6, record->time_ms);
    put(&at, 7, record->end_ms);
    for (unsigned i = 0; i < record->buckets; i++)
        put(&at, 7, (uint64_t)(record->level_units[i] + SIGNED_ZERO));
    for (unsigned i = 0; i < record->holders; i++) {
        const struct store_holder *holder = &record->holder[i];
        put(&at, 8, holder->session);
        put(&at, 6, holder->dead_at_ms);
        put(&at, 6, holder->seq);
        for (unsigned j = 0; j < record->buckets; j++) {
            put(&at, 6, holder->bucket[j].granted);
            put(&at, 6, holder->bucket[j].disposed);
            put(&at, 7, (uint64_t)(holder->bucket[j].net + SIGNED_ZERO));
        }
    }
    return (size_t)(at - bytes);
}

uint64_t store_record_out(const struct store_record *record, unsigned bucket)
{
    uint64_t out = 0;
    for (unsigned i = 0; i < record->holders; i++)
        out += record->holder[i].bucket[bucket].granted - record->holder[i].bucket[bucket].disposed;
    return out;
}

int64_t store_level_max(const struct order_terms *terms, uint64_t out)
{
    i128 most = ((i128)terms->burst_tokens - (i128)out) * (i128)terms->token_units;
    return most < STORE_LEVEL_MIN ? STORE_LEVEL_MIN : (int64_t)most;
}

bool store_record_is_within(const struct store_record *record, unsigned bucket,
                            const struct order_terms *terms)
{
    return record->level_units[bucket] <= store_level_max(terms, store_record_out(record, bucket));
}

/* ---- one record of a call, while it is worked on ---- */

struct work {
    const struct call *call;
    uint64_t time_ms; /* of the store's clock */
    uint64_t now_ms;  /* of the record */
    uint64_t epoch_ms, behind_ms;
    enum order_result result;
    bool is_converted, was_rolled_back, is_fresh, must_write, has_taken;
    struct store_holder *own;      /* in the record, or NULL */
    uint64_t granted[BUCKETS_MAX]; /* that are told */
    struct store_record record;
};

static int64_t bounded(i128 number, int64_t most)
{
    return number > most ? most : number < STORE_LEVEL_MIN ? STORE_LEVEL_MIN : (int64_t)number;
}

static int64_t bucket_level_max(const struct work *work, unsigned i)
{
    return store_level_max(&work->call->terms[i], store_record_out(&work->record, i));
}

/* A record without holders, that was empty at that time. */
static void begin_empty_at(struct work *work, uint64_t empty_ms)
{
    struct store_record *record = &work->record;
    record->time_ms = empty_ms > work->now_ms ? empty_ms : work->now_ms;
    for (unsigned i = 0; i < work->call->buckets; i++)
        record->level_units[i] =
            bounded((i128)(record->time_ms - empty_ms) * work->call->terms[i].step_units,
                    bucket_level_max(work, i));
}

static void begin_full(struct work *work)
{
    work->record.time_ms = work->now_ms;
    for (unsigned i = 0; i < work->call->buckets; i++)
        work->record.level_units[i] = bucket_level_max(work, i);
}

static uint64_t lease_ms(const struct call *call)
{
    return call->ttl_ms + call->grace_ms;
}

static void begin(struct work *work)
{
    work->record.terms_tag = work->call->tag;
    work->record.buckets = work->call->buckets;
    work->record.holders = 0;
    work->record.end_ms = 0;
    for (unsigned i = 0; i < work->call->buckets; i++)
        work->record.token_units[i] = work->call->terms[i].token_units;
}

/* After damage or an eviction: whoever had tokens has none any more by then. */
static void begin_anew(struct work *work)
{
    begin(work);
    begin_empty_at(work, work->now_ms + lease_ms(work->call));
    work->is_fresh = true;
}

static void begin_absent(struct work *work)
{
    bool is_full_after_loss = (work->call->flags & ORDER_ON_LOSS_FULL) != 0;
    if (has_news(work->call) && !is_full_after_loss) {
        begin_anew(work);
        return;
    }
    begin(work);
    if (is_full_after_loss || work->epoch_ms == 0)
        begin_full(work);
    else
        begin_empty_at(work, work->epoch_ms + lease_ms(work->call));
}

/* Has the record's time be now, unless it is ahead. */
static void set_time(struct work *work)
{
    uint64_t record_ms = work->record.time_ms;
    if (record_ms > work->now_ms)
        work->now_ms = record_ms;
    work->behind_ms =
        work->now_ms > work->time_ms ? work->now_ms - work->time_ms : work->time_ms - work->now_ms;
}

/* ---- other terms ---- */

static int64_t floor_div(int64_t dividend, int64_t divisor)
{
    return dividend / divisor - (dividend % divisor < 0);
}

/* A level in other units: whole tokens, and of a part of one what is told exactly. */
static int64_t convert_level(int64_t level, uint64_t from, uint64_t to)
{
    int64_t whole = floor_div(level, (int64_t)from);
    i128 part = (i128)(level - whole * (int64_t)from) * (i128)to;
    i128 converted = (i128)whole * (i128)to;
    if (converted > LEVEL_MAX)
        return LEVEL_MAX;
    if (converted < STORE_LEVEL_MIN)
        return STORE_LEVEL_MIN;
    return (int64_t)(converted + (part < (i128)EXACT_END ? part / (i128)from : 0));
}

static void convert(struct work *work)
{
    struct store_record *record = &work->record;
    const struct call *call = work->call;
    work->is_converted = record->terms_tag != call->tag || record->buckets != call->buckets;
    for (unsigned i = 0; i < call->buckets; i++) {
        uint64_t to = call->terms[i].token_units;
        if (i >= record->buckets) {
            record->level_units[i] = 0;
        } else if (record->token_units[i] != to) {
            record->level_units[i] =
                convert_level(record->level_units[i], record->token_units[i], to);
            work->is_converted = true;
        }
        record->token_units[i] = to;
    }
    for (unsigned i = 0; i < record->holders; i++)
        for (unsigned j = call->buckets; j < BUCKETS_MAX; j++)
            memset(&record->holder[i].bucket[j], 0, sizeof record->holder[i].bucket[j]);
    record->terms_tag = call->tag;
    record->buckets = call->buckets;
}

/* ---- time passes ---- */

static void refill_until(struct work *work, uint64_t until_ms)
{
    struct store_record *record = &work->record;
    for (unsigned i = 0; i < record->buckets; i++)
        record->level_units[i] =
            bounded(record->level_units[i] +
                        (i128)(until_ms - record->time_ms) * (i128)work->call->terms[i].step_units,
                    bucket_level_max(work, i));
    record->time_ms = until_ms;
}

/* The latest end of a holder that is over by now, not before the record's time. */
static uint64_t latest_dead_ms(const struct work *work)
{
    uint64_t latest = work->record.time_ms;
    for (unsigned i = 0; i < work->record.holders; i++) {
        uint64_t dead_at = work->record.holder[i].dead_at_ms;
        if (dead_at < work->now_ms && dead_at > latest)
            latest = dead_at;
    }
    return latest;
}

static void forget_dead(struct work *work)
{
    struct store_record *record = &work->record;
    unsigned kept = 0;
    for (unsigned i = 0; i < record->holders; i++)
        if (record->holder[i].dead_at_ms >= work->now_ms)
            record->holder[kept++] = record->holder[i];
    record->holders = kept;
}

static void pass_time(struct work *work)
{
    refill_until(work, latest_dead_ms(work));
    forget_dead(work);
    refill_until(work, work->now_ms);
}

/* ---- the session ---- */

/* The holder of a session becomes the last, and the own one. */
static void find_own(struct work *work, uint64_t session)
{
    struct store_record *record = &work->record;
    for (unsigned i = record->holders; i-- > 0;)
        if (record->holder[i].session == session) {
            struct store_holder own = record->holder[i];
            memmove(&record->holder[i], &record->holder[i + 1],
                    (record->holders - 1 - i) * sizeof own);
            record->holder[record->holders - 1] = own;
            work->own = &record->holder[record->holders - 1];
            return;
        }
}

static void add_own(struct work *work)
{
    work->own = &work->record.holder[work->record.holders++];
    *work->own = (struct store_holder){.session = work->call->session};
}

/* Whether the order may be done. */
static bool settle_session(struct work *work)
{
    find_own(work, work->call->session);
    if (work->own == NULL && takes_over(work->call)) {
        find_own(work, work->call->former);
        work->has_taken = work->own != NULL;
    }
    if (work->own != NULL && work->call->seq <= work->own->seq)
        work->result = work->has_taken ? ORDER_SESSION : ORDER_OLD;
    else if (work->own == NULL && has_news(work->call) && !(work->call->flags & ORDER_CLAIM))
        work->result = ORDER_SESSION;
    else if (work->own == NULL && work->record.holders == HOLDERS_MAX)
        work->result = ORDER_FULL;
    else
        return true;
    return false;
}

/* ---- what the order tells, and wants ---- */

static bool is_repeated(const struct work *work)
{
    for (unsigned i = 0; i < work->call->buckets; i++)
        if (work->call->totals[i].granted < work->own->bucket[i].granted)
            return true;
    return false;
}

static void take_totals(struct work *work, unsigned i)
{
    const struct order_totals *told = &work->call->totals[i];
    const i128 token = (i128)work->call->terms[i].token_units;
    int64_t *level = &work->record.level_units[i];
    uint64_t *granted = &work->own->bucket[i].granted, *disposed = &work->own->bucket[i].disposed;
    if (told->granted > *granted) {
        work->was_rolled_back = true;
        *level = bounded(*level - (i128)(told->granted - *granted) * token, *level);
        *granted = told->granted;
    }
    uint64_t most = told->disposed < *granted ? told->disposed : *granted;
    if (most > *disposed)
        *disposed = most;
    i128 back = ((i128)told->net - work->own->bucket[i].net) * token;
    *level = bounded(*level + back, bucket_level_max(work, i));
    work->own->bucket[i].net = told->net;
    if (work->call->flags & ORDER_RESET)
        *level = bucket_level_max(work, i);
}

static void grant(struct work *work, unsigned i, uint64_t tokens)
{
    work->own->bucket[i].granted += tokens;
    work->record.level_units[i] -= (int64_t)(tokens * work->call->terms[i].token_units);
}

static void grant_exactly(struct work *work)
{
    for (unsigned i = 0; i < work->call->buckets; i++)
        if (work->record.level_units[i] <
            (i128)work->call->totals[i].want * (i128)work->call->terms[i].token_units)
            return;
    for (unsigned i = 0; i < work->call->buckets; i++)
        grant(work, i, work->call->totals[i].want);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void grant_share(struct work *work, unsigned i)
{
    const struct order_terms *terms = &work->call->terms[i];
    int64_t level = work->record.level_units[i];
    uint64_t out = store_record_out(&work->record, i);
    uint64_t share = terms->burst_tokens / (2 * (uint64_t)work->record.holders);
    uint64_t tokens = least(work->call->totals[i].want, share > 1 ? share : 1);
    tokens = least(tokens, level > 0 ? (uint64_t)level / terms->token_units : 0);
    grant(work, i,
          least(tokens, terms->outstanding_tokens > out ? terms->outstanding_tokens - out : 0));
}

static void grant_all(struct work *work)
{
    if (work->result == ORDER_REPEATED || work->call->flags & ORDER_RELEASE)
        return;
    if (work->call->flags & ORDER_EXACT) {
        grant_exactly(work);
        return;
    }
    for (unsigned i = 0; i < work->call->buckets; i++)
        grant_share(work, i);
}

/* Whether the holder is to be remembered. If it ends before the time has come that its numbers have, copies of its orders would
 * pass for newer than those of a newcomer of this name. */
static bool own_stays(const struct work *work, bool was_known)
{
    bool stays = was_known || (work->call->flags & ORDER_JOIN) != 0;
    for (unsigned i = 0; i < work->call->buckets; i++)
        stays |= work->own->bucket[i].granted > 0;
    return stays && !(work->call->flags & ORDER_RELEASE && work->result == ORDER_DONE &&
                      work->call->seq <= work->now_ms);
}

static void do_order(struct work *work)
{
    const struct call *call = work->call;
    bool was_known = work->own != NULL;
    if (!was_known)
        add_own(work);
    work->result = is_repeated(work) ? ORDER_REPEATED : ORDER_DONE;
    for (unsigned i = 0; i < call->buckets; i++)
        take_totals(work, i);
    grant_all(work);
    for (unsigned i = 0; i < call->buckets; i++)
        work->granted[i] = work->own->bucket[i].granted;
    bool stays = own_stays(work, was_known);
    /* A newcomer's begins at the time, later than any of a session of this name that was forgotten. */
    work->own->session = call->session;
    work->own->seq = !was_known && call->seq < work->now_ms ? work->now_ms : call->seq;
    work->own->dead_at_ms =
        work->now_ms + (call->keep_ms > lease_ms(call) ? call->keep_ms : lease_ms(call));
    if (!stays)
        work->record.holders--;
    work->must_write = was_known || stays || call->flags & ORDER_PROBE;
}

/* ---- what is stored ---- */

/* Until when the record says more than that it is full. */
static uint64_t end_ms(const struct work *work)
{
    const struct store_record *record = &work->record;
    uint64_t wait = 0, longest = 1;
    for (unsigned i = 0; i < record->holders; i++)
        if (record->holder[i].dead_at_ms > work->now_ms + wait)
            wait = record->holder[i].dead_at_ms - work->now_ms;
    for (unsigned i = 0; i < record->buckets; i++) {
        i128 step = (i128)work->call->terms[i].step_units;
        int64_t full = store_level_max(&work->call->terms[i], 0);
        int64_t level =
            bounded(record->level_units[i] + (i128)wait * step, bucket_level_max(work, i));
        uint64_t after = wait + (uint64_t)((full - level + step - 1) / step);
        if (after > longest)
            longest = after;
    }
    return (work->now_ms > work->time_ms ? work->now_ms : work->time_ms) + longest;
}

static void store_record(struct store_model *store, const char *name, size_t len, struct work *work)
{
    unsigned char bytes[RECORD_BYTES_MAX];
    struct store_record *record = &work->record;
    struct store_value value;
    uint64_t need = end_ms(work), lease = lease_ms(work->call);
    bool keeps =
        record->holders > 0 && record->end_ms >= need && record->end_ms <= need + 2 * lease;
    if (!keeps)
        record->end_ms = record->holders > 0 ? need + lease : need;
    if (!keeps || !store_model_get(store, name, len, work->time_ms, &value))
        value.end_ms = record->end_ms;
    value.bytes = bytes;
    value.len = write_record(record, bytes);
    store_model_put(store, name, len, &value);
}

/* ---- epochs ---- */

static bool read_epoch(const struct store_value *value, uint64_t *epoch_ms)
{
    uint64_t number = 0;
    if (value->len < 1 || value->len > 15)
        return false;
    for (size_t i = 0; i < value->len; i++) {
        if (value->bytes[i] < '0' || value->bytes[i] > '9')
            return false;
        number = 10 * number + (uint64_t)(value->bytes[i] - '0');
    }
    *epoch_ms = number;
    return number < TIME_END;
}

/* Whether there is one, and the caller knows no other. */
static bool settle_epoch(struct store_model *store, const char *name, size_t len, struct work *work)
{
    struct store_value value;
    if (!store_model_get(store, name, len, work->time_ms, &value) ||
        !read_epoch(&value, &work->epoch_ms)) {
        char text[24];
        work->epoch_ms = work->call->flags & ORDER_ON_LOSS_FULL ? 0 : work->time_ms;
        int text_len = snprintf(text, sizeof text, "%" PRIu64, work->epoch_ms);
        value = (struct store_value){(const unsigned char *)text, (size_t)text_len, STORE_NO_END};
        store_model_put(store, name, len, &value);
        work->result = ORDER_AGAIN;
        return false;
    }
    work->result = ORDER_EPOCH;
    return work->call->epoch_ms == 0 || work->call->epoch_ms == work->epoch_ms;
}

/* ---- all of it ---- */

static bool is_there_twice(const struct store_record *record, uint64_t session)
{
    unsigned count = 0;
    for (unsigned i = 0; i < record->holders; i++)
        count += record->holder[i].session == session;
    return count > 1;
}

static bool lives(const struct work *work, uint64_t session)
{
    const struct store_record *record = &work->record;
    uint64_t now_ms = work->now_ms > record->time_ms ? work->now_ms : record->time_ms;
    bool lives = false;
    for (unsigned i = 0; i < record->holders; i++)
        lives |= record->holder[i].session == session && record->holder[i].dead_at_ms >= now_ms;
    return lives;
}

/* Whether the session is there twice, or else the one that it takes over. */
static bool has_doubles(const struct work *work)
{
    const struct call *call = work->call;
    return is_there_twice(&work->record, call->session) ||
           (takes_over(call) && !lives(work, call->session) &&
            is_there_twice(&work->record, call->former));
}

/* Has the record in its place, whatever was there; false: another version's is, and nothing is to be done. */
static bool take_record(struct work *work, const struct store_value *value)
{
    if (value == NULL) {
        work->now_ms = work->time_ms; /* by which it has ended */
        begin_absent(work);
    } else if (value->len > 0 && value->bytes[0] != LAYOUT_VERSION) {
        work->result = ORDER_VERSION;
        return false;
    } else if (!store_record_read(&work->record, value->bytes, value->len) || has_doubles(work)) {
        begin_anew(work);
        work->result = ORDER_UNSOUND;
    }
    return true;
}

static void work_on(struct store_model *store, const char *name, size_t len, struct work *work)
{
    struct store_value value;
    bool is_there = store_model_get(store, name, len, work->time_ms, &value);
    work->result = ORDER_DONE;
    if (!take_record(work, is_there ? &value : NULL)) {
        work->record.buckets = 0;
        return;
    }
    set_time(work);
    convert(work);
    pass_time(work);
    if (work->result != ORDER_UNSOUND && settle_session(work))
        do_order(work);
    else if (work->own != NULL)
        for (unsigned i = 0; i < work->call->buckets; i++)
            work->granted[i] = work->own->bucket[i].granted;
    if (work->must_write || work->is_fresh)
        store_record(store, name, len, work);
}

static size_t write_answer(const struct work *work, unsigned char *answer)
{
    unsigned char *at = answer;
    bool has_record = work->record.buckets > 0;
    put(&at, 1, LAYOUT_VERSION);
    put(&at, 1, (uint64_t)work->result);
    put(&at, 1, (work->is_converted ? CONVERTED : 0u) | (work->was_rolled_back ? ROLLED_BACK : 0u));
    put(&at, 1, has_record ? work->record.holders : 0);
    put(&at, 6, work->epoch_ms);
    put(&at, 6, work->now_ms);
    put(&at, 4, least(work->behind_ms, UINT32_MAX));
    for (unsigned i = 0; i < work->call->buckets; i++) {
        put(&at, 6, work->granted[i]);
        put(&at, 7, (uint64_t)((has_record ? work->record.level_units[i] : 0) + SIGNED_ZERO));
        put(&at, 7, has_record ? store_record_out(&work->record, i) : 0);
    }
    return (size_t)(at - answer);
}

size_t store_model_do(struct store_model *store, const char *record, size_t record_len,
                      const char *epoch, size_t epoch_len, const unsigned char *bytes,
                      size_t call_len, uint64_t time_ms,
                      unsigned char answer[CALL_ANSWER_BYTES_MAX])
{
    struct call call = {0};
    struct work work;
    memset(&work, 0, offsetof(struct work, record.holder));
    work.call = &call;
    work.time_ms = work.now_ms = time_ms;
    if (!read_call(&call, bytes, call_len)) {
        call.buckets = 0;
        work.result = ORDER_VERSION;
        return write_answer(&work, answer);
    }
    if (call.not_after_ms != 0 && call.not_after_ms < time_ms)
        work.now_ms = call.not_after_ms;
    work.behind_ms = time_ms - work.now_ms;
    if (settle_epoch(store, epoch, epoch_len, &work))
        work_on(store, record, record_len, &work);
    return write_answer(&work, answer);
}

void store_model_order(struct store_model *store, const char *fleet, struct order *order,
                       const struct call_terms *terms, uint64_t sent_ns, uint64_t time_ms)
{
    char record[FLEET_RECORD_NAME_MAX], epoch[FLEET_RECORD_NAME_MAX];
    unsigned char call[CALL_BYTES_MAX], answer[CALL_ANSWER_BYTES_MAX];
    uint8_t shard = fleet_shard(order->limit_name, order->limit_len, order->key, order->key_len);
    size_t record_len = fleet_record_name(fleet, order, record);
    size_t epoch_len = fleet_epoch_name(fleet, shard, epoch);
    size_t call_len = call_write(order, terms, sent_ns, call);
    size_t len = store_model_do(store, record, record_len, epoch, epoch_len, call, call_len,
                                time_ms, answer);
    if (!call_read(order, answer, len)) {
        fprintf(stderr, "the model's answer cannot be read\n");
        abort();
    }
}
