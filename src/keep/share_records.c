#include "keep/share_records.h"

#include "base/bytes.h"
#include "keep/publish.h"
#include "limits/fleet_fit.h"

#include <assert.h>
#include <string.h>

enum { SHARES_HEAD_BYTES = 4096, CLOCK_ID_BYTES = 16 };

/* Whose the records are. */
struct share_records_home {
    uint64_t home;
    uint8_t clock_id[CLOCK_ID_BYTES];
};
static_assert(sizeof(struct share_records_home) == sizeof(uint64_t) + CLOCK_ID_BYTES,
              "there are no gaps, which the checksum would see");

struct share_records_head {
    uint64_t used; /* a publication, see publish.h; 0: none */
    struct share_records_home whose;
    uint64_t seal; /* the checksum of whose; 0: they are nobody's */
};
static_assert(sizeof(struct share_records_head) <= SHARES_HEAD_BYTES, "it is one page");

static_assert(sizeof(struct share_record) == SHARE_RECORD_BYTES, "there are no gaps");
static_assert(SHARE_RECORD_BYTES % 64 == 0, "no two records share a cache line");
static_assert(offsetof(struct share_record_terms, key) == sizeof(uint64_t) + 5 + LIMIT_NAME_MAX + 1,
              "there are no gaps, which the checksum would see");

#define SEQ_END (UINT64_C(1) << 47)

/* Many bits apart from zero. */
#define IN_USE UINT64_C(0xb3592ec6741fa8d5)

/* ---- where what is ---- */

size_t share_records_bytes(void)
{
    return SHARES_HEAD_BYTES + (size_t)SHARE_RECORDS_MAX * SHARE_RECORD_BYTES;
}

struct share_records share_records_at(void *memory)
{
    if (memory == NULL)
        return (struct share_records){NULL, NULL};
    return (struct share_records){
        .head = memory,
        .record = (struct share_record *)((unsigned char *)memory + SHARES_HEAD_BYTES),
    };
}

static struct share_record *share_at(const struct share_records *records, uint32_t number)
{
    assert(records->head != NULL && number < SHARE_RECORDS_MAX);
    return &records->record[number];
}

uint32_t share_records_used(const struct share_records *records)
{
    if (records->head == NULL || records->head->used == 0)
        return 0;
    uint32_t used = published_number(records->head->used);
    return used == 0 || used > SHARE_RECORDS_MAX ? SHARE_RECORDS_MAX : used;
}

/* ---- whose they are ---- */

static uint64_t seal_of(const struct share_records_home *whose)
{
    uint64_t seal = bytes_checksum(whose, sizeof *whose);
    return seal == 0 ? 1 : seal;
}

static struct share_records_home owner_of(uint64_t home, const uint8_t clock_id[CLOCK_ID_BYTES])
{
    struct share_records_home whose = {.home = home};
    memcpy(whose.clock_id, clock_id, CLOCK_ID_BYTES);
    return whose;
}

bool share_records_are_of(const struct share_records *records, uint64_t home,
                          const uint8_t clock_id[CLOCK_ID_BYTES])
{
    static const uint8_t unknown[CLOCK_ID_BYTES];
    struct share_records_home whose = owner_of(home, clock_id);
    return records->head != NULL && home != 0 && memcmp(clock_id, unknown, sizeof unknown) != 0 &&
           memcmp(&records->head->whose, &whose, sizeof whose) == 0 &&
           records->head->seal == seal_of(&whose);
}

void share_records_set_home(const struct share_records *records, uint64_t home,
                            const uint8_t clock_id[CLOCK_ID_BYTES])
{
    struct share_records_home whose = owner_of(home, clock_id);
    if (records->head == NULL)
        return;
    put_word(&records->head->seal, 0);
    put_words(&records->head->whose, &whose, sizeof whose);
    if (home != 0)
        put_word(&records->head->seal, seal_of(&whose));
}

/* ---- writing ---- */

static uint64_t word_of(const struct share_record *record)
{
    const struct share_record_terms *terms = &record->terms;
    uint64_t word =
        IN_USE ^ bytes_checksum(&record->epoch_ms, sizeof record->epoch_ms) ^
        bytes_checksum(terms, offsetof(struct share_record_terms, key) + terms->key_len);
    return word == 0 ? 1 : word;
}

static void put_terms(struct share_record *record, const struct share_record_terms *terms)
{
    struct share_record_terms put;
    memset(&put, 0, sizeof put);
    put.session = terms->session;
    put.buckets = terms->buckets;
    put.has_slots = terms->has_slots;
    put.is_joined = terms->is_joined;
    put.name_len = terms->name_len;
    put.key_len = terms->key_len;
    memcpy(put.name, terms->name, terms->name_len);
    memcpy(put.key, terms->key, terms->key_len);
    size_t len = offsetof(struct share_record_terms, key) + terms->key_len;
    put_words(&record->terms, &put,
              (len + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t));
}

/* The head first, so that whoever goes on finds the record. */
void share_record_begin(const struct share_records *records, uint32_t number,
                        const struct share_record_terms *terms, uint64_t epoch_ms,
                        uint64_t lease_ns, uint64_t seq, const struct share_record_totals totals[])
{
    struct share_record *record = share_at(records, number);
    assert(terms->session != 0);
    assert(terms->buckets >= 1 && terms->buckets <= BUCKETS_MAX);
    assert(terms->name_len <= LIMIT_NAME_MAX);
    if (record->state !=
        0) /* the head did not tell of it: the disk has lost one and not the other */
        share_record_free(records, number);
    if (number >= share_records_used(records))
        put_word(&records->head->used, publication(number + 1));
    put_terms(record, terms);
    put_word(&record->epoch_ms, epoch_ms);
    put_word(&record->lease_ns, lease_ns);
    put_word(&record->seq, seq);
    for (uint32_t i = 0; i < terms->buckets; i++) {
        put_word(&record->granted[i], totals[i].granted);
        put_word(&record->disposed[i], totals[i].disposed);
        put_word(&record->net[i], (uint64_t)totals[i].net);
    }
    put_word(&record->state, word_of(record));
}

void share_record_put_totals(const struct share_records *records, uint32_t number, uint32_t bucket,
                             const struct share_record_totals *totals)
{
    struct share_record *record = share_at(records, number);
    assert(bucket < BUCKETS_MAX);
    if (totals->disposed > record->disposed[bucket])
        put_word(&record->disposed[bucket], totals->disposed);
    if (totals->net < (int64_t)record->net[bucket])
        put_word(&record->net[bucket], (uint64_t)totals->net);
    put_word(&record->granted[bucket], totals->granted);
    put_word(&record->disposed[bucket], totals->disposed);
    put_word(&record->net[bucket], (uint64_t)totals->net);
}

void share_record_put_lease(const struct share_records *records, uint32_t number, uint64_t lease_ns)
{
    put_word(&share_at(records, number)->lease_ns, lease_ns);
}

void share_record_put_seq(const struct share_records *records, uint32_t number, uint64_t seq)
{
    put_word(&share_at(records, number)->seq, seq);
}

void share_record_free(const struct share_records *records, uint32_t number)
{
    put_word(&share_at(records, number)->state, 0);
}

/* What was never used is not written to, so that it takes no room on the disk. */
void share_records_clear(const struct share_records *records)
{
    uint32_t used = share_records_used(records);
    for (uint32_t i = 0; i < used; i++)
        if (share_at(records, i)->state != 0)
            share_record_free(records, i);
    if (used > 0)
        put_word(&records->head->used, 0);
}

void share_records_blank(const struct share_records *records, uint64_t home,
                         const uint8_t clock_id[CLOCK_ID_BYTES])
{
    share_records_set_home(records, 0, clock_id);
    share_records_clear(records);
    share_records_set_home(records, home, clock_id);
}

void share_records_copy(const struct share_records *from, const struct share_records *to)
{
    memcpy(to->head, from->head, sizeof *to->head);
    memcpy(to->record, from->record, share_records_used(from) * sizeof *to->record);
}

/* ---- reading ---- */

/* Any byte but two of them is no bool. */
static bool is_bool(const bool *byte)
{
    unsigned char value;
    memcpy(&value, byte, 1);
    return value <= 1;
}

static bool are_terms(const struct share_record_terms *terms)
{
    return is_bool(&terms->has_slots) && is_bool(&terms->is_joined) && terms->session != 0 &&
           terms->buckets >= 1 && terms->buckets <= BUCKETS_MAX &&
           terms->name_len <= LIMIT_NAME_MAX && limit_name_is_valid(terms->name, terms->name_len) &&
           terms->name[terms->name_len] == '\0' && terms->key_len > 0 &&
           key_check(terms->key, terms->key_len) == KEY_OK;
}

static bool are_totals(uint64_t granted, uint64_t disposed, int64_t net)
{
    const int64_t most = (int64_t)FLEET_TOTAL_MAX;
    return disposed <= granted && granted <= FLEET_TOTAL_MAX && net >= -most && net <= most;
}

static bool is_sound(const struct share_record *record)
{
    if (record->state == 0 || record->state != word_of(record) || !are_terms(&record->terms) ||
        record->seq >= SEQ_END)
        return false;
    for (uint32_t i = 0; i < record->terms.buckets; i++)
        if (!are_totals(record->granted[i], record->disposed[i], (int64_t)record->net[i]))
            return false;
    return true;
}

bool share_record_read(const struct share_records *records, uint32_t number,
                       struct share_record_terms *terms, uint64_t *epoch_ms, uint64_t *lease_ns,
                       uint64_t *seq, struct share_record_totals totals[BUCKETS_MAX])
{
    const struct share_record *record = share_at(records, number);
    if (!is_sound(record))
        return false;
    *terms = record->terms;
    *epoch_ms = record->epoch_ms;
    *lease_ns = record->lease_ns;
    *seq = record->seq;
    for (uint32_t i = 0; i < record->terms.buckets; i++)
        totals[i] = (struct share_record_totals){record->granted[i], record->disposed[i],
                                                 (int64_t)record->net[i]};
    return true;
}
