#include "brain/news.h"

#include <string.h>

/* The counter that an event counts in, or NULL. */
static uint64_t *counter_of(const struct event *event, struct brain_counters *heard)
{
    switch (event->kind) {
    case EVENT_evicted:
        return &heard->evicted;
    case EVENT_uncounted:
        return &heard->table_full_allowed;
    case EVENT_lease_expired:
        return &heard->leases_expired;
    case EVENT_override_ended: /* not if it was removed */
        return event->values[4] ? NULL : &heard->overrides_ended;
    case EVENT_overload:
        break;
    case EVENT_denied:
    case EVENT_warned:
    case EVENT_owed:
    case EVENT_waited:
    case EVENT_wait_over:
    case EVENT_override_begun:
    case EVENT_reloaded:
    case EVENT_reload_failed:
    case EVENT_limit_forgotten:
    case EVENT_state_lost:
    case EVENT_state_found:
    case EVENT_fleet_lost: /* the fleet thread logs it */
    case EVENT_fleet_back:
    case EVENT_front_added:
    case EVENT_front_gone:
    case EVENT_drain:
    case EVENT_lost:
    case EVENT_KIND_COUNT:
        return NULL;
    }
    switch ((enum event_cause)event->values[1]) {
    case EVENT_CAUSE_TABLE:
        return &heard->table_full_denied;
    case EVENT_CAUSE_CHARGES:
        return &heard->charges_failed;
    case EVENT_CAUSE_LEASES:
        return &heard->leases_refused;
    case EVENT_CAUSE_WAITING:
        return &heard->too_many_waiting;
    case EVENT_CAUSE_CONNECTIONS:
    case EVENT_CAUSE_STALL:
    case EVENT_CAUSE_COUNT:
        break;
    }
    return NULL;
}

bool news_wants(const struct event *event)
{
    struct brain_counters unused;
    return event->kind == EVENT_limit_forgotten || counter_of(event, &unused) != NULL;
}

static void hear_of_limit(const struct event *event, struct forgotten *gone)
{
    char name[LIMIT_NAME_MAX + 1];
    if (event->limit == NULL) {
        forgotten_add_others(gone, (uint32_t)event->values[0], event->values[1]);
        return;
    }
    memcpy(name, event->limit, event->limit_len);
    name[event->limit_len] = '\0';
    forgotten_add(gone, name, event->values[1]);
}

void news_hear(const struct event *event, struct brain_counters *heard, struct forgotten *gone)
{
    uint64_t *counter = counter_of(event, heard);
    if (event->kind == EVENT_limit_forgotten)
        hear_of_limit(event, gone);
    else if (counter != NULL)
        *counter += event->values[0];
}

struct news news_take(struct news_told *told, const struct brain_counters *counters,
                      uint64_t now_ns)
{
    const uint64_t counted[NEWS_KINDS] = {
#define X(field, ...) [NEWS_##field] = counters->field,
        TOLD_COUNTERS(X)
#undef X
    };
    struct news news = {{0}};
    for (int i = 0; i < NEWS_KINDS; i++) {
        if (counted[i] == told->count[i] || now_ns < told->due_ns[i])
            continue;
        news.count[i] = counted[i] - told->count[i];
        told->total += news.count[i];
        told->count[i] = counted[i];
        told->due_ns[i] = now_ns + NEWS_PERIOD_S * (uint64_t)NS_PER_S;
    }
    return news;
}
