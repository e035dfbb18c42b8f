/*
 * Links: a connection to a server that speaks RESP, and the commands on it that are not answered yet.
 *
 * Replies come in the order of the commands, so the oldest command that is not answered is the one that a reply is
 * for, however late it comes. A link that does not connect, or does not answer its oldest command, within
 * LINK_PATIENCE_NS is lost; so is one whose peer answers what nobody has asked, or with no reply at all.
 *
 * Its user calls link_turn when the socket or the time says so, then link_next until there is nothing more.
 *
 * Owns its socket, its bytes and its commands. One thread. Never blocks. Errors: LINK_LOST, with the reason in `why`.
 */
#pragma once

#include "fleet/resp.h"

#include <stdint.h>
#include <sys/socket.h>

#define LINK_PATIENCE_NS UINT64_C(1000000000)
#define LINK_CALLS_MAX 256 /* commands that are not answered yet */
#define LINK_WHY_MAX 256

/* A command that is not answered yet. All but sent_ns is the user's. */
struct link_call {
    uint64_t sent_ns;
    uint64_t trip;   /* that it belongs to */
    uint16_t orders; /* of that, a bit each */
    uint8_t kind;
    bool is_again;
};

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_OPEN };

struct link {
    int fd; /* -1: there is none */
    enum link_state state;
    bool was_opened; /* and it was not told yet */
    bool has_ended;  /* nothing more comes: when all is read that has come, it is lost */
    bool is_broken;  /* and what has come is not read any more */
    uint64_t due_ns; /* of connecting */
    uint64_t patience_ns;
    struct resp_out out;
    struct resp_in in;
    unsigned first, count; /* of `call`, a ring */
    struct link_call call[LINK_CALLS_MAX];
    char why[LINK_WHY_MAX];
};

enum link_event {
    LINK_NOTHING,
    LINK_OPENED,
    LINK_REPLY,      /* the reply is the caller's, for freeReplyObject */
    LINK_UNANSWERED, /* this call, because the link is lost: each of them, and then */
    LINK_LOST,       /* it is closed; once */
};

/* patience_ns: at least LINK_PATIENCE_NS. */
void link_init(struct link *link, uint64_t patience_ns);

/* Begins to connect. If that fails at once, it is lost by the next link_next. */
void link_open(struct link *link, const struct sockaddr *address, socklen_t len, uint64_t now_ns);

/* Ends it from our side, by LINK_LOST with this reason. */
void link_fail(struct link *link, const char *why);

/* Closes it. Its commands are forgotten. */
void link_close(struct link *link);

/* Puts a command into the queue. false: it is not open, or there is no room, and nothing has happened. */
bool link_send(struct link *link, const struct link_call *call, size_t count,
               const struct resp_arg *args, uint64_t now_ns);

/* What to poll for: POLLIN and POLLOUT. */
short link_events(const struct link *link);

/* When a turn is due though nothing comes; CLOCK_NEVER: it is not. */
uint64_t link_due_ns(const struct link *link);

/* When the oldest command was sent that is not answered; CLOCK_NEVER: there is none. */
uint64_t link_oldest_ns(const struct link *link);

/* Connects, sends and receives what can be. revents: of poll. */
void link_turn(struct link *link, short revents, uint64_t now_ns);
enum link_event link_next(struct link *link, struct link_call *call, redisReply **reply);
