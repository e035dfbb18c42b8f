#include "ask/contract.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
