#include "resp/parts.h"

#include <sys/epoll.h>

enum { EVENTS_A_TURN = 256, LOOK_MS = 1000 /* for whom is overdue, at most so often */ };

static void heed_writable(struct resp *resp, struct resp_client *client)
{
    send_output(resp, client, client->output.bytes, client->output.len);
    if (client->output.len == 0)
        add_to_turn(resp, client);
}

static void heed_hangup(struct resp *resp, struct resp_client *client)
{
    client->has_hung_up = true;
    end_wait(resp, client);
    add_to_turn(resp, client);
}

static void heed_events(struct resp *resp, struct resp_client *client, uint32_t events)
{
    if (client->is_leaving && (events & EPOLLIN) != 0)
        drop_input(resp, client);
    else if ((events & EPOLLIN) != 0)
        read_input(resp, client);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        close_client(resp, client);
    else if ((events & EPOLLOUT) != 0)
        heed_writable(resp, client);
    else if ((events & EPOLLRDHUP) != 0)
        heed_hangup(resp, client);
}

void heed_sockets(struct resp *resp)
{
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(resp->epoll, events, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        heed_events(resp, events[i].data.ptr, events[i].events);
    resp->is_readable = false;
}

static void end_overdue(struct resp *resp, struct resp_client *client)
{
    if (!client->is_leaving && (client->input.len > 0 || client->output.len > 0))
        tally_of(resp)->overdue++;
    close_client(resp, client);
}

void look_for_overdue(struct resp *resp)
{
    uint64_t due_ns = CLOCK_NEVER;
    for (unsigned i = 0; i < resp->clients_used; i++) {
        struct resp_client *client = &resp->clients[i];
        if (client->socket >= 0 && client->due_ns <= resp->now_ns)
            end_overdue(resp, client);
        else if (client->socket >= 0 && client->due_ns < due_ns)
            due_ns = client->due_ns;
    }
    uint64_t next_ns = resp->now_ns + LOOK_MS * NS_PER_MS;
    resp->look_ns = due_ns == CLOCK_NEVER || due_ns > next_ns ? due_ns : next_ns;
}

static bool is_open(const struct resp_client *client)
{
    return client->socket >= 0 && !client->is_leaving;
}

void resp_close_idle(struct resp *resp)
{
    resp->ends_idle = true;
    for (unsigned i = 0; i < resp->clients_used; i++) {
        struct resp_client *client = &resp->clients[i];
        if (!is_open(client) || client->first != NULL || client->output.len > 0 || client->has_more)
            continue;
        read_input(resp, client);
        add_to_turn(resp, client);
    }
}
