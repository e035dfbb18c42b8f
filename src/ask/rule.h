/*
 * Rules of a check: which requests it lets pass uncounted, and what the others cost.
 *
 * A rule names methods, paths and networks; it holds for a request that matches one of each kind
 * that it names. Of several rules the first that holds counts.
 *
 * A rule is part of its check. Any thread. Never blocks. Errors: the functions that return false.
 */
#pragma once

#include "ask/check.h"
#include "ask/client_ip.h"
#include "base/arena.h"

#include <stdint.h>

struct rule {
    unsigned methods; /* a bit for each number of a method; 0: any */
    uint32_t paths_count, networks_count;
    const char *const *paths; /* globs */
    const struct ip_network *networks;
    uint64_t tokens; /* what a request costs; of a rule that skips, 0 */
};

/* Whether these are valid in a rule. */
bool rule_method_is_valid(const char *method);
bool rule_path_is_valid(const char *path);
bool rule_network_is_valid(const char *network);

/* Makes a rule of valid terms, whose strings must live as long as it does. false: no memory. */
bool rule_init(struct rule *rule, const struct check_rule_terms *terms, struct arena *arena);

/* The first of the rules that holds for a request, or NULL. */
const struct rule *rule_find(const struct rule *rules, uint32_t count,
                             const struct trusted *trusted, const struct check_request *request);
