/*
 * Refusals: what the errors of a store mean, by their first word.
 *
 * The texts behind the first word differ between engines and their versions, so nothing goes by them.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum refusal_act {
    REFUSAL_STAY,  /* nothing was done; the connection is as good as any other would be */
    REFUSAL_LEAVE, /* nothing was done; look for the master again, and connect anew */
    REFUSAL_LOAD,  /* the script is not there: load it, and ask again */
    REFUSAL_MOVED, /* of a cluster: another node has this slot */
    REFUSAL_ASK,   /* of a cluster: another node gets this slot just now */
};

struct refusal {
    const char *word;
    enum refusal_act act;
    const char *means; /* a sentence about "it", the store */
};

/* The row of the table; for a word that is not in it, that of ERR. */
const struct refusal *refusal_of(const char *text, size_t len);

/* Writes what is to be told of it: the sentence, and behind it the store's own words, in printable ASCII, or
 * its first word alone if the command held a secret: some stores repeat what they were sent. */
void refusal_tell(const char *text, size_t len, bool is_secret, char *told, size_t size);
