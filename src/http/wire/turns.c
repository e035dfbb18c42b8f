#include "http/wire/turns.h"

#include <assert.h>

enum {
    LIST_SHORT = 512,               /* a body no longer takes no longer than other requests */
    KEYS_COST = TURNS_COST_MAX / 4, /* of one look at the table */
    DAEMON_COST = TURNS_COST_MAX / 8,
    METRICS_COST = TURNS_COST_MAX, /* it looks at each open descriptor, too */
};

void turns_init(struct turns *turns)
{
    turns->first = NULL;
    turns->last = &turns->first;
    turns->cost = 0;
}

size_t turns_cost(const struct request *request)
{
    const struct route *route = request->route;
    if (route == NULL)
        return 0;
    if (route->takes_list && request->body_len > LIST_SHORT)
        return request->body_len;
    if (route->purpose != ROUTE_QUESTION || (request->seen & PARAMETER_KEY) != 0)
        return 0;
    switch (route->without_key) {
    case MESSAGE_KEYS:
        return KEYS_COST;
    case MESSAGE_DAEMON:
        return DAEMON_COST;
    case MESSAGE_METRICS:
        return METRICS_COST;
    default:
        return 0;
    }
}

void turns_add(struct turns *turns, struct request *request)
{
    request->next_in_turn = NULL;
    *turns->last = request;
    turns->last = &request->next_in_turn;
}

void turns_remove(struct turns *turns, struct request *request)
{
    struct request **link = &turns->first;
    while (*link != request) {
        assert(*link != NULL);
        link = &(*link)->next_in_turn;
    }
    *link = request->next_in_turn;
    if (*link == NULL)
        turns->last = link;
}

void turns_begin(struct turns *turns)
{
    turns->cost = 0;
}

struct request *turns_next(struct turns *turns)
{
    struct request *next = turns->first;
    if (next == NULL || (turns->cost > 0 && turns->cost + turns_cost(next) > TURNS_COST_MAX))
        return NULL;
    turns->cost += turns_cost(next);
    turns_remove(turns, next);
    return next;
}
