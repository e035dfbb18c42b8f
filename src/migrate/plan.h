/*
 * Plans: which limits and checks of allowd the limit_req lines of nginx come to.
 *
 * A check makes one key. So those limit_req lines of a place that have the same key become one limit, with several buckets,
 * and one check; places with the same lines share them.
 *
 * Owns nothing: all is in the tree's arena. One thread. Never blocks. Errors: false, and a complaint.
 */
#pragma once

#include "limits/limits.h"
#include "migrate/key.h"
#include "migrate/limit_req.h"

/* A limit, and the check of the same name. */
struct plan {
    char name[LIMIT_NAME_MAX + 1];
    const struct key *key;
    uint32_t buckets;
    struct bucket_terms bucket[BUCKETS_MAX];
    const struct limit_req *limit[BUCKETS_MAX]; /* what each bucket is made of */
    bool is_dry_run;
    struct plan *next;
};

/* What a place of nginx is to ask. */
struct plan_place {
    const struct place *place;
    size_t plans; /* at least 1; more only if there are several keys */
    const struct plan *plan[PLACE_LIMITS_MAX];
    struct plan_place *next;
};

struct plans {
    struct plan *plans;
    struct plan_place *places;
    uint64_t tick_ms;
};

bool plans_make(struct tree *tree, const struct limit_reqs *found, struct plans *plans,
                struct complaint *complaint);
