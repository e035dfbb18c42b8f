/*
 * Answers: what the decider has answered, as arrays of integers. allowd-resp(7) says what each means.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include "resp/call.h"

/* In place of a number of milliseconds. */
#define ANSWER_NO_WAIT (-1) /* it need not be waited for, or nobody can tell */
#define ANSWER_NEVER (-2)   /* waiting does not help */

/* Writes the reply of a call whose message has been answered. */
void answer_write(struct call *call);

/* The reply of one that waits for nothing any more, and of which nothing was taken. */
void answer_left(struct call *call);
