/*
 * News in the log: writes one line for each kind of news that the brain has.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/news.h"

void log_news(const struct news *news);
