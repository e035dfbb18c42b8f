#include "brain/lease_tree.h"

#include <assert.h>
#include <stdbool.h>

#define NIL LEASE_NONE_NUMBER

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static struct lease_sum plus(struct lease_sum a, struct lease_sum b)
{
    return (struct lease_sum){a.count + b.count, add(a.tokens, b.tokens), a.slots + b.slots};
}

struct lease_sum lease_tree_all(const struct lease_node *nodes, uint32_t root)
{
    if (root == NIL)
        return (struct lease_sum){0, 0, 0};
    const struct lease_node *node = &nodes[root];
    return (struct lease_sum){node->count_below, node->tokens_below, node->slots_below};
}

static struct lease_sum own(const struct lease_node *node)
{
    return (struct lease_sum){1, node->tokens, node->slots};
}

/* ---- changing ---- */

static bool is_before(const struct lease_node *nodes, uint32_t a, uint32_t b)
{
    return nodes[a].end_ns != nodes[b].end_ns ? nodes[a].end_ns < nodes[b].end_ns : a < b;
}

static void add_up(struct lease_node *nodes, uint32_t at)
{
    struct lease_node *node = &nodes[at];
    struct lease_sum sum =
        plus(lease_tree_all(nodes, node->left), lease_tree_all(nodes, node->right));
    sum = plus(sum, own(node));
    node->count_below = sum.count;
    node->tokens_below = sum.tokens;
    node->slots_below = sum.slots;
}

/* Takes a tree apart into what comes before a number that is not in it, and what comes after. */
static void split(struct lease_node *nodes, uint32_t root, uint32_t number, uint32_t *before,
                  uint32_t *after)
{
    if (root == NIL) {
        *before = *after = NIL;
        return;
    }
    if (is_before(nodes, root, number)) {
        split(nodes, nodes[root].right, number, &nodes[root].right, after);
        *before = root;
    } else {
        split(nodes, nodes[root].left, number, before, &nodes[root].left);
        *after = root;
    }
    add_up(nodes, root);
}

/* Makes one tree of two, all of the first of which comes before all of the second. */
static uint32_t merge(struct lease_node *nodes, uint32_t before, uint32_t after)
{
    if (before == NIL)
        return after;
    if (after == NIL)
        return before;
    if (nodes[before].priority > nodes[after].priority) {
        nodes[before].right = merge(nodes, nodes[before].right, after);
        add_up(nodes, before);
        return before;
    }
    nodes[after].left = merge(nodes, before, nodes[after].left);
    add_up(nodes, after);
    return after;
}

void lease_tree_add(struct lease_node *nodes, uint32_t *root, uint32_t number)
{
    uint32_t at = *root;
    if (at != NIL && nodes[at].priority >= nodes[number].priority) {
        lease_tree_add(nodes, is_before(nodes, at, number) ? &nodes[at].right : &nodes[at].left,
                       number);
        add_up(nodes, at);
        return;
    }
    split(nodes, at, number, &nodes[number].left, &nodes[number].right);
    add_up(nodes, number);
    *root = number;
}

void lease_tree_remove(struct lease_node *nodes, uint32_t *root, uint32_t number)
{
    uint32_t at = *root;
    assert(at != NIL);
    if (at == number) {
        *root = merge(nodes, nodes[at].left, nodes[at].right);
        return;
    }
    lease_tree_remove(nodes, is_before(nodes, at, number) ? &nodes[at].right : &nodes[at].left,
                      number);
    add_up(nodes, at);
}

/* ---- asking ---- */

/* Of those that end by then. */
static struct lease_sum until(const struct lease_node *nodes, uint32_t root, uint64_t until_ns)
{
    struct lease_sum sum = {0, 0, 0};
    while (root != NIL) {
        const struct lease_node *node = &nodes[root];
        if (node->end_ns > until_ns) {
            root = node->left;
            continue;
        }
        sum = plus(sum, plus(lease_tree_all(nodes, node->left), own(node)));
        root = node->right;
    }
    return sum;
}

struct lease_sum lease_tree_between(const struct lease_node *nodes, uint32_t root, uint64_t from_ns,
                                    uint64_t until_ns)
{
    struct lease_sum sum = {0, 0, 0};
    while (root != NIL && from_ns < until_ns) {
        const struct lease_node *node = &nodes[root];
        if (node->end_ns <= from_ns) {
            root = node->right;
            continue;
        }
        if (node->end_ns > until_ns) {
            root = node->left;
            continue;
        }
        /* Here the two bounds part: all that is after the one and below, and before the other. */
        sum = plus(until(nodes, node->right, until_ns), own(node));
        for (uint32_t at = node->left; at != NIL;) {
            if (nodes[at].end_ns <= from_ns) {
                at = nodes[at].right;
                continue;
            }
            sum = plus(sum, plus(lease_tree_all(nodes, nodes[at].right), own(&nodes[at])));
            at = nodes[at].left;
        }
        break;
    }
    return sum;
}

uint64_t lease_tree_next_end_ns(const struct lease_node *nodes, uint32_t root, uint64_t at_ns)
{
    uint64_t found_ns = UINT64_MAX;
    while (root != NIL) {
        if (nodes[root].end_ns > at_ns) {
            found_ns = nodes[root].end_ns;
            root = nodes[root].left;
        } else {
            root = nodes[root].right;
        }
    }
    return found_ns;
}

/* The first of those with slots: what is left out below a node has none. */
static uint64_t first_with_slots_ns(const struct lease_node *nodes, uint32_t root)
{
    while (lease_tree_all(nodes, root).slots > 0) {
        const struct lease_node *node = &nodes[root];
        if (lease_tree_all(nodes, node->left).slots > 0)
            root = node->left;
        else if (node->slots > 0)
            return node->end_ns;
        else
            root = node->right;
    }
    return UINT64_MAX;
}

/* On the way down to at_ns, the last node after it that has slots itself or to its right. */
uint64_t lease_tree_next_slots_ns(const struct lease_node *nodes, uint32_t root, uint64_t at_ns)
{
    uint32_t found = NIL;
    while (root != NIL) {
        const struct lease_node *node = &nodes[root];
        if (node->end_ns <= at_ns) {
            root = node->right;
            continue;
        }
        if (node->slots > 0 || lease_tree_all(nodes, node->right).slots > 0)
            found = root;
        root = node->left;
    }
    if (found == NIL)
        return UINT64_MAX;
    return nodes[found].slots > 0 ? nodes[found].end_ns
                                  : first_with_slots_ns(nodes, nodes[found].right);
}

uint64_t lease_tree_last_slots_ns(const struct lease_node *nodes, uint32_t root)
{
    while (lease_tree_all(nodes, root).slots > 0) {
        const struct lease_node *node = &nodes[root];
        if (lease_tree_all(nodes, node->right).slots > 0)
            root = node->right;
        else if (node->slots > 0)
            return node->end_ns;
        else
            root = node->left;
    }
    return 0;
}
