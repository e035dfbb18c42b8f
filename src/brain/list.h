/*
 * Lists: many questions in one message, answered each on its own (EACH, LIST) or as one (ALL).
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* Answers a message of kind EACH, ALL or LIST. */
void list_answer(struct brain *brain, struct message *message);
