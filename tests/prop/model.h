/*
 * The model: what the brain must answer, in exact rational numbers.
 *
 * Written from the design, not from the code. A bucket's level is a rational
 * number of tokens. Each tick of length T adds rate * T tokens, up to the
 * burst. A key whose buckets are all full is like one never seen. All buckets of
 * a key hold what is asked for, or nothing is taken. A charge takes from each bucket
 * as many whole tokens as leave its level at -debt_max or above; then the bucket owes,
 * and its key is never evicted. What a key may take is its
 * limit's terms, or those of an override that holds for it: for just this key, else
 * for the narrowest network, else by the first glob that matches; of two for the same the
 * first, which was set at run time. Whenever that
 * changes, by a reload or at an override's end, its levels carry over bucket by
 * bucket, by name, up to the new burst and down to the new debt, rounded down to a
 * unit of the new line, 1 / token_units tokens with token_units = P / gcd(P, R * T). Where no
 * name is the same the first bucket gets the least of those that are not full;
 * all others are full. A limit that goes takes its buckets with it, unless it goes
 * on under another name that it did not have to share with one that was there.
 *
 * Owns its numbers. One thread. Failures inside are failures of the test.
 */
#pragma once

#include "brain/message.h"
#include "limits/key.h"
#include "support/unit.h"

#include <gmp.h>

enum {
    MODEL_NAMES = 5,
    MODEL_KEYS = 11,
    MODEL_OVERRIDES = 4, /* of one limit, at most */
};

extern const char *const model_names[MODEL_NAMES]; /* of limits; the first is the default */
extern char model_keys[MODEL_KEYS][KEY_MAX + 1];

/* The globs that limits and overrides use: number 0 is none. */
enum { MODEL_GLOBS = 6 };
extern const char *const model_globs[MODEL_GLOBS];

/* The networks that overrides use, the narrower ones first: number 0 is none. */
enum { MODEL_NETWORKS = 6 };
extern const char *const model_networks[MODEL_NETWORKS];

/* The keys with an address that these networks look at, and which of them it is in. The test makes
 * model_keys of them, from this number on. */
enum { MODEL_ADDRESSES = 3, MODEL_FIRST_ADDRESS = MODEL_KEYS - MODEL_ADDRESSES };
extern const char *const model_addresses[MODEL_ADDRESSES];

struct model_terms {
    unsigned count;
    struct bucket_terms bucket[BUCKETS_MAX];
};

struct model_override {
    int key;          /* index of just this one, or -1 */
    unsigned network; /* else, or 0 */
    unsigned glob;    /* else */
    bool is_runtime;  /* those that are stand before the others */
    enum override_action action;
    int64_t until_s;
    struct model_terms terms; /* of OVERRIDE_TERMS */
};

struct model_rule {
    unsigned name, glob;
    unsigned was; /* the name that it had before; 0, the default's, which no other has had: none */
    bool shadow;
    struct model_terms terms;
    unsigned overrides_count;
    struct model_override override[MODEL_OVERRIDES];
};

struct model_buckets {
    bool drawn; /* on and not all full; else the levels mean nothing */
    mpq_t level[BUCKETS_MAX];
};

struct model {
    uint64_t tick_ms, now_ns, last_tick_ns;
    int64_t date_s;
    uint32_t max_keys;
    enum when_full when_full;
    unsigned count;
    struct model_rule rule[MODEL_NAMES];
    struct model_buckets buckets[MODEL_NAMES][MODEL_KEYS]; /* by the limit's name */
};

/* What the model says that the brain must answer. */
struct expected {
    enum bucket_result result;
    int rule, override; /* -1: there is none */
    uint64_t remaining, owed, charged, retry_after_ms, full_after_ms;
    struct bucket_state bucket[BUCKETS_MAX];
};

void model_init(struct model *model);
void model_clear(struct model *model);

/* The rule of an index for a key: the first that matches, or by its name; -1: none. */
int model_match(const struct model *model, unsigned key);
int model_find(const struct model *model, const char *name);

/* The override that holds for a key, or -1; and the terms in force for it. */
int model_override(const struct model *model, const struct model_rule *rule, unsigned key);
const struct model_terms *model_terms(const struct model *model, const struct model_rule *rule,
                                      unsigned key);

/* Brings time forward. */
void model_advance(struct model *model, uint64_t now_ns);
void model_date(struct model *model, int64_t date_s);

/* Puts other rules into force. */
void model_change(struct model *model, const struct model_rule *rules, unsigned count,
                  uint64_t tick_ms);

/* Keys that are remembered. */
unsigned model_drawn(const struct model *model);

struct model_buckets *model_buckets_of(struct model *model, const struct model_rule *rule,
                                       unsigned key);

/* The level of a bucket; what the most drawn bucket of a key lacks; both in tokens. */
void model_level(struct model *model, const struct model_rule *rule, unsigned key, unsigned bucket,
                 mpq_t level);
void model_lack(struct model *model, const struct model_rule *rule, unsigned key, mpq_t lack);

/* The denominator of a tick's refill in lowest terms. */
uint64_t model_token_units(struct rate rate, uint64_t tick_ms);

/* A question about one key, of kind ALLOW, RESET, REFUND, CHARGE or STATUS. Making room by
 * evicting is not modelled: model_evicts tells when, and the test learns from the
 * brain which entry went before it asks the model. */
struct expected model_answer(struct model *model, enum message_kind kind,
                             const struct bucket_question *ask, unsigned key);
bool model_evicts(struct model *model, enum message_kind kind, const struct bucket_question *ask,
                  unsigned key);

/* Whether a bucket of a key that is remembered owes. */
bool model_owes(struct model *model, const struct model_rule *rule, unsigned key);

/* A list that is taken all or none; retry_after_ms: of the whole. */
bool model_answer_all(struct model *model, const struct bucket_question *const *asks,
                      const unsigned *keys, unsigned count, struct expected *expected,
                      uint64_t *retry_after_ms);
