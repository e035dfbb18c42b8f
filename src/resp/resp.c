#include "resp/parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Before commands are read, as for HTTP: once a reload is told as done, it holds for all that come. */
static void heed_contract(struct resp *resp)
{
    if (atomic_load(&resp->next_contract) == NULL)
        return;
    contract_release(resp->contract);
    resp->contract = atomic_exchange(&resp->next_contract, NULL);
}

void resp_collect(struct resp *resp)
{
    resp->now_ns = clock_now_ns(resp->clock);
    heed_contract(resp);
    if (resp->now_ns >= resp->look_ns)
        look_for_overdue(resp);
    take_rest(resp);
    if (resp->is_readable)
        heed_sockets(resp);
}

void resp_set_contract(struct resp *resp, struct contract *contract)
{
    contract_release(atomic_exchange(&resp->next_contract, contract_retain(contract)));
}

int resp_descriptor(const struct resp *resp)
{
    return resp->epoll;
}

void resp_heed(struct resp *resp)
{
    resp->is_readable = true;
}

int resp_timeout_ms(const struct resp *resp, bool is_stalled)
{
    if ((resp->in_turn != NULL && has_call(resp)) || (!is_stalled && resp->questions_count > 0))
        return 0;
    if (resp->connections == 0 || resp->look_ns == CLOCK_NEVER)
        return -1;
    return clock_ms_until(resp->now_ns, resp->look_ns);
}

/* ---- life ---- */

static bool make_parts(struct resp *resp)
{
    resp->calls_max = RESP_TURN_MAX + 2 * resp->clients_max;
    resp->calls_free = resp->calls_max;
    resp->clients = calloc(resp->clients_max, sizeof resp->clients[0]);
    resp->calls = calloc(resp->calls_max, sizeof resp->calls[0]);
    if (resp->clients == NULL || resp->calls == NULL)
        return false;
    resp->epoll = epoll_create1(EPOLL_CLOEXEC);
    return resp->epoll >= 0;
}

struct resp *resp_new(const struct resp_terms *terms)
{
    struct resp *resp = calloc(1, sizeof *resp);
    if (resp == NULL)
        return NULL;
    resp->clock = terms->clock;
    resp->home = terms->home;
    resp->decider = terms->decider;
    resp->contract = contract_retain(terms->contract);
    atomic_init(&resp->next_contract, NULL);
    resp->admin_apart = terms->admin_apart;
    resp->place = terms->place;
    resp->idle_timeout_ms = terms->idle_timeout_ms;
    resp->clients_max = terms->connections_max;
    resp->tally = terms->tally;
    resp->in_turn_last = &resp->in_turn;
    resp->look_ns = CLOCK_NEVER;
    resp->epoll = -1;
    if (make_parts(resp))
        return resp;
    int why = errno;
    resp_free(resp);
    errno = why;
    return NULL;
}

void resp_close(struct resp *resp)
{
    for (unsigned i = 0; i < resp->clients_used; i++)
        close_client(resp, &resp->clients[i]);
    drop_questions(resp);
}

void resp_free(struct resp *resp)
{
    resp_close(resp);
    assert(resp->away == 0);
    if (resp->epoll >= 0)
        close(resp->epoll);
    contract_release(resp->contract);
    contract_release(atomic_load(&resp->next_contract));
    free(resp->clients);
    free(resp->calls);
    free(resp);
}
