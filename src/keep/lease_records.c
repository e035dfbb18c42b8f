#include "keep/lease_records.h"

#include "base/bytes.h"
#include "keep/publish.h"
#include "keep/words.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { HEAD_BYTES = 4096, RECORD_BYTES = 384 };

struct lease_records_head {
    uint64_t used; /* a publication, see publish.h; 0: none */
};

struct lease_record {
    uint64_t
        state; /* a word of state_words, mixed with the checksums of what it speaks for; 0: free */
    uint64_t end_ns; /* sealed */
    struct lease_outcome outcome;
    struct lease_terms terms;
};
static_assert(sizeof(struct lease_record) <= RECORD_BYTES, "a record has room for a lease");
static_assert(RECORD_BYTES % 64 == 0, "no two records share a cache line");

/* Many bits apart from each other and from zero. */
static const uint64_t state_words[] = {
    [LEASE_RECORD_HELD] = UINT64_C(0x9d1f3b6ac8e50742),
    [LEASE_RECORD_RELEASED] = UINT64_C(0x57a2c4e90b8d61f3),
    [LEASE_RECORD_LOST] = UINT64_C(0x2ac97f31e6540d8b),
    [LEASE_RECORD_EXPIRED] = UINT64_C(0xe86b0d5f74a3921c),
};

/* ---- an end: 63 bits, and one that makes the number of ones odd ---- */

static uint64_t seal_end(uint64_t end_ns)
{
    return end_ns | (uint64_t)!__builtin_parityll(end_ns) << 63;
}

static bool is_end(uint64_t word)
{
    return __builtin_parityll(word) != 0;
}

/* ---- where what is ---- */

static size_t count_for(uint32_t max_leases)
{
    return 2 * (size_t)max_leases;
}

size_t lease_records_bytes(uint32_t max_leases)
{
    size_t bytes = HEAD_BYTES + count_for(max_leases) * RECORD_BYTES;
    return (bytes + HEAD_BYTES - 1) / HEAD_BYTES * HEAD_BYTES;
}

struct lease_records lease_records_at(void *memory, uint32_t max_leases)
{
    assert(max_leases >= 1 && max_leases <= LEASES_MAX);
    return (struct lease_records){
        .head = memory,
        .record = (struct lease_record *)((unsigned char *)memory + HEAD_BYTES),
        .count = (uint32_t)count_for(max_leases),
    };
}

static struct lease_record *record_at(const struct lease_records *records, uint32_t number)
{
    assert(number < records->count);
    return (struct lease_record *)((unsigned char *)records->record +
                                   (size_t)number * RECORD_BYTES);
}

uint32_t lease_records_used(const struct lease_records *records)
{
    uint64_t word = records->head->used;
    uint32_t used = published_number(word);
    return word == 0 ? 0 : used == 0 || used > records->count ? records->count : used;
}

/* ---- writing ---- */

static uint64_t checksum_of_terms(const struct lease_terms *terms)
{
    return bytes_checksum(terms, offsetof(struct lease_terms, key) + terms->key_len);
}

static bool has_outcome(enum lease_record_state state)
{
    return state == LEASE_RECORD_RELEASED || state == LEASE_RECORD_LOST;
}

static uint64_t word_for(const struct lease_record *record, enum lease_record_state state)
{
    uint64_t word = state_words[state] ^ checksum_of_terms(&record->terms);
    if (has_outcome(state))
        word ^= bytes_checksum(&record->outcome, sizeof record->outcome);
    return word == 0 ? 1 : word;
}

static_assert(sizeof(struct lease_terms) % sizeof(uint64_t) == 0, "terms are words");
static_assert(sizeof(struct lease_terms) ==
                  LEASE_RECORD_ID_BYTES + 2 * sizeof(uint64_t) + 2 * sizeof(uint32_t) + 1 + KEY_MAX,
              "there is nothing between the members, which the checksum would see");
static_assert(sizeof(struct lease_outcome) % sizeof(uint64_t) == 0, "outcomes are words");

/* The head first, so that whoever goes on finds the record. */
void lease_record_hold(const struct lease_records *records, uint32_t number,
                       const struct lease_terms *terms, uint64_t end_ns)
{
    struct lease_record *record = record_at(records, number);
    if (number >= lease_records_used(records))
        put_word(&records->head->used, publication(number + 1));
    size_t words = (offsetof(struct lease_terms, key) + terms->key_len + 7) / 8 * 8;
    put_words(&record->terms, terms, words);
    put_word(&record->end_ns, seal_end(end_ns));
    put_word(&record->state, word_for(record, LEASE_RECORD_HELD));
}

void lease_record_renew(const struct lease_records *records, uint32_t number, uint64_t end_ns)
{
    put_word(&record_at(records, number)->end_ns, seal_end(end_ns));
}

void lease_record_release(const struct lease_records *records, uint32_t number,
                          enum lease_record_state state, const struct lease_outcome *outcome)
{
    assert(has_outcome(state));
    struct lease_record *record = record_at(records, number);
    put_words(&record->outcome, outcome, sizeof *outcome);
    put_word(&record->state, word_for(record, state));
}

void lease_record_expire(const struct lease_records *records, uint32_t number)
{
    struct lease_record *record = record_at(records, number);
    put_word(&record->state, word_for(record, LEASE_RECORD_EXPIRED));
}

void lease_record_free(const struct lease_records *records, uint32_t number)
{
    put_word(&record_at(records, number)->state, 0);
}

/* ---- reading ---- */

static enum lease_record_state state_of(const struct lease_record *record)
{
    if (record->state == 0)
        return LEASE_RECORD_FREE;
    for (enum lease_record_state state = LEASE_RECORD_HELD; state <= LEASE_RECORD_EXPIRED; state++)
        if (record->state == word_for(record, state))
            return state;
    return LEASE_RECORD_DAMAGED;
}

enum lease_record_state lease_record_read(const struct lease_records *records, uint32_t number,
                                          struct lease_terms *terms, uint64_t *end_ns,
                                          struct lease_outcome *outcome)
{
    const struct lease_record *record = record_at(records, number);
    enum lease_record_state state = state_of(record);
    if (state == LEASE_RECORD_FREE || state == LEASE_RECORD_DAMAGED)
        return state;
    if (!is_end(record->end_ns) || record->terms.key_len == 0 ||
        key_check(record->terms.key, record->terms.key_len) != KEY_OK)
        return LEASE_RECORD_DAMAGED;
    *terms = record->terms;
    *end_ns = record->end_ns & INT64_MAX;
    if (has_outcome(state))
        *outcome = record->outcome;
    return state;
}
