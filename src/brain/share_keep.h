/*
 * Sessions of shares in the state file, so that one which a kill ends can be taken over by the next process: see
 * share_resume.h.
 *
 * A session has a record (keep/share_records.h) from when the store has granted it something, or it has
 * something to tell, until it ends. What is spent is put into it at once, by share_spend; what else changes
 * is put there by share_keep, before any answer or order leaves the brain. So a record never has more in hand
 * than the process had. If there are more than SHARE_RECORDS_MAX sessions at a time, those that come last are
 * not kept.
 *
 * Owns the list of free records. One thread, the brain's. Never blocks. Errors: share_keep_begin, no memory.
 */
#pragma once

#include "brain/share.h"

/* All zeros: none are kept. */
struct share_keeping {
    struct share_records records;
    uint32_t *free_number; /* of records that are free */
    uint32_t free;         /* so many are */
};

/* Forgets what is in the records, and keeps sessions there from now on: of this file and clock, see
 * share_records_set_home. false: no memory, and nothing is done. */
bool share_keep_begin(struct share_keeping *keeping, const struct share_records *records,
                      uint64_t home, const uint8_t clock_id[16]);
void share_keep_release(struct share_keeping *keeping);

/* Puts what has changed of a share into its record. */
void share_keep(struct share_keeping *keeping, struct share *share);

/* The share is to be forgotten. */
void share_keep_forget(struct share_keeping *keeping, struct share *share);
