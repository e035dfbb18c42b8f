/*
 * Each: a list of which every call is answered on its own.
 *
 * Nearly all calls are of one kind: an ALLOW of a key that has an entry, under a limit of one bucket, which
 * holds the tokens. These are answered here, in a fraction of the steps that decide() takes, and to the
 * same effect; all others are left to decide().
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* Answers the calls of a list, as ALLOW or STATUS. brain->list has their places, each of which has a limit. */
void each_answer(struct brain *brain, enum message_kind kind, const struct list_question *list);
