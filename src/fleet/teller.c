#include "fleet/teller.h"

#include <stdio.h>
#include <string.h>

bool teller_tells(struct teller *teller, const char *trouble, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - teller->told_ns;
    bool is_same = strncmp(teller->told, trouble, sizeof teller->told - 1) == 0;
    if (is_same && (!teller->is_over || since_ns < TELLER_AGAIN_NS))
        return false;
    if (!is_same && teller->told[0] != '\0' && since_ns < TELLER_PAUSE_NS)
        return false;
    snprintf(teller->told, sizeof teller->told, "%s", trouble);
    teller->told_ns = now_ns;
    teller->is_over = false;
    return true;
}

bool teller_ends(struct teller *teller)
{
    bool was_on = teller->told[0] != '\0' && !teller->is_over;
    teller->is_over = true;
    return was_on;
}
