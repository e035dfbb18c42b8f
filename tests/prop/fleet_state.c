#include "prop/fleet_state.h"

#include "keep/share_records.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of shares: the head, and as many records as are ever used. */
enum { SHARE_BYTES = 4096 + FLEET_STATE_KEYS * SHARE_RECORD_BYTES, HOME = 1 };

static size_t state_bytes(void)
{
    return store_bytes(FLEET_STATE_KEYS, FLEET_STATE_LEASES, true);
}

static void own_shares(struct fleet_state *state, const struct moment *now)
{
    state->store.shares_fleet = HOME;
    store_own_shares(&state->store, HOME, now->clock_id, true);
}

static struct brain *begin(struct fleet_state *state, const struct limits_question *question,
                           const struct moment *now)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "any";
    state->memory =
        mmap(NULL, state_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(state->memory != MAP_FAILED);
    store_begin(&state->store, state->memory, FLEET_STATE_KEYS, FLEET_STATE_LEASES, true, seed);
    own_shares(state, now);
    struct brain *brain = brain_new_stored(question, &state->store, now);
    assert_non_null(brain);
    return brain;
}

struct brain *fleet_state_start(struct fleet_state *state, const struct limits_question *question,
                                const struct moment *now)
{
    struct brain *brain = NULL;
    const char *why = NULL;
    if (state->memory == NULL)
        return begin(state, question, now);
    assert_int_equal(store_find(&state->store, state->memory, state_bytes(), &why), STORE_FOUND);
    own_shares(state, now);
    assert_int_equal(brain_restore(&brain, question, FLEET_STATE_LEASES, &state->store, now, &why),
                     BRAIN_RESTORED);
    return brain;
}

void fleet_state_copy(struct fleet_state *state)
{
    const struct share_records records = share_records_at(state->store.shares);
    assert_true(share_records_used(&records) <= FLEET_STATE_KEYS);
    if (state->copy == NULL)
        state->copy = malloc(SHARE_BYTES);
    assert_non_null(state->copy);
    memcpy(state->copy, state->store.shares, SHARE_BYTES);
}

bool fleet_state_write_back(struct fleet_state *state)
{
    if (state->copy == NULL)
        return false;
    memcpy(state->store.shares, state->copy, SHARE_BYTES);
    return true;
}

void fleet_state_end(struct fleet_state *state)
{
    free(state->copy);
    if (state->memory != NULL)
        munmap(state->memory, state_bytes());
}
