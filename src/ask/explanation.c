#include "ask/explanation.h"

#include "base/glob.h"
#include "limits/runtime.h"

#include <string.h>

static enum explanation_why why_of(const struct explanation *explanation)
{
    const struct limits *limits = explanation->answer->limits;
    if (explanation->ask->limit_name != NULL)
        return EXPLANATION_NAMED;
    return explanation_matches(explanation, &limits->limit[explanation->limit])
               ? EXPLANATION_MATCH
               : EXPLANATION_DEFAULT;
}

struct explanation explanation_of(const struct bucket_question *ask,
                                  const struct explain_answer *answer)
{
    const struct limit *limit = answer->next.limit;
    uint32_t indices[EXPLANATION_OVERRIDES_MAX];
    struct explanation explanation = {
        .ask = ask,
        .answer = answer,
        .limit = (uint32_t)(limit - answer->limits->limit),
        .limit_if_unnamed = limits_match(answer->limits, ask->key),
    };
    explanation.why = why_of(&explanation);
    explanation.overrides_count =
        limit_overrides_of(limit, ask->key, answer->date_s, indices, EXPLANATION_OVERRIDES_MAX);
    explanation.overrides_of_limit = runtime_count_all(limit, answer->date_s);
    while (explanation.overrides_shown < explanation.overrides_count &&
           explanation.overrides_shown < EXPLANATION_OVERRIDES_MAX) {
        uint32_t i = explanation.overrides_shown++;
        explanation.overrides[i] = &limit->overrides[indices[i]];
    }
    return explanation;
}

enum explanation_state explanation_state_of(const struct explanation *explanation,
                                            const struct override *override)
{
    if (override == explanation->answer->next.override)
        return EXPLANATION_HOLDS;
    return override->until_s <= explanation->answer->date_s ? EXPLANATION_ENDED
                                                            : EXPLANATION_BEHIND;
}

bool explanation_matches(const struct explanation *explanation, const struct limit *limit)
{
    return limit->match[0] != '\0' && glob_matches(limit->match, explanation->ask->key);
}

const char *explanation_kind(const struct explanation *explanation, const struct override *override)
{
    if (override->is_glob)
        return "glob";
    return strcmp(override->key, explanation->ask->key) == 0 ? "exact" : "network";
}

const char *explanation_action(enum override_action action)
{
    switch (action) {
    case OVERRIDE_TERMS:
        return "limit";
    case OVERRIDE_ALLOW:
        return "allow";
    case OVERRIDE_DENY:
        break;
    }
    return "deny";
}
