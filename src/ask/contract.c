#include "ask/contract.h"

#include "base/ip.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const headers_dialect_names[HEADERS_DIALECTS] = {
#define X(constant, word, file) [HEADERS_##constant] = (word),
    HEADERS_TABLE(X)
#undef X
};

struct contract *contract_new(enum headers_dialect headers)
{
    struct contract *contract = calloc(1, sizeof *contract);
    if (contract == NULL)
        return NULL;
    atomic_init(&contract->references, 1);
    contract->headers = headers;
    return contract;
}

bool contract_add_check(struct contract *contract, const struct check_terms *terms)
{
    assert(contract->checks_count < CHECKS_MAX);
    struct check *check = check_new(terms);
    if (check == NULL)
        return false;
    contract->checks[contract->checks_count++] = check;
    return true;
}

const struct check *contract_find_check(const struct contract *contract, const char *name,
                                        size_t len)
{
    for (uint32_t i = 0; i < contract->checks_count; i++) {
        const char *candidate = check_terms(contract->checks[i])->name;
        if (strlen(candidate) == len && memcmp(candidate, name, len) == 0)
            return contract->checks[i];
    }
    return NULL;
}

static bool is_name(const char *host, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

bool contract_is_own_host(const struct contract *contract, const char *host, size_t len)
{
    struct ip ip;
    if (len > 0 && host[0] == '[')
        return true;
    const char *port = memchr(host, ':', len);
    if (port != NULL)
        len = (size_t)(port - host);
    if (len > 0 && host[len - 1] == '.') /* the root, which browsers leave as it is */
        len--;
    if (ip_parse(host, len, &ip) || is_name(host, len, "localhost"))
        return true;
    for (uint32_t i = 0; i < contract->hosts_count; i++)
        if (is_name(host, len, contract->hosts[i]))
            return true;
    return false;
}

struct contract *contract_retain(struct contract *contract)
{
    atomic_fetch_add_explicit(&contract->references, 1, memory_order_relaxed);
    return contract;
}

void contract_release(struct contract *contract)
{
    if (contract == NULL ||
        atomic_fetch_sub_explicit(&contract->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < contract->checks_count; i++)
        check_free(contract->checks[i]);
    free(contract);
}
