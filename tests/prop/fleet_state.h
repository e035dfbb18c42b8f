/*
 * What outlives the processes of a simulated sidecar (fleet_sim.h): its state, in which leases and what is in hand are kept as in a
 * state file, and a copy of what is in hand, which may be written back.
 *
 * Owns the memory. One thread. What cannot be gone on with fails the test.
 */
#pragma once

#include "brain/brain.h"
#include "keep/store.h"

enum { FLEET_STATE_KEYS = 50, FLEET_STATE_LEASES = 64 };

struct fleet_state {
    unsigned char *memory; /* NULL: there is none yet */
    unsigned char *copy;   /* of its shares, or NULL */
    struct store store;
};

/* The brain of the next process, with all that the one before had; of the first one, with nothing. The clocks are told in *now. */
struct brain *fleet_state_start(struct fleet_state *state, const struct limits_question *question,
                                const struct moment *now);

/* Copies what is in hand; and has it be as it was then, while no process runs. false: there is no copy. */
void fleet_state_copy(struct fleet_state *state);
bool fleet_state_write_back(struct fleet_state *state);

void fleet_state_end(struct fleet_state *state);
