/*
 * Share records: what sidecars have in hand of keys of a fleet (brain/share.h), as bytes that outlive the process, in a
 * section of the state file.
 *
 *     one page         of which file and which clock the records are, and how many were ever used
 *     the records      of a fixed length each, by their number; all zeros: never used
 *
 * A record is a session's with the store. A process may be killed at any instant, so a record is changed by single stores.
 * What never changes of a session is written while the record is free, and then one store makes it the session's; that
 * word is mixed with the checksum of what it speaks for. What changes, the totals and when the session ends, are plain
 * words: they change with each decision, and are only bounded when they are read.
 *
 * What is in hand must never be spent twice, and may well be lost: the store takes back what a session had out once it has
 * ended. So whoever takes the records over must know that nobody has, and that nobody went on from them. The head says of
 * which file they are, so that they are not believed in a copy; and of which clock, so that they are not believed once the
 * system has crashed, when any part of them may be stale. A copy that is written back over the very file that it is of cannot be
 * told from it here. So a record has the number of the session's last order: the store refuses one that is behind.
 *
 * The records are only written while the process lives: what it decides by is in its own memory, and pages that a failing
 * disk takes away mislead nobody.
 *
 * Owns nothing: the memory is the caller's. One thread. Never blocks. Errors: a record that cannot be believed reads as
 * if it were free.
 */
#pragma once

#include "keep/words.h"
#include "limits/key.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_RECORDS_MAX 65536u
#define SHARE_RECORD_BYTES 512

struct share_records_head;

/* What never changes of a session while its record is in use. Of name and key what is behind their length does not
 * matter; a name that was read is NUL-terminated. */
struct share_record_terms {
    uint64_t session; /* not 0 */
    uint8_t buckets;  /* 1 to BUCKETS_MAX */
    bool has_slots;
    bool is_joined;            /* the store knows it; else all that it has to tell is net */
    uint8_t name_len, key_len; /* 1 to LIMIT_NAME_MAX, 1 to KEY_MAX */
    char name[LIMIT_NAME_MAX + 1];
    char key[KEY_MAX];
};

/* What changes: of one bucket, in tokens. 0 <= disposed <= granted <= FLEET_TOTAL_MAX, and net is as far from 0 at most. */
struct share_record_totals {
    uint64_t granted, disposed;
    int64_t net;
};

/* As it is in memory. Only share_records.c reads it. */
struct share_record {
    uint64_t state; /* a word that is mixed with the checksums of terms and epoch_ms; 0: free */
    uint64_t epoch_ms, lease_ns, seq;
    uint64_t granted[BUCKETS_MAX], disposed[BUCKETS_MAX], net[BUCKETS_MAX];
    struct share_record_terms terms;
    unsigned char unused[SHARE_RECORD_BYTES - 4 * sizeof(uint64_t) -
                         3 * BUCKETS_MAX * sizeof(uint64_t) - sizeof(struct share_record_terms)];
};

struct share_records {
    struct share_records_head
        *head; /* NULL: none are kept, and then nothing may be written or read */
    struct share_record *record;
};

size_t share_records_bytes(void);

/* The records in memory of that many bytes, which begins on a page, whatever bytes are in it. NULL: none are kept. */
struct share_records share_records_at(void *memory);

/* Whether the records are of this file, and of this clock. Of home 0, or of a clock that is not known (all zeros), none are;
 * and none if none are kept. */
bool share_records_are_of(const struct share_records *records, uint64_t home,
                          const uint8_t clock_id[16]);

/* Says of which file and which clock the records are from now on; home 0: of none, so nobody believes them any more. A kill
 * on the way leaves them of none. */
void share_records_set_home(const struct share_records *records, uint64_t home,
                            const uint8_t clock_id[16]);

/* How many records, from number 0 on, may not be free. If it is not known any more: all. If none are kept: 0. */
uint32_t share_records_used(const struct share_records *records);

/* Makes all records free. Say before that they are of none: a kill on the way leaves some. */
void share_records_clear(const struct share_records *records);

/* Makes all records free, and says of which file and which clock those to come are. A kill on the way leaves them of none. */
void share_records_blank(const struct share_records *records, uint64_t home,
                         const uint8_t clock_id[16]);

/* Makes a record a session's, which ends at lease_ns of the state's time, and whose last order had this seq. totals: of each of
 * its buckets. The record is free, or the head does not tell of it, whatever bytes are in it then. */
void share_record_begin(const struct share_records *records, uint32_t number,
                        const struct share_record_terms *terms, uint64_t epoch_ms,
                        uint64_t lease_ns, uint64_t seq, const struct share_record_totals totals[]);

/* So much of a bucket is disposed of. It is one store, for each decision. */
static inline void share_record_put_disposed(struct share_record *record, uint32_t bucket,
                                             uint64_t disposed)
{
    put_word(&record->disposed[bucket], disposed);
}

/* Changes any of the totals of a bucket. A kill on the way leaves some as they were, but never more to spend, in hand and
 * with the store together, than before or after.
 *
 * So what leaves less is stored first: what has been disposed of, and charged; then what was granted; and then what leaves
 * more. If both granted and disposed grow, and disposed beyond what was granted before, the record is damaged in between,
 * and a kill there loses the session. The other order would mint: what is spent already would be in hand once more. Whoever
 * has spent nothing yet of what was granted loses nothing by putting that first, in a call of its own. */
void share_record_put_totals(const struct share_records *records, uint32_t number, uint32_t bucket,
                             const struct share_record_totals *totals);

/* When the session ends, by the clock of the state; and the seq of its next order, before that goes: below 2^47. */
void share_record_put_lease(const struct share_records *records, uint32_t number,
                            uint64_t lease_ns);
void share_record_put_seq(const struct share_records *records, uint32_t number, uint64_t seq);

/* Makes any record free. */
void share_record_free(const struct share_records *records, uint32_t number);

/* Reads a record, whatever bytes are in it. false: it is free or damaged, and nothing was read. */
bool share_record_read(const struct share_records *records, uint32_t number,
                       struct share_record_terms *terms, uint64_t *epoch_ms, uint64_t *lease_ns,
                       uint64_t *seq, struct share_record_totals totals[BUCKETS_MAX]);

/* Copies the head and all records that may not be free into a section that is all zeros. */
void share_records_copy(const struct share_records *from, const struct share_records *to);
