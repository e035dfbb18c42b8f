/*
 * A store of records, as script.lua keeps them: what it does, in C and in exact integers.
 *
 * The store is one server's: names with values, some of which end at a time; its clock is handed in with
 * each call. tests/prop/prop_script.c holds the script, on real servers, against this model, byte for byte. So what
 * is true of this model is true of the script, and simulations may use the model.
 *
 * The script's numbers are doubles. Where one of them would be larger than a double tells exactly, it is
 * clamped there, and here too.
 *
 * Owns its names and values. One thread at a time. Never blocks. Errors: ends the process without memory.
 */
#pragma once

#include "brain/order.h"
#include "fleet/call.h"
#include "fleet/name.h"

#define STORE_LEVEL_MIN (-(INT64_C(1) << 51))
#define STORE_NO_END UINT64_MAX

struct store_model;

struct store_model *store_model_new(void);
void store_model_free(struct store_model *store);

/* A copy, which is the caller's; and the way back to it: a replica that lags, or a snapshot. */
struct store_model *store_model_copy(const struct store_model *store);
void store_model_restore(struct store_model *store, const struct store_model *from);

/* Forgets everything, or one name; whether that was there. */
void store_model_forget(struct store_model *store);
bool store_model_evict(struct store_model *store, const char *name, size_t len);

/* What is under a name at that time, as the server has it. The bytes are valid until the store changes. */
struct store_value {
    const unsigned char *bytes;
    size_t len;
    uint64_t end_ms; /* it is there up to then, this millisecond included; STORE_NO_END: for ever */
};
bool store_model_get(struct store_model *store, const char *name, size_t len, uint64_t time_ms,
                     struct store_value *value);
void store_model_put(struct store_model *store, const char *name, size_t len,
                     const struct store_value *value);

/* What the script does with one record of a call when the store's clock shows time_ms. Returns the bytes of its answer. */
size_t store_model_do(struct store_model *store, const char *record, size_t record_len,
                      const char *epoch, size_t epoch_len, const unsigned char *call,
                      size_t call_len, uint64_t time_ms,
                      unsigned char answer[CALL_ANSWER_BYTES_MAX]);

/* The same for an order which was sent at sent_ns, by our clock, and is answered now. */
void store_model_order(struct store_model *store, const char *fleet, struct order *order,
                       const struct call_terms *terms, uint64_t sent_ns, uint64_t time_ms);

/* ---- what is in a record ---- */

struct store_holder {
    uint64_t session, dead_at_ms, seq;
    struct {
        uint64_t granted, disposed;
        int64_t net;
    } bucket[BUCKETS_MAX];
};

struct store_record {
    uint32_t terms_tag;
    unsigned buckets, holders;
    uint64_t time_ms, end_ms; /* end_ms: when the server ends it */
    int64_t level_units[BUCKETS_MAX];
    uint64_t token_units[BUCKETS_MAX];
    struct store_holder holder[HOLDERS_MAX];
};

/* Reads a value. false: it is no record of this version, or damaged. */
bool store_record_read(struct store_record *record, const unsigned char *bytes, size_t len);

/* Tokens that holders have out of a bucket. */
uint64_t store_record_out(const struct store_record *record, unsigned bucket);

/* The most that a level may be, in units, while so many tokens are out. */
int64_t store_level_max(const struct order_terms *terms, uint64_t out_tokens);

/* Whether level and what is out are within the burst together; what must be true after every call. */
bool store_record_is_within(const struct store_record *record, unsigned bucket,
                            const struct order_terms *terms);
