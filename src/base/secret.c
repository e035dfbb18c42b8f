#include "base/secret.h"

#include <assert.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>
#include <string.h>

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

void secret_draw(void *bytes, size_t len)
{
    randombytes_buf(bytes, len);
}

void secret_show(const char *text, size_t len, char shown[SECRET_SHOWN_MAX + 1])
{
    static const char prefix[] = "sha256:";
    const struct secret secret = secret_of(text, len);
    static_assert(sizeof prefix - 1 + 2 * sizeof secret.hash == SECRET_SHOWN_MAX, "it has room");
    memcpy(shown, prefix, sizeof prefix - 1);
    sodium_bin2hex(shown + sizeof prefix - 1, 2 * sizeof secret.hash + 1, secret.hash,
                   sizeof secret.hash);
}
