/*
 * The parts of RESP: what the files of this room share. No other room includes it.
 *
 * One thread, except for next_contract.
 */
#pragma once

#include "actor/inbox.h"
#include "base/quantity.h"
#include "resp/client.h"
#include "resp/parse.h"
#include "resp/resp.h"

#include <stdatomic.h>

struct resp {
    const struct clock *clock;
    struct inbox *home, *decider;
    struct contract *contract;                /* a reference */
    _Atomic(struct contract *) next_contract; /* a reference to its successor, or NULL */
    bool admin_apart;
    bool ends_waits; /* whoever would wait is answered at once */
    bool drains;     /* each connection ends behind its next answers */
    bool ends_idle;  /* and whoever has none to come */
    unsigned place;
    uint32_t idle_timeout_ms;
    int epoll;
    bool is_readable; /* epoll is, as far as the caller knows */
    uint64_t now_ns, look_ns;

    struct resp_client *clients; /* connections_max of them; memory is touched as they come */
    struct resp_client *free_client;
    unsigned clients_used, clients_max, connections;
    uint64_t clients_ever;

    struct call *calls; /* calls_max of them, likewise */
    struct call *free_call;
    unsigned calls_used, calls_max, calls_free;

    struct resp_client *in_turn, **in_turn_last; /* whom this turn has to look after */
    struct chain questions;                      /* the next chain, without the report */
    unsigned questions_count, away;
    size_t held;                /* bytes kept for all clients */
    struct tally *const *tally; /* where the front-end counts now */
    char input[COMMAND_MAX + 1], output[RESP_REPLIES_MAX + CALL_REPLY_MAX];
};

static inline struct tally *tally_of(const struct resp *resp)
{
    return *resp->tally;
}

/* ---- calls.c ---- */

struct call *take_call(struct resp *resp);
void give_call_back(struct resp *resp, struct call *call);

/* Whether there is one for a command. Each client may need another one for a LEAVE. */
bool has_call(const struct resp *resp);

bool may_wait(const struct call *call);

/* Has nobody wait who belongs to this client: that is its last command at most. */
void end_wait(struct resp *resp, struct resp_client *client);

/* What is not handed over needs no answer any more. */
void drop_questions(struct resp *resp);

/* ---- clients.c ---- */

/* Has it looked after before the turn is over: see output.c. */
void add_to_turn(struct resp *resp, struct resp_client *client);

/* It must do its next step within so long. */
void give_time(struct resp *resp, struct resp_client *client, uint64_t ms);

/* Drops what is kept; and keeps other bytes, which may be some of those. false: there is no memory,
 * or too much is kept for all clients already. */
void drop_kept(struct resp *resp, struct kept *kept);
bool keep(struct resp *resp, struct kept *kept, const char *bytes, size_t len);

void give_client_back(struct resp *resp, struct resp_client *client);
void close_client(struct resp *resp, struct resp_client *client);
void watch(struct resp *resp, struct resp_client *client, uint32_t events);

/* Sends nothing more. If a socket that holds unread input is closed, the kernel drops the output
 * that is on its way; so what comes is read until the client closes too. */
void begin_leaving(struct resp *resp, struct resp_client *client);

/* ---- input.c ---- */

void read_input(struct resp *resp, struct resp_client *client);
void drop_input(struct resp *resp, struct resp_client *client);

/* Of whose input a whole command is left, because it had as many unanswered as may be. */
void take_rest(struct resp *resp);

/* ---- output.c ---- */

/* Sends what it can, and keeps the rest. */
void send_output(struct resp *resp, struct resp_client *client, const char *bytes, size_t len);

/* ---- sockets.c ---- */

void heed_sockets(struct resp *resp);

/* Ends whose deadline has passed. What is due may be late by LOOK_MS. */
void look_for_overdue(struct resp *resp);
