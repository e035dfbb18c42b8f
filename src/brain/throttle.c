#include "brain/throttle.h"

enum { SWEPT_WITH_EACH = 2, LOOKED_AT = 8 /* to find one that can be forgotten */ };

/* All are on one line. */
static const uint16_t owners[1] = {0};

void throttles_release(struct throttles *throttles)
{
    if (throttles->has_table)
        table_release(&throttles->table);
    throttles->has_table = false;
}

static bool make_table(struct throttles *throttles, const struct table *like)
{
    if (!throttles->has_table)
        throttles->has_table = table_init(&throttles->table, like->max_keys, like->seed, owners);
    return throttles->has_table;
}

/* Forgets some that are as if they had never asked. */
static void sweep(struct table *table, uint64_t now_ns, struct brain_counters *counters)
{
    for (int i = 0; i < SWEPT_WITH_EACH; i++) {
        uint32_t slot = table_sweep_look(table);
        if (slot == TABLE_NONE)
            continue;
        if (table_spent(table, slot, 0) > now_ns) {
            table_sweep_keep(table);
        } else {
            table_remove(table, slot);
            counters->dropped_full++;
        }
    }
}

/* Forgets the one of a few that will first be as if it had never asked. */
static void forget_one(struct table *table, uint64_t hash, uint64_t now_ns,
                       struct brain_counters *counters)
{
    uint32_t slot = table_home(table, hash), first = TABLE_NONE;
    for (int i = 0; i < LOOKED_AT; i++, slot = (slot + 1) % table->slots) {
        slot = table_next_occupied(table, slot);
        if (first == TABLE_NONE || table_spent(table, slot, 0) < table_spent(table, first, 0))
            first = slot;
    }
    if (table_spent(table, first, 0) > now_ns)
        counters->evicted++;
    else
        counters->dropped_full++;
    table_remove(table, first);
}

static void put(struct table *table, uint64_t hash, const struct throttle_question *ask,
                uint64_t full_ns, uint64_t now_ns, struct brain_counters *counters)
{
    sweep(table, now_ns, counters);
    uint32_t slot = table_find(table, hash, ask->key, ask->key_len, owners[0]);
    if (slot != TABLE_NONE) {
        table_set_spent(table, slot, 0, full_ns);
        return;
    }
    if (table->keys >= table->max_keys)
        forget_one(table, hash, now_ns, counters);
    table_insert(table, hash, ask->key, ask->key_len, 0, &full_ns, 1);
}

/* full_after_ns: until the key is as if it had never asked. Returns what that comes to with this
 * question. */
static uint64_t decide(const struct throttle_question *ask, uint64_t full_after_ns,
                       struct throttle_answer *answer)
{
    const uint64_t most_ns = ask->burst * ask->interval_ns;
    bool is_too_much = ask->tokens > ask->burst;
    uint64_t next_ns = is_too_much ? full_after_ns : full_after_ns + ask->tokens * ask->interval_ns;
    answer->is_denied = is_too_much || next_ns > most_ns;
    answer->retry_after_ns = is_too_much || next_ns <= most_ns ? RETRY_NEVER : next_ns - most_ns;
    answer->full_after_ns = answer->is_denied ? full_after_ns : next_ns;
    answer->remaining_tokens =
        answer->full_after_ns >= most_ns ? 0 : (most_ns - answer->full_after_ns) / ask->interval_ns;
    return answer->full_after_ns;
}

void throttles_answer(struct throttles *throttles, const struct table *like, uint64_t now_ns,
                      struct message *message, struct brain_counters *counters)
{
    const struct throttle_question *ask = &message->ask.throttle;
    struct throttle_answer *answer = &message->answer.throttle;
    *answer = (struct throttle_answer){.has_no_memory = !make_table(throttles, like)};
    if (answer->has_no_memory)
        return;
    struct table *table = &throttles->table;
    uint64_t hash = table_hash(table, ask->key, ask->key_len);
    uint32_t slot = table_find(table, hash, ask->key, ask->key_len, owners[0]);
    uint64_t full_ns = slot == TABLE_NONE ? 0 : table_spent(table, slot, 0);
    uint64_t full_after_ns = decide(ask, full_ns > now_ns ? full_ns - now_ns : 0, answer);
    if (answer->is_denied) {
        counters->throttles_denied++;
        return;
    }
    counters->throttles_allowed++;
    if (ask->tokens > 0)
        put(table, hash, ask, now_ns + full_after_ns, now_ns, counters);
}
