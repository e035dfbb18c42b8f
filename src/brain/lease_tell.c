#include "brain/lease_tell.h"

#include <string.h>

uint64_t lease_asked_ttl_ms(const struct brain *brain, uint32_t number,
                            const struct lease_question *ask)
{
    return ask->ttl_ms == 0 ? brain->leases.lease[number].ttl_ms : ask->ttl_ms;
}

void lease_renew(struct brain *brain, uint32_t number, const struct lease_question *ask)
{
    uint64_t ttl_ms = lease_asked_ttl_ms(brain, number, ask);
    leases_renew(&brain->leases, number, brain_lived_ns(brain, brain->now_ns) + ttl_ms * NS_PER_MS);
    brain->counters.leases_renewed++;
}

void lease_describe(const struct brain *brain, uint32_t number, enum lease_state state,
                    const struct limit *limit, struct lease_answer *answer)
{
    const struct lease *lease = &brain->leases.lease[number];
    answer->state = state;
    answer->limit = limit;
    answer->key_len = lease->key->key_len;
    if (answer->key != NULL)
        memcpy(answer->key, lease->key->key, answer->key_len + 1);
    answer->tokens = brain->leases.node[number].tokens;
    answer->slots = brain->leases.node[number].slots;
    uint64_t now_ns =
        brain_lived_ns(brain, brain->now_ns); /* its end may be over, and the tick still to come */
    answer->expires_after_ms =
        (state == LEASE_HELD || state == LEASE_UNRENEWED) && lease->due_ns > now_ns
            ? (lease->due_ns - now_ns) / NS_PER_MS
            : 0;
    if (state != LEASE_RELEASED)
        return;
    answer->returned_tokens = lease->outcome.returned_tokens;
    answer->charged_tokens = lease->outcome.charged_tokens;
    answer->forgiven_tokens = lease->outcome.forgiven_tokens;
    answer->owed_tokens = lease->outcome.owed_tokens;
}
