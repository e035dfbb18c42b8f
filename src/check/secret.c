#include "check/secret.h"

#include <sodium/utils.h>

bool secret_is_valid(const char *token, size_t len)
{
    if (len < SECRET_MIN || len > SECRET_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    return true;
}

struct secret secret_of(const char *token, size_t len)
{
    struct secret secret = {.is_set = true};
    crypto_hash_sha256(secret.hash, (const unsigned char *)token, len);
    return secret;
}

bool secret_matches(const struct secret *secret, const char *token, size_t len)
{
    struct secret other = secret_of(token, len);
    return secret->is_set && sodium_memcmp(secret->hash, other.hash, sizeof other.hash) == 0;
}
