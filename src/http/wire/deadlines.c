#include "http/wire/deadlines.h"

#include "base/quantity.h"

#include <stdlib.h>

bool deadlines_init(struct deadlines *deadlines, unsigned most)
{
    deadlines->due_ns = malloc(most * sizeof deadlines->due_ns[0]);
    deadlines->count = 0;
    deadlines->look_ns = DEADLINE_NONE;
    return deadlines->due_ns != NULL;
}

void deadlines_release(struct deadlines *deadlines)
{
    free(deadlines->due_ns);
}

void deadlines_look(struct deadlines *deadlines, uint64_t now_ns,
                    void (*end)(void *context, unsigned index), void *context)
{
    if (now_ns < deadlines->look_ns)
        return;
    uint64_t first_ns = DEADLINE_NONE;
    for (unsigned i = 0; i < deadlines->count; i++) {
        if (deadlines->due_ns[i] <= now_ns) {
            deadlines->due_ns[i] = DEADLINE_NONE;
            end(context, i);
        } else if (deadlines->due_ns[i] < first_ns) {
            first_ns = deadlines->due_ns[i];
        }
    }
    uint64_t soonest_ns = now_ns + DEADLINES_LOOK_MS * (uint64_t)NS_PER_MS;
    deadlines->look_ns = first_ns < soonest_ns ? soonest_ns : first_ns;
}
