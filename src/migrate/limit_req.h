/*
 * limit_req: what an nginx configuration says of zones, and where it limits by which of them.
 *
 * A place is a block with lines of its own: http, server, location. A location without limit_req lines has those of the
 * block around it; one with some has these alone. The status and the dry run come from around too, each by itself.
 *
 * Owns nothing: all is in the tree's arena. One thread. Never blocks. Errors: false, and a complaint.
 */
#pragma once

#include "migrate/tree.h"

#include <stdint.h>

#define PLACE_LIMITS_MAX 32 /* limit_req lines of one place */

struct zone {
    const struct directive *line; /* limit_req_zone */
    const char *key;              /* as nginx has it */
    const char *name;
    uint64_t number; /* of requests, 1 to 10^9 */
    bool is_per_minute, is_in_sync;
    struct zone *next;
};

struct limit_req {
    const struct directive *line;
    const struct zone *zone;
    uint64_t burst; /* 0 to 10^9 */
    uint64_t delay; /* how many of the burst pass at once; as large as burst if nodelay is there */
};

/* What holds in a block. */
struct holds {
    const struct limit_req *limit; /* limits of them; NULL: none */
    size_t limits;
    bool is_dry_run;
    uint64_t status;
};

struct place {
    const struct directive *block;  /* the location, server or http; NULL: the file itself */
    const struct directive *server; /* around it, or itself; NULL: none */
    struct holds holds;
    struct place *next;
};

struct limit_reqs {
    struct zone *zones;
    struct place *places; /* those that limit, in the order of the file */
};

bool limit_req_find(struct tree *tree, struct limit_reqs *found, struct complaint *complaint);
