/*
 * Numbers and times that options give, for those that the server does not see.
 *
 * Owns nothing. Main thread. Never blocks. Errors: false, and it is said what is wrong.
 */
#pragma once

#include "ctl/job.h"

/* Reads the option, within these bounds; *number stays if it is not given. */
bool number_of_option(const struct job *job, enum option_name name, uint64_t min, uint64_t max,
                      uint64_t *number);
bool duration_of_option(const struct options *options, enum option_name name, uint64_t min_ms,
                        uint64_t max_ms, uint64_t *ms);
