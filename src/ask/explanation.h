/*
 * Explanations: the answer to EXPLAIN, and what follows from the limits that it points into: why a key falls
 * under its limit, and which of the overrides for it holds. explain_text.h and explain_json.h tell it.
 *
 * Owns nothing; question and answer are borrowed. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/explain.h"

#include <stdbool.h>
#include <stdint.h>

#define EXPLANATION_OVERRIDES_MAX 50u

/* Why the key falls under its limit. */
enum explanation_why {
    EXPLANATION_NAMED,   /* the question names it */
    EXPLANATION_MATCH,   /* its match is the first that matches the key */
    EXPLANATION_DEFAULT, /* no match does */
};

/* What becomes of an override that is for the key. */
enum explanation_state {
    EXPLANATION_HOLDS,
    EXPLANATION_ENDED,  /* its end has come */
    EXPLANATION_BEHIND, /* another one goes before it */
};

struct explanation {
    const struct bucket_question *ask;
    const struct explain_answer *answer;
    enum explanation_why why;
    uint32_t limit;              /* the index of the limit that decides */
    uint32_t limit_if_unnamed;   /* of the one that would if none was named */
    uint32_t overrides_of_limit; /* for any key, without those of run time that have ended */
    /* Those of them that are for the key, in the order in which one goes before the other, and the first
     * of these. */
    uint32_t overrides_count, overrides_shown;
    const struct override *overrides[EXPLANATION_OVERRIDES_MAX];
};

/* Of an answer that has a limit. */
struct explanation explanation_of(const struct bucket_question *ask,
                                  const struct explain_answer *answer);

enum explanation_state explanation_state_of(const struct explanation *explanation,
                                            const struct override *override);

/* Whether a limit's match is for the key; the default, and one that has no match, is for none. */
bool explanation_matches(const struct explanation *explanation, const struct limit *limit);

/* "exact", "network" or "glob"; and "limit", "allow" or "deny". */
const char *explanation_kind(const struct explanation *explanation,
                             const struct override *override);
const char *explanation_action(enum override_action action);
