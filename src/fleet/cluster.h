/*
 * Clusters: which node has which shard of the records.
 *
 * A cluster has 16,384 slots; a key's slot is a hash of what stands between its braces, and that is its shard
 * (name.h). So a map of the 256 shards is all that there is to know.
 *
 * Owns nothing. Any thread. Never blocks. Errors: false for what is no list of slots.
 */
#pragma once

#include "fleet/seek.h"

#include <hiredis/hiredis.h>

#define CLUSTER_SHARDS 256
#define CLUSTER_NODES_MAX 32 /* masters that have shards */
#define CLUSTER_NOBODY 255

struct cluster_map {
    unsigned nodes_count;
    store_words nodes[CLUSTER_NODES_MAX]; /* "redis://HOST:PORT" */
    uint8_t of_shard[CLUSTER_SHARDS];     /* its node, or CLUSTER_NOBODY */
};

/* The slot of a shard's keys. */
uint16_t cluster_slot(uint8_t shard);

/* Reads the answer to CLUSTER SLOTS. asked: the host that answered, for an answer that names none. *map is untouched if it is no
 * such answer. */
bool cluster_read(const redisReply *reply, const char *asked, struct cluster_map *map);

/* Reads where an error says that a slot is, "MOVED SLOT HOST:PORT" or "ASK SLOT HOST:PORT". */
bool cluster_read_error(const char *text, const char *asked, store_words words);
