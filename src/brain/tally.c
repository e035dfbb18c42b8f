#include "brain/tally.h"

#include <assert.h>

static_assert(TALLY_CELLS <= UINT16_MAX, "the number of a cell fits");

void tally_clear(struct tally *tally)
{
    for (uint32_t i = 0; i < tally->used_count; i++)
        tally->cells[tally->used[i]] = 0;
    tally->used_count = 0;
    tally->front.is_news = false;
    tally->front.busy_ns = tally->front.since_ns = 0;
#define X(field, ...) tally->field = 0;
    FRONT_COUNTERS(X)
#undef X
}
