/*
 * Questions that are asked once: what sidecars have answered to those with a token, and so have to answer again.
 *
 * A sidecar remembers a question by its token until it ends; another one knows nothing of it. Of each answer it is known
 * here whether it must be that of before, may not be, or is a new one, which alone is told to the ledgers.
 *
 * Owns nothing. One thread. What does not hold fails the test, as FLEET_ONCE.
 */
#pragma once

#include "brain/once.h"
#include "prop/fleet_checks.h"

enum { FLEET_ONCES = 256 };

/* A question with a token, and its answer. */
struct fleet_once {
    uint64_t token; /* 0: none */
    unsigned sidecar, life, record;
    enum message_kind kind;
    struct once_terms terms;
    struct lease_id id; /* of ACQUIRE */
    enum bucket_result result;
    uint64_t answered_ns;
    bool
        is_early; /* its answer came home behind one that repeats it: those of a turn come in any order */
};

struct fleet_onces {
    uint64_t begun;                      /* tokens */
    unsigned count;                      /* of those below: how many there have been */
    struct fleet_once told[FLEET_ONCES]; /* the newest that sidecars remember */
};

/* Writes a token as a question has it. */
void fleet_once_name(uint64_t token, struct once_question *once);

/* What a message asks, and what it was answered if it was. */
struct fleet_once fleet_once_of(const struct message *message, uint64_t token, unsigned sidecar,
                                unsigned life, unsigned record);

/* The answer that a sidecar has given to a question with that token; NULL: none. */
const struct fleet_once *fleet_once_find(const struct fleet_onces *onces, unsigned sidecar,
                                         unsigned life, uint64_t token);

/* A question is answered. first: the same, that was asked before and waits for its answer; or NULL. Returns whether it has done
 * nothing by itself. */
bool fleet_once_tell(struct fleet_onces *onces, const struct fleet_once *asked,
                     const struct fleet_once *first, bool is_repeated,
                     const struct fleet_ledger *ledger);
