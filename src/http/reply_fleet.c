#include "http/reply_fleet.h"

#include "base/quantity.h"

#include <string.h>

static const char *const link_names[] = {
    [FLEET_DOWN] = "down",
    [FLEET_CONNECTING] = "connecting",
    [FLEET_UP] = "up",
};

static const char *const partition_names[] = {
    [FLEET_PARTITION_DENY] = "deny",
    [FLEET_PARTITION_SHARE] = "share",
    [FLEET_PARTITION_ALLOW] = "allow",
};

#define BEFORE                                                                                     \
    "the fleet's store is out of reach: under limits of scope fleet, requests are decided from "   \
    "tokens in hand, and then "

static const char *const partition_warnings[] = {
    [FLEET_PARTITION_DENY] = BEFORE "denied (on_partition: deny)",
    [FLEET_PARTITION_SHARE] = BEFORE "from this sidecar's share of the limit (on_partition: share)",
    [FLEET_PARTITION_ALLOW] = BEFORE "allowed uncounted (on_partition: allow)",
};

static void write_text(struct text *body, const char *name, const char *text)
{
    text_literal(body, ",\"");
    text_string(body, name);
    text_literal(body, "\":");
    if (text[0] == '\0')
        text_literal(body, "null");
    else
        text_json(body, text, strlen(text));
}

static void write_number(struct text *body, const char *name, uint64_t number)
{
    text_literal(body, ",\"");
    text_string(body, name);
    text_literal(body, "\":");
    text_number(body, number);
}

void reply_write_fleet(struct text *body, const struct daemon_answer *answer,
                       const struct fleet_view *view)
{
    const struct fleet_counters *counters = &answer->fleet.counters;
    struct fleet_seen seen = {0};
    if (!answer->fleet.is_there)
        return;
    fleet_view_look(view, &seen);
    text_literal(body, ",\"fleet\":{\"store\":\"");
    text_string(body, link_names[seen.link]);
    text_literal(body, "\"");
    write_text(body, "server", seen.server);
    write_text(body, "trouble", seen.trouble);
    write_text(body, "on_partition", partition_names[answer->limits->fleet.on_partition]);
    write_number(body, "down_ms", seen.down_ns / NS_PER_MS);
    write_number(body, "calls", seen.calls);
    write_number(body, "calls_failed", seen.calls_failed);
    write_number(body, "keys", answer->fleet.shares);
    write_number(body, "hand", fleet_hand_tokens(counters));
    write_number(body, "granted", counters->granted_tokens);
    write_number(body, "spent", counters->spent_tokens);
    write_number(body, "returned", counters->returned_tokens);
    write_number(body, "lost", counters->lost_tokens);
    write_number(body, "partitioned", counters->partitioned);
    text_literal(body, "}");
}

const char *reply_fleet_warning(const struct daemon_answer *answer, const struct fleet_view *view)
{
    struct fleet_seen seen = {0};
    if (!answer->fleet.is_there)
        return NULL;
    fleet_view_look(view, &seen);
    if (seen.link == FLEET_UP && !answer->fleet.is_cut)
        return NULL;
    return partition_warnings[answer->limits->fleet.on_partition];
}
