#pragma once

#include "brain/fleet_counters.h"
#include "brain/order.h"

struct shares {
    uint64_t nonce; /* of session ids; 0: the store is out of reach */
    uint32_t count;
    bool is_cut; /* the last that was heard of the store is that it cannot be reached */
    struct fleet_counters counters;
};

static inline uint64_t share_book_due_ns(const struct shares *shares)
{
    (void)shares;
    return UINT64_MAX;
}
