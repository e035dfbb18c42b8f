/*
 * Lease records: the leases as bytes that outlive the process, in a section of the state file.
 *
 *     one page         how many records were ever used
 *     the records      of a fixed length each, by their number; all zeros: never used
 *
 * A process may be killed at any instant, so a record is changed by single stores. What never changes
 * of a lease is written while the record is free, and then one store makes it a lease; its end is a
 * word, so that a renewal is one store; and what a release answers is written before the one store that
 * says that it was released. So a lease is there whole or not at all, whatever the store before the
 * kill was. The word that says so is mixed with the checksum of what it speaks for. So a word that
 * reached the disk without the rest, as in a crash of the system, is found damaged.
 *
 * The records are only written while the process lives: what it decides by is in its own memory
 * (brain/leases.h), and pages that a failing disk takes away mislead nobody.
 *
 * Owns nothing: the memory is the caller's. One thread. Never blocks. Errors: a record that cannot be
 * believed reads as LEASE_RECORD_DAMAGED.
 */
#pragma once

#include "limits/key.h"

#include <stddef.h>
#include <stdint.h>

#define LEASES_MAX 1000000u
#define LEASE_RECORD_ID_BYTES 16

struct lease_record;
struct lease_records_head;

struct lease_records {
    struct lease_records_head *head;
    struct lease_record *record;
    uint32_t count; /* of records: twice as many as leases may be held, see brain/leases.h */
};

enum lease_record_state {
    LEASE_RECORD_FREE,
    LEASE_RECORD_HELD,
    LEASE_RECORD_RELEASED,
    LEASE_RECORD_LOST, /* released, but its limit was gone: nothing came back */
    LEASE_RECORD_EXPIRED,
    LEASE_RECORD_DAMAGED,
};

/* What never changes while a record is in use. */
struct lease_terms {
    uint8_t id[LEASE_RECORD_ID_BYTES];
    uint64_t salt; /* of its limit, whatever its name: see struct edition in limits/lines.h */
    uint64_t tokens;
    uint32_t slots;
    uint32_t ttl_ms;
    uint8_t key_len; /* 1 to KEY_MAX */
    char key[KEY_MAX];
};

/* What a release answered, RELEASED or LOST, and until when, in state time, that is remembered. */
struct lease_outcome {
    uint64_t until_ns;
    uint64_t returned_tokens, charged_tokens, forgiven_tokens, owed_tokens;
};

/* Bytes of the records for 1 to LEASES_MAX leases. */
size_t lease_records_bytes(uint32_t max_leases);

/* The records in memory of that many bytes, which begins on a cache line: all zeros, or what a process
 * left there, whatever bytes these are. */
struct lease_records lease_records_at(void *memory, uint32_t max_leases);

/* How many records, from number 0 on, may not be free. If it is not known any more: all. */
uint32_t lease_records_used(const struct lease_records *records);

/* Makes a free record a lease that is held until end_ns of the state's time. */
void lease_record_hold(const struct lease_records *records, uint32_t number,
                       const struct lease_terms *terms, uint64_t end_ns);

/* What becomes of one that is held. */
void lease_record_renew(const struct lease_records *records, uint32_t number, uint64_t end_ns);
void lease_record_release(const struct lease_records *records, uint32_t number,
                          enum lease_record_state state, const struct lease_outcome *outcome);
void lease_record_expire(const struct lease_records *records, uint32_t number);

/* Makes any record free. */
void lease_record_free(const struct lease_records *records, uint32_t number);

/* Reads a record, whatever bytes are in it. Unless it is free or damaged: its terms and its end, or the
 * one that it had; and if it is RELEASED or LOST, its outcome. */
enum lease_record_state lease_record_read(const struct lease_records *records, uint32_t number,
                                          struct lease_terms *terms, uint64_t *end_ns,
                                          struct lease_outcome *outcome);
