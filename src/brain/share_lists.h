/*
 * Lists under limits of scope fleet, and what only looks: all that is decided at once.
 *
 * A list is decided from what is in hand. If that is not enough, and an order may bring more, the whole list
 * waits for what is ordered for all its keys. If others have taken some of that, and the store has said that
 * there is more, it waits again; cold_wait_ms at most in all, and then it is decided whatever came.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* Looks at the calls of a list, whose places these are, before anything is decided, and orders what the hands lack.
 * true: the list waits, until share_lists_next gives it back. Call it once for each list. */
bool share_lists_park(struct brain *brain, struct message *message, const struct place *places);

/* The same of a list that share_lists_next has given back. */
bool share_lists_park_again(struct brain *brain, struct message *message,
                            const struct place *places);

/* The next list whose orders are answered, or whose time is over; NULL: there is none. */
struct message *share_lists_next(struct brain *brain);

/* Answers a question of kind ALLOW or STATUS. */
void share_decide(struct brain *brain, enum message_kind kind, const struct place *place,
                  const struct bucket_question *ask, struct bucket_answer *answer);

/* Of a list that is all or none: what becomes of so many tokens. Then, if they are allowed: takes them, and gives
 * them back at once. And describes what became of them. */
enum bucket_result share_look(struct brain *brain, const struct place *place,
                              const struct bucket_question *ask, uint64_t tokens);
void share_take(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                uint64_t tokens);
void share_put_back(struct brain *brain, const struct place *place,
                    const struct bucket_question *ask, uint64_t tokens);
void share_tell(const struct brain *brain, const struct place *place,
                const struct bucket_question *ask, uint64_t tokens, enum bucket_result result,
                struct bucket_answer *answer);

/* What decide_foresee is for other limits. */
void share_foresee(const struct brain *brain, enum message_kind kind, const struct place *place,
                   const struct bucket_question *ask, struct bucket_answer *answer);
