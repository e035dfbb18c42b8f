/*
 * Denials in the log: one line each, with what the answer to the caller says.
 *
 * Which denials are shown the brain has chosen (sampler.h), in the order in which it
 * decided them; the front-end that asked writes them, by log.h.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/message.h"

/* Logs a denial that was sampled, whatever the log's level; of a key that is private
 * no more than the hash. */
void log_denial(const struct bucket_question *ask, const struct bucket_answer *answer,
                bool key_is_private);
