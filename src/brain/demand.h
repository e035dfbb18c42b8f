/*
 * Demands: what a question wants of the buckets at a place.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/message.h"
#include "limits/credit.h"

#include <assert.h>

struct demand {
    uint64_t tokens; /* of each bucket that holds tokens */
    uint64_t slots;  /* of each that holds slots */
};

static inline bool demand_is_nothing(struct demand demand)
{
    return (demand.tokens | demand.slots) == 0;
}

/* What is wanted of a bucket on this line. */
static inline uint64_t demand_of(struct demand demand, const struct credit_line *credit)
{
    return credit_has_slots(credit) ? demand.slots : demand.tokens;
}

/* The question of ACQUIRE that a question about one key is part of; NULL: it is of another kind. */
static inline const struct acquire_question *acquire_of(enum message_kind kind,
                                                        const struct bucket_question *ask)
{
    return kind == MESSAGE_ACQUIRE ? (const struct acquire_question *)ask : NULL;
}
static_assert(offsetof(struct acquire_question, bucket) == 0, "it begins with that");

static inline struct demand demand_by(enum message_kind kind, const struct bucket_question *ask)
{
    const struct acquire_question *acquire = acquire_of(kind, ask);
    return (struct demand){ask->tokens, acquire == NULL ? 0 : acquire->slots};
}
