#include "fleet/name.h"

#include <assert.h>
#include <string.h>

/* ---- shards ---- */

static uint32_t hash_more(uint32_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT32_C(0x01000193);
    return hash;
}

uint8_t fleet_shard(const char *limit, size_t limit_len, const char *key, size_t key_len)
{
    uint32_t hash = hash_more(UINT32_C(0x811c9dc5), limit, limit_len);
    hash = hash_more(hash, "", 1);
    hash = hash_more(hash, key, key_len);
    return (uint8_t)(hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24);
}

/* ---- names ---- */

static char *add(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *add_text(char *at, const char *text)
{
    return add(at, text, strlen(text));
}

static char *add_hex(char *at, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    *at++ = digits[byte >> 4];
    *at++ = digits[byte & 15];
    return at;
}

/* A limit's name, without the ':' that ends it here. */
static char *add_limit(char *at, const char *limit, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (limit[i] == ':')
            at = add_text(at, "%3A");
        else if (limit[i] == '%')
            at = add_text(at, "%25");
        else
            *at++ = limit[i];
    return at;
}

static char *add_fleet(char *at, const char *fleet)
{
    assert(strlen(fleet) <= FLEET_NAME_MAX);
    at = add_text(at, "allowd:");
    at = add_text(at, fleet);
    return add_text(at, ":{");
}

/* What all names of a shard begin with. */
static char *add_shard(char *at, const char *fleet, uint8_t shard)
{
    return add_text(add_hex(add_fleet(at, fleet), shard), "}:");
}

size_t fleet_record_name(const char *fleet, const struct order *order,
                         char name[FLEET_RECORD_NAME_MAX])
{
    assert(order->limit_len <= LIMIT_NAME_MAX && order->key_len <= KEY_MAX);
    uint8_t shard = fleet_shard(order->limit_name, order->limit_len, order->key, order->key_len);
    char *at = add_shard(name, fleet, shard);
    at = add_limit(at, order->limit_name, order->limit_len);
    *at++ = ':';
    at = add(at, order->key, order->key_len);
    return (size_t)(at - name);
}

size_t fleet_epoch_name(const char *fleet, uint8_t shard, char name[FLEET_RECORD_NAME_MAX])
{
    return (size_t)(add_text(add_shard(name, fleet, shard), "epoch") - name);
}

size_t fleet_probe_name(const char *fleet, char name[FLEET_RECORD_NAME_MAX])
{
    return (size_t)(add_text(add_fleet(name, fleet), "probe}:record") - name);
}

size_t fleet_probe_epoch_name(const char *fleet, char name[FLEET_RECORD_NAME_MAX])
{
    return (size_t)(add_text(add_fleet(name, fleet), "probe}:epoch") - name);
}
