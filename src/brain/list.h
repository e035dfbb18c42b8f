/*
 * Lists: many questions in one message, answered each on its own (EACH, LIST) or as one (ALL).
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* Answers a message of kind EACH, ALL or LIST. false: it waits for tokens of limits of scope fleet, and is the brain's
 * until list_advance answers it. */
bool list_answer(struct brain *brain, struct message *message);

/* Answers those that wait no more; brain_released gives them back. */
void list_advance(struct brain *brain);
