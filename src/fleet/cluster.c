#include "fleet/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 16384u

/* CRC-16/XMODEM, as the specification of Redis clusters has it. */
static uint16_t crc16(const char *bytes, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ ((unsigned char)bytes[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

uint16_t cluster_slot(uint8_t shard)
{
    char tag[3];
    snprintf(tag, sizeof tag, "%02x", shard);
    return crc16(tag, 2) % SLOTS;
}

/* ---- words for a node ---- */

static bool write_words(const char *host, size_t host_len, long long port, store_words words)
{
    struct store store;
    store_words text;
    bool is_bracketed = memchr(host, ':', host_len) != NULL;
    if (host_len == 0 || host_len > FLEET_STORE_MAX - 24 || port < 1 || port > 65535)
        return false;
    snprintf(text, sizeof text, "redis://%s%.*s%s:%lld", is_bracketed ? "[" : "", (int)host_len,
             host, is_bracketed ? "]" : "", port);
    if (!store_read(text, &store))
        return false;
    memcpy(words, text, sizeof text);
    return true;
}

bool cluster_read_error(const char *text, const char *asked, store_words words)
{
    const char *slot = strchr(text, ' ');
    const char *host = slot == NULL ? NULL : strchr(slot + 1, ' ');
    const char *colon = host == NULL ? NULL : strrchr(host, ':');
    if (colon == NULL)
        return false;
    host++;
    size_t len = (size_t)(colon - host);
    long long port = strtoll(colon + 1, NULL, 10);
    return len == 0 ? write_words(asked, strlen(asked), port, words)
                    : write_words(host, len, port, words);
}

/* ---- the map ---- */

static bool is_integer(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_INTEGER;
}

/* The node's place in the map, which it gets if it has none; CLUSTER_NOBODY: there is no room. */
static uint8_t place_of(struct cluster_map *map, const store_words words)
{
    for (unsigned i = 0; i < map->nodes_count; i++) {
        if (strcmp(map->nodes[i], words) == 0)
            return (uint8_t)i;
    }
    if (map->nodes_count == CLUSTER_NODES_MAX)
        return CLUSTER_NOBODY;
    memcpy(map->nodes[map->nodes_count], words, sizeof map->nodes[0]);
    return (uint8_t)map->nodes_count++;
}

/* The master is the first node behind the two slots: its host, which may be nil or empty, and its port. */
static bool read_master(const redisReply *range, const char *asked, store_words words)
{
    const redisReply *node = range->element[2];
    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2 || !is_integer(node->element[1]))
        return false;
    const redisReply *host = node->element[0];
    bool is_named = host->type == REDIS_REPLY_STRING && host->len > 0;
    return write_words(is_named ? host->str : asked, is_named ? host->len : strlen(asked),
                       node->element[1]->integer, words);
}

static bool read_range(const redisReply *range, const char *asked, struct cluster_map *map)
{
    store_words words;
    uint8_t place = CLUSTER_NOBODY;
    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 || !is_integer(range->element[0]) ||
        !is_integer(range->element[1]) || !read_master(range, asked, words))
        return false;
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
        uint16_t slot = cluster_slot((uint8_t)shard);
        if (slot < range->element[0]->integer || slot > range->element[1]->integer)
            continue;
        if (place == CLUSTER_NOBODY)
            place = place_of(map, words);
        map->of_shard[shard] = place;
    }
    return true;
}

bool cluster_read(const redisReply *reply, const char *asked, struct cluster_map *map)
{
    struct cluster_map read = {.nodes_count = 0};
    memset(read.of_shard, CLUSTER_NOBODY, sizeof read.of_shard);
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < reply->elements; i++) {
        if (!read_range(reply->element[i], asked, &read))
            return false;
    }
    *map = read;
    return true;
}
