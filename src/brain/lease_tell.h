/*
 * Renewing a lease that is held, and telling how a lease is.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* For how long a RENEW asks. */
uint64_t lease_asked_ttl_ms(const struct brain *brain, uint32_t number,
                            const struct lease_question *ask);

/* Lets a lease that has not ended end so much later than now. */
void lease_renew(struct brain *brain, uint32_t number, const struct lease_question *ask);

/* Fills in an answer but for `key`, which is the asker's. limit: NULL if it is gone. */
void lease_describe(const struct brain *brain, uint32_t number, enum lease_state state,
                    const struct limit *limit, struct lease_answer *answer);
