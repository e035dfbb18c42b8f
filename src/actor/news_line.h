/*
 * News in the log: a line for each kind of what the brain tells unasked.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/news.h"

void log_news(const struct news *news);
