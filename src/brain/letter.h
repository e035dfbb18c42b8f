/*
 * Letters: how a question travels to whoever answers it, and how the answer comes home.
 *
 * A letter is the first member of every message. It is at one place at a time: with its asker, in
 * an inbox (actor/inbox.h), or with whoever answers. The asker names the inbox that it comes home
 * to, and must not touch the message until it is there. Letters travel in chains: to post a chain
 * is one atomic step, however many letters it has.
 *
 * Owns nothing. Threads: a letter and a chain belong to one at a time. Never blocks. Never fails.
 */
#pragma once

#include <stddef.h>

struct inbox;

struct letter {
    struct letter *next; /* the one behind it, in a chain or an inbox: posted before it */
    struct inbox *home;  /* the inbox that it goes to once it is answered */
};

/* Letters that will travel together. All zeros: there are none. */
struct chain {
    struct letter *newest; /* linked to those before it */
    struct letter *oldest; /* not used while there are none */
};

static inline void chain_add(struct chain *chain, struct letter *letter)
{
    letter->next = chain->newest;
    if (chain->newest == NULL)
        chain->oldest = letter;
    chain->newest = letter;
}

/* Adds answered letters that are linked from `first` to `last`; their order does not matter. */
static inline void chain_add_run(struct chain *chain, struct letter *first, struct letter *last)
{
    last->next = chain->newest;
    if (chain->newest == NULL)
        chain->oldest = last;
    chain->newest = first;
}

/* Adds a letter that will be answered before those that are there. */
static inline void chain_add_first(struct chain *chain, struct letter *letter)
{
    letter->next = NULL;
    if (chain->newest == NULL)
        chain->newest = letter;
    else
        chain->oldest->next = letter;
    chain->oldest = letter;
}

/* Takes a letter out of the chain. It goes through the letters that were added after it. */
static inline void chain_remove(struct chain *chain, struct letter *letter)
{
    struct letter *after = NULL, *at = chain->newest;
    for (; at != letter; at = at->next)
        after = at;
    if (after == NULL)
        chain->newest = letter->next;
    else
        after->next = letter->next;
    if (chain->oldest == letter)
        chain->oldest = after;
}

/* Reverses letters that are linked newest first. Returns the oldest, which is then the first. */
static inline struct letter *letters_oldest_first(struct letter *newest)
{
    struct letter *oldest = NULL;
    while (newest != NULL) {
        struct letter *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}
