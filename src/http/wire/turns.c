#include "http/wire/turns.h"

#include <assert.h>

void turns_init(struct turns *turns)
{
    turns->first = NULL;
    turns->last = &turns->first;
    turns->cost = 0;
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

struct request *turns_take_first(struct turns *turns)
{
    struct request *first = turns->first;
    size_t cost = request_cost(first);
    if (turns->cost > 0 && turns->cost + cost > ROUTE_COST_TURN)
        return NULL;
    turns->cost += cost;
    turns_remove(turns, first);
    return first;
}
