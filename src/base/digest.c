#include "base/digest.h"

#include <assert.h>
#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

static_assert(sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL) ==
                  DIGEST_BASE64_MAX,
              "it has room");

void digest_base64(const char *text, size_t len, char base64[DIGEST_BASE64_MAX])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)text, len);
    sodium_bin2base64(base64, DIGEST_BASE64_MAX, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL);
}
