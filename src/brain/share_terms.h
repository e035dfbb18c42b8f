/*
 * Terms of shares: the buckets of a limit as the store reckons them, put into force for what is in hand.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/share_session.h"
#include "limits/limits.h"

/* The terms of a bucket in the store. */
struct order_terms share_terms(const struct bucket_terms *terms, uint32_t outstanding_percent);

/* Puts terms into force. If they are others, what is in hand beyond what may be outstanding is given back,
 * and nothing is known of the record's level. If a bucket comes back that the session had before, another
 * session begins: the store may know totals of it that are forgotten here. */
void share_set_terms(struct share *share, const struct allowance *allowance,
                     uint32_t outstanding_percent, struct share_sessions *sessions,
                     struct fleet_counters *counters);
