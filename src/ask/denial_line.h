/*
 * Denials in the log: one line each, with what the answer tells the caller.
 *
 * The brain chooses which denials are shown (sampler.h), in the order in which it decides. The
 * front-end that asked writes the line.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/message.h"

/* Logs a denial that was sampled, whatever the log's level. If the key is private only its hash is
 * shown. */
void log_denial(const struct bucket_question *ask, const struct bucket_answer *answer,
                bool key_is_private);
