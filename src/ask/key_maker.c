#include "ask/key_maker.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define HASH_PREFIX "sha256:"

void key_maker_begin(struct key_maker *maker, char key[KEY_MAX + 1])
{
    maker->key = key;
    maker->len = 0;
    maker->is_long = false;
}

static void add_to_hash(struct key_maker *maker, const char *bytes, size_t len)
{
    crypto_hash_sha256_update(&maker->hash, (const unsigned char *)bytes, len);
}

static void begin_hash(struct key_maker *maker)
{
    crypto_hash_sha256_init(&maker->hash);
    add_to_hash(maker, maker->key, maker->len);
    maker->is_long = true;
}

void key_maker_add(struct key_maker *maker, const char *bytes, size_t len)
{
    if (!maker->is_long && len <= KEY_MAX - maker->len) {
        memcpy(maker->key + maker->len, bytes, len);
        maker->len += len;
        return;
    }
    if (!maker->is_long)
        begin_hash(maker);
    add_to_hash(maker, bytes, len);
}

/* Writes the hash in the place of the key. */
static size_t end_hash(struct key_maker *maker)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&maker->hash, hash);

    static_assert(sizeof HASH_PREFIX + 2 * sizeof hash <= KEY_MAX + 1, "the hash is a key");
    char *at = maker->key + strlen(HASH_PREFIX);
    memcpy(maker->key, HASH_PREFIX, strlen(HASH_PREFIX));
    for (size_t i = 0; i < sizeof hash; i++) {
        *at++ = hex[hash[i] >> 4];
        *at++ = hex[hash[i] & 15];
    }
    *at = '\0';
    return (size_t)(at - maker->key);
}

size_t key_maker_end(struct key_maker *maker)
{
    if (!maker->is_long && key_check(maker->key, maker->len) != KEY_OK)
        begin_hash(maker);
    if (maker->is_long)
        return end_hash(maker);
    maker->key[maker->len] = '\0';
    return maker->len;
}
