#include "fleet/login.h"

#include <stdio.h>
#include <string.h>

/* ---- life ---- */

void node_init(struct node *node, enum node_kind kind, const struct fleet_settings *settings)
{
    uint64_t op_timeout_ns = settings->op_timeout_ms * UINT64_C(1000000);
    *node = (struct node){.settings = settings, .kind = kind};
    link_init(&node->link, op_timeout_ns > LINK_PATIENCE_NS ? op_timeout_ns : LINK_PATIENCE_NS);
}

void node_open(struct node *node, const struct sockaddr *address, socklen_t len, uint64_t now_ns)
{
    node->state = NODE_LOGS_IN;
    node->loads = node->probes = 0;
    node->is_leaving = node->is_refusing = node->is_open = false;
    node->sha[0] = node->server[0] = node->warning[0] = node->refused[0] = node->why[0] = '\0';
    link_open(&node->link, address, len, now_ns);
}

void node_close(struct node *node)
{
    link_close(&node->link);
    node->state = NODE_OFF;
}

/* ---- calls ---- */

bool node_is_ready(const struct node *node, uint64_t since_ns)
{
    return node->state == NODE_UP && !node->is_leaving && !node->link.has_ended &&
           link_oldest_ns(&node->link) > since_ns;
}

void node_leave(struct node *node, const char *why)
{
    if (node->is_leaving)
        return;
    node->is_leaving = true;
    snprintf(node->why, sizeof node->why, "%s", why);
}

/* ---- events ---- */

/* One that refuses a connection may say why, and then close it. One that was to end has its reason already. */
static enum node_event lose(struct node *node)
{
    bool is_refused = node->state == NODE_LOGS_IN && node->refused[0] != '\0';
    if (!node->is_leaving && is_refused)
        snprintf(node->why, sizeof node->why, "%.100s, after %.140s", node->link.why,
                 node->refused);
    else if (!node->is_leaving)
        memcpy(node->why, node->link.why, sizeof node->why);
    node_close(node);
    return NODE_DOWN;
}

static enum node_event take_reply(struct node *node, const struct link_call *call,
                                  redisReply *reply, uint64_t now_ns)
{
    if (call->kind > NODE_CONFIG)
        return NODE_REPLY;
    enum node_event event = login_take(node, call->kind, reply, now_ns);
    freeReplyObject(reply);
    return event;
}

static enum node_event open_up(struct node *node, uint64_t now_ns)
{
    node->is_open = true;
    return login_begin(node, now_ns);
}

enum node_event node_next(struct node *node, struct link_call *call, redisReply **reply,
                          uint64_t now_ns)
{
    enum node_event event = NODE_NOTHING;
    while (event == NODE_NOTHING && node->state != NODE_OFF) {
        if (node->is_leaving && node->link.count == 0)
            node_fail(node, node->why);
        switch (link_next(&node->link, call, reply)) {
        case LINK_NOTHING:
            return NODE_NOTHING;
        case LINK_OPENED:
            event = open_up(node, now_ns);
            break;
        case LINK_REPLY:
            event = take_reply(node, call, *reply, now_ns);
            break;
        case LINK_UNANSWERED:
            event = call->kind > NODE_CONFIG ? NODE_UNANSWERED : NODE_NOTHING;
            break;
        case LINK_LOST:
            event = lose(node);
            break;
        }
    }
    return event;
}
