/*
 * Asking a brain without an actor: messages in an array, answered on the spot.
 *
 * Owns nothing. The brain's thread. Never blocks.
 */
#pragma once

#include "brain/brain.h"

static inline size_t letters_count(const struct letter *letters)
{
    size_t count = 0;
    for (; letters != NULL; letters = letters->next)
        count++;
    return count;
}

/* Asks these messages, in order; how many are answered. A LIMITS may have to wait: then
 * brain_is_waited_for, and the message is the brain's until brain_look_again has it answered. */
static inline size_t ask_brain(struct brain *brain, struct message *const *messages, size_t count)
{
    struct chain asked = {0}, answered = {0};
    for (size_t i = 0; i < count; i++)
        chain_add(&asked, &messages[i]->letter);
    brain_answer(brain, letters_oldest_first(asked.newest), &answered);
    return letters_count(answered.newest);
}

/* Sweeps until nothing waits in the brain; how often. */
static inline unsigned wait_for_room(struct brain *brain)
{
    unsigned sweeps = 0;
    for (; brain_is_waited_for(brain); sweeps++) {
        struct chain answered = {0};
        brain_look_again(brain, &answered);
    }
    return sweeps;
}
