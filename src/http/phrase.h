/*
 * Statuses: the reason phrase of each (RFC 9110, 15, and its registry).
 *
 * RFC 9457 wants it for the title of a problem whose type is about:blank, and a
 * configuration may choose any status to deny with.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

/* The phrase of a status from 400 to 599. An unknown status gets that of 400 or 500. */
const char *status_phrase(unsigned status);
