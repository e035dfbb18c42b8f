/*
 * News in the log: writes one line for each kind of news that the brain has, and for each limit
 * that is gone.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/news.h"
#include "limits/forgotten.h"

void log_news(const struct news *news);
void log_forgotten(const struct forgotten *forgotten);
