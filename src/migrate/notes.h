/*
 * Notes: the comments beside limits and checks that were nginx's: where each is from, what differs, and what nginx is to say
 * from then on.
 *
 * Owns nothing. One thread. Blocks while it writes. Errors: those of the FILE.
 */
#pragma once

#include "migrate/plan.h"

#include <stdio.h>

void notes_of_limit(FILE *out, const struct plan *plan);
void notes_of_check(FILE *out, const struct plan *plan);

/* The lines for nginx, place by place. */
void notes_of_places(FILE *out, const struct tree *tree, const struct plans *plans);

/* What does not carry over: zones that nothing uses, and limit_conn. */
void notes_of_rest(FILE *out, const struct tree *tree, const struct limit_reqs *found,
                   const struct plans *plans);
