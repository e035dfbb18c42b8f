#include "fleet/node.h"

#include "fleet/script.h"

#include <stdio.h>
#include <string.h>

#define EVALSHA_ARGS_MAX (3 + 3 * ORDERS_MAX)

bool node_send(struct node *node, enum node_call kind, size_t count, const struct resp_arg *words,
               uint64_t now_ns)
{
    struct link_call call = {.kind = (uint8_t)kind};
    return link_send(&node->link, &call, count, words, now_ns);
}

bool node_call(struct node *node, const struct link_call *call, size_t count,
               const struct resp_arg *keys, const struct resp_arg *args, uint64_t now_ns)
{
    struct resp_arg all[EVALSHA_ARGS_MAX];
    char keys_count[8];
    snprintf(keys_count, sizeof keys_count, "%zu", 2 * count);
    all[0] = resp_string("EVALSHA");
    all[1] = resp_string(node->sha);
    all[2] = resp_string(keys_count);
    memcpy(all + 3, keys, 2 * count * sizeof keys[0]);
    memcpy(all + 3 + 2 * count, args, count * sizeof args[0]);
    return link_send(&node->link, call, 3 + 3 * count, all, now_ns);
}

bool node_load(struct node *node, uint64_t now_ns)
{
    struct resp_arg words[] = {resp_string("SCRIPT"), resp_string("LOAD"),
                               resp_string(fleet_script)};
    if (node->loads == 0 && !node_send(node, NODE_LOAD, 3, words, now_ns))
        return false;
    node->loads = 1;
    return true;
}

bool node_ask_slots(struct node *node, uint64_t now_ns)
{
    struct resp_arg words[] = {resp_string("CLUSTER"), resp_string("SLOTS")};
    return node_send(node, NODE_SLOTS, 2, words, now_ns);
}

void node_fail(struct node *node, const char *why)
{
    link_fail(&node->link, why);
}
