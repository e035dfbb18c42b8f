/*
 * Apart: a bucket of a share's own, for as long as the store cannot be reached.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/share.h"

/* Takes tokens from a bucket of 1/sidecars of burst and rate. false: it does not hold them. */
bool share_spend_apart(struct share *share, uint64_t tokens, uint64_t now_ns, uint32_t sidecars);

/* Whether it is full. */
bool share_is_full_apart(struct share *share, uint64_t now_ns);
