/*
 * Lease trees: the leases of one key by their ends, with sums, so that many may end in one tick.
 *
 * A tree is a treap over numbers of leases: in order of their ends, and by number where these are the
 * same. Each node knows the sums of what is below it. So "how many slots are out at this time" and
 * "which is the next end" cost O(log n), even while leases that have ended are still in it, because
 * their bookkeeping comes in slices.
 *
 * Owns nothing: the nodes are the caller's, and belong to one tree at a time. One thread, the brain's.
 * Never blocks. Never fails.
 */
#pragma once

#include <stdint.h>

#define LEASE_NONE_NUMBER UINT32_MAX /* no lease; of a root: the tree is empty */

/* The first members are set before it is added, and stay as long as it is in a tree. */
struct lease_node {
    uint64_t end_ns; /* in the state's time */
    uint64_t tokens;
    uint32_t slots;
    uint32_t priority; /* random */
    uint32_t left, right;
    uint32_t count_below; /* these with its own */
    uint64_t tokens_below, slots_below;
};

/* What some leases took. */
struct lease_sum {
    uint32_t count;
    uint64_t tokens; /* stays at the end of its 64 bits */
    uint64_t slots;
};

void lease_tree_add(struct lease_node *nodes, uint32_t *root, uint32_t number);
void lease_tree_remove(struct lease_node *nodes, uint32_t *root, uint32_t number);

/* Of all leases in the tree. */
struct lease_sum lease_tree_all(const struct lease_node *nodes, uint32_t root);

/* Of those that end after from_ns, but not after until_ns. */
struct lease_sum lease_tree_between(const struct lease_node *nodes, uint32_t root, uint64_t from_ns,
                                    uint64_t until_ns);

/* The earliest end after at_ns; UINT64_MAX: there is none. And of a lease that has slots. */
uint64_t lease_tree_next_end_ns(const struct lease_node *nodes, uint32_t root, uint64_t at_ns);
uint64_t lease_tree_next_slots_ns(const struct lease_node *nodes, uint32_t root, uint64_t at_ns);

/* The latest end of a lease that has slots; 0: there is none. */
uint64_t lease_tree_last_slots_ns(const struct lease_node *nodes, uint32_t root);
