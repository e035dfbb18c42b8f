/*
 * Places of shares: which share a question is about, and room for it.
 *
 * There are as many shares as max_keys allows keys. If one more is needed, when_full says whether one that
 * has something in hand, which is then lost, is forgotten for it.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Errors: share_make_at.
 */
#pragma once

#include "brain/core.h"

/* The share of a key at a place; NULL: there is none. */
static inline struct share *share_at(const struct brain *brain, const struct place *place,
                                     const struct bucket_question *ask)
{
    return share_book_find(&brain->shares, place->hash, ask->key, ask->key_len);
}

/* The same, but one is made if there is none; may_evict: for which another one that has something in hand may be
 * forgotten. NULL: there is no room, or no memory. */
struct share *share_make_at(struct brain *brain, const struct place *place,
                            const struct bucket_question *ask, bool may_evict);

/* The same for a question that may make room as when_full says. */
static inline struct share *share_find_or_make(struct brain *brain, const struct place *place,
                                               const struct bucket_question *ask)
{
    return share_make_at(brain, place, ask, brain->when_full == WHEN_FULL_EVICT);
}

/* Forgets a share: see share_book_drop. What is in its hand is lost. */
void share_forget(struct brain *brain, struct share *share);

/* Where a share's key is under the limit of its name. false: there is none, or it is not of scope fleet any
 * more. */
bool share_place(const struct brain *brain, const struct share *share, struct place *place);

/* Puts the terms at a place into force. */
void share_set_terms_at(struct brain *brain, const struct place *place, struct share *share);
