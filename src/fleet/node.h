/*
 * Nodes: a server that stores records, from the connection to the first call.
 *
 * Before a node is up it has logged in, told its name and version, taken the script, and run it once on a record of
 * our own: so a right or a version that is missing shows at once. Then the settings are read that forget
 * records. A server that refuses the trial call only for now, because it has no memory for instance, is up,
 * and refuses other calls as well.
 *
 * Owns its link. One thread. Never blocks. Errors: NODE_DOWN, with the reason in `why`.
 */
#pragma once

#include "brain/order.h"
#include "fleet/fleet.h"
#include "fleet/link.h"

enum node_state { NODE_OFF, NODE_LOGS_IN, NODE_UP };

/* What a command on its link is: see link_call. */
enum node_call {
    NODE_AUTH,
    NODE_HELLO,
    NODE_ROLE,
    NODE_LOAD,
    NODE_PROBE,
    NODE_CONFIG,
    NODE_CALL,   /* of the script, for a trip */
    NODE_ASKING, /* before a NODE_CALL */
    NODE_SLOTS,  /* of a cluster */
};

enum node_kind {
    NODE_ALONE,       /* a server, as the settings say */
    NODE_OF_SENTINEL, /* one of which a sentinel says that it is the master */
    NODE_OF_CLUSTER,  /* a master of a cluster */
    NODE_SEED,        /* of a cluster, and only asked for its slots: it needs no script */
};

#define NODE_SHA_LEN 40
#define NODE_WHY_MAX 256

struct node {
    const struct fleet_settings *settings;
    enum node_kind kind;
    enum node_state state;
    enum node_call step; /* of logging in */
    struct link link;
    unsigned loads;  /* SCRIPT LOADs that are not answered yet */
    bool is_open;    /* it was connected to */
    bool is_leaving; /* it ends once all is answered that it was asked */
    unsigned probes; /* sent so far */
    struct order probe;
    char sha[NODE_SHA_LEN + 1];
    char server[64]; /* "redis 7.0.15" */
    char
        warning[NODE_WHY_MAX]; /* of its settings, or what it refused of the trial call; or empty */
    bool is_refusing;          /* the warning is what it refused */
    char refused[NODE_WHY_MAX]; /* the last error while it logged in, that was borne */
    char why[NODE_WHY_MAX];
};

enum node_event {
    NODE_NOTHING,
    NODE_IS_UP,
    NODE_REPLY, /* to a NODE_CALL, NODE_ASKING or NODE_SLOTS; the caller's, for freeReplyObject */
    NODE_UNANSWERED, /* one of these calls, because the connection is lost: each of them, and then */
    NODE_DOWN,       /* once */
};

void node_init(struct node *node, enum node_kind kind, const struct fleet_settings *settings);
void node_open(struct node *node, const struct sockaddr *address, socklen_t len, uint64_t now_ns);
void node_close(struct node *node);

/* Whether calls may be sent: it is up, and nothing is overdue since before that time. */
bool node_is_ready(const struct node *node, uint64_t since_ns);

/* Sends a command. false: there is no room. So it is with all that follow. */
bool node_send(struct node *node, enum node_call kind, size_t count, const struct resp_arg *words,
               uint64_t now_ns);

/* Asks for the slots of a cluster. */
bool node_ask_slots(struct node *node, uint64_t now_ns);

/* Sends a call of the script: EVALSHA, with 2 * count keys and count arguments. false: there is no room. */
bool node_call(struct node *node, const struct link_call *call, size_t count,
               const struct resp_arg *keys, const struct resp_arg *args, uint64_t now_ns);

/* Has the script loaded once more, if that is not under way. false: there is no room. */
bool node_load(struct node *node, uint64_t now_ns);

/* Has it end, by NODE_DOWN with this reason: at once, or when all is answered that was asked. */
void node_fail(struct node *node, const char *why);
void node_leave(struct node *node, const char *why);

enum node_event node_next(struct node *node, struct link_call *call, redisReply **reply,
                          uint64_t now_ns);
