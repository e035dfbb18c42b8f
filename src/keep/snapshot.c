#include "keep/snapshot.h"

#include "base/bytes.h"
#include "limits/key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A snapshot of allowd 0.1.0, the first version, begins with the tick. Since then it begins with a
 * number that no tick reaches, and which 0.1.0 refuses. It changes with what follows. */
#define SNAPSHOT_VERSION (UINT64_MAX - 5)

/* The versions before: all overrides were those of the configuration, and had no reason; no bucket held
 * slots; and before that, none could owe. */
#define SNAPSHOT_WITHOUT_RUNTIME (UINT64_MAX - 4)
#define SNAPSHOT_WITHOUT_SLOTS (UINT64_MAX - 3)
#define SNAPSHOT_WITHOUT_DEBTS (UINT64_MAX - 2)

/* What a limit is, a bit each. */
enum { KNOWS_NO_NETWORKS = 1, RETURNS_ON_EXPIRY = 2 };

/* ---- writing ---- */

static void put_allowance(struct bytes_writer *writer, const struct allowance *allowance)
{
    bytes_put_8(writer, (uint8_t)allowance->count);
    for (uint32_t i = 0; i < allowance->count; i++) {
        const struct bucket_terms *bucket = &allowance->bucket[i];
        bytes_put_string(writer, bucket->name);
        bytes_put_8(writer, bucket->holds_slots);
        bytes_put_64(writer, bucket->burst);
        if (bucket->holds_slots)
            continue;
        bytes_put_64(writer, bucket->debt_max);
        bytes_put_64(writer, bucket->rate.tokens);
        bytes_put_64(writer, bucket->rate.period_ms);
    }
}

/* Why an override was there nobody asks of an edition that was replaced. */
static void put_override(struct bytes_writer *writer, const struct override *override,
                         bool is_in_force)
{
    bytes_put_string(writer, override->key);
    bytes_put_8(writer, (uint8_t) override->action);
    bytes_put_64(writer, (uint64_t) override->until_s);
    bytes_put_8(writer, override->is_runtime);
    bytes_put_string(writer, is_in_force && override->reason != NULL ? override->reason : "");
    if (override->action == OVERRIDE_TERMS)
        put_allowance(writer, &override->allowance);
}

static void put_limit(struct bytes_writer *writer, const struct limit *limit, bool is_in_force)
{
    bytes_put_string(writer, limit->name);
    put_allowance(writer, &limit->allowance);
    bytes_put_8(writer, (limit->knows_no_networks ? KNOWS_NO_NETWORKS : 0) |
                            (limit->returns_on_expiry ? RETURNS_ON_EXPIRY : 0));
    bytes_put_32(writer, limit->overrides_count);
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        put_override(writer, &limit->overrides[i], is_in_force);
}

static void put_line(struct bytes_writer *writer, const struct lines *lines, uint16_t number)
{
    const struct line *line = &lines->line[number];
    bytes_put_16(writer, number);
    bytes_put_8(writer, line->ended);
    bytes_put_64(writer, (uint64_t)line->ended_s);
    bytes_put_64(writer, line->ended_tick);
    for (uint32_t i = 0; i < line->count; i++)
        bytes_put_64(writer, line->credit[i].credit_units);
}

static void put_edition(struct bytes_writer *writer, const struct lines *lines, uint16_t number)
{
    const struct edition *edition = &lines->edition[number];
    bytes_put_16(writer, number);
    bytes_put_16(writer, edition->successor);
    bytes_put_32(writer, edition->replaced);
    bytes_put_64(writer, edition->salt);
    bytes_put_64(writer, (uint64_t)edition->began_s);
    bytes_put_64(writer, (uint64_t)edition->as_of_s);
    bytes_put_64(writer, edition->limits->tick_ms);
    put_limit(writer, edition_limit(edition), edition->successor == number);
    for (uint32_t i = 0; i < edition_lines_count(edition); i++) {
        bool has_line = edition_has_line(edition, i);
        bytes_put_8(writer, has_line);
        if (has_line)
            put_line(writer, lines, edition->lines[i]);
    }
}

/* Overrides that one snapshot may hold: each that is read takes memory, whoever wrote it. */
#define SNAPSHOT_OVERRIDES_MAX LINES_OVERRIDES_MAX

static size_t count_overrides(const struct lines *lines)
{
    size_t count = 0;
    for (uint16_t i = 0; i < lines->editions_used; i++)
        if (edition_is_in_use(&lines->edition[i]))
            count += edition_limit(&lines->edition[i])->overrides_count;
    return count;
}

size_t snapshot_write(const struct lines *lines, unsigned char *bytes, size_t room)
{
    struct bytes_writer writer = {.at = bytes, .end = bytes + room};
    bytes_put_64(&writer, SNAPSHOT_VERSION);
    bytes_put_64(&writer, lines->tick);
    bytes_put_32(&writer, lines->installs);
    bytes_put_32(&writer, lines->begun);
    bytes_put_64(&writer, (uint64_t)lines->date_s);
    bytes_put_32(&writer, lines->count);
    bytes_put_32(&writer, lines->replaced_count);
    for (uint32_t i = 0; i < lines->count; i++)
        put_edition(&writer, lines, lines->of_limit[i]);
    for (uint16_t i = 0; i < lines->editions_used; i++)
        if (edition_is_in_use(&lines->edition[i]) && lines->edition[i].successor != i)
            put_edition(&writer, lines, i);
    return writer.is_full || count_overrides(lines) > SNAPSHOT_OVERRIDES_MAX
               ? 0
               : (size_t)(writer.at - bytes);
}

/* ---- reading ---- */

struct reading {
    struct bytes_reader bytes;
    struct lines *lines;
    bool is_first_version, knows_no_debts, knows_no_slots, knows_no_runtime;
    size_t overrides; /* of all editions so far */
    bool is_short_of_memory;
};

/* Anything that is not as it should be is damage, and ends the reading. */
static void expect(struct reading *reading, bool is_so)
{
    reading->bytes.is_bad |= !is_so;
}

static bool goes_on(const struct reading *reading)
{
    return !reading->bytes.is_bad && !reading->is_short_of_memory;
}

/* Memory, all zeros, for `count` things. Each takes at least one byte of what is left to read, so
 * a damaged count cannot ask for much. */
static void *room_for(struct reading *reading, size_t count, size_t size)
{
    expect(reading, count <= bytes_left(&reading->bytes));
    if (!goes_on(reading))
        return NULL;
    void *room = calloc(count + 1, size);
    reading->is_short_of_memory = room == NULL;
    return room;
}

/* A byte that says yes or no. */
static bool get_flag(struct reading *reading)
{
    uint8_t flag = bytes_get_8(&reading->bytes);
    expect(reading, flag <= 1);
    return flag != 0;
}

static void get_refill(struct reading *reading, struct bucket_terms *bucket)
{
    struct bytes_reader *bytes = &reading->bytes;
    bucket->debt_max = reading->knows_no_debts ? 0 : bytes_get_64(bytes);
    bucket->rate.tokens = bytes_get_64(bytes);
    bucket->rate.period_ms = bytes_get_64(bytes);
    expect(reading, bucket->rate.tokens >= 1 && bucket->rate.tokens <= TOKENS_MAX);
    expect(reading, bucket->rate.period_ms >= 1 && bucket->rate.period_ms <= PERIOD_MAX_MS);
}

static void get_bucket(struct reading *reading, bool is_the_only_one, uint64_t tick_ms,
                       struct bucket_terms *bucket)
{
    struct bytes_reader *bytes = &reading->bytes;
    struct credit_line credit;
    const char *name = bytes_get_string(bytes);
    bucket->holds_slots = !reading->knows_no_slots && get_flag(reading);
    bucket->burst = bytes_get_64(bytes);
    if (!bucket->holds_slots)
        get_refill(reading, bucket);
    expect(reading,
           bucket_name_is_valid(name, strlen(name)) || (is_the_only_one && name[0] == '\0'));
    expect(reading,
           bucket->burst >= 1 && bucket->burst <= (bucket->holds_slots ? SLOTS_MAX : TOKENS_MAX));
    if (!goes_on(reading))
        return;
    strcpy(bucket->name, name);
    expect(reading, lines_credit(bucket, tick_ms, &credit));
}

static uint32_t get_buckets(struct reading *reading, uint64_t tick_ms,
                            struct bucket_terms buckets[BUCKETS_MAX])
{
    uint32_t count = bytes_get_8(&reading->bytes);
    expect(reading, count >= 1 && count <= BUCKETS_MAX);
    for (uint32_t i = 0; i < count && goes_on(reading); i++)
        get_bucket(reading, count == 1, tick_ms, &buckets[i]);
    return count;
}

static void get_origin(struct reading *reading, struct override_terms *override)
{
    override->is_runtime = get_flag(reading);
    const char *reason = bytes_get_string(&reading->bytes);
    static_assert(OVERRIDE_REASON_MAX == KEY_MAX, "key_check checks its length too");
    expect(reading, reason[0] == '\0' || key_check(reason, strlen(reason)) == KEY_OK);
    override->reason = reason[0] == '\0' ? NULL : reason;
}

static void get_override(struct reading *reading, uint64_t tick_ms, struct override_terms *override)
{
    struct bytes_reader *bytes = &reading->bytes;
    override->key = bytes_get_string(bytes);
    override->action = (enum override_action)bytes_get_8(bytes);
    override->until_s = (int64_t)bytes_get_64(bytes);
    expect(reading, key_check(override->key, strlen(override->key)) == KEY_OK);
    expect(reading, override->action == OVERRIDE_TERMS || override->action == OVERRIDE_ALLOW ||
                        override->action == OVERRIDE_DENY);
    if (!reading->knows_no_runtime)
        get_origin(reading, override);
    if (goes_on(reading) && override->action == OVERRIDE_TERMS)
        override->buckets_count = get_buckets(reading, tick_ms, override->buckets);
}

/* Adds a limit to limits that have room for it. */
static void get_limit(struct reading *reading, struct limits *limits)
{
    struct limit_terms terms = {.name = bytes_get_string(&reading->bytes)};
    expect(reading, limit_name_is_valid(terms.name, strlen(terms.name)));
    terms.buckets_count = get_buckets(reading, limits->tick_ms, terms.buckets);
    uint8_t is = reading->is_first_version ? KNOWS_NO_NETWORKS : bytes_get_8(&reading->bytes);
    expect(reading, is <= (reading->knows_no_slots ? KNOWS_NO_NETWORKS
                                                   : KNOWS_NO_NETWORKS | RETURNS_ON_EXPIRY));
    terms.knows_no_networks = (is & KNOWS_NO_NETWORKS) != 0;
    terms.returns_on_expiry = (is & RETURNS_ON_EXPIRY) != 0;
    terms.overrides_count = bytes_get_32(&reading->bytes);
    expect(reading, terms.overrides_count <= OVERRIDES_MAX);
    reading->overrides += terms.overrides_count;
    expect(reading, reading->overrides <= SNAPSHOT_OVERRIDES_MAX);
    struct override_terms *overrides =
        room_for(reading, terms.overrides_count, sizeof overrides[0]);
    for (uint32_t i = 0; i < terms.overrides_count && goes_on(reading); i++)
        get_override(reading, limits->tick_ms, &overrides[i]);
    terms.overrides = overrides;
    if (goes_on(reading))
        reading->is_short_of_memory = !limits_add(limits, &terms);
    free(overrides);
}

/* Reads one line of an edition. Its numbers follow from the terms; the bytes say how far its
 * credit has come. If it ended by date, that is its override's date or later, so that what holds
 * next is another one. */
static uint16_t get_line(struct reading *reading, uint16_t edition_number, uint32_t index)
{
    struct bytes_reader *bytes = &reading->bytes;
    struct lines *lines = reading->lines;
    const struct edition *edition = &lines->edition[edition_number];
    const struct limit *limit = edition_limit(edition);
    const struct allowance *allowance = limit_allowance(limit, index);
    uint16_t number = bytes_get_16(bytes);
    expect(reading, number < LINES_MAX && lines->line[number].count == 0);
    if (!goes_on(reading))
        return LINE_NONE;
    struct line *line = &lines->line[number];
    line->edition = edition_number;
    line->index = (uint16_t)index;
    line->count = (uint8_t)allowance->count;
    line->ended = bytes_get_8(bytes) != 0;
    line->ended_s = (int64_t)bytes_get_64(bytes);
    line->ended_tick = bytes_get_64(bytes);
    bool ends_by_date = line->ended && line->ended_s != OVERRIDE_FOR_EVER;
    bool is_in_force = edition->successor == edition_number;
    expect(reading,
           !ends_by_date || (index > 0 && limit->overrides[index - 1].until_s <= line->ended_s));
    expect(reading, is_in_force ? !line->ended || ends_by_date : line->ended);
    expect(reading, !line->ended || line->ended_tick <= lines->tick);
    for (uint32_t i = 0; i < line->count; i++) {
        struct credit_line *credit = &line->credit[i];
        uint64_t units = bytes_get_64(bytes);
        expect(reading, lines_credit(&allowance->bucket[i], edition->limits->tick_ms, credit));
        expect(reading, units >= credit->cap_units && units <= credit_end(credit));
        expect(reading, !credit_has_slots(credit) || units == credit->cap_units);
        credit->credit_units = units;
    }
    return number;
}

static void get_lines(struct reading *reading, uint16_t edition_number)
{
    struct edition *edition = &reading->lines->edition[edition_number];
    uint32_t count = edition_lines_count(edition);
    for (uint32_t i = 0; i < count && goes_on(reading); i++) {
        bool has_line = bytes_get_8(&reading->bytes) != 0;
        expect(reading, has_line || (i > 0 && edition_limit(edition)->overrides[i - 1].until_s <=
                                                  edition->began_s));
        edition->lines[i] = has_line ? get_line(reading, edition_number, i) : edition->lines[0];
    }
}

/* Reads an edition's limit into `limits`, which has room for it, and then its lines. */
static void get_edition_of(struct reading *reading, uint16_t number, struct edition *read,
                           struct limits *limits)
{
    read->limit = limits->count;
    get_limit(reading, limits);
    if (goes_on(reading))
        read->lines =
            room_for(reading, limits->limit[read->limit].overrides_count, sizeof read->lines[0]);
    if (read->lines == NULL)
        return;
    read->limits = limits_retain(limits);
    edition_put(reading->lines, number, *read);
    get_lines(reading, number);
}

/* Reads the next edition. One in force adds its limit to *in_force; a replaced one (in_force is
 * NULL) gets a set of limits of its own. */
static void get_edition(struct reading *reading, struct limits **in_force, uint32_t count)
{
    struct bytes_reader *bytes = &reading->bytes;
    struct lines *lines = reading->lines;
    struct edition read = {0};
    uint16_t number = bytes_get_16(bytes);
    read.successor = bytes_get_16(bytes);
    read.replaced = bytes_get_32(bytes);
    if (!reading->is_first_version)
        read.salt = bytes_get_64(bytes);
    read.began_s = (int64_t)bytes_get_64(bytes);
    read.as_of_s = (int64_t)bytes_get_64(bytes);
    uint64_t tick_ms = bytes_get_64(bytes);
    expect(reading, number < EDITIONS_MAX && !edition_is_in_use(&lines->edition[number]));
    expect(reading, (read.successor == number) == (in_force != NULL));
    expect(reading, read.began_s <= read.as_of_s);
    expect(reading, tick_ms >= 1 && tick_ms <= PERIOD_MAX_MS);
    if (!goes_on(reading))
        return;
    bool has_limits = in_force != NULL && *in_force != NULL;
    struct limits *limits =
        has_limits ? limits_retain(*in_force) : limits_new(in_force == NULL ? 1 : count, tick_ms);
    reading->is_short_of_memory = limits == NULL;
    if (limits == NULL)
        return;
    if (in_force != NULL && !has_limits)
        *in_force = limits_retain(limits);
    expect(reading, limits->tick_ms == tick_ms);
    if (in_force != NULL)
        lines->of_limit[limits->count] = number;
    else
        lines->replaced_count++;
    get_edition_of(reading, number, &read, limits);
    limits_release(limits);
}

/* Checks that names in force differ, and that the successors of each edition lead to one in force
 * or to an end. */
static void check_successors(struct reading *reading, const struct limits *in_force)
{
    const struct lines *lines = reading->lines;
    for (uint32_t i = 0; i < lines->count; i++) {
        const char *name = in_force->limit[i].name;
        expect(reading, limits_find(in_force, name, strlen(name)) == (int)i);
    }
    for (uint16_t i = 0; i < lines->editions_used && goes_on(reading); i++) {
        uint16_t at = i;
        for (uint32_t steps = 0; edition_is_in_use(&lines->edition[i]) && goes_on(reading);
             steps++) {
            uint16_t successor = lines->edition[at].successor;
            if (successor == at || successor == EDITION_NONE)
                break;
            expect(reading, successor < EDITIONS_MAX && steps < EDITIONS_MAX &&
                                edition_is_in_use(&lines->edition[successor]));
            at = successor;
        }
    }
}

static void get_editions(struct reading *reading, struct limits **in_force)
{
    struct bytes_reader *bytes = &reading->bytes;
    struct lines *lines = reading->lines;
    uint64_t version = bytes_get_64(bytes);
    reading->is_first_version =
        version != SNAPSHOT_VERSION && version != SNAPSHOT_WITHOUT_RUNTIME &&
        version != SNAPSHOT_WITHOUT_SLOTS && version != SNAPSHOT_WITHOUT_DEBTS;
    reading->knows_no_runtime = version != SNAPSHOT_VERSION;
    reading->knows_no_slots = reading->knows_no_runtime && version != SNAPSHOT_WITHOUT_RUNTIME;
    reading->knows_no_debts = reading->knows_no_slots && version != SNAPSHOT_WITHOUT_SLOTS;
    lines->tick = reading->is_first_version ? version : bytes_get_64(bytes);
    lines->installs = bytes_get_32(bytes);
    if (!reading->is_first_version)
        lines->begun = bytes_get_32(bytes);
    lines->date_s = (int64_t)bytes_get_64(bytes);
    uint32_t count = bytes_get_32(bytes), replaced = bytes_get_32(bytes);
    expect(reading, count >= 1 && count <= LIMITS_MAX && replaced <= EDITIONS_MAX - count);
    for (uint32_t i = 0; i < count && goes_on(reading); i++)
        get_edition(reading, in_force, count);
    for (uint32_t i = 0; i < replaced && goes_on(reading); i++)
        get_edition(reading, NULL, count);
    expect(reading, bytes_left(bytes) == 0);
    lines->count = count;
    if (goes_on(reading))
        check_successors(reading, *in_force);
}

/* Frees the editions, but not by lines_release: one that was not read whole has no lines yet. */
static void drop_editions(struct lines *lines)
{
    for (uint16_t i = 0; i < lines->editions_used; i++) {
        limits_release(lines->edition[i].limits);
        free(lines->edition[i].lines);
        lines->edition[i].limits = NULL;
    }
}

enum snapshot_result snapshot_read(const unsigned char *bytes, size_t len, struct lines *lines,
                                   struct limits **in_force)
{
    struct reading reading = {.bytes = {.at = bytes, .end = bytes + len}, .lines = lines};
    struct limits *limits = NULL;
    get_editions(&reading, &limits);
    if (goes_on(&reading)) {
        lines_settle(lines);
        *in_force = limits;
        return SNAPSHOT_OK;
    }
    drop_editions(lines);
    limits_release(limits);
    return reading.is_short_of_memory ? SNAPSHOT_NO_MEMORY : SNAPSHOT_DAMAGED;
}
