/*
 * Letters: how a question travels to the one who answers it, and how the answer comes home.
 *
 * A letter is the first member of whatever is asked, a message or a reload. It is at one place
 * at a time: with its asker, on its way in an inbox (actor/inbox.h), or with the one who
 * answers. The asker names the inbox that it goes home to, and may touch nothing of it until it
 * is there again. Letters travel in chains: what is asked together, or answered together, costs
 * one step of the inbox.
 *
 * Owns nothing. A letter and a chain belong to one thread at a time. Never blocks. Never fails.
 */
#pragma once

#include <stddef.h>

struct inbox;

struct letter {
    struct letter *next; /* behind it in a chain or an inbox */
    struct inbox *home;  /* where it goes once it is answered */
};

/* Letters that are about to travel together. All zeros: there are none. */
struct chain {
    struct letter *newest; /* linked to those before it */
    struct letter *oldest; /* of no meaning while there are none */
};

static inline void chain_add(struct chain *chain, struct letter *letter)
{
    letter->next = chain->newest;
    if (chain->newest == NULL)
        chain->oldest = letter;
    chain->newest = letter;
}

/* Adds letters that are linked, whose order is of no meaning any more: they are answered. */
static inline void chain_add_run(struct chain *chain, struct letter *first, struct letter *last)
{
    last->next = chain->newest;
    if (chain->newest == NULL)
        chain->oldest = last;
    chain->newest = first;
}

/* Adds a letter that is to be answered before those that are there. */
static inline void chain_add_first(struct chain *chain, struct letter *letter)
{
    letter->next = NULL;
    if (chain->newest == NULL)
        chain->newest = letter;
    else
        chain->oldest->next = letter;
    chain->oldest = letter;
}

/* Takes out a letter that is in the chain. This looks at those that were added after it. */
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

/* Turns letters that are linked newest first round; the oldest. */
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
